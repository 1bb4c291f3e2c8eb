// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * nftables sets in the conversation: what each node says of its sets, and
 * elements as numbered frames in the lane of flows. Not whom they are told.
 *
 * Invariant: a frame of elements closes no batch of flows: events that wait for
 * the next chunk of a bulk go on waiting (rules 4).
 */
#include "session_int.h"
#include "set_pb.h"

enum session_error session_hear_sets(struct session *s, const struct frame *f,
				     struct session_event *e)
{
	e->type = SESSION_SETS;
	if (!set_pb_get_words(&s->rx.arena, f, s->rx.sets, &e->sets.n,
			      &e->sets.answer))
		return SESSION_BAD_MESSAGE;
	e->sets.list = s->rx.sets;
	return SESSION_OK;
}

enum session_error session_hear_elements(struct session *s,
					 const struct frame *f,
					 struct session_event *e)
{
	e->type = SESSION_SET_ELEMENTS;
	if (!set_pb_get_elements(&s->rx.arena, f, &s->rx.elements))
		return SESSION_BAD_MESSAGE;
	e->elements.seq = f->seq;
	e->elements.m = &s->rx.elements;
	return SESSION_OK;
}

int session_send_sets(struct session *s, const struct set_word *list, size_t n,
		      bool answer)
{
	if (!session_is_open(s))
		return 0;
	return set_pb_put_words(session_control(s), list, n, answer);
}

int session_tell_elements(struct session *s, const struct set_elements *m,
			  mono_t now)
{
	int r;

	session_clock(s, now);
	if (!session_is_open(s))
		return 0;
	r = set_pb_put_elements(&s->tx.flows, m);
	if (r == 0)
		session_frame_added(s);
	return r;
}
