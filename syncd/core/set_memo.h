/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is remembered of the elements of one nftables set: the key of each, a
 * digest of the rest, and when it runs out. From this a node knows what has
 * changed since it last looked, what the peers were told, and what a peer did
 * not mention. Pure.
 *
 * Unlike flows, sets are small: at most SET_MEMO_MAX elements are remembered
 * of each, 48 bytes and the key (64 bytes for IPv4 addresses, with the index).
 */
#ifndef STATESYNC_SET_MEMO_H
#define STATESYNC_SET_MEMO_H

#include "mono.h"
#include "set.h"

#define SET_MEMO_MAX 131072

/* An expiry that moved by less than this is the same. */
#define SET_MEMO_SAME_NS (1 * MONO_S)

struct set_memo_entry {
	uint32_t hash;
	uint8_t flags; /* of the element; SET_ELEM_DELETED: it went lately */
	bool has_end;
	bool fresh;	/* known since the present look began: that is older */
	uint8_t misses; /* looks in a row that did not find it */
	uint32_t look;	/* the last look that found it, or news of it */
	uint32_t mention; /* the last time that a peer named it, or we did */
	uint64_t digest;
	mono_t until; /* when it runs out, as told; MONO_NEVER */
	mono_t seen;  /* the same, as the last look found it */
};

struct set_memo {
	uint8_t seed[DIGEST_KEY_LEN];
	uint32_t key_len;
	size_t stride;	/* of an entry with its keys */
	size_t n, room; /* entries, also deleted ones */
	size_t gone;	/* of them, deleted */
	uint8_t *entries;
	uint32_t *index; /* 0: free, else the place of an entry and 1 */
	size_t index_size;
	uint32_t look, mention; /* the present ones */
	bool looking;
	size_t sweep; /* how far set_memo_unmentioned() is */
};

/* Who says that an element is there. */
enum set_source {
	SET_BY_LOOK,
	SET_BY_NEWS, /* the kernel's, of this moment */
	SET_BY_PEER,
};

/* What of it is new. */
enum set_news {
	SET_SAME,
	SET_NEW,
	SET_CHANGED,  /* its data, comment or expressions */
	SET_LONGER,   /* it runs out at another time */
	SET_FOUND,    /* nothing, but the look before missed it */
	SET_STALE,    /* the look is older than what is known */
	SET_TOO_MANY, /* it is not remembered */
};

/* seed: random, so that nobody can choose keys that collide. ranges: elements
 * may have an end. Nothing is allocated yet. */
void set_memo_init(struct set_memo *m, const uint8_t seed[DIGEST_KEY_LEN],
		   uint32_t key_len, bool ranges);
/* Forgets all and gives the memory back; it may be used again. */
void set_memo_clear(struct set_memo *m);
size_t set_memo_count(const struct set_memo *m);

/* NULL: it is not remembered (or went lately). Valid until the next put. */
struct set_memo_entry *set_memo_find(const struct set_memo *m,
				     const struct set_elem *e);

/* When an element that was read now runs out. */
mono_t set_memo_until(const struct set_elem *e, mono_t now);

/*
 * It is there. An expiry moved when it differs by more than SET_MEMO_SAME_NS;
 * of what a look finds, when it is by an eighth of the timeout, too, or when it
 * came nearer, or has not moved since the look before: an element that each
 * packet renews is told again now and then only, and exactly once it rests.
 * What is not SET_SAME is remembered; without memory it is SET_TOO_MANY. A look
 * says nothing about what is known by news or from a peer since it began.
 */
enum set_news set_memo_see(struct set_memo *m, const struct set_elem *e,
			   enum set_source by, mono_t now);
/* It is not there any more; remembered as such until the look ends, so that
 * an older look does not bring it back. True: it was. */
bool set_memo_drop(struct set_memo *m, const struct set_elem *e);

/* A look at the whole set begins. */
void set_memo_look(struct set_memo *m);
/*
 * It ended. Calls gone for each entry that it did not find, `misses` times in
 * a row, though it cannot have run out by now, and forgets it; those that ran
 * out and those that went are forgotten in silence. How many wait for another
 * look.
 */
typedef void set_memo_gone(void *arg, const struct set_elem *e);
size_t set_memo_looked(struct set_memo *m, unsigned misses, mono_t now,
		       set_memo_gone *gone, void *arg);

/* All elements are to be mentioned from here on. */
void set_memo_mention(struct set_memo *m);
/* Calls cb for up to max entries that were not, and drops them; how many. 0: no
 * more are left. */
size_t set_memo_unmentioned(struct set_memo *m, size_t max, set_memo_gone *cb,
			    void *arg);

#endif
