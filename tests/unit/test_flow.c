/* SPDX-License-Identifier: GPL-3.0-or-later */
/* proto/flow: translation seen in the tuples, validity, identity. */
#include <check.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "digest.h"
#include "flow.h"

static struct flow tcp_flow(void)
{
	struct flow f = {
		.family = AF_INET,
		.l4proto = IPPROTO_TCP,
		.has = FLOW_HAS_TCP,
		.tcp_state = TCP_CONNTRACK_ESTABLISHED,
		.orig = { .src = { { 10, 1, 0, 7 } },
			  .dst = { { 198, 51, 100, 9 } },
			  .sport = 41022,
			  .dport = 443 },
	};

	flow_tuple_invert(&f, &f.orig, &f.reply);
	return f;
}

static struct flow ping_flow(void)
{
	struct flow f = tcp_flow();

	f.l4proto = IPPROTO_ICMP;
	f.has = 0;
	f.orig.sport = 77;
	f.orig.dport = 8 << 8;
	flow_tuple_invert(&f, &f.orig, &f.reply);
	return f;
}

START_TEST(invert_swaps)
{
	struct flow f = tcp_flow();
	struct flow_tuple back;

	ck_assert_uint_eq(f.reply.sport, 443);
	ck_assert_uint_eq(f.reply.dport, 41022);
	ck_assert(flow_addr_equal(&f.reply.src, &f.orig.dst));
	flow_tuple_invert(&f, &f.reply, &back);
	ck_assert(flow_tuple_equal(&back, &f.orig));
	/* In place as well. */
	flow_tuple_invert(&f, &f.reply, &f.reply);
	ck_assert(flow_tuple_equal(&f.reply, &f.orig));
}
END_TEST

START_TEST(invert_icmp)
{
	static const struct {
		uint8_t l4proto, type, code, answer;
	} c[] = {
		{ IPPROTO_ICMP, 8, 0, 0 },
		{ IPPROTO_ICMP, 0, 0, 8 },
		{ IPPROTO_ICMP, 13, 0, 14 },
		{ IPPROTO_ICMP, 14, 0, 13 },
		{ IPPROTO_ICMP, 15, 0, 16 },
		{ IPPROTO_ICMP, 17, 0, 18 },
		{ IPPROTO_ICMP, 3, 1, 3 },
		{ IPPROTO_ICMPV6, 128, 0, 129 },
		{ IPPROTO_ICMPV6, 129, 0, 128 },
		{ IPPROTO_ICMPV6, 139, 2, 140 },
		{ IPPROTO_ICMPV6, 8, 0, 8 },
		{ IPPROTO_ICMP, 128, 0, 128 },
	};
	struct flow f = ping_flow();

	f.l4proto = c[_i].l4proto;
	f.orig.dport = (uint16_t)(c[_i].type << 8 | c[_i].code);
	flow_tuple_invert(&f, &f.orig, &f.reply);
	ck_assert_uint_eq(f.reply.sport, 77);
	ck_assert_uint_eq(f.reply.dport, c[_i].answer << 8 | c[_i].code);
}
END_TEST

START_TEST(translation_is_seen)
{
	struct flow f = tcp_flow();

	ck_assert(!flow_has_snat(&f));
	ck_assert(!flow_has_dnat(&f));
	f.reply.dst.b[3] ^= 1;
	ck_assert(flow_has_snat(&f));
	ck_assert(!flow_has_dnat(&f));
	f = tcp_flow();
	f.reply.dport++; /* port only */
	ck_assert(flow_has_snat(&f));
	ck_assert(!flow_has_dnat(&f));
	f = tcp_flow();
	f.reply.src.b[0]++;
	ck_assert(!flow_has_snat(&f));
	ck_assert(flow_has_dnat(&f));
	f = tcp_flow();
	f.reply.sport++;
	ck_assert(!flow_has_snat(&f));
	ck_assert(flow_has_dnat(&f));
}
END_TEST

/* A ping's identifier is the source's; type 8 against 0 is no translation. */
START_TEST(translation_of_icmp)
{
	struct flow f = ping_flow();

	ck_assert(!flow_has_snat(&f));
	ck_assert(!flow_has_dnat(&f));
	f.reply.sport++;
	ck_assert(flow_has_snat(&f));
	ck_assert(!flow_has_dnat(&f));
	f = ping_flow();
	f.reply.src.b[0]++;
	ck_assert(!flow_has_snat(&f));
	ck_assert(flow_has_dnat(&f));
}
END_TEST

