/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a comparison came to: kept for the screen, told to the peer, answered
 * to the person who asked; and the alarm where a repair does not hold. How
 * tables are compared is in engine_audit.c.
 *
 * Invariant: audit.last is what one whole round found, never a part of it.
 */
#include "engine_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A person at the peer's waits as long as this for its rounds. */
#define PATIENCE_NS (600 * MONO_S)
/* And so long for the two to be in sync again. */
#define AGAIN_NS (60 * MONO_S)
/* What is cut is gone after TIMEOUT_PERIODS; so many are a reason. */
#define EXTRA_PERIODS (2 * TIMEOUT_PERIODS)

void engine_verify_example(struct audit_report *r,
			   enum session_audit_count kind, const char *text)
{
	if (r->ntexts == SESSION_AUDIT_TEXTS_MAX)
		return;
	r->examples[r->ntexts] = kind;
	snprintf(r->texts[r->ntexts++], sizeof(r->texts[0]), "%s", text);
}

void engine_verify_peer_live(struct engine *e, unsigned peer, mono_t now)
{
	int64_t half = e->audit_period_ns / 2;

	/* not all pairs of a cluster at the same moment */
	e->peers[peer].audit.extra_since = now;
	e->peers[peer].audit.next_at = mono_add(
		now, half + (int64_t)(engine_random(e) % (uint64_t)(half + 1)));
}

/* --- the alarm ------------------------------------------------------------- */

/* What its kernel refused since the repair, as its acknowledgements say. */
static const char *refusal(const struct engine_peer *p)
{
	_Static_assert(ENGINE_REFUSED_COUNT <= SESSION_REFUSALS_MAX,
		       "an acknowledgement has room for all");
	static const char *const words[ENGINE_REFUSED_COUNT] = {
		[FLOW_TABLE_FULL] = "its connection table is full: sysctl -w "
				    "net.netfilter.nf_conntrack_max",
		[FLOW_CHAIN] = "a hash chain of its table is too long: sysctl "
			       "-w net.netfilter.nf_conntrack_buckets",
		[FLOW_CLASH] = "another flow there has one of their tuples: "
			       "conntrack -D it there",
		[FLOW_HELPER] = "its kernel lacks the helper: modprobe it "
				"there",
		[FLOW_INVALID] = "its kernel does not take such flows: the "
				 "same modules and nat chains on both nodes",
		[FLOW_ACK_LOST] = "its kernel's answers were lost",
		[FLOW_OTHER] = "its kernel refuses them: the same modules and "
			       "nat chains on both nodes",
		[ENGINE_REFUSED_FILTER] = "they are of an address of its own: "
					  "compare both configurations",
		[ENGINE_REFUSED_RULE] = "a filter block there skips them: the "
					"same filter blocks on both nodes",
	};

	for (int i = 0; i < ENGINE_REFUSED_COUNT; i++)
		if (words[i] && p->tx.refused[i] > p->audit.refused[i])
			return words[i];
	return "its kernel took them, and something there changes or removes "
	       "them: conntrack -E there";
}

/* Into log and history when it begins, however many rounds it stays. */
static void alarm_set(struct engine *e, unsigned peer, uint64_t n,
		      const char *what, const char *why, mono_t now)
{
	struct engine_audit *a = &e->peers[peer].audit;
	bool had = a->alarm[0];

	snprintf(a->alarm, sizeof(a->alarm), "%llu flows %s: %s",
		 (unsigned long long)n, what, why);
	if (had)
		return;
	engine_log(e, LEVEL_WARNING,
		   "the audit cannot make %s equal to this node: %s",
		   e->peers[peer].name, a->alarm);
	engine_note(e, e->peers[peer].name, now,
		    "the audit cannot mend: %llu flows %s. statesync check",
		    (unsigned long long)n, what);
}

/* And when it ends; why: what is known of it now. */
static void alarm_clear(struct engine *e, unsigned peer, const char *why,
			mono_t now)
{
	struct engine_audit *a = &e->peers[peer].audit;

	if (!a->alarm[0])
		return;
	a->alarm[0] = '\0';
	engine_log(e, LEVEL_NOTICE, "the audit of %s: %s", e->peers[peer].name,
		   why);
	engine_note(e, e->peers[peer].name, now, "the audit: %s", why);
}

/* Whoever is master compares, and has an alarm of its own. */
static void forget(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_audit *a = &e->peers[peer].audit;

	alarm_clear(e, peer,
		    "this node is not master any more, and compares "
		    "no longer",
		    now);
	a->uncured = 0;
	a->nmemory = 0;
	a->again = false;
}

