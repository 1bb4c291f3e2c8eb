// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A steady rate of short flows through the gateways: TCP that ends by FIN or
 * by RST, TCP that stays open, UDP and ICMP. Packets lost on the way (during
 * a failover) are not sent again: a flow left half open is part of the mix.
 * Invariant: what is sent depends only on the flow's number and on answers.
 */
#include "lab.h"
#include "wire.h"

#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Flow numbers are taken again after this many; far beyond flowfill's. */
enum { WRAP = 8000000 };

enum kind { BY_FIN, BY_RST, STAYS, UDP, ICMP };

struct churn {
	struct port client, server;
	uint32_t first, next;
	uint64_t started, answered, closed;
	uint64_t rate, seconds;
	unsigned int life_ms;
	bool keep;  /* no flow stays open by intent when false */
	bool brief; /* half UDP, half TCP that is reset */
	bool stop;
};

/* Flows that wait for their end, oldest first: all live equally long. */
struct closing {
	uint64_t at;
	uint32_t cookie;
};

enum { QUEUE = 1 << 20 };
static struct closing queue[QUEUE];
static uint32_t queue_head, queue_tail;
static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static enum kind kind_of(const struct churn *c, uint32_t cookie)
{
	static const enum kind mix[10] = { BY_FIN, UDP, BY_RST, BY_FIN, STAYS,
					   BY_FIN, UDP, BY_RST, BY_FIN, ICMP };
	enum kind k = mix[cookie % 10];

	if (c->brief)
		return cookie % 2 ? UDP : BY_RST;
	return k == STAYS && !c->keep ? BY_FIN : k;
}

static uint8_t proto_of(enum kind k)
{
	if (k == UDP)
		return IPPROTO_UDP;
	return k == ICMP ? IPPROTO_ICMP : IPPROTO_TCP;
}

static void *server_main(void *arg)
{
	struct churn *c = arg;
	uint64_t learnt = 0;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		if (!responder_run(&c->server, NULL, NULL))
			port_wait(&c->server, 20);
		if (now_ns() - learnt > 200 * MS_NS) {
			port_learn(&c->server);
			learnt = now_ns();
		}
	}
	return NULL;
}

static void start_flow(struct churn *c)
{
	uint32_t cookie = c->first + c->next;
	struct seg s;

	flow_seg(&s, proto_of(kind_of(c, cookie)), cookie, &c->client,
		 &c->server);
	s.flags = WIRE_SYN;
	port_send(&c->client, &s);
	c->next = (c->next + 1) % WRAP;
	c->started++;
}

static void send_tcp(struct churn *c, uint32_t cookie, uint8_t flags,
		     uint32_t ahead)
{
	struct seg s;

	flow_seg(&s, IPPROTO_TCP, cookie, &c->client, &c->server);
	s.flags = flags;
	s.seq += ahead;
	s.ack = 0x70000000 + cookie + ahead;
	port_send(&c->client, &s);
}

static void take_answers(struct churn *c)
{
	struct seg s;

	while (port_next(&c->client, &s)) {
		uint32_t cookie = wire_cookie(&s);

		if (s.proto != IPPROTO_TCP) {
			c->answered++;
			continue;
		}
		if (s.flags & WIRE_FIN) {
			send_tcp(c, cookie, WIRE_ACK, 2);
			c->closed++;
			continue;
		}
		c->answered++;
		send_tcp(c, cookie, WIRE_ACK, 1);
		if (kind_of(c, cookie) == STAYS ||
		    (queue_tail + 1) % QUEUE == queue_head)
			continue;
		queue[queue_tail].at = now_ns() + c->life_ms * MS_NS;
		queue[queue_tail].cookie = cookie;
		queue_tail = (queue_tail + 1) % QUEUE;
	}
	port_flush(&c->client);
}

static void close_flows(struct churn *c, uint64_t now)
{
	while (queue_head != queue_tail && queue[queue_head].at <= now) {
		uint32_t cookie = queue[queue_head].cookie;
		bool rst = kind_of(c, cookie) == BY_RST;

		send_tcp(c, cookie,
			 rst ? WIRE_RST | WIRE_ACK : WIRE_FIN | WIRE_ACK, 1);
		c->closed += rst;
		queue_head = (queue_head + 1) % QUEUE;
	}
	port_flush(&c->client);
}

