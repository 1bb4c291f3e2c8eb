/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Routes and rules of the master, and routes that are tracked, in a real
 * namespace. */
#include "vip_lab.h"

#include "track_route.h"
#include "vroute.h"

/* "10.3.0.0/16", "default", "fe80::9": as in the configuration. */
static struct conf_address address(const char *text)
{
	struct conf_address a = { .family = AF_INET };
	char addr[INET6_ADDRSTRLEN + 4];
	char *slash;

	if (strcmp(text, "default") == 0)
		return a;
	strcpy(addr, text);
	slash = strchr(addr, '/');
	a.family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	a.prefixlen = a.family == AF_INET ? 32 : 128;
	if (slash) {
		*slash = '\0';
		a.prefixlen = (uint8_t)atoi(slash + 1);
	}
	ck_assert_int_eq(inet_pton(a.family, addr, &a.v4), 1);
	return a;
}

/* The text of a command. */
static const char *out(const char *cmd)
{
	static char text[4096];
	FILE *f = popen(cmd, "re");
	size_t n = fread(text, 1, sizeof(text) - 1, f);

	text[n] = '\0';
	pclose(f);
	return text;
}

/* --- tracked --------------------------------------------------------------- */

static struct track_routes routes;
static struct track_route list[3];

/* Reads until what was asked for is known. */
static void settle(void)
{
	(void)!track_routes_events(&routes);
	while (routes.dumping)
		(void)!track_routes_dump(&routes);
}

static bool up(int i)
{
	settle();
	return list[i].known && list[i].up;
}

START_TEST(test_tracked_routes)
{
	list[0] = (struct track_route){ .to = address("default") };
	list[1] = (struct track_route){ .to = address("10.3.0.0/16") };
	list[2] = (struct track_route){ .to = address("2001:db8:3::/48") };
	sh("ip -6 addr add 2001:db8:1::2/64 dev g0 nodad");
	sh("ip route add 10.3.0.0/16 via 10.1.0.7");
	sh("ip route add default via 10.1.0.7 table 7");
	ck_assert_int_eq(track_routes_open(&routes, list, 3), 0);
	ck_assert(list[1].known && list[1].up);
	ck_assert(!up(0) && up(1) && !up(2));
	sh("ip route add default via 10.2.0.9 metric 50");
	ck_assert(up(0));
	sh("ip -6 route add 2001:db8:3::/48 via 2001:db8:1::7");
	ck_assert(up(2));
	/* another of the same prefix keeps it up */
	sh("ip route add 10.3.0.0/16 via 10.2.0.9 metric 9");
	sh("ip route del 10.3.0.0/16 metric 0");
	ck_assert(up(1));
	sh("ip route replace blackhole 10.3.0.0/16 metric 9");
	ck_assert(!up(1));
	sh("ip route add 10.3.0.0/17 via 10.2.0.9");
	ck_assert(!up(1));
	sh("ip route replace 10.3.0.0/16 metric 9 nexthop via 10.1.0.7 "
	   "nexthop via 10.2.0.9");
	ck_assert(up(1));
	/* no carrier: the route stands, nobody tells of it */
	sh("nsenter -t %d -n ip link set s0 down", lab.server);
	usleep(100000);
	track_routes_dirty(&routes);
	ck_assert(!up(0));
	ck_assert(up(1)); /* by the other one */
	sh("nsenter -t %d -n ip link set s0 up", lab.server);
	usleep(100000);
	track_routes_dirty(&routes);
	ck_assert(up(0));
	sh("ip link set g1 down");
	track_routes_dirty(&routes);
	ck_assert(!up(0) && up(1) && up(2));
	sh("ip link set g0 down");
	track_routes_dirty(&routes);
	ck_assert(!up(1) && !up(2));
	track_routes_close(&routes);
}
END_TEST

/* Many routes come in many chunks; the last one counts, too. */
START_TEST(test_tracked_in_a_long_table)
{
	FILE *f = popen("ip -batch -", "we");

	for (int i = 0; i < 3000; i++)
		fprintf(f, "route add 10.%d.%d.0/24 via 10.1.0.7\n",
			100 + i / 256, i % 256);
	ck_assert_int_eq(pclose(f), 0);
	list[0] = (struct track_route){ .to = address("10.111.100.0/24") };
	ck_assert_int_eq(track_routes_open(&routes, list, 1), 0);
	ck_assert(up(0));
	sh("ip route del 10.111.100.0/24");
	ck_assert(!up(0));
	sh("ip route flush 10.104.0.0/16; ip route add 10.111.100.0/24 "
	   "via 10.1.0.7");
	ck_assert(up(0));
	track_routes_close(&routes);
}
END_TEST