START_TEST(classes)
{
	static const enum flow_class want[TCP_CONNTRACK_MAX] = {
		[TCP_CONNTRACK_NONE] = FLOW_OPENING,
		[TCP_CONNTRACK_SYN_SENT] = FLOW_OPENING,
		[TCP_CONNTRACK_SYN_RECV] = FLOW_OPENING,
		[TCP_CONNTRACK_ESTABLISHED] = FLOW_ESTABLISHED,
		[TCP_CONNTRACK_FIN_WAIT] = FLOW_CLOSING,
		[TCP_CONNTRACK_CLOSE_WAIT] = FLOW_CLOSING,
		[TCP_CONNTRACK_LAST_ACK] = FLOW_CLOSING,
		[TCP_CONNTRACK_TIME_WAIT] = FLOW_CLOSING,
		[TCP_CONNTRACK_CLOSE] = FLOW_CLOSING,
		[TCP_CONNTRACK_SYN_SENT2] = FLOW_OPENING,
	};
	struct flow f = tcp_flow();

	for (uint8_t i = 0; i < TCP_CONNTRACK_MAX; i++) {
		f.tcp_state = i;
		ck_assert_int_eq(flow_class(&f), want[i]);
	}
	f = ping_flow();
	ck_assert_int_eq(flow_class(&f), FLOW_OPENING);
	f.status = IPS_SEEN_REPLY;
	ck_assert_int_eq(flow_class(&f), FLOW_ESTABLISHED);
}
END_TEST

START_TEST(validity)
{
	struct flow f = tcp_flow(), g;

	ck_assert(flow_valid(&f));
	g = f, g.family = 7;
	ck_assert(!flow_valid(&g));
	g = f, g.orig.src.b[4] = 1;
	ck_assert(!flow_valid(&g));
	g = f, g.reply.dst.b[15] = 1;
	ck_assert(!flow_valid(&g));
	g.family = AF_INET6;
	ck_assert(flow_valid(&g));
	g = f, g.has = 0;
	ck_assert(!flow_valid(&g));
	g.l4proto = IPPROTO_UDP;
	ck_assert(flow_valid(&g));
	g.has = FLOW_HAS_TCP;
	ck_assert(!flow_valid(&g));
	g = f, g.tcp_state = TCP_CONNTRACK_MAX;
	ck_assert(!flow_valid(&g));
	g = f, g.tcp_wscale[1] = 15;
	ck_assert(!flow_valid(&g));
	g = f, g.has |= FLOW_HAS_SCTP;
	ck_assert(!flow_valid(&g));
	g.l4proto = IPPROTO_SCTP, g.has = FLOW_HAS_SCTP;
	ck_assert(flow_valid(&g));
	g.sctp_state = 99;
	ck_assert(!flow_valid(&g));
	g = f, g.has |= FLOW_HAS_HELPER;
	ck_assert(!flow_valid(&g));
	strcpy(g.helper, "ftp");
	ck_assert(flow_valid(&g));
	strcpy(g.helper, "f p");
	ck_assert(!flow_valid(&g));
	memset(g.helper, 'x', sizeof(g.helper));
	ck_assert(!flow_valid(&g));
	g = f, g.has |= FLOW_HAS_MASTER, g.master.src.b[4] = 1;
	ck_assert(!flow_valid(&g));
	g = f, g.zone_dir = FLOW_ZONE_ORIG;
	ck_assert(!flow_valid(&g));
	g.zone = 1;
	ck_assert(flow_valid(&g));
	g = ping_flow();
	ck_assert(flow_valid(&g));
	g.family = AF_INET6;
	ck_assert(!flow_valid(&g));
	g.l4proto = IPPROTO_ICMPV6;
	ck_assert(flow_valid(&g));
}
END_TEST

static bool same_identity(const struct flow *a, const struct flow *b)
{
	uint8_t x[FLOW_IDENTITY_MAX], y[FLOW_IDENTITY_MAX];
	size_t n = flow_identity(a, x), m = flow_identity(b, y);

	return n == m && memcmp(x, y, n) == 0;
}

START_TEST(identity_bytes)
{
	static const uint8_t want[] = {
		2,   6,	  0,   0,   10,	  1,	0,    7,    198, 51, 100, 9,
		160, 62,  1,   187, 198,  51,	100,  9,    10,	 1,  0,	  7,
		1,   187, 160, 62,  0xde, 0xad, 0xbe, 0xef, 3,	 1,
	};
	uint8_t out[FLOW_IDENTITY_MAX];
	struct flow f = tcp_flow();

	f.mark = 0xdeadbeef;
	f.status = IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED;
	ck_assert_uint_eq(flow_identity(&f, out), sizeof(want));
	ck_assert_mem_eq(out, want, sizeof(want));
}
END_TEST

