// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The configuration: each mistake by its exact sentence, each default, the
 * shipped example on both nodes.
 */
#include "conf_file.h"

#include <glob.h>

START_TEST(defaults)
{
	accepted(CARP);
	ck_assert_str_eq(conf->node, "fw1");
	ck_assert(!conf->preempt);
	ck_assert_int_eq(conf->require_sync, CONF_SYNC_STRICT);
	ck_assert_uint_eq(conf->event_buffer_bytes, 32u << 20);
	ck_assert_uint_eq(conf->resume_buffer_bytes, 8u << 20);
	ck_assert_str_eq(conf->state_dir, "/var/lib/statesync");
	ck_assert_str_eq(conf->stats_socket, "/run/statesync/stats.sock");
	ck_assert(!conf->link.present);
	ck_assert_uint_eq(conf->carps[0].advbase, 1);
	ck_assert_uint_eq(conf->carps[0].advskew, 0);
	ck_assert_int_eq(conf->carps[0].mac, CONF_MAC_VIRTUAL);
	ck_assert_int_eq(load_as(NULL, CARP), 0);
	gethostname(path, sizeof(path));
	ck_assert_str_eq(conf->node, path);
}
END_TEST

START_TEST(every_value)
{
	accepted("node = \"ignored\" preempt = on require-sync = 2min\n"
		 "event-buffer = 1M state-dir = \"/s\"\n"
		 "stats { socket = \"/x\" }\n"
		 "link { address = \"10.9.0.1\" port = 4000\n"
		 "peer fw2 { address = \"10.9.0.2\" }\n"
		 "key-file = \"@/link.key\" key-file = \"@/link.key\" }\n"
		 "carp lan { interface = br-lan.7 vhid = 255\n"
		 "addresses = { 10.1.0.1/24, \"10.1.0.2/32\" }\n"
		 "pass = \"1234567890123456789\"\n"
		 "advbase = 0 advskew = 254 mac = interface }\n");
	ck_assert_str_eq(conf->node, "fw1");
	ck_assert(conf->preempt);
	ck_assert_int_eq(conf->require_sync, CONF_SYNC_LIMIT);
	ck_assert_int_eq(conf->require_sync_ms, 120000);
	ck_assert_uint_eq(conf->event_buffer_bytes, 1u << 20);
	ck_assert_str_eq(conf->state_dir, "/s");
	ck_assert_str_eq(conf->stats_socket, "/x");
	ck_assert(conf->link.present);
	ck_assert_uint_eq(conf->link.port, 4000);
	ck_assert_uint_eq(conf->link.keys.count, 2);
	ck_assert_uint_eq(conf->link.num_peers, 1);
	ck_assert_str_eq(conf->link.peers[0].name, "fw2");
	ck_assert_uint_eq(conf->link.peers[0].ends[0].address.v4.s_addr,
			  htonl(0x0a090002));
	ck_assert_uint_eq(conf->link.ends[0].address.v4.s_addr,
			  htonl(0x0a090001));
	ck_assert_uint_eq(conf->num_carps, 1);
	ck_assert_str_eq(conf->carps[0].interface, "br-lan.7");
	ck_assert_uint_eq(conf->carps[0].vhid, 255);
	ck_assert_uint_eq(conf->carps[0].num_addresses, 2);
	ck_assert_uint_eq(conf->carps[0].addresses[1].prefixlen, 32);
	ck_assert_mem_eq(conf->carps[0].pass, "1234567890123456789\0", 20);
	ck_assert_uint_eq(conf->carps[0].advskew, 254);
	ck_assert_int_eq(conf->carps[0].mac, CONF_MAC_INTERFACE);
}
END_TEST

START_TEST(durations_and_sizes)
{
	accepted("require-sync = off event-buffer = 64K " CARP);
	ck_assert_int_eq(conf->require_sync, CONF_SYNC_OFF);
	ck_assert_uint_eq(conf->event_buffer_bytes, 65536);
	accepted("sync { resume-buffer = 0 } " CARP);
	ck_assert_uint_eq(conf->resume_buffer_bytes, 0);
	accepted("require-sync = 500ms event-buffer = 1G " CARP);
	ck_assert_int_eq(conf->require_sync_ms, 500);
	ck_assert_uint_eq(conf->event_buffer_bytes, 1u << 30);
	accepted("require-sync = 24h event-buffer = 70000 " CARP);
	ck_assert_int_eq(conf->require_sync_ms, 86400000);
	refused("require-sync = 60\n" CARP,
		"1:16: require-sync \"60\" is not known; strict, off, or a "
		"duration with its unit: 500ms, 60s, 2min, 1h");
	refused("require-sync = 25h\n" CARP,
		"1:16: require-sync 25h is out of range; 1ms to 24h");
	refused("event-buffer = 2G\n" CARP,
		"1:16: event-buffer 2G is out of range; 64K to 1G");
	refused("event-buffer = 9999999999999999999\n" CARP,
		"1:16: event-buffer \"9999999999999999999\" is not a size; 64K "
		"to 1G");
	refused("event-buffer = 4Q\n" CARP,
		"1:16: event-buffer \"4Q\" is not a size; 64K to 1G");
	refused("sync { resume-buffer = 63K }\n" CARP,
		"1:24: resume-buffer 63K is out of range; 0, or 64K to 1G");
	refused("preempt = maybe\n" CARP,
		"1:11: preempt \"maybe\" is not known; true or false");
}
END_TEST

