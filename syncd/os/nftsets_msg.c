// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Elements of nftables sets as netlink attributes. Not by libnftnl, which has a
 * typed call for each attribute of each expression, where here they are
 * carried as they are.
 *
 * Text: linux/netfilter/nf_tables.h; nf_tables_api.c (nf_tables_fill_setelem,
 * nft_add_set_elem).
 *
 * Invariant: what was read is set_elem_valid() for its set, or is not told.
 */
#include "nftsets_msg.h"

#include <endian.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* --- names -------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint8_t family;
} families[] = {
	{ "ip", NFPROTO_IPV4 },	      { "ip6", NFPROTO_IPV6 },
	{ "inet", NFPROTO_INET },     { "arp", NFPROTO_ARP },
	{ "bridge", NFPROTO_BRIDGE }, { "netdev", NFPROTO_NETDEV },
};

/* One word, and one blank behind it where more is to come. */
static bool word(const char **at, char *out, bool last)
{
	size_t len = strcspn(*at, " ");

	if (len == 0 || len >= SET_NAME_MAX || ((*at)[len] == '\0') != last)
		return false;
	memcpy(out, *at, len);
	out[len] = '\0';
	*at += len + !last;
	return true;
}

bool nftsets_name_parse(const char *text, struct nftsets_name *out)
{
	char family[SET_NAME_MAX];
	const char *at = text;

	if (strlen(text) >= SET_NAME_MAX || !word(&at, family, false) ||
	    !word(&at, out->table, false) || !word(&at, out->set, true))
		return false;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (strcmp(families[i].name, family) == 0) {
			out->family = families[i].family;
			return true;
		}
	return false;
}

/* A text ends within its attribute; NULL: it does not. */
static const char *text(const struct nl_attrs *a)
{
	const char *s = (const char *)a->at + NLA_HDRLEN;
	size_t len = a->head.nla_len - (size_t)NLA_HDRLEN;

	return len > 0 && s[len - 1] == '\0' ? s : NULL;
}

bool nftsets_names(const struct nlmsghdr *nlh, uint16_t table_attr,
		   uint16_t set_attr, const struct nftsets_name *name)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	struct nl_attrs a = nl_attrs_of(nlh, sizeof(*nfg));
	const char *table = NULL, *set = NULL;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*nfg) ||
	    nfg->nfgen_family != name->family)
		return false;
	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		if (nl_attrs_type(&a) == table_attr)
			table = text(&a);
		else if (set_attr && nl_attrs_type(&a) == set_attr)
			set = text(&a);
	}
	return table && !strcmp(table, name->table) &&
	       (!set_attr || (set && !strcmp(set, name->set)));
}

/* --- reading --------------------------------------------------------------------- */

static bool get_bytes(const struct nl_attrs *a, void *out, size_t size,
		      size_t *len)
{
	*len = a->head.nla_len - (size_t)NLA_HDRLEN;
	if (*len > size)
		return false;
	memcpy(out, a->at + NLA_HDRLEN, *len);
	return true;
}

static bool get_u64(const struct nl_attrs *a, uint64_t *v)
{
	bool ok = nl_attrs_get(a, v, sizeof(*v));

	*v = be64toh(*v);
	return ok;
}

/* The value within a key's or a value's attribute. */
static bool get_value(const struct nl_attrs *nest, uint8_t *out, size_t size,
		      uint8_t *len)
{
	struct nl_attrs a = nl_attrs_nest(nest);
	size_t n = 0;

	for (; nl_attrs_ok(&a); nl_attrs_next(&a))
		if (nl_attrs_type(&a) == NFTA_DATA_VALUE &&
		    !get_bytes(&a, out, size, &n))
			return false;
	*len = (uint8_t)n;
	return n > 0;
}

/* Its code in network order, and the name of the chain without its NUL. */
static bool get_verdict(const struct nl_attrs *nest, struct set_elem *e)
{
	struct nl_attrs v = nl_attrs_nest(nest), a;
	size_t len = 0, chain = 0;

	for (; nl_attrs_ok(&v); nl_attrs_next(&v)) {
		if (nl_attrs_type(&v) != NFTA_DATA_VERDICT)
			continue;
		a = nl_attrs_nest(&v);
		for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
			if (nl_attrs_type(&a) == NFTA_VERDICT_CODE &&
			    !get_bytes(&a, e->data, 4, &len))
				return false;
			if (nl_attrs_type(&a) == NFTA_VERDICT_CHAIN &&
			    !get_bytes(&a, e->data + 4, SET_DATA_MAX - 5,
				       &chain))
				return false;
		}
	}
	chain = strnlen((const char *)e->data + 4, chain);
	e->data_len = (uint8_t)(4 + chain);
	return len == 4;
}

static bool get_data(const struct nl_attrs *nest, const struct set_kind *kind,
		     struct set_elem *e)
{
	if (kind->data_type == NFT_DATA_VERDICT)
		return get_verdict(nest, e);
	return get_value(nest, e->data, NFT_DATA_VALUE_MAXLEN, &e->data_len);
}

