/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * os/ct_msg_extra and ct_put_extra: zones of one direction, labels, synproxy,
 * SCTP and protocols without ports, as messages and in the kernel's table.
 */
#include <netinet/in.h> /* before linux/in.h */

#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "ct_events.h"
#include "ct_lab.h"
#include "ct_msg.h"
#include "ct_put.h"
#include "ct_result.h"
#include "nl_attr.h"

/* --- flows --- */

static struct flow with_proto(unsigned i, uint8_t l4proto)
{
	struct flow f = lab_udp(i);

	f.l4proto = l4proto;
	if (l4proto == IPPROTO_ESP || l4proto == 253)
		f.orig.sport = f.orig.dport = 0;
	flow_tuple_invert(&f, &f.orig, &f.reply);
	return f;
}

static struct flow sctp(unsigned i, uint8_t state)
{
	struct flow f = with_proto(i, IPPROTO_SCTP);

	f.has |= FLOW_HAS_SCTP;
	f.sctp_state = state;
	f.sctp_vtag[0] = 0xa0000000 + i;
	f.sctp_vtag[1] = 0xb0000000 + i;
	return f;
}

static struct flow zoned(struct flow f, enum flow_zone_dir dir)
{
	f.zone = 7;
	f.zone_dir = (uint8_t)dir;
	return f;
}

static struct flow labelled(struct flow f, uint8_t bits)
{
	f.has |= FLOW_HAS_LABELS;
	memset(f.labels, 0, sizeof(f.labels));
	f.labels[0] = bits;
	f.labels[15] = bits;
	return f;
}

static struct flow synproxied(struct flow f)
{
	f.has |= FLOW_HAS_SYNPROXY;
	f.synproxy = (struct flow_synproxy){ 0x01020304, 0xf0e0d0c0, 77 };
	return f;
}

/* Both ends in a network of their own, with the last byte as in IPv4. */
static struct flow v6(struct flow f)
{
	struct flow_addr *const ends[] = { &f.orig.src, &f.orig.dst,
					   &f.reply.src, &f.reply.dst };

	f.family = AF_INET6;
	for (size_t i = 0; i < 4; i++) {
		memmove(ends[i]->b + 12, ends[i]->b, 4);
		memset(ends[i]->b, 0, 12);
		ends[i]->b[0] = 0xfd;
	}
	return f;
}

/* NAT of what has no ports changes addresses only. */
static struct flow translated(struct flow f, unsigned i)
{
	bool ports = f.orig.sport != 0;

	f = i % 2 ? lab_snat(f, i) : f;
	f = i % 4 > 1 ? lab_dnat(f) : f;
	if (ports)
		return f;
	f.reply.sport = f.reply.dport = 0;
	if (i % 2) /* nothing but the address tells one from the other */
		f.reply.dst.b[3] = (uint8_t)i;
	return f;
}

#define KINDS 14

static struct flow variety(unsigned i)
{
	static const uint8_t protos[] = { IPPROTO_UDPLITE, IPPROTO_GRE,
					  IPPROTO_ESP, 253 };
	unsigned kind = i / 8 % KINDS;
	struct flow f;

	if (kind < 4)
		f = with_proto(i, protos[kind]);
	else if (kind < 11)
		f = sctp(i, (uint8_t)(SCTP_CONNTRACK_CLOSED + i % 8));
	else if (kind == 11)
		f = labelled(lab_tcp(i), (uint8_t)(1 << i % 8));
	else if (kind == 12)
		f = synproxied(lab_tcp(i));
	else
		f = labelled(zoned(lab_udp(i), (enum flow_zone_dir)(i % 3)), 3);
	/* A GRE key belongs to a call that a helper knows. */
	f = f.l4proto == IPPROTO_GRE ? f : translated(f, i);
	return i / 4 % 2 ? v6(f) : f;
}

static void assert_same(const struct flow *f, const struct flow *g)
{
	char text[160];

	flow_format(f, text, sizeof(text));
	ck_assert_msg(g != NULL, "missing: %s", text);
	ck_assert_msg(lab_same(f, g), "differs: %s", text);
	ck_assert_msg(f->zone_dir == g->zone_dir, "zone_dir: %s", text);
	ck_assert_msg(f->has == g->has, "has %x, %x: %s", f->has, g->has, text);
	ck_assert_mem_eq(f->labels, g->labels, sizeof(f->labels));
	ck_assert_mem_eq(&f->synproxy, &g->synproxy, sizeof(f->synproxy));
	ck_assert_msg(f->sctp_state == g->sctp_state, "state: %s", text);
	ck_assert_mem_eq(f->sctp_vtag, g->sctp_vtag, sizeof(f->sctp_vtag));
}

