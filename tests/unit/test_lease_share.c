/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A balanced address, and forwarded frames from the virtual MAC, against the
 * real kernel. The hash is OpenBSD's (carp_lsdrop), computed here anew.
 * LINUX-VIP.md, "balancing of one address".
 */
#include "vip_gateway.h"

#include <netinet/in.h>
#include <sys/ioctl.h>

#define NODES_MAX 4

static struct lease_vhost shares[NODES_MAX];

/* vhids 1 to n balance 10.1.0.1 on g0; S is the first one's MAC, multicast or
 * not. None is held. */
static void shares_open(uint8_t n, bool multicast)
{
	gw_describe();
	memcpy(gw.vhosts[0].mac, lan_mac, 6);
	gw.vhosts[0].mac[0] = multicast;
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	ck_assert_int_eq(vip_prepare(&gw.vip, gw.vhosts, 1), 0);
	ck_assert_int_eq(lease_open(&gw.lease, "statesync", MARK), 0);
	for (uint8_t i = 0; i < n; i++) {
		struct lease_vhost *h = &shares[i];

		*h = gw.lan;
		h->mac[5] = (uint8_t)(i + 1);
		memcpy(h->shared_mac, gw.vhosts[0].mac, 6);
		h->share = i;
		h->shares = n;
		h->timeout_ns = 60 * SEC;
		ck_assert_int_eq(lease_add(&gw.lease, h), 0);
	}
	ck_assert_int_eq(lease_check(&gw.lease, "g0"), 0);
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	sh("nsenter -t %d -n ip neigh replace 10.1.0.1 lladdr "
	   "%02x:00:5e:00:01:01 dev c0 nud permanent",
	   lab.client, multicast);
}

static uint64_t packets(const struct lease_vhost *h)
{
	uint64_t p, b;

	ck_assert_int_eq(lease_share_counters(&gw.lease, h, &p, &b), 0);
	ck_assert(!p == !b);
	return p;
}

/* Which of the shares counted a frame since the last call; -1: none. */
static int who_counted(uint8_t n)
{
	static uint64_t before[NODES_MAX];
	int who = -1, all = 0;

	for (uint8_t i = 0; i < n; i++) {
		uint64_t now = packets(&shares[i]);

		if (now != before[i]) {
			who = i;
			all++;
		}
		before[i] = now;
	}
	ck_assert_int_le(all, 1);
	return who;
}

static void flow(uint8_t f[54], uint32_t src, uint32_t dst)
{
	memset(f, 0, 54);
	memcpy(f, gw.vhosts[0].mac, 6);
	memcpy(f + 6, "\x02\0\0\0\0\x07\x08\0\x45", 9);
	f[17] = 40;
	f[22] = 64;
	f[23] = 6;
	src = htonl(src);
	dst = htonl(dst);
	memcpy(f + 26, &src, 4);
	memcpy(f + 30, &dst, 4);
}

static uint32_t flow6(uint8_t f[54], uint32_t seed)
{
	uint32_t x = 0;

	memset(f, 0, 54);
	memcpy(f, gw.vhosts[0].mac, 6);
	memcpy(f + 6, "\x02\0\0\0\0\x07\x86\xdd\x60", 9);
	f[20] = 59;
	f[21] = 64;
	for (int i = 0; i < 8; i++) {
		uint32_t w = i % 4 ? seed * 2654435761u * (i + 1) >> 3
				   : 0x20010db8 + seed % 7;

		x ^= w;
		w = htonl(w);
		memcpy(f + 22 + 4 * i, &w, 4);
	}
	return x;
}

static void swap_ends(uint8_t *src, size_t len)
{
	uint8_t t[16];

	memcpy(t, src, len);
	memcpy(src, src + len, len);
	memcpy(src + len, t, len);
}

/* The share of a frame, asserted to be the same both ways. */
static int share_of(int fd, uint8_t f[54], bool v6, uint8_t n)
{
	int there, back;

	ck_assert_int_eq(send(fd, f, 54, 0), 54);
	sleep_ns(MS);
	there = who_counted(n);
	swap_ends(v6 ? f + 22 : f + 26, v6 ? 16 : 4);
	ck_assert_int_eq(send(fd, f, 54, 0), 54);
	sleep_ns(MS);
	back = who_counted(n);
	ck_assert_int_eq(there, back);
	return there;
}

