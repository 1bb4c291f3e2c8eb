/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A gateway and its neighbours for test_vip and test_neigh. The test process
 * is the gateway: a namespace without a name. Each neighbour is a child that
 * sleeps in another such namespace. They die with the test, and the namespaces
 * with them.
 *
 *   client 10.1.0.7 c0 --- g0 10.1.0.2 | gateway | 10.2.0.2 g1 --- s0 10.2.0.9
 *
 * Shared: 10.1.0.1 on g0 (vhid 1), 10.2.0.1 on g1 (vhid 2).
 */
#ifndef TESTS_UNIT_VIP_LAB_H
#define TESTS_UNIT_VIP_LAB_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LAB_FN __attribute__((unused)) static

#define MARK 0x5ca1ab1eU
#define MS   1000000LL
#define SEC  (1000 * MS)

static const uint8_t lan_mac[6] = { 0, 0, 0x5e, 0, 1, 1 };
static const uint8_t wan_mac[6] = { 0, 0, 0x5e, 0, 1, 2 };
static const char lan_mac_text[] = "00:00:5e:00:01:01";
static const char wan_mac_text[] = "00:00:5e:00:01:02";

struct lab {
	pid_t client, server;
	char dir[32];
};
static struct lab lab;

LAB_FN int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * SEC + ts.tv_nsec;
}

LAB_FN void sleep_ns(int64_t ns)
{
	struct timespec ts = { ns / SEC, ns % SEC };

	while (nanosleep(&ts, &ts) < 0)
		;
}

/* Runs a shell command; its exit status. */
__attribute__((unused, format(printf, 1, 2))) static int run(const char *fmt,
							     ...)
{
	char cmd[1024];
	va_list ap;
	int st;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	st = system(cmd);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128;
}

#define sh(...) ck_assert_int_eq(run(__VA_ARGS__), 0)

/* True when the command's output holds the word. */
LAB_FN bool says(const char *cmd, const char *word)
{
	char line[512];
	bool found = false;
	FILE *f = popen(cmd, "re");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, word))
			found = true;
	pclose(f);
	return found;
}

LAB_FN void ns_up(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	sh("ip link set lo up");
}

LAB_FN pid_t neighbour(void)
{
	char byte;
	int p[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ns_up();
		ck_assert_int_eq(write(p[1], "x", 1), 1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(p[0], &byte, 1), 1);
	close(p[0]);
	close(p[1]);
	return pid;
}

/* A packet socket in a neighbour's namespace, non-blocking. */
LAB_FN int packet_socket(pid_t pid, const char *ifname, uint16_t protocol)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(protocol) };
	char path[64];
	int here, there, fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	there = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(here, 0);
	ck_assert_int_ge(there, 0);
	ck_assert_int_eq(setns(there, CLONE_NEWNET), 0);
	ll.sll_ifindex = (int)if_nametoindex(ifname);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&ll, sizeof(ll)), 0);
	ck_assert_int_eq(setns(here, CLONE_NEWNET), 0);
	close(here);
	close(there);
	return fd;
}

/* Asks the neighbour to ping; true when at least one answer came. */
LAB_FN bool pings(pid_t from, const char *to, const char *how)
{
	return !run("nsenter -t %d -n ping -q %s %s >/dev/null 2>&1", from, how,
		    to);
}
#define PING_ONE "-c 1 -W 1"

LAB_FN void wire_up(const char *here, const char *there, pid_t pid,
		    const char *own, const char *other)
{
	sh("ip link add %s type veth peer name %s netns %d", here, there, pid);
	sh("ip addr add %s dev %s", own, here);
	sh("ip link set %s up", here);
	sh("nsenter -t %d -n ip addr add %s dev %s", pid, other, there);
	sh("nsenter -t %d -n ip link set %s up", pid, there);
}

LAB_FN void lab_setup(void)
{
	ns_up();
	lab.client = neighbour();
	lab.server = neighbour();
	wire_up("g0", "c0", lab.client, "10.1.0.2/24", "10.1.0.7/24");
	wire_up("g1", "s0", lab.server, "10.2.0.2/24", "10.2.0.9/24");
	sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=1");
	sh("nsenter -t %d -n ip route add default via 10.1.0.1", lab.client);
	sh("nsenter -t %d -n ip route add 10.1.0.0/24 via 10.2.0.2",
	   lab.server);
}

LAB_FN void lab_teardown(void)
{
	kill(lab.client, SIGKILL);
	kill(lab.server, SIGKILL);
	while (wait(NULL) > 0)
		;
	(void)run("rm -f %s/*", lab.dir);
}

/* The neighbours know the shared addresses at their virtual MACs. */
LAB_FN void lab_static_arp(void)
{
	sh("nsenter -t %d -n ip neigh replace 10.1.0.1 lladdr %s dev c0 "
	   "nud permanent",
	   lab.client, lan_mac_text);
	sh("nsenter -t %d -n ip neigh replace 10.2.0.1 lladdr %s dev s0 "
	   "nud permanent",
	   lab.server, wan_mac_text);
}

/* Runs the tests, each with a lab of its own; the exit status. Skipped where
 * they cannot run. */
LAB_FN int lab_main(const char *name, const TTest *const *tests, size_t count)
{
	Suite *s = suite_create(name);
	TCase *t = tcase_create("namespaces");
	SRunner *r = srunner_create(s);
	int failed;
	size_t i;

	if (geteuid() != 0) {
		printf("skipped: needs root for network namespaces\n");
		return 77;
	}
	strcpy(lab.dir, "/tmp/ssvipXXXXXX");
	if (!mkdtemp(lab.dir))
		return EXIT_FAILURE;
	tcase_add_checked_fixture(t, lab_setup, lab_teardown);
	tcase_set_timeout(t, 60);
	for (i = 0; i < count; i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	(void)run("rm -rf %s", lab.dir);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
