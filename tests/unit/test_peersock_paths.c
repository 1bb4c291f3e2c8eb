// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Several paths between two nodes: which one bears the bytes, when another one
 * does; and keys that change while it runs.
 */
#include "peersock_pair.h"
#include "peersock_path.h"

#include <errno.h>

#define FW1B "127.0.2.1"
#define FW2B "127.0.2.2"

static const struct link_key *key_of[2];
static unsigned int num_keys_of[2] = { 1, 1 };

static void start_both_paths(struct node *n, const char *name, bool first)
{
	const char *const ends[2][2] = { { FW1, FW2 }, { FW1B, FW2B } };
	struct peersock_path paths[2] = { 0 };
	const int who = first ? 0 : 1;
	const struct peersock_peer peer = { first ? "fw2" : "fw1", paths, 2,
					    key_of[who], num_keys_of[who] };
	const struct peersock_conf conf = { .node = name,
					    .peers = &peer,
					    .num_peers = 1,
					    .priority = 2,
					    .back_s = 2 };

	for (int i = 0; i < 2; i++) {
		paths[i].ours.address = address(ends[i][!first]);
		paths[i].theirs.address = address(ends[i][first]);
	}
	memset(n, 0, sizeof(*n));
	ck_assert_int_eq(peersock_new(base, &conf, &ops, n, &n->ps), 0);
}

static struct peersock_path_info info(const struct node *n, unsigned int path)
{
	struct peersock_path_info out;

	peersock_path_info(n->ps, 0, path, &out);
	return out;
}

static int state(const struct node *n, unsigned int path)
{
	return (int)info(n, path).state;
}

static int all_there(void)
{
	return state(&fw1, 0) == PEERSOCK_PATH_USED &&
	       state(&fw1, 1) == PEERSOCK_PATH_STANDBY &&
	       state(&fw2, 1) == PEERSOCK_PATH_STANDBY;
}

/* Both, the first in use at both ends: the peer follows the first byte. */
static void start_pair(void)
{
	if (!key_of[0])
		key_of[0] = key_of[1] = keys;
	start_both_paths(&fw1, "fw1", true);
	start_both_paths(&fw2, "fw2", false);
	ck_assert(turn_until(3, all_there));
	send_text(&fw1, "one ");
	ck_assert(turn_until(1, both_up));
}

static void cut(const char *net)
{
	char command[200];

	snprintf(command, sizeof(command),
		 "nft 'add table ip cut; add chain ip cut in { type filter "
		 "hook input priority 0; }; add rule ip cut in ip saddr "
		 "%s drop'",
		 net);
	ck_assert_int_eq(system(command), 0);
}

static void mend(void)
{
	ck_assert_int_eq(system("nft delete table ip cut"), 0);
}

static int on_second(void)
{
	return state(&fw1, 1) == PEERSOCK_PATH_USED;
}

static int on_first(void)
{
	return state(&fw1, 0) == PEERSOCK_PATH_USED;
}

/* Words each half a second, as a session has. */
static int turn_talking(double s, int (*done)(void))
{
	const double end = now_s() + s;

	while (now_s() < end && !done()) {
		(void)!peersock_send(fw1.ps, 0, ".", 1);
		(void)!peersock_send(fw2.ps, 0, ".", 1);
		turn_until(0.2, done);
	}
	return done();
}

START_TEST(first_is_used)
{
	start_pair();
	send_text(&fw2, "back");
	turn(0.1);
	ck_assert_str_eq(fw2.text, "one ");
	ck_assert_str_eq(fw1.text, "back");
	ck_assert_int_eq(fw1.ups, 1);
	ck_assert_int_eq(fw2.ups, 1);
	ck_assert_int_eq(state(&fw2, 0), PEERSOCK_PATH_USED);
	ck_assert_str_eq(info(&fw1, 1).ours, FW1B);
	ck_assert_str_eq(info(&fw1, 1).theirs, FW2B);
	/* idle ones are kept alive by the kernel alone */
	turn(4);
	ck_assert(all_there());
	ck_assert_int_eq(fw1.downs + fw2.downs, 0);
	ck_assert_uint_lt(info(&fw1, 1).silent_ms, 1300);
	ck_assert_uint_lt(info(&fw2, 1).silent_ms, 1300);
}
END_TEST

