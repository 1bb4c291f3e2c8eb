// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Words that several screens and answers share. They say what they are given
 * and look at nothing.
 *
 * Invariant: a text that does not fit is cut, never left without its end.
 */
#include <stdio.h>
#include <string.h>

#include "report_words.h"

const char *report_refusal(enum carp_refusal why)
{
	switch (why) {
	case CARP_OK:
		return "accepted";
	case CARP_REFUSED_TTL:
		return "ttl: they came through a router";
	case CARP_REFUSED_SHORT:
		return "short: cut, or no CARP";
	case CARP_REFUSED_VERSION:
		return "version: not CARP 2; VRRP has the same protocol number";
	case CARP_REFUSED_CHECKSUM:
		return "checksum: damaged on the way";
	case CARP_REFUSED_VHID:
		return "vhid: of a number that is not used here";
	case CARP_REFUSED_AUTH:
		return "auth: another password or other addresses; or another "
		       "group has this vhid, then choose another one";
	case CARP_REFUSED_REPLAY:
		return "replay";
	case CARP_REFUSED_INTERFACE:
		return "interface: on one without this vhid";
	case CARP_REFUSED_SOURCE:
		return "source: of nobody who may send them";
	case CARP_REFUSED_LOOP:
		return "loop: our own came back";
	case CARP_REFUSAL_COUNT:
		break;
	}
	return "unknown";
}

int report_wider(int width, const char *text)
{
	int len = (int)strlen(text);

	return len > width ? len : width;
}

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
