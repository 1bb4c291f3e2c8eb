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
#include "auth.h"

#include "buf.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

/* Constants of the message, whatever the packet's first byte says. */
#define AUTH_VERSION 2
#define AUTH_TYPE    1

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
	case CARP_CONF_CRYPTO:
		return "libcrypto offers no HMAC-SHA1";
	}
	return "unknown";
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
	if (len)
		memcpy(a->key, pass, len);
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

static bool addr6_is_link_local(const struct carp_addr6 *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
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
	if (addr6_is_link_local(&in))
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
		    !addr6_is_link_local(&a->v6[i]))
			writer_bytes(&w, a->v6[i].b, sizeof(a->v6[i].b));
	writer_u64(&w, counter);
	assert(writer_ok(&w));
	return w.used;
}

int carp_auth_sign(const struct carp_auth *a, enum carp_auth_variant variant,
		   uint64_t counter, uint8_t digest[CARP_DIGEST_LEN])
{
	uint8_t message[AUTH_MESSAGE_MAX];
	size_t len = auth_message(a, variant, counter, message);
	unsigned int out = CARP_DIGEST_LEN;

	/* zero padding of the key is HMAC's own, so 20 bytes are the password */
	if (!HMAC(EVP_sha1(), a->key, CARP_KEY_LEN, message, len, digest,
		  &out) ||
	    out != CARP_DIGEST_LEN) {
		memset(digest, 0, CARP_DIGEST_LEN);
		return -EIO;
	}
	return 0;
}

static bool auth_matches(const struct carp_auth *a,
			 enum carp_auth_variant variant, uint64_t counter,
			 const uint8_t digest[CARP_DIGEST_LEN])
{
	uint8_t want[CARP_DIGEST_LEN];

	if (carp_auth_sign(a, variant, counter, want))
		return false;
	return CRYPTO_memcmp(want, digest, CARP_DIGEST_LEN) == 0;
}

bool carp_auth_verify(const struct carp_auth *a, uint64_t counter,
		      const uint8_t digest[CARP_DIGEST_LEN])
{
	return auth_matches(a, CARP_AUTH_NOV6LL, counter, digest) ||
	       (a->v6_count &&
		auth_matches(a, CARP_AUTH_ORIG, counter, digest));
}