START_TEST(carp_values)
{
	carp_line("vhid = 300", "6:12: vhid 300 is out of range; 1 to 255");
	carp_line("vhid = 0", "6:12: vhid 0 is out of range; 1 to 255");
	carp_line("vhid = one", "6:12: vhid \"one\" is not a number; 1 to 255");
	carp_line("advskew = 255",
		  "6:15: advskew 255 is out of range; 0 to 254");
	carp_line("advbase = 256",
		  "6:15: advbase 256 is out of range; 0 to 255");
	carp_line("mac = real",
		  "6:11: mac \"real\" is not known; virtual or interface");
	carp_line("addresses = { \"10.1.0.1\" }",
		  "6:19: address 10.1.0.1 has no prefix length; 10.1.0.1/24");
	carp_line("addresses = { \"10.1.0.1/33\" }",
		  "6:19: prefix length of 10.1.0.1/33 is out of range; 1 to "
		  "32");
	carp_line("addresses = { \"lan\" }",
		  "6:19: \"lan\" is not an IP address with its prefix "
		  "length; 10.1.0.1/24 or 2001:db8:1::1/64");
	carp_line("addresses = { \"224.0.0.18/24\" }",
		  "6:19: 224.0.0.18/24 cannot be shared; an address of the "
		  "network on this interface");
	carp_line("addresses = { \"10.1.0.1/24\", \"10.1.0.1/24\" }",
		  "1: address 10.1.0.1 stands twice, in carp \"lan\" (line 1) "
		  "and in carp \"lan\"; keep one");
	carp_line("pass = \"12345678901234567890\"",
		  "6: pass is 20 bytes long; 1 to 19");
	carp_line("advbase = 0",
		  "1: carp \"lan\": advbase 0 with advskew 0 has no interval; "
		  "advskew of at least 1");
	carp_line("vhid = 1 vhid = 2",
		  "6:21: vhid stands twice in carp \"lan\" (line 6 too); keep "
		  "one");
}
END_TEST

START_TEST(sets)
{
	accepted("sync { sets = { \"inet t a\", \"ip nat knock\" }\n"
		 "sets-period = 2s }\n" CARP);
	ck_assert_uint_eq(conf->sets.n, 2);
	ck_assert_str_eq(conf->sets.names[1], "ip nat knock");
	ck_assert_int_eq(conf->sets.period_ms, 2000);
	accepted(CARP);
	ck_assert_uint_eq(conf->sets.n, 0);
	ck_assert_int_eq(conf->sets.period_ms, 5000);
	refused("sync { sets = { \"inet blocklist\" } }\n" CARP,
		"1:17: sets: \"inet blocklist\" is not the name of a set; "
		"\"FAMILY TABLE SET\" as in nft list sets, at most 127 "
		"characters: \"inet filter blocklist\"");
	refused("sync { sets = { \"ip t a\", \"ip t a\" } }\n" CARP,
		"1:17: sets: \"ip t a\" stands twice; keep one");
}
END_TEST

START_TEST(unknown_keys)
{
	carp_line("adskew = 100", "6:5: unknown key \"adskew\" in carp "
				  "\"lan\"; did you mean \"advskew\"?");
	carp_line("mca = \"virtual\"",
		  "6:5: unknown key \"mca\" in carp \"lan\"; did you mean "
		  "\"mac\"?");
	carp_line("color = \"red\"",
		  "6:5: unknown key \"color\" in carp \"lan\"; known here: "
		  "interface vhid addresses pass pass-file advbase advskew mac "
		  "prefer peer ttl source-mac shared-address announce-refresh "
		  "alias elector balancing nodes allow track routes rules");
	refused("premt = true\n" CARP,
		"1:1: unknown key \"premt\"; did you mean \"preempt\"?");
	refused("lnk { address = \"x\" peer y { } }\n" CARP,
		"1:1: unknown key \"lnk\"; did you mean \"link\"?");
}
END_TEST

