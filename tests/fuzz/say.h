/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Things to be said on the link, made up. */
#ifndef STATESYNC_FUZZ_SAY_H
#define STATESYNC_FUZZ_SAY_H

#include "fuzz.h"
#include "session.h"

/* TCP, UDP, ICMP, SCTP, GRE and IPv6, translated, with all that few flows
 * have. */
struct flow say_flow(uint16_t i);

/* One message of the kind that the input says: of those without a number, an
 * acknowledgement up to got among them; or of those that want a peer who said
 * hello. 0, or -errno. */
int say_small(struct session *s, struct reader *in, uint64_t got);
int say_large(struct session *s, struct reader *in, mono_t now);

#endif
