/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who answers neighbour solicitations for a shared address, and when: rules 6.
 */
#include "neigh6_gateway.h"

START_TEST(test_master_answers)
{
	struct carp_nd q, a;
	int fd;

	gw_open();
	gw_master();
	fd = client_socket();
	q = question("2001:db8:1::7");
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	ck_assert(a.solicited && a.override && a.has_mac);
	ck_assert_mem_eq(a.mac, lan_mac, 6);
	ck_assert_mem_eq(a.eth_src, lan_mac, 6);
	ck_assert_mem_eq(a.eth_dst, asker, 6);
	ck_assert_mem_eq(a.dst.b, q.src.b, 16);
	q = question("fe80::77");
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	q.dst = q.target; /* unicast, NUD */
	memcpy(q.eth_dst, lan_mac, 6);
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	q = question("::"); /* RFC 4862 probe */
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	ck_assert(!a.solicited);
	ck_assert_mem_eq(a.dst.b, addr("ff02::1").b, 16);
	ck_assert_uint_eq(gw.neigh.sock.counters.answered, 4);
	q = question("2001:db8:1::7");
	memcpy(q.eth_dst, asker, 6); /* for another machine */
	ck_assert_int_eq(asked_once(fd, &q, &a), 0);
	q = question("2001:db8:1::7"); /* ends as the shared one */
	q.target = addr("2001:db8:2::1");
	ck_assert_int_eq(asked_once(fd, &q, &a), 0);
	ck_assert_uint_eq(gw.neigh.sock.counters.answered, 4);
	close(fd);
}
END_TEST

/* A real kernel asks, believes, and finds its duplicate. */
START_TEST(test_kernels)
{
	gw_open();
	gw_master();
	ck_assert(served("ping -q -c 2 -i 0.2 -W 1 " SHARED " >/dev/null"));
	ck_assert(client_says("ip neigh show " SHARED, lan_mac_text));
	ck_assert(served("ping -q -c 1 -W 1 2001:db8:1::2 >/dev/null"));
	ck_assert(client_says("ip neigh show 2001:db8:1::2", "REACHABLE"));
	ck_assert(served("ip addr add " SHARED "/64 dev c0"));
	ck_assert(served("sleep 1.5"));
	ck_assert(client_says("ip -6 addr show dev c0", "dadfailed"));
	ck_assert_uint_ge(gw.neigh.sock.counters.conflicts, 1);
	ck_assert_int_eq(gw.conflict.family, AF_INET6);
}
END_TEST

START_TEST(test_backup_is_silent)
{
	struct carp_nd q = question("2001:db8:1::7"), a;
	int fd;

	gw_open();
	fd = client_socket();
	/* but it has joined what will be asked for */
	ck_assert(says("ip -6 maddr show dev g0", "ff02::1:ff00:1"));
	ck_assert(says("ip maddr show dev g0", "33:33:ff:00:00:01"));
	ck_assert_int_eq(asked_once(fd, &q, &a), 0);
	ck_assert_uint_eq(gw.neigh.sock.counters.not_master, 1);
	/* table says master, the kernel says no right: it has the last word */
	gw_role(true, 0);
	ck_assert_int_eq(asked_once(fd, &q, &a), 0);
	ck_assert_uint_ge(gw.neigh.sock.counters.refused, 1);
	close(fd);
}
END_TEST

START_TEST(test_old_questions)
{
	struct carp_nd q = question("2001:db8:1::7"), a;
	int fd;

	gw_open();
	fd = client_socket();
	sleep_ns(50 * MS); /* as test_neigh */
	ask(fd, &q);
	sleep_ns(20 * MS);
	gw_master();
	serve(30 * MS);
	ck_assert_int_eq(answers(fd, &a), 0);
	ck_assert_uint_eq(gw.neigh.sock.counters.stale, 1);
	ask(fd, &q);
	sleep_ns(20 * MS);
	neigh6_flush(&gw.neigh);
	ck_assert_uint_eq(gw.neigh.sock.counters.flushed, 1);
	serve(30 * MS);
	ck_assert_int_eq(answers(fd, &a), 0);
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	close(fd);
}
END_TEST

START_TEST(test_router_flag)
{
	struct carp_nd q = question("2001:db8:1::7"), a;
	struct in6_addr shared;
	int fd;

	inet_pton(AF_INET6, SHARED, &shared);
	gw_open();
	gw_master();
	fd = client_socket();
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	ck_assert(!a.router);
	sh("sysctl -qw " ROUTER_FLAG "=1");
	ck_assert_int_eq(neigh6_announce(&gw.neigh, lan_mac, &shared), 0);
	sleep_ns(20 * MS);
	ck_assert_int_eq(answers(fd, &a), 1);
	ck_assert(a.router);
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	ck_assert(a.router);
	/* also where nothing was announced since */
	sh("sysctl -qw " ROUTER_FLAG "=0");
	sleep_ns(SEC + 50 * MS);
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	ck_assert(!a.router);
	close(fd);
}
END_TEST

