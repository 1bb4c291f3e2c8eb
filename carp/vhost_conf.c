/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A virtual host's parameters, its password and addresses: at first, and when
 * they change while it runs. Not its state.
 *
 * Implements carp_hmac_prepare of OpenBSD ip_carp.c by carp/auth. A change
 * there sends every vhost to INIT (carp_set_addr); here it keeps its state and
 * understands the nodes that have not changed yet.
 *
 * Invariant: what is refused changes nothing.
 */
#include "vhost_int.h"

#include <openssl/crypto.h>
#include <string.h>

/* splitmix64 (Steele, Lea, Flood 2014): nothing here needs to be secret. */
uint64_t carp_vhost_random(struct carp_vhost *v)
{
	uint64_t z = v->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* The key and the addresses of a configuration, for the HMAC. */
static enum carp_conf_error auth_of(struct carp_auth *auth,
				    const struct carp_vhost_conf *conf)
{
	enum carp_conf_error e = carp_auth_init(auth, conf->vhid, conf->pass);

	if (conf->advskew > CARP_ADVSKEW_MAX)
		return CARP_CONF_ADVSKEW;
	if (conf->external && e == CARP_CONF_VHID)
		e = CARP_CONF_OK;
	if (!e && conf->v4_count + conf->v6_count == 0)
		return CARP_CONF_NO_ADDRESS;
	for (size_t i = 0; i < conf->v4_count && !e; i++)
		e = carp_auth_add_v4(auth, conf->v4[i]);
	for (size_t i = 0; i < conf->v6_count && !e; i++)
		e = carp_auth_add_v6(auth, &conf->v6[i]);
	return e;
}

static void set_parameters(struct carp_vhost *v,
			   const struct carp_vhost_conf *conf)
{
	v->advbase = conf->advbase;
	v->advskew = conf->advskew;
	v->preempt = conf->preempt;
	v->preempt_delay_ns = conf->preempt_delay_ns;
	v->announce_ns = conf->announce_ns;
	v->witness_limit = conf->witness_limit;
	v->external = conf->external;
	v->uses[CARP_V4] = conf->v4_count > 0 && !v->external;
	v->uses[CARP_V6] = conf->v6_count > 0 && !v->external;
	for (int f = 0; f < CARP_FAMILIES; f++)
		v->obeys[f] &= v->uses[f];
}

enum carp_conf_error carp_vhost_init(struct carp_vhost *v,
				     const struct carp_vhost_conf *conf,
				     mono_t now)
{
	*v = (struct carp_vhost){
		.state = CARP_INIT,
		.since = now,
		.random = conf->seed,
		.next_advert = MONO_NEVER,
		.next_announce = MONO_NEVER,
		.preempt_at = MONO_NEVER,
		.take_at = MONO_NEVER,
		.master_down = { MONO_NEVER, MONO_NEVER },
		.waiting = { MONO_NEVER, MONO_NEVER },
		.next_ask = now,
	};
	set_parameters(v, conf);
	v->base = v->counter = carp_vhost_random(v);
	return auth_of(&v->auth, conf);
}

const struct carp_auth *carp_vhost_auth(const struct carp_vhost *v)
{
	return v->says_old ? &v->old : &v->auth;
}

void carp_vhost_again(const struct carp_auth *auth,
		      uint8_t advert[CARP_ADVERT_LEN])
{
	struct carp_advert a;

	if (carp_wire_parse(advert, CARP_ADVERT_LEN, &a))
		return;
	a.counter += CARP_COUNTER_AGAIN;
	carp_auth_sign(auth, CARP_AUTH_NOV6LL, a.counter, a.digest);
	carp_wire_build(&a, advert);
}

static uint64_t identity_of(const struct carp_auth *auth)
{
	uint8_t digest[CARP_DIGEST_LEN];
	uint64_t identity = 0;

	carp_auth_sign(auth, CARP_AUTH_ORIG, 0, digest);
	for (size_t i = 0; i < sizeof(identity); i++)
		identity = identity << 8 | digest[i];
	return identity;
}

uint64_t carp_vhost_identity(const struct carp_vhost *v)
{
	return identity_of(&v->auth);
}

/* Other times from now on; the state stays. */
static void set_times(struct carp_vhost *v, const struct carp_vhost_conf *conf,
		      mono_t now)
{
	int64_t interval_ns = carp_vhost_interval_ns(v);
	int64_t announce_ns = v->announce_ns, delay_ns = v->preempt_delay_ns;

	set_parameters(v, conf);
	if (v->preempt_delay_ns != delay_ns)
		v->preempt_at = MONO_NEVER;
	if (v->state == CARP_MASTER && v->announce_ns != announce_ns)
		v->next_announce = v->announce_ns
					   ? mono_add(now, v->announce_ns)
					   : MONO_NEVER;
	if (carp_vhost_interval_ns(v) == interval_ns)
		return;
	if (v->state == CARP_BACKUP)
		carp_vhost_wait(v, 0, now);
	if (!mono_is_never(v->next_advert))
		v->next_advert = now;
}

enum carp_conf_error carp_vhost_change(struct carp_vhost *v,
				       const struct carp_vhost_conf *conf,
				       bool says_old, mono_t now)
{
	struct carp_auth auth;
	enum carp_conf_error e = auth_of(&auth, conf);

	if (e)
		return e;
	set_times(v, conf, now);
	if (identity_of(&auth) == identity_of(&v->auth))
		return CARP_CONF_OK;
	/* the others have the first of several that follow quickly */
	if (!v->says_old)
		v->old = v->auth;
	v->auth = auth;
	carp_vhost_changed(v, says_old, true);
	if (v->state == CARP_BACKUP)
		carp_vhost_wait(v, 0, now);
	if (v->state == CARP_MASTER && v->fence == CARP_UNFENCED)
		carp_vhost_begin(v, now); /* what is new among them */
	return CARP_CONF_OK;
}

void carp_vhost_changed(struct carp_vhost *v, bool says_old, bool accepts_old)
{
	v->says_old = says_old;
	v->has_old = says_old || accepts_old;
	if (!v->has_old)
		OPENSSL_cleanse(&v->old, sizeof(v->old));
}
