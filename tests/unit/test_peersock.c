// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The link's connections: up, lost, up again; keys, and strangers of all
 * kinds.
 */
#include "peersock_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/wait.h>

#define STRANGER "127.0.0.9"

START_TEST(both_ways)
{
	start_fw1(keys, 1);
	start_fw2(keys, 1);
	ck_assert_str_eq(peersock_error(fw2.ps, 0), FW1 ":3790: not seen yet");
	ck_assert_int_eq(peersock_send(fw1.ps, 0, "x", 1), -ENOTCONN);
	ck_assert(turn_until(1, both_up));
	ck_assert_str_eq(peersock_error(fw1.ps, 0), "");
	send_text(&fw1, "hello ");
	send_text(&fw1, "fw2");
	send_text(&fw2, "hello fw1");
	turn(0.1);
	ck_assert_str_eq(fw2.text, "hello fw2");
	ck_assert_str_eq(fw1.text, "hello fw1");
	ck_assert_int_eq(fw1.ups + fw2.ups, 2);
	ck_assert_int_eq(fw1.downs + fw2.downs, 0);
	for (int i = 0; i < PEERSOCK_REASONS; i++)
		ck_assert_uint_eq(count(&fw1, i) + count(&fw2, i), 0);
}
END_TEST

/* The listener comes later, goes away, and comes again. */
START_TEST(reconnects)
{
	double start;

	start_fw1(keys, 1);
	turn(0.5);
	ck_assert_str_eq(peersock_error(fw1.ps, 0),
			 FW2 ":3790: connection refused");
	ck_assert_uint_ge(count(&fw1, PEERSOCK_REFUSED), 2);
	start_fw2(keys, 1);
	ck_assert(turn_until(2.5, both_up));
	peersock_free(fw2.ps);
	fw2.ps = NULL;
	turn(0.1);
	ck_assert_int_eq(fw1.downs, 1);
	ck_assert_int_eq(fw1.reason, PEERSOCK_LOST);
	ck_assert_str_eq(fw1.why, "closed by it");
	start_fw2(keys, 1);
	ck_assert(turn_until(2.5, both_up));
	/* A close of ours: down at once, up again later. */
	peersock_close(fw1.ps, 0, "because");
	ck_assert_int_eq(fw1.downs, 2);
	ck_assert_int_eq(fw1.reason, PEERSOCK_CLOSED);
	ck_assert_str_eq(peersock_error(fw1.ps, 0), FW2 ":3790: because");
	start = now_s();
	ck_assert(turn_until(2.5, both_up));
	ck_assert(now_s() - start > 0.15);
}
END_TEST

static void assert_has(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" not in \"%s\"", part,
		      text);
}

START_TEST(wrong_key)
{
	char ours[KEYFILE_FINGERPRINT_SIZE], theirs[KEYFILE_FINGERPRINT_SIZE];
	char sentence[200];

	start_fw1(&keys[0], 1);
	start_fw2(&keys[1], 1);
	turn(0.5);
	ck_assert_int_eq(fw1.ups + fw2.ups, 0);
	ck_assert_uint_ge(count(&fw1, PEERSOCK_KEY), 1);
	ck_assert_uint_ge(count(&fw2, PEERSOCK_KEY), 1);
	keyfile_fingerprint(keys[1].id, ours);
	keyfile_fingerprint(keys[0].id, theirs);
	snprintf(sentence, sizeof(sentence),
		 FW1 ": it has another link key (ours: %s, its: %s)", ours,
		 theirs);
	ck_assert_str_eq(peersock_error(fw2.ps, 0), sentence);
	snprintf(sentence, sizeof(sentence),
		 FW2 ":3790: it has another link key (ours: %s)", theirs);
	ck_assert_str_eq(peersock_error(fw1.ps, 0), sentence);
	ck_assert_uint_eq(count(&fw1, PEERSOCK_PROTOCOL) +
				  count(&fw2, PEERSOCK_PROTOCOL),
			  0);
}
END_TEST

/* The right name of a key, but not the key: a binder that does not fit. */
START_TEST(right_id_wrong_key)
{
	struct link_key forged = keys[1];

	memcpy(forged.id, keys[0].id, sizeof(forged.id));
	start_fw1(&forged, 1);
	start_fw2(&keys[0], 1);
	turn(0.4);
	ck_assert_int_eq(fw1.ups + fw2.ups, 0);
	ck_assert_uint_ge(count(&fw2, PEERSOCK_NO_PSK), 1);
	ck_assert_uint_ge(count(&fw1, PEERSOCK_KEY), 1);
}
END_TEST

