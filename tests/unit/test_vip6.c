/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared IPv6 addresses against the real kernel, and IPv4 ones on lo: where
 * they are, who answers for them, what may leave about them.
 * LINUX-VIP.md, "The parts".
 */
#include "vip_gateway.h"

#include "carpsock.h"

#define GLOBAL	   "2001:db8:1::1"
#define LINK_LOCAL "fe80::200:5eff:fe00:101"

static struct vip_addr both[3];

/* A gateway of one vhost on g0 with an IPv4, a global and a link-local
 * address; ours is 2001:db8:1::2. */
static void gw6_describe(void)
{
	sh("ip addr add 2001:db8:1::2/64 dev g0 nodad");
	sh("nsenter -t %d -n ip addr add 2001:db8:1::7/64 dev c0 nodad",
	   lab.client);
	sh("sysctl -qw net.ipv6.conf.all.forwarding=1");
	gw_describe();
	both[0] = gw.vaddr[0];
	both[1] = (struct vip_addr){ .prefixlen = 64, .v6 = true };
	both[2] = both[1];
	ck_assert_int_eq(inet_pton(AF_INET6, GLOBAL, &both[1].addr6), 1);
	ck_assert_int_eq(inet_pton(AF_INET6, LINK_LOCAL, &both[2].addr6), 1);
	gw.vhosts[0].addrs = both;
	gw.vhosts[0].addr_count = 3;
	gw.lan.addrs = both;
	gw.lan.addr_count = 3;
	gw.lan.timeout_ns = 60 * SEC;
}

static void gw6_open(void)
{
	gw6_describe();
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	ck_assert_int_eq(vip_prepare(&gw.vip, gw.vhosts, 1), 0);
	ck_assert_int_eq(lease_open(&gw.lease, "statesync", MARK), 0);
	ck_assert_int_eq(lease_add(&gw.lease, &gw.lan), 0);
}

static void neigh6(const char *how)
{
	sh("nsenter -t %d -n ip neigh %s " GLOBAL " dev c0", lab.client, how);
	sh("nsenter -t %d -n ip neigh %s " LINK_LOCAL " dev c0", lab.client,
	   how);
}

/* Link-local addresses are made when the interfaces have a carrier. */
static bool tentative(void)
{
	char cmd[96];

	snprintf(cmd, sizeof(cmd), "nsenter -t %d -n ip -6 addr show dev c0",
		 lab.client);
	return says("ip -6 addr show dev g0", "tentative") ||
	       !says("ip -6 addr show dev g0", "fe80") ||
	       says(cmd, "tentative") || !says(cmd, "fe80");
}

static void neigh6_static(void)
{
	neigh6("replace lladdr 00:00:5e:00:01:01 nud permanent");
	for (int i = 0; i < 40 && tentative(); i++)
		sleep_ns(100 * MS);
	ck_assert(!tentative());
}

