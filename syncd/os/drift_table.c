// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The digest of a table of nftables that is the same on two machines with the
 * same rules. Each part is given back to libnftnl to be written as a message,
 * without what belongs to one kernel only, and the bytes are hashed.
 *
 * Left out: handles, counters, how much of a quota is used, comments; numbers
 * of interfaces (iif, oif) are replaced by names. A set or chain without a name
 * of its own is hashed where it is used, for the kernel numbers them as they
 * come.
 *
 * A second digest leaves out what names {} of sync may translate: names of
 * interfaces and numbers of zones, where a rule, a set or a chain has them by
 * themselves.
 *
 * Text: linux/netfilter/nf_tables.h, nf_tables_api.c.
 *
 * Invariant: sets, chains, objects and flowtables are taken in the order of
 * their names, rules in that of their chain.
 */
#include "drift_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_connlabel.h>
#include <net/if.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX   16 /* of chains within rules */
#define MESSAGE_MAX 65536

struct digest_run {
	struct rules *r;
	const char *table;
	uint32_t family;
	EVP_MD_CTX *md[RULES_DIGESTS];
	uint32_t interface_in; /* register that has the number of one, or 0 */
	uint32_t named_in;     /* what the last expression loaded a name into */
	int err;
	_Alignas(8) char message[MESSAGE_MAX];
};

static void feed_one(struct digest_run *d, enum rules_digest which,
		     const void *data, size_t len)
{
	uint32_t head = (uint32_t)len;

	if (EVP_DigestUpdate(d->md[which], &head, sizeof(head)) != 1 ||
	    EVP_DigestUpdate(d->md[which], data, len) != 1)
		d->err = -ENOMEM;
}

static void feed(struct digest_run *d, const void *data, size_t len)
{
	feed_one(d, RULES_ALL, data, len);
	feed_one(d, RULES_NAMELESS, data, len);
}

static void feed_text(struct digest_run *d, const char *text)
{
	feed(d, text ? text : "", text ? strlen(text) : 0);
}

/* A message that libnftnl writes into; then it is hashed. */
static struct nlmsghdr *begin(struct digest_run *d)
{
	memset(d->message, 0, 1024);
	return mnl_nlmsg_put_header(d->message);
}

static void end(struct digest_run *d, const struct nlmsghdr *nlh)
{
	feed(d, d->message, nlh->nlmsg_len);
}

static bool mine(const struct digest_run *d, uint32_t family, const char *table)
{
	return family == d->family && table && !strcmp(table, d->table);
}

/* --- sets ------------------------------------------------------------------------ */

static bool anonymous(struct nftnl_set *s)
{
	return nftnl_set_get_u32(s, NFTNL_SET_FLAGS) & NFT_SET_ANONYMOUS;
}

/* named: a name is looked up in it. */
static void feed_set(struct digest_run *d, struct rules_set *s, bool named)
{
	struct nlmsghdr *nlh = begin(d);

	nftnl_set_unset(s->set, NFTNL_SET_HANDLE);
	nftnl_set_unset(s->set, NFTNL_SET_ID);
	nftnl_set_unset(s->set, NFTNL_SET_USERDATA);
	if (anonymous(s->set) &&
	    nftnl_set_set_str(s->set, NFTNL_SET_NAME, "") < 0)
		d->err = -ENOMEM;
	nftnl_set_nlmsg_build_payload(nlh, s->set);
	end(d, nlh);
	feed_one(d, RULES_ALL, s->elements[RULES_ALL],
		 sizeof(s->elements[RULES_ALL]));
	if (!named)
		feed_one(d, RULES_NAMELESS, s->elements[RULES_NAMELESS],
			 sizeof(s->elements[RULES_NAMELESS]));
	feed(d, &s->count, sizeof(s->count));
}

