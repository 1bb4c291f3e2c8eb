// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Sets and elements to and from protobuf, within the limits of set.h. Not what
 * they mean.
 *
 * Text: statesync.proto.
 *
 * Invariant: nothing that was read points into the message, and each length is
 * that of what lies in its field.
 */
#include "set_pb.h"

#include <assert.h>
#include <string.h>

#include "statesync.pb-c.h"
#include "text.h"

static bool name_get(char out[SET_NAME_MAX], const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len >= SET_NAME_MAX)
		return false;
	memcpy(out, text, len + 1);
	text_clean(out);
	return !strcmp(out, text);
}

/* --- words -------------------------------------------------------------------- */

static void word_put(Statesync__Set *m, char name[SET_NAME_MAX],
		     const struct set_word *w)
{
	statesync__set__init(m);
	memcpy(name, w->name, SET_NAME_MAX);
	m->name = name;
	m->present = w->kind.present;
	m->key_type = w->kind.key_type;
	m->key_len = w->kind.key_len;
	m->data_type = w->kind.data_type;
	m->data_len = w->kind.data_len;
	m->flags = w->kind.flags;
	m->big_endian = w->kind.big_endian;
	m->want = w->want;
	m->elements = w->elements;
}

int set_pb_put_words(struct queue *q, const struct set_word *list, size_t n,
		     bool answer)
{
	char names[SETS_MAX][SET_NAME_MAX];
	Statesync__Set sets[SETS_MAX], *at[SETS_MAX];
	Statesync__Sets m;

	assert(n <= SETS_MAX);
	statesync__sets__init(&m);
	for (size_t i = 0; i < n; i++) {
		word_put(&sets[i], names[i], &list[i]);
		at[i] = &sets[i];
	}
	m.n_set = n;
	m.set = at;
	m.answer = answer;
	return frame_add(q, FRAME_SETS, 0, &m.base);
}

bool set_pb_get_words(struct arena *a, const struct frame *f,
		      struct set_word *list, size_t *n, bool *answer)
{
	const Statesync__Sets *m = (const Statesync__Sets *)arena_unpack(
		a, &statesync__sets__descriptor, f->payload, f->len);

	if (!m || m->n_set > SETS_MAX)
		return false;
	for (size_t i = 0; i < m->n_set; i++) {
		const Statesync__Set *s = m->set[i];

		list[i] = (struct set_word){
			.kind = { .present = s->present,
				  .big_endian = s->big_endian,
				  .key_type = s->key_type,
				  .key_len = s->key_len,
				  .data_type = s->data_type,
				  .data_len = s->data_len,
				  .flags = s->flags },
			.want = s->want,
			.elements = s->elements,
		};
		if (!name_get(list[i].name, s->name))
			return false;
	}
	*n = m->n_set;
	*answer = m->answer;
	return true;
}

/* --- elements ------------------------------------------------------------------- */

/* protobuf-c wants pointers to what it only reads. */
static ProtobufCBinaryData bytes_put(const uint8_t *p, size_t len)
{
	union {
		const uint8_t *from;
		uint8_t *to;
	} u = { .from = p };

	return (ProtobufCBinaryData){ .len = len, .data = u.to };
}

static bool bytes_get(uint8_t *out, size_t size, const ProtobufCBinaryData *b)
{
	if (b->len > size)
		return false;
	if (b->len > 0)
		memcpy(out, b->data, b->len);
	return true;
}

static void elem_put(Statesync__SetElement *m, const struct set_elem *e)
{
	statesync__set_element__init(m);
	m->flags = e->flags;
	m->key = bytes_put(e->key, e->key_len);
	m->key_end = bytes_put(e->end, e->end_len);
	if (e->flags & SET_ELEM_DELETED)
		return;
	m->data = bytes_put(e->data, e->data_len);
	m->userdata = bytes_put(e->userdata, e->userdata_len);
	m->expressions = bytes_put(e->expr, e->expr_len);
	m->timeout_ms = e->timeout_ms;
	m->expires_ms = e->expires_ms;
}

static bool elem_get(struct set_elem *e, const Statesync__SetElement *m)
{
	if (m->flags > UINT8_MAX ||
	    !bytes_get(e->key, sizeof(e->key), &m->key) ||
	    !bytes_get(e->end, sizeof(e->end), &m->key_end) ||
	    !bytes_get(e->data, sizeof(e->data), &m->data) ||
	    !bytes_get(e->userdata, sizeof(e->userdata), &m->userdata) ||
	    !bytes_get(e->expr, sizeof(e->expr), &m->expressions))
		return false;
	e->flags = (uint8_t)m->flags;
	e->key_len = (uint8_t)m->key.len;
	e->end_len = (uint8_t)m->key_end.len;
	e->data_len = (uint8_t)m->data.len;
	e->userdata_len = (uint16_t)m->userdata.len;
	e->expr_len = (uint8_t)m->expressions.len;
	e->timeout_ms = m->timeout_ms;
	e->expires_ms = m->expires_ms;
	return true;
}

int set_pb_put_elements(struct outbox *o, const struct set_elements *s)
{
	Statesync__SetElement elems[SET_FRAME_MAX], *at[SET_FRAME_MAX];
	char name[SET_NAME_MAX];
	Statesync__SetElements m;

	assert(s->n <= SET_FRAME_MAX);
	statesync__set_elements__init(&m);
	memcpy(name, s->name, sizeof(name));
	m.name = name;
	m.part = s->part;
	m.want = s->want;
	for (size_t i = 0; i < s->n; i++) {
		elem_put(&elems[i], &s->list[i]);
		at[i] = &elems[i];
	}
	m.n_element = s->n;
	m.element = at;
	return outbox_add(o, FRAME_SET_ELEMENTS, &m.base);
}

bool set_pb_get_elements(struct arena *a, const struct frame *f,
			 struct set_elements *s)
{
	const Statesync__SetElements *m =
		(const Statesync__SetElements *)arena_unpack(
			a, &statesync__set_elements__descriptor, f->payload,
			f->len);

	if (!m || m->n_element > SET_FRAME_MAX || m->part > SET_PART_END ||
	    !name_get(s->name, m->name))
		return false;
	s->part = (enum set_part)m->part;
	s->want = m->want;
	s->n = m->n_element;
	for (size_t i = 0; i < s->n; i++)
		if (!elem_get(&s->list[i], m->element[i]))
			return false;
	return true;
}
