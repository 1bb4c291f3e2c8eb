/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ahead of ordinary processes: adverts, ARP and deadlines must not be late
 * on a busy machine (conntrackd does the same by default). The caller sees to
 * it that heavy work leaves room for others.
 */
#ifndef STATESYNC_REALTIME_H
#define STATESYNC_REALTIME_H

/* Below the kernel's own threads, which stand at 50. */
#define REALTIME_PRIORITY 10

/*
 * SCHED_RR for this process; its children are ordinary ones again. 0, or
 * -EPERM: not allowed to (CAP_SYS_NICE, RLIMIT_RTPRIO), nothing changed.
 */
int realtime_open(void) __attribute__((warn_unused_result));

#endif
