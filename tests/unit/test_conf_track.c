// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The blocks in a carp block: what is tracked, and the routes and rules of a
 * master.
 */
#include "conf_file.h"

#define VHOST(more)                                    \
	"carp lan { interface = e vhid = 1 pass = x\n" \
	"addresses = { 10.1.0.1/24 }\n" more " }\n"
#define TRACK(more)  VHOST("track { " more " }")
#define ROUTES(more) VHOST("routes { " more " }")
#define RULES(more)  VHOST("rules { " more " }")

START_TEST(tracked)
{
	const struct conf_track *t;

	accepted(TRACK("interface eth2 { }\n"
		       "route \"10.3.0.0/16\" { weight = 254 }\n"
		       "route default6 { }\n"
		       "script isp { command = \"ping -c1 192.0.2.9\" }\n"
		       "script slow { command = \"/s\" interval = 1min\n"
		       "timeout = 10s rise = 2 fall = 3 weight = 128 }\n"
		       "script fast { command = \"/s\" interval = 500ms }\n"
		       "process unbound { weight = 7 }\n"
		       "file \"/run/maintenance\" { }"));
	ck_assert_uint_eq(conf->carps[0].num_tracks, 8);
	t = conf->carps[0].tracks;
	ck_assert_int_eq(t[0].kind, CONF_TRACK_INTERFACE);
	ck_assert_str_eq(t[0].name, "eth2");
	ck_assert_uint_eq(t[0].weight, 1);
	ck_assert_int_eq(t[1].kind, CONF_TRACK_ROUTE);
	ck_assert_uint_eq(t[1].weight, 254);
	ck_assert_uint_eq(t[1].to.v4.s_addr, htonl(0x0a030000));
	ck_assert_uint_eq(t[1].to.prefixlen, 16);
	ck_assert_uint_eq(t[2].to.family, AF_INET6);
	ck_assert_uint_eq(t[2].to.prefixlen, 0);
	ck_assert_int_eq(t[3].kind, CONF_TRACK_SCRIPT);
	ck_assert_str_eq(t[3].command, "ping -c1 192.0.2.9");
	ck_assert_int_eq(t[3].interval_ms, 5000);
	ck_assert_int_eq(t[3].timeout_ms, 3000);
	ck_assert_uint_eq(t[3].rise, 1);
	ck_assert_uint_eq(t[3].fall, 1);
	ck_assert_int_eq(t[4].interval_ms, 60000);
	ck_assert_int_eq(t[4].timeout_ms, 10000);
	ck_assert_uint_eq(t[4].rise, 2);
	ck_assert_uint_eq(t[4].fall, 3);
	ck_assert_uint_eq(t[4].weight, 128);
	ck_assert_int_eq(t[5].timeout_ms, 500);
	ck_assert_int_eq(t[6].kind, CONF_TRACK_PROCESS);
	ck_assert_uint_eq(t[6].weight, 7);
	ck_assert_int_eq(t[7].kind, CONF_TRACK_FILE);
	ck_assert_str_eq(t[7].name, "/run/maintenance");
	ck_assert_uint_eq(t[7].weight, 1);
	ck_assert_ptr_null(t[7].command);
}
END_TEST

START_TEST(tracked_refused)
{
	refused(TRACK("interface \"a/b\" { }"),
		"3: interface \"a/b\" cannot be the name of an interface; see: "
		"ip link");
	refused(TRACK("route 10.3.0.1/16 { }"),
		"3: route \"10.3.0.1/16\" is not a network; 10.3.0.0/16, "
		"2001:db8::/32, default or default6");
	refused(TRACK("script isp { interval = 5s }"),
		"3: script \"isp\" has no command; add command = \"...\"");
	refused(TRACK("script isp { command = x timeout = 6s }"),
		"3: script \"isp\": timeout (6000 ms) is longer than interval "
		"(5000 ms); at most as long");
	refused(TRACK("script isp { command = x interval = 50ms timeout = 1s "
		      "}"),
		"3:45: interval 50ms is out of range; 100ms to 24h");
	refused(TRACK("script isp { command = x rise = 0 }"),
		"3:41: rise 0 is out of range; 1 to 100");
	refused(TRACK("script isp { command = \"\" }"),
		"3:22: command is 0 bytes long; 1 to 1023, or a script in a "
		"file");
	refused(TRACK("process \"/bin/x\" { }"),
		"3: process \"/bin/x\" cannot be the name of a program; as "
		"shown by: ps -e -o comm");
	refused(TRACK("file x { }"),
		"3: file \"x\" is not an absolute path of at most 63 bytes; "
		"\"/...\"");
	refused(TRACK("interface e2 { weight = 255 }"),
		"3:33: weight 255 is out of range; 1 to 254");
	refused(TRACK("interface e2 { command = x }"),
		"3:24: unknown key \"command\" in interface \"e2\"; known "
		"here: "
		"weight");
	refused(TRACK("interfce e2 { }"),
		"3:9: unknown key \"interfce\" in track; did you mean "
		"\"interface\"?");
	refused(TRACK("script a { command = x }\nscript b { command = x }\n"
		      "script a { command = x }"),
		"5: two blocks of script \"a\" in one track; keep one");
	refused(VHOST("track { }\ntrack { }"),
		"4: two track blocks in carp \"lan\" (line 3 too); keep one");
	accepted(TRACK(
		"interface f { }\nroute default { }") "carp b { interface"
						      " = f vhid = 1 pass = x "
						      "addresses = { "
						      "10.2.0.1/24 }\n"
						      "track { interface f { } "
						      "} }\n");
}
END_TEST

