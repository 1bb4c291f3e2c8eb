/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One node with three virtual hosts, whose peer says what the test wants. */
#ifndef STATESYNC_TEST_ENGINE_NODE_H
#define STATESYNC_TEST_ENGINE_NODE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "engine_int.h"

enum { LAN, DMZ, WAN, VHOSTS }; /* lan and dmz are on one interface */

static struct engine *e;
static const mono_t now = { 5 * MONO_S };
static enum engine_do did[64];
static unsigned ndid;

static inline void drain(void)
{
	struct engine_action a;

	ndid = 0;
	while (engine_poll(e, &a, now)) {
		ck_assert_uint_lt(ndid, 64);
		did[ndid++] = a.what;
	}
}

/* When that was done first, or -1. */
static inline int place(enum engine_do what)
{
	for (unsigned i = 0; i < ndid; i++)
		if (did[i] == what)
			return (int)i;
	return -1;
}

static inline void setup(void)
{
	static const uint32_t address[VHOSTS] = { 0x0a010001, 0x0a010101,
						  0x0a020001 };
	static const char *const names[VHOSTS] = { "lan", "dmz", "wan" };
	struct engine_vhost_conf vhosts[VHOSTS] = { 0 };
	const char *peers[1] = { "fw1" }, *why;
	const struct engine_conf conf = {
		.node = "fw2",
		.version = "1",
		.boot_id = 1,
		.nvhosts = VHOSTS,
		.npeers = 1,
		.vhosts = vhosts,
		.peers = peers,
	};

	for (unsigned i = 0; i < VHOSTS; i++) {
		vhosts[i].name = names[i];
		vhosts[i].interface = i == WAN;
		vhosts[i].carp = (struct carp_vhost_conf){
			.vhid = (uint8_t)(i + 1),
			.advbase = 1,
			.pass = "secret",
			.v4 = &address[i],
			.v4_count = 1,
		};
	}
	e = calloc(1, sizeof(*e));
	ck_assert_int_eq(engine_init(e, &conf, &why, now), 0);
	for (unsigned i = 0; i < VHOSTS; i++)
		engine_link(e, i, true, now);
	drain();
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_BACKUP);
}

static inline void teardown(void)
{
	engine_free(e);
	free(e);
}

/* The peer is on the link, in sync with us, and says this of every vhost. */
static inline void says(enum carp_state state)
{
	struct engine_peer *p = &e->peers[0];

	p->up = p->live = p->heard = true;
	p->word_at = now;
	p->word = (struct session_word){ .ready = true, .nvhosts = VHOSTS };
	p->word.tx_epoch = state == CARP_MASTER ? 7 : 0;
	p->rx.epoch = p->word.tx_epoch;
	for (unsigned i = 0; i < VHOSTS; i++) {
		struct session_vhost *v = &p->word.vhosts[i];

		*v = (struct session_vhost){ .vhid = (uint8_t)(i + 1),
					     .state = (uint8_t)state,
					     .interval_us = 1000000 };
		strcpy(v->name, e->vhosts[i].name);
	}
}

static inline void masters(void)
{
	static const int64_t us[3] = { 1, 1, 1 };

	for (unsigned i = 0; i < VHOSTS; i++)
		carp_vhost_take(&e->vhosts[i].carp, CARP_CAUSE_MASTER_DOWN,
				now);
	drain();
	for (unsigned i = 0; i < VHOSTS; i++)
		engine_taken(e, i, us, now);
}

#endif
