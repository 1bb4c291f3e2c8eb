// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What comes before anybody is known: the identity that a TLS client names.
 * And a key file. Invariant: what is taken is written as it was read.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "keyfile.h"

static void identity(const uint8_t *data, size_t size)
{
	char text[KEYFILE_IDENTITY_SIZE];
	struct link_identity id;

	if (keyfile_identity_parse(data, size, &id))
		return;
	keyfile_identity_format(id.key_id, id.sender, id.peer, text);
	assert(strlen(text) == size && !memcmp(text, data, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[KEYFILE_TEXT_SIZE];
	struct link_key key, again;

	identity(data, size);
	if (keyfile_parse((const char *)data, size, &key))
		return 0;
	keyfile_format(&key, text);
	assert(!keyfile_parse(text, strlen(text), &again));
	assert(!memcmp(key.secret, again.secret, sizeof(key.secret)) &&
	       !strcmp(key.id, again.id));
	return 0;
}
