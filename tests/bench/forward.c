// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * How many small packets a second a gateway forwards: as many as fit are sent
 * to its MAC, and counted where they come out. Nobody answers. Invariant: what
 * counts is what arrived at the far interface between the two looks.
 */
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"
#include "wire.h"

#define FLOWS 256

/* Packets that an interface of a namespace has received so far. */
static uint64_t received(const char *ns, const char *ifname)
{
	char line[512], name[64];
	unsigned long long packets = 0, n;
	FILE *f;

	ns_enter(ns);
	f = fopen("/proc/thread-self/net/dev", "re");
	if (!f)
		die("/proc/net/dev");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " %63[^:]: %*u %llu", name, &n) == 2 &&
		    strcmp(name, ifname) == 0)
			packets = n;
	fclose(f);
	return packets;
}

static void blast(struct port *client, const struct port *server,
		  uint64_t seconds)
{
	uint64_t end = now_ns() + seconds * SEC_NS;
	struct seg s[FLOWS];

	for (uint32_t i = 0; i < FLOWS; i++)
		flow_seg(&s[i], IPPROTO_UDP, 8 * i + 1, client, server);
	while (now_ns() < end)
		for (int i = 0; i < FLOWS; i++)
			port_send(client, &s[i]);
	port_flush(client);
}

static void usage(int status)
{
	fputs("usage: forward -c NS -s NS [-g ADDR] [-t SECONDS]\n"
	      "Sends small UDP packets through a gateway as fast as they go, "
	      "and tells how many a\nsecond came out.\n"
	      "  -c NS    from          -s NS   to (eth0 of both)\n"
	      "  -g ADDR  the gateway (10.1.0.1)\n"
	      "  -t N     seconds (2)\n",
	      status ? stderr : stdout);
	exit(status);
}

int main(int argc, char **argv)
{
	static struct port client, server;
	const char *to = NULL, *from = NULL;
	uint64_t seconds = 2, begin, before, packets;
	double took;
	int o;

	client.gateway = addr_parse("10.1.0.1");
	client.net = addr_parse("10.1.128.0");
	server.net = addr_parse("10.2.128.0");
	while ((o = getopt(argc, argv, "c:s:g:t:h")) != -1)
		switch (o) {
		case 'c':
			from = optarg;
			break;
		case 's':
			to = optarg;
			break;
		case 'g':
			client.gateway = addr_parse(optarg);
			break;
		case 't':
			seconds = num_parse(optarg, 600);
			break;
		default:
			usage(o == 'h' ? 0 : 2);
		}
	if (!from || !to || optind != argc)
		usage(2);
	port_open(&client, from, "eth0", 3000);
	blast(&client, &server, 1); /* entries are made, caches are warm */
	before = received(to, "eth0");
	begin = now_ns();
	blast(&client, &server, seconds);
	packets = received(to, "eth0") - before;
	took = (double)(now_ns() - begin) / (double)SEC_NS;
	printf("{\"packets\": %llu, \"sent\": %llu, \"per_s\": %.0f}\n",
	       (unsigned long long)packets, (unsigned long long)client.sent,
	       (double)packets / took);
	return 0;
}
