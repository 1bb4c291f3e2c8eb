// SPDX-License-Identifier: GPL-3.0-or-later
/* The sync block: each key's value, each mistake by its exact sentence. */
#include "conf_file.h"

#include <netinet/in.h>

static const struct filter_rule *at(size_t i)
{
	ck_assert_uint_lt(i, conf->sync.rules.n);
	return &conf->sync.rules.list[i];
}

START_TEST(nothing)
{
	accepted(CARP);
	ck_assert_uint_eq(conf->sync.rules.n, 0);
	ck_assert_uint_eq(conf->sync.num_names, 0);
	accepted("sync { }\n" CARP);
	ck_assert_uint_eq(conf->sync.rules.n, 0);
}
END_TEST

START_TEST(every_key)
{
	const struct filter_rule *r;

	accepted("sync {\n"
		 "filter \"dns\" { action = skip protocol = { udp, 132 }\n"
		 " port = { 53, 5060-5061 } zone = { 0, 7 }\n"
		 " mark = 0x100/0xf00 label = { 0, 9, 127 } state = { opening, "
		 "closing }\n"
		 " assured = false interface = { guest, eth0.7 }\n"
		 " address = { 10.0.0.0/8, 2001:db8::/32 }\n"
		 " source = 10.1.1.1 destination = default\n"
		 " reply-source = ::/0 reply-destination = 10.1.1.1/32 }\n"
		 "filter rest { action = sync }\n"
		 "}\n" LINK CARP);
	ck_assert_uint_eq(conf->sync.rules.n, 2);
	r = at(0);
	ck_assert_str_eq(r->name, "dns");
	ck_assert(r->skip);
	ck_assert_uint_eq(r->protocols[0], UINT64_C(1) << IPPROTO_UDP);
	ck_assert_uint_eq(r->protocols[2], UINT64_C(1) << (132 - 128));
	ck_assert_uint_eq(r->nports, 2);
	ck_assert_uint_eq(r->ports[0][0], 53);
	ck_assert_uint_eq(r->ports[0][1], 53);
	ck_assert_uint_eq(r->ports[1][1], 5061);
	ck_assert_uint_eq(r->zones[1], 7);
	ck_assert_uint_eq(r->mark, 0x100);
	ck_assert_uint_eq(r->mask, 0xf00);
	ck_assert_uint_eq(r->labels[0], 1);
	ck_assert_uint_eq(r->labels[1], 2);
	ck_assert_uint_eq(r->labels[15], 0x80);
	ck_assert_uint_eq(r->classes, 1 << FLOW_OPENING | 1 << FLOW_CLOSING);
	ck_assert(!r->assured);
	ck_assert_uint_eq(r->ninterfaces, 2);
	ck_assert_str_eq(r->interfaces[1], "eth0.7");
	ck_assert_uint_eq(r->nprefixes, 6);
	ck_assert_uint_eq(r->prefixes[1].family, AF_INET6);
	ck_assert_uint_eq(r->prefixes[1].len, 32);
	ck_assert_uint_eq(r->prefixes[2].where, FILTER_SOURCE);
	ck_assert_uint_eq(r->prefixes[2].len, 32);
	ck_assert_uint_eq(r->prefixes[3].len, 0);
	ck_assert_uint_eq(r->given, (FILTER_BY_END << FILTER_WHERES) - 1);
	ck_assert(!at(1)->skip);
	ck_assert_uint_eq(at(1)->given, 0);
}
END_TEST

/* It is looked at before all blocks, wherever it stands. */
START_TEST(assured_only_is_the_first)
{
	accepted("sync { filter a { action = sync protocol = tcp }\n"
		 "assured-only = true }\n" CARP);
	ck_assert_uint_eq(conf->sync.rules.n, 2);
	ck_assert_str_eq(at(0)->name, "assured-only");
	ck_assert(at(0)->skip && !at(0)->assured);
	ck_assert_uint_eq(at(0)->given, FILTER_BY_ASSURED);
	ck_assert_str_eq(at(1)->name, "a");
}
END_TEST

