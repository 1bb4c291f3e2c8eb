/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Neighbours that were asked for while a cable was out. The kernel goes on
 * asking once a second (retrans_time_ms) and lets packets wait meanwhile, so
 * that a takeover right after the cable is back stood still up to a second.
 *
 * Text: rtnetlink(7); kernel neigh_dump_info (strict check), neigh_delete,
 * __neigh_event_send (who is not known is asked at once).
 *
 * Invariant: only an entry without an answer is deleted.
 */
#include "neigh_table.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define MESSAGE_SIZE 128
#define AT_ONCE	     128
#define ROUNDS	     8 /* gc_thresh3 allows 1024 of a family */

struct waiting {
	uint8_t family;
	uint8_t addr[16];
};

struct found {
	int ifindex;
	struct waiting list[AT_ONCE];
	size_t count;
};

static int addr_attr(const struct nlattr *a, void *arg)
{
	struct waiting *w = arg;
	size_t len = w->family == AF_INET6 ? 16 : 4;

	if (mnl_attr_get_type(a) != NDA_DST ||
	    mnl_attr_get_payload_len(a) != len)
		return MNL_CB_OK;
	memcpy(w->addr, mnl_attr_get_payload(a), len);
	return MNL_CB_STOP;
}

static int take(const struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct found *f = arg;
	struct waiting *w = &f->list[f->count];

	if (f->count == AT_ONCE || nlh->nlmsg_type != RTM_NEWNEIGH ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm) ||
	    ndm->ndm_ifindex != f->ifindex ||
	    !(ndm->ndm_state & NUD_INCOMPLETE))
		return 0;
	w->family = ndm->ndm_family;
	if (mnl_attr_parse(nlh, sizeof(*ndm), addr_attr, w) == MNL_CB_STOP)
		f->count++;
	return 0;
}

static int look(struct nl_sock *nl, struct found *f)
{
	_Alignas(8) char buf[MESSAGE_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ndmsg));
	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	f->count = 0;
	if (!mnl_attr_put_u32_check(nlh, sizeof(buf), NDA_IFINDEX,
				    (uint32_t)f->ifindex))
		return -EMSGSIZE;
	return nl_talk(nl, nlh, nlh->nlmsg_len, take, f);
}

static int forget(struct nl_sock *nl, int ifindex, const struct waiting *w)
{
	_Alignas(8) char buf[MESSAGE_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	int r;

	nlh->nlmsg_type = RTM_DELNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	ndm->ndm_family = w->family;
	ndm->ndm_ifindex = ifindex;
	if (!mnl_attr_put_check(nlh, sizeof(buf), NDA_DST,
				w->family == AF_INET6 ? 16 : 4, w->addr))
		return -EMSGSIZE;
	r = nl_talk(nl, nlh, nlh->nlmsg_len, NULL, NULL);
	return r == -ENOENT ? 0 : r;
}

int neigh_table_ask_anew(struct nl_sock *nl, unsigned int ifindex)
{
	struct found f = { .ifindex = (int)ifindex };
	int first = 0, r;

	for (int i = 0; i < ROUNDS; i++) {
		r = look(nl, &f);
		if (r && r != -EINTR) /* a torn dump found some */
			return r;
		for (size_t k = 0; k < f.count; k++) {
			r = forget(nl, f.ifindex, &f.list[k]);
			if (!first)
				first = r;
		}
		if (first || f.count < AT_ONCE)
			break;
	}
	return first;
}
