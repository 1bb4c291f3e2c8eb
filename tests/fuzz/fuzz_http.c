// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A request of HTTP as it grows, byte by byte; and addresses to listen on.
 *
 * Invariant: what is said of a request once it is complete is what is said of
 * it when it comes at once.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "httpsock.h"

struct said {
	char path[HTTPSOCK_HEAD_MAX + 1], host[HTTPSOCK_HEAD_MAX + 1];
	bool body;
};

static void keep(const char *copy, size_t len, const char *found, char *text)
{
	assert(found >= copy && found + strlen(found) < copy + len);
	strcpy(text, found);
}

static enum httpsock_end parse(const uint8_t *data, size_t len,
			       struct said *said)
{
	char *copy = malloc(len ? len : 1);
	struct httpsock_request r;
	enum httpsock_end end;

	assert(copy);
	memcpy(copy, data, len);
	end = httpsock_parse(copy, len, &r);
	assert(end <= HTTPSOCK_ENDS);
	if (end == HTTPSOCK_OK) {
		assert(*r.path == '/' && !strpbrk(r.path, "?#"));
		keep(copy, len, r.path, said->path);
		*said->host = '\0';
		if (*r.host)
			keep(copy, len, r.host, said->host);
		said->body = r.body;
		(void)httpsock_host_is(said->host, "fw1");
	}
	free(copy);
	return end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct said whole, first;
	struct sockaddr_storage address;
	char text[64] = "";
	enum httpsock_end end, at_first = HTTPSOCK_ENDS;
	socklen_t len;

	memcpy(text, data, size < sizeof(text) ? size : sizeof(text) - 1);
	(void)httpsock_address(text, &address, &len);
	end = parse(data, size, &whole);
	for (size_t n = 0; n <= size && at_first == HTTPSOCK_ENDS; n++)
		at_first = parse(data, n, &first);
	assert(at_first == end);
	assert(end != HTTPSOCK_OK ||
	       (whole.body == first.body && !strcmp(whole.path, first.path) &&
		!strcmp(whole.host, first.host)));
	return 0;
}
