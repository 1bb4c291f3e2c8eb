/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the kernel's answers to an injection mean (ct_inject), and which flows
 * it can be told at all.
 */
#ifndef STATESYNC_CT_RESULT_H
#define STATESYNC_CT_RESULT_H

#include <stdbool.h>

#include "flow.h"

/* The result of a change that failed with -errno; of FLOW_OTHER, *other becomes
 * errno. */
enum flow_result ct_result_of(int error, int *other);

/*
 * May the kernel be told it as a whole? It needs a timeout and the state of its
 * protocol. Whether SYN_SENT may be told is the filter's (CTNETLINK.md 3).
 */
bool ct_result_possible(const struct flow *f);

/* "applied", "gone", "table_full", "chain", "clash", "helper", "labels",
 * "invalid", "ack_lost", "other", "kept", "ousted"; never NULL. */
const char *ct_result_name(enum flow_result result);

#endif