/* What this round repaired is what the next one must find whole. */
static void learn(struct engine *e, const struct audit_round *r, mono_t now)
{
	struct engine_peer *p = &e->peers[r->peer];
	struct engine_audit *a = &p->audit;

	a->uncured = r->uncured;
	if (!r->report.count[AUDIT_EXTRA]) {
		a->extra_since = now;
		a->swept = false;
	}
	if (r->report.count[AUDIT_REPAIRED] < AUDIT_GAP_LEAST)
		a->again = false;
	if (a->uncured)
		alarm_set(e, r->peer, a->uncured,
			  "are missing or differ after a repair", refusal(p),
			  now);
	else if (mono_diff(now, a->extra_since) > EXTRA_PERIODS * a->period_ns)
		alarm_set(e, r->peer, r->report.count[AUDIT_EXTRA],
			  "stay there that this node has not",
			  "it forwards them itself; let their hosts use the "
			  "shared address as gateway",
			  now);
	else
		alarm_clear(e, r->peer,
			    "no more differences that it could not mend", now);
	memcpy(a->memory, r->repaired, sizeof(a->memory));
	a->nmemory = r->nrepaired;
	memcpy(a->refused, p->tx.refused, sizeof(a->refused));
}

/* --- what came out ----------------------------------------------------------- */

static void conclude(struct engine *e, unsigned peer, const char *why)
{
	struct engine_action *a = engine_push(e, ENGINE_VERIFIED, peer);

	a->ok = !why;
	snprintf(a->log.text, sizeof(a->log.text), "%s", why ? why : "");
	e->peers[peer].audit.wanted = false;
}

static void refuse(struct engine *e, unsigned peer, const char *why, mono_t now)
{
	struct session_audit m = { .kind = SESSION_AUDIT_REFUSED, .ntexts = 1 };

	snprintf(m.texts[0], sizeof(m.texts[0]), "%s", why);
	(void)session_send_audit(e->peers[peer].session, &m, now);
	e->peers[peer].audit.asked = false;
}

void engine_verify_ended(struct engine *e, unsigned peer, const char *why,
			 mono_t now)
{
	if (e->peers[peer].audit.wanted)
		conclude(e, peer, why);
	if (e->peers[peer].audit.asked)
		refuse(e, peer, why, now);
}

static void tell_peer(struct engine *e, const struct audit_round *r, mono_t now)
{
	struct session_audit m = {
		.kind = SESSION_AUDIT_REPORT,
		.round = r->id,
		.urgent = r->verify,
		.ntexts = r->report.ntexts,
	};

	memcpy(m.count, r->report.count, sizeof(m.count));
	memcpy(m.examples, r->report.examples, sizeof(m.examples));
	memcpy(m.texts, r->report.texts, sizeof(m.texts));
	(void)session_send_audit(e->peers[r->peer].session, &m, now);
}

static void log_repair(struct engine *e, const struct audit_round *r)
{
	const uint64_t *n = r->report.count;
	uint64_t differ = n[AUDIT_STATE] + n[AUDIT_STATUS] + n[AUDIT_MARK] +
			  n[AUDIT_OTHER];

	if (!n[AUDIT_REPAIRED] || r->uncured)
		return;
	engine_log(e, LEVEL_NOTICE,
		   "the audit repaired %llu flows on %s: %llu were missing, "
		   "%llu differed",
		   (unsigned long long)n[AUDIT_REPAIRED],
		   e->peers[r->peer].name, (unsigned long long)n[AUDIT_MISSING],
		   (unsigned long long)differ);
}

void engine_verify_report(struct engine *e, const struct audit_round *r,
			  mono_t now)
{
	struct engine_audit *a = &e->peers[r->peer].audit;

	a->last = r->report;
	a->rounds++;
	tell_peer(e, r, now);
	if (!r->verify) {
		log_repair(e, r);
		learn(e, r, now);
		return;
	}
	a->asked = false;
	if (a->wanted)
		conclude(e, r->peer, NULL);
}

/* --- what the peer says -------------------------------------------------------- */

/* The owner's missing is our extra. */
static void turn(struct audit_report *r)
{
	uint64_t missing = r->count[AUDIT_MISSING];

	r->count[AUDIT_MISSING] = r->count[AUDIT_EXTRA];
	r->count[AUDIT_EXTRA] = missing;
	for (size_t i = 0; i < r->ntexts; i++)
		if (r->examples[i] == AUDIT_MISSING)
			r->examples[i] = AUDIT_EXTRA;
		else if (r->examples[i] == AUDIT_EXTRA)
			r->examples[i] = AUDIT_MISSING;
}

