// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The dedicated link, and the life of daemons. The link is one ordered stream
 * of bytes each way with delay, a limited rate and a limited buffer; a cut
 * delays, a reset and a death break it. Not here: what befalls them (befall.c).
 * Invariant: the bytes that arrive are those that were sent, in order, from
 * their beginning.
 */
#include "world.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the link ------------------------------------------------------------ */

static void pipe_clear(struct sim_pipe *p)
{
	p->len = p->nsegments = 0;
	p->busy = (mono_t){ 0 };
	p->closed = false;
}

static void pipe_put(struct sim *s, struct sim_pipe *p, const uint8_t *bytes,
		     size_t len)
{
	mono_t from = p->busy.ns > s->now.ns ? p->busy : s->now;
	mono_t at;

	if (s->conf.link_bytes_s)
		from = mono_add(from, (int64_t)(len * (uint64_t)MONO_S /
						s->conf.link_bytes_s));
	p->busy = from;
	at = mono_add(from, s->conf.link_delay_ns);
	if (p->nsegments && p->segments[p->nsegments - 1].at.ns > at.ns)
		at = p->segments[p->nsegments - 1].at;
	memcpy(p->bytes + p->len, bytes, len);
	p->len += len;
	p->segments[p->nsegments].at = at;
	p->segments[p->nsegments++].len = len;
}

static bool is_cut(const struct sim *s, unsigned a, unsigned b)
{
	return s->link_cut || s->cable_cut[a][b];
}

static void send_to(struct sim *s, unsigned i, unsigned to)
{
	struct sim_pipe *p = &s->node[to].inbox[i];
	struct session *session =
		engine_session(s->node[i].engine, sim_peer(i, to));
	const uint8_t *bytes;
	size_t len;

	while (s->node[i].attached[to] && p->nsegments < SIM_SEGMENTS &&
	       p->len < SIM_PIPE_BYTES &&
	       (len = session_output(session, &bytes)) > 0) {
		if (len > SIM_PIPE_BYTES - p->len)
			len = SIM_PIPE_BYTES - p->len;
		if (len > 1500 && s->conf.link_bytes_s)
			len = 1500;
		pipe_put(s, p, bytes, len);
		session_sent(session, len);
	}
}

void world_link_send(struct sim *s, unsigned i)
{
	for (unsigned to = 0; to < s->nodes; to++)
		if (to != i)
			send_to(s, i, to);
}

static mono_t due_from(const struct sim *s, unsigned i, unsigned from)
{
	const struct sim_node *n = &s->node[i];
	const struct sim_pipe *p = &n->inbox[from];

	if (from == i || !n->attached[from] || is_cut(s, i, from) ||
	    engine_peer_full(n->engine, sim_peer(i, from)))
		return MONO_NEVER;
	if (p->nsegments)
		return p->segments[0].at;
	return p->closed ? (mono_t){ 0 } : MONO_NEVER;
}

mono_t world_link_due(const struct sim *s, unsigned i)
{
	mono_t t = MONO_NEVER;

	for (unsigned from = 0; from < s->nodes; from++)
		t = mono_min(t, due_from(s, i, from));
	return t;
}

static bool receive_from(struct sim *s, unsigned i, unsigned from)
{
	struct sim_pipe *p = &s->node[i].inbox[from];
	bool any = false;

	while (mono_due(due_from(s, i, from), s->now)) {
		size_t len;

		any = true;
		if (!p->nsegments) {
			world_detach(s, i, from, "closed by the peer");
			break;
		}
		len = p->segments[0].len;
		engine_peer_data(s->node[i].engine, sim_peer(i, from), p->bytes,
				 len, sim_clock(s, i));
		p->len -= len;
		memmove(p->bytes, p->bytes + len, p->len);
		p->nsegments--;
		memmove(&p->segments[0], &p->segments[1],
			p->nsegments * sizeof(p->segments[0]));
	}
	world_actions(s, i);
	return any;
}

