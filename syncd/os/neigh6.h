/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Neighbour discovery for the shared IPv6 addresses of one interface: what
 * neigh is for ARP. The groups that are asked for them are joined whether this
 * node is master or not, so that switches that snoop on MLD know them before a
 * takeover (rules 6).
 */
#ifndef STATESYNC_NEIGH6_H
#define STATESYNC_NEIGH6_H

#include "neigh_sock.h"

/* A shared address of this interface. */
struct neigh6_entry {
	struct in6_addr addr;
	uint8_t mac[6];	  /* to answer with: the virtual MAC, or our own */
	uint8_t from[6];  /* the Ethernet source, where it is not that one */
	bool answer;	  /* this node is MASTER of it */
	int64_t since_ns; /* CLOCK_REALTIME right after the grant */
};

/* Somebody asked for a router advertisement, at that CLOCK_REALTIME. */
typedef void neigh6_solicited_cb(int64_t at_ns, void *arg);

/* Called back with arg; each may be NULL. Without the second one router
 * solicitations are not read. */
struct neigh6_calls {
	neigh_conflict_cb *conflict;
	neigh6_solicited_cb *solicited;
	void *arg;
};

struct neigh6 {
	struct neigh_sock sock;
	struct neigh6_calls calls;
	struct neigh6_entry *entries;
	size_t entry_count;
	int *groups; /* sockets that hold memberships */
	size_t group_count;
	bool joined; /* all of them */
	bool router; /* as was read at router_ns */
	int64_t router_ns;
};

/*
 * Opens the sockets (CLOEXEC, non-blocking); answers nothing until neigh6_set.
 * 0; -ENODEV: no such interface; -errno. After an error nothing is open, but
 * name, calls and table are kept for neigh6_rebind.
 */
int neigh6_open(struct neigh6 *n, const char *ifname,
		const struct neigh6_calls *calls)
	__attribute__((warn_unused_result));
void neigh6_close(struct neigh6 *n);

/*
 * Opens anew when the interface is another one now, and joins what could not
 * be joined. 0, -ENODEV or -errno of the sockets; n->joined says whether all
 * groups are joined (not where the interface has no IPv6).
 */
int neigh6_rebind(struct neigh6 *n) __attribute__((warn_unused_result));

/* The descriptor to wait on for reading; -1 when closed. */
int neigh6_fd(const struct neigh6 *n);

/*
 * As neigh_set. Other addresses than before: groups are joined and left, those
 * that stay are never left in between. 0, -E2BIG, -ENOMEM or -errno; as with
 * neigh6_rebind a group that is not joined is no error.
 */
int neigh6_set(struct neigh6 *n, const struct neigh6_entry *entries,
	       size_t count) __attribute__((warn_unused_result));

/* As neigh_sock_read. */
int neigh6_read(struct neigh6 *n, unsigned int max)
	__attribute__((warn_unused_result));

/* Throws away every packet that waits: a daemon that slept. */
void neigh6_flush(struct neigh6 *n);

/*
 * Tells all nodes that addr is at mac, from mac; router flag as neigh6_forwards
 * says now. 0; -ENOBUFS: no lease; -errno.
 */
int neigh6_announce(struct neigh6 *n, const uint8_t mac[6],
		    const struct in6_addr *addr)
	__attribute__((warn_unused_result));

/* Sends a frame as it stands: a router advertisement. As neigh6_announce. */
int neigh6_send(struct neigh6 *n, const void *frame, size_t len)
	__attribute__((warn_unused_result));

/* Does the kernel forward what comes in by this interface
 * (net.ipv6.conf.IF.forwarding)? False where it cannot be read. */
bool neigh6_forwards(const char *ifname);

#endif