START_TEST(names_of_peers)
{
	const struct conf_names *n;

	/* the block that bears our name is what the peer reads */
	accepted("sync { names fw2 { zones = { \"10 = 20\", \"11=21\" }\n"
		 " interfaces = { \"lan = inside\" } }\n"
		 "names fw1 { zones = { \"20 = 10\" } } }\n" LINK CARP);
	ck_assert_uint_eq(conf->sync.num_names, 1);
	n = &conf->sync.names[0];
	ck_assert_str_eq(n->peer, "fw2");
	ck_assert_uint_eq(n->zones.n, 2);
	ck_assert_uint_eq(n->zones.list[1].ours, 11);
	ck_assert_uint_eq(n->zones.list[1].theirs, 21);
	ck_assert_str_eq(n->interfaces[0].ours, "lan");
	ck_assert_str_eq(n->interfaces[0].theirs, "inside");
}
END_TEST

static const struct {
	const char *line, *sentence;
} mistakes[] = {
	{ "filter a { protocol = tcp }",
	  "2: filter \"a\" has no action; add action = \"skip\" or "
	  "\"sync\"" },
	{ "filter a { action = drop }",
	  "2:21: action \"drop\" is not known; sync or skip" },
	{ "filter a { action = skip protocol = ospf }",
	  "2:37: protocol \"ospf\" is not known; tcp, udp, icmp, icmpv6, "
	  "sctp, dccp, gre, udplite, esp, ah, ipip, ipv6 or a number of 0 to "
	  "255" },
	{ "filter a { action = skip protocol = 256 }",
	  "2:37: protocol \"256\" is not known; tcp, udp, icmp, icmpv6, sctp, "
	  "dccp, gre, udplite, esp, ah, ipip, ipv6 or a number of 0 to 255" },
	{ "filter a { action = skip port = 5061-5060 }",
	  "2:33: port \"5061-5060\" is neither a port nor a range; 53 or "
	  "5060-5061" },
	{ "filter a { action = skip port = 65536 }",
	  "2:33: port \"65536\" is neither a port nor a range; 53 or "
	  "5060-5061" },
	{ "filter a { action = skip zone = 65536 }",
	  "2:33: zone 65536 is out of range; 0 to 65535" },
	{ "filter a { action = skip mark = 0x101/0x100 }",
	  "2:33: mark \"0x101/0x100\" is not a mark with or without its mask; "
	  "0x1 or 0x1/0xff" },
	{ "filter a { action = skip label = 128 }",
	  "2:34: label 128 is out of range; 0 to 127" },
	{ "filter a { action = skip state = new }",
	  "2:34: state \"new\" is not known; opening, established or "
	  "closing" },
	{ "filter a { action = skip source = 10.0.0.1/8 }",
	  "2:35: source \"10.0.0.1/8\" is not a network; 10.3.0.0/16, "
	  "2001:db8::/32, default or default6" },
	{ "filter a { action = skip interface = eth0:1 }",
	  "2:38: interface \"eth0:1\" cannot be the name of an interface; see: "
	  "ip link" },
	{ "filter a { action = skip }\nfilter b { action = sync }",
	  "3: filter \"b\" is never reached: \"a\" before it matches every "
	  "flow; put that last" },
	{ "names fw3 { zones = { \"1=2\" } }",
	  "1: names \"fw3\": link has no peer of that name; "
	  "add it there, or correct one" },
	{ "names fw2 { zones = { \"1\" } }",
	  "2:23: zones \"1\" is no pair; \"ours = theirs\", the name here and "
	  "the name there" },
	{ "names fw2 { zones = { \"1=2=3\" } }",
	  "2:23: zones \"1=2=3\" is no pair; \"ours = theirs\", the name here "
	  "and the name there" },
	{ "names fw2 { zones = { \"1=2\", \"3 = 2\" } }",
	  "2:30: zones: 2 stands twice; each has one name here and one there" },
	{ "names fw2 { interfaces = { \"a = b\", \"a = c\" } }",
	  "2:37: interfaces: a stands twice; each has one name here and one "
	  "there" },
};

START_TEST(each_mistake)
{
	char text[1024];

	snprintf(text, sizeof(text), "sync {\n%s\n}\n" LINK CARP,
		 mistakes[_i].line);
	refused(text, mistakes[_i].sentence);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("conf_filter");

	tcase_add_test(tc, nothing);
	tcase_add_test(tc, every_key);
	tcase_add_test(tc, assured_only_is_the_first);
	tcase_add_test(tc, names_of_peers);
	tcase_add_loop_test(tc, each_mistake, 0,
			    sizeof(mistakes) / sizeof(mistakes[0]));
	return run_case(tc);
}
