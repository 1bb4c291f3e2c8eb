// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Two nodes, or three, and many misfortunes, each series from one number. At
 * the end everything is mended and must be as if nothing had been.
 *
 * usage: sim_pair [-m NODES] [-d HOURS] [-j JOBS] [-s SEED] [-n COUNT] [-v]
 *                 [-t PORT]
 *
 * -d lets a series last so long, with minutes of work between misfortunes; -j 0
 * uses each core. -v tells what happens, -t also what becomes of the flows of a
 * client port.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "misfortunes.h"

#define QUIET_MAX_NS (90 * MONO_S)
/* In so many series each step of strikes.c has its stroke. */
#define STRUCK_SEEDS 2000
/* What a round of the audit or a memory of ended flows may take: a mebibyte
 * and some comes and goes. */
#define CHURN_BYTES (2 * 1024 * 1024)

struct totals {
	uint64_t seeds, bad;
	uint64_t takes, handovers, refused, flows, changed, cuts, resumed, calm;
	uint64_t taken, struck[SIM_STEPS];
	int64_t virtual_ns, both_ns, none_ns;
};

/* --- a world ------------------------------------------------------------- */

/* A third one; it has no vhost that is its own by preference. */
static void draw_third(struct sim *dice, struct sim_conf *c)
{
	c->nodes = 3;
	c->active = c->crossed = false;
	c->advskew[2] = c->advskew[sim_random(dice, 2)];
	if (sim_chance(dice, 70))
		c->advskew[2] = (uint8_t)(20 + sim_random(dice, 30));
}

static struct sim_conf draw_conf(uint64_t seed, unsigned nodes, bool verbose)
{
	struct sim dice = { .random = seed ^ 0x5eed };
	struct sim_conf c = {
		.seed = seed,
		.vhosts = 1 + (unsigned)sim_random(&dice, 2),
		.advbase = (uint8_t)sim_random(&dice, 2),
		.preempt = sim_chance(&dice, 50),
		.lan_delay_ns = (int64_t)sim_random(&dice, 3000) * MONO_US,
		.link_delay_ns =
			(int64_t)(50 + sim_random(&dice, 3000)) * MONO_US,
		.ops_s = (unsigned)(20 + sim_random(&dice, 400)),
		.tuples = (unsigned)(20 + sim_random(&dice, 380)),
		.slowness = 1 + (unsigned)(sim_random(&dice, 9) *
					   sim_random(&dice, 9)),
		.chunk = 1 + sim_random(&dice, 24),
		.event_room = sim_chance(&dice, 20)
				      ? 20 + sim_random(&dice, 100)
				      : KERNEL_EVENTS_MAX,
		.verbose = verbose,
	};
	uint8_t skew = (uint8_t)(20 + sim_random(&dice, 15));

	c.advskew[0] = skew;
	c.advskew[1] = (uint8_t)(skew + sim_random(&dice, 3) * 6);
	if (sim_chance(&dice, 30)) {
		c.advskew[0] = c.advskew[1];
		c.advskew[1] = skew;
	}
	if (sim_chance(&dice, 70))
		c.witness_limit = 3;
	if (sim_chance(&dice, 40)) {
		c.v6 = true;
		c.no_v4 = sim_chance(&dice, 30);
	}
	if (sim_chance(&dice, 20))
		c.preempt_delay_ns = (int64_t)sim_random(&dice, 4000) * MONO_MS;
	c.independent = sim_chance(&dice, 20);
	c.crossed = c.vhosts == 2 && sim_chance(&dice, 20);
	c.strict = sim_chance(&dice, 20);
	if (sim_chance(&dice, 20))
		c.lan_loss = (unsigned)sim_random(&dice, 30);
	if (sim_chance(&dice, 20))
		c.link_bytes_s = 20000 + sim_random(&dice, 200000);
	if (sim_chance(&dice, 10))
		c.no_resume = true;
	else if (sim_chance(&dice, 30))
		c.resume_bytes = 100 + sim_random(&dice, 20000);
	if (sim_chance(&dice, 15)) {
		c.require = REQUIRE_SYNC_LIMIT;
		c.require_ns = (int64_t)sim_random(&dice, 5000) * MONO_MS;
	} else if (sim_chance(&dice, 10)) {
		c.require = REQUIRE_SYNC_OFF;
	}
	if (sim_chance(&dice, 60))
		c.audit_ns = (int64_t)(2 + sim_random(&dice, 10)) * MONO_S;
	if (c.audit_ns && sim_chance(&dice, 20))
		c.ops_s = 3000;
	c.sets = sim_chance(&dice, 40);
	c.active = sim_chance(&dice, 15);
	if (c.active) {
		c.vhosts = 2;
		c.crossed = c.independent = c.preempt = true;
	}
	c.cut_frames = true;
	if (sim_chance(&dice, 25)) {
		c.lan_twice = (unsigned)sim_random(&dice, 200);
		c.lan_broken = (unsigned)sim_random(&dice, 20);
	}
	if (nodes > 2)
		draw_third(&dice, &c);
	return c;
}

