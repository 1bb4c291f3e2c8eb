// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The world around the engines: what node.c does with a kernel and sockets is
 * done here with made-up ones. Not here: what must never happen (watch.c),
 * connections (traffic.c), the table (kernel.c). Invariant: nothing depends
 * on anything but the seed.
 */
#include "sim.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define TABLE_EVERY_NS MONO_S
#define SPINS_MAX      2000
#define EVENT_NS       (1200)
#define INJECT_NS      (2400)
#define DUMP_NS	       (1600)
#define PIECE_NS       (20 * MONO_US)

/* --- chance and words ------------------------------------------------------ */

/* splitmix64 */
uint64_t sim_random(struct sim *s, uint64_t below)
{
	uint64_t z = s->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return below ? z % below : z;
}

bool sim_chance(struct sim *s, unsigned percent)
{
	return sim_random(s, 100) < percent;
}

static void print_line(const struct sim *s, const char *text)
{
	printf("%3lld.%06lld %s\n", (long long)(s->now.ns / MONO_S),
	       (long long)(s->now.ns % MONO_S / MONO_US), text);
}

void sim_say(const struct sim *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!s->conf.verbose)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_line(s, text);
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
	int n;
	va_list ap;

	if (s->error[0])
		return;
	n = snprintf(s->error, sizeof(s->error),
		     "%lld.%06lld s: ", (long long)(s->now.ns / MONO_S),
		     (long long)(s->now.ns % MONO_S / MONO_US));
	va_start(ap, fmt);
	vsnprintf(s->error + n, sizeof(s->error) - (size_t)n, fmt, ap);
	va_end(ap);
	if (s->conf.verbose)
		print_line(s, s->error);
	sim_describe(s);
}

const char *sim_error(const struct sim *s)
{
	return s->error[0] ? s->error : NULL;
}

/* What becomes of one client port, for who looks for a bug: conf.trace. */
static void trace(const struct sim *s, unsigned i, const char *what,
		  enum flow_op op, const struct flow *f)
{
	static const char *const ops[] = { "?",	   "NEW",     "UPDATE",
					   "COPY", "DESTROY", "TIMEOUT" };
	char text[160];

	if (!s->conf.trace || f->orig.sport != s->conf.trace)
		return;
	flow_format(f, text, sizeof(text));
	sim_say(s, "%s: %s %s %s (%u s, reply port %u)", s->node[i].name, what,
		ops[op], text, f->timeout_s, f->reply.dport);
}

/* --- the LAN ------------------------------------------------------------------ */

bool sim_uses(const struct sim *s, enum carp_family f)
{
	return f == CARP_V6 ? s->conf.v6 : !s->conf.no_v4;
}

struct carp_address sim_address(unsigned i, enum carp_family f)
{
	struct carp_address a = { .family = f };

	if (f == CARP_V6)
		a.v6 = (struct carp_addr6){ { 0xfe,
					      0x80, [15] = (uint8_t)(i + 2) } };
	else
		a.v4 = 0xc0000201 + i;
	return a;
}

unsigned sim_peer(unsigned of, unsigned i)
{
	return i < of ? i : i - 1;
}

unsigned sim_node_of(unsigned of, unsigned peer)
{
	return peer < of ? peer : peer + 1;
}

unsigned sim_other(struct sim *s, unsigned i)
{
	uint64_t peer = s->nodes > 2 ? sim_random(s, s->nodes - 1) : 0;

	return sim_node_of(i, (unsigned)peer);
}

/* So many of 1000 are; where none is chance is not asked. */
static bool one_of(struct sim *s, unsigned many)
{
	return many && sim_random(s, 1000) < many;
}

static void break_packet(struct sim *s, struct sim_packet *p)
{
	size_t at = sim_random(s, CARP_ADVERT_LEN);

	p->broken = true;
	if (sim_chance(s, 50))
		p->len = at;
	else
		p->bytes[at] ^= (uint8_t)(1 + sim_random(s, 255));
}

static void again(struct sim *s, struct sim_packet *copy,
		  const struct sim_packet *p)
{
	*copy = *p;
	copy->at = mono_add(p->at, (int64_t)sim_random(s, 3000) * MONO_US);
	copy->again = true;
}

