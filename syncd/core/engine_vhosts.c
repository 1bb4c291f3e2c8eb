/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Virtual hosts from the configuration: at the start, and those that come,
 * change and go while the node runs. Their elections are carp/vhost's.
 *
 * A new password or address changes the HMAC, on one node before it does on
 * the other. Between nodes that have a link a changed one goes on with the old
 * HMAC until the link says that the others have changed, too; so nobody is
 * unheard, and no mastership moves. A new virtual host that the standby has
 * before the master does waits there, for the same reason.
 *
 * Invariant: a vhost keeps its place; a free place is in INIT for good.
 */
#include "engine_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* All nodes are changed within that time, where the link does not tell. */
#define OLD_NS	 (60 * MONO_S)
#define WAITS_NS (60 * MONO_S)

static void set_values(struct engine_vhost *v,
		       const struct engine_vhost_conf *c)
{
	v->interface = c->interface;
	v->own_mac = c->own_mac;
	v->strict = c->strict;
	v->balanced = c->balanced;
	v->nallowed = c->nallowed;
	memcpy(v->allowed, c->allowed, sizeof(v->allowed));
}

static int add(struct engine *e, struct engine_vhost *v,
	       const struct engine_vhost_conf *c, const char **why, mono_t now)
{
	struct carp_vhost_conf carp = c->carp;
	enum carp_conf_error err;

	/* equal nodes draw lots (rules 11): once for all vhosts. One that comes
	 * later may be one that went: other counters. */
	carp.seed = mono_diff(now, e->started) ? engine_random(e) : e->boot_id;
	memset(v, 0, sizeof(*v));
	snprintf(v->name, sizeof(v->name), "%s", c->name);
	set_values(v, c);
	v->old_until = v->waits_until = MONO_NEVER;
	err = carp_vhost_init(&v->carp, &carp, now);
	if (err) {
		v->gone = true;
		*why = carp_conf_error_text(err);
		return -EINVAL;
	}
	v->link_up = carp.external; /* its interfaces are the elector's */
	if (carp.external)
		carp_vhost_link(&v->carp, true, now);
	else if (mono_diff(now, e->started))
		v->waits_until = mono_add(now, WAITS_NS);
	return 0;
}

static int change(struct engine *e, struct engine_vhost *v,
		  const struct engine_vhost_conf *c, const char **why,
		  mono_t now)
{
	uint64_t before = carp_vhost_identity(&v->carp);
	enum carp_conf_error err =
		carp_vhost_change(&v->carp, &c->carp, e->npeers > 0, now);

	if (err) {
		*why = carp_conf_error_text(err);
		return -EINVAL;
	}
	set_values(v, c);
	if (carp_vhost_identity(&v->carp) != before)
		v->old_until = mono_add(now, OLD_NS);
	return 0;
}

int engine_vhost_set(struct engine *e, unsigned index,
		     const struct engine_vhost_conf *conf, const char **why,
		     mono_t now)
{
	struct engine_vhost *v = &e->vhosts[index];
	int err;

	*why = "a handover is going on";
	if (e->handover.state != HANDOVER_IDLE)
		return -EBUSY;
	if (index < e->nvhosts && !v->gone)
		err = change(e, v, conf, why, now);
	else
		err = add(e, v, conf, why, now);
	if (!err && index >= e->nvhosts)
		e->nvhosts = index + 1;
	engine_peer_say_word(e);
	return err;
}

int engine_vhost_drop(struct engine *e, unsigned index, mono_t now)
{
	struct engine_vhost *v = &e->vhosts[index];

	if (e->handover.state != HANDOVER_IDLE)
		return -EBUSY;
	carp_vhost_stop(&v->carp, now);
	v->gone = true;
	v->old_until = v->waits_until = MONO_NEVER;
	engine_track(e, index, 0, true, now);
	engine_carp_count_down(e);
	engine_peer_say_word(e);
	return 0;
}

void engine_track(struct engine *e, unsigned vhost, int32_t weights, bool known,
		  mono_t now)
{
	struct engine_vhost *v = &e->vhosts[vhost];
	int32_t sum = 0;

	(void)now;
	v->unsure = !known;
	if (known)
		v->tracked_before = 0;
	v->tracked = weights > v->tracked_before ? weights : v->tracked_before;
	for (size_t i = 0; i < e->nvhosts; i++)
		sum += e->vhosts[i].tracked;
	demotion_set(&e->demotion, DEMOTION_TRACK, sum);
}

void engine_change(struct engine *e, const struct engine_conf *conf)
{
	e->independent = conf->independent;
	e->defers = conf->defer;
	e->audit_period_ns = conf->audit_period_ns;
	e->gate.require = conf->require;
	e->gate.limit_ns = conf->require_ns;
	e->resume_bytes = conf->resume_bytes;
	for (size_t i = 0; i < e->npeers; i++)
		session_set_resume(e->peers[i].session, e->resume_bytes);
}

