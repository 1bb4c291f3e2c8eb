/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The shared address in real namespaces: spec/linux-vip.md, table "The parts",
 * row by row, and rules.md 6 ("no packet of any kind").
 */
#include "vip_lab.h"

#include "announce.h"
#include "carpsock.h"
#include "ifmon.h"
#include "lease.h"
#include "vip.h"
#include "wire.h"

struct gateway {
	struct vip vip;
	struct vip_vhost vhosts[2];
	struct vip_addr vaddr[2];
	struct lease lease;
	struct lease_vhost lan, wan;
	struct in_addr addr[2];
	char state[64];
};

static struct gateway gw;

static void gw_describe(void)
{
	static const char *const text[2] = { "10.1.0.1", "10.2.0.1" };
	static const char *const ifname[2] = { "g0", "g1" };
	int i;

	memset(&gw, 0, sizeof(gw));
	snprintf(gw.state, sizeof(gw.state), "%s/vip.state", lab.dir);
	for (i = 0; i < 2; i++) {
		inet_aton(text[i], &gw.addr[i]);
		gw.vaddr[i] = (struct vip_addr){ gw.addr[i], 24 };
		strcpy(gw.vhosts[i].ifname, ifname[i]);
		gw.vhosts[i].virtual_mac = true;
		memcpy(gw.vhosts[i].mac, i ? wan_mac : lan_mac, 6);
		gw.vhosts[i].addrs = &gw.vaddr[i];
		gw.vhosts[i].addr_count = 1;
	}
	strcpy(gw.lan.ifname, "g0");
	memcpy(gw.lan.mac, lan_mac, 6);
	gw.lan.addrs = &gw.addr[0];
	gw.lan.addr_count = 1;
	strcpy(gw.wan.ifname, "g1");
	memcpy(gw.wan.mac, wan_mac, 6);
	gw.wan.addrs = &gw.addr[1];
	gw.wan.addr_count = 1;
}

static void gw_open(int64_t timeout_ns)
{
	gw_describe();
	gw.lan.timeout_ns = timeout_ns;
	gw.wan.timeout_ns = timeout_ns;
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	ck_assert_int_eq(vip_prepare(&gw.vip, gw.vhosts, 2), 0);
	ck_assert_int_eq(vip_clean(&gw.vip), 0);
	ck_assert_int_eq(lease_open(&gw.lease, "statesync", MARK), 0);
	ck_assert_int_eq(lease_add(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(lease_add(&gw.lease, &gw.wan), 0);
}

static void gw_master(void)
{
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[1]), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.wan), 0);
}

static bool held(const struct lease_vhost *h)
{
	bool present;

	ck_assert_int_eq(lease_present(&gw.lease, h, &present), 0);
	return present;
}

static size_t advert(uint8_t frame[CARP_FRAME_LEN])
{
	static const uint8_t bytes[CARP_ADVERT_LEN] = { 0x21, 1 };
	struct carp_frame f = { .src = 0x0a010002, .dst = CARP_GROUP_V4 };

	memcpy(f.src_mac, lan_mac, 6);
	carp_wire_group_mac(CARP_GROUP_V4, f.dst_mac);
	return carp_wire_build_frame(&f, bytes, frame);
}

/* --- the right ---------------------------------------------------------- */

