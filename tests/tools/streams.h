/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The connections of tcpstream as values: what each end sends and expects,
 * the stalls, and the report. Sockets are opened and waited for elsewhere.
 */
#ifndef TESTS_TOOLS_STREAMS_H
#define TESTS_TOOLS_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	STREAMS_MAX = 1024,
	STREAMS_CHUNK = 65536,
	STREAMS_PINGS = 512,
};

struct end {
	int fd;
	uint64_t sent, received;
	uint64_t last; /* when something came in */
	bool eof;
};

struct conn {
	bool pingpong, broken, mismatch;
	int error;
	struct end end[2]; /* the one that connected, the one that accepted */
	double tokens[2];
	uint64_t pinged[STREAMS_PINGS]; /* when ping number n left */
	uint64_t next_ping;
	uint64_t stall, stall_all; /* ns, of the period and of all */
	uint64_t mark[2];	   /* received at the beginning of the period */
};

struct streams {
	struct conn conns[STREAMS_MAX];
	unsigned int nbulk, nping;
	uint64_t rate;	  /* bytes a second, connection and direction */
	uint64_t ping_ms; /* a ping each */
	bool draining;
	char period[128];
	uint64_t period_start, start;
};

unsigned int streams_total(const struct streams *s);

/* The table of known bytes, and every connection at its start: once, when
 * all are open and before anything is sent. */
void streams_init(struct streams *s);

/* Sends what is due; seconds since the last call. */
void streams_tick(struct streams *s, uint64_t now, double seconds);

/* Takes and checks what came in at end e (0 or 1) of a connection. */
void streams_readable(struct streams *s, unsigned int number, int e);

/* From now on nothing new is sent, ends are closed in order. */
void streams_drain(struct streams *s);

/* One step of it; false when all ends are closed. */
bool streams_drain_step(struct streams *s);

/* True when both ends have exactly what the other sent. */
bool streams_whole(const struct conn *c);

/* Ends the period with its report on stdout and begins another. */
void streams_mark(struct streams *s, const char *name);

/* Begins the first period. */
void streams_begin(struct streams *s, const char *name);

/* The report over everything; how many connections are not whole. */
unsigned int streams_end(struct streams *s);

#endif
