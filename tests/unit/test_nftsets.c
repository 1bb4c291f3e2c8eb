/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sets of a real kernel, read and written in a namespace of the test's own;
 * nft is the other side.
 */
#include <linux/netfilter/nf_tables.h>
#include <time.h>

#include "ct_lab.h"
#include "nftsets.h"

static const char ruleset[] =
	"table inet t {"
	" set block { type ipv4_addr; flags timeout; };"
	" set deflt { type ipv4_addr; flags timeout; timeout 1h; };"
	" set small { type ipv4_addr; size 4; };"
	" set dyn { type ipv4_addr; flags dynamic,timeout; timeout 10m; size "
	"99; };"
	" set nets { type ipv4_addr; flags interval,timeout; };"
	" set pairs { type ipv4_addr . inet_service; flags interval,timeout; };"
	" set key64 { type ipv6_addr . ipv6_addr . inet_service . mark; };"
	" map where { type ipv4_addr : ipv6_addr; };"
	" map what { type ipv4_addr : verdict; };"
	" chain c { }; chain d { };"
	"}";

enum { BLOCK, DEFLT, SMALL, DYN, NETS, PAIRS, KEY64, WHERE, WHAT, NONE, N };
static const char *const names[N] = {
	"inet t block", "inet t deflt", "inet t small", "inet t dyn",
	"inet t nets",	"inet t pairs", "inet t key64", "inet t where",
	"inet t what",	"inet t none",
};

static struct nftsets s;
static struct set_kind kinds[N];
static struct set_elem list[SET_CHUNK_MAX];
static size_t count, untold;
static struct set_op ops[SET_FRAME_MAX];
static uint8_t results[SET_FRAME_MAX];

static void nft(const char *text)
{
	char command[8192];

	snprintf(command, sizeof(command), "nft '%s'", text);
	lab_run(command);
}

static void setup(void)
{
	struct nftsets_name parsed[N];

	lab_setup();
	nft(ruleset);
	for (int i = 0; i < N; i++)
		ck_assert(nftsets_name_parse(names[i], &parsed[i]));
	ck_assert_int_eq(nftsets_open(&s, parsed, N), 0);
	for (unsigned i = 0; i < N; i++)
		ck_assert_int_eq(nftsets_kind(&s, i, &kinds[i]), 0);
}

static void teardown(void)
{
	nftsets_close(&s);
}

/* All of a set into list. */
static void look(unsigned set)
{
	static struct set_elem chunk[SET_CHUNK_MAX];
	int r;

	count = untold = 0;
	ck_assert_int_eq(nftsets_dump(&s, set), 0);
	do {
		size_t n, bad;

		r = nftsets_read(&s, chunk, &n, &bad);
		ck_assert_int_ge(r, 0);
		for (size_t i = 0; i < n && count < SET_CHUNK_MAX; i++)
			list[count++] = chunk[i];
		untold += bad;
	} while (r == NFTSETS_MORE);
}

/* What nft lists of a set, in one line. */
static const char *listed(unsigned set)
{
	static char text[65536];
	char command[256];
	size_t n;
	FILE *f;

	snprintf(
		command, sizeof(command),
		"nft list %s %s | tr -s \"\\n\\t\" \" \" | sed \"s/,  */, /g\"",
		kinds[set].flags & NFT_SET_MAP ? "map" : "set", names[set]);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	pclose(f);
	return text;
}

static void is_listed(unsigned set, const char *what)
{
	const char *text = listed(set);

	ck_assert_msg(strstr(text, what) != NULL, "no %s in %s", what, text);
}

/* Without what runs down. */
static void still(char *text)
{
	for (char *at = text; (at = strstr(at, " expires "));) {
		char *end = at + 9 + strcspn(at + 9, " ,}");

		memmove(at, end, strlen(end) + 1);
	}
}

