/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel's conntrack events. Not the judgement which of them are told to
 * a peer, and no memory of flows.
 *
 * Text: nf_conntrack_netlink.c (ctnetlink_conntrack_event), af_netlink.c
 * (netlink_broadcast, netlink_overrun); CTNETLINK.md 4 and 5.
 *
 * Invariant: what was lost shows. Whatever could not be read, whole or in
 * part, ends in CT_EVENTS_OVERRUN.
 */
#include "ct_events.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ct_helper.h"
#include "ct_msg.h"
#include "ct_refuse.h"

static const unsigned groups[] = {
	NFNLGRP_CONNTRACK_NEW,	       NFNLGRP_CONNTRACK_UPDATE,
	NFNLGRP_CONNTRACK_DESTROY,     NFNLGRP_CONNTRACK_EXP_NEW,
	NFNLGRP_CONNTRACK_EXP_DESTROY,
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

int ct_events_open(struct ct_events *e, size_t buffer)
{
	int ret;

	*e = (struct ct_events){ .sock.fd = -1, .query.fd = -1 };
	e->slots = malloc(sizeof(*e->slots));
	if (e->slots == NULL)
		return -ENOMEM;
	nl_slots_init(e->slots);
	ret = nl_open(&e->sock, NETLINK_NETFILTER, 0, buffer);
	if (ret == 0)
		ret = nl_open(&e->query, NETLINK_NETFILTER, 0, 0);
	if (ret < 0)
		ct_events_close(e);
	return ret;
}

void ct_events_close(struct ct_events *e)
{
	nl_close(&e->sock);
	nl_close(&e->query);
	free(e->slots);
	e->slots = NULL;
	e->subscribed = false;
}

int ct_events_adopt(struct ct_events *e, int fd)
{
	int ret;

	nl_close(&e->sock);
	ret = nl_adopt(&e->sock, fd);
	e->subscribed = ret == 0;
	return ret;
}

static int attach(struct ct_events *e)
{
	struct sock_filter code[CT_REFUSE_MAX];
	struct sock_fprog prog = {
		.len = (unsigned short)ct_refuse_program(code, e->own_portid,
							 e->refused),
		.filter = code,
	};
	int ret, none = 0;

	if (prog.len)
		ret = setsockopt(e->sock.fd, SOL_SOCKET, SO_ATTACH_FILTER,
				 &prog, sizeof(prog));
	else
		ret = setsockopt(e->sock.fd, SOL_SOCKET, SO_DETACH_FILTER,
				 &none, sizeof(none));
	return ret < 0 && (prog.len || errno != ENOENT) ? -errno : 0;
}

int ct_events_ignore_portid(struct ct_events *e, uint32_t portid)
{
	uint32_t before = e->own_portid;
	int ret;

	e->own_portid = portid;
	ret = attach(e);
	if (ret)
		e->own_portid = before;
	return ret;
}

int ct_events_refuse(struct ct_events *e, const uint64_t protocols[4])
{
	int ret, none = 0;

	if (!memcmp(e->refused, protocols, sizeof(e->refused)))
		return 0;
	memcpy(e->refused, protocols, sizeof(e->refused));
	ret = attach(e);
	if (!ret)
		return 0;
	/* the filter that is still there may drop what is wanted now */
	memset(e->refused, 0, sizeof(e->refused));
	(void)setsockopt(e->sock.fd, SOL_SOCKET, SO_DETACH_FILTER, &none,
			 sizeof(none));
	return ret;
}

/* Throws away what is queued and forgets a pending overrun. */
static void drain(struct ct_events *e)
{
	int n;

	do
		n = nl_slots_recv(&e->sock, e->slots, NL_SLOTS);
	while (n > 0 || n == -ENOBUFS);
}

static void leave_groups(struct ct_events *e)
{
	for (size_t i = 0; i < GROUPS; i++) {
		/* Leaving can fail only for a group that does not exist. */
		if (nl_group_leave(&e->sock, groups[i]) < 0)
			continue;
	}
}

int ct_events_subscribe(struct ct_events *e)
{
	int ret = 0;

	if (e->subscribed)
		return 0;
	drain(e);
	for (size_t i = 0; i < GROUPS && ret == 0; i++)
		ret = nl_group_join(&e->sock, groups[i]);
	if (ret < 0) {
		leave_groups(e);
		drain(e);
		return ret;
	}
	e->subscribed = true;
	return 0;
}

void ct_events_unsubscribe(struct ct_events *e)
{
	if (!e->subscribed)
		return;
	leave_groups(e);
	drain(e);
	e->subscribed = false;
}

int ct_events_fd(const struct ct_events *e)
{
	return e->sock.fd;
}

/* Where the flows of one read go, and whether some could not. */
struct sink {
	struct ct_events *e;
	ct_event_cb *cb;
	void *arg;
	bool lost;
};

/*
 * A flow is told whole. The state comes only when it changed. What a rule gave
 * to a SYN came with that, which is not told; a master comes with the first
 * packet.
 */
static bool is_partial(const struct ct_events *e, const struct flow *f)
{
	if (ct_helper_lacks(f) ||
	    (e->want_labels && !(f->has & FLOW_HAS_LABELS)))
		return true;
	if (f->l4proto == IPPROTO_SCTP)
		return !(f->has & FLOW_HAS_SCTP);
	if (f->l4proto != IPPROTO_TCP)
		return false;
	return !(f->has & FLOW_HAS_TCP) ||
	       (f->tcp_state == TCP_CONNTRACK_SYN_RECV && e->labels);
}

/*
 * A change that is not the whole flow (a mark, a label) becomes the whole entry as
 * it is now, which is at least as new. Returns false when there is nothing to
 * tell: the entry is gone or another one's, and its own events follow.
 */
static bool complete(struct sink *s, struct flow *f)
{
	struct flow now;
	int ret;

	s->e->completed++;
	ret = ct_flow_ask(&s->e->query, f, &now);
	if (ret < 0) {
		s->lost |= ret != -ENOENT;
		return false;
	}
	if (!flow_tuple_equal(&now.reply, &f->reply))
		return false;
	/* its beginning is told as such; the events of the rest follow */
	if (f->has & FLOW_HAS_TCP)
		now.tcp_state = f->tcp_state;
	*f = now;
	return true;
}

static bool event_op(const struct nlmsghdr *nlh, enum flow_op *op)
{
	switch (nlh->nlmsg_type) {
	case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW:
		*op = nlh->nlmsg_flags & NLM_F_CREATE ? FLOW_NEW : FLOW_UPDATE;
		return true;
	case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE:
		*op = FLOW_DESTROY;
		return true;
	default:
		return false;
	}
}

/* The kernel tells of it before the packet is changed that announced it: what
 * its master says of changed lengths may come with the next word only. */
static void read_expect(struct sink *s, const struct nlmsghdr *nlh)
{
	struct ct_expect_event event;
	int ret = ct_expect_read(nlh, &s->e->query, &event);

	if (ret == 0 && s->e->expect_cb)
		s->e->expect_cb(&event, s->arg);
	s->e->foreign += ret == CT_MSG_FOREIGN;
	s->e->malformed += ret == -EBADMSG;
	s->lost |= ret < 0;
}

static void read_message(struct sink *s, const struct nlmsghdr *nlh)
{
	struct ct_event event;
	int ret;

	if (nlh->nlmsg_pid != 0 && nlh->nlmsg_pid == s->e->own_portid)
		return;
	if (NFNL_SUBSYS_ID(nlh->nlmsg_type) == NFNL_SUBSYS_CTNETLINK_EXP) {
		read_expect(s, nlh);
		return;
	}
	if (!event_op(nlh, &event.op)) {
		s->e->foreign++;
		return;
	}
	event.portid = nlh->nlmsg_pid;
	ret = ct_msg_parse(nlh, &event.flow);
	if (ret == CT_MSG_FOREIGN) {
		s->e->foreign++;
		return;
	}
	if (ret < 0) {
		s->e->malformed++;
		s->lost = true;
		return;
	}
	s->e->labels |= !!(event.flow.has & FLOW_HAS_LABELS);
	if (event.op != FLOW_DESTROY && is_partial(s->e, &event.flow) &&
	    !complete(s, &event.flow))
		return;
	s->cb(&event, s->arg);
}

static void read_datagram(struct sink *s, const struct mmsghdr *m,
			  const uint8_t *bytes)
{
	const struct nlmsghdr *nlh = (const void *)bytes;
	int len = (int)m->msg_len;

	if (m->msg_hdr.msg_flags & MSG_TRUNC) {
		s->e->malformed++;
		s->lost = true;
		return;
	}
	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
		read_message(s, nlh);
}

int ct_events_read(struct ct_events *e, ct_event_cb *cb, void *arg,
		   unsigned max)
{
	struct sink s = { .e = e, .cb = cb, .arg = arg };
	unsigned want, done = 0;
	int n;

	if (!e->subscribed) {
		drain(e);
		return CT_EVENTS_DRAINED;
	}
	do {
		want = NL_SLOTS;
		if (max != 0 && max - done < want)
			want = max - done;
		n = nl_slots_recv(&e->sock, e->slots, want);
		if (n == -ENOBUFS)
			return CT_EVENTS_OVERRUN;
		if (n < 0)
			return n;
		for (int i = 0; i < n; i++)
			read_datagram(&s, &e->slots->msgs[i],
				      e->slots->bytes[i]);
		if (s.lost)
			return CT_EVENTS_OVERRUN;
		done += (unsigned)n;
		/* A short read is an empty queue; it need not be asked. */
		if ((unsigned)n < want)
			return CT_EVENTS_DRAINED;
	} while (max == 0 || done < max);
	return CT_EVENTS_MORE;
}
