// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A batch of flows: read, written again and read to the same; then each as
 * every message that it may become for the kernel, and all of them injected
 * into one that answers as the input says.
 */
#include <string.h>

#include "ct_helper.h"
#include "ct_inject.h"
#include "ct_msg.h"
#include "ct_op.h"
#include "ct_put.h"
#include "digest.h"
#include "flow_pb.h"
#include "flows_fit.h"
#include "fuzz_link.h"
#include "netlink.h"
#include "statesync.pb-c.h"
#include "timeouts.h"

static struct flow_change list[FLOW_PB_BATCH], again[FLOW_PB_BATCH];

/* --- one flow for the kernel --------------------------------------------------------- */

static _Alignas(8) uint8_t message[CT_PUT_MAX];

/* What was built is a message, and says this of the flow. */
static void built(size_t len, const struct flow *f, struct flow *out)
{
	const struct nlmsghdr *nlh = (const void *)message;

	assert(len > 0 && len % 4 == 0 && nlh->nlmsg_len == len);
	netlink_check(nlh);
	assert(ct_msg_parse(nlh, out) >= 0);
	assert(out->family == f->family && out->l4proto == f->l4proto);
}

static bool has(const struct flow *f, uint8_t part)
{
	return f->has & part;
}

/* All but timeout and translation, as far as the message has it. */
static void same_state(const struct flow *f, const struct flow *g)
{
	assert(g->mark == f->mark && g->zone == f->zone);
	assert(has(g, FLOW_HAS_TIMEOUT) == has(f, FLOW_HAS_TIMEOUT));
	assert(g->timeout_s == f->timeout_s || !has(f, FLOW_HAS_TIMEOUT));
	assert(g->tcp_state == f->tcp_state || !has(f, FLOW_HAS_TCP));
	assert(!memcmp(g->tcp_wscale, f->tcp_wscale, sizeof(f->tcp_wscale)));
	assert(has(g, FLOW_HAS_LABELS) == has(f, FLOW_HAS_LABELS));
	assert(!memcmp(g->labels, f->labels, sizeof(f->labels)));
	assert(has(g, FLOW_HAS_SCTP) == has(f, FLOW_HAS_SCTP));
	assert(!memcmp(g->sctp_vtag, f->sctp_vtag, sizeof(f->sctp_vtag)));
	assert(has(g, FLOW_HAS_SEQADJ) == has(f, FLOW_HAS_SEQADJ));
	assert(!memcmp(g->seqadj, f->seqadj, sizeof(f->seqadj)));
	assert(!memcmp(&g->synproxy, &f->synproxy, sizeof(f->synproxy)));
	if (has(f, FLOW_HAS_HELPER) && ct_helper_moves(f->helper))
		assert(!memcmp(g->helper, f->helper, sizeof(f->helper)));
}

static void one(const struct flow *f)
{
	char text[160];
	struct flow g, h;
	struct flow_tuple inverse;

	flow_tuple_invert(f, &f->orig, &inverse);
	built(ct_put_create(message, sizeof(message), 1, 0, f), f, &g);
	same_state(f, &g);
	assert(flow_tuple_equal(&g.orig, &f->orig));
	assert(flow_tuple_equal(&g.reply, &inverse));
	assert(g.zone_dir == f->zone_dir);
	assert(!has(f, FLOW_HAS_MASTER) ||
	       flow_tuple_equal(&g.master, &f->master));
	built(ct_put_update(message, sizeof(message), 1, 0, f, 0), f, &h);
	assert(flow_tuple_equal(&h.orig, &f->orig));
	built(ct_put_timeout(message, sizeof(message), 1, 0, f), f, &h);
	built(ct_put_labels_only(message, sizeof(message), 1, 0, f), f, &h);
	built(ct_put_delete_orig(message, sizeof(message), 1, 0, f), f, &h);
	built(ct_put_delete_reply(message, sizeof(message), 1, 0, f), f, &h);
	assert(flow_tuple_equal(&h.reply, &f->reply));
	built(ct_put_get(message, sizeof(message), 1, 0, f), f, &h);
	built(ct_put_get_reply(message, sizeof(message), 1, 0, f), f, &h);
	flow_format(f, text, sizeof(text));
	assert(strlen(text) < sizeof(text) - 1);
}

static void inject(struct flow_change *changes, size_t n, unsigned merge)
{
	static struct ct_inject in;
	static struct flow_timeouts timeouts;
	uint8_t results[INJECT_OPS_MAX];

	if (!in.work) {
		assert(!ct_inject_open(&in));
		timeouts_default(&timeouts);
		in.timeouts = &timeouts;
	}
	in.copies_known = merge & 4;
	in.labels_kept = in.labels_asked = false;
	for (size_t i = 0; i < n; i++) {
		changes[i].merge = (enum flow_merge)(merge % 4);
		if (merge & 8)
			changes[i].op = FLOW_TIMEOUT;
	}
	memset(results, 0xff, sizeof(results));
	if (ct_inject_apply(&in, changes, n, results) == 0)
		for (size_t i = 0; i < n; i++)
			assert(results[i] < FLOW_RESULT_COUNT);
}

/* --- the batch --------------------------------------------------------------------------- */

void link_flows(const struct frame *f, const struct link_how *how)
{
	static const uint8_t key[DIGEST_KEY_LEN] = "0123456789abcdef";
	static uint8_t bytes[FRAME_PAYLOAD_MAX];
	static struct flow_pb_batch b;
	struct digest there = { 0 }, here = { 0 };
	struct frame fitted = *f;
	Statesync__Flows m;
	size_t n, valid = 0, len;

	if (how->fit) {
		fitted.len = flows_fit(f->payload, f->len, bytes);
		fitted.payload = bytes;
	}
	if (!flow_pb_unpack(&link_arena[0], fitted.payload, fitted.len, list,
			    &n))
		return;
	flow_pb_clear(&b);
	for (size_t i = 0; i < n; i++) {
		if (!flow_valid(&list[i].flow))
			continue;
		if (valid != i)
			list[valid] = list[i];
		flow_pb_add(&b, list[valid].op, &list[valid].flow);
		digest_add(&there, key, &list[valid++].flow);
	}
	flow_pb_message(&b, &m);
	len = statesync__flows__get_packed_size(&m);
	assert(len <= FRAME_PAYLOAD_MAX);
	statesync__flows__pack(&m, bytes);
	assert(flow_pb_unpack(&link_arena[1], bytes, len, again, &n));
	assert(n == valid);
	assert(!memcmp(again, list, n * sizeof(*list)));
	for (size_t i = 0; i < n; i++) {
		digest_add(&here, key, &again[i].flow);
		one(&list[i].flow);
	}
	assert(digest_equal(&here, &there));
	inject(list, n, how->kind);
}
