// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * TLS 1.3 with a key that both nodes have. It is not the connection: it moves
 * no byte, and whom to connect to and when is not known here.
 *
 * Implements rules 13; TLS 1.3 with external keys is RFC 8446, 4.2.11.
 *
 * Invariant: peertls_is_proven() is true only after a handshake that ended
 * with SSL_session_reused(): the other side has shown the key of the pair,
 * under a name that the configuration has for it.
 */
#include "peertls.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Both have SHA-256 as their hash, which a 256-bit external key needs. */
#define CIPHERS "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
static const uint8_t aes_128_gcm_sha256[2] = { 0x13, 0x01 };
static const uint8_t context_id[3] = { 's', 's', '1' };

bool peertls_we_connect(const struct peertls *tls, unsigned int peer)
{
	return strcmp(tls->node, tls->peers[peer].name) < 0;
}

static SSL_SESSION *make_session(SSL *ssl, const struct link_key *key)
{
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
	SSL_SESSION *session = SSL_SESSION_new();

	if (session && cipher &&
	    SSL_SESSION_set1_master_key(session, key->secret,
					sizeof(key->secret)) &&
	    SSL_SESSION_set_cipher(session, cipher) &&
	    SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) &&
	    SSL_SESSION_set1_id_context(session, context_id,
					sizeof(context_id)))
		return session;
	SSL_SESSION_free(session);
	return NULL;
}

/* Client: which key we offer, and under which name. */
static int offer_key(SSL *ssl, const EVP_MD *md, const unsigned char **id,
		     size_t *len, SSL_SESSION **session)
{
	struct peertls_conn *c = SSL_get_app_data(ssl);
	const struct peertls_peer *peer = &c->tls->peers[c->peer];
	const struct link_key *key =
		&peer->keys[c->key < peer->num_keys ? c->key : 0];

	*session = NULL;
	if (md && !EVP_MD_is_a(md, "SHA256"))
		return 1;
	memcpy(c->key_id, key->id, sizeof(c->key_id));
	keyfile_identity_format(key->id, c->tls->node, peer->name, c->identity);
	*session = make_session(ssl, key);
	*id = (const unsigned char *)c->identity;
	*len = strlen(c->identity);
	return *session != NULL;
}

/* Who the identity says it is: one who calls us, and means us. */
static int check_identity(const struct peertls *tls,
			  const struct link_identity *who)
{
	if (strcmp(who->peer, tls->node))
		return PEERTLS_NOBODY;
	for (unsigned int i = 0; i < tls->num_peers; i++)
		if (!peertls_we_connect(tls, i) &&
		    !strcmp(tls->peers[i].name, who->sender))
			return (int)i;
	return PEERTLS_NOBODY;
}

/* Server: no session for an identity leads to a handshake that fails. */
static int find_key(SSL *ssl, const unsigned char *id, size_t len,
		    SSL_SESSION **session)
{
	struct peertls_conn *c = SSL_get_app_data(ssl);
	const struct peertls_peer *peer;
	struct link_identity who;

	*session = NULL;
	c->refused = PEERSOCK_NO_PSK;
	if (keyfile_identity_parse(id, len, &who))
		return 1;
	c->refused = PEERSOCK_REFLECTION;
	c->peer = check_identity(c->tls, &who);
	if (c->peer == PEERTLS_NOBODY)
		return 1;
	c->refused = PEERSOCK_KEY;
	memcpy(c->theirs, who.key_id, sizeof(c->theirs));
	peer = &c->tls->peers[c->peer];
	for (unsigned int i = 0; i < peer->num_keys; i++) {
		if (strcmp(peer->keys[i].id, who.key_id))
			continue;
		*session = make_session(ssl, &peer->keys[i]);
		memcpy(c->key_id, who.key_id, sizeof(c->key_id));
		c->refused = PEERSOCK_REASONS;
	}
	return 1;
}

