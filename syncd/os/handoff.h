/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The talk of a running daemon with the one that takes its place (rules 14,
 * "Upgrade"), on a socket pair of UNIX datagrams in order: messages with a
 * type, a payload and descriptors. The two may be of different versions.
 *
 *   old -> new  OFFER   what it needs to open everything beside the old one
 *   new -> old  READY   all is open, or REFUSED with a sentence
 *   old -> new  COMMIT  what the old one knew; it does nothing any more
 *   new -> old  TAKEN   the old one ends
 *
 * Whoever sees the other's end before TAKEN acts as if nothing had been: the
 * old one goes on, the new one ends without touching anything. An old one
 * that has waited long enough ends the talk itself (handoff_last), so that
 * TAKEN comes before that or never.
 */
#ifndef STATESYNC_HANDOFF_H
#define STATESYNC_HANDOFF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HANDOFF_VERSION	    1
#define HANDOFF_FDS_MAX	    6
#define HANDOFF_PAYLOAD_MAX 65400

enum handoff_type {
	HANDOFF_OFFER = 1,
	HANDOFF_READY,
	HANDOFF_REFUSED,
	HANDOFF_COMMIT,
	HANDOFF_TAKEN,
};

struct handoff_msg {
	enum handoff_type type;
	size_t len;
	uint8_t payload[HANDOFF_PAYLOAD_MAX];
	unsigned nfds; /* the receiver's to close */
	int fds[HANDOFF_FDS_MAX];
};

/* Both ends, CLOEXEC. 0 or -errno. */
int handoff_pair(int fds[2]) __attribute__((warn_unused_result));

/* Does not wait. 0 or -errno (-EPIPE: the other one is gone). */
int handoff_send(int fd, const struct handoff_msg *m)
	__attribute__((warn_unused_result));

/*
 * Waits at most ms. 0; -ETIMEDOUT; -EPIPE: the other one is gone; -EPROTO:
 * another version's or no message of ours; -errno. Descriptors are CLOEXEC;
 * after an error there are none.
 */
int handoff_recv(int fd, struct handoff_msg *m, int ms)
	__attribute__((warn_unused_result));

/* From now on the other one cannot send; what it has sent before this, as
 * handoff_recv(): -EPIPE: nothing more. */
int handoff_last(int fd, struct handoff_msg *m)
	__attribute__((warn_unused_result));

void handoff_close_fds(struct handoff_msg *m);

#endif
