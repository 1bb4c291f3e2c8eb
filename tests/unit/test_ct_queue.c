/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * os/ct_queue: what the kernel says of a packet, from messages made by hand;
 * and, where this kernel has the parts, the table and the queue themselves.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <net/if.h>
#include <poll.h>

#include "ct_lab.h"
#include "ct_queue.h"
#include "ct_queue_rule.h"
#include "nl_attr.h"

/* --- messages ------------------------------------------------------------------- */

static _Alignas(8) uint8_t buf[1024];

static struct nl_msg start(uint8_t family)
{
	struct nl_msg m = { .p = buf, .size = sizeof(buf), .ok = true };
	const struct nlmsghdr head = {
		.nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET,
	};
	const struct nfgenmsg nfg = { .nfgen_family = family };
	uint8_t *p = nl_msg_room(&m, sizeof(head) + sizeof(nfg));

	memcpy(p, &head, sizeof(head));
	memcpy(p + sizeof(head), &nfg, sizeof(nfg));
	return m;
}

static const struct nlmsghdr *end(const struct nl_msg *m)
{
	uint32_t len = (uint32_t)m->used;

	ck_assert(m->ok);
	memcpy(buf, &len, sizeof(len));
	return (const void *)buf;
}

static void put_packet(struct nl_msg *m, uint32_t id)
{
	const struct nfqnl_msg_packet_hdr h = {
		.packet_id = htonl(id),
		.hw_protocol = htons(0x0800),
		.hook = 4,
	};

	nl_msg_put(m, NFQA_PACKET_HDR, &h, sizeof(h));
}

static void put_tuple(struct nl_msg *m, uint16_t type, const struct flow *f,
		      const struct flow_tuple *t)
{
	size_t tuple = nl_msg_nest(m, type);
	size_t part = nl_msg_nest(m, CTA_TUPLE_IP);

	nl_msg_put(m, CTA_IP_V4_SRC, t->src.b, 4);
	nl_msg_put(m, CTA_IP_V4_DST, t->dst.b, 4);
	nl_msg_nest_end(m, part);
	part = nl_msg_nest(m, CTA_TUPLE_PROTO);
	nl_msg_u8(m, CTA_PROTO_NUM, f->l4proto);
	nl_msg_be16(m, CTA_PROTO_SRC_PORT, t->sport);
	nl_msg_be16(m, CTA_PROTO_DST_PORT, t->dport);
	nl_msg_nest_end(m, part);
	nl_msg_nest_end(m, tuple);
}

/* As ctnetlink_glue_build makes it for the SYN of a translated connection. */
static void put_entry(struct nl_msg *m, const struct flow *f)
{
	size_t ct = nl_msg_nest(m, NFQA_CT), info, tcp;
	const struct nf_ct_tcp_flags flags = { .flags = 3 };

	put_tuple(m, CTA_TUPLE_ORIG, f, &f->orig);
	put_tuple(m, CTA_TUPLE_REPLY, f, &f->reply);
	nl_msg_be16(m, CTA_ZONE, 5);
	nl_msg_be32(m, CTA_ID, 0x12345678);
	nl_msg_be32(m, CTA_STATUS, IPS_SRC_NAT | IPS_SRC_NAT_DONE);
	nl_msg_be32(m, CTA_TIMEOUT, 0);
	info = nl_msg_nest(m, CTA_PROTOINFO);
	tcp = nl_msg_nest(m, CTA_PROTOINFO_TCP);
	nl_msg_u8(m, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_SYN_SENT);
	nl_msg_u8(m, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, 7);
	nl_msg_put(m, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &flags, sizeof(flags));
	nl_msg_nest_end(m, tcp);
	nl_msg_nest_end(m, info);
	nl_msg_be32(m, CTA_MARK, 0x100);
	nl_msg_nest_end(m, ct);
	nl_msg_be32(m, NFQA_CT_INFO, 2);
}

START_TEST(a_packet_with_its_entry)
{
	struct flow want = lab_snat(lab_tcp(1), 1), f;
	struct nl_msg m = start(AF_INET);
	uint32_t id = 0;
	bool known;

	put_packet(&m, 77);
	put_entry(&m, &want);
	ck_assert(ct_queue_parse(end(&m), &id, &f, &known));
	ck_assert_uint_eq(id, 77);
	ck_assert(known);
	ck_assert(flow_valid(&f));
	ck_assert(flow_tuple_equal(&f.orig, &want.orig));
	ck_assert(flow_tuple_equal(&f.reply, &want.reply));
	ck_assert(flow_has_snat(&f));
	ck_assert_uint_eq(f.l4proto, IPPROTO_TCP);
	ck_assert_uint_eq(f.tcp_state, TCP_CONNTRACK_SYN_SENT);
	ck_assert_uint_eq(f.tcp_wscale[0], 7);
	ck_assert_uint_eq(f.tcp_flags[0], 3);
	ck_assert_uint_eq(f.zone, 5);
	ck_assert_uint_eq(f.mark, 0x100);
	/* it will be, once it was let go, and its time begins then */
	ck_assert(f.status & IPS_CONFIRMED);
	ck_assert(!(f.has & FLOW_HAS_TIMEOUT));
}
END_TEST

