/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The node as a value: birth, time, and the order in which things settle.
 * What vhosts, peers and flows mean is in engine_carp.c, engine_peer.c and
 * engine_sync.c. Invariant: between calls nothing is left undone but what is
 * in the queue of actions or waits for a deadline.
 */
#include "engine_sets_int.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct engine_action *engine_push(struct engine *e, enum engine_do what,
				  unsigned index)
{
	struct engine_action *a;

	assert(e->queued < ENGINE_ACTIONS_MAX);
	a = &e->queue[(e->head + e->queued++) % ENGINE_ACTIONS_MAX];
	a->what = what;
	a->index = index;
	a->ok = false;
	return a;
}

void engine_log(struct engine *e, int level, const char *fmt, ...)
{
	struct engine_action *a = engine_push(e, ENGINE_LOG, 0);
	va_list ap;

	a->log.level = level;
	va_start(ap, fmt);
	vsnprintf(a->log.text, sizeof(a->log.text), fmt, ap);
	va_end(ap);
}

/* xorshift64*: numbers that need not be secret, from a random seed. */
uint64_t engine_random(struct engine *e)
{
	e->random ^= e->random >> 12;
	e->random ^= e->random << 25;
	e->random ^= e->random >> 27;
	return e->random * 0x2545f4914f6cdd1dULL;
}

/* --- life ------------------------------------------------------------- */

static int add_peer(struct engine *e, const char *name, mono_t now)
{
	struct engine_peer *p = &e->peers[e->npeers];
	const struct session_conf conf = {
		.node = e->node,
		.peer = name,
		.version = e->version,
		.boot_id = e->boot_id,
		.resume_bytes = e->resume_bytes,
		.started = now,
	};

	snprintf(p->name, sizeof(p->name), "%s", name);
	p->down_since = now;
	p->session = session_new(&conf);
	if (!p->session)
		return -ENOMEM;
	e->npeers++;
	return 0;
}

int engine_init(struct engine *e, const struct engine_conf *conf,
		const char **why, mono_t now)
{
	int err = 0;

	*why = "not enough memory";
	assert(conf->nvhosts <= ENGINE_VHOSTS_MAX);
	assert(conf->npeers <= ENGINE_PEERS_MAX);
	snprintf(e->node, sizeof(e->node), "%s", conf->node);
	snprintf(e->version, sizeof(e->version), "%s", conf->version);
	e->boot_id = conf->boot_id;
	e->random = conf->boot_id | 1;
	e->epochs = engine_random(e) >> 1;
	e->started = now;
	e->go_from = -1;
	e->split_at = MONO_NEVER;
	e->ops_peer = e->expects.peer = -1;
	e->lower_at = e->raise_at = MONO_NEVER;
	e->audit_period_ns = conf->audit_period_ns;
	e->standby_s = TIMEOUT_STANDBY_S;
	e->windows_old = true; /* nobody knows what was before */
	gate_init(&e->gate, conf->require, conf->require_ns);
	destroys_init(&e->destroys);
	timeouts_default(&e->timeouts);
	e->independent = conf->independent;
	e->defers = conf->defer;
	e->resume_bytes = conf->resume_bytes;
	for (unsigned i = 0; !err && i < conf->nvhosts; i++)
		err = engine_vhost_set(e, i, &conf->vhosts[i], why, now);
	*why = err ? *why : "not enough memory";
	for (size_t i = 0; !err && i < conf->npeers; i++)
		err = add_peer(e, conf->peers[i], now);
	if (!err)
		err = engine_addresses(e, NULL, 0);
	if (!err)
		err = engine_sets_name(e, conf->sets, conf->nsets,
				       conf->sets_period_ns, now);
	if (err)
		engine_free(e);
	return err;
}

void engine_free(struct engine *e)
{
	for (size_t i = 0; i < e->npeers; i++) {
		session_free(e->peers[i].session);
		free(e->peers[i].addresses);
		free(e->peers[i].coming);
		ended_clear(&e->peers[i].rx.ended);
		engine_answer_free(&e->peers[i].audit);
	}
	engine_audit_free(e);
	engine_sets_free(e);
	engine_drift_free(e);
	filter_free(&e->filter);
	free(e->own);
	memset(e, 0, sizeof(*e));
}

/* --- facts ------------------------------------------------------------- */

void engine_table(struct engine *e, uint64_t entries)
{
	e->table = entries;
}

/* --- operator ------------------------------------------------------------ */

int32_t engine_demote(struct engine *e, enum demotion_name name, const char *by,
		      int32_t n)
{
	int32_t sum = demotion_add(&e->demotion, name, n);

	engine_log(e, LEVEL_NOTICE, "demotion by %s is now %d (total %u)", by,
		   sum, demotion_total(&e->demotion));
	return sum;
}

