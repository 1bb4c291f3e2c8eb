// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The election: what an advert that passed all checks asks of us. Not here:
 * timers, packets, what taking over consists of.
 *
 * Implements the state machine of OpenBSD carp_proto_input_c ("OB" below),
 * with three additions: a hold (rules 1), a tie-break between nodes that know
 * each other (rules 11), and asking a known master instead of taking (rules
 * 12). Demotion counts before frequency.
 *
 * Invariant: of two masters that know each other, with opposite ties, exactly
 * one yields.
 */
#include "fsm.h"

const char *carp_state_name(enum carp_state s)
{
	switch (s) {
	case CARP_INIT:
		return "INIT";
	case CARP_BACKUP:
		return "BACKUP";
	case CARP_MASTER:
		return "MASTER";
	}
	return "unknown";
}

const char *carp_cause_name(enum carp_cause c)
{
	switch (c) {
	case CARP_CAUSE_NONE:
		return "none";
	case CARP_CAUSE_LINK_UP:
		return "interface up";
	case CARP_CAUSE_LINK_DOWN:
		return "interface down";
	case CARP_CAUSE_STOP:
		return "stop";
	case CARP_CAUSE_MASTER_DOWN:
		return "no adverts of the master";
	case CARP_CAUSE_BOW_OUT:
		return "bow-out";
	case CARP_CAUSE_GIVEN_UP:
		return "master gave up";
	case CARP_CAUSE_SLOW:
		return "master too slow";
	case CARP_CAUSE_PREEMPT:
		return "preempt";
	case CARP_CAUSE_DEMOTED:
		return "master more demoted";
	case CARP_CAUSE_HANDOVER:
		return "handover";
	case CARP_CAUSE_BETTER:
		return "better master";
	case CARP_CAUSE_LESS_DEMOTED:
		return "less demoted master";
	case CARP_CAUSE_EQUAL:
		return "equal master";
	case CARP_CAUSE_TIE:
		return "equal master, tie lost";
	case CARP_CAUSE_LEASE:
		return "lease expired";
	case CARP_CAUSE_LEASE_BACK:
		return "lease regained";
	case CARP_CAUSE_WITNESS:
		return "no adverts, but the link tells of a master";
	case CARP_CAUSE_UNHEARD:
		return "no adverts, though the link tells of a master";
	case CARP_CAUSE_WORD:
		return "the peer took over, it hears no adverts of this node";
	case CARP_CAUSE_ELECTOR:
		return "told by the elector";
	}
	return "unknown";
}

bool carp_fsm_is_bow_out(const struct carp_advert *rx)
{
	return rx->advbase == CARP_BOW_OUT_ADVBASE &&
	       rx->advskew == CARP_BOW_OUT_ADVSKEW;
}

/* Advert interval in 1/256 s; the smaller, the better. */
static unsigned interval(unsigned advbase, unsigned advskew)
{
	return advbase * 256 + advskew;
}

static struct carp_verdict verdict(enum carp_step step, enum carp_cause cause)
{
	return (struct carp_verdict){ .step = step, .cause = cause };
}

static struct carp_verdict decide_master(const struct carp_self *self,
					 const struct carp_advert *rx,
					 const struct carp_sender *from)
{
	unsigned own = interval(self->advbase, self->advskew);
	unsigned other = interval(rx->advbase, rx->advskew);

	/* not in OB: one that leaves is no reason to leave as well */
	if (carp_fsm_is_bow_out(rx))
		return verdict(CARP_STAY, CARP_CAUSE_NONE);
	/* OB MASTER, second half of the condition */
	if (rx->demote < self->demotion)
		return verdict(CARP_YIELD, CARP_CAUSE_LESS_DEMOTED);
	if (rx->demote > self->demotion)
		return verdict(CARP_STAY, CARP_CAUSE_NONE);
	/* OB MASTER, first half, demotion being equal */
	if (other < own)
		return verdict(CARP_YIELD, CARP_CAUSE_BETTER);
	if (other > own)
		return verdict(CARP_STAY, CARP_CAUSE_NONE);
	/* OB: equality yields; two equal masters would do so for ever */
	if (!from->known)
		return verdict(CARP_YIELD, CARP_CAUSE_EQUAL);
	/* rules 11 */
	if (from->tie == CARP_TIE_LOSE)
		return verdict(CARP_YIELD, CARP_CAUSE_TIE);
	return verdict(CARP_STAY, CARP_CAUSE_NONE);
}

/* OB "guaranteed to time out": 3 * advbase and our skew, once, below the
 * other's interval. Not with advbase 0. */
static bool is_too_slow(const struct carp_self *self,
			const struct carp_advert *rx, bool known)
{
	unsigned skew = self->advskew;

	/* rules 1: it cannot see our hold in any other way */
	if (self->holding && !known && skew < CARP_HOLD_ADVSKEW)
		skew = CARP_HOLD_ADVSKEW;
	return self->advbase != 0 && interval(3U * self->advbase, skew) <
					     interval(rx->advbase, rx->advskew);
}

static struct carp_verdict decide_backup(const struct carp_self *self,
					 const struct carp_advert *rx,
					 const struct carp_sender *from)
{
	unsigned hold = self->holding ? CARP_HOLD_DEMOTION : 0;
	unsigned demotion = self->demotion + hold;
	unsigned own = interval(self->advbase, self->advskew);
	unsigned other = interval(rx->advbase, rx->advskew);

	/* OB BACKUP 3, its chief use, first: also on hold, also at advbase 0 */
	if (carp_fsm_is_bow_out(rx))
		return self->second ? verdict(CARP_REARM, CARP_CAUSE_NONE)
				    : verdict(CARP_TAKE, CARP_CAUSE_BOW_OUT);
	/* OB BACKUP 2, before 1: it needs no preempt. On hold only if the
	 * master would rather lose state than go on (rules 1) */
	if (rx->demote > demotion &&
	    (!self->holding || rx->demote >= CARP_FORCED_DEMOTION))
		return verdict(CARP_TAKE, CARP_CAUSE_DEMOTED);
	/* OB BACKUP 1; never on hold (rules 1) */
	if (self->preempt && !self->holding && own < other &&
	    rx->demote >= demotion) {
		if (self->ask_first && from->known && from->asks)
			return verdict(CARP_ASK, CARP_CAUSE_PREEMPT);
		return verdict(CARP_TAKE, CARP_CAUSE_PREEMPT);
	}
	/* OB BACKUP 3 */
	if (is_too_slow(self, rx, from->known))
		return verdict(CARP_TAKE, CARP_CAUSE_SLOW);
	/* OB BACKUP 4 */
	return verdict(CARP_REARM, CARP_CAUSE_NONE);
}

struct carp_verdict carp_fsm_decide(const struct carp_self *self,
				    const struct carp_advert *rx,
				    const struct carp_sender *from)
{
	switch (self->state) {
	case CARP_INIT:
		break;
	case CARP_BACKUP:
		return decide_backup(self, rx, from);
	case CARP_MASTER:
		return decide_master(self, rx, from);
	}
	/* OB INIT: ignored */
	return verdict(CARP_STAY, CARP_CAUSE_NONE);
}
