/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a shared address leaves in the kernel and says on the wire, the sockets
 * for adverts and the news of interfaces, in real namespaces:
 * LINUX-VIP.md, rules 6 ("no packet of any kind").
 */
#include "vip_gateway.h"

#include "announce.h"
#include "ifmon.h"
#include "neigh_table.h"

/* --- silence ------------------------------------------------------------ */

/* Reads captured ARP; counts what says that the shared address is at another
 * MAC, and how many frames there were. */
static int leaks(int fd, uint32_t addr, const uint8_t mac[6], int *frames)
{
	uint8_t buf[256];
	struct carp_arp a;
	int n = 0;
	ssize_t len;

	while ((len = recv(fd, buf, sizeof(buf), 0)) > 0) {
		if (carp_arp_parse(buf, (size_t)len, &a) != CARP_ARP_OK)
			continue;
		++*frames;
		if (a.sender == addr &&
		    (memcmp(a.sender_mac, mac, 6) || memcmp(a.eth_src, mac, 6)))
			n++;
	}
	return n;
}

static int snat_rounds(int rounds, int *frames)
{
	int fd = packet_socket(lab.server, "s0", ETHERTYPE_ARP);
	int bad = 0;

	*frames = 0;
	while (rounds--) {
		(void)run("ip neigh flush all; "
			  "nsenter -t %d -n ip neigh flush dev s0",
			  lab.server);
		(void)pings(lab.client, "10.2.0.9", "-c 3 -i 0.02 -W 0.1");
		bad += leaks(fd, 0x0a020001, wan_mac, frames);
	}
	close(fd);
	return bad;
}

START_TEST(test_snat_never_tells_the_real_mac)
{
	int frames;

	gw_open(60 * SEC);
	lab_static_arp();
	sh("nft 'table ip user { chain p { type nat hook postrouting priority "
	   "100; oifname g1 snat to 10.2.0.1; }; }'");
	/* By our own address, so that traffic comes without the lease too. */
	sh("nsenter -t %d -n ip route add 10.2.0.0/24 via 10.1.0.2",
	   lab.client);
	gw_master();
	ck_assert(pings(lab.client, "10.2.0.9", PING_ONE));
	ck_assert_int_eq(snat_rounds(10, &frames), 0);
	ck_assert_int_gt(frames, 5);
	/* The sysctl alone does it too, as after SIGKILL, */
	lease_close(&gw.lease);
	ck_assert_int_eq(snat_rounds(3, &frames), 0);
	ck_assert_int_gt(frames, 0);
	/* and so does the rule, with the lease and without. */
	sh("sysctl -qw net.ipv4.conf.g1.arp_announce=0");
	ck_assert_int_eq(lease_open(&gw.lease, "statesync", MARK), 0);
	ck_assert_int_eq(lease_add(&gw.lease, &gw.wan), 0);
	ck_assert_int_eq(snat_rounds(3, &frames), 0);
	ck_assert_int_eq(frames, 0); /* they asked, and were dropped */
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.wan), 0);
	ck_assert_int_eq(snat_rounds(5, &frames), 0);
	ck_assert_int_gt(frames, 2);
}
END_TEST

/* --- sysctls, left-overs ------------------------------------------------- */

static bool ctl(const char *ifname, const char *name, int value)
{
	char cmd[128], want[16];

	snprintf(cmd, sizeof(cmd), "sysctl net.ipv4.conf.%s.%s", ifname, name);
	snprintf(want, sizeof(want), "= %d\n", value);
	return says(cmd, want);
}

