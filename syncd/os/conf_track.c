// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The blocks in track {} of a carp block: what is watched, and what its
 * failure weighs. It watches nothing itself.
 *
 * Implements the TRACK section of the manual.
 *
 * Invariant: a block is handed on when it ends, and the next one starts with
 * the defaults.
 */
#include "conf_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000

/* By enum conf_track_kind. */
static const char *const kinds[] = { "interface", "route", "script", "process",
				     "file" };

void conf_track_init(struct parser *p)
{
	free(p->track.command);
	p->track = (struct conf_track){
		.weight = 1,
		.interval_ms = 5000,
		.rise = 1,
		.fall = 1,
	};
}

void conf_track_weight(struct parser *p, const char *value)
{
	p->track.weight = (uint8_t)conf_set_number(p, value, 1, 254);
}

void conf_track_command(struct parser *p, const char *value)
{
	conf_set_command(p, value, &p->track.command);
}

void conf_track_interval(struct parser *p, const char *value)
{
	conf_set_duration(p, value, 100, DAY_MS, "100ms to 24h",
			  &p->track.interval_ms);
}

void conf_track_timeout(struct parser *p, const char *value)
{
	conf_set_duration(p, value, 100, DAY_MS, "100ms to 24h",
			  &p->track.timeout_ms);
}

void conf_track_rise(struct parser *p, const char *value)
{
	p->track.rise = (unsigned int)conf_set_number(p, value, 1, 100);
}

void conf_track_fall(struct parser *p, const char *value)
{
	p->track.fall = (unsigned int)conf_set_number(p, value, 1, 100);
}

static void check_title(struct parser *p, struct conf_track *t,
			const char *title)
{
	char name[IF_NAMESIZE];

	switch (t->kind) {
	case CONF_TRACK_INTERFACE:
		conf_set_interface(p, title, name);
		break;
	case CONF_TRACK_ROUTE:
		conf_set_network(p, title, &t->to);
		break;
	case CONF_TRACK_SCRIPT:
		conf_set_name(p, title, "script", t->name);
		break;
	case CONF_TRACK_PROCESS:
		if (!*title || strlen(title) >= sizeof(t->name) ||
		    strchr(title, '/'))
			conf_mistake(p, p->at,
				     "process \"%s\" cannot be the name of a "
				     "program; as shown by: ps -e -o comm",
				     title);
		break;
	case CONF_TRACK_FILE:
		if (*title != '/' || strlen(title) >= sizeof(t->name))
			conf_mistake(p, p->at,
				     "file \"%s\" is not an absolute path of "
				     "at most %zu bytes; \"/...\"",
				     title, sizeof(t->name) - 1);
		break;
	}
	snprintf(t->name, sizeof(t->name), "%s", title);
}

static void check_script(struct parser *p, struct conf_track *t)
{
	if (!t->command)
		conf_mistake(p, p->at,
			     "script \"%s\" has no command; add command = "
			     "\"...\"",
			     t->name);
	if (!t->timeout_ms)
		t->timeout_ms = t->interval_ms < 3000 ? t->interval_ms : 3000;
	if (t->timeout_ms > t->interval_ms)
		conf_mistake(p, p->at,
			     "script \"%s\": timeout (%lld ms) is longer than "
			     "interval (%lld ms); at most as long",
			     t->name, (long long)t->timeout_ms,
			     (long long)t->interval_ms);
}

void conf_track_closed(struct parser *p, const char *title)
{
	struct conf_carp *c = &p->carp.carp;
	struct conf_track *t = &p->track;
	struct conf_track *more =
		conf_grow(p, c->tracks, c->num_tracks, sizeof(*more));

	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i], p->key))
			t->kind = (enum conf_track_kind)i;
	check_title(p, t, title);
	if (t->kind == CONF_TRACK_SCRIPT)
		check_script(p, t);
	for (size_t i = 0; i < c->num_tracks && more; i++)
		if (more[i].kind == t->kind && !strcmp(more[i].name, t->name))
			conf_mistake(p, p->at,
				     "two blocks of %s \"%s\" in one track; "
				     "keep one",
				     p->key, title);
	if (more) {
		c->tracks = more;
		c->tracks[c->num_tracks++] = *t;
		t->command = NULL; /* now the vhost's */
	}
	conf_track_init(p);
}
