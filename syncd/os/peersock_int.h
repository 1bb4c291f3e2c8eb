/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the link share: a connection, a path, a peer, all of them.
 * For peersock*.c only.
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
	time_t said; /* that accept failed */
	uint64_t key_updates;
	unsigned int num_listeners;
	struct listener listeners[PEERSOCK_PATHS_MAX];
	struct conn *conns; /* newest first */
	uint64_t counts[PEERSOCK_REASONS];
	unsigned int num_peers;
	struct peer peers[];
};

#endif
