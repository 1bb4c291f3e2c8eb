/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flows into the kernel. Each operation walks through a few stages until it
 * has a result; a round sends one message batch for all that may go, reads
 * the kernel's answers and moves each one on. Does not choose timeouts, does
 * not judge whose flows these are.
 *
 * Text: nf_conntrack_netlink.c (ctnetlink_new_conntrack and below), af_netlink.c
 * (netlink_rcv_skb); spec/ctnetlink.md 1 and 2.
 *
 * Invariant: of two operations that share a tuple the later one is not sent
 * before the earlier one has its result.
 */
#include "ct_inject.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ct_helper.h"
#include "ct_msg.h"
#include "ct_order.h"
#include "ct_put.h"
#include "ct_result.h"

/* A batch gains nothing beyond 50 to 200 messages (spec/ctnetlink.md 2). */
#define BATCH_MESSAGES 200
#define BATCH_BYTES    (BATCH_MESSAGES * CT_PUT_MAX)

/* Every message may fail, and each answer books about 1 KiB, an entry 5. */
#define RECEIVE_BUFFER (4u << 20)

/* Who still has no result after so many steps meets a moving target. */
#define STEPS_MAX 8

enum stage {
	STAGE_CREATE,
	STAGE_UPDATE,
	STAGE_LOOK,    /* ask for what is there and compare */
	STAGE_REPLACE, /* delete by both tuples, then create */
	STAGE_DELETE,
	STAGE_DELETE_REPLY, /* only as part of a replacement */
	STAGE_TIMEOUT,
	STAGE_LABELS, /* were those of a creation kept? */
	STAGE_DONE,
};

struct op_state {
	enum stage stage;
	uint8_t steps;
	bool sent;   /* in this round */
	bool taken;  /* the kernel refused to create it: EEXIST */
	bool looked; /* an update that follows a look */
	bool same;   /* what the look found */
	struct ct_helper_less less;
	int error;	   /* of this round, 0 or -errno */
	uint32_t status;   /* of the entry found */
	uint16_t waits[2]; /* see ct_order_add */
};

struct inject_work {
	struct nl_slots slots;
	struct op_state ops[INJECT_OPS_MAX];
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
	size_t n, left;
	uint8_t *results;
	bool labels_asked;
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

static bool may_go(const struct call *c, const struct op_state *s)
{
	for (size_t i = 0; i < 2; i++) {
		if (s->waits[i] != CT_ORDER_NONE &&
		    c->w->ops[s->waits[i]].stage != STAGE_DONE)
			return false;
	}
	return true;
}

static void finish(struct call *c, size_t i, enum flow_result result)
{
	c->w->ops[i].stage = STAGE_DONE;
	c->results[i] = result;
	c->left--;
}

/*
 * The first stage; STAGE_DONE when the operation makes no sense. Copies come
 * by the thousand, and either most of them are there already or none: so it
 * begins with what the last one met.
 */
static enum stage first_stage(const struct call *c,
			      const struct flow_change *op)
{
	const struct flow *f = &op->flow;

	if (flow_addr_len(f->family) == 0)
		return STAGE_DONE;
	switch (op->op) {
	case FLOW_NEW:
	case FLOW_ADD:
		return ct_result_possible(op) ? STAGE_CREATE : STAGE_DONE;
	case FLOW_UPDATE:
		return ct_result_possible(op) ? STAGE_UPDATE : STAGE_DONE;
	case FLOW_COPY:
		if (!ct_result_possible(op))
			return STAGE_DONE;
		return c->in->copies_known ? STAGE_LOOK : STAGE_CREATE;
	case FLOW_DESTROY:
		return STAGE_DELETE;
	case FLOW_TIMEOUT:
		return f->has & FLOW_HAS_TIMEOUT ? STAGE_TIMEOUT : STAGE_DONE;
	}
	return STAGE_DONE;
}

static void start_ops(struct call *c)
{
	c->left = c->n;
	ct_order_clear(&c->w->order);
	for (uint16_t i = 0; i < c->n; i++) {
		struct op_state *s = &c->w->ops[i];

		*s = (struct op_state){ .stage = first_stage(c, &c->ops[i]) };
		ct_order_add(&c->w->order, &c->ops[i].flow, i, s->waits);
		if (s->stage == STAGE_DONE)
			finish(c, i, FLOW_INVALID);
	}
}

/*
 * What was found under the original tuple: the same connection is updated,
 * another one replaced. Where nothing was found but creation was refused, the
 * reply tuple is taken.
 */
static enum stage after_look(struct call *c, struct op_state *s)
{
	if (s->error == -ENOENT && !s->taken) {
		c->in->copies_known = false;
		return STAGE_CREATE;
	}
	if (s->error == -ENOENT || !s->same)
		return STAGE_REPLACE;
	s->looked = true;
	return STAGE_UPDATE;
}

static enum stage after_taken(struct call *c, const struct flow_change *op,
			      struct op_state *s)
{
	s->taken = true;
	if (op->op == FLOW_NEW)
		return STAGE_REPLACE;
	c->in->copies_known = true;
	return STAGE_LOOK;
}

/* The stage after an answer that is not final; STAGE_DONE if there is none. */
static enum stage next_stage(struct call *c, const struct flow_change *op,
			     struct op_state *s)
{
	switch (s->stage) {
	case STAGE_CREATE:
		if (s->error == -EEXIST)
			return after_taken(c, op, s);
		break;
	case STAGE_TIMEOUT:
	case STAGE_UPDATE:
		if (s->error == -ENOENT || s->error == -ETIME)
			return STAGE_CREATE;
		/* It has seen more than ours, and bits cannot be cleared:
		 * unless it is only EXPECTED, another incarnation. */
		if (s->error == -EBUSY)
			return s->looked ? STAGE_REPLACE : STAGE_LOOK;
		/* a fixed timeout: that of ours is, where it is GRE */
		if (s->error == -EPERM && op->flow.l4proto == IPPROTO_GRE)
			return STAGE_REPLACE;
		break;
	case STAGE_LOOK:
		if (s->error == 0 || s->error == -ENOENT)
			return after_look(c, s);
		break;
	case STAGE_REPLACE:
		if (s->error == -EEXIST)
			return STAGE_REPLACE;
		break;
	case STAGE_DELETE:
	case STAGE_DELETE_REPLY:
	case STAGE_LABELS:
	case STAGE_DONE:
		break;
	}
	return STAGE_DONE;
}

static enum flow_result applied(struct call *c, size_t i)
{
	const struct op_state *s = &c->w->ops[i];

