// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Somebody on the link who has not the key: he calls a thousand times, slowly,
 * says again what he heard, throws it back, or offers weaker ways to talk.
 */
#include "peersock_pair.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <sys/resource.h>

#define STRANGER "127.0.0.9"
#define BETWEEN	 "127.0.1.9" /* where fw1 believes fw2 to be */

static void bind_to(int fd, const char *ip, bool port)
{
	struct sockaddr_storage at = address(ip);

	if (!port)
		((struct sockaddr_in *)&at)->sin_port = 0;
	ck_assert_int_eq(
		bind(fd, (struct sockaddr *)&at, sizeof(struct sockaddr_in)),
		0);
}

static int call(void)
{
	struct sockaddr_storage to = address(FW2);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	bind_to(fd, STRANGER, false);
	(void)!connect(fd, (struct sockaddr *)&to, sizeof(struct sockaddr_in));
	return fd;
}

/* What came is thrown away. */
static int is_closed(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		;
	return n == 0 || errno != EAGAIN;
}

static uint64_t refused(const struct node *n)
{
	uint64_t sum = 0;

	for (int i = 0; i <= PEERSOCK_LIMIT; i++)
		sum += count(n, (enum peersock_reason)i);
	return sum;
}

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static uint64_t wanted;
static int turned_away(void)
{
	return count(&fw2, PEERSOCK_LIMIT) >= wanted;
}

#ifdef __SANITIZE_ADDRESS__ /* it keeps what was freed */
#define GROWS_KIB (256 * 1024)
#else
#define GROWS_KIB 1024
#endif

/* Each is counted, none stays, and the peer does not notice. */
START_TEST(a_thousand)
{
	const struct rlimit files = { 4096, 4096 };
	int fds[1000], before;
	long kib;

	setrlimit(RLIMIT_NOFILE, &files);
	start_fw1(keys, 1);
	start_fw2(keys, 1);
	ck_assert(turn_until(2, both_up));
	before = open_files();
	kib = rss_kib();
	for (int i = 0; i < 1000; i++) {
		fds[i] = call();
		wanted = i < 8 ? 0 : (uint64_t)i - 7;
		ck_assert_msg(turn_until(5, turned_away), "number %d", i);
	}
	ck_assert_uint_eq(count(&fw2, PEERSOCK_LIMIT), 992);
	ck_assert_int_le(open_files(), before + 1000 + 8);
	ck_assert_int_le(rss_kib() - kib, GROWS_KIB);
	send_text(&fw1, "still here");
	turn(0.2);
	ck_assert_str_eq(fw2.text, "still here");
	ck_assert_int_eq(fw1.downs + fw2.downs, 0);
	for (int i = 0; i < 1000; i++)
		close(fds[i]);
}
END_TEST

