// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What our kernel says: events, dumps, packets that wait, nftables sets,
 * interfaces. A kernel is trusted; a daemon that it confuses is not to be
 * hurt. Not what libnftnl reads: that ends the process at an attribute of
 * another size.
 *
 * Invariant: what is handed on keeps the limits of its type, and what is valid
 * can be told to a kernel.
 */
#include <netinet/in.h> /* before linux/in.h */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "ct_dump.h"
#include "ct_events.h"
#include "ct_put.h"
#include "ct_queue.h"
#include "ifmon.h"
#include "netlink.h"
#include "nftsets_msg.h"

#define ROUNDS_MAX 64
#define SUBSYS(x)  (NFNL_SUBSYS_##x << 8)

/* --- conntrack ------------------------------------------------------------------ */

static void got_flow(const struct flow *f, void *arg)
{
	static _Alignas(8) uint8_t message[CT_PUT_MAX];
	char text[160];

	(void)arg;
	flow_format(f, text, sizeof(text));
	if (!flow_valid(f))
		return;
	assert(ct_put_create(message, sizeof(message), 1, 0, f));
	netlink_check((const void *)message);
	assert(ct_put_delete_reply(message, sizeof(message), 1, 0, f));
	netlink_check((const void *)message);
}

static void got_event(const struct ct_event *event, void *arg)
{
	assert(event->op == FLOW_NEW || event->op == FLOW_UPDATE ||
	       event->op == FLOW_DESTROY);
	got_flow(&event->flow, arg);
}

static void got_expect(const struct ct_expect_event *event, void *arg)
{
	(void)arg;
	assert(expect_valid(&event->change.expect));
	if (event->has_master)
		got_flow(&event->master, NULL);
}

static void events(uint8_t how)
{
	static const uint16_t types[] = {
		SUBSYS(CTNETLINK) | IPCTNL_MSG_CT_NEW,
		SUBSYS(CTNETLINK) | IPCTNL_MSG_CT_DELETE,
		SUBSYS(CTNETLINK_EXP) | IPCTNL_MSG_EXP_NEW,
		SUBSYS(CTNETLINK_EXP) | IPCTNL_MSG_EXP_DELETE,
	};
	static struct ct_events e;

	netlink_types = types;
	if (!e.slots)
		assert(!ct_events_open(&e, 0));
	e.expect_cb = got_expect;
	e.subscribed = true;
	e.want_labels = how & 1;
	e.own_portid = how & 2 ? 77 : 0;
	for (int i = 0; i < ROUNDS_MAX; i++)
		if (ct_events_read(&e, got_event, NULL, how & 4 ? 3 : 0) ==
		    CT_EVENTS_DRAINED)
			break;
}

static void dump(void)
{
	static const uint16_t types[] = {
		SUBSYS(CTNETLINK) | IPCTNL_MSG_CT_NEW,
		SUBSYS(CTNETLINK) | IPCTNL_MSG_CT_NEW,
		SUBSYS(CTNETLINK) | IPCTNL_MSG_CT_NEW,
		NLMSG_DONE,
	};
	static struct ct_dump d;

	netlink_types = types;
	if (!d.chunk)
		assert(!ct_dump_open(&d));
	if (ct_dump_start(&d, 0))
		return;
	for (int i = 0; i < ROUNDS_MAX; i++)
		if (ct_dump_read(&d, got_flow, NULL) != CT_DUMP_MORE)
			break;
	ct_dump_abort(&d);
}

static void got_packet(uint32_t id, const struct flow *f, void *arg)
{
	(void)id;
	if (f)
		got_flow(f, arg);
}

static void queue(void)
{
	static const uint16_t types[] = {
		SUBSYS(QUEUE) | NFQNL_MSG_PACKET,
		SUBSYS(QUEUE) | NFQNL_MSG_PACKET,
		SUBSYS(QUEUE) | NFQNL_MSG_VERDICT,
		NLMSG_ERROR,
	};
	struct ct_queue q = { .sock.fd = NETLINK_FD };

	netlink_types = types;
	(void)!ct_queue_read(&q, got_packet, NULL, ROUNDS_MAX);
}

