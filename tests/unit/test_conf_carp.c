// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The configuration of virtual hosts: IPv6, unicast, MAC addresses, timers,
 * and what goes with them at the top.
 */
#include "conf_file.h"
#include "conf_int.h"

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

#define BALANCED(more)                                    \
	"carp lan { interface = e pass = x addresses = {" \
	" 10.1.0.1/24, \"2001:db8::1/64\" }\n" more " }\n"

START_TEST(balancing)
{
	const struct conf_carp *c;

	accepted(BALANCED("balancing = ip nodes = { \"9:100\", \"3:0\" }"));
	c = &conf->carps[0];
	ck_assert_int_eq(c->balancing, CONF_BALANCING_IP);
	ck_assert_uint_eq(c->num_nodes, 2);
	ck_assert_uint_eq(c->nodes[0].vhid, 3);
	ck_assert_uint_eq(c->nodes[0].advskew, 0);
	ck_assert_uint_eq(c->nodes[1].vhid, 9);
	ck_assert_uint_eq(c->nodes[1].advskew, 100);
	ck_assert_uint_eq(c->vhid, 3);
	ck_assert_uint_eq(c->advskew, 0);
	address_is(&c->addresses[2], "fe80::200:5eff:fe00:103");
	accepted(BALANCED("balancing = none vhid = 7"));
	accepted(BALANCED("balancing = \"ip-stealth\"\n"
			  "nodes = { \"1:0\", \"2:1\", \"3:2\", \"4:3\" }"));
	ck_assert_int_eq(conf->carps[0].balancing, CONF_BALANCING_STEALTH);
}
END_TEST

START_TEST(balancing_refused)
{
#define WITH(more) BALANCED("balancing = ip nodes = { \"1:0\", \"2:9\" }" more)
	refused(BALANCED("balancing = ip"),
		"2:13: carp \"lan\" has balancing without nodes; add nodes = { "
		"\"1:0\", \"2:100\" }, vhid:advskew");
	refused(BALANCED("nodes = { \"1:0\", \"2:0\" }"),
		"2:11: carp \"lan\" has nodes without balancing; add balancing "
		"= \"ip\" or \"ip-stealth\"");
	refused(BALANCED("balancing = ip nodes = \"1:0\""),
		"2:24: carp \"lan\" has one of nodes; at least 2, one for each "
		"gateway");
	refused(BALANCED("balancing = arp vhid = 1"),
		"2:13: balancing \"arp\" is not known; none, ip or ip-stealth");
	refused(BALANCED("balancing = ip nodes = { \"1:0\", \"2\", \"3:0\" }"),
		"2:33: nodes has \"2\", which is not vhid:advskew; 1:0 to "
		"255:254");
	refused(BALANCED("balancing = ip nodes = { \"1:0\", \"1:100\" }"),
		"2:33: nodes names vhid 1 twice; once");
	refused(WITH(" vhid = 4"),
		"2:26: carp \"lan\" has nodes and vhid (line 2); keep nodes, "
		"which say both vhid and advskew");
	refused(WITH(" advskew = 4"), "2:26: carp \"lan\" has nodes and "
				      "advskew (line 2); keep nodes, "
				      "which say both vhid and advskew");
	refused(WITH(" prefer = { fw1, fw2 }"),
		"2:26: carp \"lan\" has nodes and prefer (line 2); keep nodes, "
		"which say both vhid and advskew");
	refused(WITH(" mac = interface"),
		"2:13: carp \"lan\" has balancing with mac = interface; all "
		"nodes have to receive what comes to the virtual MAC, keep "
		"one");
	refused(WITH(" source-mac = virtual"),
		"2:13: carp \"lan\" has balancing with source-mac = virtual; "
		"all nodes have to receive what comes to the virtual MAC, keep "
		"one");
	refused(WITH(" peer = { 10.1.0.2, \"fe80::2\" }"),
		"2:13: carp \"lan\" has balancing with peer; all nodes have to "
		"receive what comes to the virtual MAC, keep one");
	refused(WITH(" advbase = 0"),
		"1: carp \"lan\": advbase 0 with advskew 0 has no interval; "
		"advskew of at least 1");
	refused(WITH("") "carp b { interface = e pass = x vhid = 2\n"
			 "addresses = { 10.1.0.2/24 } }\n",
		"3: carp \"b\" uses vhid 2 on e, which carp \"lan\" (line 2) "
		"has already; choose another vhid");
	accepted(WITH("") "carp b { interface = f pass = x vhid = 2\n"
			  "addresses = { 10.1.0.2/24 } }\n");
}
END_TEST