/* --- the end ---------------------------------------------------------------- */

/* Where each moves by itself they are brought together by hand. */
static void unite(struct sim *s)
{
	for (unsigned n = 0; n < 60 && s->conf.independent; n++) {
		unsigned first = 0, last = s->nodes - 1;

		if (sim_error(s) || sim_master(s) >= 0)
			return;
		while (first < last && !s->node[first].engine->masters)
			first++;
		while (last > first && !s->node[last].engine->masters)
			last--;
		if (first < last)
			(void)sim_handover_to(s, last, (int)first, false);
		sim_run(s, 1 * MONO_S);
	}
}

/*
 * What was torn away or changed without a word is repaired by the next round or
 * the one after it; what is there and was not told is gone TIMEOUT_PERIODS
 * later. Then both tables hold the same and no more.
 */
static void until_audited(struct sim *s)
{
	uint64_t rounds = 0;

	if (!s->conf.audit_ns || sim_error(s))
		return;
	s->traffic = true;
	for (unsigned i = 0; i < s->nodes; i++)
		misfortunes_swallow(s, i);
	sim_run(s, 1 * MONO_S);
	misfortunes_tamper(s);
	s->traffic = false;
	sim_run(s, (TIMEOUT_PERIODS + 5) *
			   (s->conf.audit_ns + AUDIT_PERIOD_LEAST_NS));
	for (unsigned i = 0; i < s->nodes && !sim_error(s); i++)
		for (unsigned k = 0; k < s->nodes - 1; k++)
			rounds += s->node[i].engine->peers[k].audit.rounds;
	if (!sim_error(s) && rounds < 4)
		sim_fail(s, "%llu rounds of the audit",
			 (unsigned long long)rounds);
	s->tampered = false;
	s->nuntold = 0;
	sim_until_idle(s, QUIET_MAX_NS);
}

/* Each has its own, and neither lacks anything of the other one's. */
static void look_at_both(struct sim *s)
{
	s->traffic = false;
	sim_until_idle(s, QUIET_MAX_NS);
	if (!sim_idle(s))
		sim_fail(s, "two that both forward are not in sync");
	else
		sim_watch_both(s);
	s->traffic = true;
}

static void until_quiet(struct sim *s)
{
	if (s->conf.active)
		look_at_both(s);
	unite(s);
	s->traffic = false;
	sim_until_idle(s, QUIET_MAX_NS);
	until_audited(s);
	sim_watch_quiet(s);
}

static void the_end(struct sim *s)
{
	unsigned before[SIM_NODES_MAX];

	misfortunes_mend(s, 100);
	for (unsigned i = 0; i < s->nodes; i++)
		sim_wake(s, i);
	misfortunes_mend(s, 100);
	s->conf.lan_loss = s->conf.lan_broken = 0;
	sim_say(s, "-- all is whole");
	sim_run(s, 15 * MONO_S);
	/* also who was told to stop and took his time */
	misfortunes_mend(s, 100);
	sim_run(s, 5 * MONO_S);
	until_quiet(s);
	s->traffic = true;
	sim_run(s, 12 * MONO_S); /* a fail-back, if there is to be one */
	for (unsigned i = 0; i < s->nodes; i++)
		before[i] = s->node[i].transitions;
	sim_run(s, 10 * MONO_S);
	for (unsigned i = 0; i < s->nodes; i++)
		if (s->node[i].transitions != before[i])
			sim_fail(s, "%s changes on a stable network",
				 s->node[i].name);
	until_quiet(s);
}

static void cold_start(struct sim *s)
{
	for (unsigned i = 0; i < s->nodes; i++) {
		sim_start(s, i);
		if (i && sim_chance(s, 50))
			s->node[i].starts_at = mono_add(
				s->now, (int64_t)sim_random(s, 8000) * MONO_MS);
	}
	s->traffic = true;
	sim_run(s, 12 * MONO_S);
}

/* Nothing befell them: one became master, and at most each other one then. A
 * few adverts that are lost in a row are a reason only without a witness. And
 * where each is the better one for one vhost, though they are to move together,
 * and neither waits for the link, one preempts what it gives back when it knows
 * the other. */