/* --- nftables sets --------------------------------------------------------------- */

static void changed(void *arg, unsigned set, const struct set_elem *e)
{
	static _Alignas(8) uint8_t message[NFTSETS_MSG_MAX];
	const struct nftsets *s = arg;

	assert(set < s->n && set_elem_valid(e, &s->kinds[set]));
	netlink_check(nftsets_put(message, &s->names[set], &s->kinds[set],
				  e->flags & SET_ELEM_DELETED, e));
}

static void stirred(void *arg, unsigned set)
{
	const struct nftsets *s = arg;

	assert(set < s->n);
}

static void sets(struct reader *in)
{
	static const uint16_t types[] = {
		SUBSYS(NFTABLES) | NFT_MSG_NEWSETELEM,
		SUBSYS(NFTABLES) | NFT_MSG_DELSETELEM,
		SUBSYS(NFTABLES) | NFT_MSG_NEWSET,
		SUBSYS(NFTABLES) | NFT_MSG_DELTABLE,
	};
	static const struct nftsets_ops ops = { changed, stirred, stirred };
	static const struct nftsets_name name = { NFPROTO_INET, "t", "s" };
	static struct nftsets s;
	static struct set_elem list[SET_CHUNK_MAX];
	uint8_t how = reader_u8(in), key_len = reader_u8(in);
	size_t n, untold;

	netlink_types = types;
	if (!s.buf)
		s.buf = malloc(NFTSETS_CHUNK);
	assert(s.buf);
	s.n = 1;
	s.names[0] = name;
	s.events.fd = s.talk.fd = s.dump.fd = NETLINK_FD;
	s.kinds[0] =
		netlink_set_kind(how, (uint8_t)(1 + key_len % SET_KEY_MAX), 4);
	if (how & 128) {
		(void)!nftsets_events(&s, &ops, &s);
		return;
	}
	s.dumping = true;
	for (int i = 0; i < ROUNDS_MAX; i++) {
		int more = nftsets_read(&s, list, &n, &untold);

		assert(n <= SET_CHUNK_MAX);
		for (size_t k = 0; k < n; k++)
			changed(&s, 0, &list[k]);
		if (more != NFTSETS_MORE)
			break;
	}
}

/* --- interfaces --------------------------------------------------------------------- */

static void got_interface(const struct ifmon_event *ev, void *arg)
{
	(void)arg;
	if (ev->kind == IFMON_LINK)
		assert(strnlen(ev->link.name, IF_NAMESIZE) < IF_NAMESIZE);
	else
		assert(ev->addr.family == AF_INET ||
		       ev->addr.family == AF_INET6);
}

static void interfaces(void)
{
	static const uint16_t types[] = { RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR,
					  RTM_DELADDR };
	struct ifmon m = { .events.fd = NETLINK_FD, .query.fd = NETLINK_FD };

	netlink_types = types;
	(void)!ifmon_read(&m, got_interface, NULL);
}

/* What is read, how, what the kernel says unasked; behind it its answers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader in;
	uint8_t what, how;
	const uint8_t *news;
	size_t len;

	reader_init(&in, data, size);
	what = reader_u8(&in);
	how = reader_u8(&in);
	news = fuzz_part(&in, &len);
	if (!news)
		return 0;
	reader_init(&netlink_news, news, len);
	netlink_answers = in;
	switch (what % 5) {
	case 0:
		events(how);
		break;
	case 1:
		dump();
		break;
	case 2:
		queue();
		break;
	case 3:
		sets(&netlink_news);
		break;
	case 4:
		interfaces();
		break;
	}
	netlink_news = (struct reader){ 0 };
	return 0;
}
