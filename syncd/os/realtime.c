/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The scheduling class of this process, sched(7). It does not know what is
 * urgent. Invariant: children are ordinary processes again.
 */
#include "realtime.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

int realtime_open(void)
{
	const struct sched_param ahead = { .sched_priority =
						   REALTIME_PRIORITY };

	/* for the ordinary class; without the right to it the usual share */
	(void)setpriority(PRIO_PROCESS, 0, REALTIME_NICE);
	if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &ahead))
		return -errno;
	return 0;
}

void realtime_set(bool ahead)
{
	const struct sched_param param = {
		.sched_priority = ahead ? REALTIME_PRIORITY : 0,
	};

	(void)sched_setscheduler(
		0, (ahead ? SCHED_RR : SCHED_OTHER) | SCHED_RESET_ON_FORK,
		&param);
}