START_TEST(test_table_changes)
{
	struct neigh6_entry two[2];
	struct carp_nd q = question("2001:db8:1::7"), a;
	int fd;

	gw_open();
	gw_master();
	fd = client_socket();
	two[0] = gw.entry;
	two[1] = gw.entry;
	inet_pton(AF_INET6, "2001:db8:1::99", &two[0].addr);
	ck_assert_int_eq(neigh6_set(&gw.neigh, two, 2), 0);
	ck_assert(says("ip -6 maddr show dev g0", "ff02::1:ff00:99"));
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	ck_assert_int_eq(neigh6_set(&gw.neigh, two, 1), 0);
	ck_assert(!says("ip -6 maddr show dev g0", "ff02::1:ff00:1\n"));
	q.dst = q.target;
	memcpy(q.eth_dst, lan_mac, 6);
	ck_assert_int_eq(asked_once(fd, &q, &a), 0);
	ck_assert_int_eq(neigh6_set(&gw.neigh, NULL, 0), 0);
	ck_assert_int_eq(asked_once(fd, &q, &a), 0);
	close(fd);
}
END_TEST

/* More memberships than a socket may hold. */
START_TEST(test_many_groups)
{
	struct neigh6_entry many[300];

	gw_open();
	for (size_t i = 0; i < 300; i++) {
		many[i] = gw.entry;
		many[i].addr.s6_addr[14] = (uint8_t)(i >> 8);
		many[i].addr.s6_addr[15] = (uint8_t)i;
	}
	ck_assert_int_eq(neigh6_set(&gw.neigh, many, 300), 0);
	ck_assert(gw.neigh.joined);
	if (run("sysctl -qw net.core.optmem_max=4096 2>/dev/null")) {
		printf("optmem_max cannot be set: the default is enough\n");
	} else {
		gw.neigh.joined = false;
		ck_assert_int_eq(neigh6_rebind(&gw.neigh), 0);
		ck_assert(gw.neigh.joined);
		ck_assert_uint_gt(gw.neigh.group_count, 1);
	}
	printf("300 groups on %zu sockets\n", gw.neigh.group_count);
	ck_assert(says("ip -6 maddr show dev g0", "ff02::1:ff00:12b"));
	ck_assert(says("ip -6 maddr show dev g0", "ff02::1:ff00:0"));
	neigh6_close(&gw.neigh);
	ck_assert(!says("ip -6 maddr show dev g0", "ff02::1:ff00:12b"));
}
END_TEST

/* Where the interface has no IPv6 yet they are joined later. */
START_TEST(test_groups_join_late)
{
	gw_open();
	sh("ip link set g0 mtu 1000");
	ck_assert_int_eq(neigh6_set(&gw.neigh, NULL, 0), 0);
	ck_assert_int_eq(neigh6_set(&gw.neigh, &gw.entry, 1), 0);
	ck_assert(!gw.neigh.joined);
	sh("ip link set g0 mtu 1500");
	ck_assert_int_eq(neigh6_rebind(&gw.neigh), 0);
	ck_assert(gw.neigh.joined);
	ck_assert(says("ip -6 maddr show dev g0", "ff02::1:ff00:1"));
}
END_TEST

START_TEST(test_rate)
{
	struct carp_nd q = question("2001:db8:1::7"), a;
	int i, n = 0;
	int fd;

	gw_open();
	gw_master();
	fd = client_socket();
	for (i = 0; i < 3000; i++) {
		ask(fd, &q);
		if (i % 50 == 49) {
			serve(2 * MS);
			n += answers(fd, &a);
		}
	}
	serve(20 * MS);
	n += answers(fd, &a);
	ck_assert_int_le(n, NEIGH_ANSWERS_PER_S);
	ck_assert_int_ge(n, NEIGH_ANSWERS_PER_S * 9 / 10);
	ck_assert_uint_gt(gw.neigh.sock.counters.limited, 0);
	close(fd);
}
END_TEST

START_TEST(test_conflicts)
{
	struct carp_nd claim = question("2001:db8:1::7"), a;
	const struct neigh_counters *c = &gw.neigh.sock.counters;
	int fd;

	gw_open();
	gw_master();
	fd = client_socket();
	/* "it is at my MAC" */
	claim.type = CARP_ND_NA;
	claim.override = true;
	claim.src = claim.target;
	claim.dst = addr("ff02::1");
	carp_nd_group_mac(&claim.dst, claim.eth_dst);
	ck_assert_int_eq(asked_once(fd, &claim, &a), 0);
	ck_assert_uint_eq(c->conflicts, 1);
	ck_assert_mem_eq(gw.conflict.mac, asker, 6);
	ck_assert(IN6_ARE_ADDR_EQUAL(&gw.conflict.addr6, &gw.entry.addr));
	ck_assert(gw.conflict.answering);
	/* the other node of the pair announces itself: no conflict */
	memcpy(claim.mac, lan_mac, 6);
	(void)asked_once(fd, &claim, &a);
	ck_assert_uint_eq(c->conflicts, 1);
	/* a question in its name, of another address (we hear the group) */
	claim = question(SHARED);
	claim.target = addr("2001:db8:1::7");
	(void)asked_once(fd, &claim, &a);
	ck_assert_uint_eq(c->conflicts, 2);
	/* one who wants to have it, while we have, and while we have not */
	claim = question("::");
	ck_assert_int_eq(asked_once(fd, &claim, &a), 1);
	ck_assert_uint_eq(c->conflicts, 3);
	gw_role(false, 0);
	ck_assert_int_eq(asked_once(fd, &claim, &a), 0);
	ck_assert_uint_eq(c->conflicts, 3);
	close(fd);
}
END_TEST

