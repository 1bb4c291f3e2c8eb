/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lease beside what others do: administrators' rules, bridges with
 * guests, macvlans, VLANs and bonds. LINUX-VIP.md, "The parts", "not by
 * transactions", and "Devices".
 */
#include "vip_gateway.h"

#include "carpsock.h"
#include "nl.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

/* --- rules of others ---------------------------------------------------- */

static int gen_attr(const struct nlattr *a, void *arg)
{
	if (mnl_attr_get_type(a) == NFTA_GEN_ID)
		memcpy(arg, mnl_attr_get_payload(a), sizeof(uint32_t));
	return MNL_CB_OK;
}

static int gen_take(const struct nlmsghdr *nlh, void *arg)
{
	(void)mnl_attr_parse(nlh, sizeof(struct nfgenmsg), gen_attr, arg);
	return 0;
}

static uint32_t generation(void)
{
	_Alignas(8) char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	struct nl_sock nl;
	uint32_t id = 0;

	nlh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nfg->version = NFNETLINK_V0;
	ck_assert_int_eq(nl_open(&nl, NETLINK_NETFILTER, 0, 0), 0);
	ck_assert_int_eq(nl_talk(&nl, nlh, nlh->nlmsg_len, gen_take, &id), 0);
	nl_close(&nl);
	return id;
}

START_TEST(test_renewal_is_no_transaction)
{
	uint8_t frame[CARP_FRAME_LEN];
	size_t len = advert(frame);
	struct carpsock s;
	uint32_t before;

	gw_open(200 * MS);
	ck_assert_int_eq(sock_open(&s, "g0", MARK), 0);
	before = generation();
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert_uint_ne(generation(), before);
	before = generation();
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(sock_send(&s, frame, len), 0);
		sleep_ns(5 * MS);
	}
	ck_assert(held(&gw.lan));
	ck_assert_uint_eq(generation(), before);
	carpsock_close(&s);
}
END_TEST

/* The child is a daemon at advbase 0, advskew 64: it advertises every 250 ms.
 * It ends with 0 when the pipe is closed, 1 when an advert was refused. */