static void watch_cold_start(struct sim *s)
{
	const struct sim_conf *c = &s->conf;

	if (((c->lan_loss || c->lan_broken) && !c->witness_limit) ||
	    (c->crossed && !c->independent && c->preempt &&
	     c->require == REQUIRE_SYNC_OFF))
		return;
	for (unsigned k = 0; k < s->conf.vhosts; k++)
		if (s->changes[k] > s->nodes - 1)
			sim_fail(s, "vhost %u changed hands at a cold start",
				 k);
}

static void say_conf(const struct sim *s)
{
	const struct sim_conf *c = &s->conf;

	sim_say(s,
		"seed %llu: %u nodes, %u vhosts, advbase %u, advskew %u %u %u"
		"%s%s%s%s%s%s, witness-limit %u, require-sync %d",
		(unsigned long long)c->seed, s->nodes, c->vhosts, c->advbase,
		c->advskew[0], c->advskew[1], c->advskew[2],
		c->preempt ? ", preempt" : "",
		c->independent ? ", independent" : "",
		c->crossed ? ", crossed" : "", c->strict ? ", strict" : "",
		c->active ? ", both active" : "", c->sets ? ", sets" : "",
		c->witness_limit, (int)c->require);
	sim_say(s,
		"LAN: of 1000 %u lost, %u twice, %u broken, %lld us; link: "
		"%lld us, %llu bytes/s, "
		"%zu bytes kept; %u ops/s of %u tuples, slow %u, chunk %zu, "
		"%zu events, audit %lld s",
		c->lan_loss, c->lan_twice, c->lan_broken,
		(long long)(c->lan_delay_ns / MONO_US),
		(long long)(c->link_delay_ns / MONO_US),
		(unsigned long long)c->link_bytes_s,
		c->no_resume ? 0 : c->resume_bytes, c->ops_s, c->tuples,
		c->slowness, c->chunk, c->event_room,
		(long long)(c->audit_ns / MONO_S));
}

/* Bytes that this process holds; 0 where the allocator does not say. */
static size_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* Traffic by the hour, one misfortune in some minutes, and nothing grows. */
static void churn(struct sim *s, unsigned hours)
{
	size_t before = 0;

	for (unsigned n = 0; n < hours && !sim_error(s); n++) {
		mono_t end = mono_add(s->now, 3600 * MONO_S);

		while (!sim_error(s) && s->now.ns < end.ns) {
			int64_t seconds = (int64_t)(60 + sim_random(s, 600));

			sim_run(s, seconds * MONO_S);
			misfortunes_one(s);
			sim_run(s, (int64_t)sim_random(s, 20) * MONO_S);
			misfortunes_mend(s, 100);
			sim_run(s, 60 * MONO_S);
			misfortunes_mend(s, 100);
			sim_run(s, 30 * MONO_S);
		}
		until_quiet(s);
		s->traffic = true;
		before = before ? before : heap();
		if (heap() > before + CHURN_BYTES)
			sim_fail(s, "%zu bytes more than hours ago",
				 heap() - before);
	}
}

static const char *play(struct sim *s, unsigned hours, struct totals *t)
{
	say_conf(s);
	if (sim_chance(s, 50))
		sim_fill(s, (unsigned)sim_random(s, s->nodes),
			 sim_random(s, 300));
	cold_start(s);
	watch_cold_start(s);
	if (hours)
		churn(s, hours);
	else
		misfortunes_befall(s);
	the_end(s);
	for (unsigned i = 0; i < s->nodes; i++) {
		const struct sim_node *n = &s->node[i];

		t->takes += n->takes[0];
		t->handovers += n->handovers_ok;
		t->refused += n->handovers_failed;
	}
	for (unsigned i = 0; i < SIM_STEPS; i++)
		t->struck[i] += s->struck[i];
	t->taken += s->taken;
	t->flows += s->created;
	t->changed += s->changed;
	t->cuts += s->cuts;
	t->calm += s->calm;
	t->resumed += s->resumed;
	if (s->longest_both_ns > t->both_ns)
		t->both_ns = s->longest_both_ns;
	if (s->longest_none_ns > t->none_ns)
		t->none_ns = s->longest_none_ns;
	return sim_error(s);
}

/* --- seeds ------------------------------------------------------------------ */

struct series {
	uint64_t seed, count;
	unsigned nodes, hours, jobs;
	bool verbose;
	uint16_t trace;
};

