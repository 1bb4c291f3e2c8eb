/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A socket filter for conntrack events: what nobody here wants is not even
 * queued. It may refuse less than asked for, never more.
 */
#ifndef STATESYNC_CT_REFUSE_H
#define STATESYNC_CT_REFUSE_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#define CT_REFUSE_MAX 64 /* instructions */

/*
 * Refuses events caused by that netlink port (0: none), and those of flows of
 * these protocols (a bit each), where they, or the others, are few enough to be
 * compared one by one. Returns the number of instructions; 0: nothing is
 * refused.
 */
size_t ct_refuse_program(struct sock_filter code[CT_REFUSE_MAX],
			 uint32_t portid, const uint64_t protocols[4]);

#endif
