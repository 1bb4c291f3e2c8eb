// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What an honest node says on the link, one of each kind. Invariant: it is
 * valid.
 */
#include "say.h"

#include <netinet/in.h> /* before linux/in.h */

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "session_int.h"

/* --- flows ------------------------------------------------------------------ */

static void with_protocol(struct flow *f, unsigned i)
{
	static const uint8_t v4[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP,
				      IPPROTO_SCTP, IPPROTO_GRE };

	f->l4proto = v4[i % 5];
	if (f->family == AF_INET6 && f->l4proto == IPPROTO_ICMP)
		f->l4proto = IPPROTO_ICMPV6;
	if (f->l4proto == IPPROTO_TCP) {
		f->has |= FLOW_HAS_TCP;
		f->tcp_state = (uint8_t)(TCP_CONNTRACK_SYN_RECV + i / 5 % 7);
		f->tcp_flags[0] = f->tcp_flags[1] = 3;
		f->tcp_wscale[0] = 7;
	}
	if (f->l4proto == IPPROTO_SCTP) {
		f->has |= FLOW_HAS_SCTP;
		f->sctp_state = SCTP_CONNTRACK_ESTABLISHED;
		f->sctp_vtag[0] = 0x1234;
	}
	if (f->l4proto == IPPROTO_ICMP)
		f->orig.dport = 8 << 8;
	if (f->l4proto == IPPROTO_ICMPV6)
		f->orig.dport = 128 << 8;
}

static void with_extras(struct flow *f)
{
	f->has |= FLOW_HAS_LABELS | FLOW_HAS_HELPER | FLOW_HAS_MASTER |
		  FLOW_HAS_SEQADJ | FLOW_HAS_SYNPROXY;
	f->labels[3] = 1;
	strcpy(f->helper, "ftp");
	f->master = f->orig;
	f->master.dport = 21;
	f->master_l4proto = IPPROTO_TCP;
	f->seqadj[0] = (struct flow_seqadj){ 100, 0, 4 };
	f->synproxy.isn = 77;
	f->zone = 3;
	f->zone_dir = FLOW_ZONE_ORIG;
}

struct flow say_flow(uint16_t i)
{
	struct flow f = { .family = i % 3 == 2 ? AF_INET6 : AF_INET,
			  .status =
				  IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED,
			  .has = FLOW_HAS_TIMEOUT,
			  .timeout_s = 600 };

	f.orig.src.b[0] = f.family == AF_INET ? 10 : 0xfd;
	f.orig.src.b[3] = 7;
	f.orig.dst.b[0] = f.family == AF_INET ? 198 : 0x20;
	f.orig.sport = (uint16_t)(1024 + i);
	f.orig.dport = 443;
	with_protocol(&f, i);
	flow_tuple_invert(&f, &f.orig, &f.reply);
	if (i % 4 == 1) /* source NAT */
		f.reply.dst.b[0] ^= 0x40;
	if (i % 4 == 2) /* destination NAT */
		f.reply.src.b[1] ^= 0x40;
	f.mark = i % 7 ? 0 : i;
	if (i % 11 == 6)
		with_extras(&f);
	return f;
}

/* --- of nodes ----------------------------------------------------------------- */

static int say_word(struct session *s)
{
	static const struct session_word w = {
		.demotion = 1,
		.ready = true,
		.tx_epoch = 5,
		.number = 1,
		.owner = 1,
		.nvhosts = 2,
		.vhosts = { { .name = "lan",
			      .vhid = 1,
			      .state = 2,
			      .interval_us = 1000000,
			      .master_ms = 5000,
			      .first = 1,
			      .last = 2,
			      .identity = 3 },
			    { .name = "wan",
			      .vhid = 2,
			      .state = 1,
			      .interval_us = 1000000,
			      .advskew = 50 } },
	};

	return session_send_word(s, &w);
}

int say_small(struct session *s, struct reader *in, uint64_t got)
{
	static const struct session_address addresses[] = {
		{ AF_INET, { { 192, 0, 2, 2 } } },
		{ AF_INET6, { { 0xfe, 0x80, [15] = 3 } } },
	};
	static const struct session_switch give = { .kind = SESSION_HANDOVER_GO,
						    .reason = "work" };
	struct session_advert ad = { .counter = 7 };
	uint64_t refused[] = { 1, 2 };

	switch (fuzz_below(in, 7)) {
	case 0:
		return say_word(s);
	case 1:
		ad.vhost = fuzz_below(in, SESSION_VHOSTS_MAX);
		return session_send_advert(s, &ad);
	case 2:
		return session_send_addresses(s, addresses, 2);
	case 3:
		return session_send_bulk_request(s, 9);
	case 4:
		return session_send_gap(s, 6, "events were lost");
	case 5:
		return session_send_handover(s, &give);
	default:
		return got > s->rx.seq ? 0
				       : session_send_ack(s, got, refused, 2);
	}
}

