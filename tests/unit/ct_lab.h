/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A network namespace of its own for each conntrack test (Check forks, and the
 * namespace ends with the child), and flows to put into it.
 */
#ifndef TESTS_UNIT_CT_LAB_H
#define TESTS_UNIT_CT_LAB_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ct_dump.h"
#include "ct_inject.h"
#include "flow.h"

#define LAB_FN __attribute__((unused)) static

#define SEEN (IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED)

LAB_FN void lab_run(const char *command)
{
	int ret = system(command);

	ck_assert_msg(ret == 0, "%s: exit %d", command, ret);
}

LAB_FN void lab_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

/* A nat chain, without which nothing is translated, and ct hooks on lo. */
LAB_FN void lab_setup(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	lab_write("/proc/sys/net/netfilter/nf_conntrack_events", "1\n");
	lab_run("ip link set lo up");
	lab_run("nft 'add table inet lab;"
		" add chain inet lab nat {"
		" type nat hook postrouting priority 100; };"
		" add chain inet lab out {"
		" type filter hook output priority 0; };"
		" add rule inet lab out ct state invalid drop;"
		" add rule inet lab out tcp flags psh tcp flags & psh == psh"
		" tcp dport 4242 ct mark set 7'");
}

/* Exit 77 with a reason where nothing can be tried. */
LAB_FN void lab_require(void)
{
	if (geteuid() != 0) {
		puts("SKIP: needs root for network namespaces");
		exit(77);
	}
	if (system("command -v nft >/dev/null 2>&1") != 0) {
		puts("SKIP: needs nft");
		exit(77);
	}
}

LAB_FN int lab_run_suite(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

LAB_FN struct flow_addr lab_addr(uint32_t host)
{
	return (struct flow_addr){ { (uint8_t)(host >> 24),
				     (uint8_t)(host >> 16),
				     (uint8_t)(host >> 8), (uint8_t)host } };
}

/* The i-th established TCP flow, not translated; i below 2^16. */
LAB_FN struct flow lab_tcp(unsigned i)
{
	struct flow f = {
		.family = AF_INET,
		.l4proto = IPPROTO_TCP,
		.has = FLOW_HAS_TCP | FLOW_HAS_TIMEOUT,
		.tcp_state = TCP_CONNTRACK_ESTABLISHED,
		.tcp_flags = { 0x23, 0x33 },
		.tcp_wscale = { 7, 9 },
		.status = SEEN,
		.timeout_s = 3600,
		.orig = { .src = lab_addr(0x0a010000 + i % 256),
			  .dst = lab_addr(0xc6336409),
			  .sport = (uint16_t)(1024 + i / 256),
			  .dport = 443 },
	};

	flow_tuple_invert(&f, &f.orig, &f.reply);
	return f;
}

/* Translated to 192.0.2.1, port 2000 + n. */
LAB_FN struct flow lab_snat(struct flow f, unsigned n)
{
	f.reply.dst = lab_addr(0xc0000201);
	if (f.l4proto == IPPROTO_ICMP)
		f.reply.sport = (uint16_t)(2000 + n);
	else
		f.reply.dport = (uint16_t)(2000 + n);
	return f;
}

LAB_FN struct flow lab_dnat(struct flow f)
{
	f.reply.src = lab_addr(0x0a090909);
	if (f.l4proto != IPPROTO_ICMP)
		f.reply.sport = 8443;
	return f;
}

LAB_FN struct flow lab_udp(unsigned i)
{
	struct flow f = lab_tcp(i);

	f.l4proto = IPPROTO_UDP;
	f.has = FLOW_HAS_TIMEOUT;
	f.tcp_state = 0;
	memset(f.tcp_flags, 0, 2);
	memset(f.tcp_wscale, 0, 2);
	return f;
}

LAB_FN struct flow lab_ping(unsigned i)
{
	struct flow f = lab_udp(i);

	f.l4proto = IPPROTO_ICMP;
	f.status = IPS_CONFIRMED | IPS_SEEN_REPLY;
	f.orig.dport = 8 << 8;
	flow_tuple_invert(&f, &f.orig, &f.reply);
	return f;
}

LAB_FN struct flow_change lab_change(enum flow_op op, struct flow f)
{
	return (struct flow_change){ .op = op, .flow = f };
}

/* One change; its result. */
LAB_FN enum flow_result lab_apply(struct ct_inject *in, enum flow_op op,
				  struct flow f)
{
	struct flow_change change = lab_change(op, f);
	uint8_t result = 0xff;

	ck_assert_int_eq(ct_inject_apply(in, &change, 1, &result), 0);
	return (enum flow_result)result;
}

/* The whole table. */
#define LAB_TABLE_MAX 8192

struct lab_table {
	struct flow flows[LAB_TABLE_MAX];
	size_t n;
};

LAB_FN void lab_table_add(const struct flow *f, void *arg)
{
	struct lab_table *t = arg;

	ck_assert_uint_lt(t->n, LAB_TABLE_MAX);
	t->flows[t->n++] = *f;
}

LAB_FN struct lab_table *lab_table(void)
{
	static struct lab_table table;
	struct ct_dump d;
	int ret;

	table.n = 0;
	ck_assert_int_eq(ct_dump_open(&d), 0);
	ck_assert_int_eq(ct_dump_start(&d, AF_UNSPEC), 0);
	do
		ret = ct_dump_read(&d, lab_table_add, &table);
	while (ret == CT_DUMP_MORE);
	ck_assert_int_eq(ret, CT_DUMP_DONE);
	ct_dump_close(&d);
	return &table;
}

LAB_FN const struct flow *lab_find(const struct lab_table *t,
				   const struct flow *f)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct flow *g = &t->flows[i];

		if (g->l4proto == f->l4proto && g->family == f->family &&
		    g->zone == f->zone && flow_tuple_equal(&g->orig, &f->orig))
			return g;
	}
	return NULL;
}

LAB_FN bool lab_same(const struct flow *a, const struct flow *b)
{
	uint8_t x[FLOW_IDENTITY_MAX], y[FLOW_IDENTITY_MAX];
	size_t n = flow_identity(a, x), m = flow_identity(b, y);

	return n == m && memcmp(x, y, n) == 0;
}

/* The kernel has exactly these flows, as far as identity goes. */
LAB_FN void lab_assert_table(const struct flow *flows, size_t n)
{
	const struct lab_table *t = lab_table();

	ck_assert_uint_eq(t->n, n);
	for (size_t i = 0; i < n; i++) {
		const struct flow *g = lab_find(t, &flows[i]);
		char text[160];

		flow_format(&flows[i], text, sizeof(text));
		ck_assert_msg(g != NULL, "missing: %s", text);
		ck_assert_msg(lab_same(&flows[i], g), "differs: %s", text);
	}
}

#endif
