/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What differs between this node and its peers, in words: what it would break
 * and what to do about it. It compares nothing (core/drift.h).
 *
 * Implements the command check of statesync(8).
 *
 * Invariant: the word in front of a difference is its effect, and who is named
 * first is this node.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node_drift.h"
#include "report.h"
#include "report_check.h"

struct words {
	struct checker *c;
	enum drift_kind kind;
	const char *us, *them;
	enum level level;
};

static const char *value_of(const struct fact *f)
{
	return f ? f->value : "not there";
}

/* "fw1 a, fw2 b" */
static const char *both(const struct words *w, const struct drift_difference *d,
			char text[512])
{
	snprintf(text, 512, "%s %s, %s %s", w->us, value_of(d->ours), w->them,
		 value_of(d->theirs));
	return text;
}

/* The node that lacks something that only the other one has. */
static const char *lacking(const struct words *w,
			   const struct drift_difference *d)
{
	return d->ours ? w->them : w->us;
}

static const char *having(const struct words *w,
			  const struct drift_difference *d)
{
	return d->ours ? w->us : w->them;
}

static const char *name_of(const struct drift_difference *d)
{
	return d->ours ? d->ours->name : d->theirs->name;
}

/* --- one kind each --------------------------------------------------------------- */

static void say_version(const struct words *w, const struct drift_difference *d)
{
	char text[512];

	finding(w->c, w->level,
		"version of statesync: %s\n"
		"what the older one does not know is not replicated.\n"
		"install the newer one on both: on the backup first, then "
		"statesync handover",
		both(w, d, text));
}

static void say_ruleset(const struct words *w, const struct drift_difference *d)
{
	char what[128];

	if (d->ours && d->theirs)
		snprintf(what, sizeof(what), "not the same on %s and %s", w->us,
			 w->them);
	else
		snprintf(what, sizeof(what), "only on %s", having(w, d));
	finding(w->c, w->level,
		"ruleset, %s: %s\n"
		"connections opened after a failover meet other rules.\n"
		"diff <(nft -s list %s) <(ssh %s nft -s list %s); then nft -f "
		"the right one",
		name_of(d), what, name_of(d), w->them, name_of(d));
}

static void say_sysctl(const struct words *w, const struct drift_difference *d)
{
	const char *name = name_of(d);
	char text[512];

	finding(w->c, w->level,
		"%s: %s\n"
		"%s\n"
		"on the one that is wrong: sysctl -w %s=VALUE, and the same in "
		"/etc/sysctl.d",
		name, both(w, d, text),
		strstr(name, "forward")
			? "a node that does not forward drops all connections "
			  "after a failover."
			: "after a failover connections are tracked by other "
			  "rules, or end at other times.",
		name);
}

static void say_size(const struct words *w, const struct drift_difference *d)
{
	uint64_t ours = strtoull(d->ours ? d->ours->value : "0", NULL, 10);
	uint64_t theirs =
		strtoull(d->theirs ? d->theirs->value : "0", NULL, 10);
	const char *small = ours < theirs ? w->us : w->them;
	uint64_t less = ours < theirs ? ours : theirs, table;
	char text[512];

	node_sync_table(w->c->n);
	table = w->c->n->engine->table;
	if (strstr(name_of(d), "buckets")) {
		finding(w->c, w->level,
			"conntrack hash size: %s\n"
			"with a full table %s finds connections more slowly "
			"after a failover.\n"
			"on %s: sysctl -w "
			"net.netfilter.nf_conntrack_buckets=%" PRIu64,
			both(w, d, text), small, small,
			ours < theirs ? theirs : ours);
		return;
	}
	finding(w->c, w->level,
		"conntrack table size: %s\n"
		"%s would refuse flows above %" PRIu64 "; %s has %" PRIu64
		" now (%.1f %%).\n"
		"on %s: echo net.netfilter.nf_conntrack_max=%" PRIu64
		" > /etc/sysctl.d/90-conntrack.conf && sysctl --system",
		both(w, d, text), small, less, w->us, table,
		less ? 100.0 * (double)table / (double)less : 100.0, small,
		ours < theirs ? theirs : ours);
}

static void say_helper(const struct words *w, const struct drift_difference *d)
{
	finding(w->c, w->level,
		"helper %s: only on %s\n"
		"after a failover %s does not know the connections that it "
		"announces; the ruleset may drop them.\n"
		"on %s: modprobe %s && echo %s >> "
		"/etc/modules-load.d/conntrack.conf",
		name_of(d), having(w, d), lacking(w, d), lacking(w, d),
		name_of(d), name_of(d));
}

