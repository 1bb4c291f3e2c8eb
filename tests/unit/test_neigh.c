/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who answers ARP for a shared address, and when: rules 6.
 */
#include "vip_lab.h"

#include "announce.h"
#include "lease.h"
#include "neigh.h"
#include "vip.h"

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static unsigned fails; /* counts down to the one that fails; 0: none */

void *__wrap_calloc(size_t n, size_t size)
{
	return fails && !--fails ? NULL : __real_calloc(n, size);
}

struct gateway {
	struct vip vip;
	struct vip_vhost vhost;
	struct vip_addr vaddr;
	struct lease lease;
	struct lease_vhost lan;
	struct neigh neigh;
	struct neigh_entry entry;
	struct neigh_conflict conflict;
	char state[64];
};

static struct gateway gw;

static void on_conflict(const struct neigh_conflict *c, void *arg)
{
	struct gateway *g = arg;

	g->conflict = *c;
}

static void gw_open(void)
{
	memset(&gw, 0, sizeof(gw));
	snprintf(gw.state, sizeof(gw.state), "%s/vip.state", lab.dir);
	inet_aton("10.1.0.1", &gw.vaddr.addr);
	gw.vaddr.prefixlen = 24;
	strcpy(gw.vhost.ifname, "g0");
	gw.vhost.virtual_mac = true;
	memcpy(gw.vhost.mac, lan_mac, 6);
	gw.vhost.addrs = &gw.vaddr;
	gw.vhost.addr_count = 1;
	strcpy(gw.lan.ifname, "g0");
	memcpy(gw.lan.mac, lan_mac, 6);
	gw.lan.addrs = &gw.vaddr;
	gw.lan.addr_count = 1;
	gw.lan.timeout_ns = 60 * SEC;
	gw.entry.addr = gw.vaddr.addr;
	memcpy(gw.entry.mac, lan_mac, 6);
	ck_assert_int_eq(vip_open(&gw.vip, gw.state), 0);
	ck_assert_int_eq(vip_prepare(&gw.vip, &gw.vhost, 1), 0);
	ck_assert_int_eq(lease_open(&gw.lease, "statesync", MARK), 0);
	ck_assert_int_eq(lease_add(&gw.lease, &gw.lan), 0);
	ck_assert_int_eq(neigh_open(&gw.neigh, "g0", on_conflict, &gw), 0);
	ck_assert_int_eq(neigh_set(&gw.neigh, &gw.entry, 1), 0);
}

static void gw_role(bool master, int64_t since_ns)
{
	gw.entry.answer = master;
	gw.entry.since_ns = since_ns;
	ck_assert_int_eq(neigh_set(&gw.neigh, &gw.entry, 1), 0);
}

static void gw_master(void)
{
	ck_assert_int_eq(vip_add(&gw.vip, &gw.vhost), 0);
	ck_assert_int_eq(lease_grant(&gw.lease, &gw.lan), 0);
	gw_role(true, clock_ns(CLOCK_REALTIME));
}

/* The daemon's loop, for that long. */
static void serve(int64_t ns)
{
	int64_t end = clock_ns(CLOCK_MONOTONIC) + ns;
	struct pollfd p = { .fd = neigh_fd(&gw.neigh), .events = POLLIN };

	while (clock_ns(CLOCK_MONOTONIC) < end)
		if (poll(&p, 1, 5) > 0)
			ck_assert_int_ge(neigh_read(&gw.neigh, 64), 0);
}

/* As pings(), while the daemon runs. */
static bool pings_served(const char *to)
{
	pid_t pid = fork();
	int st;

	if (!pid)
		_exit(!pings(lab.client, to, "-c 2 -i 0.2 -W 1"));
	while (waitpid(pid, &st, WNOHANG) == 0)
		serve(5 * MS);
	return WIFEXITED(st) && WEXITSTATUS(st) == 0;
}

/* --- a neighbour made by hand ------------------------------------------- */

static const uint8_t bcast[6] = { 255, 255, 255, 255, 255, 255 };
static const uint8_t asker[6] = { 2, 0, 0, 0, 0, 0x77 };

static struct carp_arp question(const uint8_t dst[6], uint32_t sender)
{
	struct carp_arp q = { .op = CARP_ARP_REQUEST,
			      .sender = sender,
			      .target = 0x0a010001 };

	memcpy(q.eth_dst, dst, 6);
	memcpy(q.eth_src, asker, 6);
	memcpy(q.sender_mac, asker, 6);
	return q;
}

static void ask(int fd, const struct carp_arp *q)
{
	uint8_t frame[CARP_ARP_FRAME_LEN];
	size_t len = carp_arp_build(q, frame);

	ck_assert_int_eq(send(fd, frame, len, 0), (int)len);
}

