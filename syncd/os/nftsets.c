// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * nftables sets, read: what they are, their elements chunk by chunk, and news
 * of them. Writing is in nftsets_put.c.
 *
 * Text: nf_tables_api.c (nf_tables_dump_set, nf_tables_setelem_notify),
 * nft_set_rbtree.c: a walk goes from the highest entry down, so the end of a
 * range comes before its key, and the lowest end of all belongs to none.
 *
 * Invariant: each recvmsg lets the kernel fill at most one chunk ahead of the
 * reader, so no step is longer than that.
 */
#include "nftsets.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "nftsets_msg.h"

#define EVENTS_BUFFER  (4 * 1024 * 1024)
#define ANSWERS_BUFFER (1024 * 1024)
#define EVENTS_MAX     64 /* datagrams in one go */

/* --- life ----------------------------------------------------------------------- */

int nftsets_open(struct nftsets *s, const struct nftsets_name *names, size_t n)
{
	int err;

	*s = (struct nftsets){ .n = n };
	s->events.fd = s->talk.fd = s->dump.fd = -1;
	memcpy(s->names, names, n * sizeof(*names));
	s->buf = malloc(NFTSETS_CHUNK);
	s->batch = malloc(NFTSETS_BATCH);
	err = s->buf && s->batch ? 0 : -ENOMEM;
	if (!err)
		err = nl_open(&s->talk, NETLINK_NETFILTER, 0, ANSWERS_BUFFER);
	if (!err)
		err = nl_set_sndbuf(&s->talk, ANSWERS_BUFFER);
	if (!err)
		err = nl_open(&s->events, NETLINK_NETFILTER, 0, EVENTS_BUFFER);
	if (!err)
		err = nl_group_join(&s->events, NFNLGRP_NFTABLES);
	if (err)
		nftsets_close(s);
	return err;
}

void nftsets_close(struct nftsets *s)
{
	nl_close(&s->events);
	nl_close(&s->talk);
	nl_close(&s->dump);
	free(s->buf);
	free(s->batch);
	*s = (struct nftsets){ 0 };
}

int nftsets_fd(const struct nftsets *s)
{
	return s->events.fd;
}

/* --- what a set is ------------------------------------------------------------------ */

static int got_kind(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_set *t = nftnl_set_alloc();
	struct set_kind *k = arg;

	if (!t)
		return -ENOMEM;
	if (nftnl_set_nlmsg_parse(nlh, t) < 0) {
		nftnl_set_free(t);
		return -EBADMSG;
	}
	*k = (struct set_kind){
		.present = true,
		.big_endian = htobe16(1) == 1,
		.key_type = nftnl_set_get_u32(t, NFTNL_SET_KEY_TYPE),
		.key_len = nftnl_set_get_u32(t, NFTNL_SET_KEY_LEN),
		.flags = nftnl_set_get_u32(t, NFTNL_SET_FLAGS),
	};
	if (k->flags & NFT_SET_MAP) {
		k->data_type = nftnl_set_get_u32(t, NFTNL_SET_DATA_TYPE);
		k->data_len = nftnl_set_get_u32(t, NFTNL_SET_DATA_LEN);
	}
	if (nftnl_set_is_set(t, NFTNL_SET_TIMEOUT))
		k->timeout_ms = nftnl_set_get_u64(t, NFTNL_SET_TIMEOUT);
	if (nftnl_set_is_set(t, NFTNL_SET_HANDLE))
		k->handle = nftnl_set_get_u64(t, NFTNL_SET_HANDLE);
	nftnl_set_free(t);
	return 0;
}

int nftsets_kind(struct nftsets *s, unsigned set, struct set_kind *kind)
{
	_Alignas(8) char buf[1024];
	const struct nftsets_name *name = &s->names[set];
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(
		buf, NFT_MSG_GETSET, name->family, NLM_F_ACK, 0);
	int err;

	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, name->table);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, name->set);
	*kind = (struct set_kind){ 0 };
	err = nl_talk(&s->talk, buf, nlh->nlmsg_len, got_kind, kind);
	if (err == -ENOENT)
		err = 0;
	s->kinds[set] = *kind;
	return err;
}

/* --- a dump --------------------------------------------------------------------------- */

void nftsets_abort(struct nftsets *s)
{
	/* the kernel forgets a dump only with its socket */
	if (s->dumping)
		nl_close(&s->dump);
	s->dumping = s->has_upper = false;
}

int nftsets_dump(struct nftsets *s, unsigned set)
{
	_Alignas(8) char buf[1024];
	const struct nftsets_name *name = &s->names[set];
	struct nlmsghdr *nlh;
	int err = 0;

	nftsets_abort(s);
	if (!s->dump.mnl)
		err = nl_open(&s->dump, NETLINK_NETFILTER, 0,
			      2 * NFTSETS_CHUNK);
	if (err)
		return err;
	nlh = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETSETELEM, name->family,
				    NLM_F_DUMP, ++s->dump.seq);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, name->table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, name->set);
	err = nl_send(&s->dump, buf, nlh->nlmsg_len);
	s->dumping = !err;
	s->at = set;
	return err;
}

struct chunk {
	struct nftsets *s;
	struct set_elem *list;
	size_t n, untold;
};

