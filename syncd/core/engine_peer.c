/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Peers: what they say of themselves, what they are told of us, and which
 * hold follows. Flows are handed to engine_rx.c. Invariant: a word is
 * believed only while the link on which it came stands.
 */
#include "engine_sets_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WORD_EVERY_NS (500 * MONO_MS)
/* One acknowledgement stands for all in so long: each costs both nodes a turn
 * of the loop. The first after quiet is said at once. */
#define ACK_REST_NS (500 * MONO_US)
/* Frames of one peer before anybody else has his turn. */
#define HEARD_AT_ONCE 64

struct session *engine_session(struct engine *e, unsigned peer)
{
	return e->peers[peer].session;
}

/* --- the connection --------------------------------------------------------- */

void engine_peer_up(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	if (p->rest)
		session_down(p->session);
	p->rest = p->say_ack = false;
	p->up = true;
	engine_resume_offer(e, peer, now);
	session_up(p->session, now);
}

void engine_peer_down(struct engine *e, unsigned peer, const char *why,
		      mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	if (!p->up)
		return;
	if (p->live)
		engine_log(e, LEVEL_WARNING,
			   "peer \"%s\": link lost: %s; until it is back and "
			   "what it missed is in, only one node has the state",
			   p->name, why);
	else if (strcmp(p->down_why, why) != 0)
		engine_log(e, LEVEL_WARNING, "peer \"%s\": %s", p->name, why);
	if (p->live)
		p->down_since = now;
	p->up = p->live = p->heard = false;
	engine_witness_gone(e, peer, now);
	p->rest = true;
	p->say_ack = false;
	ended_clear(&p->rx.ended); /* it may go on there from now on */
	snprintf(p->down_why, sizeof(p->down_why), "%s", why);
	engine_resume_keep(e, peer, now);
	engine_rx_forget(e, peer, "the link was lost", now);
	engine_answer_forget(e, peer, now);
	engine_sync_forget_peer(e, peer);
	engine_sets_peer_down(e, peer);
	engine_drift_peer_down(e, peer);
}

void engine_peer_data(struct engine *e, unsigned peer, const void *data,
		      size_t len, mono_t now)
{
	if (session_input(e->peers[peer].session, data, len, now))
		engine_push(e, ENGINE_CLOSE, peer)->log.text[0] = '\0';
}

bool engine_peer_full(const struct engine *e, unsigned peer)
{
	return session_unread(e->peers[peer].session) >= SESSION_UNREAD_MAX;
}

/* --- what it says -------------------------------------------------------------- */

static void hello(struct engine *e, unsigned peer,
		  const struct session_event *ev, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	p->live = true;
	p->sessions++;
	p->live_since = now;
	p->words = p->asked = 0;
	p->hello = ev->hello;
	p->say_word = p->say_addresses = true;
	engine_resume_hello(e, peer);
	engine_verify_peer_live(e, peer, now);
	engine_log(e, LEVEL_NOTICE, "peer \"%s\": link up, it runs %s", p->name,
		   p->hello.version);
	engine_sync_peer_live(e, peer, now);
	engine_sets_peer_live(e, peer, now);
	engine_drift_peer_live(e, peer);
}

static enum carp_state said_state(const struct session_word *w,
				  const char *name)
{
	const struct session_vhost *v = engine_word_vhost(w, name);

	return v ? (enum carp_state)v->state : CARP_INIT;
}

static void word(struct engine *e, unsigned peer, const struct session_word *w,
		 mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	struct session_word old = p->word;
	bool had = p->heard;

	p->word = *w;
	p->word_at = now;
	p->heard = true;
	engine_rx_word(e, peer, now);
	engine_witness_word(e, peer, now);
	if (w->answer)
		p->say_word = true;
	/* it worked, too: its elements are no longer as we told it */
	if (old.tx_epoch && !w->tx_epoch)
		engine_sets_lost(e, peer);
	if (p->asked && w->heard >= p->asked) {
		p->asked = 0;
		engine_carp_answered(e, now);
	}
	for (size_t i = 0; had && i < old.nvhosts; i++)
		if (old.vhosts[i].state == CARP_MASTER &&
		    said_state(w, old.vhosts[i].name) != CARP_MASTER)
			engine_carp_peer_gave_up(e, peer, old.vhosts[i].name,
						 now);
}

