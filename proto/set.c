// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What an nftables set and its elements are, and what of them may be told.
 * Not how they travel (set_pb.c) and not the kernel's messages.
 *
 * Text: linux/netfilter/nf_tables.h; the kinds of sets that the kernel chooses
 * from (nft_set_*.c).
 *
 * Invariant: an element that set_elem_valid() accepts can be written into a
 * message for the kernel without a further look at its lengths.
 */
#include "set.h"

#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* --- expressions ---------------------------------------------------------- */

static const char *const expr_names[SET_EXPR_COUNT] = {
	[SET_EXPR_COUNTER] = "counter", [SET_EXPR_LIMIT] = "limit",
	[SET_EXPR_QUOTA] = "quota",	[SET_EXPR_CONNLIMIT] = "connlimit",
	[SET_EXPR_LAST] = "last",
};

const char *set_expr_name(enum set_expr e)
{
	return expr_names[e];
}

enum set_expr set_expr_find(const char *name)
{
	for (int i = 1; i < SET_EXPR_COUNT; i++)
		if (strcmp(expr_names[i], name) == 0)
			return (enum set_expr)i;
	return (enum set_expr)0;
}

bool set_expr_volatile(enum set_expr e, uint8_t type)
{
	switch (e) {
	case SET_EXPR_COUNTER:
	case SET_EXPR_LAST:
		return true;
	case SET_EXPR_QUOTA:
		return type == NFTA_QUOTA_CONSUMED;
	case SET_EXPR_LIMIT:
	case SET_EXPR_CONNLIMIT:
	case SET_EXPR_COUNT:
		break;
	}
	return false;
}

/* Steps over what is of a known form: false where that ends too early. */
static bool expr_valid(const struct set_elem *e)
{
	size_t at = 0, len = e->expr_len;

	while (at < len) {
		uint8_t attrs;

		if (len - at < 2 || e->expr[at] == 0 ||
		    e->expr[at] >= SET_EXPR_COUNT)
			return false;
		attrs = e->expr[at + 1];
		for (at += 2; attrs > 0; attrs--) {
			if (len - at < 2 || e->expr[at + 1] > len - at - 2)
				return false;
			at += 2u + e->expr[at + 1];
		}
	}
	return true;
}

/* Into out, without what is counted; its length. */
static size_t expr_static(const struct set_elem *e, uint8_t *out)
{
	size_t n = 0;

	if (!expr_valid(e))
		return 0;
	for (size_t at = 0; at < e->expr_len;) {
		enum set_expr kind = (enum set_expr)e->expr[at];
		uint8_t attrs = e->expr[at + 1];

		out[n++] = e->expr[at];
		for (at += 2; attrs > 0; attrs--) {
			size_t len = 2u + e->expr[at + 1];

			if (!set_expr_volatile(kind, e->expr[at])) {
				memcpy(out + n, e->expr + at, len);
				n += len;
			}
			at += len;
		}
	}
	return n;
}

/* --- sets ------------------------------------------------------------------- */

/* Flags that say what elements look like; the others how they are kept. */
#define SHAPE_FLAGS                                                          \
	(NFT_SET_INTERVAL | NFT_SET_MAP | NFT_SET_TIMEOUT | NFT_SET_OBJECT | \
	 (uint32_t)NFT_SET_CONCAT)

const char *set_kind_differs(const struct set_kind *a, const struct set_kind *b)
{
	if (a->key_type != b->key_type || a->key_len != b->key_len)
		return "the type of its keys differs";
	if (a->data_type != b->data_type || a->data_len != b->data_len)
		return "the type of its values differs";
	if ((a->flags ^ b->flags) & SHAPE_FLAGS)
		return "its flags differ (interval, timeout, map)";
	if (a->big_endian != b->big_endian)
		return "the order of bytes of the hosts differs";
	return NULL;
}

const char *set_kind_refused(const struct set_kind *k)
{
	if (k->flags & NFT_SET_OBJECT)
		return "it maps to named objects, which are not told";
	if (k->flags & NFT_SET_CONSTANT)
		return "it is constant: no element can be added";
	if (k->key_len == 0 || k->key_len > SET_KEY_MAX)
		return "its keys have a length that is not known here";
	return NULL;
}

bool set_kind_silent(const struct set_kind *k)
{
	return !(k->flags & NFT_SET_INTERVAL) &&
	       k->flags & (NFT_SET_TIMEOUT | NFT_SET_EVAL);
}

bool set_kind_ranges(const struct set_kind *k)
{
	return k->flags & NFT_SET_INTERVAL &&
	       !(k->flags & (uint32_t)NFT_SET_CONCAT);
}

/* --- elements --------------------------------------------------------------- */

static bool key_valid(const struct set_elem *e, const struct set_kind *k)
{
	if (e->flags & SET_ELEM_CATCHALL)
		return e->key_len == 0 && e->end_len == 0 &&
		       !(e->flags & SET_ELEM_OPEN);
	if (e->key_len != k->key_len)
		return false;
	if (e->flags & SET_ELEM_OPEN)
		return set_kind_ranges(k) && e->end_len == 0;
	if (set_kind_ranges(k))
		return e->end_len == k->key_len;
	return e->end_len == 0 ||
	       (k->flags & NFT_SET_INTERVAL && e->end_len == k->key_len);
}

static bool data_valid(const struct set_elem *e, const struct set_kind *k)
{
	if (!(k->flags & NFT_SET_MAP))
		return e->data_len == 0;
	if (k->data_type == NFT_DATA_VERDICT)
		return e->data_len >= 4;
	return e->data_len == k->data_len &&
	       e->data_len <= NFT_DATA_VALUE_MAXLEN;
}

bool set_elem_valid(const struct set_elem *e, const struct set_kind *k)
{
	if (!key_valid(e, k))
		return false;
	if (e->flags & SET_ELEM_DELETED)
		return true;
	return data_valid(e, k) && expr_valid(e) &&
	       e->expires_ms <= e->timeout_ms &&
	       (e->timeout_ms == 0 || k->flags & NFT_SET_TIMEOUT);
}

uint64_t set_elem_digest(const struct set_elem *e,
			 const uint8_t key[DIGEST_KEY_LEN])
{
	uint8_t all[8 + 4 + SET_DATA_MAX + SET_USERDATA_MAX + SET_EXPR_MAX];
	uint64_t hi, lo;
	size_t n = 0;

	memcpy(all, &e->timeout_ms, sizeof(e->timeout_ms));
	n += sizeof(e->timeout_ms);
	all[n++] = e->data_len;
	all[n++] = (uint8_t)(e->userdata_len & 0xff);
	all[n++] = (uint8_t)(e->userdata_len >> 8);
	all[n++] = e->expr_len > 0;
	memcpy(all + n, e->data, e->data_len);
	n += e->data_len;
	memcpy(all + n, e->userdata, e->userdata_len);
	n += e->userdata_len;
	n += expr_static(e, all + n);
	siphash128(key, all, n, &hi, &lo);
	return lo;
}
