// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The operator's tool: the table of its commands, their arguments, what
 * becomes of an answer. Screens are made by the daemon; this is neither their
 * author nor does it know what they mean.
 *
 * Implements the commands and exit statuses of the manual: 0 yes or done,
 * 1 no, 2 usage, 3 no daemon behind the socket.
 *
 * Invariant: it exits 0 only after a status line "ok".
 */
#include "keyfile.h"
#include "log.h"
#include "near.h"
#include "statesync_ask.h"
#include "statesync_bar.h"
#include "statesync_client.h"
#include "statesync_color.h"
#include "statesync_ruleset.h"
#include "statesync_wait.h"
#include "statesync_watch.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long the daemon may be silent where it has something to do. */
#define SILENCE_BULK_S	   300
#define SILENCE_HANDOVER_S 30
#define SILENCE_RELOAD_S   30
#define SILENCE_FLOWS_S	   60 /* a large table of which little is told */
#define SILENCE_VERIFY_S   900
#define SILENCE_DRILL_S	   960 /* beside the time that it watches */

struct command;
typedef int run_fn(const struct command *cmd, int argc, char **argv);

struct command {
	const char *name;
	const char *usage; /* behind the name */
	const char *help;
	run_fn *run;
};

static int usage(const struct command *cmd)
{
	fprintf(stderr, "usage: statesync [-s PATH] %s%s%s\n", cmd->name,
		*cmd->usage ? " " : "", cmd->usage);
	return EXIT_USAGE;
}

static int run_status(const struct command *cmd, int argc, char **argv)
{
	if (argc == 1)
		return ask_screen("status");
	if (argc == 2 && !strcmp(argv[1], "--json"))
		return ask("status json");
	if (argc == 2 && !strcmp(argv[1], "-q"))
		return ask_quietly("status");
	return usage(cmd);
}

static int run_bulk(const struct command *cmd, int argc, char **argv)
{
	char request[CLIENT_REQUEST_MAX + 1] = "bulk";
	struct bar bar = { .terminal = isatty(STDOUT_FILENO) };
	struct answer answer;
	int rc;

	if (argc > 2 || (argc == 2 && !client_add_name(request, argv[1])))
		return usage(cmd);
	if (argc == 2)
		snprintf(bar.who, sizeof(bar.who), " from %s", argv[1]);
	rc = client_ask(request, SILENCE_BULK_S, bar_line, &bar, &answer);
	bar_end(&bar);
	return rc ? client_complain(rc) : conclude(&answer, false);
}

static int run_verify(const struct command *cmd, int argc, char **argv)
{
	char request[CLIENT_REQUEST_MAX + 1] = "verify";

	if (argc > 2 || (argc == 2 && !client_add_name(request, argv[1])))
		return usage(cmd);
	return ask_for(request, SILENCE_VERIFY_S);
}

static int run_handover(const struct command *cmd, int argc, char **argv)
{
	char request[CLIENT_REQUEST_MAX + 1] = "handover";

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		char to[CLIENT_REQUEST_MAX];

		if (!strcmp(word, "--force")) {
			word = "force";
		} else if (!strcmp(word, "--to") && i + 1 < argc) {
			snprintf(to, sizeof(to), "to=%s", argv[++i]);
			word = to;
		} else if (*word == '-') {
			return usage(cmd);
		}
		if (!client_add_word(request, word))
			return usage(cmd);
	}
	return ask_for(request, SILENCE_HANDOVER_S);
}

static int run_role(const struct command *cmd, int argc, char **argv)
{
	char request[CLIENT_REQUEST_MAX + 1] = "set-role";

	if (argc == 1)
		return ask("role");
	if (strcmp(argv[1], "master") && strcmp(argv[1], "backup"))
		return usage(cmd);
	for (int i = 1; i < argc; i++)
		if (!client_add_name(request, argv[i]))
			return usage(cmd);
	return ask(request);
}

static bool is_number(const char *s, long low, long high)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	return *s && !*end && !errno && n >= low && n <= high;
}