static void say_labels(const struct words *w, const struct drift_difference *d)
{
	bool we = d->ours && !strcmp(d->ours->value, "yes");

	finding(w->c, w->level,
		"a rule sets connection labels on %s only\n"
		"the kernel of %s keeps none: rules on labels do not know "
		"their "
		"connections after a failover.\n"
		"on %s: a rule that sets a label (nft: ct label set), as on %s",
		we ? w->us : w->them, we ? w->them : w->us,
		we ? w->them : w->us, we ? w->us : w->them);
}

static void say_interface(const struct words *w,
			  const struct drift_difference *d)
{
	char text[512];

	if (!strncmp(name_of(d), "MTU", 3))
		finding(w->c, w->level,
			"%s: %s\n"
			"after a failover packets larger than that get lost or "
			"are cut.\n"
			"ip link set DEV mtu BYTES on one of them",
			name_of(d), both(w, d, text));
	else
		finding(w->c, w->level,
			"%s: %s\n"
			"rules that name an interface are not the same after a "
			"failover.\n"
			"the same name on both (systemd.link(5)), or "
			"interfaces "
			"in names \"%s\" of sync {}",
			name_of(d), both(w, d, text), w->them);
}

static void say_network(const struct words *w, const struct drift_difference *d)
{
	finding(w->c, w->level,
		"network %s: only %s has an address in it\n"
		"as backup %s reaches nobody there, and after a failover "
		"whoever uses that address as gateway is cut off.\n"
		"on %s: ip address add one of that network, or take it away on "
		"%s",
		name_of(d), having(w, d), lacking(w, d), lacking(w, d),
		having(w, d));
}

static void say_carp(const struct words *w, const struct drift_difference *d)
{
	char text[512];

	if (!strncmp(name_of(d), "password", 8))
		finding(w->c, w->level,
			"%s: not the same on %s and %s\n"
			"each refuses the adverts of the other: both become "
			"master.\n"
			"the same pass and addresses in both statesync.conf; "
			"then statesync reload",
			name_of(d), w->us, w->them);
	else
		finding(w->c, w->level,
			"%s: %s\n"
			"the nodes elect a master by different rules, or do "
			"not "
			"serve the same.\n"
			"the same in both statesync.conf; then statesync "
			"reload",
			name_of(d), both(w, d, text));
}

/* " (fw1 newer, 2026-11-20 17:01)" */
static void newer(const struct words *w, const struct drift_difference *d,
		  char *text, size_t size)
{
	time_t ours = (time_t)strtoll(d->ours->note, NULL, 10);
	time_t theirs = (time_t)strtoll(d->theirs->note, NULL, 10);
	time_t late = ours > theirs ? ours : theirs;
	char when[32] = "?";
	struct tm tm;

	*text = '\0';
	if (!ours || !theirs || ours == theirs)
		return;
	if (localtime_r(&late, &tm))
		strftime(when, sizeof(when), "%F %H:%M", &tm);
	snprintf(text, size, " (%s newer, %s)", ours > theirs ? w->us : w->them,
		 when);
}

static bool is_absent(const struct fact *f)
{
	return !f || !strcmp(f->value, "absent");
}

static void say_file(const struct words *w, const struct drift_difference *d)
{
	const char *name = name_of(d), *rest[2];
	char text[128] = "";
	size_t len;

	if (*name != '/') {
		finding(w->c, w->level,
			"files in drift {} are not the same on %s and %s\n"
			"what only one of them names is not compared.\n"
			"the same files = {} in both statesync.conf; then "
			"statesync reload",
			w->us, w->them);
		return;
	}
	if (is_absent(d->ours) || is_absent(d->theirs)) {
		finding(w->c, w->level,
			"file %s: only on %s\n"
			"what reads it does something else after a failover.\n"
			"remdiff %s",
			name, is_absent(d->ours) ? w->them : w->us, name);
		return;
	}
	/* the digest, then mode and owner */
	len = strcspn(d->ours->value, " ");
	rest[0] = d->ours->value + len;
	rest[1] = d->theirs->value + strcspn(d->theirs->value, " ");
	if (!strncmp(d->ours->value, d->theirs->value, len + 1)) {
		finding(w->c, w->level,
			"file %s: same content, but mode and owner are%s on %s "
			"and%s on %s\n"
			"what may not read it fails after a failover.\n"
			"chmod, chown on the one that is wrong; or remdiff %s",
			name, rest[0], w->us, rest[1], w->them, name);
		return;
	}
	newer(w, d, text, sizeof(text));
	finding(w->c, w->level,
		"file %s differs%s\n"
		"what reads it does something else after a failover.\n"
		"remdiff %s",
		name, text, name);
}

/* --- all of them ------------------------------------------------------------------- */

static void say_unknown(const struct words *w, const struct drift_difference *d)
{
	bool ours = d->ours && !*d->ours->value;
	const struct fact *f = ours ? d->ours : d->theirs;

	finding(w->c, LEVEL_NOTE,
		"%s%s%s: not known on %s (%s)\n"
		"so whether the nodes are alike in it is not known.\n"
		"see there; or ignore in drift {}",
		drift_kind_name(d->kind), *f->name ? " " : "", f->name,
		ours ? w->us : w->them, f->note);
}

