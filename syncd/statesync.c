// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The operator's tool: puts a command as one line to the stats socket and
 * shows the answer. Screens are made by the daemon; this is neither their
 * author nor does it know what they mean.
 *
 * Implements the commands and exit statuses of the manual: 0 yes or done,
 * 1 no, 2 usage, 3 no daemon behind the socket.
 *
 * Invariant: it exits 0 only after a status line "ok".
 */
#include "keyfile.h"
#include "log.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/statesync/stats.sock"
#define REQUEST_MAX    1024
#define SILENCE_S      30
#define SILENCE_BULK_S 300
#define POLL_MS	       200

enum exit_status { EXIT_YES, EXIT_NO, EXIT_USAGE, EXIT_NO_DAEMON };

struct command;
typedef int run_fn(const struct command *cmd, int argc, char **argv);

struct command {
	const char *name;
	const char *usage; /* behind the name */
	const char *help;
	run_fn *run;
};

/* What the daemon said at the end. */
struct answer {
	enum exit_status status;
	char sentence[512];
};

typedef void line_fn(void *arg, char *line);

static const char *socket_path(void);

static int usage(const struct command *cmd)
{
	fprintf(stderr, "usage: statesync [-s PATH] %s%s%s\n", cmd->name,
		*cmd->usage ? " " : "", cmd->usage);
	return EXIT_USAGE;
}

/* --- the socket --------------------------------------------------------- */

