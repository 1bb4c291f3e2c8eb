/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers ARP requests for shared addresses. It does not decide who is master:
 * a table tells it, and behind it the lease, whose egress rule refuses what a
 * machine without the right would say.
 *
 * Implements rules.md 6; RFC 826, RFC 5227 (probes); OpenBSD carp_iamatch. The
 * bytes are carp/announce.
 *
 * Invariant: no answer to a request that came before the grant, and never one
 * that names another MAC than the table's.
 */
#include "neigh.h"

#include "announce.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/pkt_sched.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCK_FLAGS  (SOCK_CLOEXEC | SOCK_NONBLOCK)
#define ENTRIES_MAX 1000 /* BPF_MAXINSNS is 4096, four an address */
#define NS_PER_S    1000000000LL
#define ARP_SENDER  28 /* offsets in the frame */
#define ARP_TARGET  38

/* --- filter ------------------------------------------------------------- */

struct program {
	struct sock_filter *code;
	unsigned short len;
};

static void emit(struct program *p, uint16_t code, uint8_t jt, uint8_t jf,
		 uint32_t k)
{
	p->code[p->len++] = (struct sock_filter){ code, jt, jf, k };
}

/* Accept where the four bytes at offset are an entry's address. */
static void emit_addrs(struct program *p, uint32_t offset,
		       const struct neigh_entry *e, size_t count)
{
	size_t i;

	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
	for (i = 0; i < count; i++) {
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1,
		     ntohl(e[i].addr.s_addr));
		emit(p, BPF_RET | BPF_K, 0, 0, UINT32_MAX);
	}
}

/*
 * Not our own frames, not those for other machines (PACKET_OTHERHOST: the
 * lease's ingress rule makes those to a held virtual MAC PACKET_HOST), and
 * only ARP that asks for one of the addresses or says where it is.
 */
static int filter_attach(int fd, const struct neigh_entry *e, size_t count)
{
	struct program p = { 0 };
	struct sock_fprog prog;
	int r = 0;

	p.code = calloc(8 + 4 * count, sizeof(*p.code));
	if (!p.code)
		return -ENOMEM;
	emit(&p, BPF_LD | BPF_W | BPF_ABS, 0, 0,
	     (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE));
	emit(&p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, PACKET_OTHERHOST);
	emit(&p, BPF_RET | BPF_K, 0, 0, 0);
	emit_addrs(&p, ARP_TARGET, e, count);
	emit_addrs(&p, ARP_SENDER, e, count);
	emit(&p, BPF_RET | BPF_K, 0, 0, 0);
	prog = (struct sock_fprog){ p.len, p.code };
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)))
		r = -errno;
	free(p.code);
	return r;
}

/* --- sockets ------------------------------------------------------------ */

static int packet_bind(int fd, unsigned int ifindex, uint16_t protocol)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(protocol),
				  .sll_ifindex = (int)ifindex };

	return bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0 ? -errno : 0;
}

static int rx_open(struct neigh *n)
{
	int on = 1;
	int r;

	/* Nothing comes in before the filter stands: protocol 0 until bind. */
	n->rx = socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, 0);
	if (n->rx < 0)
		return -errno;
	if (setsockopt(n->rx, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)))
		return -errno;
	r = filter_attach(n->rx, n->entries, n->entry_count);
	return r ? r : packet_bind(n->rx, n->ifindex, ETHERTYPE_ARP);
}

static int tx_open(struct neigh *n)
{
	int priority = TC_PRIO_CONTROL;

	n->tx = socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, 0);
	if (n->tx < 0)
		return -errno;
	if (setsockopt(n->tx, SOL_SOCKET, SO_PRIORITY, &priority,
		       sizeof(priority)))
		return -errno;
	return packet_bind(n->tx, n->ifindex, 0);
}

static void sockets_close(struct neigh *n)
{
	if (n->rx >= 0)
		close(n->rx);
	if (n->tx >= 0)
		close(n->tx);
	n->rx = -1;
	n->tx = -1;
	n->ifindex = 0;
}

static int sockets_open(struct neigh *n)
{
	int r;

	n->ifindex = if_nametoindex(n->ifname);
	if (!n->ifindex)
		return -ENODEV;
	r = rx_open(n);
	if (!r)
		r = tx_open(n);
	if (r)
		sockets_close(n);
	return r;
}

int neigh_open(struct neigh *n, const char *ifname, neigh_conflict_cb *conflict,
	       void *conflict_arg)
{
	memset(n, 0, sizeof(*n));
	n->rx = -1;
	n->tx = -1;
	n->conflict = conflict;
	n->conflict_arg = conflict_arg;
	if (strlen(ifname) >= sizeof(n->ifname))
		return -ENODEV;
	strcpy(n->ifname, ifname);
	return sockets_open(n);
}

void neigh_close(struct neigh *n)
{
	sockets_close(n);
	free(n->entries);
	n->entries = NULL;
	n->entry_count = 0;
}

