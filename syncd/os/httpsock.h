/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A listener that answers GET and HEAD, for pages that anybody may look at.
 * What stands on them is not known here. HTTP/1.1 (RFC 9112), one answer a
 * connection.
 *
 * Limits: 16 clients, the others wait; 8 KiB of request, 256 KiB behind it; 10 s
 * from the first byte to the last. The program ignores SIGPIPE.
 */
#ifndef STATESYNC_HTTPSOCK_H
#define STATESYNC_HTTPSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define HTTPSOCK_CLIENTS_MAX 16
#define HTTPSOCK_HEAD_MAX    8192 /* bytes of a request */
#define HTTPSOCK_TIME_S	     10

struct event_base;
struct httpsock;

/* How requests ended, by the status that was sent. */
enum httpsock_end {
	HTTPSOCK_OK,	      /* 200 */
	HTTPSOCK_BAD,	      /* 400: not HTTP */
	HTTPSOCK_NOT_FOUND,   /* 404 */
	HTTPSOCK_METHOD,      /* 405: neither GET nor HEAD */
	HTTPSOCK_SLOW,	      /* 408: request or reading took too long */
	HTTPSOCK_MISDIRECTED, /* 421: asked for by another's name */
	HTTPSOCK_LARGE,	      /* 431: more than HTTPSOCK_HEAD_MAX */
	HTTPSOCK_UNAVAILABLE, /* 503: what was asked for is not so */
	HTTPSOCK_ENDS
};

struct httpsock_request {
	const char *path; /* begins with /, without a query */
	const char *host; /* whom it is for, "" where nobody is named */
	bool body;	  /* is wanted: GET */
};

struct httpsock_page {
	enum httpsock_end end; /* any but those of httpsock_parse */
	const char *type;      /* of the body */
	const char *headers;   /* further ones, each with \r\n; or NULL */
	char *body;	       /* malloced, taken over; NULL: short of memory */
	size_t len;
};

/* Fills a page that is zeroed. */
typedef void httpsock_handler_fn(void *arg, const struct httpsock_request *r,
				 struct httpsock_page *page);

/* "127.0.0.1:9788", "[::1]:9788". False: it is none, or has no port. */
bool httpsock_address(const char *text, struct sockaddr_storage *address,
		      socklen_t *len);

/* Listens there. 0 and *out, or -errno. */
int httpsock_new(struct event_base *base, const char *address,
		 httpsock_handler_fn *handler, void *arg, struct httpsock **out)
	__attribute__((warn_unused_result));
/* Closes all; NULL is fine. */
void httpsock_free(struct httpsock *hs);

/* How many ended so, since it was made; the code as text. */
uint64_t httpsock_count(const struct httpsock *hs, enum httpsock_end end);
const char *httpsock_code(enum httpsock_end end);

/*
 * Pure. The request whose head ends within these bytes: HTTPSOCK_OK with what
 * it says, cut out of them in place; another end: refused with it;
 * HTTPSOCK_ENDS: not yet complete.
 */
enum httpsock_end httpsock_parse(char *head, size_t len,
				 struct httpsock_request *r);

/* Pure. Whether a host, with or without a port, is an IP address, localhost,
 * this name or nobody: no name that somebody else's DNS has led here. */
bool httpsock_host_is(const char *host, const char *name);

#endif
