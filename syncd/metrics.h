/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The node in numbers, for Prometheus (text format 0.0.4). Reads the engine
 * and changes nothing. Every series of what is configured is there from the
 * start, with 0.
 */
#ifndef STATESYNC_METRICS_H
#define STATESYNC_METRICS_H

#include <stdint.h>
#include <stdio.h>

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct carpsock_out;
struct node;
struct node_vhost;

/* All of them: one moment's. */
void metrics_write(struct node *n, FILE *out);

/* One that left: counted for the vhost, by family. */
void metrics_advert_sent(struct node_vhost *v, const struct carpsock_out *o);

/* --- for metrics*.c only ------------------------------------------------ */

enum metrics_kind { METRICS_GAUGE, METRICS_COUNTER, METRICS_HISTOGRAM };

/* What the lines of a name have in common; the name stays the caller's. */
struct metrics {
	FILE *out;
	const char *name;
};

/* A new name: its two lines of comment. */
void metrics_family(struct metrics *m, const char *name, enum metrics_kind kind,
		    const char *help);
/* A line of it: `labels` are pairs of name and value, NULL at the end. */
void metrics_value(const struct metrics *m, double value,
		   const char *const *labels);
#define METRICS_VALUE(m, value, ...)  \
	metrics_value(                \
		(m), (double)(value), \
		(const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

/* metrics_carp.c: virtual hosts; metrics_peer.c: peers and flows;
 * metrics_process.c: this process. */
void metrics_carp(struct node *n, struct metrics *m);
void metrics_peers(struct node *n, struct metrics *m);
void metrics_flows(struct node *n, struct metrics *m);
void metrics_process(struct metrics *m);

#endif