/* Answers from the shared address that wait at the neighbour; the last one. */
static int answers(int fd, struct carp_arp *last)
{
	uint8_t buf[256];
	struct carp_arp a;
	ssize_t len;
	int n = 0;

	while ((len = recv(fd, buf, sizeof(buf), 0)) > 0) {
		if (carp_arp_parse(buf, (size_t)len, &a) != CARP_ARP_OK ||
		    a.sender != 0x0a010001)
			continue;
		*last = a;
		n++;
	}
	return n;
}

static int asked_once(int fd, const struct carp_arp *q, struct carp_arp *a)
{
	ask(fd, q);
	serve(30 * MS);
	return answers(fd, a);
}

static int client_socket(void)
{
	int big = 4 << 20;
	int fd = packet_socket(lab.client, "c0", ETHERTYPE_ARP);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	return fd;
}

START_TEST(test_master_answers)
{
	struct carp_arp q, a;
	int fd = client_socket();

	gw_open();
	gw_master();
	q = question(bcast, 0x0a010007);
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	ck_assert_int_eq(a.op, CARP_ARP_REPLY);
	ck_assert_mem_eq(a.sender_mac, lan_mac, 6);
	ck_assert_mem_eq(a.eth_src, lan_mac, 6);
	ck_assert_mem_eq(a.eth_dst, asker, 6);
	q = question(lan_mac, 0x0a010007); /* unicast, NUD */
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	q = question(bcast, 0); /* RFC 5227 probe */
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	ck_assert_uint_eq(a.target, 0);
	ck_assert_uint_eq(gw.neigh.sock.counters.answered, 3);
	q = question(asker, 0x0a010007); /* for another machine */
	ck_assert_int_eq(asked_once(fd, &q, &a), 0);
	q = question(bcast, 0x0a010007);
	q.target = 0x0a010063; /* another address */
	ck_assert_int_eq(asked_once(fd, &q, &a), 0);
	ck_assert_uint_eq(gw.neigh.sock.counters.answered, 3);
	ck_assert(pings_served("10.1.0.1"));
	ck_assert(pings_served("10.1.0.2")); /* the kernel's own */
	close(fd);
}
END_TEST

START_TEST(test_backup_is_silent)
{
	struct carp_arp q = question(bcast, 0x0a010007), a;
	int fd = client_socket();

	gw_open();
	ck_assert_int_eq(asked_once(fd, &q, &a), 0);
	ck_assert_uint_eq(gw.neigh.sock.counters.not_master, 1);
	ck_assert(!pings_served("10.1.0.1"));
	ck_assert(pings_served("10.1.0.2"));
	/* table says master, the kernel says no right: it has the last word */
	gw_role(true, 0);
	ck_assert_int_eq(asked_once(fd, &q, &a), 0);
	ck_assert_uint_ge(gw.neigh.sock.counters.refused, 1);
	close(fd);
}
END_TEST

START_TEST(test_old_questions)
{
	struct carp_arp q = question(bcast, 0x0a010007), a;
	int fd = client_socket();

	gw_open();
	/* the kernel switches timestamps on by a work queue: until then a
	 * packet has the time at which it is read (net_enable_timestamp) */
	sleep_ns(50 * MS);
	ask(fd, &q);
	sleep_ns(20 * MS);
	gw_master();
	serve(30 * MS);
	ck_assert_int_eq(answers(fd, &a), 0);
	ck_assert_uint_eq(gw.neigh.sock.counters.stale, 1);
	ask(fd, &q);
	sleep_ns(20 * MS);
	neigh_flush(&gw.neigh);
	ck_assert_uint_eq(gw.neigh.sock.counters.flushed, 1);
	serve(30 * MS);
	ck_assert_int_eq(answers(fd, &a), 0);
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	close(fd);
}
END_TEST

/* An address that was added to the table while the socket was open, and one
 * taken from it. */
START_TEST(test_table_changes)
{
	struct neigh_entry two[2];
	struct carp_arp q = question(bcast, 0x0a010007), a;
	int fd = client_socket();

	gw_open();
	gw_master();
	two[0] = gw.entry;
	two[1] = gw.entry;
	inet_aton("10.1.0.9", &two[0].addr);
	ck_assert_int_eq(neigh_set(&gw.neigh, two, 2), 0);
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	ck_assert_int_eq(neigh_set(&gw.neigh, two, 1), 0);
	ck_assert_int_eq(asked_once(fd, &q, &a), 0);
	ck_assert_int_eq(neigh_set(&gw.neigh, NULL, 0), 0);
	ck_assert_int_eq(asked_once(fd, &q, &a), 0);
	close(fd);
}
END_TEST

/* Memory is short: filter and table stay what they were. */
START_TEST(test_table_that_cannot_change)
{
	struct neigh_entry other;
	struct carp_arp q = question(bcast, 0x0a010007), a;
	int fd = client_socket();
	unsigned i = 0;

	gw_open();
	gw_master();
	other = gw.entry;
	inet_aton("10.1.0.9", &other.addr);
	for (fails = 1; neigh_set(&gw.neigh, &other, 1) == -ENOMEM;
	     fails = ++i + 1)
		ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	ck_assert_uint_gt(i, 0);
	ck_assert_int_eq(asked_once(fd, &q, &a), 0);
	close(fd);
}
END_TEST

