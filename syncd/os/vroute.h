/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * routes {} and rules {}: what the master alone has in its routing tables.
 * IPv4 and IPv6. Each bears our protocol number (RTA_PROTOCOL and
 * FRA_PROTOCOL, VIP_RTPROT): by that a later run finds and removes what a
 * crash left, and nobody else's is ever deleted.
 *
 * Nothing of an administrator's is replaced: where a route to the same
 * destination with the same metric stands already, ours is refused.
 */
#ifndef STATESYNC_VROUTE_H
#define STATESYNC_VROUTE_H

#include "conf.h"
#include "nl.h"

/* Positive results. */
enum vroute_condition {
	VROUTE_TAKEN = 1, /* somebody else's stands in its place */
};

/*
 * Adds it; one that stands there is not added again. 0: it is there, and
 * ours or the same rule; VROUTE_TAKEN (there is one, not known whose: fine
 * for who has added it before); -ENODEV: no such interface; -ENETUNREACH,
 * -EHOSTUNREACH: `via` is on no network of this node; -ENETDOWN; -errno.
 */
int vroute_add(struct nl_sock *nl, const struct conf_route *r)
	__attribute__((warn_unused_result));
int vroute_rule_add(struct nl_sock *nl, const struct conf_rule *r)
	__attribute__((warn_unused_result));

/* Deletes ours; missing is fine. 0 or -errno. */
int vroute_del(struct nl_sock *nl, const struct conf_route *r)
	__attribute__((warn_unused_result));
int vroute_rule_del(struct nl_sock *nl, const struct conf_rule *r)
	__attribute__((warn_unused_result));

/*
 * Deletes every rule and every route of our protocol number, of both families,
 * in all tables; also those of shared addresses, so only before they are
 * there. 0 or the first -errno; everything is tried.
 */
int vroute_clean(struct nl_sock *nl) __attribute__((warn_unused_result));

/* "route 10.3.0.0/16", "rule \"guests\"": for messages. Returns text;
 * size >= CONF_NAME_SIZE + 8. */
const char *vroute_text(const struct conf_route *r, char *text, size_t size);

#endif
