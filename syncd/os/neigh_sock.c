/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packet sockets that questions are read from and answers sent to. It knows
 * Ethernet, but neither ARP nor neighbour discovery, and no table.
 *
 * Implements what rules 6 asks of both. Invariant: no answer to a request
 * that came before the grant, and no more than the rate in any second.
 */
#include "neigh_sock.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/pkt_sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOCK_FLAGS    (SOCK_CLOEXEC | SOCK_NONBLOCK)
#define NS_PER_S      1000000000LL
#define PROGRAM_EXTRA 16
#define FRAME_MAX     2048 /* longer ones lie about their length */

/* --- filter ------------------------------------------------------------- */

void neigh_program_emit(struct neigh_program *p, uint16_t code, uint8_t jt,
			uint8_t jf, uint32_t k)
{
	if (p->len < p->room)
		p->code[p->len++] = (struct sock_filter){ code, jt, jf, k };
}

void neigh_program_accept(struct neigh_program *p, uint32_t k)
{
	neigh_program_emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, k);
	neigh_program_emit(p, BPF_RET | BPF_K, 0, 0, UINT32_MAX);
}

int neigh_program_begin(struct neigh_program *p, size_t more)
{
	*p = (struct neigh_program){ .room = (unsigned short)(more +
							      PROGRAM_EXTRA) };
	p->code = calloc(p->room, sizeof(*p->code));
	if (!p->code)
		return -ENOMEM;
	neigh_program_emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0,
			   (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE));
	neigh_program_emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1,
			   PACKET_OTHERHOST);
	neigh_program_emit(p, BPF_RET | BPF_K, 0, 0, 0);
	return 0;
}

int neigh_sock_filter(struct neigh_sock *s, const struct neigh_program *p)
{
	struct sock_fprog prog = { p->len, p->code };

	if (setsockopt(s->rx, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
		       sizeof(prog)))
		return -errno;
	return 0;
}

/* --- sockets ------------------------------------------------------------ */

static int packet_bind(int fd, unsigned int ifindex, uint16_t protocol)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(protocol),
				  .sll_ifindex = (int)ifindex };

	return bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0 ? -errno : 0;
}

static int rx_open(struct neigh_sock *s, const struct neigh_program *p)
{
	int on = 1;
	int r;

	/* Nothing comes in before the filter stands: protocol 0 until bind. */
	s->rx = socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, 0);
	if (s->rx < 0)
		return -errno;
	if (setsockopt(s->rx, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)))
		return -errno;
	r = neigh_sock_filter(s, p);
	return r ? r : packet_bind(s->rx, s->ifindex, s->ethertype);
}

static int tx_open(struct neigh_sock *s)
{
	int priority = TC_PRIO_CONTROL;

	s->tx = socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, 0);
	if (s->tx < 0)
		return -errno;
	if (setsockopt(s->tx, SOL_SOCKET, SO_PRIORITY, &priority,
		       sizeof(priority)))
		return -errno;
	return packet_bind(s->tx, s->ifindex, 0);
}

int neigh_sock_init(struct neigh_sock *s, const char *ifname,
		    uint16_t ethertype)
{
	memset(s, 0, sizeof(*s));
	s->rx = -1;
	s->tx = -1;
	s->ethertype = ethertype;
	if (strlen(ifname) >= sizeof(s->ifname))
		return -ENODEV;
	strcpy(s->ifname, ifname);
	return 0;
}

int neigh_sock_open(struct neigh_sock *s, const struct neigh_program *p)
{
	int r;

	s->ifindex = if_nametoindex(s->ifname);
	if (!s->ifindex)
		return -ENODEV;
	r = rx_open(s, p);
	if (!r)
		r = tx_open(s);
	if (r)
		neigh_sock_close(s);
	return r;
}

void neigh_sock_close(struct neigh_sock *s)
{
	if (s->rx >= 0)
		close(s->rx);
	if (s->tx >= 0)
		close(s->tx);
	s->rx = -1;
	s->tx = -1;
	s->ifindex = 0;
}

bool neigh_sock_current(const struct neigh_sock *s)
{
	return s->rx >= 0 && if_nametoindex(s->ifname) == s->ifindex;
}

/* --- packets ------------------------------------------------------------ */

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
static bool read_one(struct neigh_sock *s, neigh_packet_cb *cb, void *arg,
		     int *err)
{
	uint8_t frame[FRAME_MAX];
	_Alignas(struct cmsghdr) char control[256];
	struct iovec iov = { frame, sizeof(frame) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(s->rx, &m, 0);

	*err = 0;
	if (len < 0 && errno == EINTR)
		return true;
	if (len < 0) {
		*err = errno == EAGAIN ? 0 : -errno;
		return false;
	}
	cb(frame, (size_t)len, packet_time(&m), arg);
	return true;
}

int neigh_sock_read(struct neigh_sock *s, unsigned int max, neigh_packet_cb *cb,
		    void *arg)
{
	int err;

	while (max--)
		if (!read_one(s, cb, arg, &err))
			return err;
	return NEIGH_MORE;
}

void neigh_sock_flush(struct neigh_sock *s)
{
	char byte;

	while (s->rx >= 0) {
		if (recv(s->rx, &byte, 1, 0) >= 0)
			s->counters.flushed++;
		else if (errno != EINTR && errno != ENETDOWN)
			return;
	}
}

void neigh_sock_from(uint8_t *frame, const uint8_t from[6])
{
	static const uint8_t none[6];

	if (memcmp(from, none, sizeof(none)) != 0)
		memcpy(frame + sizeof(none), from, sizeof(none));
}

int neigh_sock_send(struct neigh_sock *s, const void *frame, size_t len)
{
	ssize_t r;

	do
		r = send(s->tx, frame, len, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return (size_t)r == len ? 0 : -EIO;
}

/*
 * At most NEIGH_ANSWERS_PER_S in any second: the answer that many answers ago
 * is at least a second old. A clock set back forgets them.
 */
static bool rate_allows(struct neigh_sock *s, int64_t at_ns)
{
	int64_t *oldest = &s->sent_ns[s->sent_at];
	unsigned int newest =
		(s->sent_at + NEIGH_ANSWERS_PER_S - 1) % NEIGH_ANSWERS_PER_S;

	if (at_ns < s->sent_ns[newest] - NS_PER_S)
		memset(s->sent_ns, 0, sizeof(s->sent_ns));
	if (*oldest && at_ns - *oldest < NS_PER_S)
		return false;
	*oldest = at_ns;
	s->sent_at = (s->sent_at + 1) % NEIGH_ANSWERS_PER_S;
	return true;
}

bool neigh_sock_allows(struct neigh_sock *s, bool answer, int64_t since_ns,
		       int64_t at_ns)
{
	if (!answer)
		s->counters.not_master++;
	else if (at_ns < since_ns)
		s->counters.stale++;
	else if (!rate_allows(s, at_ns))
		s->counters.limited++;
	else
		return true;
	return false;
}

void neigh_sock_answer(struct neigh_sock *s, const void *frame, size_t len)
{
	int r = neigh_sock_send(s, frame, len);

	if (!r)
		s->counters.answered++;
	else if (r == -ENOBUFS)
		s->counters.refused++;
	else
		s->counters.send_errors++;
}
