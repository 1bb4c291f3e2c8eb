/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Routes looked for in dumps of the main tables, and news that say when. No
 * route is changed here.
 *
 * Text: rtnetlink(7); kernel inet_dump_fib, inet6_dump_fib, fib_sync_down_dev
 * (which tells nobody), fib_nexthop_info (the flags).
 *
 * Invariant: `up` changes only at the end of a dump that was whole.
 */
#include "track_route.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "vip.h"

#define EVENT_BUFFER (1 << 20)
#define EVENT_READS  256
#define DUMP_TRIES   5
#define CHUNK	     32768

/* --- one route of the kernel -------------------------------------------- */

struct look {
	uint32_t table;
	const void *dst; /* NULL: default */
	size_t dst_len;
	const struct nlattr *multipath;
};

static int look_attr(const struct nlattr *a, void *arg)
{
	struct look *l = arg;

	switch (mnl_attr_get_type(a)) {
	case RTA_TABLE:
		if (mnl_attr_validate(a, MNL_TYPE_U32) == 0)
			l->table = mnl_attr_get_u32(a);
		break;
	case RTA_DST:
		l->dst = mnl_attr_get_payload(a);
		l->dst_len = mnl_attr_get_payload_len(a);
		break;
	case RTA_MULTIPATH:
		l->multipath = a;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static struct track_route *find(struct track_routes *t,
				const struct nlmsghdr *nlh, struct look *l)
{
	static const struct in6_addr any;
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	size_t len = rtm->rtm_family == AF_INET6 ? 16 : 4;

	*l = (struct look){ .table = rtm->rtm_table };
	(void)mnl_attr_parse(nlh, sizeof(*rtm), look_attr, l);
	if (l->table != RT_TABLE_MAIN || (rtm->rtm_flags & RTM_F_CLONED))
		return NULL;
	if (l->dst ? l->dst_len != len : rtm->rtm_dst_len != 0)
		return NULL;
	for (size_t i = 0; i < t->count; i++) {
		struct track_route *r = &t->routes[i];

		if (r->to.family == rtm->rtm_family &&
		    r->to.prefixlen == rtm->rtm_dst_len &&
		    memcmp(&r->to.v4, l->dst ? l->dst : &any, len) == 0)
			return r;
	}
	return NULL;
}

#define DEAD(flags) ((flags) & (RTNH_F_DEAD | RTNH_F_LINKDOWN))

/* One way of several is enough. */
static bool leads_somewhere(const struct rtmsg *rtm, const struct look *l)
{
	const uint8_t *p, *end;
	struct rtnexthop hop;

	if (rtm->rtm_type != RTN_UNICAST)
		return false;
	if (!l->multipath)
		return !DEAD(rtm->rtm_flags);
	p = mnl_attr_get_payload(l->multipath);
	end = p + mnl_attr_get_payload_len(l->multipath);
	while ((size_t)(end - p) >= sizeof(hop)) {
		memcpy(&hop, p, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) ||
		    hop.rtnh_len > (size_t)(end - p))
			return false;
		if (!DEAD(hop.rtnh_flags))
			return true;
		if (NLMSG_ALIGN((size_t)hop.rtnh_len) >= (size_t)(end - p))
			return false;
		p += NLMSG_ALIGN((size_t)hop.rtnh_len);
	}
	return false;
}

static bool is_route(const struct nlmsghdr *nlh)
{
	return (nlh->nlmsg_type == RTM_NEWROUTE ||
		nlh->nlmsg_type == RTM_DELROUTE) &&
	       mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct rtmsg);
}

/* --- the dump ----------------------------------------------------------- */

static sa_family_t next_family(const struct track_routes *t, sa_family_t after)
{
	static const sa_family_t order[] = { AF_INET, AF_INET6 };

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < t->count; i++)
			if (order[k] > after &&
			    t->routes[i].to.family == order[k])
				return order[k];
	return AF_UNSPEC;
}

static int ask(struct track_routes *t)
{
	_Alignas(8) char buf[128];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++t->dump.seq;
	rtm->rtm_family = (unsigned char)t->family;
	/* the kernel leaves out other tables, where it can */
	mnl_attr_put_u32(nlh, RTA_TABLE, RT_TABLE_MAIN);
	return nl_send(&t->dump, nlh, nlh->nlmsg_len);
}

static int begin(struct track_routes *t)
{
	int err;

	for (size_t i = 0; i < t->count; i++)
		t->routes[i].seen = false;
	t->dirty = t->torn = false;
	t->family = next_family(t, AF_UNSPEC);
	if (t->family == AF_UNSPEC)
		return 0;
	err = ask(t);
	t->dumping = !err;
	t->dirty = err != 0;
	return err;
}

