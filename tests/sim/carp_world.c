// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Time, chance and the LANs of the election. Not here: participants
 * (carp_node.c, carp_foreign.c), what must never happen (carp_watch.c).
 * Invariant: nothing depends on anything but the seed, and of two things that
 * are due at one time the one that was put there first comes first.
 */
#include "carp_sim.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SPINS_MAX 10000 /* things done at one time */

/* --- chance and words ----------------------------------------------------- */

/* splitmix64 */
uint64_t cs_random(struct cs_sim *s, uint64_t below)
{
	uint64_t z = s->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return below ? z % below : z;
}

bool cs_chance(struct cs_sim *s, unsigned percent)
{
	return cs_random(s, 100) < percent;
}

static void print_line(const struct cs_sim *s, const char *text)
{
	printf("%4lld.%06lld %s\n", (long long)(s->now.ns / MONO_S),
	       (long long)(s->now.ns % MONO_S / MONO_US), text);
}

void cs_say(const struct cs_sim *s, unsigned level, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (s->conf.verbose < level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_line(s, text);
}

void cs_fail(struct cs_sim *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (s->error[0])
		return;
	n = snprintf(s->error, sizeof(s->error),
		     "%lld.%06lld s: ", (long long)(s->now.ns / MONO_S),
		     (long long)(s->now.ns % MONO_S / MONO_US));
	va_start(ap, fmt);
	vsnprintf(s->error + n, sizeof(s->error) - (size_t)n, fmt, ap);
	va_end(ap);
	if (s->conf.verbose)
		print_line(s, s->error);
}

/* --- adverts on their way: a binary heap ----------------------------------- */

static bool is_before(const struct cs_queued *a, const struct cs_queued *b)
{
	return a->at.ns != b->at.ns ? a->at.ns < b->at.ns : a->order < b->order;
}

static void queue_put(struct cs_sim *s, mono_t at, const struct cs_packet *p)
{
	struct cs_queued in = { .at = at, .order = s->order++, .packet = *p };
	unsigned i = s->nqueued;

	assert(s->nqueued < CS_QUEUE);
	s->nqueued++;
	for (; i && is_before(&in, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = in;
}

static void queue_get(struct cs_sim *s, struct cs_packet *p)
{
	struct cs_queued last = s->heap[--s->nqueued];
	unsigned i = 0;

	*p = s->heap[0].packet;
	for (;;) {
		unsigned k = 2 * i + 1;

		if (k + 1 < s->nqueued &&
		    is_before(&s->heap[k + 1], &s->heap[k]))
			k++;
		if (k >= s->nqueued || !is_before(&s->heap[k], &last))
			break;
		s->heap[i] = s->heap[k];
		i = k;
	}
	s->heap[i] = last;
}

/* --- the LANs ---------------------------------------------------------------- */

unsigned cs_lan(const struct cs_sim *s, unsigned vhost)
{
	return s->conf.one_lan ? 0 : vhost;
}

static void send_to(struct cs_sim *s, struct cs_packet *p, mono_t leaves)
{
	const struct cs_path *path =
		&s->path[cs_lan(s, p->vhost)][p->from][p->to];
	int64_t ns = s->conf.delay_ns +
		     (int64_t)cs_random(s, (uint64_t)s->conf.jitter_ns + 1);

	if (path->cut[p->family] || cs_random(s, 1000) < path->loss)
		return;
	if (s->tail_ns && cs_chance(s, 5))
		ns += (int64_t)cs_random(s, (uint64_t)s->tail_ns + 1);
	/* ucarp reads its packets late (pcap) */
	if (s->conf.node[p->to].kind == CS_UCARP)
		ns += (int64_t)cs_random(
			s, (uint64_t)s->conf.node[p->to].late_ns + 1);
	queue_put(s, mono_add(leaves, ns), p);
}

void cs_send(struct cs_sim *s, unsigned from, unsigned vhost,
	     const uint8_t bytes[CARP_ADVERT_LEN], mono_t leaves)
{
	struct cs_packet p = {
		.from = (uint8_t)from,
		.vhost = (uint8_t)vhost,
		.number = ++s->node[from].vhost[vhost].number,
		.sent = leaves,
	};

	memcpy(p.bytes, bytes, CARP_ADVERT_LEN);
	/* also who hears a better one in that very moment held it */
	if (!s->holders[vhost])
		s->none_since[vhost] = leaves;
	cs_say(s, 2, "%s: vhost %u: advert %u: advbase %u advskew %u demote %u",
	       s->node[from].name, vhost, p.number, bytes[5], bytes[2],
	       bytes[4]);
	if (!s->node[from].carrier[cs_lan(s, vhost)])
		return;
	for (unsigned to = 0; to < s->conf.nodes; to++) {
		if (to == from)
			continue;
		p.to = (uint8_t)to;
		for (p.family = 0; p.family < CARP_FAMILIES; p.family++)
			if (s->conf.families[vhost] >> p.family & 1)
				send_to(s, &p, leaves);
	}
}

static void arrive(struct cs_sim *s)
{
	struct cs_packet p;
	struct cs_node *n;

	queue_get(s, &p);
	n = &s->node[p.to];
	if (!n->running || n->asleep || !n->carrier[cs_lan(s, p.vhost)])
		return;
	if (n->frozen) {
		if (n->nbacklog < CS_BACKLOG)
			n->backlog[n->nbacklog++] = p;
	} else if (n->busy_until.ns > s->now.ns) {
		queue_put(s, n->busy_until, &p);
	} else {
		cs_hear(s, &p);
	}
}

/* --- time ----------------------------------------------------------------------- */

mono_t cs_local(const struct cs_sim *s, const struct cs_node *n)
{
	return (mono_t){ s->now.ns - n->offset_ns };
}

/* When the node has its next turn. A timer is seen a little late. */
static mono_t node_due(struct cs_sim *s, unsigned i)
{
	struct cs_node *n = &s->node[i];
	mono_t t;

	if (!n->running)
		return n->starts_at;
	if (!cs_awake(n))
		return n->wakes_at;
	t = cs_deadline(s, i);
	if (t.ns != n->deadline.ns) {
		n->deadline = t;
		n->late_deadline = mono_add(
			t,
			(int64_t)cs_random(s, (uint64_t)n->conf->late_ns + 1));
	}
	t = n->late_deadline;
	return t.ns < n->busy_until.ns ? n->busy_until : t;
}

void cs_run(struct cs_sim *s, int64_t ns)
{
	mono_t end = mono_add(s->now, ns);
	unsigned spins = 0;

	while (!s->error[0]) {
		mono_t next = s->nqueued ? s->heap[0].at : MONO_NEVER;
		unsigned who = CS_NODES;

		for (unsigned i = 0; i < s->conf.nodes; i++) {
			mono_t t = node_due(s, i);

			if (t.ns < next.ns) {
				next = t;
				who = i;
			}
		}
		if (next.ns > end.ns)
			break;
		spins = next.ns > s->now.ns ? 0 : spins + 1;
		if (spins > SPINS_MAX)
			cs_fail(s, "%s: a deadline has passed and stays",
				who < CS_NODES ? s->node[who].name : "LAN");
		if (next.ns > s->now.ns)
			s->now = next;
		if (who == CS_NODES)
			arrive(s);
		else
			cs_turn(s, who);
		cs_watch(s);
	}
	s->now = end;
}

/* --- birth ------------------------------------------------------------------------ */

static void init_vhost(struct cs_sim *s, unsigned k)
{
	enum carp_conf_error e;

	s->v4[k] = 0x0a000001 + (k << 8);
	s->v6[k] = (struct carp_addr6){ { 0x20, 1, 0xd, 0xb8 } };
	s->v6[k].b[15] = (uint8_t)(k + 1);
	e = carp_auth_init(&s->auth[k], (uint8_t)(k + 1), "secret");
	if (!e && s->conf.families[k] >> CARP_V4 & 1)
		e = carp_auth_add_v4(&s->auth[k], s->v4[k]);
	if (!e && s->conf.families[k] >> CARP_V6 & 1)
		e = carp_auth_add_v6(&s->auth[k], &s->v6[k]);
	assert(!e);
}

/* The nodes' memory is used again and again, engines are big. */
void cs_init(struct cs_sim *s, const struct cs_conf *conf)
{
	static const char *const kinds[] = { "ours", "openbsd", "freebsd",
					     "ucarp" };

	memset(s, 0, sizeof(*s));
	s->conf = *conf;
	s->now.ns = 1000 * MONO_S;
	s->random = conf->seed * 0x2545f4914f6cdd1d;
	for (unsigned k = 0; k < conf->vhosts; k++) {
		init_vhost(s, k);
		s->none_since[k] = s->now;
		for (unsigned a = 0; a < CS_NODES; a++)
			for (unsigned b = 0; b < CS_NODES; b++)
				s->pair[k][a][b].both_since = MONO_NEVER;
	}
	for (unsigned i = 0; i < conf->nodes; i++) {
		struct cs_node *n = &s->node[i];

		n->conf = &s->conf.node[i];
		n->starts_at = MONO_NEVER;
		n->deadline = MONO_NEVER;
		for (unsigned k = 0; k < CS_VHOSTS; k++) {
			n->carrier[k] = true;
			n->vhost[k].able_since = MONO_NEVER;
			n->vhost[k].waits_since = MONO_NEVER;
		}
		snprintf(n->name, sizeof(n->name), "%u-%s", i,
			 kinds[n->conf->kind]);
	}
	cs_watch_paths(s);
}

void cs_free(struct cs_sim *s)
{
	for (unsigned i = 0; i < s->conf.nodes; i++)
		if (s->node[i].running)
			cs_kill(s, i);
}
