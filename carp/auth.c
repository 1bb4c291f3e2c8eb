// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Signs and verifies adverts. Not here: which counter to use, what a wrong
 * digest leads to.
 *
 * Implements RFC 2104 over the message of OpenBSD carp_hmac_prepare_ctx and
 * carp_hmac_generate: 02 01 vhid, the IPv4 addresses ascending, the IPv6
 * addresses ascending, the counter. Two variants, with and without link-local
 * addresses.
 *
 * Invariant: both address lists are strictly ascending.
 */
/* HMAC() and EVP allocate at each call; these do not, and an advert must
 * leave in time on a machine that is short of memory. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "auth.h"

#include "buf.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

/* Constants of the message, whatever the packet's first byte says. */
#define AUTH_VERSION 2
#define AUTH_TYPE    1

#define HMAC_INNER 0x36
#define HMAC_OUTER 0x5c

#define AUTH_MESSAGE_MAX (3 + CARP_ADDR_MAX * (4 + 16) + 8)

const char *carp_conf_error_text(enum carp_conf_error e)
{
	switch (e) {
	case CARP_CONF_OK:
		return "fine";
	case CARP_CONF_VHID:
		return "the vhid must be between 1 and 255";
	case CARP_CONF_ADVSKEW:
		return "the advskew must be between 0 and 254";
	case CARP_CONF_PASS:
		return "the password is longer than 19 bytes";
	case CARP_CONF_ADDRESS:
		return "this address cannot be shared";
	case CARP_CONF_TOO_MANY:
		return "more than 32 addresses of one family";
	case CARP_CONF_NO_ADDRESS:
		return "there is no address to share";
	}
	return "unknown";
}

/* RFC 2104: the first block of either hash, the key padded with zeroes. */
static void begin(SHA_CTX *sha, const char *key, size_t len, uint8_t pad)
{
	uint8_t block[SHA_CBLOCK];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < len; i++)
		block[i] ^= (uint8_t)key[i];
	SHA1_Init(sha);
	SHA1_Update(sha, block, sizeof(block));
	OPENSSL_cleanse(block, sizeof(block));
}

enum carp_conf_error carp_auth_init(struct carp_auth *a, uint8_t vhid,
				    const char *pass)
{
	size_t len = pass ? strlen(pass) : 0;

	*a = (struct carp_auth){ .vhid = vhid };
	if (vhid == 0)
		return CARP_CONF_VHID;
	if (len > CARP_PASS_MAX)
		return CARP_CONF_PASS;
	begin(&a->inner, pass, len, HMAC_INNER);
	begin(&a->outer, pass, len, HMAC_OUTER);
	return CARP_CONF_OK;
}

enum carp_conf_error carp_auth_add_v4(struct carp_auth *a, uint32_t addr)
{
	size_t at = 0;

	/* the ends of carp_hmac_prepare_ctx's loop, never hashed */
	if (addr == 0 || addr == UINT32_MAX)
		return CARP_CONF_ADDRESS;
	while (at < a->v4_count && a->v4[at] < addr)
		at++;
	if (at < a->v4_count && a->v4[at] == addr)
		return CARP_CONF_OK;
	if (a->v4_count == CARP_ADDR_MAX)
		return CARP_CONF_TOO_MANY;
	memmove(&a->v4[at + 1], &a->v4[at],
		(a->v4_count - at) * sizeof(a->v4[0]));
	a->v4[at] = addr;
	a->v4_count++;
	return CARP_CONF_OK;
}

static int addr6_compare(const struct carp_addr6 *a, const struct carp_addr6 *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

/* :: and all ones cannot be hashed either. */
static bool addr6_is_uniform(const struct carp_addr6 *a)
{
	if (a->b[0] != 0 && a->b[0] != 0xff)
		return false;
	for (size_t i = 1; i < sizeof(a->b); i++)
		if (a->b[i] != a->b[0])
			return false;
	return true;
}

enum carp_conf_error carp_auth_add_v6(struct carp_auth *a,
				      const struct carp_addr6 *addr)
{
	struct carp_addr6 in = *addr;
	size_t at = 0;

	if (addr6_is_uniform(&in))
		return CARP_CONF_ADDRESS;
	/* where BSD kernels keep the scope; hashed as zero */
	if (carp_addr6_is_link_local(&in))
		in.b[2] = in.b[3] = 0;
	while (at < a->v6_count && addr6_compare(&a->v6[at], &in) < 0)
		at++;
	if (at < a->v6_count && addr6_compare(&a->v6[at], &in) == 0)
		return CARP_CONF_OK;
	if (a->v6_count == CARP_ADDR_MAX)
		return CARP_CONF_TOO_MANY;
	memmove(&a->v6[at + 1], &a->v6[at],
		(a->v6_count - at) * sizeof(a->v6[0]));
	a->v6[at] = in;
	a->v6_count++;
	return CARP_CONF_OK;
}

/* Returns the length of what is hashed. */
static size_t auth_message(const struct carp_auth *a,
			   enum carp_auth_variant variant, uint64_t counter,
			   uint8_t out[AUTH_MESSAGE_MAX])
{
	struct writer w;

	writer_init(&w, out, AUTH_MESSAGE_MAX);
	writer_u8(&w, AUTH_VERSION);
	writer_u8(&w, AUTH_TYPE);
	writer_u8(&w, a->vhid);
	for (size_t i = 0; i < a->v4_count; i++)
		writer_u32(&w, a->v4[i]);
	for (size_t i = 0; i < a->v6_count; i++)
		if (variant == CARP_AUTH_ORIG ||
		    !carp_addr6_is_link_local(&a->v6[i]))
			writer_bytes(&w, a->v6[i].b, sizeof(a->v6[i].b));
	writer_u64(&w, counter);
	assert(writer_ok(&w));
	return w.used;
}

void carp_auth_sign(const struct carp_auth *a, enum carp_auth_variant variant,
		    uint64_t counter, uint8_t digest[CARP_DIGEST_LEN])
{
	uint8_t message[AUTH_MESSAGE_MAX];
	size_t len = auth_message(a, variant, counter, message);
	SHA_CTX inner = a->inner, outer = a->outer;

	SHA1_Update(&inner, message, len);
	SHA1_Final(digest, &inner);
	SHA1_Update(&outer, digest, CARP_DIGEST_LEN);
	SHA1_Final(digest, &outer);
}

static bool auth_matches(const struct carp_auth *a,
			 enum carp_auth_variant variant, uint64_t counter,
			 const uint8_t digest[CARP_DIGEST_LEN])
{
	uint8_t want[CARP_DIGEST_LEN];

	carp_auth_sign(a, variant, counter, want);
	return CRYPTO_memcmp(want, digest, CARP_DIGEST_LEN) == 0;
}

bool carp_auth_verify(const struct carp_auth *a, uint64_t counter,
		      const uint8_t digest[CARP_DIGEST_LEN])
{
	return auth_matches(a, CARP_AUTH_NOV6LL, counter, digest) ||
	       (a->v6_count &&
		auth_matches(a, CARP_AUTH_ORIG, counter, digest));
}
