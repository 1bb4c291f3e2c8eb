/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A policy, as OpenBSD's ifstated.conf(5) writes it: states, and what is done
 * as links, virtual hosts and tests change. Here is the tree that a file is
 * read into; os/policy_parse.h reads one, policy_run.h brings it to life.
 * Nothing of it changes once it was read, but what its names mean.
 */
#ifndef STATESYNC_POLICY_H
#define STATESYNC_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the file; col 0: of the whole line. */
struct policy_place {
	int line, col;
};

enum policy_op {
	POLICY_UP, /* of links[index] */
	POLICY_DOWN,
	POLICY_UNKNOWN,
	POLICY_TEST, /* tests[index] exits with 0 */
	POLICY_NOT,  /* left */
	POLICY_AND,
	POLICY_OR,
};

struct policy_expr {
	enum policy_op op;
	unsigned index;
	const struct policy_expr *left, *right;
};

enum policy_do { POLICY_RUN, POLICY_SET_STATE, POLICY_IF };

struct policy_step {
	enum policy_do what;
	struct policy_place at;
	const char *text; /* the command; the name of the state */
	unsigned state;	  /* of SET_STATE, once policy_link_states() */
	const struct policy_expr *expr;
	struct policy_step *block, *next;
};

/* Steps in their order; both NULL: none. */
struct policy_steps {
	struct policy_step *first, *last;
};

#define POLICY_GLOBAL 0 /* states[0]: what is outside of all states */

struct policy_state {
	const char *name; /* "" of the global one */
	struct policy_place at;
	struct policy_steps init, body;
};

/* What the name of an interface was found to mean (policy_names.h). */
enum policy_means { POLICY_INTERFACE, POLICY_VHOST };

struct policy_link {
	const char *name;
	struct policy_place at; /* where it stands first */
	enum policy_means means;
	unsigned vhost; /* of VHOST */
};

struct policy_test {
	const char *command;
	unsigned every_s; /* above 0 */
	unsigned state;	  /* the one it belongs to */
};

struct policy_block;

struct policy {
	struct policy_block *blocks;
	size_t nstates, nlinks, ntests;
	struct policy_state *states; /* at least the global one */
	struct policy_link *links;
	struct policy_test *tests;
	unsigned start; /* POLICY_GLOBAL: there are no states */
};

/* An empty one; NULL without memory. policy_free() of NULL is fine. */
struct policy *policy_new(void) __attribute__((warn_unused_result));
void policy_free(struct policy *p);

/* size bytes of zeros that live as long as the policy; NULL without memory. */
void *policy_alloc(struct policy *p, size_t size);

/* What a reader finds: the index of a new state, of a link, of a test of that
 * state, new or not; -1 without memory. The strings have to live as long. */
int policy_add_state(struct policy *p, const char *name,
		     struct policy_place at);
int policy_add_link(struct policy *p, const char *name, struct policy_place at);
int policy_add_test(struct policy *p, unsigned state, const char *command,
		    unsigned every_s);
void policy_add_step(struct policy_steps *steps, struct policy_step *step);

/* -1: there is none of this name; the global one has none. */
int policy_find_state(const struct policy *p, const char *name);

/* Each step of the policy, depth first. */
typedef void policy_step_fn(unsigned state, struct policy_step *s, void *arg);
void policy_each_step(const struct policy *p, policy_step_fn *fn, void *arg);

/* Once all is read: where each set-state leads. bad is called for those that
 * lead nowhere; the policy is of no use then. */
void policy_link_states(struct policy *p, policy_step_fn *bad, void *arg);

/* A number of all that it says, its names' meaning left out. */
uint64_t policy_digest(const struct policy *p);

/* The next state after this one that no way leads to, or POLICY_GLOBAL. */
unsigned policy_unreached(const struct policy *p, unsigned after);

#endif
