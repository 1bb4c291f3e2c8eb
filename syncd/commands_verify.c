/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * verify: the tables of two nodes compared now, for a person. How is the
 * engine's business. Implements the command verify of statesync(8).
 * Invariant: "ok" only where nothing is missing, extra or differs.
 */
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "report.h"

static void forget_client(void *arg, struct stats_client *c)
{
	struct node *n = arg;

	for (int i = 0; i < NODE_VERIFIES; i++)
		if (n->verifies[i].client == c)
			n->verifies[i].client = NULL;
}

/* --- the answer ----------------------------------------------------------- */

static void print_differing(struct stats_client *c,
			    const struct audit_report *r)
{
	const char *before = "(";

	(void)statsock_printf(c, "differing%*s%" PRIu64, 9, "",
			      report_audit_differing(r));
	for (int i = AUDIT_STATE; i <= AUDIT_OTHER; i++) {
		if (!r->count[i])
			continue;
		(void)statsock_printf(
			c, "%s%s: %" PRIu64, *before == '(' ? "   (" : before,
			audit_kind_name((enum session_audit_count)i),
			r->count[i]);
		before = ", ";
	}
	(void)statsock_printf(c, "%s\n", *before == '(' ? "" : ")");
}

static void print_examples(struct stats_client *c, const struct audit_report *r)
{
	uint64_t all = report_audit_off(r);

	for (size_t i = 0; i < r->ntexts; i++) {
		uint32_t kind = r->examples[i];

		(void)statsock_printf(c, "  %-9s  %s\n",
				      kind == AUDIT_MISSING ||
						      kind == AUDIT_EXTRA
					      ? audit_kind_name(kind)
					      : "differing",
				      r->texts[i]);
	}
	if (all > r->ntexts)
		(void)statsock_printf(c, "  and %" PRIu64 " more\n",
				      all - r->ntexts);
}

static void print_remedy(const struct node *n, struct stats_client *c,
			 const char *peer)
{
	const struct engine *e = n->engine;
	char text[32];

	if (n->conf->audit_period_ms)
		(void)statsock_printf(
			c, " The audit repairs them within %s; to do it now:\n",
			report_duration(n->conf->audit_period_ms * MONO_MS,
					text, sizeof(text)));
	else
		(void)statsock_printf(
			c, " audit-period is 0: nothing repairs them but:\n");
	if (e->masters)
		(void)statsock_printf(c, "  on %s: statesync --bulk %s\n", peer,
				      e->node);
	else
		(void)statsock_printf(c, "  statesync --bulk %s\n", peer);
}

/* True if the two are equal. */
static bool print(const struct node *n, struct stats_client *c, unsigned peer)
{
	const struct engine_peer *p = &n->engine->peers[peer];
	const struct audit_report *r = &p->audit.last;
	uint64_t off = report_audit_off(r), left = r->count[AUDIT_UNSETTLED];

	(void)statsock_printf(
		c,
		"%s against %s: %" PRIu64 " compared in %.2f s, %" PRIu64
		" changed meanwhile, looked again.\n",
		n->engine->node, p->name, r->count[AUDIT_COMPARED],
		(double)r->count[AUDIT_TOOK_MS] / 1e3, r->count[AUDIT_CHANGED]);
	(void)statsock_printf(c, "missing on %-7s%" PRIu64 "\n", p->name,
			      r->count[AUDIT_MISSING]);
	(void)statsock_printf(c, "extra on %-7s  %" PRIu64 "\n", p->name,
			      r->count[AUDIT_EXTRA]);
	print_differing(c, r);
	print_examples(c, r);
	if (left)
		(void)statsock_printf(
			c,
			"Not settled: %" PRIu64 " of the buckets; they change "
			"faster than one can look. Try when there is less "
			"traffic.\n",
			left);
	if (!off) {
		(void)statsock_printf(c, left ? "" : "EQUAL.\n");
		return !left;
	}
	(void)statsock_printf(c, "NOT EQUAL: %" PRIu64 " of %" PRIu64 ".", off,
			      r->count[AUDIT_COMPARED]);
	print_remedy(n, c, p->name);
	return false;
}

static void print_failure(struct node_verify *v, const char *who,
			  const char *why)
{
	v->bad = true;
	snprintf(v->sentence, sizeof(v->sentence),
		 "%s not compared: %s. statesync status", who, why);
}

static void settle(struct node_verify *v)
{
	struct stats_client *c = v->client;

	if (v->peers)
		return;
	v->client = NULL;
	statsock_end(c, v->bad ? STATS_NO : STATS_OK,
		     v->bad ? v->sentence : NULL);
}

void commands_verified(struct node *n, unsigned peer, const char *why)
{
	commands_drill_verified(n, peer, why);
	for (int i = 0; i < NODE_VERIFIES; i++) {
		struct node_verify *v = &n->verifies[i];

		if (!v->client || !(v->peers >> peer & 1))
			continue;
		v->peers &= ~(1U << peer);
		if (why) {
			print_failure(v, n->engine->peers[peer].name, why);
		} else if (!print(n, v->client, peer)) {
			v->bad = true;
			snprintf(v->sentence, sizeof(v->sentence),
				 "the tables are not equal; statesync bulk on "
				 "the one that lacks something");
		}
		settle(v);
	}
}

/* --- the question ------------------------------------------------------------ */

/* any: of all peers only those that can be. Another standby is no measure: both
 * are compared with the master. */
static void ask(struct node *n, struct node_verify *v, unsigned peer, bool any)
{
	const char *name = n->engine->peers[peer].name;
	char why[SESSION_REASON_MAX];
	int err = engine_verify(n->engine, peer, why, node_now(n));

	if (!err)
		return;
	v->peers &= ~(1U << peer);
	if (err == -ENOENT && any)
		(void)statsock_printf(v->client, "%s not compared: %s.\n", name,
				      why);
	else
		print_failure(v, name, why);
}

void cmd_verify(struct node *n, struct stats_client *c, int argc, char **argv)
{
	int peer = argc > 1	       ? commands_find_peer(n, argv[1])
		   : n->engine->npeers ? 0
				       : -1;
	struct node_verify *v = NULL;

	for (int i = 0; i < NODE_VERIFIES && !v; i++)
		if (!n->verifies[i].client)
			v = &n->verifies[i];
	if (peer < 0) {
		commands_no_peer(n, c, argc > 1 ? argv[1] : "");
		return;
	}
	if (!v) {
		statsock_end(c, STATS_NO,
			     "8 wait for a comparison, at most 8; when one "
			     "has ended, again");
		return;
	}
	*v = (struct node_verify){ .client = c };
	v->peers = argc > 1 ? 1U << peer : (1U << n->engine->npeers) - 1;
	for (unsigned i = 0; i < n->engine->npeers; i++)
		if (v->peers >> i & 1)
			ask(n, v, i, argc == 1 && n->engine->npeers > 1);
	if (!v->peers && !v->bad)
		print_failure(v, "the tables", "nobody is master of anything");
	statsock_on_close(c, forget_client, n);
	settle(v);
	node_settle(n);
}