/* The attributes of one expression, behind what is there; their number. */
static bool get_expr_data(struct nl_attrs a, struct set_elem *e,
			  size_t count_at)
{
	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		unsigned type = nl_attrs_type(&a);
		size_t len;

		if (type > UINT8_MAX || a.head.nla_type & NLA_F_NESTED ||
		    e->expr_len + 2 + 8 > SET_EXPR_MAX ||
		    !get_bytes(&a, e->expr + e->expr_len + 2, 8, &len))
			return false;
		e->expr[e->expr_len] = (uint8_t)type;
		e->expr[e->expr_len + 1] = (uint8_t)len;
		e->expr_len = (uint8_t)(e->expr_len + 2 + len);
		e->expr[count_at]++;
	}
	return true;
}

static bool get_expr(const struct nl_attrs *nest, struct set_elem *e)
{
	struct nl_attrs a = nl_attrs_nest(nest), data = { 0 };
	const char *name = NULL;

	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		if (nl_attrs_type(&a) == NFTA_EXPR_NAME)
			name = text(&a);
		if (nl_attrs_type(&a) == NFTA_EXPR_DATA)
			data = nl_attrs_nest(&a);
	}
	if (!name || !set_expr_find(name) || e->expr_len + 2 > SET_EXPR_MAX)
		return false;
	e->expr[e->expr_len] = (uint8_t)set_expr_find(name);
	e->expr[e->expr_len + 1] = 0;
	e->expr_len = (uint8_t)(e->expr_len + 2);
	return !data.at || get_expr_data(data, e, e->expr_len - 1u);
}

static bool get_exprs(const struct nl_attrs *nest, struct set_elem *e)
{
	struct nl_attrs a = nl_attrs_nest(nest);

	for (; nl_attrs_ok(&a); nl_attrs_next(&a))
		if (!get_expr(&a, e))
			return false;
	return true;
}

static bool get_attr(const struct nl_attrs *a, const struct set_kind *kind,
		     struct set_elem *e, uint32_t *flags)
{
	size_t len;

	switch (nl_attrs_type(a)) {
	case NFTA_SET_ELEM_KEY:
		return get_value(a, e->key, sizeof(e->key), &e->key_len);
	case NFTA_SET_ELEM_KEY_END:
		return get_value(a, e->end, sizeof(e->end), &e->end_len);
	case NFTA_SET_ELEM_DATA:
		return get_data(a, kind, e);
	case NFTA_SET_ELEM_FLAGS:
		return nl_attrs_be32(a, flags) &&
		       !(*flags & ~(uint32_t)(NFT_SET_ELEM_INTERVAL_END |
					      NFT_SET_ELEM_CATCHALL));
	case NFTA_SET_ELEM_TIMEOUT:
		return get_u64(a, &e->timeout_ms);
	case NFTA_SET_ELEM_EXPIRATION:
		return get_u64(a, &e->expires_ms);
	case NFTA_SET_ELEM_USERDATA:
		if (!get_bytes(a, e->userdata, sizeof(e->userdata), &len))
			return false;
		e->userdata_len = (uint16_t)len;
		return true;
	case NFTA_SET_ELEM_EXPR:
		return get_expr(a, e);
	case NFTA_SET_ELEM_EXPRESSIONS:
		return get_exprs(a, e);
	case NFTA_SET_ELEM_OBJREF:
		return false;
	default: /* padding, and what a newer kernel may add */
		return true;
	}
}

enum nftsets_entry nftsets_get(const struct nl_attrs *entry,
			       const struct set_kind *kind, struct set_elem *e)
{
	struct nl_attrs a = nl_attrs_nest(entry);
	uint32_t flags = 0;

	e->flags = 0;
	e->key_len = e->end_len = e->data_len = e->expr_len = 0;
	e->userdata_len = 0;
	e->timeout_ms = e->expires_ms = 0;
	for (; nl_attrs_ok(&a); nl_attrs_next(&a))
		if (!get_attr(&a, kind, e, &flags))
			return NFTSETS_UNTOLD;
	if (flags & NFT_SET_ELEM_INTERVAL_END)
		return NFTSETS_UPPER;
	if (flags & NFT_SET_ELEM_CATCHALL)
		e->flags |= SET_ELEM_CATCHALL;
	/* older kernels leave out what is the set's own */
	if (e->expires_ms && !e->timeout_ms)
		e->timeout_ms = kind->timeout_ms;
	if (e->expires_ms > e->timeout_ms)
		e->expires_ms = e->timeout_ms;
	return NFTSETS_ELEMENT;
}

bool nftsets_each(const struct nlmsghdr *nlh, nftsets_each_cb *cb, void *arg)
{
	struct nl_attrs a = nl_attrs_of(nlh, sizeof(struct nfgenmsg)), b;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
		return false;
	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		if (nl_attrs_type(&a) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		b = nl_attrs_nest(&a);
		for (; nl_attrs_ok(&b); nl_attrs_next(&b))
			cb(&b, arg);
	}
	return true;
}

/* --- writing --------------------------------------------------------------------- */

