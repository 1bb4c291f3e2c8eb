// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the kernel itself needs to take over a table: reads the one of a
 * namespace, writes every message beforehand, and then measures nothing but
 * their insertion into another namespace. The yardstick of the benchmark; it
 * decides nothing, merges nothing and is no way to sync. Text: ctnetlink.
 * Invariant: between the two readings of the clock there is only sendmsg() of
 * finished messages and one recv() a batch for its acknowledgement.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "ct_dump.h"
#include "ct_put.h"
#include "flow.h"
#include "lab.h"
#include "nl.h"

/* As many as an insertion by hand gains from (more is no faster). */
#define BATCH 200

struct table {
	uint8_t *bytes;
	size_t len, size;
	size_t *batch; /* where each batch begins */
	size_t batches, flows, skipped;
	struct nlmsghdr *last;
};

struct clocks {
	uint64_t wall_ns;
	double cpu_s;
};

static struct clocks clocks_read(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (struct clocks){
		.wall_ns = now_ns(),
		.cpu_s =
			(double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
			(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6,
	};
}

static double wall_s(const struct clocks *a, const struct clocks *b)
{
	return (double)(b->wall_ns - a->wall_ns) / (double)SEC_NS;
}

static void table_room(struct table *t, size_t flows)
{
	t->size = (flows + BATCH) * 320;
	t->bytes = malloc(t->size);
	t->batch = calloc(flows / BATCH + 2, sizeof(*t->batch));
	if (!t->bytes || !t->batch)
		die("memory");
	/* Touched now: page faults are no part of an insertion. */
	memset(t->bytes, 0, t->size);
}

/* What no firewall may be told (CTNETLINK.md 3) is left out. */
static bool is_wanted(const struct flow *f)
{
	return flow_valid(f) && (f->has & FLOW_HAS_TIMEOUT) &&
	       !(f->l4proto == IPPROTO_TCP &&
		 (f->tcp_state == TCP_CONNTRACK_SYN_SENT ||
		  f->tcp_state == TCP_CONNTRACK_SYN_SENT2));
}

static void take(const struct flow *f, void *arg)
{
	struct table *t = arg;
	size_t len;

	if (!is_wanted(f)) {
		t->skipped++;
		return;
	}
	if (t->len + CT_PUT_MAX > t->size) {
		t->skipped++; /* the table grew while it was read */
		return;
	}
	if (t->flows % BATCH == 0)
		t->batch[t->batches++] = t->len;
	len = ct_put_create(t->bytes + t->len, CT_PUT_MAX,
			    (uint32_t)t->flows + 1, 0, f);
	if (len == 0)
		die("a flow without a message");
	t->last = (void *)(t->bytes + t->len);
	t->len += len;
	if (++t->flows % BATCH == 0)
		t->last->nlmsg_flags |= NLM_F_ACK;
}

/* Reads the table of the namespace that the thread is in. */
static void table_read(struct table *t)
{
	struct ct_dump dump;
	uint32_t entries;
	int r;

	if (ct_count(&entries, NULL))
		die("no connection tracking");
	table_room(t, entries + entries / 8 + 1000);
	r = ct_dump_open(&dump);
	if (r == 0)
		r = ct_dump_start(&dump, AF_INET);
	if (r < 0)
		die("dump: %s", strerror(-r));
	while ((r = ct_dump_read(&dump, take, t)) == CT_DUMP_MORE)
		;
	ct_dump_close(&dump);
	if (r < 0)
		die("dump: %s", strerror(-r));
	if (t->last)
		t->last->nlmsg_flags |= NLM_F_ACK;
	t->batch[t->batches] = t->len;
}

/* The dump alone: chunks are fetched and not looked at. */
static double dump_only(void)
{
	static uint8_t chunk[CT_DUMP_CHUNK];
	struct clocks a = clocks_read(), b;
	const struct nlmsghdr *nlh = (const void *)chunk;
	_Alignas(8) uint8_t request[CT_PUT_MAX];
	struct nl_sock s;
	size_t len;

	if (nl_open(&s, NETLINK_NETFILTER, 0, 2 * CT_DUMP_CHUNK))
		die("netlink");
	len = ct_put_dump(request, sizeof(request), 1, AF_INET, NULL);
	if (nl_send(&s, request, len))
		die("dump");
	do
		if (recv(s.fd, chunk, sizeof(chunk), 0) < (ssize_t)sizeof(*nlh))
			die("dump");
	while (nlh->nlmsg_type != NLMSG_DONE && nlh->nlmsg_type != NLMSG_ERROR);
	b = clocks_read();
	nl_close(&s);
	return wall_s(&a, &b);
}

/* Sends a batch; returns how many of its messages were refused. */
static size_t insert_batch(struct nl_sock *s, const struct table *t, size_t i)
{
	static uint8_t answer[1 << 16];
	size_t first = i * BATCH, refused = 0;
	uint32_t end =
		(uint32_t)(first + BATCH < t->flows ? first + BATCH : t->flows);
	const struct nlmsghdr *nlh;
	ssize_t n;

	if (nl_send(s, t->bytes + t->batch[i], t->batch[i + 1] - t->batch[i]))
		die("send");
	do {
		int error;

		n = recv(s->fd, answer, sizeof(answer), MSG_DONTWAIT);
		if (n < (ssize_t)(NLMSG_HDRLEN + sizeof(error)))
			die("no acknowledgement");
		nlh = (const void *)answer;
		memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
		refused += error != 0;
	} while (nlh->nlmsg_seq != end);
	return refused;
}

static void insert(const struct table *t, double dump_s)
{
	size_t refused = 0, flows = t->flows ? t->flows : 1;
	struct clocks a, b;
	uint32_t entries;
	struct nl_sock s;

	if (nl_open(&s, NETLINK_NETFILTER, 0, 4 << 20) ||
	    nl_set_sndbuf(&s, 4 * BATCH * CT_PUT_MAX))
		die("netlink");
	a = clocks_read();
	for (size_t i = 0; i < t->batches; i++)
		refused += insert_batch(&s, t, i);
	b = clocks_read();
	nl_close(&s);
	if (ct_count(&entries, NULL))
		die("no connection tracking");
	printf("{\"flows\": %zu, \"skipped\": %zu, \"refused\": %zu, "
	       "\"entries\": %u, \"bytes_per_message\": %.1f, "
	       "\"dump_seconds\": %.4f, \"seconds\": %.4f, "
	       "\"us_per_flow\": %.4f, \"cpu_us_per_flow\": %.4f}\n",
	       t->flows, t->skipped, refused, entries,
	       (double)t->len / (double)flows, dump_s, wall_s(&a, &b),
	       wall_s(&a, &b) * 1e6 / (double)flows,
	       (b.cpu_s - a.cpu_s) * 1e6 / (double)flows);
}

static void usage(int status)
{
	fputs("usage: rawinsert -f NS -t NS\n"
	      "Reads the connection table of one namespace and measures how "
	      "long the kernel\ntakes to insert the same flows into that of "
	      "another (finished messages, one\nsocket, 200 in a batch). The "
	      "second table should be empty.\n"
	      "  -f NS   from     -t NS   to\n",
	      status ? stderr : stdout);
	exit(status);
}

int main(int argc, char **argv)
{
	const char *from = NULL, *to = NULL;
	struct table t = { 0 };
	double dump_s;
	int o;

	while ((o = getopt(argc, argv, "f:t:h")) != -1)
		switch (o) {
		case 'f':
			from = optarg;
			break;
		case 't':
			to = optarg;
			break;
		default:
			usage(o == 'h' ? 0 : 2);
		}
	if (!from || !to || optind != argc)
		usage(2);
	ns_enter(from);
	dump_s = dump_only();
	table_read(&t);
	ns_enter(to);
	/* As the daemon does: on a busy machine the ratio means something
	 * only where both run in the same class. */
	sched_first(10);
	insert(&t, dump_s);
	free(t.bytes);
	free(t.batch);
	return 0;
}
