// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Messages to standard error or syslog. It is not a logger with channels or
 * formats: one line in, one line out.
 *
 * Invariant: one call writes one line, whatever the text holds. The level
 * and the place are the only state, as the house allows here.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

static int log_level = LOG_NOTICE;
static bool log_syslog;

static const char *const level_names[] = {
	"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
};

void log_open(bool to_stderr)
{
	log_syslog = !to_stderr;
	if (log_syslog)
		openlog("statesyncd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_set_level(int level)
{
	log_level = level;
}

bool log_wants(int level)
{
	return level <= log_level;
}

/* What standard error is connected to: JOURNAL_STREAM of systemd.exec(5). */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char text[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	return !strcmp(stream, text);
}

/* Each with its level, as the journal takes it and as people read it. */
static void say(int level, const char *text)
{
	if (is_journal())
		fprintf(stderr, "<%d>%s\n", level & 7, text);
	else
		fprintf(stderr, "%s: %s\n", level_names[level & 7], text);
}

void log_accept(const char *who, int err, time_t *said)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (*said && now.tv_sec < *said + 60)
		return;
	*said = now.tv_sec;
	log_msg(LOG_WARNING,
		"%s cannot be reached by anybody new: %s. LimitNOFILE= and "
		"MemoryMax= of the unit; ls /proc/PID/fd says what is open",
		who, log_errno(err));
}

void log_msg(int level, const char *fmt, ...)
{
	char text[1000];
	int saved = errno;
	va_list ap;

	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_clean(text);
	if (log_syslog)
		syslog(level, "%s", text);
	else
		say(level, text);
	errno = saved;
}