/* --- messages --- */

/* Whatever a kernel's entry has reads back from our own message. */
START_TEST(reads_back)
{
	_Alignas(8) uint8_t buf[CT_PUT_MAX];

	for (unsigned i = 0; i < 8 * KINDS; i++) {
		struct flow f = variety(i), g;

		ck_assert_uint_gt(ct_put_create(buf, sizeof(buf), 1, 0, &f), 0);
		ck_assert_int_eq(ct_msg_parse((void *)buf, &g), 0);
		/* The translation is in attributes that are never read. */
		g.reply = f.reply;
		assert_same(&f, &g);
	}
}
END_TEST

/* The fullest message fits, and any damage to it is survived. */
START_TEST(parse_survives)
{
	struct flow f = translated(zoned(v6(sctp(1, 4)), FLOW_ZONE_REPLY), 3);
	_Alignas(8) uint8_t whole[CT_PUT_MAX];
	struct flow g;
	size_t len;

	f = synproxied(labelled(f, 0xff));
	len = ct_put_create(whole, sizeof(whole), 1, 0, &f);
	ck_assert_uint_gt(len, 0);
	for (size_t cut = sizeof(struct nlmsghdr); cut <= len; cut++) {
		uint8_t *copy = malloc(cut);

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, whole, cut);
		((struct nlmsghdr *)(void *)copy)->nlmsg_len = (uint32_t)cut;
		for (size_t at = sizeof(struct nlmsghdr); at < cut; at++) {
			copy[at] ^= 0xff;
			if (ct_msg_parse((void *)copy, &g) == 0)
				flow_valid(&g);
			copy[at] ^= 0xff;
		}
		free(copy);
	}
}
END_TEST

static void add_attr(uint8_t *buf, uint16_t type, const void *data, size_t len)
{
	struct nlmsghdr *nlh = (void *)buf;
	struct nl_msg m = { buf, CT_PUT_MAX, nlh->nlmsg_len, true };

	nl_msg_put(&m, type, data, len);
	ck_assert(m.ok);
	nlh->nlmsg_len = (uint32_t)m.used;
}

/* Labels of another length than the kernel's are no labels. */
START_TEST(odd_labels)
{
	_Alignas(8) uint8_t buf[CT_PUT_MAX];
	uint8_t labels[20] = { 1 };
	struct flow f = lab_udp(1), g;

	for (size_t len = 0; len <= sizeof(labels); len += 4) {
		ck_assert_uint_gt(ct_put_create(buf, sizeof(buf), 1, 0, &f), 0);
		add_attr(buf, CTA_LABELS, labels, len);
		ck_assert_int_eq(ct_msg_parse((void *)buf, &g),
				 len == 16 ? 0 : -EBADMSG);
	}
	ck_assert_uint_gt(ct_put_create(buf, sizeof(buf), 1, 0, &f), 0);
	add_attr(buf, CTA_SECCTX, "", 0);
	ck_assert_int_eq(ct_msg_parse((void *)buf, &g), 0);
	ck_assert(g.secmark);
}
END_TEST

/* --- the kernel's table --- */

static struct ct_inject in;

static void use_labels(void)
{
	lab_run("nft add rule inet lab out ip daddr 1.2.3.4 ct label set 5");
}

static void setup(void)
{
	lab_setup();
	use_labels();
	ck_assert_int_eq(ct_inject_open(&in), 0);
}

static void setup_without_labels(void)
{
	lab_setup();
	ck_assert_int_eq(ct_inject_open(&in), 0);
}

static void teardown(void)
{
	ct_inject_close(&in);
}

#define VARIETY (8 * KINDS * 2)

START_TEST(table_is_what_was_injected)
{
	static struct flow all[VARIETY];
	const struct lab_table *t;

	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < VARIETY; i++) {
			enum flow_op op = round ? FLOW_COPY : (enum flow_op)_i;
			enum flow_result r;
			char text[160];

			all[i] = variety(i);
			flow_format(&all[i], text, sizeof(text));
			r = lab_apply(&in, op, all[i]);
			ck_assert_msg(r == FLOW_APPLIED, "%s: %s",
				      ct_result_name(r), text);
		}
		t = lab_table();
		ck_assert_uint_eq(t->n, VARIETY);
		for (unsigned i = 0; i < VARIETY; i++) {
			const struct flow *f = &all[i], *g = lab_find(t, f);

			assert_same(f, g);
			ck_assert_int_eq(!!(g->status & IPS_SRC_NAT),
					 flow_has_snat(f));
			ck_assert_int_eq(!!(g->status & IPS_DST_NAT),
					 flow_has_dnat(f));
		}
	}
}
END_TEST

