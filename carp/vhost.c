// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * One virtual host: keeps the state, the timers and the queue of what is to
 * be done. Not here: the election's rules (carp/fsm), parameters and passwords
 * (vhost_conf), the witness (vhost_witness), the lease itself, holds and
 * demotion (they come in as struct carp_env), sockets, clocks.
 *
 * Implements carp_setrun, carp_master_down, carp_set_state and carp_send_ad
 * of OpenBSD ip_carp.c: adverts each advbase + advskew/256 s, master-down
 * after three such intervals of our own, first advert at once, a second
 * announcement after two further adverts.
 *
 * Invariant: an advert without own_mac is queued only after a TAKE that no
 * RELEASE followed, and each RELEASE has its TAKE.
 */
#include "vhost_int.h"

#include <assert.h>
#include <string.h>

#define INTERVALS_DOWN 3
#define SKEW_MAX       240 /* FreeBSD's bound of demotion in the advskew */
#define NS_PER_SKEW    (MONO_S / 256)
#define SOON_NS	       (30 * MONO_MS) /* at most, where it takes over "at once" */
#define FOR_WHOM_NS    (20 * MONO_MS) /* the link tells whom a bow-out is for */
#define ANNOUNCE_AGAIN 2	      /* adverts after the first one */

struct carp_action *carp_vhost_push(struct carp_vhost *v, enum carp_do what)
{
	struct carp_action *a;

	assert(v->queued < CARP_ACTIONS_MAX);
	a = &v->ring[(v->head + v->queued++) % CARP_ACTIONS_MAX];
	*a = (struct carp_action){ .what = what };
	return a;
}

bool carp_vhost_poll(struct carp_vhost *v, struct carp_action *a)
{
	if (!v->queued)
		return false;
	*a = v->ring[v->head];
	v->head = (v->head + 1) % CARP_ACTIONS_MAX;
	v->queued--;
	return true;
}

int64_t carp_vhost_interval_ns(const struct carp_vhost *v)
{
	if (!v->advbase && !v->advskew)
		return NS_PER_SKEW;
	return v->advbase * MONO_S + v->advskew * NS_PER_SKEW;
}

uint8_t carp_vhost_said_skew(const struct carp_vhost *v)
{
	unsigned skew = v->advskew + v->env.demotion;

	if (!v->foreign || v->advskew >= SKEW_MAX)
		return v->advskew;
	return (uint8_t)(skew < SKEW_MAX ? skew : SKEW_MAX);
}

/* Longer than three at 1/256 s: the lease of a master is 12 ms where a jiffy
 * is 4 (os/lease.h), and has to end before. */
int64_t carp_vhost_down_ns(const struct carp_vhost *v)
{
	int64_t ns = INTERVALS_DOWN * carp_vhost_interval_ns(v);

	return ns < CARP_MASTER_DOWN_LEAST_NS ? CARP_MASTER_DOWN_LEAST_NS : ns;
}

void carp_vhost_wait(struct carp_vhost *v, int64_t extra_ns, mono_t now)
{
	v->extra_ns = extra_ns;
	for (int f = 0; f < CARP_FAMILIES; f++)
		v->master_down[f] =
			v->uses[f] ? mono_add(now,
					      carp_vhost_down_ns(v) + extra_ns)
				   : MONO_NEVER;
}

/* The master lives, as an advert of that family says. */
static void master_lives(struct carp_vhost *v, enum carp_family f, mono_t now)
{
	if (v->uses[f])
		v->master_down[f] =
			mono_add(now, carp_vhost_down_ns(v) + v->extra_ns);
}

static void advert_push(struct carp_vhost *v, uint8_t advbase, uint8_t advskew,
			bool own_mac)
{
	struct carp_action *a;
	struct carp_advert advert;

	if (v->external)
		return;
	v->counter += CARP_COUNTER_STEP;
	advert = (struct carp_advert){
		.vhid = v->auth.vhid,
		.advskew = advskew,
		.authlen = (8 + CARP_DIGEST_LEN) / 4,
		.demote = (uint8_t)v->env.demotion,
		.advbase = advbase,
		.counter = v->counter,
	};
	a = carp_vhost_push(v, CARP_DO_ADVERT);
	if (v->counter - v->base > CARP_COUNTER_RANGE / 2)
		v->base = v->counter;
	/* OpenBSD sends NOV6LL and takes either */
	carp_auth_sign(carp_vhost_auth(v), CARP_AUTH_NOV6LL, advert.counter,
		       advert.digest);
	carp_wire_build(&advert, a->advert.bytes);
	a->advert.counter = advert.counter;
	a->advert.own_mac = own_mac;
}

