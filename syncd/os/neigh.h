/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers ARP for the shared addresses of one interface, because the kernel
 * does not (vip.h), and only while this node is master (rules 6; OpenBSD
 * carp_iamatch). Requests for other addresses never reach this socket.
 */
#ifndef STATESYNC_NEIGH_H
#define STATESYNC_NEIGH_H

#include "neigh_sock.h"

/* A shared address of this interface. */
struct neigh_entry {
	struct in_addr addr;
	uint8_t mac[6];	  /* to answer with: the virtual MAC, or our own */
	uint8_t from[6];  /* the Ethernet source, where it is not that one */
	bool answer;	  /* this node is MASTER of it */
	int64_t since_ns; /* CLOCK_REALTIME right after the grant */
};

struct neigh {
	struct neigh_sock sock;
	struct neigh_entry *entries;
	size_t entry_count;
	neigh_conflict_cb *conflict; /* may be NULL */
	void *conflict_arg;
};

/*
 * Opens the sockets (CLOEXEC, non-blocking); answers nothing until neigh_set.
 * 0; -ENODEV: no such interface; -errno. After an error nothing is open, but
 * name, callback and table are kept for neigh_rebind.
 */
int neigh_open(struct neigh *n, const char *ifname, neigh_conflict_cb *conflict,
	       void *conflict_arg) __attribute__((warn_unused_result));
void neigh_close(struct neigh *n);

/* As carpsock_rebind: opens anew when the interface is another one now. */
int neigh_rebind(struct neigh *n) __attribute__((warn_unused_result));

/* The descriptor to wait on for reading; -1 when closed. */
int neigh_fd(const struct neigh *n);

/*
 * Replaces the table (copied). Give every configured address, those that this
 * node is not master of with answer = false: as long as the addresses stay
 * the same the socket's filter stays, so that no request is lost at a
 * takeover. 0, -E2BIG (more than NEIGH_ENTRIES_MAX), -ENOMEM or -errno.
 */
int neigh_set(struct neigh *n, const struct neigh_entry *entries, size_t count)
	__attribute__((warn_unused_result));

/* As neigh_sock_read. */
int neigh_read(struct neigh *n, unsigned int max)
	__attribute__((warn_unused_result));

/* Throws away every packet that waits: a daemon that slept. */
void neigh_flush(struct neigh *n);

/*
 * Sends the gratuitous ARP of addr at mac, from mac. 0; -ENOBUFS: no lease;
 * -errno.
 */
int neigh_announce(struct neigh *n, const uint8_t mac[6], struct in_addr addr)
	__attribute__((warn_unused_result));

#endif