/* A zone of one direction separates that direction's tuples only. */
START_TEST(zones_of_one_direction)
{
	enum flow_zone_dir dir = (enum flow_zone_dir)_i;
	struct flow plain = lab_tcp(1), f = zoned(lab_tcp(1), dir), g;

	/* Beside the same tuple in no zone: their keys are two in both
	 * directions, or they clash in the other one and the newer wins. */
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, plain), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	ck_assert_uint_eq(lab_table()->n, dir == FLOW_ZONE_BOTH ? 2 : 1);
	assert_same(&f, lab_find(lab_table(), &f));
	/* Found by either tuple. */
	f.timeout_s = 50;
	ck_assert_int_eq(lab_apply(&in, FLOW_TIMEOUT, f), FLOW_APPLIED);
	ck_assert_uint_le(lab_find(lab_table(), &f)->timeout_s, 50);
	f.mark = 3;
	ck_assert_int_eq(lab_apply(&in, FLOW_UPDATE, f), FLOW_APPLIED);
	assert_same(&f, lab_find(lab_table(), &f));
	/* The same tuples in the other direction's zone share no key. */
	g = f;
	g.zone_dir = dir == FLOW_ZONE_REPLY ? FLOW_ZONE_ORIG : FLOW_ZONE_REPLY;
	if (dir != FLOW_ZONE_BOTH) {
		ck_assert_int_eq(lab_apply(&in, FLOW_COPY, g), FLOW_APPLIED);
		ck_assert_uint_eq(lab_table()->n, 2);
		ck_assert_int_eq(lab_apply(&in, FLOW_DESTROY, g), FLOW_APPLIED);
		assert_same(&f, lab_find(lab_table(), &f));
	}
	ck_assert_int_eq(lab_apply(&in, FLOW_DESTROY, f), FLOW_APPLIED);
	ck_assert_uint_eq(lab_table()->n, dir == FLOW_ZONE_BOTH);
}
END_TEST

START_TEST(marks_and_labels_change)
{
	struct flow f = labelled(lab_tcp(1), 0xf0);

	f.mark = 9;
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	f = labelled(f, 0x0f);
	f.mark = 0;
	ck_assert_int_eq(lab_apply(&in, (enum flow_op)_i, f), FLOW_APPLIED);
	assert_same(&f, lab_find(lab_table(), &f));
	/* An event without labels says nothing about them. */
	f.has &= (uint8_t)~FLOW_HAS_LABELS;
	ck_assert_int_eq(lab_apply(&in, FLOW_UPDATE, f), FLOW_APPLIED);
	f.has |= FLOW_HAS_LABELS;
	assert_same(&f, lab_find(lab_table(), &f));
}
END_TEST

/* No rule uses labels: all else is applied, and it is said of each. */
START_TEST(labels_are_not_kept)
{
	struct flow_change ops[100];
	uint8_t results[100];
	struct flow f;

	for (unsigned i = 0; i < 100; i++) {
		f = i % 2 ? lab_tcp(i) : labelled(lab_tcp(i), 1);
		ops[i] = lab_change(i % 4 > 1 ? FLOW_COPY : FLOW_NEW, f);
	}
	for (int round = 0; round < 3; round++) {
		in.labels_kept = round == 1; /* as it was before */
		ck_assert_int_eq(ct_inject_apply(&in, ops, 100, results), 0);
		ck_assert_uint_eq(lab_table()->n, 100);
		ck_assert(!in.labels_kept);
		for (unsigned i = 0; i < 100; i++) {
			if (round == 1 && i % 2 == 0) /* one of them is asked */
				ck_assert(results[i] == FLOW_LABELS ||
					  results[i] == FLOW_APPLIED);
			else
				ck_assert_int_eq(results[i],
						 i % 2 ? FLOW_APPLIED
						       : FLOW_LABELS);
		}
	}
	f = ops[0].flow;
	f.tcp_state = TCP_CONNTRACK_FIN_WAIT;
	f.mark = 4;
	ck_assert_int_eq(lab_apply(&in, FLOW_UPDATE, f), FLOW_LABELS);
	ck_assert_uint_eq(lab_find(lab_table(), &f)->mark, 4);
	ck_assert_uint_eq(lab_find(lab_table(), &f)->tcp_state,
			  TCP_CONNTRACK_FIN_WAIT);
	use_labels();
	f = labelled(lab_tcp(200), 1);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	ck_assert(in.labels_kept);
}
END_TEST