START_TEST(test_master_serves)
{
	gw_open(60 * SEC);
	lab_static_arp();
	sh("nft 'table inet user { chain i { type filter hook input priority 0;"
	   " iifname g0 ip daddr 10.1.0.1 counter accept;"
	   " ip protocol icmp drop; }; }'");
	ck_assert(!pings(lab.client, "10.1.0.1", "-c 1 -W 0.3"));
	gw_master();
	ck_assert(pings(lab.client, "10.1.0.1", PING_ONE)); /* by iifname */
	ck_assert(pings(lab.client, "10.2.0.9", PING_ONE)); /* forwarded */
	ck_assert(!says("ip addr", "10.1.0.1"));
	ck_assert(!says("ip addr", "10.2.0.1"));
	ck_assert_int_eq(lease_revoke(&gw.lease, &gw.lan), 0);
	ck_assert(!held(&gw.lan));
	ck_assert(!pings(lab.client, "10.1.0.1", "-c 3 -i 0.1 -W 0.3"));
	ck_assert(!pings(lab.client, "10.2.0.9", "-c 3 -i 0.1 -W 0.3"));
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert(pings(lab.client, "10.1.0.1", PING_ONE));
	ck_assert_int_eq(vip_restore(&gw.vip), 0);
	ck_assert(!says("ip route show table all", "10.1.0.1"));
	ck_assert(!says("bridge fdb show dev g0", lan_mac_text));
	lease_close(&gw.lease);
	vip_close(&gw.vip);
}
END_TEST

START_TEST(test_no_lease_is_silence)
{
	gw_open(60 * SEC);
	lab_static_arp();
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert(!pings(lab.client, "10.1.0.1", "-c 3 -i 0.1 -W 0.3"));
	/* and the kernel does not answer ARP for it */
	sh("nsenter -t %d -n ip neigh del 10.1.0.1 dev c0", lab.client);
	ck_assert(!pings(lab.client, "10.1.0.1", "-c 2 -i 0.2 -W 1.2"));
	/* nor is anybody else touched: our own address works */
	ck_assert(pings(lab.client, "10.1.0.2", PING_ONE));
}
END_TEST

/* How long the lease lived on after now, at most limit. */
static int64_t lives(int64_t limit)
{
	int64_t start = clock_ns(CLOCK_MONOTONIC);
	int64_t t = start;

	while (held(&gw.lan) && t - start < limit) {
		sleep_ns(MS / 2);
		t = clock_ns(CLOCK_MONOTONIC);
	}
	return t - start;
}

START_TEST(test_advert_renews)
{
	int64_t timeout = 200 * MS;
	uint8_t frame[CARP_FRAME_LEN];
	size_t len = advert(frame);
	struct carpsock s;
	int64_t life;
	int i;

	gw_open(timeout);
	ck_assert_int_eq(carpsock_open(&s, "g0", MARK), 0);
	ck_assert_int_eq(carpsock_send(&s, frame, len), -ENOBUFS);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(carpsock_send(&s, frame, len), 0);
		sleep_ns(50 * MS);
		ck_assert(held(&gw.lan));
	}
	ck_assert_int_eq(carpsock_send(&s, frame, len), 0);
	life = lives(SEC);
	/* Never longer than asked for; the look comes half a ms late. */
	ck_assert_int_le(life, timeout + 5 * MS);
	ck_assert_int_ge(life, timeout - 3 * lease_jiffy_ns());
	ck_assert_int_eq(carpsock_send(&s, frame, len), -ENOBUFS);
	ck_assert(!held(&gw.lan));
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(carpsock_send(&s, frame, len), 0);
	carpsock_close(&s);
}
END_TEST