START_TEST(aliases)
{
#define TWO(a, b)                                                        \
	"carp " a " interface = e vhid = 1 pass = x\naddresses = {"      \
	" 10.1.0.1/24 } }\ncarp " b " interface = f vhid = 1 pass = x\n" \
	"addresses = { 10.2.0.1/24 } }\n"
	accepted(TWO("a { alias = carp0", "b { alias = carp1"));
	ck_assert_str_eq(conf->carps[1].alias, "carp1");
	refused(TWO("a { alias = carp0", "b { alias = carp0"),
		"3:18: carp \"b\" has alias \"carp0\", which carp \"a\" (line "
		"1) "
		"is called already; choose another");
	refused(TWO("a {", "b { alias = a"),
		"3:18: carp \"b\" has alias \"a\", which carp \"a\" (line 1) "
		"is "
		"called already; choose another");
	refused(TWO("a { alias = b", "b {"), "3: carp \"b\" is called like the "
					     "alias of carp \"a\" (line 1); "
					     "choose another");
	carp_line("alias = \"carp 0\"",
		  "6:13: alias \"carp 0\" cannot be a name; 1 to 63 letters, "
		  "digits and . _ -");
}
END_TEST

START_TEST(allowed)
{
#define OPEN(more)                                     \
	"carp lan { interface = e vhid = 1 pass = x\n" \
	"addresses = { 10.1.0.1/24 }\n" more " }\n"
	const struct conf_carp *c;

	accepted("strict-peers = true\n" OPEN(
		"allow 10.1.0.12 { }\n"
		"allow \"fe80::12\" { advbase = 1 advskew = 100 }"));
	c = &conf->carps[0];
	ck_assert(conf->strict_peers);
	ck_assert_uint_eq(c->num_allowed, 2);
	address_is(&c->allowed[0].address, "10.1.0.12");
	ck_assert_int_eq(c->allowed[0].advbase, -1);
	ck_assert_int_eq(c->allowed[0].advskew, -1);
	ck_assert_int_eq(c->allowed[1].advbase, 1);
	ck_assert_int_eq(c->allowed[1].advskew, 100);
	accepted("strict-peers = true\n" LINK CARP);
	refused("strict-peers = true\n" CARP,
		"1:16: strict-peers without link: carp \"lan\" would hear "
		"nobody; add allow \"10.1.0.12\" { } there");
	refused(OPEN("allow 10.1.0.12 { }"),
		"3: carp \"lan\" has allow without strict-peers, so that "
		"everybody may advertise; strict-peers = true");
	refused("strict-peers = true\n" OPEN("allow \"224.0.0.1\" { }"),
		"4: allow 224.0.0.1 is not the address of one host; that of "
		"its adverts");
	refused("strict-peers = true\n" OPEN("allow lan { }"),
		"4: allow \"lan\" is not an IP address without prefix; "
		"10.9.0.1");
	refused("strict-peers = true\n" OPEN(
			"allow 10.1.0.2 { advskew = 255 }"),
		"4:28: advskew 255 is out of range; 0 to 254");
	refused("strict-peers = true\n" OPEN("allow 10.1.0.2 { }\n"
					     "allow 10.1.0.3 { }\n"
					     "allow 10.1.0.2 { }"),
		"6: two blocks of allow \"10.1.0.2\"; keep one");
}
END_TEST

static const char *interval(unsigned int advskew, enum conf_mac mac, int jiffy)
{
	static struct parser p;
	struct draft_carp d = { .carp = { .name = "lan",
					  .advskew = (uint8_t)advskew,
					  .mac = mac } };

	p = (struct parser){ .path = "c" };
	conf_check_interval(&p, &d, jiffy * 1000000LL);
	return p.num_mistakes ? p.mistakes[0].text : NULL;
}

/* 2.5 intervals in whole jiffies: more than one interval and one jiffy. */
START_TEST(intervals)
{
	ck_assert_ptr_null(interval(1, CONF_MAC_VIRTUAL, 4));
	ck_assert_ptr_null(interval(1, CONF_MAC_VIRTUAL, 1));
	ck_assert_ptr_null(interval(1, CONF_MAC_INTERFACE, 10));
	ck_assert_ptr_null(interval(4, CONF_MAC_VIRTUAL, 10));
	ck_assert_str_eq(
		interval(1, CONF_MAC_VIRTUAL, 10),
		"c: carp \"lan\": advskew 1 is an advert every 3.9 "
		"ms, too often for this kernel, where the right to be "
		"master ends in steps of 10 ms; advskew of at least 4");
	ck_assert_ptr_nonnull(interval(3, CONF_MAC_VIRTUAL, 10));
	/* As the kernel that this runs on says. */
	accepted("carp lan { interface = e vhid = 1 pass = x advbase = 0\n"
		 "advskew = 20 addresses = { 10.1.0.1/24 } }\n");
}
END_TEST

START_TEST(too_many)
{
	char text[2048];
	int n = sprintf(text, "carp lan { interface = e vhid = 1 pass = x\n"
			      "addresses = { ");

	for (int i = 1; i <= 32; i++)
		n += sprintf(text + n, "\"2001:db8::%x/64\",", i);
	sprintf(text + n - 1, "} }\n");
	refused(text, "1: carp \"lan\" has 33 addresses, an automatic "
		      "link-local one included; at most 32");
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
	tcase_add_test(tc, balancing);
	tcase_add_test(tc, balancing_refused);
	tcase_add_test(tc, aliases);
	tcase_add_test(tc, allowed);
	tcase_add_test(tc, intervals);
	tcase_add_test(tc, too_many);
	return run_case(tc);
}
