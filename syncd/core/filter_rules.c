/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rules of filter blocks: kept, and asked about a flow. It knows neither
 * their text nor which addresses an interface has.
 *
 * Text: nf_conntrack_core.c and CTNETLINK.md 6 (what the kernel can
 * refuse itself).
 *
 * Invariant: what filter_rules_refuse() and filter_rules_need() say holds for
 * every flow that filter_rules_skip() lets pass; it may be less than is true.
 */
#include "filter_rules.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"

enum {
	ORIG_SRC = 1,
	ORIG_DST = 2,
	REPLY_SRC = 4,
	REPLY_DST = 8,
	ALL_ENDS = 15
};

static const uint8_t ends_of[FILTER_WHERES] = {
	[FILTER_ADDRESS] = ALL_ENDS,
	[FILTER_SOURCE] = ORIG_SRC,
	[FILTER_DESTINATION] = ORIG_DST,
	[FILTER_REPLY_SOURCE] = REPLY_SRC,
	[FILTER_REPLY_DESTINATION] = REPLY_DST,
	[FILTER_INTERFACE] = ALL_ENDS,
};

/* --- life ------------------------------------------------------------- */

int filter_rules_add(struct filter_rules *r, const struct filter_rule *rule)
{
	struct filter_rule *more =
		realloc(r->list, (r->n + 1) * sizeof(*r->list));

	if (!more)
		return -ENOMEM;
	r->list = more;
	r->list[r->n++] = *rule;
	return 0;
}

int filter_rule_add(struct filter_rule *rule, const struct filter_prefix *p)
{
	struct filter_prefix *more =
		realloc(rule->prefixes, (rule->nprefixes + 1) * sizeof(*p));

	if (!more)
		return -ENOMEM;
	rule->prefixes = more;
	rule->prefixes[rule->nprefixes++] = *p;
	return 0;
}

int filter_rules_copy(struct filter_rules *to, const struct filter_rules *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct filter_rule *rule = &from->list[i];
		struct filter_rule copy = *rule;

		copy.prefixes = NULL;
		copy.nprefixes = 0;
		if (filter_rules_add(to, &copy))
			goto out;
		for (size_t k = 0; k < rule->nprefixes; k++)
			if (filter_rule_add(&to->list[i], &rule->prefixes[k]))
				goto out;
	}
	return 0;
out:
	filter_rules_free(to);
	return -ENOMEM;
}

void filter_rules_free(struct filter_rules *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->list[i].prefixes);
	free(r->list);
	*r = (struct filter_rules){ 0 };
}

void filter_rule_protocol(struct filter_rule *rule, uint8_t protocol)
{
	rule->protocols[protocol / 64] |= UINT64_C(1) << protocol % 64;
}

/* --- one rule ----------------------------------------------------------- */

static bool has_protocol(const struct filter_rule *rule, uint8_t protocol)
{
	return !(rule->given & FILTER_BY_PROTOCOL) ||
	       rule->protocols[protocol / 64] >> protocol % 64 & 1;
}

static bool in_prefix(const struct filter_prefix *p, const struct flow_addr *a)
{
	size_t bytes = p->len / 8;
	uint8_t mask = (uint8_t)(0xff00 >> p->len % 8);

	if (memcmp(p->addr.b, a->b, bytes))
		return false;
	return !mask || !((p->addr.b[bytes] ^ a->b[bytes]) & mask);
}

static bool meets(const struct filter_prefix *p, const struct flow *f)
{
	uint8_t ends = ends_of[p->where];

	if (p->family != f->family)
		return false;
	return (ends & ORIG_SRC && in_prefix(p, &f->orig.src)) ||
	       (ends & ORIG_DST && in_prefix(p, &f->orig.dst)) ||
	       (ends & REPLY_SRC && in_prefix(p, &f->reply.src)) ||
	       (ends & REPLY_DST && in_prefix(p, &f->reply.dst));
}

