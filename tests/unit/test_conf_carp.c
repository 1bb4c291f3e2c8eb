// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The configuration of virtual hosts: IPv6, unicast, MAC addresses, timers,
 * and what goes with them at the top.
 */
#include "conf_file.h"

START_TEST(top_defaults)
{
	accepted(CARP);
	ck_assert(!conf->independent);
	ck_assert(conf->witness);
	ck_assert_uint_eq(conf->witness_limit, 3);
	ck_assert(!conf->router_advertisement);
	ck_assert(!conf->strict_peers);
	ck_assert_int_eq(conf->preempt_delay_ms, 0);
	ck_assert_uint_eq(conf->carps[0].ttl, 255);
	ck_assert_uint_eq(conf->carps[0].num_unicast, 0);
	ck_assert_int_eq(conf->carps[0].source_mac, CONF_SOURCE_INTERFACE);
	ck_assert_int_eq(conf->carps[0].shared, CONF_SHARED_ROUTE);
	ck_assert_int_eq(conf->carps[0].announce_refresh_ms, 0);
}
END_TEST

START_TEST(top_values)
{
	accepted("independent = true witness = false witness-limit = 10\n"
		 "preempt-delay = 90s\n" CARP);
	ck_assert(conf->independent);
	ck_assert(!conf->witness);
	ck_assert_uint_eq(conf->witness_limit, 10);
	ck_assert_int_eq(conf->preempt_delay_ms, 90000);
	refused("witness-limit = 0\n" CARP,
		"1:17: witness-limit 0 is out of range; 1 to 100");
	refused("independent = 2\n" CARP,
		"1:15: independent \"2\" is not known; true or false");
	refused("preempt-delay = 5\n" CARP,
		"1:17: preempt-delay \"5\" is not a duration with its unit; "
		"500ms, 60s, 2min, 1h");
	refused("preempt-delay = 9999999999999h\n" CARP,
		"1:17: preempt-delay 9999999999999h is out of range; 0 to 24h");
	refused("\"link|port\" = 5\n" CARP,
		"1:15: a key cannot have | in it; remove it");
	refused("\"|\" = 5\n" CARP,
		"1:7: a key cannot have | in it; remove it");
}
END_TEST

static void address_is(const struct conf_address *a, const char *text)
{
	char buf[INET6_ADDRSTRLEN];

	inet_ntop(a->family, &a->v4, buf, sizeof(buf));
	ck_assert_str_eq(buf, text);
}

START_TEST(ipv6_addresses)
{
	const struct conf_carp *c;

	accepted("carp lan { interface = e vhid = 10 pass = x\n"
		 "addresses = { 10.1.0.1/24, \"2001:db8:1::1/64\" } }\n");
	c = &conf->carps[0];
	ck_assert_uint_eq(c->num_addresses, 3);
	address_is(&c->addresses[1], "2001:db8:1::1");
	ck_assert_uint_eq(c->addresses[1].prefixlen, 64);
	address_is(&c->addresses[2], "fe80::200:5eff:fe00:10a");
	ck_assert_uint_eq(c->addresses[2].prefixlen, 64);
	accepted("carp lan { interface = e vhid = 10 pass = x\n"
		 "addresses = { \"fe80::1/64\", \"2001:db8:1::1/128\" } }\n");
	c = &conf->carps[0];
	ck_assert_uint_eq(c->num_addresses, 2);
	address_is(&c->addresses[0], "fe80::1");
	ck_assert_uint_eq(c->addresses[1].prefixlen, 128);
	accepted(CARP);
	ck_assert_uint_eq(conf->carps[0].num_addresses, 1);
}
END_TEST

START_TEST(ipv6_refused)
{
	static const char *const wrong[] = { "::/64", "::1/128", "ff02::12/64",
					     "::ffff:10.1.0.1/96" };
	char line[128], sentence[256];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(line, sizeof(line), "addresses = { \"%s\" }",
			 wrong[i]);
		snprintf(sentence, sizeof(sentence),
			 "6:19: %s cannot be shared; an address of the network "
			 "on this interface",
			 wrong[i]);
		carp_line(line, sentence);
	}
	carp_line("addresses = { \"2001:db8::1\" }",
		  "6:19: address 2001:db8::1 has no prefix length; "
		  "2001:db8::1/64");
	carp_line("addresses = { \"2001:db8::1/129\" }",
		  "6:19: prefix length of 2001:db8::1/129 is out of range; 1 "
		  "to 128");
	carp_line("addresses = { \"2001:db8::1/0\" }",
		  "6:19: prefix length of 2001:db8::1/0 is out of range; 1 to "
		  "128");
	carp_line("addresses = { \"fe80::1%eth0/64\" }",
		  "6:19: \"fe80::1%eth0/64\" is not an IP address with its "
		  "prefix length; 10.1.0.1/24 or 2001:db8:1::1/64");
}
END_TEST

static const char *two_vhosts(const char *address, const char *interface)
{
	static char text[512];

	snprintf(text, sizeof(text),
		 "carp a { interface = e vhid = 1 pass = x\n"
		 "addresses = { \"%s\" } }\n"
		 "carp b { interface = %s vhid = 2 pass = x\n"
		 "addresses = { \"%s\" } }\n",
		 address, interface, address);
	return text;
}

