// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * TCP connections through the gateways that carry a known stream of bytes in
 * both directions (bulk), or one byte and its echo now and then (ping-pong).
 * Every byte is checked; the longest stall of each connection is reported.
 * Not a throughput benchmark: the rate is given. Invariant: a connection is
 * whole only when both ends received exactly what the other one sent.
 */
#include "lab.h"
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { TICK_MS = 2 };

static struct streams s = {
	.nbulk = 2, .nping = 2, .rate = 1000000, .ping_ms = 200
};
static uint64_t drain_s = 30;
static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* False when it is time to end. */
static bool command(void)
{
	char line[128];
	int r;

	while ((r = stdin_line(line, sizeof(line))) == 1) {
		if (!strcmp(line, "stop"))
			return false;
		if (!strncmp(line, "mark ", 5))
			streams_mark(&s, line + 5);
	}
	return r == 0;
}

/* A closed or broken end would be readable for ever. */
static void take(int epoll, unsigned int number, int e)
{
	const struct end *end = &s.conns[number].end[e];

	streams_readable(&s, number, e);
	if (end->eof)
		epoll_ctl(epoll, EPOLL_CTL_DEL, end->fd, NULL);
}

static void run(int epoll, int timer, uint64_t end)
{
	uint64_t last = now_ns(), now = last, ticks;
	struct epoll_event ev[64];

	while (now < end) {
		int n = epoll_wait(epoll, ev, 64, 50);

		for (int i = 0; i < n; i++) {
			uint64_t v = ev[i].data.u64;

			if (v < 2 * STREAMS_MAX)
				take(epoll, (unsigned int)v / 2, (int)v % 2);
			else if (v == 2 * STREAMS_MAX)
				(void)!read(timer, &ticks, sizeof(ticks));
			else if (!s.draining && !command())
				return;
		}
		now = now_ns();
		if (now - last >= TICK_MS * MS_NS) {
			streams_tick(&s, now, (double)(now - last) / SEC_NS);
			last = now;
		}
		if ((!s.draining && interrupted) ||
		    (s.draining && !streams_drain_step(&s)))
			return;
	}
}

static void watch(int epoll, int fd, uint64_t id)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = id };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0 && errno != EPERM)
		die("epoll");
}

static int tcp_socket(const char *ns)
{
	int fd, one = 1;

	ns_enter(ns);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die("socket in %s", ns);
	return fd;
}

static struct sockaddr_in sockaddr(uint32_t addr, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(addr) };
}

static void open_conns(const char *ns[2], const struct sockaddr_in *to,
		       const struct sockaddr_in *at, int epoll)
{
	struct timeval limit = { .tv_sec = 10 };
	int listener = tcp_socket(ns[1]);

	if (bind(listener, (const struct sockaddr *)at, sizeof(*at)) ||
	    listen(listener, 16) ||
	    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit,
		       sizeof(limit)))
		die("listen in %s", ns[1]);
	for (unsigned int i = 0; i < streams_total(&s); i++) {
		struct conn *c = &s.conns[i];
		int fd = tcp_socket(ns[0]);

		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
			die("connect from %s", ns[0]);
		c->end[0].fd = fd;
		c->end[1].fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (c->end[1].fd < 0)
			die("accept in %s", ns[1]);
		for (int e = 0; e < 2; e++)
			watch(epoll, c->end[e].fd, i * 2 + (unsigned int)e);
	}
	close(listener);
}

static void usage(int status)
{
	fputs("usage: tcpstream -c NS -s NS -a ADDR:PORT [-l [ADDR:]PORT] "
	      "[options]\n"
	      "TCP connections that carry known bytes both ways; checks each "
	      "byte, says the stalls.\n"
	      "  -c NS   who connects       -s NS   who accepts\n"
	      "  -a      where to           -l      where it listens (port of "
	      "-a)\n"
	      "  -m N    bulk connections (2)   -p N  ping-pong connections "
	      "(2)\n"
	      "  -r N    bytes a second, connection and direction (1000000)\n"
	      "  -i MS   a ping-pong byte each MS (200)\n"
	      "  -d S    at the end wait S seconds for what is under way (30)\n"
	      "  -t S    end after S seconds; without it commands on stdin:\n"
	      "          `mark NAME` reports the period that ends, `stop` (or "
	      "SIGINT) the whole\n"
	      "Exit status: 0 all connections whole, 1 not, 2 trouble.\n",
	      status ? stderr : stdout);
	exit(status);
}

static uint64_t options(int argc, char **argv, const char *ns[2],
			struct sockaddr_in *to, struct sockaddr_in *at)
{
	uint64_t seconds = 0;
	uint32_t addr = 0;
	uint16_t port = 0;
	int o;

	while ((o = getopt(argc, argv, "c:s:a:l:m:p:r:i:d:t:h")) != -1)
		switch (o) {
		case 'c':
			ns[0] = optarg;
			break;
		case 's':
			ns[1] = optarg;
			break;
		case 'a':
		case 'l':
			addr_parse_port(optarg, &addr, &port);
			*(o == 'a' ? to : at) = sockaddr(addr, port);
			break;
		case 'm':
			s.nbulk = (unsigned int)num_parse(optarg,
							  STREAMS_MAX / 2);
			break;
		case 'p':
			s.nping = (unsigned int)num_parse(optarg,
							  STREAMS_MAX / 2);
			break;
		case 'r':
			s.rate = num_parse(optarg, 1000000000);
			break;
		case 'i':
			s.ping_ms = num_parse(optarg, 60000);
			break;
		case 'd':
			drain_s = num_parse(optarg, 3600);
			break;
		case 't':
			seconds = num_parse(optarg, 1000000);
			break;
		default:
			usage(o == 'h' ? 0 : 2);
		}
	if (!ns[0] || !ns[1] || !to->sin_port || optind != argc)
		usage(2);
	if (!at->sin_port)
		*at = sockaddr(0, ntohs(to->sin_port));
	return seconds;
}

static int tick_timer(void)
{
	struct itimerspec every = { .it_interval.tv_nsec = TICK_MS * MS_NS,
				    .it_value.tv_nsec = TICK_MS * MS_NS };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0 || timerfd_settime(fd, 0, &every, NULL))
		die("timer");
	return fd;
}

int main(int argc, char **argv)
{
	const char *ns[2] = { NULL, NULL };
	struct sockaddr_in to = { 0 }, at = { 0 };
	uint64_t seconds = options(argc, argv, ns, &to, &at);
	int epoll = epoll_create1(EPOLL_CLOEXEC), timer = tick_timer();

	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	open_conns(ns, &to, &at, epoll);
	watch(epoll, timer, 2 * STREAMS_MAX);
	if (!seconds) {
		fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
		watch(epoll, STDIN_FILENO, 2 * STREAMS_MAX + 1);
		printf("{\"conns\": %u}\n", streams_total(&s));
		fflush(stdout);
	}
	sched_first(5);
	streams_init(&s);
	streams_begin(&s, "start");
	run(epoll, timer, seconds ? s.start + seconds * SEC_NS : UINT64_MAX);
	epoll_ctl(epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
	streams_drain(&s);
	run(epoll, timer, now_ns() + drain_s * SEC_NS);
	return streams_end(&s) ? 1 : 0;
}
