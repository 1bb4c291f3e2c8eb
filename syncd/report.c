/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The screen: a verdict, then NODE, CARP, SYNC and FLOWS, always in this
 * order and in the same columns. It knows what things mean to a person, not
 * how they came to be. Invariant: the first line stands alone.
 */
#include "report.h"
#include "report_sets.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define RECENT_MAX 3

static void print_names(const struct engine *e, enum carp_state state,
			FILE *out)
{
	char text[ENGINE_VHOSTS_MAX * (SESSION_NAME_MAX + 5)];
	uint32_t set = 0;

	for (size_t k = 0; k < e->nvhosts; k++)
		if (e->vhosts[k].carp.state == state)
			set |= 1U << k;
	fputs(report_names(e, set, text, sizeof(text)), out);
}

/* --- the verdict ----------------------------------------------------------- */

static bool two_masters(struct node *n, FILE *out)
{
	const struct engine *e = n->engine;
	char text[32];

	for (size_t i = 0; i < e->nvhosts; i++)
		for (size_t k = 0; k < e->npeers; k++) {
			const struct engine_vhost *v = &e->vhosts[i];

			if (v->carp.state != CARP_MASTER ||
			    report_peer_said(&e->peers[k], v->name) !=
				    CARP_MASTER)
				continue;
			fprintf(out,
				"TWO MASTERS of %s: %s and %s both answer for "
				"it since %s.\n"
				"  %s hears no adverts of %s on %s; the sync "
				"link is up.\n"
				"  cause: the network between the two %s "
				"is cut, or filters protocol 112 or\n"
				"  224.0.0.18. try: tcpdump -ni %s proto 112\n",
				v->name, e->node, e->peers[k].name,
				report_duration(
					mono_diff(n->last, v->carp.since), text,
					sizeof(text)),
				e->node, e->peers[k].name,
				n->vhosts[i].conf->interface,
				n->vhosts[i].conf->interface,
				n->vhosts[i].conf->interface);
			return true;
		}
	return false;
}

static void print_states(const struct engine *e, FILE *out)
{
	static const struct {
		enum carp_state state;
		const char *word;
	} order[] = {
		{ CARP_MASTER, "MASTER of " },
		{ CARP_BACKUP, "BACKUP of " },
		{ CARP_INIT, "INIT on " },
	};
	bool first = true;

	fprintf(out, "%s is ", e->node);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		bool any = false;

		for (size_t k = 0; k < e->nvhosts; k++)
			any |= !e->vhosts[k].gone &&
			       e->vhosts[k].carp.state == order[i].state;
		if (!any)
			continue;
		fprintf(out, "%s%s", first ? "" : ", ", order[i].word);
		print_names(e, order[i].state, out);
		first = false;
	}
	fputs(". ", out);
}

static void print_link_down(const struct node *n, unsigned i, FILE *out)
{
	const struct engine_peer *p = &n->engine->peers[i];
	const char *why = peersock_error(n->peersock, i);
	char text[32];

	fprintf(out,
		"  %s: %s %s%s%s%s\n  try: ping %s; on %s: systemctl status "
		"statesyncd\n",
		p->name,
		p->live_since.ns ? "link down for"
				 : "never seen since the "
				   "start,",
		report_duration(mono_diff(n->last, p->down_since), text,
				sizeof(text)),
		*why ? " (" : "", why, *why ? ")" : "",
		report_peer_address(n, i), p->name);
}

/* What keeps a peer from taking over, or NULL. */
static const char *peer_lacks(const struct engine *e, unsigned i)
{
	const struct engine_peer *p = &e->peers[i];

	if (!p->live)
		return "link";
	if (!engine_tx_in_sync(e, i))
		return "sync";
	return p->word.ready ? NULL : "ready";
}

/* "fw2 is", "fw2 and fw3 are", "a, b and c are"; how many. */
static unsigned print_heirs(const struct engine *e, FILE *out)
{
	unsigned total = 0, i = 0;

	for (unsigned k = 0; k < e->npeers; k++)
		total += !peer_lacks(e, k);
	for (unsigned k = 0; k < e->npeers; k++) {
		if (peer_lacks(e, k))
			continue;
		fprintf(out, "%s%s",
			!i		? ""
			: i + 1 < total ? ", "
					: " and ",
			e->peers[k].name);
		i++;
	}
	if (total)
		fputs(total > 1 ? " are" : " is", out);
	return total;
}

