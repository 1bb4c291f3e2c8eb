/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The blocks SYNC and FLOWS of the screen: how far each peer is, and what goes
 * over. It counts nothing itself.
 *
 * Implements THE SCREEN of statesync(8).
 *
 * Invariant: what is not known is ?, and what is old has its age.
 */
#include <inttypes.h>
#include <string.h>

#include "report.h"

/* "63 % ############-----" */
static void bulk_bar(const struct engine_rx *rx, char *text, size_t size)
{
	uint64_t percent = rx->entries * 100 / rx->total;
	char bar[18] = "-----------------";

	if (percent > 99)
		percent = 99;
	for (uint64_t i = 0; i < percent * (sizeof(bar) - 1) / 100; i++)
		bar[i] = '#';
	snprintf(text, size, "%" PRIu64 " %% %s", percent, bar);
}

/* The last bulk, whoever told it: how many came or were sent, and when. */
static void bulk_words(const struct engine_peer *p, mono_t now, char *text,
		       size_t size)
{
	mono_t came = mono_add(p->rx.started, p->rx.took_ns);
	bool done = p->rx.result == BULK_DONE;
	bool sent = p->tx.told_at.ns &&
		    (!done || mono_diff(p->tx.told_at, came) > 0);
	char ago[32];

	if (!p->live)
		snprintf(text, size, p->live_since.ns ? "none since %s" : "-",
			 report_duration(mono_diff(now, p->down_since), ago,
					 sizeof(ago)));
	else if (p->rx.result == BULK_RUNNING && p->rx.total)
		bulk_bar(&p->rx, text, size);
	else if (p->rx.result == BULK_RUNNING)
		snprintf(text, size, "begins");
	else if (p->rx.result == BULK_FAILED)
		snprintf(text, size, "failed: %.60s", p->rx.why);
	else if (sent || done)
		snprintf(text, size, "%" PRIu64 " %s %s ago",
			 sent ? p->tx.told : p->rx.entries,
			 sent ? "sent" : "came",
			 report_duration(
				 mono_diff(now, sent ? p->tx.told_at : came),
				 ago, sizeof(ago)));
	else
		snprintf(text, size, "-");
}

const char *report_peer_state(const struct node *n, unsigned i)
{
	const struct engine_peer *p = &n->engine->peers[i];

	if (!p->up)
		return *peersock_error(n->peersock, i) ? "down" : "connecting";
	if (!p->live)
		return "connecting";
	return p->rx.state != RX_IDLE || p->tx.state == TX_BULK ? "bulk"
								: "live";
}

size_t report_peer_queue(const struct node *n, unsigned i)
{
	return session_backlog(n->engine->peers[i].session) +
	       peersock_pending(n->peersock, i);
}

void report_sync(struct node *n, FILE *out)
{
	const struct engine *e = n->engine;
	int width = report_width(n), states = 5;

	if (!e->npeers)
		return;
	for (unsigned i = 0; i < e->npeers; i++)
		states = report_wider(states, report_peer_state(n, i));
	fprintf(out,
		"\n%-*s  %-*s  IN SYNC  LAG          QUEUE    "
		"BULK                  COMPARED\n",
		width, "SYNC", states, "STATE");
	for (unsigned i = 0; i < e->npeers; i++) {
		const struct engine_peer *p = &e->peers[i];
		bool in_sync =
			engine_tx_in_sync(e, i) && engine_rx_in_sync(e, i);
		char lag[32] = "no link", bulk[128], audit[64];

		if (p->live)
			snprintf(lag, sizeof(lag), "%.1f ms",
				 (double)session_lag_ns(p->session, n->last) /
					 1e6);
		bulk_words(p, n->last, bulk, sizeof(bulk));
		fprintf(out, "%-*s  %-*s  %-7s  %-11s  %-7zu  %-20s  %s\n",
			width, p->name, states, report_peer_state(n, i),
			in_sync ? "yes" : "no", lag, report_peer_queue(n, i),
			bulk, report_audit_words(n, i, audit, sizeof(audit)));
	}
}

/* Only where there is a helper. */
static void line_expects(const struct node *n, FILE *out)
{
	const struct engine_expects *x = &n->engine->expects;
	uint64_t refused = 0;

	for (int i = EXPECT_NO_MASTER; i < EXPECT_RESULTS; i++)
		refused += x->results[i];
	if (x->told + x->results[EXPECT_APPLIED] + refused)
		fprintf(out,
			"%-*s  expectations: %" PRIu64 " sent   %" PRIu64
			" applied   %" PRIu64 " refused\n",
			report_width(n), "", x->told,
			x->results[EXPECT_APPLIED], refused);
}

/* "212/s", of the last seconds. */
static const char *rate_words(const struct rate *r, uint64_t value, mono_t now,
			      char text[32])
{
	double rate = rate_per_s(r, value, now);

	/* slow is not nothing */
	snprintf(text, 32,
		 rate < 0		? "?/s"
		 : rate > 0 && rate < 1 ? "%.1f/s"
					: "%.0f/s",
		 rate);
	return text;
}

void report_told(struct node *n, FILE *out)
{
	const struct engine *e = n->engine;
	uint64_t refused = 0, sent, received;
	char text[2][32];

	node_sync_table(n);
	for (int i = FLOW_TABLE_FULL; i < FLOW_KEPT; i++)
		refused += e->results[i];
	engine_told(e, &sent, &received);
	fprintf(out,
		"\n%-*s  %" PRIu64 " of %u (%u %%)   %s out   %s in   "
		"%" PRIu64 " refused\n",
		report_width(n), "FLOWS", e->table, n->table_max,
		n->table_max ? (unsigned)(e->table * 100 / n->table_max) : 0,
		rate_words(&n->sent, sent, n->last, text[0]),
		rate_words(&n->received, received, n->last, text[1]), refused);
	line_expects(n, out);
}
