/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Colors of the screens, on a terminal only. They repeat what the words say.
 */
#ifndef STATESYNC_COLOR_H
#define STATESYNC_COLOR_H

#include <stdbool.h>

/*
 * "auto" (a terminal, and no NO_COLOR in the environment), "always", "never";
 * false for anything else. Without it: auto.
 */
bool color_set(const char *when);

/* Is standard output to be colored? */
bool color_wanted(void);

/* A line of a screen on standard output, with its newline. */
void color_line(const char *line);

#endif
