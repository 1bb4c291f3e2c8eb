// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The keys about what nodes compare. Whether a file is there is not looked at:
 * that it is missing is what is to be told.
 *
 * Invariant: each pattern is absolute, fits into a fact and stands once; they
 * are in the order of strcmp, so that the same ones are told alike.
 */
#include "conf_int.h"

#include <stdlib.h>
#include <string.h>

static void insert(struct parser *p, char **list, size_t *n, const char *value)
{
	size_t at = 0;
	char *copy;

	while (at < *n && strcmp(list[at], value) < 0)
		at++;
	if (at < *n && !strcmp(list[at], value)) {
		conf_mistake(p, p->at, "%s: \"%s\" stands twice; keep one",
			     p->key, value);
		return;
	}
	if (*n == CONF_DRIFT_MAX) {
		conf_mistake(p, p->at, "%s: more than %d; use patterns", p->key,
			     CONF_DRIFT_MAX);
		return;
	}
	copy = strdup(value);
	if (!copy) {
		p->no_memory = true;
		return;
	}
	memmove(list + at + 1, list + at, (*n - at) * sizeof(*list));
	list[at] = copy;
	(*n)++;
}

void conf_drift_files(struct parser *p, const char *value)
{
	struct conf_drift *d = &p->conf->drift;

	if (*value != '/')
		conf_mistake(p, p->at,
			     "files: \"%s\" is not an absolute path; \"/...\", "
			     "with * ? and [] as in a shell",
			     value);
	else if (strlen(value) >= FACT_NAME_MAX)
		conf_mistake(p, p->at,
			     "files: longer than %d bytes; choose a shorter "
			     "path",
			     FACT_NAME_MAX - 1);
	else
		insert(p, d->files, &d->num_files, value);
}

/* The length of the word at the beginning of value, if it is a kind. */
static size_t kind_len(const char *value)
{
	size_t len = strcspn(value, " ");

	for (unsigned k = 1; k < DRIFT_KINDS; k++) {
		const char *name = drift_kind_name((enum drift_kind)k);

		if (strlen(name) == len && !strncmp(value, name, len))
			return len;
	}
	return 0;
}

void conf_drift_ignore(struct parser *p, const char *value)
{
	struct conf_drift *d = &p->conf->drift;
	size_t len = kind_len(value);

	if (!len || value[len] != ' ' || !value[len + 1])
		conf_mistake(p, p->at,
			     "ignore: \"%s\" names no difference; a kind and a "
			     "name as statesync check shows them, perhaps with "
			     "* at the end: \"ruleset table ip docker*\"",
			     value);
	else
		insert(p, d->ignore, &d->num_ignore, value);
}

void conf_drift_period(struct parser *p, const char *value)
{
	conf_set_duration(p, value, 1000, 3600000, "1s to 1h",
			  &p->conf->drift.period_ms);
}

/* The key is the kind; but files are named by one of that name. */
void conf_drift_effect(struct parser *p, const char *value)
{
	bool files = !strcmp(p->key, "files-effect");

	for (unsigned k = 1; k < DRIFT_KINDS; k++) {
		const char *name = drift_kind_name((enum drift_kind)k);

		if (strcmp(name, files ? "files" : p->key))
			continue;
		for (unsigned e = 0; e < DRIFT_EFFECTS; e++)
			if (!strcmp(value,
				    drift_effect_name((enum drift_effect)e))) {
				p->conf->drift.effects[k] =
					(enum drift_effect)e;
				return;
			}
	}
	conf_mistake(p, p->at,
		     "%s \"%s\" is not known; warn, demote, block or ignore",
		     p->key, value);
}

void conf_drift_drop(struct conf_drift *d)
{
	for (size_t i = 0; i < d->num_files; i++)
		free(d->files[i]);
	for (size_t i = 0; i < d->num_ignore; i++)
		free(d->ignore[i]);
	d->num_files = d->num_ignore = 0;
}
