/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mastership begins and ends, and with it what a peer is told: an epoch each.
 * Who ceases to be master reads first what its kernel has to tell; what no
 * other node may have then is told until the new master has it (legacy). Not
 * here: what is told within an epoch (engine_sync.c).
 *
 * Invariant: what began at a master no sweep ends before another node has it;
 * but after a long silence nobody knows what has ended meanwhile.
 */
#include "engine_sets_int.h"

/* What a peer has closed since it was heard last is in its table for so long,
 * so that our table brings none of it back to life (tcp_timeout_close). */
#define CLOSED_NS (10 * MONO_S)
/* The pass that lowers timeouts waits until the takeover is digested. */
#define LOWER_AFTER_NS (2 * MONO_S)

bool engine_telling(const struct engine *e)
{
	return e->masters || e->legacy;
}

bool engine_epoch_acked(const struct engine_peer *p)
{
	return !session_filling(p->session) &&
	       session_seq_acked(p->session) == session_seq_sent(p->session);
}

void engine_epoch_new(struct engine *e, struct engine_peer *p,
		      enum tx_state state)
{
	if (session_parked(p->session))
		(void)session_restart(p->session);
	p->tx.state = state;
	p->tx.expects = false;
	p->tx.epoch = engine_telling(e) ? ++e->epochs : 0;
	p->tx.gap = NULL;
	p->say_word = true;
}

/* Who is master now, where one of the peers is, has what this node had to tell.
 * Otherwise all have it: two old masters that relied on each other would both
 * lose it to the bulk of a third. */
static bool is_kept(const struct engine *e)
{
	bool all = true, master = false, kept = false;

	for (unsigned i = 0; i < e->npeers; i++) {
		bool has = engine_tx_in_sync(e, i);

		all &= has;
		if (engine_peer_is_master(&e->peers[i])) {
			master = true;
			kept |= has;
		}
	}
	return master ? kept : all;
}

static void new_epochs(struct engine *e)
{
	for (unsigned i = 0; i < e->npeers; i++)
		engine_epoch_new(e, &e->peers[i],
				 e->peers[i].live ? TX_STREAM : TX_NONE);
}

void engine_epoch_legacy(struct engine *e)
{
	if (e->legacy)
		return;
	e->legacy = true;
	new_epochs(e);
}

/* The others hear it from whoever has it; what it did not take goes. */
void engine_epoch_settle(struct engine *e, mono_t now)
{
	if (!e->legacy || !is_kept(e))
		return;
	e->legacy = false;
	new_epochs(e);
	for (unsigned i = 0; i < e->npeers; i++)
		engine_rx_again(e, i, "the peer has more now", now);
}

static bool heard_lately(const struct engine *e, const struct engine_peer *p,
			 mono_t now)
{
	return !e->slept && mono_diff(now, p->word_at) < CLOSED_NS;
}

/* What is being filled has the next number. */
static uint64_t last_seq(const struct engine_peer *p)
{
	return session_seq_sent(p->session) + (session_filling(p->session) > 0);
}

void engine_epoch_telling(struct engine *e, bool telling, mono_t now)
{
	/* there may be connections that only we know */
	e->legacy = !telling && !is_kept(e);
	e->raise = e->bulk_lowers = false;
	e->lower_at = e->raise_at = MONO_NEVER;
	if (telling) /* connections stand still where windows are old */
		e->lower_at =
			e->windows_old ? now : mono_add(now, LOWER_AFTER_NS);
	e->windows_old |= !telling;
	engine_rx_role_changed(e, telling, now);
	if (!telling)
		destroys_clear(&e->destroys);
	e->expects.early_count = 0;
	for (unsigned i = 0; i < e->npeers; i++) {
		struct engine_peer *p = &e->peers[i];

		if (p->tx.state == TX_BULK) {
			session_drop_flows(p->session);
			engine_dump_cancel(e, DUMP_BULK, i);
		}
		/* told from the first event on: a peer that handed over has
		 * all that was before it, any other asks for a bulk */
		engine_epoch_new(e, p, p->live ? TX_STREAM : TX_NONE);
		p->tx.left_seq = heard_lately(e, p, now) ? last_seq(p) : 0;
	}
	e->slept = false;
	engine_sets_role(e, telling, now);
}

static void masters_changed(struct engine *e, unsigned masters, mono_t now)
{
	bool changed = !masters != !e->masters;

	engine_merge_masters(e, masters);
	e->masters = masters;
	e->touched = true;
	if (changed)
		engine_epoch_telling(e, masters > 0, now);
}

void engine_epoch_masters(struct engine *e, unsigned masters, mono_t now)
{
	/* what happened until now is still told (engine_unsubscribed) */
	if (!masters && e->masters && e->subscribed && !e->handover_drained)
		e->leaving = true;
	if (masters != e->masters && (masters || !e->leaving))
		masters_changed(e, masters, now);
	if (!masters && e->subscribed) {
		e->subscribed = false;
		engine_push(e, ENGINE_UNSUBSCRIBE, 0);
	}
}

void engine_slept(struct engine *e)
{
	e->slept = e->masters > 0;
}

void engine_unsubscribed(struct engine *e, bool whole, mono_t now)
{
	if (!e->leaving)
		return;
	e->leaving = false;
	for (unsigned i = 0; i < e->npeers; i++)
		whole |= !heard_lately(e, &e->peers[i], now);
	masters_changed(e, 0, now);
	if (!whole)
		engine_epoch_legacy(e);
	while (engine_carp_settle(e, now))
		;
}
