/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rtnetlink messages of vip.c: MAC entries, routes and addresses of our
 * protocol number, others' addresses. No state, no decision.
 *
 * Text: rtnetlink(7); kernel ndo_dflt_fdb_add, br_fdb_add, fib_table_insert,
 * fib_table_delete, inet6_rtm_newaddr, ip6_route_add, ip6_route_del.
 *
 * Invariant: no route is added or deleted but with our protocol number.
 */
#include "vip_rtnl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define MAC_LEN	     6
#define MESSAGE_SIZE 256
#define DUMP_TRIES   5

#ifndef IFA_PROTO
#define IFA_PROTO 11
#endif

/* --- the MAC entry ------------------------------------------------------ */

/* Kernel: ndo_dflt_fdb_add (dev_uc_add) and, on a bridge, br_fdb_add. */
static int mac_talk(struct nl_sock *nl, uint16_t type, unsigned int ifindex,
		    const uint8_t mac[MAC_LEN])
{
	_Alignas(8) char buf[MESSAGE_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (type == RTM_NEWNEIGH)
		nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
	ndm->ndm_family = AF_BRIDGE;
	ndm->ndm_ifindex = (int)ifindex;
	ndm->ndm_state = NUD_PERMANENT;
	ndm->ndm_flags = NTF_SELF;
	if (!mnl_attr_put_check(nlh, sizeof(buf), NDA_LLADDR, MAC_LEN, mac))
		return -EMSGSIZE;
	return nl_talk(nl, nlh, nlh->nlmsg_len, NULL, NULL);
}

/* What is not there needs no removing. */
static int gone_is_fine(int r)
{
	return r == -ENOENT || r == -ESRCH || r == -ENODEV || r == -ENXIO ? 0
									  : r;
}

int vip_mac_add(struct nl_sock *nl, unsigned int ifindex, const uint8_t mac[6])
{
	return mac_talk(nl, RTM_NEWNEIGH, ifindex, mac);
}

int vip_mac_del(struct nl_sock *nl, unsigned int ifindex, const uint8_t mac[6])
{
	return gone_is_fine(mac_talk(nl, RTM_DELNEIGH, ifindex, mac));
}

/* --- routes ------------------------------------------------------------- */

static size_t addr_len(bool v6)
{
	return v6 ? 16 : 4;
}

static int route_talk(struct nl_sock *nl, uint16_t type, uint16_t flags,
		      const struct vip_route *rt)
{
	_Alignas(8) char buf[MESSAGE_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	size_t len = addr_len(rt->v6);
	bool ok;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	rtm->rtm_family = rt->v6 ? AF_INET6 : AF_INET;
	rtm->rtm_dst_len = rt->prefixlen;
	rtm->rtm_table = RT_TABLE_UNSPEC; /* RTA_TABLE says it */
	rtm->rtm_protocol = VIP_RTPROT;
	rtm->rtm_scope = rt->scope;
	rtm->rtm_type = rt->type;
	ok = mnl_attr_put_u32_check(nlh, sizeof(buf), RTA_TABLE, rt->table) &&
	     mnl_attr_put_u32_check(nlh, sizeof(buf), RTA_OIF, rt->oif) &&
	     mnl_attr_put_check(nlh, sizeof(buf), RTA_DST, len, rt->dst);
	if (ok && rt->has_src)
		ok = mnl_attr_put_check(nlh, sizeof(buf), RTA_PREFSRC, len,
					rt->src);
	return ok ? nl_talk(nl, nlh, nlh->nlmsg_len, NULL, NULL) : -EMSGSIZE;
}

int vip_route_add(struct nl_sock *nl, const struct vip_route *rt,
		  enum vip_route_mode mode)
{
	bool replace = mode == VIP_ROUTE_REPLACE;
	int r = route_talk(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, rt);

	if (r == 0)
		return VIP_ADDED;
	/* IPv6 replaces, and appends to, what is another's. */
	if (r == -EEXIST && !rt->v6)
		r = route_talk(nl, RTM_NEWROUTE,
			       NLM_F_CREATE |
				       (replace ? NLM_F_REPLACE : NLM_F_APPEND),
			       rt);
	if (r == 0 && !replace)
		return VIP_ADDED;
	return r == -EEXIST ? 0 : r;
}

int vip_route_del(struct nl_sock *nl, const struct vip_route *rt)
{
	return gone_is_fine(route_talk(nl, RTM_DELROUTE, 0, rt));
}

/* --- addresses ---------------------------------------------------------- */

void vip_mask(uint8_t addr[16], bool v6, uint8_t prefixlen)
{
	for (unsigned i = prefixlen; i < 8 * addr_len(v6); i++)
		addr[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

static int ifaddr_talk(struct nl_sock *nl, uint16_t type, uint16_t flags,
		       const struct vip_ifaddr *a)
{
	static const struct ifa_cacheinfo never = { .ifa_valid = UINT32_MAX };
	_Alignas(8) char buf[MESSAGE_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	size_t len = addr_len(a->v6);
	bool ok;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	ifa->ifa_family = a->v6 ? AF_INET6 : AF_INET;
	ifa->ifa_prefixlen = (uint8_t)(8 * len);
	ifa->ifa_scope = RT_SCOPE_HOST;
	ifa->ifa_index = a->ifindex;
	ok = mnl_attr_put_check(nlh, sizeof(buf), IFA_LOCAL, len, a->addr) &&
	     mnl_attr_put_check(nlh, sizeof(buf), IFA_ADDRESS, len, a->addr) &&
	     mnl_attr_put_u8_check(nlh, sizeof(buf), IFA_PROTO, VIP_RTPROT);
	if (ok && a->v6)
		ok = mnl_attr_put_u32_check(nlh, sizeof(buf), IFA_FLAGS,
					    IFA_F_NODAD |
						    IFA_F_NOPREFIXROUTE) &&
		     mnl_attr_put_check(nlh, sizeof(buf), IFA_CACHEINFO,
					sizeof(never), &never);
	return ok ? nl_talk(nl, nlh, nlh->nlmsg_len, NULL, NULL) : -EMSGSIZE;
}

int vip_ifaddr_add(struct nl_sock *nl, const struct vip_ifaddr *a)
{
	int r = ifaddr_talk(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, a);

	return r == -EEXIST ? 0 : r ? r : VIP_ADDED;
}

int vip_ifaddr_del(struct nl_sock *nl, const struct vip_ifaddr *a)
{
	int r = gone_is_fine(ifaddr_talk(nl, RTM_DELADDR, 0, a));

	return r == -EADDRNOTAVAIL ? 0 : r;
}

/* An address as the kernel tells it. */
struct told {
	uint8_t addr[16];
	uint8_t proto; /* 0: not told */
	uint32_t flags;
};

static int told_attr(const struct nlattr *attr, void *arg)
{
	struct told *t = arg;
	size_t len = mnl_attr_get_payload_len(attr);

	switch (mnl_attr_get_type(attr)) {
	case IFA_ADDRESS: /* IPv6; for IPv4 IFA_LOCAL comes later */
	case IFA_LOCAL:
		if (len <= sizeof(t->addr))
			memcpy(t->addr, mnl_attr_get_payload(attr), len);
		break;
	case IFA_FLAGS:
		if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			t->flags = mnl_attr_get_u32(attr);
		break;
	case IFA_PROTO:
		if (mnl_attr_validate(attr, MNL_TYPE_U8) == 0)
			t->proto = mnl_attr_get_u8(attr);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static const struct ifaddrmsg *told_parse(const struct nlmsghdr *nlh,
					  struct told *t)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);

	memset(t, 0, sizeof(*t));
	if (nlh->nlmsg_type != RTM_NEWADDR ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa))
		return NULL;
	(void)mnl_attr_parse(nlh, sizeof(*ifa), told_attr, t);
	return ifa;
}

/* By our number; before 5.18 by the form, which nobody gives by hand. */
static bool is_ours(const struct ifaddrmsg *ifa, const struct told *t)
{
	if (t->proto)
		return t->proto == VIP_RTPROT;
	if (ifa->ifa_index != LO_IFINDEX)
		return false;
	if (ifa->ifa_family == AF_INET6)
		return ifa->ifa_prefixlen == 128 && t->flags & IFA_F_DEPRECATED;
	return ifa->ifa_prefixlen == 32 && ifa->ifa_scope == RT_SCOPE_HOST &&
	       t->addr[0] != 127;
}

static bool in_prefix(const uint8_t addr[16], const uint8_t a[16], bool v6,
		      uint8_t prefixlen)
{
	uint8_t x[16], y[16];

	memcpy(x, addr, sizeof(x));
	memcpy(y, a, sizeof(y));
	vip_mask(x, v6, prefixlen);
	vip_mask(y, v6, prefixlen);
	return memcmp(x, y, addr_len(v6)) == 0;
}

static int own_take(const struct nlmsghdr *nlh, void *arg)
{
	struct vip_own *o = arg;
	bool v6 = o->a->v6;
	uint8_t a[16] = { 0 };
	struct told t;
	const struct ifaddrmsg *ifa = told_parse(nlh, &t);
	bool here, local;

	if (!ifa || ifa->ifa_family != (v6 ? AF_INET6 : AF_INET) ||
	    is_ours(ifa, &t))
		return 0;
	memcpy(a, &o->a->addr6, addr_len(v6));
	here = ifa->ifa_index == o->ifindex;
	local = v6 && IN6_IS_ADDR_LINKLOCAL(&o->a->addr6);
	if ((here || !local) && memcmp(t.addr, a, addr_len(v6)) == 0)
		o->same = true;
	if (here && in_prefix(t.addr, a, v6, o->a->prefixlen))
		o->in_prefix = true;
	return 0;
}

static int ifaddr_dump(struct nl_sock *nl, bool v6, nl_cb *cb, void *arg)
{
	_Alignas(8) char buf[MESSAGE_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	ifa->ifa_family = v6 ? AF_INET6 : AF_INET;
	return nl_talk(nl, nlh, nlh->nlmsg_len, cb, arg);
}

int vip_own_look(struct nl_sock *nl, struct vip_own *o)
{
	int tries = 0;
	int r;

	do {
		o->same = false;
		o->in_prefix = false;
		r = ifaddr_dump(nl, o->a->v6, own_take, o);
	} while (r == -EINTR && ++tries < DUMP_TRIES);
	return r;
}

struct found_ifaddr {
	struct vip_ifaddr *a;
	bool found;
};

static int ifaddr_take(const struct nlmsghdr *nlh, void *arg)
{
	struct found_ifaddr *f = arg;
	struct told t;
	const struct ifaddrmsg *ifa = told_parse(nlh, &t);

	if (f->found || !ifa || !is_ours(ifa, &t))
		return 0;
	f->found = true;
	f->a->v6 = ifa->ifa_family == AF_INET6;
	f->a->ifindex = ifa->ifa_index;
	memcpy(f->a->addr, t.addr, sizeof(t.addr));
	return 0;
}

int vip_ifaddr_find(struct nl_sock *nl, bool v6, struct vip_ifaddr *a)
{
	struct found_ifaddr f = { .a = a };
	int r = ifaddr_dump(nl, v6, ifaddr_take, &f);

	if (f.found)
		return 0; /* also from a torn dump */
	return r ? r : VIP_NO_ROUTE;
}

/* --- our routes --------------------------------------------------------- */

struct found_route {
	struct vip_route *rt;
	bool found;
};

static int route_attr(const struct nlattr *a, void *arg)
{
	struct vip_route *rt = arg;
	size_t len = mnl_attr_get_payload_len(a);

	switch (mnl_attr_get_type(a)) {
	case RTA_TABLE:
		if (mnl_attr_validate(a, MNL_TYPE_U32) == 0)
			rt->table = mnl_attr_get_u32(a);
		break;
	case RTA_OIF:
		if (mnl_attr_validate(a, MNL_TYPE_U32) == 0)
			rt->oif = mnl_attr_get_u32(a);
		break;
	case RTA_DST:
		if (len == addr_len(rt->v6))
			memcpy(rt->dst, mnl_attr_get_payload(a), len);
		break;
	case RTA_PREFSRC:
		rt->has_src = len == addr_len(rt->v6);
		if (rt->has_src)
			memcpy(rt->src, mnl_attr_get_payload(a), len);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static int route_take(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct found_route *f = arg;

	if (f->found || nlh->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    rtm->rtm_protocol != VIP_RTPROT)
		return 0;
	f->found = true;
	*f->rt = (struct vip_route){ .v6 = rtm->rtm_family == AF_INET6,
				     .type = rtm->rtm_type,
				     .scope = rtm->rtm_scope,
				     .prefixlen = rtm->rtm_dst_len };
	(void)mnl_attr_parse(nlh, sizeof(*rtm), route_attr, f->rt);
	return 0;
}

int vip_route_find(struct nl_sock *nl, bool v6, struct vip_route *rt)
{
	_Alignas(8) char buf[MESSAGE_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	struct found_route f = { .rt = rt };
	int r;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	rtm->rtm_family = v6 ? AF_INET6 : AF_INET;
	rtm->rtm_protocol = VIP_RTPROT;
	r = nl_talk(nl, nlh, nlh->nlmsg_len, route_take, &f);
	if (f.found)
		return 0; /* also from a torn dump */
	return r ? r : VIP_NO_ROUTE;
}
