// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The command drill: core/drill carried out on this node, and told to whoever
 * began it. Its result is kept in state-dir. When it is trouble is decided in
 * core/drill, whether a handover may be in the engine.
 *
 * Implements the command drill of statesync(8).
 *
 * Invariant: one drill at a time, and each ends with a note in history.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "log.h"
#include "report.h"
#include "report_drill.h"
#include "statefile.h"
#include "statsock_who.h"

#define FILE_NAME	"drill"
#define TICK_US		200000
#define WATCH_DEFAULT_S 60
#define WATCH_MAX_S	86400

/* --- what is kept ------------------------------------------------------- */

static void save(const struct node *n)
{
	const struct node_drill *r = &n->drill;
	char text[640];
	int err;

	snprintf(text, sizeof(text),
		 "at %" PRId64 "\nsuccess %" PRId64
		 "\nresult %d\npeer %s\ntext %s\n",
		 r->at, r->success_at, (int)r->result, r->peer_name, r->text);
	err = statefile_write(n->conf->state_dir, FILE_NAME, text);
	if (err)
		log_msg(LOG_WARNING,
			"%s/%s: %s; the drill is forgotten with this process. "
			"mkdir -p %s",
			n->conf->state_dir, FILE_NAME, log_errno(-err),
			n->conf->state_dir);
}

static void load(struct node *n)
{
	struct node_drill *r = &n->drill;
	char text[640];
	int result = 0;

	if (statefile_read(n->conf->state_dir, FILE_NAME, text, sizeof(text)) <=
	    0)
		return;
	if (sscanf(text,
		   "at %" SCNd64 "\nsuccess %" SCNd64
		   "\nresult %d\npeer %63s\ntext %399[^\n]",
		   &r->at, &r->success_at, &result, r->peer_name,
		   r->text) != 5 ||
	    result < DRILL_PASSED || result > DRILL_FAILED) {
		log_msg(LOG_WARNING,
			"%s/%s is not as this program writes it; as if there "
			"had been no drill. statesync drill",
			n->conf->state_dir, FILE_NAME);
		r->at = r->success_at = 0;
		return;
	}
	r->result = (enum drill_result)result;
}

/* --- the answer --------------------------------------------------------- */

static void __attribute__((format(printf, 2, 3)))
say(struct node *n, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (!n->drill.client || n->drill.json)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	(void)statsock_printf(n->drill.client, "%s\n", line);
}

static void describe(struct node *n)
{
	struct node_drill *r = &n->drill;
	const char *peer = r->peer_name;
	double watched = (double)r->drill.carried_ns / 1e9;

	switch (r->result) {
	case DRILL_PASSED:
		snprintf(r->text, sizeof(r->text),
			 "PASSED: %s carried the traffic for %.0f s and handed "
			 "back",
			 peer, watched);
		return;
	case DRILL_UNPROVEN:
		snprintf(r->text, sizeof(r->text),
			 "NOT PROVEN: %s was master for %.0f s, but nothing "
			 "was answered, here before neither. again when there "
			 "is traffic",
			 peer, watched);
		return;
	case DRILL_NONE:
	case DRILL_FAILED:
		break;
	}
	if (r->handover_ms < 0)
		snprintf(r->text, sizeof(r->text),
			 "FAILED: %s was given nothing: %.127s. then again: "
			 "statesync drill",
			 peer, r->drill.why);
	else if (r->drill.stuck)
		snprintf(r->text, sizeof(r->text),
			 "FAILED: %s still has it: %.127s. on %s: statesync "
			 "handover",
			 peer, r->drill.why, peer);
	else
		snprintf(r->text, sizeof(r->text),
			 "FAILED: %s after %.0f s: %.127s. All is back; on %s: "
			 "statesync check",
			 peer, watched, r->drill.why, peer);
}

static void answer_json(struct node *n, struct stats_client *c)
{
	json_t *o = report_drill_result(n);
	char *text = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	if (text)
		(void)statsock_printf(c, "%s\n", text);
	free(text);
}

static void ended(struct node *n)
{
	struct node_drill *r = &n->drill;
	struct stats_client *c = r->client;
	bool passed = r->drill.result == DRILL_PASSED;
	char sentence[sizeof(r->text) + 16];

	event_del(r->timer);
	r->result = r->drill.result;
	r->at = time(NULL);
	if (passed)
		r->success_at = r->at;
	snprintf(r->peer_name, sizeof(r->peer_name), "%s",
		 n->engine->peers[r->peer].name);
	if (r->handover_ms >= 0 && !r->drill.stuck)
		say(n, "back      %s is master again, after %.1f s",
		    n->engine->node, r->away_s);
	describe(n);
	save(n);
	engine_note(n->engine, r->peer_name, n->last, "drill %s", r->text);
	log_msg(passed ? LOG_NOTICE : LOG_WARNING, "drill %s", r->text);
	r->client = NULL;
	if (!c)
		return;
	if (r->json)
		answer_json(n, c);
	else if (passed)
		(void)statsock_printf(c, "The drill %s.\n", r->text);
	snprintf(sentence, sizeof(sentence), "the drill %s", r->text);
	statsock_end(c, passed ? STATS_OK : STATS_NO, passed ? NULL : sentence);
}