mono_t sim_time(const struct sim_node *n, mono_t t)
{
	return (mono_t){ t.ns - n->behind_ns };
}

mono_t sim_clock(const struct sim *s, unsigned i)
{
	return sim_time(&s->node[i], s->now);
}

static void family_send(struct sim *s, unsigned from, unsigned vhost,
			enum carp_family f,
			const uint8_t bytes[CARP_ADVERT_LEN])
{
	int64_t delay = 20 * MONO_US;

	delay += (int64_t)sim_random(s, (uint64_t)s->conf.lan_delay_ns + 1);
	for (unsigned i = 0; i < s->nodes; i++) {
		struct sim_node *to = &s->node[i];
		struct sim_packet *p;

		if (i == from || !to->carrier[vhost] || !to->engine ||
		    sim_random(s, 1000) < s->conf.lan_loss ||
		    to->npackets == SIM_PACKETS_MAX)
			continue;
		p = &to->packets[to->npackets++];
		*p = (struct sim_packet){
			.at = mono_add(s->now, delay),
			.vhost = vhost,
			.from = from,
			.family = f,
			.len = CARP_ADVERT_LEN,
		};
		memcpy(p->bytes, bytes, CARP_ADVERT_LEN);
		if (one_of(s, s->conf.lan_broken))
			break_packet(s, p);
		if (one_of(s, s->conf.lan_twice) &&
		    to->npackets < SIM_PACKETS_MAX)
			again(s, &to->packets[to->npackets++], p);
	}
}

static void lan_send(struct sim *s, unsigned from, unsigned vhost,
		     const uint8_t bytes[CARP_ADVERT_LEN])
{
	const struct sim_node *n = &s->node[from];

	if (s->lan_cut[vhost] || !n->carrier[vhost] || n->mute[vhost] ||
	    n->unheard[vhost])
		return;
	for (enum carp_family f = CARP_V4; f < CARP_FAMILIES; f++)
		if (sim_uses(s, f) && !s->family_cut[vhost][f])
			family_send(s, from, vhost, f, bytes);
}

static bool lan_receive(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->node[i];
	bool any = false;

	for (size_t k = 0; k < n->npackets;) {
		struct sim_packet p = n->packets[k];
		struct carp_address source = sim_address(p.from, p.family);
		struct carp_advert a;

		if (!mono_due(p.at, s->now)) {
			k++;
			continue;
		}
		memmove(&n->packets[k], &n->packets[k + 1],
			(--n->npackets - k) * sizeof(p));
		if (!n->carrier[p.vhost])
			continue;
		any = true;
		if (carp_wire_parse(p.bytes, p.len, &a)) {
			if (!p.broken)
				sim_fail(s, "a broken advert");
			continue;
		}
		if (p.broken)
			sim_fail(s, "a broken advert is taken for whole");
		if (!p.again)
			n->heard[p.vhost][p.family] = s->now;
		engine_advert(n->engine, p.vhost, &a, &source, sim_clock(s, i));
		world_actions(s, i);
	}
	return any;
}

/* --- actions ---------------------------------------------------------------------- */

/* That node hands all over to this one, and is its copy from now on. Where a
 * third is master, too, this one has a mixture of both until a bulk. */
static bool hands_over(const struct sim *s, unsigned from, unsigned to)
{
	const struct engine *e = s->node[from].engine;
	unsigned peer = sim_peer(from, to);

	for (unsigned i = 0; i < s->nodes; i++)
		if (i != from && i != to && s->node[i].engine &&
		    s->node[i].engine->masters)
			return false;
	/* who keeps others goes on telling */
	return e && e->handover.state == HANDOVER_SAID &&
	       e->handover_peer == peer && !e->independent &&
	       !s->node[from].handover_forced && e->peers[peer].rx.adopt;
}

static void take(struct sim *s, unsigned i, unsigned vhost)
{
	struct sim_node *n = &s->node[i];

	sim_say(s, "%s takes vhost %u", n->name, vhost);
	n->lease_until[vhost] = mono_add(s->now, n->lease_ns[vhost]);
	n->announcing[vhost] = true;
	n->takes[vhost]++;
	for (unsigned k = 0; k < s->nodes; k++)
		if (k != i && hands_over(s, k, i))
			sim_watch_handover(s, k, i);
}