static void advert_send(struct carp_vhost *v)
{
	advert_push(v, v->advbase, carp_vhost_said_skew(v), false);
	if (v->announce_after && --v->announce_after == 0)
		carp_vhost_push(v, CARP_DO_ANNOUNCE);
}

void carp_vhost_begin(struct carp_vhost *v, mono_t now)
{
	v->fence = CARP_UNFENCED;
	v->announce_after = 0;
	carp_vhost_push(v, CARP_DO_TAKE);
	advert_send(v);
	carp_vhost_push(v, CARP_DO_ANNOUNCE);
	if (v->external)
		return;
	v->announce_after = ANNOUNCE_AGAIN;
	v->next_advert = mono_add(now, carp_vhost_interval_ns(v));
	v->next_announce =
		v->announce_ns ? mono_add(now, v->announce_ns) : MONO_NEVER;
}

/* Changes the state; timers of the state that is left are off. */
static void state_set(struct carp_vhost *v, enum carp_state to,
		      enum carp_cause cause, mono_t now)
{
	struct carp_action *a = carp_vhost_push(v, CARP_DO_TRANSITION);

	assert(v->state != to);
	a->transition.from = v->state;
	a->transition.to = to;
	a->transition.cause = cause;
	a->transition.silent_ns =
		v->master.any ? mono_diff(now, v->master.at) : -1;
	if (v->state == CARP_MASTER)
		carp_vhost_push(v, CARP_DO_RELEASE);
	v->state = to;
	v->since = now;
	v->transitions++;
	v->entered[to]++;
	v->fence = CARP_UNFENCED;
	v->next_advert = v->next_announce = MONO_NEVER;
	v->preempt_at = v->take_at = MONO_NEVER;
	for (int f = 0; f < CARP_FAMILIES; f++)
		v->master_down[f] = v->waiting[f] = MONO_NEVER;
	v->vouched.ns = 0;
	memset(v->obeys, 0, sizeof(v->obeys));
	memset(v->hears, 0, sizeof(v->hears));
	memset(v->let_pass, 0, sizeof(v->let_pass));
}

/* Who is master of an external one its elector alone says. */
static bool may_move(const struct carp_vhost *v, enum carp_cause cause)
{
	return !v->external || cause == CARP_CAUSE_ELECTOR;
}

void carp_vhost_take(struct carp_vhost *v, enum carp_cause cause, mono_t now)
{
	if (v->state != CARP_BACKUP || !may_move(v, cause))
		return;
	state_set(v, CARP_MASTER, cause, now);
	carp_vhost_begin(v, now);
}

void carp_vhost_give_up(struct carp_vhost *v, mono_t now)
{
	carp_vhost_take(v, CARP_CAUSE_GIVEN_UP, now);
}

/* Of the master-down time, where equals stepped down together (rules 11). */
static int64_t extra_most_ns(const struct carp_vhost *v)
{
	return carp_vhost_interval_ns(v) / 8;
}

void carp_vhost_yield(struct carp_vhost *v, enum carp_cause cause, mono_t now)
{
	int64_t extra_ns = 0;

	if (v->state != CARP_MASTER || !may_move(v, cause))
		return;
	/* Two that are equal and step down together must not rise together
	 * (rules 11). */
	if (cause == CARP_CAUSE_EQUAL) {
		extra_ns = (int64_t)(carp_vhost_random(v) %
				     (uint64_t)(extra_most_ns(v) + 1));
	}
	state_set(v, CARP_BACKUP, cause, now);
	carp_vhost_wait(v, extra_ns, now);
}

void carp_vhost_lease_lost(struct carp_vhost *v, mono_t now)
{
	carp_vhost_yield(v, CARP_CAUSE_LEASE, now);
}

void carp_vhost_link(struct carp_vhost *v, bool up, mono_t now)
{
	if (up && v->state == CARP_INIT && !v->stopped) {
		state_set(v, CARP_BACKUP, CARP_CAUSE_LINK_UP, now);
		carp_vhost_wait(v, 0, now);
	} else if (!up && v->state != CARP_INIT) {
		state_set(v, CARP_INIT, CARP_CAUSE_LINK_DOWN, now);
		v->master.any = false;
	}
}

void carp_vhost_stop(struct carp_vhost *v, mono_t now)
{
	bool was_master = v->state == CARP_MASTER;

	v->stopped = true;
	if (v->state == CARP_INIT)
		return;
	state_set(v, CARP_INIT, CARP_CAUSE_STOP, now);
	v->master.any = false;
	/* After RELEASE: when a backup answers, we do not any more. */
	if (was_master)
		advert_push(v, CARP_BOW_OUT_ADVBASE, CARP_BOW_OUT_ADVSKEW,
			    true);
}