static void check_hash(uint8_t n, bool multicast)
{
	int seen[NODES_MAX] = { 0 };
	uint8_t f[54];
	int fd;

	shares_open(n, multicast);
	for (uint8_t i = 0; i < n; i++)
		ck_assert_int_eq(lease_grant(&gw.lease, &shares[i]), 0);
	fd = packet_socket(lab.client, "c0", 0);
	(void)who_counted(n);
	for (uint32_t i = 0; i < 64; i++) {
		uint32_t src = 0x0a010007 + i * 77, dst = 0xc0000201 + i * i;
		uint32_t x = src ^ dst;
		int who;

		flow(f, src, dst);
		who = share_of(fd, f, false, n);
		ck_assert_int_ge(who, 0);
		if (n != 3)
			ck_assert_int_eq(who, (int)(x % n));
		seen[who]++;
		x = flow6(f, i + 1);
		who = share_of(fd, f, true, n);
		ck_assert_int_ge(who, 0);
		if (n != 3)
			ck_assert_int_eq(who, (int)(x % n));
		seen[who]++;
	}
	for (int i = 0; i < n; i++)
		ck_assert_int_ge(seen[i], 128 / n / 3);
	ck_assert_str_eq(lease_share_hash(n), n == 3 ? "jhash" : "xor");
	close(fd);
	sh("nft list ruleset >/dev/null && nft -j list ruleset >/dev/null");
}

START_TEST(test_hash_of_two)
{
	check_hash(2, true);
}
END_TEST

START_TEST(test_hash_of_four_stealth)
{
	check_hash(4, false);
}
END_TEST

START_TEST(test_hash_of_three)
{
	check_hash(3, true);
}
END_TEST

/* 10.1.0.7 ^ 10.1.0.1 is even: the first share. */
static void check_held(bool multicast)
{
	shares_open(2, multicast);
	ck_assert(!pings(lab.client, "10.1.0.1", "-c 2 -i 0.1 -W 0.3"));
	ck_assert_int_eq(lease_grant(&gw.lease, &shares[1]), 0);
	ck_assert(!pings(lab.client, "10.1.0.1", "-c 2 -i 0.1 -W 0.3"));
	ck_assert_uint_eq(packets(&shares[0]), 0);
	ck_assert_uint_eq(packets(&shares[1]), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &shares[0]), 0);
	ck_assert(pings(lab.client, "10.1.0.1", PING_ONE));
	ck_assert_uint_eq(packets(&shares[0]), 1);
	/* forwarded, and the counters outlive a change of rules */
	ck_assert_int_eq(lease_set_timeout(&gw.lease, &shares[0], 30 * SEC), 0);
	ck_assert(pings(lab.client, "10.2.0.9", PING_ONE));
	ck_assert_uint_eq(packets(&shares[0]), 2);
	ck_assert_int_eq(lease_revoke(&gw.lease, &shares[0]), 0);
	ck_assert(!pings(lab.client, "10.1.0.1", "-c 2 -i 0.1 -W 0.3"));
	/* our own address is nobody's share */
	ck_assert(pings(lab.client, "10.1.0.2", PING_ONE));
}

START_TEST(test_share_is_held_by_its_lease)
{
	check_held(true);
}
END_TEST

START_TEST(test_share_is_held_by_its_lease_stealth)
{
	check_held(false);
}
END_TEST

/* Without the table a frame to the multicast MAC is for nobody. */
START_TEST(test_killed_is_silent_at_the_multicast_mac)
{
	shares_open(2, true);
	ck_assert_int_eq(lease_grant(&gw.lease, &shares[0]), 0);
	ck_assert(pings(lab.client, "10.1.0.1", PING_ONE));
	lease_close(&gw.lease);
	ck_assert(!pings(lab.client, "10.1.0.1", "-c 3 -i 0.1 -W 0.3"));
	ck_assert(pings(lab.client, "10.1.0.2", PING_ONE));
	ck_assert(says("sysctl net.ipv6.conf.g0.drop_unicast_in_l2_multicast",
		       "= 1"));
	ck_assert_int_eq(vip_restore(&gw.vip), 0);
	ck_assert(says("sysctl net.ipv4.conf.g0.drop_unicast_in_l2_multicast",
		       "= 0"));
	ck_assert(says("sysctl net.ipv6.conf.g0.drop_unicast_in_l2_multicast",
		       "= 0"));
	ck_assert(says("sysctl net.ipv4.conf.g1.drop_unicast_in_l2_multicast",
		       "= 0"));
}
END_TEST