static void read_entry(const struct nl_attrs *entry, void *arg)
{
	struct chunk *c = arg;
	struct nftsets *s = c->s;
	const struct set_kind *kind = &s->kinds[s->at];
	struct set_elem *e = &c->list[c->n];

	if (c->n == SET_CHUNK_MAX) { /* more than any chunk can have */
		c->untold++;
		return;
	}
	switch (nftsets_get(entry, kind, e)) {
	case NFTSETS_UPPER:
		s->upper = *e;
		s->has_upper = true;
		return;
	case NFTSETS_UNTOLD:
		c->untold++;
		s->has_upper = false;
		return;
	case NFTSETS_ELEMENT:
		break;
	}
	if (set_kind_ranges(kind) && s->has_upper) {
		e->end_len = s->upper.key_len;
		memcpy(e->end, s->upper.key, s->upper.key_len);
	} else if (set_kind_ranges(kind) && !(e->flags & SET_ELEM_CATCHALL)) {
		e->flags |= SET_ELEM_OPEN;
	}
	s->has_upper = false;
	if (!set_elem_valid(e, kind))
		c->untold++;
	else if (!e->timeout_ms || e->expires_ms)
		c->n++;
}

static int end_code(const struct nlmsghdr *nlh)
{
	int code = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
	return code < 0 ? code : NFTSETS_DONE;
}

static int read_chunk(struct chunk *c, int len)
{
	const struct nlmsghdr *nlh = (const void *)c->s->buf;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_type == NLMSG_DONE ||
		    nlh->nlmsg_type == NLMSG_ERROR)
			return end_code(nlh);
		if (nlh->nlmsg_type >= NLMSG_MIN_TYPE &&
		    !nftsets_each(nlh, read_entry, c))
			return -EBADMSG;
	}
	return NFTSETS_MORE;
}

static ssize_t receive(struct nl_sock *sock, void *buf)
{
	ssize_t n;

	do
		n = recv(sock->fd, buf, NFTSETS_CHUNK,
			 MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n > NFTSETS_CHUNK ? -EMSGSIZE : n;
}

int nftsets_read(struct nftsets *s, struct set_elem *list, size_t *n,
		 size_t *untold)
{
	struct chunk c = { .s = s, .list = list };
	int ret = NFTSETS_DONE;

	if (s->dumping)
		ret = (int)receive(&s->dump, s->buf);
	if (ret > 0)
		ret = read_chunk(&c, ret);
	*n = c.n;
	*untold = c.untold;
	if (ret < 0)
		nftsets_abort(s);
	else if (ret == NFTSETS_DONE)
		s->dumping = s->has_upper = false;
	return ret;
}

/* --- news ----------------------------------------------------------------------------- */

struct news {
	struct nftsets *s;
	const struct nftsets_ops *ops;
	void *arg;
	unsigned set;
	bool gone;
};

static void news_entry(const struct nl_attrs *entry, void *arg)
{
	const struct set_kind *kind;
	struct news *w = arg;
	struct set_elem e;

	kind = &w->s->kinds[w->set];
	if (set_kind_ranges(kind)) {
		w->ops->stirred(w->arg, w->set);
		return;
	}
	if (nftsets_get(entry, kind, &e) != NFTSETS_ELEMENT ||
	    !set_elem_valid(&e, kind))
		return;
	if (w->gone)
		e.flags |= SET_ELEM_DELETED;
	w->ops->changed(w->arg, w->set, &e);
}

static void news_elements(struct news *w, const struct nlmsghdr *nlh)
{
	for (w->set = 0; w->set < w->s->n; w->set++)
		if (w->s->kinds[w->set].present &&
		    nftsets_names(nlh, NFTA_SET_ELEM_LIST_TABLE,
				  NFTA_SET_ELEM_LIST_SET,
				  &w->s->names[w->set])) {
			(void)nftsets_each(nlh, news_entry, w);
			return;
		}
}

static void news_set(struct news *w, const struct nlmsghdr *nlh, bool table)
{
	for (unsigned i = 0; i < w->s->n; i++)
		if (table ? nftsets_names(nlh, NFTA_TABLE_NAME, 0,
					  &w->s->names[i])
			  : nftsets_names(nlh, NFTA_SET_TABLE, NFTA_SET_NAME,
					  &w->s->names[i]))
			w->ops->renewed(w->arg, i);
}

static void news_message(struct news *w, const struct nlmsghdr *nlh)
{
	if (NFNL_SUBSYS_ID(nlh->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    nlh->nlmsg_pid == w->s->talk.portid)
		return;
	switch (NFNL_MSG_TYPE(nlh->nlmsg_type)) {
	case NFT_MSG_NEWSETELEM:
	case NFT_MSG_DELSETELEM:
		w->gone = NFNL_MSG_TYPE(nlh->nlmsg_type) == NFT_MSG_DELSETELEM;
		news_elements(w, nlh);
		return;
	case NFT_MSG_NEWSET:
	case NFT_MSG_DELSET:
		news_set(w, nlh, false);
		return;
	case NFT_MSG_DELTABLE:
		news_set(w, nlh, true);
		return;
	default: /* rules, chains, generations */
		return;
	}
}

int nftsets_events(struct nftsets *s, const struct nftsets_ops *ops, void *arg)
{
	struct news w = { .s = s, .ops = ops, .arg = arg };

	for (unsigned i = 0; i < EVENTS_MAX; i++) {
		const struct nlmsghdr *nlh = (const void *)s->buf;
		int len = (int)receive(&s->events, s->buf);

		if (len == -EAGAIN)
			return 0;
		if (len < 0)
			return len;
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
			news_message(&w, nlh);
	}
	return 1;
}