bool world_link_receive(struct sim *s, unsigned i)
{
	bool any = false;

	for (unsigned from = 0; from < s->nodes; from++)
		if (from != i)
			any |= receive_from(s, i, from);
	return any;
}

void world_detach(struct sim *s, unsigned i, unsigned from, const char *why)
{
	struct sim_node *n = &s->node[i];

	if (!n->attached[from])
		return;
	n->attached[from] = false;
	pipe_clear(&n->inbox[from]);
	s->node[from].inbox[i].closed = true;
	engine_peer_down(n->engine, sim_peer(i, from), why, sim_clock(s, i));
}

static bool can_talk(const struct sim *s, unsigned i)
{
	return s->node[i].engine && !s->node[i].stopped &&
	       mono_due(s->node[i].frozen_until, s->now);
}

static void connect_two(struct sim *s, const unsigned pair[2])
{
	if (is_cut(s, pair[0], pair[1]) || !can_talk(s, pair[0]) ||
	    !can_talk(s, pair[1]))
		return;
	for (unsigned k = 0; k < 2; k++) {
		unsigned i = pair[k], other = pair[1 - k];

		if (s->node[i].attached[other] && !s->node[other].attached[i]) {
			/* the other one knows nothing of this connection */
			world_detach(s, i, other, "reset");
			world_actions(s, i);
			return;
		}
	}
	if (s->node[pair[0]].attached[pair[1]])
		return;
	for (unsigned k = 0; k < 2; k++) {
		unsigned i = pair[k], other = pair[1 - k];

		pipe_clear(&s->node[i].inbox[other]);
		s->node[i].attached[other] = true;
		engine_peer_up(s->node[i].engine, sim_peer(i, other),
			       sim_clock(s, i));
		world_actions(s, i);
	}
	for (unsigned k = 0; k < 2; k++)
		world_link_send(s, pair[k]);
}

/* One pair of nodes tries; the next one in a moment. */
void world_connect(struct sim *s)
{
	int64_t ms = (int64_t)(50 + sim_random(s, 250));
	unsigned pair[2] = { 0, 1 };

	s->connect_at = mono_add(s->now, ms * MONO_MS / (s->nodes - 1));
	if (s->nodes > 2) {
		pair[0] = (unsigned)sim_random(s, s->nodes);
		pair[1] = sim_other(s, pair[0]);
	}
	connect_two(s, pair);
}

/* --- daemons ----------------------------------------------------------------- */

static void vhost_conf(struct sim *s, unsigned i, unsigned k, uint32_t *v4,
		       struct engine_vhost_conf *c)
{
	static const struct carp_addr6 v6[] = {
		{ { 0xfd, [1] = 1, [15] = 1 } },
		{ { 0xfd, [1] = 2, [15] = 1 } },
	};
	static const char *const names[] = { "lan", "wan" };

	*v4 = k == 0 ? 0x0a010001 : 0xcb007101;
	*c = (struct engine_vhost_conf){
		.name = names[k],
		.interface = k,
		.balanced = s->conf.shares && k,
		.strict = s->conf.strict,
		.carp = {
			.vhid = (uint8_t)(k + 1),
			.advbase = s->conf.advbase,
			.advskew = sim_advskew(s, i, k),
			.preempt = s->conf.preempt,
			.preempt_delay_ns = s->conf.preempt_delay_ns,
			.witness_limit = s->conf.witness_limit,
			.pass = "secret",
			.v4 = v4,
			.v4_count = !s->conf.no_v4,
			.v6 = &v6[k],
			.v6_count = s->conf.v6,
			.seed = sim_random(s, 0),
		},
	};
}