START_TEST(routes)
{
	const struct conf_route *r;

	accepted(ROUTES("route \"10.3.0.0/16\" { via = 10.1.0.9 }\n"
			"route default { interface = ppp0 table = 100\n"
			"metric = 50 source = 10.1.0.1 }\n"
			"route \"::/0\" { via = \"fe80::1\" interface = e }"));
	ck_assert_uint_eq(conf->carps[0].num_routes, 3);
	r = conf->carps[0].routes;
	ck_assert_uint_eq(r[0].to.v4.s_addr, htonl(0x0a030000));
	ck_assert_uint_eq(r[0].to.prefixlen, 16);
	ck_assert_uint_eq(r[0].via.v4.s_addr, htonl(0x0a010009));
	ck_assert_uint_eq(r[0].src.family, AF_UNSPEC);
	ck_assert_str_eq(r[0].interface, "");
	ck_assert_uint_eq(r[0].table, 0);
	ck_assert_uint_eq(r[1].to.family, AF_INET);
	ck_assert_uint_eq(r[1].to.prefixlen, 0);
	ck_assert_uint_eq(r[1].via.family, AF_UNSPEC);
	ck_assert_str_eq(r[1].interface, "ppp0");
	ck_assert_uint_eq(r[1].table, 100);
	ck_assert_uint_eq(r[1].metric, 50);
	ck_assert_uint_eq(r[1].src.family, AF_INET);
	ck_assert_uint_eq(r[2].to.family, AF_INET6);
	ck_assert_uint_eq(r[2].via.family, AF_INET6);
}
END_TEST

START_TEST(routes_refused)
{
	refused(ROUTES("route \"10.3.0.0/16\" { }"),
		"3: route \"10.3.0.0/16\" leads nowhere; add via = \"...\" or "
		"interface = \"...\"");
	refused(ROUTES("route \"10.3.0.1/16\" { interface = e }"),
		"3: route \"10.3.0.1/16\" is not a network; 10.3.0.0/16, "
		"2001:db8::/32, default or default6");
	refused(ROUTES("route \"2001:db8::1/64\" { interface = e }"),
		"3: route \"2001:db8::1/64\" is not a network; 10.3.0.0/16, "
		"2001:db8::/32, default or default6");
	refused(ROUTES("route default { via = \"2001:db8::1\" }"),
		"3: via of \"default\" is of the other IP version; choose one");
	refused(ROUTES("route default6 { via = \"fe80::1\" }"),
		"3: route \"default6\" has a link-local via; add interface = "
		"\"...\"");
	refused(ROUTES("route default { via = 10.1.0.9 table = 0 }"),
		"3:49: table 0 is out of range; 1 to 2147483647");
	refused(ROUTES("route default { via = 10.1.0.9 }") "carp b { interface "
							   "= f vhid = 1 pass "
							   "= x addresses = { "
							   "10.2.0.1/24 }\n"
							   "routes { route "
							   "\"0.0.0.0/0\" { "
							   "via = 10.2.0.9 } } "
							   "}\n",
		"4: route 0.0.0.0/0 stands twice, in carp \"lan\" (line 1) and "
		"in carp \"b\"; keep one, or another metric");
	accepted(ROUTES("route default { via = 10.1.0.9 }\n"
			"route default { via = 10.1.0.9 metric = 2 }\n"
			"route default { via = 10.1.0.9 table = 2 }\n"
			"route default6 { interface = e }\n"
			"route \"10.0.0.0/8\" { via = 10.1.0.9 }\n"
			"route \"10.0.0.0/9\" { via = 10.1.0.9 }"));
}
END_TEST