/* Why peer i cannot take over, and what to do. */
static void print_lack(const struct node *n, unsigned i, FILE *out)
{
	const struct engine_peer *p = &n->engine->peers[i];
	const char *hold = gate_reason(p->word.holds);

	if (!p->live)
		print_link_down(n, i, out);
	else if (!engine_tx_in_sync(n->engine, i))
		fprintf(out, "  %s holds: %s\n  try: statesync wait in-sync\n",
			p->name, hold ? hold : "nothing yet");
	else if (hold)
		fprintf(out, "  %s holds: %s\n  try: statesync check\n",
			p->name, hold);
	else
		fprintf(out,
			"  %s: an interface is down, or it is stopping\n"
			"  try on %s: statesync\n",
			p->name, p->name);
}

/* The words about who can take over; true if all of the peers can. */
static bool verdict_master(struct node *n, FILE *out)
{
	const struct engine *e = n->engine;
	bool all = true, seen = false;
	unsigned first = 0;

	if (!e->npeers) {
		fputs("It has no peer to hand its connections to.\n", out);
		return true;
	}
	for (unsigned i = 0; i < e->npeers; i++) {
		seen |= e->peers[i].live_since.ns != 0;
		if (peer_lacks(e, i) && all)
			first = i;
		all &= !peer_lacks(e, i);
	}
	if (print_heirs(e, out))
		fputs(" in sync and may take over now.\n", out);
	else if (!seen)
		fputs("It is ALONE: if it stops, connections are lost.\n", out);
	else
		fprintf(out, "%s is NOT %s: do not switch this node off.\n",
			e->peers[first].name,
			strcmp(peer_lacks(e, first), "ready") ? "IN SYNC"
							      : "READY");
	for (unsigned i = 0; i < e->npeers; i++)
		if (peer_lacks(e, i))
			print_lack(n, i, out);
	return all;
}

/* How long a bulk still takes, from how long it took so far. */
static void print_left(const struct engine_rx *rx, mono_t now, FILE *out)
{
	double so_far = (double)mono_diff(now, rx->started) / 1e9;

	if (rx->entries && rx->entries < rx->total)
		fprintf(out, ", about %.0f s left",
			so_far * (double)(rx->total - rx->entries) /
					(double)rx->entries +
				0.5);
	fputc('\n', out);
}

static void print_hold(struct node *n, FILE *out)
{
	const struct engine *e = n->engine;
	const struct engine_peer *p = engine_waits_for(e);
	const char *reason = gate_reason(e->gate.holds);

	fputs("It may not take over yet:\n", out);
	if (e->gate.holds & HOLD_LINK) {
		for (unsigned i = 0; i < e->npeers; i++)
			if (!e->peers[i].live) {
				fputs("  holding: link\n", out);
				print_link_down(n, i, out);
				return;
			}
		fputs("  holding: link, resuming\n", out);
	} else if (e->gate.holds == HOLD_DRIFT) {
		report_drift_hold(n, out);
	} else if (p && p->rx.total) {
		uint64_t percent = p->rx.entries * 100 / p->rx.total;

		fprintf(out,
			"  holding: %s %" PRIu64 " %%, %" PRIu64 " of %" PRIu64,
			reason, percent > 99 ? 99 : percent, p->rx.entries,
			p->rx.total);
		print_left(&p->rx, n->last, out);
	} else {
		fprintf(out, "  holding: %s%s%s\n", reason,
			p && p->rx.gap[0] ? ": " : "", p ? p->rx.gap : "");
	}
}

/* Which vhosts this node cannot be master of, and where to look. */
static void print_unusable(const struct node *n, FILE *out)
{
	bool link = false, kernel = false;

	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct node_iface *f = report_iface(n, i);
		const struct engine_vhost *v = &n->engine->vhosts[i];

		if (v->gone || !f)
			continue;
		if (!f->ifindex || !f->up) {
			fprintf(out, "  %s: %s is %s\n", v->name, f->name,
				f->ifindex ? "down, or has no carrier"
					   : "not here");
			link = true;
		} else if (v->unusable) {
			fprintf(out, "  %s: this node cannot be master of it\n",
				v->name);
			kernel = true;
		}
	}
	if (link)
		fputs("  try: ip link; statesync check\n", out);
	if (kernel)
		fputs("  try: journalctl -u statesyncd\n", out);
}

static const char *why_not_ready(const struct engine *e)
{
	if (e->stopping)
		return "It may not take over: it is stopping.\n";
	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].gone && e->vhosts[i].carp.state == CARP_INIT)
			return "It may not take over: an interface is down.\n";
	return "It may not take over: it cannot be master of all.\n";
}

static bool verdict_backup(struct node *n, FILE *out)
{
	const struct engine *e = n->engine;
	bool all = true;

	if (gate_holding(&e->gate, n->last)) {
		print_hold(n, out);
		return false;
	}
	if (!engine_ready(e, n->last)) {
		fputs(why_not_ready(e), out);
		return false;
	}
	if (e->gate.holds) {
		fputs("It may take over, with what it has.\n", out);
		return false;
	}
	if (n->maintenance.on)
		fputs("It is in maintenance, and takes over only from a master "
		      "that fails.\n",
		      out);
	else
		fputs("It is in sync and may take over now.\n", out);
	for (unsigned i = 0; i < e->npeers; i++) {
		if (e->peers[i].live)
			continue;
		print_link_down(n, i, out);
		all = false;
	}
	return all;
}