START_TEST(where_metrics_are)
{
	static const char *const wrong[] = { "127.0.0.1",   "localhost:9788",
					     "127.0.0.1:0", "::1:9788",
					     ":9788",	    "127.0.0.1:99999" };
	char text[512], expected[512];

	accepted(CARP);
	ck_assert_ptr_null(conf->stats_metrics);
	accepted("stats { metrics = \"127.0.0.1:9788\" }\n" CARP);
	ck_assert_str_eq(conf->stats_metrics, "127.0.0.1:9788");
	accepted("stats { metrics = \"[::1]:9788\" }\n" CARP);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text),
			 "stats { metrics = \"%s\" }\n" CARP, wrong[i]);
		snprintf(expected, sizeof(expected),
			 "1:19: metrics \"%s\" is no address with a port; as "
			 "\"127.0.0.1:9788\" or \"[::1]:9788\"",
			 wrong[i]);
		refused(text, expected);
	}
}
END_TEST

START_TEST(what_follows_a_role)
{
	accepted("policy-file = \"/x\"\nstrict-interfaces = true\n"
		 "on-master = \"a b\"\n" CARP);
	ck_assert_str_eq(conf->follow.policy_file, "/x");
	ck_assert(conf->follow.strict_interfaces && !conf->follow.policy);
	ck_assert_str_eq(conf->follow.on_role[CONF_ON_MASTER], "a b");
	ck_assert_ptr_null(conf->follow.on_role[CONF_ON_FAULT]);
	/* as contrib/convert writes it */
	accepted("on-fault = 'a \\'b c\\' \"d\" ${HOME} $x \\\\n'\n" CARP);
	ck_assert_str_eq(conf->follow.on_role[CONF_ON_FAULT],
			 "a 'b c' \"d\" ${HOME} $x \\n");
	refused("on-fault = \"\"\n" CARP,
		"1:1: on-fault is 0 bytes long; 1 to 1023, or a script in a "
		"file");
	refused("policy-file = \"x\"\n" CARP,
		"1:15: policy-file \"x\" is not an absolute path; \"/...\"");
}
END_TEST

START_TEST(the_audit)
{
	accepted(CARP);
	ck_assert_int_eq(conf->audit_period_ms, 60000);
	accepted(CARP "sync { audit-period = 2min }\n");
	ck_assert_int_eq(conf->audit_period_ms, 120000);
	accepted(CARP "sync { audit-period = 0 }\n");
	ck_assert_int_eq(conf->audit_period_ms, 0);
	refused("sync { audit-period = 20ms }\n" CARP,
		"1:23: audit-period 20ms is out of range; 0, or 1s to 1h");
}
END_TEST

START_TEST(clashes)
{
	refused(CARP "carp \"guest\" {\n  interface = eth0\n  vhid = 1\n"
		     "  addresses = { 10.2.0.1/24 } pass = x }\n",
		"4: carp \"guest\" uses vhid 1 on eth0, which carp \"lan\" "
		"(line 1) has already; choose another vhid");
	refused(CARP "carp \"lan\" { interface = eth1 vhid = 1 addresses = {"
		     " 10.2.0.1/24 } pass = x }\n",
		"2: two blocks of carp \"lan\" (line 1 too); give each its own "
		"name");
	refused(CARP "carp \"wan\" { interface = eth1 vhid = 1 addresses = {"
		     " 10.1.0.1/30 } pass = x }\n",
		"2: address 10.1.0.1 stands twice, in carp \"lan\" (line 1) "
		"and in carp \"wan\"; keep one");
	accepted(CARP "carp \"wan\" { interface = eth1 vhid = 1 addresses = {"
		      " 10.2.0.1/30 } pass = x }\n");
	carp_line("prefer = { \"fw1\", \"fw2\" } advskew = 7",
		  "6:16: carp \"lan\" has prefer and advskew (line 6); keep "
		  "one");
	carp_line("prefer = { \"fw2\" }",
		  "6:16: carp \"lan\": prefer does not name this node "
		  "(\"fw1\"); add it");
	carp_line("pass = x pass-file = \"@/carp.pass\"",
		  "6:26: carp \"lan\" has pass (line 6) and pass-file; keep "
		  "one");
	refused(LINK "carp \"lan\" { interface = e vhid = 1 addresses = {"
		     " 10.1.0.1/24 } pass = x prefer = { fw1, fw3 } }\n",
		"4:85: carp \"lan\" prefers \"fw3\", which no peer block "
		"names; correct one of them");
}
END_TEST