START_TEST(test_sysctls)
{
	sh("ip link add x0 type veth peer x1");
	sh("sysctl -qw net.ipv4.conf.g0.arp_announce=1");
	sh("sysctl -qw net.ipv4.conf.x1.arp_ignore=2");
	gw_describe();
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	ck_assert_int_eq(vip_prepare(&gw.vip, gw.vhosts, 2), 0);
	ck_assert(ctl("g0", "arp_ignore", 3) && ctl("g0", "arp_announce", 2));
	ck_assert(ctl("x0", "arp_ignore", 3) && ctl("x0", "arp_announce", 0));
	ck_assert(ctl("x1", "arp_ignore", 2)); /* somebody's own choice */
	ck_assert(ctl("lo", "arp_ignore", 0));
	sh("ip link add y0 type veth peer y1");
	ck_assert_int_eq(vip_prepare_link(&gw.vip, if_nametoindex("y0")), 0);
	ck_assert(ctl("y0", "arp_ignore", 3));
	ck_assert_int_eq(access(gw.state, R_OK), 0);
	/* A crash: the next run must not take 3 for what stood there. */
	vip_close(&gw.vip);
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	ck_assert_int_eq(vip_prepare(&gw.vip, gw.vhosts, 2), 0);
	sh("sysctl -qw net.ipv4.conf.x0.arp_ignore=8");
	ck_assert_int_eq(vip_restore(&gw.vip), 0);
	ck_assert(ctl("g0", "arp_ignore", 0) && ctl("g0", "arp_announce", 1));
	ck_assert(ctl("g1", "arp_ignore", 0) && ctl("g1", "arp_announce", 0));
	ck_assert(ctl("y0", "arp_ignore", 0));
	ck_assert(ctl("x0", "arp_ignore", 8)); /* changed meanwhile */
	ck_assert(ctl("x1", "arp_ignore", 2));
	ck_assert_int_ne(access(gw.state, R_OK), 0);
	vip_close(&gw.vip);
}
END_TEST

START_TEST(test_others_keep_their_arp)
{
	gw_open(60 * SEC);
	gw_master();
	ck_assert(pings(lab.client, "10.1.0.2", PING_ONE));
	ck_assert(pings(lab.server, "10.2.0.2", PING_ONE));
	/* the kernel would tell it, and our own MAC, without arp_ignore */
	ck_assert(!pings(lab.client, "10.1.0.1", "-c 2 -i 0.2 -W 1.2"));
}
END_TEST

START_TEST(test_crash_leftovers)
{
	gw_open(60 * SEC);
	gw_master();
	vip_close(&gw.vip); /* nothing is taken back */
	lease_close(&gw.lease);
	ck_assert(says("bridge fdb show dev g0", lan_mac_text));
	ck_assert(says("ip route show table local", "10.1.0.1"));
	gw_open(60 * SEC);
	ck_assert(!says("bridge fdb show dev g0", lan_mac_text));
	ck_assert(!says("bridge fdb show dev g1", wan_mac_text));
	ck_assert(!says("ip route show table all proto 112", "10."));
	ck_assert(says("ip route show table local", "10.1.0.2"));
	ck_assert_int_eq(vip_restore(&gw.vip), 0);
	ck_assert(ctl("g0", "arp_ignore", 0));
}
END_TEST

START_TEST(test_stale_file_is_ignored)
{
	FILE *f;

	gw_describe();
	f = fopen(gw.state, "we");
	ck_assert_ptr_nonnull(f);
	fprintf(f,
		"statesync-vip 1 another-boot 4026531840\n"
		"sysctl %u g0 1 1\n",
		if_nametoindex("g0"));
	fclose(f);
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	ck_assert_int_eq(vip_prepare(&gw.vip, gw.vhosts, 2), 0);
	ck_assert_int_eq(vip_restore(&gw.vip), 0);
	ck_assert(ctl("g0", "arp_ignore", 0));
	vip_close(&gw.vip);
}
END_TEST

