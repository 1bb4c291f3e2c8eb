/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Scripts that are tracked: run by the helper, one after the other. What a
 * result does is node_track's.
 *
 * Implements keepalived.conf(5), track_script.
 *
 * Invariant: a script is never started while it runs.
 */
#include "exec.h"
#include "log.h"
#include "node_track_int.h"

#include <stdio.h>

static void script_next(struct track_item *it)
{
	int64_t took = mono_diff(it->node->last, it->started);

	track_item_arm(it, it->track.conf->interval_ms * MONO_MS - took);
}

static void on_script(const struct exec_event *ev, void *arg)
{
	struct track_item *it = arg;
	char words[64], why[TRACK_WHY_MAX];

	if (ev->how == EXEC_LINE) {
		log_msg(LOG_INFO, "script \"%s\": %s", it->track.conf->name,
			ev->text);
		snprintf(it->line, sizeof(it->line), "%s", ev->text);
		return;
	}
	it->track.status = ev->how == EXEC_EXITED ? ev->status : -1;
	snprintf(why, sizeof(why), "%s%s%s",
		 exec_words(ev, words, sizeof(words)), *it->line ? ", " : "",
		 it->line);
	track_item_result(it,
			  ev->how == EXEC_EXITED && !ev->status ? NULL : why);
	script_next(it);
}

void track_script_run(struct track_item *it)
{
	const struct conf_track *c = it->track.conf;
	char why[96];
	int err;

	it->started = it->node->last;
	it->line[0] = '\0';
	err = exec_run(it->node->exec, EXEC_CHECK, c->command, c->timeout_ms,
		       on_script, it);
	if (!err)
		return;
	snprintf(why, sizeof(why), "not run: %s",
		 err == EXEC_GONE ? "the helper is gone" : log_errno(-err));
	track_item_result(it, why);
	script_next(it);
}
