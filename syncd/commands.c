/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What may be asked over the stats socket, one function a command. Looking is
 * for everybody who can open the socket, changing for uid 0 and members of
 * statesync-admin. Invariant: every command ends with exactly one verdict.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "log.h"
#include "metrics.h"
#include "node_drift.h"
#include "report.h"
#include "statsock_who.h"

struct command {
	const char *name;
	bool changes;
	void (*run)(struct node *n, struct stats_client *c, int argc,
		    char **argv);
	const char *usage;
	const char *help;
};

/* --- answers ------------------------------------------------------------ */

static const char no_memory[] = "not enough memory. free -m";

/* Runs print on a memory stream and sends what it wrote. */
struct answer {
	char *text;
	size_t len;
	FILE *out;
};

static bool answer_open(struct answer *a, struct stats_client *c)
{
	a->out = open_memstream(&a->text, &a->len);
	if (!a->out)
		statsock_end(c, STATS_ERROR, no_memory);
	return a->out;
}

static void answer_send(struct answer *a, struct stats_client *c)
{
	fclose(a->out);
	(void)statsock_write(c, a->text, a->len);
	free(a->text);
}

static void answer_json(struct stats_client *c, json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	if (!text) {
		statsock_end(c, STATS_ERROR, no_memory);
		return;
	}
	(void)statsock_printf(c, "%s\n", text);
	free(text);
	statsock_end(c, STATS_OK, NULL);
}

bool commands_has_word(int argc, char **argv, const char *word)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], word) == 0)
			return true;
	return false;
}

/* --- looking --------------------------------------------------------------- */

static void cmd_status(struct node *n, struct stats_client *c, int argc,
		       char **argv)
{
	struct answer a, verdict;
	bool good;

	if (commands_has_word(argc, argv, "json")) {
		answer_json(c, report_json(n));
		return;
	}
	if (!answer_open(&a, c))
		return;
	good = report_screen(n, a.out);
	answer_send(&a, c);
	if (good) {
		statsock_end(c, STATS_OK, NULL);
		return;
	}
	if (!answer_open(&verdict, c))
		return;
	(void)report_verdict(n, verdict.out);
	fclose(verdict.out);
	verdict.text[strcspn(verdict.text, "\n")] = '\0';
	statsock_end(c, STATS_NO, verdict.text);
	free(verdict.text);
}

static void cmd_check(struct node *n, struct stats_client *c, int argc,
		      char **argv)
{
	struct answer a;
	char verdict[256];
	bool good;

	(void)argc;
	(void)argv;
	if (!answer_open(&a, c))
		return;
	good = report_check(n, a.out);
	fflush(a.out);
	snprintf(verdict, sizeof(verdict), "%.*s", (int)strcspn(a.text, "\n"),
		 a.text);
	answer_send(&a, c);
	node_drift_look(n);
	statsock_end(c, good ? STATS_OK : STATS_NO, good ? NULL : verdict);
}

static void cmd_history(struct node *n, struct stats_client *c, int argc,
			char **argv)
{
	size_t max = HISTORY_MAX;
	struct answer a;

	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "n") == 0)
			max = strtoul(argv[i + 1], NULL, 10);
	if (commands_has_word(argc, argv, "json")) {
		answer_json(c, report_history_json(n, max));
		return;
	}
	if (!answer_open(&a, c))
		return;
	report_history(n, max, a.out);
	answer_send(&a, c);
	statsock_end(c, STATS_OK, NULL);
}

static void cmd_counters(struct node *n, struct stats_client *c, int argc,
			 char **argv)
{
	struct answer a;

	if (!answer_open(&a, c))
		return;
	report_counters(n, commands_has_word(argc, argv, "all"), a.out);
	answer_send(&a, c);
	statsock_end(c, STATS_OK, NULL);
}

static void cmd_metrics(struct node *n, struct stats_client *c, int argc,
			char **argv)
{
	struct answer a;

	(void)argc;
	(void)argv;
	if (!answer_open(&a, c))
		return;
	metrics_write(n, a.out);
	answer_send(&a, c);
	statsock_end(c, STATS_OK, NULL);
}

