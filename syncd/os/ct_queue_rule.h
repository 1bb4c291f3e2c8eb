/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The nftables table that sends first packets of forwarded flows to the queue
 * of ct_queue.h, after source NAT. It is owned: the kernel removes it with our
 * socket, and nobody else can change it.
 */
#ifndef STATESYNC_CT_QUEUE_RULE_H
#define STATESYNC_CT_QUEUE_RULE_H

#include <stdbool.h>

#include "nl.h"

#define CT_QUEUE_TABLE "statesync_defer"

struct ct_queue_rule {
	struct nl_sock sock; /* owns the table */
};

/*
 * Makes the table. 0 or -errno: -ENOENT, the kernel has neither nft_queue nor
 * the NFQUEUE target; -EPERM or -EEXIST, another process owns one of this name.
 * On failure all closed.
 */
__attribute__((warn_unused_result)) int ct_queue_rule_open(
	struct ct_queue_rule *r);
void ct_queue_rule_close(struct ct_queue_rule *r);

#endif