static void advert_now(struct carp_vhost *v, mono_t now)
{
	advert_send(v);
	v->next_advert = mono_add(now, carp_vhost_interval_ns(v));
}

void carp_vhost_env(struct carp_vhost *v, const struct carp_env *env,
		    mono_t now)
{
	unsigned before = v->env.demotion;

	v->env = *env;
	if (env->second && v->take_cause == CARP_CAUSE_BOW_OUT)
		v->take_at = MONO_NEVER;
	/* Compared as it is told, else two nodes above 255 both yield. */
	if (v->env.demotion > UINT8_MAX)
		v->env.demotion = UINT8_MAX;
	if (v->state != CARP_MASTER || v->fence != CARP_UNFENCED ||
	    v->env.demotion <= before || v->external)
		return;
	advert_now(v, now);
}

void carp_vhost_count(struct carp_vhost *v, enum carp_refusal why)
{
	assert(why < CARP_REFUSAL_COUNT);
	v->counters[why]++;
}

/* FreeBSD and ucarp go on counting from the last advert they heard, maybe one
 * of ours: only the very counters that were sent are, and of a MASTER those
 * that may have been sent in its place. */
static bool is_own_counter(const struct carp_vhost *v, uint64_t counter)
{
	uint64_t n = counter - v->base, last = v->counter - v->base;

	if (v->state == CARP_MASTER)
		return n < last + CARP_COUNTER_STEP &&
		       n % CARP_COUNTER_AGAIN == 0;
	return n <= last && n % CARP_COUNTER_STEP == 0;
}

/* The checks that need the vhost, in the order of carp_proto_input_c. */
static enum carp_refusal advert_check(const struct carp_vhost *v,
				      const struct carp_advert *rx,
				      const struct carp_sender *from)
{
	if (rx->vhid != v->auth.vhid)
		return CARP_REFUSED_VHID;
	if (!carp_auth_verify(&v->auth, rx->counter, rx->digest) &&
	    !(v->has_old && carp_auth_verify(&v->old, rx->counter, rx->digest)))
		return CARP_REFUSED_AUTH;
	if (is_own_counter(v, rx->counter))
		return CARP_REFUSED_LOOP;
	return from->refused;
}

static void ask(struct carp_vhost *v, mono_t now)
{
	if (!mono_due(v->next_ask, now))
		return;
	carp_vhost_push(v, CARP_DO_ASK);
	v->next_ask = mono_add(now, carp_vhost_interval_ns(v));
}

/*
 * Another master, and we go on. It yields when it hears our next advert; what
 * neighbours and switches learnt from it is put right after that.
 */
static void rival_heard(struct carp_vhost *v)
{
	if (!v->announce_after)
		v->announce_after = 1;
}

/* preempt-delay: a worse master has been heard for so long. */
static bool preempt_due(struct carp_vhost *v, mono_t now)
{
	if (mono_is_never(v->preempt_at))
		v->preempt_at = mono_add(now, v->preempt_delay_ns);
	return mono_due(v->preempt_at, now);
}

/* Equals that stepped down together would at once do so again: whoever is
 * first is heard by the others before they do it as well (rules 11). */
static void take_soon(struct carp_vhost *v, enum carp_cause cause,
		      enum carp_family f, mono_t now)
{
	/* roles swap within 0.1 s all the same */
	int64_t extra_ns = v->extra_ns / (extra_most_ns(v) / SOON_NS + 1);

	if (cause == CARP_CAUSE_BOW_OUT)
		extra_ns = v->env.others ? FOR_WHOM_NS : 0;
	if (!extra_ns) {
		carp_vhost_take(v, cause, now);
		return;
	}
	if (mono_is_never(v->take_at))
		v->take_at = mono_add(now, extra_ns);
	v->take_cause = cause;
	master_lives(v, f, now);
}

