// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * How much later than in one namespace the same flows came to stand in
 * another one: the kernel's own time stamps of both entries
 * (nf_conntrack_timestamp=1), compared flow by flow. Nobody has to listen
 * while it happens, so nothing is disturbed. Only flows that are told with
 * their first packet say something (not TCP); which, the caller chooses.
 * Invariant: a flow counts when both kernels have a time for it.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <getopt.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ct_msg.h"
#include "ct_put.h"
#include "flow.h"
#include "lab.h"
#include "nl.h"

struct entry {
	struct flow_tuple orig;
	uint64_t start_ns;
};

struct list {
	struct entry *entries;
	size_t n, size;
	size_t began; /* of all protocols, from after_ns to before_ns */
	uint64_t after_ns, before_ns;
	uint8_t l4proto;
};

static void list_add(struct list *l, const struct flow *f, uint64_t start_ns)
{
	if (l->n == l->size) {
		l->size = l->size ? 2 * l->size : 4096;
		l->entries = realloc(l->entries, l->size * sizeof(*l->entries));
		if (!l->entries)
			die("memory");
	}
	l->entries[l->n++] =
		(struct entry){ .orig = f->orig, .start_ns = start_ns };
}

static int take_start(const struct nlattr *attr, void *arg)
{
	uint64_t *start_ns = arg;

	if (mnl_attr_get_type(attr) == CTA_TIMESTAMP_START &&
	    mnl_attr_get_payload_len(attr) >= sizeof(*start_ns))
		*start_ns = be64toh(mnl_attr_get_u64(attr));
	return MNL_CB_OK;
}

static int find_stamp(const struct nlattr *attr, void *arg)
{
	if (mnl_attr_get_type(attr) == CTA_TIMESTAMP)
		return mnl_attr_parse_nested(attr, take_start, arg);
	return MNL_CB_OK;
}

/* When the entry began to stand; 0 where the kernel did not note it. */
static uint64_t start_of(const struct nlmsghdr *nlh)
{
	uint64_t start_ns = 0;

	if (mnl_attr_parse(nlh, sizeof(struct nfgenmsg), find_stamp,
			   &start_ns) < 0)
		return 0;
	return start_ns;
}

static void take(const struct nlmsghdr *nlh, struct list *l)
{
	uint64_t start_ns = start_of(nlh);
	struct flow f;

	if (start_ns == 0)
		return;
	l->began += start_ns >= l->after_ns && start_ns < l->before_ns;
	if (ct_msg_parse(nlh, &f) == 0 && f.l4proto == l->l4proto)
		list_add(l, &f, start_ns);
}

static int by_tuple(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct flow_tuple));
}

static void list_read(struct list *l, const char *ns)
{
	static uint8_t chunk[1 << 16];
	_Alignas(8) uint8_t request[CT_PUT_MAX];
	struct nl_sock s;
	bool more = true;
	size_t len;

	ns_enter(ns);
	if (nl_open(&s, NETLINK_NETFILTER, 0, 1 << 16))
		die("netlink");
	len = ct_put_dump(request, sizeof(request), 1, AF_INET, NULL);
	if (nl_send(&s, request, len))
		die("dump");
	while (more) {
		ssize_t got = recv(s.fd, chunk, sizeof(chunk), 0);
		const struct nlmsghdr *nlh = (const void *)chunk;
		int left = (int)got;

		if (got <= 0)
			die("dump");
		for (; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_type < NLMSG_MIN_TYPE)
				more = false;
			else
				take(nlh, l);
		}
	}
	nl_close(&s);
	qsort(l->entries, l->n, sizeof(*l->entries), by_tuple);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void report(const struct list *a, const struct list *b)
{
	double *ms = calloc(a->n + 1, sizeof(*ms));
	size_t n = 0;

	if (!ms)
		die("memory");
	for (size_t i = 0; i < a->n; i++) {
		const struct entry *e = &a->entries[i], *f;

		f = bsearch(e, b->entries, b->n, sizeof(*e), by_tuple);
		if (f)
			ms[n++] = (double)(int64_t)(f->start_ns - e->start_ns) /
				  1e6;
	}
	qsort(ms, n, sizeof(*ms), by_value);
	printf("{\"began\": %zu, \"flows\": %zu, \"matched\": %zu", a->began,
	       a->n, n);
	if (n)
		printf(", \"p50_ms\": %.3f, \"p90_ms\": %.3f, "
		       "\"p99_ms\": %.3f, \"max_ms\": %.3f",
		       ms[n / 2], ms[n * 9 / 10], ms[n * 99 / 100], ms[n - 1]);
	printf("}\n");
	free(ms);
}

static void usage(int status)
{
	fputs("usage: ctlatency -f NS -t NS [-p PROTO]\n"
	      "How much later flows came to stand in the second namespace, by "
	      "the kernel's\ntime stamps (nf_conntrack_timestamp must have "
	      "been 1 in both).\n"
	      "  -f NS   where they began   -t NS   where they were copied to\n"
	      "  -p N    number of the protocol (17)\n"
	      "  -a, -b NS   count as begun what began in this time (since "
	      "1970, in ns)\n",
	      status ? stderr : stdout);
	exit(status);
}

int main(int argc, char **argv)
{
	struct list a = { .l4proto = IPPROTO_UDP, .before_ns = UINT64_MAX };
	const char *from = NULL, *to = NULL;
	struct list b;
	int o;

	while ((o = getopt(argc, argv, "f:t:p:a:b:h")) != -1)
		switch (o) {
		case 'f':
			from = optarg;
			break;
		case 't':
			to = optarg;
			break;
		case 'a':
			a.after_ns = num_parse(optarg, UINT64_MAX);
			break;
		case 'b':
			a.before_ns = num_parse(optarg, UINT64_MAX);
			break;
		case 'p':
			a.l4proto = (uint8_t)num_parse(optarg, 255);
			break;
		default:
			usage(o == 'h' ? 0 : 2);
		}
	if (!from || !to || optind != argc)
		usage(2);
	b = a;
	list_read(&a, from);
	list_read(&b, to);
	report(&a, &b);
	free(a.entries);
	free(b.entries);
	return 0;
}
