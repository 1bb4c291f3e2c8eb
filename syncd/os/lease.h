/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The right to be master, kept by the kernel: our own nftables table, family
 * netdev, that lives as long as its netlink socket, with one lease set, one
 * ingress and one egress chain for each interface. A virtual MAC that is in
 * the lease set may be received and sent; each of our adverts renews it as it
 * leaves: any packet of protocol 112, IPv4 or IPv6, whatever its source MAC,
 * that bears the mark and the vhid. Without the lease it is refused, so what
 * is to leave without (a bow-out, an advert of mac = "interface") bears no
 * mark. Facts: LINUX-VIP.md. Needs Linux 5.16.
 *
 * A vhost with mac = "interface" is never given to this module.
 */
#ifndef STATESYNC_LEASE_H
#define STATESYNC_LEASE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nl.h"
#include "vip.h"

/* Positive results. */
enum lease_condition {
	LEASE_MISSING = 1,     /* lease_check: the kernel lost something */
	LEASE_NOT_GRANTED = 2, /* lease_grant: not there when read back */
};

#define LEASE_TABLE_MAX	 32
#define LEASE_SHARES_MAX 32

/*
 * One virtual host on one interface. The caller owns it and keeps it, and
 * what it points at, from lease_add until lease_del or lease_close; it fills
 * all but the last three fields before lease_add and changes none after.
 *
 * A balanced address is one vhost for each node, all with the same addresses,
 * shared_mac and shares, share counting from 0: the first bears the addresses.
 * mac stays each one's own, and is never seen on the wire.
 */
struct lease_vhost {
	char ifname[IF_NAMESIZE];
	uint8_t mac[6]; /* virtual; its last byte is the vhid */
	const struct vip_addr *addrs;
	size_t addr_count;
	uint8_t shared_mac[6];
	uint8_t share, shares; /* shares 0: not balanced */
	bool source_virtual;   /* source-mac; not of a balanced one */
	int64_t timeout_ns;    /* later by lease_set_timeout only */
	struct lease_vhost *next;
	uint32_t timeout_ms; /* as the kernel has it */
	uint8_t own_mac[6];  /* of the interface, when rules were made */
};

struct lease {
	struct nl_sock nl;
	char table[LEASE_TABLE_MAX];
	uint32_t mark; /* SO_MARK of the socket that sends adverts */
	struct lease_vhost *vhosts;
};

/*
 * Opens the socket (CLOEXEC) and makes the table, owned by it. mark is drawn
 * at random by the caller and not 0. 0; -EOPNOTSUPP: no table owners (kernel
 * before 5.12) or no nf_tables; -EEXIST: another process owns a table of that
 * name; -EPERM: no CAP_NET_ADMIN; -errno.
 */
int lease_open(struct lease *l, const char *table, uint32_t mark)
	__attribute__((warn_unused_result));

/*
 * Another process's socket and table instead (an upgrade; fd is taken over, on
 * failure too), with the mark of its rules. lease_keep() is lease_add() for a
 * vhost whose rules stand there already, timeout_ns as it is now, and changes
 * nothing; lease_renew() makes an interface's rules anew, as this version has
 * them. Rights that are held stay. 0 or -errno; -EINVAL also: no netlink.
 */
int lease_adopt(struct lease *l, int fd, const char *table, uint32_t mark)
	__attribute__((warn_unused_result));
int lease_keep(struct lease *l, struct lease_vhost *h)
	__attribute__((warn_unused_result));
int lease_renew(struct lease *l, const char *ifname)
	__attribute__((warn_unused_result));

/* Closes the socket: with it the kernel drops the table and every right. Later
 * calls but lease_open say -EBADF. */
void lease_close(struct lease *l);

/* A sentence for people about an error of lease_open or lease_add. */
const char *lease_strerror(int err);

/*
 * The length of a jiffy, the step in which the kernel counts a lease: the
 * resolution of CLOCK_MONOTONIC_COARSE.
 */
int64_t lease_jiffy_ns(void);

/*
 * The timeout that the kernel is given for timeout_ns: whole jiffies, whole
 * milliseconds, rounded down, because a lease must end before a peer's
 * master-down; up where that is a tenth at most, or not beyond 12 ms. The
 * kernel counts from the jiffy that has begun, so a lease ends up to one jiffy
 * earlier than it says, never later. 0 when nothing is left.
 */
uint32_t lease_timeout_ms(int64_t timeout_ns);

/*
 * Adds a vhost, without the right: chains, sets and rules of its interface in
 * one transaction. 0; -EINVAL: the timeout is shorter than a jiffy, the MAC
 * is not a unicast one; -EEXIST: this MAC is on this interface already;
 * -ENODEV: no such interface (the vhost is kept; lease_repair makes it later);
 * -EOPNOTSUPP: no egress hook (kernel before 5.16); -errno. After any error but -ENODEV the vhost is not kept.
 */
int lease_add(struct lease *l, struct lease_vhost *h)
	__attribute__((warn_unused_result));

/* Takes it away with its right. 0 or -errno; it is not kept in any case. */
int lease_del(struct lease *l, struct lease_vhost *h);

/* Another length from the next advert on: the interface's rules are replaced
 * in one transaction; a right that is held is kept. 0, -EINVAL or -errno. */
int lease_set_timeout(struct lease *l, struct lease_vhost *h,
		      int64_t timeout_ns) __attribute__((warn_unused_result));

/* The caller changed addrs, addr_count or source_virtual of h: the interface's
 * rules are replaced in one transaction; a right that is held is kept. 0 or
 * -errno. */
int lease_change(struct lease *l, const struct lease_vhost *h)
	__attribute__((warn_unused_result));

/*
 * Gives the right for one timeout, anew where it is held, and reads it back.
 * 0; LEASE_NOT_GRANTED; -ENOENT: set or table is gone (lease_repair);
 * -errno.
 */
int lease_grant(struct lease *l, struct lease_vhost *h)
	__attribute__((warn_unused_result));

/* Takes the right back; 0 also where it was not held. Otherwise -errno: then
 * the caller closes the table. */
int lease_revoke(struct lease *l, struct lease_vhost *h)
	__attribute__((warn_unused_result));

/* Does the kernel say that it is held? 0 or -errno. */
int lease_present(struct lease *l, const struct lease_vhost *h, bool *present)
	__attribute__((warn_unused_result));

/* What passed by the share h since its first lease_add. 0 or -errno. */
int lease_share_counters(struct lease *l, const struct lease_vhost *h,
			 uint64_t *packets, uint64_t *bytes)
	__attribute__((warn_unused_result));

/* How shares are told apart: "xor" (OpenBSD's, for 2 and 4) or "jhash". */
const char *lease_share_hash(unsigned shares);

/*
 * Are the interface's chains, hooks, sets and rules there? Changes nothing.
 * For each RTM_NEWLINK and RTM_DELLINK. 0, LEASE_MISSING or -errno.
 */
int lease_check(struct lease *l, const char *ifname)
	__attribute__((warn_unused_result));

/* Puts back what lease_check misses; a right that is held is kept. 0, -ENODEV
 * (no such interface now) or -errno. */
int lease_repair(struct lease *l, const char *ifname)
	__attribute__((warn_unused_result));

#endif
