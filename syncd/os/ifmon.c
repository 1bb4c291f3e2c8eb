/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rtnetlink's news of links and addresses as values. It remembers nothing and
 * changes nothing.
 *
 * Text: rtnetlink(7), RFC 2863 (operational states), kernel rtnl_fill_ifinfo,
 * inet_fill_ifaddr, inet6_fill_ifaddr.
 *
 * Invariant: whatever the kernel sends, an event handed on is whole; a message
 * that cannot be understood is passed over.
 */
#include "ifmon.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* Messages of links carry statistics and are some kilobytes long. */
#define EVENT_MAX     32768
#define EVENT_BUFFER  (1 << 20)
#define DUMP_ATTEMPTS 5
#define MAC_LEN	      6

struct sink {
	ifmon_cb *cb;
	void *arg;
};

int ifmon_open(struct ifmon *m)
{
	int r;

	memset(m, 0, sizeof(*m));
	r = nl_open(&m->events, NETLINK_ROUTE,
		    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
		    EVENT_BUFFER);
	if (!r)
		r = nl_open(&m->query, NETLINK_ROUTE, 0, 0);
	if (r)
		ifmon_close(m);
	return r;
}

void ifmon_close(struct ifmon *m)
{
	nl_close(&m->events);
	nl_close(&m->query);
}

int ifmon_fd(const struct ifmon *m)
{
	return m->events.fd;
}

static void link_mac(struct ifmon_link *l, const struct nlattr *a)
{
	static const uint8_t zero[MAC_LEN];

	if (mnl_attr_get_payload_len(a) != MAC_LEN)
		return;
	memcpy(l->mac, mnl_attr_get_payload(a), MAC_LEN);
	l->has_mac = memcmp(l->mac, zero, MAC_LEN) != 0;
}

static int link_attr(const struct nlattr *a, void *arg)
{
	struct ifmon_link *l = arg;

	switch (mnl_attr_get_type(a)) {
	case IFLA_IFNAME:
		if (mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0)
			strncpy(l->name, mnl_attr_get_str(a),
				sizeof(l->name) - 1);
		break;
	case IFLA_ADDRESS:
		link_mac(l, a);
		break;
	case IFLA_MTU:
		if (mnl_attr_validate(a, MNL_TYPE_U32) == 0)
			l->mtu = mnl_attr_get_u32(a);
		break;
	case IFLA_OPERSTATE:
		if (mnl_attr_validate(a, MNL_TYPE_U8) == 0)
			l->unknown = mnl_attr_get_u8(a) == IF_OPER_UNKNOWN;
		break;
	case IFLA_MASTER:
		if (mnl_attr_validate(a, MNL_TYPE_U32) == 0)
			l->master = mnl_attr_get_u32(a);
		break;
	case IFLA_CARRIER:
		/* Ahead of IFF_RUNNING, which linkwatch may delay by 1 s. */
		if (mnl_attr_validate(a, MNL_TYPE_U8) == 0 &&
		    !mnl_attr_get_u8(a))
			l->up = false;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static void take_link(const struct nlmsghdr *nlh, const struct sink *s)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct ifmon_event ev = { .kind = IFMON_LINK };

	/* A bridge tells of its ports with AF_BRIDGE, also when one leaves. */
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi) ||
	    ifi->ifi_family != AF_UNSPEC)
		return;
	ev.ifindex = (unsigned int)ifi->ifi_index;
	ev.link.gone = nlh->nlmsg_type == RTM_DELLINK;
	ev.link.up = (ifi->ifi_flags & IFF_UP) &&
		     (ifi->ifi_flags & IFF_RUNNING) && !ev.link.gone;
	ev.link.arp = !(ifi->ifi_flags & (IFF_NOARP | IFF_LOOPBACK));
	(void)mnl_attr_parse(nlh, sizeof(*ifi), link_attr, &ev.link);
	if (*ev.link.name)
		s->cb(&ev, s->arg);
}

struct addr_look {
	size_t len;
	const struct nlattr *local, *address;
};

static int addr_attr(const struct nlattr *a, void *arg)
{
	struct addr_look *look = arg;

	if (mnl_attr_get_payload_len(a) != look->len)
		return MNL_CB_OK;
	if (mnl_attr_get_type(a) == IFA_LOCAL)
		look->local = a;
	else if (mnl_attr_get_type(a) == IFA_ADDRESS)
		look->address = a;
	return MNL_CB_OK;
}

/* IFA_LOCAL is ours; IFA_ADDRESS is the other end of a point-to-point link,
 * and all that IPv6 has elsewhere. */
static const void *addr_find(const struct nlmsghdr *nlh, size_t len)
{
	struct addr_look look = { .len = len };
	const struct nlattr *a;

	(void)mnl_attr_parse(nlh, sizeof(struct ifaddrmsg), addr_attr, &look);
	a = look.local ? look.local : look.address;
	return a ? mnl_attr_get_payload(a) : NULL;
}

static void take_addr(const struct nlmsghdr *nlh, const struct sink *s)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct ifmon_event ev = { .kind = IFMON_ADDR };
	const void *addr;
	size_t len;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa))
		return;
	if (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6)
		return;
	len = ifa->ifa_family == AF_INET ? 4 : 16;
	addr = addr_find(nlh, len);
	if (!addr)
		return;
	ev.ifindex = ifa->ifa_index;
	ev.addr.family = ifa->ifa_family;
	ev.addr.prefixlen = ifa->ifa_prefixlen;
	ev.addr.added = nlh->nlmsg_type == RTM_NEWADDR;
	memcpy(ev.addr.addr, addr, len);
	s->cb(&ev, s->arg);
}

static int take(const struct nlmsghdr *nlh, void *arg)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		take_link(nlh, arg);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		take_addr(nlh, arg);
		break;
	default:
		break;
	}
	return 0;
}

int ifmon_read(struct ifmon *m, ifmon_cb *cb, void *arg)
{
	_Alignas(8) char buf[EVENT_MAX];
	struct sink s = { cb, arg };
	bool lost = false;

	for (;;) {
		const struct nlmsghdr *nlh = (const void *)buf;
		ssize_t n = recv(m->events.fd, buf, sizeof(buf),
				 MSG_DONTWAIT | MSG_TRUNC);
		int left = (int)n;

		if (n < 0 && errno == EAGAIN)
			return lost ? IFMON_OVERRUN : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != ENOBUFS)
			return -errno;
		if (n < 0 || n > (ssize_t)sizeof(buf)) {
			lost = true; /* and go on: the queue is to be empty */
			continue;
		}
		for (; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left))
			(void)take(nlh, &s);
	}
}

static int dump_once(struct ifmon *m, uint16_t type, struct sink *s)
{
	_Alignas(8) char buf[128];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (type == RTM_GETLINK)
		mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	else
		mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	return nl_talk(&m->query, nlh, nlh->nlmsg_len, take, s);
}

static int dump(struct ifmon *m, uint16_t type, ifmon_cb *cb, void *arg)
{
	struct sink s = { cb, arg };
	int attempt, r = -EINTR;

	for (attempt = 0; r == -EINTR && attempt < DUMP_ATTEMPTS; attempt++)
		r = dump_once(m, type, &s);
	return r;
}

int ifmon_dump(struct ifmon *m, ifmon_cb *cb, void *arg)
{
	int r = dump(m, RTM_GETLINK, cb, arg);

	return r ? r : dump(m, RTM_GETADDR, cb, arg);
}
