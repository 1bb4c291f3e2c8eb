// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The text of the configuration, looked at as words: it finds the column of
 * a value, the first line of a block, the end of a statement. It is not a
 * parser: that a text is right is for libConfuse to say.
 *
 * Implements the lexical part of libConfuse's syntax: words, "..." and '...',
 * comments from # or // to the end of the line and between the two of C.
 *
 * Invariant: nothing is found inside a string or a comment, and no pointer
 * passes the NUL that ends the text.
 */
#include "conf_text.h"

#include <ctype.h>
#include <string.h>

char *conf_text_line(char *text, int line)
{
	while (--line > 0) {
		text = strchr(text, '\n');
		if (!text)
			return NULL;
		text++;
	}
	return text;
}

int conf_text_last_line(const char *text)
{
	int line = 1;

	for (; *text; text++)
		line += *text == '\n' && text[1];
	return line;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_-./:", c));
}

static bool is_comment(const char *s)
{
	return *s == '#' || (*s == '/' && (s[1] == '/' || s[1] == '*'));
}

/* The end of a comment, of a string, a variable or a word that starts here. */
static char *skip_piece(char *s)
{
	char quote = *s, *end;

	if (*s == '/' && s[1] == '*') {
		end = strstr(s + 2, "*/");
		return end ? end + 2 : s + strlen(s);
	}
	if (is_comment(s))
		return s + strcspn(s, "\n");
	if (*s == '$' && s[1] == '{' && (end = strchr(s, '}')))
		return end + 1;
	if (quote == '"' || quote == '\'') {
		for (s++; *s && *s != quote; s++)
			if (*s == '\\' && s[1])
				s++;
		return *s ? s + 1 : s;
	}
	if (!is_word(*s))
		return *s ? s + 1 : s;
	while (is_word(*s) && !(*s == '/' && (s[1] == '/' || s[1] == '*')))
		s++;
	return s;
}

static char *skip_blanks(char *s)
{
	while (*s) {
		if (isspace((unsigned char)*s))
			s++;
		else if (is_comment(s))
			s = skip_piece(s);
		else
			break;
	}
	return s;
}

char *conf_text_word(char *s, const char *word)
{
	const size_t len = strlen(word);
	/* a string may go on behind it */
	const char *line_end = s ? s + strcspn(s, "\n") : NULL;

	while (s && s < line_end) {
		char *end = skip_piece(s);

		if ((size_t)(end - s) == len && !memcmp(s, word, len))
			return s;
		s = end;
	}
	return NULL;
}

struct place conf_text_value(char *text, int line, const char *key,
			     const char *value)
{
	struct place at = { .line = line };
	char *start = conf_text_line(text, line), *s, *end;

	if (!start)
		return at;
	s = conf_text_word(start, key);
	end = start + strcspn(start, "\n");
	if (s)
		at.col = (int)(s - start) + 1;
	s = *value ? strstr(s ? s + strlen(key) : start, value) : NULL;
	if (s && s < end) {
		if (s > start && (s[-1] == '"' || s[-1] == '\''))
			s--;
		at.col = (int)(s - start) + 1;
	}
	return at;
}

struct place conf_text_block(char *text, int end_line, const char *name,
			     const char *title)
{
	for (int line = end_line; line > 0; line--) {
		char *start = conf_text_line(text, line);
		char *s = conf_text_word(start, name), *brace;

		if (!s)
			continue;
		brace = s + strcspn(s, "{\n");
		s = title ? strstr(s, title) : s;
		if (s && s <= brace)
			return (struct place){ .line = line };
	}
	return (struct place){ .line = end_line };
}

/* The end of `{ ... }` or `( ... )`, which starts here. */
static char *skip_braces(char *s)
{
	int depth = 0;

	do {
		depth += (*s == '{' || *s == '(') - (*s == '}' || *s == ')');
		s = skip_blanks(skip_piece(s));
	} while (depth > 0 && *s);
	return s;
}

bool conf_text_is_open(char *s)
{
	int depth = 0;

	for (s = skip_blanks(s); *s; s = skip_blanks(skip_piece(s)))
		depth += (*s == '{') - (*s == '}');
	return depth != 0;
}

static void blank(char *s, const char *end)
{
	for (; s < end; s++)
		if (*s != '\n')
			*s = ' ';
}

void conf_text_uncomment(char *s)
{
	while (*s) {
		char *end = skip_piece(s);

		if (is_comment(s))
			blank(s, end);
		s = end;
	}
}

struct place conf_text_place(const char *text, const char *s)
{
	struct place at = { .line = 1, .col = 1 };

	for (; text < s; text++) {
		at.line += *text == '\n';
		at.col = *text == '\n' ? 1 : at.col + 1;
	}
	return at;
}

static bool is_variable(const char *s, const char *after)
{
	return *s == '$' && s[1] == '{' && (!after || s > after);
}

char *conf_text_trap(char *text, const char *after, bool *unclosed)
{
	*unclosed = false;
	for (char *s = text; *s; s = skip_piece(s)) {
		const char quote = *s;
		char *in = s + 1;

		if (is_variable(s, after))
			return s;
		if (quote != '"' && quote != '\'')
			continue;
		for (; *in && *in != '\n' && *in != quote; in++) {
			if (quote == '"' && is_variable(in, after))
				return in;
			in += *in == '\\' && in[1];
		}
		*unclosed = *in != quote;
		if (*unclosed)
			return s;
	}
	return NULL;
}

void conf_text_blank(char *start)
{
	char *s = skip_blanks(skip_piece(start));

	if (*s == '+')
		s++;
	if (*s == '=')
		s = skip_blanks(s + 1);
	if (*s == '{' || *s == '(') {
		s = skip_braces(s);
	} else {
		s = skip_blanks(skip_piece(s));
		if (*s == '{')
			s = skip_braces(s);
	}
	blank(start, s);
}