START_TEST(a_packet_of_nothing_known)
{
	struct nl_msg m = start(AF_INET);
	struct flow f;
	uint32_t id = 0;
	size_t ct;
	bool known = true;

	put_packet(&m, 78);
	ck_assert(ct_queue_parse(end(&m), &id, &f, &known));
	ck_assert_uint_eq(id, 78);
	ck_assert(!known);
	/* half an entry */
	m = start(AF_INET);
	put_packet(&m, 79);
	ct = nl_msg_nest(&m, NFQA_CT);
	f = lab_tcp(1);
	put_tuple(&m, CTA_TUPLE_ORIG, &f, &f.orig);
	nl_msg_nest_end(&m, ct);
	ck_assert(ct_queue_parse(end(&m), &id, &f, &known));
	ck_assert_uint_eq(id, 79);
	ck_assert(!known);
}
END_TEST

START_TEST(what_is_no_packet)
{
	const uint16_t type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG;
	struct nl_msg m = start(AF_INET);
	struct flow f = lab_tcp(1);
	uint32_t id;
	bool known;

	put_entry(&m, &f); /* without a number there is nothing to let go */
	ck_assert(!ct_queue_parse(end(&m), &id, &f, &known));
	m = start(AF_INET);
	put_packet(&m, 1);
	end(&m);
	memcpy(buf + offsetof(struct nlmsghdr, nlmsg_type), &type,
	       sizeof(type));
	ck_assert(!ct_queue_parse((const void *)buf, &id, &f, &known));
	m = start(AF_INET);
	nl_msg_be32(&m, NFQA_PACKET_HDR, 1); /* too short */
	ck_assert(!ct_queue_parse(end(&m), &id, &f, &known));
}
END_TEST

/* Cut anywhere, it is never read beyond its end (for a sanitizer to see). */
START_TEST(cut_messages)
{
	struct flow want = lab_snat(lab_tcp(1), 1), f;
	struct nl_msg m = start(AF_INET);
	uint32_t whole, id;
	bool known;

	put_packet(&m, 77);
	put_entry(&m, &want);
	whole = end(&m)->nlmsg_len;
	for (uint32_t len = NLMSG_HDRLEN; len < whole; len++) {
		struct nlmsghdr *copy = malloc(len);

		memcpy(copy, buf, len);
		copy->nlmsg_len = len;
		(void)ct_queue_parse(copy, &id, &f, &known);
		free(copy);
	}
}
END_TEST

/* --- the kernel ------------------------------------------------------------------- */

static struct ct_queue q;
static struct ct_queue_rule rule;

START_TEST(the_table)
{
	struct ct_queue_rule second;
	int ret = ct_queue_rule_open(&rule);

	if (ret == -ENOENT) {
		puts("SKIP: this kernel has neither nft_queue nor NFQUEUE");
		return;
	}
	ck_assert_int_eq(ret, 0);
	lab_run("nft list table inet " CT_QUEUE_TABLE " | grep -q 'ct state'");
	lab_run("nft list table inet " CT_QUEUE_TABLE " | grep -qi 'owner'");
	lab_run("nft list table inet " CT_QUEUE_TABLE
		" | grep -Eq 'hook postrouting priority (110|srcnat . 10)'");
	lab_run("! nft flush table inet " CT_QUEUE_TABLE " 2>/dev/null");
	ret = ct_queue_rule_open(&second);
	ck_assert(ret == -EEXIST || ret == -EPERM);
	ct_queue_rule_close(&rule);
	lab_run("! nft list table inet " CT_QUEUE_TABLE " 2>/dev/null");
}
END_TEST

