/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who a client of the stats socket is, for the log and the history.
 */
#ifndef STATESYNC_STATSOCK_WHO_H
#define STATESYNC_STATSOCK_WHO_H

struct stats_client;

/*
 * "anna (uid 1001)"; behind sudo, where the kernel knows who logged in, "anna
 * (uid 1001, as root)"; "uid 1001" for who is in no local file. Returns text.
 */
#define STATSOCK_AUTHOR_SIZE 80
const char *statsock_client_author(const struct stats_client *client,
				   char text[STATSOCK_AUTHOR_SIZE]);

#endif