/* For each key of ends that is given, one of its prefixes. */
static bool has_ends(const struct filter_rule *rule, const struct flow *f)
{
	uint32_t want = rule->given / FILTER_BY_END, got = 0;

	for (size_t i = 0; i < rule->nprefixes && got != want; i++) {
		uint32_t bit = 1u << rule->prefixes[i].where;

		if (!(got & bit) && meets(&rule->prefixes[i], f))
			got |= bit;
	}
	return got == want;
}

static bool has_ports(uint8_t l4proto)
{
	switch (l4proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		return true;
	default:
		return false;
	}
}

static bool has_port(const struct filter_rule *rule, const struct flow *f)
{
	/* as the client said it, or as the server has it */
	uint16_t a = f->orig.dport, b = f->reply.sport;

	if (!has_ports(f->l4proto))
		return false;
	for (size_t i = 0; i < rule->nports; i++) {
		uint16_t first = rule->ports[i][0], last = rule->ports[i][1];

		if ((a >= first && a <= last) || (b >= first && b <= last))
			return true;
	}
	return false;
}

static bool has_zone(const struct filter_rule *rule, uint16_t zone)
{
	for (size_t i = 0; i < rule->nzones; i++)
		if (rule->zones[i] == zone)
			return true;
	return false;
}

/* What a flow has all its life. */
static bool matches_what_stays(const struct filter_rule *rule,
			       const struct flow *f)
{
	if (!has_protocol(rule, f->l4proto))
		return false;
	if (rule->given & FILTER_BY_PORT && !has_port(rule, f))
		return false;
	if (rule->given & FILTER_BY_ZONE && !has_zone(rule, f->zone))
		return false;
	return rule->given < FILTER_BY_END || has_ends(rule, f);
}

static bool is_assured(const struct flow *f)
{
	return f->status & IPS_ASSURED;
}

static bool has_label(const struct filter_rule *rule, const struct flow *f)
{
	for (size_t i = 0; f->has & FLOW_HAS_LABELS && i < sizeof(f->labels);
	     i++)
		if (rule->labels[i] & f->labels[i])
			return true;
	return false;
}

static bool matches(const struct filter_rule *rule, const struct flow *f)
{
	uint32_t given = rule->given;

	if (given & FILTER_BY_MARK && (f->mark & rule->mask) != rule->mark)
		return false;
	if (given & FILTER_BY_STATE && !(rule->classes >> flow_class(f) & 1))
		return false;
	if (given & FILTER_BY_ASSURED && rule->assured != is_assured(f))
		return false;
	if (given & FILTER_BY_LABEL && !has_label(rule, f))
		return false;
	return matches_what_stays(rule, f);
}

/* --- all of them ---------------------------------------------------------- */

struct filter_rule *filter_rules_skip(const struct filter_rules *r,
				      const struct flow *f)
{
	for (size_t i = 0; i < r->n; i++)
		if (matches(&r->list[i], f))
			return r->list[i].skip ? &r->list[i] : NULL;
	return NULL;
}

bool filter_rules_may(const struct filter_rules *r, const struct flow *f)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct filter_rule *rule = &r->list[i];
		bool sure = !(rule->given & (FILTER_BY_MARK | FILTER_BY_STATE |
					     FILTER_BY_LABEL));

		if (!matches_what_stays(rule, f))
			continue;
		if (rule->given & FILTER_BY_ASSURED && !is_assured(f)) {
			/* and so it was before */
			if (rule->assured)
				continue;
		} else if (rule->given & FILTER_BY_ASSURED) {
			sure = false;
		}
		if (!rule->skip)
			return true;
		if (sure)
			return false;
	}
	return true;
}

bool filter_rules_refuse(const struct filter_rules *r, uint8_t protocol)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct filter_rule *rule = &r->list[i];

		if (!has_protocol(rule, protocol))
			continue;
		if (!rule->skip)
			return false;
		if (!(rule->given & ~(uint32_t)FILTER_BY_PROTOCOL))
			return true;
	}
	return false;
}

