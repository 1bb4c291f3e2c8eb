// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * How far the peer is: what it has acknowledged, and how long that took, as a
 * histogram. It is no log: what was counted cannot be told apart again.
 *
 * Invariant: every frame that is acknowledged on the connection on which it
 * was sent is counted once.
 */
#include "session_int.h"

/* The targets for the median and for 99 of 100 stand on edges. */
const uint32_t session_ack_bounds_us[SESSION_ACK_BUCKETS - 1] = {
	500, 1000, 2000, 5000, 10000, 50000, 250000, 1000000
};

/* A mark may stand for several frames, all counted as the oldest of them. */
static void count_acks(struct session *s, uint64_t seq)
{
	const struct lag *l = &s->tx.lag;
	uint64_t before = s->tx.acked;

	for (size_t i = 0; i < l->n && l->mark[i].seq <= seq; i++) {
		int64_t ns = mono_diff(s->now, l->mark[i].since);
		uint64_t frames = l->mark[i].seq - before;
		size_t k = 0;

		while (k < SESSION_ACK_BUCKETS - 1 &&
		       ns > session_ack_bounds_us[k] * MONO_US)
			k++;
		s->stats.acks[k] += frames;
		s->stats.acks_ns += frames * (uint64_t)(ns > 0 ? ns : 0);
		before = l->mark[i].seq;
	}
}

/* --- how far ------------------------------------------------------------ */

bool session_tx_acked(struct session *s, uint64_t seq)
{
	struct session_tx *tx = &s->tx;

	if (seq < tx->acked || seq > tx->flows.taken)
		return false;
	count_acks(s, seq);
	tx->acked = seq;
	outbox_forget(&tx->flows, seq);
	lag_acked(&tx->lag, seq);
	return true;
}

uint64_t session_seq_sent(const struct session *s)
{
	return s->tx.flows.seq;
}

uint64_t session_seq_acked(const struct session *s)
{
	return s->tx.acked;
}

int64_t session_lag_ns(const struct session *s, mono_t now)
{
	return lag_age_ns(&s->tx.lag, now);
}