static void run_one(const struct series *r, uint64_t seed, struct totals *t)
{
	struct sim_conf conf = draw_conf(seed, r->nodes, r->verbose);
	const char *error;
	struct sim *s;

	conf.trace = r->trace;
	if (r->hours)
		conf.ops_s = 30;
	s = sim_new(&conf);
	error = play(s, r->hours, t);
	if (error)
		printf("seed %llu: %s\n", (unsigned long long)seed, error);
	t->seeds++;
	t->bad += error != NULL;
	t->virtual_ns += s->now.ns;
	sim_free(s);
}

static void add(struct totals *sum, const struct totals *t)
{
	sum->seeds += t->seeds;
	sum->bad += t->bad;
	sum->takes += t->takes;
	sum->handovers += t->handovers;
	sum->refused += t->refused;
	for (unsigned i = 0; i < SIM_STEPS; i++)
		sum->struck[i] += t->struck[i];
	sum->taken += t->taken;
	sum->flows += t->flows;
	sum->changed += t->changed;
	sum->cuts += t->cuts;
	sum->calm += t->calm;
	sum->resumed += t->resumed;
	sum->virtual_ns += t->virtual_ns;
	if (t->both_ns > sum->both_ns)
		sum->both_ns = t->both_ns;
	if (t->none_ns > sum->none_ns)
		sum->none_ns = t->none_ns;
}

/* Each process has every so many'th seed; what it found comes by a pipe. */
static void run_jobs(const struct series *r, struct totals *sum)
{
	struct totals t = { 0 };
	int fd[2];

	if (pipe(fd))
		return;
	for (unsigned j = 0; j < r->jobs; j++) {
		if (fork() != 0)
			continue;
		for (uint64_t i = j; i < r->count; i += r->jobs)
			run_one(r, r->seed + i, &t);
		fflush(stdout);
		_exit(write(fd[1], &t, sizeof(t)) != sizeof(t));
	}
	close(fd[1]);
	while (read(fd[0], &t, sizeof(t)) == sizeof(t))
		add(sum, &t);
	while (wait(NULL) > 0)
		;
}

static bool options(int argc, char **argv, struct series *r)
{
	int c;

	while ((c = getopt(argc, argv, "d:j:m:n:s:t:v")) != -1) {
		unsigned long long n = optarg ? strtoull(optarg, NULL, 10) : 0;

		if (c == 's')
			r->seed = n;
		else if (c == 'n')
			r->count = n;
		else if (c == 'd')
			r->hours = (unsigned)n;
		else if (c == 'j')
			r->jobs = (unsigned)n;
		else if (c == 'm')
			r->nodes = n == 3 ? 3 : 2;
		else if (c == 'v')
			r->verbose = true;
		else if (c == 't')
			r->trace = (uint16_t)n;
		else
			return false;
	}
	if (!r->jobs)
		r->jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	return true;
}

/* False: in one of the steps no node was ever struck, in so many series. */
static bool say_struck(const struct totals *t)
{
	bool all = true;

	printf("%llu taken from a living master; struck in",
	       (unsigned long long)t->taken);
	for (unsigned i = 0; i < SIM_STEPS; i++) {
		printf("%s %s: %llu", i ? "," : "", misfortunes_step(i),
		       (unsigned long long)t->struck[i]);
		all &= t->struck[i] > 0;
	}
	printf("\n");
	return all || t->seeds < STRUCK_SEEDS;
}

int main(int argc, char **argv)
{
	struct series r = { .seed = 1, .count = 1, .nodes = 2, .jobs = 1 };
	struct totals t = { 0 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!options(argc, argv, &r))
		return 2;
	if (r.jobs > 1)
		run_jobs(&r, &t);
	for (uint64_t i = 0; r.jobs <= 1 && i < r.count; i++)
		run_one(&r, r.seed + i, &t);
	if (t.seeds != r.count)
		printf("a process died\n");
	printf("%llu seeds in %lld h, %llu failed; %llu takeovers, "
	       "%llu handovers (%llu failed), %llu connections, %llu changed "
	       "while they were compared; %llu of %llu cuts without a bulk, "
	       "%llu calm; "
	       "two holders at most %lld ms, none %lld ms\n",
	       (unsigned long long)t.seeds,
	       (long long)(t.virtual_ns / MONO_S / 3600),
	       (unsigned long long)t.bad, (unsigned long long)t.takes,
	       (unsigned long long)t.handovers, (unsigned long long)t.refused,
	       (unsigned long long)t.flows, (unsigned long long)t.changed,
	       (unsigned long long)t.resumed, (unsigned long long)t.cuts,
	       (unsigned long long)t.calm, (long long)(t.both_ns / MONO_MS),
	       (long long)(t.none_ns / MONO_MS));
	return !say_struck(&t) || t.bad || t.seeds != r.count;
}