/* --- of tables ---------------------------------------------------------------- */

static int say_sets(struct session *s)
{
	static const struct set_word list[] = {
		{ .name = "inet t silent",
		  .kind = { .present = true,
			    .key_type = 7,
			    .key_len = 4,
			    .flags = NFT_SET_TIMEOUT | NFT_SET_EVAL },
		  .want = 4,
		  .elements = 9 },
		{ .name = "inet t ranges",
		  .kind = { .present = true,
			    .key_type = 7,
			    .key_len = 4,
			    .flags = NFT_SET_TIMEOUT | NFT_SET_INTERVAL } },
	};

	return session_send_sets(s, list, 2, true);
}

static int say_elements(struct session *s, mono_t now)
{
	static const struct set_elements m = {
		.name = "inet t silent",
		.n = 3,
		.list = {
			{ .key_len = 4, .key = { 10, 1, 0, 9 },
			  .timeout_ms = 60000, .expires_ms = 3000,
			  .userdata_len = 4, .userdata = { 0, 2, 'x', 0 },
			  .expr_len = 14,
			  .expr = { SET_EXPR_COUNTER, 1, NFTA_COUNTER_BYTES, 8,
				    [11] = 99, [12] = SET_EXPR_LAST } },
			{ .key_len = 4, .key = { 10, 1, 0, 10 }, .end_len = 4,
			  .end = { 10, 1, 0, 12 } },
			{ .flags = SET_ELEM_DELETED, .key_len = 4,
			  .key = { 10, 1, 0, 13 } },
		},
	};

	return session_tell_elements(s, &m, now);
}

static int say_expect(struct session *s, mono_t now)
{
	struct expect_change c = { .op = EXPECT_NEW };
	struct expect *e = &c.expect;
	struct flow master = say_flow(0);

	*e = (struct expect){
		.family = AF_INET,
		.l4proto = IPPROTO_TCP,
		.master_l4proto = IPPROTO_TCP,
		.tuple = { .src = master.orig.dst,
			   .dst = master.orig.src,
			   .dport = 4000 },
		.master = master.orig,
		.nat_port = 4000,
		.nat_dir = 1,
		.timeout_s = 300,
		.helper = "ftp",
		.fn = "nat-follow-master",
	};
	memset(e->mask.b, 0xff, 4);
	/* a bulk would have to wait for it */
	return s->tx.bulk.running ? 0 : session_tell_expect(s, &c, now);
}

static int say_audit(struct session *s, enum session_audit_kind kind,
		     mono_t now)
{
	static const uint32_t sums[256] = { 1, 2, 3 }, buckets[] = { 1, 7 };
	static const uint64_t tuples[] = { 11, 12, 13 };
	static const uint32_t values[] = { 1, 2, 3 };
	struct session_audit a;

	a = (struct session_audit){ .kind = kind, .round = 1, .last = true };
	if (kind == SESSION_AUDIT_BEGIN) {
		a.bits = SESSION_AUDIT_BITS_MIN;
		a.period_ms = 60000;
	} else if (kind == SESSION_AUDIT_SUMS) {
		a.sums = sums;
		a.nsums = 256;
	} else if (kind == SESSION_AUDIT_VERDICT ||
		   kind == SESSION_AUDIT_LIST) {
		a.buckets = buckets;
		a.nbuckets = 2;
	} else if (kind == SESSION_AUDIT_ENTRIES) {
		a.identities = a.states = a.marks = values;
	} else if (kind == SESSION_AUDIT_REPORT ||
		   kind == SESSION_AUDIT_REFUSED ||
		   kind == SESSION_AUDIT_FOUND) {
		a.ntexts = 1;
		a.examples[0] = AUDIT_EXTRA;
		strcpy(a.texts[0], "tcp 10.1.0.7:1 -> 198.51.100.9:443");
	}
	if (kind == SESSION_AUDIT_ENTRIES || kind == SESSION_AUDIT_EXTRA) {
		a.tuples = tuples;
		a.ntuples = 3;
	}
	a.count[AUDIT_COMPARED] = 3;
	return session_send_audit(s, &a, now);
}

int say_large(struct session *s, struct reader *in, mono_t now)
{
	static const struct fact facts[] = {
		{ 1, "", "0.1", "" },
		{ 3, "", "1", "2 keys" },
		{ 3, "net.ipv4.ip_forward", "1", "" },
	};

	switch (fuzz_below(in, 5)) {
	case 0:
		return session_send_facts(s, facts, 3);
	case 1:
		return say_sets(s);
	case 2:
		return say_elements(s, now);
	case 3:
		return say_audit(
			s,
			(enum session_audit_kind)(
				1 + fuzz_below(in, SESSION_AUDIT_REFUSED)),
			now);
	default:
		return say_expect(s, now);
	}
}
