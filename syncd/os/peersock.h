/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The link: TCP to each other node, TLS 1.3 with a key that both have (rules
 * 13). Bytes go in, bytes come out, in order; what they mean is not known
 * here. It connects by itself, for ever: 200 ms after a loss, then slower, 2 s
 * at most. The node with the smaller name connects, the other listens.
 *
 * Where there are several paths to a node each has its connection, and one of
 * them is in use: the first that stands, until it breaks, or is silent while
 * another one answers. To go on by another path is a down() and an up().
 *
 * No callback is called from inside peersock_new(), peersock_send() or
 * peersock_free(). From inside a callback everything but peersock_free()
 * may be called. The program ignores SIGPIPE.
 */
#ifndef STATESYNC_PEERSOCK_H
#define STATESYNC_PEERSOCK_H

#include "peersock_conf.h"

#define PEERSOCK_ERROR_SIZE 256
struct event_base;
struct peersock;

/* Why a connection did not come to be, or ended. Named for counters. */
enum peersock_reason {
	PEERSOCK_KEY,	     /* the other side has another key */
	PEERSOCK_NO_PSK,     /* a handshake without the key of the pair */
	PEERSOCK_REFLECTION, /* our own name as sender, or a foreign pair */
	PEERSOCK_VERSION,    /* it speaks no TLS 1.3 */
	PEERSOCK_TIMEOUT,    /* connect (2 s) or handshake (5 s) too slow */
	PEERSOCK_PROTOCOL,   /* not TLS, or broken TLS */
	PEERSOCK_LIMIT,	     /* more than 8 unauthenticated connections */
	PEERSOCK_REFUSED,    /* no connection: refused, no route, ... */
	PEERSOCK_LOST,	     /* was up; ended by the other side or network */
	PEERSOCK_REPLACED,   /* was up; a newer one of the same peer came */
	PEERSOCK_CLOSED,     /* was up; peersock_close() */
	PEERSOCK_LEFT,	     /* was up; another path is in use now */
	PEERSOCK_REASONS
};

/* `peer` counts from 0 in the order of the configuration. */
struct peersock_ops {
	/* Authenticated and ready: bytes may be sent from here on. */
	void (*up)(void *arg, unsigned int peer);
	/* Bytes in order; they are gone on return. At most 64 KiB. */
	void (*data)(void *arg, unsigned int peer, const uint8_t *data,
		     size_t len);
	/* The end of an up connection and why, in words. */
	void (*down)(void *arg, unsigned int peer, enum peersock_reason reason,
		     const char *why);
	/* The queue has fallen to 64 KiB or less; once per filling. */
	void (*drained)(void *arg, unsigned int peer);
};

/*
 * Listens where a peer has a smaller name, connects where it has a greater one.
 * Everything in conf is copied. Failed tries are logged here, once for each
 * change of reason; up and down are the caller's to log. 0 and *out, or -errno
 * (-EADDRINUSE: somebody listens there), -EIO for OpenSSL.
 */
int peersock_new(struct event_base *base, const struct peersock_conf *conf,
		 const struct peersock_ops *ops, void *arg,
		 struct peersock **out) __attribute__((warn_unused_result));
/* Closes everything, without callbacks; the keys are overwritten. */
void peersock_free(struct peersock *ps);

/*
 * Sends bytes, or queues them (copied). 0, -ENOTCONN while the peer is not up, -ENOBUFS
 * when the queue is full: then nothing of it was taken.
 */
int peersock_send(struct peersock *ps, unsigned int peer, const void *data,
		  size_t len) __attribute__((warn_unused_result));

/* The listening sockets, into fds; how many. */
unsigned int peersock_listen_fds(const struct peersock *ps,
				 int fds[PEERSOCK_PATHS_MAX]);
/* Bytes queued, not yet taken by the kernel. */
size_t peersock_pending(const struct peersock *ps, unsigned int peer);
bool peersock_is_up(const struct peersock *ps, unsigned int peer);

/* Stops or resumes the reading from a peer; the kernel's buffer then holds the
 * sender back. Ends with the connection: a new one reads. */
void peersock_pause_reading(struct peersock *ps, unsigned int peer, bool pause);

/*
 * Other keys of a peer, newest first, 1 or 2 (copied). What stands goes on; the
 * next handshake, also one that is tried again now, is with these.
 */
void peersock_set_keys(struct peersock *ps, unsigned int peer,
		       const struct link_key *keys, unsigned int num_keys);

/*
 * Ends an up connection; down() is called with PEERSOCK_CLOSED and `why`
 * before it returns. What is queued is lost. It is then tried again.
 */
void peersock_close(struct peersock *ps, unsigned int peer, const char *why);
/* How often since the start; and the reason's name ("no-psk"). */
uint64_t peersock_count(const struct peersock *ps, enum peersock_reason r);
uint64_t peersock_key_updates(const struct peersock *ps);
const char *peersock_reason_name(enum peersock_reason reason);

/*
 * Why there is no connection to this peer, as a sentence without a name in
 * front: "10.9.0.2:3790: connection refused". "" when there is nothing.
 */
const char *peersock_error(const struct peersock *ps, unsigned int peer);

#endif
