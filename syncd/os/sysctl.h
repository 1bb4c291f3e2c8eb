/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sysctls of an interface that make it silent, set by rtnetlink (works
 * where /proc/sys is read-only, needs CAP_NET_ADMIN only; the one of IPv6 has
 * no other way than /proc/sys), and the file that keeps what stood there
 * before.
 *
 * File: text, one fact a line, written anew as a whole (fsync, rename):
 *   statesync-vip 1 BOOTID NETNS
 *   sysctl IFINDEX NAME ARP_IGNORE ARP_ANNOUNCE L2DROP L2DROP6
 *   mac IFINDEX XX:XX:XX:XX:XX:XX
 * A file of another boot or another network namespace says nothing about this
 * one and is ignored. Interfaces are known by ifindex: the name is for people,
 * a device made anew has its own originals.
 */
#ifndef STATESYNC_SYSCTL_H
#define STATESYNC_SYSCTL_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nl.h"

#define SYSCTL_PATH_MAX 256

/* What we want where the kernel's default stands (LINUX-VIP.md): silent
 * about addresses that are only a route; never a foreign sender address. */
#define SYSCTL_ARP_IGNORE   3
#define SYSCTL_ARP_ANNOUNCE 2

struct sysctl_values {
	uint32_t arp_ignore, arp_announce;
	/* drop_unicast_in_l2_multicast, of IPv4 and IPv6 */
	uint32_t l2drop, l2drop6;
};

struct sysctl_original {
	unsigned int ifindex;
	char name[IF_NAMESIZE];
	struct sysctl_values v;
};

struct sysctl_mac {
	unsigned int ifindex;
	uint8_t mac[6];
};

struct sysctl_store {
	char path[SYSCTL_PATH_MAX];
	struct sysctl_original *originals;
	size_t original_count;
	struct sysctl_mac *macs; /* entries that we may have made */
	size_t mac_count;
	bool dirty; /* memory holds more than the file */
};

/* What an interface has now. */
struct sysctl_link {
	unsigned int ifindex;
	char name[IF_NAMESIZE];
	bool arp;      /* speaks ARP: not IFF_NOARP, not loopback */
	bool has_inet; /* v is known, but l2drop6 */
	bool has_inet6;
	struct sysctl_values v;
	unsigned int master; /* the bridge, bond or VRF it belongs to */
	uint32_t vrf_table;  /* of that VRF; 0: none */
};

/*
 * Takes over the file at path, if there is a valid one of this boot and
 * namespace; else starts empty. 0, -ENAMETOOLONG, -ENOMEM.
 */
int sysctl_store_open(struct sysctl_store *s, const char *path)
	__attribute__((warn_unused_result));
void sysctl_store_close(struct sysctl_store *s);

/* Remembers the originals of l, the first ones only. 0 or -ENOMEM. */
int sysctl_store_note(struct sysctl_store *s, const struct sysctl_link *l)
	__attribute__((warn_unused_result));

/* Remembers that a MAC entry may be made. 0 or -ENOMEM. */
int sysctl_store_note_mac(struct sysctl_store *s, unsigned int ifindex,
			  const uint8_t mac[6])
	__attribute__((warn_unused_result));

/* Writes the file if memory holds more than it. 0 or -errno. */
int sysctl_store_save(struct sysctl_store *s)
	__attribute__((warn_unused_result));

/* Forgets everything and removes the file. 0 or -errno. */
int sysctl_store_remove(struct sysctl_store *s);

/* Reads one interface by index or, where ifindex is 0, by name. 0, -ENODEV or
 * -errno. */
int sysctl_link_get(struct nl_sock *nl, unsigned int ifindex, const char *name,
		    struct sysctl_link *l) __attribute__((warn_unused_result));

/* Calls cb for every interface. 0 or -errno (cb's result below 0 ends it). */
typedef int sysctl_link_cb(const struct sysctl_link *l, void *arg);
int sysctl_link_dump(struct nl_sock *nl, sysctl_link_cb *cb, void *arg)
	__attribute__((warn_unused_result));

/*
 * Sets the values of an interface (IFLA_AF_SPEC, AF_INET, IFLA_INET_CONF);
 * kernel: inet_set_link_af. l2drop6 only where it is another than l has, and
 * where /proc/sys lets us. 0, -ENODEV, -EAFNOSUPPORT (no IPv4 on it) or
 * -errno.
 */
int sysctl_link_set(struct nl_sock *nl, const struct sysctl_link *l,
		    const struct sysctl_values *v)
	__attribute__((warn_unused_result));

#endif
