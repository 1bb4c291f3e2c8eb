/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is compared, a sorted list, and words. It knows nothing of peers and
 * times. Text: rules 8. Invariant: an entry is told from another by its tuple's
 * hash alone.
 */
#include "audit.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_TCP     0x0f
#define STATE_REPLIED 0x10
#define STATE_ASSURED 0x20

unsigned audit_bits(uint64_t entries, unsigned most)
{
	unsigned bits = SESSION_AUDIT_BITS_MIN;

	while (bits < SESSION_AUDIT_BITS_OLD && 4 * entries >> bits)
		bits++;
	while (bits >= SESSION_AUDIT_BITS_OLD && bits < most && entries >> bits)
		bits++;
	return bits;
}

bool audit_compares(const struct flow *f)
{
	return flow_class(f) != FLOW_CLOSING;
}

/* --- the other node's entries ----------------------------------------------- */

uint8_t audit_state(const struct flow *f)
{
	uint8_t state = f->tcp_state & STATE_TCP;

	if (f->status & IPS_SEEN_REPLY)
		state |= STATE_REPLIED;
	if (f->status & IPS_ASSURED)
		state |= STATE_ASSURED;
	return state;
}

bool audit_entry_compares(const struct audit_entry *e)
{
	const struct flow f = {
		.l4proto = e->state & STATE_TCP ? IPPROTO_TCP : IPPROTO_UDP,
		.tcp_state = e->state & STATE_TCP,
	};

	return audit_compares(&f);
}

int audit_list_add(struct audit_list *l, const struct audit_entry *e)
{
	if (l->n == AUDIT_ENTRIES_MAX)
		return -E2BIG;
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 256;
		void *more = realloc(l->list, room * sizeof(*l->list));

		if (!more)
			return -ENOMEM;
		l->list = more;
		l->room = room;
	}
	l->list[l->n++] = *e;
	l->sorted = false;
	return 0;
}

static int compare(const void *pa, const void *pb)
{
	const struct audit_entry *a = pa, *b = pb;

	return (a->tuple > b->tuple) - (a->tuple < b->tuple);
}

void audit_list_sort(struct audit_list *l)
{
	if (l->n && !l->sorted)
		qsort(l->list, l->n, sizeof(*l->list), compare);
	l->sorted = true;
}

struct audit_entry *audit_list_find(struct audit_list *l, uint64_t tuple)
{
	const struct audit_entry key = { .tuple = tuple };

	if (!l->n)
		return NULL;
	return bsearch(&key, l->list, l->n, sizeof(*l->list), compare);
}

void audit_list_free(struct audit_list *l)
{
	free(l->list);
	*l = (struct audit_list){ 0 };
}

/* --- for people ---------------------------------------------------------------- */

static struct flow as_entry(const struct flow *f, const struct audit_entry *e)
{
	struct flow other = *f;

	other.status &= ~(uint32_t)(IPS_SEEN_REPLY | IPS_ASSURED);
	if (e->state & STATE_REPLIED)
		other.status |= IPS_SEEN_REPLY;
	if (e->state & STATE_ASSURED)
		other.status |= IPS_ASSURED;
	if (f->has & FLOW_HAS_TCP)
		other.tcp_state = e->state & STATE_TCP;
	other.mark = e->mark;
	return other;
}

enum session_audit_count audit_difference(const struct flow *f,
					  const struct audit_entry *e)
{
	const struct flow other = as_entry(f, e);
	uint8_t differs = audit_state(f) ^ e->state;

	if (f->has & FLOW_HAS_TCP && flow_class(f) != flow_class(&other))
		return AUDIT_STATE;
	if (differs & (STATE_REPLIED | STATE_ASSURED))
		return AUDIT_STATUS;
	return f->mark != e->mark ? AUDIT_MARK : AUDIT_OTHER;
}

const char *audit_kind_name(enum session_audit_count kind)
{
	static const char *const names[AUDIT_COUNTS] = {
		[AUDIT_MISSING] = "missing", [AUDIT_EXTRA] = "extra",
		[AUDIT_STATE] = "state",     [AUDIT_STATUS] = "status",
		[AUDIT_MARK] = "mark",	     [AUDIT_OTHER] = "translation",
	};

	return kind < AUDIT_COUNTS && names[kind] ? names[kind] : "?";
}

/* The word for the state, which flow_format() says last of a plain flow. */
static void state_word(const struct flow *f, char word[16])
{
	struct flow bare = *f;
	char text[160];
	const char *last;

	bare.zone = 0;
	bare.has &= FLOW_HAS_TIMEOUT | FLOW_HAS_TCP;
	flow_tuple_invert(&bare, &bare.orig, &bare.reply);
	flow_format(&bare, text, sizeof(text));
	last = strrchr(text, ' ');
	snprintf(word, 16, "%.15s", last ? last + 1 : text);
}

void audit_format(const struct flow *f, const struct audit_entry *e,
		  char text[SESSION_AUDIT_TEXT_SIZE])
{
	char flow[160], more[48] = "", word[16];

	flow_format(f, flow, sizeof(flow));
	if (!e) {
		if (f->mark)
			snprintf(more, sizeof(more), " mark %u", f->mark);
	} else if (audit_difference(f, e) == AUDIT_MARK) {
		snprintf(more, sizeof(more), " mark %u | %u", f->mark, e->mark);
	} else if (audit_difference(f, e) == AUDIT_OTHER) {
		snprintf(more, sizeof(more), " | another translation");
	} else {
		const struct flow other = as_entry(f, e);

		state_word(&other, word);
		snprintf(more, sizeof(more), " | %s", word);
	}
	snprintf(text, SESSION_AUDIT_TEXT_SIZE, "%.140s%s", flow, more);
}
