/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A gateway that answers for one shared IPv6 address, and a neighbour made by
 * hand, for test_neigh6. The address itself is put on lo by hand.
 */
#ifndef TESTS_UNIT_NEIGH6_GATEWAY_H
#define TESTS_UNIT_NEIGH6_GATEWAY_H

#include "vip_lab.h"

#include "lease.h"
#include "nd.h"
#include "neigh6.h"
#include "vip.h"

#define SHARED	    "2001:db8:1::1"
#define ROUTER_FLAG "net.ipv6.conf.g0.forwarding"

struct gateway {
	struct vip vip;
	struct vip_vhost vhost;
	struct vip_addr vaddr;
	struct lease lease;
	struct lease_vhost lan;
	struct neigh6 neigh;
	struct neigh6_entry entry;
	struct neigh_conflict conflict;
	int solicited;
	char state[64];
};

static struct gateway gw;

LAB_FN void on_conflict(const struct neigh_conflict *c, void *arg)
{
	struct gateway *g = arg;

	g->conflict = *c;
}

LAB_FN void on_solicited(int64_t at_ns, void *arg)
{
	struct gateway *g = arg;

	ck_assert_int_gt(at_ns, 0);
	g->solicited++;
}

/* Link-local addresses that need not be waited for, too. */
LAB_FN void v6_up(void)
{
	sh("ip addr add fe80::2/64 dev g0 nodad");
	sh("nsenter -t %d -n ip addr add fe80::7/64 dev c0 nodad", lab.client);
	sh("ip addr add 2001:db8:1::2/64 dev g0 nodad");
	sh("nsenter -t %d -n ip addr add 2001:db8:1::7/64 dev c0 nodad",
	   lab.client);
}

LAB_FN void gw_open_with(neigh6_solicited_cb *solicited)
{
	struct neigh6_calls calls = { on_conflict, solicited, &gw };

	memset(&gw, 0, sizeof(gw));
	v6_up();
	snprintf(gw.state, sizeof(gw.state), "%s/vip.state", lab.dir);
	inet_aton("10.1.0.1", &gw.vaddr.addr);
	gw.vaddr.prefixlen = 24;
	strcpy(gw.vhost.ifname, "g0");
	gw.vhost.virtual_mac = true;
	memcpy(gw.vhost.mac, lan_mac, 6);
	gw.vhost.addrs = &gw.vaddr;
	gw.vhost.addr_count = 1;
	strcpy(gw.lan.ifname, "g0");
	memcpy(gw.lan.mac, lan_mac, 6);
	gw.lan.timeout_ns = 60 * SEC;
	inet_pton(AF_INET6, SHARED, &gw.entry.addr);
	memcpy(gw.entry.mac, lan_mac, 6);
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	ck_assert_int_eq(vip_prepare(&gw.vip, &gw.vhost, 1), 0);
	ck_assert_int_eq(lease_open(&gw.lease, "statesync", MARK), 0);
	ck_assert_int_eq(lease_add(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(neigh6_open(&gw.neigh, "g0", &calls), 0);
	ck_assert_int_eq(neigh6_set(&gw.neigh, &gw.entry, 1), 0);
}

LAB_FN void gw_open(void)
{
	gw_open_with(NULL);
}

LAB_FN void gw_role(bool master, int64_t since_ns)
{
	gw.entry.answer = master;
	gw.entry.since_ns = since_ns;
	ck_assert_int_eq(neigh6_set(&gw.neigh, &gw.entry, 1), 0);
}

LAB_FN void gw_master(void)
{
	sh("ip addr replace " SHARED "/128 dev lo nodad");
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhost), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	gw_role(true, clock_ns(CLOCK_REALTIME));
}

/* The daemon's loop, for that long. */
LAB_FN void serve(int64_t ns)
{
	int64_t end = clock_ns(CLOCK_MONOTONIC) + ns;
	struct pollfd p = { .fd = neigh6_fd(&gw.neigh), .events = POLLIN };

	while (clock_ns(CLOCK_MONOTONIC) < end)
		if (poll(&p, 1, 5) > 0)
			ck_assert_int_ge(neigh6_read(&gw.neigh, 64), 0);
}

/* A command in the client's namespace while the daemon runs; does it succeed?
 */
LAB_FN bool served(const char *command)
{
	pid_t pid = fork();
	int st;

	if (!pid)
		_exit(run("nsenter -t %d -n %s", lab.client, command));
	while (waitpid(pid, &st, WNOHANG) == 0)
		serve(5 * MS);
	return WIFEXITED(st) && WEXITSTATUS(st) == 0;
}

LAB_FN bool client_says(const char *command, const char *word)
{
	char text[256];

	snprintf(text, sizeof(text), "nsenter -t %d -n %s", lab.client,
		 command);
	return says(text, word);
}

/* --- a neighbour made by hand ------------------------------------------- */

static const uint8_t asker[6] = { 2, 0, 0, 0, 0, 0x77 };

LAB_FN struct carp_addr6 addr(const char *text)
{
	struct carp_addr6 a;

	ck_assert_int_eq(inet_pton(AF_INET6, text, a.b), 1);
	return a;
}

/* To the group of the shared address; "::" is a probe. */
LAB_FN struct carp_nd question(const char *from)
{
	struct carp_nd q = { .src = addr(from),
			     .type = CARP_ND_NS,
			     .target = addr(SHARED),
			     .has_mac = strcmp(from, "::") != 0 };

	q.dst = carp_nd_group(&q.target);
	carp_nd_group_mac(&q.dst, q.eth_dst);
	memcpy(q.eth_src, asker, 6);
	if (q.has_mac)
		memcpy(q.mac, asker, 6);
	return q;
}

LAB_FN void ask(int fd, const struct carp_nd *q)
{
	uint8_t frame[CARP_ND_FRAME_MAX];
	size_t len = carp_nd_build(q, frame);

	ck_assert_int_eq(send(fd, frame, len, 0), (int)len);
}

/* Advertisements of the shared address that wait; the last one. */
LAB_FN int answers(int fd, struct carp_nd *last)
{
	struct carp_addr6 shared = addr(SHARED);
	uint8_t buf[2048];
	struct carp_nd a;
	ssize_t len;
	int n = 0;

	while ((len = recv(fd, buf, sizeof(buf), 0)) > 0) {
		if (carp_nd_parse(buf, (size_t)len, &a) != CARP_ND_OK ||
		    a.type != CARP_ND_NA || memcmp(a.target.b, shared.b, 16))
			continue;
		*last = a;
		n++;
	}
	return n;
}

LAB_FN int asked_once(int fd, const struct carp_nd *q, struct carp_nd *a)
{
	ask(fd, q);
	serve(30 * MS);
	return answers(fd, a);
}

LAB_FN int client_socket(void)
{
	int big = 4 << 20;
	int fd = packet_socket(lab.client, "c0", ETHERTYPE_IPV6);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	return fd;
}

#endif
