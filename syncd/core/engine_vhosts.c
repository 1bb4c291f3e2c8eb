/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Virtual hosts from the configuration: at the start, and those that come,
 * change and go while the node runs. Their elections are carp/vhost's.
 *
 * A new password or address changes the HMAC, on one node before it does on
 * the other. Between nodes that have a link a changed one goes on with the old
 * HMAC until the link says that the others have changed, too; so nobody is
 * unheard, and no mastership moves.
 *
 * Invariant: a vhost keeps its place; a free place is in INIT for good.
 */
#include "engine_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Nodes without our link are changed by hand, within that time. */
#define OLD_ACCEPTED_NS (60 * MONO_S)

static void set_values(struct engine_vhost *v,
		       const struct engine_vhost_conf *c)
{
	v->interface = c->interface;
	v->own_mac = c->own_mac;
	v->strict = c->strict;
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
	v->old_until = MONO_NEVER;
	err = carp_vhost_init(&v->carp, &carp, now);
	if (!err)
		return 0;
	v->gone = true;
	*why = carp_conf_error_text(err);
	return -EINVAL;
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
		v->old_until = mono_add(now, OLD_ACCEPTED_NS);
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
	v->tracked = 0;
	engine_track(e, index, 0, now);
	engine_interfaces_down(e);
	engine_peer_say_word(e);
	return 0;
}

void engine_change(struct engine *e, const struct engine_conf *conf)
{
	e->independent = conf->independent;
	e->gate.require = conf->require;
	e->gate.limit_ns = conf->require_ns;
}

/* Does a living peer still have what was before? Does nobody? */
static bool peers_have_old(const struct engine *e, const struct engine_vhost *v,
			   bool *all_new)
{
	uint64_t identity = carp_vhost_identity(&v->carp);
	bool old = false;

	*all_new = e->npeers > 0;
	for (size_t i = 0; i < e->npeers; i++) {
		const struct session_vhost *w =
			engine_peer_vhost(&e->peers[i], v->name);

		*all_new &= w && w->identity == identity;
		old |= w && w->identity && w->identity != identity;
	}
	return old;
}

void engine_vhosts_settle(struct engine *e, mono_t now)
{
	for (size_t i = 0; i < e->nvhosts; i++) {
		struct engine_vhost *v = &e->vhosts[i];
		bool all_new, old;

		if (mono_is_never(v->old_until))
			continue;
		old = peers_have_old(e, v, &all_new);
		if (all_new || (!old && mono_due(v->old_until, now)))
			v->old_until = MONO_NEVER;
		carp_vhost_changed(&v->carp, old, !mono_is_never(v->old_until));
	}
}

mono_t engine_vhosts_deadline(const struct engine *e)
{
	mono_t d = MONO_NEVER;

	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].carp.says_old)
			d = mono_min(d, e->vhosts[i].old_until);
	return d;
}
