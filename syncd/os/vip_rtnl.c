/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rtnetlink messages of vip.c: MAC entries, routes of our protocol number,
 * own addresses. No state, no decision.
 *
 * Text: rtnetlink(7); kernel ndo_dflt_fdb_add, br_fdb_add, fib_table_insert,
 * fib_table_delete.
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

#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif

int vip_rtnl_open(struct nl_sock *nl)
{
	int on = 1;
	int r = nl_open(nl, NETLINK_ROUTE, 0, 0);

	/* Lets the kernel filter what a dump tells (since 4.20). */
	if (!r)
		(void)mnl_socket_setsockopt(nl->mnl, NETLINK_GET_STRICT_CHK,
					    &on, sizeof(on));
	return r;
}

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

static int route_talk(struct nl_sock *nl, uint16_t type, uint16_t flags,
		      const struct vip_route *rt)
{
	_Alignas(8) char buf[MESSAGE_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	bool ok;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	rtm->rtm_family = AF_INET;
	rtm->rtm_dst_len = rt->prefixlen;
	rtm->rtm_table = RT_TABLE_UNSPEC; /* RTA_TABLE says it */
	rtm->rtm_protocol = VIP_RTPROT;
	rtm->rtm_scope = rt->scope;
	rtm->rtm_type = rt->type;
	ok = mnl_attr_put_u32_check(nlh, sizeof(buf), RTA_TABLE, rt->table) &&
	     mnl_attr_put_u32_check(nlh, sizeof(buf), RTA_OIF, rt->oif) &&
	     mnl_attr_put_u32_check(nlh, sizeof(buf), RTA_DST, rt->dst.s_addr);
	if (ok && rt->src.s_addr)
		ok = mnl_attr_put_u32_check(nlh, sizeof(buf), RTA_PREFSRC,
					    rt->src.s_addr);
	return ok ? nl_talk(nl, nlh, nlh->nlmsg_len, NULL, NULL) : -EMSGSIZE;
}

int vip_route_add(struct nl_sock *nl, const struct vip_route *rt,
		  enum vip_route_mode mode)
{
	uint16_t flags =
		mode == VIP_ROUTE_REPLACE ? NLM_F_REPLACE : NLM_F_APPEND;
	int r = route_talk(nl, RTM_NEWROUTE, NLM_F_CREATE | flags, rt);

	return r == -EEXIST ? 0 : r;
}

int vip_route_del(struct nl_sock *nl, const struct vip_route *rt)
{
	return gone_is_fine(route_talk(nl, RTM_DELROUTE, 0, rt));
}

/* --- own addresses ------------------------------------------------------ */

in_addr_t vip_prefix_of(in_addr_t addr, uint8_t len)
{
	return len ? addr & htonl(~(uint32_t)0 << (32 - len)) : 0;
}

static int own_attr(const struct nlattr *attr, void *arg)
{
	if (mnl_attr_get_type(attr) == IFA_LOCAL &&
	    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
		memcpy(arg, mnl_attr_get_payload(attr), sizeof(in_addr_t));
	return MNL_CB_OK;
}

static int own_take(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct vip_own *o = arg;
	in_addr_t addr = 0;

	if (nlh->nlmsg_type != RTM_NEWADDR ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa) ||
	    ifa->ifa_family != AF_INET)
		return 0;
	(void)mnl_attr_parse(nlh, sizeof(*ifa), own_attr, &addr);
	if (addr == o->a->addr.s_addr)
		o->same = true;
	if (ifa->ifa_index == o->ifindex &&
	    vip_prefix_of(addr, o->a->prefixlen) ==
		    vip_prefix_of(o->a->addr.s_addr, o->a->prefixlen))
		o->in_prefix = true;
	return 0;
}

int vip_own_look(struct nl_sock *nl, struct vip_own *o)
{
	_Alignas(8) char buf[MESSAGE_SIZE];
	int tries = 0;
	int r;

	do {
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
		struct ifaddrmsg *ifa =
			mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

		nlh->nlmsg_type = RTM_GETADDR;
		nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		ifa->ifa_family = AF_INET;
		o->same = false;
		o->in_prefix = false;
		r = nl_talk(nl, nlh, nlh->nlmsg_len, own_take, o);
	} while (r == -EINTR && ++tries < DUMP_TRIES);
	return r;
}

/* --- our routes --------------------------------------------------------- */

struct found_route {
	struct vip_route *rt;
	bool found;
};

static int route_attr(const struct nlattr *a, void *arg)
{
	struct vip_route *rt = arg;

	if (mnl_attr_validate(a, MNL_TYPE_U32) < 0)
		return MNL_CB_OK;
	if (mnl_attr_get_type(a) == RTA_TABLE)
		rt->table = mnl_attr_get_u32(a);
	else if (mnl_attr_get_type(a) == RTA_OIF)
		rt->oif = mnl_attr_get_u32(a);
	else if (mnl_attr_get_type(a) == RTA_DST)
		rt->dst.s_addr = mnl_attr_get_u32(a);
	else if (mnl_attr_get_type(a) == RTA_PREFSRC)
		rt->src.s_addr = mnl_attr_get_u32(a);
	return MNL_CB_OK;
}

static int route_take(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct found_route *f = arg;

	if (f->found || nlh->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    rtm->rtm_protocol != VIP_RTPROT || rtm->rtm_family != AF_INET)
		return 0;
	f->found = true;
	*f->rt = (struct vip_route){ .type = rtm->rtm_type,
				     .scope = rtm->rtm_scope,
				     .prefixlen = rtm->rtm_dst_len };
	(void)mnl_attr_parse(nlh, sizeof(*rtm), route_attr, f->rt);
	return 0;
}

int vip_route_find(struct nl_sock *nl, struct vip_route *rt)
{
	_Alignas(8) char buf[MESSAGE_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	struct found_route f = { .rt = rt };
	int r;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	rtm->rtm_family = AF_INET;
	rtm->rtm_protocol = VIP_RTPROT;
	r = nl_talk(nl, nlh, nlh->nlmsg_len, route_take, &f);
	if (f.found)
		return 0; /* also from a torn dump */
	return r ? r : VIP_NO_ROUTE;
}
