/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lease's table as netlink messages, for lease.c: transaction, sets,
 * chains and elements in lease_txn.c, rules in lease_rules.c. No socket, no
 * state.
 */
#ifndef STATESYNC_LEASE_TXN_H
#define STATESYNC_LEASE_TXN_H

#include "lease.h"

struct nftnl_set;
struct nlmsghdr;

/* One nf_tables transaction being filled. */
struct lease_txn {
	const char *table;
	uint32_t mark;
	char *buf;
	size_t size, used;
	uint32_t rules[2];     /* put into the chain in, out */
	struct nlmsghdr *tail; /* the last message, asks for the ack */
	int err;	       /* -ENOMEM; every later put does nothing */
};

/* table is kept by reference. */
void lease_txn_begin(struct lease_txn *t, const char *table, uint32_t mark);
/* Asks for an acknowledgement of the last message and closes the batch. */
void lease_txn_end(struct lease_txn *t);
void lease_txn_free(struct lease_txn *t);

/* Room for one more message? Then lease_txn_msg begins it, the caller puts its
 * payload in, lease_txn_done ends it. False after an error. */
bool lease_txn_room(struct lease_txn *t);
struct nlmsghdr *lease_txn_msg(struct lease_txn *t, uint16_t type,
			       uint16_t flags);
void lease_txn_done(struct lease_txn *t);
/* A set of the table by its name, to be freed; NULL after an error. */
struct nftnl_set *lease_txn_set(struct lease_txn *t, const char *name);

/* The name of one of our objects for an interface: "lease_eth0". */
struct lease_label {
	char s[IF_NAMESIZE + 16];
};
struct lease_label lease_label(const char *what, const char *ifname);

/* The owned table. */
void lease_put_table(struct lease_txn *t);

/*
 * Sets, chains and all rules of an interface, replacing its rules and the list
 * of its virtual MACs; the lease set's elements stay. Takes those of vhosts
 * that are on ifname.
 */
void lease_put_iface(struct lease_txn *t, const char *ifname,
		     const struct lease_vhost *vhosts);

/* Deletes an interface's sets and, with chains, its chains. */
void lease_put_drop(struct lease_txn *t, const char *ifname, bool chains);

/* Adds the right of h with its timeout (the commit says -EEXIST where it is
 * held), or deletes it. */
void lease_put_elem(struct lease_txn *t, const struct lease_vhost *h, bool add);

/* Only the rules (lease_rules.c); the chains are there and empty. Their number
 * is in t->rules afterwards. */
void lease_put_rules(struct lease_txn *t, const char *ifname,
		     const struct lease_vhost *vhosts);

/* For the shares of a balanced address (lease_share.c). The sets are those of
 * the table, for all interfaces. */
enum { LEASE_SET_FOLD = 100, LEASE_SET_PAIR = 200 }; /* ids */
void lease_put_share_sets(struct lease_txn *t, const struct lease_vhost *h);
void lease_put_share_rules(struct lease_txn *t, const char *ifname,
			   const struct lease_vhost *vhosts);

/* Single requests, no transaction, into LEASE_REQUEST_MAX bytes at buf. Return
 * the length, 0 without memory. */
#define LEASE_REQUEST_MAX 1024
size_t lease_build_get_table(char *buf, const char *table);
size_t lease_build_get_elem(char *buf, const char *table,
			    const struct lease_vhost *h);
size_t lease_build_get_chain(char *buf, const char *table, const char *ifname,
			     bool egress);
size_t lease_build_get_counter(char *buf, const char *table,
			       const struct lease_vhost *h);

#endif