/* The audit has the same word for it. */
static bool same_key(const struct flow *a, const struct flow *b)
{
	static const uint8_t key[DIGEST_KEY_LEN] = "tuples";
	bool same = flow_same_key(a, b);

	ck_assert(same == (digest_tuple(key, a) == digest_tuple(key, b)));
	return same;
}

/* One is found by the other's original tuple where both have one key there. */
START_TEST(keys_of_zones)
{
	struct flow a = tcp_flow(), b = tcp_flow();

	ck_assert(same_key(&a, &b));
	b.zone = 5;
	ck_assert_uint_eq(flow_zone_id(&b, FLOW_ZONE_ORIG), 5);
	ck_assert_uint_eq(flow_zone_id(&b, FLOW_ZONE_REPLY), 5);
	ck_assert(!same_key(&a, &b));
	b.zone_dir = FLOW_ZONE_REPLY;
	ck_assert_uint_eq(flow_zone_id(&b, FLOW_ZONE_ORIG), 0);
	ck_assert_uint_eq(flow_zone_id(&b, FLOW_ZONE_REPLY), 5);
	ck_assert(same_key(&a, &b));
	b.zone_dir = FLOW_ZONE_ORIG;
	ck_assert(!same_key(&a, &b));
	a.zone = 5;
	ck_assert(same_key(&a, &b));
	b.orig.dport++;
	ck_assert(!same_key(&a, &b));
}
END_TEST

/* Rules 8: what counts and what does not. */
START_TEST(identity_counts)
{
	struct flow f = tcp_flow(), g;

	g = f, g.timeout_s = 9, g.has |= FLOW_HAS_TIMEOUT;
	ck_assert(same_identity(&f, &g));
	g = f, g.tcp_flags[0] = 3, g.tcp_wscale[0] = 7;
	ck_assert(same_identity(&f, &g));
	g = f, g.status |= IPS_OFFLOAD | IPS_SRC_NAT_DONE | IPS_CONFIRMED;
	ck_assert(same_identity(&f, &g));
	g = f, g.status |= IPS_ASSURED;
	ck_assert(!same_identity(&f, &g));
	g = f, g.status |= IPS_SEEN_REPLY;
	ck_assert(!same_identity(&f, &g));
	g = f, g.mark = 1;
	ck_assert(!same_identity(&f, &g));
	g = f, g.zone = 1;
	ck_assert(!same_identity(&f, &g));
	g = f, g.reply.dport++;
	ck_assert(!same_identity(&f, &g));
	g = f, g.has |= FLOW_HAS_HELPER, strcpy(g.helper, "ftp");
	ck_assert(!same_identity(&f, &g));
	g = f, g.has |= FLOW_HAS_MASTER, g.master.dport = 21;
	ck_assert(!same_identity(&f, &g));
	g = f, g.has |= FLOW_HAS_LABELS | FLOW_HAS_SEQADJ | FLOW_HAS_SYNPROXY;
	ck_assert(same_identity(&f, &g));
	g = f, g.orig.src.b[0]++;
	ck_assert(!same_identity(&f, &g));
	g = f, g.tcp_state = TCP_CONNTRACK_LAST_ACK;
	ck_assert(!same_identity(&f, &g));
	f.tcp_state = TCP_CONNTRACK_TIME_WAIT;
	ck_assert(same_identity(&f, &g));
}
END_TEST

START_TEST(identity_fits)
{
	uint8_t out[FLOW_IDENTITY_MAX];
	struct flow f = tcp_flow();

	f.family = AF_INET6;
	ck_assert_uint_eq(flow_identity(&f, out), 82);
	f.zone = f.zone_dir = 1;
	f.has |= FLOW_HAS_HELPER | FLOW_HAS_MASTER;
	strcpy(f.helper, "sip");
	ck_assert_uint_eq(flow_identity(&f, out), 82 + 2 + 17 + 38);
	ck_assert_uint_le(flow_identity(&f, out), FLOW_IDENTITY_MAX);
}
END_TEST

