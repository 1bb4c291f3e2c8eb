// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Words that several screens and answers share. They say what they are given
 * and look at nothing.
 *
 * Implements the rules for all screens of the operator's manual.
 *
 * Invariant: a text that does not fit is cut, never left without its end.
 */
#include <stdio.h>

#include "report.h"

const char *report_names(const struct engine *e, uint32_t set, char *text,
			 size_t size)
{
	size_t used = 0;
	uint32_t left;

	text[0] = '\0';
	for (size_t i = 0; i < e->nvhosts; i++)
		if (e->vhosts[i].gone)
			set &= ~(1U << i);
	left = set;
	for (size_t i = 0; i < e->nvhosts && used < size; i++) {
		if (!(set >> i & 1))
			continue;
		left &= ~(1U << i);
		used += (size_t)snprintf(text + used, size - used, "%s%s",
					 !used	? ""
					 : left ? ", "
						: " and ",
					 e->vhosts[i].name);
	}
	return text;
}
