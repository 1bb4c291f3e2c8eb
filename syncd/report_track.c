/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is tracked, and the routes and rules of the master, for people and for
 * programs. Invariant: as report_json.c, keys are promises.
 */
#include "report.h"
#include "report_value.h"

#include "log.h"
#include "track.h"
#include "vroute.h"

json_t *report_track_json(struct node *n, unsigned vhost)
{
	const struct conf_carp *c = n->vhosts[vhost].conf;
	json_t *list = json_array();

	for (size_t i = 0; i < c->num_tracks; i++) {
		const struct track *t = node_track_get(n, vhost, i);
		json_t *o = json_object();

		put(o, "kind", json_string(track_kind_name(t->conf->kind)));
		put(o, "name", json_string(t->conf->name));
		put(o, "state", json_string(track_state_name(t->state)));
		put(o, "weight", json_integer(t->conf->weight));
		put(o, "since_s", seconds(mono_diff(n->last, t->since)));
		put(o, "exit_status",
		    t->status < 0 ? json_null() : json_integer(t->status));
		put(o, "why", *t->why ? json_string(t->why) : json_null());
		json_array_append_new(list, o);
	}
	return list;
}

json_t *report_policy_json(struct node *n, unsigned vhost)
{
	const struct conf_carp *c = n->vhosts[vhost].conf;
	json_t *list = json_array();

	for (size_t i = 0; i < c->num_routes + c->num_rules; i++) {
		int err = node_routes_error(n, vhost, i);
		char text[CONF_NAME_SIZE + 16];
		json_t *o = json_object();

		if (i < c->num_routes)
			vroute_text(&c->routes[i], text, sizeof(text));
		else
			snprintf(text, sizeof(text), "rule %s",
				 c->rules[i - c->num_routes].name);
		put(o, "name", json_string(text));
		put(o, "error",
		    err == 0  ? json_null()
		    : err > 0 ? json_string("taken")
			      : json_string(log_errno(-err)));
		json_array_append_new(list, o);
	}
	return list;
}

void report_track(struct node *n, FILE *out)
{
	for (unsigned i = 0; i < n->nvhosts; i++)
		for (size_t k = 0; k < n->vhosts[i].conf->num_tracks; k++) {
			const struct track *t = node_track_get(n, i, k);
			char since[32];

			if (t->state != TRACK_DOWN)
				continue;
			fprintf(out,
				"%-*s  %s \"%s\" is down since %s, demotion "
				"+%u: %s\n",
				report_width(n), n->vhosts[i].name,
				track_kind_name(t->conf->kind), t->conf->name,
				report_duration(mono_diff(n->last, t->since),
						since, sizeof(since)),
				t->conf->weight, t->why);
		}
}