static void cmd_version(struct node *n, struct stats_client *c, int argc,
			char **argv)
{
	(void)n;
	(void)argc;
	(void)argv;
	(void)statsock_printf(c, "statesyncd %s protocol %d schema 1\n",
			      STATESYNC_VERSION, SESSION_PROTOCOL);
	statsock_end(c, STATS_OK, NULL);
}

/* What the words NAME and PEER of other commands may be. */
static void cmd_names(struct node *n, struct stats_client *c, int argc,
		      char **argv)
{
	const struct engine *e = n->engine;

	(void)argc;
	(void)argv;
	(void)statsock_printf(c, "node %s\n", e->node);
	for (size_t i = 0; i < e->npeers; i++)
		(void)statsock_printf(c, "peer %s\n", e->peers[i].name);
	for (unsigned i = 0; i < n->nvhosts; i++) {
		const struct node_vhost *v = &n->vhosts[i];

		if (e->vhosts[i].gone || node_leader(n, i) != i)
			continue;
		(void)statsock_printf(c, "carp %s%s%s\n", v->conf->name,
				      *v->conf->alias ? " " : "",
				      v->conf->alias);
	}
	statsock_end(c, STATS_OK, NULL);
}

/* --- changing ---------------------------------------------------------------- */

static void cmd_reload(struct node *n, struct stats_client *c, int argc,
		       char **argv)
{
	char text[NODE_RELOAD_TEXT];
	bool done = node_reload(n, text);

	(void)argc;
	(void)argv;
	if (done)
		(void)statsock_printf(c, "%s\n", text);
	statsock_end(c, done ? STATS_OK : STATS_NO, done ? NULL : text);
}

/* --- the table -------------------------------------------------------------------- */

static void cmd_help(struct node *n, struct stats_client *c, int argc,
		     char **argv);