static void advert_follow(struct carp_vhost *v, const struct carp_advert *rx,
			  const struct carp_sender *from, mono_t now)
{
	const struct carp_self self = {
		.state = v->state,
		.advbase = v->advbase,
		.advskew = carp_vhost_said_skew(v), /* as others see it */
		.demotion = (uint8_t)v->env.demotion,
		.holding = v->env.holding,
		.preempt = v->preempt && v->env.may_preempt,
		.ask_first = v->env.ask_first,
		.second = v->env.second,
	};
	struct carp_verdict verdict = carp_fsm_decide(&self, rx, from);

	if (verdict.cause == CARP_CAUSE_PREEMPT && !preempt_due(v, now))
		verdict.step = CARP_REARM;
	else if (verdict.cause != CARP_CAUSE_PREEMPT)
		v->preempt_at = MONO_NEVER;
	/* Handover, step 6: whoever advertises now has taken over. */
	if (v->fence == CARP_BOWED_OUT && !carp_fsm_is_bow_out(rx))
		verdict = (struct carp_verdict){ CARP_YIELD,
						 CARP_CAUSE_HANDOVER };
	if (verdict.step != CARP_TAKE)
		v->take_at = MONO_NEVER;
	switch (verdict.step) {
	case CARP_STAY:
		if (v->state == CARP_MASTER && !carp_fsm_is_bow_out(rx))
			rival_heard(v);
		break;
	case CARP_ASK:
		ask(v, now);
		master_lives(v, from->addr.family, now);
		break;
	case CARP_REARM:
		master_lives(v, from->addr.family, now);
		break;
	case CARP_TAKE:
		take_soon(v, verdict.cause, from->addr.family, now);
		break;
	case CARP_YIELD:
		carp_vhost_yield(v, verdict.cause, now);
		break;
	}
}

enum carp_refusal carp_vhost_receive(struct carp_vhost *v,
				     const struct carp_advert *rx,
				     const struct carp_sender *from, mono_t now)
{
	enum carp_refusal why = advert_check(v, rx, from);

	carp_vhost_count(v, why);
	if (why || v->state == CARP_INIT)
		return why;
	v->master = (struct carp_heard){
		.any = true,
		.from = *from,
		.advert = *rx,
		.at = now,
	};
	v->waiting[from->addr.family] = MONO_NEVER;
	v->let_pass[from->addr.family] = false;
	v->obeys[from->addr.family] = false;
	v->hears[from->addr.family] = true;
	if (!from->known)
		v->foreigner = from->addr;
	if (!from->known && !v->foreign) {
		v->foreign = true;
		if (v->state == CARP_MASTER && v->fence == CARP_UNFENCED &&
		    v->env.demotion)
			advert_now(v, now); /* with its advskew */
	}
	advert_follow(v, rx, from, now);
	return CARP_OK;
}

void carp_vhost_no_foreign(struct carp_vhost *v)
{
	v->foreign = false;
}

void carp_vhost_fence(struct carp_vhost *v)
{
	if (v->state != CARP_MASTER || v->fence != CARP_UNFENCED)
		return;
	v->fence = CARP_FENCED;
	v->next_advert = MONO_NEVER;
}

void carp_vhost_bow_out(struct carp_vhost *v)
{
	if (v->state != CARP_MASTER)
		return;
	v->fence = CARP_BOWED_OUT;
	v->next_advert = MONO_NEVER;
	advert_push(v, CARP_BOW_OUT_ADVBASE, CARP_BOW_OUT_ADVSKEW, true);
}

void carp_vhost_resume(struct carp_vhost *v, mono_t now)
{
	if (v->state == CARP_MASTER && v->fence != CARP_UNFENCED)
		carp_vhost_begin(v, now);
}

static void advert_due(struct carp_vhost *v, mono_t now)
{
	int64_t interval_ns = carp_vhost_interval_ns(v);

	advert_send(v);
	/* From deadline to deadline, so that adverts do not drift; from now
	 * where we slept longer, so that they do not burst. */
	v->next_advert = mono_add(v->next_advert, interval_ns);
	if (mono_due(v->next_advert, now))
		v->next_advert = mono_add(now, interval_ns);
}

void carp_vhost_tick(struct carp_vhost *v, mono_t now)
{
	for (enum carp_family f = CARP_V4; f < CARP_FAMILIES; f++)
		if (mono_due(v->master_down[f], now))
			carp_vhost_silent(v, f, now);
	if (mono_due(v->take_at, now))
		carp_vhost_take(v, v->take_cause, now);
	if (mono_due(v->next_advert, now))
		advert_due(v, now);
	if (mono_due(v->next_announce, now)) {
		if (v->fence == CARP_UNFENCED)
			carp_vhost_push(v, CARP_DO_ANNOUNCE);
		v->next_announce = mono_add(now, v->announce_ns);
	}
}

mono_t carp_vhost_deadline(const struct carp_vhost *v)
{
	mono_t d = mono_min(v->next_advert, v->next_announce);

	d = mono_min(d, v->take_at);
	for (int f = 0; f < CARP_FAMILIES; f++)
		d = mono_min(d, v->master_down[f]);
	return d;
}
