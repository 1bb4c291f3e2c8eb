/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lab's gateway as the modules see it, with both shared addresses; for
 * test_vip and test_lease.
 */
#ifndef TESTS_UNIT_VIP_GATEWAY_H
#define TESTS_UNIT_VIP_GATEWAY_H

#include "vip_lab.h"

#include "carpsock.h"
#include "lease.h"
#include "packet.h"
#include "vip.h"

struct gateway {
	struct vip vip;
	struct vip_vhost vhosts[2];
	struct vip_addr vaddr[2];
	struct lease lease;
	struct lease_vhost lan, wan;
	char state[64];
};

static struct gateway gw;

LAB_FN void gw_describe(void)
{
	static const char *const text[2] = { "10.1.0.1", "10.2.0.1" };
	static const char *const ifname[2] = { "g0", "g1" };
	int i;

	memset(&gw, 0, sizeof(gw));
	snprintf(gw.state, sizeof(gw.state), "%s/vip.state", lab.dir);
	for (i = 0; i < 2; i++) {
		gw.vaddr[i].prefixlen = 24;
		inet_aton(text[i], &gw.vaddr[i].addr);
		strcpy(gw.vhosts[i].ifname, ifname[i]);
		gw.vhosts[i].virtual_mac = true;
		memcpy(gw.vhosts[i].mac, i ? wan_mac : lan_mac, 6);
		gw.vhosts[i].addrs = &gw.vaddr[i];
		gw.vhosts[i].addr_count = 1;
	}
	strcpy(gw.lan.ifname, "g0");
	memcpy(gw.lan.mac, lan_mac, 6);
	gw.lan.addrs = &gw.vaddr[0];
	gw.lan.addr_count = 1;
	strcpy(gw.wan.ifname, "g1");
	memcpy(gw.wan.mac, wan_mac, 6);
	gw.wan.addrs = &gw.vaddr[1];
	gw.wan.addr_count = 1;
}

LAB_FN void gw_open(int64_t timeout_ns)
{
	gw_describe();
	gw.lan.timeout_ns = timeout_ns;
	gw.wan.timeout_ns = timeout_ns;
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	ck_assert_int_eq(vip_prepare(&gw.vip, gw.vhosts, 2), 0);
	ck_assert_int_eq(lease_open(&gw.lease, "statesync", MARK), 0);
	ck_assert_int_eq(lease_add(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(lease_add(&gw.lease, &gw.wan), 0);
}

LAB_FN void gw_master(void)
{
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[0]), 0);
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhosts[1]), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.wan), 0);
}

LAB_FN bool held(const struct lease_vhost *h)
{
	bool present;

	ck_assert_int_eq(lease_present(&gw.lease, h, &present), 0);
	return present;
}

LAB_FN size_t advert(uint8_t frame[CARP_FRAME_LEN])
{
	static const uint8_t bytes[CARP_ADVERT_LEN] = { 0x21, 1 };
	struct carp_frame f = { .src = { .v4 = 0x0a010002 },
				.dst = carp_group(CARP_V4) };

	memcpy(f.src_mac, lan_mac, 6);
	carp_group_mac(&f.dst, f.dst_mac);
	return carp_frame_build(&f, bytes, frame, CARP_FRAME_LEN);
}

LAB_FN int sock_open(struct carpsock *s, const char *ifname, uint32_t mark)
{
	struct carpsock_conf conf = { .mark = mark,
				      .least_ttl = 255,
				      .families = { true, true } };

	strcpy(conf.ifname, ifname);
	return carpsock_open(s, &conf);
}

/* A whole frame, marked. */
LAB_FN int sock_send(const struct carpsock *s, const uint8_t *frame, size_t len)
{
	struct carpsock_out out = { .fd = s->tx, .len = len };

	memcpy(out.bytes, frame, len);
	return carpsock_send(&out);
}

#endif