int neigh_rebind(struct neigh *n)
{
	if (n->rx >= 0 && if_nametoindex(n->ifname) == n->ifindex)
		return 0;
	sockets_close(n);
	return sockets_open(n);
}

int neigh_fd(const struct neigh *n)
{
	return n->rx;
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

int neigh_set(struct neigh *n, const struct neigh_entry *entries, size_t count)
{
	struct neigh_entry *e;
	int r;

	if (same_addrs(n, entries, count)) {
		if (count)
			memcpy(n->entries, entries, count * sizeof(*entries));
		return 0;
	}
	if (count > ENTRIES_MAX)
		return -E2BIG;
	r = n->rx < 0 ? 0 : filter_attach(n->rx, entries, count);
	if (r)
		return r;
	e = calloc(count ? count : 1, sizeof(*e));
	if (!e)
		return -ENOMEM;
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

/*
 * At most NEIGH_ANSWERS_PER_S in any second: the answer that many answers ago
 * is at least a second old. A clock set back forgets them.
 */
static bool rate_allows(struct neigh *n, int64_t at_ns)
{
	int64_t *oldest = &n->sent_ns[n->sent_at];
	unsigned int newest =
		(n->sent_at + NEIGH_ANSWERS_PER_S - 1) % NEIGH_ANSWERS_PER_S;

	if (at_ns < n->sent_ns[newest] - NS_PER_S)
		memset(n->sent_ns, 0, sizeof(n->sent_ns));
	if (*oldest && at_ns - *oldest < NS_PER_S)
		return false;
	*oldest = at_ns;
	n->sent_at = (n->sent_at + 1) % NEIGH_ANSWERS_PER_S;
	return true;
}

static int neigh_send(struct neigh *n, const void *frame, size_t len)
{
	ssize_t r;

	do
		r = send(n->tx, frame, len, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return (size_t)r == len ? 0 : -EIO;
}

static void take_request(struct neigh *n, const struct carp_arp *q,
			 int64_t at_ns)
{
	const struct neigh_entry *e = entry_find(n, q->target);
	uint8_t frame[CARP_ARP_FRAME_LEN];
	size_t len;
	int r;

	if (!e || !carp_arp_asks(q, q->target))
		return;
	if (!e->answer) {
		n->counters.not_master++;
	} else if (at_ns < e->since_ns) {
		n->counters.stale++;
	} else if (!rate_allows(n, at_ns)) {
		n->counters.limited++;
	} else {
		len = carp_arp_reply(q, e->mac, frame);
		r = neigh_send(n, frame, len);
		if (!r)
			n->counters.answered++;
		else if (r == -ENOBUFS)
			n->counters.refused++;
		else
			n->counters.send_errors++;
	}
}

static void take_claim(struct neigh *n, const struct carp_arp *a)
{
	const struct neigh_entry *e = entry_find(n, a->sender);
	struct neigh_conflict c;

	if (!e || !carp_arp_claims(a, a->sender, e->mac))
		return;
	n->counters.conflicts++;
	c.addr = e->addr;
	memcpy(c.mac, a->sender_mac, sizeof(c.mac));
	c.answering = e->answer;
	if (n->conflict)
		n->conflict(&c, n->conflict_arg);
}

static void take_packet(struct neigh *n, const void *frame, size_t len,
			int64_t at_ns)
{
	struct carp_arp a;

	if (carp_arp_parse(frame, len, &a) != CARP_ARP_OK) {
		n->counters.malformed++;
		return;
	}
	take_claim(n, &a);
	if (a.op == CARP_ARP_REQUEST)
		take_request(n, &a, at_ns);
}

/* When the kernel received it; 0, older than any grant, if it does not say. */
static int64_t packet_time(struct msghdr *m)
{
	struct cmsghdr *c;
	struct timespec ts;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
	}
	return 0;
}

/* Handles one packet; false with *err when there is none. */
static bool read_one(struct neigh *n, int *err)
{
	uint8_t frame[256];
	_Alignas(struct cmsghdr) char control[256];
	struct iovec iov = { frame, sizeof(frame) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(n->rx, &m, 0);

	*err = 0;
	if (len < 0 && errno == EINTR)
		return true;
	if (len < 0) {
		*err = errno == EAGAIN ? 0 : -errno;
		return false;
	}
	take_packet(n, frame, (size_t)len, packet_time(&m));
	return true;
}

int neigh_read(struct neigh *n, unsigned int max)
{
	int err;

	while (max--)
		if (!read_one(n, &err))
			return err;
	return NEIGH_MORE;
}

void neigh_flush(struct neigh *n)
{
	char byte;

	while (n->rx >= 0) {
		if (recv(n->rx, &byte, 1, 0) >= 0)
			n->counters.flushed++;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR && errno != ENETDOWN)
			return;
	}
}

int neigh_announce(struct neigh *n, const uint8_t mac[6], struct in_addr addr)
{
	uint8_t frame[CARP_ARP_FRAME_LEN];
	size_t len = carp_arp_gratuitous(ntohl(addr.s_addr), mac, frame);

	return neigh_send(n, frame, len);
}