static const struct command commands[] = {
	{ "status", false, cmd_status, "status [json]",
	  "who is master, is the peer in sync, may this node take over" },
	{ "check", false, cmd_check, "check",
	  "what would bite at a failover, and what to do" },
	{ "history", false, cmd_history, "history [json] [n N]",
	  "the last transitions, and why" },
	{ "counters", false, cmd_counters, "counters [all]",
	  "what was counted, in sentences" },
	{ "flows", false, commands_flows, "flows [json] [skipped] [peer NAME]",
	  "which connections go to the peers, or do not" },
	{ "metrics", false, cmd_metrics, "metrics",
	  "everything in numbers, for Prometheus" },
	{ "version", false, cmd_version, "version",
	  "of the daemon, of what it speaks with peers, of its JSON" },
	{ "names", false, cmd_names, "names",
	  "what a NAME or PEER may be here" },
	{ "verify", false, cmd_verify, "verify [PEER]",
	  "compare the two connection tables now" },
	{ "bulk", true, commands_bulk, "bulk [PEER]",
	  "fetch the peer's whole table now" },
	{ "handover", true, commands_handover,
	  "handover [force] [to=PEER] [NAME...]",
	  "planned switch to the peer, nothing lost" },
	{ "carp", false, commands_carp, "carp [NAME]",
	  "the vhosts, as ifconfig of OpenBSD shows them" },
	{ "demote", true, commands_demote, "demote N [policy]",
	  "add to this node's demotion" },
	{ "maintenance", true, commands_maintenance, "maintenance on|off",
	  "hand over, and stay demoted until off, across restarts" },
	{ "drill", true, commands_drill, "drill [json] [for=S] [to=PEER]",
	  "use the peer for a while, and come back" },
	{ "events", false, commands_events,
	  "events [json] [n N | from N] [limit N]",
	  "what becomes history, as it happens: number, time, what" },
	{ "role", false, commands_role, "role",
	  "is this node master, or may it become it now" },
	{ "set-role", true, commands_set_role,
	  "set-role master|backup [NAME...]",
	  "what another elector says this node is" },
	{ "reload", true, cmd_reload, "reload",
	  "read the configuration again and use it" },
	{ "schema", false, commands_schema, "schema",
	  "what the answers in JSON have, as a JSON schema" },
	{ "prompt", false, commands_prompt, "prompt [i]",
	  "a line after this one; i: without a prompt" },
	{ "quit", false, commands_quit, "quit", "this is the last line" },
	{ "help", false, cmd_help, "help [COMMAND]",
	  "all commands, or what one does" },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static void unknown_command(struct stats_client *c, const char *name)
{
	char sentence[128];

	snprintf(sentence, sizeof(sentence),
		 "unknown command \"%.64s\"; help lists them", name);
	statsock_end(c, STATS_ERROR, sentence);
}

static void cmd_help(struct node *n, struct stats_client *c, int argc,
		     char **argv)
{
	const struct command *one = argc > 1 ? find_command(argv[1]) : NULL;

	(void)n;
	if (argc > 1 && !one) {
		unknown_command(c, argv[1]);
		return;
	}
	if (one)
		(void)statsock_printf(c, "%s\n    %s\n", one->usage, one->help);
	for (size_t i = 0; !one && i < COMMANDS; i++)
		(void)statsock_printf(c, "%s\n", commands[i].usage);
	statsock_end(c, STATS_OK, NULL);
}

/* Who it was; a handover's transitions say it themselves. */
static void note_author(struct node *n, struct stats_client *c, int argc,
			char **argv)
{
	char author[STATSOCK_AUTHOR_SIZE];

	statsock_client_author(c, author);
	log_msg(LOG_NOTICE, "%s%s%.64s, by %s", argv[0], argc > 1 ? " " : "",
		argc > 1 ? argv[1] : "", author);
	if (strcmp(argv[0], "handover") && strcmp(argv[0], "drill"))
		engine_note(n->engine, n->engine->node, node_now(n),
			    "%s%s%.24s, by %s", argv[0], argc > 1 ? " " : "",
			    argc > 1 ? argv[1] : "", author);
}

bool commands_settle(struct node *n)
{
	bool more = commands_maintenance_settle(n);

	commands_events_settle(n);
	return more;
}

static void on_command(void *arg, struct stats_client *c, int argc, char **argv)
{
	const struct command *cmd = find_command(argv[0]);
	struct node *n = arg;
	char sentence[256];

	if (!cmd) {
		unknown_command(c, argv[0]);
		return;
	}
	if (cmd->changes && !statsock_client_may_change(c)) {
		snprintf(sentence, sizeof(sentence),
			 "\"%s\" changes things: run it as root, or join "
			 "group statesync-admin",
			 argv[0]);
		statsock_end(c, STATS_NO, sentence);
		return;
	}
	if (cmd->changes)
		note_author(n, c, argc, argv);
	cmd->run(n, c, argc, argv);
}

/* --- life ------------------------------------------------------------------------- */

int commands_open(struct node *n)
{
	char dir[256];
	int err;

	snprintf(dir, sizeof(dir), "%s", n->conf->stats_socket);
	if (mkdir(dirname(dir), 0755) && errno != EEXIST)
		log_msg(LOG_WARNING,
			"%s: %s. mkdir -p it, or another place for the socket "
			"of stats",
			dir, log_errno(errno));
	err = commands_bulk_open(n);
	if (!err)
		err = commands_events_open(n);
	if (!err)
		err = commands_drill_open(n);
	if (err)
		return err;
	err = statsock_adopt(n->base, n->conf->stats_socket,
			     node_upgrade_fd(n, UPGRADE_STATS), on_command, n,
			     &n->statsock);
	if (err)
		log_msg(LOG_ERR, "%s: %s; not started. %s",
			n->conf->stats_socket, log_errno(-err),
			err == -EADDRINUSE
				? "another statesyncd runs with this socket: "
				  "stop it, or give this one its own in stats"
				: "ls -ld its directory; or another place for "
				  "the socket of stats");
	return err;
}

void commands_close(struct node *n)
{
	commands_events_close(n);
	commands_drill_close(n);
	if (n->statsock)
		statsock_free(n->statsock);
	n->statsock = NULL;
	commands_bulk_close(n);
}