/* Silent, while the other one answers: it is left before a session would call
 * the peer dead, and used again once it has been back for a while. */
START_TEST(silent_one_is_left)
{
	double start;

	start_pair();
	turn_talking(1, both_up);
	cut("127.0.1.0/24");
	start = now_s();
	ck_assert(turn_talking(4, on_second));
	printf("left after %.2f s: %s\n", now_s() - start, fw1.why);
	ck_assert(now_s() - start < 1.9);
	ck_assert_int_eq(fw1.reason, PEERSOCK_LEFT);
	ck_assert_str_eq(fw1.why, "nothing comes by " FW2 ":3790; " FW2B
				  ":3790 answers");
	send_text(&fw1, "two");
	turn(0.1);
	ck_assert_int_eq(fw2.reason, PEERSOCK_LEFT);
	ck_assert_int_eq(fw1.ups, 2);
	ck_assert_int_eq(fw2.ups, 2);
	ck_assert_ptr_nonnull(strstr(fw2.text, "two"));
	ck_assert_int_eq(state(&fw2, 1), PEERSOCK_PATH_USED);
	ck_assert_int_eq(state(&fw1, 0), PEERSOCK_PATH_DOWN);
	ck_assert_uint_eq(info(&fw1, 0).lost, 1);
	ck_assert_uint_eq(count(&fw1, PEERSOCK_LEFT), 1);
	mend();
	ck_assert(turn_talking(8, on_first));
	ck_assert_str_eq(fw1.why, FW2 ":3790 is back");
	send_text(&fw1, "three");
	turn(0.1);
	ck_assert_ptr_nonnull(strstr(fw2.text, "three"));
	ck_assert_int_eq(fw1.ups, 3);
}
END_TEST

/* It breaks, or is closed: the other one goes on at once. */
START_TEST(broken_one_is_left)
{
	double start;

	start_pair();
	start = now_s();
	peersock_close(fw1.ps, 0, "because");
	ck_assert_int_eq(fw1.ups, 1);
	ck_assert(turn_until(1, on_second));
	ck_assert(now_s() - start < 0.1);
	ck_assert_int_eq(fw1.ups, 2);
	send_text(&fw1, "two");
	turn(0.1);
	ck_assert_ptr_nonnull(strstr(fw2.text, "two"));
}
END_TEST

/* The one in use is not touched by what happens to the other one. */
START_TEST(standby_is_lost)
{
	start_pair();
	cut("127.0.2.0/24");
	for (int i = 0; i < 5; i++)
		turn_talking(1, on_second);
	mend();
	ck_assert_int_eq(state(&fw1, 1), PEERSOCK_PATH_DOWN);
	ck_assert_int_eq(state(&fw2, 1), PEERSOCK_PATH_DOWN);
	ck_assert(*info(&fw1, 1).error);
	ck_assert(on_first());
	ck_assert_int_eq(fw1.downs + fw2.downs, 0);
	ck_assert(turn_talking(5, all_there));
	ck_assert_str_eq(info(&fw1, 1).error, "");
}
END_TEST

/* Only the second cable is plugged in at the start. */
START_TEST(starts_on_the_second)
{
	cut("127.0.1.0/24");
	key_of[0] = key_of[1] = keys;
	start_both_paths(&fw1, "fw1", true);
	start_both_paths(&fw2, "fw2", false);
	ck_assert(turn_until(2, on_second));
	send_text(&fw1, "two");
	ck_assert(turn_until(1, both_up));
	mend();
}
END_TEST

/* --- keys ------------------------------------------------------------------- */

/* fw1 knows the new and the old one, then fw2 does, then both the new alone:
 * what stands goes on all the while. */
