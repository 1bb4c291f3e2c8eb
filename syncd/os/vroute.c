/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rtnetlink messages of routes {} and rules {}. It does not know who is
 * master.
 *
 * Text: rtnetlink(7), ip-rule(8); kernel fib_table_insert, fib6_add_rt2node,
 * fib_nl_newrule (NLM_F_EXCL in each), fib_nl_delrule.
 *
 * Invariant: nothing is added or deleted but with our protocol number.
 */
#include "vroute.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vip.h"

#define MESSAGE_SIZE 512
#define DUMP_TRIES   5

static size_t address_len(const struct conf_address *a)
{
	return a->family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

static bool put_address(struct nlmsghdr *nlh, uint16_t type,
			const struct conf_address *a)
{
	if (a->family == AF_UNSPEC)
		return true;
	return mnl_attr_put_check(nlh, MESSAGE_SIZE, type, address_len(a),
				  &a->v4);
}

static bool put_u32(struct nlmsghdr *nlh, uint16_t type, uint32_t v)
{
	return mnl_attr_put_u32_check(nlh, MESSAGE_SIZE, type, v);
}

static int talk(struct nl_sock *nl, struct nlmsghdr *nlh)
{
	return nl_talk(nl, nlh, nlh->nlmsg_len, NULL, NULL);
}

/* --- routes ------------------------------------------------------------- */

static int route_talk(struct nl_sock *nl, uint16_t type, uint16_t flags,
		      const struct conf_route *r)
{
	_Alignas(8) char buf[MESSAGE_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	unsigned int oif = 0;
	bool ok = true;

	if (*r->interface) {
		oif = if_nametoindex(r->interface);
		if (!oif)
			return -ENODEV;
	}
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	rtm->rtm_family = (unsigned char)r->to.family;
	rtm->rtm_dst_len = r->to.prefixlen;
	rtm->rtm_table = RT_TABLE_UNSPEC; /* RTA_TABLE says it */
	rtm->rtm_protocol = VIP_RTPROT;
	rtm->rtm_type = RTN_UNICAST;
	rtm->rtm_scope = RT_SCOPE_UNIVERSE;
	if (r->to.family == AF_INET && r->via.family == AF_UNSPEC)
		rtm->rtm_scope = RT_SCOPE_LINK;
	if (type == RTM_DELROUTE)
		rtm->rtm_scope = RT_SCOPE_NOWHERE; /* any */
	ok = put_u32(nlh, RTA_TABLE, r->table ? r->table : RT_TABLE_MAIN);
	if (ok && r->to.prefixlen)
		ok = put_address(nlh, RTA_DST, &r->to);
	if (ok)
		ok = put_address(nlh, RTA_GATEWAY, &r->via);
	if (ok && type == RTM_NEWROUTE)
		ok = put_address(nlh, RTA_PREFSRC, &r->src);
	if (ok && oif)
		ok = put_u32(nlh, RTA_OIF, oif);
	if (ok && r->metric)
		ok = put_u32(nlh, RTA_PRIORITY, r->metric);
	return ok ? talk(nl, nlh) : -EMSGSIZE;
}

int vroute_add(struct nl_sock *nl, const struct conf_route *r)
{
	int err = route_talk(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, r);

	return err == -EEXIST ? VROUTE_TAKEN : err;
}

/* With its device everything of it went. */
static int gone_is_fine(int err)
{
	return err == -ESRCH || err == -ENOENT || err == -ENODEV ? 0 : err;
}

int vroute_del(struct nl_sock *nl, const struct conf_route *r)
{
	return gone_is_fine(route_talk(nl, RTM_DELROUTE, 0, r));
}

const char *vroute_text(const struct conf_route *r, char *text, size_t size)
{
	char addr[INET6_ADDRSTRLEN] = "";

	inet_ntop(r->to.family, &r->to.v4, addr, sizeof(addr));
	snprintf(text, size, "route %s/%u", addr, r->to.prefixlen);
	return text;
}

/* --- rules -------------------------------------------------------------- */

static int rule_talk(struct nl_sock *nl, uint16_t type, uint16_t flags,
		     const struct conf_rule *r)
{
	_Alignas(8) char buf[MESSAGE_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct fib_rule_hdr *h = mnl_nlmsg_put_extra_header(nlh, sizeof(*h));
	bool ok;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	h->family = (unsigned char)r->family;
	h->src_len = r->from.prefixlen;
	h->dst_len = r->to.prefixlen;
	h->table = RT_TABLE_UNSPEC; /* FRA_TABLE says it */
	h->action = FR_ACT_TO_TBL;
	ok = put_u32(nlh, FRA_TABLE, r->table) &&
	     mnl_attr_put_u8_check(nlh, sizeof(buf), FRA_PROTOCOL, VIP_RTPROT);
	if (ok && r->from.prefixlen)
		ok = put_address(nlh, FRA_SRC, &r->from);
	if (ok && r->to.prefixlen)
		ok = put_address(nlh, FRA_DST, &r->to);
	if (ok && *r->iif)
		ok = mnl_attr_put_strz_check(nlh, sizeof(buf), FRA_IIFNAME,
					     r->iif);
	if (ok && r->mark_mask)
		ok = put_u32(nlh, FRA_FWMARK, r->mark) &&
		     put_u32(nlh, FRA_FWMASK, r->mark_mask);
	/* always given: without one the kernel takes the next that is free,
	 * and the same rule would come twice */
	if (ok)
		ok = put_u32(nlh, FRA_PRIORITY, r->priority);
	return ok ? talk(nl, nlh) : -EMSGSIZE;
}

int vroute_rule_add(struct nl_sock *nl, const struct conf_rule *r)
{
	int err = rule_talk(nl, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, r);

	/* the same rule does the same, whoever made it */
	return err == -EEXIST ? 0 : err;
}

int vroute_rule_del(struct nl_sock *nl, const struct conf_rule *r)
{
	return gone_is_fine(rule_talk(nl, RTM_DELRULE, 0, r));
}

/* --- what was left ------------------------------------------------------ */

/* Messages of a dump, one behind the other. */
struct found {
	uint8_t *bytes;
	size_t len;
	int err;
};

static int rule_attr(const struct nlattr *a, void *arg)
{
	if (mnl_attr_get_type(a) == FRA_PROTOCOL &&
	    mnl_attr_get_payload_len(a) >= 1)
		*(uint8_t *)arg = mnl_attr_get_u8(a);
	return MNL_CB_OK;
}

static bool is_ours(const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	uint8_t protocol = 0;

	switch (nlh->nlmsg_type) {
	case RTM_NEWROUTE:
		return mnl_nlmsg_get_payload_len(nlh) >= sizeof(*rtm) &&
		       rtm->rtm_protocol == VIP_RTPROT &&
		       !(rtm->rtm_flags & RTM_F_CLONED);
	case RTM_NEWRULE:
		if (mnl_nlmsg_get_payload_len(nlh) <
		    sizeof(struct fib_rule_hdr))
			return false;
		(void)mnl_attr_parse(nlh, sizeof(struct fib_rule_hdr),
				     rule_attr, &protocol);
		return protocol == VIP_RTPROT;
	default:
		return false;
	}
}

static int collect(const struct nlmsghdr *nlh, void *arg)
{
	size_t len = NLMSG_ALIGN(nlh->nlmsg_len);
	struct found *f = arg;
	uint8_t *more;

	if (!is_ours(nlh))
		return 0;
	more = realloc(f->bytes, f->len + len);
	if (!more)
		return -ENOMEM;
	f->bytes = more;
	memset(f->bytes + f->len, 0, len);
	memcpy(f->bytes + f->len, nlh, nlh->nlmsg_len);
	f->len += len;
	return 0;
}

static int dump(struct nl_sock *nl, uint16_t type, uint8_t family,
		struct found *f)
{
	_Alignas(8) char buf[128];
	int tries = 0, r;

	do {
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
		struct rtmsg *rtm =
			mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

		/* rtmsg and fib_rule_hdr are of one size, family first */
		nlh->nlmsg_type = type;
		nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		rtm->rtm_family = family;
		if (type == RTM_GETROUTE)
			rtm->rtm_protocol = VIP_RTPROT;
		f->len = 0;
		r = nl_talk(nl, nlh, nlh->nlmsg_len, collect, f);
	} while (r == -EINTR && ++tries < DUMP_TRIES);
	/* what a torn dump found can be deleted all the same */
	return r == -EINTR ? 0 : r;
}

/* What the kernel said of it is what it knows it by: as ip route flush. */
static int delete_found(struct nl_sock *nl, struct nlmsghdr *nlh)
{
	nlh->nlmsg_type =
		nlh->nlmsg_type == RTM_NEWROUTE ? RTM_DELROUTE : RTM_DELRULE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	return gone_is_fine(talk(nl, nlh));
}

static int clean(struct nl_sock *nl, uint16_t type, uint8_t family)
{
	struct found f = { 0 };
	int first = dump(nl, type, family, &f), r;

	for (size_t at = 0; at < f.len;) {
		_Alignas(8) char one[2048];
		struct nlmsghdr head;
		struct nlmsghdr *nlh = (void *)one;

		memcpy(&head, f.bytes + at, sizeof(head));
		if (head.nlmsg_len <= sizeof(one)) {
			memcpy(one, f.bytes + at, head.nlmsg_len);
			r = delete_found(nl, nlh);
			if (!first)
				first = r;
		}
		at += NLMSG_ALIGN(head.nlmsg_len);
	}
	free(f.bytes);
	return first;
}

int vroute_clean(struct nl_sock *nl)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int first = 0, r;

	/* rules first: they lead to the routes */
	for (int i = 0; i < 4; i++) {
		r = clean(nl, i < 2 ? RTM_GETRULE : RTM_GETROUTE,
			  families[i % 2]);
		/* a kernel without IPv6 has nothing of it */
		if (!first && r != -EAFNOSUPPORT && r != -EOPNOTSUPP)
			first = r;
	}
	return first;
}
