/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Expectations from and to the kernel. Does not judge whose they are, and
 * keeps none.
 *
 * Text: nf_conntrack_netlink.c (ctnetlink_exp_dump_expect, ctnetlink_new_expect,
 * ctnetlink_alloc_expect), nf_conntrack_expect.c; CTNETLINK.md 7.
 *
 * Invariant: a message that changes or ends an expectation names its tuple. A
 * delete without one would end all.
 */
#include "ct_expect.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#include "ct_helper.h"
#include "ct_msg.h"
#include "ct_put.h"
#include "ct_tuple.h"

/* --- reading ----------------------------------------------------------------- */

static bool parse_nat(const struct nl_attrs *parent, struct expect *e)
{
	struct nl_attrs a = nl_attrs_nest(parent);
	struct flow_tuple t = { .sport = 0 };
	uint32_t dir = 0;
	uint8_t l4proto;
	bool ok = true;

	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		if (nl_attrs_type(&a) == CTA_EXPECT_NAT_DIR)
			ok = ok && nl_attrs_be32(&a, &dir);
		if (nl_attrs_type(&a) == CTA_EXPECT_NAT_TUPLE)
			ok = ok && ct_tuple_parse(&a, &l4proto, &t);
	}
	e->nat_dir = dir != 0;
	e->nat_addr = t.src;
	e->nat_port = t.sport;
	return ok;
}

static bool parse_mask(const struct nl_attrs *a, struct expect *e)
{
	struct flow_tuple t = { .sport = 0 };
	uint8_t l4proto;
	bool ok = ct_tuple_parse(a, &l4proto, &t);

	e->mask = t.src;
	e->mask_sport = t.sport;
	return ok;
}

static bool parse_fn(const struct nl_attrs *a, struct expect *e)
{
	size_t len = a->head.nla_len - NLA_HDRLEN;

	if (len == 0 || len > sizeof(e->fn))
		return false;
	memcpy(e->fn, a->at + NLA_HDRLEN, len);
	return e->fn[sizeof(e->fn) - 1] == '\0';
}

static bool parse_attr(const struct nl_attrs *a, struct expect *e)
{
	switch (nl_attrs_type(a)) {
	case CTA_EXPECT_MASTER:
		return ct_tuple_parse(a, &e->master_l4proto, &e->master);
	case CTA_EXPECT_TUPLE:
		return ct_tuple_parse(a, &e->l4proto, &e->tuple);
	case CTA_EXPECT_MASK:
		return parse_mask(a, e);
	case CTA_EXPECT_NAT:
		return parse_nat(a, e);
	case CTA_EXPECT_TIMEOUT:
		return nl_attrs_be32(a, &e->timeout_s);
	case CTA_EXPECT_FLAGS:
		return nl_attrs_be32(a, &e->flags);
	case CTA_EXPECT_CLASS:
		return nl_attrs_be32(a, &e->class);
	case CTA_EXPECT_HELP_NAME:
		return ct_helper_parse_name(a, e->helper);
	case CTA_EXPECT_FN:
		return parse_fn(a, e);
	default:
		return true;
	}
}

int ct_expect_parse(const struct nlmsghdr *nlh, struct expect *e)
{
	struct nl_attrs a = nl_attrs_of(nlh, sizeof(struct nfgenmsg));
	struct nfgenmsg nfg;

	memset(e, 0, sizeof(*e));
	if (nlh->nlmsg_len < NLMSG_HDRLEN + sizeof(nfg))
		return -EBADMSG;
	memcpy(&nfg, NLMSG_DATA(nlh), sizeof(nfg));
	e->family = nfg.nfgen_family;
	for (; nl_attrs_ok(&a); nl_attrs_next(&a))
		if (!parse_attr(&a, e))
			return -EBADMSG;
	e->flags &= EXPECT_FLAGS;
	/* nobody but a ruleset expects without a helper (nft ct expectation) */
	return expect_valid(e) && ct_helper_moves(e->helper) ? 0
							     : CT_MSG_FOREIGN;
}

/* --- the master ------------------------------------------------------------- */

static int take_flow(const struct nlmsghdr *nlh, void *arg)
{
	int ret = ct_msg_parse(nlh, arg);

	return ret == CT_MSG_FOREIGN ? -ENOENT : ret;
}

