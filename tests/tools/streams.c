// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What tcpstream's connections send and expect, and how long they stood
 * still. No sockets are opened here. Invariant: a stream's bytes follow from
 * connection, direction and position alone.
 */
#include "streams.h"

#include "lab.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { TABLE = 1048573 };

static uint8_t table[TABLE + STREAMS_CHUNK]; /* the streams are cut out of it */

unsigned int streams_total(const struct streams *s)
{
	return s->nbulk + s->nping;
}

void streams_init(struct streams *s)
{
	uint32_t x = 2463534242u;
	uint64_t now = now_ns();

	for (size_t i = 0; i < TABLE; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		table[i] = (uint8_t)(x >> 24);
	}
	memcpy(table + TABLE, table, STREAMS_CHUNK);
	for (unsigned int i = 0; i < streams_total(s); i++) {
		s->conns[i].pingpong = i >= s->nbulk;
		s->conns[i].end[0].last = s->conns[i].end[1].last = now;
	}
}

/* The bytes that the stream of that end of a connection has from pos on. */
static const uint8_t *stream(const struct streams *s, const struct conn *c,
			     int end, uint64_t pos)
{
	return table +
	       ((uint64_t)(c - s->conns) * 7919 + (uint64_t)end * 104729 +
		pos) % TABLE;
}

static void fail(struct conn *c, int error)
{
	if (!c->broken)
		c->error = error;
	c->broken = true;
}

static void stalled(struct conn *c, uint64_t ns)
{
	if (ns > c->stall)
		c->stall = ns;
	if (ns > c->stall_all)
		c->stall_all = ns;
}

