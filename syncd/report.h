/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the node knows of itself, for people and for programs. Reads the
 * engine and changes nothing.
 */
#ifndef STATESYNC_REPORT_H
#define STATESYNC_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "node.h"
#include "report_duration.h"
#include "report_words.h"

/* The status object (schema 1), a new reference; NULL without memory. */
json_t *report_json(struct node *n);

/* Flows, and expectations: told, applied, and not, by reason. */
json_t *report_flows_json(struct node *n);
json_t *report_expects_json(const struct node *n);

/* What a vhost tracks, and its routes and rules, as arrays. */
json_t *report_track_json(struct node *n, unsigned vhost);
json_t *report_policy_json(struct node *n, unsigned vhost);
/* A line for each thing that is down. */
void report_track(struct node *n, FILE *out);

/* Of a balanced vhost its share, else null; and a line for each block. */
json_t *report_balancing_json(struct node *n, unsigned vhost);
void report_balancing(struct node *n, FILE *out);

/* The last comparison with a peer, as JSON and for the screen ("-": none). */
json_t *report_audit_json(const struct node *n, unsigned peer);
const char *report_audit_words(const struct node *n, unsigned peer, char *text,
			       size_t size);
/* What differs in it, and all that is not equal. */
uint64_t report_audit_differing(const struct audit_report *r);
uint64_t report_audit_off(const struct audit_report *r);

/* The newest max transitions as an array of the status object's form. */
json_t *report_history_json(struct node *n, size_t max);
json_t *report_history_entry(struct node *n, const struct history_entry *h);
/* A point in time as RFC 3339, UTC; a vhost's number, 0: it is gone, or has
 * none, because another program elects. */
#define REPORT_TIME_SIZE 48
const char *report_time(struct node *n, mono_t at, char text[REPORT_TIME_SIZE]);
int report_vhid(const struct node *n, const char *name);

/* The whole screen, as text. Returns the verdict. */
bool report_screen(struct node *n, FILE *out);

/*
 * One sentence that stands alone, with its indented second line where
 * something is wrong. True when this pair may fail over now.
 */
bool report_verdict(struct node *n, FILE *out);
/* The same as an object: good, title (for a tab), sentence, more[]. */
json_t *report_verdict_json(struct node *n);

/* The interface of a vhost; NULL: there is no vhost at that place. */
const struct node_iface *report_iface(const struct node *n, size_t vhost);

/* Columns of names are as wide as the longest one, 8 at least. */
int report_width(const struct node *n);
/* The blocks SYNC (where there are peers) and FLOWS. */
void report_sync(struct node *n, FILE *out);
void report_told(struct node *n, FILE *out);

/* The block CARP of the screen, and what there is to say about it. */
void report_carp(struct node *n, FILE *out);
/* The state of the vhost of that name by the peer's last word. */
enum carp_state report_peer_said(const struct engine_peer *p, const char *name);

/* What is older is not on the screen. */
#define REPORT_RECENT_NS (600 * MONO_S)
void report_history(struct node *n, size_t max, FILE *out);

/* Every counter that is not 0 (all: every one) as a sentence. */
void report_counters(struct node *n, bool all, FILE *out);

/*
 * What would bite at a failover: a verdict, then each finding with what it
 * breaks and what to do. True when there is none.
 */
bool report_check(struct node *n, FILE *out);

/* report_drift.c: what differs from the peers: two lines of the verdict, the
 * lines of a hold for it, and an object (compared, differences[]). */
void report_drift_line(const struct node *n, FILE *out);
void report_drift_hold(const struct node *n, FILE *out);
json_t *report_drift_json(const struct node *n, unsigned peer);

/* How punctual the adverts of a vhost were. */
void report_adverts(const struct node *n, size_t vhost,
		    struct standin_stats *out);
/* As above; true when one was late within that time, of a vhost that is there. */
bool report_late(const struct node *n, size_t vhost, int64_t within_ns,
		 struct standin_stats *out);

/* "10.1.0.1/24", "2001:db8::1/64". text holds REPORT_ADDRESS_SIZE. */
#define REPORT_ADDRESS_SIZE (INET6_ADDRSTRLEN + 4)
const char *report_address(const struct conf_address *a, char *text);

/* report_link.c: where the peer is reached, now or first; its paths, and those
 * of all peers that have several. */
const char *report_peer_address(const struct node *n, unsigned peer);
json_t *report_paths_json(const struct node *n, unsigned peer);
void report_paths(const struct node *n, FILE *out);
/* Streams to and from a peer that went on after an interruption. */
json_t *report_resume_json(const struct node *n, size_t peer);
/* "down", "connecting", "bulk", "live"; bytes that wait for it. */
const char *report_peer_state(const struct node *n, unsigned peer);
size_t report_peer_queue(const struct node *n, unsigned peer);

/* Wall-clock time of a point in monotonic time, seconds since the Epoch. */
double report_wall(struct node *n, mono_t at);

#endif
