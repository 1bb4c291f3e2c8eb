/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A policy from its text, played under a made-up time; what it does is written
 * down as lines: "run COMMAND", "test COMMAND", "-> STATE (CAUSE)".
 */
#ifndef STATESYNC_POLICY_PLAY_H
#define STATESYNC_POLICY_PLAY_H

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy_parse.h"
#include "policy_run.h"

struct play {
	struct policy *policy;
	struct policy_run *run;
	mono_t now;
	struct conf_errors errors, warnings;
	unsigned serials[256]; /* of the tests asked for last */
	char done[65536];
};

static inline int play_parse(struct play *p, const char *text, int nmacros,
			     const char *const *macros)
{
	const struct policy_macros list = { (size_t)nmacros, macros };

	memset(p, 0, sizeof(*p));
	p->now.ns = MONO_S;
	return policy_parse("p", text, strlen(text), &list, &p->policy,
			    &p->errors, &p->warnings);
}

static inline void play_take(struct play *p)
{
	struct policy_action a;
	size_t len = strlen(p->done);

	while (policy_poll(p->run, &a)) {
		char *at = p->done + len;
		size_t size = sizeof(p->done) - len;
		const char *name = p->policy->states[a.state].name;

		switch (a.what) {
		case POLICY_DO_RUN:
			snprintf(at, size, "run %s\n", a.text);
			break;
		case POLICY_DO_TEST:
			p->serials[a.test] = a.serial;
			snprintf(at, size, "test %s\n", a.text);
			break;
		case POLICY_DO_ENTER:
			snprintf(at, size, "-> %s (%s)\n", name, a.text);
			break;
		case POLICY_DO_STOP:
			snprintf(at, size, "loop in %s (%s)\n", name, a.text);
			break;
		}
		len += strlen(at);
	}
}

/* Accepted, and not yet begun. */
static inline void play_load(struct play *p, const char *text)
{
	int err = play_parse(p, text, 0, NULL);

	ck_assert_msg(err == 0, "%s", p->errors.text[0]);
	p->run = policy_run_new(p->policy);
	ck_assert_ptr_nonnull(p->run);
}

static inline void play_begin(struct play *p)
{
	policy_start(p->run, POLICY_GLOBAL, p->now);
	play_take(p);
}

static inline void play_end(struct play *p)
{
	policy_run_free(p->run);
	policy_free(p->policy);
}

static inline void play_link(struct play *p, const char *name,
			     enum policy_fact fact)
{
	for (unsigned i = 0; i < p->policy->nlinks; i++)
		if (strcmp(p->policy->links[i].name, name) == 0) {
			policy_fact(p->run, i, fact, p->now);
			play_take(p);
			return;
		}
	ck_abort_msg("no link %s", name);
}

/* A vhost: as its name is resolved elsewhere. */
static inline void play_vhost(struct play *p, const char *name,
			      enum policy_fact fact)
{
	for (unsigned i = 0; i < p->policy->nlinks; i++)
		if (strcmp(p->policy->links[i].name, name) == 0)
			p->policy->links[i].means = POLICY_VHOST;
	play_link(p, name, fact);
}

/* The running test whose command begins so ends. */
static inline void play_test(struct play *p, const char *command, int status)
{
	for (unsigned i = 0; i < p->policy->ntests; i++) {
		unsigned state = p->policy->tests[i].state;

		if (strncmp(p->policy->tests[i].command, command,
			    strlen(command)) == 0 &&
		    (state == POLICY_GLOBAL || state == policy_state(p->run))) {
			policy_tested(p->run, i, p->serials[i], status, p->now);
			play_take(p);
			return;
		}
	}
	ck_abort_msg("no test %s", command);
}

static inline void play_wait(struct play *p, int64_t s)
{
	p->now = mono_add(p->now, s * MONO_S);
	policy_tick(p->run, p->now);
	play_take(p);
}

/* What was done since the last time. */
static inline void play_did(struct play *p, const char *what)
{
	ck_assert_str_eq(p->done, what);
	*p->done = '\0';
}

#endif
