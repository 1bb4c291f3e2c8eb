/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the checks of `check` share. For report_check*.c only.
 */
#ifndef STATESYNC_REPORT_CHECK_H
#define STATESYNC_REPORT_CHECK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "drift.h"
#include "mono.h"

/* What happened longer ago is no finding. */
#define CHECK_RECENT_NS (3600 * MONO_S)

enum level { LEVEL_NOTE, LEVEL_WARNS, LEVEL_DEMOTES, LEVEL_BLOCKS, LEVELS };

struct node;

struct checker {
	struct node *n;
	FILE *out;
	unsigned found[LEVELS];
	bool unknown; /* by the check at hand: nor that all is well */
};

/* A finding of several lines: what is, what it breaks, what to do. */
void finding(struct checker *c, enum level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* report_check_drift.c: differences between this node and its peers, of one
 * kind; and with whom it was not compared. */
void check_drift(struct checker *c, enum drift_kind kind);
const char *check_drift_name(enum drift_kind kind);
void check_compared(struct checker *c);
/* How old what was compared is, and how to have it looked at anew. */
void check_age(const struct node *n, FILE *out);
/* report_check_flows.c: what flows lose at a failover. */
void check_translations(struct checker *c);
void check_timeouts(struct checker *c);
void check_labels(struct checker *c);
void check_accounting(struct checker *c);
/* report_check_sync.c: sync {} here and at the peers. */
void check_filters(struct checker *c);
void check_names(struct checker *c);
void check_defer(struct checker *c);
/* report_check_machine.c: kernel, sysctls, and who else is here. */
void check_kernel(struct checker *c);
void check_tracking(struct checker *c);
void check_conntrackd(struct checker *c);
/* Of net.netfilter, in this namespace; false: this kernel has no such one. */
bool check_sysctl(const char *name, uint32_t *value);
/* report_carp.c: FreeBSD, ucarp, a node that is no peer of our link: whether
 * the vhost's master is such a one, and its address. */
bool report_stranger(const struct node *n, size_t vhost,
		     char text[INET6_ADDRSTRLEN]);
/* report_check_foreign.c */
void check_foreign(struct checker *c);

#endif