/* Its engine, which has been told of nothing but the machine. */
static void begin_engine(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->node[i];
	struct engine_vhost_conf vhosts[SIM_VHOSTS_MAX];
	uint32_t v4[SIM_VHOSTS_MAX];
	const char *peers[SIM_NODES_MAX - 1], *why;
	struct engine_conf conf = {
		.node = n->name,
		.version = "simulated",
		.boot_id = sim_random(s, 0),
		.require = s->conf.require,
		.require_ns = s->conf.require_ns,
		.independent = s->conf.independent,
		.audit_period_ns = s->conf.audit_ns,
		.resume_bytes = s->conf.no_resume      ? 0
				: s->conf.resume_bytes ? s->conf.resume_bytes
						       : 8 << 20,
		.nvhosts = s->conf.vhosts,
		.npeers = s->nodes - 1,
		.nsets = s->conf.sets ? SIM_SETS : 0,
		.sets = sim_set_names,
		.sets_period_ns = 1 * MONO_S,
		.vhosts = vhosts,
		.peers = peers,
	};
	struct session_address own[2] = { { .family = AF_INET },
					  { .family = AF_INET6 } };
	struct carp_address v6 = sim_address(i, CARP_V6);
	uint32_t address = htonl(sim_address(i, CARP_V4).v4);
	int err;

	for (unsigned k = 0; k < conf.npeers; k++)
		peers[k] = s->node[sim_node_of(i, k)].name;
	for (unsigned k = 0; k < conf.nvhosts; k++)
		vhost_conf(s, i, k, &v4[k], &vhosts[k]);
	n->engine = calloc(1, sizeof(*n->engine));
	assert(n->engine);
	err = engine_init(n->engine, &conf, &why, sim_clock(s, i));
	assert(!err);
	n->engine->timeouts = s->timeouts;
	memcpy(own[0].addr.b, &address, sizeof(address));
	memcpy(own[1].addr.b, v6.v6.b, sizeof(v6.v6.b));
	err = engine_addresses(n->engine, own, 1 + s->conf.v6);
	assert(!err);
	engine_table(n->engine, n->kernel.n);
	n->spins = 0;
	n->any = true;
	for (unsigned k = 0; k < conf.nvhosts; k++) {
		engine_track(n->engine, k, 0, !n->unsure, sim_clock(s, i));
		engine_link(n->engine, k, n->carrier[k], sim_clock(s, i));
	}
}

void world_begin_daemon(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->node[i];

	sim_say(s, "%s: starts", n->name);
	n->stopped = n->paused = false;
	n->npackets = 0;
	begin_engine(s, i);
	world_actions(s, i);
}

/* gently: as the kernel closes what a process leaves behind */
static void hang_up(struct sim *s, unsigned i, bool gently)
{
	for (unsigned k = 0; k < s->nodes; k++) {
		struct sim_pipe *p = &s->node[k].inbox[i];

		if (k == i)
			continue;
		s->node[i].attached[k] = false;
		pipe_clear(&s->node[i].inbox[k]);
		/* what has not arrived never will; nobody says so */
		if (gently)
			p->closed = true;
		else
			pipe_clear(p);
	}
}

void world_end_daemon(struct sim *s, unsigned i, bool gently)
{
	struct sim_node *n = &s->node[i];

	if (!n->engine)
		return;
	sim_wake(s, i);
	n->suspended = false;
	engine_free(n->engine);
	free(n->engine);
	n->engine = NULL;
	n->stopped = false;
	hang_up(s, i, gently);
	kernel_subscribe(&n->kernel, false);
	kernel_dump_abort(&n->kernel);
	n->sets.nnews = 0;
	n->sets.lost = false;
	for (unsigned k = 0; k < SIM_VHOSTS_MAX; k++) {
		n->lease_until[k] = (mono_t){ 0 };
		n->announcing[k] = false;
	}
	n->frozen_until = (mono_t){ 0 };
	/* the next one does not know its copies from the rest */
	for (size_t k = 0; k < n->kernel.n; k++)
		n->kernel.entries[k].only_since.ns = 0;
}

