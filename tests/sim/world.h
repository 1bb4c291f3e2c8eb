/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What sim.c, world.c and befall.c know of each other. Not for tests. */
#ifndef STATESYNC_SIM_WORLD_H
#define STATESYNC_SIM_WORLD_H

#include "sim.h"

/* --- sim.c */
void world_actions(struct sim *s, unsigned node);
/* Reads at most room events; false when none is left. */
bool world_events(struct sim *s, unsigned node, size_t room);

/* --- world.c */
void world_begin_daemon(struct sim *s, unsigned node);
/* gently: what is in the socket still arrives. */
void world_end_daemon(struct sim *s, unsigned node, bool gently);
void world_connect(struct sim *s);
void world_detach(struct sim *s, unsigned node, unsigned from, const char *why);
bool world_link_receive(struct sim *s, unsigned node);
void world_link_send(struct sim *s, unsigned node);
mono_t world_link_due(const struct sim *s, unsigned node);

#endif
