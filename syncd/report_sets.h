/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What there is to say of nftables sets: an array, a block of the screen,
 * counters, and findings (of three lines: what is, what it breaks, what to do).
 */
#ifndef STATESYNC_REPORT_SETS_H
#define STATESYNC_REPORT_SETS_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

struct node;

typedef void report_counter(void *arg, uint64_t value, const char *what,
			    const char *of);
typedef void report_finding(void *arg, const char *text);
json_t *report_sets_json(struct node *n);
void report_sets(struct node *n, FILE *out);
void report_sets_counters(struct node *n, report_counter *counter, void *arg);
void report_sets_check(struct node *n, report_finding *warn, void *arg);

#endif