static struct rules_set *set_named(struct digest_run *d, const char *name)
{
	for (size_t i = 0; name && i < d->r->nsets; i++) {
		struct nftnl_set *s = d->r->sets[i].set;

		if (mine(d, nftnl_set_get_u32(s, NFTNL_SET_FAMILY),
			 nftnl_set_get_str(s, NFTNL_SET_TABLE)) &&
		    !strcmp(nftnl_set_get_str(s, NFTNL_SET_NAME), name))
			return &d->r->sets[i];
	}
	return NULL;
}

/* --- rules -------------------------------------------------------------------------- */

static void feed_rules(struct digest_run *d, const char *chain, unsigned depth);

static struct nftnl_chain *chain_named(struct digest_run *d, const char *name)
{
	for (size_t i = 0; name && i < d->r->nchains; i++) {
		struct nftnl_chain *c = d->r->chains[i];

		if (mine(d, nftnl_chain_get_u32(c, NFTNL_CHAIN_FAMILY),
			 nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE)) &&
		    !strcmp(nftnl_chain_get_str(c, NFTNL_CHAIN_NAME), name))
			return c;
	}
	return NULL;
}

static bool binding(struct nftnl_chain *c)
{
	return nftnl_chain_get_u32(c, NFTNL_CHAIN_FLAGS) & NFT_CHAIN_BINDING;
}

/* A set that an expression names: hashed here if it has no name of its own. */
static void name_set(struct digest_run *d, struct nftnl_expr *x, uint16_t attr,
		     bool named)
{
	struct rules_set *s = set_named(d, nftnl_expr_get_str(x, attr));

	if (!s || !anonymous(s->set))
		return;
	feed_set(d, s, named);
	/* in place: libnftnl 1.2.4 forgets to free a name that is set anew */
	/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
	*(char *)(uintptr_t)nftnl_expr_get_str(x, attr) = '\0';
	/* feed_set took the set's, by which it would be found again */
}

static void name_chain(struct digest_run *d, struct nftnl_expr *x,
		       unsigned depth)
{
	const char *name = nftnl_expr_is_set(x, NFTNL_EXPR_IMM_CHAIN)
				   ? nftnl_expr_get_str(x, NFTNL_EXPR_IMM_CHAIN)
				   : NULL;
	struct nftnl_chain *c = chain_named(d, name);

	if (!c || !binding(c))
		return;
	if (depth < DEPTH_MAX)
		feed_rules(d, name, depth + 1);
	if (nftnl_expr_set_str(x, NFTNL_EXPR_IMM_CHAIN, "") < 0)
		d->err = -ENOMEM;
}

/* What was loaded by `meta iif` is compared with the number of an interface. */
static void name_interface(struct digest_run *d, struct nftnl_expr *x)
{
	char name[IF_NAMESIZE];
	uint32_t len;
	const void *data;

	if (nftnl_expr_get_u32(x, NFTNL_EXPR_CMP_SREG) != d->interface_in)
		return;
	data = nftnl_expr_get(x, NFTNL_EXPR_CMP_DATA, &len);
	if (data && len == 4 &&
	    nftnl_expr_set(x, NFTNL_EXPR_CMP_DATA,
			   drift_interface_name(data, name), IF_NAMESIZE) < 0)
		d->err = -ENOMEM;
}

static void look_at_meta(struct digest_run *d, struct nftnl_expr *x)
{
	uint32_t key = nftnl_expr_get_u32(x, NFTNL_EXPR_META_KEY);

	d->interface_in = 0;
	if ((key == NFT_META_IIF || key == NFT_META_OIF) &&
	    nftnl_expr_is_set(x, NFTNL_EXPR_META_DREG))
		d->interface_in = nftnl_expr_get_u32(x, NFTNL_EXPR_META_DREG);
}

/* The register into which x loads the name of an interface or the number of a
 * zone, or 0. */
