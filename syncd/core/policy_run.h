/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A policy at work, as a value: it is told how links are and how tests ended,
 * and answers with commands to run, tests to make and states that it entered.
 * After each call the caller takes policy_poll() until it is empty.
 *
 * Semantics are those of OpenBSD's ifstated(8); where it blocks, this does
 * not: commands are given out in order and not waited for, and a state that
 * is entered waits for the first result of each of its tests only.
 */
#ifndef STATESYNC_POLICY_RUN_H
#define STATESYNC_POLICY_RUN_H

#include "mono.h"
#include "policy.h"

#define POLICY_CHANGES_MAX 16 /* of one event; beyond it is a loop */
#define POLICY_CAUSE_MAX   120

enum policy_fact {
	POLICY_IS_DOWN, /* or there is no such interface */
	POLICY_IS_UP,
	POLICY_IS_UNKNOWN, /* an interface that cannot tell: counts as up */
	POLICY_IS_INIT,	   /* a vhost in INIT: unknown, and down */
};

enum policy_what {
	POLICY_DO_RUN,	 /* text, in order, after all before it */
	POLICY_DO_TEST,	 /* text, for at most every_s; then policy_tested() */
	POLICY_DO_ENTER, /* state, from another; text: why */
	POLICY_DO_STOP,	 /* a loop was ended in state; text: why it began */
};

struct policy_action {
	enum policy_what what;
	unsigned state, from; /* POLICY_GLOBAL: none */
	unsigned test, serial, every_s;
	const char *text; /* of the policy, or valid until the next call */
};

struct policy_run;

/* Links are POLICY_IS_DOWN until told. NULL without memory. The policy stays
 * the caller's, and has to live as long. */
struct policy_run *policy_run_new(const struct policy *p)
	__attribute__((warn_unused_result));
void policy_run_free(struct policy_run *r);

/* Before the start: a fact, of which nothing follows. After it: an event, if
 * it is another one than before. */
void policy_fact(struct policy_run *r, unsigned link, enum policy_fact fact,
		 mono_t now);

/*
 * Begins, in the policy's first state, or in this one, whose init is then left
 * out (POLICY_GLOBAL: none).
 */
void policy_start(struct policy_run *r, unsigned state, mono_t now);

/* How a test ended that POLICY_DO_TEST asked for; below 0: it was killed or
 * could not be run, and says nothing. */
void policy_tested(struct policy_run *r, unsigned test, unsigned serial,
		   int status, mono_t now);

/* Tests that are due. */
void policy_tick(struct policy_run *r, mono_t now);
mono_t policy_deadline(const struct policy_run *r);

bool policy_poll(struct policy_run *r, struct policy_action *a);

/* The one it is in; POLICY_GLOBAL: there are none. */
unsigned policy_state(const struct policy_run *r);
/* Actions that there was no memory for, since the start. */
unsigned policy_lost(const struct policy_run *r);

/*
 * As another run of the same policy was: its state, its facts, and what its
 * tests said. Instead of policy_start(); nothing is done again. The number of
 * bytes, at most size, or 0; false: they are not of this policy.
 */
size_t policy_keep(const struct policy_run *r, void *data, size_t size);
bool policy_restore(struct policy_run *r, const void *data, size_t len,
		    mono_t now);

#endif