/* Reads a set, flushes it, writes what was read, and expects the same. */
static void there_and_back(unsigned set, const char *elements)
{
	char command[4096], before[8192], after[8192];

	snprintf(command, sizeof(command), "add element %s { %s }", names[set],
		 elements);
	nft(command);
	look(set);
	ck_assert_uint_eq(untold, 0);
	snprintf(command, sizeof(command), "nft -s list %s %s",
		 kinds[set].flags & NFT_SET_MAP ? "map" : "set", names[set]);
	snprintf(before, sizeof(before), "%s", listed(set));
	snprintf(command, sizeof(command), "flush set %s", names[set]);
	if (kinds[set].flags & NFT_SET_MAP)
		snprintf(command, sizeof(command), "flush map %s", names[set]);
	nft(command);
	for (size_t i = 0; i < count; i++)
		ops[i] = (struct set_op){ SET_ADD, list[i] };
	ck_assert_uint_eq(nftsets_apply(&s, set, ops, count, results), 1);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(results[i], SET_APPLIED);
	still(before);
	snprintf(after, sizeof(after), "%s", listed(set));
	still(after);
	ck_assert_str_eq(before, after);
	/* and what was written is what was read */
	for (size_t i = 0; i < count; i++)
		ops[i].what = SET_DELETE;
	ck_assert_uint_eq(nftsets_apply(&s, set, ops, count, results), 1);
	look(set);
	ck_assert_uint_eq(count, 0);
}

START_TEST(what_a_set_is)
{
	ck_assert(kinds[BLOCK].present && !kinds[NONE].present);
	ck_assert_uint_eq(kinds[BLOCK].key_len, 4);
	ck_assert(kinds[BLOCK].flags & NFT_SET_TIMEOUT);
	ck_assert_uint_eq(kinds[DEFLT].timeout_ms, 3600000);
	ck_assert_uint_eq(kinds[WHERE].data_len, 16);
	ck_assert_uint_eq(kinds[WHAT].data_type, NFT_DATA_VERDICT);
	ck_assert(set_kind_silent(&kinds[DYN]) &&
		  set_kind_silent(&kinds[BLOCK]));
	ck_assert(!set_kind_silent(&kinds[NETS]));
	ck_assert(set_kind_ranges(&kinds[NETS]));
	ck_assert(!set_kind_ranges(&kinds[PAIRS]));
	ck_assert(!nftsets_name_parse("inet t", &s.names[0]));
	ck_assert(!nftsets_name_parse("inet t s ", &s.names[0]));
	ck_assert(!nftsets_name_parse("ipx t s", &s.names[0]));
}
END_TEST

START_TEST(every_kind_there_and_back)
{
	there_and_back(BLOCK, "1.1.1.1 timeout 1h, 1.1.1.2 timeout 2h expires "
			      "30m comment \"why\", 1.1.1.3");
	there_and_back(DEFLT, "1.1.1.1, 1.1.1.2 timeout 5m");
	there_and_back(NETS, "10.0.0.0/24 timeout 1h, 10.0.1.0/24, 10.0.9.1, "
			     "10.2.0.1-10.2.0.7 comment \"x\", 255.0.0.0/8");
	there_and_back(NETS, "0.0.0.0/8");
	there_and_back(PAIRS, "10.0.0.0/24 . 80-90 timeout 1h comment \"x\", "
			      "10.1.0.1 . 22");
	there_and_back(KEY64, "2001:db8::1 . 2001:db8::2 . 80 . 7");
	there_and_back(WHERE, "10.0.0.1 : 2001:db8::1, 10.0.0.2 : ::");
	there_and_back(WHAT, "10.0.0.1 : accept, 10.0.0.2 : jump c, "
			     "10.0.0.3 comment \"y\" : goto d, * : drop");
}
END_TEST

START_TEST(what_is_left_is_kept)
{
	nft("add element inet t block { 1.1.1.1 timeout 2h expires 90s }");
	look(BLOCK);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(list[0].timeout_ms, 7200000);
	ck_assert(list[0].expires_ms > 88000 && list[0].expires_ms <= 90000);
	ops[0] = (struct set_op){ SET_REPLACE, list[0] };
	ops[0].elem.expires_ms = 4000;
	ck_assert_uint_eq(nftsets_apply(&s, BLOCK, ops, 1, results), 1);
	look(BLOCK);
	ck_assert(list[0].expires_ms > 3000 && list[0].expires_ms <= 4000);
}
END_TEST

