// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The paths of the link, for people and programs. Why one is down is
 * peersock's sentence; it is only handed on here.
 *
 * Invariant: a peer with one path takes no more of the screen than before
 * there were several.
 */
#include <inttypes.h>
#include <string.h>

#include "peersock_path.h"
#include "report.h"
#include "report_value.h"

const char *report_peer_address(const struct node *n, unsigned peer)
{
	struct peersock_path_info info;

	for (unsigned k = 0; k < peersock_paths(n->peersock, peer); k++) {
		peersock_path_info(n->peersock, peer, k, &info);
		if (info.state == PEERSOCK_PATH_USED)
			return info.theirs;
	}
	peersock_path_info(n->peersock, peer, 0, &info);
	return info.theirs;
}

static json_t *path_json(const struct peersock_path_info *info)
{
	char key[KEYFILE_FINGERPRINT_SIZE];
	json_t *o = json_object();
	bool down = info->state == PEERSOCK_PATH_DOWN;

	keyfile_fingerprint(info->key, key);
	put(o, "local", json_string(info->ours));
	put(o, "address", json_string(info->theirs));
	put(o, "state", json_string(peersock_path_state(info)));
	put(o, "silent_ms", down ? json_null() : json_integer(info->silent_ms));
	put(o, "key", down ? json_null() : json_string(key));
	put(o, "lost", json_integer((json_int_t)info->lost));
	put(o, "error", *info->error ? json_string(info->error) : json_null());
	return o;
}

json_t *report_paths_json(const struct node *n, unsigned peer)
{
	json_t *list = json_array();

	for (unsigned k = 0; k < peersock_paths(n->peersock, peer); k++) {
		struct peersock_path_info info;

		peersock_path_info(n->peersock, peer, k, &info);
		json_array_append_new(list, path_json(&info));
	}
	return list;
}

void report_paths(const struct node *n, FILE *out)
{
	const struct engine *e = n->engine;
	int width = report_width(n);
	bool first = true;

	for (unsigned i = 0; i < e->npeers; i++) {
		unsigned count = peersock_paths(n->peersock, i);

		for (unsigned k = 0; count > 1 && k < count; k++) {
			struct peersock_path_info info;
			char heard[32] = "-", key[KEYFILE_FINGERPRINT_SIZE];

			peersock_path_info(n->peersock, i, k, &info);
			keyfile_fingerprint(info.key, key);
			if (info.state != PEERSOCK_PATH_DOWN)
				snprintf(heard, sizeof(heard), "%.1f s",
					 info.silent_ms / 1e3);
			if (first)
				fprintf(out,
					"\n%-*s  STATE    TO               "
					"HEARD    LOST  KEY\n",
					width, "PATHS");
			first = false;
			fprintf(out,
				"%-*s  %-7s  %-15s  %-7s  %-4" PRIu64 "  %s\n",
				width, e->peers[i].name,
				peersock_path_state(&info), info.theirs, heard,
				info.lost,
				info.state == PEERSOCK_PATH_DOWN ? info.error
								 : key);
		}
	}
}

json_t *report_resume_json(const struct node *n, size_t peer)
{
	const struct engine_peer *p = &n->engine->peers[peer];
	const struct engine_resume *r = &p->resume;
	json_t *o = json_object();

	put(o, "told", number(r->told));
	put(o, "heard", number(r->heard));
	put(o, "sent_again", number(r->again));
	put(o, "given_up", number(r->dropped));
	put(o, "held_bytes", number(session_held(p->session)));
	put(o, "age_s",
	    r->told + r->heard ? seconds(mono_diff(n->last, r->at))
			       : json_null());
	return o;
}
