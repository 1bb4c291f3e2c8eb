// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The link's sockets and their TLS. It is not the session: it neither frames
 * nor understands a byte, and it keeps nothing of a connection that is gone.
 *
 * Implements rules 13; TLS 1.3 with external keys is RFC 8446, 4.2.11.
 *
 * Invariant: a connection gets its peer's name, and its bytes reach data(),
 * only after a handshake that ended with SSL_session_reused(): the other
 * side has shown the key of the pair.
 */
#include "peersock.h"
#include "log.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define UNAUTHENTICATED_MAX 8
#define CONNECT_LIMIT_MS    2000
#define HANDSHAKE_LIMIT_MS  5000
#define RETRY_FIRST_MS	    200
#define RETRY_LAST_MS	    2000
#define REKEY_MS	    3600000
#define ACCEPT_PAUSE_MS	    100
#define SILENCE_LIMIT_MS    5000
#define LOW_MARK	    (64 * 1024)
#define SEND_BUFFER	    (512 * 1024)
#define QUEUE_DEFAULT	    (8 * 1024 * 1024)
#define LABEL_SIZE	    (INET6_ADDRSTRLEN + 9)

/* Both have SHA-256 as their hash, which a 256-bit external key needs. */
#define CIPHERS "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
static const uint8_t aes_128_gcm_sha256[2] = { 0x13, 0x01 };
static const uint8_t context_id[3] = { 's', 's', '1' };

enum conn_state { CONN_CONNECTING, CONN_HANDSHAKE, CONN_UP };

struct conn {
	struct peersock *ps;
	struct conn *next;
	struct peer *peer;    /* ours to dial, or once authenticated */
	struct peer *claimed; /* server: named by the identity, unproven */
	enum conn_state state;
	bool server;
	bool refused; /* server: the identity told `reason` */
	enum peersock_reason reason;
	int fd; /* -1 once the bufferevent has it */
	SSL *ssl;
	struct bufferevent *bev;
	struct event *connected; /* CONN_CONNECTING */
	struct event *timer;	 /* time limit, then key update */
	uint64_t records;	 /* written since the last key update */
	char identity[KEYFILE_IDENTITY_SIZE];
	char theirs[KEYFILE_ID_SIZE]; /* id of the key the client named */
	char label[LABEL_SIZE];
	struct sockaddr_storage from;
};

struct peer {
	struct peersock *ps;
	char name[KEYFILE_NAME_SIZE];
	char label[LABEL_SIZE];
	struct sockaddr_storage address;
	bool we_connect;
	struct conn *conn; /* up */
	struct event *retry;
	unsigned int retry_ms;
	unsigned int key; /* which one the next connection offers */
	time_t up_since;  /* monotonic, s */
	bool filled;	  /* queue went above LOW_MARK, drained() is owed */
	enum peersock_reason logged;
	char error[PEERSOCK_ERROR_SIZE];
};

struct peersock {
	struct event_base *base;
	struct peersock_ops ops;
	void *arg;
	SSL_CTX *ctx;
	char node[KEYFILE_NAME_SIZE];
	struct sockaddr_storage local;
	struct link_key keys[2];
	unsigned int num_keys;
	int priority;
	size_t max_queue;
	uint64_t rekey_records;
	uint64_t key_updates;
	int listen_fd;
	struct event *listener, *accept_pause;
	struct conn *conns; /* newest first */
	uint64_t counts[PEERSOCK_REASONS];
	unsigned int num_peers;
	struct peer peers[];
};

static const char *const reason_names[PEERSOCK_REASONS] = {
	[PEERSOCK_KEY] = "key",
	[PEERSOCK_NO_PSK] = "no-psk",
	[PEERSOCK_REFLECTION] = "reflection",
	[PEERSOCK_VERSION] = "version",
	[PEERSOCK_TIMEOUT] = "timeout",
	[PEERSOCK_PROTOCOL] = "protocol",
	[PEERSOCK_LIMIT] = "limit",
	[PEERSOCK_REFUSED] = "refused",
	[PEERSOCK_LOST] = "lost",
	[PEERSOCK_REPLACED] = "replaced",
	[PEERSOCK_CLOSED] = "closed",
};

