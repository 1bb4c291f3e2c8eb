/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the two files of the stats socket share: the door (statsock.c) and a
 * client's life (statsock_client.c). For statsock*.c only.
 */
#ifndef STATESYNC_STATSOCK_INT_H
#define STATESYNC_STATSOCK_INT_H

#include "statsock_prompt.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/un.h>

enum client_state {
	CLIENT_READING, /* its line */
	CLIENT_NEXT,	/* a command may be left in the line */
	CLIENT_RUNNING, /* a command, until statsock_end() */
	CLIENT_ENDING,	/* the answer is being read */
};

struct stats_client {
	struct statsock *ss;
	struct stats_client *next;
	struct bufferevent *bev;
	struct event *timer;
	enum client_state state;
	int64_t since_ms;  /* it may send a line */
	int64_t unread_ms; /* something to read is there since; 0: nothing */
	bool overflow;	   /* the answer was too long */
	bool in_line;	   /* the body's last byte was not a newline */
	uid_t uid;
	pid_t pid;
	bool may_change;
	statsock_close_fn *on_close;
	void *on_close_ctx;
	statsock_close_fn *on_room;
	void *on_room_ctx;
	bool interactive; /* its next line is read, too */
	statsock_prompt_fn *prompt;
	void *prompt_ctx;
	size_t line_len, line_used;
	char line[STATSOCK_LINE_MAX + 2]; /* room for CR or NUL */
};

struct statsock {
	struct event_base *base;
	statsock_handler_fn *handler;
	void *arg;
	int fd;
	struct event *listener, *accept_pause;
	time_t said; /* that accept failed */
	struct stats_client *clients;
	unsigned int num_clients;
	gid_t admin_gid;
	dev_t dev;
	ino_t ino;
	uint64_t counts[STATSOCK_COUNTERS];
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* An event of the least urgent priority, or NULL. */
struct event *statsock_event(struct statsock *ss, int fd, short what,
			     event_callback_fn fn, void *arg);

/* Takes the socket, also when there is no memory: NULL. */
struct stats_client *stats_client_new(struct statsock *ss, int fd);
/* Its close function is called where a command is under way. */
void stats_client_free(struct stats_client *c);
/* What is left unread here would turn the end into a reset over there. */
void stats_client_discard(int fd);

#endif
