/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A place in a file as a person sees it: its line, and what is meant
 * underlined. It knows neither of the two languages, only what a word of
 * either looks like.
 *
 * Implements the form of compilers' messages.
 *
 * Invariant: ^ stands under its character, whatever tabs and UTF-8 are before
 * it; no control character goes to the terminal.
 */
#include "conf_errors.h"

#include <ctype.h>
#include <string.h>

#include "text.h"

#define INDENT "    "
#define WIDTH  72 /* bytes of the line; of a longer one, those around */
#define BEFORE 48

/* Not the first byte of a character of UTF-8. */
static bool is_inner(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 ||
	       (c && strchr("_-./:&|$", c));
}

/* Of the word or string that begins here; a brace is one. */
static size_t word_len(const char *s, size_t left)
{
	const char *end = left && (*s == '"' || *s == '\'')
				  ? memchr(s + 1, *s, left - 1)
				  : NULL;
	size_t n = 0;

	if (end)
		return (size_t)(end - s) + 1;
	while (n < left && is_word(s[n]))
		n++;
	return n ? n : 1;
}

void conf_errors_plain(char *sentence)
{
	text_clean(sentence);
}

static char *put(char *out, const char *s, size_t len)
{
	memcpy(out, s, len);
	return out + len;
}

void conf_errors_show(const char *text, size_t len, int line, int col,
		      bool whole, char shown[CONF_SHOWN_SIZE])
{
	const char *end = text + len, *start = text, *at, *from, *to;
	char *out = shown;
	size_t word;

	*shown = '\0';
	while (--line > 0 && start) {
		start = memchr(start, '\n', (size_t)(end - start));
		start += start != NULL;
	}
	if (!start || col < 1)
		return;
	to = memchr(start, '\n', (size_t)(end - start));
	if (to)
		end = to;
	if (col - 1 > end - start) /* its end is a place, too */
		return;
	at = start + col - 1;
	word = word_len(at, (size_t)(end - at));
	from = at - start > BEFORE ? at - BEFORE : start;
	while (from < at && is_inner(*from))
		from++;
	to = whole || (size_t)(end - at) < word ? end : at + word;
	if (to - from > WIDTH)
		to = from + WIDTH;
	while (to > at && to < end && is_inner(*to))
		to--;

	out = put(out, INDENT, strlen(INDENT));
	for (const char *s = from; s < to; s++)
		*out++ = (char)(*s != '\t' && iscntrl((unsigned char)*s) ? '?'
									 : *s);
	out = put(out, "\n" INDENT, strlen("\n" INDENT));
	for (const char *s = from; s < at; s++)
		if (!is_inner(*s))
			*out++ = (char)(*s == '\t' ? '\t' : ' ');
	*out++ = '^';
	for (const char *s = at + 1; s < at + word && s < to; s++)
		if (!is_inner(*s))
			*out++ = '^';
	*out = '\0';
}