/* Its limit, counter and quota come along, with what was counted. */
START_TEST(expressions)
{
	nft("add set inet t e { type ipv4_addr; flags dynamic; size 9; };"
	    "add rule inet lab out ip daddr 127.0.0.9 counter");
	nft("add table inet u { set a { type ipv4_addr; flags dynamic; size 99;"
	    " counter; }; set q { type ipv4_addr; flags dynamic; size 99; };"
	    " chain o {\n type filter hook output priority 5;\n"
	    " ip daddr 127.0.0.9 add @a { ip daddr }\n"
	    " ip daddr 127.0.0.9 add @q { ip daddr quota over 5 mbytes }\n }\n "
	    "}");
	lab_run("ping -nqc 3 -i 0.05 127.0.0.9 >/dev/null");
	nftsets_close(&s);
	struct nftsets_name two[2];
	struct set_kind k;

	ck_assert(nftsets_name_parse("inet u a", &two[0]));
	ck_assert(nftsets_name_parse("inet u q", &two[1]));
	ck_assert_int_eq(nftsets_open(&s, two, 2), 0);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(nftsets_kind(&s, i, &k), 0);
		look(i);
		ck_assert_uint_eq(count, 1);
		ck_assert_uint_eq(untold, 0);
		ck_assert_uint_gt(list[0].expr_len, 0);
		ck_assert(set_elem_valid(&list[0], &k));
		ops[0] = (struct set_op){ SET_DELETE, list[0] };
		ck_assert_uint_eq(nftsets_apply(&s, i, ops, 1, results), 1);
		ops[0].what = SET_ADD;
		ck_assert_uint_eq(nftsets_apply(&s, i, ops, 1, results), 1);
		ck_assert_uint_eq(results[0], SET_APPLIED);
	}
	lab_run("nft list set inet u a | grep -q \"127.0.0.9 counter packets 3 "
		"bytes 252\"");
	lab_run("nft list set inet u q | grep -q \"127.0.0.9 quota over 5 "
		"mbytes "
		"used 252 bytes\"");
}
END_TEST

static void op(size_t i, enum set_do what, const char *address)
{
	ops[i] = (struct set_op){ .what = what };
	ops[i].elem.key_len = 4;
	inet_pton(AF_INET, address, ops[i].elem.key);
}