int ct_flow_ask(struct nl_sock *s, const struct flow *f, struct flow *now)
{
	_Alignas(8) uint8_t request[CT_PUT_MAX];
	struct flow found = { 0 };
	size_t len;
	int ret;

	len = ct_put_get(request, sizeof(request), 0, NLM_F_ACK, f);
	ret = nl_talk(s, request, len, take_flow, &found);
	if (ret < 0)
		return ret;
	if (!flow_tuple_equal(&found.orig, &f->orig))
		return -ENOENT;
	*now = found;
	return 0;
}

int ct_expect_read(const struct nlmsghdr *nlh, struct nl_sock *s,
		   struct ct_expect_event *event)
{
	struct expect *e = &event->change.expect;
	struct flow f;
	int ret = ct_expect_parse(nlh, e);

	if (ret != 0)
		return ret;
	event->change.op = EXPECT_COPY;
	if (NFNL_MSG_TYPE(nlh->nlmsg_type) == IPCTNL_MSG_EXP_DELETE)
		event->change.op = EXPECT_END;
	else if (nlh->nlmsg_flags & NLM_F_CREATE)
		event->change.op = EXPECT_NEW;
	expect_master(e, &f);
	ret = ct_flow_ask(s, &f, &event->master);
	event->has_master = ret == 0;
	return ret == -ENOENT ? 0 : ret;
}

/* --- writing ---------------------------------------------------------------- */

static struct nl_msg start(void *buf, size_t size, uint8_t type, uint16_t flags,
			   uint8_t family)
{
	return nl_msg_start(buf, size, NFNL_SUBSYS_CTNETLINK_EXP << 8 | type,
			    flags, 0, family, 0);
}

static int talk(struct nl_sock *s, struct nl_msg *m, nl_cb *cb, void *arg)
{
	size_t len = nl_msg_end(m);

	return len ? nl_talk(s, m->p, len, cb, arg) : -EINVAL;
}

/* The destination counts whole. */
static void put_mask(struct nl_msg *m, const struct expect *e)
{
	struct flow_tuple mask = {
		.src = e->mask,
		.sport = e->mask_sport,
		.dport = UINT16_MAX,
	};

	memset(mask.dst.b, 0xff, flow_addr_len(e->family));
	ct_tuple_put(m, CTA_EXPECT_MASK, e->family, e->l4proto, &mask);
}

static void put_key(struct nl_msg *m, const struct expect *e)
{
	ct_tuple_put(m, CTA_EXPECT_TUPLE, e->family, e->l4proto, &e->tuple);
	put_mask(m, e);
	ct_tuple_put(m, CTA_EXPECT_MASTER, e->family, e->master_l4proto,
		     &e->master);
}

/* Told also where it is all zeroes: else a new expectation has what was in its
 * memory before (ctnetlink_alloc_expect). */
static void put_nat(struct nl_msg *m, const struct expect *e)
{
	struct flow_tuple t = { .src = e->nat_addr, .sport = e->nat_port };
	size_t nest = nl_msg_nest(m, CTA_EXPECT_NAT);

	nl_msg_be32(m, CTA_EXPECT_NAT_DIR, e->nat_dir);
	ct_tuple_put(m, CTA_EXPECT_NAT_TUPLE, e->family, e->master_l4proto, &t);
	nl_msg_nest_end(m, nest);
}

/*
 * The helper's name here does two things: the class counts only with it, and
 * the connection gets that helper itself. The kernel does not tell whether it
 * should; of SIP's class 0, signalling, it is known. The data of FTP must not
 * be read by the helper.
 */
static bool wants_helper(const struct expect *e)
{
	return e->class != 0 || strcmp(e->helper, "sip") == 0;
}

static int create(struct nl_sock *s, const struct expect *e)
{
	_Alignas(8) uint8_t buf[1024];
	struct nl_msg m =
		start(buf, sizeof(buf), IPCTNL_MSG_EXP_NEW,
		      NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, e->family);

	put_key(&m, e);
	put_nat(&m, e);
	nl_msg_be32(&m, CTA_EXPECT_FLAGS, e->flags);
	if (wants_helper(e)) {
		nl_msg_put(&m, CTA_EXPECT_HELP_NAME, e->helper,
			   strlen(e->helper) + 1);
		nl_msg_be32(&m, CTA_EXPECT_CLASS, e->class);
	}
	if (e->fn[0] != '\0')
		nl_msg_put(&m, CTA_EXPECT_FN, e->fn, strlen(e->fn) + 1);
	return talk(s, &m, NULL, NULL);
}