START_TEST(test_news_of_ours)
{
	ck_assert_int_eq(track_routes_open(&routes, NULL, 0), 0);
	sh("ip route add 10.3.0.0/16 via 10.1.0.7 proto 112");
	sh("ip rule add from 10.1.2.0/24 table 100 protocol 112");
	sh("ip route add 10.4.0.0/16 via 10.1.0.7");
	sh("ip route del 10.4.0.0/16");
	ck_assert_int_eq(track_routes_events(&routes), 0);
	sh("ip route del 10.3.0.0/16");
	ck_assert_int_eq(track_routes_events(&routes), TRACK_ROUTES_REMOVED);
	ck_assert_int_eq(track_routes_events(&routes), 0);
	sh("ip rule del from 10.1.2.0/24");
	ck_assert_int_eq(track_routes_events(&routes), TRACK_ROUTES_REMOVED);
	sh("ip -6 rule add from 2001:db8::/48 table 100 protocol 112");
	sh("ip -6 rule del from 2001:db8::/48");
	ck_assert_int_eq(track_routes_events(&routes), TRACK_ROUTES_REMOVED);
	track_routes_close(&routes);
}
END_TEST

/* --- ours -------------------------------------------------------------------- */

static struct nl_sock nl;

static struct conf_route route(const char *to, const char *via)
{
	struct conf_route r = { .to = address(to) };

	if (via)
		r.via = address(via);
	return r;
}

START_TEST(test_routes)
{
	struct conf_route plain = route("10.3.0.0/16", "10.1.0.9");
	struct conf_route far = route("10.4.0.0/16", "192.0.2.1");
	struct conf_route dev = route("10.5.0.0/16", NULL);
	struct conf_route def = route("default", "10.2.0.9");
	struct conf_route six = route("2001:db8:3::/48", "fe80::9");

	ck_assert_int_eq(nl_open_route(&nl), 0);
	ck_assert_int_eq(vroute_add(&nl, &plain), 0);
	ck_assert_int_eq(vroute_add(&nl, &plain), VROUTE_TAKEN);
	ck_assert_ptr_nonnull(strstr(out("ip route show 10.3.0.0/16"),
				     "via 10.1.0.9 dev g0 proto 112"));
	ck_assert_int_eq(vroute_add(&nl, &far), -ENETUNREACH);
	strcpy(dev.interface, "g1");
	dev.table = 1000;
	dev.metric = 33;
	sh("ip addr add 10.2.0.3/24 dev g1");
	dev.src = address("10.2.0.3");
	ck_assert_int_eq(vroute_add(&nl, &dev), 0);
	ck_assert_ptr_nonnull(strstr(out("ip route show table 1000"),
				     "10.5.0.0/16 dev g1 proto 112 scope link "
				     "src 10.2.0.3 metric 33"));
	/* nobody else's is replaced, nor deleted */
	sh("ip route add default via 10.1.0.7");
	ck_assert_int_eq(vroute_add(&nl, &def), VROUTE_TAKEN);
	ck_assert_int_eq(vroute_del(&nl, &def), 0);
	ck_assert_ptr_nonnull(strstr(out("ip route show default"), "10.1.0.7"));
	def.metric = 5;
	ck_assert_int_eq(vroute_add(&nl, &def), 0);
	strcpy(six.interface, "g0");
	ck_assert_int_eq(vroute_add(&nl, &six), 0);
	ck_assert_int_eq(vroute_add(&nl, &six), VROUTE_TAKEN);
	ck_assert_ptr_nonnull(strstr(out("ip -6 route show 2001:db8:3::/48"),
				     "via fe80::9 dev g0 proto 112"));
	strcpy(dev.interface, "none");
	ck_assert_int_eq(vroute_add(&nl, &dev), -ENODEV);
	ck_assert_int_eq(vroute_del(&nl, &dev), 0);
	strcpy(dev.interface, "g1");
	ck_assert_int_eq(vroute_del(&nl, &plain), 0);
	ck_assert_int_eq(vroute_del(&nl, &plain), 0);
	ck_assert_int_eq(vroute_del(&nl, &dev), 0);
	ck_assert_int_eq(vroute_del(&nl, &def), 0);
	ck_assert_int_eq(vroute_del(&nl, &six), 0);
	ck_assert_str_eq(out("ip route show table all proto 112; "
			     "ip -6 route show table all proto 112"),
			 "");
	nl_close(&nl);
}
END_TEST

