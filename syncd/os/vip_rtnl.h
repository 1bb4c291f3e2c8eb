/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What vip.c says to rtnetlink, one function a message. For vip.c only.
 */
#ifndef STATESYNC_VIP_RTNL_H
#define STATESYNC_VIP_RTNL_H

#include "vip.h"

#define LO_IFINDEX 1 /* in every network namespace */

/*
 * Adds a unicast address to an interface (NTF_SELF, permanent; there already
 * or learnt by a bridge: replaced), deletes it (missing: fine). 0 or -errno.
 */
int vip_mac_add(struct nl_sock *nl, unsigned int ifindex, const uint8_t mac[6])
	__attribute__((warn_unused_result));
int vip_mac_del(struct nl_sock *nl, unsigned int ifindex, const uint8_t mac[6])
	__attribute__((warn_unused_result));

struct vip_route {
	bool v6, has_src;
	uint8_t type, scope, prefixlen;
	uint32_t table;
	unsigned int oif;
	uint8_t dst[16], src[16]; /* four bytes of them for IPv4 */
};

enum vip_route_mode {
	VIP_ROUTE_REPLACE, /* the only one to its destination */
	VIP_ROUTE_BESIDE,  /* next to others with another source */
};

/* What vip_route_add and vip_ifaddr_add had to do. */
enum vip_added {
	VIP_ADDED = 1, /* it was not there */
};

/* Adds a route (there already: 0), deletes it (missing: fine). VIP_ADDED, 0 or
 * -errno. */
int vip_route_add(struct nl_sock *nl, const struct vip_route *rt,
		  enum vip_route_mode mode) __attribute__((warn_unused_result));
int vip_route_del(struct nl_sock *nl, const struct vip_route *rt)
	__attribute__((warn_unused_result));

enum vip_route_condition {
	VIP_NO_ROUTE = 1, /* nor address */
};

/* Any one route of our protocol number, in any table. 0, VIP_NO_ROUTE or
 * -errno. */
int vip_route_find(struct nl_sock *nl, bool v6, struct vip_route *rt)
	__attribute__((warn_unused_result));

/* Leaves the first prefixlen bits of an address of 4 or 16 bytes. */
void vip_mask(uint8_t addr[16], bool v6, uint8_t prefixlen);

/*
 * An address of ours, of host length, on lo or a VRF's device: IPv4 of scope
 * host, IPv6 with no preferred lifetime, so that neither is ever chosen as a
 * source. It bears our protocol number (IFA_PROTO, Linux 5.18); where there is
 * none it is known by the rest.
 */
struct vip_ifaddr {
	bool v6;
	unsigned int ifindex;
	uint8_t addr[16];
};

/* Adds it (there already: 0), deletes it (missing: fine). VIP_ADDED, 0 or
 * -errno. */
int vip_ifaddr_add(struct nl_sock *nl, const struct vip_ifaddr *a)
	__attribute__((warn_unused_result));
int vip_ifaddr_del(struct nl_sock *nl, const struct vip_ifaddr *a)
	__attribute__((warn_unused_result));
/* Any one that is ours. 0, VIP_NO_ROUTE or -errno. */
int vip_ifaddr_find(struct nl_sock *nl, bool v6, struct vip_ifaddr *a)
	__attribute__((warn_unused_result));

/* What the machine's other addresses say about one of ours. */
struct vip_own {
	unsigned int ifindex; /* in: the interface it is for */
	const struct vip_addr *a;
	bool same;	/* out: some interface bears it (a link-local one:
			 * this interface) */
	bool in_prefix; /* out: that interface has one in its prefix */
};

/* 0 or -errno. */
int vip_own_look(struct nl_sock *nl, struct vip_own *o)
	__attribute__((warn_unused_result));

#endif