static int run_demote(const struct command *cmd, int argc, char **argv)
{
	char request[CLIENT_REQUEST_MAX + 1] = "demote";
	bool policy = argc > 1 && !strcmp(argv[1], "--policy");
	int at = policy ? 2 : 1;

	at += argc > at && !strcmp(argv[at], "--");

	if (argc != at + 1 || !is_number(argv[at], -255, 255) ||
	    !client_add_word(request, argv[at]) ||
	    (policy && !client_add_word(request, "policy")))
		return usage(cmd);
	return ask(request);
}

static int run_carp(const struct command *cmd, int argc, char **argv)
{
	char request[CLIENT_REQUEST_MAX + 1] = "carp";

	if (argc > 2 || (argc == 2 && !client_add_name(request, argv[1])))
		return usage(cmd);
	return ask(request);
}

static int run_history(const struct command *cmd, int argc, char **argv)
{
	char request[CLIENT_REQUEST_MAX + 1] = "history";
	char events[CLIENT_REQUEST_MAX + 1];
	bool follows = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--follow")) {
			follows = true;
		} else if (!strcmp(argv[i], "--json")) {
			client_add_word(request, "json");
		} else if (!strcmp(argv[i], "-n") && i + 1 < argc &&
			   is_number(argv[i + 1], 1, 1000000)) {
			client_add_word(request, "n");
			if (!client_add_word(request, argv[++i]))
				return usage(cmd);
		} else {
			return usage(cmd);
		}
	}
	snprintf(events, sizeof(events), "events%s",
		 request + strlen("history"));
	return follows ? ask_events(events, 0) : ask(request);
}

static int run_maintenance(const struct command *cmd, int argc, char **argv)
{
	if (argc != 2 || (strcmp(argv[1], "on") && strcmp(argv[1], "off")))
		return usage(cmd);
	return ask_for(argv[1][1] == 'n' ? "maintenance on" : "maintenance off",
		       SILENCE_HANDOVER_S);
}

static int run_drill(const struct command *cmd, int argc, char **argv)
{
	char request[CLIENT_REQUEST_MAX + 1] = "drill";
	double seconds = 60;

	for (int i = 1; i < argc; i++) {
		char word[CLIENT_REQUEST_MAX];

		if (!strcmp(argv[i], "--json")) {
			snprintf(word, sizeof(word), "json");
		} else if (!strcmp(argv[i], "--for") && i + 1 < argc) {
			seconds = wait_parse_seconds(argv[++i]);
			snprintf(word, sizeof(word), "for=%.0f", seconds);
		} else if (!strcmp(argv[i], "--to") && i + 1 < argc) {
			snprintf(word, sizeof(word), "to=%s", argv[++i]);
		} else {
			return usage(cmd);
		}
		if (seconds < 1 || seconds > 86400 ||
		    !client_add_word(request, word))
			return usage(cmd);
	}
	return ask_events(request, (int)seconds + SILENCE_DRILL_S);
}

static int run_counters(const struct command *cmd, int argc, char **argv)
{
	if (argc == 1)
		return ask("counters");
	if (argc == 2 && !strcmp(argv[1], "-a"))
		return ask("counters all");
	return usage(cmd);
}

/* The key on standard output, everything about it on standard error. */
static int print_key(const struct link_key *key, const char *fingerprint)
{
	char text[KEYFILE_TEXT_SIZE];
	struct stat st;

	if (!fstat(STDOUT_FILENO, &st) && S_ISREG(st.st_mode) &&
	    (st.st_mode & 077))
		fprintf(stderr, "statesync: others can read the file that the "
				"key goes into; better: statesync genkey -o "
				"FILE\n");
	keyfile_format(key, text);
	fputs(text, stdout);
	if (fflush(stdout)) {
		fprintf(stderr, "statesync: %s; no key written. df, mount\n",
			log_errno(errno));
		return EXIT_NO;
	}
	fprintf(stderr, "key %s\n", fingerprint);
	return EXIT_YES;
}

