/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Connections that ended here while a peer tells its table: it was told so, but
 * a copy that it had sent before brings none of them back to life.
 */
#ifndef STATESYNC_ENDED_H
#define STATESYNC_ENDED_H

#include <stdbool.h>
#include <stdint.h>

#include "flow.h"

/* All zeroes: none, and no memory. */
struct ended {
	uint64_t *slots; /* owned */
};

/* Remembers it until ended_clear, or until many others have ended; without
 * memory it does not. */
void ended_note(struct ended *x, const struct flow *f);
bool ended_has(const struct ended *x, const struct flow *f);
/* There is a new one of its tuple. */
void ended_forget(struct ended *x, const struct flow *f);
void ended_clear(struct ended *x);

#endif