bool filter_rules_ask(const struct filter_rules *r, enum filter_by by)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->list[i].given & by)
			return true;
	return false;
}

/* Those in front that skip whatever is not assured, or has one bit. */
static void need_of_skips(const struct filter_rules *r, struct filter_need *n)
{
	for (size_t i = 0; i < r->n && r->list[i].skip; i++) {
		const struct filter_rule *rule = &r->list[i];
		bool one_bit = !(rule->mask & (rule->mask - 1));

		if (rule->given == FILTER_BY_ASSURED && !rule->assured)
			n->status |= IPS_ASSURED;
		if (rule->given != FILTER_BY_MARK || !one_bit ||
		    n->mark_mask & rule->mask)
			continue;
		n->mark_mask |= rule->mask;
		n->mark |= rule->mark ^ rule->mask;
	}
}

/* Nothing but what some rule syncs, and all of those ask for this mark. */
static void need_of_syncs(const struct filter_rules *r, struct filter_need *n)
{
	const struct filter_rule *first = NULL;

	if (!r->n || r->list[r->n - 1].given || !r->list[r->n - 1].skip)
		return;
	for (size_t i = 0; i < r->n; i++) {
		const struct filter_rule *rule = &r->list[i];

		if (rule->skip)
			continue;
		if (!first)
			first = rule;
		if (!(rule->given & FILTER_BY_MARK) ||
		    rule->mark != first->mark || rule->mask != first->mask)
			return;
	}
	if (!first || n->mark_mask & first->mask)
		return;
	n->mark_mask |= first->mask;
	n->mark |= first->mark;
}

void filter_rules_need(const struct filter_rules *r, struct filter_need *need)
{
	*need = (struct filter_need){ 0 };
	need_of_skips(r, need);
	need_of_syncs(r, need);
}

/* --- digest ----------------------------------------------------------------- */

static uint64_t hash_number(uint64_t h, uint64_t v)
{
	uint8_t b[8];

	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(v >> 8 * i);
	return fnv1a(h, b, sizeof(b));
}

/* A sum of what is in the lists: their order does not matter. */
static uint64_t lists_digest(const struct filter_rule *rule,
			     const struct filter_zones *zones)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < rule->nports; i++)
		sum += hash_number(FNV1A_START,
				   UINT64_C(1) << 40 |
					   (uint64_t)rule->ports[i][0] << 16 |
					   rule->ports[i][1]);
	for (size_t i = 0; i < rule->nzones; i++) {
		uint16_t z = rule->zones[i];

		z = zones ? filter_zone_theirs(zones, z) : z;
		sum += hash_number(FNV1A_START, UINT64_C(2) << 40 | z);
	}
	for (size_t i = 0; i < rule->nprefixes; i++) {
		const struct filter_prefix *p = &rule->prefixes[i];
		uint64_t h = hash_number(
			FNV1A_START, UINT64_C(3) << 40 |
					     (uint64_t)p->where << 16 |
					     (uint64_t)p->family << 8 | p->len);

		sum += fnv1a(h, p->addr.b, sizeof(p->addr.b));
	}
	return sum;
}

uint64_t filter_rules_digest(const struct filter_rules *r,
			     const struct filter_zones *zones)
{
	uint64_t h = FNV1A_START;

	if (!r->n)
		return 0;
	for (size_t i = 0; i < r->n; i++) {
		const struct filter_rule *rule = &r->list[i];

		h = hash_number(h, (uint64_t)rule->given << 1 | rule->skip);
		for (size_t k = 0; k < 4; k++)
			h = hash_number(h, rule->protocols[k]);
		h = hash_number(h, (uint64_t)rule->mark << 32 | rule->mask);
		h = hash_number(h,
				(uint64_t)rule->classes << 1 | rule->assured);
		h = fnv1a(h, rule->labels, sizeof(rule->labels));
		h = hash_number(h, lists_digest(rule, zones));
	}
	return h ? h : 1;
}
