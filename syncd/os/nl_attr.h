/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Netlink attributes, read and written in line: what libmnl does, for the two
 * places where its calls cost as much as a quarter of the kernel's own work
 * (40 attributes a flow). Elsewhere use libmnl.
 *
 * Text: netlink(7), and the nla_ functions of the kernel's net/netlink.h.
 * Reading never passes the end that was given; writing never passes the size.
 */
#ifndef STATESYNC_NL_ATTR_H
#define STATESYNC_NL_ATTR_H

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* --- reading --- */

/* A sequence of attributes: for (; nl_attrs_ok(&r); nl_attrs_next(&r)). */
struct nl_attrs {
	const uint8_t *at, *end;
	struct nlattr head; /* of the attribute at hand */
};

static inline bool nl_attrs_ok(struct nl_attrs *r)
{
	size_t left = (size_t)(r->end - r->at);

	if (left < NLA_HDRLEN)
		return false;
	memcpy(&r->head, r->at, sizeof(r->head));
	return r->head.nla_len >= NLA_HDRLEN && r->head.nla_len <= left;
}

static inline void nl_attrs_next(struct nl_attrs *r)
{
	size_t step = NLA_ALIGN(r->head.nla_len);
	size_t left = (size_t)(r->end - r->at);

	r->at += step < left ? step : left;
}

static inline unsigned nl_attrs_type(const struct nl_attrs *r)
{
	return r->head.nla_type & NLA_TYPE_MASK;
}

/* The attributes within the one at hand. */
static inline struct nl_attrs nl_attrs_nest(const struct nl_attrs *r)
{
	return (struct nl_attrs){ .at = r->at + NLA_HDRLEN,
				  .end = r->at + r->head.nla_len };
}

/* The attributes of a message behind the family's header of that length. */
static inline struct nl_attrs nl_attrs_of(const struct nlmsghdr *nlh,
					  size_t header)
{
	const uint8_t *p = (const uint8_t *)nlh;
	size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(header);

	if (skip > nlh->nlmsg_len)
		skip = nlh->nlmsg_len;
	return (struct nl_attrs){ .at = p + skip, .end = p + nlh->nlmsg_len };
}

/* Each copies the payload; false unless it has exactly that length. */
static inline bool nl_attrs_get(const struct nl_attrs *r, void *v, size_t len)
{
	if (r->head.nla_len != NLA_HDRLEN + len)
		return false;
	memcpy(v, r->at + NLA_HDRLEN, len);
	return true;
}

static inline bool nl_attrs_be16(const struct nl_attrs *r, uint16_t *v)
{
	bool ok = nl_attrs_get(r, v, sizeof(*v));

	*v = ntohs(*v);
	return ok;
}

static inline bool nl_attrs_be32(const struct nl_attrs *r, uint32_t *v)
{
	bool ok = nl_attrs_get(r, v, sizeof(*v));

	*v = ntohl(*v);
	return ok;
}

/* --- writing --- */

/* A message in the making. After the first put that does not fit, none does. */
struct nl_msg {
	uint8_t *p; /* aligned to 4 */
	size_t size, used;
	bool ok;
};

/* Room for len bytes and their padding, whose last word is zeroed. */
static inline uint8_t *nl_msg_room(struct nl_msg *m, size_t len)
{
	size_t room = NLMSG_ALIGN(len);
	uint8_t *p = m->p + m->used;
	uint32_t zero = 0;

	if (!m->ok || m->size - m->used < room) {
		m->ok = false;
		return NULL;
	}
	m->used += room;
	memcpy(p + room - sizeof(zero), &zero, sizeof(zero));
	return p;
}

/* A message of nfnetlink in buf, size bytes: NFNL_SUBSYS_* << 8 | type, flags
 * beside NLM_F_REQUEST, a resource (a queue's number) or 0. */
static inline struct nl_msg nl_msg_start(void *buf, size_t size, uint16_t type,
					 uint16_t flags, uint32_t seq,
					 uint8_t family, uint16_t res_id)
{
	struct nl_msg m = { .p = buf, .size = size, .ok = true };
	struct nlmsghdr head = {
		.nlmsg_type = type,
		.nlmsg_flags = NLM_F_REQUEST | flags,
		.nlmsg_seq = seq,
	};
	struct nfgenmsg nfg = {
		.nfgen_family = family,
		.version = NFNETLINK_V0,
		.res_id = htons(res_id),
	};
	uint8_t *p = nl_msg_room(&m, sizeof(head) + sizeof(nfg));

	if (p != NULL) {
		memcpy(p, &head, sizeof(head));
		memcpy(p + sizeof(head), &nfg, sizeof(nfg));
	}
	return m;
}

/* Writes the length that is known only now; returns it, 0 when the message did
 * not fit. */
static inline size_t nl_msg_end(const struct nl_msg *m)
{
	uint32_t len = (uint32_t)m->used;

	if (!m->ok)
		return 0;
	memcpy(m->p + offsetof(struct nlmsghdr, nlmsg_len), &len, sizeof(len));
	return len;
}

static inline void nl_msg_put(struct nl_msg *m, uint16_t type, const void *data,
			      size_t len)
{
	struct nlattr head = { .nla_len = (uint16_t)(NLA_HDRLEN + len),
			       .nla_type = type };
	uint8_t *p = nl_msg_room(m, NLA_HDRLEN + len);

	if (p == NULL)
		return;
	memcpy(p, &head, sizeof(head));
	memcpy(p + NLA_HDRLEN, data, len);
}

static inline void nl_msg_u8(struct nl_msg *m, uint16_t type, uint8_t v)
{
	nl_msg_put(m, type, &v, sizeof(v));
}

static inline void nl_msg_be16(struct nl_msg *m, uint16_t type, uint16_t v)
{
	v = htons(v);
	nl_msg_put(m, type, &v, sizeof(v));
}

static inline void nl_msg_be32(struct nl_msg *m, uint16_t type, uint32_t v)
{
	v = htonl(v);
	nl_msg_put(m, type, &v, sizeof(v));
}

/* Opens a nest; give what it returns to nl_msg_nest_end. */
static inline size_t nl_msg_nest(struct nl_msg *m, uint16_t type)
{
	size_t at = m->used;

	nl_msg_put(m, NLA_F_NESTED | type, "", 0);
	return at;
}

static inline void nl_msg_nest_end(struct nl_msg *m, size_t at)
{
	uint16_t len = (uint16_t)(m->used - at);

	if (m->ok)
		memcpy(m->p + at + offsetof(struct nlattr, nla_len), &len,
		       sizeof(len));
}

#endif
