/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two nodes of the link in one process, on the loopback of a network
 * namespace of its own.
 */
#ifndef STATESYNC_TEST_PEERSOCK_PAIR_H
#define STATESYNC_TEST_PEERSOCK_PAIR_H

#include "log.h"
#include "peersock.h"

#include <arpa/inet.h>
#include <check.h>
#include <event2/event.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PORT 3790
#define FW1  "127.0.1.1" /* the smaller name connects */
#define FW2  "127.0.1.2"

#define STREAM_MAX (100LL * 1024 * 1024)

struct node {
	struct peersock *ps;
	int ups, downs, drains;
	enum peersock_reason reason;
	char why[200];
	uint64_t received;
	bool corrupt, close_on_data, pause_on_data;
	char text[256];
};

static struct event_base *base;
static struct node fw1, fw2;
static struct link_key keys[3];

static inline double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void on_up(void *arg, unsigned int peer)
{
	struct node *n = arg;

	ck_assert_uint_eq(peer, 0);
	n->ups++;
}

/* The stream's byte number i; a prime, so that no chunk size hides a slip. */
static inline uint8_t pattern(uint64_t i)
{
	return (uint8_t)(i % 251);
}

static inline void on_data(void *arg, unsigned int peer, const uint8_t *data,
			   size_t len)
{
	struct node *n = arg;

	ck_assert_uint_gt(len, 0);
	ck_assert_uint_le(len, 65536);
	if (n->received < sizeof(n->text) - 1)
		strncat(n->text, (const char *)data, len < 100 ? len : 100);
	for (size_t i = 0; i < len; i += 97)
		n->corrupt |= data[i] != pattern(n->received + i);
	n->received += len;
	if (n->close_on_data)
		peersock_close(n->ps, peer, "enough");
	if (n->pause_on_data)
		peersock_pause_reading(n->ps, peer, true);
}

static inline void on_down(void *arg, unsigned int peer,
			   enum peersock_reason reason, const char *why)
{
	struct node *n = arg;

	(void)peer;
	n->downs++;
	n->reason = reason;
	snprintf(n->why, sizeof(n->why), "%s", why);
}

static inline void on_drained(void *arg, unsigned int peer)
{
	struct node *n = arg;

	(void)peer;
	n->drains++;
}

static const struct peersock_ops ops = { on_up, on_data, on_down, on_drained };

static inline struct sockaddr_storage address(const char *ip)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(PORT) };
	struct sockaddr_storage ss = { 0 };

	ck_assert_int_eq(inet_pton(AF_INET, ip, &in.sin_addr), 1);
	memcpy(&ss, &in, sizeof(in));
	return ss;
}

static inline int start_with(struct node *n, const char *name, const char *ip,
			     const char *peer, const char *peer_ip,
			     const struct link_key *k, unsigned int num_keys)
{
	const struct peersock_path path = { .ours.address = address(ip),
					    .theirs.address =
						    address(peer_ip) };
	const struct peersock_peer peers[] = { { peer, &path, 1, k,
						 num_keys } };
	const struct peersock_conf conf = { .node = name,
					    .peers = peers,
					    .num_peers = 1,
					    .priority = 2,
					    .max_queue = 1 << 20,
					    .rekey_records = 64 };

	memset(n, 0, sizeof(*n));
	return peersock_new(base, &conf, &ops, n, &n->ps);
}

static inline void start_fw1(const struct link_key *k, unsigned int num_keys)
{
	ck_assert_int_eq(start_with(&fw1, "fw1", FW1, "fw2", FW2, k, num_keys),
			 0);
}

static inline void start_fw2(const struct link_key *k, unsigned int num_keys)
{
	ck_assert_int_eq(start_with(&fw2, "fw2", FW2, "fw1", FW1, k, num_keys),
			 0);
}

/* Turns the loop until `done` is not 0, `s` seconds at most; its value. */
static inline int turn_until(double s, int (*done)(void))
{
	const double end = now_s() + s;

	while (now_s() < end && !(done && done())) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		usleep(200);
	}
	return done ? done() : 1;
}

static inline void turn(double s)
{
	turn_until(s, NULL);
}

static inline int both_up(void)
{
	return peersock_is_up(fw1.ps, 0) && peersock_is_up(fw2.ps, 0);
}

static inline int one_down(void)
{
	return fw1.downs + fw2.downs;
}

static inline uint64_t count(const struct node *n, enum peersock_reason reason)
{
	return peersock_count(n->ps, reason);
}

static inline void send_text(struct node *n, const char *text)
{
	ck_assert_int_eq(peersock_send(n->ps, 0, text, strlen(text)), 0);
}

static inline int loopback_up(void)
{
	struct ifreq req = { .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), rc;

	strcpy(req.ifr_name, "lo");
	rc = ioctl(fd, SIOCSIFFLAGS, &req);
	close(fd);
	return rc;
}

static inline void setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	log_set_level(getenv("TEST_LOG") ? LOG_DEBUG : LOG_EMERG);
	base = event_base_new();
	event_base_priority_init(base, 3);
	memset(&fw1, 0, sizeof(fw1));
	memset(&fw2, 0, sizeof(fw2));
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(keyfile_generate(&keys[i]), 0);
}

static inline void teardown(void)
{
	peersock_free(fw1.ps);
	peersock_free(fw2.ps);
	event_base_free(base);
}

static inline long rss_kib(void)
{
	long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	ck_assert_int_eq(fscanf(f, "%ld %ld", &size, &pages), 2);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The program: these tests, in a namespace of their own or not at all. */
static inline int run(const char *name, const TTest *const *tests, size_t n)
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *runner;
	int failed;

	if (unshare(CLONE_NEWNET) || loopback_up()) {
		printf("SKIP: no network namespace of our own (root wanted)\n");
		return 77;
	}
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 90);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