static void advert(struct sim *s, unsigned i, const struct engine_action *a)
{
	struct sim_node *n = &s->node[i];

	if (!a->advert.own_mac) {
		if (!sim_holds(s, i, a->index)) {
			sim_say(s, "%s: advert refused", n->name);
			engine_lease_lost(n->engine, a->index, sim_clock(s, i));
			return;
		}
		n->lease_until[a->index] =
			mono_add(s->now, n->lease_ns[a->index]);
		s->speaker[a->index] = (int)i;
	}
	lan_send(s, i, a->index, a->advert.bytes);
	if (!a->advert.own_mac)
		engine_advert_sent(n->engine, a->index, !n->mute[a->index]);
}

static void announce(struct sim *s, unsigned i, unsigned vhost)
{
	static const int64_t us[3] = { 100, 50, 20 };
	struct sim_node *n = &s->node[i];

	if (!n->announcing[vhost])
		return;
	n->announcing[vhost] = false;
	s->speaker[vhost] = (int)i;
	engine_taken(n->engine, vhost, us, sim_clock(s, i));
}

static void drain(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->node[i];

	if (n->paused)
		return;
	while (engine_events_room(n->engine))
		if (!world_events(s, i, engine_events_room(n->engine)))
			break;
	engine_drained(n->engine, sim_clock(s, i));
}

static void release(struct sim_node *n, unsigned vhost)
{
	n->lease_until[vhost] = (mono_t){ 0 };
	n->announcing[vhost] = false;
}

static void handover_ended(struct sim *s, unsigned i,
			   const struct engine_action *a)
{
	struct sim_node *n = &s->node[i];

	sim_say(s, "%s: handover %s %s", n->name,
		a->ok ? "done" : "failed:", a->log.text);
	n->handovers_ok += a->ok;
	n->handovers_failed += !a->ok;
	snprintf(n->handover_why, sizeof(n->handover_why), "%s", a->log.text);
}

static void act(struct sim *s, unsigned i, const struct engine_action *a)
{
	struct sim_node *n = &s->node[i];
	bool whole;

	switch (a->what) {
	case ENGINE_TAKE:
		take(s, i, a->index);
		return;
	case ENGINE_RELEASE:
	case ENGINE_FENCE:
		sim_say(s, "%s: right to vhost %u revoked", n->name, a->index);
		release(n, a->index);
		return;
	case ENGINE_ADVERT:
		advert(s, i, a);
		return;
	case ENGINE_ANNOUNCE:
		announce(s, i, a->index);
		return;
	case ENGINE_SUBSCRIBE: /* it is, by the process before */
		if (!n->kernel.subscribed)
			kernel_subscribe(&n->kernel, true);
		return;
	case ENGINE_UNSUBSCRIBE:
		drain(s, i);
		whole = !n->paused && !n->kernel.queued;
		kernel_subscribe(&n->kernel, false);
		engine_unsubscribed(n->engine, whole, sim_clock(s, i));
		return;
	case ENGINE_DRAIN:
		drain(s, i);
		return;
	case ENGINE_LEASE_TIME:
		n->lease_ns[a->index] = a->lease_ns;
		return;
	case ENGINE_CLOSE:
		world_detach(s, i, sim_node_of(i, a->index), a->log.text);
		return;
	case ENGINE_LOG:
		sim_say(s, "%s: %s", n->name, a->log.text);
		memcpy(n->said[n->nsaid++ % SIM_SAID], a->log.text,
		       sizeof(a->log.text));
		return;
	case ENGINE_TRANSITION:
		n->transitions++;
		sim_watch_transition(s, i, a->index);
		return;
	case ENGINE_BULK_ENDED:
		n->bulks_ok += a->ok;
		n->bulks_failed += !a->ok;
		return;
	case ENGINE_HANDOVER_ENDED:
		handover_ended(s, i, a);
		return;
	case ENGINE_PASS:
		n->passed_at[a->packet % SIM_HELD_MAX] = s->now;
		n->passed++;
		return;
	case ENGINE_VERIFIED:
		n->verified += a->ok;
		n->verify_failed += !a->ok;
		return;
	case ENGINE_STOPPED:
		n->stopped = true;
		return;
	}
}