START_TEST(test_rate)
{
	struct carp_arp q = question(bcast, 0x0a010007), a;
	int fd = client_socket();
	int i, n = 0;

	gw_open();
	gw_master();
	for (i = 0; i < 3000; i++) {
		ask(fd, &q);
		if (i % 50 == 49) {
			serve(2 * MS);
			n += answers(fd, &a);
		}
	}
	serve(20 * MS);
	n += answers(fd, &a);
	ck_assert_int_le(n, NEIGH_ANSWERS_PER_S);
	ck_assert_int_ge(n, NEIGH_ANSWERS_PER_S * 9 / 10);
	ck_assert_uint_gt(gw.neigh.sock.counters.limited, 0);
	sleep_ns(SEC + 100 * MS);
	ck_assert_int_eq(asked_once(fd, &q, &a), 1);
	close(fd);
}
END_TEST

START_TEST(test_conflicts)
{
	struct carp_arp claim = question(bcast, 0x0a010001), a;
	int fd = client_socket();

	gw_open();
	gw_master();
	ck_assert_int_eq(asked_once(fd, &claim, &a), 0);
	ck_assert_uint_eq(gw.neigh.sock.counters.conflicts, 1);
	ck_assert_mem_eq(gw.conflict.mac, asker, 6);
	ck_assert_uint_eq(gw.conflict.addr.s_addr, gw.vaddr.addr.s_addr);
	ck_assert(gw.conflict.answering);
	claim.op = CARP_ARP_REPLY;
	(void)asked_once(fd, &claim, &a);
	ck_assert_uint_eq(gw.neigh.sock.counters.conflicts, 2);
	/* the other node of the pair announces itself: no conflict */
	memcpy(claim.sender_mac, lan_mac, 6);
	claim.op = CARP_ARP_REQUEST;
	(void)asked_once(fd, &claim, &a);
	ck_assert_uint_eq(gw.neigh.sock.counters.conflicts, 2);
	close(fd);
}
END_TEST

START_TEST(test_announce)
{
	struct carp_arp a;
	int fd = client_socket();

	gw_open();
	ck_assert_int_eq(neigh_announce(&gw.neigh, lan_mac, gw.entry.addr),
			 -ENOBUFS);
	gw_master();
	ck_assert_int_eq(neigh_announce(&gw.neigh, lan_mac, gw.entry.addr), 0);
	sleep_ns(20 * MS);
	ck_assert_int_eq(answers(fd, &a), 1);
	ck_assert_uint_eq(a.target, a.sender);
	ck_assert_mem_eq(a.sender_mac, lan_mac, 6);
	ck_assert_mem_eq(a.eth_dst, bcast, 6);
	close(fd);
}
END_TEST

/* Asked and answered while thousands of questions come: the time it takes. */
START_TEST(test_latency)
{
	struct carp_arp q = question(bcast, 0x0a010007), a;
	int64_t worst = 0, sum = 0;
	int fd = client_socket();
	int i;

	gw_open();
	gw_master();
	for (i = 0; i < 200; i++) {
		int64_t t = clock_ns(CLOCK_MONOTONIC);
		int64_t took;

		ask(fd, &q);
		ck_assert_int_ge(neigh_read(&gw.neigh, 64), 0);
		while (!answers(fd, &a)) {
			ck_assert_int_ge(neigh_read(&gw.neigh, 64), 0);
			ck_assert(clock_ns(CLOCK_MONOTONIC) - t < SEC);
		}
		took = clock_ns(CLOCK_MONOTONIC) - t;
		sum += took;
		worst = took > worst ? took : worst;
	}
	printf("answer: mean %lld us, worst %lld us\n",
	       (long long)sum / 200 / 1000, (long long)worst / 1000);
	close(fd);
}
END_TEST

START_TEST(test_device_made_anew)
{
	gw_open();
	ck_assert_int_eq(neigh_rebind(&gw.neigh), 0);
	sh("ip link del g0");
	ck_assert_int_eq(neigh_rebind(&gw.neigh), -ENODEV);
	ck_assert_int_eq(neigh_fd(&gw.neigh), -1);
	wire_up("g0", "c0", lab.client, "10.1.0.2/24", "10.1.0.7/24");
	ck_assert_int_eq(vip_prepare_link(&gw.vip, if_nametoindex("g0")), 0);
	ck_assert_int_eq(lease_repair(&gw.lease, "g0"), 0);
	ck_assert_int_eq(neigh_rebind(&gw.neigh), 0);
	gw_master();
	ck_assert(pings_served("10.1.0.1"));
	neigh_close(&gw.neigh);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_master_answers,
		test_backup_is_silent,
		test_old_questions,
		test_table_changes,
		test_table_that_cannot_change,
		test_rate,
		test_conflicts,
		test_announce,
		test_latency,
		test_device_made_anew,
	};

	return lab_main("neigh", tests, sizeof(tests) / sizeof(*tests));
}