bool report_verdict(struct node *n, FILE *out)
{
	const struct engine *e = n->engine;
	bool good;

	(void)node_now(n);
	if (two_masters(n, out))
		return false;
	print_states(e, out);
	good = e->masters ? verdict_master(n, out) : verdict_backup(n, out);
	print_unusable(n, out);
	if (e->gate.holds != HOLD_DRIFT)
		report_drift_line(n, out);
	if (!n->maintenance.on)
		return good;
	fprintf(out,
		"  in maintenance %s%s\n  to end it: statesync maintenance "
		"off\n",
		n->maintenance.since,
		e->masters ? "; it hands over as soon as it can" : "");
	return false;
}

/* --- the blocks -------------------------------------------------------------- */

int report_width(const struct node *n)
{
	const struct engine *e = n->engine;
	int width = report_wider(8, e->node);

	for (size_t i = 0; i < e->npeers; i++)
		width = report_wider(width, e->peers[i].name);
	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].gone)
			width = report_wider(width, e->vhosts[i].name);
	return width;
}

/* "10.9.0.2", and since when nothing is heard from there. */
static const char *where_and_when(struct node *n, unsigned i, char *text,
				  size_t size)
{
	const struct engine_peer *p = &n->engine->peers[i];
	size_t len =
		(size_t)snprintf(text, size, "%s", report_peer_address(n, i));
	bool today = mono_diff(n->last, p->word_at) < 12 * 3600 * MONO_S;
	time_t at = (time_t)report_wall(n, p->word_at);
	struct tm tm;

	if (p->live || !p->word_at.ns || len >= size)
		return text;
	localtime_r(&at, &tm);
	strftime(text + len, size - len,
		 today ? ", last heard %H:%M:%S"
		       : ", last heard %Y-%m-%d %H:%M:%S",
		 &tm);
	return text;
}

/* What it said last; a dash where it never said anything. */
static void line_peer(struct node *n, unsigned i, FILE *out)
{
	const struct engine_peer *p = &n->engine->peers[i];
	const char *unknown = p->live_since.ns ? "?" : "-";
	const char *hold = p->heard ? gate_reason(p->word.holds) : NULL;
	int64_t up_ns = engine_peer_uptime_ns(n->engine, i, n->last);
	char demotion[32], uptime[32], where[128];

	snprintf(demotion, sizeof(demotion), "%s", unknown);
	if (p->heard)
		snprintf(demotion, sizeof(demotion), hold ? "hold: %s" : "%s%u",
			 hold ? hold : "", p->word.demotion);
	fprintf(out, "%-*s  %-5s  %-11s  %-7s  %-7s  %s\n", report_width(n),
		p->name,
		!p->heard	? unknown
		: p->word.ready ? "yes"
				: "no",
		demotion, p->live_since.ns ? p->hello.version : unknown,
		up_ns < 0 ? unknown
			  : report_duration(up_ns, uptime, sizeof(uptime)),
		where_and_when(n, i, where, sizeof(where)));
}

static void block_node(struct node *n, FILE *out)
{
	const struct engine *e = n->engine;
	char text[32], demotion[32];
	int width = report_width(n);
	const char *hold = gate_holding(&e->gate, n->last)
				   ? gate_reason(e->gate.holds)
				   : NULL;

	fprintf(out, "\n%-*s  READY  DEMOTION     VERSION  UPTIME\n", width,
		"NODE");
	snprintf(demotion, sizeof(demotion), hold ? "hold: %s" : "%s%u",
		 hold ? hold : "", demotion_total(&e->demotion));
	fprintf(out, "%-*s  %-5s  %-11s  %-7s  %-7s  this node\n", width,
		e->node, engine_ready(e, n->last) ? "yes" : "no", demotion,
		e->version,
		report_duration(mono_diff(n->last, e->started), text,
				sizeof(text)));
	for (unsigned i = 0; i < e->npeers; i++)
		line_peer(n, i, out);
}

bool report_screen(struct node *n, FILE *out)
{
	const struct history_entry *h = history_get(&n->engine->history, 0);
	bool good = report_verdict(n, out);

	block_node(n, out);
	report_carp(n, out);
	report_track(n, out);
	report_sync(n, out);
	report_paths(n, out);
	report_told(n, out);
	report_sets(n, out);
	if (h && mono_diff(n->last, h->at) < REPORT_RECENT_NS) {
		fputc('\n', out);
		report_history(n, RECENT_MAX, out);
	}
	return good;
}