static void send_bulk(const struct streams *s, struct conn *c, int e,
		      uint64_t bytes)
{
	struct end *end = &c->end[e];
	ssize_t n;

	n = send(end->fd, stream(s, c, e, end->sent), bytes,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		end->sent += (uint64_t)n;
	else if (n < 0 && errno != EAGAIN)
		fail(c, errno);
}

static void tick_bulk(const struct streams *s, struct conn *c, double seconds)
{
	for (int e = 0; e < 2; e++) {
		c->tokens[e] += seconds * (double)s->rate;
		if (c->tokens[e] > STREAMS_CHUNK)
			c->tokens[e] = STREAMS_CHUNK;
		if (c->tokens[e] < 512)
			continue;
		send_bulk(s, c, e, (uint64_t)c->tokens[e]);
		c->tokens[e] = 0;
	}
}

static void tick_ping(const struct streams *s, struct conn *c, uint64_t now)
{
	struct end *end = &c->end[0];

	if (now < c->next_ping || end->sent - end->received >= STREAMS_PINGS)
		return;
	c->pinged[end->sent % STREAMS_PINGS] = now;
	c->next_ping = now + s->ping_ms * MS_NS;
	send_bulk(s, c, 0, 1);
}

void streams_tick(struct streams *s, uint64_t now, double seconds)
{
	for (unsigned int i = 0; i < streams_total(s) && !s->draining; i++) {
		if (s->conns[i].broken)
			continue;
		if (s->conns[i].pingpong)
			tick_ping(s, &s->conns[i], now);
		else
			tick_bulk(s, &s->conns[i], seconds);
	}
}

/* Checks n bytes that came in at end e and notes how long they took. */
static void received(const struct streams *s, struct conn *c, int e,
		     const uint8_t *buf, size_t n, uint64_t now)
{
	struct end *end = &c->end[e];

	/* A ping's echo is the other stream's bytes, sent back. */
	if (memcmp(buf, stream(s, c, c->pingpong ? 0 : !e, end->received), n)) {
		c->mismatch = true;
		fail(c, EBADMSG);
	}
	if (c->pingpong && e == 0) {
		for (size_t i = 0; i < n; i++)
			stalled(c, now - c->pinged[(end->received + i) %
						   STREAMS_PINGS]);
	} else if (!c->pingpong && !s->draining) {
		stalled(c, now - end->last);
	}
	end->received += n;
	end->last = now;
	if (c->pingpong && e == 1) {
		if (send(end->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) !=
		    (ssize_t)n)
			fail(c, errno);
		end->sent += n;
	}
}

void streams_readable(struct streams *s, unsigned int number, int e)
{
	static uint8_t buf[STREAMS_CHUNK];
	struct conn *c = &s->conns[number];
	struct end *end = &c->end[e];

	for (int i = 0; i < 16 && !end->eof; i++) {
		ssize_t n = recv(end->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n > 0) {
			received(s, c, e, buf, (size_t)n, now_ns());
		} else if (n < 0 && errno == EAGAIN) {
			return;
		} else {
			end->eof = true;
			if (n < 0 || !s->draining)
				fail(c, n < 0 ? errno : EPIPE);
		}
	}
}

/* Stalls that still last count as far as they got. */
static void count_open_stalls(struct streams *s, uint64_t now)
{
	for (unsigned int i = 0; i < streams_total(s); i++) {
		struct conn *c = &s->conns[i];
		struct end *end = &c->end[0];

		if (c->pingpong) {
			if (end->received < end->sent)
				stalled(c, now - c->pinged[end->received %
							   STREAMS_PINGS]);
			continue;
		}
		for (int e = 0; e < 2 && !s->draining; e++)
			stalled(c, now - c->end[e].last);
	}
}

bool streams_whole(const struct conn *c)
{
	return !c->broken && c->end[0].received == c->end[1].sent &&
	       c->end[1].received == c->end[0].sent;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_stalls(const struct streams *s, const char *key, bool all,
			 bool pingpong)
{
	static double ms[STREAMS_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < streams_total(s); i++)
		if (s->conns[i].pingpong == pingpong)
			ms[n++] = (double)(all ? s->conns[i].stall_all
					       : s->conns[i].stall) /
				  MS_NS;
	qsort(ms, n, sizeof(*ms), by_value);
	printf(", \"%s\": [", key);
	for (unsigned int i = 0; i < n; i++)
		printf("%s%.1f", i ? ", " : "", ms[i]);
	printf("]");
}

static unsigned int report(struct streams *s, const char *name, uint64_t start,
			   bool all)
{
	unsigned int broken = 0, progressed = 0, mismatch = 0, lost = 0;
	uint64_t now = now_ns(), bytes = 0, stall = 0;
	const char *error = "";

	count_open_stalls(s, now);
	for (unsigned int i = 0; i < streams_total(s); i++) {
		struct conn *c = &s->conns[i];
		uint64_t a = c->end[0].received, b = c->end[1].received;
		uint64_t st = all ? c->stall_all : c->stall;

		bytes += a + b - (all ? 0 : c->mark[0] + c->mark[1]);
		broken += c->broken;
		mismatch += c->mismatch;
		lost += all && !streams_whole(c);
		progressed += !c->broken && a > c->mark[0] && b > c->mark[1];
		stall = st > stall ? st : stall;
		if (c->broken)
			error = strerror(c->error);
	}
	printf("{\"period\": \"%s\", \"seconds\": %.3f, \"conns\": %u, "
	       "\"broken\": %u, \"lost\": %u, \"mismatched\": %u, "
	       "\"progressed\": %u, \"bytes\": %llu, \"stall_ms\": %.1f, "
	       "\"error\": \"%s\"",
	       name, (double)(now - start) / SEC_NS, streams_total(s), broken,
	       lost, mismatch, progressed, (unsigned long long)bytes,
	       (double)stall / MS_NS, error);
	print_stalls(s, "bulk_stalls_ms", all, false);
	print_stalls(s, "ping_stalls_ms", all, true);
	printf("}\n");
	fflush(stdout);
	return lost;
}

void streams_begin(struct streams *s, const char *name)
{
	snprintf(s->period, sizeof(s->period), "%s", name);
	s->period_start = now_ns();
	if (!s->start)
		s->start = s->period_start;
	for (unsigned int i = 0; i < streams_total(s); i++) {
		s->conns[i].stall = 0;
		for (int e = 0; e < 2; e++)
			s->conns[i].mark[e] = s->conns[i].end[e].received;
	}
}

void streams_drain(struct streams *s)
{
	count_open_stalls(s, now_ns());
	s->draining = true;
	for (unsigned int i = 0; i < streams_total(s); i++)
		shutdown(s->conns[i].end[0].fd, SHUT_WR);
}

/* The accepting end closes once it has all that the other one sent: then a
 * ping's last echo is out, too. */
bool streams_drain_step(struct streams *s)
{
	unsigned int open = 0;

	for (unsigned int i = 0; i < streams_total(s); i++) {
		struct conn *c = &s->conns[i];

		if (c->broken)
			continue;
		if (c->end[1].eof && !c->end[0].eof)
			shutdown(c->end[1].fd, SHUT_WR);
		open += !c->end[0].eof || !c->end[1].eof;
	}
	return open > 0;
}

void streams_mark(struct streams *s, const char *name)
{
	report(s, s->period, s->period_start, false);
	streams_begin(s, name);
}

unsigned int streams_end(struct streams *s)
{
	return report(s, "all", s->start, true);
}
