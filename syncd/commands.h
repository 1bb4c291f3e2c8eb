/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Commands of the stats socket that have a file of their own; as all of them
 * they lead to one statsock_end(). For commands*.c only.
 */
#ifndef STATESYNC_COMMANDS_H
#define STATESYNC_COMMANDS_H

#include "statsock.h"

struct node;
struct node_waiters;

/* --- commands.c */
/* Is the word one of the arguments? */
bool commands_has_word(int argc, char **argv, const char *word);

/* --- commands_wait.c */
/* The client waits for the end of it, too. */
void waiters_add(struct node_waiters *w, struct stats_client *c);
/* A line for all of them, and the end. */
void waiters_say(struct node_waiters *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void waiters_end(struct node_waiters *w, enum stats_verdict verdict,
		 const char *sentence);
/* The peer of that name; -1: there is none, which the other one says. */
int commands_find_peer(const struct node *n, const char *name);
void commands_no_peer(const struct node *n, struct stats_client *c,
		      const char *name);

/* --- each in a file of its name */
void commands_bulk(struct node *n, struct stats_client *c, int argc,
		   char **argv);

void commands_flows(struct node *n, struct stats_client *c, int argc,
		    char **argv);
void commands_events(struct node *n, struct stats_client *c, int argc,
		     char **argv);
void commands_drill(struct node *n, struct stats_client *c, int argc,
		    char **argv);
void commands_maintenance(struct node *n, struct stats_client *c, int argc,
			  char **argv);
void cmd_verify(struct node *n, struct stats_client *c, int argc, char **argv);

/* Line after line on one connection, and its end; what JSON answers have. */
void commands_prompt(struct node *n, struct stats_client *c, int argc,
		     char **argv);
void commands_quit(struct node *n, struct stats_client *c, int argc,
		   char **argv);
void commands_schema(struct node *n, struct stats_client *c, int argc,
		     char **argv);

void commands_demote(struct node *n, struct stats_client *c, int argc,
		     char **argv);
/* One vhost, by any name that it has in a policy, as ifconfig of OpenBSD. */
void commands_carp(struct node *n, struct stats_client *c, int argc,
		   char **argv);
/* May this node be master; and what the elector of external vhosts says. */
void commands_role(struct node *n, struct stats_client *c, int argc,
		   char **argv);
void commands_set_role(struct node *n, struct stats_client *c, int argc,
		       char **argv);

#endif