/* --- what peers say of them ----------------------------------------------- */

const struct session_vhost *engine_word_vhost(const struct session_word *w,
					      const char *name)
{
	for (size_t i = 0; i < w->nvhosts; i++)
		if (strcmp(w->vhosts[i].name, name) == 0)
			return &w->vhosts[i];
	return NULL;
}

const struct session_vhost *engine_peer_vhost(const struct engine_peer *p,
					      const char *name)
{
	return p->heard ? engine_word_vhost(&p->word, name) : NULL;
}

/* --- what was before ------------------------------------------------------ */

/* What the peers have, as they last said; who never said may have either. */
struct peers_hmac {
	bool old;     /* one that is heard has another one */
	bool new;     /* all have ours, as far as they last said */
	bool settled; /* and they say so now: none uses another any more */
};

static struct peers_hmac ask_peers(const struct engine *e,
				   const struct engine_vhost *v)
{
	uint64_t identity = carp_vhost_identity(&v->carp);
	struct peers_hmac is = { .new = true, .settled = e->npeers > 0 };

	for (size_t i = 0; i < e->npeers; i++) {
		const struct engine_peer *p = &e->peers[i];
		const struct session_vhost *w =
			engine_word_vhost(&p->word, v->name);

		if (!w && p->heard)
			continue;
		is.new &= w && w->identity == identity;
		is.settled &= is.new && p->heard;
		is.old |= p->heard && w->identity && w->identity != identity;
	}
	return is;
}

/*
 * What was before is of use until all peers have what is new. A peer that says
 * nothing any more, or a node without our link, is given a time; until then it
 * is told what it was told before the change.
 */
static void settle_old(struct engine *e, struct engine_vhost *v, mono_t now)
{
	struct peers_hmac is = ask_peers(e, v);
	bool use;

	if (is.old)
		v->old_until = mono_add(now, OLD_NS);
	else if ((is.settled && !v->carp.foreign) ||
		 mono_due(v->old_until, now))
		v->old_until = MONO_NEVER;
	use = !mono_is_never(v->old_until);
	carp_vhost_changed(&v->carp, use && !is.new, use);
}

/* --- new ones ----------------------------------------------------------------- */

/* Is a peer master of the others, and nobody yet of this one? It will be, when
 * its configuration is changed, too; until then one node has all. */
static bool master_lacks(const struct engine *e, size_t vhost)
{
	const struct engine_vhost *v = &e->vhosts[vhost];
	bool lacks = false;

	for (size_t k = 0; k < e->npeers; k++) {
		const struct engine_peer *p = &e->peers[k];
		const struct session_vhost *w = engine_peer_vhost(p, v->name);

		if (w && w->state == CARP_MASTER &&
		    w->vhid == v->carp.auth.vhid)
			return false;
		for (size_t i = 0; i < e->nvhosts; i++) {
			if (e->vhosts[i].gone || engine_alone(e, i))
				continue;
			if (e->vhosts[i].carp.state == CARP_MASTER)
				return false;
			w = engine_peer_vhost(p, e->vhosts[i].name);
			lacks |= i != vhost && w && w->state == CARP_MASTER;
		}
	}
	return lacks;
}

static void settle_new(struct engine *e, size_t vhost, mono_t now)
{
	struct engine_vhost *v = &e->vhosts[vhost];

	if (!engine_alone(e, vhost) && !e->stopping &&
	    !mono_due(v->waits_until, now) && master_lacks(e, vhost)) {
		if (!v->said)
			engine_log(e, LEVEL_NOTICE,
				   "carp \"%s\": waits, %d s at most, until "
				   "the master of the others has it, too",
				   v->name, (int)(WAITS_NS / MONO_S));
		v->said = true;
		return;
	}
	v->waits_until = MONO_NEVER;
	if (v->link_up)
		carp_vhost_link(&v->carp, true, now);
}

void engine_vhosts_settle(struct engine *e, mono_t now)
{
	for (size_t i = 0; i < e->nvhosts; i++) {
		struct engine_vhost *v = &e->vhosts[i];

		if (v->gone)
			continue;
		if (!mono_is_never(v->old_until))
			settle_old(e, v, now);
		if (!mono_is_never(v->waits_until))
			settle_new(e, i, now);
	}
}

mono_t engine_vhosts_deadline(const struct engine *e)
{
	mono_t d = MONO_NEVER;

	for (size_t i = 0; i < e->nvhosts; i++) {
		d = mono_min(d, e->vhosts[i].old_until);
		d = mono_min(d, e->vhosts[i].waits_until);
	}
	return d;
}
