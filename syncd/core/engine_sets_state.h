/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the engine knows of nftables sets, for engine_sets.h and the screen. */
#ifndef STATESYNC_ENGINE_SETS_STATE_H
#define STATESYNC_ENGINE_SETS_STATE_H

#include "set_memo.h"
#include "set_op.h"

#define ENGINE_SETS_PEERS 8	/* as ENGINE_PEERS_MAX */
#define ENGINE_SET_RATE	  50000 /* elements told in a second, at most */

/* A piece of work, of the set engine_sets_at(). */
enum sets_work {
	SETS_NOTHING,
	SETS_KIND,  /* what is it now? then engine_set_is */
	SETS_START, /* a look at it; then engine_set_looking */
	SETS_READ,  /* one chunk of that; then engine_set_looked */
	SETS_ABORT, /* of the look; then engine_set_looked */
	SETS_APPLY, /* sets->ops, of sets->ops_set; then engine_set_applied */
};

struct engine_set {
	char name[SET_NAME_MAX];
	struct set_kind kind;
	bool known;	 /* kind is what the kernel has */
	bool read;	 /* and the memo has its elements */
	bool renew;	 /* it may be another one: to be read anew */
	bool missed;	 /* a look found less than a peer told us */
	bool crossed;	 /* elements overlap with what may go yet */
	bool last;	 /* a last look, after mastership ended */
	bool complained; /* of why, or of its being missing */
	const char *why; /* it is not told, or NULL */
	int error;	 /* -errno of its last look, or 0 */
	mono_t due;	 /* the next look */
	mono_t wish;	 /* when all elements are to be asked for */
	uint64_t want;	 /* the last wish; 0: none yet */
	bool sweep;	 /* all were told: what was not is to go */
	bool unswept;	 /* or stays for now: several peers tell */
	struct set_memo memo;
	uint64_t sent, received, applied, removed, looks;
	uint64_t results[SET_RESULTS];
	mono_t refused_at; /* by our kernel, the last time */
	int64_t took_ns;   /* the last look, from its start */
};

/* A peer's set of the same name. */
struct engine_set_peer {
	bool named; /* it names it, too */
	struct set_kind kind;
	uint64_t want, elements; /* as it says */
	uint64_t served;	 /* that wish was answered; 0: none */
	uint64_t serving;	 /* this one is, by the look that goes on */
	uint64_t hears;		 /* the wish that it answers just now; 0 */
	bool told;		 /* what differs was logged */
};

struct engine_sets {
	size_t n;
	int64_t period_ns;
	struct engine_set set[SETS_MAX];
	struct {
		bool say; /* what our sets are */
		bool ask; /* and ask for its */
		struct engine_set_peer of[SETS_MAX];
	} peers[ENGINE_SETS_PEERS];
	mono_t gate; /* until then bulks wait for elements; MONO_NEVER */

	enum sets_work work; /* the next piece */
	/* the look that goes on */
	unsigned at;	 /* the set of the next piece of work */
	bool looking;	 /* at it */
	bool abort;	 /* it is of no use any more */
	bool again;	 /* it missed some: another one, for whole */
	unsigned tries;	 /* of that */
	uint32_t whole;	 /* peers that are told all of it, a bit each */
	unsigned chunks; /* read of it */
	unsigned gone;	 /* told as deleted at its end */
	size_t crowd, untold;
	mono_t began, asked; /* the look; the chunk that was asked for */
	mono_t next;	     /* the next chunk, not before */

	/* what a peer told, and is to be applied */
	size_t nops;
	unsigned ops_set;
	int ops_peer; /* that waits for an answer; -1 */
	uint64_t ops_seq;
	struct set_op ops[SET_FRAME_MAX];

	/* what is to be told, of one set */
	unsigned out_set;
	struct set_elements out;
	uint8_t news[SET_CHUNK_MAX];
};

#endif