static uint32_t loads_name(struct nftnl_expr *x, const char *name)
{
	uint32_t key;

	if (!strcmp(name, "ct"))
		return nftnl_expr_get_u32(x, NFTNL_EXPR_CT_KEY) == NFT_CT_ZONE
			       ? nftnl_expr_get_u32(x, NFTNL_EXPR_CT_DREG)
			       : 0;
	if (strcmp(name, "meta"))
		return 0;
	key = nftnl_expr_get_u32(x, NFTNL_EXPR_META_KEY);
	return key == NFT_META_IIF || key == NFT_META_OIF ||
			       key == NFT_META_IIFNAME ||
			       key == NFT_META_OIFNAME
		       ? nftnl_expr_get_u32(x, NFTNL_EXPR_META_DREG)
		       : 0;
}

/* Is x, between the last expression and the next one, about nothing but that
 * name? It is compared with it, or becomes the zone. */
static bool is_name(const struct digest_run *d, struct nftnl_expr *x,
		    const char *name, struct nftnl_expr *next)
{
	if (!strcmp(name, "cmp"))
		return d->named_in &&
		       nftnl_expr_get_u32(x, NFTNL_EXPR_CMP_SREG) ==
			       d->named_in;
	return !strcmp(name, "immediate") && next &&
	       !strcmp(nftnl_expr_get_str(next, NFTNL_EXPR_NAME), "ct") &&
	       nftnl_expr_is_set(next, NFTNL_EXPR_CT_SREG) &&
	       nftnl_expr_get_u32(next, NFTNL_EXPR_CT_KEY) == NFT_CT_ZONE &&
	       nftnl_expr_get_u32(next, NFTNL_EXPR_CT_SREG) ==
		       nftnl_expr_get_u32(x, NFTNL_EXPR_IMM_DREG);
}

/* -m connlabel --set, of iptables. */
static bool sets_label(struct nftnl_expr *x)
{
	const char *match = nftnl_expr_get_str(x, NFTNL_EXPR_MT_NAME);
	struct xt_connlabel_mtinfo info;
	const void *data;
	uint32_t len;

	if (!match || strcmp(match, "connlabel"))
		return false;
	data = nftnl_expr_get(x, NFTNL_EXPR_MT_INFO, &len);
	if (!data || len < sizeof(info))
		return false;
	memcpy(&info, data, sizeof(info));
	return info.options & XT_CONNLABEL_OP_SET;
}

static void feed_expr(struct digest_run *d, struct nftnl_expr *x,
		      struct nftnl_expr *next, unsigned depth)
{
	const char *name = nftnl_expr_get_str(x, NFTNL_EXPR_NAME);
	bool named = is_name(d, x, name, next);
	struct nlmsghdr *nlh;

	if (!strcmp(name, "counter")) {
		nftnl_expr_set_u64(x, NFTNL_EXPR_CTR_PACKETS, 0);
		nftnl_expr_set_u64(x, NFTNL_EXPR_CTR_BYTES, 0);
	} else if (!strcmp(name, "quota")) {
		nftnl_expr_set_u64(x, NFTNL_EXPR_QUOTA_CONSUMED, 0);
	} else if (!strcmp(name, "last")) {
		nftnl_expr_set_u64(x, NFTNL_EXPR_LAST_MSECS, 0);
		nftnl_expr_set_u32(x, NFTNL_EXPR_LAST_SET, 0);
	} else if (!strcmp(name, "lookup")) {
		name_set(d, x, NFTNL_EXPR_LOOKUP_SET,
			 d->named_in && nftnl_expr_get_u32(
						x, NFTNL_EXPR_LOOKUP_SREG) ==
						d->named_in);
	} else if (!strcmp(name, "dynset")) {
		name_set(d, x, NFTNL_EXPR_DYNSET_SET_NAME, false);
	} else if (!strcmp(name, "objref")) {
		name_set(d, x, NFTNL_EXPR_OBJREF_SET_NAME, false);
	} else if (!strcmp(name, "immediate")) {
		name_chain(d, x, depth);
	} else if (!strcmp(name, "meta")) {
		look_at_meta(d, x);
	} else if (!strcmp(name, "cmp")) {
		name_interface(d, x);
	} else if (!strcmp(name, "ct")) {
		d->r->labels |= nftnl_expr_get_u32(x, NFTNL_EXPR_CT_KEY) ==
					NFT_CT_LABELS &&
				nftnl_expr_is_set(x, NFTNL_EXPR_CT_SREG);
	} else if (!strcmp(name, "match")) {
		d->r->labels |= sets_label(x);
	}
	feed_text(d, name);
	nlh = begin(d);
	nftnl_expr_build_payload(nlh, x);
	feed_one(d, RULES_ALL, d->message, nlh->nlmsg_len);
	if (!named)
		feed_one(d, RULES_NAMELESS, d->message, nlh->nlmsg_len);
	d->named_in = loads_name(x, name);
}

