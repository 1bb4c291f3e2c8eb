/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Errors of ctnetlink as results, results as words. No socket; what is done
 * about a result is the engine's. Text: nf_conntrack_netlink.c
 * (ctnetlink_create_conntrack), CTNETLINK.md 1. Invariant: every result
 * has a word.
 */
#include "ct_result.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>

const char *ct_result_name(enum flow_result result)
{
	static const char *const names[FLOW_RESULT_COUNT] = {
		[FLOW_APPLIED] = "applied",
		[FLOW_GONE] = "gone",
		[FLOW_TABLE_FULL] = "table_full",
		[FLOW_CHAIN] = "chain",
		[FLOW_CLASH] = "clash",
		[FLOW_HELPER] = "helper",
		[FLOW_LABELS] = "labels",
		[FLOW_INVALID] = "invalid",
		[FLOW_ACK_LOST] = "ack_lost",
		[FLOW_OTHER] = "other",
		[FLOW_KEPT] = "kept",
		[FLOW_OUSTED] = "ousted",
	};

	return result < FLOW_RESULT_COUNT ? names[result] : "?";
}

enum flow_result ct_result_of(int error, int *other)
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

bool ct_result_possible(const struct flow *f)
{
	if (!flow_valid(f) || !(f->has & FLOW_HAS_TIMEOUT))
		return false;
	if (f->l4proto == IPPROTO_SCTP)
		return f->has & FLOW_HAS_SCTP;
	return f->l4proto != IPPROTO_TCP || f->tcp_state != TCP_CONNTRACK_NONE;
}