static void client_run(struct churn *c)
{
	uint64_t start = now_ns(), now = start, learnt = start;
	uint64_t end = start + c->seconds * SEC_NS;

	while (now < end && !interrupted) {
		uint64_t due = (now - start) / 1000 * c->rate / 1000000;

		for (int n = 0; c->started < due && n < 4096; n++)
			start_flow(c);
		port_flush(&c->client);
		take_answers(c);
		close_flows(c, now);
		if (now - learnt > 200 * MS_NS) {
			port_learn(&c->client);
			learnt = now;
		}
		port_wait(&c->client, 1);
		now = now_ns();
	}
	/* Let what is under way end by itself. */
	for (int t = 0; t < 20 + (int)c->life_ms / 10; t++) {
		take_answers(c);
		close_flows(c, now_ns());
		poll(NULL, 0, 10);
	}
}

static void usage(int status)
{
	fputs("usage: flowchurn -c NS -s NS [-r RATE] [-t SECONDS] [options]\n"
	      "Opens and closes flows through the gateways at a steady rate.\n"
	      "  -c NS    client namespace     -s NS    server namespace\n"
	      "  -r N     new flows a second (1000)   -t S  for S seconds "
	      "(10)\n"
	      "  -l MS    how long a TCP flow lives (100)\n"
	      "  -k       one flow of ten stays open\n"
	      "  -u       half are UDP, half TCP that is reset\n"
	      "  -f N     number of the first flow (10000000)\n"
	      "  -C, -S IF   interfaces (eth0)\n"
	      "  -g, -G ADDR the gateways (10.1.0.1, 10.2.0.1)\n"
	      "SIGINT or SIGTERM ends it early, with its report.\n",
	      status ? stderr : stdout);
	exit(status);
}

static void options(struct churn *c, int argc, char **argv, const char *ns[2],
		    const char *ifs[2])
{
	int o;

	while ((o = getopt(argc, argv, "c:s:r:t:l:kuf:C:S:g:G:h")) != -1)
		switch (o) {
		case 'c':
			ns[0] = optarg;
			break;
		case 's':
			ns[1] = optarg;
			break;
		case 'r':
			c->rate = num_parse(optarg, 1000000);
			break;
		case 't':
			c->seconds = num_parse(optarg, 1000000);
			break;
		case 'l':
			c->life_ms = (unsigned int)num_parse(optarg, 60000);
			break;
		case 'k':
			c->keep = true;
			break;
		case 'u':
			c->brief = true;
			break;
		case 'f':
			c->first = (uint32_t)num_parse(optarg, 12000000);
			break;
		case 'C':
			ifs[0] = optarg;
			break;
		case 'S':
			ifs[1] = optarg;
			break;
		case 'g':
			c->client.gateway = addr_parse(optarg);
			break;
		case 'G':
			c->server.gateway = addr_parse(optarg);
			break;
		default:
			usage(o == 'h' ? 0 : 2);
		}
	if (!ns[0] || !ns[1] || optind != argc)
		usage(2);
}

int main(int argc, char **argv)
{
	static struct churn c = {
		.rate = 1000, .seconds = 10, .life_ms = 100, .first = 10000000
	};
	const char *ns[2] = { NULL, NULL }, *ifs[2] = { "eth0", "eth0" };
	uint64_t start;
	pthread_t thread;

	c.client.gateway = addr_parse("10.1.0.1");
	c.client.net = addr_parse("10.1.128.0");
	c.server.gateway = addr_parse("10.2.0.1");
	c.server.net = addr_parse("10.2.128.0");
	options(&c, argc, argv, ns, ifs);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	port_open(&c.server, ns[1], ifs[1], 3000);
	port_open(&c.client, ns[0], ifs[0], 3000);
	if (pthread_create(&thread, NULL, server_main, &c))
		die("thread");
	start = now_ns();
	client_run(&c);
	__atomic_store_n(&c.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	printf("{\"started\": %llu, \"answered\": %llu, \"closed\": %llu, "
	       "\"seconds\": %.3f}\n",
	       (unsigned long long)c.started, (unsigned long long)c.answered,
	       (unsigned long long)c.closed,
	       (double)(now_ns() - start) / SEC_NS);
	return 0;
}