/* The end of one family's part. */
static int finish(struct track_routes *t)
{
	int err;

	t->family = next_family(t, t->family);
	if (t->family != AF_UNSPEC && !t->torn) {
		err = ask(t);
		t->dumping = !err;
		return err;
	}
	t->dumping = false;
	/* a table that never stands still is taken as it is */
	if (t->dirty || (t->torn && ++t->tries < DUMP_TRIES))
		return begin(t);
	t->tries = 0;
	for (size_t i = 0; i < t->count; i++) {
		t->routes[i].up = t->routes[i].seen;
		t->routes[i].known = true;
	}
	return TRACK_ROUTES_DUMPED;
}

/* True at the end of the answer. */
static bool take(struct track_routes *t, const struct nlmsghdr *nlh)
{
	struct track_route *r;
	struct look l;

	if (nlh->nlmsg_seq != t->dump.seq)
		return false;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		t->torn = true;
	if (nlh->nlmsg_type == NLMSG_DONE)
		return true;
	if (nlh->nlmsg_type == NLMSG_ERROR) /* no such table: no such route */
		return true;
	if (!is_route(nlh))
		return false;
	r = find(t, nlh, &l);
	if (r && leads_somewhere(mnl_nlmsg_get_payload(nlh), &l))
		r->seen = true;
	return false;
}

int track_routes_dump(struct track_routes *t)
{
	_Alignas(8) char chunk[CHUNK];
	const struct nlmsghdr *nlh = (const void *)chunk;
	ssize_t n = recv(t->dump.fd, chunk, sizeof(chunk),
			 MSG_DONTWAIT | MSG_TRUNC);
	int left = (int)n;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ENOBUFS)
		return -errno;
	if (n < 0 || n > (ssize_t)sizeof(chunk)) {
		t->torn = true;
		return 0;
	}
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		if (take(t, nlh))
			return finish(t);
	return 0;
}

void track_routes_dirty(struct track_routes *t)
{
	t->dirty = t->count > 0;
	if (t->dirty && !t->dumping)
		(void)begin(t);
}

/* --- news --------------------------------------------------------------- */

/* FRA_PROTOCOL says whose the rule was. */
static int rule_attr(const struct nlattr *a, void *arg)
{
	if (mnl_attr_get_type(a) == FRA_PROTOCOL &&
	    mnl_attr_get_payload_len(a) >= 1)
		*(bool *)arg = mnl_attr_get_u8(a) == VIP_RTPROT;
	return MNL_CB_OK;
}

static bool event(struct track_routes *t, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	bool ours = false;
	struct look l;

	if (nlh->nlmsg_type == RTM_DELRULE &&
	    mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct fib_rule_hdr)) {
		(void)mnl_attr_parse(nlh, sizeof(struct fib_rule_hdr),
				     rule_attr, &ours);
		return ours;
	}
	if (!is_route(nlh))
		return false;
	if (find(t, nlh, &l))
		track_routes_dirty(t);
	return nlh->nlmsg_type == RTM_DELROUTE &&
	       rtm->rtm_protocol == VIP_RTPROT;
}

int track_routes_events(struct track_routes *t)
{
	_Alignas(8) char buf[8192];
	bool removed = false;

	for (int i = 0; i < EVENT_READS; i++) {
		const struct nlmsghdr *nlh = (const void *)buf;
		ssize_t n = recv(t->events.fd, buf, sizeof(buf),
				 MSG_DONTWAIT | MSG_TRUNC);
		int left = (int)n;

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != ENOBUFS)
			return -errno;
		if (n < 0 || n > (ssize_t)sizeof(buf)) {
			track_routes_dirty(t);
			removed = true;
			continue;
		}
		for (; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left))
			removed |= event(t, nlh);
	}
	return removed ? TRACK_ROUTES_REMOVED : 0;
}

/* --- life --------------------------------------------------------------- */

int track_routes_open(struct track_routes *t, struct track_route *routes,
		      size_t count)
{
	int r;

	memset(t, 0, sizeof(*t));
	t->routes = routes;
	t->count = count;
	r = nl_open(&t->events, NETLINK_ROUTE,
		    RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE,
		    EVENT_BUFFER);
	if (!r)
		r = nl_group_join(&t->events, RTNLGRP_IPV6_RULE);
	if (!r)
		r = nl_open_route(&t->dump);
	if (!r)
		r = begin(t);
	while (r == 0 && t->dumping)
		r = track_routes_dump(t);
	if (r == TRACK_ROUTES_DUMPED)
		r = 0;
	if (r)
		track_routes_close(t);
	return r;
}

void track_routes_close(struct track_routes *t)
{
	nl_close(&t->events);
	nl_close(&t->dump);
}
