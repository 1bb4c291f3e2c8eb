// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Fills the gateways' connection tables with real packets: SYN, SYN/ACK, ACK
 * (or request and answer) through whoever answers for the two gateway
 * addresses. Not a load generator: it ends when every flow is confirmed.
 * Invariant: a flow counts only when its last packet arrived at the far end.
 */
#include "lab.h"
#include "wire.h"

#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 3, WINDOW = 8192, ROUNDS = 8 };

static const uint8_t proto_of[KINDS] = { IPPROTO_TCP, IPPROTO_UDP,
					 IPPROTO_ICMP };
static const char *const name_of[KINDS] = { "tcp", "udp", "icmp" };

struct fill {
	struct port client, server;
	uint32_t first, count[KINDS], total;
	/* Of each flow, from its cookie on: written by one thread each. */
	uint8_t *answered, *confirmed;
	uint64_t answers;
	bool stop;
};

static void confirm(uint32_t cookie, void *arg)
{
	struct fill *f = arg;

	if (cookie - f->first < f->total)
		__atomic_store_n(&f->confirmed[cookie - f->first], 1,
				 __ATOMIC_RELAXED);
}

static void *server_main(void *arg)
{
	struct fill *f = arg;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED))
		if (!responder_run(&f->server, confirm, f))
			port_wait(&f->server, 20);
	return NULL;
}

static int kind_of(const struct fill *f, uint32_t n)
{
	if (n < f->count[0])
		return 0;
	return n < f->count[0] + f->count[1] ? 1 : 2;
}

static void send_first(struct fill *f, uint32_t n)
{
	uint32_t cookie = f->first + n;
	struct seg s;

	flow_seg(&s, proto_of[kind_of(f, n)], cookie, &f->client, &f->server);
	s.flags = WIRE_SYN;
	if (s.proto == IPPROTO_TCP && f->answered[n]) {
		s.flags = WIRE_ACK;
		s.seq++;
		s.ack = 0x70000000 + cookie + 1;
	}
	port_send(&f->client, &s);
}

static void client_take(struct fill *f)
{
	struct seg s;

	while (port_next(&f->client, &s)) {
		uint32_t n = wire_cookie(&s) - f->first;

		if (n >= f->total)
			continue;
		if (!f->answered[n])
			f->answers++;
		f->answered[n] = 1;
		if (s.proto == IPPROTO_TCP)
			send_first(f, n);
	}
	port_flush(&f->client);
}

static bool is_done(const struct fill *f, uint32_t n)
{
	return f->answered[n] &&
	       __atomic_load_n(&f->confirmed[n], __ATOMIC_RELAXED);
}

/* Sends the next packet of every flow that is not done, never more than a
 * window ahead of the answers; what is lost is left to the next round. */
static void client_round(struct fill *f)
{
	uint64_t base = f->answers, out = 0;

	for (uint32_t n = 0; n < f->total; n++) {
		if (is_done(f, n))
			continue;
		out += !f->answered[n];
		send_first(f, n);
		if (n % WIRE_BATCH == 0)
			client_take(f);
		for (int t = 0; out > f->answers - base + WINDOW; t++) {
			if (t == 20) {
				out = f->answers - base;
				break;
			}
			port_flush(&f->client);
			port_wait(&f->client, 5);
			client_take(f);
		}
	}
	port_flush(&f->client);
}

static uint32_t open_flows(const struct fill *f)
{
	uint32_t n, open = 0;

	for (n = 0; n < f->total; n++)
		open += !is_done(f, n);
	return open;
}

/* Waits while answers still come in; returns how many are still missing. */
static uint32_t settle(struct fill *f)
{
	uint32_t open = open_flows(f);

	for (int quiet = 0; open && quiet < 10; quiet++) {
		uint32_t left;

		port_wait(&f->client, 10);
		client_take(f);
		left = open_flows(f);
		if (left < open)
			quiet = 0;
		open = left;
	}
	return open;
}