START_TEST(test_no_own_address)
{
	sh("ip addr del 10.1.0.2/24 dev g0");
	gw_open(60 * SEC);
	lab_static_arp();
	gw_master();
	ck_assert(says("ip route show proto 112", "10.1.0.0/24 dev g0"));
	ck_assert(says("ip route show proto 112", "src 10.1.0.1"));
	ck_assert(!says("ip route show proto 112", "10.2.0.0/24"));
	ck_assert(pings(lab.client, "10.1.0.1", PING_ONE));
	ck_assert_int_eq(vip_remove(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(!says("ip route show table all proto 112", "10.1.0"));
	ck_assert_int_eq(vip_remove(&gw.vip, &gw.vhosts[0]), 0);
}
END_TEST

START_TEST(test_own_address_is_refused)
{
	gw_open(60 * SEC);
	sh("ip addr add 10.1.0.1/32 dev lo");
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), VIP_OWN_ADDRESS);
	ck_assert_int_eq(vip_remove(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(says("ip route show table local", "10.1.0.1 dev lo"));
}
END_TEST

struct news {
	int links, addrs, gone, up, down;
	struct ifmon_event last;
};

static void news_cb(const struct ifmon_event *ev, void *arg)
{
	struct news *n = arg;

	if (ev->kind == IFMON_LINK || ev->addr.family == AF_INET)
		n->last = *ev;
	if (ev->kind == IFMON_ADDR) {
		n->addrs += ev->addr.family == AF_INET;
		return;
	}
	n->links++;
	n->gone += ev->link.gone;
	if (!strcmp(ev->link.name, "g0")) {
		n->up += ev->link.up;
		n->down += !ev->link.up;
	}
}

static struct news news_read(struct ifmon *m, int want)
{
	struct news n = { 0 };

	sleep_ns(50 * MS);
	ck_assert_int_eq(ifmon_read(m, news_cb, &n), want);
	return n;
}

START_TEST(test_ifmon)
{
	struct ifmon m;
	struct news n = { 0 };
	int small = 1, i;

	ck_assert_int_eq(ifmon_open(&m), 0);
	ck_assert_int_eq(ifmon_dump(&m, news_cb, &n), 0);
	ck_assert_int_eq(n.links, 3); /* lo, g0, g1 */
	ck_assert_int_eq(n.addrs, 3);
	ck_assert_int_eq(n.up, 1);
	(void)news_read(&m, 0);
	sh("nsenter -t %d -n ip link set c0 down", lab.client); /* carrier */
	sleep_ns(SEC); /* linkwatch tells it once a second at most */
	n = news_read(&m, 0);
	ck_assert_int_ge(n.down, 1);
	ck_assert_int_eq(n.last.kind == IFMON_LINK && n.last.link.up, 0);
	sh("nsenter -t %d -n ip link set c0 up", lab.client);
	n = news_read(&m, 0);
	ck_assert_int_ge(n.up, 1);
	sh("ip link set g0 mtu 1400");
	n = news_read(&m, 0);
	ck_assert_uint_eq(n.last.link.mtu, 1400);
	ck_assert(n.last.link.has_mac && n.last.link.arp);
	sh("ip addr add 10.9.9.9/28 dev g0");
	n = news_read(&m, 0);
	ck_assert_int_eq(n.addrs, 1);
	ck_assert(n.last.addr.added && n.last.addr.prefixlen == 28);
	ck_assert_uint_eq(n.last.addr.addr[3], 9);
	ck_assert_int_eq(setsockopt(ifmon_fd(&m), SOL_SOCKET, SO_RCVBUFFORCE,
				    &small, sizeof(small)),
			 0);
	for (i = 0; i < 20; i++)
		sh("ip link set g0 mtu %d", 1400 + i);
	(void)news_read(&m, IFMON_OVERRUN);
	ifmon_close(&m);
	ck_assert_int_eq(ifmon_open(&m), 0);
	sh("ip link del g0");
	n = news_read(&m, 0);
	ck_assert_int_eq(n.gone, 1);
	ifmon_close(&m);
}
END_TEST

START_TEST(test_who_was_asked_in_vain_is_asked_anew)
{
	const char *in_vain = "ip neigh show nud incomplete";

	gw_describe();
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	sh("ip addr add 2001:db8::2/64 dev g0 nodad");
	ck_assert_int_eq(run("ping -qc 1 10.1.0.7 >/dev/null"), 0);
	sh("ping -qc 1 -W 0.1 10.1.0.77 >/dev/null; "
	   "ping -qc 1 -W 0.1 10.2.0.77 >/dev/null; "
	   "ping -qc 1 -W 0.1 2001:db8::77 >/dev/null; true");
	ck_assert(says(in_vain, "10.1.0.77") && says(in_vain, "db8::77"));
	ck_assert_int_eq(neigh_table_ask_anew(&gw.vip.nl, if_nametoindex("g0")),
			 0);
	ck_assert(!says(in_vain, "dev g0"));
	/* nothing of another interface, nor who had answered */
	ck_assert(says(in_vain, "10.2.0.77"));
	ck_assert(says("ip neigh show nud reachable", "10.1.0.7 "));
	ck_assert_int_eq(neigh_table_ask_anew(&gw.vip.nl, 4711), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_snat_never_tells_the_real_mac,
		test_sysctls,
		test_others_keep_their_arp,
		test_crash_leftovers,
		test_stale_file_is_ignored,
		test_no_own_address,
		test_own_address_is_refused,
		test_ifmon,
		test_who_was_asked_in_vain_is_asked_anew,
	};

	return lab_main("vip", tests, sizeof(tests) / sizeof(*tests));
}
