/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sends the last advert again when the loop is late. The loop may be held up
 * inside a system call: to read the connection table of an idle gateway with
 * a million buckets takes the kernel 0.1 s in one piece, and whoever flushes a
 * table holds everybody else for as long as that lasts. No mastership may be
 * lost by that.
 *
 * Two threads on CPUs apart, ahead of ordinary processes where that is allowed
 * (CAP_SYS_NICE). They decide nothing: one of them repeats what the loop sent,
 * with the next counter, while the loop gave a sign of life within
 * STANDIN_ALIVE_NS. A stopped process stops them, too.
 */
#ifndef STATESYNC_STANDIN_H
#define STATESYNC_STANDIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "carpsock.h"
#include "mono.h"
#include "vhost.h"

#define STANDIN_SLOTS	 32
#define STANDIN_PACKETS	 9 /* of one advert: 8 peers, and the lease's */
#define STANDIN_ALIVE_NS (1 * MONO_S)

struct standin;

/* Starts the threads. NULL with errno set when they cannot be. */
struct standin *standin_new(void);
/* Ends them; NULL is fine. */
void standin_free(struct standin *s);

/* They run ahead of ordinary processes. */
bool standin_realtime(const struct standin *s);

/* The loop is alive. From the loop's turns; costs nothing. */
void standin_alive(struct standin *s, mono_t now);

/*
 * The loop just sent an advert as these packets (copied; at most
 * STANDIN_PACKETS), and will again after interval_ns. Their sockets stay open
 * until standin_clear. auth (copied) signs the adverts that follow.
 */
void standin_sent(struct standin *s, unsigned slot,
		  const struct carpsock_out *packets, size_t count,
		  const struct carp_auth *auth, int64_t interval_ns,
		  mono_t now);

/* Nothing is sent for this slot any more once it returns. */
void standin_clear(struct standin *s, unsigned slot);

/* How punctual the adverts of a slot were since the start. */
struct standin_stats {
	uint64_t late;	    /* adverts sent in the loop's place */
	mono_t late_at;	    /* the last of them */
	int64_t longest_ns; /* between two that were sent without a
			     * standin_clear in between; 0: not two yet */
};

void standin_stats(struct standin *s, unsigned slot, struct standin_stats *out);

/* Adverts sent in the loop's place since the start, of all slots. */
uint64_t standin_count(struct standin *s);

#endif
