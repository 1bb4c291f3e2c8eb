// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A drill as a small state machine. Neither the link nor the vhosts are known
 * here, nor how a handover is made.
 *
 * Implements the command drill of the manual.
 *
 * Invariant: once the peer was given something it is asked for it until it is
 * back or DRILL_BACK_NS are over.
 */
#include "drill.h"

#include <stdarg.h>
#include <stdio.h>

/* Fewer answers than a quarter of before, of at least so many, are trouble. */
#define ENOUGH	  40
#define QUARTER	  4
#define WINDOW_NS (2 * DRILL_COUNT_NS)

static void enter(struct drill *d, enum drill_state state, uint64_t start,
		  mono_t now)
{
	d->state = state;
	d->entered = d->heard_at = now;
	d->start = d->heard = start;
	d->asked_at = (mono_t){ 0 };
}

/* The first one stands: what follows may follow from it. */
static void __attribute__((format(printf, 2, 3)))
trouble(struct drill *d, const char *fmt, ...)
{
	va_list ap;

	if (*d->why)
		return;
	va_start(ap, fmt);
	vsnprintf(d->why, sizeof(d->why), fmt, ap);
	va_end(ap);
}

void drill_start(struct drill *d, int64_t watch_ns, mono_t now)
{
	*d = (struct drill){ .watch_ns = watch_ns };
	enter(d, DRILL_VERIFY, 0, now);
}

static void give_up(struct drill *d, const char *why)
{
	trouble(d, "%s", why);
	d->result = DRILL_FAILED;
}

void drill_verified(struct drill *d, const struct drill_facts *f,
		    const char *why, mono_t now)
{
	if (d->state != DRILL_VERIFY)
		return;
	if (why)
		give_up(d, why);
	else
		enter(d, DRILL_COUNT, f->told, now);
}

void drill_handed(struct drill *d, const struct drill_facts *f, const char *why,
		  mono_t now)
{
	if (d->state != DRILL_HANDOVER)
		return;
	if (why && f->have)
		give_up(d, why);
	else if (why) /* neither here nor there: it has to come back */
		trouble(d, "%s", why);
	enter(d, why ? DRILL_BACK : DRILL_WATCH, f->heard, now);
}

void drill_interrupt(struct drill *d, const char *why, mono_t now)
{
	switch (d->state) {
	case DRILL_IDLE:
	case DRILL_BACK:
		return;
	case DRILL_VERIFY:
	case DRILL_COUNT:
		give_up(d, why);
		return;
	case DRILL_HANDOVER: /* its end is at hand */
		trouble(d, "%s", why);
		return;
	case DRILL_WATCH:
		trouble(d, "%s", why);
		enter(d, DRILL_BACK, 0, now);
		return;
	}
}

/* How long nothing may be answered: so that it would be one accident in 20000,
 * were the answers to come as often as before. */
static int64_t patience(const struct drill *d)
{
	int64_t ns = 10 * DRILL_COUNT_NS / (int64_t)d->before;

	return ns < DRILL_SILENCE_NS ? DRILL_SILENCE_NS : ns;
}

static void look_at_traffic(struct drill *d, const struct drill_facts *f,
			    mono_t now)
{
	int64_t since = mono_diff(now, d->entered);

	if (f->heard != d->heard) {
		d->heard = f->heard;
		d->heard_at = now;
	}
	if (!d->before)
		return;
	if (mono_diff(now, d->heard_at) > patience(d))
		trouble(d, "nothing was answered there for %lld s",
			(long long)(mono_diff(now, d->heard_at) / MONO_S));
	if (d->before >= ENOUGH && since >= WINDOW_NS &&
	    d->carried / (uint64_t)(since / DRILL_COUNT_NS) <
		    d->before / QUARTER)
		trouble(d, "less than a quarter of what was answered before");
}

/* True when the time is over, or there is trouble. */
static bool watch(struct drill *d, const struct drill_facts *f, mono_t now)
{
	int64_t since = mono_diff(now, d->entered);
	bool over = since >= d->watch_ns;

	d->carried = f->heard - d->start;
	d->carried_ns = since;
	d->synced |= f->in_sync;
	if (!f->none)
		trouble(d, "this node is master again");
	else if (!f->peer_live)
		trouble(d, "the link was lost");
	else if (!f->peer_has && since > DRILL_SETTLE_NS)
		trouble(d, "it is not master any more");
	else if ((d->synced || over) && !f->in_sync)
		trouble(d, "its connections do not arrive here as a whole");
	else
		look_at_traffic(d, f, now);
	return over || *d->why;
}

static enum drill_step end(struct drill *d)
{
	if (*d->why || d->stuck)
		d->result = DRILL_FAILED;
	else
		d->result = d->carried ? DRILL_PASSED : DRILL_UNPROVEN;
	d->state = DRILL_IDLE;
	return DRILL_DO_END;
}

static enum drill_step back(struct drill *d, const struct drill_facts *f,
			    mono_t now)
{
	if (f->have)
		return end(d);
	if (mono_diff(now, d->entered) >= DRILL_BACK_NS) {
		d->stuck = true;
		trouble(d, "it did not hand back within %d s",
			(int)(DRILL_BACK_NS / MONO_S));
		return end(d);
	}
	if (!f->peer_live ||
	    (d->asked_at.ns && mono_diff(now, d->asked_at) < DRILL_ASK_NS))
		return DRILL_WAIT;
	d->asked_at = now;
	return DRILL_DO_ASK;
}

enum drill_step drill_next(struct drill *d, const struct drill_facts *f,
			   mono_t now)
{
	int64_t since = mono_diff(now, d->entered);

	if (d->state == DRILL_VERIFY && since > DRILL_VERIFY_NS)
		give_up(d, "the comparison does not end");
	if (d->state == DRILL_COUNT && !f->have)
		give_up(d, "this node is not master any more");
	if (d->state != DRILL_IDLE && d->result == DRILL_FAILED) {
		d->state = DRILL_IDLE;
		return DRILL_DO_END;
	}
	switch (d->state) {
	case DRILL_IDLE:
	case DRILL_VERIFY:
	case DRILL_HANDOVER:
		break;
	case DRILL_COUNT:
		if (since < DRILL_COUNT_NS)
			break;
		d->before = f->told - d->start;
		enter(d, DRILL_HANDOVER, 0, now);
		return DRILL_DO_HANDOVER;
	case DRILL_WATCH:
		if (watch(d, f, now))
			enter(d, DRILL_BACK, 0, now);
		break;
	case DRILL_BACK:
		return back(d, f, now);
	}
	return DRILL_WAIT;
}
