/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The scheduling class of this process, sched(7). It does not know what is
 * urgent. Invariant: children are ordinary processes again.
 *
 * Changing to the ordinary class and back around each piece of heavy work was
 * tried: the scheduler then makes the process wait 15 to 60 ms for each of
 * them, and the bulk takes five times as long.
 */
#include "realtime.h"

#include <errno.h>
#include <sched.h>

int realtime_open(void)
{
	const struct sched_param param = { .sched_priority =
						   REALTIME_PRIORITY };

	if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param))
		return -errno;
	return 0;
}