static pid_t advertiser(int *end)
{
	uint8_t frame[CARP_FRAME_LEN];
	size_t len = advert(frame);
	struct carpsock s;
	struct pollfd p = { .events = POLLIN };
	int fds[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	pid = fork();
	if (pid) {
		close(fds[0]);
		*end = fds[1];
		return pid;
	}
	close(fds[1]);
	p.fd = fds[0];
	if (sock_open(&s, "g0", MARK))
		_exit(2);
	do {
		if (sock_send(&s, frame, len))
			_exit(1);
	} while (poll(&p, 1, 250) == 0);
	_exit(0);
}

static void advertised(pid_t pid, int end)
{
	int st;

	close(end);
	ck_assert_int_eq(waitpid(pid, &st, 0), pid);
	ck_assert_int_eq(st, 0);
	ck_assert(held(&gw.lan));
	ck_assert_int_eq(lease_check(&gw.lease, "g0"), 0);
}

START_TEST(test_large_set_beside_it)
{
	char path[64];
	FILE *f;
	pid_t pid;
	int end;

	snprintf(path, sizeof(path), "%s/large.nft", lab.dir);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	fputs("table ip big { set s { type ipv4_addr; elements = {\n", f);
	for (unsigned i = 0; i < 200000; i++)
		fprintf(f, "100.%u.%u.%u,\n", i >> 16, i >> 8 & 255, i & 255);
	fputs("}; }; }\n", f);
	fclose(f);
	gw_open(625 * MS); /* 2.5 intervals */
	pid = advertiser(&end);
	sh("nft -f %s", path);
	sh("nft flush set ip big s");
	sh("nft delete table ip big");
	advertised(pid, end);
}
END_TEST

START_TEST(test_files_of_others)
{
	pid_t pid;
	int end;

	gw_open(625 * MS);
	pid = advertiser(&end);
	sh("printf 'flush ruleset\ntable inet user { chain i { type filter hook"
	   " input priority 0; }; }\n' > %s/user.nft",
	   lab.dir);
	for (int i = 0; i < 20; i++)
		sh("nft -f %s/user.nft && nft flush ruleset", lab.dir);
	sh("nft list ruleset > %s/saved.nft", lab.dir);
	ck_assert(says("nft list ruleset", "netdev statesync"));
	/* what was saved with our table in it is refused as a whole */
	ck_assert_int_ne(run("nft -f %s/saved.nft 2>/dev/null", lab.dir), 0);
	advertised(pid, end);
}
END_TEST

/* --- devices ------------------------------------------------------------ */

static void serve_on(const char *ifname)
{
	gw_describe();
	strcpy(gw.vhosts[0].ifname, ifname);
	strcpy(gw.lan.ifname, ifname);
	gw.lan.timeout_ns = 60 * SEC;
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	ck_assert_int_eq(vip_prepare(&gw.vip, gw.vhosts, 1), 0);
	ck_assert_int_eq(lease_open(&gw.lease, "statesync", MARK), 0);
	ck_assert_int_eq(lease_add(&gw.lease, &gw.lan), 0);
}

static void serves(const char *neighbour_dev)
{
	sh("nsenter -t %d -n ip neigh replace 10.1.0.1 lladdr %s dev %s "
	   "nud permanent",
	   lab.client, lan_mac_text, neighbour_dev);
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(!pings(lab.client, "10.1.0.1", "-c 1 -W 0.3"));
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert(pings(lab.client, "10.1.0.1", PING_ONE));
	ck_assert_int_eq(lease_revoke(&gw.lease, &gw.lan), 0);
	ck_assert(!pings(lab.client, "10.1.0.1", "-c 1 -W 0.3"));
	ck_assert_int_eq(vip_remove(&gw.vip, &gw.vhosts[0]), 0);
}

static void make_bridge(void)
{
	sh("ip link add br0 type bridge");
	sh("ip addr flush dev g0 && ip link set g0 master br0");
	sh("ip addr add 10.1.0.2/24 dev br0 && ip link set br0 up");
}

/* The bridge has learnt the virtual MAC from the other master before. */
START_TEST(test_on_a_bridge)
{
	uint8_t frame[CARP_FRAME_LEN];
	size_t len = advert(frame);
	int fd;

	make_bridge();
	fd = packet_socket(lab.client, "c0", 0);
	ck_assert_int_eq(send(fd, frame, len, 0), (int)len);
	close(fd);
	sleep_ns(50 * MS);
	ck_assert(says("bridge fdb show br br0", lan_mac_text));
	serve_on("br0");
	serves("c0");
	ck_assert(!says("bridge fdb show br br0", lan_mac_text));
}
END_TEST

/* A guest on the bridge of a backup, the master beyond it. */
START_TEST(test_guests_of_a_bridge)
{
	pid_t guest = neighbour();

	make_bridge();
	sh("ip link add q0 type veth peer name q1 netns %d", guest);
	sh("ip link set q0 master br0 up");
	sh("nsenter -t %d -n ip link set q1 up", guest);
	sh("nsenter -t %d -n ip addr add 10.1.0.20/24 dev q1", guest);
	sh("nsenter -t %d -n ip addr add 10.1.0.1/24 dev c0", lab.client);
	sh("nsenter -t %d -n ip link set c0 address %s", lab.client,
	   lan_mac_text);
	serve_on("br0");
	ck_assert(pings(guest, "10.1.0.1", "-c 3 -i 0.1 -W 1"));
	/* was master, and died: the entry is the first thing to go */
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	vip_close(&gw.vip);
	lease_close(&gw.lease);
	ck_assert(!pings(guest, "10.1.0.1", "-c 2 -i 0.1 -W 0.3"));
	serve_on("br0");
	ck_assert(pings(guest, "10.1.0.1", "-c 3 -i 0.1 -W 1"));
	kill(guest, SIGKILL);
}
END_TEST

START_TEST(test_macvlan_on_the_same_nic)
{
	pid_t guest = neighbour();

	if (run("ip link add mv0 link g0 netns %d type macvlan mode bridge "
		"2>/dev/null",
		guest)) {
		printf("skipped: no macvlans in this kernel\n");
		return;
	}
	sh("nsenter -t %d -n ip addr add 10.1.0.20/24 dev mv0", guest);
	sh("nsenter -t %d -n ip link set mv0 up", guest);
	gw_open(60 * SEC);
	ck_assert(pings(guest, "10.1.0.7", PING_ONE));
	gw_master();
	ck_assert(pings(guest, "10.1.0.7", PING_ONE));
	ck_assert(pings(lab.client, "10.1.0.20", PING_ONE));
	ck_assert_int_eq(lease_revoke(&gw.lease, &gw.lan), 0);
	ck_assert(pings(guest, "10.1.0.7", PING_ONE));
	kill(guest, SIGKILL);
}
END_TEST

START_TEST(test_on_a_vlan)
{
	if (run("ip link add link g0 name g0.5 type vlan id 5 2>/dev/null")) {
		printf("skipped: no VLANs in this kernel\n");
		return;
	}
	sh("ip addr flush dev g0 && ip link set g0.5 up");
	sh("ip addr add 10.1.0.2/24 dev g0.5");
	sh("nsenter -t %d -n ip link add link c0 name c5 type vlan id 5",
	   lab.client);
	sh("nsenter -t %d -n ip addr flush dev c0", lab.client);
	sh("nsenter -t %d -n ip addr add 10.1.0.7/24 dev c5", lab.client);
	sh("nsenter -t %d -n ip link set c5 up", lab.client);
	serve_on("g0.5");
	serves("c5");
}
END_TEST

START_TEST(test_on_a_bond)
{
	if (run("ip link add bo0 type bond mode active-backup 2>/dev/null")) {
		printf("skipped: no bonds in this kernel\n");
		return;
	}
	sh("ip addr flush dev g0 && ip link set g0 down");
	sh("ip link set g0 master bo0 && ip link set bo0 up");
	sh("ip addr add 10.1.0.2/24 dev bo0");
	sleep_ns(SEC);
	serve_on("bo0");
	serves("c0");
}
END_TEST

/* The same vhid on a NIC and on its VLAN: tagged frames are the VLAN's. */
START_TEST(test_tagged_frames_are_not_ours)
{
	uint8_t frame[CARP_FRAME_LEN + 4], buf[128];
	size_t len = advert(frame);
	struct sockaddr_ll from;
	socklen_t from_len = sizeof(from);
	struct carpsock s;
	int fd, in;

	memmove(frame + 16, frame + 12, len - 12);
	memcpy(frame + 12, "\x81\0\0\x05", 4);
	gw_open(200 * MS);
	ck_assert_int_eq(sock_open(&s, "g0", MARK), 0);
	ck_assert_int_eq(sock_send(&s, frame, len + 4), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	for (int i = 0; i < 6; i++) {
		ck_assert_int_eq(sock_send(&s, frame, len + 4), 0);
		sleep_ns(50 * MS);
	}
	ck_assert(!held(&gw.lan)); /* they renew nothing */
	carpsock_close(&s);
	memcpy(frame, lan_mac, 6);
	frame[11] = 9;
	fd = packet_socket(lab.client, "c0", 0);
	in = packet_socket(getpid(), "g0", ETHERTYPE_IP);
	ck_assert_int_eq(send(fd, frame, len + 4, 0), (int)len + 4);
	sleep_ns(20 * MS);
	ck_assert_int_gt(recvfrom(in, buf, sizeof(buf), 0,
				  (struct sockaddr *)&from, &from_len),
			 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(send(fd, frame, len + 4, 0), (int)len + 4);
	sleep_ns(20 * MS);
	ck_assert_int_gt(recvfrom(in, buf, sizeof(buf), 0,
				  (struct sockaddr *)&from, &from_len),
			 0);
	ck_assert_int_eq(from.sll_pkttype, PACKET_OTHERHOST);
	close(in);
	close(fd);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_renewal_is_no_transaction,
		test_large_set_beside_it,
		test_files_of_others,
		test_on_a_bridge,
		test_guests_of_a_bridge,
		test_macvlan_on_the_same_nic,
		test_on_a_vlan,
		test_on_a_bond,
		test_tagged_frames_are_not_ours,
	};

	return lab_main("lease_others", tests, sizeof(tests) / sizeof(*tests));
}
