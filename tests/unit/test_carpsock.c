/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Adverts between two namespaces, both families, multicast and unicast, by raw
 * and by packet sockets. */
#include "vip_gateway.h"

#include "carpsock.h"

static const uint8_t bytes[CARP_ADVERT_LEN] = { 0x21, 1 };
static const uint8_t other_mac[6] = { 2, 0, 0, 0, 0, 9 };

/* fe80::7, the client's, in what is sent by hand */
static const struct carp_address local7 = {
	.family = CARP_V6,
	.v6 = { { 0xfe, 0x80, [15] = 7 } },
};
/* fe80::2 and fd00::2, the gateway's */
static const struct carp_address local2 = {
	.family = CARP_V6,
	.v6 = { { 0xfe, 0x80, [15] = 2 } },
};

static size_t frame_from(const struct carp_address *src,
			 const struct carp_address *dst, uint8_t *out)
{
	struct carp_frame f = { .src = *src, .dst = *dst };

	memcpy(f.src_mac, other_mac, 6);
	carp_group_mac(dst, f.dst_mac);
	return carp_frame_build(&f, bytes, out, CARP_FRAME_MAX);
}

static int client_socket(void)
{
	return packet_socket(lab.client, "c0", 0);
}

static void put(int fd, const uint8_t *frame, size_t len)
{
	ck_assert_int_eq(send(fd, frame, len, 0), (ssize_t)len);
	sleep_ns(20 * MS);
}

/* Link-local addresses that are known, at once, on both ends. */
static void six(void)
{
	sh("ip -6 addr add fe80::2/64 dev g0 nodad");
	sh("ip -6 addr add fd00::2/64 dev g0 nodad");
	sh("nsenter -t %d -n ip -6 addr add fe80::7/64 dev c0 nodad",
	   lab.client);
	sh("nsenter -t %d -n ip -6 addr add fd00::7/64 dev c0 nodad",
	   lab.client);
}

static struct carpsock_conf conf_of(const char *ifname)
{
	struct carpsock_conf conf = { .mark = MARK,
				      .least_ttl = 255,
				      .families = { true, true },
				      .unicast = { true, true } };

	strcpy(conf.ifname, ifname);
	return conf;
}

static void opened(struct carpsock *s, const char *ifname)
{
	struct carpsock_conf conf = conf_of(ifname);

	ck_assert_int_eq(carpsock_open(s, &conf), 0);
}

static void silent(struct carpsock *s)
{
	enum carp_refusal why;
	struct carp_packet p;
	uint8_t buf[256];

	ck_assert_int_eq(carpsock_read(s, buf, sizeof(buf), &p, &why),
			 CARPSOCK_EMPTY);
}

/* One packet waits, and it is the advert between these. */
static void heard(struct carpsock *s, const struct carp_address *src,
		  const struct carp_address *dst)
{
	struct pollfd pfd = { .fd = carpsock_fd(s), .events = POLLIN };
	enum carp_refusal why;
	struct carp_packet p;
	uint8_t buf[256];

	ck_assert_int_eq(poll(&pfd, 1, 1000), 1);
	ck_assert_int_eq(carpsock_read(s, buf, sizeof(buf), &p, &why), 0);
	ck_assert_int_eq(why, CARP_OK);
	ck_assert(carp_address_equal(&p.src, src));
	ck_assert(carp_address_equal(&p.dst, dst));
	ck_assert_uint_eq(p.ttl, 255);
	ck_assert_uint_eq(p.len, CARP_ADVERT_LEN);
	ck_assert_mem_eq(p.payload, bytes, sizeof(bytes));
	silent(s);
}

static enum carp_refusal refused(struct carpsock *s, size_t size)
{
	enum carp_refusal why;
	struct carp_packet p;
	uint8_t buf[256];

	ck_assert_int_eq(carpsock_read(s, buf, size, &p, &why), 0);
	silent(s);
	return why;
}

