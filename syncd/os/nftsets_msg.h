/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Elements of nftables sets to and from the kernel's attributes, for
 * nftsets.c and nftsets_put.c. No socket.
 */
#ifndef STATESYNC_NFTSETS_MSG_H
#define STATESYNC_NFTSETS_MSG_H

#include "nftsets.h"
#include "nl_attr.h"

/* Bytes of a message with one element, or with both ends of a range. */
#define NFTSETS_MSG_MAX 2048
/* Two of them for each op of a frame, and the marks of the batch. */
#define NFTSETS_BATCH ((2 * SET_FRAME_MAX + 2) * NFTSETS_MSG_MAX)

/* What one list element of the kernel is. */
enum nftsets_entry {
	NFTSETS_ELEMENT,
	NFTSETS_UPPER,	/* the end of a range: its key */
	NFTSETS_UNTOLD, /* one that cannot be told */
};
enum nftsets_entry nftsets_get(const struct nl_attrs *entry,
			       const struct set_kind *kind, struct set_elem *e);

/* Calls cb for each list element of a NEWSETELEM or DELSETELEM message. */
typedef void nftsets_each_cb(const struct nl_attrs *entry, void *arg);
/* False: the message is malformed. */
bool nftsets_each(const struct nlmsghdr *nlh, nftsets_each_cb *cb, void *arg);
/* Does it speak of this set (or, without a set's name in it, table)? */
bool nftsets_names(const struct nlmsghdr *nlh, uint16_t table_attr,
		   uint16_t set_attr, const struct nftsets_name *name);

/* Into NFTSETS_MSG_MAX bytes at buf; the message. */
struct nlmsghdr *nftsets_put(void *buf, const struct nftsets_name *name,
			     const struct set_kind *kind, bool del,
			     const struct set_elem *e);

#endif