static void feed_rule(struct digest_run *d, struct nftnl_rule *rule,
		      unsigned depth)
{
	struct nftnl_expr_iter *i = nftnl_expr_iter_create(rule);
	struct nftnl_expr *x, *next;

	if (!i) {
		d->err = -ENOMEM;
		return;
	}
	d->interface_in = d->named_in = 0;
	feed_text(d, "rule");
	for (x = nftnl_expr_iter_next(i); x; x = next) {
		next = nftnl_expr_iter_next(i);
		feed_expr(d, x, next, depth);
	}
	nftnl_expr_iter_destroy(i);
}

static void feed_rules(struct digest_run *d, const char *chain, unsigned depth)
{
	for (size_t i = 0; i < d->r->nrules; i++) {
		struct nftnl_rule *rule = d->r->rules[i];

		if (!mine(d, nftnl_rule_get_u32(rule, NFTNL_RULE_FAMILY),
			  nftnl_rule_get_str(rule, NFTNL_RULE_TABLE)) ||
		    strcmp(nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN), chain))
			continue;
		feed_rule(d, rule, depth);
	}
	feed_text(d, "end");
}

/* --- the parts of a table -------------------------------------------------------- */

static void feed_chain(struct digest_run *d, struct nftnl_chain *c)
{
	struct nlmsghdr *nlh = begin(d);
	char name[NFT_NAME_MAXLEN];

	nftnl_chain_unset(c, NFTNL_CHAIN_HANDLE);
	nftnl_chain_unset(c, NFTNL_CHAIN_USE);
	nftnl_chain_unset(c, NFTNL_CHAIN_BYTES);
	nftnl_chain_unset(c, NFTNL_CHAIN_PACKETS);
	nftnl_chain_unset(c, NFTNL_CHAIN_USERDATA);
	strncpy(name, nftnl_chain_get_str(c, NFTNL_CHAIN_NAME),
		sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	nftnl_chain_nlmsg_build_payload(nlh, c);
	feed_one(d, RULES_ALL, d->message, nlh->nlmsg_len);
	nftnl_chain_unset(c, NFTNL_CHAIN_DEV);
	nftnl_chain_unset(c, NFTNL_CHAIN_DEVICES);
	nlh = begin(d);
	nftnl_chain_nlmsg_build_payload(nlh, c);
	feed_one(d, RULES_NAMELESS, d->message, nlh->nlmsg_len);
	feed_rules(d, name, 0);
}

static void feed_object(struct digest_run *d, struct nftnl_obj *o)
{
	struct nlmsghdr *nlh = begin(d);
	uint32_t type = nftnl_obj_get_u32(o, NFTNL_OBJ_TYPE);

	/* there is no call to take them away in libnftnl 1.2.4 */
	nftnl_obj_set_u64(o, NFTNL_OBJ_HANDLE, 0);
	nftnl_obj_set_data(o, NFTNL_OBJ_USERDATA, "", 0);
	if (type == NFT_OBJECT_COUNTER) {
		nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_PKTS, 0);
		nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_BYTES, 0);
	} else if (type == NFT_OBJECT_QUOTA) {
		nftnl_obj_set_u64(o, NFTNL_OBJ_QUOTA_CONSUMED, 0);
	}
	nftnl_obj_nlmsg_build_payload(nlh, o);
	end(d, nlh);
}