START_TEST(rotation)
{
	const struct link_key both[2] = { keys[1], keys[0] };

	start_pair();
	ck_assert_str_eq(info(&fw1, 0).key, keys[0].id);
	peersock_set_keys(fw1.ps, 0, both, 2);
	peersock_close(fw1.ps, 0, "to see that it comes back");
	ck_assert(turn_until(1, on_second)); /* by the old key */
	turn(0.5);
	ck_assert_uint_ge(count(&fw1, PEERSOCK_KEY), 1);
	ck_assert_str_eq(info(&fw1, 0).key, keys[0].id);
	peersock_set_keys(fw2.ps, 0, both, 2);
	ck_assert_int_eq(fw1.downs, 1);
	peersock_close(fw1.ps, 0, "again");
	ck_assert(turn_until(1, on_first));
	turn(0.5);
	ck_assert_str_eq(info(&fw1, 0).key, keys[0].id);
	ck_assert_str_eq(info(&fw1, 1).key, keys[1].id);
	ck_assert_str_eq(info(&fw2, 1).key, keys[1].id);
	peersock_set_keys(fw1.ps, 0, &keys[1], 1);
	peersock_set_keys(fw2.ps, 0, &keys[1], 1);
	turn(0.3);
	ck_assert_int_eq(fw1.downs, 2); /* nothing but our own closes */
	ck_assert(on_first());
	/* and the old one alone gets in no more */
	peersock_set_keys(fw1.ps, 0, &keys[0], 1);
	peersock_close(fw1.ps, 0, "once more");
	turn(0.5);
	ck_assert_uint_ge(count(&fw2, PEERSOCK_KEY), 2);
	ck_assert_int_eq(state(&fw1, 0), PEERSOCK_PATH_DOWN);
}
END_TEST

/* Each pair has its key: fw3's is of no use to call oneself fw1. */
START_TEST(key_of_another_pair)
{
	const struct peersock_path path = { .ours.address = address(FW2),
					    .theirs.address = address(FW1) };
	const struct peersock_peer peers[2] = {
		{ "fw1", &path, 1, &keys[0], 1 },
		{ "fw0", &path, 1, &keys[1], 1 },
	};
	const struct peersock_conf conf = { .node = "fw2",
					    .peers = peers,
					    .num_peers = 2 };

	memset(&fw2, 0, sizeof(fw2));
	ck_assert_int_eq(peersock_new(base, &conf, &ops, &fw2, &fw2.ps), 0);
	start_fw1(&keys[1], 1);
	turn(0.5);
	ck_assert_uint_ge(count(&fw2, PEERSOCK_KEY), 1);
	ck_assert_int_eq(fw1.ups + fw2.ups, 0);
	peersock_set_keys(fw1.ps, 0, &keys[0], 1);
	ck_assert(turn_until(3, both_up));
}
END_TEST

/* Where the kernel has none it is TCP. */
START_TEST(mptcp)
{
	const struct peersock_path paths[2] = {
		{ .ours.address = address(FW1),
		  .theirs.address = address(FW2) },
		{ .ours.address = address(FW2),
		  .theirs.address = address(FW1) },
	};
	const struct peersock_peer peers[2] = {
		{ "fw2", &paths[0], 1, keys, 1 },
		{ "fw1", &paths[1], 1, keys, 1 },
	};
	struct peersock_conf conf = {
		.node = "fw1", .peers = &peers[0], .num_peers = 1, .mptcp = true
	};

	ck_assert_int_eq(peersock_new(base, &conf, &ops, &fw1, &fw1.ps), 0);
	conf.node = "fw2";
	conf.peers = &peers[1];
	ck_assert_int_eq(peersock_new(base, &conf, &ops, &fw2, &fw2.ps), 0);
	ck_assert(turn_until(2, both_up));
	send_text(&fw1, "by all");
	turn(0.1);
	ck_assert_str_eq(fw2.text, "by all");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { first_is_used,	     silent_one_is_left,
				       broken_one_is_left,   standby_is_lost,
				       starts_on_the_second, rotation,
				       key_of_another_pair,  mptcp };

	return run("peersock_paths", tests, sizeof(tests) / sizeof(tests[0]));
}
