// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Elections by the seed, in several processes. Not here: what a seed means
 * (carp_play.c). Invariant: a seed replays exactly, however many others ran
 * before it.
 *
 * usage: sim_carp [-s SEED] [-n COUNT] [-j PROCESSES] [-v]
 *
 * -v tells what happens, -vv also each advert; -j 0: one process for each
 * processor.
 */
#include "carp_sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX  64
#define TELL_MOST 20

struct totals {
	uint64_t seeds, bad, takes, transitions;
	int64_t virtual_ns, both_ns, none_ns;
};

/* --- digests ---------------------------------------------------------------- */

/*
 * All nodes of a vhost have one key and one list of addresses, so what was
 * verified once need not be verified again; else it is most of the work.
 */
#define VERIFIED 1024 /* ten bits of a hash */

bool __wrap_carp_auth_verify(const struct carp_auth *a, uint64_t counter,
			     const uint8_t digest[CARP_DIGEST_LEN]);
bool __real_carp_auth_verify(const struct carp_auth *a, uint64_t counter,
			     const uint8_t digest[CARP_DIGEST_LEN]);

bool __wrap_carp_auth_verify(const struct carp_auth *a, uint64_t counter,
			     const uint8_t digest[CARP_DIGEST_LEN])
{
	static struct verified {
		uint64_t counter;
		size_t addresses;
		uint8_t digest[CARP_DIGEST_LEN], vhid;
	} all[VERIFIED];
	size_t addresses = a->v4_count << 8 | a->v6_count;
	struct verified *v = &all[counter * 0x9e3779b97f4a7c15 >> 54];

	if (v->counter == counter && v->vhid == a->vhid &&
	    v->addresses == addresses &&
	    memcmp(v->digest, digest, CARP_DIGEST_LEN) == 0)
		return true;
	if (!__real_carp_auth_verify(a, counter, digest))
		return false;
	v->counter = counter;
	v->vhid = a->vhid;
	v->addresses = addresses;
	memcpy(v->digest, digest, CARP_DIGEST_LEN);
	return true;
}

/* --- seeds ------------------------------------------------------------------- */

static void play(uint64_t seed, unsigned verbose, struct totals *t)
{
	static struct cs_sim s;
	struct cs_conf conf;
	int64_t began;

	cs_draw(&conf, seed);
	conf.verbose = verbose;
	cs_init(&s, &conf);
	began = s.now.ns;
	cs_play(&s);
	if (s.error[0] && t->bad++ < TELL_MOST)
		printf("seed %llu: %s\n", (unsigned long long)seed, s.error);
	t->seeds++;
	t->takes += s.takes;
	t->transitions += s.transitions;
	t->virtual_ns += s.now.ns - began;
	if (s.longest_both_ns > t->both_ns)
		t->both_ns = s.longest_both_ns;
	if (s.longest_none_ns > t->none_ns)
		t->none_ns = s.longest_none_ns;
	cs_free(&s);
}

static void add(struct totals *sum, const struct totals *t)
{
	sum->seeds += t->seeds;
	sum->bad += t->bad;
	sum->takes += t->takes;
	sum->transitions += t->transitions;
	sum->virtual_ns += t->virtual_ns;
	if (t->both_ns > sum->both_ns)
		sum->both_ns = t->both_ns;
	if (t->none_ns > sum->none_ns)
		sum->none_ns = t->none_ns;
}

static void play_some(uint64_t from, uint64_t to, unsigned verbose,
		      struct totals *t)
{
	for (uint64_t i = from; i < to; i++)
		play(i, verbose, t);
}

/* Each process has a range of its own; what it found comes by a pipe. */
static int play_all(uint64_t seed, uint64_t count, unsigned jobs,
		    struct totals *sum)
{
	int fd[2], status, failed = 0;
	struct totals t = { 0 };

	if (pipe(fd))
		return -1;
	for (unsigned j = 0; j < jobs; j++) {
		pid_t pid = fork();

		if (pid < 0)
			return -1;
		if (pid > 0)
			continue;
		play_some(seed + count * j / jobs,
			  seed + count * (j + 1) / jobs, 0, &t);
		fflush(stdout);
		_exit(write(fd[1], &t, sizeof(t)) != sizeof(t));
	}
	close(fd[1]);
	while (read(fd[0], &t, sizeof(t)) == sizeof(t))
		add(sum, &t);
	for (unsigned j = 0; j < jobs; j++)
		if (wait(&status) < 0 || status != 0)
			failed = -1;
	return failed;
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, count = 1;
	unsigned jobs = 1, verbose = 0;
	struct totals t = { 0 };
	int c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt(argc, argv, "s:n:j:v")) != -1) {
		if (c == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (c == 'n')
			count = strtoull(optarg, NULL, 10);
		else if (c == 'j')
			jobs = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'v')
			verbose++;
		else
			return 2;
	}
	if (!jobs)
		jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	if (jobs > JOBS_MAX)
		jobs = JOBS_MAX;
	if (jobs <= 1)
		play_some(seed, seed + count, verbose, &t);
	else if (play_all(seed, count, jobs, &t))
		printf("a process died\n");
	printf("%llu seeds, %llu failed; %llu takeovers, %llu changes of "
	       "state in %lld h; two that could hear each other at most %lld "
	       "ms, none %lld ms\n",
	       (unsigned long long)t.seeds, (unsigned long long)t.bad,
	       (unsigned long long)t.takes, (unsigned long long)t.transitions,
	       (long long)(t.virtual_ns / MONO_S / 3600),
	       (long long)(t.both_ns / MONO_MS),
	       (long long)(t.none_ns / MONO_MS));
	return t.bad || t.seeds != count;
}
