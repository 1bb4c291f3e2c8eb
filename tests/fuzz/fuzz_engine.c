// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A whole node as a value, with the made-up kernel of tests/sim, against a
 * peer that says what the input says: frames and adverts, among passing time,
 * operators, and what happens to the node itself.
 *
 * Invariant: it goes on, sleeps when nothing is due, and whatever it says to
 * the peer is a frame that a peer understands.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "packet.h"
#include "peer.h"
#include "session_int.h"
#include "world.h"

#define STEPS_MAX 200
#define TIME_MAX  (60 * MONO_S)
#define PASS_NS	  (10 * MONO_MS)

struct scene {
	struct reader in;
	struct sim *s;
	struct sim_node *n;
};

/* --- the world ----------------------------------------------------------------- */

/* One node; as from sim_new(), which would take most of the time. */
static struct sim *world(const struct sim_conf *conf)
{
	static struct sim *s, *fresh;

	if (!s) {
		s = sim_new(conf);
		fresh = malloc(sizeof(*fresh));
		assert(fresh);
		*fresh = *s;
	}
	*s = *fresh;
	s->conf = *conf;
	s->random = conf->seed;
	kernel_reset(&s->node[0].kernel);
	sim_own_flows(s, 0);
	if (conf->chunk)
		s->node[0].kernel.chunk = conf->chunk;
	return s;
}

static struct sim_conf conf_of(struct reader *in)
{
	uint8_t how = reader_u8(in), more = reader_u8(in);

	return (struct sim_conf){
		.seed = 7,
		.vhosts = 1u + (how & 1),
		.advbase = how & 2 ? 1 : 0,
		.advskew = { more & 16 ? 100 : 20, 50 },
		.preempt = how & 4,
		.independent = how & 8,
		.strict = how & 16,
		.v6 = how & 32,
		.shares = how & 64,
		.witness_limit = how & 128 ? 3 : 0,
		.require = (enum require_sync)((more & 3) % 3),
		.require_ns = MONO_S,
		.ops_s = 50,
		.chunk = 8,
		.audit_ns = more & 4 ? 10 * MONO_S : 0,
		.resume_bytes = 64 * 1024,
		.sets = more & 8,
	};
}

/* It is the world of one node: who else is master nobody here knows. */
static void look(struct scene *c)
{
	const char *error = sim_error(c->s);

	assert(!error ||
	       (!strstr(error, "deadline") && !strstr(error, "without end") &&
		!strstr(error, "broken advert") &&
		!strstr(error, "cannot go on")));
	c->s->error[0] = '\0';
	assert(!c->n->engine || !c->n->engine->queued);
}

/* What it says is whole frames in the order of their numbers. */
static void read_output(struct scene *c)
{
	struct sim_pipe *p = &c->s->node[1].inbox[0];
	struct frame f;

	for (size_t at = 0; at < p->len; at += frame_size(&f))
		assert(frame_look(p->bytes + at, p->len - at, &f) == FRAME_OK);
	p->len = p->nsegments = 0;
}

static void pass(struct scene *c, int64_t ns)
{
	mono_t end = mono_add(c->s->now, ns);

	while (c->s->now.ns < end.ns) {
		int64_t most = mono_diff(end, c->s->now);

		sim_run(c->s, most < 20 * MONO_MS ? most : 20 * MONO_MS);
		look(c);
		read_output(c);
	}
}

/* --- the peer ---------------------------------------------------------------------- */

static void connect(struct scene *c)
{
	if (c->n->attached[1])
		return;
	c->n->inbox[1].len = c->n->inbox[1].nsegments = 0;
	c->s->node[1].inbox[0].len = c->s->node[1].inbox[0].nsegments = 0;
	c->n->attached[1] = true;
	engine_peer_up(c->n->engine, 0, c->s->now);
}

static void frame(struct scene *c)
{
	static uint8_t bytes[PEER_FRAMES];
	size_t len = peer_frame(&c->in, c->n->engine, bytes);

	if (c->n->attached[1] && !engine_peer_full(c->n->engine, 0))
		engine_peer_data(c->n->engine, 0, bytes, len, c->s->now);
	c->n->any = true;
}