void world_actions(struct sim *s, unsigned i)
{
	struct engine_action a;
	unsigned count = 0;

	s->node[i].any = true; /* bytes may wait for the link */
	while (engine_poll(s->node[i].engine, &a, sim_clock(s, i))) {
		act(s, i, &a);
		if (++count > 10000) {
			sim_fail(s, "%s: actions without end", s->node[i].name);
			return;
		}
	}
}

static int64_t cost(const struct sim *s, size_t n, int64_t each_ns)
{
	return (int64_t)n * each_ns * (s->conf.slowness ? s->conf.slowness : 1);
}

/* --- a turn of the loop ------------------------------------------------------------- */

bool world_events(struct sim *s, unsigned i, size_t room)
{
	struct sim_node *n = &s->node[i];
	struct kernel_event ev;

	for (size_t k = 0; k < room; k++) {
		int r = kernel_event_get(&n->kernel, &ev);

		if (r == 0)
			return false;
		if (r > 0)
			trace(s, i, "event", ev.op, &ev.flow);
		if (r < 0)
			engine_overrun(n->engine, sim_clock(s, i));
		else
			engine_event(n->engine, ev.op, &ev.flow, ev.portid,
				     sim_clock(s, i));
		n->busy_until = mono_add(n->busy_until, cost(s, 1, EVENT_NS));
	}
	return true;
}

/* A hash chain is too long, or an answer was lost on the way. */
static bool refuses(struct sim_node *n, const struct flow_change *c,
		    uint8_t *result)
{
	if (!n->refuse || n->engine->ops_peer < 0 || c->op == FLOW_DESTROY)
		return false;
	*result = n->refuse % 2 ? FLOW_CHAIN : FLOW_ACK_LOST;
	n->refuse--;
	return true;
}

static void inject(struct sim *s, unsigned i)
{
	uint8_t results[ENGINE_OPS_MAX];
	struct sim_node *n = &s->node[i];
	struct engine *e = n->engine;
	mono_t end = mono_add(s->now, cost(s, e->nops, INJECT_NS));

	for (size_t k = 0; k < e->nops; k++) {
		struct kernel_entry *have =
			kernel_find(&n->kernel, &e->ops[k].flow);
		struct kernel_entry before = { 0 };

		if (refuses(n, &e->ops[k], &results[k]))
			continue;
		if (have)
			before = *have;
		results[k] = (uint8_t)kernel_inject(&n->kernel, &e->ops[k],
						    sim_clock(s, i));
		sim_watch_merge(s, i, &e->ops[k], &before);
		sim_watch_only(s, i, &e->ops[k], &before);
		/* it goes there when it hears of ours; where that was lost,
		 * an audit has to tell it */
		if (results[k] == FLOW_CLASH)
			sim_untold(s, &e->ops[k].flow);
		trace(s, i,
		      e->ops_peer < 0 ? "own"
		      : e->ops_bulk   ? "bulk"
				      : "stream",
		      e->ops[k].op, &e->ops[k].flow);
	}
	n->busy_until = end;
	engine_injected(e, results, mono_diff(end, s->now), sim_time(n, end));
}

static void dump_read(struct sim *s, unsigned i)
{
	struct flow list[KERNEL_CHUNK_MAX];
	struct sim_node *n = &s->node[i];
	size_t len;
	bool more;
	mono_t end;

	if (n->engine->dump == DUMP_LOWER || n->engine->dump == DUMP_RAISE)
		drain(s, i);
	more = kernel_dump_read(&n->kernel, list, &len, sim_clock(s, i));
	end = mono_add(s->now, cost(s, len + 1, DUMP_NS));
	for (size_t k = 0; k < len; k++)
		trace(s, i, "dumped", FLOW_COPY, &list[k]);
	n->busy_until = end;
	if (n->breaks != DUMP_NONE && n->breaks == n->engine->dump) {
		n->breaks = DUMP_NONE;
		kernel_dump_abort(&n->kernel);
		engine_dumped(n->engine, NULL, 0, true, "it was asked to", 0,
			      end);
		return;
	}
	engine_dumped(n->engine, list, len, more, NULL, mono_diff(end, s->now),
		      sim_time(n, end));
}

