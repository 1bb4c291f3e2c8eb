// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Does an address, or a MAC, still answer? Asks a number of times from inside
 * a namespace, by a broadcast ARP request, a unicast one, or an ICMP echo to
 * the MAC that the neighbour remembers, and says who answered. It never asks
 * the kernel to resolve anything. Invariant: only answers to this run's
 * questions count.
 */
#include "lab.h"

#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MACS = 8, FRAME = 128 };
enum mode { ARP, UNICAST, ECHO };

struct probe {
	const char *ns, *ifname;
	enum mode mode;
	uint32_t addr, own;
	uint8_t mac[6], own_mac[6];
	bool mac_given;
	unsigned int tries, wait_ms, answered;
	uint16_t id;
	int fd;
	uint8_t macs[MACS][6]; /* who answered */
	unsigned int nmacs;
	double first_ms, last_ms; /* after the start; -1: never */
};

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static unsigned int get16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static void put_sum(uint8_t *at, const uint8_t *p, size_t len)
{
	uint32_t acc = 0;

	for (size_t i = 0; i < len; i += 2)
		acc += get16(p + i);
	acc = (acc >> 16) + (acc & 0xffff);
	acc += acc >> 16;
	put16(at, ~acc & 0xffff);
}

static void header(const struct probe *p, uint8_t *f, bool broadcast,
		   unsigned int type)
{
	memset(f, 0, FRAME);
	if (broadcast)
		memset(f, 0xff, 6);
	else
		memcpy(f, p->mac, 6);
	memcpy(f + 6, p->own_mac, 6);
	put16(f + 12, type);
}

static size_t build_arp(const struct probe *p, uint8_t *f)
{
	static const uint8_t request[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	header(p, f, p->mode == ARP, ETH_P_ARP);
	memcpy(f + 14, request, 8);
	memcpy(f + 22, p->own_mac, 6);
	put32(f + 28, p->own);
	put32(f + 38, p->addr);
	return 60;
}

static size_t build_echo(const struct probe *p, uint8_t *f, unsigned int seq)
{
	uint8_t *ip = f + 14, *icmp = f + 34;

	header(p, f, false, ETH_P_IP);
	ip[0] = 0x45;
	put16(ip + 2, 20 + 16);
	ip[8] = 64;
	ip[9] = IPPROTO_ICMP;
	put32(ip + 12, p->own);
	put32(ip + 16, p->addr);
	put_sum(ip + 10, ip, 20);
	icmp[0] = 8;
	put16(icmp + 4, p->id);
	put16(icmp + 6, seq);
	put_sum(icmp + 2, icmp, 16);
	return 60;
}

static bool is_answer(const struct probe *p, const uint8_t *f, size_t len)
{
	if (memcmp(f, p->own_mac, 6) != 0)
		return false;
	if (p->mode != ECHO)
		return len >= 42 && get16(f + 12) == ETH_P_ARP &&
		       get16(f + 20) == 2 && get32(f + 28) == p->addr;
	return len >= 42 && get16(f + 12) == ETH_P_IP &&
	       f[23] == IPPROTO_ICMP && get32(f + 26) == p->addr &&
	       f[34] == 0 && get16(f + 38) == p->id;
}

static void remember(struct probe *p, const uint8_t *f)
{
	/* An ARP answer says it in its body, an echo in its header. */
	const uint8_t *mac = p->mode == ECHO ? f + 6 : f + 22;

	for (unsigned int i = 0; i < p->nmacs; i++)
		if (!memcmp(p->macs[i], mac, 6))
			return;
	if (p->nmacs < MACS)
		memcpy(p->macs[p->nmacs++], mac, 6);
}

/* Takes frames until the time is over; true when one was an answer. */
static bool listen_until(struct probe *p, uint64_t end)
{
	struct pollfd fd = { .fd = p->fd, .events = POLLIN };
	uint8_t f[2048];
	bool got = false;

	for (uint64_t now = now_ns(); now < end; now = now_ns()) {
		if (poll(&fd, 1, (int)((end - now) / MS_NS) + 1) <= 0)
			continue;
		ssize_t n = recv(p->fd, f, sizeof(f), MSG_DONTWAIT);

		if (n <= 0 || !is_answer(p, f, (size_t)n))
			continue;
		remember(p, f);
		got = true;
	}
	return got;
}

static void run(struct probe *p)
{
	uint64_t start = now_ns();
	uint8_t f[FRAME];

	p->first_ms = p->last_ms = -1;
	for (unsigned int i = 0; i < p->tries; i++) {
		uint64_t due = start + i * p->wait_ms * MS_NS;
		size_t n =
			p->mode == ECHO ? build_echo(p, f, i) : build_arp(p, f);

		(void)!send(p->fd, f, n, 0);
		if (!listen_until(p, due + p->wait_ms * MS_NS))
			continue;
		p->answered++;
		p->last_ms = (double)(due - start) / MS_NS;
		if (p->first_ms < 0)
			p->first_ms = p->last_ms;
	}
}

/* The MAC that the namespace's kernel remembers for the address. */
static void cached_mac(struct probe *p)
{
	FILE *f = fopen("/proc/thread-self/net/arp", "re");
	char line[256], text[64], mac[32];
	unsigned int m[6];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %*s %*s %31s", text, mac) != 2 ||
		    strcmp(text, addr_text(p->addr)) ||
		    sscanf(mac, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3,
			   m + 4, m + 5) != 6)
			continue;
		for (int i = 0; i < 6; i++)
			p->mac[i] = (uint8_t)m[i];
		fclose(f);
		return;
	}
	die("%s has no neighbour entry for %s", p->ns, addr_text(p->addr));
}