START_TEST(format)
{
	struct flow f = tcp_flow();
	char text[160], small[8];

	flow_format(&f, text, sizeof(text));
	ck_assert_str_eq(text,
			 "tcp 10.1.0.7:41022 -> 198.51.100.9:443 ESTABLISHED");
	f.reply.dport++;
	f.reply.src.b[0]++;
	f.zone = 3;
	flow_format(&f, text, sizeof(text));
	ck_assert_str_eq(text,
			 "tcp 10.1.0.7:41022 -> 198.51.100.9:443 ESTABLISHED "
			 "snat dnat zone 3");
	flow_format(&f, small, sizeof(small));
	ck_assert_str_eq(small, "tcp 10.");
	f = ping_flow();
	flow_format(&f, text, sizeof(text));
	ck_assert_str_eq(text, "icmp 10.1.0.7 -> 198.51.100.9 id 77 UNREPLIED");
	f.l4proto = IPPROTO_ESP;
	f.orig.sport = f.orig.dport = 0;
	flow_tuple_invert(&f, &f.orig, &f.reply);
	f.zone = 3;
	f.zone_dir = FLOW_ZONE_ORIG;
	flow_format(&f, text, sizeof(text));
	ck_assert_str_eq(text, "esp 10.1.0.7 -> 198.51.100.9 UNREPLIED zone 3 "
			       "orig");
	f.l4proto = IPPROTO_SCTP;
	f.has = FLOW_HAS_SCTP;
	f.sctp_state = 4;
	f.orig.sport = f.orig.dport = 9;
	flow_tuple_invert(&f, &f.orig, &f.reply);
	f.zone = 0;
	flow_format(&f, text, sizeof(text));
	ck_assert_str_eq(text, "sctp 10.1.0.7:9 -> 198.51.100.9:9 ESTABLISHED");
}
END_TEST

START_TEST(format_of_each_protocol)
{
	static const struct {
		uint8_t l4proto;
		const char *text;
	} t[] = {
		{ IPPROTO_TCP, "tcp 10.1.0.7:9 -> 198.51.100.9:9 REPLIED" },
		{ IPPROTO_UDP, "udp 10.1.0.7:9 -> 198.51.100.9:9 REPLIED" },
		{ IPPROTO_UDPLITE,
		  "udplite 10.1.0.7:9 -> 198.51.100.9:9 REPLIED" },
		{ IPPROTO_GRE, "gre 10.1.0.7:9 -> 198.51.100.9:9 REPLIED" },
		{ IPPROTO_ICMPV6,
		  "icmpv6 10.1.0.7 -> 198.51.100.9 id 9 REPLIED" },
		{ 255, "255 10.1.0.7:9 -> 198.51.100.9:9 REPLIED" },
	};
	struct flow f = tcp_flow();
	char text[160];

	f.has = 0;
	f.status = IPS_SEEN_REPLY;
	f.orig.sport = f.orig.dport = 9;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		f.l4proto = t[i].l4proto;
		flow_tuple_invert(&f, &f.orig, &f.reply);
		flow_format(&f, text, sizeof(text));
		ck_assert_str_eq(text, t[i].text);
	}
	/* what no kernel says is a question */
	f.l4proto = IPPROTO_TCP;
	f.has = FLOW_HAS_TCP;
	f.tcp_state = TCP_CONNTRACK_MAX;
	f.family = 77;
	f.zone = 1;
	f.zone_dir = FLOW_ZONE_REPLY + 1;
	flow_format(&f, text, sizeof(text));
	ck_assert_str_eq(text, "tcp ?:9 -> ?:9 ? zone 1");
}
END_TEST

START_TEST(format_longest_fits)
{
	struct flow f = { .family = AF_INET6,
			  .l4proto = IPPROTO_TCP,
			  .has = FLOW_HAS_TCP,
			  .tcp_state = TCP_CONNTRACK_ESTABLISHED,
			  .zone = 65535 };
	char text[400];

	memset(f.orig.src.b, 0xff, 16);
	memset(f.orig.dst.b, 0xfe, 16);
	f.orig.sport = f.orig.dport = 65535;
	flow_format(&f, text, sizeof(text));
	ck_assert_uint_lt(strlen(text), 160);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("flow");
	TCase *t = tcase_create("flow");
	SRunner *r;
	int failed;

	tcase_add_test(t, invert_swaps);
	tcase_add_loop_test(t, invert_icmp, 0, 12);
	tcase_add_test(t, translation_is_seen);
	tcase_add_test(t, translation_of_icmp);
	tcase_add_test(t, classes);
	tcase_add_test(t, validity);
	tcase_add_test(t, identity_bytes);
	tcase_add_test(t, keys_of_zones);
	tcase_add_test(t, identity_counts);
	tcase_add_test(t, identity_fits);
	tcase_add_test(t, format);
	tcase_add_test(t, format_of_each_protocol);
	tcase_add_test(t, format_longest_fits);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
