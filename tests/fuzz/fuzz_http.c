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

static enum httpsock_end parse(const uint8_t *data, size_t len, char *path,
			       bool *body)
{
	char *copy = malloc(len ? len : 1);
	const char *found = NULL;
	enum httpsock_end end;

	assert(copy);
	memcpy(copy, data, len);
	end = httpsock_parse(copy, len, &found, body);
	assert(end <= HTTPSOCK_ENDS);
	*path = '\0';
	if (end == HTTPSOCK_OK) {
		assert(found >= copy && found + strlen(found) < copy + len);
		assert(*found == '/' && !strpbrk(found, "?#"));
		strcpy(path, found);
	}
	free(copy);
	return end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char whole[HTTPSOCK_HEAD_MAX + 1], first[HTTPSOCK_HEAD_MAX + 1];
	struct sockaddr_storage address;
	char text[64] = "";
	bool body, first_body;
	enum httpsock_end end, at_first = HTTPSOCK_ENDS;
	socklen_t len;

	memcpy(text, data, size < sizeof(text) ? size : sizeof(text) - 1);
	(void)httpsock_address(text, &address, &len);
	end = parse(data, size, whole, &body);
	for (size_t n = 0; n <= size && at_first == HTTPSOCK_ENDS; n++)
		at_first = parse(data, n, first, &first_body);
	assert(at_first == end);
	assert(end != HTTPSOCK_OK ||
	       (body == first_body && !strcmp(whole, first)));
	return 0;
}