/* A stream to the daemon, or NULL with errno. */
static FILE *open_daemon(int silence_s)
{
	const struct timeval tv = { .tv_sec = silence_s };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = socket_path();
	FILE *f = NULL;
	int fd, err;

	if (strlen(path) >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (!connect(fd, (struct sockaddr *)&un, sizeof(un)))
		f = fdopen(fd, "r");
	if (!f) {
		err = errno;
		close(fd);
		errno = err;
	}
	return f;
}

static int no_daemon(int err)
{
	const char *path = socket_path();

	if (err == EACCES || err == EPERM)
		fprintf(stderr,
			"statesync: %s: permission denied. sudo, or join the "
			"group: adduser $USER statesync\n",
			path);
	else
		fprintf(stderr,
			"statesync: no daemon behind %s (%s). systemctl start "
			"statesyncd\n",
			path, log_errno(err));
	return EXIT_NO_DAEMON;
}

/* "ok", "no: ...", "error: ..."; false for any other line. */
static bool parse_status(const char *line, struct answer *answer)
{
	static const char *const words[] = { "ok", "no", "error" };

	for (int i = 0; i < 3; i++) {
		size_t len = strlen(words[i]);

		if (strncmp(line, words[i], len) ||
		    (line[len] && strncmp(line + len, ": ", 2)))
			continue;
		answer->status = (enum exit_status)i;
		snprintf(answer->sentence, sizeof(answer->sentence), "%s",
			 line[len] ? line + len + 2 : "");
		return true;
	}
	return false;
}

/* The lines of the body to fn; the line before the empty one is the status. */
static bool read_answer(FILE *f, struct answer *answer, line_fn *fn, void *arg)
{
	char *line = NULL, *held = NULL;
	size_t size = 0;
	bool complete = false;
	ssize_t n;

	while (!complete && (n = getline(&line, &size, f)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (!*line) {
			complete = held && parse_status(held, answer);
			break;
		}
		if (held)
			fn(arg, held);
		free(held);
		held = strcmp(line, " ") ? line : strdup("");
		if (held == line) {
			line = NULL;
			size = 0;
		}
	}
	free(held);
	free(line);
	return complete;
}

/* One request, its answer: 0, or the exit status after a message. */
static int talk(const char *request, int silence_s, line_fn *fn, void *arg,
		struct answer *answer)
{
	FILE *f = open_daemon(silence_s);
	bool complete = false;
	size_t len;
	char line[REQUEST_MAX + 2];

	if (!f)
		return no_daemon(errno);
	len = (size_t)snprintf(line, sizeof(line), "%s\n", request);
	errno = 0;
	if (send(fileno(f), line, len, MSG_NOSIGNAL) == (ssize_t)len)
		complete = read_answer(f, answer, fn, arg);
	if (!complete)
		fprintf(stderr,
			"statesync: the daemon behind %s %s. systemctl status "
			"statesyncd\n",
			socket_path(),
			errno == EAGAIN ? "does not answer"
					: "went away in the middle of its "
					  "answer");
	fclose(f);
	return complete ? 0 : EXIT_NO_DAEMON;
}

static void print_line(void *arg, char *line)
{
	(void)arg;
	puts(line);
}

/* Adds a word to a request; false when it cannot be sent. */
static bool add_word(char request[REQUEST_MAX + 1], const char *word)
{
	size_t used = strlen(request);
	bool quote = !*word || strpbrk(word, " \t;");

	for (const char *c = word; *c; c++)
		if ((unsigned char)*c < ' ' || *c == '"' || *c == 0x7f)
			return false;
	if (used + strlen(word) + 3 > REQUEST_MAX)
		return false;
	snprintf(request + used, REQUEST_MAX + 1 - used, "%s%s%s%s",
		 used ? " " : "", quote ? "\"" : "", word, quote ? "\"" : "");
	return true;
}

/* Sends, prints the body, says why on standard error. */
static int ask(const char *request, bool screen)
{
	struct answer answer = { EXIT_NO_DAEMON, "" };
	int rc = talk(request, SILENCE_S, print_line, NULL, &answer);

	if (rc)
		return rc;
	fflush(stdout);
	/* On a terminal the first line of a screen has said it. */
	if (answer.status != EXIT_YES && *answer.sentence &&
	    !(screen && answer.status == EXIT_NO && isatty(STDOUT_FILENO)))
		fprintf(stderr, "statesync: %s\n", answer.sentence);
	return answer.status;
}

/* --- commands ----------------------------------------------------------- */

static int run_status(const struct command *cmd, int argc, char **argv)
{
	if (argc == 1)
		return ask("status", true);
	if (argc == 2 && !strcmp(argv[1], "--json"))
		return ask("status json", true);
	return usage(cmd);
}

struct bar {
	bool shown, terminal;
	char who[80];
};

/* The bar of one line, redrawn: "progress DONE TOTAL SECONDS". */
static void draw_bar(struct bar *bar, unsigned long long done,
		     unsigned long long total, double seconds)
{
	const int width = 30;
	double rate = seconds > 0 ? (double)done / seconds : 0;
	double part = total ? (double)done / (double)total : 0;
	int full;

	if (part > 1)
		part = 1;
	full = (int)(part * width);
	printf("\rbulk%s  %3.0f %%  [%.*s%.*s]  %llu/%llu  ", bar->who,
	       part * 100, full, "##############################", width - full,
	       "------------------------------", done, total);
	if (rate >= 1000)
		printf("%.0fk/s", rate / 1000);
	else
		printf("%.0f/s", rate);
	if (rate > 0 && total >= done)
		printf("  %.0f s", (double)(total - done) / rate);
	fputs("\033[K", stdout);
	fflush(stdout);
	bar->shown = true;
}

static void bulk_line(void *arg, char *line)
{
	struct bar *bar = arg;
	unsigned long long done, total;
	double seconds;

	if (sscanf(line, "progress %llu %llu %lf", &done, &total, &seconds) ==
	    3) {
		if (bar->terminal)
			draw_bar(bar, done, total, seconds);
		return;
	}
	if (bar->shown)
		fputs("\r\033[K", stdout);
	bar->shown = false;
	puts(line);
}

static int run_bulk(const struct command *cmd, int argc, char **argv)
{
	char request[REQUEST_MAX + 1] = "bulk";
	struct bar bar = { .terminal = isatty(STDOUT_FILENO) };
	struct answer answer = { EXIT_NO_DAEMON, "" };
	int rc;

	if (argc > 2 || (argc == 2 && !add_word(request, argv[1])))
		return usage(cmd);
	if (argc == 2)
		snprintf(bar.who, sizeof(bar.who), " from %s", argv[1]);
	rc = talk(request, SILENCE_BULK_S, bulk_line, &bar, &answer);
	if (bar.shown)
		puts("");
	fflush(stdout);
	if (rc)
		return rc;
	if (answer.status != EXIT_YES && *answer.sentence)
		fprintf(stderr, "statesync: %s\n", answer.sentence);
	return answer.status;
}

static int run_handover(const struct command *cmd, int argc, char **argv)
{
	char request[REQUEST_MAX + 1] = "handover";

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (!strcmp(word, "--force"))
			word = "force";
		else if (*word == '-')
			return usage(cmd);
		if (!add_word(request, word))
			return usage(cmd);
	}
	return ask(request, false);
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
	char request[REQUEST_MAX + 1] = "demote";
	int at = argc > 1 && !strcmp(argv[1], "--") ? 2 : 1;

	if (argc != at + 1 || !is_number(argv[at], -255, 255) ||
	    !add_word(request, argv[at]))
		return usage(cmd);
	return ask(request, false);
}

static int run_history(const struct command *cmd, int argc, char **argv)
{
	char request[REQUEST_MAX + 1] = "history";

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			add_word(request, "json");
		} else if (!strcmp(argv[i], "-n") && i + 1 < argc &&
			   is_number(argv[i + 1], 1, 1000000)) {
			add_word(request, "n");
			if (!add_word(request, argv[++i]))
				return usage(cmd);
		} else {
			return usage(cmd);
		}
	}
	return ask(request, false);
}

