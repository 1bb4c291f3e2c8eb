/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What became of a change: errors of the kernel to results, results to words
 * (operating.md 3.2). Invariant: each error has a result.
 */
#include <errno.h>

#include "ct_inject.h"

const char *inject_result_name(enum flow_result result)
{
	static const char *const names[FLOW_RESULT_COUNT] = {
		[FLOW_APPLIED] = "applied",	  [FLOW_GONE] = "gone",
		[FLOW_TABLE_FULL] = "table_full", [FLOW_CHAIN] = "chain",
		[FLOW_CLASH] = "clash",		  [FLOW_HELPER] = "helper",
		[FLOW_INVALID] = "invalid",	  [FLOW_ACK_LOST] = "ack_lost",
		[FLOW_OTHER] = "other",
	};

	return result < FLOW_RESULT_COUNT ? names[result] : "?";
}

enum flow_result inject_result_of(int error, int *other)
{
	switch (-error) {
	case ENOMEM:
		return FLOW_TABLE_FULL;
	case ENOSPC:
		return FLOW_CHAIN;
	case EEXIST:
		return FLOW_CLASH;
	case EINVAL:
	case ERANGE:
		return FLOW_INVALID;
	default:
		*other = -error;
		return FLOW_OTHER;
	}
}
