/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Text of others made harmless. Not its length, and not its meaning: what
 * turns letters round stays.
 *
 * Text: RFC 3629, 4.
 *
 * Invariant: what is left is valid UTF-8 without control characters.
 */
#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One character, or a byte that is none (0); its length, 0: it is cut. */
static size_t decode(const uint8_t *s, uint32_t *c)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;

	*c = *s < 0x80 ? *s : 0;
	if (*s < 0xc0 || *s > 0xf7)
		return 1;
	*c = *s & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			*c = 0;
			return s[i] ? i : 0;
		}
		*c = *c << 6 | (s[i] & 0x3f);
	}
	if (*c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff))
		*c = 0;
	return n;
}

static bool is_control(uint32_t c)
{
	return c < ' ' || (c >= 0x7f && c < 0xa0);
}

void text_clean(char *text)
{
	const char *in = text;
	char *out = text;
	uint32_t c;
	size_t n;

	for (; *in && (n = decode((const uint8_t *)in, &c)) > 0; in += n) {
		if (is_control(c)) {
			*out++ = '?';
			continue;
		}
		memmove(out, in, n);
		out += n;
	}
	*out = '\0';
}