static void report(const struct fill *f, uint32_t missing, int rounds,
		   double seconds)
{
	printf("{\"flows\": %u, \"missing\": %u, \"rounds\": %d, "
	       "\"seconds\": %.3f",
	       f->total, missing, rounds, seconds);
	for (int k = 0; k < KINDS; k++)
		printf(", \"%s\": %u", name_of[k], f->count[k]);
	printf(", \"refused\": %llu}\n",
	       (unsigned long long)(f->client.refused + f->server.refused));
}

static void usage(int status)
{
	fputs("usage: flowfill -c NS -s NS [-n TCP] [-u UDP] [-i ICMP] "
	      "[options]\n"
	      "Creates flows through the gateways with real packets and says "
	      "how many stand.\n"
	      "  -c NS    client namespace     -s NS    server namespace\n"
	      "  -n, -u, -i N   flows of TCP (default 1000), UDP, ICMP\n"
	      "  -f N     number of the first flow (default 0): other numbers, "
	      "other flows\n"
	      "  -C, -S IF   interfaces (eth0)\n"
	      "  -g, -G ADDR the client's and the server's gateway "
	      "(10.1.0.1, 10.2.0.1)\n"
	      "  -a, -A ADDR the /17 played on each side (10.1.128.0, "
	      "10.2.128.0)\n"
	      "Exit status: 0 all there, 1 some missing, 2 trouble.\n",
	      status ? stderr : stdout);
	exit(status);
}

static void options(struct fill *f, int argc, char **argv, const char *ns[2],
		    const char *ifs[2])
{
	int o;

	while ((o = getopt(argc, argv, "c:s:n:u:i:f:C:S:g:G:a:A:h")) != -1)
		switch (o) {
		case 'c':
			ns[0] = optarg;
			break;
		case 's':
			ns[1] = optarg;
			break;
		case 'n':
			f->count[0] = (uint32_t)num_parse(optarg, 4000000);
			break;
		case 'u':
			f->count[1] = (uint32_t)num_parse(optarg, 4000000);
			break;
		case 'i':
			f->count[2] = (uint32_t)num_parse(optarg, 4000000);
			break;
		case 'f':
			f->first = (uint32_t)num_parse(optarg, 20000000);
			break;
		case 'C':
			ifs[0] = optarg;
			break;
		case 'S':
			ifs[1] = optarg;
			break;
		case 'g':
			f->client.gateway = addr_parse(optarg);
			break;
		case 'G':
			f->server.gateway = addr_parse(optarg);
			break;
		case 'a':
			f->client.net = addr_parse(optarg) & 0xffff8000;
			break;
		case 'A':
			f->server.net = addr_parse(optarg) & 0xffff8000;
			break;
		default:
			usage(o == 'h' ? 0 : 2);
		}
	if (!ns[0] || !ns[1] || optind != argc)
		usage(2);
}

int main(int argc, char **argv)
{
	static struct fill f = { .count = { 1000 } };
	const char *ns[2] = { NULL, NULL }, *ifs[2] = { "eth0", "eth0" };
	uint32_t missing;
	pthread_t thread;
	uint64_t start;
	int rounds = 0;

	f.client.gateway = addr_parse("10.1.0.1");
	f.client.net = addr_parse("10.1.128.0");
	f.server.gateway = addr_parse("10.2.0.1");
	f.server.net = addr_parse("10.2.128.0");
	options(&f, argc, argv, ns, ifs);
	f.total = f.count[0] + f.count[1] + f.count[2];
	f.answered = calloc(f.total + 1, 1);
	f.confirmed = calloc(f.total + 1, 1);
	if (!f.answered || !f.confirmed)
		die("memory");
	port_open(&f.server, ns[1], ifs[1], 3000);
	port_open(&f.client, ns[0], ifs[0], 3000);
	start = now_ns();
	if (pthread_create(&thread, NULL, server_main, &f))
		die("thread");
	do {
		client_round(&f);
		missing = settle(&f);
	} while (missing && ++rounds < ROUNDS);
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	report(&f, missing, rounds, (double)(now_ns() - start) / SEC_NS);
	return missing ? 1 : 0;
}
