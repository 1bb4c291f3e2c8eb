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

#include <stdbool.h>
#include <syslog.h>

/*
 * Where messages go: standard error with the level in front (to_stderr), or
 * syslog, facility daemon. Before the first call: standard error.
 */
void log_open(bool to_stderr);

/* Messages less urgent than `level` are dropped. At the start LOG_NOTICE. */
void log_set_level(int level);

/* True when a message of this level would be written. */
bool log_wants(int level);

/*
 * Writes one message, without a newline at its end. Control characters are
 * shown as '?', so that no text from outside forges a second line. At most
 * 1000 bytes, longer ones are cut. errno is kept.
 */
void log_msg(int level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
