/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Virtual hosts whose master another program elects (VRRP, a cluster manager):
 * it moves addresses and tells the role, here the state follows. Nothing else
 * is another: who is master tells its flows, who is not holds until it has
 * them. Whether a hold keeps that program from electing this node is its own
 * affair; it has to ask.
 *
 * Invariant: the role of an external vhost changes in engine_role() alone, and
 * when the node ends.
 */
#include "engine_int.h"

#include <errno.h>

bool engine_is_external(const struct engine *e)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].gone && e->vhosts[i].carp.external)
			return true;
	return false;
}

int engine_role(struct engine *e, unsigned vhost, bool master, mono_t now)
{
	struct carp_vhost *v = &e->vhosts[vhost].carp;

	if (e->vhosts[vhost].gone || !v->external)
		return -EINVAL;
	if (e->stopping)
		return -EBUSY;
	if (master)
		carp_vhost_take(v, CARP_CAUSE_ELECTOR, now);
	else
		carp_vhost_yield(v, CARP_CAUSE_ELECTOR, now);
	return 0;
}