/* Both orders of a rotation, with and without a fall back. */
START_TEST(two_keys)
{
	const struct link_key new_old[] = { keys[0], keys[1] };
	const struct link_key other[] = { keys[2], keys[1] };

	start_fw1(new_old, 2);
	start_fw2(&keys[1], 1);
	ck_assert(turn_until(0.15, both_up));
	ck_assert_uint_eq(count(&fw1, PEERSOCK_KEY), 1);
	peersock_free(fw1.ps);
	start_fw1(&keys[1], 1);
	peersock_free(fw2.ps);
	start_fw2(new_old, 2);
	ck_assert(turn_until(2.5, both_up));
	ck_assert_uint_eq(count(&fw2, PEERSOCK_KEY), 0);
	peersock_free(fw2.ps);
	start_fw2(other, 2);
	peersock_free(fw1.ps);
	start_fw1(&keys[0], 1);
	turn(0.3);
	ck_assert_int_eq(fw1.ups + fw2.ups, 0);
	assert_has(peersock_error(fw2.ps, 0), " and ");
}
END_TEST

/* --- strangers ---------------------------------------------------------- */

static int stranger_from(const char *ip)
{
	struct sockaddr_storage from = address(ip), to = address(FW2);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	((struct sockaddr_in *)&from)->sin_port = 0;
	ck_assert_int_eq(
		bind(fd, (struct sockaddr *)&from, sizeof(struct sockaddr_in)),
		0);
	ck_assert_int_eq(
		connect(fd, (struct sockaddr *)&to, sizeof(struct sockaddr_in)),
		0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	turn(0.01);
	return fd;
}

/* 1 when the other side has closed. */
static int is_closed(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		;
	return n == 0 || errno != EAGAIN;
}

static char identity[KEYFILE_IDENTITY_SIZE];

static int use_identity(SSL *ssl, const EVP_MD *md, const unsigned char **id,
			size_t *len, SSL_SESSION **session)
{
	static const uint8_t aes[2] = { 0x13, 0x01 };

	(void)md;
	*session = SSL_SESSION_new();
	SSL_SESSION_set1_master_key(*session, keys[0].secret,
				    sizeof(keys[0].secret));
	SSL_SESSION_set_cipher(*session, SSL_CIPHER_find(ssl, aes));
	SSL_SESSION_set_protocol_version(*session, TLS1_3_VERSION);
	*id = (const unsigned char *)identity;
	*len = strlen(identity);
	return 1;
}

/* A TLS client with the right key and this identity (NULL: no key). */
static int tls_client(const char *who, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int fd = stranger_from(STRANGER), rc = -1;
	SSL *ssl;

	SSL_CTX_set_max_proto_version(ctx, version);
	if (who) {
		snprintf(identity, sizeof(identity), "ss1:%s:%s", keys[0].id,
			 who);
		SSL_CTX_set_psk_use_session_callback(ctx, use_identity);
	}
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	for (int i = 0; i < 100 && rc != 1; i++) {
		rc = SSL_connect(ssl);
		if (rc != 1 && SSL_get_error(ssl, rc) != SSL_ERROR_WANT_READ)
			break;
		turn(0.005);
	}
	ERR_clear_error();
	turn(0.05);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	turn(0.05);
	return rc == 1;
}

START_TEST(client_without_key)
{
	start_fw2(keys, 1);
	ck_assert(!tls_client(NULL, TLS1_3_VERSION));
	ck_assert_uint_eq(count(&fw2, PEERSOCK_NO_PSK), 1);
	ck_assert(!tls_client(NULL, TLS1_2_VERSION));
	ck_assert_uint_eq(count(&fw2, PEERSOCK_VERSION), 1);
	ck_assert_int_eq(fw2.ups, 0);
}
END_TEST

START_TEST(reflection)
{
	static const char *const wrong[] = { "fw2>fw1", "fw2>fw2", "fw3>fw2",
					     "fw1>fw3" };

	start_fw2(keys, 1);
	for (unsigned int i = 0; i < 4; i++) {
		ck_assert_msg(!tls_client(wrong[i], TLS1_3_VERSION), "%s",
			      wrong[i]);
		ck_assert_uint_eq(count(&fw2, PEERSOCK_REFLECTION), i + 1);
	}
	ck_assert(!tls_client("nonsense", TLS1_3_VERSION));
	ck_assert_uint_eq(count(&fw2, PEERSOCK_NO_PSK), 1);
	ck_assert_int_eq(fw2.ups, 0);
	/* The same client under the right names gets in: the test is fair. */
	ck_assert(tls_client("fw1>fw2", TLS1_3_VERSION));
	ck_assert_int_eq(fw2.ups, 1);
	ck_assert_int_eq(fw2.downs, 1);
}
END_TEST

/* A server that knows no key but has a certificate (rules 13, tried). */
__attribute__((noreturn)) static void certificate_server(int fd)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, EVP_sha256());
	SSL_CTX_use_certificate(ctx, cert);
	SSL_CTX_use_PrivateKey(ctx, key);
	for (;;) {
		SSL *ssl = SSL_new(ctx);
		char buf[64];

		SSL_set_fd(ssl, accept(fd, NULL, NULL));
		if (SSL_accept(ssl) == 1 && SSL_read(ssl, buf, sizeof(buf)) > 0)
			_exit(1);
		SSL_free(ssl);
	}
}