START_TEST(the_queue)
{
	struct ct_queue second;
	int ret;

	ck_assert_int_eq(ct_queue_open(&q), 0);
	ret = ct_queue_bind(&q, true);
	if (ret == -EOPNOTSUPP) {
		puts("SKIP: this kernel's queue does not tell of connections");
		ck_assert(!q.bound);
		/* nothing is left of the try: it can be tried again */
		ck_assert_int_eq(ct_queue_bind(&q, true), -EOPNOTSUPP);
		ct_queue_close(&q);
		return;
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(ct_queue_open(&second), 0);
	ck_assert_int_eq(ct_queue_bind(&second, true), -EBUSY);
	ct_queue_close(&q);
	ck_assert_int_eq(ct_queue_bind(&second, true), 0);
	ct_queue_close(&second);
}
END_TEST

/*
 * Two cables in one namespace: what is sent into the end va comes in at vb, is
 * forwarded to vc, and comes out of the end vd.
 */
static int into, out;

static int tap(const char *ifname)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_IP) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP));

	ll.sll_ifindex = (int)if_nametoindex(ifname);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const void *)&ll, sizeof(ll)), 0);
	return fd;
}

static void router(void)
{
	lab_run("ip link add name va type veth peer name vb;"
		"ip link add name vc type veth peer name vd;"
		"for i in va vb vc vd; do ip link set dev $i up; done;"
		"ip link set dev vb address 02:00:00:00:00:0b;"
		"ip addr add 10.5.0.1/24 dev vb;"
		"ip addr add 10.6.0.1/24 dev vc;"
		"ip neigh add 10.6.0.2 lladdr 02:00:00:00:00:0d dev vc;"
		"sysctl -qw net.ipv4.ip_forward=1"
		" net.ipv4.conf.vb.rp_filter=0 net.ipv4.conf.all.rp_filter=0");
	into = tap("va");
	out = tap("vd");
}

/* A datagram of 10.5.0.2 to 10.6.0.2, from this port. */
static void send_from(uint16_t port)
{
	uint8_t f[42] = { 2,  0,    0,	0,	     0,	   0x0b, 2,  0,	 0, 0,
			  0,  0x0a, 8,	0,	     0x45, 0,	 0,  28, 0, 0,
			  0,  0,    64, IPPROTO_UDP, 0,	   0,	 10, 5,	 0, 2,
			  10, 6,    0,	2,	     0,	   0,	 0,  53, 0, 8 };
	uint32_t sum = 0;

	f[34] = (uint8_t)(port >> 8);
	f[35] = (uint8_t)port;
	for (size_t i = 14; i < 34; i += 2)
		sum += (uint32_t)f[i] << 8 | f[i + 1];
	sum = ~((sum & 0xffff) + (sum >> 16));
	f[24] = (uint8_t)(sum >> 8);
	f[25] = (uint8_t)sum;
	ck_assert_int_eq(send(into, f, sizeof(f), 0), (ssize_t)sizeof(f));
}

/* How many of ours came out within that time. */
static unsigned came_out(int ms)
{
	struct pollfd p = { .fd = out, .events = POLLIN };
	uint8_t f[2048];
	unsigned n = 0;

	while (poll(&p, 1, ms) > 0)
		if (recv(out, f, sizeof(f), 0) >= 42 && f[23] == IPPROTO_UDP)
			n++;
	return n;
}

static uint32_t ids[CT_QUEUE_MAX];
static unsigned num_ids;

static void got(uint32_t id, const struct flow *f, void *arg)
{
	ck_assert_ptr_null(f);
	ck_assert_ptr_null(arg);
	ck_assert_uint_lt(num_ids, CT_QUEUE_MAX);
	ids[num_ids++] = id;
}

START_TEST(packets_wait)
{
	router();
	if (ct_queue_rule_open(&rule) == -ENOENT) {
		puts("SKIP: this kernel has neither nft_queue nor NFQUEUE");
		return;
	}
	/* nobody listens: bypass */
	send_from(1);
	ck_assert_uint_eq(came_out(100), 1);
	ck_assert_int_eq(ct_queue_open(&q), 0);
	ck_assert_int_eq(ct_queue_bind(&q, false), 0);
	/* an old flow, a new one, its second packet */
	send_from(1);
	ck_assert_uint_eq(came_out(100), 1);
	send_from(2);
	ck_assert_uint_eq(came_out(100), 0);
	ck_assert_int_eq(ct_queue_read(&q, got, NULL, 10), CT_QUEUE_DRAINED);
	ck_assert_uint_eq(num_ids, 1);
	ck_assert_int_eq(ct_queue_pass(&q, ids[0]), 0);
	ck_assert_uint_eq(came_out(100), 1);
	send_from(2);
	ck_assert_uint_eq(came_out(100), 1);
	/* its own packets never wait */
	lab_run("ping -c 1 -W 1 -I vc 10.6.0.2 >/dev/null 2>&1 || true");
	ck_assert_int_eq(ct_queue_read(&q, got, NULL, 10), CT_QUEUE_DRAINED);
	ck_assert_uint_eq(num_ids, 1);
	/* a daemon that hangs: what does not fit passes */
	for (uint16_t i = 0; i < CT_QUEUE_MAX + 20; i++)
		send_from((uint16_t)(100 + i));
	ck_assert_uint_eq(came_out(200), 20);
	num_ids = 0;
	ck_assert_int_eq(ct_queue_read(&q, got, NULL, 1000), CT_QUEUE_DRAINED);
	ck_assert_uint_eq(num_ids, CT_QUEUE_MAX);
	for (unsigned i = 0; i < num_ids; i++)
		ck_assert_int_eq(ct_queue_pass(&q, ids[i]), 0);
	ck_assert_uint_eq(came_out(200), CT_QUEUE_MAX);
	/* one that is dead */
	ct_queue_close(&q);
	send_from(3);
	ck_assert_uint_eq(came_out(100), 1);
	ct_queue_rule_close(&rule);
	close(into);
	close(out);
}
END_TEST

