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
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCK_FLAGS	 (SOCK_CLOEXEC | SOCK_NONBLOCK)
#define IPV4_PROTOCOL_AT 9

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

/* Protocol 112 to us, to the group or to all; nothing that we send. */
static int rx_filter(int fd)
{
	static struct sock_filter code[] = {
		{ BPF_LD | BPF_W | BPF_ABS, 0, 0,
		  (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE) },
		{ BPF_JMP | BPF_JGE | BPF_K, 3, 0, PACKET_OTHERHOST },
		{ BPF_LD | BPF_B | BPF_ABS, 0, 0, IPV4_PROTOCOL_AT },
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, CARP_IP_PROTOCOL },
		{ BPF_RET | BPF_K, 0, 0, UINT32_MAX },
		{ BPF_RET | BPF_K, 0, 0, 0 },
	};
	const struct sock_fprog prog = { 6, code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog))
		       ? -errno
		       : 0;
}

static int rx_open_packet(struct carpsock *s)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_IP),
				  .sll_ifindex = (int)s->ifindex };
	struct packet_mreq group = { .mr_ifindex = (int)s->ifindex,
				     .mr_type = PACKET_MR_MULTICAST,
				     .mr_alen = CARP_MAC_LEN };
	int r;

	carp_wire_group_mac(CARP_GROUP_V4, group.mr_address);
	/* Nothing comes in before the filter stands: protocol 0 until bind. */
	s->rx = socket(AF_PACKET, SOCK_DGRAM | SOCK_FLAGS, 0);
	if (s->rx < 0)
		return -errno;
	r = rx_filter(s->rx);
	if (!r && setsockopt(s->rx, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &group,
			     sizeof(group)) < 0)
		r = -errno;
	if (!r && bind(s->rx, (struct sockaddr *)&at, sizeof(at)) < 0)
		r = -errno;
	return r;
}

static int rx_open(struct carpsock *s)
{
	int r = 0;

	if (s->packet)
		return rx_open_packet(s);

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

int carpsock_packet(struct carpsock *s, bool packet)
{
	if (s->packet == packet)
		return 0;
	s->packet = packet;
	carpsock_close(s);
	return carpsock_start(s);
}

int carpsock_fd(const struct carpsock *s)
{
	return s->rx;
}

int carpsock_read(struct carpsock *s, void *buf, size_t size, size_t *len)
{
	ssize_t n;

	*len = 0;
	do
		n = recv(s->rx, buf, size, MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? CARPSOCK_EMPTY : -errno;
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
