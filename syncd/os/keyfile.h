/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The key of the link: its file, its fingerprint, and the identity under
 * which TLS offers it.
 *
 * The file is text: lines that start with '#' and empty lines are skipped,
 * one line holds "ss1:" and 64 hex digits, the 256 bits of the key.
 */
#ifndef STATESYNC_KEYFILE_H
#define STATESYNC_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

#define KEYFILE_SECRET_BYTES	 32
#define KEYFILE_ID_SIZE		 9  /* 8 hex digits and NUL */
#define KEYFILE_FINGERPRINT_SIZE 10 /* "5f3c 91ab" and NUL */
#define KEYFILE_TEXT_SIZE	 256
#define KEYFILE_NAME_SIZE	 64  /* of a node, with its NUL */
#define KEYFILE_IDENTITY_SIZE	 160 /* the longest identity and NUL */

enum keyfile_result {
	KEYFILE_REFUSED = 1,  /* the sentence in `why` says it */
	KEYFILE_MALFORMED = 2 /* not the text of a key, or of an identity */
};

struct link_key {
	uint8_t secret[KEYFILE_SECRET_BYTES];
	char id[KEYFILE_ID_SIZE]; /* first 4 bytes of SHA-256 of secret */
};

struct link_identity {
	char key_id[KEYFILE_ID_SIZE];
	char sender[KEYFILE_NAME_SIZE];
	char peer[KEYFILE_NAME_SIZE];
};

/* A new random key. 0, or -EIO when OpenSSL has no random numbers. */
int keyfile_generate(struct link_key *key) __attribute__((warn_unused_result));

/* Overwrites the key's bytes. */
void keyfile_wipe(struct link_key *key);

/* The id for people, as two groups: "5f3c 91ab". */
void keyfile_fingerprint(const char *id, char out[KEYFILE_FINGERPRINT_SIZE]);

/* The text of a key file: a comment and the key, each on its line. */
void keyfile_format(const struct link_key *key, char out[KEYFILE_TEXT_SIZE]);

/* The reverse, on any bytes. 0 or KEYFILE_MALFORMED. */
int keyfile_parse(const char *text, size_t len, struct link_key *key)
	__attribute__((warn_unused_result));

/* Opens a file for reading, whatever it is, without waiting: a descriptor
 * with CLOEXEC, or -errno. */
int keyfile_open(const char *path);

/* The same of what root's commands and secrets come from: -EPERM where more
 * than root and this process's user may write it. */
int keyfile_open_own(const char *path);

/* Why that failed, `err`, and what to do; make: how one gets such a file. */
void keyfile_why(int err, const char *path, const char *make, char *why,
		 size_t why_size);

enum keyfile_kind { KEYFILE_KEY, KEYFILE_PASSWORD };

/*
 * Reads a small secret file whole, of which keyfile_open_own() said fd, also
 * where that is an error; the descriptor is closed. It must be a regular file
 * without any right for group and others. The bytes are in buf, their number in
 * *len. 0, or KEYFILE_REFUSED with a sentence with the path in front in `why`.
 */
int keyfile_take_secret(int fd, const char *path, enum keyfile_kind kind,
			char *buf, size_t size, size_t *len, char *why,
			size_t why_size) __attribute__((warn_unused_result));

/* The same and keyfile_parse(), of a file that was opened, or that this process
 * opens. */
int keyfile_read(const char *path, struct link_key *key, char *why,
		 size_t why_size) __attribute__((warn_unused_result));
int keyfile_take(int fd, const char *path, struct link_key *key, char *why,
		 size_t why_size) __attribute__((warn_unused_result));

/*
 * Writes a new key file with mode 0600; one that exists is never touched.
 * 0, or KEYFILE_REFUSED with a sentence in `why`.
 */
int keyfile_write(const char *path, const struct link_key *key, char *why,
		  size_t why_size) __attribute__((warn_unused_result));

/*
 * The identity of TLS, "ss1:KEYID:SENDER>PEER" (rules 13): who offers which
 * key to whom. Names are those of nodes, shorter than KEYFILE_NAME_SIZE.
 */
void keyfile_identity_format(const char *key_id, const char *sender,
			     const char *peer, char out[KEYFILE_IDENTITY_SIZE]);

/* The reverse, on any bytes. 0 or KEYFILE_MALFORMED. */
int keyfile_identity_parse(const uint8_t *data, size_t len,
			   struct link_identity *out)
	__attribute__((warn_unused_result));

#endif
