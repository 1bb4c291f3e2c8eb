// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The key of the link: made, written, read, named. It is not the TLS that
 * uses it (peersock), nor the choice between two keys.
 *
 * Implements rules 13 (identity) and 14 (mode of the file), and the words
 * of messages 4 and 9 of the manual.
 *
 * Invariant: no byte of a secret gets into a sentence, and a file that
 * others can read is never used.
 */
#include "keyfile.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_TAG	     "ss1:"
#define KEY_TAG_LEN  4
#define KEY_HEX_LEN  (2 * KEYFILE_SECRET_BYTES)
#define KEY_LINE_LEN (KEY_TAG_LEN + KEY_HEX_LEN)

static const char hex_digits[] = "0123456789abcdef";

static void put_hex(char *out, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		*out++ = hex_digits[data[i] >> 4];
		*out++ = hex_digits[data[i] & 15];
	}
	*out = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void set_id(struct link_key *key)
{
	uint8_t sum[SHA256_DIGEST_LENGTH];

	SHA256(key->secret, sizeof(key->secret), sum);
	put_hex(key->id, sum, (KEYFILE_ID_SIZE - 1) / 2);
	OPENSSL_cleanse(sum, sizeof(sum));
}

int keyfile_generate(struct link_key *key)
{
	if (RAND_priv_bytes(key->secret, sizeof(key->secret)) != 1)
		return -EIO;
	set_id(key);
	return 0;
}

void keyfile_wipe(struct link_key *key)
{
	OPENSSL_cleanse(key, sizeof(*key));
}

void keyfile_fingerprint(const char *id, char out[KEYFILE_FINGERPRINT_SIZE])
{
	snprintf(out, KEYFILE_FINGERPRINT_SIZE, "%.4s %.4s", id,
		 strlen(id) > 4 ? id + 4 : "");
}

void keyfile_format(const struct link_key *key, char out[KEYFILE_TEXT_SIZE])
{
	char hex[KEY_HEX_LEN + 1], fingerprint[KEYFILE_FINGERPRINT_SIZE];

	keyfile_fingerprint(key->id, fingerprint);
	put_hex(hex, key->secret, sizeof(key->secret));
	snprintf(out, KEYFILE_TEXT_SIZE,
		 "# statesync link key %s, the same file on both nodes\n"
		 "%s%s\n",
		 fingerprint, KEY_TAG, hex);
	OPENSSL_cleanse(hex, sizeof(hex));
}

static int parse_key_line(const char *line, size_t len, struct link_key *key)
{
	if (len != KEY_LINE_LEN || memcmp(line, KEY_TAG, KEY_TAG_LEN))
		return KEYFILE_MALFORMED;
	line += KEY_TAG_LEN;
	for (size_t i = 0; i < KEYFILE_SECRET_BYTES; i++) {
		int high = hex_value(line[2 * i]);
		int low = hex_value(line[2 * i + 1]);

		if (high < 0 || low < 0)
			return KEYFILE_MALFORMED;
		key->secret[i] = (uint8_t)(high << 4 | low);
	}
	set_id(key);
	return 0;
}

/* The length of the line without its end and the blanks before that. */
static size_t trimmed(const char *line, size_t len)
{
	while (len && strchr(" \t\r", line[len - 1]) && line[len - 1])
		len--;
	return len;
}

int keyfile_parse(const char *text, size_t len, struct link_key *key)
{
	bool found = false;

	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;
		size_t used = trimmed(text, line);

		if (used && *text != '#') {
			if (found || parse_key_line(text, used, key))
				return KEYFILE_MALFORMED;
			found = true;
		}
		line += end ? 1 : 0;
		text += line;
		len -= line;
	}
	return found ? 0 : KEYFILE_MALFORMED;
}

static const char *const kinds[] = {
	[KEYFILE_KEY] = "link key", [KEYFILE_PASSWORD] = "password"
};

static int check_mode(int fd, const char *path, enum keyfile_kind kind,
		      char *why, size_t why_size)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		snprintf(why, why_size, "%s: %s; not started. ls -l %s", path,
			 log_errno(errno), path);
		return KEYFILE_REFUSED;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, why_size,
			 "%s: is not a regular file; not started. ls -l %s",
			 path, path);
		return KEYFILE_REFUSED;
	}
	if (st.st_mode & 077) {
		snprintf(why, why_size,
			 "%s: mode %04o lets others read the %s; not started. "
			 "chmod 600 %s",
			 path, (unsigned int)(st.st_mode & 07777), kinds[kind],
			 path);
		return KEYFILE_REFUSED;
	}
	return 0;
}