static void feed_flowtable(struct digest_run *d, struct nftnl_flowtable *f)
{
	struct nlmsghdr *nlh = begin(d);

	nftnl_flowtable_unset(f, NFTNL_FLOWTABLE_HANDLE);
	nftnl_flowtable_unset(f, NFTNL_FLOWTABLE_USE);
	nftnl_flowtable_nlmsg_build_payload(nlh, f);
	feed_one(d, RULES_ALL, d->message, nlh->nlmsg_len);
	nftnl_flowtable_unset(f, NFTNL_FLOWTABLE_DEVICES);
	nlh = begin(d);
	nftnl_flowtable_nlmsg_build_payload(nlh, f);
	feed_one(d, RULES_NAMELESS, d->message, nlh->nlmsg_len);
}

static void feed_table(struct digest_run *d, struct nftnl_table *t)
{
	struct rules *r = d->r;
	uint32_t flags = nftnl_table_get_u32(t, NFTNL_TABLE_FLAGS);

	feed_text(d, d->table);
	feed(d, &d->family, sizeof(d->family));
	flags &= NFT_TABLE_F_DORMANT;
	feed(d, &flags, sizeof(flags));
	for (size_t i = 0; i < r->nsets; i++)
		if (mine(d, nftnl_set_get_u32(r->sets[i].set, NFTNL_SET_FAMILY),
			 nftnl_set_get_str(r->sets[i].set, NFTNL_SET_TABLE)) &&
		    !anonymous(r->sets[i].set))
			feed_set(d, &r->sets[i], false);
	for (size_t i = 0; i < r->nobjects; i++)
		if (mine(d, nftnl_obj_get_u32(r->objects[i], NFTNL_OBJ_FAMILY),
			 nftnl_obj_get_str(r->objects[i], NFTNL_OBJ_TABLE)))
			feed_object(d, r->objects[i]);
	for (size_t i = 0; i < r->nflowtables; i++) {
		struct nftnl_flowtable *f = r->flowtables[i];

		if (mine(d, nftnl_flowtable_get_u32(f, NFTNL_FLOWTABLE_FAMILY),
			 nftnl_flowtable_get_str(f, NFTNL_FLOWTABLE_TABLE)))
			feed_flowtable(d, f);
	}
	for (size_t i = 0; i < r->nchains; i++) {
		struct nftnl_chain *c = r->chains[i];

		if (mine(d, nftnl_chain_get_u32(c, NFTNL_CHAIN_FAMILY),
			 nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE)) &&
		    !binding(c))
			feed_chain(d, c);
	}
}

int drift_table_digest(struct rules *r, struct nftnl_table *t,
		       uint8_t out[RULES_DIGESTS][RULES_DIGEST])
{
	struct digest_run *d = calloc(1, sizeof(*d));
	unsigned char all[EVP_MAX_MD_SIZE];
	int err = 0;

	if (!d)
		return -ENOMEM;
	d->r = r;
	d->table = nftnl_table_get_str(t, NFTNL_TABLE_NAME);
	d->family = nftnl_table_get_u32(t, NFTNL_TABLE_FAMILY);
	for (int i = 0; i < RULES_DIGESTS; i++) {
		d->md[i] = EVP_MD_CTX_new();
		if (!d->md[i] ||
		    EVP_DigestInit_ex(d->md[i], EVP_sha256(), NULL) != 1)
			err = -ENOMEM;
	}
	if (!err) {
		feed_table(d, t);
		err = d->err;
	}
	for (int i = 0; i < RULES_DIGESTS; i++) {
		if (!err && EVP_DigestFinal_ex(d->md[i], all, NULL) != 1)
			err = -ENOMEM;
		if (!err)
			memcpy(out[i], all, RULES_DIGEST);
		EVP_MD_CTX_free(d->md[i]);
	}
	free(d);
	return err;
}