START_TEST(test_rules)
{
	struct conf_rule four = { .name = "guests",
				  .family = AF_INET,
				  .from = address("10.1.2.0/24"),
				  .to = address("10.9.0.0/16"),
				  .iif = "g0",
				  .mark = 0x10,
				  .mark_mask = 0xf0,
				  .priority = 500,
				  .table = 1000 };
	struct conf_rule six = { .family = AF_INET6,
				 .from = address("2001:db8::/48"),
				 .priority = 600,
				 .table = 100 };

	ck_assert_int_eq(nl_open_route(&nl), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(vroute_rule_add(&nl, &four), 0);
		ck_assert_int_eq(vroute_rule_add(&nl, &six), 0);
	}
	ck_assert_str_eq(out("ip rule show table 1000"),
			 "500:\tfrom 10.1.2.0/24 to 10.9.0.0/16 fwmark "
			 "0x10/0xf0 iif g0 lookup 1000 proto 112\n");
	ck_assert_ptr_nonnull(strstr(out("ip -6 rule show table 100"),
				     "from 2001:db8::/48 lookup 100 "
				     "proto 112\n"));
	ck_assert_int_eq(vroute_rule_del(&nl, &four), 0);
	ck_assert_int_eq(vroute_rule_del(&nl, &four), 0);
	ck_assert_int_eq(vroute_rule_del(&nl, &six), 0);
	ck_assert_str_eq(out("ip rule show table 1000; "
			     "ip -6 rule show table 100"),
			 "");
	/* the same one of an administrator's stays */
	sh("ip rule add from 10.1.2.0/24 to 10.9.0.0/16 fwmark 0x10/0xf0 iif "
	   "g0 pref 500 lookup 1000");
	ck_assert_int_eq(vroute_rule_add(&nl, &four), 0);
	ck_assert_int_eq(vroute_rule_del(&nl, &four), 0);
	ck_assert_str_ne(out("ip rule show table 1000"), "");
	nl_close(&nl);
}
END_TEST

START_TEST(test_clean)
{
	ck_assert_int_eq(nl_open_route(&nl), 0);
	sh("ip route add 10.4.0.0/16 via 10.1.0.7");
	sh("ip rule add from 10.8.0.0/16 table 100");
	sh("ip route add 10.3.0.0/16 via 10.1.0.7 proto 112");
	sh("ip route add 10.3.0.0/16 via 10.2.0.9 metric 7 proto 112");
	sh("ip route add 10.3.0.0/16 table 1000 proto 112 nexthop via 10.1.0.7 "
	   "nexthop via 10.2.0.9");
	sh("ip route add blackhole 10.6.0.0/16 proto 112");
	sh("ip -6 route add 2001:db8:3::/48 dev g0 proto 112 table 1000");
	sh("ip -6 route add 2001:db8:4::/48 via fe80::9 dev g1 proto 112");
	sh("ip rule add from 10.1.2.0/24 to 10.0.0.1 iif g0 fwmark 1/3 table "
	   "1000 pref 5 protocol 112");
	sh("ip -6 rule add from 2001:db8::/48 table 100 protocol 112");
	/* no carrier: "dead linkdown" in the dump */
	sh("nsenter -t %d -n ip link set s0 down", lab.server);
	usleep(100000);
	ck_assert_int_eq(vroute_clean(&nl), 0);
	ck_assert_str_eq(out("ip route show table all proto 112; "
			     "ip -6 route show table all proto 112; "
			     "ip rule | grep 112; ip -6 rule | grep 112"),
			 "");
	ck_assert_str_ne(out("ip route show 10.4.0.0/16"), "");
	ck_assert_str_ne(out("ip rule show table 100"), "");
	ck_assert_int_eq(vroute_clean(&nl), 0);
	nl_close(&nl);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_tracked_routes, test_tracked_in_a_long_table,
		test_routes,	     test_rules,
		test_clean,	     test_news_of_ours,
	};

	return lab_main("vroute", tests, sizeof(tests) / sizeof(tests[0]));
}