/* One that is refused does not cost the others; each has its reason. */
START_TEST(refusals)
{
	nft("add element inet t block { 1.1.1.1, 1.1.1.2 }");
	op(0, SET_ADD, "1.1.1.1"); /* is there: replaced */
	op(1, SET_DELETE, "9.9.9.9");
	op(2, SET_REPLACE, "1.1.1.3"); /* is not: added */
	op(3, SET_DELETE, "1.1.1.2");
	op(4, SET_ADD, "1.1.1.4");
	ops[0].elem.timeout_ms = ops[0].elem.expires_ms = 5000;
	ck_assert_uint_eq(nftsets_apply(&s, BLOCK, ops, 5, results), 1);
	ck_assert_uint_eq(results[0], SET_APPLIED);
	ck_assert_uint_eq(results[1], SET_ABSENT);
	ck_assert_uint_eq(results[2], SET_APPLIED);
	ck_assert_uint_eq(results[3], SET_APPLIED);
	ck_assert_uint_eq(results[4], SET_APPLIED);
	look(BLOCK);
	ck_assert_uint_eq(count, 3);
	is_listed(BLOCK, "1.1.1.1 timeout 5s");

	for (size_t i = 0; i < 8; i++) {
		char address[16];

		snprintf(address, sizeof(address), "2.2.2.%zu", i);
		op(i, SET_ADD, address);
	}
	(void)nftsets_apply(&s, SMALL, ops, 8, results);
	for (size_t i = 0; i < 8; i++)
		ck_assert_uint_eq(results[i], i < 4 ? SET_APPLIED : SET_FULL);
	look(SMALL);
	ck_assert_uint_eq(count, 4);

	nft("add element inet t what { 3.3.3.1 : drop, 3.3.3.2 : jump c }");
	look(WHAT);
	ck_assert_uint_eq(count, 2);
	nft("flush map inet t what; delete chain inet t c");
	for (size_t i = 0; i < 2; i++)
		ops[i] = (struct set_op){ SET_ADD, list[i] };
	ck_assert_uint_eq(nftsets_apply(&s, WHAT, ops, 2, results), 1);
	for (size_t i = 0; i < 2; i++)
		ck_assert_uint_eq(results[i], list[i].data_len > 4
						      ? SET_CHAIN
						      : SET_APPLIED);

	nft("add element inet t nets { 10.0.0.0/25 }");
	look(NETS);
	ops[0] = (struct set_op){ SET_ADD, list[0] };
	ops[0].elem.end[3] = 0;
	ops[0].elem.end[2] = 1;
	ops[1] = ops[0];
	ops[1].elem.key[2] = ops[1].elem.end[2] = 5;
	ops[1].elem.end[3] = 9;
	(void)nftsets_apply(&s, NETS, ops, 2, results);
	ck_assert_uint_eq(results[0], SET_OVERLAP);
	ck_assert_uint_eq(results[1], SET_APPLIED);
	is_listed(NETS, "10.0.0.0/25, 10.0.5.0-10.0.5.8");
	nft("delete table inet t");
	op(0, SET_ADD, "1.1.1.1");
	ck_assert_uint_eq(nftsets_apply(&s, BLOCK, ops, 1, results), 0);
	ck_assert_uint_eq(results[0], SET_MISSING);
}
END_TEST

/* --- news ------------------------------------------------------------------- */

static unsigned came, went, stirs, renewals;

static void on_changed(void *arg, unsigned set, const struct set_elem *e)
{
	(void)arg;
	ck_assert_uint_eq(set, BLOCK);
	if (e->flags & SET_ELEM_DELETED)
		went++;
	else
		came++;
}

static void on_stirred(void *arg, unsigned set)
{
	(void)arg;
	ck_assert_uint_eq(set, NETS);
	stirs++;
}

static void on_renewed(void *arg, unsigned set)
{
	(void)arg;
	(void)set;
	renewals++;
}

static const struct nftsets_ops news = { on_changed, on_stirred, on_renewed };

START_TEST(news_of_others)
{
	came = went = stirs = renewals = 0;
	ck_assert_int_eq(nftsets_events(&s, &news, NULL), 0);
	nft("add element inet t block { 1.1.1.1 timeout 1h, 1.1.1.2 }");
	nft("delete element inet t block { 1.1.1.1 }");
	nft("add element inet t nets { 10.0.0.0/24 }");
	nft("add set inet t other { type ipv4_addr; }");
	nft("add element inet t other { 1.1.1.1 }");
	ck_assert_int_eq(nftsets_events(&s, &news, NULL), 0);
	ck_assert_uint_eq(came, 2);
	ck_assert_uint_eq(went, 1);
	ck_assert_uint_ge(stirs, 1);
	ck_assert_uint_eq(renewals, 0);
	op(0, SET_ADD, "4.4.4.4");
	ck_assert_uint_eq(nftsets_apply(&s, BLOCK, ops, 1, results), 1);
	ck_assert_int_eq(nftsets_events(&s, &news, NULL), 0);
	ck_assert_uint_eq(came, 2); /* ours is no news */
	nft("delete set inet t block");
	nft("add set inet t block { type ipv4_addr; }");
	ck_assert_int_eq(nftsets_events(&s, &news, NULL), 0);
	ck_assert_uint_eq(renewals, 2);
	uint64_t before = kinds[BLOCK].handle;

	ck_assert_int_eq(nftsets_kind(&s, BLOCK, &kinds[BLOCK]), 0);
	ck_assert_uint_ne(kinds[BLOCK].handle, before);
	nft("delete table inet t");
	ck_assert_int_eq(nftsets_events(&s, &news, NULL), 0);
	ck_assert_int_eq(nftsets_kind(&s, BLOCK, &kinds[BLOCK]), 0);
	ck_assert(!kinds[BLOCK].present);
	ck_assert_int_eq(nftsets_dump(&s, BLOCK), 0);
	ck_assert_int_eq(nftsets_read(&s, list, &count, &untold), -ENOENT);
}
END_TEST