/* What the kernel hands to an ARP socket of g0. */
static int arp_in(int fd, int client, const uint8_t *frame)
{
	uint8_t buf[64];
	int n = 0;

	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
	ck_assert_int_eq(send(client, frame, 42, 0), 42);
	sleep_ns(10 * MS);
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		n++;
	return n;
}

/* A unicast ARP request to S is for who holds the first share; a multicast
 * destination is for all. */
START_TEST(test_questions_go_to_the_first)
{
	uint8_t arp[42] = { 0 }, f[54];
	int fd, in;

	shares_open(2, true);
	fd = packet_socket(lab.client, "c0", 0);
	in = packet_socket(getpid(), "g0", ETHERTYPE_ARP);
	memcpy(arp, gw.vhosts[0].mac, 6);
	memcpy(arp + 6, "\x02\0\0\0\0\x07\x08\x06\0\x01\x08\0\x06\x04\0\x01",
	       16);
	ck_assert_int_eq(lease_grant(&gw.lease, &shares[1]), 0);
	ck_assert_int_eq(arp_in(in, fd, arp), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &shares[0]), 0);
	ck_assert_int_eq(arp_in(in, fd, arp), 1);
	close(in);
	ck_assert_int_eq(lease_revoke(&gw.lease, &shares[0]), 0);
	in = packet_socket(getpid(), "g0", ETHERTYPE_IP);
	flow(f, 0x0a010007, 0xe0000005);
	ck_assert_int_eq(send(fd, f, 54, 0), 54);
	sleep_ns(10 * MS);
	ck_assert_int_eq(recv(in, f, sizeof(f), 0), 54);
	close(in);
	close(fd);
}
END_TEST

START_TEST(test_share_values)
{
	struct lease_vhost h;

	shares_open(2, true);
	h = shares[1];
	h.mac[5] = 9;
	h.share = 2;
	ck_assert_int_eq(lease_add(&gw.lease, &h), -EINVAL);
	h.shares = 33;
	ck_assert_int_eq(lease_add(&gw.lease, &h), -EINVAL);
	ck_assert_int_eq(lease_del(&gw.lease, &shares[1]), 0);
	ck_assert_int_eq(lease_del(&gw.lease, &shares[0]), 0);
	ck_assert_int_eq(lease_add(&gw.lease, &gw.lan), -EINVAL); /* no time */
	gw.lan.timeout_ns = 60 * SEC;
	ck_assert_int_eq(lease_add(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(lease_check(&gw.lease, "g0"), 0);
}
END_TEST

/* --- source-mac --------------------------------------------------------- */

/* The source MAC of the first packet with this source address. */
static bool seen_from(int fd, const char *src, uint8_t mac[6])
{
	uint8_t buf[256];
	in_addr_t a = inet_addr(src);
	bool seen = false;

	sleep_ns(20 * MS);
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		if (!seen && !memcmp(buf + 26, &a, 4)) {
			seen = true;
			memcpy(mac, buf + 6, 6);
		}
	return seen;
}

static bool is_mac(int fd, const char *src, const uint8_t want[6])
{
	uint8_t mac[6];

	ck_assert(seen_from(fd, src, mac));
	return memcmp(mac, want, 6) == 0;
}

static void mac_of(const char *ifname, uint8_t mac[6])
{
	struct ifreq req = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(req.ifr_name, ifname);
	ck_assert_int_eq(ioctl(fd, SIOCGIFHWADDR, &req), 0);
	memcpy(mac, req.ifr_hwaddr.sa_data, 6);
	close(fd);
}

static void source_open(struct lease_vhost *second)
{
	gw_describe();
	gw.wan.timeout_ns = 60 * SEC;
	gw.wan.source_virtual = true;
	*second = gw.wan;
	second->mac[5] = 9;
	second->addr_count = 0;
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	ck_assert_int_eq(vip_prepare(&gw.vip, gw.vhosts, 2), 0);
	ck_assert_int_eq(lease_open(&gw.lease, "statesync", MARK), 0);
	ck_assert_int_eq(lease_add(&gw.lease, &gw.wan), 0);
	ck_assert_int_eq(lease_add(&gw.lease, second), 0);
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[1]), 0);
	sh("nsenter -t %d -n ip route replace default via 10.1.0.2",
	   lab.client);
}