static void events_turn(struct sim *s, unsigned i, size_t room)
{
	if (room && !world_events(s, i, room))
		engine_drained(s->node[i].engine, sim_clock(s, i));
}

static bool work(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->node[i];

	if (n->engine->congested && !n->paused) {
		events_turn(s, i, engine_events_room(n->engine));
		return true;
	}
	switch (engine_work(n->engine, sim_clock(s, i))) {
	case WORK_NONE:
		return n->engine->queued > 0;
	case WORK_INJECT:
		inject(s, i);
		return true;
	case WORK_EXPECTS:
		sim_expects_work(&n->expects, &n->kernel, n->engine);
		return true;
	case WORK_EXPECTS_DUMP:
		sim_expects_dump(&n->expects, &n->kernel, n->engine,
				 sim_clock(s, i));
		return true;
	case WORK_DUMP_START:
		engine_table(n->engine, n->kernel.n);
		kernel_dump_start(&n->kernel, sim_clock(s, i));
		engine_dumping(n->engine, true, sim_clock(s, i));
		return true;
	case WORK_DUMP_READ:
		dump_read(s, i);
		return true;
	case WORK_SETS:
		sim_sets_work(s, i);
		n->busy_until = mono_add(s->now, cost(s, 10, INJECT_NS));
		return true;
	case WORK_HEAR:
		return true;
	case WORK_DUMP_ABORT:
		kernel_dump_abort(&n->kernel);
		engine_dumping(n->engine, false, sim_clock(s, i));
		return true;
	}
	return false;
}

static bool events(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->node[i];
	size_t room = engine_events_room(n->engine);

	if (n->paused || (!n->kernel.queued && !n->kernel.overrun))
		return false;
	if (room > 1 && sim_chance(s, 30))
		room = 1 + sim_random(s, room - 1);
	events_turn(s, i, room);
	world_actions(s, i);
	return room > 0;
}

/* A loop that never sleeps is a bug of its own. */
static void look_for_spin(struct sim *s, unsigned i, bool any)
{
	struct sim_node *n = &s->node[i];
	bool due = mono_due(engine_deadline(n->engine), sim_clock(s, i));

	n->spins = any || !due ? 0 : n->spins + 1;
	if (n->spins > SPINS_MAX)
		sim_fail(s, "%s: its deadline has passed and stays", n->name);
}

static void turn(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->node[i];
	bool any = false;

	n->busy_until = mono_add(s->now, PIECE_NS);
	any |= lan_receive(s, i);
	engine_tick(n->engine, sim_clock(s, i));
	world_actions(s, i);
	any |= world_link_receive(s, i);
	any |= sim_sets_news(s, i);
	/* a real loop may come back to them before it works */
	do
		any |= events(s, i);
	while (n->kernel.queued && !n->paused && sim_chance(s, 50));
	if (n->engine)
		any |= work(s, i);
	if (!n->engine)
		return;
	world_actions(s, i);
	world_link_send(s, i);
	look_for_spin(s, i, any);
	n->any = any;
	if (n->stopped) {
		sim_say(s, "%s: stopped", n->name);
		world_end_daemon(s, i, true);
	}
}

/* --- time ------------------------------------------------------------------------------ */

static mono_t node_wakes(const struct sim *s, unsigned i)
{
	const struct sim_node *n = &s->node[i];
	mono_t t = MONO_NEVER;

	if (!n->engine)
		return n->starts_at.ns ? n->starts_at : MONO_NEVER;
	t = engine_deadline(n->engine);
	if (!mono_is_never(t))
		t = mono_add(t, n->behind_ns);
	for (size_t k = 0; k < n->npackets; k++)
		t = mono_min(t, n->packets[k].at);
	t = mono_min(t, world_link_due(s, i));
	if (n->kernel.queued || n->kernel.overrun || n->any)
		t = n->busy_until;
	if (t.ns < n->busy_until.ns)
		t = n->busy_until;
	if (t.ns < n->frozen_until.ns)
		t = n->frozen_until;
	return t;
}

