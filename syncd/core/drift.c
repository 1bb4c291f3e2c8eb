/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two lists of facts, compared name by name. It judges no value but one: of
 * two table sizes the smaller one is the one that bites.
 *
 * Invariant: what one side could not find out is never a difference.
 */
#include "drift.h"

#include <stdlib.h>
#include <string.h>

const char *drift_kind_name(enum drift_kind kind)
{
	static const char *const names[DRIFT_KINDS] = {
		[DRIFT_VERSION] = "version",
		[DRIFT_RULESET] = "ruleset",
		[DRIFT_SYSCTLS] = "sysctls",
		[DRIFT_TABLE] = "table-size",
		[DRIFT_HELPERS] = "helpers",
		[DRIFT_LABELS] = "labels",
		[DRIFT_INTERFACES] = "interfaces",
		[DRIFT_ADDRESSES] = "addresses",
		[DRIFT_CARP] = "carp",
		[DRIFT_FILES] = "files",
	};

	return names[kind];
}

const char *drift_effect_name(enum drift_effect effect)
{
	static const char *const names[DRIFT_EFFECTS] = {
		[DRIFT_WARN] = "warn",
		[DRIFT_DEMOTE] = "demote",
		[DRIFT_BLOCK] = "block",
		[DRIFT_IGNORE] = "ignore",
	};

	return names[effect];
}

static int in_order(const void *a, const void *b)
{
	const struct fact *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return strcmp(x->name, y->name);
}

void drift_sort(struct fact *list, size_t n)
{
	if (n)
		qsort(list, n, sizeof(*list), in_order);
}

/* --- one fact ---------------------------------------------------------------- */

struct compare {
	const struct drift_names *names;
	drift_each *each;
	void *arg;
};

/* Two digests of a table, the second one without names of interfaces and numbers
 * of zones: it counts where the peer has others by right. */
static bool same_rules(const struct compare *c, const char *ours,
		       const char *theirs)
{
	const char *second = strchr(ours, ' '), *other = strchr(theirs, ' ');

	return (c->names->n || c->names->zones) && second && other &&
	       !strcmp(second, other);
}

static bool same(const struct compare *c, const struct fact *ours,
		 const struct fact *theirs)
{
	if (strcmp(ours->value, theirs->value) == 0)
		return true;
	if (ours->kind == DRIFT_RULESET)
		return same_rules(c, ours->value, theirs->value);
	for (size_t i = 0; ours->kind == DRIFT_INTERFACES && i < c->names->n;
	     i++)
		if (!strcmp(c->names->interfaces[i].ours, ours->value) &&
		    !strcmp(c->names->interfaces[i].theirs, theirs->value))
			return true;
	return false;
}

/* Numbers without a sign and without zeroes in front. */
static bool less(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);

	return la != lb ? la < lb : strcmp(a, b) < 0;
}

static bool bites(enum drift_kind kind, const struct fact *ours,
		  const struct fact *theirs)
{
	if (kind == DRIFT_TABLE && ours && theirs)
		return less(ours->value, theirs->value);
	if (kind == DRIFT_HELPERS)
		return !ours;
	return true;
}

static void look(const struct compare *c, enum drift_kind kind,
		 const struct fact *ours, const struct fact *theirs)
{
	struct drift_difference d = { .kind = kind,
				      .ours = ours,
				      .theirs = theirs };

	d.unknown = (ours && !*ours->value) || (theirs && !*theirs->value);
	if (ours && theirs && !d.unknown && same(c, ours, theirs))
		return;
	d.bites = !d.unknown && bites(kind, ours, theirs);
	c->each(c->arg, &d);
}

/* --- a kind, and all of them --------------------------------------------------- */

struct part {
	const struct fact *list;
	size_t n;
};

static struct part part_of(const struct fact *list, size_t n, uint32_t kind)
{
	struct part p = { list, 0 };

	while (n && p.list->kind < kind) {
		p.list++;
		n--;
	}
	while (p.n < n && p.list[p.n].kind == kind)
		p.n++;
	return p;
}

static void compare_kind(const struct compare *c, enum drift_kind kind,
			 struct part ours, struct part theirs)
{
	size_t i = 1, k = 1;

	if (!ours.n || !theirs.n || *ours.list->name || *theirs.list->name)
		return;
	look(c, kind, &ours.list[0], &theirs.list[0]);
	if (!*ours.list->value || !*theirs.list->value)
		return;
	while (i < ours.n || k < theirs.n) {
		int order = i == ours.n	    ? 1
			    : k == theirs.n ? -1
					    : strcmp(ours.list[i].name,
						     theirs.list[k].name);

		look(c, kind, order <= 0 ? &ours.list[i] : NULL,
		     order >= 0 ? &theirs.list[k] : NULL);
		i += order <= 0;
		k += order >= 0;
	}
}

void drift_compare(const struct fact *ours, size_t nours,
		   const struct fact *theirs, size_t ntheirs,
		   const struct drift_names *names, drift_each *each, void *arg)
{
	const struct compare c = { names, each, arg };

	for (uint32_t kind = 1; kind < DRIFT_KINDS; kind++)
		compare_kind(&c, (enum drift_kind)kind,
			     part_of(ours, nours, kind),
			     part_of(theirs, ntheirs, kind));
}
