/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers neighbour solicitations for shared addresses, tells of those who
 * claim one, passes on who asks for a router. It does not decide who is
 * master: a table tells it, and behind it the lease. Sockets and limits are
 * neigh_sock's, the bytes carp/nd.
 *
 * Implements rules 6; RFC 4861, 7.2; RFC 4862, 5.4 (others' probes).
 *
 * Invariant: no answer to a request that came before the grant, and never one
 * that names another MAC than the table's.
 */
#include "neigh6.h"

#include "nd.h"

#include <errno.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S	1000000000LL
#define NEXT_HEADER	(CARP_ND_IPV6_OFFSET + 6)
#define LAST_WORD	12 /* of an address */
#define FORWARDING_PATH "/proc/sys/net/ipv6/conf/%s/forwarding"

static struct carp_addr6 addr_bytes(const struct in6_addr *a)
{
	struct carp_addr6 b;

	memcpy(b.b, a->s6_addr, sizeof(b.b));
	return b;
}

/* --- filter ------------------------------------------------------------- */

/* Accept where the address at offset ends as an entry's; the rest is looked at
 * when the packet is read. */
static void accept_addrs(struct neigh_program *p, uint32_t offset,
			 const struct neigh6_entry *e, size_t count)
{
	size_t i;

	neigh_program_emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0,
			   offset + LAST_WORD);
	for (i = 0; i < count; i++)
		neigh_program_accept(p, ntohl(e[i].addr.s6_addr32[3]));
}

/* Go on only where what was loaded is k. */
static void require(struct neigh_program *p, uint32_t k)
{
	neigh_program_emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, k);
	neigh_program_emit(p, BPF_RET | BPF_K, 0, 0, 0);
}

/* Only solicitations and advertisements of one of the addresses, or in its
 * name, and those who ask for a router. */
static int program(struct neigh_program *p, const struct neigh6 *n,
		   const struct neigh6_entry *e, size_t count)
{
	int r = neigh_program_begin(p, 4 * count);

	if (r)
		return r;
	neigh_program_emit(p, BPF_LD | BPF_B | BPF_ABS, 0, 0, NEXT_HEADER);
	require(p, IPPROTO_ICMPV6);
	neigh_program_emit(p, BPF_LD | BPF_B | BPF_ABS, 0, 0,
			   CARP_ND_ICMP_OFFSET);
	if (n->calls.solicited)
		neigh_program_accept(p, CARP_ND_RS);
	neigh_program_emit(p, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, CARP_ND_NS);
	require(p, CARP_ND_NA);
	accept_addrs(p, CARP_ND_TARGET, e, count);
	accept_addrs(p, CARP_ND_SOURCE, e, count);
	neigh_program_emit(p, BPF_RET | BPF_K, 0, 0, 0);
	return 0;
}

/* --- groups ------------------------------------------------------------- */

static void groups_close(int *fds, size_t count)
{
	while (count)
		close(fds[--count]);
	free(fds);
}

/* One more socket at the end of the array: it, or -errno. */
static int groups_grow(int **fds, size_t *count)
{
	int *more = realloc(*fds, (*count + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	*fds = more;
	more[*count] = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (more[*count] < 0)
		return -errno;
	return more[(*count)++];
}

/* 0, also where the socket is in the group already, or -errno. */
static int group_join(int fd, unsigned int ifindex, const struct in6_addr *addr)
{
	struct carp_addr6 of = addr_bytes(addr);
	struct carp_addr6 group = carp_nd_group(&of);
	struct ipv6_mreq m = { .ipv6mr_interface = ifindex };

	memcpy(&m.ipv6mr_multiaddr, group.b, sizeof(group.b));
	if (!setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m)) ||
	    errno == EADDRINUSE)
		return 0;
	return -errno;
}

/*
 * Memberships cost option memory (net.core.optmem_max): where one socket is
 * full another one follows. The old sockets are closed last, so that no group
 * that stays is left.
 */
static void groups_join(struct neigh6 *n)
{
	size_t count = 0, i;
	int *fds = NULL;
	int fd = -1, r = 0;

	for (i = 0; i < n->entry_count && !r; i++) {
		const struct in6_addr *a = &n->entries[i].addr;

		r = count ? group_join(fd, n->sock.ifindex, a) : -ENOBUFS;
		if (r != -ENOBUFS && r != -ENOMEM)
			continue;
		fd = groups_grow(&fds, &count);
		r = fd < 0 ? fd : group_join(fd, n->sock.ifindex, a);
	}
	groups_close(n->groups, n->group_count);
	n->groups = fds;
	n->group_count = count;
	n->joined = !r;
}

static void groups_leave(struct neigh6 *n)
{
	groups_close(n->groups, n->group_count);
	n->groups = NULL;
	n->group_count = 0;
	n->joined = false;
}

/* --- life --------------------------------------------------------------- */

static int sockets_open(struct neigh6 *n)
{
	struct neigh_program p;
	int r = program(&p, n, n->entries, n->entry_count);

	if (r)
		return r;
	r = neigh_sock_open(&n->sock, &p);
	free(p.code);
	if (!r)
		groups_join(n);
	return r;
}

int neigh6_open(struct neigh6 *n, const char *ifname,
		const struct neigh6_calls *calls)
{
	int r;

	memset(n, 0, sizeof(*n));
	n->calls = *calls;
	r = neigh_sock_init(&n->sock, ifname, ETHERTYPE_IPV6);
	return r ? r : sockets_open(n);
}

