/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two sockets for adverts on one interface. It does not look into them.
 *
 * Text: spec/carp-pfsync-ifstated.md A.1 (protocol 112, 224.0.0.18); ip(7),
 * packet(7); spec/linux-vip.md (the mark, the refusal).
 *
 * Invariant: what is sent passes the netdev egress hook, where the lease
 * stands (so never PACKET_QDISC_BYPASS), and carries the mark.
 */
#include "carpsock.h"

#include "wire.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/pkt_sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCK_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno
								      : 0;
}

static int rx_join(int fd, unsigned int ifindex)
{
	struct ip_mreqn mreq = {
		.imr_multiaddr.s_addr = htonl(CARP_GROUP_V4),
		.imr_ifindex = (int)ifindex,
	};

	if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq)))
		return -errno;
	/* Only the groups this socket joined, on the interface it joined. */
	return set_int(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
}

static int rx_open(struct carpsock *s)
{
	int r = 0;

	s->rx = socket(AF_INET, SOCK_RAW | SOCK_FLAGS, CARP_IP_PROTOCOL);
	if (s->rx < 0)
		return -errno;
	if (setsockopt(s->rx, SOL_SOCKET, SO_BINDTODEVICE, s->ifname,
		       (socklen_t)strlen(s->ifname)) < 0)
		r = -errno;
	return r ? r : rx_join(s->rx, s->ifindex);
}

static int tx_open(struct carpsock *s)
{
	/* Protocol 0: no frame is ever handed to this socket. */
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)s->ifindex };
	int r;

	s->tx = socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, 0);
	if (s->tx < 0)
		return -errno;
	if (bind(s->tx, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	r = set_int(s->tx, SOL_SOCKET, SO_MARK, (int)s->mark);
	if (!r)
		r = set_int(s->tx, SOL_SOCKET, SO_PRIORITY, TC_PRIO_CONTROL);
	return r;
}

static int carpsock_start(struct carpsock *s)
{
	int r;

	s->ifindex = if_nametoindex(s->ifname);
	if (!s->ifindex)
		return -ENODEV;
	r = rx_open(s);
	if (!r)
		r = tx_open(s);
	if (r)
		carpsock_close(s);
	return r == -ENXIO ? -ENODEV : r;
}

int carpsock_open(struct carpsock *s, const char *ifname, uint32_t mark)
{
	memset(s, 0, sizeof(*s));
	s->rx = -1;
	s->tx = -1;
	s->mark = mark;
	if (strlen(ifname) >= sizeof(s->ifname))
		return -ENODEV;
	strcpy(s->ifname, ifname);
	return carpsock_start(s);
}

void carpsock_close(struct carpsock *s)
{
	if (s->rx >= 0)
		close(s->rx);
	if (s->tx >= 0)
		close(s->tx);
	s->rx = -1;
	s->tx = -1;
	s->ifindex = 0;
}

int carpsock_rebind(struct carpsock *s)
{
	if (s->rx >= 0 && if_nametoindex(s->ifname) == s->ifindex)
		return 0;
	carpsock_close(s);
	return carpsock_start(s);
}

int carpsock_fd(const struct carpsock *s)
{
	return s->rx;
}

int carpsock_read(struct carpsock *s, void *buf, size_t size, size_t *len,
		  struct in_addr *from)
{
	struct sockaddr_in sin = { 0 };
	socklen_t sin_len = sizeof(sin);
	ssize_t n;

	*len = 0;
	from->s_addr = 0;
	do
		n = recvfrom(s->rx, buf, size, MSG_TRUNC,
			     (struct sockaddr *)&sin, &sin_len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? CARPSOCK_EMPTY : -errno;
	*from = sin.sin_addr;
	*len = (size_t)n < size ? (size_t)n : size;
	return (size_t)n > size ? CARPSOCK_TRUNCATED : 0;
}

int carpsock_send(struct carpsock *s, const void *frame, size_t len)
{
	ssize_t n;

	do
		n = send(s->tx, frame, len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}
