// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The verdict as JSON, so that a page, a check and a pager say the sentence of
 * the screen. The words are report_verdict()'s.
 *
 * Invariant: "title" fits into the tab of a browser and begins with OK or !!.
 */
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "report_value.h"

/* What is wrong, without who this node is and without what follows of it. */
static json_t *title(const struct node *n, bool good, const char *sentence)
{
	const char *from = strstr(sentence, ". ");

	if (good)
		return json_sprintf("OK %s", n->engine->node);
	from = from ? from + 2 : sentence;
	return json_sprintf("!! %s %.*s", n->engine->node,
			    (int)strcspn(from, ":."), from);
}

json_t *report_verdict_json(struct node *n)
{
	json_t *o = json_object(), *more = json_array();
	char *text = NULL, *line, *rest;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool good;

	if (!out)
		return json_null();
	good = report_verdict(n, out);
	fclose(out);
	line = strtok_r(text, "\n", &rest);
	put(o, "good", json_boolean(good));
	put(o, "title", title(n, good, line ? line : ""));
	put(o, "sentence", json_string(line ? line : ""));
	while ((line = strtok_r(NULL, "\n", &rest)))
		json_array_append_new(more,
				      json_string(line + strspn(line, " ")));
	put(o, "more", more);
	free(text);
	return o;
}
