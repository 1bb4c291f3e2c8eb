/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A made-up netlink: every request is looked at by libmnl, against what each
 * attribute has to be, and answered as the input says. Its functions stand in
 * for those of os/nl.c (fuzz_netlink of meson.build).
 */
#ifndef STATESYNC_FUZZ_NETLINK_H
#define STATESYNC_FUZZ_NETLINK_H

#include <libmnl/libmnl.h>

#include "fuzz.h"
#include "set.h"

/* A descriptor that recv() takes for the made-up kernel's. */
#define NETLINK_FD (-7)

/* From where answers come; all zeroes: nothing fails, nothing is found. */
extern struct reader netlink_answers;
/* And what the kernel says unasked: read first, by recv() and for slots. A
 * datagram is how, and the part that follows; or with how & 128 the part. */
extern struct reader netlink_news;
/* The types that its messages may have, four of them. */
extern const uint16_t *netlink_types;

/*
 * One message for the kernel: its length is right, and so are those of its
 * attributes, which are known, and none is left over. Of conntrack,
 * expectations and nftables.
 */
void netlink_check(const struct nlmsghdr *nlh);

/* A message from the kernel with what is next in the input behind the header,
 * in memory of its size; NULL: there is no more. To be freed. */
struct nlmsghdr *netlink_message(struct reader *in, uint16_t type);

/* A set of the kernel: which, the input says. */
struct set_kind netlink_set_kind(uint8_t how, uint8_t key_len,
				 uint8_t data_len);

#endif