static void heard_report(struct engine *e, unsigned peer,
			 const struct session_audit *m, mono_t now)
{
	struct engine_audit *a = &e->peers[peer].audit;

	/* where both look, each has its own */
	if (e->masters && !a->wanted)
		return;
	a->last = (struct audit_report){ .at = now, .ntexts = m->ntexts };
	memcpy(a->last.count, m->count, sizeof(m->count));
	memcpy(a->last.examples, m->examples, sizeof(m->examples));
	memcpy(a->last.texts, m->texts, sizeof(m->texts));
	turn(&a->last);
	if (a->wanted && m->urgent)
		conclude(e, peer, NULL);
}

/* A round of the background gives way, unless it has something to remember. */
static void hurry(struct engine *e, unsigned peer, mono_t now)
{
	const struct audit_round *r = e->round;

	if (r && r->peer == peer && !r->verify && !r->nrepaired)
		engine_audit_give_up(e, "somebody wants to know now", now);
	e->peers[peer].audit.next_at = now;
}

static void heard_wanted(struct engine *e, unsigned peer, mono_t now)
{
	if (!engine_audit_may(e, peer)) {
		refuse(e, peer, "the two are not in sync", now);
		return;
	}
	e->peers[peer].audit.asked = true;
	e->peers[peer].audit.wanted_at = now;
	hurry(e, peer, now);
}

void engine_verify_heard(struct engine *e, unsigned peer,
			 const struct session_event *ev, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	const struct session_audit *m = ev->audit.said;

	p->ack_seq = ev->audit.seq;
	p->say_ack = true;
	switch (m->kind) {
	case SESSION_AUDIT_BEGIN:
	case SESSION_AUDIT_VERDICT:
	case SESSION_AUDIT_LIST:
	case SESSION_AUDIT_EXTRA:
		engine_answer_asked(e, peer, m, now);
		return;
	case SESSION_AUDIT_SUMS:
	case SESSION_AUDIT_ENTRIES:
	case SESSION_AUDIT_FOUND:
		engine_audit_answered(e, peer, m, now);
		return;
	case SESSION_AUDIT_REPORT:
		heard_report(e, peer, m, now);
		return;
	case SESSION_AUDIT_WANTED:
		heard_wanted(e, peer, now);
		return;
	case SESSION_AUDIT_REFUSED:
		if (p->audit.wanted)
			conclude(e, peer, m->ntexts ? m->texts[0] : "refused");
		return;
	}
}

/* --- who wants to know ------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static int no(char *why, const char *fmt,
						    ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, SESSION_REASON_MAX, fmt, ap);
	va_end(ap);
	return -EAGAIN;
}

int engine_verify(struct engine *e, unsigned peer, char *why, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	struct session_audit m = { .kind = SESSION_AUDIT_WANTED };

	if (!p->live || !p->heard)
		return no(why, "no link to %s", p->name);
	if (!engine_audit_can(e, peer))
		return no(why, "%s runs a version that cannot compare",
			  p->name);
	if (e->masters && !engine_audit_may(e, peer))
		return no(why, "%s is not in sync. statesync wait in-sync",
			  p->name);
	if (!e->masters && !p->word.tx_epoch) {
		(void)no(why, "neither %s nor this node is master of anything",
			 p->name);
		return -ENOENT;
	}
	if (e->masters)
		hurry(e, peer, now);
	else if (session_send_audit(p->session, &m, now))
		return no(why, "no memory to ask %s", p->name);
	p->audit.wanted = true;
	p->audit.by_us = e->masters;
	p->audit.wanted_at = now;
	return 0;
}

bool engine_verify_waits(const struct engine *e, unsigned peer, mono_t now)
{
	const struct engine_audit *a = &e->peers[peer].audit;

	return (a->wanted || a->asked) && e->peers[peer].live && e->masters &&
	       !e->stopping && mono_diff(now, a->wanted_at) < AGAIN_NS;
}

/* Why nothing will come of what a person asked for; or NULL. */
static const char *in_vain(const struct engine *e, unsigned peer, mono_t now)
{
	const struct engine_audit *a = &e->peers[peer].audit;

	if (!e->peers[peer].live)
		return "the link was lost";
	if (a->wanted && mono_diff(now, a->wanted_at) > PATIENCE_NS)
		return "the peer does not answer";
	if (a->wanted && !a->by_us)
		return NULL;
	if (!e->masters)
		return "the node that compared is not master any more";
	if (!engine_audit_may(e, peer) && !engine_verify_waits(e, peer, now))
		return "the two are not in sync any more";
	return NULL;
}

void engine_verify_settle(struct engine *e, mono_t now)
{
	for (unsigned i = 0; i < e->npeers; i++) {
		struct engine_audit *a = &e->peers[i].audit;
		const char *why;

		if (!e->masters && a->alarm[0])
			forget(e, i, now);
		if (!a->wanted && !a->asked)
			continue;
		why = in_vain(e, i, now);
		if (why)
			engine_verify_ended(e, i, why, now);
	}
}
