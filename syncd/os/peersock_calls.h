/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the link ask of each other. For peersock*.c only.
 */
#ifndef STATESYNC_PEERSOCK_CALLS_H
#define STATESYNC_PEERSOCK_CALLS_H

#include "peersock_int.h"

/* peersock.c: an event of our priority, or NULL; a timer armed. */
struct event *peersock_event(struct peersock *ps, int fd, short what,
			     event_callback_fn fn, void *arg);
void peersock_arm(struct event *ev, unsigned int ms);

/* peersock_tcp.c: a retry timer's function. */
void peersock_dial(evutil_socket_t unused, short what, void *path);
/* How long nothing, not even an ACK, has come. */
unsigned int peersock_silent_ms(const struct conn *c);
/* A socket with the options of the link, at an end, which need not exist yet;
 * or -errno (-ENODEV: its interface does not). */
int peersock_socket(const struct peersock *ps, const struct peersock_end *end,
		    bool listening) __attribute__((warn_unused_result));

/* peersock_listen.c: at all our ends where somebody may call. 0, or -errno:
 * one cannot be had. */
int peersock_listen(struct peersock *ps, const struct peersock_conf *conf)
	__attribute__((warn_unused_result));
void peersock_listen_end(struct peersock *ps);

/* peersock_path.c: which path is in use. A proven connection: it stands by. */
void peersock_path_up(struct conn *c);
/* Bytes came on one that stands by; false: it is gone. */
bool peersock_path_called(struct conn *c);
/* One is to be chosen, soon. */
void peersock_path_choose(struct peer *peer);
/* Timers of a peer, made. 0 or -ENOMEM. */
int peersock_path_init(struct peer *peer) __attribute__((warn_unused_result));

/*
 * peersock_conn.c. A new one takes the socket, also where it fails (NULL);
 * path is NULL for somebody who calls us.
 */
struct conn *peersock_conn_new(struct peersock *ps, struct path *path, int fd,
			       const struct sockaddr_storage *from);
/* Bytes may be sent from here on: up() is called. */
void peersock_conn_use(struct conn *c);
/* TCP stands: on with TLS. -ENOMEM leaves the connection as it was. */
int peersock_conn_start(struct conn *c) __attribute__((warn_unused_result));
/* The end of one that never was up; it may be tried again. */
void peersock_conn_give_up(struct conn *c, enum peersock_reason reason);
/* The end of one that was proven: down() is called if it was in use, last of
 * all. */
void peersock_conn_down(struct conn *c, enum peersock_reason reason,
			const char *why);
/* What the kernel takes at once of that: bytes, 0 while something is queued. */
size_t peersock_conn_write(struct conn *c, const void *data, size_t len);
/* Without a word to anybody. */
void peersock_conn_free(struct conn *c);
/* Later than the last time. */
void peersock_retry(struct path *path);
time_t peersock_seconds(void); /* monotonic */

/* peersock_why.c: a try that failed: counted, remembered, logged on change. */
void peersock_note(struct conn *c, enum peersock_reason reason, const char *fmt,
		   ...) __attribute__((format(printf, 3, 4)));
/* The same for a handshake; libevent's flags say how it ended. */
enum peersock_reason peersock_note_handshake(struct conn *c, short what);
/* "10.9.0.2:3790", or without the port. */
void peersock_label(const struct sockaddr_storage *ss, bool with_port,
		    char out[PEERSOCK_LABEL_SIZE]);
void peersock_end_label(const struct peersock_end *end, bool with_port,
			char out[PEERSOCK_LABEL_SIZE]);
/* The path at whose other end this host is, or NULL. */
struct path *peersock_path_at(struct peersock *ps,
			      const struct sockaddr_storage *from);

#endif