/* Came through a router, or is broken: not even looked at. */
START_TEST(test_malformed)
{
	struct carp_nd q = question("2001:db8:1::7"), a;
	uint8_t frame[CARP_ND_FRAME_MAX];
	size_t len = carp_nd_build(&q, frame);
	int fd;

	gw_open();
	gw_master();
	fd = client_socket();
	frame[21] = 254;
	ck_assert_int_eq(send(fd, frame, len, 0), (int)len);
	frame[21] = 255;
	frame[57] ^= 1;
	ck_assert_int_eq(send(fd, frame, len, 0), (int)len);
	serve(30 * MS);
	ck_assert_int_eq(answers(fd, &a), 0);
	ck_assert_uint_eq(gw.neigh.sock.counters.malformed, 2);
	close(fd);
}
END_TEST

START_TEST(test_announce)
{
	struct carp_nd a;
	int fd;

	gw_open();
	fd = client_socket();
	ck_assert_int_eq(neigh6_announce(&gw.neigh, lan_mac, &gw.entry.addr),
			 -ENOBUFS);
	gw_master();
	ck_assert_int_eq(neigh6_announce(&gw.neigh, lan_mac, &gw.entry.addr),
			 0);
	sleep_ns(20 * MS);
	ck_assert_int_eq(answers(fd, &a), 1);
	ck_assert(a.override && !a.solicited);
	ck_assert_mem_eq(a.mac, lan_mac, 6);
	ck_assert_mem_eq(a.eth_dst, "\x33\x33\0\0\0\1", 6);
	close(fd);
}
END_TEST

/* A neighbour that knows another MAC believes the announcement. */
START_TEST(test_announcement_is_believed)
{
	gw_open();
	gw_master();
	ck_assert(served("ip neigh replace " SHARED
			 " lladdr 02:00:00:00:00:99 dev c0 nud reachable"));
	ck_assert_int_eq(neigh6_announce(&gw.neigh, lan_mac, &gw.entry.addr),
			 0);
	sleep_ns(50 * MS);
	ck_assert(client_says("ip neigh show " SHARED, lan_mac_text));
}
END_TEST

START_TEST(test_router_solicitations)
{
	struct carp_nd q = question("fe80::77");
	int fd;

	gw_open_with(on_solicited);
	sh("sysctl -qw " ROUTER_FLAG "=1"); /* the kernel joins ff02::2 */
	fd = client_socket();
	q.type = CARP_ND_RS;
	q.dst = addr("ff02::2");
	carp_nd_group_mac(&q.dst, q.eth_dst);
	ask(fd, &q);
	serve(30 * MS);
	ck_assert_int_eq(gw.solicited, 1);
	close(fd);
}
END_TEST

START_TEST(test_device_made_anew)
{
	gw_open();
	ck_assert_int_eq(neigh6_rebind(&gw.neigh), 0);
	sh("ip link del g0");
	ck_assert_int_eq(neigh6_rebind(&gw.neigh), -ENODEV);
	ck_assert_int_eq(neigh6_fd(&gw.neigh), -1);
	wire_up("g0", "c0", lab.client, "10.1.0.2/24", "10.1.0.7/24");
	v6_up();
	ck_assert_int_eq(vip_prepare_link(&gw.vip, if_nametoindex("g0")), 0);
	ck_assert_int_eq(lease_repair(&gw.lease, "g0"), 0);
	ck_assert_int_eq(neigh6_rebind(&gw.neigh), 0);
	ck_assert(says("ip -6 maddr show dev g0", "ff02::1:ff00:1"));
	gw_master();
	ck_assert(served("ping -q -c 2 -i 0.2 -W 1 " SHARED " >/dev/null"));
	neigh6_close(&gw.neigh);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_master_answers,
		test_kernels,
		test_backup_is_silent,
		test_old_questions,
		test_router_flag,
		test_table_changes,
		test_many_groups,
		test_groups_join_late,
		test_rate,
		test_conflicts,
		test_malformed,
		test_announce,
		test_announcement_is_believed,
		test_router_solicitations,
		test_device_made_anew,
	};

	return lab_main("neigh6", tests, sizeof(tests) / sizeof(*tests));
}
