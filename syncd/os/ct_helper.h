/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a helper leaves in an entry: its name, the master that a data
 * connection belongs to, changed lengths. Attributes to struct flow and back,
 * and what a kernel that lacks one of them is offered instead. Text:
 * nf_conntrack_netlink.c of the kernel; CTNETLINK.md 1 and 7.
 */
#ifndef STATESYNC_CT_HELPER_H
#define STATESYNC_CT_HELPER_H

#include <stdbool.h>
#include <stdint.h>

#include "flow.h"
#include "nl_attr.h"

/* The payload at hand as a helper's name; false: none, or not one. */
bool ct_helper_parse_name(const struct nl_attrs *a, char name[FLOW_HELPER_MAX]);

/* Can another kernel go on with that helper? Also no for "": one that was
 * unloaded. */
bool ct_helper_moves(const char *name);

/* CTA_HELP, CTA_TUPLE_MASTER or CTA_SEQ_ADJ_* into f; false: malformed. */
bool ct_helper_parse(const struct nl_attrs *a, struct flow *f);

/*
 * An update tells no master, and changed lengths only as they change: does it
 * lack what its status says it has?
 */
bool ct_helper_lacks(const struct flow *f);

/* For an entry that is there: the helper that it has already, which takes up
 * its reading anew (nf_ct_ftp_from_nlattr). */
void ct_helper_put_name(struct nl_msg *m, const struct flow *f);
/* And the lengths. */
void ct_helper_put(struct nl_msg *m, const struct flow *f);
/* For a new one; the master, too. */
void ct_helper_put_new(struct nl_msg *m, const struct flow *f);

/* What a kernel did not take of a flow. All zeroes: all is tried. */
struct ct_helper_less {
	uint8_t without; /* FLOW_HAS_HELPER, FLOW_HAS_MASTER */
	bool patient;	 /* a master may be made in the same round: once more */
};

/* f could not be made (or updated: not create) because of error, -errno. True
 * when it is worth another try with what ct_helper_without() gives. */
bool ct_helper_do_without(struct ct_helper_less *l, const struct flow *f,
			  bool create, int error);
/* f, or its copy in less without what is in l. */
const struct flow *ct_helper_without(const struct ct_helper_less *l,
				     const struct flow *f, struct flow *less);

/* The entry found has all of that kind that f has. */
bool ct_helper_same(const struct flow *f, const struct flow *found);

#endif
