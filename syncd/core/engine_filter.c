/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the configuration adds to rules 2, on both sides of the link: the
 * filter that decides what is told and accepted, and zones that a peer calls
 * otherwise. Not the predicate itself (filter.c).
 *
 * Invariant: of the flows that a peer has of us none is one that the filter
 * skips, but those told before a filter that was another one.
 */
#include "engine_int.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>
#include <string.h>

/* Ours is the first of the two names: zones are compared by its numbers. */
static bool is_first(const struct engine *e, const struct engine_peer *p)
{
	return strcmp(e->node, p->name) < 0;
}

uint64_t engine_filter_digest(const struct engine *e, unsigned peer)
{
	const struct engine_peer *p = &e->peers[peer];
	uint64_t digest = filter_rules_digest(
		&e->filter.rules, is_first(e, p) ? NULL : &p->zones);

	/* who does not defer does not take what has only a first packet */
	return digest + (e->defers ? UINT64_C(1) << 63 : 0);
}

uint64_t engine_zones_digest(const struct engine *e, unsigned peer)
{
	const struct engine_peer *p = &e->peers[peer];

	return filter_zones_digest(&p->zones, is_first(e, p));
}

void engine_filter(struct engine *e, struct filter_rules *rules, mono_t now)
{
	bool same = filter_rules_digest(rules, NULL) ==
		    filter_rules_digest(&e->filter.rules, NULL);

	filter_rules_free(&e->filter.rules);
	e->filter.rules = *rules;
	*rules = (struct filter_rules){ 0 };
	if (same)
		return;
	for (unsigned i = 0; i < e->npeers; i++) {
		if (engine_telling(e))
			engine_sync_gap(e, i, "the filter is another one", now);
		engine_rx_again(e, i, "the filter is another one", now);
	}
	engine_peer_say_word(e);
}

void engine_zones(struct engine *e, unsigned peer,
		  const struct filter_zones *zones, mono_t now)
{
	uint64_t before = engine_zones_digest(e, peer);

	e->peers[peer].zones = *zones;
	if (engine_zones_digest(e, peer) == before)
		return;
	engine_rx_again(e, peer, "its zones have other names", now);
	engine_peer_say_word(e);
}

const struct flow_change *engine_zone_here(struct engine_peer *p,
					   const struct flow_change *c,
					   struct flow_change *here)
{
	bool listed;

	if (!p->zones.n)
		return c;
	*here = *c;
	here->flow.zone = filter_zone_ours(&p->zones, c->flow.zone, &listed);
	p->zones_unlisted += !listed && c->flow.zone;
	return here;
}

const struct flow *engine_zone_there(const struct engine_peer *p,
				     const struct flow *f, struct flow *there)
{
	if (!p->zones.n)
		return f;
	*there = *f;
	there->zone = filter_zone_theirs(&p->zones, f->zone);
	return there;
}

void engine_filter_skipped(struct engine *e, const struct flow *f)
{
	struct filter_rule *rule = filter_rules_skip(&e->filter.rules, f);

	e->filtered[FILTER_RULE]++;
	if (rule)
		rule->skipped++;
}

void engine_filter_refused(struct engine *e, unsigned peer,
			   const struct flow_change *c)
{
	struct engine_peer *p = &e->peers[peer];
	bool by_rule =
		(c->op == FLOW_DESTROY
			 ? filter_ends(&e->filter, &c->flow)
			 : filter_flow(&e->filter, &c->flow)) == FILTER_RULE;

	p->refused[by_rule ? ENGINE_REFUSED_RULE : ENGINE_REFUSED_FILTER]++;
	if (by_rule)
		e->refused_filtered++;
	else
		e->refused_own++;
}

/*
 * A packet gave it more time than its state has: by a policy of timeouts, which
 * no kernel tells or takes. Helpers and flowtables do so, too, and GRE and DCCP
 * have times that are not ours to know.
 */
static bool lasts_longer(const struct flow *f, uint32_t nominal_s)
{
	return f->has & FLOW_HAS_TIMEOUT && nominal_s &&
	       f->timeout_s > nominal_s && !(f->has & FLOW_HAS_HELPER) &&
	       !(f->status &
		 (IPS_OFFLOAD | IPS_HW_OFFLOAD | IPS_FIXED_TIMEOUT)) &&
	       f->l4proto != IPPROTO_GRE && f->l4proto != IPPROTO_DCCP;
}

void engine_filter_lacks(struct engine *e, enum flow_op op,
			 const struct flow *f, uint32_t by, mono_t now)
{
	uint32_t nominal_s = timeouts_nominal(&e->timeouts, f);
	const struct flow_addr *tied;

	if (op != FLOW_COPY && !by && lasts_longer(f, nominal_s)) {
		e->lacks.longer++;
		e->lacks.longer_s = f->timeout_s;
		e->lacks.nominal_s = nominal_s;
		e->lacks.longer_at = now;
	}
	if (op == FLOW_UPDATE)
		return;
	tied = filter_tied(&e->filter, f);
	e->lacks.secmark += f->secmark;
	if (!tied)
		return;
	e->lacks.tied++;
	e->lacks.family = f->family;
	e->lacks.address = *tied;
	e->lacks.tied_at = now;
}
