/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What vip.c says to rtnetlink, one function a message. For vip.c only.
 */
#ifndef STATESYNC_VIP_RTNL_H
#define STATESYNC_VIP_RTNL_H

#include "vip.h"

/* A socket with NETLINK_GET_STRICT_CHK. 0 or -errno. */
int vip_rtnl_open(struct nl_sock *nl) __attribute__((warn_unused_result));

/*
 * Adds a unicast address to an interface (NTF_SELF, permanent; there already
 * or learnt by a bridge: replaced), deletes it (missing: fine). 0 or -errno.
 */
int vip_mac_add(struct nl_sock *nl, unsigned int ifindex, const uint8_t mac[6])
	__attribute__((warn_unused_result));
int vip_mac_del(struct nl_sock *nl, unsigned int ifindex, const uint8_t mac[6])
	__attribute__((warn_unused_result));

struct vip_route {
	uint32_t table;
	uint8_t type, scope, prefixlen;
	unsigned int oif;
	struct in_addr dst, src; /* src 0: none */
};

enum vip_route_mode {
	VIP_ROUTE_REPLACE, /* the only one to its destination */
	VIP_ROUTE_BESIDE,  /* next to others with another source */
};

/* Adds a route (there already: fine), deletes it (missing: fine). 0 or
 * -errno. */
int vip_route_add(struct nl_sock *nl, const struct vip_route *rt,
		  enum vip_route_mode mode) __attribute__((warn_unused_result));
int vip_route_del(struct nl_sock *nl, const struct vip_route *rt)
	__attribute__((warn_unused_result));

enum vip_route_condition {
	VIP_NO_ROUTE = 1,
};

/* Any one route of our protocol number, in any table. 0, VIP_NO_ROUTE or
 * -errno. */
int vip_route_find(struct nl_sock *nl, struct vip_route *rt)
	__attribute__((warn_unused_result));

/* The network of addr, both in network byte order. */
in_addr_t vip_prefix_of(in_addr_t addr, uint8_t len);

/* What the machine's own addresses say about one of ours. */
struct vip_own {
	unsigned int ifindex; /* in: the interface it is for */
	const struct vip_addr *a;
	bool same;	/* out: some interface bears it */
	bool in_prefix; /* out: that interface has one in its prefix */
};

/* 0 or -errno. */
int vip_own_look(struct nl_sock *nl, struct vip_own *o)
	__attribute__((warn_unused_result));

#endif
