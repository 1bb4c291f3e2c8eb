/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The HMAC-SHA1 of an advert (OpenBSD carp_hmac_prepare_ctx,
 * carp_hmac_generate): over version, type, vhid, all shared addresses and the
 * counter; advbase, advskew and demote are not covered. Pure.
 */
#ifndef STATESYNC_CARP_AUTH_H
#define STATESYNC_CARP_AUTH_H

#include "wire.h"

#include <openssl/sha.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CARP_KEY_LEN  20
#define CARP_PASS_MAX 19 /* ifconfig's bound; longer is refused, not cut */
#define CARP_ADDR_MAX 32 /* of one family in one vhost */

/* What is wrong with a configuration. */
enum carp_conf_error {
	CARP_CONF_OK = 0,
	CARP_CONF_VHID,	    /* 0 */
	CARP_CONF_ADVSKEW,  /* 255 */
	CARP_CONF_PASS,	    /* longer than CARP_PASS_MAX bytes */
	CARP_CONF_ADDRESS,  /* 0.0.0.0, 255.255.255.255, :: or all ones */
	CARP_CONF_TOO_MANY, /* more than CARP_ADDR_MAX of a family */
	CARP_CONF_NO_ADDRESS,
};

/* A phrase for the operator: "the password is longer than 19 bytes". */
const char *carp_conf_error_text(enum carp_conf_error e);

/* Key and message. Addresses are kept ascending, each once. */
struct carp_auth {
	SHA_CTX inner, outer; /* of RFC 2104, with the padded password in */
	uint8_t vhid;
	size_t v4_count, v6_count;
	uint32_t v4[CARP_ADDR_MAX];
	struct carp_addr6 v6[CARP_ADDR_MAX];
};

/* No addresses yet. pass may be NULL or "": the key is then all zeroes, as
 * with OpenBSD, and known to everybody. Returns CARP_CONF_OK, VHID or PASS. */
enum carp_conf_error carp_auth_init(struct carp_auth *a, uint8_t vhid,
				    const char *pass)
	__attribute__((warn_unused_result));

/* Adds one address; twice the same is fine. ADDRESS or TOO_MANY on refusal. */
enum carp_conf_error carp_auth_add_v4(struct carp_auth *a, uint32_t addr)
	__attribute__((warn_unused_result));
enum carp_conf_error carp_auth_add_v6(struct carp_auth *a,
				      const struct carp_addr6 *addr)
	__attribute__((warn_unused_result));

/*
 * The two digests that OpenBSD knows. It sends NOV6LL (without fe80::/10) and
 * takes either; they differ only where a link-local address is shared.
 */
enum carp_auth_variant { CARP_AUTH_NOV6LL, CARP_AUTH_ORIG };

/* Digest for that counter. Allocates nothing. */
void carp_auth_sign(const struct carp_auth *a, enum carp_auth_variant variant,
		    uint64_t counter, uint8_t digest[CARP_DIGEST_LEN]);

/* True when the digest is one of the two for that counter; compared in
 * constant time. */
bool carp_auth_verify(const struct carp_auth *a, uint64_t counter,
		      const uint8_t digest[CARP_DIGEST_LEN]);

#endif