static void say(void *arg, const struct drift_difference *d)
{
	static void (*const say_kind[DRIFT_KINDS])(
		const struct words *w, const struct drift_difference *d) = {
		[DRIFT_VERSION] = say_version,
		[DRIFT_RULESET] = say_ruleset,
		[DRIFT_SYSCTLS] = say_sysctl,
		[DRIFT_TABLE] = say_size,
		[DRIFT_HELPERS] = say_helper,
		[DRIFT_LABELS] = say_labels,
		[DRIFT_INTERFACES] = say_interface,
		[DRIFT_ADDRESSES] = say_network,
		[DRIFT_CARP] = say_carp,
		[DRIFT_FILES] = say_file,
	};
	const struct words *w = arg;

	if (d->kind != w->kind)
		return;
	if (d->unknown)
		say_unknown(w, d);
	else
		say_kind[d->kind](w, d);
}

const char *check_drift_name(enum drift_kind kind)
{
	static const char *const names[DRIFT_KINDS] = {
		[DRIFT_VERSION] = "same version",
		[DRIFT_RULESET] = "same ruleset",
		[DRIFT_SYSCTLS] = "same sysctls",
		[DRIFT_TABLE] = "same table size",
		[DRIFT_HELPERS] = "same helpers",
		[DRIFT_LABELS] = "same label rules",
		[DRIFT_INTERFACES] = "same interfaces",
		[DRIFT_ADDRESSES] = "same networks",
		[DRIFT_CARP] = "same carp",
		[DRIFT_FILES] = "same files",
	};

	return names[kind];
}

void check_drift(struct checker *c, enum drift_kind kind)
{
	static const enum level levels[DRIFT_EFFECTS] = {
		[DRIFT_WARN] = LEVEL_WARNS,
		[DRIFT_DEMOTE] = LEVEL_DEMOTES,
		[DRIFT_BLOCK] = LEVEL_BLOCKS,
		[DRIFT_IGNORE] = LEVEL_NOTE,
	};
	const struct engine *e = c->n->engine;

	c->unknown |= !e->npeers || e->drift.effects[kind] == DRIFT_IGNORE;
	for (unsigned i = 0; i < e->npeers; i++) {
		struct words w = { c, kind, e->node, e->peers[i].name,
				   levels[e->drift.effects[kind]] };

		c->unknown |= !engine_drift_known(e, i);
		engine_drift_each(e, i, say, &w);
	}
}

void check_compared(struct checker *c)
{
	const struct engine *e = c->n->engine;

	c->unknown |= !e->npeers;
	for (unsigned i = 0; i < e->npeers; i++) {
		const struct engine_peer *p = &e->peers[i];

		if (!p->live)
			finding(c, LEVEL_NOTE,
				"not compared with %s: the link is down\n"
				"what differs there is not known.\n"
				"statesync status",
				p->name);
		else if (!(p->hello.capabilities & SESSION_CAN_FACTS))
			finding(c, LEVEL_NOTE,
				"not compared with %s: it runs %s, which does "
				"not tell what it is\n"
				"what differs there is not known.\n"
				"install the same version on both",
				p->name, p->hello.version);
		else if (!engine_drift_known(e, i))
			finding(c, LEVEL_NOTE,
				"not compared with %s yet: the facts are being "
				"gathered\n"
				"what differs there is not known.\n"
				"statesync check, in some seconds",
				p->name);
	}
}

void check_age(const struct node *n, FILE *out)
{
	const struct engine *e = n->engine;
	int64_t age_ns = node_drift_age_ns(n);
	char text[32], again[ENGINE_PEERS_MAX * (SESSION_NAME_MAX + 2)] = "";
	size_t len = 0;

	for (unsigned i = 0; age_ns >= 0 && i < e->npeers; i++) {
		int64_t most_ns = node_drift_peer_age_ns(n, i);

		if (!engine_drift_known(e, i))
			continue;
		if (!len)
			fprintf(out, "%-8s%s as it was %s ago", "facts",
				e->node,
				report_duration(age_ns, text, sizeof(text)));
		if (most_ns < 0)
			fprintf(out, ", %s some time ago", e->peers[i].name);
		else
			fprintf(out, ", %s at most %s ago", e->peers[i].name,
				report_duration(most_ns, text, sizeof(text)));
		len += (size_t)snprintf(again + len, sizeof(again) - len,
					"%s%s", len ? ", " : "",
					e->peers[i].name);
	}
	if (len)
		fprintf(out,
			".\n%-8sjust changed? statesync check on %s has it "
			"look again; %s does so now\n",
			"", again, e->node);
}
