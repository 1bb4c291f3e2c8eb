// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A policy's text up to a NUL, and behind it what it is told when it runs:
 * facts, results of tests, time.
 *
 * Invariant: it is taken, or refused with sentences whose places are in it;
 * one that runs is done after each event, and goes on in another process as
 * the same.
 */
#include "places.h"
#include "policy_parse.h"
#include "policy_run.h"

#define PATH	    "p"
#define STEPS_MAX   200
#define ACTIONS_MAX 20000

struct scene {
	struct reader in;
	struct policy *policy;
	struct policy_run *run;
	mono_t now;
	unsigned serial; /* of the last test that was asked for */
	unsigned actions;
};

static void drain(struct scene *c)
{
	struct policy_action a;

	while (policy_poll(c->run, &a)) {
		assert(a.state < c->policy->nstates);
		assert(c->actions++ < ACTIONS_MAX);
		if (a.what == POLICY_DO_TEST) {
			assert(a.test < c->policy->ntests && a.every_s > 0);
			c->serial = a.serial;
		}
	}
	assert(policy_state(c->run) < c->policy->nstates);
}

/* Another process goes on. */
static void upgrade(struct scene *c)
{
	static uint8_t kept[65536];
	struct policy_run *next = policy_run_new(c->policy);
	size_t len = policy_keep(c->run, kept, sizeof(kept));
	uint16_t cut = reader_u16(&c->in);

	assert(next);
	if (!len || (cut < len && !policy_restore(next, kept, cut, c->now))) {
		policy_run_free(next);
		return;
	}
	if (cut >= len)
		assert(policy_restore(next, kept, len, c->now));
	policy_run_free(c->run);
	c->run = next;
}

static void step(struct scene *c)
{
	const struct policy *p = c->policy;
	unsigned what = fuzz_below(&c->in, 8), which = reader_u8(&c->in);
	unsigned how = reader_u8(&c->in);

	switch (what) {
	case 0:
	case 1:
	case 2:
		if (p->nlinks)
			policy_fact(c->run, which % (unsigned)p->nlinks,
				    (enum policy_fact)(how % 4), c->now);
		break;
	case 3:
	case 4:
		if (p->ntests)
			policy_tested(c->run, which % (unsigned)p->ntests,
				      c->serial - (how >> 4), how % 3 - 1,
				      c->now);
		break;
	case 5:
	case 6:
		c->now = mono_add(c->now, how * MONO_S);
		policy_tick(c->run, c->now);
		break;
	case 7:
		upgrade(c);
		break;
	}
	drain(c);
}

static void run(struct scene *c)
{
	c->run = policy_run_new(c->policy);
	assert(c->run);
	for (unsigned i = 0; i < c->policy->nlinks; i++)
		c->policy->links[i].means =
			reader_u8(&c->in) & 1 ? POLICY_VHOST : POLICY_INTERFACE;
	policy_start(c->run, POLICY_GLOBAL, c->now);
	drain(c);
	for (int i = 0; i < STEPS_MAX && fuzz_more(&c->in); i++)
		step(c);
	policy_run_free(c->run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const given[] = { "given=carp0.link.up", "n=10" };
	static const struct policy_macros macros = { 2, given };
	static struct conf_errors errors, warnings;
	size_t len = strnlen((const char *)data, size);
	char *text = malloc(len + 1);
	struct scene c = { .now = { MONO_S } };
	struct policy *again;
	int rc;

	assert(text);
	memcpy(text, data, len);
	text[len] = '\n'; /* a last line may lack it */
	memset(&errors, 0, sizeof(errors));
	memset(&warnings, 0, sizeof(warnings));
	rc = policy_parse(PATH, text, len, &macros, &c.policy, &errors,
			  &warnings);
	assert((rc == 0) == (c.policy != NULL));
	assert((rc == CONF_REFUSED) == (errors.count > 0));
	places_check(&errors, PATH, text, len + 1);
	places_check(&warnings, PATH, text, len + 1);
	if (rc)
		goto out;
	reader_init(&c.in, data + len, size - len);
	reader_u8(&c.in);
	for (unsigned s = 0, n = 0; (s = policy_unreached(c.policy, s)); n++)
		assert(n < c.policy->nstates);
	run(&c);
	assert(!policy_parse(PATH, text, len, &macros, &again, &errors, NULL));
	assert(policy_digest(again) == policy_digest(c.policy));
	policy_free(again);
	policy_free(c.policy);
out:
	free(text);
	return 0;
}