START_TEST(test_multicast_v4)
{
	const struct carp_address src = { .v4 = 0x0a010007 };
	const struct carp_address dst = carp_group(CARP_V4);
	uint8_t frame[CARP_FRAME_MAX];
	struct carpsock s, other;
	int fd = client_socket();
	size_t len = frame_from(&src, &dst, frame);

	opened(&s, "g0");
	opened(&other, "g1");
	silent(&s);
	put(fd, frame, len);
	heard(&s, &src, &dst);
	silent(&other);
	put(fd, frame, len);
	ck_assert_int_eq(refused(&s, 20), CARP_REFUSED_SHORT);
	frame[22] = 254;
	frame[24]++;
	put(fd, frame, len);
	ck_assert_int_eq(refused(&s, 256), CARP_REFUSED_TTL);
	carpsock_close(&s);
	carpsock_close(&other);
	close(fd);
}
END_TEST

START_TEST(test_multicast_v6)
{
	const struct carp_address dst = carp_group(CARP_V6);
	uint8_t frame[CARP_FRAME_MAX];
	struct carpsock s, other;
	int fd = client_socket();
	size_t len = frame_from(&local7, &dst, frame);

	six();
	for (int packet = 0; packet < 2; packet++) {
		const bool how[CARP_FAMILIES] = { packet, packet };

		opened(&s, "g0");
		opened(&other, "g1");
		ck_assert_int_eq(carpsock_packet(&s, how), 0);
		ck_assert_int_eq(s.raw[CARP_V6], !packet);
		put(fd, frame, len);
		heard(&s, &local7, &dst);
		silent(&other);
		put(fd, frame, len);
		ck_assert_int_eq(refused(&s, 20), CARP_REFUSED_SHORT);
		frame[21] = 254;
		put(fd, frame, len);
		ck_assert_int_eq(refused(&s, 256), CARP_REFUSED_TTL);
		frame[21] = 255;
		carpsock_close(&s);
		carpsock_close(&other);
	}
	close(fd);
}
END_TEST

/* An interface that is made anew; families in turn. */
START_TEST(test_rebind)
{
	const struct carp_address src = { .v4 = 0x0a010007 };
	const struct carp_address dst4 = carp_group(CARP_V4);
	const struct carp_address dst6 = carp_group(CARP_V6);
	uint8_t four[CARP_FRAME_MAX], sixth[CARP_FRAME_MAX], buf[256];
	size_t len4 = frame_from(&src, &dst4, four);
	size_t len6 = frame_from(&local7, &dst6, sixth);
	enum carp_refusal why;
	struct carp_packet p;
	struct carpsock s;
	int fd;

	opened(&s, "g0");
	sh("ip link del g0");
	ck_assert_int_eq(carpsock_rebind(&s), -ENODEV);
	ck_assert_int_eq(carpsock_fd(&s), -1);
	wire_up("g0", "c0", lab.client, "10.1.0.2/24", "10.1.0.7/24");
	six();
	ck_assert_int_eq(carpsock_rebind(&s), 0);
	fd = client_socket();
	for (int i = 0; i < 3; i++)
		put(fd, four, len4);
	put(fd, sixth, len6);
	/* the one of IPv6 does not wait for all of IPv4 */
	for (int i = 0, v6 = 0; i < 2; i++) {
		ck_assert_int_eq(carpsock_read(&s, buf, sizeof(buf), &p, &why),
				 0);
		v6 += p.src.family == CARP_V6;
		ck_assert(i == 0 || v6 == 1);
	}
	carpsock_close(&s);
	close(fd);
}
END_TEST

/* Two nodes without an address of their own advertise from the shared one: a
 * master hears the other, which its kernel takes for a martian. */
