/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages to people: standard error with -d, syslog otherwise. Form and
 * words of a message: what is; what follows; what to do.
 *
 * The level says who must act: LOG_ERR traffic suffers or a takeover is
 * impossible, LOG_WARNING it will bite, LOG_NOTICE role changes and bulks,
 * LOG_INFO the rest, LOG_DEBUG per packet.
 */
#ifndef STATESYNC_LOG_H
#define STATESYNC_LOG_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

/*
 * Where messages go: standard error with the level in front (to_stderr), for
 * the journal as its number, or syslog, facility daemon. Before the first
 * call: standard error.
 */
void log_open(bool to_stderr);

/* Messages less urgent than `level` are dropped. At the start LOG_NOTICE. */
void log_set_level(int level);

/* True when a message of this level would be written. */
bool log_wants(int level);

/*
 * Writes one message, without a newline at its end, and cleaned (text.h), so
 * that no text from outside forges a second line. At most 1000 bytes, longer
 * ones are cut. errno is kept.
 */
void log_msg(int level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * accept() failed for want of a descriptor or of memory: a warning, once a
 * minute for each place. who: whom it is that nobody new can reach, a few
 * words; *said: when it was said last, 0 at first.
 */
void log_accept(const char *who, int err, time_t *said);

/*
 * An errno as the words that stand in our sentences, in small letters. The
 * rest as the C library has it. No memory, no locale; usable without log.c.
 */
static inline const char *log_errno(int err)
{
	switch (err) {
	case ENOENT:
		return "no such file";
	case EACCES:
	case EPERM:
		return "permission denied";
	case ECONNREFUSED:
		return "connection refused";
	case ECONNRESET:
	case EPIPE:
		return "connection reset";
	case ESTALE:
		return "changed while it was read";
	case ETIMEDOUT:
		return "no answer";
	case EHOSTUNREACH:
		return "no route to host";
	case ENETUNREACH:
		return "network unreachable";
	case ENETDOWN:
		return "network down";
	case EADDRNOTAVAIL:
		return "address not on this machine";
	case EADDRINUSE:
		return "address in use";
	case ENOSPC:
		return "no space left";
	default:
		return strerrordesc_np(err) ? strerrordesc_np(err) : "unknown";
	}
}

#endif