static int run_genkey(const struct command *cmd, int argc, char **argv)
{
	char fingerprint[KEYFILE_FINGERPRINT_SIZE], why[512];
	struct link_key key;
	int rc = EXIT_NO;

	if (argc != 1 && (argc != 3 || strcmp(argv[1], "-o")))
		return usage(cmd);
	if (keyfile_generate(&key)) {
		fputs("statesync: OpenSSL has no random numbers; no key "
		      "made. openssl rand -hex 8\n",
		      stderr);
		return EXIT_NO;
	}
	keyfile_fingerprint(key.id, fingerprint);
	if (argc == 1) {
		rc = print_key(&key, fingerprint);
	} else if (keyfile_write(argv[2], &key, why, sizeof(why))) {
		fprintf(stderr, "statesync: %s\n", why);
	} else {
		printf("%s: key %s; the same file belongs on the other node\n",
		       argv[2], fingerprint);
		rc = EXIT_YES;
	}
	keyfile_wipe(&key);
	return rc;
}

static int run_wait(const struct command *cmd, int argc, char **argv)
{
	double limit = -1;

	if (argc < 2 || !wait_knows(argv[1]))
		return usage(cmd);
	if (argc == 4 && !strcmp(argv[2], "--timeout"))
		limit = wait_parse_seconds(argv[3]);
	if (argc != 2 && limit < 0)
		return usage(cmd);
	return wait_for(argv[1], limit);
}

static int run_flows(const struct command *cmd, int argc, char **argv)
{
	char request[CLIENT_REQUEST_MAX + 1] = "flows";
	bool peer = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			client_add_word(request, "json");
		} else if (!strcmp(argv[i], "--skipped")) {
			client_add_word(request, "skipped");
		} else if (*argv[i] != '-' && !peer) {
			client_add_word(request, "peer");
			peer = true;
			if (!client_add_word(request, argv[i]))
				return usage(cmd);
		} else {
			return usage(cmd);
		}
	}
	return ask_for(request, SILENCE_FLOWS_S);
}

static int run_check(const struct command *cmd, int argc, char **argv)
{
	(void)argv;
	return argc == 1 ? ask_screen("check") : usage(cmd);
}

/* The daemon's command of the same name. */
static int run_plain(const struct command *cmd, int argc, char **argv)
{
	(void)argv;
	return argc == 1 ? ask(cmd->name) : usage(cmd);
}

/* Block characters and colours where the terminal has them. */
static int run_watch(const struct command *cmd, int argc, char **argv)
{
	bool ascii;

	setlocale(LC_CTYPE, "");
	ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-A"))
			ascii = true;
		else
			return usage(cmd);
	}
	return watch(ascii, color_wanted());
}

static int run_reload(const struct command *cmd, int argc, char **argv)
{
	(void)argv;
	return argc == 1 ? ask_for("reload", SILENCE_RELOAD_S) : usage(cmd);
}

static int run_save_ruleset(const struct command *cmd, int argc, char **argv)
{
	if (argc == 1)
		return ruleset_save(NULL);
	if (argc == 3 && !strcmp(argv[1], "-o"))
		return ruleset_save(argv[2]);
	return usage(cmd);
}

static run_fn run_help;

