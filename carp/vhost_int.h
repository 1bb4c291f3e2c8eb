/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of carp/vhost know of each other. Not for others. */
#ifndef STATESYNC_CARP_VHOST_INT_H
#define STATESYNC_CARP_VHOST_INT_H

#include "vhost.h"

/* vhost_conf.c: numbers that need not be secret. */
uint64_t carp_vhost_random(struct carp_vhost *v);

/* vhost.c: an action at the end of the queue, to be filled in. */
struct carp_action *carp_vhost_push(struct carp_vhost *v, enum carp_do what);
/* Waits for the next advert of a master (carp_setrun BACKUP): in each family
 * apart, and the first one that is missing decides. */
void carp_vhost_wait(struct carp_vhost *v, int64_t extra_ns, mono_t now);
/* Three intervals of our own: the time until a silent master is down. */
int64_t carp_vhost_down_ns(const struct carp_vhost *v);
/* Takes the right, or what is new of it, and tells everybody
 * (carp_master_down). */
void carp_vhost_begin(struct carp_vhost *v, mono_t now);
/* vhost_witness.c: that time has passed in this family. */
void carp_vhost_silent(struct carp_vhost *v, enum carp_family f, mono_t now);

#endif
