/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SipHash-2-4 with 128-bit output and the sum of such hashes over a set of
 * flows. Not a proof against somebody who knows the key: it finds loss.
 *
 * Text: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), and
 * the 128-bit variant of the authors' reference implementation.
 *
 * Invariant: the digest of a set does not depend on the order in which its
 * flows were added.
 */
#include "digest.h"

#include "buf.h"
#include "flow.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_rounds(struct sip *s, int n)
{
	while (n-- > 0) {
		s->v0 += s->v1;
		s->v1 = rotl(s->v1, 13) ^ s->v0;
		s->v0 = rotl(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = rotl(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = rotl(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = rotl(s->v1, 17) ^ s->v2;
		s->v2 = rotl(s->v2, 32);
	}
}

/* SipHash words are little endian on every machine. */
static uint64_t load_le(const uint8_t *p, size_t len)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_rounds(s, 2);
	s->v0 ^= word;
}

static uint64_t sip_fold(const struct sip *s)
{
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

void siphash128(const uint8_t key[DIGEST_KEY_LEN], const void *data, size_t len,
		uint64_t *hi, uint64_t *lo)
{
	uint64_t k0 = load_le(key, 8), k1 = load_le(key + 8, 8);
	struct sip s = {
		.v0 = k0 ^ 0x736f6d6570736575,
		.v1 = k1 ^ 0x646f72616e646f6d ^ 0xee,
		.v2 = k0 ^ 0x6c7967656e657261,
		.v3 = k1 ^ 0x7465646279746573,
	};
	const uint8_t *p = data;
	size_t left = len;

	for (; left >= 8; left -= 8, p += 8)
		sip_word(&s, load_le(p, 8));
	sip_word(&s, load_le(p, left) | (uint64_t)len << 56);
	s.v2 ^= 0xee;
	sip_rounds(&s, 4);
	*lo = sip_fold(&s);
	s.v1 ^= 0xdd;
	sip_rounds(&s, 4);
	*hi = sip_fold(&s);
}

void digest_add(struct digest *d, const uint8_t key[DIGEST_KEY_LEN],
		const struct flow *f)
{
	uint8_t identity[FLOW_IDENTITY_MAX];
	uint64_t hi, lo;

	siphash128(key, identity, flow_identity(f, identity), &hi, &lo);
	d->lo += lo;
	d->hi += hi + (d->lo < lo);
	d->count++;
}

uint64_t digest_tuple(const uint8_t key[DIGEST_KEY_LEN], const struct flow *f)
{
	uint8_t bytes[40];
	size_t len = flow_addr_len(f->family);
	uint64_t hi, lo;
	struct writer w;

	writer_init(&w, bytes, sizeof(bytes));
	writer_u8(&w, f->family);
	writer_u8(&w, f->l4proto);
	writer_u16(&w, flow_zone_id(f, FLOW_ZONE_ORIG));
	writer_bytes(&w, f->orig.src.b, len);
	writer_bytes(&w, f->orig.dst.b, len);
	writer_u16(&w, f->orig.sport);
	writer_u16(&w, f->orig.dport);
	siphash128(key, bytes, w.used, &hi, &lo);
	return lo;
}

uint32_t digest_identity(const uint8_t key[DIGEST_KEY_LEN],
			 const struct flow *f)
{
	uint8_t identity[FLOW_IDENTITY_MAX];
	uint64_t hi, lo;

	siphash128(key, identity, flow_identity(f, identity), &hi, &lo);
	return (uint32_t)lo;
}

uint64_t fnv1a(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->hi == b->hi && a->lo == b->lo && a->count == b->count;
}
