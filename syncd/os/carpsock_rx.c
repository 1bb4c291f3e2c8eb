// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * How adverts are received: raw IP sockets, or packet sockets where the kernel
 * would not let adverts through to those. It does not look into them.
 *
 * Text: ip(7), ipv6(7), RFC 3542 (hop limit and destination beside a packet),
 * packet(7).
 *
 * Invariant: before anything is received the socket is on its interface and
 * filtered.
 */
#include "carpsock_rx.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCK_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)
/* A flood of bad ones must not push a good one out at once: ten thousand, which
 * are 0.1 s of it. */
#define RX_BUFFER (4 << 20)

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

/* Each joins the group, and hears only that, on that interface. */
static int join_v4(const struct carpsock *s, int fd)
{
	struct ip_mreqn mreq = {
		.imr_multiaddr.s_addr = htonl(CARP_GROUP_V4),
		.imr_ifindex = (int)s->ifindex,
	};

	if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq)))
		return -errno;
	return carpsock_set_int(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
}

static int join_v6(const struct carpsock *s, int fd)
{
	struct carp_address group = carp_group(CARP_V6);
	struct ipv6_mreq mreq = { .ipv6mr_interface = s->ifindex };
	int r;

	memcpy(&mreq.ipv6mr_multiaddr, group.v6.b, sizeof(group.v6.b));
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &mreq,
		       sizeof(mreq)))
		return -errno;
	r = carpsock_set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
	if (!r)
		r = carpsock_set_int(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	if (!r)
		r = carpsock_set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	return r;
}

static int open_raw(const struct carpsock *s, enum carp_family family, int *fd)
{
	*fd = socket(family == CARP_V6 ? AF_INET6 : AF_INET,
		     SOCK_RAW | SOCK_FLAGS, CARP_IP_PROTOCOL);
	if (*fd < 0)
		return -errno;
	if (setsockopt(*fd, SOL_SOCKET, SO_BINDTODEVICE, s->conf.ifname,
		       (socklen_t)strlen(s->conf.ifname)) < 0)
		return -errno;
	return family == CARP_V6 ? join_v6(s, *fd) : join_v4(s, *fd);
}

/* Protocol 112 to us, to the group or to all; nothing that we send. */
static int filter(int fd, enum carp_family family)
{
	struct sock_filter code[] = {
		{ BPF_LD | BPF_W | BPF_ABS, 0, 0,
		  (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE) },
		{ BPF_JMP | BPF_JGE | BPF_K, 3, 0, PACKET_OTHERHOST },
		/* IPv4 protocol, or IPv6 next header */
		{ BPF_LD | BPF_B | BPF_ABS, 0, 0, family == CARP_V6 ? 6 : 9 },
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, CARP_IP_PROTOCOL },
		{ BPF_RET | BPF_K, 0, 0, UINT32_MAX },
		{ BPF_RET | BPF_K, 0, 0, 0 },
	};
	const struct sock_fprog prog = { 6, code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog))
		       ? -errno
		       : 0;
}

static int open_packet(const struct carpsock *s, enum carp_family family,
		       int *fd)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = family == CARP_V6
							  ? htons(ETH_P_IPV6)
							  : htons(ETH_P_IP),
				  .sll_ifindex = (int)s->ifindex };
	struct packet_mreq mreq = { .mr_ifindex = (int)s->ifindex,
				    .mr_type = PACKET_MR_MULTICAST,
				    .mr_alen = CARP_MAC_LEN };
	struct carp_address group = carp_group(family);
	int r;

	carp_group_mac(&group, mreq.mr_address);
	/* Nothing comes in before the filter stands: protocol 0 until bind. */
	*fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_FLAGS, 0);
	if (*fd < 0)
		return -errno;
	r = filter(*fd, family);
	if (!r && setsockopt(*fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq,
			     sizeof(mreq)) < 0)
		r = -errno;
	if (!r && bind(*fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		r = -errno;
	return r;
}

int carpsock_rx_open(struct carpsock *s, enum carp_family family)
{
	int *fd = &s->rx[family];
	int r;

	r = s->packet[family] ? -EOPNOTSUPP : open_raw(s, family, fd);
	s->raw[family] = r == 0;
	if (r) {
		if (*fd >= 0)
			close(*fd);
		r = open_packet(s, family, fd);
	}
	/* the greater one needs CAP_NET_ADMIN */
	if (!r && carpsock_set_int(*fd, SOL_SOCKET, SO_RCVBUFFORCE, RX_BUFFER))
		(void)carpsock_set_int(*fd, SOL_SOCKET, SO_RCVBUF, RX_BUFFER);
	return r;
}

/* A raw IPv6 socket says beside the payload what the header said. */
static void beside(struct msghdr *m, const struct sockaddr_in6 *from,
		   struct carp_packet *p)
{
	struct in6_pktinfo info;
	int hops = 0;

	*p = (struct carp_packet){ .src = { .family = CARP_V6 },
				   .dst = { .family = CARP_V6 } };
	memcpy(p->src.v6.b, &from->sin6_addr, sizeof(p->src.v6.b));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != IPPROTO_IPV6)
			continue;
		if (c->cmsg_type == IPV6_HOPLIMIT) {
			memcpy(&hops, CMSG_DATA(c), sizeof(hops));
		} else if (c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			memcpy(p->dst.v6.b, &info.ipi6_addr,
			       sizeof(p->dst.v6.b));
		}
	}
	p->ttl = hops > 0 && hops <= UINT8_MAX ? (uint8_t)hops : 0;
}

static int read_one(struct carpsock *s, enum carp_family family, void *buf,
		    size_t size, struct carp_packet *p, enum carp_refusal *why)
{
	bool raw6 = family == CARP_V6 && s->raw[family];
	struct sockaddr_in6 from = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int)) +
			   CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (raw6) {
		m.msg_name = &from;
		m.msg_namelen = sizeof(from);
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
	}
	do
		n = recvmsg(s->rx[family], &m, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? CARPSOCK_EMPTY : -errno;
	if (family == CARP_V4)
		*why = carp_packet_parse_v4(buf, (size_t)n, s->conf.least_ttl,
					    p);
	else if (!raw6)
		*why = carp_packet_parse_v6(buf, (size_t)n, s->conf.least_ttl,
					    p);
	else {
		beside(&m, &from, p);
		*why = carp_packet_payload_v6(buf, (size_t)n, s->conf.least_ttl,
					      p);
	}
	if (m.msg_flags & MSG_TRUNC)
		*why = CARP_REFUSED_SHORT;
	return 0;
}

int carpsock_read(struct carpsock *s, void *buf, size_t size,
		  struct carp_packet *p, enum carp_refusal *why)
{
	int r = CARPSOCK_EMPTY;

	for (int i = 0; i < CARP_FAMILIES && r == CARPSOCK_EMPTY; i++) {
		enum carp_family family = s->next;

		s->next = family == CARP_V4 ? CARP_V6 : CARP_V4;
		if (s->rx[family] >= 0)
			r = read_one(s, family, buf, size, p, why);
	}
	return r;
}
