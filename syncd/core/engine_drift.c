/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Nodes compared: our facts go to every peer, theirs are compared with ours,
 * and what the configuration wants follows.
 *
 * Implements rules 1 (drift 1 as a demotion, a hold where it is set).
 *
 * Invariant: the reference is whoever is master. Only a node that is master of
 * nothing is demoted or held, and only for what it differs in from a master
 * that it hears over the link; so a difference never moves a mastership.
 */
#include "engine_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"

/* --- comparing ------------------------------------------------------------- */

/* "KIND NAME", or the beginning of that and *. */
static bool matches(const char *pattern, enum drift_kind kind, const char *name)
{
	size_t len = strlen(drift_kind_name(kind)), rest;

	if (strncmp(pattern, drift_kind_name(kind), len) != 0 ||
	    pattern[len] != ' ')
		return false;
	pattern += len + 1;
	rest = strlen(pattern);
	if (rest && pattern[rest - 1] == '*')
		return strncmp(pattern, name, rest - 1) == 0;
	return strcmp(pattern, name) == 0;
}

static bool ignored(const struct engine *e, const struct drift_difference *d)
{
	const char *name = d->ours ? d->ours->name : d->theirs->name;

	if (e->drift.effects[d->kind] == DRIFT_IGNORE)
		return true;
	for (size_t i = 0; i < e->drift.nignore; i++)
		if (matches(e->drift.ignore[i], d->kind, name))
			return true;
	return false;
}

static void each_of(const struct engine *e, unsigned peer, drift_each *each,
		    void *arg)
{
	const struct engine_drift *d = &e->drift;
	const struct engine_drift_peer *p = &d->peers[peer];
	const struct drift_names names = { p->aliases, p->naliases, p->zones };

	if (d->n && p->known)
		drift_compare(d->ours, d->n, p->list, p->n, &names, each, arg);
}

struct filtered {
	const struct engine *e;
	drift_each *each;
	void *arg;
};

static void not_ignored(void *arg, const struct drift_difference *d)
{
	const struct filtered *f = arg;

	if (!ignored(f->e, d))
		f->each(f->arg, d);
}

void engine_drift_each(const struct engine *e, unsigned peer, drift_each *each,
		       void *arg)
{
	struct filtered f = { e, each, arg };

	if (engine_drift_known(e, peer))
		each_of(e, peer, not_ignored, &f);
}

_Static_assert(ENGINE_DRIFT_PEERS == ENGINE_PEERS_MAX, "each peer has a place");

/* A comparison while it goes on. */
struct counted {
	struct engine_drift_peer *p;
	const char *first[DRIFT_KINDS]; /* that differs */
};

/* Of what it is that differs, whatever the values are. */
static uint64_t sum_of(enum drift_kind kind, const char *name)
{
	return fnv1a(FNV1A_START ^ kind, name, strlen(name));
}

static void count(void *arg, const struct drift_difference *d)
{
	struct counted *c = arg;
	struct engine_drift_peer *p = c->p;
	const char *name = d->ours ? d->ours->name : d->theirs->name;

	p->bites[d->kind] += d->bites;
	p->unknown[d->kind] += d->unknown;
	if (d->unknown)
		return;
	p->which += sum_of(d->kind, name);
	if (!p->differs[d->kind]++)
		c->first[d->kind] = name;
}

static uint32_t kinds(const struct engine_drift_peer *p)
{
	uint32_t set = 0;

	for (unsigned i = 1; i < DRIFT_KINDS; i++)
		set |= p->differs[i] ? 1U << i : 0;
	return set;
}

/* Other kinds than before differ: what exactly, `check` tells. */
static void log_kinds(struct engine *e, unsigned peer)
{
	char words[SESSION_REASON_MAX];

	engine_drift_words(e, peer, false, words, sizeof(words));
	if (*words)
		engine_log(e, LEVEL_WARNING,
			   "peer \"%s\" differs from this node: %s; statesync "
			   "check tells what that breaks and what to do",
			   e->peers[peer].name, words);
	else
		engine_log(e, LEVEL_NOTICE,
			   "peer \"%s\" and this node are alike again",
			   e->peers[peer].name);
}

/* Into history: what differs now, where that is something else than before. */
static void note(struct engine *e, unsigned peer, const struct counted *c,
		 bool before, mono_t now)
{
	const struct engine_drift_peer *p = c->p;
	char text[SESSION_REASON_MAX] = "";
	bool unknown = false;
	size_t len = 0;

	for (unsigned i = 1; i < DRIFT_KINDS && len < sizeof(text); i++) {
		char more[24] = "";

		unknown |= p->unknown[i];
		if (!p->differs[i])
			continue;
		if (p->differs[i] > 1)
			snprintf(more, sizeof(more), " and %u more",
				 p->differs[i] - 1);
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s%s %s%s", len ? ", " : "",
					drift_kind_name((enum drift_kind)i),
					c->first[i], more);
	}
	if (len)
		engine_note(e, e->peers[peer].name, now, "drift %s: %s",
			    before ? "is now" : "begins", text);
	else
		engine_note(e, e->peers[peer].name, now, "drift is over%s",
			    unknown ? ", but not all could be compared" : "");
}

static void compare(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_drift_peer *p = &e->drift.peers[peer];
	struct counted c = { .p = p };
	struct filtered f = { e, count, &c };
	uint32_t before = kinds(p);
	uint64_t which = p->which;

	memset(p->differs, 0, sizeof(p->differs));
	memset(p->bites, 0, sizeof(p->bites));
	memset(p->unknown, 0, sizeof(p->unknown));
	p->which = 0;
	each_of(e, peer, not_ignored, &f);
	if (kinds(p) != before)
		log_kinds(e, peer);
	if (p->which != which)
		note(e, peer, &c, before, now);
}