static int run_counters(const struct command *cmd, int argc, char **argv)
{
	if (argc == 1)
		return ask("counters", false);
	if (argc == 2 && !strcmp(argv[1], "-a"))
		return ask("counters all", false);
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
		fprintf(stderr, "statesync: the key was not written: %s\n",
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

/* --- wait --------------------------------------------------------------- */

static void keep_line(void *arg, char *line)
{
	json_t **doc = arg;

	if (!*doc)
		*doc = json_loads(line, 0, NULL);
}

/* All vhosts in this state, and there is one. */
static bool all_carp(const json_t *doc, const char *state)
{
	const json_t *carp = json_object_get(doc, "carp"), *one;
	size_t i;

	json_array_foreach(carp, i, one)
	{
		const char *s =
			json_string_value(json_object_get(one, "state"));

		if (!s || strcmp(s, state))
			return false;
	}
	return json_array_size(carp) > 0;
}

static bool all_in_sync(const json_t *doc)
{
	const json_t *peers = json_object_get(doc, "peers"), *one;
	size_t i;

	json_array_foreach(peers, i, one)
	{
		if (!json_is_true(json_object_get(one, "in_sync")))
			return false;
	}
	return json_array_size(peers) > 0;
}

/* EXIT_YES, EXIT_NO (not yet), or EXIT_NO_DAEMON; without a message. */
static int poll_status(const char *what)
{
	struct answer answer;
	json_t *doc = NULL;
	bool yes = false;
	FILE *f = open_daemon(SILENCE_S);

	if (!f)
		return EXIT_NO_DAEMON;
	if (send(fileno(f), "status json\n", 12, MSG_NOSIGNAL) == 12 &&
	    read_answer(f, &answer, keep_line, &doc))
		yes = !strcmp(what, "in-sync")	? all_in_sync(doc)
		      : !strcmp(what, "master") ? all_carp(doc, "MASTER")
						: all_carp(doc, "BACKUP");
	json_decref(doc);
	fclose(f);
	return yes ? EXIT_YES : EXIT_NO;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Seconds, with or without the unit; negative when it is no duration. */
static double parse_seconds(const char *s)
{
	char *end;
	double n = strtod(s, &end);

	if (end == s || !(n >= 0 && n < 1e9))
		return -1;
	if (!*end || !strcmp(end, "s"))
		return n;
	if (!strcmp(end, "ms"))
		return n / 1000;
	return strcmp(end, "min") ? -1 : n * 60;
}

static int run_wait(const struct command *cmd, int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	const char *what = argc > 1 ? argv[1] : "";
	double limit = -1, start = now_s();
	int rc;

	if (strcmp(what, "in-sync") && strcmp(what, "master") &&
	    strcmp(what, "backup"))
		return usage(cmd);
	if (argc == 4 && !strcmp(argv[2], "--timeout"))
		limit = parse_seconds(argv[3]);
	if (argc != 2 && limit < 0)
		return usage(cmd);
	for (;;) {
		rc = poll_status(what);
		/* With a limit a daemon that is still starting is waited for. */
		if (rc == EXIT_YES || (limit < 0 && rc == EXIT_NO_DAEMON) ||
		    (limit >= 0 && now_s() - start >= limit))
			break;
		nanosleep(&pause, NULL);
	}
	if (rc == EXIT_NO_DAEMON)
		return no_daemon(ENOENT);
	if (rc == EXIT_NO)
		fprintf(stderr,
			"statesync: not %s within %g s. statesync "
			"status\n",
			what, limit);
	return rc;
}

/* --- the table ---------------------------------------------------------- */

static run_fn run_help;

static const struct command commands[] = {
	{ "status", "[--json]",
	  "who is master, is the peer in sync, may this node take over",
	  run_status },
	{ "bulk", "[PEER]", "fetch the peer's whole table now (also --bulk)",
	  run_bulk },
	{ "handover", "[--force] [VHID-NAME...]",
	  "planned switch to the peer, nothing lost", run_handover },
	{ "demote", "N | -- -N", "add to this node's demotion", run_demote },
	{ "history", "[-n N] [--json]", "the last transitions and why",
	  run_history },
	{ "counters", "[-a]", "what was counted, in sentences", run_counters },
	{ "wait", "in-sync|master|backup [--timeout S]", "return when it is so",
	  run_wait },
	{ "genkey", "[-o FILE]", "a new link key", run_genkey },
	{ "help", "[COMMAND]", "this", run_help },
};
#define NUM_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* Promised, not built yet. */
static const char *const later[] = { "watch",	    "verify",  "check",
				     "maintenance", "metrics", "reload" };

static const char *socket_path(void)
{
	const char *path = getenv("STATESYNC_SOCKET");

	return path && *path ? path : DEFAULT_SOCKET;
}

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
		printf("statesync %s %s\n    %s\n", one->name, one->usage,
		       one->help);
		return EXIT_YES;
	}
	puts("usage: statesync [-s PATH] [COMMAND]");
	for (size_t i = 0; i < NUM_COMMANDS; i++)
		printf("  %-9s %-36s %s\n", commands[i].name, commands[i].usage,
		       commands[i].help);
	puts("exit status: 0 yes or done, 1 no, 2 usage, 3 no daemon");
	return EXIT_YES;
}

/* Letters added, dropped or changed, as long as it is at most `limit`. */
static unsigned int distance(const char *a, const char *b, unsigned int limit)
{
	unsigned int best, d;

	while (*a && *a == *b)
		a++, b++;
	if (!*a && !*b)
		return 0;
	if (!limit)
		return 1;
	best = limit + 1;
	if (*a && (d = 1 + distance(a + 1, b, limit - 1)) < best)
		best = d;
	if (*b && (d = 1 + distance(a, b + 1, limit - 1)) < best)
		best = d;
	if (*a && *b && (d = 1 + distance(a + 1, b + 1, limit - 1)) < best)
		best = d;
	return best;
}

static int unknown_command(const char *name)
{
	const char *near = NULL;
	unsigned int best = 3;

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		if (!strcmp(later[i], name)) {
			fprintf(stderr,
				"statesync: \"%s\" is not in this version "
				"(%s). statesync help\n",
				name, STATESYNC_VERSION);
			return EXIT_USAGE;
		}
	for (size_t i = 0; i < NUM_COMMANDS; i++) {
		unsigned int d = distance(name, commands[i].name, 2);

		if (d < best && d < strlen(name)) {
			best = d;
			near = commands[i].name;
		}
	}
	if (near)
		fprintf(stderr,
			"statesync: unknown command \"%s\"; did you mean "
			"\"%s\"?\n",
			name, near);
	else
		fprintf(stderr,
			"statesync: unknown command \"%s\". statesync help\n",
			name);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static char *default_argv[] = { NULL, NULL };
	const struct command *cmd;

	argv++, argc--;
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
