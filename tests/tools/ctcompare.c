// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Compares the connection tables of two namespaces by what makes a
 * connection what it is: tuples, zone, translation, helper, master, mark,
 * replied, assured, and for TCP the class of its state (rules 8). An
 * oracle independent of the daemon: libnetfilter_conntrack parses here.
 * Left out: unreplied and closing flows, those of the nodes themselves,
 * loopback, multicast and broadcast. Invariant: it only reads.
 */
#include "lab.h"

#include <errno.h>
#include <getopt.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OWN = 64 };

/* The key comes first and has no padding: compared by memcmp. */
struct rec {
	struct key {
		uint32_t src, dst;
		uint16_t sport, dport, zone, proto;
	} key;
	uint32_t reply_src, reply_dst;
	uint16_t reply_sport, reply_dport;
	uint32_t status; /* of IDENTITY_STATUS */
	uint32_t mark;
	uint32_t master_src, master_dst;
	uint16_t master_sport, master_dport;
	uint32_t class;
	char helper[16];
};

#define IDENTITY_STATUS \
	(IPS_SEEN_REPLY | IPS_ASSURED | IPS_SRC_NAT | IPS_DST_NAT)

struct table {
	const char *ns;
	struct rec *recs;
	size_t n, size, entries, own, transient;
};

static uint32_t own[OWN];
static size_t nown;

static bool is_own(uint32_t addr)
{
	for (size_t i = 0; i < nown; i++)
		if (own[i] == addr)
			return true;
	return false;
}

static bool is_wide(uint32_t addr)
{
	return addr >> 28 == 14 || addr == UINT32_MAX || addr >> 24 == 127;
}

static uint32_t addr_of(const struct nf_conntrack *ct,
			enum nf_conntrack_attr attr)
{
	return ntohl(nfct_get_attr_u32(ct, attr));
}

static uint16_t port_of(const struct nf_conntrack *ct,
			enum nf_conntrack_attr attr)
{
	return ntohs(nfct_get_attr_u16(ct, attr));
}

/* 0 opening, 1 established, 2 closing. */
static uint32_t class_of(const struct nf_conntrack *ct, uint8_t proto)
{
	uint8_t state;

	if (proto != IPPROTO_TCP)
		return nfct_get_attr_u32(ct, ATTR_STATUS) & IPS_SEEN_REPLY ? 1
									   : 0;
	state = nfct_get_attr_u8(ct, ATTR_TCP_STATE);
	if (state == TCP_CONNTRACK_ESTABLISHED)
		return 1;
	return state == TCP_CONNTRACK_SYN_SENT ||
			       state == TCP_CONNTRACK_SYN_RECV
		       ? 0
		       : 2;
}

static void fill_key(struct rec *r, const struct nf_conntrack *ct)
{
	r->key.proto = nfct_get_attr_u8(ct, ATTR_L4PROTO);
	r->key.src = addr_of(ct, ATTR_ORIG_IPV4_SRC);
	r->key.dst = addr_of(ct, ATTR_ORIG_IPV4_DST);
	r->key.zone = nfct_get_attr_u16(ct, ATTR_ZONE);
	r->reply_src = addr_of(ct, ATTR_REPL_IPV4_SRC);
	r->reply_dst = addr_of(ct, ATTR_REPL_IPV4_DST);
	if (r->key.proto == IPPROTO_ICMP) {
		r->key.sport = port_of(ct, ATTR_ICMP_ID);
		r->key.dport =
			(uint16_t)(nfct_get_attr_u8(ct, ATTR_ICMP_TYPE) << 8 |
				   nfct_get_attr_u8(ct, ATTR_ICMP_CODE));
		return;
	}
	r->key.sport = port_of(ct, ATTR_ORIG_PORT_SRC);
	r->key.dport = port_of(ct, ATTR_ORIG_PORT_DST);
	r->reply_sport = port_of(ct, ATTR_REPL_PORT_SRC);
	r->reply_dport = port_of(ct, ATTR_REPL_PORT_DST);
}

static void fill_rest(struct rec *r, const struct nf_conntrack *ct)
{
	const char *helper = nfct_get_attr(ct, ATTR_HELPER_NAME);

	r->status = nfct_get_attr_u32(ct, ATTR_STATUS) & IDENTITY_STATUS;
	r->mark = nfct_get_attr_u32(ct, ATTR_MARK);
	r->class = class_of(ct, (uint8_t)r->key.proto);
	if (helper)
		snprintf(r->helper, sizeof(r->helper), "%s", helper);
	if (nfct_attr_is_set(ct, ATTR_MASTER_IPV4_SRC) > 0) {
		r->master_src = addr_of(ct, ATTR_MASTER_IPV4_SRC);
		r->master_dst = addr_of(ct, ATTR_MASTER_IPV4_DST);
		r->master_sport = port_of(ct, ATTR_MASTER_PORT_SRC);
		r->master_dport = port_of(ct, ATTR_MASTER_PORT_DST);
	}
}