/* The timeout of a new one is its helper's; another is told afterwards. */
static int set_timeout(struct nl_sock *s, const struct expect *e,
		       uint32_t timeout_s)
{
	_Alignas(8) uint8_t buf[1024];
	struct nl_msg m = start(buf, sizeof(buf), IPCTNL_MSG_EXP_NEW, NLM_F_ACK,
				e->family);

	put_key(&m, e);
	nl_msg_be32(&m, CTA_EXPECT_TIMEOUT, timeout_s);
	return talk(s, &m, NULL, NULL);
}

static int delete_one(struct nl_sock *s, const struct expect *e)
{
	_Alignas(8) uint8_t buf[512];
	struct nl_msg m = start(buf, sizeof(buf), IPCTNL_MSG_EXP_DELETE,
				NLM_F_ACK, e->family);

	ct_tuple_put(&m, CTA_EXPECT_TUPLE, e->family, e->l4proto, &e->tuple);
	return talk(s, &m, NULL, NULL);
}

static int take_one(const struct nlmsghdr *nlh, void *arg)
{
	return ct_expect_parse(nlh, arg) < 0 ? -EBADMSG : 0;
}

/* Has the tuple the same master? Else what ended there was not told to us. And
 * the same flags? The kernel changes nothing but the timeout. */
static bool is_same(struct nl_sock *s, const struct expect *e)
{
	_Alignas(8) uint8_t buf[512];
	struct nl_msg m = start(buf, sizeof(buf), IPCTNL_MSG_EXP_GET, NLM_F_ACK,
				e->family);
	struct expect found = { 0 };

	ct_tuple_put(&m, CTA_EXPECT_TUPLE, e->family, e->l4proto, &e->tuple);
	return talk(s, &m, take_one, &found) == 0 &&
	       found.master_l4proto == e->master_l4proto &&
	       found.flags == e->flags &&
	       flow_tuple_equal(&found.master, &e->master);
}

static enum expect_result result_of(int error, bool end)
{
	switch (-error) {
	case 0:
		return EXPECT_APPLIED;
	case ENOENT:
		return end ? EXPECT_GONE : EXPECT_NO_MASTER;
	case ETIME:
		return EXPECT_GONE;
	case ESHUTDOWN:
		return EXPECT_NO_MASTER;
	case EOPNOTSUPP:
		return EXPECT_HELPER;
	case EEXIST:
	case EBUSY:
	case EALREADY:
	case EMFILE:
		return EXPECT_LIMIT;
	case EINVAL:
	case ERANGE:
		return EXPECT_INVALID;
	default:
		return EXPECT_OTHER;
	}
}

static enum expect_result apply(struct nl_sock *s,
				const struct expect_change *c)
{
	const struct expect *e = &c->expect;
	int error = -EEXIST;

	if (!expect_valid(e))
		return EXPECT_INVALID;
	if (c->op == EXPECT_END)
		return result_of(set_timeout(s, e, EXPECT_LINGER_S), true);
	if (c->op == EXPECT_COPY)
		error = create(s, e);
	if (error == -EEXIST && c->op == EXPECT_COPY && is_same(s, e))
		error = 0;
	if (error == -EEXIST) {
		error = delete_one(s, e);
		if (error == 0 || error == -ENOENT)
			error = create(s, e);
	}
	if (error == 0)
		error = set_timeout(s, e, e->timeout_s ? e->timeout_s : 1);
	return result_of(error, false);
}

void ct_expect_apply(struct ct_inject *in, const struct expect_batch *b,
		     uint8_t *results)
{
	for (size_t i = 0; i < b->n; i++)
		results[i] = (uint8_t)apply(&in->sock, &b->list[i]);
}

/* --- the table ---------------------------------------------------------------- */

struct dump {
	struct nl_sock *ask;
	ct_expect_cb *cb;
	void *arg;
};

static int take_expect(const struct nlmsghdr *nlh, void *arg)
{
	struct ct_expect_event event;
	struct dump *d = arg;
	int ret = ct_expect_read(nlh, d->ask, &event);

	if (ret == 0)
		d->cb(&event, d->arg);
	return ret < 0 && ret != -EBADMSG ? ret : 0;
}

int ct_expect_dump(struct nl_sock *dump, struct nl_sock *ask, ct_expect_cb *cb,
		   void *arg)
{
	_Alignas(8) uint8_t buf[64];
	struct dump d = { .ask = ask, .cb = cb, .arg = arg };
	struct nl_msg m =
		start(buf, sizeof(buf), IPCTNL_MSG_EXP_GET, NLM_F_DUMP, 0);

	return talk(dump, &m, take_expect, &d);
}
