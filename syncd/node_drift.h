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

#endif