START_TEST(test_hears_a_twin)
{
	const struct carp_address src = { .v4 = 0x0a010001 };
	const struct carp_address dst = carp_group(CARP_V4);
	static const bool packet[CARP_FAMILIES] = { true, false };
	uint8_t frame[CARP_FRAME_MAX];
	size_t len = frame_from(&src, &dst, frame);
	int fd = client_socket();
	struct carpsock s;

	sh("ip addr del 10.1.0.2/24 dev g0");
	gw_open(60 * SEC);
	gw_master();
	opened(&s, "g0");
	put(fd, frame, len);
	silent(&s);
	ck_assert_int_eq(carpsock_packet(&s, packet), 0);
	put(fd, frame, len);
	heard(&s, &src, &dst);
	/* nothing else, and nothing of what goes out */
	ck_assert(!pings(lab.client, "10.1.0.1", PING_ONE));
	silent(&s);
	carpsock_close(&s);
	close(fd);
}
END_TEST

/* IPv6 that is off on the interface: adverts come in all the same. */
START_TEST(test_no_ipv6_here)
{
	const struct carp_address dst = carp_group(CARP_V6);
	static const bool packet[CARP_FAMILIES] = { false, true };
	uint8_t frame[CARP_FRAME_MAX];
	size_t len = frame_from(&local7, &dst, frame);
	int fd = client_socket();
	struct carpsock s;

	sh("sysctl -qw net.ipv6.conf.g0.disable_ipv6=1");
	opened(&s, "g0");
	ck_assert_int_eq(carpsock_packet(&s, packet), 0);
	put(fd, frame, len);
	heard(&s, &local7, &dst);
	carpsock_close(&s);
	close(fd);
}
END_TEST

/* The frame that the client's interface got, without those that are not
 * protocol 112. */
static size_t next_frame(int fd, uint8_t *buf, size_t size)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while (poll(&pfd, 1, 2000) == 1) {
		ssize_t n = recv(fd, buf, size, 0);

		if (n > 23 && (buf[12] == 0x08 ? buf[23] : buf[20]) == 112 &&
		    buf[13] != 0x06)
			return (size_t)n;
	}
	return 0;
}

static struct carpsock_out unicast_to(const struct carpsock *s,
				      const struct carp_address *src,
				      const struct carp_address *dst)
{
	struct carp_frame f = { .src = *src, .dst = *dst, .id = 0x1234 };
	struct carpsock_out o;

	carpsock_unicast(s, &f, bytes, &o);
	return o;
}

/* Through ARP and ND, from the interface's MAC, byte for byte. */
START_TEST(test_unicast)
{
	struct carp_address four[2] = { { .v4 = 0x0a010002 },
					{ .v4 = 0x0a010007 } };
	struct carp_address global[2] = { local2, local7 };
	const struct carp_address *t[3][2] = { { &four[0], &four[1] },
					       { &local2, &local7 },
					       { &global[0], &global[1] } };
	uint8_t frame[256], own[6];
	struct carpsock s;
	int fd = packet_socket(lab.client, "c0", ETH_P_ALL);

	for (int i = 0; i < 2; i++) {
		global[i].v6.b[0] = 0xfd;
		global[i].v6.b[1] = 0;
	}
	six();
	opened(&s, "g0");
	for (int i = 0; i < 3; i++) {
		struct carpsock_out o = unicast_to(&s, t[i][0], t[i][1]);
		size_t len;

		ck_assert_int_eq(carpsock_send(&o), 0);
		len = next_frame(fd, frame, sizeof(frame));
		ck_assert_uint_eq(len, o.len + 14);
		ck_assert_mem_eq(frame + 14, o.bytes, o.len);
		ck_assert_uint_eq(frame[0] & 1, 0);
		if (!i)
			memcpy(own, frame + 6, 6);
		ck_assert_mem_eq(frame + 6, own, 6);
	}
	carpsock_close(&s);
	close(fd);
}
END_TEST

