// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Why there is no link, in words: counted, remembered for status, logged
 * once for each change of reason. It decides nothing.
 *
 * Implements the form of messages of the manual: what is; what follows; what
 * to do.
 *
 * Invariant: whoever is no peer costs a line of LOG_INFO and a number, and
 * never changes what is said of a peer.
 */
#include "log.h"
#include "peersock_calls.h"

#include <arpa/inet.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
	[PEERSOCK_LEFT] = "left",
};

const char *peersock_reason_name(enum peersock_reason reason)
{
	return reason_names[reason];
}

static void label(const struct sockaddr_storage *ss, const char *interface,
		  bool with_port, char out[PEERSOCK_LABEL_SIZE])
{
	char text[INET6_ADDRSTRLEN] = "?";
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	bool v6 = ss->ss_family == AF_INET6;
	const char *percent = *interface ? "%" : "";

	memcpy(&in, ss, sizeof(in));
	memcpy(&in6, ss, sizeof(in6));
	if (v6)
		inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
	if (with_port)
		snprintf(out, PEERSOCK_LABEL_SIZE,
			 v6 ? "[%s%s%s]:%u" : "%s%s%s:%u", text, percent,
			 interface, ntohs(v6 ? in6.sin6_port : in.sin_port));
	else
		snprintf(out, PEERSOCK_LABEL_SIZE, "%s%s%s", text, percent,
			 interface);
}

void peersock_label(const struct sockaddr_storage *ss, bool with_port,
		    char out[PEERSOCK_LABEL_SIZE])
{
	char interface[IF_NAMESIZE] = "";
	struct sockaddr_in6 in6;

	memcpy(&in6, ss, sizeof(in6));
	if (ss->ss_family == AF_INET6 && in6.sin6_scope_id &&
	    !if_indextoname(in6.sin6_scope_id, interface))
		*interface = '\0';
	label(ss, interface, with_port, out);
}

void peersock_end_label(const struct peersock_end *end, bool with_port,
			char out[PEERSOCK_LABEL_SIZE])
{
	label(&end->address, end->interface, with_port, out);
}

struct path *peersock_path_at(struct peersock *ps,
			      const struct sockaddr_storage *from)
{
	char host[PEERSOCK_LABEL_SIZE];

	peersock_label(from, false, host);
	for (unsigned int i = 0; i < ps->num_peers; i++)
		for (unsigned int k = 0; k < ps->peers[i].num_paths; k++)
			if (!strcmp(ps->peers[i].paths[k].theirs, host))
				return &ps->peers[i].paths[k];
	return NULL;
}

static const char *remedy(enum peersock_reason reason)
{
	switch (reason) {
	case PEERSOCK_KEY:
	case PEERSOCK_NO_PSK:
		return "no sync, this node would lose its connections. copy "
		       "link.key from one node to the other";
	case PEERSOCK_REFLECTION:
		return "no sync with it. each node needs a name and addresses "
		       "of its own: node, and address in link, of "
		       "statesync.conf";
	case PEERSOCK_VERSION:
	case PEERSOCK_PROTOCOL:
	case PEERSOCK_LIMIT:
		return "no sync with it. who talks there: ss -tnp dport = "
		       ":3790 or sport = :3790";
	case PEERSOCK_TIMEOUT:
	case PEERSOCK_REFUSED:
		return "no sync until it is there, by the name that it has "
		       "here. on that node: systemctl status statesyncd";
	case PEERSOCK_LOST:
	case PEERSOCK_REPLACED:
	case PEERSOCK_CLOSED:
	case PEERSOCK_LEFT:
	case PEERSOCK_REASONS:
		break;
	}
	return "it is tried again. statesync history";
}

static int reason_level(enum peersock_reason reason)
{
	return reason <= PEERSOCK_VERSION ? LOG_ERR : LOG_WARNING;
}

void peersock_note(struct conn *c, enum peersock_reason reason, const char *fmt,
		   ...)
{
	struct path *path = c->path;
	char text[PEERSOCK_ERROR_SIZE - PEERSOCK_LABEL_SIZE - 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->ps->counts[reason]++;
	if (!path)
		path = peersock_path_at(c->ps, &c->from);
	if (!path) {
		log_msg(LOG_INFO, "link: %s: %s; refused. %s", c->label, text,
			remedy(reason));
		return;
	}
	if (!path->conn)
		snprintf(path->error, sizeof(path->error), "%s: %s", c->label,
			 text);
	log_msg(path->logged == reason ? LOG_DEBUG : reason_level(reason),
		"peer \"%s\" (%s): %s; %s", path->peer->name, c->label, text,
		remedy(reason));
	path->logged = reason;
}

static void note_wrong_key(struct conn *c)
{
	char ours[2][KEYFILE_FINGERPRINT_SIZE] = { "", "" };
	char theirs[KEYFILE_FINGERPRINT_SIZE];
	const struct peertls_peer *peer = &c->ps->tls.peers[c->tls.peer];

	for (unsigned int i = 0; i < peer->num_keys; i++)
		keyfile_fingerprint(peer->keys[i].id, ours[i]);
	keyfile_fingerprint(c->tls.theirs, theirs);
	peersock_note(
		c, PEERSOCK_KEY, "it has another link key (ours: %s%s%s%s%s)",
		ours[0], *ours[1] ? " and " : "", ours[1],
		*c->tls.theirs ? ", its: " : "", *c->tls.theirs ? theirs : "");
}

enum peersock_reason peersock_note_handshake(struct conn *c, short what)
{
	unsigned long err = bufferevent_get_openssl_error(c->bev);
	int sys = EVUTIL_SOCKET_ERROR();
	enum peersock_reason reason;

	ERR_clear_error();
	reason = peertls_failure(&c->tls, err);
	if (reason == PEERSOCK_REFLECTION)
		peersock_note(c, reason,
			      "it opens a connection under the name of another "
			      "pair (we are \"%s\")",
			      c->ps->tls.node);
	else if (reason == PEERSOCK_KEY)
		note_wrong_key(c);
	else if (reason == PEERSOCK_NO_PSK)
		peersock_note(c, reason, "it has not the key of this link");
	else if (reason == PEERSOCK_VERSION)
		peersock_note(c, reason, "it speaks no TLS 1.3");
	else if (err)
		peersock_note(c, reason,
			      "it does not speak this link's TLS (OpenSSL "
			      "reason %d)",
			      ERR_GET_REASON(err));
	else
		peersock_note(c, reason, "it ended the handshake (%s)",
			      what & BEV_EVENT_EOF ? "closed" : log_errno(sys));
	return reason;
}
