/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which flows would not go on after a failover as they are, and what they lose.
 * It reads what was counted as they were told (engine_lacks); it looks at no
 * table, which would hold up the daemon as it grows.
 *
 * Implements the command check of statesync(8).
 *
 * Invariant: what the last hour shows no trace of is not told.
 */
#include <arpa/inet.h>
#include <inttypes.h>

#include "report.h"
#include "report_check.h"

/* When, as "3 s"; false when that is too long ago or was never. */
static bool recent(const struct checker *c, uint64_t count, mono_t at,
		   char ago[32])
{
	int64_t ns = mono_diff(c->n->last, at);

	if (!count || ns > CHECK_RECENT_NS)
		return false;
	report_duration(ns, ago, 32);
	return true;
}

void check_translations(struct checker *c)
{
	const struct engine_lacks *l = &c->n->engine->lacks;
	char ago[32], text[INET6_ADDRSTRLEN] = "";

	if (!recent(c, l->tied, l->tied_at, ago))
		return;
	inet_ntop(l->family, l->address.b, text, sizeof(text));
	finding(c, LEVEL_WARNS,
		"%" PRIu64 " flows were told that are translated to an address "
		"only this node has; the last one, %s ago, to %s\n"
		"they end at a failover.\n"
		"snat to a shared address instead of masquerade, or the same "
		"address on both nodes",
		l->tied, ago, text);
}

void check_timeouts(struct checker *c)
{
	const struct engine_lacks *l = &c->n->engine->lacks;
	char ago[32];

	if (!recent(c, l->longer, l->longer_at, ago))
		return;
	finding(c, LEVEL_WARNS,
		"a timeout policy (nft: ct timeout) keeps flows longer than "
		"the sysctls do; the last one, %s ago, for %" PRIu32
		" s, not %" PRIu32 " s\n"
		"no kernel takes it from another: they end in the shorter time "
		"after a failover when nothing passes.\n"
		"in its place, on both nodes: sysctl -w "
		"net.netfilter.nf_conntrack_PROTOCOL_timeout...",
		ago, l->longer_s, l->nominal_s);
}

void check_labels(struct checker *c)
{
	const struct engine *e = c->n->engine;
	char ago[32];

	for (size_t i = 0; i < e->npeers; i++) {
		const struct engine_peer *p = &e->peers[i];

		if (recent(c, p->tx.refused[FLOW_LABELS], p->tx.labels_at, ago))
			finding(c, LEVEL_WARNS,
				"the kernel of %s does not keep the labels of "
				"our flows, the last ones %s ago\n"
				"its rules on labels do not know them after a "
				"failover.\n"
				"on %s: a rule that sets a label (nft: ct "
				"label set), as here",
				p->name, ago, p->name);
		if (recent(c, p->refused[FLOW_LABELS], p->rx.labels_at, ago))
			finding(c, LEVEL_WARNS,
				"our kernel does not keep the labels of the "
				"flows of %s, the last ones %s ago\n"
				"rules on labels do not know them after a "
				"failover.\n"
				"here: a rule that sets a label (nft: ct label "
				"set), as on %s",
				p->name, ago, p->name);
	}
}

static bool is_on(const char *name)
{
	uint32_t value;

	return check_sysctl(name, &value) && value;
}

void check_accounting(struct checker *c)
{
	const struct engine_lacks *l = &c->n->engine->lacks;

	if (is_on("nf_conntrack_acct"))
		finding(c, LEVEL_NOTE,
			"nf_conntrack_acct: packets and bytes of a connection "
			"are counted\n"
			"from 0 again after a failover: the kernel takes no "
			"counters.\n"
			"who needs the sum adds what both nodes say at the end "
			"of a connection");
	if (is_on("nf_conntrack_timestamp"))
		finding(c, LEVEL_NOTE,
			"nf_conntrack_timestamp: the start of a connection is "
			"recorded\n"
			"on the standby it is when it was told of it.\n"
			"who needs it asks the node on which it began");
	if (l->secmark)
		finding(c, LEVEL_NOTE,
			"%" PRIu64 " flows with a security mark were told\n"
			"the kernel takes none: after a failover they have "
			"none.\n"
			"a rule that sets it from the connection's mark, on "
			"both nodes",
			l->secmark);
}