	c->in->orphans += !!(s->less.without & FLOW_HAS_MASTER);
	if (!(s->less.without & FLOW_HAS_HELPER))
		return FLOW_APPLIED;
	memcpy(c->in->helper, c->ops[i].flow.helper, sizeof(c->in->helper));
	return FLOW_HELPER;
}

/*
 * A kernel that keeps no labels makes an entry without them and says nothing
 * (ctnetlink_new_conntrack), but it refuses them to one that is there. What
 * holds for one holds for all: one of a call is asked about while it is yes.
 */
static bool asks_labels(struct call *c, size_t i)
{
	enum stage stage = c->w->ops[i].stage;
	bool created = stage == STAGE_CREATE || stage == STAGE_REPLACE;

	if (!created || !(c->ops[i].flow.has & FLOW_HAS_LABELS) ||
	    (c->labels_asked && c->in->labels_kept))
		return false;
	return c->labels_asked = true;
}

/* Labels come last: where they are refused all else was applied. */
static bool ends_by_labels(struct call *c, size_t i)
{
	const struct op_state *s = &c->w->ops[i];
	bool refused = s->error == -ENOSPC;

	if (s->stage != STAGE_LABELS && !(s->stage == STAGE_UPDATE && refused))
		return false;
	c->in->labels_kept = s->error == 0;
	finish(c, i, refused ? FLOW_LABELS : applied(c, i));
	return true;
}

static void advance(struct call *c, size_t i)
{
	struct op_state *s = &c->w->ops[i];
	bool idle = s->stage == STAGE_DELETE || s->stage == STAGE_TIMEOUT;
	enum stage next;

	if (ends_by_labels(c, i))
		return;
	if (s->error == 0 && asks_labels(c, i)) {
		s->stage = STAGE_LABELS;
		return;
	}
	if (s->error == 0 && s->stage != STAGE_LOOK) {
		finish(c, i, applied(c, i));
		return;
	}
	if (s->stage != STAGE_LOOK &&
	    ct_helper_do_without(&s->less, &c->ops[i].flow,
				 s->stage == STAGE_CREATE ||
					 s->stage == STAGE_REPLACE,
				 s->error))
		return;
	if (idle && (s->error == -ENOENT || s->error == -ETIME)) {
		finish(c, i, FLOW_GONE);
		return;
	}
	if (c->ops[i].op == FLOW_ADD && s->error == -EEXIST) {
		finish(c, i, FLOW_APPLIED);
		return;
	}
	next = next_stage(c, &c->ops[i], s);
	if (next == STAGE_DONE)
		finish(c, i, ct_result_of(s->error, &c->in->last_errno));
	else if (++s->steps == STEPS_MAX)
		finish(c, i, FLOW_CLASH);
	else
		s->stage = next;
}

/* Writes one stage's message at the end of the batch; 0 if it cannot be. */
static size_t put_message(struct call *c, enum stage stage, uint16_t i)
{
	const struct op_state *s = &c->w->ops[i];
	struct flow copy;
	const struct flow *f =
		ct_helper_without(&s->less, &c->ops[i].flow, &copy);
	uint8_t *at = c->w->batch + c->w->len;
	uint32_t seq = c->in->sock.seq + 1;

	switch (stage) {
	case STAGE_CREATE:
	case STAGE_REPLACE:
		return ct_put_create(at, CT_PUT_MAX, seq, 0, f);
	case STAGE_UPDATE:
		return ct_put_update(at, CT_PUT_MAX, seq, 0, f,
				     (s->looked ? s->status : f->status) &
					     IPS_EXPECTED);
	case STAGE_LOOK:
		return ct_put_get(at, CT_PUT_MAX, seq, 0, f);
	case STAGE_DELETE:
		return ct_put_delete_orig(at, CT_PUT_MAX, seq, 0, f);
	case STAGE_DELETE_REPLY:
		return ct_put_delete_reply(at, CT_PUT_MAX, seq, 0, f);
	case STAGE_TIMEOUT:
		return ct_put_timeout(at, CT_PUT_MAX, seq, 0, f);
	case STAGE_LABELS:
		return ct_put_labels_only(at, CT_PUT_MAX, seq, 0, f);
	case STAGE_DONE:
		break;
	}
	return 0;
}

/* The batch has room (batch_has_room). owner: i, or nobody. */
static bool batch_add(struct call *c, enum stage stage, uint16_t i,
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
	enum stage stage = c->w->ops[i].stage;

	if (stage == STAGE_REPLACE &&
	    (!batch_add(c, STAGE_DELETE, i, CT_ORDER_NONE) ||
	     !batch_add(c, STAGE_DELETE_REPLY, i, CT_ORDER_NONE)))
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
		struct op_state *s = &w->ops[i];

		s->sent = false;
		if (s->stage == STAGE_DONE || !batch_has_room(w) ||
		    !may_go(c, s))
			continue;
		s->sent = batch_add_op(c, i);
		s->error = 0;
		s->same = false;
		if (!s->sent)
			finish(c, i, FLOW_INVALID);
	}
	if (w->last != NULL)
		w->last->nlmsg_flags |= NLM_F_ACK;
}

