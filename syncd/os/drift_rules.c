// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Facts about the ruleset: each table of nftables with its digest, and whether
 * any rule sets connection labels. Tables of our own are no facts. Legacy
 * iptables is not seen.
 *
 * Text: linux/netfilter/nf_tables.h (generations, dumps).
 *
 * Invariant: what is told of is one generation of the ruleset; one that changed
 * while it was read is read again the next time.
 */
#include "drift_gather.h"
#include "drift_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "nl_attr.h"

static const char *family_name(uint32_t family)
{
	switch (family) {
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_ARP:
		return "arp";
	case NFPROTO_BRIDGE:
		return "bridge";
	case NFPROTO_NETDEV:
		return "netdev";
	default:
		return "?";
	}
}

/* One that a statesyncd owns: this one, or another. */
static bool is_ours(const struct nftnl_table *t)
{
	const char *name = nftnl_table_get_str(t, NFTNL_TABLE_NAME);
	uint32_t flags = nftnl_table_get_u32(t, NFTNL_TABLE_FLAGS);

	return flags & NFT_TABLE_F_OWNER && !strncmp(name, "statesync", 9);
}

/* --- reading ------------------------------------------------------------------------- */

/* A callback of nl_talk() for one kind of part: parses it and keeps it. */
#define GOT(part, kept)                                                  \
	static int got_##part(const struct nlmsghdr *nlh, void *arg)     \
	{                                                                \
		struct rules *r = arg;                                   \
		struct nftnl_##part *x = nftnl_##part##_alloc(), **more; \
		size_t size = (r->n##kept + 1) * sizeof(*more);          \
                                                                         \
		more = x ? realloc(r->kept, size) : NULL;                \
		if (more)                                                \
			r->kept = more;                                  \
		if (!more || nftnl_##part##_nlmsg_parse(nlh, x) < 0) {   \
			if (x)                                           \
				nftnl_##part##_free(x);                  \
			return more ? -EBADMSG : -ENOMEM;                \
		}                                                        \
		r->kept[r->n##kept++] = x;                               \
		return 0;                                                \
	}

GOT(table, tables)
GOT(chain, chains)
GOT(rule, rules)
GOT(obj, objects)
GOT(flowtable, flowtables)

static int got_set(const struct nlmsghdr *nlh, void *arg)
{
	struct rules *r = arg;
	struct rules_set s = { .set = nftnl_set_alloc() }, *more;

	more = s.set ? realloc(r->sets, (r->nsets + 1) * sizeof(*more)) : NULL;
	if (more)
		r->sets = more;
	if (!more || nftnl_set_nlmsg_parse(nlh, s.set) < 0) {
		if (s.set)
			nftnl_set_free(s.set);
		return more ? -EBADMSG : -ENOMEM;
	}
	r->sets[r->nsets++] = s;
	return 0;
}

static int dump(struct drift_rules *d, uint16_t type, nl_cb *cb, void *arg)
{
	_Alignas(8) char buf[256];
	struct nlmsghdr *nlh =
		nftnl_nlmsg_build_hdr(buf, type, NFPROTO_UNSPEC, NLM_F_DUMP, 0);

	return nl_talk(&d->nl, buf, nlh->nlmsg_len, cb, arg);
}

static int each_element(struct nftnl_set_elem *e, void *arg)
{
	return drift_table_element(arg, e);
}

static int got_elements(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_set *part = nftnl_set_alloc();
	int err = part ? 0 : -ENOMEM;

	if (!err && nftnl_set_elems_nlmsg_parse(nlh, part) < 0)
		err = -EBADMSG;
	if (!err)
		err = nftnl_set_elem_foreach(part, each_element, arg);
	if (part)
		nftnl_set_free(part);
	return err;
}

static int read_elements(struct drift_rules *d, struct rules_set *s)
{
	_Alignas(8) char buf[1024];
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(
		buf, NFT_MSG_GETSETELEM,
		(uint16_t)nftnl_set_get_u32(s->set, NFTNL_SET_FAMILY),
		NLM_F_DUMP, 0);

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE,
			  nftnl_set_get_str(s->set, NFTNL_SET_TABLE));
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET,
			  nftnl_set_get_str(s->set, NFTNL_SET_NAME));
	return nl_talk(&d->nl, buf, nlh->nlmsg_len, got_elements, s);
}