static SSL_CTX *make_context(void)
{
	SSL_CTX *ctx;

	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_SSL_STRINGS |
				 OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
				 OPENSSL_INIT_NO_LOAD_CONFIG,
			 NULL);
	ctx = SSL_CTX_new(TLS_method());
	if (!ctx)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_clear_options(ctx, SSL_OP_ALLOW_NO_DHE_KEX);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	/* After a record without bytes, as a key update is, the loop has its
	 * turn; the next one is still in the socket. */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_early_data(ctx, 0);
	/* No trusted certificate exists, so none is ever accepted. */
	SSL_CTX_set_verify(
		ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_psk_use_session_callback(ctx, offer_key);
	SSL_CTX_set_psk_find_session_callback(ctx, find_key);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) &&
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
	    SSL_CTX_set_ciphersuites(ctx, CIPHERS) &&
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256") &&
	    SSL_CTX_set_num_tickets(ctx, 0) &&
	    SSL_CTX_set_session_id_context(ctx, context_id, sizeof(context_id)))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* Counts the records that we write, for the key update. */
static void count_records(int written, int version, int type, const void *buf,
			  size_t len, SSL *ssl, void *arg)
{
	struct peertls_conn *c = arg;

	(void)version, (void)buf, (void)len, (void)ssl;
	if (written && type == SSL3_RT_HEADER)
		c->records++;
}

void peertls_set_keys(struct peertls *tls, unsigned int peer,
		      const struct link_key *keys, unsigned int num_keys)
{
	struct peertls_peer *p = &tls->peers[peer];

	assert(num_keys == 1 || num_keys == 2);
	keyfile_wipe(&p->keys[0]);
	keyfile_wipe(&p->keys[1]);
	memcpy(p->keys, keys, num_keys * sizeof(p->keys[0]));
	p->num_keys = num_keys;
}

int peertls_init(struct peertls *tls, const struct peersock_conf *conf)
{
	memset(tls, 0, sizeof(*tls));
	snprintf(tls->node, sizeof(tls->node), "%s", conf->node);
	tls->peers = calloc(conf->num_peers + 1, sizeof(tls->peers[0]));
	if (!tls->peers)
		return -ENOMEM;
	tls->num_peers = conf->num_peers;
	for (unsigned int i = 0; i < tls->num_peers; i++) {
		const struct peersock_peer *p = &conf->peers[i];

		snprintf(tls->peers[i].name, sizeof(tls->peers[i].name), "%s",
			 p->name);
		peertls_set_keys(tls, i, p->keys, p->num_keys);
	}
	tls->ctx = make_context();
	return tls->ctx ? 0 : -EIO;
}

void peertls_clear(struct peertls *tls)
{
	SSL_CTX_free(tls->ctx);
	for (unsigned int i = 0; i < tls->num_peers; i++)
		for (unsigned int k = 0; k < 2; k++)
			keyfile_wipe(&tls->peers[i].keys[k]);
	free(tls->peers);
}

int peertls_start(struct peertls_conn *c, const struct peertls *tls, int peer,
		  unsigned int key)
{
	c->tls = tls;
	c->server = peer == PEERTLS_NOBODY;
	c->peer = peer;
	c->key = key;
	c->refused = PEERSOCK_REASONS;
	c->ssl = SSL_new(tls->ctx);
	if (!c->ssl)
		return -ENOMEM;
	SSL_set_app_data(c->ssl, c);
	SSL_set_msg_callback(c->ssl, count_records);
	SSL_set_msg_callback_arg(c->ssl, c);
	return 0;
}

/* rules 13: a completed handshake alone proves nothing. */
bool peertls_is_proven(const struct peertls_conn *c)
{
	return SSL_session_reused(c->ssl) && c->peer != PEERTLS_NOBODY;
}

/* An OpenSSL reason as one of ours; the alerts are RFC 8446, 6.2. */
enum peersock_reason peertls_failure(const struct peertls_conn *c,
				     unsigned long error)
{
	if (c->refused != PEERSOCK_REASONS)
		return c->refused;
	switch (ERR_GET_REASON(error)) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
	case SSL_R_BINDER_DOES_NOT_VERIFY:
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
		return PEERSOCK_NO_PSK;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
	case SSL_R_VERSION_TOO_LOW:
		return PEERSOCK_VERSION;
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
	case SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER:
	case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
		return c->server ? PEERSOCK_PROTOCOL : PEERSOCK_KEY;
	default:
		return PEERSOCK_PROTOCOL;
	}
}

bool peertls_update_key(struct peertls_conn *c)
{
	if (SSL_key_update(c->ssl, SSL_KEY_UPDATE_NOT_REQUESTED)) {
		c->records = 0;
		return true;
	}
	ERR_clear_error();
	return false;
}
