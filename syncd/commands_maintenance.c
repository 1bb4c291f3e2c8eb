// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The command maintenance: somebody works on this node. It is demoted until
 * he is done, across restarts, and hands over what it is master of as soon as
 * a peer can take it. What a demotion does is the election's business.
 *
 * Implements rules 1 (maintenance 64) and 12 (a handover, not a takeover).
 *
 * Invariant: the file in state-dir says what n->maintenance says.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "log.h"
#include "node.h"
#include "report.h"
#include "statefile.h"
#include "statsock_who.h"

#define FILE_NAME "maintenance"
/*
 * A handover that failed is tried again; and only then is a master demoted: a
 * peer that does not know yet that the link is cut does not hold, and would
 * take over from a demoted one.
 */
#define AGAIN_NS (5 * MONO_S)

void commands_maintenance_open(struct node *n)
{
	struct node_maintenance *m = &n->maintenance;
	int len = statefile_read(n->conf->state_dir, FILE_NAME, m->since,
				 sizeof(m->since));

	if (len == -ENOENT)
		return;
	/* rather demoted by mistake than master in the hands of somebody */
	if (len < 0)
		log_msg(LOG_ERR,
			"%s/%s: %s; taken for maintenance. statesync "
			"maintenance off",
			n->conf->state_dir, FILE_NAME, log_errno(-len));
	m->since[strcspn(m->since, "\n")] = '\0';
	m->on = true;
	engine_maintenance(n->engine, true, node_now(n));
	log_msg(LOG_NOTICE,
		"in maintenance %s: demotion %d until: statesync maintenance "
		"off",
		m->since, DEMOTION_MAINTAINED);
}

static void forget(void *arg, struct stats_client *c)
{
	struct node *n = arg;

	(void)c;
	n->maintenance.client = NULL;
}

/* --- on ------------------------------------------------------------------- */

/* Nobody can have it now. It goes over as soon as somebody can. */
static void answer_refused(struct node *n, struct stats_client *c,
			   const char *why)
{
	char sentence[ENGINE_TEXT_MAX + 160], names[128];

	snprintf(sentence, sizeof(sentence),
		 "maintenance is on, but %s is still MASTER of %s: %s. It "
		 "hands over as soon as it can: statesync wait backup",
		 n->engine->node,
		 report_names(n->engine, n->engine->master_set, names,
			      sizeof(names)),
		 why);
	statsock_end(c, STATS_NO, sentence);
}

static bool write_file(struct node *n, const char *author, char *sentence,
		       size_t size)
{
	struct node_maintenance *m = &n->maintenance;
	time_t now = time(NULL);
	char when[32], line[sizeof(m->since) + 1];
	struct tm tm;
	int err;

	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	snprintf(m->since, sizeof(m->since), "since %s, by %s", when, author);
	snprintf(line, sizeof(line), "%s\n", m->since);
	err = statefile_write(n->conf->state_dir, FILE_NAME, line);
	if (err)
		snprintf(sentence, size,
			 "%.100s: %s; not in maintenance, which would not "
			 "outlast a restart. df, ls -ld %.100s; state-dir in "
			 "statesync.conf. statesync handover needs no file",
			 n->conf->state_dir, log_errno(-err),
			 n->conf->state_dir);
	return !err;
}