/* --- the drill ------------------------------------------------------------ */

static struct drill_facts facts(const struct node *n)
{
	const struct engine *e = n->engine;
	const struct engine_peer *p = &e->peers[n->drill.peer];
	struct drill_facts f = {
		.peer_live = p->live && p->heard,
		.peer_has = true,
		.have = true,
		.none = true,
		.in_sync = engine_rx_in_sync(e, n->drill.peer),
		.told = e->answered,
		.heard = p->answered,
	};

	for (size_t i = 0; i < e->nvhosts; i++) {
		const struct engine_vhost *v = &e->vhosts[i];
		bool master = v->carp.state == CARP_MASTER;

		if (!(n->drill.set >> i & 1) || v->gone)
			continue;
		f.have &= master && !v->taking;
		f.none &= !master;
		f.peer_has &= report_peer_said(p, v->name) == CARP_MASTER;
	}
	return f;
}

static void hand_over(struct node *n)
{
	struct node_drill *r = &n->drill;
	char why[SESSION_REASON_MAX];
	struct drill_facts f;

	say(n, "count     %" PRIu64 " answers in %d s, here", r->drill.before,
	    (int)(DRILL_COUNT_NS / MONO_S));
	if (!engine_handover(n->engine, (int)r->peer, false, r->set, "drill",
			     why, n->last))
		return;
	f = facts(n);
	drill_handed(&r->drill, &f, why, n->last);
}

static void step(struct node *n)
{
	struct node_drill *r = &n->drill;
	enum drill_state before = r->drill.state;
	struct drill_facts f = facts(n);

	switch (drill_next(&r->drill, &f, n->last)) {
	case DRILL_WAIT:
		break;
	case DRILL_DO_HANDOVER:
		hand_over(n);
		break;
	case DRILL_DO_ASK:
		engine_handover_want(n->engine, r->peer, r->set,
				     "the drill is over");
		break;
	case DRILL_DO_END:
		r->away_s = (double)mono_diff(n->last, r->drill.entered) / 1e9 +
			    (double)r->drill.carried_ns / 1e9;
		ended(n);
		break;
	}
	if (before == DRILL_WATCH && r->drill.state == DRILL_BACK)
		say(n, "carried   %" PRIu64 " answers in %.0f s%s%s",
		    r->drill.carried, (double)r->drill.carried_ns / 1e9,
		    *r->drill.why ? "; back: " : "", r->drill.why);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;

	(void)fd;
	(void)what;
	(void)node_now(n);
	step(n);
	node_settle(n);
}

void commands_drill_verified(struct node *n, unsigned peer, const char *why)
{
	struct node_drill *r = &n->drill;
	const struct engine_peer *p = &n->engine->peers[peer];
	const struct audit_report *a = &p->audit.last;
	struct drill_facts f;

	if (r->drill.state != DRILL_VERIFY || peer != r->peer)
		return;
	f = facts(n);
	if (!why && report_audit_off(a))
		why = "the tables are not equal: statesync verify";
	if (!why && a->count[AUDIT_UNSETTLED])
		why = "the tables change faster than one can compare them";
	if (!why)
		say(n, "verify    %" PRIu64 " compared, equal",
		    a->count[AUDIT_COMPARED]);
	drill_verified(&r->drill, &f, why, n->last);
}

void commands_drill_ended(struct node *n, bool ok, const char *why)
{
	struct node_drill *r = &n->drill;
	const struct handover *h = &n->engine->handover;
	struct drill_facts f;
	char names[256];

	if (r->drill.state != DRILL_HANDOVER)
		return;
	if (ok) {
		r->handover_ms = (double)(h->drain_ns + h->fence_ns +
					  h->ack_ns + h->take_ns) /
				 1e6;
		say(n, "handover  %s to %s in %.0f ms",
		    report_names(n->engine, r->set, names, sizeof(names)),
		    n->engine->peers[r->peer].name, r->handover_ms);
	}
	f = facts(n);
	drill_handed(&r->drill, &f, ok ? NULL : why, n->last);
}

/* --- its beginning -------------------------------------------------------- */

static void forget(void *arg, struct stats_client *c)
{
	struct node *n = arg;

	(void)c;
	n->drill.client = NULL;
	drill_interrupt(&n->drill.drill, "who began it has ended it", n->last);
}

/* The first finding that blocks; NULL: none. As the screen of check has them,
 * each behind its level. */
