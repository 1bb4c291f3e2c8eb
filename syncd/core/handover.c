/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A planned switch as a small state machine (rules 12). It knows neither
 * vhosts nor sockets. Invariant: once fenced, it ends within the bound of the
 * acknowledgement and three intervals, with a master somewhere.
 */
#include "handover.h"

void handover_start(struct handover *h, bool force, int64_t interval_ns,
		    mono_t now)
{
	*h = (struct handover){
		.state = HANDOVER_DRAIN,
		.force = force,
		.interval_ns = interval_ns,
		.entered = now,
		.why = "",
	};
}

static void enter(struct handover *h, enum handover_state state, mono_t now)
{
	h->state = state;
	h->entered = now;
}

static enum handover_step give_up(struct handover *h, enum handover_step step,
				  const char *why, mono_t now)
{
	h->why = why;
	enter(h, HANDOVER_IDLE, now);
	return step;
}

static enum handover_step drain(struct handover *h,
				const struct handover_facts *f, mono_t now)
{
	bool late = mono_diff(now, h->entered) >= HANDOVER_DRAIN_NS;
	bool near = f->events_read && f->backlog < HANDOVER_BATCH_BYTES;

	if (!f->peer_live && !h->force)
		return give_up(h, HANDOVER_DO_FAIL, "the link was lost", now);
	if (!f->peer_in_sync && !h->force)
		return give_up(h, HANDOVER_DO_FAIL,
			       "the peer lost its synchronisation", now);
	if (!(near && f->lag_ns <= HANDOVER_LAG_NS) && !late)
		return HANDOVER_WAIT;
	if (!(near && f->lag_ns <= HANDOVER_LAG_MAX_NS) && !h->force)
		return give_up(h, HANDOVER_DO_FAIL, "the peer does not keep up",
			       now);
	h->drain_ns = mono_diff(now, h->entered);
	enter(h, HANDOVER_FENCED, now);
	return HANDOVER_DO_FENCE;
}

static enum handover_step fenced(struct handover *h,
				 const struct handover_facts *f, mono_t now)
{
	bool late = mono_diff(now, h->entered) >= HANDOVER_FENCED_NS;

	if (f->events_drained && !h->was_drained) {
		h->was_drained = true;
		h->drained = now;
		h->fence_ns = mono_diff(now, h->entered);
	}
	if (!f->peer_live && !h->force)
		return give_up(h, HANDOVER_DO_BACK, "the link was lost", now);
	if (!f->peer_in_sync && !h->force)
		return give_up(h, HANDOVER_DO_BACK,
			       "the peer lost its synchronisation", now);
	if (f->peer_live && !(h->was_drained && f->acked) && !late)
		return HANDOVER_WAIT;
	if (!(h->was_drained && f->acked) && !h->force)
		return give_up(h, HANDOVER_DO_BACK,
			       "the peer did not acknowledge in time", now);
	h->complete = h->was_drained && f->acked && f->peer_in_sync;
	h->ack_ns = h->was_drained ? mono_diff(now, h->drained) : 0;
	enter(h, HANDOVER_SAID, now);
	return HANDOVER_DO_GO;
}

static enum handover_step said(struct handover *h,
			       const struct handover_facts *f, mono_t now)
{
	if (f->peer_master) {
		h->take_ns = mono_diff(now, h->entered);
		enter(h, HANDOVER_IDLE, now);
		return HANDOVER_DO_END;
	}
	if (f->peer_refused)
		return give_up(h, HANDOVER_DO_BACK, "the peer refused", now);
	if (mono_diff(now, h->entered) >= 3 * h->interval_ns)
		return give_up(h, HANDOVER_DO_BACK,
			       "the peer did not become master", now);
	return HANDOVER_WAIT;
}

enum handover_step handover_next(struct handover *h,
				 const struct handover_facts *f, mono_t now)
{
	switch (h->state) {
	case HANDOVER_IDLE:
		return HANDOVER_WAIT;
	case HANDOVER_DRAIN:
		return drain(h, f, now);
	case HANDOVER_FENCED:
		return fenced(h, f, now);
	case HANDOVER_SAID:
		return said(h, f, now);
	}
	return HANDOVER_WAIT;
}

mono_t handover_deadline(const struct handover *h)
{
	switch (h->state) {
	case HANDOVER_IDLE:
		return MONO_NEVER;
	case HANDOVER_DRAIN:
		return mono_add(h->entered, HANDOVER_DRAIN_NS);
	case HANDOVER_FENCED:
		return mono_add(h->entered, HANDOVER_FENCED_NS);
	case HANDOVER_SAID:
		return mono_add(h->entered, 3 * h->interval_ns);
	}
	return MONO_NEVER;
}