/* Signed, from the peer's address or another one. */
static void advert(struct scene *c)
{
	struct engine *e = c->n->engine;
	uint8_t how = reader_u8(&c->in);
	unsigned vhost = how % c->s->conf.vhosts;
	enum carp_family family = how & 2 ? CARP_V6 : CARP_V4;
	struct carp_address source = sim_address(how & 4 ? 1 : 9, family);
	struct carp_advert a = {
		.vhid = (uint8_t)(vhost + 1),
		.advbase = reader_u8(&c->in),
		.advskew = reader_u8(&c->in),
		.demote = reader_u8(&c->in),
		.counter = reader_u64(&c->in),
	};

	/* the peer said which are its own */
	if (how & 8 && e->peers[0].word.nvhosts > vhost)
		a.counter = e->peers[0].word.vhosts[vhost].first +
			    (a.counter & 0xff) * CARP_COUNTER_STEP;
	carp_auth_sign(&e->vhosts[vhost].carp.auth, CARP_AUTH_NOV6LL, a.counter,
		       a.digest);
	a.digest[0] ^= how & 128;
	if (sim_uses(c->s, family))
		(void)engine_advert(e, vhost, &a, &source, c->s->now);
}

/* --- the node ------------------------------------------------------------------------- */

static void operate(struct scene *c)
{
	struct engine *e = c->n->engine;
	unsigned how = fuzz_below(&c->in, 9), more = reader_u8(&c->in);
	char why[SESSION_REASON_MAX];

	switch (how) {
	case 0:
		(void)engine_handover(e, -1, more & 1, more >> 1 & 3, "", why,
				      c->s->now);
		break;
	case 1:
		(void)engine_demote(e, DEMOTION_OPERATOR, "the operator",
				    (int8_t)more);
		break;
	case 2:
		(void)engine_bulk(e, 0, c->s->now);
		break;
	case 3:
		(void)engine_verify(e, 0, why, c->s->now);
		break;
	case 4:
		engine_maintenance(e, more & 1, c->s->now);
		break;
	case 5:
		engine_handover_want(e, 0, more & 3, "because");
		break;
	case 6:
		engine_track(e, more % c->s->conf.vhosts, more, true,
			     c->s->now);
		break;
	case 7:
		engine_stop(e, c->s->now);
		break;
	case 8:
		(void)sim_upgrade(c->s, 0);
		break;
	}
}

static void befall(struct scene *c)
{
	unsigned how = fuzz_below(&c->in, 8), more = reader_u8(&c->in);
	unsigned vhost = more % c->s->conf.vhosts;

	switch (how) {
	case 0:
		sim_carrier(c->s, 0, vhost, more & 2);
		break;
	case 1:
		sim_fill(c->s, 0, more / 4);
		break;
	case 2:
		sim_tamper(c->s, 0);
		break;
	case 3:
		sim_flush(c->s, 0, more & 1);
		break;
	case 4:
		c->s->traffic = more & 1;
		break;
	case 5:
		engine_lease_lost(c->n->engine, vhost, c->s->now);
		break;
	case 6:
		c->n->mute[vhost] = more & 2;
		break;
	case 7:
		c->n->kernel.max = more & 2 ? KERNEL_ENTRIES_MAX
					    : c->n->kernel.n + more % 8;
		break;
	}
}

static void step(struct scene *c)
{
	switch (fuzz_below(&c->in, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		frame(c);
		return; /* several may come at once */
	case 5:
	case 6:
		pass(c, reader_u8(&c->in) * PASS_NS);
		return;
	case 7:
		advert(c);
		break;
	case 8:
		operate(c);
		break;
	case 9:
		befall(c);
		break;
	case 10:
		connect(c);
		break;
	case 11:
		world_detach(c->s, 0, 1, "cut");
		break;
	}
	if (c->n->engine)
		world_actions(c->s, 0);
	look(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene c;
	struct sim_conf conf;

	reader_init(&c.in, data, size);
	conf = conf_of(&c.in);
	c.s = world(&conf);
	c.n = &c.s->node[0];
	sim_start(c.s, 0);
	pass(&c, 50 * MONO_MS);
	connect(&c);
	for (int i = 0; i < STEPS_MAX && fuzz_more(&c.in) && c.n->engine &&
			c.s->now.ns < TIME_MAX;
	     i++)
		step(&c);
	if (c.n->engine)
		connect(&c);
	pass(&c, 3 * SESSION_SILENCE_NS);
	if (c.n->engine) {
		/* a peer that says nothing is given up, and why is said */
		assert(!c.n->attached[1] && !c.n->engine->peers[0].live &&
		       c.n->engine->peers[0].down_why[0]);
		world_end_daemon(c.s, 0, true);
	}
	return 0;
}