START_TEST(missing)
{
	refused_as("fw1", "carp lan { }\n", 3,
		   "1: carp \"lan\" has no interface; add interface = \"...\"");
	ck_assert_ptr_nonnull(strstr(errors.text[1], "has no vhid; add vhid"));
	ck_assert_ptr_nonnull(strstr(errors.text[2], "has no addresses; add"));
	ck_assert_ptr_nonnull(strstr(errors.text[3], "has no password; add"));
	refused("link { address = 10.9.0.1 peer fw2 { address = 10.9.0.2 } "
		"}\n" CARP,
		"1: link has no key-file; statesync genkey -o "
		"/etc/statesync/link.key, then key-file = "
		"\"/etc/statesync/link.key\"");
	refused("link {\n peer fw2 { address = 10.9.0.2 }\n"
		" key-file = \"@/link.key\" }\n" CARP,
		"1: link has no address, and no peer block bears our name "
		"\"fw1\"; add one of them");
	refused("link { address = 10.9.0.1\n key-file = \"@/link.key\" "
		"}\n" CARP,
		"1: link names no node but this one (\"fw1\"); add peer "
		"\"...\" { address = \"...\" }");
	refused("link { address = 10.9.0.1 peer fw2 { }\n"
		" key-file = \"@/link.key\" }\n" CARP,
		"1: peer \"fw2\" has no address; add address = \"...\"");
	refused("",
		" no carp block; nothing to share. carp \"lan\" { interface "
		"= ... vhid = ... addresses = ... }");
}
END_TEST

START_TEST(secret_files)
{
	const char *text = "link { address = \"10.9.0.1\"\n"
			   "peer \"fw2\" { address = \"10.9.0.2\" }\n"
			   "key-file = \"@/bad\" }\n" CARP;

	put_file("bad", "ss1:00", 0644);
	refused(text,
		"3:12: @/bad: mode 0644 lets others read the link key; not "
		"started. chmod 600 @/bad");
	put_file("bad", "ss1:00", 0600);
	refused(text, "3:12: @/bad: is not a link key; not started. make one: "
		      "statesync genkey -o @/bad.new");
	put_file("carp.pass", "12345678901234567890\n", 0600);
	refused(CARP,
		"1:84: @/carp.pass: the password is 20 bytes long; one line "
		"of 1 to 19 bytes");
	put_file("carp.pass", "x\n", 0640);
	refused(CARP,
		"1:84: @/carp.pass: mode 0640 lets others read the password; "
		"not started. chmod 600 @/carp.pass");
}
END_TEST

START_TEST(own_mode)
{
	put_file("c",
		 "carp lan { interface = e vhid = 1\n"
		 "addresses = { 10.1.0.1/24 } pass = x }\n",
		 0644);
	ck_assert_int_eq(conf_load(path, "fw1", &conf, &errors), CONF_REFUSED);
	ck_assert_ptr_nonnull(
		strstr(errors.text[0],
		       "/c:2:36: mode 0644 lets others read the password of "
		       "carp \"lan\"; not started. chmod 600 "));
	put_file("c", CARP, 0644);
	ck_assert_int_eq(conf_load(path, "fw1", &conf, &errors), 0);
}
END_TEST

START_TEST(many_mistakes)
{
	char text[1024] = "";

	for (int i = 0; i < 8; i++)
		strcat(text, "premt = { \"a\", \"}\" } # {\n");
	strcat(text, "carp lan { vhid = 0 /* { */ mca = \"}\" mac = x }\n");
	refused_as("fw1", text, 9,
		   "1:1: unknown key \"premt\"; did you mean \"preempt\"?");
	ck_assert_ptr_nonnull(strstr(errors.text[7], ":8:1: unknown key"));
}
END_TEST

START_TEST(comments_are_no_lines)
{
	refused("# a\n/* b\n */\n// c\n" CARP "vhid = 1 # d\n",
		"6:1: unknown key \"vhid\"; known here: node preempt "
		"independent preempt-delay witness witness-limit "
		"router-advertisement strict-peers require-sync event-buffer "
		"state-dir strict-interfaces policy-file on-master on-backup "
		"on-fault link carp sync stats drift");
	refused("/* { */ carp lan { # {\n interface = e /* */ vhid = 300\n"
		"addresses = { '10.1.0.1/24' } pass = '#x//' }\n",
		"2:29: vhid 300 is out of range; 1 to 255");
	accepted(CARP "on-fault = \"#a //b /*c\"\n");
	ck_assert_str_eq(conf->follow.on_role[CONF_ON_FAULT], "#a //b /*c");
}
END_TEST

