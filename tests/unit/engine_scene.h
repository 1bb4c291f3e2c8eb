/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Scenes of two nodes in a made-up world (tests/sim), for the tests of the
 * engine. SIM_VERBOSE in the environment tells what happens; with CK_FORK=no
 * and CK_RUN_CASE only where one looks.
 */
#ifndef STATESYNC_TEST_ENGINE_SCENE_H
#define STATESYNC_TEST_ENGINE_SCENE_H

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define A   0 /* the master of every scene, unless it says otherwise */
#define B   1
#define LAN 0
#define WAN 1
#define MS  MONO_MS
#define S   MONO_S

static struct sim *sim;

static inline struct sim_conf conf_of(void)
{
	return (struct sim_conf){
		.seed = 7,
		.vhosts = 2,
		.advbase = 1,
		.advskew = { 0, 50 },
		.lan_delay_ns = MONO_MS,
		.link_delay_ns = 500 * MONO_US,
		.ops_s = 200,
		.chunk = 16,
		.verbose = getenv("SIM_VERBOSE") != NULL,
		.trace = getenv("SIM_TRACE")
				 ? (uint16_t)atoi(getenv("SIM_TRACE"))
				 : 0,
	};
}

static inline void world(const struct sim_conf *conf)
{
	sim = sim_new(conf);
}

static inline void run(int64_t ns)
{
	sim_run(sim, ns);
	ck_assert_msg(!sim_error(sim), "%s", sim_error(sim));
}

/* A is master with 200 connections and traffic, B has everything. */
static inline void pair_of(const struct sim_conf *conf)
{
	world(conf);
	sim_fill(sim, A, 200);
	sim->traffic = true;
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), A);
	ck_assert(engine_ready(sim->node[B].engine, sim->now));
}

static inline void pair(void)
{
	const struct sim_conf conf = conf_of();

	pair_of(&conf);
}

static inline void teardown(void)
{
	sim_free(sim);
}

static inline struct engine *engine(unsigned i)
{
	return sim->node[i].engine;
}

/* One vhost, with a witness. */
static inline struct sim_conf witnessed(void)
{
	struct sim_conf conf = conf_of();

	conf.vhosts = 1;
	conf.witness_limit = 3;
	return conf;
}

static inline enum carp_state state(unsigned i)
{
	return engine(i)->vhosts[LAN].carp.state;
}

static inline unsigned masters(void)
{
	return (state(A) == CARP_MASTER) + (state(B) == CARP_MASTER);
}

static inline const char *cause(unsigned i, unsigned vhost)
{
	struct history_entry *h = history_last(&engine(i)->history,
					       engine(i)->vhosts[vhost].name);

	return h ? h->cause : "nothing";
}

/* One of its last messages has these words. */
static inline bool said(unsigned i, const char *words)
{
	for (size_t k = 0; k < SIM_SAID; k++)
		if (strstr(sim->node[i].said[k], words))
			return true;
	return false;
}

static inline struct engine_rx *rx(unsigned i)
{
	return &engine(i)->peers[0].rx;
}

static inline void quiet(void)
{
	sim->traffic = false;
	sim_until_idle(sim, 10 * S);
	sim_watch_quiet(sim);
	ck_assert_msg(!sim_error(sim), "%s", sim_error(sim));
}

static inline struct kernel_entry *some_tcp(unsigned i)
{
	struct kernel *k = &sim->node[i].kernel;

	for (size_t n = 0; n < k->n; n++)
		if (k->entries[n].flow.orig.src.b[0] == 10 &&
		    k->entries[n].flow.l4proto == IPPROTO_TCP)
			return &k->entries[n];
	ck_abort_msg("no TCP connection");
}

/* Another connection has one of its tuples there. */
static inline bool clashes(unsigned i, const struct flow *f)
{
	const struct kernel *k = &sim->node[i].kernel;

	for (size_t j = 0; j < k->n; j++)
		if (flow_tuple_equal(&k->entries[j].flow.reply, &f->reply))
			return true;
	return false;
}

/* And another node can have it. */
static inline bool is_established(unsigned i, const struct flow *f)
{
	return f->l4proto == IPPROTO_TCP && f->tcp_state == 3 &&
	       filter_flow(&engine(i)->filter, f) == FILTER_PASS;
}

/* Those of the node that the other one can have, and has not. */
static inline size_t only_at(unsigned i, struct flow *list, size_t max)
{
	struct kernel *k = &sim->node[i].kernel;
	size_t n = 0;

	for (size_t j = 0; j < k->n && n < max; j++) {
		const struct flow *f = &k->entries[j].flow;

		if (is_established(i, f) &&
		    !kernel_look(&sim->node[1 - i].kernel, f) &&
		    !clashes(1 - i, f))
			list[n++] = *f;
	}
	return n;
}

static inline size_t present(unsigned i, const struct flow *list, size_t n)
{
	size_t there = 0;

	for (size_t k = 0; k < n; k++)
		there += kernel_look(&sim->node[i].kernel, &list[k]) != NULL;
	return there;
}

static inline TCase *scenes(Suite *s, const char *name,
			    const TTest *const *list, size_t n)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_set_timeout(t, 60);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(t, list[i]);
	suite_add_tcase(s, t);
	return t;
}

#define SCENES(s, name, list) \
	scenes(s, name, list, sizeof(list) / sizeof(list[0]))

#endif