static void begin(struct node *n, struct stats_client *c)
{
	struct node_maintenance *m = &n->maintenance;
	char why[SESSION_REASON_MAX], author[STATSOCK_AUTHOR_SIZE];
	char sentence[512], reason[SESSION_REASON_MAX];
	int rc;

	if (m->on) {
		(void)statsock_printf(c, "%s is in maintenance already, %s.\n",
				      n->engine->node, m->since);
		statsock_end(c, STATS_OK, NULL);
		return;
	}
	statsock_client_author(c, author);
	if (!write_file(n, author, sentence, sizeof(sentence))) {
		statsock_end(c, STATS_NO, sentence);
		return;
	}
	m->on = true;
	m->tried = node_now(n);
	if (n->engine->masters) {
		snprintf(reason, sizeof(reason), "maintenance, by %s", author);
		rc = engine_handover(n->engine, -1, false, 0, reason, why,
				     n->last);
		/* not demoted before its end: nobody takes what is given */
		if (!rc || rc == -EALREADY) {
			m->client = c;
			m->handing = true;
			statsock_on_close(c, forget, n);
			node_settle(n);
			return;
		}
	}
	if (n->engine->masters) {
		answer_refused(n, c, why);
	} else {
		engine_maintenance(n->engine, true, node_now(n));
		(void)statsock_printf(
			c,
			"%s is in maintenance, demotion %d, master of nothing, "
			"until: statesync maintenance off\n",
			n->engine->node, DEMOTION_MAINTAINED);
		statsock_end(c, STATS_OK, NULL);
	}
	node_settle(n);
}

void commands_maintenance_ended(struct node *n, bool ok, const char *why)
{
	struct node_maintenance *m = &n->maintenance;
	struct stats_client *c = m->client;
	struct engine *e = n->engine;

	if (!m->handing)
		return;
	m->handing = false;
	if (ok)
		engine_maintenance(n->engine, true, node_now(n));
	m->client = NULL;
	if (!c)
		return;
	if (!ok || e->masters) {
		answer_refused(n, c, *why ? why : "not all went over");
		return;
	}
	(void)statsock_printf(
		c,
		"%s is in maintenance: %s is MASTER now, until it hands back. "
		"Afterwards: statesync maintenance off\n",
		e->node, e->peers[e->handover_peer].name);
	statsock_end(c, STATS_OK, NULL);
}

bool commands_maintenance_settle(struct node *n)
{
	struct node_maintenance *m = &n->maintenance;
	char why[SESSION_REASON_MAX];
	struct engine *e = n->engine;
	const char *hinders;

	if (!m->on || m->handing || e->stopping)
		return false;
	if (e->masters && mono_diff(n->last, m->tried) < AGAIN_NS)
		return false;
	if (!e->masters || engine_handover_heir(e, &hinders) < 0 || hinders) {
		if (!e->demotion.by[DEMOTION_MAINTENANCE])
			engine_maintenance(e, true, n->last);
		return false;
	}
	if (e->handover.state != HANDOVER_IDLE)
		return false;
	m->tried = n->last;
	m->handing =
		!engine_handover(e, -1, false, 0, "maintenance", why, n->last);
	return m->handing;
}

/* --- off ------------------------------------------------------------------ */

static void end(struct node *n, struct stats_client *c)
{
	struct node_maintenance *m = &n->maintenance;
	int err = statefile_remove(n->conf->state_dir, FILE_NAME);
	char sentence[512];

	if (err) {
		snprintf(sentence, sizeof(sentence),
			 "%.100s/%s: %s; still in maintenance. rm %.100s/%s, "
			 "and again",
			 n->conf->state_dir, FILE_NAME, log_errno(-err),
			 n->conf->state_dir, FILE_NAME);
		statsock_end(c, STATS_NO, sentence);
		return;
	}
	if (m->client)
		statsock_end(m->client, STATS_NO,
			     "maintenance was ended meanwhile; statesync "
			     "history says by whom");
	m->client = NULL;
	m->handing = false;
	engine_maintenance(n->engine, false, node_now(n));
	(void)statsock_printf(c, "%s is %s maintenance, demotion %u%s\n",
			      n->engine->node, m->on ? "out of" : "not in",
			      demotion_total(&n->engine->demotion),
			      n->engine->masters
				      ? "."
				      : "; the peer goes on until it hands "
					"back or fails.");
	m->on = false;
	statsock_end(c, STATS_OK, NULL);
	node_settle(n);
}

void commands_maintenance(struct node *n, struct stats_client *c, int argc,
			  char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "on"))
		begin(n, c);
	else if (argc == 2 && !strcmp(argv[1], "off"))
		end(n, c);
	else
		statsock_end(c, STATS_ERROR, "maintenance takes on or off");
}