/* A place is on its line, and what follows a string's end is not. */
START_TEST(a_string_of_two_lines)
{
	refused("'nod' = \"a\\\nb\" nod = 1\n" CARP,
		"1: unknown key \"nod\"; did you mean \"node\"?");
}
END_TEST

START_TEST(broken_text)
{
	refused("carp \"lan\" {\n  interface \"eth0\"\n}\n",
		"2: missing equal sign after option 'interface'; the form is: "
		"key = \"value\", key = { \"a\", \"b\" }, or block \"name\" { "
		"... }");
	refused("carp \"lan\" {\n  vhid = 1\n",
		"2: the file ends inside a block; add }");
	refused("}\n", "1: unexpected closing brace; the form is: key = "
		       "\"value\", key = { \"a\", \"b\" }, or block \"name\" { "
		       "... }");
	ck_assert_int_eq(conf_load("/nowhere/c", "fw1", &conf, &errors),
			 CONF_REFUSED);
	ck_assert_str_eq(errors.text[0],
			 "/nowhere/c: no such file; not loaded. copy "
			 "/usr/share/doc/statesync/examples/pair.conf there, "
			 "or name another "
			 "file with -f");
}
END_TEST

/* Every prefix, and every text with one byte changed: no crash, an answer. */
START_TEST(mutilated_text)
{
	const char *good = LINK CARP "preempt = true # {\n";
	char text[1024];

	for (size_t i = 0; i < strlen(good); i++) {
		snprintf(text, sizeof(text), "%.*s", (int)i, good);
		(void)!load_as("fw1", text);
		for (const char *c = "{}\"'\\=#,/ a$"; *c; c++) {
			snprintf(text, sizeof(text), "%s", good);
			text[i] = *c;
			ck_assert_int_ge(load_as("fw1", text), 0);
		}
	}
}
END_TEST

static void read_example(const char *name, char text[8192])
{
	static const char etc[] = "/etc/statesync";
	FILE *f = fopen(name, "r");
	char *s;

	ck_assert_msg(f != NULL, "%s", name);
	text[fread(text, 1, 8191, f)] = '\0';
	fclose(f);
	while ((s = strstr(text, etc)) != NULL) {
		*s = '@';
		memmove(s + 1, s + strlen(etc), strlen(s + strlen(etc)) + 1);
	}
}

static void example_accepted(const char *name, const char *text,
			     const char *node, unsigned int advskew)
{
	int rc = load_as(node, text);

	ck_assert_msg(rc == 0, "%s: %s", name, errors.text[0]);
	ck_assert_uint_eq(conf->link.num_peers,
			  strstr(name, "three.conf") ? 2 : 1);
	ck_assert_uint_eq(conf->carps[0].advskew, advskew);
}

/* Each that is for us, with our directory in place of /etc/statesync. */
START_TEST(shipped_examples)
{
	char here[] = __FILE__;
	char pattern[512], text[8192];
	unsigned int seen = 0;
	glob_t found;

	*strstr(here, "tests/unit") = '\0';
	snprintf(pattern, sizeof(pattern), "%scontrib/examples/*.conf", here);
	ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
	put_pair_keys();
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *name = found.gl_pathv[i];

		read_example(name, text);
		if (!strstr(text, "\ncarp \"")) /* of another program */
			continue;
		seen++;
		example_accepted(name, text, "fw1", 0);
		example_accepted(name, text, "fw2", 100);
		if (!strstr(name, "active.conf"))
			continue;
		ck_assert(conf->independent);
		ck_assert_uint_eq(conf->num_carps, 4);
		ck_assert_uint_eq(conf->carps[2].advskew, 0);
	}
	globfree(&found);
	ck_assert_uint_ge(seen, 3);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("conf");

	tcase_add_test(tc, defaults);
	tcase_add_test(tc, every_value);
	tcase_add_test(tc, durations_and_sizes);
	tcase_add_test(tc, carp_values);
	tcase_add_test(tc, sets);
	tcase_add_test(tc, unknown_keys);
	tcase_add_test(tc, where_metrics_are);
	tcase_add_test(tc, what_follows_a_role);
	tcase_add_test(tc, the_audit);
	tcase_add_test(tc, clashes);
	tcase_add_test(tc, missing);
	tcase_add_test(tc, secret_files);
	tcase_add_test(tc, own_mode);
	tcase_add_test(tc, many_mistakes);
	tcase_add_test(tc, comments_are_no_lines);
	tcase_add_test(tc, a_string_of_two_lines);
	tcase_add_test(tc, broken_text);
	tcase_add_test(tc, mutilated_text);
	tcase_add_test(tc, shipped_examples);
	return run_case(tc);
}