/* Both directions, by what each end has. */
START_TEST(test_unicast_is_heard)
{
	const struct carp_address src = { .v4 = 0x0a010007 },
				  dst = { .v4 = 0x0a010002 };
	struct carpsock_out o;
	struct carpsock s, c;
	char path[64];
	int here, there;

	six();
	opened(&s, "g0");
	snprintf(path, sizeof(path), "/proc/%d/ns/net", lab.client);
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	there = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(setns(there, CLONE_NEWNET), 0);
	opened(&c, "c0");
	ck_assert_int_eq(setns(here, CLONE_NEWNET), 0);
	o = unicast_to(&c, &src, &dst);
	ck_assert_int_eq(carpsock_send(&o), 0);
	heard(&s, &src, &dst);
	o = unicast_to(&c, &local7, &local2);
	ck_assert_int_eq(carpsock_send(&o), 0);
	heard(&s, &local7, &local2);
	/* a sender hears nothing of its own */
	silent(&c);
	carpsock_close(&s);
	carpsock_close(&c);
	close(here);
	close(there);
}
END_TEST

/* The mark is on what is sent, in every way, and not on what is unmarked. */
START_TEST(test_mark)
{
	const struct carp_address own = { .v4 = 0x0a010002 },
				  peer = { .v4 = 0x0a010007 };
	const struct carp_address group = carp_group(CARP_V6);
	struct carp_frame f = { .src = local2, .dst = group };
	struct carpsock_out o[3];
	struct carpsock s;
	uint8_t frame[256];
	int fd = packet_socket(lab.client, "c0", ETH_P_ALL);

	six();
	/* ARP and ND first */
	sh("ping -q -c1 -W1 10.1.0.7 >/dev/null");
	sh("ping -q -c1 -W1 fd00::7 >/dev/null");
	sh("nft 'add table netdev t; add chain netdev t out { type filter hook "
	   "egress device g0 priority 0; }; add rule netdev t out meta mark "
	   "%u counter drop'",
	   MARK);
	opened(&s, "g0");
	memcpy(f.src_mac, lan_mac, 6);
	carp_group_mac(&group, f.dst_mac);
	carpsock_frame(&s, &f, bytes, &o[0]);
	o[1] = unicast_to(&s, &own, &peer);
	o[2] = unicast_to(&s, &local2, &local7);
	ck_assert_int_eq(carpsock_send(&o[0]), -ENOBUFS);
	/* that the lease is asked for these is not to be seen here */
	ck_assert_int_eq(carpsock_send(&o[1]), 0);
	ck_assert_int_eq(carpsock_send(&o[2]), 0);
	ck_assert_uint_eq(next_frame(fd, frame, sizeof(frame)), 0);
	ck_assert(says("nft list table netdev t", "packets 3 "));
	for (int i = 0; i < 3; i++) {
		o[i].unmarked = true;
		ck_assert_int_eq(carpsock_send(&o[i]), 0);
		ck_assert_uint_ne(next_frame(fd, frame, sizeof(frame)), 0);
	}
	carpsock_close(&s);
	close(fd);
}
END_TEST

/* A peer that does not answer ARP holds up nobody. */
START_TEST(test_dead_peer)
{
	const struct carp_address own = { .v4 = 0x0a010002 },
				  dead = { .v4 = 0x0a010063 },
				  peer = { .v4 = 0x0a010007 };
	struct carpsock_out o;
	struct carpsock s;
	uint8_t frame[256];
	int fd = packet_socket(lab.client, "c0", ETH_P_ALL);

	sh("ping -q -c1 -W1 10.1.0.7 >/dev/null");
	opened(&s, "g0");
	o = unicast_to(&s, &own, &dead);
	for (int i = 0; i < 1000; i++)
		(void)!carpsock_send(&o);
	o = unicast_to(&s, &own, &peer);
	ck_assert_int_eq(carpsock_send(&o), 0);
	ck_assert_uint_ne(next_frame(fd, frame, sizeof(frame)), 0);
	/* no ARP of ours bears another address than the interface's */
	ck_assert(!says("ip neigh show", "10.1.0.1 "));
	carpsock_close(&s);
	close(fd);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_multicast_v4, test_multicast_v6,	  test_rebind,
		test_hears_a_twin, test_no_ipv6_here,	  test_unicast,
		test_mark,	   test_unicast_is_heard, test_dead_peer,
	};

	return lab_main("carpsock", tests, sizeof(tests) / sizeof(tests[0]));
}