/* The old process has said all that it read, if the peer lets it. */
static void settle_streams(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->node[i];

	n->paused = true;
	for (int ms = 0; ms < 200 && n->engine && !s->error[0]; ms++) {
		if (engine_keep_settled(n->engine))
			break;
		sim_run(s, MONO_MS);
	}
	n->paused = false;
}

bool sim_upgrade(struct sim *s, unsigned i)
{
	static uint8_t kept[ENGINE_KEPT_MAX];
	struct sim_node *n = &s->node[i];
	struct engine *old;
	const char *why;
	int len, err;

	if (!n->engine || n->engine->stopping)
		return false;
	settle_streams(s, i);
	len = n->engine && !n->stopped
		      ? engine_keep(n->engine, kept, sizeof(kept), &why)
		      : -EBUSY;
	if (len < 0)
		return false;
	sim_say(s, "-- %s is upgraded", n->name);
	old = n->engine;
	hang_up(s, i, true);
	kernel_dump_abort(&n->kernel);
	/* a backup waits for adverts from now on */
	for (unsigned k = 0; k < SIM_VHOSTS_MAX; k++)
		n->able_since[k] = MONO_NEVER;
	begin_engine(s, i);
	world_actions(s, i);
	err = engine_restore(n->engine, kept, (size_t)len, n->kernel.subscribed,
			     sim_clock(s, i));
	if (err)
		sim_fail(s, "%s: the new process cannot go on", n->name);
	engine_free(old);
	free(old);
	world_actions(s, i);
	engine_tick(n->engine, sim_clock(s, i));
	world_actions(s, i);
	return true;
}

/* --- birth ------------------------------------------------------------------------ */

struct sim *sim_new(const struct sim_conf *conf)
{
	struct sim *s = calloc(1, sizeof(*s));

	assert(s);
	s->conf = *conf;
	s->nodes = conf->nodes ? conf->nodes : 2;
	s->random = conf->seed;
	s->now = (mono_t){ MONO_S };
	s->connect_at = s->next_traffic = s->next_table = s->now;
	/* short, so that entries end while somebody looks */
	timeouts_default(&s->timeouts);
	s->timeouts.udp = 5;
	s->timeouts.udp_stream = 12;
	s->timeouts.icmp = 4;
	for (unsigned k = TIMEOUT_TCP_STATES; k-- > 0;)
		if (s->timeouts.tcp[k] < 1000)
			s->timeouts.tcp[k] = 3 + k % 3;
	for (unsigned i = 0; i < s->nodes; i++) {
		struct sim_node *n = &s->node[i];

		snprintf(n->name, sizeof(n->name), "fw%u", i + 1);
		kernel_init(&n->kernel, &s->timeouts);
		sim_sets_reset(&n->sets);
		if (conf->chunk)
			n->kernel.chunk = conf->chunk;
		if (conf->event_room)
			n->kernel.room = conf->event_room;
		sim_own_flows(s, i);
		for (unsigned k = 0; k < SIM_VHOSTS_MAX; k++) {
			n->carrier[k] = true;
			n->able_since[k] = MONO_NEVER;
		}
	}
	for (unsigned k = 0; k < SIM_VHOSTS_MAX; k++) {
		s->speaker[k] = s->sole[k] = s->master[k] = -1;
		s->none_since[k] = MONO_NEVER;
		for (unsigned i = 0; i < SIM_NODES_MAX * SIM_NODES_MAX; i++) {
			struct sim_two *two = &s->two[0][0] + i;

			two->both_since[k] = MONO_NEVER;
			two->hear_since[k] = two->told_since[k] = MONO_NEVER;
			two->apart_since = two->lacks_since = MONO_NEVER;
		}
	}
	return s;
}

void sim_free(struct sim *s)
{
	for (unsigned i = 0; i < s->nodes; i++) {
		if (s->node[i].engine)
			engine_free(s->node[i].engine);
		free(s->node[i].engine);
		kernel_free(&s->node[i].kernel);
	}
	free(s);
}
