/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the kernel tells of network interfaces and addresses: rtnetlink
 * groups LINK, IPV4_IFADDR and IPV6_IFADDR of this network namespace.
 *
 * The monitor keeps no picture of the interfaces; who listens keeps what it
 * needs. Order: ifmon_open, then ifmon_dump, then ifmon_read when the socket
 * is readable. An event may repeat what the dump said.
 */
#ifndef STATESYNC_IFMON_H
#define STATESYNC_IFMON_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nl.h"

/* Positive results. */
enum ifmon_condition {
	IFMON_OVERRUN = 1, /* the kernel dropped events: dump again */
};

enum ifmon_kind { IFMON_LINK, IFMON_ADDR };

struct ifmon_link {
	char name[IF_NAMESIZE];
	bool gone; /* RTM_DELLINK; the other fields say what it was */
	/*
	 * Usable: IFF_UP, IFF_RUNNING and no lost carrier. IFF_RUNNING is set
	 * by the kernel for operational states UP and UNKNOWN (RFC 2863,
	 * netif_oper_up), so a driver that cannot tell counts as usable.
	 */
	bool up;
	bool unknown;	     /* the driver cannot tell whether it is */
	bool arp;	     /* speaks ARP: not IFF_NOARP, not loopback */
	bool has_mac;	     /* six bytes long, not of zeroes */
	uint8_t mac[6];	     /* zeroes unless has_mac */
	uint32_t mtu;	     /* bytes; 0 when the kernel did not say */
	unsigned int master; /* ifindex of bridge, bond or VRF; 0: none */
};

struct ifmon_addr {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t prefixlen;
	bool added;	  /* false: removed */
	uint8_t addr[16]; /* IPv4 in the first four bytes, rest zero */
};

struct ifmon_event {
	enum ifmon_kind kind;
	unsigned int ifindex;
	union {
		struct ifmon_link link;
		struct ifmon_addr addr;
	};
};

/* Called once for each event, in the kernel's order; must not call back into
 * the same struct ifmon. */
typedef void ifmon_cb(const struct ifmon_event *ev, void *arg);

struct ifmon {
	struct nl_sock events; /* multicast only */
	struct nl_sock query;  /* for dumps */
};

/* Opens both sockets (CLOEXEC). 0 or -errno. */
int ifmon_open(struct ifmon *m) __attribute__((warn_unused_result));
void ifmon_close(struct ifmon *m);

/* The descriptor to wait on for reading. */
int ifmon_fd(const struct ifmon *m);

/*
 * Reads every event that waits, without blocking. 0 when nothing more waits;
 * IFMON_OVERRUN when events were lost (ENOBUFS): the caller dumps again and
 * compares; -errno otherwise.
 */
int ifmon_read(struct ifmon *m, ifmon_cb *cb, void *arg)
	__attribute__((warn_unused_result));

/*
 * Tells of every interface (gone = false), then of every address (added =
 * true). A dump that the kernel reports as torn (NLM_F_DUMP_INTR) is made
 * again, at most five times; -EINTR after that. 0 or -errno.
 */
int ifmon_dump(struct ifmon *m, ifmon_cb *cb, void *arg)
	__attribute__((warn_unused_result));

#endif
