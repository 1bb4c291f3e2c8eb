// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Facts in the conversation: frames of them that are not numbered, the first
 * and the last one marked. What they mean is not known here.
 *
 * Invariant: a text that came from a peer can be printed: it is cut to its
 * size and has no control characters.
 */
#include "session_int.h"

enum session_error session_hear_facts(struct session *s, const struct frame *f,
				      struct session_event *e)
{
	const Statesync__Facts *m = (const Statesync__Facts *)arena_unpack(
		&s->rx.arena, &statesync__facts__descriptor, f->payload,
		f->len);

	e->type = SESSION_FACTS;
	if (!m || m->n_fact > FACTS_FRAME)
		return SESSION_BAD_MESSAGE;
	for (size_t i = 0; i < m->n_fact; i++) {
		struct fact *at = &s->rx.facts[i];

		at->kind = m->fact[i]->kind;
		session_text_get(at->name, sizeof(at->name), m->fact[i]->name);
		session_text_get(at->value, sizeof(at->value),
				 m->fact[i]->value);
		session_text_get(at->note, sizeof(at->note), m->fact[i]->note);
	}
	e->facts.list = s->rx.facts;
	e->facts.n = m->n_fact;
	e->facts.first = m->first;
	e->facts.last = m->last;
	return SESSION_OK;
}

/* protobuf-c wants pointers to what it only reads. */
static char *text_put(const char *text)
{
	union {
		const char *from;
		char *to;
	} u = { .from = text };

	return u.to;
}

static int send_some(struct session *s, const struct fact *list, size_t n,
		     bool first, bool last)
{
	Statesync__Fact facts[FACTS_FRAME], *at[FACTS_FRAME];
	Statesync__Facts m;

	statesync__facts__init(&m);
	for (size_t i = 0; i < n; i++) {
		statesync__fact__init(&facts[i]);
		facts[i].kind = list[i].kind;
		facts[i].name = text_put(list[i].name);
		facts[i].value = text_put(list[i].value);
		facts[i].note = text_put(list[i].note);
		at[i] = &facts[i];
	}
	m.n_fact = n;
	m.fact = at;
	m.first = first;
	m.last = last;
	return frame_add(session_control(s), FRAME_FACTS, 0, &m.base);
}

int session_send_facts(struct session *s, const struct fact *list, size_t n)
{
	size_t at = 0;
	int r = 0;

	if (!session_is_open(s))
		return 0;
	do {
		size_t some = n - at < FACTS_FRAME ? n - at : FACTS_FRAME;

		r = send_some(s, list + at, some, at == 0, at + some == n);
		at += some;
	} while (r == 0 && at < n);
	return r;
}