/*
 * What it is for: the SYN went through another node, which told us of it, and
 * the answer comes here. 10.5.0.2:4000 is 10.6.0.1:4000 outside.
 */
START_TEST(an_answer_to_a_syn_of_elsewhere)
{
	uint8_t f[54] = { 2,	0,    0,  0,	0,    0x0c, 2,	  0,
			  0,	0,    0,  0x0d, 8,    0,    0x45, 0,
			  0,	40,   0,  0,	0,    0,    64,	  IPPROTO_TCP,
			  0x66, 0xc2, 10, 6,	0,    2,    10,	  6,
			  0,	1,    0,  80,	0x0f, 0xa0, 0,	  0,
			  0,	1,    0,  0,	0,    2,    0x50, 0x12,
			  0xff, 0xff };
	struct pollfd p = { .events = POLLIN };
	struct flow syn = lab_tcp(1);
	struct ct_inject in;
	const struct flow *g;

	router();
	lab_run("ip link set dev vc address 02:00:00:00:00:0c;"
		"ip neigh add 10.5.0.2 lladdr 02:00:00:00:00:0a dev vb;"
		"sysctl -qw net.netfilter.nf_conntrack_checksum=0"
		" net.ipv4.conf.vc.rp_filter=0;"
		"nft 'add chain inet lab pass { type filter hook forward"
		" priority 0; policy drop; };"
		" add rule inet lab pass ct state established accept'");
	syn.orig = (struct flow_tuple){ lab_addr(0x0a050002),
					lab_addr(0x0a060002), 4000, 80 };
	flow_tuple_invert(&syn, &syn.orig, &syn.reply);
	syn.reply.dst = lab_addr(0x0a060001);
	syn.tcp_state = TCP_CONNTRACK_SYN_SENT;
	syn.status = IPS_CONFIRMED;
	syn.timeout_s = 120;
	p.fd = into;
	ck_assert_int_eq(send(out, f, sizeof(f), 0), (ssize_t)sizeof(f));
	ck_assert_int_eq(poll(&p, 1, 100), 0);
	ck_assert_int_eq(ct_inject_open(&in), 0);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, syn), FLOW_APPLIED);
	ck_assert_int_eq(send(out, f, sizeof(f), 0), (ssize_t)sizeof(f));
	ck_assert_int_eq(poll(&p, 1, 1000), 1);
	ck_assert_int_ge(recv(into, f, sizeof(f), 0), 54);
	ck_assert_mem_eq(f + 30, syn.orig.src.b, 4);
	g = lab_find(lab_table(), &syn);
	ck_assert_ptr_nonnull(g);
	ck_assert_uint_eq(g->tcp_state, TCP_CONNTRACK_SYN_RECV);
	ct_inject_close(&in);
	close(into);
	close(out);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ct_queue");
	TCase *messages = tcase_create("messages");
	TCase *kernel = tcase_create("kernel");

	lab_require();
	tcase_add_test(messages, a_packet_with_its_entry);
	tcase_add_test(messages, a_packet_of_nothing_known);
	tcase_add_test(messages, what_is_no_packet);
	tcase_add_test(messages, cut_messages);
	suite_add_tcase(s, messages);
	tcase_set_timeout(kernel, 30);
	tcase_add_checked_fixture(kernel, lab_setup, NULL);
	tcase_add_test(kernel, the_table);
	tcase_add_test(kernel, the_queue);
	tcase_add_test(kernel, packets_wait);
	tcase_add_test(kernel, an_answer_to_a_syn_of_elsewhere);
	suite_add_tcase(s, kernel);
	return lab_run_suite(s);
}