START_TEST(certificate_without_key)
{
	struct sockaddr_storage at = address(FW2);
	int fd = socket(AF_INET, SOCK_STREAM, 0), status;
	const int on = 1;
	pid_t pid;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(
		bind(fd, (struct sockaddr *)&at, sizeof(struct sockaddr_in)),
		0);
	ck_assert_int_eq(listen(fd, 8), 0);
	pid = fork();
	if (!pid)
		certificate_server(fd);
	close(fd);
	start_fw1(keys, 1);
	turn(1.5);
	ck_assert_int_eq(fw1.ups, 0);
	ck_assert_uint_ge(count(&fw1, PEERSOCK_NO_PSK), 1);
	ck_assert_str_eq(peersock_error(fw1.ps, 0),
			 FW2 ":3790: it has not the key of this link");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ck_assert(!WIFEXITED(status) || WEXITSTATUS(status) == 0);
}
END_TEST

START_TEST(garbage)
{
	static const char junk[][24] = { "GET / HTTP/1.0\r\n\r\n",
					 "\x16\x03\x01\x00\x05\x01junk",
					 "\xff\xff\xff\xff\xff\xff\xff" };
	int fd;

	start_fw2(keys, 1);
	for (unsigned int i = 0; i < 3; i++) {
		fd = stranger_from(STRANGER);
		(void)!send(fd, junk[i], sizeof(junk[i]), MSG_NOSIGNAL);
		shutdown(fd, SHUT_WR);
		turn(0.05);
		ck_assert_msg(is_closed(fd), "junk %u", i);
		close(fd);
	}
	ck_assert_uint_eq(count(&fw2, PEERSOCK_PROTOCOL) +
				  count(&fw2, PEERSOCK_VERSION),
			  3);
	/* And a port scanner. */
	close(stranger_from(STRANGER));
	turn(0.05);
	ck_assert_uint_eq(count(&fw2, PEERSOCK_PROTOCOL) +
				  count(&fw2, PEERSOCK_VERSION),
			  4);
	start_fw1(keys, 1);
	ck_assert(turn_until(1, both_up));
}
END_TEST

/* Nine strangers: the ninth is refused, and the peer comes in all the same. */
START_TEST(unauthenticated)
{
	int fds[9];

	start_fw2(keys, 1);
	for (int i = 0; i < 9; i++)
		fds[i] = stranger_from(STRANGER);
	turn(0.05);
	ck_assert_uint_eq(count(&fw2, PEERSOCK_LIMIT), 1);
	ck_assert(is_closed(fds[8]));
	ck_assert(!is_closed(fds[0]));
	start_fw1(keys, 1);
	ck_assert(turn_until(0.5, both_up));
	ck_assert_uint_eq(count(&fw2, PEERSOCK_LIMIT), 2);
	ck_assert(is_closed(fds[0]));
	ck_assert(!is_closed(fds[1]));
	/* Those who say nothing are gone after 5 s. */
	turn(4);
	ck_assert(!is_closed(fds[1]));
	turn(1.6);
	for (int i = 0; i < 9; i++) {
		ck_assert(is_closed(fds[i]));
		close(fds[i]);
	}
	ck_assert_uint_eq(count(&fw2, PEERSOCK_TIMEOUT), 7);
	ck_assert(both_up());
}
END_TEST