static void put_value(struct nlmsghdr *nlh, uint16_t type, const uint8_t *p,
		      size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put(nlh, NFTA_DATA_VALUE, len, p);
	mnl_attr_nest_end(nlh, nest);
}

static void put_verdict(struct nlmsghdr *nlh, const struct set_elem *e)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_DATA);
	struct nlattr *v = mnl_attr_nest_start(nlh, NFTA_DATA_VERDICT);
	char chain[SET_DATA_MAX] = "";

	mnl_attr_put(nlh, NFTA_VERDICT_CODE, 4, e->data);
	if (e->data_len > 4) {
		memcpy(chain, e->data + 4, e->data_len - 4u);
		mnl_attr_put_strz(nlh, NFTA_VERDICT_CHAIN, chain);
	}
	mnl_attr_nest_end(nlh, v);
	mnl_attr_nest_end(nlh, nest);
}

/* Of a form that set_elem_valid() has seen. Returns where the next one is. */
static size_t put_expr(struct nlmsghdr *nlh, uint16_t type,
		       const struct set_elem *e, size_t at)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type), *data;
	uint8_t attrs = e->expr[at + 1];

	mnl_attr_put_strz(nlh, NFTA_EXPR_NAME,
			  set_expr_name((enum set_expr)e->expr[at]));
	data = mnl_attr_nest_start(nlh, NFTA_EXPR_DATA);
	for (at += 2; attrs > 0; attrs--) {
		mnl_attr_put(nlh, e->expr[at], e->expr[at + 1],
			     e->expr + at + 2);
		at += 2u + e->expr[at + 1];
	}
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, nest);
	return at;
}

static size_t expr_end(const struct set_elem *e)
{
	size_t at = 2;

	for (uint8_t attrs = e->expr[1]; attrs > 0; attrs--)
		at += 2u + e->expr[at + 1];
	return at;
}

static void put_exprs(struct nlmsghdr *nlh, const struct set_elem *e)
{
	struct nlattr *nest;

	if (!e->expr_len)
		return;
	if (expr_end(e) == e->expr_len) { /* one: as before Linux 5.11 */
		(void)put_expr(nlh, NFTA_SET_ELEM_EXPR, e, 0);
		return;
	}
	nest = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_EXPRESSIONS);
	for (size_t at = 0; at < e->expr_len;)
		at = put_expr(nlh, NFTA_LIST_ELEM, e, at);
	mnl_attr_nest_end(nlh, nest);
}

/* All but the key. */
static void put_rest(struct nlmsghdr *nlh, const struct set_kind *kind,
		     const struct set_elem *e)
{
	if (kind->data_type == NFT_DATA_VERDICT && e->data_len)
		put_verdict(nlh, e);
	else if (e->data_len)
		put_value(nlh, NFTA_SET_ELEM_DATA, e->data, e->data_len);
	/* 0 is said only to contradict the set's own */
	if (e->timeout_ms || kind->timeout_ms)
		mnl_attr_put_u64(nlh, NFTA_SET_ELEM_TIMEOUT,
				 htobe64(e->timeout_ms));
	if (e->timeout_ms)
		mnl_attr_put_u64(nlh, NFTA_SET_ELEM_EXPIRATION,
				 htobe64(e->expires_ms));
	if (e->userdata_len)
		mnl_attr_put(nlh, NFTA_SET_ELEM_USERDATA, e->userdata_len,
			     e->userdata);
	put_exprs(nlh, e);
}

static void put_entry(struct nlmsghdr *nlh, const struct set_kind *kind,
		      bool del, const struct set_elem *e)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);

	if (e->flags & SET_ELEM_CATCHALL)
		mnl_attr_put_u32(nlh, NFTA_SET_ELEM_FLAGS,
				 htonl(NFT_SET_ELEM_CATCHALL));
	else
		put_value(nlh, NFTA_SET_ELEM_KEY, e->key, e->key_len);
	if (e->end_len && !set_kind_ranges(kind))
		put_value(nlh, NFTA_SET_ELEM_KEY_END, e->end, e->end_len);
	if (!del)
		put_rest(nlh, kind, e);
	mnl_attr_nest_end(nlh, nest);
}

static void put_upper(struct nlmsghdr *nlh, const struct set_elem *e)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);

	mnl_attr_put_u32(nlh, NFTA_SET_ELEM_FLAGS,
			 htonl(NFT_SET_ELEM_INTERVAL_END));
	put_value(nlh, NFTA_SET_ELEM_KEY, e->end, e->end_len);
	mnl_attr_nest_end(nlh, nest);
}

struct nlmsghdr *nftsets_put(void *buf, const struct nftsets_name *name,
			     const struct set_kind *kind, bool del,
			     const struct set_elem *e)
{
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(
		buf, del ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM,
		name->family, del ? 0 : NLM_F_CREATE | NLM_F_EXCL, 0);
	struct nlattr *nest;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, name->table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, name->set);
	nest = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	put_entry(nlh, kind, del, e);
	if (e->end_len && set_kind_ranges(kind))
		put_upper(nlh, e);
	mnl_attr_nest_end(nlh, nest);
	return nlh;
}
