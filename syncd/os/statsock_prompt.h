/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Line after line on one connection to the stats socket, for people and for
 * programs that ask often.
 */
#ifndef STATESYNC_STATSOCK_PROMPT_H
#define STATESYNC_STATSOCK_PROMPT_H

#include "statsock.h"

/*
 * Interactive from the end of this line on, until statsock_quit(), the end of
 * the input or 60 s without a line. fn(ctx, text, size) writes what is to stand
 * before each line; NULL: nothing.
 */
#define STATSOCK_PROMPT_MAX 128
typedef void statsock_prompt_fn(void *ctx, char *text, size_t size);
void statsock_prompt(struct stats_client *client, statsock_prompt_fn *fn,
		     void *ctx);
/* This line is the last one. */
void statsock_quit(struct stats_client *client);

#endif
