/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The conntrack timeouts of this network namespace, from /proc/sys. */
#ifndef STATESYNC_CT_TIMEOUTS_H
#define STATESYNC_CT_TIMEOUTS_H

#include "timeouts.h"

/* Replaces in t what can be read; the rest stays as it is (seconds). */
void ct_timeouts_read(struct flow_timeouts *t);

#endif