/* A byte now and then does not buy more time than silence. */
START_TEST(slowly)
{
	static const char head[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03"
				   "\x03zyxwvutsrqponmlkjihg";
	double begun;
	int fd;

	start_fw2(keys, 1);
	fd = call();
	begun = now_s();
	for (size_t i = 0; i < 30 && !is_closed(fd); i++) {
		(void)!send(fd, head + i, 1, MSG_NOSIGNAL);
		turn(0.3);
	}
	ck_assert(is_closed(fd));
	ck_assert(now_s() - begun < 8);
	ck_assert_uint_eq(count(&fw2, PEERSOCK_TIMEOUT), 1);
	close(fd);
}
END_TEST

/* --- what was heard ---------------------------------------------------------- */

static int listener, ends[2];
static uint8_t tape[2][65536]; /* of fw1, of fw2 */
static size_t taped[2];

static void stand_between(void)
{
	const int on = 1;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	bind_to(listener, BETWEEN, true);
	ck_assert_int_eq(listen(listener, 8), 0);
	ends[0] = ends[1] = -1;
	taped[0] = taped[1] = 0;
}

/* Hands on what comes, and keeps it. */
static int hand_on(void)
{
	uint8_t buf[4096];
	ssize_t n;

	if (ends[0] < 0) {
		ends[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		if (ends[0] >= 0)
			ends[1] = call();
		turn(0.05);
	}
	for (int i = 0; ends[0] >= 0 && i < 2; i++)
		while ((n = recv(ends[i], buf, sizeof(buf), MSG_DONTWAIT)) >
		       0) {
			ck_assert_uint_le(taped[i] + (size_t)n,
					  sizeof(tape[i]));
			memcpy(tape[i] + taped[i], buf, (size_t)n);
			taped[i] += (size_t)n;
			ck_assert_int_eq(send(ends[1 - i], buf, (size_t)n, 0),
					 n);
		}
	return both_up();
}

static int said_all(void)
{
	(void)hand_on();
	return !strcmp(fw2.text, "a word of fw1") &&
	       !strcmp(fw1.text, "a word of fw2");
}

static void overhear(void)
{
	stand_between();
	start_fw2(keys, 1);
	ck_assert_int_eq(start_with(&fw1, "fw1", FW1, "fw2", BETWEEN, keys, 1),
			 0);
	ck_assert(turn_until(5, hand_on));
	send_text(&fw1, "a word of fw1");
	send_text(&fw2, "a word of fw2");
	ck_assert(turn_until(5, said_all));
}

/* All that fw1 said is said to fw2 once more, while it talks to fw1, and when
 * it does not. */
START_TEST(said_again_to_the_server)
{
	uint64_t before;
	int fd;

	overhear();
	for (int i = 0; i < 2; i++) {
		before = refused(&fw2);
		fd = call();
		turn(0.1);
		ck_assert_int_eq(send(fd, tape[0], taped[0], MSG_NOSIGNAL),
				 (ssize_t)taped[0]);
		turn(0.3);
		ck_assert(is_closed(fd));
		close(fd);
		ck_assert_uint_eq(refused(&fw2), before + 1);
		ck_assert_int_eq(fw2.ups, 1);
		ck_assert_str_eq(fw2.text, "a word of fw1");
		ck_assert_int_eq(fw2.downs, i);
		if (i == 0) {
			peersock_free(fw1.ps);
			fw1.ps = NULL;
			close(ends[0]);
			close(ends[1]);
			turn(0.2);
		}
	}
	close(listener);
}
END_TEST

static int answers; /* 0: what fw2 said; 1: what fw1 says itself */
static int heard_it(void)
{
	uint8_t buf[4096];
	ssize_t n;

	if (ends[0] < 0) {
		ends[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		return 0;
	}
	n = recv(ends[0], buf, sizeof(buf), MSG_DONTWAIT);
	if (n > 0 && answers == 1)
		(void)!send(ends[0], buf, (size_t)n, MSG_NOSIGNAL);
	else if (n > 0)
		(void)!send(ends[0], tape[1], taped[1], MSG_NOSIGNAL);
	return refused(&fw1) > 0;
}

static void call_and_hear(int what)
{
	answers = what;
	overhear();
	peersock_free(fw1.ps);
	close(ends[0]);
	close(ends[1]);
	ends[0] = ends[1] = -1;
	ck_assert_int_eq(start_with(&fw1, "fw1", FW1, "fw2", BETWEEN, keys, 1),
			 0);
	ck_assert(turn_until(5, heard_it));
	ck_assert_int_eq(fw1.ups, 0);
	ck_assert_str_eq(fw1.text, "");
	close(listener);
}

/* fw1 calls, and hears what fw2 said another time. */
START_TEST(said_again_to_the_client)
{
	call_and_hear(0);
}
END_TEST

START_TEST(its_own_words)
{
	call_and_hear(1);
}
END_TEST

/* --- weaker ways ------------------------------------------------------------- */

static char identity[KEYFILE_IDENTITY_SIZE];

/* With the right key: it is the rest that is refused. */
static SSL_SESSION *right_key(SSL *ssl)
{
	static const uint8_t aes[2] = { 0x13, 0x01 };
	SSL_SESSION *s = SSL_SESSION_new();

	SSL_SESSION_set1_master_key(s, keys[0].secret, sizeof(keys[0].secret));
	SSL_SESSION_set_cipher(s, SSL_CIPHER_find(ssl, aes));
	SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION);
	SSL_SESSION_set_max_early_data(s, 1000);
	return s;
}

static int use_key(SSL *ssl, const EVP_MD *md, const unsigned char **id,
		   size_t *len, SSL_SESSION **session)
{
	*session = NULL;
	if (md && !EVP_MD_is_a(md, "SHA256"))
		return 1;
	*session = right_key(ssl);
	*id = (const unsigned char *)identity;
	*len = strlen(identity);
	return 1;
}

static unsigned int use_key_1_2(SSL *ssl, const char *hint, char *id,
				unsigned int id_size, unsigned char *psk,
				unsigned int psk_size)
{
	(void)ssl, (void)hint, (void)psk_size;
	snprintf(id, id_size, "%s", identity);
	memcpy(psk, keys[0].secret, sizeof(keys[0].secret));
	return sizeof(keys[0].secret);
}

struct way {
	int version;
	const char *ciphers, *suites, *groups;
};

static int tickets;
static int got_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl, (void)session;
	tickets++;
	return 0;
}

static SSL *talk(const struct way *way, int fd, SSL_CTX **ctx, bool early)
{
	size_t done;
	SSL *ssl;
	int rc = -1;

	snprintf(identity, sizeof(identity), "ss1:%s:fw1>fw2", keys[0].id);
	*ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(*ctx, 0);
	SSL_CTX_set_min_proto_version(*ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(*ctx, way->version);
	SSL_CTX_set_psk_use_session_callback(*ctx, use_key);
	SSL_CTX_set_psk_client_callback(*ctx, use_key_1_2);
	SSL_CTX_set_session_cache_mode(*ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(*ctx, got_ticket);
	/* without a new exchange of keys, if that were taken */
	SSL_CTX_set_options(*ctx, SSL_OP_ALLOW_NO_DHE_KEX);
	if (way->ciphers)
		ck_assert(SSL_CTX_set_cipher_list(*ctx, way->ciphers));
	if (way->suites)
		ck_assert(SSL_CTX_set_ciphersuites(*ctx, way->suites));
	if (way->groups)
		ck_assert(SSL_CTX_set1_groups_list(*ctx, way->groups));
	ssl = SSL_new(*ctx);
	SSL_set_fd(ssl, fd);
	if (early)
		(void)SSL_write_early_data(ssl, "early", 5, &done);
	for (int i = 0; i < 200 && rc != 1; i++) {
		turn(0.005);
		rc = SSL_connect(ssl);
		if (rc != 1 && SSL_get_error(ssl, rc) != SSL_ERROR_WANT_READ)
			break;
	}
	ERR_clear_error();
	if (rc == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

START_TEST(weaker)
{
	static const struct way ways[] = {
		{ TLS1_2_VERSION, "PSK:@SECLEVEL=0", NULL, NULL },
		{ TLS1_2_VERSION, "ALL:@SECLEVEL=0", NULL, NULL },
		{ TLS1_2_VERSION, "eNULL:@SECLEVEL=0", NULL, NULL },
		{ TLS1_1_VERSION, "ALL:@SECLEVEL=0", NULL, NULL },
		{ TLS1_VERSION, "ALL:eNULL:@SECLEVEL=0", NULL, NULL },
		/* the key is for SHA-256 */
		{ TLS1_3_VERSION, NULL, "TLS_AES_256_GCM_SHA384", NULL },
		{ TLS1_3_VERSION, NULL, "TLS_AES_128_CCM_8_SHA256", NULL },
		{ TLS1_3_VERSION, NULL, "TLS_AES_128_GCM_SHA256", "P-521" },
	};
	SSL_CTX *ctx;
	int fd;

	start_fw2(keys, 1);
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		fd = call();
		ck_assert_msg(!talk(&ways[i], fd, &ctx, false), "way %u", i);
		SSL_CTX_free(ctx);
		turn(0.1);
		ck_assert_msg(is_closed(fd), "way %u", i);
		close(fd);
		ck_assert_uint_eq(refused(&fw2), i + 1);
	}
	ck_assert_uint_eq(count(&fw2, PEERSOCK_VERSION), 5);
	ck_assert_int_eq(fw2.ups, 0);
}
END_TEST

/* What is agreed on with somebody who takes anything. */
START_TEST(what_is_agreed_on)
{
	static const struct way any = { TLS1_3_VERSION, NULL, NULL, NULL };
	EVP_PKEY *theirs = NULL;
	SSL_CTX *ctx;
	char buf[64];
	SSL *ssl;
	int fd;

	start_fw2(keys, 1);
	fd = call();
	ssl = talk(&any, fd, &ctx, true);
	ck_assert_ptr_nonnull(ssl);
	turn(0.2);
	ck_assert_int_eq(fw2.ups, 1);
	ck_assert_int_eq(SSL_version(ssl), TLS1_3_VERSION);
	/* both for a key of SHA-256; it likes AES-256 best, which is not */
	if (strcmp(SSL_get_cipher_name(ssl), "TLS_AES_128_GCM_SHA256"))
		ck_assert_str_eq(SSL_get_cipher_name(ssl),
				 "TLS_CHACHA20_POLY1305_SHA256");
	/* a new exchange of keys: who learns the key later reads nothing of
	 * today */
	ck_assert(SSL_get_peer_tmp_key(ssl, &theirs));
	ck_assert_ptr_nonnull(theirs);
	EVP_PKEY_free(theirs);
	/* nothing that could be said twice */
	ck_assert_int_ne(SSL_get_early_data_status(ssl),
			 SSL_EARLY_DATA_ACCEPTED);
	ck_assert_str_eq(fw2.text, "");
	/* no ticket, and no certificate */
	(void)SSL_read(ssl, buf, sizeof(buf));
	ck_assert_int_eq(tickets, 0);
	ck_assert_ptr_null(SSL_get0_peer_certificate(ssl));
	ck_assert(SSL_session_reused(ssl));
	ERR_clear_error();
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { a_thousand,
				       slowly,
				       said_again_to_the_server,
				       said_again_to_the_client,
				       its_own_words,
				       weaker,
				       what_is_agreed_on };

	return run("peersock_hostile", tests, sizeof(tests) / sizeof(tests[0]));
}