static void table_add(struct table *t, const struct nf_conntrack *ct)
{
	struct rec *r;

	t->entries++;
	if (t->n == t->size) {
		t->size = t->size ? t->size * 2 : 4096;
		t->recs = realloc(t->recs, t->size * sizeof(*t->recs));
		if (!t->recs)
			die("memory");
	}
	r = &t->recs[t->n];
	memset(r, 0, sizeof(*r));
	fill_key(r, ct);
	if (is_own(r->key.src) || is_own(r->reply_src) || is_wide(r->key.src) ||
	    is_wide(r->key.dst)) {
		t->own++;
		return;
	}
	fill_rest(r, ct);
	if (!(r->status & IPS_SEEN_REPLY) || r->class == 2) {
		t->transient++;
		return;
	}
	t->n++;
}

static int on_message(const struct nlmsghdr *nlh, void *arg)
{
	struct nf_conntrack *ct = nfct_new();

	if (!ct)
		die("memory");
	if (nfct_nlmsg_parse(nlh, ct) < 0)
		die("a message that libnetfilter_conntrack cannot parse");
	table_add(arg, ct);
	nfct_destroy(ct);
	return MNL_CB_OK;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct key));
}

static void table_read(struct table *t)
{
	static char buf[65536];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;
	struct mnl_socket *nl;
	ssize_t n;
	int r = MNL_CB_OK;

	ns_enter(t->ns);
	nl = mnl_socket_open(NETLINK_NETFILTER);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		die("netlink in %s", t->ns);
	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 1;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_INET;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		die("dump in %s", t->ns);
	while (r > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			die("dump in %s", t->ns);
		r = mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl),
			       on_message, t);
	}
	if (r < 0)
		die("dump in %s", t->ns);
	mnl_socket_close(nl);
	qsort(t->recs, t->n, sizeof(*t->recs), by_key);
}

static unsigned int samples = 5, printed;

static void sample(const char *what, const struct rec *r)
{
	if (printed++ >= samples)
		return;
	fprintf(stderr,
		"%s: proto %u %s:%u -> %s:%u, reply %s:%u -> %s:%u, "
		"status 0x%x, mark %u, class %u\n",
		what, r->key.proto, addr_text(r->key.src), r->key.sport,
		addr_text(r->key.dst), r->key.dport, addr_text(r->reply_src),
		r->reply_sport, addr_text(r->reply_dst), r->reply_dport,
		r->status, r->mark, r->class);
}

struct result {
	size_t equal, missing, extra, differing;
};

static struct result compare(const struct table *a, const struct table *b)
{
	struct result res = { 0 };
	size_t i = 0, j = 0;

	while (i < a->n || j < b->n) {
		int c = i == a->n   ? 1
			: j == b->n ? -1
				    : by_key(&a->recs[i], &b->recs[j]);

		if (c < 0) {
			res.missing++;
			sample("missing", &a->recs[i++]);
		} else if (c > 0) {
			res.extra++;
			sample("extra", &b->recs[j++]);
		} else if (memcmp(&a->recs[i], &b->recs[j],
				  sizeof(struct rec)) != 0) {
			res.differing++;
			sample("differing, first", &a->recs[i++]);
			sample("differing, second", &b->recs[j++]);
		} else {
			res.equal++;
			i++;
			j++;
		}
	}
	return res;
}

static void usage(int status)
{
	fputs("usage: ctcompare [-o ADDR]... [-k N] NS [NS]\n"
	      "Compares the connection tables of two namespaces; with one it "
	      "only counts.\n"
	      "  -o ADDR  an address of a node itself: its own flows are left "
	      "out\n"
	      "  -k N     print up to N differences to stderr (5)\n"
	      "missing: the second lacks it; extra: the first lacks it.\n"
	      "Exit status: 0 equal, 1 not, 2 trouble.\n",
	      status ? stderr : stdout);
	exit(status);
}

int main(int argc, char **argv)
{
	struct table a = { 0 }, b = { 0 };
	struct result r = { 0 };
	int o;

	while ((o = getopt(argc, argv, "o:k:h")) != -1)
		switch (o) {
		case 'o':
			errno = 0;
			if (nown == OWN)
				die("more than %d own addresses", OWN);
			own[nown++] = addr_parse(optarg);
			break;
		case 'k':
			samples = (unsigned int)num_parse(optarg, 1000000);
			break;
		default:
			usage(o == 'h' ? 0 : 2);
		}
	if (argc - optind < 1 || argc - optind > 2)
		usage(2);
	a.ns = argv[optind];
	table_read(&a);
	if (argc - optind == 2) {
		b.ns = argv[optind + 1];
		table_read(&b);
		r = compare(&a, &b);
	}
	printf("{\"entries\": [%zu, %zu], \"compared\": [%zu, %zu], "
	       "\"own\": [%zu, %zu], \"transient\": [%zu, %zu], "
	       "\"equal\": %zu, \"missing\": %zu, \"extra\": %zu, "
	       "\"differing\": %zu}\n",
	       a.entries, b.entries, a.n, b.n, a.own, b.own, a.transient,
	       b.transient, r.equal, r.missing, r.extra, r.differing);
	return r.missing || r.extra || r.differing ? 1 : 0;
}
