/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nftables sets of this kernel: what a set is, its elements chunk by chunk,
 * news of changes by others, and changes of ours. Only the sets that were
 * named are read or written.
 *
 * The elements of an interval set (one field) are ranges here, from key up to
 * but without end; the kernel keeps two entries of each.
 */
#ifndef STATESYNC_NFTSETS_H
#define STATESYNC_NFTSETS_H

#include "nl.h"
#include "set_op.h"

#define NFTSETS_CHUNK (32 * 1024) /* bytes of a dump that are read at once */

/* A set, as the configuration names it. */
struct nftsets_name {
	uint8_t family; /* NFPROTO_* */
	char table[SET_NAME_MAX], set[SET_NAME_MAX];
};

/* "inet filter blocklist". False: it is not of that form, or too long. */
bool nftsets_name_parse(const char *text, struct nftsets_name *out);

struct nftsets {
	struct nl_sock events, talk, dump;
	size_t n;
	struct nftsets_name names[SETS_MAX];
	struct set_kind kinds[SETS_MAX]; /* as nftsets_kind() found them */
	uint8_t *buf;			 /* of events and dumps */
	uint8_t *batch;			 /* of changes */
	bool dumping;
	unsigned at;	       /* the set that is read */
	struct set_elem upper; /* the end of the range to come */
	bool has_upper;
};

/* n <= SETS_MAX names are copied. 0 or -errno; then it is closed. */
int nftsets_open(struct nftsets *s, const struct nftsets_name *names, size_t n)
	__attribute__((warn_unused_result));
/* Also of a zeroed one, and twice. */
void nftsets_close(struct nftsets *s);
/* For poll(2): news wait. */
int nftsets_fd(const struct nftsets *s);

/* What the set is now: 0 (kind->present tells whether it is there), or -errno.
 * To be asked before it is read or written. */
int nftsets_kind(struct nftsets *s, unsigned set, struct set_kind *kind)
	__attribute__((warn_unused_result));

/* A dump of all elements begins; one that runs is given up. 0 or -errno. */
int nftsets_dump(struct nftsets *s, unsigned set)
	__attribute__((warn_unused_result));
enum { NFTSETS_DONE, NFTSETS_MORE };
/*
 * The next chunk, up to SET_CHUNK_MAX elements into list; *untold counts
 * those that cannot be told. NFTSETS_DONE, NFTSETS_MORE, or -errno (-ENOENT:
 * the set is gone).
 */
int nftsets_read(struct nftsets *s, struct set_elem *list, size_t *n,
		 size_t *untold) __attribute__((warn_unused_result));
void nftsets_abort(struct nftsets *s);

/* News, but none of what we did ourselves. */
struct nftsets_ops {
	/* An element came or changed, or went (SET_ELEM_DELETED). */
	void (*changed)(void *arg, unsigned set, const struct set_elem *e);
	/* Some did, of a set of ranges: they have to be read. */
	void (*stirred)(void *arg, unsigned set);
	/* The set itself came, went or changed. */
	void (*renewed)(void *arg, unsigned set);
};
/* Reads a bounded number of messages, never waits. 1: there may be more; 0; or
 * -errno, where -ENOBUFS means that news were lost. */
int nftsets_events(struct nftsets *s, const struct nftsets_ops *ops, void *arg)
	__attribute__((warn_unused_result));

/*
 * Changes, in one transaction; what the kernel refuses is left out, and the
 * rest done. n <= SET_FRAME_MAX; each op has a result, enum set_result. An
 * element that is to be added and is there is replaced; one that is to be
 * replaced and is not is added. How many transactions were committed: 0 or 1,
 * more where the kernel does not say what it refuses.
 */
unsigned nftsets_apply(struct nftsets *s, unsigned set,
		       const struct set_op *ops, size_t n, uint8_t *results);

#endif
