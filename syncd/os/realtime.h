/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two ways to be scheduled: ahead of ordinary processes, for adverts, ARP
 * and deadlines, which must not be late on a busy machine; and among them, for
 * heavy work, which may take seconds and must leave the machine usable.
 */
#ifndef STATESYNC_REALTIME_H
#define STATESYNC_REALTIME_H

#include <stdbool.h>

/* Below the kernel's own threads, which stand at 50. */
#define REALTIME_PRIORITY 10
/* In the ordinary class: nine shares against one of another process. */
#define REALTIME_NICE (-10)

/* Goes ahead. 0, or -EPERM: not allowed to (CAP_SYS_NICE, RLIMIT_RTPRIO);
 * then the process stays as it is and realtime_set does nothing good. */
int realtime_open(void) __attribute__((warn_unused_result));

/* Ahead of others (true), or among them (false); some 0.3 us. */
void realtime_set(bool ahead);

#endif
