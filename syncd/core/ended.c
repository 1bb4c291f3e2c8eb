/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What ended, by hashes of its tuples, each in its one slot; a later one takes
 * the slot of an earlier one. What is on its way is less than that.
 *
 * Invariant: nothing is said to have ended that has not, but for two tuples of
 * one 64-bit hash.
 */
#include "ended.h"

#include <stdlib.h>

#include "digest.h"

#define SLOTS 16384

static const uint8_t hash_key[DIGEST_KEY_LEN] = "what has ended.";

void ended_note(struct ended *x, const struct flow *f)
{
	uint64_t hash = digest_tuple(hash_key, f);

	if (!x->slots)
		x->slots = calloc(SLOTS, sizeof(*x->slots));
	if (x->slots)
		x->slots[hash % SLOTS] = hash;
}

bool ended_has(const struct ended *x, const struct flow *f)
{
	uint64_t hash;

	if (!x->slots)
		return false;
	hash = digest_tuple(hash_key, f);
	return x->slots[hash % SLOTS] == hash;
}

void ended_forget(struct ended *x, const struct flow *f)
{
	if (ended_has(x, f))
		x->slots[digest_tuple(hash_key, f) % SLOTS] = 0;
}

void ended_clear(struct ended *x)
{
	free(x->slots);
	x->slots = NULL;
}