/* Do its elements come and go by themselves, or by the other node? */
static bool changes(struct nftnl_set *s, const char *const *skip, size_t nskip)
{
	char name[512];

	if (nftnl_set_get_u32(s, NFTNL_SET_FLAGS) &
	    (NFT_SET_EVAL | NFT_SET_TIMEOUT))
		return true;
	snprintf(name, sizeof(name), "%s %s %s",
		 family_name(nftnl_set_get_u32(s, NFTNL_SET_FAMILY)),
		 nftnl_set_get_str(s, NFTNL_SET_TABLE),
		 nftnl_set_get_str(s, NFTNL_SET_NAME));
	for (size_t i = 0; i < nskip; i++)
		if (!strcmp(skip[i], name))
			return true;
	return false;
}

static int by_set_name(const void *a, const void *b)
{
	struct nftnl_set *x = ((const struct rules_set *)a)->set;
	struct nftnl_set *y = ((const struct rules_set *)b)->set;

	return strcmp(nftnl_set_get_str(x, NFTNL_SET_NAME),
		      nftnl_set_get_str(y, NFTNL_SET_NAME));
}

#define BY_NAME(part, attr)                                       \
	static int by_##part##_name(const void *a, const void *b) \
	{                                                         \
		struct nftnl_##part *const *x = a, *const *y = b; \
                                                                  \
		return strcmp(nftnl_##part##_get_str(*x, attr),   \
			      nftnl_##part##_get_str(*y, attr));  \
	}

BY_NAME(chain, NFTNL_CHAIN_NAME)
BY_NAME(obj, NFTNL_OBJ_NAME)
BY_NAME(flowtable, NFTNL_FLOWTABLE_NAME)

static void sort(void *list, size_t n, size_t size,
		 int (*order)(const void *a, const void *b))
{
	if (n)
		qsort(list, n, size, order);
}

static int read_all(struct drift_rules *d, struct rules *r,
		    const char *const *skip, size_t nskip)
{
	int err = dump(d, NFT_MSG_GETTABLE, got_table, r);

	if (!err)
		err = dump(d, NFT_MSG_GETCHAIN, got_chain, r);
	if (!err)
		err = dump(d, NFT_MSG_GETRULE, got_rule, r);
	if (!err)
		err = dump(d, NFT_MSG_GETOBJ, got_obj, r);
	if (!err)
		err = dump(d, NFT_MSG_GETFLOWTABLE, got_flowtable, r);
	if (!err)
		err = dump(d, NFT_MSG_GETSET, got_set, r);
	for (size_t i = 0; !err && i < r->nsets; i++)
		if (!changes(r->sets[i].set, skip, nskip))
			err = read_elements(d, &r->sets[i]);
	if (err)
		return err;
	sort(r->chains, r->nchains, sizeof(*r->chains), by_chain_name);
	sort(r->objects, r->nobjects, sizeof(*r->objects), by_obj_name);
	sort(r->flowtables, r->nflowtables, sizeof(*r->flowtables),
	     by_flowtable_name);
	sort(r->sets, r->nsets, sizeof(*r->sets), by_set_name);
	return 0;
}

static void rules_free(struct rules *r)
{
	for (size_t i = 0; i < r->ntables; i++)
		nftnl_table_free(r->tables[i]);
	for (size_t i = 0; i < r->nchains; i++)
		nftnl_chain_free(r->chains[i]);
	for (size_t i = 0; i < r->nrules; i++)
		nftnl_rule_free(r->rules[i]);
	for (size_t i = 0; i < r->nobjects; i++)
		nftnl_obj_free(r->objects[i]);
	for (size_t i = 0; i < r->nflowtables; i++)
		nftnl_flowtable_free(r->flowtables[i]);
	for (size_t i = 0; i < r->nsets; i++)
		nftnl_set_free(r->sets[i].set);
	free(r->tables);
	free(r->chains);
	free(r->rules);
	free(r->objects);
	free(r->flowtables);
	free(r->sets);
}

/* --- facts ------------------------------------------------------------------------------ */

static int add_tables(struct gather *g, struct rules *r)
{
	gather_head(g, DRIFT_RULESET, NULL);
	for (size_t i = 0; i < r->ntables; i++) {
		struct nftnl_table *t = r->tables[i];
		char name[FACT_NAME_MAX], text[4 * RULES_DIGEST + 2];
		uint8_t digest[RULES_DIGESTS][RULES_DIGEST];
		size_t len = 0;
		int err;

		if (is_ours(t))
			continue;
		err = drift_table_digest(r, t, digest);
		if (err)
			return err;
		for (int k = 0; k < RULES_DIGESTS; k++)
			for (size_t at = 0; at < RULES_DIGEST; at++)
				len += (size_t)snprintf(
					text + len, sizeof(text) - len,
					"%s%02x", k && !at ? " " : "",
					digest[k][at]);
		snprintf(
			name, sizeof(name), "table %s %s",
			family_name(nftnl_table_get_u32(t, NFTNL_TABLE_FAMILY)),
			nftnl_table_get_str(t, NFTNL_TABLE_NAME));
		gather_add(g, DRIFT_RULESET, name, text, NULL);
	}
	gather_head(g, DRIFT_LABELS, NULL);
	gather_add(g, DRIFT_LABELS, "a rule sets labels",
		   r->labels ? "yes" : "no", NULL);
	return 0;
}

static int got_generation(const struct nlmsghdr *nlh, void *arg)
{
	struct nl_attrs a = nl_attrs_of(nlh, sizeof(struct nfgenmsg));

	for (; nl_attrs_ok(&a); nl_attrs_next(&a))
		if (nl_attrs_type(&a) == NFTA_GEN_ID)
			(void)nl_attrs_get(&a, arg, sizeof(uint32_t));
	return 0;
}

static int generation(struct drift_rules *d, uint32_t *id)
{
	_Alignas(8) char buf[256];
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(
		buf, NFT_MSG_GETGEN, NFPROTO_UNSPEC, NLM_F_ACK, 0);

	*id = 0;
	return nl_talk(&d->nl, buf, nlh->nlmsg_len, got_generation, id);
}

/* Reads it anew, into what is kept. */
static int read_anew(struct drift_rules *d, uint32_t id,
		     const char *const *skip, size_t nskip)
{
	struct gather g = { .list = calloc(FACTS_MAX, sizeof(*g.list)) };
	struct rules r = { 0 };
	uint32_t after;
	int err = g.list ? read_all(d, &r, skip, nskip) : -ENOMEM;

	if (!err)
		err = add_tables(&g, &r);
	rules_free(&r);
	if (!err)
		err = generation(d, &after);
	if (!err && after != id)
		err = -EINTR;
	if (err) {
		free(g.list);
		return err;
	}
	free(d->list);
	d->list = g.list;
	d->n = g.n;
	d->generation = id;
	d->known = true;
	return 0;
}

void gather_rules(struct gather *g, struct drift_rules *d,
		  const char *const *skip, size_t nskip)
{
	uint32_t id = 0;
	int err = 0;

	if (!d->nl.mnl)
		err = nl_open(&d->nl, NETLINK_NETFILTER, 0, 0);
	if (!err)
		err = generation(d, &id);
	if (!err && (!d->known || d->generation != id))
		err = read_anew(d, id, skip, nskip);
	/* it is being changed: what was is told until it stands still */
	if (err && !(err == -EINTR && d->known)) {
		gather_head(g, DRIFT_RULESET, log_errno(-err));
		gather_head(g, DRIFT_LABELS, log_errno(-err));
		return;
	}
	for (size_t i = 0; i < d->n; i++)
		gather_add(g, (enum drift_kind)d->list[i].kind, d->list[i].name,
			   d->list[i].value, d->list[i].note);
}

void drift_rules_close(struct drift_rules *d)
{
	nl_close(&d->nl);
	free(d->list);
	*d = (struct drift_rules){ 0 };
}
