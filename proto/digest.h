/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Order-independent digest of a set of flows: the sum modulo 2^128 of a
 * keyed hash (SipHash-2-4-128) of each flow's identity. Pure.
 */
#ifndef STATESYNC_DIGEST_H
#define STATESYNC_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow;

#define DIGEST_KEY_LEN 16

struct digest {
	uint64_t hi, lo;
	uint64_t count;
};

/* SipHash-2-4 with 128-bit output (Aumasson and Bernstein, reference
 * vectors in the test). */
void siphash128(const uint8_t key[DIGEST_KEY_LEN], const void *data, size_t len,
		uint64_t *hi, uint64_t *lo);

void digest_add(struct digest *d, const uint8_t key[DIGEST_KEY_LEN],
		const struct flow *f);
/* Which flow it is: a keyed hash of family, protocol, original tuple and the
 * zone in which that is found (flow_same_key). */
uint64_t digest_tuple(const uint8_t key[DIGEST_KEY_LEN], const struct flow *f);
/* And what it is: of its identity. */
uint32_t digest_identity(const uint8_t key[DIGEST_KEY_LEN],
			 const struct flow *f);

/* FNV-1a of data, begun with FNV1A_START, or gone on with what it gave before:
 * where differences are to be seen, not to be made impossible. */
#define FNV1A_START 0xcbf29ce484222325ULL
uint64_t fnv1a(uint64_t h, const void *data, size_t len);

bool digest_equal(const struct digest *a, const struct digest *b);

#endif
