/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The shared address on this machine: a local route to it, for a global IPv6
 * one also an address on lo (in a VRF on its device) that is never a source;
 * the virtual MAC in the interface's list of addresses, and a kernel that says
 * nothing about it in ARP. Facts and order: LINUX-VIP.md.
 *
 * Order of calls: vip_open, vip_prepare, then for each takeover vip_add before
 * lease_grant, lease_revoke before vip_remove; then vip_restore, vip_close.
 */
#ifndef STATESYNC_VIP_H
#define STATESYNC_VIP_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nl.h"
#include "sysctl.h"

/* A positive result: an interface here bears a shared address. */
enum vip_condition { VIP_OWN_ADDRESS = 1 };

/* Of our routes and addresses; by it left-overs are known. */
#define VIP_RTPROT 112

struct vip_addr {
	union {
		struct in_addr addr;
		struct in6_addr addr6;
	};
	uint8_t prefixlen; /* as configured; 32 or 128 when none was given */
	bool v6;
};

/*
 * One virtual host on one interface. The caller owns all of it and keeps it in
 * place from vip_add until vip_remove. Several may have the same MAC and
 * addresses (those of a balanced address): what one holds stays.
 */
struct vip_vhost {
	char ifname[IF_NAMESIZE];
	bool virtual_mac; /* false: mac = "interface", no entry is made */
	bool on_lo;	  /* shared-address = "lo": IPv4 stands on lo, too */
	uint8_t mac[6];	  /* to be received; also a multicast one */
	const struct vip_addr *addrs;
	size_t addr_count;
	unsigned int ifindex;	 /* where vip_add put it; 0: nowhere */
	unsigned int lo_ifindex; /* where what is on lo is, then */
	struct vip_vhost *next;
};

struct vip {
	struct nl_sock nl;
	struct sysctl_store store;
	const struct vip_vhost *vhosts; /* as given to vip_prepare */
	size_t vhost_count;
	struct vip_vhost *held; /* by vip_add */
	bool clean;		/* nothing of an earlier run is left */
	uint64_t added;		/* routes and addresses, by vip_add */
};

/* Opens the rtnetlink socket (CLOEXEC) and reads the state file at state_path
 * if a crash left one (see sysctl.h). The path is copied. 0 or -errno. */
int vip_open(struct vip *v, const char *state_path)
	__attribute__((warn_unused_result));

/*
 * Makes the kernel silent: arp_ignore 3 where it is 0, on every interface that
 * speaks ARP, and arp_announce 2 on those of vhosts. What stood there, and the
 * virtual MACs that may come, is in the state file before the first write. The
 * first call does vip_clean. At the start and at each reload; vhosts is kept
 * by reference until the next vip_prepare or vip_close. A missing interface is
 * no error. 0 or -errno.
 */
int vip_prepare(struct vip *v, const struct vip_vhost *vhosts, size_t count)
	__attribute__((warn_unused_result));

/* The same for one interface, at each RTM_NEWLINK; one query where all is as
 * it should be. 0 (also when it is gone) or -errno. */
int vip_prepare_link(struct vip *v, unsigned int ifindex)
	__attribute__((warn_unused_result));

/*
 * Makes this machine hold the addresses: local routes or addresses on lo, the
 * route to the prefix where the interface has no address in it, the MAC entry.
 * May be called again to put back what is missing. 0; VIP_OWN_ADDRESS;
 * -ENODEV: no such interface; -ENETDOWN: it is down; -errno. After anything
 * but 0 the caller calls vip_remove.
 */
int vip_add(struct vip *v, struct vip_vhost *h)
	__attribute__((warn_unused_result));

/* The reverse, MAC entry first, where vip_add found the interface. What is not
 * there is no error. 0 or the first -errno; everything is tried. */
int vip_remove(struct vip *v, struct vip_vhost *h);

/* Other addresses from now on: takes off those that are not among the new
 * ones; vip_add puts the others on. 0 or the first -errno. */
int vip_change(struct vip *v, struct vip_vhost *h, const struct vip_addr *addrs,
	       size_t count);

/*
 * Removes what an earlier run left, or this one: first the MAC entries of all
 * vhosts given to vip_prepare and of those that the state file names, then
 * every route and address of our protocol number. 0 or the first -errno.
 */
int vip_clean(struct vip *v);

/* vip_clean, then puts the sysctls back and removes the state file. A value
 * that somebody changed meanwhile is left alone. 0 or the first -errno. */
int vip_restore(struct vip *v);

/* Closes the socket; leaves the kernel as it is. */
void vip_close(struct vip *v);

#endif
