/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ways to show an answer of the daemon. Each returns the exit status, and has
 * said why not on standard error.
 */
#ifndef STATESYNC_ASK_H
#define STATESYNC_ASK_H

#include <stdbool.h>

struct answer;

/* Prints the body; the daemon may be silent for silence_s, or
 * CLIENT_SILENCE_S. */
int ask_for(const char *request, int silence_s);
int ask(const char *request);

/* A screen, in color; on a terminal its first line has said why not. */
int ask_screen(const char *request);

/* Prints nothing at all. */
int ask_quietly(const char *request);

/* Lines as they come, each written out at once; as ask_for(), 0: for ever. */
int ask_events(const char *request, int silence_s);

/* After client_ask(): the daemon's sentence, unless it was said already. */
int conclude(const struct answer *answer, bool said);

#endif