static const char *blocks(struct node *n, char *text, size_t size, int *warns)
{
	static const char word[] = "\nBLOCKS ";
	char *screen = NULL;
	const char *at, *found = NULL;
	size_t len;
	FILE *out = open_memstream(&screen, &len);

	if (!out)
		return "there is not enough memory to check";
	(void)report_check(n, out);
	fclose(out);
	*warns = 0;
	for (at = screen; (at = strstr(at, "\nWARNS ")); at++)
		++*warns;
	at = strstr(screen, word);
	if (at) {
		at += sizeof(word) - 1;
		at += strspn(at, " ");
		snprintf(text, size, "%.*s", (int)strcspn(at, "\n"), at);
		found = text;
	}
	free(screen);
	return found;
}

/* NULL, or why there is none now. */
static const char *refusal(struct node *n, int peer, const char *hinders,
			   char *text, size_t size, int *warns)
{
	const struct engine *e = n->engine;
	const char *found;

	if (n->drill.drill.state != DRILL_IDLE)
		return "one is already going on; when it is over, again";
	if (n->maintenance.on)
		return "this node is in maintenance. statesync maintenance off";
	if (!e->masters)
		return "this node is master of nothing. on the master: "
		       "statesync drill";
	if (e->handover.state != HANDOVER_IDLE)
		return "a handover is going on. again in a moment";
	if (hinders) {
		snprintf(text, size, "%.60s: %s. statesync wait in-sync",
			 peer < 0 ? e->node : e->peers[peer].name, hinders);
		return text;
	}
	found = blocks(n, text, size, warns);
	if (found && found == text)
		snprintf(text + strlen(text), size - strlen(text),
			 ". statesync check");
	return found;
}

/* -1 in *peer and NULL: the best. False: a word that is none. */
static bool read_words(const struct node *n, int argc, char **argv, int *peer,
		       int *seconds, bool *json)
{
	char *end;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "json")) {
			*json = true;
		} else if (!strncmp(argv[i], "to=", 3)) {
			*peer = commands_find_peer(n, argv[i] + 3);
			if (*peer < 0)
				return false;
		} else if (!strncmp(argv[i], "for=", 4)) {
			long value = strtol(argv[i] + 4, &end, 10);

			if (*end || value < 1 || value > WATCH_MAX_S)
				return false;
			*seconds = (int)value;
		} else {
			return false;
		}
	}
	return true;
}

static void begin(struct node *n, struct stats_client *c, unsigned peer,
		  int seconds, bool json)
{
	const struct timeval tick = { .tv_usec = TICK_US };
	struct node_drill *r = &n->drill;
	char author[STATSOCK_AUTHOR_SIZE], why[SESSION_REASON_MAX];
	struct drill_facts f;

	r->peer = peer;
	r->set = n->engine->master_set;
	r->client = c;
	r->json = json;
	r->handover_ms = -1;
	statsock_on_close(c, forget, n);
	engine_note(n->engine, n->engine->peers[peer].name, n->last,
		    "drill begins, by %s", statsock_client_author(c, author));
	drill_start(&r->drill, seconds * MONO_S, n->last);
	event_add(r->timer, &tick);
	if (!engine_verify(n->engine, peer, why, n->last))
		return;
	f = facts(n);
	drill_verified(&r->drill, &f, why, n->last);
}

void commands_drill(struct node *n, struct stats_client *c, int argc,
		    char **argv)
{
	char text[512], sentence[600], author[STATSOCK_AUTHOR_SIZE];
	int peer = -1, seconds = WATCH_DEFAULT_S, warns = 0;
	const char *why = NULL;
	bool json = false;

	if (!read_words(n, argc, argv, &peer, &seconds, &json)) {
		statsock_end(c, STATS_ERROR,
			     "drill takes json, for=1 to for=86400, and to= "
			     "with the name of a peer");
		return;
	}
	(void)node_now(n);
	if (peer < 0)
		peer = engine_handover_heir(n->engine, &why);
	else
		why = engine_handover_hinders(n->engine, (unsigned)peer);
	why = refusal(n, peer, why, text, sizeof(text), &warns);
	if (why) {
		engine_note(n->engine, n->engine->node, n->last,
			    "drill refused, by %s: %s",
			    statsock_client_author(c, author), why);
		snprintf(sentence, sizeof(sentence), "drill refused: %s", why);
		statsock_end(c, STATS_NO, sentence);
		return;
	}
	begin(n, c, (unsigned)peer, seconds, json);
	say(n, "check     nothing blocks a takeover, %d warn%s", warns,
	    warns == 1 ? "s" : "");
	node_settle(n);
}

/* --- life ------------------------------------------------------------------- */

int commands_drill_open(struct node *n)
{
	n->drill.timer = event_new(n->base, -1, EV_PERSIST, on_tick, n);
	if (!n->drill.timer)
		return -ENOMEM;
	event_priority_set(n->drill.timer, PRIORITY_NORMAL);
	n->drill.handover_ms = -1;
	load(n);
	return 0;
}

void commands_drill_close(struct node *n)
{
	if (n->drill.timer)
		event_free(n->drill.timer);
	n->drill.timer = NULL;
}
