/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What answering ARP and neighbour discovery have in common: the packet
 * sockets of one interface, their filter, the times of packets, the rate, the
 * counters (rules 6). The protocols are neigh's and neigh6's.
 */
#ifndef STATESYNC_NEIGH_SOCK_H
#define STATESYNC_NEIGH_SOCK_H

#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Positive results. */
enum neigh_condition {
	NEIGH_MORE = 1, /* the limit of this call was reached, more waits */
};

#define NEIGH_ANSWERS_PER_S 1000 /* of one protocol on one interface */
#define NEIGH_ENTRIES_MAX   1000 /* BPF_MAXINSNS is 4096, four an address */

/* Another machine said that a shared address is at its own MAC, or asked, in
 * IPv6, whether it may have it. Or it said, while we answer, that it is at
 * ours: the last word of an old master, by which a switch takes us there. */
struct neigh_conflict {
	sa_family_t family;
	union {
		struct in_addr addr;
		struct in6_addr addr6;
	};
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

struct neigh_sock {
	char ifname[IF_NAMESIZE];
	unsigned int ifindex;
	uint16_t ethertype;
	int rx, tx; /* -1: closed */
	struct neigh_counters counters;
	/* When the last answers were sent, a ring; decides the rate. */
	int64_t sent_ns[NEIGH_ANSWERS_PER_S];
	unsigned int sent_at;
};

/* A socket filter being written. */
struct neigh_program {
	struct sock_filter *code;
	unsigned short len, room;
};

/* Begins a program of at most 16 + more instructions: not our own frames, not
 * those for other machines (PACKET_OTHERHOST: the lease's ingress rule makes
 * those to a held virtual MAC PACKET_HOST). 0 or -ENOMEM; code is to free. */
int neigh_program_begin(struct neigh_program *p, size_t more)
	__attribute__((warn_unused_result));
void neigh_program_emit(struct neigh_program *p, uint16_t code, uint8_t jt,
			uint8_t jf, uint32_t k);
/* Two instructions: accept where what was loaded is k. */
void neigh_program_accept(struct neigh_program *p, uint32_t k);

/* Closed, with that interface in mind. 0, -ENODEV: no such name. */
int neigh_sock_init(struct neigh_sock *s, const char *ifname,
		    uint16_t ethertype) __attribute__((warn_unused_result));
/* Opens both (CLOEXEC, non-blocking). 0, -ENODEV or -errno: nothing is open. */
int neigh_sock_open(struct neigh_sock *s, const struct neigh_program *p)
	__attribute__((warn_unused_result));
void neigh_sock_close(struct neigh_sock *s);

/* Open, and its interface is still the one of that name. */
bool neigh_sock_current(const struct neigh_sock *s);

/* Another filter; no packet is lost. 0 or -errno. */
int neigh_sock_filter(struct neigh_sock *s, const struct neigh_program *p)
	__attribute__((warn_unused_result));

/* at_ns: CLOCK_REALTIME when the kernel received it; 0, before any grant, if
 * it does not say. */
typedef void neigh_packet_cb(const void *frame, size_t len, int64_t at_ns,
			     void *arg);

/* Handles at most max that wait. 0 when none is left, NEIGH_MORE, or -errno
 * (-ENETDOWN: the interface went down; the socket stays good). */
int neigh_sock_read(struct neigh_sock *s, unsigned int max, neigh_packet_cb *cb,
		    void *arg) __attribute__((warn_unused_result));

/* Throws away every packet that waits. */
void neigh_sock_flush(struct neigh_sock *s);

/* May a request of that time be answered? Counts why not. */
bool neigh_sock_allows(struct neigh_sock *s, bool answer, int64_t since_ns,
		       int64_t at_ns);

/* Gives a frame another Ethernet source; all 0: leaves it. */
void neigh_sock_from(uint8_t *frame, const uint8_t from[6]);

/* Sends an answer and counts what became of it. */
void neigh_sock_answer(struct neigh_sock *s, const void *frame, size_t len);

/* 0; -ENOBUFS: no lease; -errno. */
int neigh_sock_send(struct neigh_sock *s, const void *frame, size_t len)
	__attribute__((warn_unused_result));

#endif
