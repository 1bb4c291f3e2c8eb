// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * statesync watch: asks for the status each second and draws it; a key runs a
 * command of this tool as a child. It needs no library for terminals: what it
 * writes every one has understood since the VT220.
 *
 * Invariant: whatever ends it but SIGKILL, the terminal is as it was before.
 */
#include "statesync_watch.h"
#include "log.h"
#include "statesync_client.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_S  1
#define SILENCE_S 2

/* The other screen, without a cursor; and back. */
static const char enter[] = "\033[?1049h\033[?25l\033[2J";
static const char leave[] = "\033[?25h\033[?1049l";

static volatile sig_atomic_t got[NSIG];

static void on_signal(int number)
{
	got[number] = 1;
}

struct screen {
	struct watch w;
	struct termios before;
	sigset_t mask; /* while it waits */
	struct timespec next, heard;
	bool help;
	pid_t child;
	int child_out; /* -1: no command runs */
	FILE *daemon;  /* one connection for all questions, or NULL */
	char partial[WATCH_LINE];
	size_t npartial;
};

/* --- the terminal -------------------------------------------------------------- */

static void write_all(const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, text, len);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
}

static void terminal_set(const struct screen *s)
{
	struct termios t = s->before;

	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &t);
	write_all(enter, strlen(enter));
}

static void terminal_restore(const struct screen *s)
{
	write_all(leave, strlen(leave));
	tcsetattr(STDIN_FILENO, TCSADRAIN, &s->before);
}

static void look_at_size(struct watch *w)
{
	struct winsize size;

	w->rows = 24;
	w->cols = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row ||
	    !size.ws_col)
		return;
	w->rows = size.ws_row;
	w->cols = size.ws_col;
}

static void catch_signals(struct screen *s)
{
	static const int numbers[] = { SIGINT,	SIGTERM, SIGHUP,  SIGQUIT,
				       SIGTSTP, SIGCONT, SIGWINCH };
	const struct sigaction sa = { .sa_handler = on_signal };
	sigset_t block;

	sigemptyset(&block);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sigaddset(&block, numbers[i]);
		sigaction(numbers[i], &sa, NULL);
	}
	sigprocmask(SIG_BLOCK, &block, &s->mask);
}

static void suspend(struct screen *s)
{
	terminal_restore(s);
	got[SIGTSTP] = 0;
	raise(SIGSTOP);
	tcgetattr(STDIN_FILENO, &s->before);
	terminal_set(s);
}

static void draw(struct screen *s)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	look_at_size(&s->w);
	screen_draw(&s->w, out);
	fclose(out);
	write_all(text, len);
	free(text);
}

/* --- the status ------------------------------------------------------------------ */

static void keep_line(void *arg, char *line)
{
	json_t **doc = arg;

	if (!*doc)
		*doc = json_loads(line, 0, NULL);
}

static double since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) +
	       (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

/* 0, or -errno as client_ask(). */
static int ask_status(struct screen *s)
{
	struct answer answer;
	json_t *doc = NULL;
	int rc = client_ask_again(&s->daemon, "status json", SILENCE_S,
				  keep_line, &doc, &answer);

	if (!rc && !json_is_object(doc))
		rc = -EPIPE;
	if (rc) {
		json_decref(doc);
		s->w.silent_s = fmax(since(&s->heard), 0.001);
		for (unsigned i = 0; i < PLOTS; i++)
			plot_add(&s->w.plots[i], NAN);
		return rc;
	}
	json_decref(s->w.status);
	s->w.status = doc;
	s->w.silent_s = 0;
	clock_gettime(CLOCK_MONOTONIC, &s->heard);
	screen_sample(&s->w);
	return 0;
}

/* --- commands --------------------------------------------------------------------- */

static void add_line(struct watch *w, const char *text)
{
	if (w->nlines == WATCH_LINES) {
		memmove(w->lines[0], w->lines[1],
			sizeof(w->lines) - sizeof(w->lines[0]));
		w->nlines--;
	}
	snprintf(w->lines[w->nlines++], WATCH_LINE, "%s", text);
}

static void show(struct screen *s, const char *title)
{
	snprintf(s->w.title, sizeof(s->w.title), "%s", title);
	s->w.nlines = 0;
}

static void run(struct screen *s, const char *command)
{
	int ends[2];

	if (s->child_out >= 0)
		return;
	show(s, command);
	if (pipe2(ends, O_CLOEXEC)) {
		add_line(&s->w, log_errno(errno));
		return;
	}
	s->child = fork();
	if (!s->child) {
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

		sigprocmask(SIG_SETMASK, &s->mask, NULL);
		dup2(null, STDIN_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execl("/proc/self/exe", "statesync", "-s", client_path(),
		      command, NULL);
		_exit(127);
	}
	close(ends[1]);
	s->child_out = ends[0];
	s->npartial = 0;
	if (s->child < 0) {
		add_line(&s->w, log_errno(errno));
		close(s->child_out);
		s->child_out = -1;
	}
}

static void child_ended(struct screen *s)
{
	int status = 0;

	close(s->child_out);
	s->child_out = -1;
	(void)waitpid(s->child, &status, 0);
	snprintf(s->w.title + strlen(s->w.title),
		 sizeof(s->w.title) - strlen(s->w.title), ": %s (any key)",
		 WIFEXITED(status) && !WEXITSTATUS(status) ? "done" : "no");
}

static void child_said(struct screen *s)
{
	char bytes[512];
	ssize_t n = read(s->child_out, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] == '\n' || s->npartial == WATCH_LINE - 1) {
			s->partial[s->npartial] = '\0';
			add_line(&s->w, s->partial);
			s->npartial = 0;
		}
		/* what a terminal would obey is not for this one */
		if ((unsigned char)bytes[i] >= ' ')
			s->partial[s->npartial++] = bytes[i];
	}
	if (n <= 0)
		child_ended(s);
}