void engine_maintenance(struct engine *e, bool on, mono_t now)
{
	demotion_set(&e->demotion, DEMOTION_MAINTENANCE,
		     on ? DEMOTION_MAINTAINED : 0);
	(void)now;
}

void engine_note(struct engine *e, const char *whom, mono_t now,
		 const char *fmt, ...)
{
	char text[SESSION_REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	history_note(&e->history, now, whom, text);
}

/* --- for the screen -------------------------------------------------------- */

void engine_told(const struct engine *e, uint64_t *sent, uint64_t *received)
{
	*sent = *received = 0;
	for (size_t i = 0; i < e->npeers; i++) {
		const struct session_stats *s =
			session_stats(e->peers[i].session);

		*sent += s->flows_sent;
		*received += s->flows_received;
	}
}

int64_t engine_peer_uptime_ns(const struct engine *e, unsigned peer, mono_t now)
{
	const struct engine_peer *p = &e->peers[peer];

	if (!p->live || !p->hello.uptime_ms)
		return -1;
	return (int64_t)p->hello.uptime_ms * MONO_MS +
	       mono_diff(now, p->live_since);
}

bool engine_ready(const struct engine *e, mono_t now)
{
	if (e->stopping || gate_holding(&e->gate, now))
		return false;
	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].gone &&
		    mono_is_never(e->vhosts[i].waits_until) &&
		    (e->vhosts[i].carp.state == CARP_INIT ||
		     e->vhosts[i].unusable))
			return false;
	return true;
}

const struct engine_peer *engine_waits_for(const struct engine *e)
{
	for (unsigned i = 0; i < e->npeers; i++)
		if (e->peers[i].live && !engine_rx_in_sync(e, i))
			return &e->peers[i];
	return NULL;
}

/* --- time and answers ----------------------------------------------------- */

static void settle(struct engine *e, mono_t now)
{
	e->filter.opening = engine_all_work(e);
	/*
	 * A vhost's step may raise or lower a hold or the demotion, which may
	 * make another vhost step. Each vhost steps at most twice before it
	 * must hear something, so this ends.
	 */
	engine_vhosts_settle(e, now);
	while (engine_carp_settle(e, now))
		;
	engine_handover_settle(e, now);
	engine_defer_settle(e, now);
	engine_sets_settle(e, now);
	for (unsigned i = 0; i < e->npeers; i++) {
		engine_sync_settle(e, i, now);
		engine_peer_settle(e, i, now);
		engine_answer_tell(e, i, now);
	}
	engine_answer_settle(e, now);
	engine_audit_settle(e, now);
	engine_verify_settle(e, now);
	if (e->stopping && !e->stopped && e->handover.state == HANDOVER_IDLE) {
		e->stopped = true;
		for (size_t i = 0; i < e->nvhosts; i++)
			carp_vhost_stop(&e->vhosts[i].carp, now);
		while (engine_carp_settle(e, now))
			;
		for (unsigned i = 0; i < e->npeers; i++)
			engine_peer_settle(e, i, now);
		engine_push(e, ENGINE_STOPPED, 0)->ok = true;
	}
}

bool engine_poll(struct engine *e, struct engine_action *a, mono_t now)
{
	if (!e->queued)
		settle(e, now);
	if (!e->queued)
		return false;
	*a = e->queue[e->head];
	e->head = (e->head + 1) % ENGINE_ACTIONS_MAX;
	e->queued--;
	return true;
}

void engine_tick(struct engine *e, mono_t now)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		carp_vhost_tick(&e->vhosts[i].carp, now);
	for (unsigned i = 0; i < e->npeers; i++) {
		struct engine_peer *p = &e->peers[i];

		if (p->up)
			session_tick(p->session, now);
		if (p->live && mono_due(p->next_word, now))
			p->say_word = true;
	}
	engine_sync_tick(e, now);
	engine_sets_tick(e, now);
}

mono_t engine_deadline(const struct engine *e)
{
	mono_t d = mono_min(engine_sync_deadline(e), engine_vhosts_deadline(e));

	for (size_t i = 0; i < e->nvhosts; i++)
		d = mono_min(d, carp_vhost_deadline(&e->vhosts[i].carp));
	for (unsigned i = 0; i < e->npeers; i++)
		d = mono_min(d, engine_peer_deadline(e, i));
	d = mono_min(d, engine_sets_deadline(e));
	d = mono_min(d, handover_deadline(&e->handover));
	d = mono_min(d, defer_deadline(&e->defer));
	d = mono_min(d, engine_audit_deadline(e));
	d = mono_min(d, engine_answer_deadline(e));
	if (e->env.holding)
		d = mono_min(d, gate_deadline(&e->gate, e->gate.since));
	return d;
}
