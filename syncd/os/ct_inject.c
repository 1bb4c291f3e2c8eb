/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flows into the kernel. Each operation walks through a few stages until it
 * has a result (ct_op.c); a round sends one message batch for all that may go,
 * reads the kernel's answers and moves each one on. Does not choose timeouts,
 * does not judge whose flows these are.
 *
 * Text: af_netlink.c (netlink_rcv_skb); CTNETLINK.md 2.
 *
 * Invariant: of two operations that share a tuple the later one is not sent
 * before the earlier one has its result.
 */
#include "ct_inject.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdlib.h>
#include <string.h>

#include "ct_msg.h"
#include "ct_op.h"
#include "ct_order.h"
#include "ct_put.h"

/* A batch gains nothing beyond 50 to 200 messages (CTNETLINK.md 2). */
#define BATCH_MESSAGES 200
#define BATCH_BYTES    (BATCH_MESSAGES * CT_PUT_MAX)

/* Every message may fail, and each answer books about 1 KiB, an entry 5. */
#define RECEIVE_BUFFER (4u << 20)

struct inject_work {
	struct nl_slots slots;
	struct ct_op ops[INJECT_OPS_MAX];
	struct ct_order order;
	/* The batch being made, and whose its messages are. */
	_Alignas(8) uint8_t batch[BATCH_BYTES];
	size_t len;
	struct nlmsghdr *last;
	uint16_t op_of[BATCH_MESSAGES];
	uint16_t messages;
	uint32_t seq; /* of the first one */
};

/* One call of ct_inject_apply. */
struct call {
	struct ct_inject *in;
	struct inject_work *w;
	const struct flow_change *ops;
	uint16_t n, left; /* at most INJECT_OPS_MAX */
	uint8_t *results;
};

int ct_inject_open(struct ct_inject *in)
{
	int ret;

	*in = (struct ct_inject){ .sock.fd = -1 };
	in->work = malloc(sizeof(*in->work));
	if (in->work == NULL)
		return -ENOMEM;
	nl_slots_init(&in->work->slots);
	ret = nl_open(&in->sock, NETLINK_NETFILTER, 0, RECEIVE_BUFFER);
	if (ret == 0)
		ret = nl_set_sndbuf(&in->sock, 4 * BATCH_BYTES);
	if (ret < 0)
		ct_inject_close(in);
	return ret;
}

void ct_inject_close(struct ct_inject *in)
{
	nl_close(&in->sock);
	free(in->work);
	in->work = NULL;
}

uint32_t ct_inject_portid(const struct ct_inject *in)
{
	return in->sock.portid;
}

static bool may_go(const struct call *c, const struct ct_op *s)
{
	for (size_t i = 0; i < 2; i++) {
		if (s->waits[i] != CT_ORDER_NONE &&
		    c->w->ops[s->waits[i]].stage != CT_DONE)
			return false;
	}
	return true;
}

/* Counts it out if it has its result. */
static void look_whether_done(struct call *c, size_t i)
{
	if (c->w->ops[i].stage != CT_DONE)
		return;
	c->results[i] = (uint8_t)c->w->ops[i].result;
	c->left--;
}

static void finish(struct call *c, size_t i, enum flow_result result)
{
	c->w->ops[i].stage = CT_DONE;
	c->w->ops[i].result = result;
	look_whether_done(c, i);
}

static void start_ops(struct call *c)
{
	c->left = c->n;
	ct_order_clear(&c->w->order);
	for (uint16_t i = 0; i < c->n; i++) {
		struct ct_op *s = &c->w->ops[i];

		ct_op_begin(s, &c->ops[i], c->in);
		ct_order_add(&c->w->order, &c->ops[i].flow, i, s->waits);
		look_whether_done(c, i);
	}
}

/* Writes one stage's message at the end of the batch; 0 if it cannot be. */
static size_t put_message(struct call *c, enum ct_stage stage, uint16_t i)
{
	const struct ct_op *s = &c->w->ops[i];
	struct flow less;
	const struct flow *f = ct_op_flow(s, &c->ops[i], &less);
	uint8_t *at = c->w->batch + c->w->len;
	uint32_t seq = c->in->sock.seq + 1;

	switch (stage) {
	case CT_CREATE:
	case CT_REPLACE:
		return ct_put_create(at, CT_PUT_MAX, seq, 0, f);
	case CT_UPDATE:
		return ct_put_update(at, CT_PUT_MAX, seq, 0, f,
				     (s->looked ? s->entry.status : f->status) &
					     IPS_EXPECTED);
	case CT_LOOK:
		return ct_put_get(at, CT_PUT_MAX, seq, 0, f);
	case CT_LOOK_REPLY:
		return ct_put_get_reply(at, CT_PUT_MAX, seq, 0, f);
	case CT_DELETE:
		return ct_put_delete_orig(at, CT_PUT_MAX, seq, 0, f);
	case CT_DELETE_REPLY:
		return ct_put_delete_reply(at, CT_PUT_MAX, seq, 0, f);
	case CT_TIMEOUT:
		return ct_put_timeout(at, CT_PUT_MAX, seq, 0, f);
	case CT_LABELS:
		return ct_put_labels_only(at, CT_PUT_MAX, seq, 0, f);
	case CT_DONE:
		break;
	}
	return 0;
}

