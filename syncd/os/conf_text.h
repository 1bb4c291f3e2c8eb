/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Places in the text of the configuration. Pure. Lines and columns count
 * from 1; a text ends with NUL.
 */
#ifndef STATESYNC_CONF_TEXT_H
#define STATESYNC_CONF_TEXT_H

#include <stdbool.h>

struct place {
	int line, col; /* 0: not known */
};

/* Where a line starts; NULL behind the last one. */
char *conf_text_line(char *text, int line);
int conf_text_last_line(const char *text);

/* This word on the line that starts here, outside strings; else NULL. */
char *conf_text_word(char *line, const char *word);

/* The value on its line: behind its key where that is on the same one. */
struct place conf_text_value(char *text, int line, const char *key,
			     const char *value);

/* Where the block began that ends on this line; title may be NULL. */
struct place conf_text_block(char *text, int end_line, const char *name,
			     const char *title);

/*
 * A block is still open at the end of the text: libConfuse takes the end of
 * the file for the end of every block.
 */
bool conf_text_is_open(char *text);

/* Blanks out all comments, which libConfuse 3.3 counts as several lines. */
void conf_text_uncomment(char *text);

/*
 * The first place behind `after` (NULL: of all) where libConfuse takes a text in
 * another way than it looks: a string that goes on on the next line without a \
 * before, or ${NAME}, which it replaces outside '...'. NULL: there is none. The
 * text has no comments.
 */
char *conf_text_trap(char *text, const char *after, bool *unclosed);

/* Line and column of s in its text. */
struct place conf_text_place(const char *text, const char *s);

/* Blanks out the statement that starts with this key: lines stay. */
void conf_text_blank(char *key);

#endif