START_TEST(ipv6_clashes)
{
	refused(two_vhosts("2001:db8::1/64", "f"),
		"3: address 2001:db8::1 stands twice, in carp \"a\" (line 1) "
		"and in carp \"b\"; keep one");
	refused(two_vhosts("fe80::1/64", "e"),
		"3: address fe80::1 stands twice, in carp \"a\" (line 1) and "
		"in carp \"b\"; keep one");
	accepted(two_vhosts("fe80::1/64", "f"));
}
END_TEST

START_TEST(unicast)
{
	const struct conf_carp *c;

	accepted("carp lan { interface = e vhid = 1 pass = x ttl = 250\n"
		 "peer = \"10.1.0.12\" addresses = { 10.1.0.1/24 } }\n");
	c = &conf->carps[0];
	ck_assert_uint_eq(c->num_unicast, 1);
	address_is(&c->unicast[0], "10.1.0.12");
	ck_assert_uint_eq(c->unicast[0].prefixlen, 0);
	ck_assert_uint_eq(c->ttl, 250);
	accepted("carp lan { interface = e vhid = 1 pass = x\n"
		 "peer = { 10.1.0.12, \"fe80::12\", 10.1.0.13 }\n"
		 "addresses = { 10.1.0.1/24, \"2001:db8::1/64\" } }\n");
	c = &conf->carps[0];
	ck_assert_uint_eq(c->num_unicast, 3);
	address_is(&c->unicast[1], "fe80::12");
}
END_TEST

START_TEST(unicast_refused)
{
	carp_line("peer = 10.1.0.2/24",
		  "6:12: peer \"10.1.0.2/24\" is not an IP address without "
		  "prefix; 10.9.0.1");
	carp_line("peer = 224.0.0.18",
		  "6:12: peer 224.0.0.18 is not the address of one host; leave "
		  "peer out for multicast");
	carp_line("peer = { 10.1.0.2, 10.1.0.2 }",
		  "6:14: peer names 10.1.0.2 twice; once");
	carp_line("peer = 10.1.0.1", "6:12: carp \"lan\": peer names a shared "
				     "address; the peer's own one");
	carp_line("peer = \"fe80::2\" addresses = { \"10.1.0.1/24\", "
		  "\"2001:db8::1/64\" }",
		  "6:12: carp \"lan\" has IPv4 addresses, but no IPv4 address "
		  "in peer; add one");
	carp_line("peer = 10.1.0.2 addresses = { \"10.1.0.1/24\", "
		  "\"2001:db8::1/64\" }",
		  "6:12: carp \"lan\" has IPv6 addresses, but no IPv6 address "
		  "in peer; add one");
	carp_line("peer = { 10.1.0.2, \"fe80::2\" }",
		  "6:14: carp \"lan\" has no IPv6 addresses, but an IPv6 "
		  "address in peer; remove it");
	carp_line("ttl = 64", "6:11: carp \"lan\" has ttl without peer; by "
			      "multicast it is always 255, remove it");
	carp_line("peer = 10.1.0.2 ttl = 0",
		  "6:27: ttl 0 is out of range; 1 to 255");
	carp_line("peer = { 10.1.0.2, 10.1.0.3, 10.1.0.4, 10.1.0.5, 10.1.0.6, "
		  "10.1.0.7, 10.1.0.8, 10.1.0.9, 10.1.0.10 }",
		  "6:94: peer names more than 8 addresses; 8");
}
END_TEST

START_TEST(macs_and_refresh)
{
	const struct conf_carp *c;

	accepted("carp lan { interface = e vhid = 1 pass = x\n"
		 "addresses = { 10.1.0.1/24 } source-mac = virtual\n"
		 "shared-address = lo announce-refresh = 1min }\n");
	c = &conf->carps[0];
	ck_assert_int_eq(c->source_mac, CONF_SOURCE_VIRTUAL);
	ck_assert_int_eq(c->shared, CONF_SHARED_LO);
	ck_assert_int_eq(c->announce_refresh_ms, 60000);
	carp_line("announce-refresh = 0 source-mac = real",
		  "6:39: source-mac \"real\" is not known; interface or "
		  "virtual");
	carp_line("announce-refresh = 20ms",
		  "6:24: announce-refresh 20ms is out of range; 0, or 1s to "
		  "24h");
	carp_line("shared-address = eth0",
		  "6:22: shared-address \"eth0\" is not known; route or lo");
	carp_line("mac = interface source-mac = virtual",
		  "6:34: carp \"lan\" has source-mac = virtual with mac = "
		  "interface, where no virtual MAC is; keep one");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("conf_carp");

	tcase_add_test(tc, top_defaults);
	tcase_add_test(tc, top_values);
	tcase_add_test(tc, ipv6_addresses);
	tcase_add_test(tc, ipv6_refused);
	tcase_add_test(tc, ipv6_clashes);
	tcase_add_test(tc, unicast);
	tcase_add_test(tc, unicast_refused);
	tcase_add_test(tc, macs_and_refresh);
	return run_case(tc);
}