/* Packets do not end an entry of GRE, and its timeout can still be set. */
START_TEST(gre_outlives_a_packet)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct flow f = with_proto(1, IPPROTO_GRE);
	const uint8_t packet[8] = { 0, 0, 8, 0 };
	const struct flow *g;
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_GRE);

	f.orig = (struct flow_tuple){ .src = lab_addr(0x7f000001),
				      .dst = lab_addr(0x7f000002) };
	flow_tuple_invert(&f, &f.orig, &f.reply);
	f.mark = 5;
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	to.sin_addr.s_addr = htonl(0x7f000002);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(sendto(fd, packet, sizeof(packet), 0,
					(void *)&to, sizeof(to)),
				 sizeof(packet));
	close(fd);
	g = lab_find(lab_table(), &f);
	ck_assert_ptr_nonnull(g);
	ck_assert_uint_eq(g->mark, 5);
	ck_assert_uint_ge(g->timeout_s, 3500);
	f.timeout_s = 600;
	ck_assert_int_eq(lab_apply(&in, (enum flow_op)_i, f), FLOW_APPLIED);
	g = lab_find(lab_table(), &f);
	ck_assert_uint_le(g->timeout_s, 600);
	ck_assert_uint_ge(g->timeout_s, 500);
	ck_assert_uint_eq(lab_table()->n, 1);
}
END_TEST

/* --- events --- */

static struct ct_event last;
static unsigned num_events;

static void take(const struct ct_event *e, void *arg)
{
	(void)arg;
	last = *e;
	num_events++;
}

/* A change of labels alone is told with all that the flow is. */
START_TEST(events_are_whole)
{
	const struct flow flows[] = {
		labelled(lab_tcp(1), 1),
		labelled(zoned(sctp(2, SCTP_CONNTRACK_ESTABLISHED),
			       FLOW_ZONE_ORIG),
			 1),
		labelled(zoned(v6(lab_udp(3)), FLOW_ZONE_REPLY), 1),
		labelled(with_proto(4, IPPROTO_ESP), 1),
	};
	_Alignas(8) uint8_t buf[CT_PUT_MAX];
	struct ct_inject other;
	struct ct_events ev;
	struct flow f = flows[_i];
	size_t len;

	ck_assert_int_eq(ct_inject_open(&other), 0);
	ck_assert_int_eq(ct_events_open(&ev, 1 << 20), 0);
	ck_assert_int_eq(ct_events_subscribe(&ev), 0);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	ck_assert_int_eq(ct_events_read(&ev, take, NULL, 0), CT_EVENTS_DRAINED);
	assert_same(&f, &last.flow);
	f = labelled(f, 0x81);
	len = ct_put_labels_only(buf, sizeof(buf), 0, NLM_F_ACK, &f);
	ck_assert_int_eq(nl_talk(&other.sock, buf, len, NULL, NULL), 0);
	num_events = 0;
	ck_assert_int_eq(ct_events_read(&ev, take, NULL, 0), CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 1);
	ck_assert_int_eq(last.op, FLOW_UPDATE);
	assert_same(&f, &last.flow);
	ck_assert_int_eq(lab_apply(&in, FLOW_DESTROY, f), FLOW_APPLIED);
	ck_assert_int_eq(ct_events_read(&ev, take, NULL, 0), CT_EVENTS_DRAINED);
	ck_assert_int_eq(last.op, FLOW_DESTROY);
	ck_assert_uint_eq(last.flow.zone_dir, f.zone_dir);
	ct_events_close(&ev);
	ct_inject_close(&other);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ct_extra");
	TCase *m = tcase_create("messages");
	TCase *t = tcase_create("kernel");
	TCase *n = tcase_create("without labels");

	lab_require();
	tcase_add_test(m, reads_back);
	tcase_add_test(m, parse_survives);
	tcase_add_test(m, odd_labels);
	suite_add_tcase(s, m);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, table_is_what_was_injected, FLOW_NEW,
			    FLOW_COPY + 1);
	tcase_add_loop_test(t, zones_of_one_direction, FLOW_ZONE_BOTH,
			    FLOW_ZONE_REPLY + 1);
	tcase_add_loop_test(t, marks_and_labels_change, FLOW_UPDATE,
			    FLOW_COPY + 1);
	tcase_add_loop_test(t, gre_outlives_a_packet, FLOW_UPDATE,
			    FLOW_COPY + 1);
	tcase_add_loop_test(t, gre_outlives_a_packet, FLOW_TIMEOUT,
			    FLOW_TIMEOUT + 1);
	tcase_add_loop_test(t, events_are_whole, 0, 4);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(n, setup_without_labels, teardown);
	tcase_add_test(n, labels_are_not_kept);
	suite_add_tcase(s, n);
	return lab_run_suite(s);
}