START_TEST(test_forwarded_from_virtual)
{
	struct lease_vhost second;
	uint8_t own[6];
	int fd;

	source_open(&second);
	mac_of("g1", own);
	fd = packet_socket(lab.server, "s0", ETHERTYPE_IP);
	ck_assert(pings(lab.client, "10.2.0.9", PING_ONE));
	ck_assert(is_mac(fd, "10.1.0.7", own));
	ck_assert_int_eq(lease_grant(&gw.lease, &second), 0);
	ck_assert(pings(lab.client, "10.2.0.9", PING_ONE));
	ck_assert(is_mac(fd, "10.1.0.7", second.mac));
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.wan), 0);
	ck_assert(pings(lab.client, "10.2.0.9", PING_ONE));
	ck_assert(is_mac(fd, "10.1.0.7", wan_mac)); /* the first */
	/* what this machine itself says leaves as ever */
	sh("ping -q -c1 -W1 10.2.0.9 >/dev/null");
	ck_assert(is_mac(fd, "10.2.0.2", own));
	/* another MAC of the interface */
	sh("ip link set g1 address 02:00:00:00:00:77");
	ck_assert_int_eq(lease_check(&gw.lease, "g1"), LEASE_MISSING);
	ck_assert_int_eq(lease_repair(&gw.lease, "g1"), 0);
	ck_assert_int_eq(lease_check(&gw.lease, "g1"), 0);
	sh("nsenter -t %d -n ip neigh flush dev s0", lab.server);
	ck_assert(pings(lab.client, "10.2.0.9", PING_ONE));
	ck_assert(is_mac(fd, "10.1.0.7", wan_mac));
	ck_assert_int_eq(lease_revoke(&gw.lease, &gw.wan), 0);
	ck_assert_int_eq(lease_revoke(&gw.lease, &second), 0);
	ck_assert(pings(lab.client, "10.2.0.9", PING_ONE));
	mac_of("g1", own);
	ck_assert(is_mac(fd, "10.1.0.7", own));
	close(fd);
}
END_TEST

/* A macvlan on the same NIC has a MAC of its own, which stays. */
START_TEST(test_macvlan_keeps_its_source)
{
	struct lease_vhost second;
	uint8_t mac[6];
	int fd;

	if (run("ip link add mv0 link g1 type macvlan mode bridge "
		"2>/dev/null")) {
		printf("skipped: no macvlans in this kernel\n");
		return;
	}
	source_open(&second);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.wan), 0);
	sh("ip addr add 10.2.0.3/24 dev mv0 && ip link set mv0 up");
	sh("ip route replace 10.2.0.9 dev mv0");
	mac_of("mv0", mac);
	fd = packet_socket(lab.server, "s0", ETHERTYPE_IP);
	ck_assert(pings(lab.client, "10.2.0.9", PING_ONE));
	ck_assert(is_mac(fd, "10.1.0.7", mac)); /* forwarded through it */
	close(fd);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_hash_of_two,
		test_hash_of_four_stealth,
		test_hash_of_three,
		test_share_is_held_by_its_lease,
		test_share_is_held_by_its_lease_stealth,
		test_killed_is_silent_at_the_multicast_mac,
		test_questions_go_to_the_first,
		test_share_values,
		test_forwarded_from_virtual,
		test_macvlan_keeps_its_source,
	};

	return lab_main("lease_share", tests, sizeof(tests) / sizeof(*tests));
}