static void broken(struct engine *e, unsigned peer, enum session_error why)
{
	struct engine_action *a = engine_push(e, ENGINE_CLOSE, peer);

	e->peers[peer].broken[why]++;
	switch (why) {
	case SESSION_BAD_PROTOCOL:
		snprintf(a->log.text, sizeof(a->log.text),
			 "it speaks another protocol than %d. run the same "
			 "version on both nodes",
			 SESSION_PROTOCOL);
		return;
	case SESSION_BAD_NAME:
		snprintf(a->log.text, sizeof(a->log.text),
			 "its hello names other nodes than \"%s\" and \"%s\"; "
			 "see node and peer in both configurations",
			 e->peers[peer].name, e->node);
		return;
	case SESSION_SILENT:
		snprintf(a->log.text, sizeof(a->log.text),
			 "nothing heard for %lld s",
			 (long long)(SESSION_SILENCE_NS / MONO_S));
		return;
	case SESSION_STUCK:
		snprintf(a->log.text, sizeof(a->log.text),
			 "it does not read what it is told");
		return;
	case SESSION_OK:
	case SESSION_BAD_FRAME:
	case SESSION_BAD_MESSAGE:
	case SESSION_ERROR_COUNT:
		break;
	}
	snprintf(a->log.text, sizeof(a->log.text),
		 "it sent what this version does not understand (%s)",
		 session_error_name(why));
}

static void ack(struct engine *e, unsigned peer, const struct session_event *ev,
		mono_t now)
{
	struct engine_tx *tx = &e->peers[peer].tx;

	if (ev->ack.refused[FLOW_LABELS] > tx->refused[FLOW_LABELS])
		tx->labels_at = now;
	memcpy(tx->refused, ev->ack.refused, sizeof(tx->refused));
}

static void heard(struct engine *e, unsigned peer,
		  const struct session_event *ev, mono_t now)
{
	switch (ev->type) {
	case SESSION_HELLO:
		hello(e, peer, ev, now);
		return;
	case SESSION_WORD:
		word(e, peer, ev->word, now);
		return;
	case SESSION_ADVERT:
		engine_witness_advert(e, peer, &ev->advert, now);
		return;
	case SESSION_ADDRESSES:
		engine_addresses_heard(e, peer, ev);
		return;
	case SESSION_FLOWS:
		engine_rx_flows(e, peer, ev);
		return;
	case SESSION_EXPECTS:
		engine_rx_expects(e, peer, ev);
		return;
	case SESSION_BULK_REQUEST:
		engine_sync_requested(e, peer, ev->bulk.id);
		return;
	case SESSION_BULK_BEGIN:
		engine_rx_bulk_begin(e, peer, ev, now);
		return;
	case SESSION_BULK_END:
		engine_rx_bulk_end(e, peer, ev, now);
		return;
	case SESSION_ACK:
		ack(e, peer, ev, now);
		return;
	case SESSION_GAP:
		engine_rx_gap(e, peer, ev->gap.reason, now);
		return;
	case SESSION_HANDOVER:
		engine_handover_received(e, peer, ev, now);
		return;
	case SESSION_AUDIT:
		engine_verify_heard(e, peer, ev, now);
		return;
	case SESSION_RESUME:
		engine_resume_answered(e, peer, ev);
		return;
	case SESSION_FACTS:
		engine_drift_heard(e, peer, ev, now);
		return;
	case SESSION_SETS:
		engine_sets_words(e, peer, ev);
		return;
	case SESSION_SET_ELEMENTS:
		engine_sets_heard(e, peer, ev, now);
		return;
	case SESSION_BROKEN:
		broken(e, peer, ev->error);
		return;
	}
}

/* What was heard last is for our kernel, and goes there first. */
static bool work_waits(const struct engine *e)
{
	return e->nops || e->expects.batch.n || engine_sets_busy(e);
}

bool engine_peer_pump(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	struct session_event ev;
	unsigned n = 0;

	/* what it says may fill our queue of actions: those come first; and
	 * our adverts before any number of words */
	while (p->up && !work_waits(e) && e->queued < ENGINE_ACTIONS_MAX / 4 &&
	       n < HEARD_AT_ONCE && session_poll(p->session, &ev)) {
		heard(e, peer, &ev, now);
		if (ev.type == SESSION_BROKEN)
			return false;
		n++;
	}
	/* the link is gone, and what it brought may be all there is */
	while (p->rest && !work_waits(e)) {
		if (!session_poll(p->session, &ev)) {
			session_down(p->session);
			p->rest = false;
		} else if (ev.type == SESSION_FLOWS) {
			engine_rx_flows(e, peer, &ev);
		} else if (ev.type == SESSION_EXPECTS) {
			engine_rx_expects(e, peer, &ev);
		} else if (ev.type == SESSION_SET_ELEMENTS) {
			engine_sets_heard(e, peer, &ev, now);
		}
	}
	return n == HEARD_AT_ONCE;
}

/* --- what it is told ------------------------------------------------------------ */

void engine_peer_say_word(struct engine *e)
{
	for (size_t i = 0; i < e->npeers; i++)
		e->peers[i].say_word = true;
}

