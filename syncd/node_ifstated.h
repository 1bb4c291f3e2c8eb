/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What follows the roles of the vhosts: the policy (policy-file), and the
 * commands on-master, on-backup and on-fault. For node*.c, main.c and what
 * reports of it.
 */
#ifndef STATESYNC_NODE_IFSTATED_H
#define STATESYNC_NODE_IFSTATED_H

#include "node.h"
#include "policy_file.h"

struct policy_run;

/* A command that waits for the helper, or that it has. */
struct follow_command {
	struct follow_command *next;
	bool given;
	struct node_ifstated *of;
	uint32_t queue;
	bool test;
	unsigned index, serial; /* of a test, and of which policy: */
	unsigned generation;
	int64_t limit_ms;
	char *text, *env;	       /* "A=b\nC=d" */
	char who[CONF_NAME_SIZE + 32]; /* "state master", "on-master of lan" */
};

struct node_ifstated {
	struct node *node;
	const struct policy *policy; /* of n->conf; NULL: none */
	struct policy_run *run;
	bool begun;
	unsigned generation;
	uint8_t *kept; /* from another process, until it begins */
	size_t kept_len;
	/* interfaces as the kernel told last */
	struct follow_iface {
		unsigned ifindex;
		char name[IF_NAMESIZE];
		uint8_t fact;
	} * ifaces;
	size_t nifaces;
	struct event *timer;
	struct follow_command *commands; /* in their order */
};

/* Before anything may happen. 0 or -ENOMEM. */
int node_ifstated_open(struct node *n) __attribute__((warn_unused_result));
void node_ifstated_close(struct node *n);
/* All is open: begins, or goes on where another process was. */
void node_ifstated_begin(struct node *n);
/* n->conf is another one; was is not yet freed. 0 or -ENOMEM. */
int node_ifstated_change(struct node *n, const struct conf *was)
	__attribute__((warn_unused_result));

/* A vhost has another role; a link event, of any interface. */
struct engine_action;
void node_ifstated_role(struct node *n, const struct engine_action *a);
void node_ifstated_link(struct node *n, const struct ifmon_event *ev);

/* For another process: bytes, at most size, or 0. And there, before it
 * begins. */
#define NODE_IFSTATED_KEPT_MAX 2000
size_t node_ifstated_keep(const struct node *n, void *data, size_t size);
void node_ifstated_adopt(struct node *n, const void *data, size_t len);

/* The state that it is in; NULL without a policy or without states. */
const char *node_ifstated_state(const struct node *n);

/* --- node_follow.c: commands in their order */
/* Has one run; who is named in the log and in history. env: as struct
 * follow_command, taken over; NULL is fine. */
void node_follow_run(struct node *n, uint32_t queue, const char *who,
		     const char *text, char *env);
/* The same of a test of the policy. */
void node_follow_test(struct node *n, const char *text, unsigned index,
		      unsigned serial, unsigned every_s);
/* The command of the configuration for this transition, if there is one. */
void node_follow_role(struct node *n, const struct engine_action *a);
/* "STATESYNC_NODE=fw1\n...", to be given back with free(); NULL without
 * memory. */
char *node_follow_env(const struct node *n);
/* Gives the helper what it takes. */
void node_follow_pump(struct node *n);
void node_follow_close(struct node *n);

/* --- node_ifstated.c, for node_follow.c */
void node_ifstated_tested(struct node *n, const struct follow_command *c,
			  int status);
/* To history, as everything that the policy does. */
void node_ifstated_note(struct node *n, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