/* A listener that accepts and is silent: 5 s, then it is tried again. */
START_TEST(silent_listener)
{
	struct sockaddr_storage at = address(FW2);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	const int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(
		bind(fd, (struct sockaddr *)&at, sizeof(struct sockaddr_in)),
		0);
	ck_assert_int_eq(listen(fd, 8), 0);
	start_fw1(keys, 1);
	turn(5.3);
	ck_assert_uint_eq(count(&fw1, PEERSOCK_TIMEOUT), 1);
	ck_assert_str_eq(peersock_error(fw1.ps, 0),
			 FW2 ":3790: no end of the handshake within 5 s");
	close(fd);
	start_fw2(keys, 1);
	ck_assert(turn_until(3, both_up));
}
END_TEST

/* No such address here, nobody there: it neither dies nor blocks. */
START_TEST(address_not_there)
{
	ck_assert_int_eq(start_with(&fw2, "fw2", "192.0.2.77", "fw1",
				    "192.0.2.78", keys, 1),
			 0);
	ck_assert_int_eq(start_with(&fw1, "fw1", "192.0.2.78", "fw2",
				    "192.0.2.77", keys, 1),
			 0);
	turn(0.3);
	ck_assert_uint_ge(count(&fw1, PEERSOCK_REFUSED), 1);
	assert_has(peersock_error(fw1.ps, 0), "192.0.2.77:3790: ");
}
END_TEST

START_TEST(address_in_use)
{
	struct node other;

	start_fw2(keys, 1);
	ck_assert_int_eq(start_with(&other, "fw2", FW2, "fw1", FW1, keys, 1),
			 -EADDRINUSE);
	ck_assert_ptr_null(other.ps);
}
END_TEST

/* The peer rebooted and its old connection hangs: the newer one counts. */
START_TEST(replaced)
{
	struct node second;

	start_fw1(keys, 1);
	start_fw2(keys, 1);
	ck_assert(turn_until(1, both_up));
	ck_assert_int_eq(start_with(&second, "fw1", FW1, "fw2", FW2, keys, 1),
			 0);
	ck_assert(turn_until(0.15, one_down));
	ck_assert_int_eq(fw2.reason, PEERSOCK_REPLACED);
	ck_assert_str_eq(fw2.why, "a newer connection of it has come");
	ck_assert_int_eq(fw2.ups, 2);
	ck_assert(peersock_is_up(fw2.ps, 0));
	send_text(&fw2, "to the second");
	turn(0.05);
	ck_assert_str_eq(second.text, "to the second");
	peersock_free(second.ps);
}
END_TEST

START_TEST(close_from_inside)
{
	start_fw1(keys, 1);
	start_fw2(keys, 1);
	ck_assert(turn_until(1, both_up));
	fw2.close_on_data = true;
	send_text(&fw1, "x");
	turn(0.1);
	ck_assert_int_eq(fw2.downs, 1);
	ck_assert_int_eq(fw1.downs, 1);
	ck_assert(turn_until(2.5, both_up));
}
END_TEST

/* A hundred connections one after the other leave nothing behind. */
START_TEST(no_growth)
{
	long before = 0;

	start_fw2(keys, 1);
	for (int i = 0; i < 120; i++) {
		ck_assert(tls_client(i & 1 ? "fw1>fw2" : NULL,
				     TLS1_3_VERSION) == (i & 1));
		if (i == 20)
			before = rss_kib();
	}
	printf("100 connections: %+ld KiB\n", rss_kib() - before);
#ifndef __SANITIZE_ADDRESS__
	ck_assert_int_le(rss_kib() - before, 256);
#endif
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		both_ways,	   reconnects,
		wrong_key,	   right_id_wrong_key,
		two_keys,	   client_without_key,
		reflection,	   certificate_without_key,
		garbage,	   unauthenticated,
		silent_listener,   address_not_there,
		address_in_use,	   replaced,
		close_from_inside, no_growth
	};

	return run("peersock", tests, sizeof(tests) / sizeof(tests[0]));
}