void engine_peer_word(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	struct session_word w = {
		.demotion = demotion_total(&e->demotion),
		.ready = engine_ready(e, now),
		.holds = e->gate.holds,
		.stale_ms = engine_stale_ms(e, now),
		.tx_epoch = p->tx.epoch,
		.rx_epoch = p->rx.gap[0] ? 0 : p->rx.epoch,
		.number = p->words + 1,
		.heard = p->heard ? p->word.number : 0,
		.answer = p->ask,
		.filter = engine_filter_digest(e, peer),
		.zones = engine_zones_digest(e, peer),
		.owner = e->owner,
		.nvhosts = e->nvhosts,
	};

	for (size_t i = 0; i < e->nvhosts; i++) {
		const struct engine_vhost *v = &e->vhosts[i];
		struct session_vhost *s = &w.vhosts[i];
		enum carp_state state = v->carp.state;

		/* who has not taken it yet is not master to anybody else */
		if (state == CARP_MASTER && !v->held)
			state = CARP_BACKUP;
		if (v->gone) /* a place without a name */
			continue;
		snprintf(s->name, sizeof(s->name), "%s", v->name);
		s->vhid = v->carp.auth.vhid;
		s->state = (uint8_t)state;
		s->advskew = v->carp.advskew;
		s->interval_us =
			(uint32_t)(carp_vhost_interval_ns(&v->carp) / MONO_US);
		s->first = v->carp.base;
		s->last = v->carp.counter;
		s->identity = carp_vhost_identity(&v->carp);
		s->unheard = v->unheard;
		s->mute = v->mute;
		s->demotion = v->carp.env.demotion;
		if (state == CARP_MASTER)
			s->master_ms =
				(uint64_t)(mono_diff(now, v->carp.since) /
					   MONO_MS);
	}
	if (session_send_word(p->session, &w) == 0) {
		p->say_word = false;
		p->words++;
		if (p->ask)
			p->asked = p->words;
		p->ask = false;
	}
	p->next_word = mono_add(now, WORD_EVERY_NS);
}

/* In a moment there is more to say. */
static bool taking(const struct engine *e)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		if (e->vhosts[i].taking)
			return true;
	return false;
}

void engine_peer_settle(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	if (!p->live)
		return;
	if (p->say_addresses)
		p->say_addresses = session_send_addresses(p->session, e->own,
							  e->nown) != 0;
	engine_drift_say(e, peer);
	if (p->say_word && !taking(e))
		engine_peer_word(e, peer, now);
	if (p->say_ack && (mono_due(p->ack_after, now) || e->defers) &&
	    !session_offered(p->session) &&
	    session_send_ack(p->session, p->ack_seq, p->refused,
			     ENGINE_REFUSED_COUNT) == 0) {
		p->say_ack = false;
		p->ack_after = mono_add(now, ACK_REST_NS);
	}
}

mono_t engine_peer_deadline(const struct engine *e, unsigned peer)
{
	const struct engine_peer *p = &e->peers[peer];
	mono_t d = p->up ? session_deadline(p->session) : MONO_NEVER;

	if (!p->live)
		return d;
	if (p->say_ack && !session_offered(p->session))
		d = mono_min(d, p->ack_after);
	return mono_min(d, p->next_word);
}

/* --- what follows ------------------------------------------------------------------ */

size_t engine_live_peers(const struct engine *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->npeers; i++)
		n += e->peers[i].live;
	return n;
}

bool engine_peer_is_master(const struct engine_peer *p)
{
	for (size_t i = 0; p->live && p->heard && i < p->word.nvhosts; i++)
		if (p->word.vhosts[i].state == CARP_MASTER)
			return true;
	return false;
}

/* Is whoever is master, of each vhost that we are not, heard on the link? Then
 * a peer that is not heard has nothing to tell. */
static bool masters_are_heard(const struct engine *e)
{
	for (size_t i = 0; i < e->nvhosts; i++) {
		const struct engine_vhost *v = &e->vhosts[i];
		bool heard = v->gone || v->carp.state == CARP_MASTER;

		for (unsigned k = 0; k < e->npeers && !heard; k++) {
			const struct session_vhost *w =
				engine_peer_vhost(&e->peers[k], v->name);

			heard = e->peers[k].live && w &&
				w->state == CARP_MASTER;
		}
		if (!heard)
			return false;
	}
	return true;
}

uint32_t engine_peer_holds(const struct engine *e)
{
	bool heard = masters_are_heard(e);
	uint32_t holds = engine_drift_holds(e);

	for (unsigned i = 0; i < e->npeers; i++) {
		const struct engine_peer *p = &e->peers[i];

		if (!p->live)
			holds |= heard ? 0 : HOLD_LINK;
		else if (engine_resume_running(e, i))
			holds |= HOLD_LINK;
		else if (p->rx.gap[0])
			holds |= HOLD_GAP;
		else if (!engine_rx_in_sync(e, i))
			holds |= HOLD_BULK;
	}
	return holds;
}
