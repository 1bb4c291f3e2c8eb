// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The words of a verdict in color. What they mean is the daemon's to say: here
 * is a list of words, and nothing is known only by its color.
 *
 * Implements ENVIRONMENT of statesync(8) and no-color.org.
 *
 * Invariant: without the escape sequences the line is what the daemon said.
 */
#include "statesync_color.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define RED    "\033[1;31m"
#define BOLD   "\033[1m"
#define PLAIN  "\033[0m"

static enum { AUTO, ALWAYS, NEVER } when_colored = AUTO;

static const struct {
	const char *words, *color;
} marks[] = {
	{ "TWO MASTERS", RED },
	{ "NOT IN SYNC", RED },
	{ "NOT READY", RED },
	{ "NOT EQUAL", RED },
	{ "FAILED", RED },
	{ "ALONE", RED },
	{ "BLOCKS", RED },
	{ "WARNS", YELLOW },
	{ "NOT PROVEN", YELLOW },
	{ "may not take over", YELLOW },
	{ "holding:", YELLOW },
	{ "hold:", YELLOW },
	{ "in maintenance", YELLOW },
	{ "in sync and may take over now", GREEN },
	{ "nothing here would bite", GREEN },
	{ "EQUAL.", GREEN },
	{ "PASSED", GREEN },
	{ "MASTER", BOLD },
};
#define MARKS (sizeof(marks) / sizeof(marks[0]))

bool color_set(const char *when)
{
	static const char *const words[] = { "auto", "always", "never" };

	for (int i = 0; i < 3; i++)
		if (!strcmp(when, words[i])) {
			when_colored = i;
			return true;
		}
	return false;
}

bool color_wanted(void)
{
	const char *no = getenv("NO_COLOR");

	return when_colored == ALWAYS ||
	       (when_colored == AUTO && isatty(STDOUT_FILENO) && !(no && *no));
}

/* The mark that is nearest in the line, and where. */
static const char *next_mark(const char *line, size_t *mark)
{
	const char *first = NULL;

	for (size_t i = 0; i < MARKS; i++) {
		const char *at = strstr(line, marks[i].words);

		if (at && (!first || at < first)) {
			first = at;
			*mark = i;
		}
	}
	return first;
}

void color_line(const char *line)
{
	const char *at;
	size_t mark = 0;

	while (color_wanted() && (at = next_mark(line, &mark))) {
		printf("%.*s%s%s" PLAIN, (int)(at - line), line,
		       marks[mark].color, marks[mark].words);
		line = at + strlen(marks[mark].words);
	}
	puts(line);
}
