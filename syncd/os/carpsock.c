// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Sockets for adverts on one interface: their life, and what is sent. How they
 * receive is carpsock_rx. Which advert goes where is not known here.
 *
 * Text: OpenBSD ip_carp.c (protocol 112, 224.0.0.18, ff02::12);
 * raw(7), packet(7); LINUX-VIP.md (the mark, the refusal).
 *
 * Invariant: what is sent passes the netdev egress hook, where the lease
 * stands (so never PACKET_QDISC_BYPASS), and carries the mark unless its maker
 * said otherwise.
 */
#include "carpsock.h"

#include "carpsock_rx.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/pkt_sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCK_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)
/* The kernel keeps 208 kB for a peer that does not answer ARP or ND; eight of
 * them must leave room for those that do. */
#define UNICAST_BUFFER (1 << 20)

int carpsock_set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno
								      : 0;
}

static int set_tx(int fd, uint32_t mark)
{
	int r = carpsock_set_int(fd, SOL_SOCKET, SO_MARK, (int)mark);

	return r ? r
		 : carpsock_set_int(fd, SOL_SOCKET, SO_PRIORITY,
				    TC_PRIO_CONTROL);
}

static int tx_open(struct carpsock *s)
{
	/* Protocol 0: no frame is ever handed to this socket. */
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)s->ifindex };

	s->tx = socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, 0);
	if (s->tx < 0)
		return -errno;
	if (bind(s->tx, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return set_tx(s->tx, s->conf.mark);
}

/* For whole IP packets. Of IPPROTO_RAW nothing is ever received. */
static int unicast_open(struct carpsock *s, enum carp_family family)
{
	int fd = socket(family == CARP_V6 ? AF_INET6 : AF_INET,
			SOCK_RAW | SOCK_FLAGS, IPPROTO_RAW);

	s->unicast[family] = fd;
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, s->conf.ifname,
		       (socklen_t)strlen(s->conf.ifname)) < 0)
		return -errno;
	/* doubled by the kernel; the greater one needs CAP_NET_ADMIN */
	if (carpsock_set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, UNICAST_BUFFER))
		(void)carpsock_set_int(fd, SOL_SOCKET, SO_SNDBUF,
				       UNICAST_BUFFER);
	return set_tx(fd, s->conf.mark);
}

static int watch(struct carpsock *s, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(s->poll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static int family_open(struct carpsock *s, enum carp_family family)
{
	int r = 0;

	if (s->conf.families[family]) {
		r = carpsock_rx_open(s, family);
		if (!r)
			r = watch(s, s->rx[family]);
	}
	if (!r && s->conf.unicast[family])
		r = unicast_open(s, family);
	return r;
}

static int carpsock_start(struct carpsock *s)
{
	int r = 0;

	s->ifindex = if_nametoindex(s->conf.ifname);
	if (!s->ifindex)
		return -ENODEV;
	s->poll = epoll_create1(EPOLL_CLOEXEC);
	if (s->poll < 0)
		r = -errno;
	for (unsigned f = 0; f < CARP_FAMILIES && !r; f++)
		r = family_open(s, (enum carp_family)f);
	if (!r)
		r = tx_open(s);
	if (r)
		carpsock_close(s);
	return r == -ENXIO ? -ENODEV : r;
}

int carpsock_open(struct carpsock *s, const struct carpsock_conf *conf)
{
	*s = (struct carpsock){ .conf = *conf, .tx = -1, .poll = -1 };
	for (int f = 0; f < CARP_FAMILIES; f++)
		s->rx[f] = s->unicast[f] = -1;
	return carpsock_start(s);
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void carpsock_close(struct carpsock *s)
{
	for (int f = 0; f < CARP_FAMILIES; f++) {
		close_one(&s->rx[f]);
		close_one(&s->unicast[f]);
	}
	close_one(&s->tx);
	close_one(&s->poll);
	s->ifindex = 0;
}

bool carpsock_is_bound(const struct carpsock *s)
{
	return s->poll >= 0 && if_nametoindex(s->conf.ifname) == s->ifindex;
}

int carpsock_rebind(struct carpsock *s)
{
	if (carpsock_is_bound(s))
		return 0;
	carpsock_close(s);
	return carpsock_start(s);
}

int carpsock_packet(struct carpsock *s, const bool packet[CARP_FAMILIES])
{
	if (memcmp(s->packet, packet, sizeof(s->packet)) == 0)
		return 0;
	memcpy(s->packet, packet, sizeof(s->packet));
	carpsock_close(s);
	return carpsock_start(s);
}

int carpsock_fd(const struct carpsock *s)
{
	return s->poll;
}

void carpsock_frame(const struct carpsock *s, const struct carp_frame *f,
		    const uint8_t advert[CARP_ADVERT_LEN],
		    struct carpsock_out *o)
{
	*o = (struct carpsock_out){ .fd = s->tx };
	o->len = carp_frame_build(f, advert, o->bytes, sizeof(o->bytes));
}

void carpsock_unicast(const struct carpsock *s, const struct carp_frame *f,
		      const uint8_t advert[CARP_ADVERT_LEN],
		      struct carpsock_out *o)
{
	*o = (struct carpsock_out){ .fd = s->unicast[f->dst.family] };
	o->len = carp_packet_build(f, advert, o->bytes, sizeof(o->bytes));
	if (f->dst.family == CARP_V4) {
		o->to_len = sizeof(o->to.v4);
		o->to.v4.sin_family = AF_INET;
		o->to.v4.sin_addr.s_addr = htonl(f->dst.v4);
		return;
	}
	/* the scope is the device that the socket is bound to */
	o->to_len = sizeof(o->to.v6);
	o->to.v6.sin6_family = AF_INET6;
	memcpy(&o->to.v6.sin6_addr, f->dst.v6.b, sizeof(f->dst.v6.b));
}

int carpsock_send(const struct carpsock_out *o)
{
	/* the kernel only reads what these point to */
	struct carpsock_out copy = *o;
	struct iovec iov = { .iov_base = copy.bytes, .iov_len = copy.len };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(uint32_t))];
	} control = { .align = { .cmsg_len = CMSG_LEN(sizeof(uint32_t)),
				 .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SO_MARK } };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (copy.to_len) {
		m.msg_name = &copy.to;
		m.msg_namelen = copy.to_len;
	}
	if (copy.unmarked) {
		m.msg_control = &control; /* a mark of 0 */
		m.msg_controllen = sizeof(control);
	}
	do
		n = sendmsg(o->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == copy.len ? 0 : -EIO;
}
