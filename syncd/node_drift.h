/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * This node compared with its peers (node_drift.c). Nothing is done without
 * peers.
 */
#ifndef STATESYNC_NODE_DRIFT_H
#define STATESYNC_NODE_DRIFT_H

#include "node.h"

/* Once there is an engine and a loop. 0 or -errno, logged but for -ENOMEM. */
int node_drift_open(struct node *n) __attribute__((warn_unused_result));
/* The configuration is another one; the old one is still there. 0 or -ENOMEM. */
int node_drift_change(struct node *n) __attribute__((warn_unused_result));
void node_drift_close(struct node *n);
/* Looks now, not only when the period is over. */
void node_drift_look(struct node *n);
/* How old the facts of this node are, and at most those of a peer; below 0: not
 * known. */
int64_t node_drift_age_ns(const struct node *n);
int64_t node_drift_peer_age_ns(const struct node *n, unsigned peer);

#endif
