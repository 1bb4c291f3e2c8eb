/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * TLS of the link (rules 13): the context, the keys, who may call himself
 * what. No socket, no event, no log: the caller moves the bytes.
 */
#ifndef STATESYNC_PEERTLS_H
#define STATESYNC_PEERTLS_H

#include "keyfile.h"
#include "peersock.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#define PEERTLS_NOBODY (-1)

struct peertls_peer {
	char name[KEYFILE_NAME_SIZE];
	struct link_key keys[2]; /* newest first */
	unsigned int num_keys;
};

struct peertls {
	SSL_CTX *ctx;
	char node[KEYFILE_NAME_SIZE];
	unsigned int num_peers;
	struct peertls_peer *peers; /* in the configuration's order */
};

/* One connection's side of it. It does not move between its two calls. */
struct peertls_conn {
	const struct peertls *tls;
	SSL *ssl; /* the caller's to free */
	bool server;
	int peer;	  /* whom we call; whom the caller claims to be */
	unsigned int key; /* client: which one is offered */
	char key_id[KEYFILE_ID_SIZE]; /* of the one that was agreed on */
	enum peersock_reason refused; /* server: the identity; or _REASONS */
	uint64_t records;	      /* written since the last key update */
	char identity[KEYFILE_IDENTITY_SIZE];
	char theirs[KEYFILE_ID_SIZE]; /* server: id of the client's key */
};

/* Copies names and keys. 0, -ENOMEM, or -EIO for OpenSSL. */
int peertls_init(struct peertls *tls, const struct peersock_conf *conf)
	__attribute__((warn_unused_result));
/* The keys are overwritten. Also after a peertls_init() that failed. */
void peertls_clear(struct peertls *tls);

/* Other keys, 1 or 2, for handshakes from now on. */
void peertls_set_keys(struct peertls *tls, unsigned int peer,
		      const struct link_key *keys, unsigned int num_keys);

/* The node with the smaller name connects. */
bool peertls_we_connect(const struct peertls *tls, unsigned int peer);

/*
 * Begins: to call `peer` with that key, or with PEERTLS_NOBODY to be called.
 * c->ssl is there afterwards: 0 or -ENOMEM.
 */
int peertls_start(struct peertls_conn *c, const struct peertls *tls, int peer,
		  unsigned int key) __attribute__((warn_unused_result));

/* After the handshake: has the other side shown the key of the pair? */
bool peertls_is_proven(const struct peertls_conn *c);

/* Why a handshake failed; `error` is OpenSSL's, 0 where it has none. */
enum peersock_reason peertls_failure(const struct peertls_conn *c,
				     unsigned long error);

/* False while a record is half written: then a later call does it. */
bool peertls_update_key(struct peertls_conn *c);

#endif