/* The fact on which the periodic look stands. */
START_TEST(the_packet_path_is_silent)
{
	came = 0;
	nft("add rule inet lab out ip daddr 127.0.0.9 counter");
	nft("add table inet v { set block { type ipv4_addr; flags dynamic; "
	    "size "
	    "9; }; chain o {\n type filter hook output priority 5;\n ip daddr "
	    "127.0.0.9 add @block { ip daddr }\n }\n }");
	struct nftsets_name one;

	nftsets_close(&s);
	ck_assert(nftsets_name_parse("inet v block", &one));
	ck_assert_int_eq(nftsets_open(&s, &one, 1), 0);
	ck_assert_int_eq(nftsets_kind(&s, 0, &kinds[0]), 0);
	lab_run("ping -nqc 1 127.0.0.9 >/dev/null");
	ck_assert_int_eq(nftsets_events(&s, &news, NULL), 0);
	ck_assert_uint_eq(came, 0);
	look(0);
	ck_assert_uint_eq(count, 1);
}
END_TEST

static double ms_since(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)(now.tv_sec - t->tv_sec) * 1e3 +
	       (double)(now.tv_nsec - t->tv_nsec) / 1e6;
}

/* Whole, and no step of it takes long: a loop waits for each. */
static void many(unsigned set, unsigned total, double most_ms)
{
	double worst_read = 0, worst_write = 0, all = 0;
	struct timespec t;
	size_t got = 0, n, bad;
	int r;

	for (unsigned i = 0; i < total;) {
		for (n = 0; n < SET_FRAME_MAX && i < total; n++, i++) {
			uint32_t a = htonl(0x0a000000 + 2 * i);
			uint32_t b = htonl(0x0a000000 + 2 * i + 1);

			ops[n] = (struct set_op){ .what = SET_ADD };
			ops[n].elem.key_len = 4;
			memcpy(ops[n].elem.key, &a, 4);
			if (!set_kind_ranges(&kinds[set]))
				continue;
			ops[n].elem.end_len = 4;
			memcpy(ops[n].elem.end, &b, 4);
		}
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
		ck_assert_uint_eq(nftsets_apply(&s, set, ops, n, results), 1);
		double ms = ms_since(&t);

		worst_write = ms > worst_write ? ms : worst_write;
		all += ms;
	}
	ck_assert_int_eq(nftsets_dump(&s, set), 0);
	do {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
		r = nftsets_read(&s, list, &n, &bad);
		double ms = ms_since(&t);

		worst_read = ms > worst_read ? ms : worst_read;
		ck_assert_int_ge(r, 0);
		got += n;
	} while (r == NFTSETS_MORE);
	ck_assert_uint_eq(got, total);
	printf("%s: %u written in %.1f ms, at most %.2f ms a batch, %.2f ms a "
	       "chunk\n",
	       names[set], total, all, worst_write, worst_read);
	ck_assert(worst_read < most_ms && worst_write < most_ms);
}

START_TEST(a_hundred_thousand)
{
	many(BLOCK, 100000, 50);
}
END_TEST

START_TEST(ten_thousand_ranges)
{
	many(NETS, 10000, 50);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nftsets");
	TCase *tc = tcase_create("kernel");

	lab_require();
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, what_a_set_is);
	tcase_add_test(tc, every_kind_there_and_back);
	tcase_add_test(tc, what_is_left_is_kept);
	tcase_add_test(tc, expressions);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, news_of_others);
	tcase_add_test(tc, the_packet_path_is_silent);
	tcase_add_test(tc, a_hundred_thousand);
	tcase_add_test(tc, ten_thousand_ranges);
	suite_add_tcase(suite, tc);
	return lab_run_suite(suite);
}
