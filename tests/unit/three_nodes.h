/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fw2 of three nodes, for tests of what it decides. */
#ifndef STATESYNC_TEST_THREE_NODES_H
#define STATESYNC_TEST_THREE_NODES_H

#include <check.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "engine_sets_int.h"

#define FW1 0 /* the peers of fw2 */
#define FW3 1

static struct engine *e;
static const mono_t now = { 5 * MONO_S };

static inline void setup_with(size_t nsets)
{
	static const char *const sets[] = { "inet t blocked" };
	static const uint32_t address = 0x0a010001;
	const char *peers[2] = { "fw1", "fw3" }, *why;
	const struct engine_vhost_conf vhost = {
		.name = "lan",
		.carp = { .vhid = 1,
			  .advbase = 1,
			  .advskew = 50,
			  .pass = "secret",
			  .v4 = &address,
			  .v4_count = 1 },
	};
	const struct engine_conf conf = {
		.node = "fw2",
		.version = "1",
		.boot_id = 1,
		.nvhosts = 1,
		.npeers = 2,
		.vhosts = &vhost,
		.peers = peers,
		.nsets = nsets,
		.sets = sets,
	};

	e = calloc(1, sizeof(*e));
	ck_assert_int_eq(engine_init(e, &conf, &why, (mono_t){ MONO_S }), 0);
	e->vhosts[0].carp.state = CARP_BACKUP;
}

static inline void setup(void)
{
	setup_with(0);
}

static inline void teardown(void)
{
	engine_free(e);
	free(e);
}

/* A peer is on the link and says this of itself; nothing is told by a BACKUP. */
static inline void says(unsigned peer, enum carp_state state, unsigned advskew)
{
	struct engine_peer *p = &e->peers[peer];

	p->up = p->live = p->heard = true;
	p->word = (struct session_word){ .ready = true, .nvhosts = 1 };
	p->word.tx_epoch = state == CARP_MASTER ? 7 : 0;
	p->rx.epoch = p->word.tx_epoch;
	p->word.vhosts[0] = (struct session_vhost){
		.name = "lan",
		.vhid = 1,
		.state = (uint8_t)state,
		.interval_us = 1000000 + advskew * 1000000 / 256,
	};
}

/* We are master, and both have all of it. */
static inline void master(void)
{
	e->vhosts[0].carp.state = CARP_MASTER;
	e->masters = 1;
	for (unsigned i = 0; i < 2; i++) {
		e->peers[i].tx.state = TX_STREAM;
		e->peers[i].tx.epoch = 3;
		e->peers[i].word.rx_epoch = 3;
	}
}

static inline void bulk_ends(unsigned peer)
{
	const struct session_event ev = {
		.type = SESSION_BULK_END,
		.bulk_end = { .id = e->peers[peer].rx.id, .complete = true },
	};

	e->peers[peer].rx.state = RX_RUNNING;
	e->peers[peer].rx.bulk_epoch = e->peers[peer].word.tx_epoch;
	engine_rx_bulk_end(e, peer, &ev, now);
}

#endif
