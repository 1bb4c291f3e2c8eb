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
#define PEERSOCK_LABEL_SIZE    (INET6_ADDRSTRLEN + IF_NAMESIZE + 9)

enum conn_state {
	CONN_CONNECTING,
	CONN_HANDSHAKE,
	CONN_STANDBY, /* proven, and bears no bytes */
	CONN_USED,
};

struct conn {
	struct peersock *ps;
	struct conn *next;
	struct path *path; /* ours to dial, or once authenticated */
	enum conn_state state;
	bool server;
	int fd; /* -1 once the bufferevent has it */
	struct peertls_conn tls;
	struct bufferevent *bev;
	struct event *connected; /* CONN_CONNECTING */
	struct event *timer;	 /* time limit, then key update */
	char label[PEERSOCK_LABEL_SIZE];
	struct sockaddr_storage from, at; /* theirs, ours; at: servers only */
};

struct path {
	struct peer *peer;
	struct peersock_path conf;
	char ours[PEERSOCK_LABEL_SIZE], theirs[PEERSOCK_LABEL_SIZE];
	char label[PEERSOCK_LABEL_SIZE]; /* theirs, with the port */
	struct conn *conn;		 /* proven: standby or used */
	bool trying;			 /* a connection is being made */
	struct event *retry;
	unsigned int retry_ms;
	unsigned int key; /* which one the next connection offers */
	time_t up_since;  /* monotonic, s */
	uint64_t lost;
	enum peersock_reason logged;
	char error[PEERSOCK_ERROR_SIZE];
};

struct peer {
	struct peersock *ps;
	const char *name;
	bool we_connect;
	bool filled; /* queue went above LOW_MARK, drained() is owed */
	struct conn *used;
	unsigned int num_paths;
	struct path paths[PEERSOCK_PATHS_MAX];
	struct event *choose; /* a path, soon */
	struct event *watch;  /* is a better one there? */
};

/* One of our ends, where peers call. */
struct listener {
	struct peersock *ps;
	struct peersock_end at;
	unsigned int ifindex; /* of its interface, when it was opened */
	int fd;		      /* -1: not open */
	struct event *incoming, *again;
};

struct peersock {
	struct event_base *base;
	struct peersock_ops ops;
	void *arg;
	struct peertls tls;
	bool mptcp;
	int priority;
	size_t max_queue;
	uint64_t rekey_records;
	time_t back_s;
	uint64_t key_updates;
	unsigned int num_listeners;
	struct listener listeners[PEERSOCK_PATHS_MAX];
	struct conn *conns; /* newest first */
	uint64_t counts[PEERSOCK_REASONS];
	unsigned int num_peers;
	struct peer peers[];
};

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
/* Without a word to anybody. */
void peersock_conn_free(struct conn *c);
/* Later than the last time. */
void peersock_retry(struct path *path);
unsigned int peersock_index(const struct peer *peer);
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
