/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers ARP requests for shared addresses. It does not decide who is master:
 * a table tells it, and behind it the lease, whose egress rule refuses what a
 * machine without the right would say. Sockets and limits are neigh_sock's.
 *
 * Implements rules 6; RFC 826, RFC 5227 (probes); OpenBSD carp_iamatch. The
 * bytes are carp/announce.
 *
 * Invariant: no answer to a request that came before the grant, and never one
 * that names another MAC than the table's.
 */
#include "neigh.h"

#include "announce.h"

#include <errno.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>

#define ARP_SENDER 28 /* offsets in the frame */
#define ARP_TARGET 38

/* Accept where the four bytes at offset are an entry's address. */
static void accept_addrs(struct neigh_program *p, uint32_t offset,
			 const struct neigh_entry *e, size_t count)
{
	size_t i;

	neigh_program_emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
	for (i = 0; i < count; i++)
		neigh_program_accept(p, ntohl(e[i].addr.s_addr));
}

/* Only ARP that asks for one of the addresses or says where it is. */
static int program(struct neigh_program *p, const struct neigh_entry *e,
		   size_t count)
{
	int r = neigh_program_begin(p, 4 * count);

	if (r)
		return r;
	accept_addrs(p, ARP_TARGET, e, count);
	accept_addrs(p, ARP_SENDER, e, count);
	neigh_program_emit(p, BPF_RET | BPF_K, 0, 0, 0);
	return 0;
}

static int sockets_open(struct neigh *n)
{
	struct neigh_program p;
	int r = program(&p, n->entries, n->entry_count);

	if (r)
		return r;
	r = neigh_sock_open(&n->sock, &p);
	free(p.code);
	return r;
}

int neigh_open(struct neigh *n, const char *ifname, neigh_conflict_cb *conflict,
	       void *conflict_arg)
{
	int r;

	memset(n, 0, sizeof(*n));
	n->conflict = conflict;
	n->conflict_arg = conflict_arg;
	r = neigh_sock_init(&n->sock, ifname, ETHERTYPE_ARP);
	return r ? r : sockets_open(n);
}

void neigh_close(struct neigh *n)
{
	neigh_sock_close(&n->sock);
	free(n->entries);
	n->entries = NULL;
	n->entry_count = 0;
}

int neigh_rebind(struct neigh *n)
{
	if (neigh_sock_current(&n->sock))
		return 0;
	neigh_sock_close(&n->sock);
	return sockets_open(n);
}

int neigh_fd(const struct neigh *n)
{
	return n->sock.rx;
}

static bool same_addrs(const struct neigh *n, const struct neigh_entry *e,
		       size_t count)
{
	size_t i;

	if (n->entry_count != count)
		return false;
	for (i = 0; i < count; i++)
		if (n->entries[i].addr.s_addr != e[i].addr.s_addr)
			return false;
	return true;
}

static int refilter(struct neigh *n, const struct neigh_entry *e, size_t count)
{
	struct neigh_program p;
	int r;

	if (n->sock.rx < 0)
		return 0;
	r = program(&p, e, count);
	if (r)
		return r;
	r = neigh_sock_filter(&n->sock, &p);
	free(p.code);
	return r;
}

int neigh_set(struct neigh *n, const struct neigh_entry *entries, size_t count)
{
	struct neigh_entry *e;
	int r;

	if (same_addrs(n, entries, count)) {
		if (count)
			memcpy(n->entries, entries, count * sizeof(*entries));
		return 0;
	}
	if (count > NEIGH_ENTRIES_MAX)
		return -E2BIG;
	e = calloc(count ? count : 1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	r = refilter(n, entries, count);
	if (r) {
		free(e);
		return r;
	}
	if (count)
		memcpy(e, entries, count * sizeof(*e));
	free(n->entries);
	n->entries = e;
	n->entry_count = count;
	return 0;
}

/* --- one packet --------------------------------------------------------- */

static const struct neigh_entry *entry_find(const struct neigh *n,
					    uint32_t addr)
{
	size_t i;

	for (i = 0; i < n->entry_count; i++)
		if (ntohl(n->entries[i].addr.s_addr) == addr)
			return &n->entries[i];
	return NULL;
}

static void take_request(struct neigh *n, const struct carp_arp *q,
			 int64_t at_ns)
{
	const struct neigh_entry *e = entry_find(n, q->target);
	uint8_t frame[CARP_ARP_FRAME_LEN];
	size_t len;

	if (!e || !carp_arp_asks(q, q->target) ||
	    !neigh_sock_allows(&n->sock, e->answer, e->since_ns, at_ns))
		return;
	len = carp_arp_reply(q, e->mac, frame);
	neigh_sock_from(frame, e->from);
	neigh_sock_answer(&n->sock, frame, len);
}

static void take_claim(struct neigh *n, const struct carp_arp *a)
{
	const struct neigh_entry *e = entry_find(n, a->sender);
	struct neigh_conflict c = { .family = AF_INET };

	if (!e)
		return;
	if (carp_arp_claims(a, a->sender, e->mac))
		n->sock.counters.conflicts++;
	else if (!e->answer)
		return;
	c.addr = e->addr;
	memcpy(c.mac, a->sender_mac, sizeof(c.mac));
	c.answering = e->answer;
	if (n->conflict)
		n->conflict(&c, n->conflict_arg);
}

static void take_packet(const void *frame, size_t len, int64_t at_ns, void *arg)
{
	struct neigh *n = arg;
	struct carp_arp a;

	if (carp_arp_parse(frame, len, &a) != CARP_ARP_OK) {
		n->sock.counters.malformed++;
		return;
	}
	take_claim(n, &a);
	if (a.op == CARP_ARP_REQUEST)
		take_request(n, &a, at_ns);
}

int neigh_read(struct neigh *n, unsigned int max)
{
	return neigh_sock_read(&n->sock, max, take_packet, n);
}

void neigh_flush(struct neigh *n)
{
	neigh_sock_flush(&n->sock);
}

int neigh_announce(struct neigh *n, const uint8_t mac[6], struct in_addr addr)
{
	uint8_t frame[CARP_ARP_FRAME_LEN];
	size_t len = carp_arp_gratuitous(ntohl(addr.s_addr), mac, frame);
	const struct neigh_entry *e = entry_find(n, ntohl(addr.s_addr));

	if (e)
		neigh_sock_from(frame, e->from);
	return neigh_sock_send(&n->sock, frame, len);
}
