/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The right to a shared address against the real kernel: granted, renewed by
 * adverts, run out, lost with the process. LINUX-VIP.md, "The parts" and
 * "Devices".
 */
#include "vip_gateway.h"

#include "carpsock.h"
#include <sys/stat.h>

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
	ck_assert_int_eq(sock_open(&s, "g0", MARK), 0);
	ck_assert_int_eq(sock_send(&s, frame, len), -ENOBUFS);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(sock_send(&s, frame, len), 0);
		sleep_ns(50 * MS);
		ck_assert(held(&gw.lan));
	}
	ck_assert_int_eq(sock_send(&s, frame, len), 0);
	life = lives(SEC);
	/* Never longer than asked for; the look may come late. */
	ck_assert_int_le(life, timeout + 20 * MS);
	ck_assert_int_ge(life, timeout - 3 * lease_jiffy_ns());
	ck_assert_int_eq(sock_send(&s, frame, len), -ENOBUFS);
	ck_assert(!held(&gw.lan));
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(sock_send(&s, frame, len), 0);
	carpsock_close(&s);
}
END_TEST

/* An IPv6 advert of vhid 1, from our own MAC. */
static size_t advert6(uint8_t frame[CARP_FRAME_LEN + 20])
{
	size_t len = 14 + 40 + CARP_ADVERT_LEN;

	memset(frame, 0, len);
	memcpy(frame, "\x33\x33\0\0\0\x12\x02\0\0\0\0\x09\x86\xdd", 14);
	frame[14] = 0x60;
	frame[19] = CARP_ADVERT_LEN;
	frame[20] = 112;
	frame[21] = 255;
	memcpy(frame + 22, "\xfe\x80", 2);
	frame[37] = 2;
	memcpy(frame + 38, "\xff\x02", 2);
	frame[53] = 0x12;
	frame[54] = 0x21;
	frame[55] = 1;
	return len;
}

/* Renewed for 20 times a quarter of its length, then refused, with a frame of
 * the given kind. */
static void renews(struct carpsock *s, const uint8_t *frame, size_t len)
{
	int i;

	ck_assert_int_eq(sock_send(s, frame, len), -ENOBUFS);
	ck_assert(!held(&gw.lan));
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	for (i = 0; i < 10; i++) {
		ck_assert_int_eq(sock_send(s, frame, len), 0);
		sleep_ns(50 * MS);
		ck_assert(held(&gw.lan));
	}
	sleep_ns(250 * MS);
	ck_assert_int_eq(sock_send(s, frame, len), -ENOBUFS);
	ck_assert(!held(&gw.lan));
}

START_TEST(test_adverts_of_all_kinds_renew)
{
	uint8_t frame[CARP_FRAME_LEN], frame6[CARP_FRAME_LEN + 20];
	size_t len = advert(frame), len6 = advert6(frame6);
	struct carpsock s;
	int i;

	gw_open(200 * MS);
	ck_assert_int_eq(sock_open(&s, "g0", MARK), 0);
	frame[6] = 2; /* as a unicast one: another source MAC, not ours */
	renews(&s, frame, len);
	renews(&s, frame6, len6);
	memcpy(frame6 + 6, lan_mac, 6);
	renews(&s, frame6, len6);
	/* another vhid's renews nothing and needs a lease of its own */
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	frame6[55] = 2;
	for (i = 0; i < 6; i++) {
		ck_assert_int_eq(sock_send(&s, frame6, len6), -ENOBUFS);
		sleep_ns(50 * MS);
	}
	ck_assert(!held(&gw.lan));
	carpsock_close(&s);
	/* without the mark it leaves from our own MAC: a bow-out */
	ck_assert_int_eq(sock_open(&s, "g0", 0), 0);
	ck_assert_int_eq(sock_send(&s, frame, len), 0);
	memcpy(frame + 6, lan_mac, 6);
	ck_assert_int_eq(sock_send(&s, frame, len), -ENOBUFS);
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
	ck_assert_int_eq(sock_open(&s, "g0", MARK + 1), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	for (i = 0; i < 30 && held(&gw.lan); i++) {
		(void)!sock_send(&s, frame, len);
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

START_TEST(test_timeout_is_whole_jiffies)
{
	int64_t j = lease_jiffy_ns();

	ck_assert_int_gt(j, 0);
	ck_assert_int_eq(lease_timeout_ms(j - 1), 0);
	ck_assert_int_eq(lease_timeout_ms(10 * j), 10 * j / MS);
	ck_assert_int_eq(lease_timeout_ms(11 * j - 1), 11 * j / MS);
	ck_assert_int_eq(lease_timeout_ms(4 * j + j / 2), 4 * j / MS);
	/* an advert every 1/256 s */
	if (j == 4 * MS)
		ck_assert_int_eq(lease_timeout_ms(1000 * MS * 5 / 512), 12);
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
	lease_close(&gw.lease);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.wan), -EBADF);
	ck_assert_int_eq(lease_revoke(&gw.lease, &gw.wan), -EBADF);
}
END_TEST

/* Another holder of the socket goes on with the table, and the first may go. */
START_TEST(test_adopted)
{
	struct lease_vhost lan, wan;
	struct lease old;
	int fd, pair[2];
	struct stat st;

	gw_open(60 * SEC);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	old = gw.lease;
	lan = gw.lan;
	wan = gw.wan;
	fd = dup(old.nl.fd);
	ck_assert_int_eq(lease_adopt(&gw.lease, fd, "statesync", MARK), 0);
	ck_assert_int_ne(fstat(fd, &st), 0); /* it has moved up */
	ck_assert_int_eq(lease_keep(&gw.lease, &lan), 0);
	ck_assert_int_eq(lease_keep(&gw.lease, &lan), -EEXIST);
	ck_assert_int_eq(lease_keep(&gw.lease, &wan), 0);
	lease_close(&old);
	ck_assert(held(&lan));
	ck_assert_int_eq(lease_check(&gw.lease, "g0"), 0);
	ck_assert_int_eq(lease_renew(&gw.lease, "g0"), 0);
	ck_assert(held(&lan));
	ck_assert_int_eq(lease_check(&gw.lease, "g0"), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &wan), 0);
	ck_assert_int_eq(lease_revoke(&gw.lease, &lan), 0);
	ck_assert(!held(&lan));
	lease_close(&gw.lease);
	ck_assert(!says("nft list tables", "statesync"));

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(lease_adopt(&gw.lease, pair[0], "statesync", MARK),
			 -EINVAL);
	close(pair[1]);
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

int main(void)
{
	const TTest *const tests[] = {
		test_master_serves,
		test_no_lease_is_silence,
		test_advert_renews,
		test_only_marked_adverts_renew,
		test_adverts_of_all_kinds_renew,
		test_timeout_changes,
		test_timeout_is_whole_jiffies,
		test_killed_is_silent,
		test_flush_leaves_it,
		test_lease_bookkeeping,
		test_device_made_anew,
		test_adopted,
	};

	return lab_main("lease", tests, sizeof(tests) / sizeof(*tests));
}
