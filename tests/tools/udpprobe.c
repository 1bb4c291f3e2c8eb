// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * One UDP flow through the gateways: a question each millisecond from one
 * namespace, its answer from another. Says how long the longest silence
 * between two answers was, and when. Not a latency benchmark. Invariant: a
 * silence belongs to the period in which it ends, or to the one that is
 * reported while it lasts.
 */
#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct period {
	char name[128];
	uint64_t start, sent, answered;
	uint64_t silence, silence_at; /* ns; when it began */
};

struct probe {
	const char *ns[2];
	uint32_t addr, listen_addr;
	uint16_t port, listen_port;
	uint64_t interval;
	int client, server, timer;
	uint64_t last; /* answer */
	struct sockaddr_in seen_from;
	uint64_t remapped; /* times the translated source changed */
	struct period now;
	struct period all;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void silence(struct period *p, uint64_t from, uint64_t to)
{
	if (to > from && to - from > p->silence) {
		p->silence = to - from;
		p->silence_at = from;
	}
}

static void report(struct probe *p, struct period *r, uint64_t now)
{
	if (p->last)
		silence(r, p->last > r->start ? p->last : r->start, now);
	printf("{\"period\": \"%s\", \"seconds\": %.3f, \"sent\": %llu, "
	       "\"answered\": %llu, \"silence_ms\": %.1f, "
	       "\"silence_after_ms\": %.1f, \"silence_at\": %.6f, "
	       "\"remapped\": %llu}\n",
	       r->name, (double)(now - r->start) / SEC_NS,
	       (unsigned long long)r->sent, (unsigned long long)r->answered,
	       (double)r->silence / MS_NS,
	       ((double)r->silence_at - (double)r->start) / MS_NS,
	       (double)r->silence_at / SEC_NS, (unsigned long long)p->remapped);
	fflush(stdout);
}

static void begin(struct period *r, const char *name, uint64_t now)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->start = r->silence_at = now;
}

static void ask(struct probe *p)
{
	uint64_t ticks, t = now_ns();

	if (read(p->timer, &ticks, sizeof(ticks)) != sizeof(ticks))
		return;
	(void)!send(p->client, &t, sizeof(t), MSG_DONTWAIT);
	p->now.sent++;
	p->all.sent++;
}

static void echo(struct probe *p)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char buf[64];
	ssize_t n;

	while ((n = recvfrom(p->server, buf, sizeof(buf), MSG_DONTWAIT,
			     (struct sockaddr *)&from, &len)) > 0) {
		if (p->seen_from.sin_port &&
		    (p->seen_from.sin_port != from.sin_port ||
		     p->seen_from.sin_addr.s_addr != from.sin_addr.s_addr))
			p->remapped++;
		p->seen_from = from;
		(void)!sendto(p->server, buf, (size_t)n, MSG_DONTWAIT,
			      (struct sockaddr *)&from, len);
		len = sizeof(from);
	}
}

static void take(struct probe *p)
{
	uint64_t now = now_ns(), from;
	char buf[64];

	while (recv(p->client, buf, sizeof(buf), MSG_DONTWAIT) > 0) {
		from = p->last ? p->last : now;
		silence(&p->now, from, now);
		silence(&p->all, from, now);
		p->last = now;
		p->now.answered++;
		p->all.answered++;
	}
}

/* False at the end. */
static bool command(struct probe *p)
{
	char line[128];
	int r;

	while ((r = stdin_line(line, sizeof(line))) == 1) {
		if (!strcmp(line, "stop"))
			return false;
		if (!strncmp(line, "mark ", 5)) {
			uint64_t now = now_ns();

			report(p, &p->now, now);
			begin(&p->now, line + 5, now);
		}
	}
	return r == 0;
}

static void run(struct probe *p, uint64_t end)
{
	struct pollfd fds[4] = { { .fd = p->timer, .events = POLLIN },
				 { .fd = p->server, .events = POLLIN },
				 { .fd = p->client, .events = POLLIN },
				 { .fd = end == UINT64_MAX ? 0 : -1,
				   .events = POLLIN } };

	while (!interrupted && now_ns() < end) {
		if (poll(fds, 4, 100) <= 0)
			continue;
		if (fds[2].revents)
			take(p);
		if (fds[1].revents)
			echo(p);
		if (fds[0].revents)
			ask(p);
		if (fds[3].revents && !command(p))
			return;
	}
}

static int udp_socket(const char *ns)
{
	int fd;

	ns_enter(ns);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket in %s", ns);
	return fd;
}

static void open_all(struct probe *p)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(p->port),
				  .sin_addr.s_addr = htonl(p->addr) };
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(p->listen_port),
				  .sin_addr.s_addr = htonl(p->listen_addr) };
	struct itimerspec every = { 0 };

	p->server = udp_socket(p->ns[1]);
	if (bind(p->server, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("bind in %s", p->ns[1]);
	p->client = udp_socket(p->ns[0]);
	if (connect(p->client, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect in %s", p->ns[0]);
	p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	every.it_interval.tv_sec = (time_t)(p->interval / SEC_NS);
	every.it_interval.tv_nsec = (long)(p->interval % SEC_NS);
	every.it_value = every.it_interval;
	if (p->timer < 0 || timerfd_settime(p->timer, 0, &every, NULL) < 0)
		die("timer");
}

static void usage(int status)
{
	fputs("usage: udpprobe -c NS -s NS -a ADDR:PORT [-l [ADDR:]PORT] "
	      "[-w US] [-t S]\n"
	      "Asks and is answered each millisecond; says the longest "
	      "silence.\n"
	      "  -c NS   who asks          -s NS   who answers\n"
	      "  -a      where the questions go\n"
	      "  -l      where the answering side listens (the port of -a)\n"
	      "  -w US   interval (1000)   -t S    end after S seconds\n"
	      "Without -t: after the first line (it runs) each line `mark "
	      "NAME` on stdin reports\nthe period that ends with it; `stop`, "
	      "the end of stdin or SIGINT reports the whole.\n",
	      status ? stderr : stdout);
	exit(status);
}

int main(int argc, char **argv)
{
	static struct probe p = { .interval = MS_NS };
	uint64_t seconds = 0, now;
	int o;

	while ((o = getopt(argc, argv, "c:s:a:l:w:t:h")) != -1)
		switch (o) {
		case 'c':
			p.ns[0] = optarg;
			break;
		case 's':
			p.ns[1] = optarg;
			break;
		case 'a':
			addr_parse_port(optarg, &p.addr, &p.port);
			break;
		case 'l':
			addr_parse_port(optarg, &p.listen_addr, &p.listen_port);
			break;
		case 'w':
			p.interval = num_parse(optarg, 60000000) * 1000;
			break;
		case 't':
			seconds = num_parse(optarg, 1000000);
			break;
		default:
			usage(o == 'h' ? 0 : 2);
		}
	if (!p.ns[0] || !p.ns[1] || !p.port || !p.interval || optind != argc)
		usage(2);
	if (!p.listen_port)
		p.listen_port = p.port;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	open_all(&p);
	sched_first(10);
	now = now_ns();
	begin(&p.now, "start", now);
	begin(&p.all, "all", now);
	if (!seconds) {
		fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
		printf("{\"interval_us\": %llu}\n",
		       (unsigned long long)p.interval / 1000);
		fflush(stdout);
	}
	run(&p, seconds ? now + seconds * SEC_NS : UINT64_MAX);
	report(&p, &p.all, now_ns());
	return p.all.answered ? 0 : 1;
}