/* The batch has room (batch_has_room). owner: i, or nobody. */
static bool batch_add(struct call *c, enum ct_stage stage, uint16_t i,
		      uint16_t owner)
{
	struct inject_work *w = c->w;
	size_t len = put_message(c, stage, i);

	if (len == 0)
		return false;
	w->last = (void *)(w->batch + w->len);
	w->len += len;
	w->op_of[w->messages++] = owner;
	c->in->sock.seq++;
	return true;
}

/* The deletes of a replacement belong to nobody: their errors are noise. */
static bool batch_add_op(struct call *c, uint16_t i)
{
	enum ct_stage stage = c->w->ops[i].stage;

	if (stage == CT_REPLACE &&
	    (!batch_add(c, CT_DELETE, i, CT_ORDER_NONE) ||
	     !batch_add(c, CT_DELETE_REPLY, i, CT_ORDER_NONE)))
		return false;
	return batch_add(c, stage, i, i);
}

static bool batch_has_room(const struct inject_work *w)
{
	return w->messages + 3 <= BATCH_MESSAGES &&
	       w->len + 3 * CT_PUT_MAX <= BATCH_BYTES;
}

static void batch_fill(struct call *c)
{
	struct inject_work *w = c->w;

	w->len = 0;
	w->messages = 0;
	w->last = NULL;
	w->seq = c->in->sock.seq + 1;
	for (uint16_t i = 0; i < c->n; i++) {
		struct ct_op *s = &w->ops[i];

		s->sent = false;
		if (s->stage == CT_DONE || !batch_has_room(w) || !may_go(c, s))
			continue;
		s->sent = batch_add_op(c, i);
		s->error = 0;
		s->found = false;
		if (!s->sent)
			finish(c, i, FLOW_INVALID);
	}
	if (w->last != NULL)
		w->last->nlmsg_flags |= NLM_F_ACK;
}

/* The entry that a look found. */
static void take_entry(struct call *c, const struct nlmsghdr *nlh, uint16_t op)
{
	struct ct_op *s = &c->w->ops[op];

	s->found = ct_msg_parse(nlh, &s->entry) == 0;
}

/* Returns true for the answer that ends the batch. */
static bool take_answer(struct call *c, const struct nlmsghdr *nlh)
{
	uint32_t index = nlh->nlmsg_seq - c->w->seq;
	uint16_t op;
	int error;

	if (index >= c->w->messages)
		return false; /* an older batch's */
	op = c->w->op_of[index];
	if (nlh->nlmsg_type != NLMSG_ERROR) {
		if (op != CT_ORDER_NONE)
			take_entry(c, nlh, op);
		return false;
	}
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(error))
		return false;
	memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	if (op != CT_ORDER_NONE)
		c->w->ops[op].error = error;
	return index + 1u == c->w->messages;
}

/* Returns true when the end of the batch came and no answer was lost. */
static bool read_answers(struct call *c)
{
	struct nl_slots *slots = &c->w->slots;
	bool end = false, lost = false;
	int n;

	while (!end) {
		n = nl_slots_recv(&c->in->sock, slots, NL_SLOTS);
		if (n == -ENOBUFS) {
			lost = true;
			continue;
		}
		if (n <= 0)
			return false;
		for (int i = 0; i < n; i++) {
			const struct nlmsghdr *nlh =
				(const void *)slots->bytes[i];

			if (mnl_nlmsg_ok(nlh, (int)slots->msgs[i].msg_len))
				end = take_answer(c, nlh) || end;
		}
	}
	return !lost;
}

/* Without the end of the batch, silence is no success. */
static void settle(struct call *c, bool whole)
{
	for (size_t i = 0; i < c->n; i++) {
		struct ct_op *s = &c->w->ops[i];

		if (s->stage == CT_DONE || !s->sent)
			continue;
		if (!whole && s->error == 0) {
			finish(c, i, FLOW_ACK_LOST);
		} else {
			ct_op_answered(s, &c->ops[i], c->in);
			look_whether_done(c, i);
		}
	}
}

static void give_up(struct call *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->w->ops[i].stage != CT_DONE)
			finish(c, i, FLOW_ACK_LOST);
	}
}

int ct_inject_apply(struct ct_inject *in, const struct flow_change *ops,
		    size_t n, uint8_t *results)
{
	struct call c = { .in = in, .w = in->work, .ops = ops };
	int ret;

	if (n > INJECT_OPS_MAX)
		return -EINVAL;
	c.n = (uint16_t)n;
	c.results = results;
	in->labels_asked = false;
	start_ops(&c);
	while (c.left > 0) {
		batch_fill(&c);
		if (c.w->len == 0)
			continue;
		ret = nl_send(&in->sock, c.w->batch, c.w->len);
		if (ret < 0) {
			give_up(&c);
			return ret;
		}
		settle(&c, read_answers(&c));
	}
	return 0;
}
