/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Results in, state out. No clock, no kernel, no log.
 *
 * Text: keepalived.conf(5), rise and fall of vrrp_script.
 *
 * Invariant: only what is down weighs anything.
 */
#include "track.h"

#include <stdio.h>

void track_init(struct track *t, const struct conf_track *conf, mono_t now)
{
	*t = (struct track){ .conf = conf, .since = now, .status = -1 };
}

/* How many results in a row it takes to leave the present state. */
static unsigned int needed(const struct track *t)
{
	unsigned int n = 1;

	if (t->conf->kind != CONF_TRACK_SCRIPT)
		return 1;
	switch (t->state) {
	case TRACK_UNKNOWN:
		break;
	case TRACK_UP:
		n = t->conf->fall;
		break;
	case TRACK_DOWN:
		n = t->conf->rise;
		break;
	}
	return n ? n : 1;
}

bool track_result(struct track *t, const char *why, mono_t now)
{
	enum track_state next = why && *why ? TRACK_DOWN : TRACK_UP;

	snprintf(t->why, sizeof(t->why), "%s", why ? why : "");
	if (next == t->state) {
		t->against = 0;
		return false;
	}
	if (++t->against < needed(t))
		return false;
	t->against = 0;
	t->state = next;
	t->since = now;
	return true;
}

int32_t track_weight(const struct track *t)
{
	return t->state == TRACK_DOWN ? t->conf->weight : 0;
}

const char *track_kind_name(enum conf_track_kind kind)
{
	switch (kind) {
	case CONF_TRACK_INTERFACE:
		return "interface";
	case CONF_TRACK_ROUTE:
		return "route";
	case CONF_TRACK_SCRIPT:
		return "script";
	case CONF_TRACK_PROCESS:
		return "process";
	case CONF_TRACK_FILE:
		return "file";
	}
	return "?";
}

const char *track_state_name(enum track_state state)
{
	switch (state) {
	case TRACK_UNKNOWN:
		return "unknown";
	case TRACK_UP:
		return "up";
	case TRACK_DOWN:
		return "down";
	}
	return "?";
}
