// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Expectations and elements of nftables sets: read, written again and read to
 * the same; then the messages for a kernel that answers as the input says.
 */
#include <netinet/in.h> /* before linux/in.h */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "ct_expect.h"
#include "ct_inject.h"
#include "fuzz_link.h"
#include "netlink.h"
#include "nftsets_msg.h"
#include "set_pb.h"

void link_expects(const struct frame *f)
{
	static struct expect_batch a, b;
	static struct ct_inject in;
	uint8_t results[EXPECT_BATCH];
	struct outbox o = { 0 };
	struct frame written;
	size_t skipped;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	if (!expect_get(&link_arena[0], f->payload, f->len, &a, &skipped) ||
	    !a.n)
		return;
	assert(!expect_put(&o, &a));
	written = link_written(&o);
	assert(expect_get(&link_arena[1], written.payload, written.len, &b,
			  &skipped));
	assert(!skipped && b.n == a.n);
	assert(!memcmp(a.list, b.list, a.n * sizeof(a.list[0])));
	outbox_clear(&o, 0);
	ct_expect_apply(&in, &a, results);
	for (size_t i = 0; i < a.n; i++)
		assert(results[i] < EXPECT_RESULTS);
}

/* --- sets ---------------------------------------------------------------------------- */

struct seen {
	const struct set_kind *kind;
	unsigned n;
	struct set_elem elem[2];
	enum nftsets_entry what[2];
};

static void look(const struct nl_attrs *entry, void *arg)
{
	struct seen *s = arg;

	assert(s->n < 2);
	s->what[s->n] = nftsets_get(entry, s->kind, &s->elem[s->n]);
	s->n++;
}

/* What the kernel is told reads as what was told. */
static void one(const struct set_elem *e, const struct set_kind *kind)
{
	static _Alignas(8) uint8_t message[NFTSETS_MSG_MAX];
	static struct nftsets_name name = { .family = NFPROTO_INET };
	const uint8_t key[DIGEST_KEY_LEN] = "0123456789abcdef";
	struct seen s = { .kind = kind };
	bool upper = e->end_len && set_kind_ranges(kind);

	memset(name.table, 't', SET_NAME_MAX - 1);
	memset(name.set, 's', SET_NAME_MAX - 1);
	for (int del = 0; del < 2; del++) {
		struct nlmsghdr *nlh =
			nftsets_put(message, &name, kind, del, e);

		assert(nlh->nlmsg_len <= sizeof(message));
		netlink_check(nlh);
		s.n = 0;
		assert(nftsets_each(nlh, look, &s));
		assert(s.n == 1u + upper && s.what[0] == NFTSETS_ELEMENT);
		assert(s.elem[0].key_len == e->key_len &&
		       !memcmp(s.elem[0].key, e->key, e->key_len));
		assert(!upper || (s.what[1] == NFTSETS_UPPER &&
				  !memcmp(s.elem[1].key, e->end, e->end_len)));
		if (del)
			continue;
		if (e->timeout_ms)
			assert(s.elem[0].expires_ms == e->expires_ms);
		assert(set_elem_digest(&s.elem[0], key) ==
		       set_elem_digest(e, key));
	}
}

static void apply(const struct set_elements *m, const struct set_kind *kind)
{
	static struct nftsets s = { .n = 1 };
	static uint8_t batch[NFTSETS_BATCH];
	static struct set_op ops[SET_FRAME_MAX];
	uint8_t results[SET_FRAME_MAX];
	size_t n = 0;

	s.batch = batch;
	s.talk.fd = NETLINK_FD;
	s.kinds[0] = *kind;
	strcpy(s.names[0].table, "t");
	strcpy(s.names[0].set, "s");
	for (size_t i = 0; i < m->n; i++) {
		const struct set_elem *e = &m->list[i];

		if (!set_elem_valid(e, kind))
			continue;
		one(e, kind);
		ops[n].what =
			e->flags & SET_ELEM_DELETED ? SET_DELETE : SET_ADD;
		ops[n++].elem = *e;
	}
	(void)nftsets_apply(&s, 0, ops, n, results);
	for (size_t i = 0; i < n; i++)
		assert(results[i] < SET_RESULTS);
}

void link_elements(const struct frame *f, const struct link_how *how)
{
	static struct set_elements a, b;
	struct outbox o = { 0 };
	struct frame written;
	struct set_kind kind;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	if (!set_pb_get_elements(&link_arena[0], f, &a))
		return;
	for (size_t i = 0; i < a.n; i++)
		if (a.list[i].flags & SET_ELEM_DELETED) {
			const struct set_elem *e = &a.list[i];
			struct set_elem key = { .flags = e->flags,
						.key_len = e->key_len,
						.end_len = e->end_len };

			/* nothing else of it travels */
			memcpy(key.key, e->key, sizeof(key.key));
			memcpy(key.end, e->end, sizeof(key.end));
			a.list[i] = key;
		}
	assert(!set_pb_put_elements(&o, &a));
	written = link_written(&o);
	assert(set_pb_get_elements(&link_arena[1], &written, &b));
	assert(b.n == a.n && !strcmp(b.name, a.name) && b.part == a.part);
	assert(!memcmp(a.list, b.list, a.n * sizeof(a.list[0])));
	outbox_clear(&o, 0);
	if (!a.n)
		return;
	kind = netlink_set_kind(how->kind, a.list[0].key_len,
				a.list[0].data_len);
	if (!set_kind_refused(&kind))
		apply(&a, &kind);
}