START_TEST(rules)
{
	const struct conf_rule *r;

	accepted(RULES("rule guests { from = 10.1.2.0/24 table = 100\n"
		       "priority = 1000 }\n"
		       "rule six { from = \"::/0\" to = \"2001:db8::/32\"\n"
		       "mark = 0x1/0xff iif = eth2 table = 7 priority = 1 }\n"
		       "rule marked { mark = 16 table = 7 priority = 2 }"));
	ck_assert_uint_eq(conf->carps[0].num_rules, 3);
	r = conf->carps[0].rules;
	ck_assert_str_eq(r[0].name, "guests");
	ck_assert_uint_eq(r[0].family, AF_INET);
	ck_assert_uint_eq(r[0].from.v4.s_addr, htonl(0x0a010200));
	ck_assert_uint_eq(r[0].from.prefixlen, 24);
	ck_assert_uint_eq(r[0].to.family, AF_UNSPEC);
	ck_assert_uint_eq(r[0].mark_mask, 0);
	ck_assert_uint_eq(r[0].table, 100);
	ck_assert_uint_eq(r[0].priority, 1000);
	ck_assert_uint_eq(r[1].family, AF_INET6);
	ck_assert_uint_eq(r[1].from.family, AF_UNSPEC);
	ck_assert_uint_eq(r[1].to.prefixlen, 32);
	ck_assert_uint_eq(r[1].mark, 1);
	ck_assert_uint_eq(r[1].mark_mask, 0xff);
	ck_assert_str_eq(r[1].iif, "eth2");
	ck_assert_uint_eq(r[2].family, AF_INET);
	ck_assert_uint_eq(r[2].mark, 16);
	ck_assert_uint_eq(r[2].mark_mask, UINT32_MAX);
}
END_TEST

START_TEST(rules_refused)
{
	static const char *const marks[] = { "x",    "-1",	 "0x100000000",
					     "1/0",  "0x10/0xf", "1/",
					     "1/2/3" };
	char text[512], sentence[256];

	refused(RULES("rule g { from = 10.1.2.0/24 priority = 9 }"),
		"3: rule \"g\" has no table; add table = 1 to 2147483647");
	refused(RULES("rule g { from = 10.1.2.0/24 table = 9 }"),
		"3: rule \"g\" has no priority; add priority = 1 to 32765, ip "
		"rule shows those taken");
	refused(RULES("rule g { table = 9 priority = 9 }"),
		"3: rule \"g\" says not for what; add from, to, mark or iif");
	refused(RULES("rule g { iif = e table = 9 priority = 32766 }"),
		"3:47: priority 32766 is out of range; 1 to 32765");
	refused(RULES("rule g { from = 10.1.2.0/24 to = \"::/0\" table = 9 "
		      "priority = 9 }"),
		"3: to of \"g\" is of the other IP version; choose one");
	refused(RULES("rule g { from = 10.1.2.1/24 table = 9 priority = 9 }"),
		"3:25: from \"10.1.2.1/24\" is not a network; 10.3.0.0/16, "
		"2001:db8::/32, default or default6");
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		snprintf(text, sizeof(text),
			 RULES("rule g {\nmark = \"%s\" table = 9 priority = 9 "
			       "}"),
			 marks[i]);
		snprintf(sentence, sizeof(sentence),
			 "4:8: mark \"%s\" is not a mark with or without its "
			 "mask; 0x1 or 0x1/0xff",
			 marks[i]);
		refused(text, sentence);
	}
}
END_TEST

/* Every prefix of a text with all blocks, and every byte changed. */
START_TEST(mutilated_blocks)
{
	const char *good = "strict-peers = on\n" VHOST(
		"allow 10.1.0.2 { advskew = 1 }\n"
		"track { script s { command = \"x\" } file /x { } }\n"
		"routes { route default { via = 10.1.0.9 } }\n"
		"rules { rule g { mark = 1/1 table = 9 } }\n"
		"balancing = ip nodes = { \"1:0\", \"2:9\" }");
	char text[1024];

	for (size_t i = 0; i < strlen(good); i++) {
		snprintf(text, sizeof(text), "%.*s", (int)i, good);
		(void)!load_as("fw1", text);
		for (const char *c = "{}\"=, |"; *c; c++) {
			snprintf(text, sizeof(text), "%s", good);
			text[i] = *c;
			ck_assert_int_ge(load_as("fw1", text), 0);
		}
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("conf_track");

	tcase_add_test(tc, tracked);
	tcase_add_test(tc, tracked_refused);
	tcase_add_test(tc, routes);
	tcase_add_test(tc, routes_refused);
	tcase_add_test(tc, rules);
	tcase_add_test(tc, rules_refused);
	tcase_add_test(tc, mutilated_blocks);
	return run_case(tc);
}
