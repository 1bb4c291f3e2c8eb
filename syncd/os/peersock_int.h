/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the link share: a peer, a connection, all of them. For
 * peersock*.c only.
 */
#ifndef STATESYNC_PEERSOCK_INT_H
#define STATESYNC_PEERSOCK_INT_H

#include "peersock.h"
#include "peertls.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <time.h>

#define PEERSOCK_STRANGERS_MAX 8
#define PEERSOCK_LOW_MARK      (64 * 1024)
#define PEERSOCK_RETRY_MS      200
#define PEERSOCK_LABEL_SIZE    (INET6_ADDRSTRLEN + 9)

enum conn_state { CONN_CONNECTING, CONN_HANDSHAKE, CONN_UP };

struct conn {
	struct peersock *ps;
	struct conn *next;
	struct peer *peer; /* ours to dial, or once authenticated */
	enum conn_state state;
	bool server;
	int fd; /* -1 once the bufferevent has it */
	struct peertls_conn tls;
	struct bufferevent *bev;
	struct event *connected; /* CONN_CONNECTING */
	struct event *timer;	 /* time limit, then key update */
	char label[PEERSOCK_LABEL_SIZE];
	struct sockaddr_storage from;
};

struct peer {
	struct peersock *ps;
	const char *name;
	char label[PEERSOCK_LABEL_SIZE];
	struct sockaddr_storage address;
	bool we_connect;
	struct conn *conn; /* up */
	struct event *retry;
	unsigned int retry_ms;
	unsigned int key; /* which one the next connection offers */
	time_t up_since;  /* monotonic, s */
	bool filled;	  /* queue went above LOW_MARK, drained() is owed */
	enum peersock_reason logged;
	char error[PEERSOCK_ERROR_SIZE];
};

struct peersock {
	struct event_base *base;
	struct peersock_ops ops;
	void *arg;
	struct peertls tls;
	struct sockaddr_storage local;
	int priority;
	size_t max_queue;
	uint64_t rekey_records;
	uint64_t key_updates;
	int listen_fd;
	struct event *listener, *accept_pause;
	struct conn *conns; /* newest first */
	uint64_t counts[PEERSOCK_REASONS];
	unsigned int num_peers;
	struct peer peers[];
};

/* peersock.c: an event of our priority, or NULL; a timer armed. */
struct event *peersock_event(struct peersock *ps, int fd, short what,
			     event_callback_fn fn, void *arg);
void peersock_arm(struct event *ev, unsigned int ms);

/* peersock_tcp.c: a retry timer's function; the listening socket. */
void peersock_dial(evutil_socket_t unused, short what, void *peer);
int peersock_listen(struct peersock *ps) __attribute__((warn_unused_result));

/*
 * peersock_conn.c. A new one takes the socket, also where it fails (NULL);
 * peer is NULL for somebody who calls us.
 */
struct conn *peersock_conn_new(struct peersock *ps, struct peer *peer, int fd,
			       const struct sockaddr_storage *from);
/* TCP stands: on with TLS. -ENOMEM leaves the connection as it was. */
int peersock_conn_start(struct conn *c) __attribute__((warn_unused_result));
/* The end of one that never was up; it may be tried again. */
void peersock_conn_give_up(struct conn *c, enum peersock_reason reason);
/* The end of one that was up: down() is called, last of all. */
void peersock_conn_down(struct conn *c, enum peersock_reason reason,
			const char *why);
/* Without a word to anybody. */
void peersock_conn_free(struct conn *c);
/* Later than the last time. */
void peersock_retry(struct peer *peer);

/* peersock_why.c: a try that failed: counted, remembered, logged on change. */
void peersock_note(struct conn *c, enum peersock_reason reason, const char *fmt,
		   ...) __attribute__((format(printf, 3, 4)));
/* The same for a handshake; libevent's flags say how it ended. */
enum peersock_reason peersock_note_handshake(struct conn *c, short what);
/* "10.9.0.2:3790", or without the port. */
void peersock_label(const struct sockaddr_storage *ss, bool with_port,
		    char out[PEERSOCK_LABEL_SIZE]);
/* The peer whose host this is, or NULL. */
struct peer *peersock_peer_at(struct peersock *ps,
			      const struct sockaddr_storage *from);

#endif
