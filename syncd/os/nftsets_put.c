// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Changes of nftables sets: each op is a message of one transaction, so the
 * kernel says which of them it refuses; the others go in the next one.
 *
 * Text: nfnetlink.c (nfnetlink_rcv_batch: a message that fails does not keep
 * the following ones from being looked at, and nothing is committed then).
 *
 * Invariant: an op that has its result is never sent again, and each round
 * gives at least one its result or another form, so this ends.
 */
#include "nftsets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "nftsets_msg.h"

#define NO_RESULT SET_RESULTS
#define ROUNDS	  6 /* of all together; then each alone */

struct put {
	struct nftsets *s;
	unsigned set;
	const struct set_op *ops;
	size_t n;
	uint8_t *results;
	enum set_do what[SET_FRAME_MAX];
	bool turned[SET_FRAME_MAX]; /* from ADD to REPLACE or back */
	/* the transaction; messages are numbered from first on */
	size_t used;
	uint32_t first;
	uint8_t owner[2 * SET_FRAME_MAX]; /* op of each message */
	bool deletes[2 * SET_FRAME_MAX];
	size_t messages;
	int errors[2 * SET_FRAME_MAX];
	bool acked, broken; /* the last message; the whole */
	bool committed;
};

/* --- a transaction ----------------------------------------------------------------- */

static struct nlmsghdr *message(struct put *p, size_t op, bool del)
{
	struct nlmsghdr *nlh =
		nftsets_put(p->s->batch + p->used, &p->s->names[p->set],
			    &p->s->kinds[p->set], del, &p->ops[op].elem);

	nlh->nlmsg_seq = ++p->s->talk.seq;
	p->owner[p->messages] = (uint8_t)op;
	p->deletes[p->messages++] = del;
	p->used += NLMSG_ALIGN(nlh->nlmsg_len);
	return nlh;
}

static void build(struct put *p, const bool *in)
{
	struct nlmsghdr *nlh, *last = NULL;

	p->messages = 0;
	p->acked = p->broken = p->committed = false;
	nlh = nftnl_batch_begin((char *)p->s->batch, ++p->s->talk.seq);
	p->first = p->s->talk.seq + 1;
	p->used = NLMSG_ALIGN(nlh->nlmsg_len);
	for (size_t i = 0; i < p->n; i++) {
		if (!in[i])
			continue;
		if (p->what[i] != SET_ADD)
			last = message(p, i, true);
		if (p->what[i] != SET_DELETE)
			last = message(p, i, false);
	}
	if (last) /* looked at, it is answered, come what may of the others */
		last->nlmsg_flags |= NLM_F_ACK;
	nlh = nftnl_batch_end((char *)p->s->batch + p->used, ++p->s->talk.seq);
	p->used += NLMSG_ALIGN(nlh->nlmsg_len);
	memset(p->errors, 0, sizeof(p->errors));
}

static void answer(struct put *p, const struct nlmsghdr *nlh)
{
	uint32_t i = nlh->nlmsg_seq - p->first;
	int code = 0;

	if (nlh->nlmsg_type != NLMSG_ERROR ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(code))
		return;
	memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
	if (i >= p->messages)
		p->broken |= i + 1 == 0 || i == p->messages; /* its marks */
	else if (code == 0)
		p->acked = true;
	else
		p->errors[i] = code;
}

static void converse(struct put *p)
{
	_Alignas(8) uint8_t answers[8192];
	const struct nlmsghdr *nlh;
	int err = nl_send(&p->s->talk, p->s->batch, p->used);

	p->broken |= err < 0;
	for (;;) {
		ssize_t got = recv(p->s->talk.fd, answers, sizeof(answers),
				   MSG_DONTWAIT);
		int len = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == ENOBUFS) {
			p->broken = true;
			continue;
		}
		if (got <= 0)
			return;
		nlh = (const void *)answers;
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
			answer(p, nlh);
	}
}

/* --- what it says -------------------------------------------------------------------- */

static enum set_result result_of(const struct put *p, size_t op, int err)
{
	const struct set_kind *kind = &p->s->kinds[p->set];

	switch (-err) {
	case ENOENT:
		return kind->data_type == NFT_DATA_VERDICT &&
				       p->ops[op].elem.data_len > 4
			       ? SET_CHAIN
			       : SET_MISSING;
	case ENFILE:
		return SET_FULL;
	case EEXIST:
	case EBUSY:
	case ENOTEMPTY:
		return SET_OVERLAP;
	case EINVAL:
	case EOPNOTSUPP:
	case ERANGE:
		return SET_INVALID;
	default:
		return SET_FAILED;
	}
}

/* Another form for an op that is refused in this one, or its result. */
static void refused(struct put *p, size_t op, bool del, int err)
{
	if (p->results[op] != NO_RESULT)
		return;
	if (del && err == -ENOENT) {
		if (p->what[op] == SET_DELETE)
			p->results[op] = SET_ABSENT;
		else if (p->turned
				 [op]) /* neither is it there nor does it fit */
			p->results[op] = SET_OVERLAP;
		p->turned[op] = true;
		p->what[op] = SET_ADD;
		return;
	}
	if (!p->turned[op] && !del && (err == -EEXIST || err == -EBUSY) &&
	    p->what[op] == SET_ADD) {
		p->turned[op] = true;
		p->what[op] = SET_REPLACE;
		return;
	}
	p->results[op] = (uint8_t)result_of(p, op, err);
}

/* Those that are in: done, or looked at; true while some are left. */
static bool round_of(struct put *p, const bool *in)
{
	bool left = false, good;

	build(p, in);
	if (!p->messages)
		return false;
	converse(p);
	good = p->acked && !p->broken;
	for (size_t m = 0; m < p->messages; m++) {
		if (!p->errors[m])
			continue;
		good = false;
		refused(p, p->owner[m], p->deletes[m], p->errors[m]);
	}
	p->committed = good;
	for (size_t i = 0; i < p->n; i++) {
		if (!in[i] || p->results[i] != NO_RESULT)
			continue;
		if (p->committed)
			p->results[i] = SET_APPLIED;
		left |= p->results[i] == NO_RESULT;
	}
	return left;
}

static void pending(const struct put *p, bool *in)
{
	for (size_t i = 0; i < p->n; i++)
		in[i] = p->results[i] == NO_RESULT;
}

/* The kernel does not say whose fault it is. */
static unsigned each_alone(struct put *p)
{
	unsigned commits = 0;

	for (size_t i = 0; i < p->n; i++) {
		bool in[SET_FRAME_MAX] = { false };

		in[i] = p->results[i] == NO_RESULT;
		for (int k = 0; k < ROUNDS && in[i] && round_of(p, in); k++)
			;
		commits += in[i] && p->committed;
		if (p->results[i] == NO_RESULT)
			p->results[i] = SET_FAILED;
	}
	return commits;
}

unsigned nftsets_apply(struct nftsets *s, unsigned set,
		       const struct set_op *ops, size_t n, uint8_t *results)
{
	struct put p = {
		.s = s,
		.set = set,
		.ops = ops,
		.n = n,
		.results = results,
	};
	bool in[SET_FRAME_MAX] = { false };
	bool left = true;

	memset(results, NO_RESULT, n);
	for (size_t i = 0; i < n; i++)
		p.what[i] = ops[i].what;
	for (int k = 0; k < ROUNDS && left; k++) {
		pending(&p, in);
		left = round_of(&p, in);
	}
	return left ? each_alone(&p) : p.committed;
}