void neigh6_close(struct neigh6 *n)
{
	groups_leave(n);
	neigh_sock_close(&n->sock);
	free(n->entries);
	n->entries = NULL;
	n->entry_count = 0;
}

int neigh6_rebind(struct neigh6 *n)
{
	if (neigh_sock_current(&n->sock)) {
		if (!n->joined)
			groups_join(n);
		return 0;
	}
	groups_leave(n);
	neigh_sock_close(&n->sock);
	return sockets_open(n);
}

int neigh6_fd(const struct neigh6 *n)
{
	return n->sock.rx;
}

static bool same_addrs(const struct neigh6 *n, const struct neigh6_entry *e,
		       size_t count)
{
	size_t i;

	if (n->entry_count != count)
		return false;
	for (i = 0; i < count; i++)
		if (!IN6_ARE_ADDR_EQUAL(&n->entries[i].addr, &e[i].addr))
			return false;
	return true;
}

static int refilter(struct neigh6 *n, const struct neigh6_entry *e,
		    size_t count)
{
	struct neigh_program p;
	int r;

	if (n->sock.rx < 0)
		return 0;
	r = program(&p, n, e, count);
	if (r)
		return r;
	r = neigh_sock_filter(&n->sock, &p);
	free(p.code);
	return r;
}

int neigh6_set(struct neigh6 *n, const struct neigh6_entry *entries,
	       size_t count)
{
	struct neigh6_entry *e;
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
	if (n->sock.rx >= 0)
		groups_join(n);
	return 0;
}

/* --- one packet --------------------------------------------------------- */

bool neigh6_forwards(const char *ifname)
{
	char path[sizeof(FORWARDING_PATH) + IF_NAMESIZE];
	char byte = '0';
	int fd;
	bool read_it;

	snprintf(path, sizeof(path), FORWARDING_PATH, ifname);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	read_it = read(fd, &byte, 1) == 1;
	close(fd);
	return read_it && byte != '0';
}

/* For answers: read once a second at most. One that says "no router" takes
 * the default route from its hearer (RFC 4861, 7.2.5). */
static bool router_flag(struct neigh6 *n, int64_t at_ns)
{
	if (at_ns - n->router_ns >= NS_PER_S || at_ns < n->router_ns) {
		n->router = neigh6_forwards(n->sock.ifname);
		n->router_ns = at_ns;
	}
	return n->router;
}

static void tell_conflict(struct neigh6 *n, const struct neigh6_entry *e,
			  const uint8_t mac[6])
{
	struct neigh_conflict c = { .family = AF_INET6 };

	if (memcmp(mac, e->mac, sizeof(c.mac)) != 0)
		n->sock.counters.conflicts++;
	c.addr6 = e->addr;
	memcpy(c.mac, mac, sizeof(c.mac));
	c.answering = e->answer;
	if (n->calls.conflict)
		n->calls.conflict(&c, n->calls.arg);
}

static void take_question(struct neigh6 *n, const struct neigh6_entry *e,
			  const struct carp_nd *q, int64_t at_ns)
{
	uint8_t frame[CARP_ND_FRAME_MAX];
	size_t len;

	if (!neigh_sock_allows(&n->sock, e->answer, e->since_ns, at_ns))
		return;
	len = carp_nd_answer(q, e->mac, router_flag(n, at_ns), frame);
	neigh_sock_from(frame, e->from);
	neigh_sock_answer(&n->sock, frame, len);
}

static void take_packet(const void *frame, size_t len, int64_t at_ns, void *arg)
{
	struct neigh6 *n = arg;
	static const uint8_t nobody[6];
	struct carp_nd a;
	uint8_t other[6];
	size_t i;

	if (carp_nd_parse(frame, len, &a) != CARP_ND_OK) {
		n->sock.counters.malformed++;
		return;
	}
	for (i = 0; i < n->entry_count; i++) {
		const struct neigh6_entry *e = &n->entries[i];
		struct carp_addr6 addr = addr_bytes(&e->addr);

		/* who answers hears no such word of its own */
		if (carp_nd_claims(&a, &addr, e->answer ? nobody : e->mac,
				   other))
			tell_conflict(n, e, other);
		else if (e->answer && carp_nd_probes(&a, &addr, e->mac))
			tell_conflict(n, e, a.eth_src);
		if (carp_nd_asks(&a, &addr))
			take_question(n, e, &a, at_ns);
	}
	if (a.type == CARP_ND_RS && n->calls.solicited)
		n->calls.solicited(at_ns, n->calls.arg);
}

int neigh6_read(struct neigh6 *n, unsigned int max)
{
	return neigh_sock_read(&n->sock, max, take_packet, n);
}

void neigh6_flush(struct neigh6 *n)
{
	neigh_sock_flush(&n->sock);
}

int neigh6_announce(struct neigh6 *n, const uint8_t mac[6],
		    const struct in6_addr *addr)
{
	struct carp_addr6 a = addr_bytes(addr);
	uint8_t frame[CARP_ND_FRAME_MAX];
	size_t len;

	n->router = neigh6_forwards(n->sock.ifname);
	len = carp_nd_announce(&a, mac, n->router, frame);
	for (size_t i = 0; i < n->entry_count; i++)
		if (IN6_ARE_ADDR_EQUAL(&n->entries[i].addr, addr))
			neigh_sock_from(frame, n->entries[i].from);
	return neigh_sock_send(&n->sock, frame, len);
}

int neigh6_send(struct neigh6 *n, const void *frame, size_t len)
{
	return neigh_sock_send(&n->sock, frame, len);
}
