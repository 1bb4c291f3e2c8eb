/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a node says of itself so that its peers can compare it with themselves:
 * a kind (a number of syncd/core/drift.h), a name, a value, and a note for
 * people, which is not compared.
 */
#ifndef STATESYNC_FACT_H
#define STATESYNC_FACT_H

#include <stdint.h>

#define FACT_NAME_MAX  256 /* bytes, with NUL; the path of a file is one */
#define FACT_VALUE_MAX 96
#define FACT_NOTE_MAX  96
#define FACTS_MAX      1024 /* of one node */
#define FACTS_FRAME    64   /* in one frame */

struct fact {
	uint32_t kind;
	char name[FACT_NAME_MAX];
	char value[FACT_VALUE_MAX]; /* "": it could not be found out */
	char note[FACT_NOTE_MAX];
};

#endif