const char *peersock_reason_name(enum peersock_reason reason)
{
	return reason_names[reason];
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void arm(struct event *ev, unsigned int ms)
{
	const struct timeval tv = { .tv_sec = ms / 1000,
				    .tv_usec = ms % 1000 * 1000 };

	event_add(ev, &tv);
}

static struct event *event_make(struct peersock *ps, int fd, short what,
				event_callback_fn fn, void *arg)
{
	struct event *ev = event_new(ps->base, fd, what, fn, arg);

	if (ev)
		event_priority_set(ev, ps->priority);
	return ev;
}

static void label_address(const struct sockaddr_storage *ss, bool with_port,
			  char out[LABEL_SIZE])
{
	char text[INET6_ADDRSTRLEN] = "?";
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	bool v6 = ss->ss_family == AF_INET6;

	memcpy(&in, ss, sizeof(in));
	memcpy(&in6, ss, sizeof(in6));
	if (v6)
		inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
	if (with_port)
		snprintf(out, LABEL_SIZE, v6 ? "[%s]:%u" : "%s:%u", text,
			 ntohs(v6 ? in6.sin6_port : in.sin_port));
	else
		snprintf(out, LABEL_SIZE, "%s", text);
}

static bool same_host(const struct sockaddr_storage *a,
		      const struct sockaddr_storage *b)
{
	char x[LABEL_SIZE], y[LABEL_SIZE];

	label_address(a, false, x);
	label_address(b, false, y);
	return !strcmp(x, y);
}

static socklen_t address_length(const struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					 : sizeof(struct sockaddr_in);
}

static struct peer *peer_by_host(struct peersock *ps,
				 const struct sockaddr_storage *from)
{
	for (unsigned int i = 0; i < ps->num_peers; i++)
		if (same_host(&ps->peers[i].address, from))
			return &ps->peers[i];
	return NULL;
}

static unsigned int peer_index(const struct peer *peer)
{
	return (unsigned int)(peer - peer->ps->peers);
}

/* --- what went wrong, in words ------------------------------------------ */

static const char *remedy(enum peersock_reason reason)
{
	switch (reason) {
	case PEERSOCK_KEY:
	case PEERSOCK_NO_PSK:
		return "no sync, this node would lose its connections. copy "
		       "link.key from one node to the other";
	case PEERSOCK_REFLECTION:
		return "no sync with it. each node needs a name of its own: "
		       "hostname; node = \"...\" in statesync.conf";
	case PEERSOCK_VERSION:
	case PEERSOCK_PROTOCOL:
	case PEERSOCK_LIMIT:
		return "no sync with it. who talks there: ss -tnp dport = "
		       ":3790 or sport = :3790";
	case PEERSOCK_TIMEOUT:
	case PEERSOCK_REFUSED:
		return "no sync until it is there. on that node: systemctl "
		       "status statesyncd";
	case PEERSOCK_LOST:
	case PEERSOCK_REPLACED:
	case PEERSOCK_CLOSED:
	case PEERSOCK_REASONS:
		break;
	}
	return "it is tried again. statesync history";
}

static int reason_level(enum peersock_reason reason)
{
	return reason <= PEERSOCK_VERSION ? LOG_ERR : LOG_WARNING;
}

/* A try that failed: counted, remembered for the peer, logged on change. */
__attribute__((format(printf, 3, 4))) static void note_failure(
	struct conn *c, enum peersock_reason reason, const char *fmt, ...)
{
	struct peer *peer = c->peer;
	char text[PEERSOCK_ERROR_SIZE - LABEL_SIZE - 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->ps->counts[reason]++;
	if (!peer)
		peer = peer_by_host(c->ps, &c->from);
	if (!peer) {
		log_msg(LOG_INFO, "link: %s: %s; refused. %s", c->label, text,
			remedy(reason));
		return;
	}
	if (!peer->conn)
		snprintf(peer->error, sizeof(peer->error), "%s: %s", c->label,
			 text);
	log_msg(peer->logged == reason ? LOG_DEBUG : reason_level(reason),
		"peer \"%s\" (%s): %s; %s", peer->name, c->label, text,
		remedy(reason));
	peer->logged = reason;
}

static void note_wrong_key(struct conn *c)
{
	char ours[2][KEYFILE_FINGERPRINT_SIZE] = { "", "" };
	char theirs[KEYFILE_FINGERPRINT_SIZE];

	for (unsigned int i = 0; i < c->ps->num_keys; i++)
		keyfile_fingerprint(c->ps->keys[i].id, ours[i]);
	keyfile_fingerprint(c->theirs, theirs);
	note_failure(c, PEERSOCK_KEY,
		     "it has another link key (ours: %s%s%s%s%s)", ours[0],
		     *ours[1] ? " and " : "", ours[1],
		     *c->theirs ? ", its: " : "", *c->theirs ? theirs : "");
}

/* An OpenSSL reason as one of ours; the alerts are RFC 8446, 6.2. */
static enum peersock_reason tls_reason(const struct conn *c, int code)
{
	switch (code) {
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

static enum peersock_reason handshake_failure(struct conn *c, short what)
{
	unsigned long err = bufferevent_get_openssl_error(c->bev);
	int sys = EVUTIL_SOCKET_ERROR();
	enum peersock_reason reason;

	ERR_clear_error();
	reason = c->refused ? c->reason : tls_reason(c, ERR_GET_REASON(err));
	if (reason == PEERSOCK_REFLECTION)
		note_failure(c, reason,
			     "it opens a connection under the name of another "
			     "pair (we are \"%s\")",
			     c->ps->node);
	else if (reason == PEERSOCK_KEY)
		note_wrong_key(c);
	else if (reason == PEERSOCK_NO_PSK)
		note_failure(c, reason, "it has not the key of this link");
	else if (reason == PEERSOCK_VERSION)
		note_failure(c, reason, "it speaks no TLS 1.3");
	else if (err)
		note_failure(c, reason,
			     "it does not speak this link's TLS (OpenSSL "
			     "reason %d)",
			     ERR_GET_REASON(err));
	else
		note_failure(c, reason, "it ended the handshake (%s)",
			     what & BEV_EVENT_EOF ? "closed" : log_errno(sys));
	return reason;
}

/* --- keys and identities ------------------------------------------------ */

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
	struct conn *c = SSL_get_app_data(ssl);
	const struct link_key *key = &c->ps->keys[c->peer->key];

	*session = NULL;
	if (md && !EVP_MD_is_a(md, "SHA256"))
		return 1;
	keyfile_identity_format(key->id, c->ps->node, c->peer->name,
				c->identity);
	*session = make_session(ssl, key);
	*id = (const unsigned char *)c->identity;
	*len = strlen(c->identity);
	return *session != NULL;
}

/* Who the identity says it is; NULL and c->reason when that cannot be. */
static struct peer *check_identity(struct conn *c,
				   const struct link_identity *who)
{
	struct peersock *ps = c->ps;

	c->reason = PEERSOCK_REFLECTION;
	if (strcmp(who->peer, ps->node))
		return NULL;
	for (unsigned int i = 0; i < ps->num_peers; i++)
		if (!ps->peers[i].we_connect &&
		    !strcmp(ps->peers[i].name, who->sender))
			return &ps->peers[i];
	return NULL;
}

/* Server: no session for an identity leads to a handshake that fails. */
static int find_key(SSL *ssl, const unsigned char *id, size_t len,
		    SSL_SESSION **session)
{
	struct conn *c = SSL_get_app_data(ssl);
	struct link_identity who;

	*session = NULL;
	c->refused = true;
	c->reason = PEERSOCK_NO_PSK;
	if (keyfile_identity_parse(id, len, &who))
		return 1;
	c->claimed = check_identity(c, &who);
	if (!c->claimed)
		return 1;
	c->reason = PEERSOCK_KEY;
	memcpy(c->theirs, who.key_id, sizeof(c->theirs));
	for (unsigned int i = 0; i < c->ps->num_keys; i++) {
		if (strcmp(c->ps->keys[i].id, who.key_id))
			continue;
		*session = make_session(ssl, &c->ps->keys[i]);
		c->refused = false;
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
	struct conn *c = arg;

	(void)version, (void)buf, (void)len, (void)ssl;
	if (written && type == SSL3_RT_HEADER)
		c->records++;
}

/* Refused by OpenSSL while a record is half written; then a later one does. */
static void update_key(struct conn *c)
{
	if (SSL_key_update(c->ssl, SSL_KEY_UPDATE_NOT_REQUESTED)) {
		c->records = 0;
		c->ps->key_updates++;
	} else {
		ERR_clear_error();
	}
}

/*
 * Bytes have left the queue: the moment between two records, which on a busy
 * link exists only inside libevent's loop of writes.
 */
static void on_taken(struct evbuffer *out, const struct evbuffer_cb_info *info,
		     void *arg)
{
	struct conn *c = arg;

	(void)out;
	if (info->n_deleted && c->records >= c->ps->rekey_records)
		update_key(c);
}

/* --- connections -------------------------------------------------------- */

static void conn_free(struct conn *c)
{
	struct conn **p = &c->ps->conns;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	if (c->peer && c->peer->conn == c)
		c->peer->conn = NULL;
	if (c->connected)
		event_free(c->connected);
	if (c->timer)
		event_free(c->timer);
	if (c->bev) {
		evbuffer_remove_cb(bufferevent_get_output(c->bev), on_taken, c);
		bufferevent_free(c->bev); /* frees ssl, closes the socket */
	} else {
		SSL_free(c->ssl);
	}
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

static void retry_later(struct peer *peer)
{
	arm(peer->retry, peer->retry_ms);
	peer->retry_ms *= 2;
	if (peer->retry_ms > RETRY_LAST_MS)
		peer->retry_ms = RETRY_LAST_MS;
}

/* A connection that never was up is over. */
static void conn_give_up(struct conn *c, enum peersock_reason reason)
{
	struct peer *peer = c->peer;
	unsigned int last = c->ps->num_keys - 1;
	bool key = reason == PEERSOCK_KEY || reason == PEERSOCK_NO_PSK;

	conn_free(c);
	if (!peer)
		return;
	if (key && peer->key < last) {
		peer->key++; /* once, at once, with the older key */
		arm(peer->retry, 0);
		return;
	}
	peer->key = 0;
	retry_later(peer);
}

/* An up connection is over: the owner is told, last of all. */
static void conn_down(struct conn *c, enum peersock_reason reason,
		      const char *why)
{
	struct peersock *ps = c->ps;
	struct peer *peer = c->peer;

	ps->counts[reason]++;
	if (reason != PEERSOCK_LOST) {
		SSL_shutdown(c->ssl);
		ERR_clear_error();
	}
	conn_free(c);
	snprintf(peer->error, sizeof(peer->error), "%s: %s", peer->label, why);
	if (seconds() - peer->up_since > RETRY_LAST_MS / 1000)
		peer->retry_ms = RETRY_FIRST_MS;
	if (peer->we_connect)
		retry_later(peer);
	if (ps->ops.down)
		ps->ops.down(ps->arg, peer_index(peer), reason, why);
}

static void conn_up(struct conn *c)
{
	struct peersock *ps = c->ps;
	struct peer *peer = c->server ? c->claimed : c->peer;

	if (peer->conn)
		conn_down(peer->conn, PEERSOCK_REPLACED,
			  "a newer connection of it has come");
	c->peer = peer;
	peer->conn = c;
	c->state = CONN_UP;
	peer->key = 0;
	peer->filled = false;
	peer->logged = PEERSOCK_REASONS;
	*peer->error = '\0';
	peer->up_since = seconds();
	arm(c->timer, REKEY_MS);
	evbuffer_add_cb(bufferevent_get_output(c->bev), on_taken, c);
	/* The end of the handshake has put its events back to the default. */
	bufferevent_priority_set(c->bev, ps->priority);
	bufferevent_setwatermark(c->bev, EV_WRITE, LOW_MARK, 0);
	if (ps->ops.up)
		ps->ops.up(ps->arg, peer_index(peer));
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;
	struct peersock *ps = c->ps;
	struct peer *peer = c->peer;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct evbuffer_iovec piece;

	if (c->state != CONN_UP)
		return;
	/* The owner may close or pause from within. */
	while (peer->conn == c && (bufferevent_get_enabled(bev) & EV_READ) &&
	       evbuffer_peek(in, LOW_MARK, NULL, &piece, 1) > 0) {
		size_t n = piece.iov_len < LOW_MARK ? piece.iov_len : LOW_MARK;

		if (ps->ops.data)
			ps->ops.data(ps->arg, peer_index(peer), piece.iov_base,
				     n);
		if (peer->conn == c)
			evbuffer_drain(in, n);
	}
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if (c->state != CONN_UP || !c->peer->filled)
		return;
	c->peer->filled = false;
	if (c->ps->ops.drained)
		c->ps->ops.drained(c->ps->arg, peer_index(c->peer));
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;
	int sys = EVUTIL_SOCKET_ERROR();

	(void)bev;
	if (what & BEV_EVENT_CONNECTED) {
		/* rules 13: a completed handshake alone proves nothing */
		if (SSL_session_reused(c->ssl) && (c->peer || c->claimed)) {
			conn_up(c);
			return;
		}
		note_failure(c, PEERSOCK_NO_PSK,
			     "it has not the key of this link");
		conn_give_up(c, PEERSOCK_NO_PSK);
	} else if (c->state == CONN_HANDSHAKE) {
		conn_give_up(c, handshake_failure(c, what));
	} else if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
		bool tls = bufferevent_get_openssl_error(c->bev);

		ERR_clear_error();
		conn_down(c, PEERSOCK_LOST,
			  what & BEV_EVENT_EOF ? "closed by it"
			  : tls		       ? "broken TLS"
					       : log_errno(sys));
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	if (c->state == CONN_UP) {
		update_key(c);
		arm(c->timer, REKEY_MS);
		return;
	}
	note_failure(c, PEERSOCK_TIMEOUT,
		     c->state == CONN_CONNECTING
			     ? "no answer"
			     : "no end of the handshake within 5 s");
	conn_give_up(c, PEERSOCK_TIMEOUT);
}

/* Socket options that only make it better: errors do not matter. */
static void tune_socket(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, SILENCE_LIMIT_MS },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 2 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 1 },
		{ SOL_SOCKET, SO_SNDBUF, SEND_BUFFER },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
				 &options[i].value, sizeof(int));
}

static struct conn *conn_new(struct peersock *ps, struct peer *peer, int fd,
			     const struct sockaddr_storage *from)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->ps = ps;
	c->peer = peer;
	c->server = !peer;
	c->fd = fd;
	c->from = *from;
	c->next = ps->conns;
	ps->conns = c;
	label_address(from, peer != NULL, c->label);
	c->timer = event_make(ps, -1, 0, on_timer, c);
	if (c->timer)
		return c;
	conn_free(c);
	return NULL;
}

/* TCP stands: on with TLS. -ENOMEM leaves the connection as it was. */
static int start_tls(struct conn *c)
{
	struct peersock *ps = c->ps;

	c->ssl = SSL_new(ps->ctx);
	if (!c->ssl)
		return -ENOMEM;
	SSL_set_app_data(c->ssl, c);
	SSL_set_msg_callback(c->ssl, count_records);
	SSL_set_msg_callback_arg(c->ssl, c);
	tune_socket(c->fd);
	c->bev = bufferevent_openssl_socket_new(
		ps->base, c->fd, c->ssl,
		c->server ? BUFFEREVENT_SSL_ACCEPTING
			  : BUFFEREVENT_SSL_CONNECTING,
		BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev)
		return -ENOMEM;
	c->fd = -1;
	c->state = CONN_HANDSHAKE;
	bufferevent_priority_set(c->bev, ps->priority);
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	arm(c->timer, HANDSHAKE_LIMIT_MS);
	return 0;
}

static void connect_failed(struct conn *c, int err)
{
	note_failure(c, PEERSOCK_REFUSED, "%s", log_errno(err));
	conn_give_up(c, PEERSOCK_REFUSED);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	socklen_t len = sizeof(int);
	int err = 0;

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (!err)
		err = -start_tls(c);
	if (err)
		connect_failed(c, err);
}

/* A socket of the local address, which need not exist yet; or -errno. */
static int local_socket(const struct sockaddr_storage *local, bool listening)
{
	const int on = 1;
	struct sockaddr_storage ss = *local;
	int fd = socket(ss.ss_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	if (listening)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	else if (ss.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&ss)->sin6_port = 0;
	else
		((struct sockaddr_in *)&ss)->sin_port = 0;
	if (bind(fd, (struct sockaddr *)&ss, address_length(&ss)) < 0 ||
	    (listening && listen(fd, UNAUTHENTICATED_MAX) < 0)) {
		err = errno;
		close(fd);
		return -err;
	}
	return fd;
}

static void on_retry(evutil_socket_t unused, short what, void *arg)
{
	struct peer *peer = arg;
	struct peersock *ps = peer->ps;
	const struct sockaddr_storage *to = &peer->address;
	struct conn *c;
	int fd = local_socket(&ps->local, false);

	(void)unused, (void)what;
	c = fd < 0 ? NULL : conn_new(ps, peer, fd, to);
	if (!c) {
		retry_later(peer);
		return;
	}
	c->connected = event_make(ps, fd, EV_WRITE, on_connected, c);
	if (!c->connected ||
	    (connect(fd, (const struct sockaddr *)to, address_length(to)) < 0 &&
	     errno != EINPROGRESS)) {
		connect_failed(c, c->connected ? errno : ENOMEM);
		return;
	}
	event_add(c->connected, NULL);
	arm(c->timer, CONNECT_LIMIT_MS);
}

/*
 * Room for one more stranger? A configured peer's address goes before all
 * others, so that a flood from elsewhere does not keep the peer out.
 */
static bool make_room(struct peersock *ps, const struct sockaddr_storage *from)
{
	struct conn *oldest = NULL;
	unsigned int n = 0;

	for (struct conn *c = ps->conns; c; c = c->next) {
		if (!c->server || c->state == CONN_UP)
			continue;
		n++;
		if (!peer_by_host(ps, &c->from))
			oldest = c;
	}
	if (n < UNAUTHENTICATED_MAX)
		return true;
	if (!oldest || !peer_by_host(ps, from))
		return false;
	note_failure(oldest, PEERSOCK_LIMIT, "more than %d connections at once",
		     UNAUTHENTICATED_MAX);
	conn_free(oldest);
	return true;
}

static void on_accept(evutil_socket_t listen_fd, short what, void *arg)
{
	struct peersock *ps = arg;
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	struct conn *c;
	int fd = accept4(listen_fd, (struct sockaddr *)&from, &len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS) {
			event_del(ps->listener);
			arm(ps->accept_pause, ACCEPT_PAUSE_MS);
		}
		return;
	}
	if (!make_room(ps, &from)) {
		struct conn stranger = { .ps = ps, .from = from };

		label_address(&from, false, stranger.label);
		note_failure(&stranger, PEERSOCK_LIMIT,
			     "more than %d connections at once",
			     UNAUTHENTICATED_MAX);
		close(fd);
		return;
	}
	c = conn_new(ps, NULL, fd, &from);
	if (c && start_tls(c) < 0)
		conn_free(c);
}

static void on_accept_pause(evutil_socket_t fd, short what, void *arg)
{
	struct peersock *ps = arg;

	(void)fd, (void)what;
	event_add(ps->listener, NULL);
}

/* --- for the owner ------------------------------------------------------ */

static int peer_init(struct peersock *ps, struct peer *peer,
		     const struct peersock_peer *conf)
{
	char label[LABEL_SIZE];

	peer->ps = ps;
	snprintf(peer->name, sizeof(peer->name), "%s", conf->name);
	peer->address = conf->address;
	label_address(&conf->address, true, label);
	memcpy(peer->label, label, sizeof(peer->label));
	peer->we_connect = strcmp(ps->node, peer->name) < 0;
	peer->retry_ms = RETRY_FIRST_MS;
	peer->logged = PEERSOCK_REASONS;
	snprintf(peer->error, sizeof(peer->error), "%s: not seen yet", label);
	peer->retry = event_make(ps, -1, 0, on_retry, peer);
	if (!peer->retry)
		return -ENOMEM;
	if (peer->we_connect)
		arm(peer->retry, 0);
	return 0;
}

static int start_listening(struct peersock *ps)
{
	bool wanted = false;

	for (unsigned int i = 0; i < ps->num_peers; i++)
		wanted |= !ps->peers[i].we_connect;
	if (!wanted)
		return 0;
	ps->listen_fd = local_socket(&ps->local, true);
	if (ps->listen_fd < 0)
		return ps->listen_fd;
	ps->listener = event_make(ps, ps->listen_fd, EV_READ | EV_PERSIST,
				  on_accept, ps);
	ps->accept_pause = event_make(ps, -1, 0, on_accept_pause, ps);
	if (!ps->listener || !ps->accept_pause)
		return -ENOMEM;
	return event_add(ps->listener, NULL) < 0 ? -ENOMEM : 0;
}

int peersock_new(struct event_base *base, const struct peersock_conf *conf,
		 const struct peersock_ops *ops, void *arg,
		 struct peersock **out)
{
	struct peersock *ps;
	int rc = 0;

	assert(conf->num_keys == 1 || conf->num_keys == 2);
	*out = NULL;
	ps = calloc(1, sizeof(*ps) + conf->num_peers * sizeof(ps->peers[0]));
	if (!ps)
		return -ENOMEM;
	ps->base = base;
	ps->ops = *ops;
	ps->arg = arg;
	snprintf(ps->node, sizeof(ps->node), "%s", conf->node);
	ps->local = conf->local;
	ps->num_keys = conf->num_keys;
	memcpy(ps->keys, conf->keys, conf->num_keys * sizeof(ps->keys[0]));
	ps->priority = conf->priority;
	ps->max_queue = conf->max_queue ? conf->max_queue : QUEUE_DEFAULT;
	ps->rekey_records =
		conf->rekey_records ? conf->rekey_records : 1ULL << 20;
	ps->listen_fd = -1;
	ps->num_peers = conf->num_peers;
	ps->ctx = make_context();
	if (!ps->ctx)
		rc = -EIO;
	for (unsigned int i = 0; !rc && i < ps->num_peers; i++)
		rc = peer_init(ps, &ps->peers[i], &conf->peers[i]);
	if (!rc)
		rc = start_listening(ps);
	if (rc) {
		peersock_free(ps);
		return rc;
	}
	*out = ps;
	return 0;
}

void peersock_free(struct peersock *ps)
{
	if (!ps)
		return;
	while (ps->conns) {
		if (ps->conns->state == CONN_UP)
			SSL_shutdown(ps->conns->ssl);
		ERR_clear_error();
		conn_free(ps->conns);
	}
	for (unsigned int i = 0; i < ps->num_peers; i++)
		if (ps->peers[i].retry)
			event_free(ps->peers[i].retry);
	if (ps->listener)
		event_free(ps->listener);
	if (ps->accept_pause)
		event_free(ps->accept_pause);
	if (ps->listen_fd >= 0)
		close(ps->listen_fd);
	SSL_CTX_free(ps->ctx);
	keyfile_wipe(&ps->keys[0]);
	keyfile_wipe(&ps->keys[1]);
	free(ps);
}

int peersock_send(struct peersock *ps, unsigned int index, const void *data,
		  size_t len)
{
	struct peer *peer = &ps->peers[index];
	size_t queued = peersock_pending(ps, index);

	if (!peer->conn)
		return -ENOTCONN;
	if (len > ps->max_queue || queued > ps->max_queue - len)
		return -ENOBUFS;
	if (bufferevent_write(peer->conn->bev, data, len) < 0)
		return -ENOBUFS;
	if (queued + len > LOW_MARK)
		peer->filled = true;
	return 0;
}

size_t peersock_pending(const struct peersock *ps, unsigned int peer)
{
	const struct conn *c = ps->peers[peer].conn;

	return c ? evbuffer_get_length(bufferevent_get_output(c->bev)) : 0;
}

bool peersock_is_up(const struct peersock *ps, unsigned int peer)
{
	return ps->peers[peer].conn != NULL;
}

void peersock_pause_reading(struct peersock *ps, unsigned int peer, bool pause)
{
	struct conn *c = ps->peers[peer].conn;

	if (!c)
		return;
	if (pause) {
		bufferevent_disable(c->bev, EV_READ);
		return;
	}
	bufferevent_enable(c->bev, EV_READ);
	/* What was read before the pause would wait for more to come. */
	if (evbuffer_get_length(bufferevent_get_input(c->bev)))
		bufferevent_trigger(c->bev, EV_READ,
				    BEV_OPT_DEFER_CALLBACKS |
					    BEV_TRIG_IGNORE_WATERMARKS);
}

void peersock_close(struct peersock *ps, unsigned int peer, const char *why)
{
	if (ps->peers[peer].conn)
		conn_down(ps->peers[peer].conn, PEERSOCK_CLOSED, why);
}

uint64_t peersock_count(const struct peersock *ps, enum peersock_reason r)
{
	return ps->counts[r];
}

const char *peersock_error(const struct peersock *ps, unsigned int peer)
{
	return ps->peers[peer].error;
}

uint64_t peersock_key_updates(const struct peersock *ps)
{
	return ps->key_updates;
}