static void open_socket(struct probe *p)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL) };
	struct sockaddr_in in;
	struct ifreq ifr = { 0 };

	ns_enter(p->ns);
	p->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		die("packet socket");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", p->ifname);
	if (ioctl(p->fd, SIOCGIFHWADDR, &ifr) < 0)
		die("%s", p->ifname);
	memcpy(p->own_mac, ifr.ifr_hwaddr.sa_data, 6);
	if (!p->own) {
		int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		if (s < 0 || ioctl(s, SIOCGIFADDR, &ifr) < 0)
			die("address of %s", p->ifname);
		memcpy(&in, &ifr.ifr_addr, sizeof(in));
		p->own = ntohl(in.sin_addr.s_addr);
		close(s);
	}
	ll.sll_ifindex = (int)if_nametoindex(p->ifname);
	if (bind(p->fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		die("bind %s", p->ifname);
}

static void report(const struct probe *p)
{
	printf("{\"tries\": %u, \"answered\": %u, \"first_ms\": %.1f, "
	       "\"last_ms\": %.1f, \"macs\": [",
	       p->tries, p->answered, p->first_ms, p->last_ms);
	for (unsigned int i = 0; i < p->nmacs; i++) {
		const uint8_t *m = p->macs[i];

		printf("%s\"%02x:%02x:%02x:%02x:%02x:%02x\"", i ? ", " : "",
		       m[0], m[1], m[2], m[3], m[4], m[5]);
	}
	printf("]}\n");
}

static void usage(int status)
{
	fputs("usage: arpprobe -n NS -a ADDR [options]\n"
	      "Asks whether an address still answers.\n"
	      "  -i IF    interface (eth0)   -t arp|unicast|echo  how (arp)\n"
	      "  -m MAC   ask this MAC instead of the one that the kernel of "
	      "NS remembers\n"
	      "  -o ADDR  our own address (the interface's)\n"
	      "  -k N     tries (20)         -w MS   time for each (20)\n"
	      "Exit status: 0 somebody answered, 1 nobody, 2 trouble.\n",
	      status ? stderr : stdout);
	exit(status);
}

static void options(struct probe *p, int argc, char **argv)
{
	static const char *const modes[] = { "arp", "unicast", "echo" };
	unsigned int m;
	int o;

	while ((o = getopt(argc, argv, "n:i:a:o:t:m:k:w:h")) != -1)
		switch (o) {
		case 'n':
			p->ns = optarg;
			break;
		case 'i':
			p->ifname = optarg;
			break;
		case 'a':
			p->addr = addr_parse(optarg);
			break;
		case 'o':
			p->own = addr_parse(optarg);
			break;
		case 't':
			for (m = 0; m < 3 && strcmp(optarg, modes[m]); m++)
				;
			if (m == 3)
				usage(2);
			p->mode = (enum mode)m;
			break;
		case 'm':
			if (sscanf(optarg,
				   "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx",
				   p->mac, p->mac + 1, p->mac + 2, p->mac + 3,
				   p->mac + 4, p->mac + 5) != 6)
				usage(2);
			p->mac_given = true;
			break;
		case 'k':
			p->tries = (unsigned int)num_parse(optarg, 100000);
			break;
		case 'w':
			p->wait_ms = (unsigned int)num_parse(optarg, 60000);
			break;
		default:
			usage(o == 'h' ? 0 : 2);
		}
	if (!p->ns || !p->addr || optind != argc)
		usage(2);
}

int main(int argc, char **argv)
{
	struct probe p = { .ifname = "eth0", .tries = 20, .wait_ms = 20 };

	options(&p, argc, argv);
	p.id = (uint16_t)getpid();
	open_socket(&p);
	if (p.mode != ARP && !p.mac_given)
		cached_mac(&p);
	sched_first(10);
	run(&p);
	report(&p);
	return p.answered ? 0 : 1;
}
