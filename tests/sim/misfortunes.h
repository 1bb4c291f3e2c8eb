/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The misfortunes that befall a pair, by chance. For sim_pair. */
#ifndef STATESYNC_SIM_MISFORTUNES_H
#define STATESYNC_SIM_MISFORTUNES_H

#include "sim.h"

/* A number of them, one after the other; until an error at the latest. */
void misfortunes_befall(struct sim *s);
/* One alone. */
void misfortunes_one(struct sim *s);
/* What is dead starts again, what is broken is mended: each by chance. */
void misfortunes_mend(struct sim *s, unsigned percent);
/* A standby's table changes without a word, so only the audit can find it;
 * nothing happens without an audit. */
void misfortunes_tamper(struct sim *s);
/* In the middle of something that it does a node is struck. */
void misfortunes_strike(struct sim *s);
/* The name of one of the SIM_STEPS. */
const char *misfortunes_step(unsigned step);
/* So with an event that the kernel of that node does not tell. */
void misfortunes_swallow(struct sim *s, unsigned node);

#endif