static const struct command commands[] = {
	{ "status", "[--json | -q]",
	  "who is master, is the peer in sync, may this node take over",
	  run_status },
	{ "watch", "[-A] [--color=never]", "the same, live, with plots",
	  run_watch },
	{ "bulk", "[PEER]", "fetch the peer's whole table now (also --bulk)",
	  run_bulk },
	{ "verify", "[PEER]", "compare the two connection tables now",
	  run_verify },
	{ "handover", "[--force] [--to PEER] [VHID-NAME...]",
	  "planned switch to the peer, nothing lost", run_handover },
	{ "flows", "[--skipped] [--json] [PEER]",
	  "which connections go to the peers, or do not", run_flows },
	{ "demote", "[--policy] [--] N", "add to this node's demotion",
	  run_demote },
	{ "carp", "[NAME]", "the vhosts, as ifconfig of OpenBSD shows them",
	  run_carp },
	{ "role", "[master|backup [NAME...]]",
	  "may it be master; or what another elector says", run_role },
	{ "check", "", "what would bite at a failover, and what to do",
	  run_check },
	{ "drill", "[--for S] [--to PEER] [--json]",
	  "use the peer for a while, and come back", run_drill },
	{ "maintenance", "on|off",
	  "hand over, and stay demoted until off, across restarts",
	  run_maintenance },
	{ "history", "[-n N] [--json] [--follow]",
	  "the last transitions and why; or each as it happens", run_history },
	{ "counters", "[-a]", "what was counted, in sentences", run_counters },
	{ "metrics", "", "everything in numbers, for Prometheus", run_plain },
	{ "schema", "", "what the answers in JSON have, as a JSON schema",
	  run_plain },
	{ "wait", "in-sync|master|backup [--timeout S]", "return when it is so",
	  run_wait },
	{ "reload", "", "read the configuration again and use it", run_reload },
	{ "genkey", "[-o FILE]", "a new link key", run_genkey },
	{ "save-ruleset", "[-o FILE]", "nftables as it is, without our table",
	  run_save_ruleset },
	{ "help", "[COMMAND]", "this", run_help },
};
#define NUM_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	if (!strcmp(name, "--bulk"))
		name = "bulk";
	for (size_t i = 0; i < NUM_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int run_help(const struct command *cmd, int argc, char **argv)
{
	const struct command *one = argc == 2 ? find_command(argv[1]) : NULL;

	if (argc > 2 || (argc == 2 && !one))
		return usage(cmd);
	if (one) {
		printf("statesync %s %s\n    %s\n    man 8 statesync\n",
		       one->name, one->usage, one->help);
		return EXIT_YES;
	}
	puts("usage: statesync [-s PATH] [--color=auto|always|never] "
	     "[COMMAND]");
	for (size_t i = 0; i < NUM_COMMANDS; i++)
		printf("  %-12s %-36s %s\n", commands[i].name,
		       commands[i].usage, commands[i].help);
	puts("exit status: 0 yes or done, 1 no, 2 usage, 3 no daemon");
	return EXIT_YES;
}

static int unknown_command(const char *name)
{
	struct near near;

	near_init(&near, name);
	for (size_t i = 0; i < NUM_COMMANDS; i++)
		near_try(&near, commands[i].name);
	if (near.word)
		fprintf(stderr,
			"statesync: unknown command \"%s\"; did you mean "
			"\"%s\"?\n",
			name, near.word);
	else
		fprintf(stderr,
			"statesync: unknown command \"%s\". statesync help\n",
			name);
	return EXIT_USAGE;
}

/* Takes --color=WHEN out, wherever it stands; false: not a word it knows. */
static bool take_color(int *argc, char **argv)
{
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		if (strncmp(argv[i], "--color=", 8))
			argv[kept++] = argv[i];
		else if (!color_set(argv[i] + 8))
			return false;
	}
	*argc = kept;
	return true;
}

int main(int argc, char **argv)
{
	static char *default_argv[] = { NULL, NULL };
	const struct command *cmd;

	argv++, argc--;
	if (!take_color(&argc, argv)) {
		fputs("usage: statesync --color=auto|always|never ...\n",
		      stderr);
		return EXIT_USAGE;
	}
	while (argc && !strcmp(*argv, "-s")) {
		if (argc < 2) {
			fputs("usage: statesync [-s PATH] [COMMAND]\n", stderr);
			return EXIT_USAGE;
		}
		setenv("STATESYNC_SOCKET", argv[1], 1);
		argv += 2, argc -= 2;
	}
	if (argc && !strcmp(*argv, "-V")) {
		puts("statesync " STATESYNC_VERSION);
		return EXIT_YES;
	}
	if (!argc) {
		argv = default_argv;
		argc = 1;
		cmd = find_command("status");
	} else {
		cmd = find_command(!strcmp(*argv, "-h") ? "help" : *argv);
	}
	return cmd ? cmd->run(cmd, argc, argv) : unknown_command(*argv);
}
