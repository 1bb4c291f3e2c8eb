/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers ARP for the shared addresses of one interface, because the kernel
 * does not (vip.h), and only while this node is master (rules.md 6; OpenBSD
 * carp_iamatch). Requests for other addresses never reach this socket.
 */
#ifndef STATESYNC_NEIGH_H
#define STATESYNC_NEIGH_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Positive results. */
enum neigh_condition {
	NEIGH_MORE = 1, /* the limit of this call was reached, more waits */
};

#define NEIGH_ANSWERS_PER_S 1000

/* A shared address of this interface. */
struct neigh_entry {
	struct in_addr addr;
	uint8_t mac[6];	  /* to answer with: the virtual MAC, or our own */
	bool answer;	  /* this node is MASTER of it */
	int64_t since_ns; /* CLOCK_REALTIME right after the grant */
};

/* Another machine said that a shared address is at its own MAC. */
struct neigh_conflict {
	struct in_addr addr;
	uint8_t mac[6];
	bool answering; /* the entry's answer at that moment */
};
typedef void neigh_conflict_cb(const struct neigh_conflict *c, void *arg);

struct neigh_counters {
	uint64_t answered;
	uint64_t not_master; /* asked, but the entry says no answer */
	uint64_t stale;	     /* older than the grant, or without a time */
	uint64_t limited;    /* more than NEIGH_ANSWERS_PER_S */
	uint64_t refused;    /* our egress rule: the lease has run out */
	uint64_t send_errors;
	uint64_t malformed;
	uint64_t conflicts;
	uint64_t flushed;
};

struct neigh {
	char ifname[IF_NAMESIZE];
	unsigned int ifindex;
	int rx, tx; /* -1: closed */
	struct neigh_entry *entries;
	size_t entry_count;
	neigh_conflict_cb *conflict; /* may be NULL */
	void *conflict_arg;
	struct neigh_counters counters;
	/* When the last answers were sent, a ring; decides the rate. */
	int64_t sent_ns[NEIGH_ANSWERS_PER_S];
	unsigned int sent_at;
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
 * takeover. 0, -E2BIG (more than 1000), -ENOMEM or -errno.
 */
int neigh_set(struct neigh *n, const struct neigh_entry *entries, size_t count)
	__attribute__((warn_unused_result));

/*
 * Handles at most max packets that wait. 0 when none is left, NEIGH_MORE, or
 * -errno (-ENETDOWN: the interface went down; the socket stays good).
 */
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