START_TEST(test_v6_master_serves)
{
	gw6_open();
	neigh6_static();
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(!pings(lab.client, GLOBAL, "-c 2 -i 0.1 -W 0.3"));
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert(pings(lab.client, GLOBAL, PING_ONE));
	ck_assert(pings(lab.client, LINK_LOCAL "%c0", PING_ONE));
	/* again, as when something was missing */
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(says("ip -6 addr show dev lo", GLOBAL "/128"));
	ck_assert(says("ip -6 addr show dev lo", "deprecated"));
	ck_assert(!says("ip -6 addr", LINK_LOCAL));
	ck_assert(says("ip -6 route show table local proto 112", GLOBAL));
	ck_assert(!says("ip -6 route show proto 112", "2001:"));
	/* never a source: */
	ck_assert(says("ip -6 route get 2001:db8:1::7", "src 2001:db8:1::2"));
	sh("ip addr del 2001:db8:1::2/64 dev g0");
	sh("ip addr add 2001:db8:2::2/64 dev g1 nodad");
	sh("ip route add 2001:db8:1::/64 dev g0");
	ck_assert(!says("ip -6 route get 2001:db8:1::7", "src " GLOBAL " "));
	/* the kernel answers no solicitation */
	neigh6("del");
	ck_assert(!pings(lab.client, GLOBAL, "-c 2 -i 0.2 -W 1.2"));
	ck_assert(!pings(lab.client, LINK_LOCAL "%c0", "-c 2 -i 0.2 -W 1.2"));
	ck_assert_int_eq(lease_revoke(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(vip_remove(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(!says("ip -6 addr", GLOBAL "/128"));
	ck_assert(!says("ip -6 route show table all", LINK_LOCAL));
	ck_assert(!says("ip route show table all", "10.1.0.1 "));
}
END_TEST

START_TEST(test_v4_on_lo)
{
	gw_describe();
	gw.lan.timeout_ns = 60 * SEC;
	gw.vhosts[0].on_lo = true;
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	ck_assert_int_eq(vip_prepare(&gw.vip, gw.vhosts, 1), 0);
	ck_assert_int_eq(lease_open(&gw.lease, "statesync", MARK), 0);
	ck_assert_int_eq(lease_add(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert(says("ip addr show dev lo", "10.1.0.1/32 scope host"));
	ck_assert(!pings(lab.client, "10.1.0.1", "-c 2 -i 0.2 -W 1.2"));
	lab_static_arp();
	ck_assert(pings(lab.client, "10.1.0.1", PING_ONE));
	ck_assert_int_eq(vip_remove(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(!says("ip addr", "10.1.0.1/"));
}
END_TEST

START_TEST(test_v6_crash_leftovers)
{
	gw6_open();
	gw.vhosts[0].on_lo = true;
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(says("ip addr show dev lo", "10.1.0.1/32 scope host"));
	vip_close(&gw.vip);
	lease_close(&gw.lease);
	sh("rm %s", gw.state); /* they are known by themselves */
	sh("ip addr add 2001:db8:9::9/128 dev lo");
	gw_describe();
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	ck_assert_int_eq(vip_prepare(&gw.vip, gw.vhosts, 1), 0);
	ck_assert(!says("ip addr", GLOBAL "/128"));
	ck_assert(!says("ip addr", "10.1.0.1/"));
	ck_assert(!says("ip -6 route show table all", LINK_LOCAL));
	ck_assert(says("ip addr show dev lo", "2001:db8:9::9/128"));
	ck_assert(says("ip addr show dev lo", "127.0.0.1/8"));
	ck_assert(says("ip addr show dev lo", "::1/128"));
}
END_TEST

START_TEST(test_v6_own_address_is_refused)
{
	gw6_open();
	sh("ip addr add " GLOBAL "/64 dev g1 nodad");
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), VIP_OWN_ADDRESS);
	sh("ip addr del " GLOBAL "/64 dev g1");
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	/* a link-local address of another link is another one */
	sh("ip addr add " LINK_LOCAL "/64 dev g1 nodad");
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	sh("ip addr add " LINK_LOCAL "/64 dev g0 nodad");
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), VIP_OWN_ADDRESS);
	ck_assert_int_eq(vip_remove(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(says("ip -6 addr show dev g0", LINK_LOCAL));
}
END_TEST

START_TEST(test_v6_no_own_address)
{
	gw6_open();
	neigh6_static();
	sh("ip addr del 2001:db8:1::2/64 dev g0");
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert(says("ip -6 route show proto 112", "2001:db8:1::/64 dev g0"));
	ck_assert(says("ip -6 route show proto 112", "src " GLOBAL));
	ck_assert(pings(lab.client, GLOBAL, PING_ONE));
	ck_assert_int_eq(vip_remove(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(!says("ip -6 route show table all proto 112", ":"));
}
END_TEST

/* Two vhosts of one prefix, both without an own address in it. */
START_TEST(test_v6_prefix_of_two)
{
	struct vip_vhost second;
	struct vip_addr other;

	gw6_open();
	sh("ip addr del 2001:db8:1::2/64 dev g0");
	second = gw.vhosts[0];
	other = both[1];
	other.addr6.s6_addr[15] = 3;
	second.addrs = &other;
	second.addr_count = 1;
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert_int_eq(vip_add(&gw.vip, &second), 0);
	ck_assert(says("ip -6 route show proto 112", "src " GLOBAL));
	ck_assert_int_eq(vip_remove(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(says("ip -6 route show proto 112", "src 2001:db8:1::3"));
	ck_assert_int_eq(vip_remove(&gw.vip, &second), 0);
	ck_assert(!says("ip -6 route show table all proto 112", ":"));
}
END_TEST

/* Two vhosts of one balanced address: it stays until the last one goes. */
START_TEST(test_addresses_of_two_vhosts)
{
	struct vip_vhost second;

	gw6_open();
	second = gw.vhosts[0];
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert_int_eq(vip_add(&gw.vip, &second), 0);
	ck_assert_int_eq(vip_remove(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(says("ip -6 addr", GLOBAL "/128"));
	ck_assert(says("ip -6 route show table local proto 112", LINK_LOCAL));
	ck_assert(says("ip route show table local proto 112", "10.1.0.1"));
	ck_assert(says("bridge fdb show dev g0", lan_mac_text));
	ck_assert_int_eq(vip_remove(&gw.vip, &second), 0);
	ck_assert(!says("ip -6 addr", GLOBAL "/128"));
	ck_assert(!says("ip -6 route show table local proto 112", LINK_LOCAL));
	ck_assert(!says("ip route show table local proto 112", "10.1.0.1"));
	ck_assert(!says("bridge fdb show dev g0", lan_mac_text));
}
END_TEST

/* Without giving up the others, nor the lease. */
START_TEST(test_other_addresses)
{
	struct vip_addr other[2];

	gw6_open();
	neigh6_static();
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	other[0] = both[1];
	other[1] = both[0];
	inet_aton("10.1.0.3", &other[1].addr);
	ck_assert_int_eq(vip_change(&gw.vip, &gw.vhosts[0], other, 2), 0);
	ck_assert(says("ip -6 addr", GLOBAL "/128"));
	ck_assert(!says("ip -6 route show table local proto 112", LINK_LOCAL));
	ck_assert(!says("ip route show table local", "10.1.0.1 "));
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(says("ip route show table local proto 112", "10.1.0.3"));
	gw.lan.addrs = other;
	gw.lan.addr_count = 2;
	ck_assert_int_eq(lease_change(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(lease_check(&gw.lease, "g0"), 0);
	ck_assert(says("nft list ruleset", "10.1.0.3"));
	ck_assert(!says("nft list ruleset", LINK_LOCAL));
	ck_assert(held(&gw.lan));
	ck_assert(pings(lab.client, GLOBAL, PING_ONE));
}
END_TEST

START_TEST(test_v6_interface_gone)
{
	gw6_open();
	gw.vhosts[0].on_lo = true;
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	sh("ip link del g0");
	ck_assert_int_eq(vip_remove(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(!says("ip addr", GLOBAL "/128"));
	ck_assert(!says("ip addr", "10.1.0.1/"));
}
END_TEST

START_TEST(test_v6_vrf)
{
	if (run("ip link add red type vrf table 77 2>/dev/null")) {
		printf("skipped: no VRFs in this kernel\n");
		return;
	}
	sh("ip link set red up && ip link set g0 master red");
	gw6_open();
	neigh6_static();
	lab_static_arp();
	gw.vhosts[0].on_lo = true;
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert(says("ip -6 addr show dev red", GLOBAL "/128"));
	ck_assert(says("ip -6 route show table 77 proto 112", LINK_LOCAL));
	ck_assert(pings(lab.client, GLOBAL, PING_ONE));
	ck_assert(pings(lab.client, LINK_LOCAL "%c0", PING_ONE));
	ck_assert(pings(lab.client, "10.1.0.1", PING_ONE));
	gw.vhosts[0].on_lo = false;
	ck_assert_int_eq(vip_clean(&gw.vip), 0);
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(says("ip route show table 77 proto 112", "10.1.0.1"));
	ck_assert(pings(lab.client, "10.1.0.1", PING_ONE));
	sh("ip link del g0");
	ck_assert_int_eq(vip_remove(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(!says("ip addr", GLOBAL "/128"));
}
END_TEST

/* --- neighbour discovery ------------------------------------------------- */

#define ND_LEN (14 + 40 + 32)

/* A word of neighbour discovery: type, target, option with its MAC. */
static void nd_frame(uint8_t f[ND_LEN], uint8_t type, const char *src,
		     const char *target, const uint8_t mac[6])
{
	memset(f, 0, ND_LEN);
	memcpy(f, "\x33\x33\0\0\0\x01", 6);
	memcpy(f + 6, mac, 6);
	f[12] = 0x86;
	f[13] = 0xdd;
	f[14] = 0x60;
	f[19] = 32;
	f[20] = 58;
	f[21] = 255;
	inet_pton(AF_INET6, src, f + 22);
	inet_pton(AF_INET6, "ff02::1", f + 38);
	f[54] = type;
	inet_pton(AF_INET6, target, f + 62);
	f[78] = type == 136 ? 2 : 1;
	f[79] = 1;
	memcpy(f + 80, mac, 6);
}

static int nd_send(struct carpsock *s, uint8_t type, const char *src,
		   const char *target, const uint8_t mac[6])
{
	uint8_t f[ND_LEN];

	nd_frame(f, type, src, target, mac);
	return sock_send(s, f, ND_LEN);
}

static const uint8_t real_mac[6] = { 2, 0, 0, 0, 0, 9 };

START_TEST(test_nd_is_held_to_the_lease)
{
	static const char *const addr[2] = { GLOBAL, LINK_LOCAL };
	static const char own[] = "fe80::9";
	struct carpsock s;
	uint8_t mixed[ND_LEN];

	gw6_open();
	ck_assert_int_eq(sock_open(&s, "g0", 0), 0);
	for (int i = 0; i < 2; i++) {
		const char *a = addr[i];

		ck_assert_int_eq(nd_send(&s, 136, own, a, lan_mac), -ENOBUFS);
		ck_assert_int_eq(nd_send(&s, 136, a, a, real_mac), -ENOBUFS);
		ck_assert_int_eq(nd_send(&s, 134, a, "::", real_mac), -ENOBUFS);
		ck_assert_int_eq(nd_send(&s, 135, a, own, real_mac), -ENOBUFS);
		ck_assert_int_eq(nd_send(&s, 136, own, own, real_mac), 0);
		ck_assert_int_eq(nd_send(&s, 134, own, own, real_mac), 0);
		ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
		ck_assert_int_eq(nd_send(&s, 136, a, a, lan_mac), 0);
		ck_assert_int_eq(nd_send(&s, 136, own, a, lan_mac), 0);
		ck_assert_int_eq(nd_send(&s, 136, own, a, real_mac), -ENOBUFS);
		ck_assert_int_eq(nd_send(&s, 134, a, "::", real_mac), 0);
		ck_assert_int_eq(nd_send(&s, 135, a, own, real_mac), -ENOBUFS);
		nd_frame(mixed, 136, own, a, lan_mac);
		mixed[11] = 9; /* from another MAC */
		ck_assert_int_eq(sock_send(&s, mixed, ND_LEN), -ENOBUFS);
		nd_frame(mixed, 136, own, a, lan_mac);
		mixed[85] = 9; /* tells another MAC */
		ck_assert_int_eq(sock_send(&s, mixed, ND_LEN), -ENOBUFS);
		ck_assert_int_eq(lease_revoke(&gw.lease, &gw.lan), 0);
	}
	carpsock_close(&s);
}
END_TEST

/* radvd's, say: from the shared link-local address by an ordinary socket. */
START_TEST(test_router_advertisement_leaves_from_virtual)
{
	uint8_t buf[128];
	struct carpsock s;
	bool seen = false;
	int fd;

	gw6_open();
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(sock_open(&s, "g0", 0), 0);
	fd = packet_socket(lab.client, "c0", ETHERTYPE_IPV6);
	ck_assert_int_eq(nd_send(&s, 134, LINK_LOCAL, "::", real_mac), 0);
	sleep_ns(20 * MS);
	while (recv(fd, buf, sizeof(buf), 0) == ND_LEN)
		seen |= buf[54] == 134 && !memcmp(buf + 6, lan_mac, 6);
	ck_assert(seen);
	close(fd);
	carpsock_close(&s);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_v6_master_serves,
		test_v4_on_lo,
		test_v6_crash_leftovers,
		test_v6_own_address_is_refused,
		test_v6_no_own_address,
		test_v6_prefix_of_two,
		test_addresses_of_two_vhosts,
		test_other_addresses,
		test_v6_interface_gone,
		test_v6_vrf,
		test_nd_is_held_to_the_lease,
		test_router_advertisement_leaves_from_virtual,
	};

	return lab_main("vip6", tests, sizeof(tests) / sizeof(*tests));
}