/* Reads to the end of the file or of the buffer. */
static int read_all(int fd, char *buf, size_t size, size_t *len)
{
	*len = 0;
	while (*len < size) {
		ssize_t n = read(fd, buf + *len, size - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	return 0;
}

int keyfile_open(const char *path)
{
	/* NONBLOCK: a FIFO of this name must not hang the start. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

int keyfile_open_own(const char *path)
{
	int fd = keyfile_open(path);
	struct stat st;
	int err = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if ((st.st_mode & 022) || (st.st_uid && st.st_uid != geteuid()))
		err = -EPERM;
	if (!err)
		return fd;
	close(fd);
	return err;
}

void keyfile_why(int err, const char *path, const char *make, char *why,
		 size_t why_size)
{
	switch (err) {
	case ENOENT:
		snprintf(why, why_size, "no such file; not loaded. %s", make);
		return;
	case EACCES:
		snprintf(why, why_size,
			 "permission denied; not loaded. run it as root, or "
			 "chown root %s",
			 path);
		return;
	case EPERM:
		snprintf(why, why_size,
			 "others than root may write it; not loaded. chmod "
			 "go-w %s; chown root %s",
			 path, path);
		return;
	default:
		snprintf(why, why_size, "%s; not loaded. ls -l %s",
			 err == EILSEQ ? "holds a NUL byte" : log_errno(err),
			 path);
	}
}

static int not_open(int err, const char *path, enum keyfile_kind kind,
		    char *why, size_t why_size)
{
	char make[1200];
	int n;

	if (kind == KEYFILE_KEY)
		snprintf(make, sizeof(make),
			 "statesync genkey -o %s on one node, the same file on "
			 "the other",
			 path);
	else
		snprintf(make, sizeof(make),
			 "(umask 077; openssl rand -hex 8 > %s) on one node, "
			 "the same file on the other",
			 path);
	n = snprintf(why, why_size, "%s: ", path);
	if (n >= 0 && (size_t)n < why_size)
		keyfile_why(err, path, make, why + n, why_size - (size_t)n);
	return KEYFILE_REFUSED;
}

int keyfile_take_secret(int fd, const char *path, enum keyfile_kind kind,
			char *buf, size_t size, size_t *len, char *why,
			size_t why_size)
{
	int rc;

	if (fd < 0)
		return not_open(-fd, path, kind, why, why_size);
	rc = check_mode(fd, path, kind, why, why_size);
	if (!rc && read_all(fd, buf, size, len)) {
		snprintf(why, why_size,
			 "%s: cannot be read; not started. ls -l %s", path,
			 path);
		rc = KEYFILE_REFUSED;
	}
	close(fd);
	return rc;
}

int keyfile_read(const char *path, struct link_key *key, char *why,
		 size_t why_size)
{
	return keyfile_take(keyfile_open(path), path, key, why, why_size);
}

int keyfile_take(int fd, const char *path, struct link_key *key, char *why,
		 size_t why_size)
{
	char text[4096];
	size_t len;
	int rc;

	rc = keyfile_take_secret(fd, path, KEYFILE_KEY, text, sizeof(text),
				 &len, why, why_size);
	if (!rc && (len == sizeof(text) || keyfile_parse(text, len, key))) {
		snprintf(why, why_size,
			 "%s: is not a link key; not started. make one: "
			 "statesync genkey -o %s.new",
			 path, path);
		rc = KEYFILE_REFUSED;
	}
	OPENSSL_cleanse(text, sizeof(text));
	return rc;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int not_made(int err, const char *path, char *why, size_t why_size)
{
	const char *slash = strrchr(path, '/');

	if (err == ENOENT && slash)
		snprintf(why, why_size,
			 "%s: its directory is not there; nothing written. "
			 "mkdir -p %.*s",
			 path, (int)(slash - path), path);
	else if (err == EACCES)
		snprintf(why, why_size,
			 "%s: permission denied; nothing written. run it as "
			 "root",
			 path);
	else
		snprintf(why, why_size, "%s: %s; nothing written. ls -l %s",
			 path,
			 err == EEXIST ? "is there already" : log_errno(err),
			 path);
	return KEYFILE_REFUSED;
}

int keyfile_write(const char *path, const struct link_key *key, char *why,
		  size_t why_size)
{
	char text[KEYFILE_TEXT_SIZE];
	int fd, rc;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return not_made(errno, path, why, why_size);
	keyfile_format(key, text);
	rc = fchmod(fd, 0600) < 0 ? -errno : 0;
	if (!rc)
		rc = write_all(fd, text, strlen(text));
	if (close(fd) < 0 && !rc)
		rc = -errno;
	OPENSSL_cleanse(text, sizeof(text));
	if (!rc)
		return 0;
	snprintf(why, why_size, "%s: %s; no key written. df -h %s", path,
		 log_errno(-rc), path);
	unlink(path);
	return KEYFILE_REFUSED;
}

void keyfile_identity_format(const char *key_id, const char *sender,
			     const char *peer, char out[KEYFILE_IDENTITY_SIZE])
{
	snprintf(out, KEYFILE_IDENTITY_SIZE, "%s%s:%s>%s", KEY_TAG, key_id,
		 sender, peer);
}

/* Copies a piece of an identity: printable, not empty, shorter than size. */
static int take_piece(char *out, size_t size, const char *data, size_t len)
{
	if (!len || len >= size)
		return KEYFILE_MALFORMED;
	for (size_t i = 0; i < len; i++)
		if (data[i] <= ' ' || data[i] >= 0x7f)
			return KEYFILE_MALFORMED;
	memcpy(out, data, len);
	out[len] = '\0';
	return 0;
}

int keyfile_identity_parse(const uint8_t *data, size_t len,
			   struct link_identity *out)
{
	const size_t names_at = KEY_TAG_LEN + KEYFILE_ID_SIZE;
	char text[KEYFILE_IDENTITY_SIZE];
	const char *names = text + names_at, *arrow;

	if (len >= sizeof(text) || len < names_at)
		return KEYFILE_MALFORMED;
	memcpy(text, data, len);
	text[len] = '\0';
	arrow = memchr(names, '>', len - names_at);
	if (!arrow || memcmp(text, KEY_TAG, KEY_TAG_LEN) || names[-1] != ':')
		return KEYFILE_MALFORMED;
	if (take_piece(out->key_id, sizeof(out->key_id), text + KEY_TAG_LEN,
		       KEYFILE_ID_SIZE - 1) ||
	    take_piece(out->sender, sizeof(out->sender), names,
		       (size_t)(arrow - names)))
		return KEYFILE_MALFORMED;
	arrow++;
	return take_piece(out->peer, sizeof(out->peer), arrow,
			  len - (size_t)(arrow - text));
}