/* The entry that a look found. */
static void take_entry(struct call *c, const struct nlmsghdr *nlh, uint16_t op)
{
	const struct flow *ours = &c->ops[op].flow;
	struct op_state *s = &c->w->ops[op];
	struct flow found;

	if (ct_msg_parse(nlh, &found) != 0)
		return;
	s->status = found.status;
	s->same = flow_same_key(&found, ours) &&
		  flow_tuple_equal(&found.reply, &ours->reply) &&
		  found.zone == ours->zone &&
		  found.zone_dir == ours->zone_dir &&
		  ct_helper_same(ours, &found);
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
		const struct op_state *s = &c->w->ops[i];

		if (s->stage == STAGE_DONE || !s->sent)
			continue;
		if (!whole && s->error == 0)
			finish(c, i, FLOW_ACK_LOST);
		else
			advance(c, i);
	}
}

static void give_up(struct call *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->w->ops[i].stage != STAGE_DONE)
			finish(c, i, FLOW_ACK_LOST);
	}
}

int ct_inject_apply(struct ct_inject *in, const struct flow_change *ops,
		    size_t n, uint8_t *results)
{
	struct call c = { .in = in, .w = in->work, .ops = ops, .n = n };
	int ret;

	if (n > INJECT_OPS_MAX)
		return -EINVAL;
	c.results = results;
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