static void compare_all(struct engine *e, mono_t now)
{
	for (unsigned i = 0; i < e->npeers; i++)
		compare(e, i, now);
}

/* --- what is given --------------------------------------------------------------- */

void engine_drift_effects(struct engine *e,
			  const enum drift_effect effects[DRIFT_KINDS],
			  const char *const *ignore, size_t nignore, mono_t now)
{
	e->drift.ignore = ignore;
	e->drift.nignore = nignore;
	memcpy(e->drift.effects, effects, sizeof(e->drift.effects));
	compare_all(e, now);
}

void engine_drift_names(struct engine *e, unsigned peer,
			const struct drift_names *names, mono_t now)
{
	struct engine_drift_peer *p = &e->drift.peers[peer];
	size_t n = names->n;

	if (n > ENGINE_DRIFT_ALIASES)
		n = ENGINE_DRIFT_ALIASES;
	if (n)
		memcpy(p->aliases, names->interfaces, n * sizeof(*p->aliases));
	p->naliases = n;
	p->zones = names->zones;
	compare(e, peer, now);
}

void engine_drift_facts(struct engine *e, struct fact *list, size_t n,
			mono_t now)
{
	free(e->drift.ours);
	drift_sort(list, n);
	e->drift.ours = list;
	e->drift.n = n;
	for (unsigned i = 0; i < e->npeers; i++)
		e->drift.peers[i].say = true;
	compare_all(e, now);
}

/* --- the peer -------------------------------------------------------------------- */

void engine_drift_peer_live(struct engine *e, unsigned peer)
{
	struct engine_drift_peer *p = &e->drift.peers[peer];

	p->say = true;
	p->ncoming = 0;
}

void engine_drift_peer_down(struct engine *e, unsigned peer)
{
	e->drift.peers[peer].ncoming = 0;
}

void engine_drift_heard(struct engine *e, unsigned peer,
			const struct session_event *ev, mono_t now)
{
	struct engine_drift_peer *p = &e->drift.peers[peer];
	size_t room = FACTS_MAX;

	if (ev->facts.first)
		p->ncoming = 0;
	if (!p->coming)
		p->coming = calloc(room, sizeof(*p->coming));
	if (!p->coming)
		return;
	for (size_t i = 0; i < ev->facts.n && p->ncoming < room; i++)
		p->coming[p->ncoming++] = ev->facts.list[i];
	if (!ev->facts.last)
		return;
	drift_sort(p->coming, p->ncoming);
	free(p->list);
	p->list = p->coming;
	p->n = p->ncoming;
	p->coming = NULL;
	p->ncoming = 0;
	p->known = true;
	compare(e, peer, now);
}

void engine_drift_say(struct engine *e, unsigned peer)
{
	struct engine_drift_peer *p = &e->drift.peers[peer];

	if (!p->say || !e->drift.n ||
	    !(e->peers[peer].hello.capabilities & SESSION_CAN_FACTS))
		return;
	if (session_send_facts(e->peers[peer].session, e->drift.ours,
			       e->drift.n) == 0)
		p->say = false;
}

void engine_drift_free(struct engine *e)
{
	for (unsigned i = 0; i < ENGINE_DRIFT_PEERS; i++) {
		free(e->drift.peers[i].list);
		free(e->drift.peers[i].coming);
	}
	free(e->drift.ours);
}

/* --- what follows ------------------------------------------------------------------ */

bool engine_drift_known(const struct engine *e, unsigned peer)
{
	return e->drift.n && e->drift.peers[peer].known && e->peers[peer].live;
}

/* Does anything of that effect bite this node, as a standby? */
static bool bitten(const struct engine *e, enum drift_effect effect)
{
	for (unsigned i = 0; i < e->npeers && !e->masters; i++) {
		if (!engine_drift_known(e, i) ||
		    !engine_peer_is_master(&e->peers[i]))
			continue;
		for (unsigned k = 1; k < DRIFT_KINDS; k++)
			if (e->drift.effects[k] == effect &&
			    e->drift.peers[i].bites[k])
				return true;
	}
	return false;
}

uint32_t engine_drift_holds(const struct engine *e)
{
	return bitten(e, DRIFT_BLOCK) ? HOLD_DRIFT : 0;
}

void engine_drift_settle(struct engine *e)
{
	demotion_set(&e->demotion, DEMOTION_DRIFT, bitten(e, DRIFT_DEMOTE));
}

bool engine_drift_unsure(const struct engine *e)
{
	bool blocks = false;

	for (unsigned k = 1; k < DRIFT_KINDS; k++)
		blocks |= e->drift.effects[k] == DRIFT_BLOCK;
	return blocks && e->npeers && !e->drift.n;
}

void engine_drift_words(const struct engine *e, unsigned peer, bool bites,
			char *text, size_t size)
{
	const struct engine_drift_peer *p = &e->drift.peers[peer];
	size_t len = 0;

	*text = '\0';
	for (unsigned i = 1; i < DRIFT_KINDS && len < size; i++)
		if (bites ? p->bites[i] && e->drift.effects[i] == DRIFT_BLOCK
			  : p->differs[i])
			len += (size_t)snprintf(
				text + len, size - len, "%s%s", len ? ", " : "",
				drift_kind_name((enum drift_kind)i));
}
