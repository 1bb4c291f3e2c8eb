// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * One virtual host: keeps the state, the two timers and the queue of what is
 * to be done. Not here: the election's rules (carp/fsm), the lease itself,
 * holds and demotion (they come in as struct carp_env), sockets, clocks.
 *
 * Implements carp_setrun, carp_master_down, carp_set_state and carp_send_ad
 * of OpenBSD ip_carp.c: adverts each advbase + advskew/256 s, master-down
 * after three such intervals of our own, first advert at once, a second
 * announcement after two further adverts.
 *
 * Invariant: an advert without own_mac is queued only after a TAKE that no
 * RELEASE followed, and each RELEASE has its TAKE.
 */
#include "vhost.h"

#include <assert.h>
#include <string.h>

#define INTERVALS_DOWN	3
#define NS_PER_SKEW	(MONO_S / 256)
#define ANNOUNCE_AGAIN	2 /* adverts after the first one */
#define BOW_OUT_ADVBASE 255
#define BOW_OUT_ADVSKEW 255

/* splitmix64 (Steele, Lea, Flood 2014): nothing here needs to be secret. */
static uint64_t random_next(struct carp_vhost *v)
{
	uint64_t z = v->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static struct carp_action *action_push(struct carp_vhost *v, enum carp_do what)
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

static enum carp_conf_error vhost_addresses(struct carp_vhost *v,
					    const struct carp_vhost_conf *conf)
{
	enum carp_conf_error e = CARP_CONF_OK;

	if (conf->v4_count + conf->v6_count == 0)
		return CARP_CONF_NO_ADDRESS;
	for (size_t i = 0; i < conf->v4_count && !e; i++)
		e = carp_auth_add_v4(&v->auth, conf->v4[i]);
	for (size_t i = 0; i < conf->v6_count && !e; i++)
		e = carp_auth_add_v6(&v->auth, &conf->v6[i]);
	return e;
}

enum carp_conf_error carp_vhost_init(struct carp_vhost *v,
				     const struct carp_vhost_conf *conf,
				     mono_t now)
{
	enum carp_conf_error e;

	*v = (struct carp_vhost){
		.advbase = conf->advbase,
		.advskew = conf->advskew,
		.preempt = conf->preempt,
		.state = CARP_INIT,
		.since = now,
		.random = conf->seed,
		.next_advert = MONO_NEVER,
		.master_down = MONO_NEVER,
		.next_ask = now,
	};
	if (conf->advskew > CARP_ADVSKEW_MAX)
		return CARP_CONF_ADVSKEW;
	e = carp_auth_init(&v->auth, conf->vhid, conf->pass);
	if (!e)
		e = vhost_addresses(v, conf);
	if (e)
		return e;
	/* One counter for the whole life, as OpenBSD: so is the digest. */
	v->cookie = random_next(v);
	if (carp_auth_sign(&v->auth, CARP_AUTH_NOV6LL, v->cookie, v->digest))
		return CARP_CONF_CRYPTO;
	return CARP_CONF_OK;
}

int64_t carp_vhost_interval_ns(const struct carp_vhost *v)
{
	if (!v->advbase && !v->advskew)
		return NS_PER_SKEW;
	return v->advbase * MONO_S + v->advskew * NS_PER_SKEW;
}

/* Waits for the next advert of a master (carp_setrun BACKUP). */
static void master_down_arm(struct carp_vhost *v, int64_t extra_ns, mono_t now)
{
	v->master_down = mono_add(
		now, INTERVALS_DOWN * carp_vhost_interval_ns(v) + extra_ns);
}

static void advert_push(struct carp_vhost *v, uint8_t advbase, uint8_t advskew,
			bool own_mac)
{
	struct carp_action *a = action_push(v, CARP_DO_ADVERT);
	struct carp_advert advert = {
		.vhid = v->auth.vhid,
		.advskew = advskew,
		.authlen = (8 + CARP_DIGEST_LEN) / 4,
		.demote = (uint8_t)v->env.demotion,
		.advbase = advbase,
		.counter = v->cookie,
	};

	memcpy(advert.digest, v->digest, CARP_DIGEST_LEN);
	carp_wire_build(&advert, a->advert.bytes);
	a->advert.own_mac = own_mac;
}

static void advert_send(struct carp_vhost *v)
{
	advert_push(v, v->advbase, v->advskew, false);
	if (v->announce_after && --v->announce_after == 0)
		action_push(v, CARP_DO_ANNOUNCE);
}

/* Takes the right and tells everybody (carp_master_down). */
static void master_begin(struct carp_vhost *v, mono_t now)
{
	v->fence = CARP_UNFENCED;
	v->announce_after = 0;
	action_push(v, CARP_DO_TAKE);
	advert_send(v);
	action_push(v, CARP_DO_ANNOUNCE);
	v->announce_after = ANNOUNCE_AGAIN;
	v->next_advert = mono_add(now, carp_vhost_interval_ns(v));
}

/* Changes the state; timers of the state that is left are off. */
static void state_set(struct carp_vhost *v, enum carp_state to,
		      enum carp_cause cause, mono_t now)
{
	struct carp_action *a = action_push(v, CARP_DO_TRANSITION);

	assert(v->state != to);
	a->transition.from = v->state;
	a->transition.to = to;
	a->transition.cause = cause;
	a->transition.silent_ns =
		v->master.any ? mono_diff(now, v->master.at) : -1;
	if (v->state == CARP_MASTER)
		action_push(v, CARP_DO_RELEASE);
	v->state = to;
	v->since = now;
	v->transitions++;
	v->fence = CARP_UNFENCED;
	v->next_advert = MONO_NEVER;
	v->master_down = MONO_NEVER;
}

void carp_vhost_take(struct carp_vhost *v, enum carp_cause cause, mono_t now)
{
	if (v->state != CARP_BACKUP)
		return;
	state_set(v, CARP_MASTER, cause, now);
	master_begin(v, now);
}

void carp_vhost_give_up(struct carp_vhost *v, mono_t now)
{
	carp_vhost_take(v, CARP_CAUSE_GIVEN_UP, now);
}

void carp_vhost_yield(struct carp_vhost *v, enum carp_cause cause, mono_t now)
{
	int64_t extra_ns = 0;

	if (v->state != CARP_MASTER)
		return;
	/* Two that are equal and step down together must not rise together
	 * (rules 11). */
	if (cause == CARP_CAUSE_EQUAL) {
		int64_t most_ns = carp_vhost_interval_ns(v) / 8;

		extra_ns = (int64_t)(random_next(v) % (uint64_t)(most_ns + 1));
	}
	state_set(v, CARP_BACKUP, cause, now);
	master_down_arm(v, extra_ns, now);
}

void carp_vhost_lease_lost(struct carp_vhost *v, mono_t now)
{
	carp_vhost_yield(v, CARP_CAUSE_LEASE, now);
}

void carp_vhost_link(struct carp_vhost *v, bool up, mono_t now)
{
	if (up && v->state == CARP_INIT && !v->stopped) {
		state_set(v, CARP_BACKUP, CARP_CAUSE_LINK_UP, now);
		master_down_arm(v, 0, now);
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
		advert_push(v, BOW_OUT_ADVBASE, BOW_OUT_ADVSKEW, true);
}

void carp_vhost_env(struct carp_vhost *v, const struct carp_env *env,
		    mono_t now)
{
	unsigned before = v->env.demotion;

	v->env = *env;
	/* Compared as it is told, else two nodes above 255 both yield. */
	if (v->env.demotion > UINT8_MAX)
		v->env.demotion = UINT8_MAX;
	if (v->state != CARP_MASTER || v->fence != CARP_UNFENCED ||
	    v->env.demotion <= before)
		return;
	advert_send(v);
	v->next_advert = mono_add(now, carp_vhost_interval_ns(v));
}

void carp_vhost_count(struct carp_vhost *v, enum carp_refusal why)
{
	assert(why < CARP_REFUSAL_COUNT);
	v->counters[why]++;
}

/* The checks that need the vhost, in the order of carp_proto_input_c. */
static enum carp_refusal advert_check(const struct carp_vhost *v,
				      const struct carp_advert *rx)
{
	if (rx->vhid != v->auth.vhid)
		return CARP_REFUSED_VHID;
	if (!carp_auth_verify(&v->auth, rx->counter, rx->digest))
		return CARP_REFUSED_AUTH;
	if (rx->counter == v->cookie)
		return CARP_REFUSED_LOOP;
	return CARP_OK;
}

static void ask(struct carp_vhost *v, mono_t now)
{
	if (!mono_due(v->next_ask, now))
		return;
	action_push(v, CARP_DO_ASK);
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

static void advert_follow(struct carp_vhost *v, const struct carp_advert *rx,
			  const struct carp_sender *from, mono_t now)
{
	const struct carp_self self = {
		.state = v->state,
		.advbase = v->advbase,
		.advskew = v->advskew,
		.demotion = (uint8_t)v->env.demotion,
		.holding = v->env.holding,
		.preempt = v->preempt && v->env.may_preempt,
		.ask_first = v->env.ask_first,
	};
	struct carp_verdict verdict = carp_fsm_decide(&self, rx, from);

	/* Handover, step 6: whoever advertises now has taken over. */
	if (v->fence == CARP_BOWED_OUT && !carp_fsm_is_bow_out(rx))
		verdict = (struct carp_verdict){ CARP_YIELD,
						 CARP_CAUSE_HANDOVER };
	switch (verdict.step) {
	case CARP_STAY:
		if (v->state == CARP_MASTER && !carp_fsm_is_bow_out(rx))
			rival_heard(v);
		break;
	case CARP_ASK:
		ask(v, now);
		master_down_arm(v, 0, now);
		break;
	case CARP_REARM:
		master_down_arm(v, 0, now);
		break;
	case CARP_TAKE:
		carp_vhost_take(v, verdict.cause, now);
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
	enum carp_refusal why = advert_check(v, rx);

	carp_vhost_count(v, why);
	if (why || v->state == CARP_INIT)
		return why;
	v->master = (struct carp_heard){
		.any = true,
		.from = *from,
		.advert = *rx,
		.at = now,
	};
	advert_follow(v, rx, from, now);
	return CARP_OK;
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
	advert_push(v, BOW_OUT_ADVBASE, BOW_OUT_ADVSKEW, true);
}

void carp_vhost_resume(struct carp_vhost *v, mono_t now)
{
	if (v->state == CARP_MASTER && v->fence != CARP_UNFENCED)
		master_begin(v, now);
}

void carp_vhost_tick(struct carp_vhost *v, mono_t now)
{
	if (mono_due(v->master_down, now)) {
		carp_vhost_take(v, CARP_CAUSE_MASTER_DOWN, now);
	} else if (mono_due(v->next_advert, now)) {
		int64_t interval_ns = carp_vhost_interval_ns(v);

		advert_send(v);
		/* From deadline to deadline, so that adverts do not drift;
		 * from now where we slept longer, so that they do not burst. */
		v->next_advert = mono_add(v->next_advert, interval_ns);
		if (mono_due(v->next_advert, now))
			v->next_advert = mono_add(now, interval_ns);
	}
}

mono_t carp_vhost_deadline(const struct carp_vhost *v)
{
	return mono_min(v->master_down, v->next_advert);
}