static void step_node(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->node[i];

	n->suspended = false;
	if (!n->engine) {
		n->starts_at = (mono_t){ 0 };
		world_begin_daemon(s, i);
		return;
	}
	turn(s, i);
}

static bool both_masters(const struct sim *s)
{
	unsigned masters = 0;

	for (unsigned i = 0; i < s->nodes; i++)
		masters += s->node[i].engine && s->node[i].engine->masters;
	return masters > 1;
}

/* What runs out here has passed elsewhere: only an audit could tell. */
static bool passes(const struct sim *s, unsigned node, const struct flow *f)
{
	for (unsigned i = 0; i < s->nodes; i++) {
		const struct kernel_entry *e =
			i == node ? NULL : kernel_look(&s->node[i].kernel, f);

		if (e && e->passed)
			return true;
	}
	return false;
}

static bool adopts(const struct engine *e)
{
	for (size_t i = 0; i < e->npeers; i++)
		if (e->peers[i].rx.adopt)
			return true;
	return false;
}

/*
 * Between the fence and the end of the pass that raises timeouts an entry of
 * the old master may end that goes on at the new one. Milliseconds; only an
 * audit could tell. And of two masters none believes the other that a flow
 * ended for want of packets, if it saw some.
 */
static void expire(struct sim *s, unsigned node)
{
	struct sim_node *n = &s->node[node];
	mono_t now = sim_clock(s, node);
	bool between =
		n->engine &&
		(n->engine->raise ||
		 n->engine->handover.state == HANDOVER_FENCED ||
		 n->engine->handover.state == HANDOVER_SAID ||
		 adopts(n->engine) || (both_masters(s) && !s->conf.active));

	if (n->suspended)
		return;
	for (size_t i = 0; i < n->kernel.n; i++) {
		const struct kernel_entry *e = &n->kernel.entries[i];

		if (mono_due(e->expires, now) &&
		    (between || (both_masters(s) && passes(s, node, &e->flow))))
			sim_untold(s, &e->flow);
	}
	kernel_expire(&n->kernel, now);
}

static void step_world(struct sim *s)
{
	int master = sim_master(s);

	for (unsigned i = 0; i < s->nodes; i++)
		expire(s, i);
	if (s->traffic && s->conf.active)
		sim_traffic_both(s);
	else if (s->traffic && master >= 0)
		sim_traffic(s, (unsigned)master);
	if (s->traffic && s->conf.sets && master >= 0)
		sim_sets_traffic(s, (unsigned)master);
	if (mono_due(s->next_table, s->now)) {
		s->next_table = mono_add(s->now, TABLE_EVERY_NS);
		for (unsigned i = 0; i < s->nodes; i++)
			if (s->node[i].engine &&
			    mono_due(s->node[i].frozen_until, s->now))
				engine_table(s->node[i].engine,
					     s->node[i].kernel.n);
	}
	s->next_traffic =
		mono_add(s->now, MONO_S / (s->conf.ops_s ? s->conf.ops_s : 10));
}

void sim_run(struct sim *s, int64_t ns)
{
	mono_t end = mono_add(s->now, ns);

	while (!s->error[0]) {
		mono_t next = mono_min(s->next_traffic, s->connect_at);
		mono_t wake[SIM_NODES_MAX];

		for (unsigned i = 0; i < s->nodes; i++) {
			wake[i] = node_wakes(s, i);
			next = mono_min(next, wake[i]);
		}
		if (next.ns > end.ns)
			break;
		if (next.ns > s->now.ns)
			s->now = next;
		if (mono_due(s->next_traffic, s->now))
			step_world(s);
		if (mono_due(s->connect_at, s->now))
			world_connect(s);
		for (unsigned i = 0; i < s->nodes; i++)
			if (mono_due(wake[i], s->now))
				step_node(s, i);
		sim_watch(s);
	}
	s->now = end;
}