/* --- keys -------------------------------------------------------------------------- */

static void help(struct screen *s)
{
	show(s, "keys (any key)");
	add_line(&s->w, "q  quit");
	add_line(&s->w,
		 "h  hand everything over to the peer, after a question");
	add_line(&s->w, "b  fetch the peer's whole table now");
	add_line(&s->w, "v  compare the two connection tables now");
	add_line(&s->w,
		 "p  stop and go on; what changes meanwhile is not seen");
	add_line(&s->w,
		 "lag: age of the oldest change the peer has not confirmed");
	add_line(&s->w,
		 "queue: bytes that wait for the link. ?: the word is old");
}

/* False: quit. */
static bool key(struct screen *s, char c)
{
	if (*s->w.question) {
		s->w.question = "";
		if (c == 'y')
			run(s, "handover");
		return true;
	}
	if (*s->w.title && s->child_out < 0) {
		show(s, "");
		return c != 'q';
	}
	switch (c) {
	case 'q':
		return false;
	case 'h':
		if (s->child_out < 0)
			s->w.question = "hand over everything this node is "
					"master of?  y yes, any other key no";
		break;
	case 'b':
		run(s, "bulk");
		break;
	case 'v':
		run(s, "verify");
		break;
	case 'p':
		s->w.paused = !s->w.paused;
		break;
	case '?':
		if (s->child_out < 0)
			help(s);
		break;
	default:
		break;
	}
	return true;
}

static bool read_keys(struct screen *s)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n <= 0)
		return false; /* the terminal is gone */
	if (keys[0] == '\033')
		return true; /* an arrow, or the like */
	for (ssize_t i = 0; i < n; i++)
		if (!key(s, keys[i]))
			return false;
	return true;
}

/* --- the whole ---------------------------------------------------------------------- */

static struct timespec left(const struct screen *s)
{
	double wait = -since(&s->next);

	if (wait < 0)
		wait = 0;
	return (struct timespec){ .tv_sec = (time_t)wait,
				  .tv_nsec = (long)(fmod(wait, 1) * 1e9) };
}

/* Until a key or a signal ends it; the signal. */
static int loop(struct screen *s)
{
	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = s->child_out, .events = POLLIN },
		};
		const struct timespec wait = left(s);

		if (ppoll(fds, 2, &wait, &s->mask) < 0 && errno != EINTR)
			return 0;
		if (got[SIGINT])
			return 0;
		for (int i = 1; i < NSIG; i++)
			if (got[i] &&
			    (i == SIGTERM || i == SIGHUP || i == SIGQUIT))
				return i;
		if (got[SIGTSTP])
			suspend(s);
		if (fds[1].revents)
			child_said(s);
		if (fds[0].revents && !read_keys(s))
			return 0;
		if (since(&s->next) >= 0) {
			s->next.tv_sec += PERIOD_S;
			if (since(&s->next) > 0) /* it was late */
				clock_gettime(CLOCK_MONOTONIC, &s->next);
			if (!s->w.paused)
				(void)ask_status(s);
		}
		draw(s);
	}
}

int watch(bool ascii, bool color)
{
	struct screen *s;
	int rc, signal_number;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		fputs("statesync: watch needs a terminal; statesync status "
		      "--json\n",
		      stderr);
		return EXIT_USAGE;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		fputs("statesync: not enough memory; statesync status\n",
		      stderr);
		return EXIT_NO;
	}
	s->w.ascii = ascii;
	s->w.color = color;
	s->w.question = "";
	s->child_out = -1;
	rc = ask_status(s);
	if (rc) {
		free(s);
		return client_complain(rc);
	}
	s->next = s->heard;
	s->next.tv_sec += PERIOD_S;
	tcgetattr(STDIN_FILENO, &s->before);
	catch_signals(s);
	terminal_set(s);
	draw(s);
	signal_number = loop(s);
	terminal_restore(s);
	json_decref(s->w.status);
	if (s->daemon)
		fclose(s->daemon);
	free(s);
	if (signal_number) {
		signal(signal_number, SIG_DFL);
		raise(signal_number);
		sigprocmask(SIG_SETMASK, &(sigset_t){ 0 }, NULL);
	}
	return EXIT_YES;
}