START_TEST(test_only_marked_adverts_renew)
{
	uint8_t frame[CARP_FRAME_LEN];
	size_t len = advert(frame);
	struct carpsock s;
	int i;

	gw_open(200 * MS);
	ck_assert_int_eq(carpsock_open(&s, "g0", MARK + 1), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	for (i = 0; i < 30 && held(&gw.lan); i++) {
		(void)!carpsock_send(&s, frame, len);
		sleep_ns(20 * MS);
	}
	ck_assert(!held(&gw.lan));
	carpsock_close(&s);
}
END_TEST

START_TEST(test_timeout_changes)
{
	int64_t life;

	gw_open(10 * SEC);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(lease_set_timeout(&gw.lease, &gw.lan, 100 * MS), 0);
	ck_assert(held(&gw.lan)); /* a change of rules takes nothing */
	ck_assert_int_eq(lease_check(&gw.lease, "g0"), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	life = lives(SEC);
	ck_assert_int_le(life, 105 * MS);
	ck_assert_int_ge(life, 80 * MS);
	ck_assert_int_eq(lease_set_timeout(&gw.lease, &gw.lan, 1), -EINVAL);
}
END_TEST

START_TEST(test_timeout_rounds_down)
{
	int64_t j = lease_jiffy_ns();

	ck_assert_int_gt(j, 0);
	ck_assert_int_eq(lease_timeout_ms(j - 1), 0);
	ck_assert_int_eq(lease_timeout_ms(10 * j), 10 * j / MS);
	ck_assert_int_eq(lease_timeout_ms(11 * j - 1), 10 * j / MS);
}
END_TEST

/* The child is a daemon that was granted everything and sleeps. */
static pid_t daemon_child(void)
{
	char byte;
	int p[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		gw_open(60 * SEC);
		gw_master();
		ck_assert_int_eq(write(p[1], "x", 1), 1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(p[0], &byte, 1), 1);
	close(p[0]);
	close(p[1]);
	return pid;
}

START_TEST(test_killed_is_silent)
{
	int round;

	lab_static_arp();
	for (round = 0; round < 5; round++) {
		pid_t pid = daemon_child();

		ck_assert(pings(lab.client, "10.1.0.1", PING_ONE));
		kill(pid, SIGKILL);
		sleep_ns(20 * MS);
		ck_assert(!pings(lab.client, "10.1.0.1",
				 "-c 20 -i 0.002 -W 0.2"));
		waitpid(pid, NULL, 0);
		ck_assert(!says("nft list tables", "statesync"));
	}
}
END_TEST

START_TEST(test_flush_leaves_it)
{
	struct lease other;

	gw_open(60 * SEC);
	lab_static_arp();
	gw_master();
	sh("nft flush ruleset");
	ck_assert(held(&gw.lan));
	ck_assert_int_eq(lease_check(&gw.lease, "g0"), 0);
	ck_assert(pings(lab.client, "10.1.0.1", PING_ONE));
	ck_assert_int_ne(run("nft delete table netdev statesync 2>/dev/null"),
			 0);
	ck_assert_int_eq(lease_open(&other, "statesync", MARK), -EEXIST);
}
END_TEST

START_TEST(test_lease_bookkeeping)
{
	struct lease_vhost second, nowhere;

	gw_open(60 * SEC);
	second = gw.lan;
	ck_assert_int_eq(lease_add(&gw.lease, &second), -EEXIST);
	second.mac[5] = 9;
	ck_assert_int_eq(lease_add(&gw.lease, &second), 0);
	nowhere = second;
	strcpy(nowhere.ifname, "nowhere");
	ck_assert_int_eq(lease_add(&gw.lease, &nowhere), -ENODEV);
	ck_assert_int_eq(lease_grant(&gw.lease, &second), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &second), 0);
	ck_assert(!held(&gw.lan));
	ck_assert_int_eq(lease_del(&gw.lease, &nowhere), 0);
	ck_assert_int_eq(lease_del(&gw.lease, &second), 0);
	ck_assert_int_eq(lease_check(&gw.lease, "g0"), 0);
	ck_assert(!says("nft list ruleset", "00:00:5e:00:01:09"));
	ck_assert_int_eq(lease_del(&gw.lease, &gw.lan), 0);
	ck_assert(!says("nft list ruleset", "lease_g0"));
	ck_assert(says("nft list ruleset", "lease_g1"));
}
END_TEST

START_TEST(test_device_made_anew)
{
	gw_open(60 * SEC);
	lab_static_arp();
	gw_master();
	sh("ip link del g0");
	ck_assert_int_eq(vip_remove(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert_int_ge(lease_check(&gw.lease, "g0"), 0);
	wire_up("g0", "c0", lab.client, "10.1.0.2/24", "10.1.0.7/24");
	sh("nsenter -t %d -n ip route replace default via 10.1.0.1",
	   lab.client);
	lab_static_arp();
	ck_assert_int_eq(vip_prepare_link(&gw.vip, if_nametoindex("g0")), 0);
	ck_assert(says("sysctl net.ipv4.conf.g0.arp_ignore", "= 3"));
	ck_assert(!pings(lab.client, "10.1.0.1", "-c 1 -W 0.3"));
	ck_assert_int_eq(lease_repair(&gw.lease, "g0"), 0);
	ck_assert_int_eq(lease_check(&gw.lease, "g0"), 0);
	gw_master();
	ck_assert(pings(lab.client, "10.1.0.1", PING_ONE));
}
END_TEST

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

/* --- sockets ------------------------------------------------------------ */

START_TEST(test_carpsock_receives)
{
	uint8_t frame[CARP_FRAME_LEN], buf[CARP_IPV4_LEN];
	size_t len = advert(frame);
	struct carpsock s, other;
	struct in_addr from;
	int fd = packet_socket(lab.client, "c0", 0);

	/* from the client: the gateway drops its own address as a source */
	frame[29] = 7;
	frame[24] = frame[25] = 0;
	{
		uint16_t sum = carp_wire_checksum(frame + 14, 20);

		frame[24] = (uint8_t)(sum >> 8);
		frame[25] = (uint8_t)sum;
	}
	ck_assert_int_eq(carpsock_open(&s, "g0", MARK), 0);
	ck_assert_int_eq(carpsock_open(&other, "g1", MARK), 0);
	ck_assert_int_eq(carpsock_read(&s, buf, sizeof(buf), &len, &from),
			 CARPSOCK_EMPTY);
	ck_assert_int_eq(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	sleep_ns(20 * MS);
	ck_assert_int_eq(carpsock_read(&s, buf, sizeof(buf), &len, &from), 0);
	ck_assert_uint_eq(len, CARP_IPV4_LEN);
	ck_assert_mem_eq(buf, frame + 14, CARP_IPV4_LEN);
	ck_assert_uint_eq(ntohl(from.s_addr), 0x0a010007);
	ck_assert_int_eq(carpsock_read(&other, buf, sizeof(buf), &len, &from),
			 CARPSOCK_EMPTY);
	ck_assert_int_eq(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	sleep_ns(20 * MS);
	ck_assert_int_eq(carpsock_read(&s, buf, 20, &len, &from),
			 CARPSOCK_TRUNCATED);
	sh("ip link del g0");
	ck_assert_int_eq(carpsock_rebind(&s), -ENODEV);
	wire_up("g0", "c0", lab.client, "10.1.0.2/24", "10.1.0.7/24");
	ck_assert_int_eq(carpsock_rebind(&s), 0);
	close(fd);
	fd = packet_socket(lab.client, "c0", 0);
	ck_assert_int_eq(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	sleep_ns(20 * MS);
	ck_assert_int_eq(carpsock_read(&s, buf, sizeof(buf), &len, &from), 0);
	carpsock_close(&s);
	carpsock_close(&other);
	close(fd);
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

int main(void)
{
	const TTest *const tests[] = {
		test_master_serves,
		test_no_lease_is_silence,
		test_advert_renews,
		test_only_marked_adverts_renew,
		test_timeout_changes,
		test_timeout_rounds_down,
		test_killed_is_silent,
		test_flush_leaves_it,
		test_lease_bookkeeping,
		test_device_made_anew,
		test_snat_never_tells_the_real_mac,
		test_sysctls,
		test_others_keep_their_arp,
		test_crash_leftovers,
		test_stale_file_is_ignored,
		test_no_own_address,
		test_own_address_is_refused,
		test_carpsock_receives,
		test_ifmon,
	};

	return lab_main("vip", tests, sizeof(tests) / sizeof(*tests));
}
