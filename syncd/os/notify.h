/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A word to the service manager, as sd_notify(3): lines of KEY=VALUE in one
 * datagram to the socket that NOTIFY_SOCKET names. Without one nothing is
 * said. Not said: nobody can do anything about it.
 */
#ifndef STATESYNC_NOTIFY_H
#define STATESYNC_NOTIFY_H

void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* How it is, and, where a watchdog waits for it, that it is alive. */
void notify_alive(const char *verdict);

/* "RELOADING=1" with the time it wants beside it; READY=1 ends it. */
void notify_reloading(void);

#endif
