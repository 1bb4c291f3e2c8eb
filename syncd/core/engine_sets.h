/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part of the engine that tells nftables sets: whose elements are told to
 * whom, and what is to be done with those that a peer told. Pure.
 *
 * Who is master of any vhost tells; all nodes take what they are told. The
 * kernel tells of what a user changes (engine_set_event); what the packet path
 * adds is found by a look at the whole set each period. A peer that lacks a
 * set, or just came, is told all of it between two marks, and removes what was
 * not among it, unless it is master itself. What a peer told is remembered like
 * what was found, and so never told back.
 */
#ifndef STATESYNC_ENGINE_SETS_H
#define STATESYNC_ENGINE_SETS_H

#include "set_memo.h"

#define ENGINE_SETS_PEERS 8	/* as ENGINE_PEERS_MAX */
#define ENGINE_SET_CHUNK  2048	/* elements of one chunk of a look */
#define ENGINE_SET_RATE	  50000 /* elements told in a second, at most */

struct engine;

/* What became of an element that was to be changed. */
enum set_result {
	SET_APPLIED,
	SET_ABSENT,  /* it is not there, as it was to be */
	SET_FULL,    /* the set's size is reached */
	SET_OVERLAP, /* an interval overlaps with another one */
	SET_CHAIN,   /* the chain of its verdict is missing */
	SET_MISSING, /* the set is */
	SET_INVALID, /* the kernel does not take it */
	SET_FAILED,  /* memory, or another reason of the kernel's */
	/* those that were not even tried: */
	SET_UNFIT,  /* it is of another kind here */
	SET_UNTOLD, /* of ours: expressions or lengths that cannot be told */
	SET_CROWD,  /* more than SET_MEMO_MAX elements */
	SET_RESULTS
};
/* A word for JSON and counters: "full", "overlap", ... */
const char *set_result_name(enum set_result r);

enum set_do { SET_ADD, SET_REPLACE, SET_DELETE };

struct set_op {
	enum set_do what;
	struct set_elem elem;
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
	uint8_t news[ENGINE_SET_CHUNK];
};

/* --- facts of our kernel --------------------------------------------------- */

/*
 * Other names from now on (or the first ones): n <= SETS_MAX, each shorter than
 * SET_NAME_MAX; 0: none. 0 or -ENOMEM.
 */
int engine_sets_name(struct engine *e, const char *const *names, size_t n,
		     int64_t period_ns, mono_t now)
	__attribute__((warn_unused_result));
/* The answer to WORK_SET_KIND: kind->present is false where it is missing. err:
 * it could not be asked for. */
void engine_set_is(struct engine *e, unsigned set, const struct set_kind *kind,
		   int err, mono_t now);
/* A set may have come, gone or be another one. */
void engine_set_renewed(struct engine *e, unsigned set);
/* Somebody else changed an element (SET_ELEM_DELETED: it went). */
void engine_set_event(struct engine *e, unsigned set, const struct set_elem *el,
		      mono_t now);
/* Somebody did, in a way that a look at all of it will tell. */
void engine_set_stirred(struct engine *e, unsigned set, mono_t now);
/* News were lost: all sets. */
void engine_sets_overrun(struct engine *e, mono_t now);

/* --- work (engine_work) ------------------------------------------------------ */

/* WORK_SET_KIND, WORK_SET_READ, WORK_SET_START: of this set. */
unsigned engine_sets_at(const struct engine *e);
/* A look was started (0), or could not be (-errno). */
void engine_set_looking(struct engine *e, int err, mono_t now);
/* A chunk, n <= ENGINE_SET_CHUNK; untold: entries that cannot be told. err:
 * it broke off. */
void engine_set_looked(struct engine *e, const struct set_elem *list, size_t n,
		       size_t untold, bool more, int err, mono_t now);
/* The results of sets->ops, one enum set_result each. */
void engine_set_applied(struct engine *e, const uint8_t *results, mono_t now);

#endif
