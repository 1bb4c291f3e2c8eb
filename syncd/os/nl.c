/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Netlink sockets: open, one conversation, many datagrams at once. Knows no
 * family and no message; those are the callers'.
 *
 * Text: RFC 3549, netlink(7), and af_netlink.c for what is synchronous.
 *
 * Invariant: nobody waits here. An answer that is not in the queue when the
 * request was sent does not come.
 */
#include "nl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif

/* A higher descriptor would cost a larger table of them. */
#define FILES_MAX 1024

/* Dumps come in chunks of at most this size. */
#define CHUNK 32768

static int set_int(struct nl_sock *s, int level, int name, int value)
{
	if (setsockopt(s->fd, level, name, &value, sizeof(value)) < 0)
		return -errno;
	return 0;
}

/* Root may exceed rmem_max and wmem_max; who may not gets what is allowed. */
static int set_buffer(struct nl_sock *s, int force, int polite, size_t bytes)
{
	int half;

	if (bytes > INT_MAX)
		return -EINVAL;
	half = (int)(bytes / 2); /* the kernel doubles what it is told */
	if (set_int(s, SOL_SOCKET, force, half) == 0)
		return 0;
	return set_int(s, SOL_SOCKET, polite, half);
}

static int sock_setup(struct nl_sock *s, unsigned groups, size_t rcvbuf)
{
	int ret;

	/* Answers to a failed request need not repeat the request. */
	ret = set_int(s, SOL_NETLINK, NETLINK_CAP_ACK, 1);
	if (ret == 0 && rcvbuf > 0)
		ret = set_buffer(s, SO_RCVBUFFORCE, SO_RCVBUF, rcvbuf);
	if (ret == 0 && mnl_socket_bind(s->mnl, groups, MNL_SOCKET_AUTOPID) < 0)
		ret = -errno;
	return ret;
}

int nl_open(struct nl_sock *s, int bus, unsigned groups, size_t rcvbuf)
{
	int ret;

	*s = (struct nl_sock){ .fd = -1 };
	s->mnl = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (s->mnl == NULL)
		return -errno;
	s->fd = mnl_socket_get_fd(s->mnl);
	ret = sock_setup(s, groups, rcvbuf);
	if (ret < 0) {
		nl_close(s);
		return ret;
	}
	s->portid = mnl_socket_get_portid(s->mnl);
	return 0;
}

int nl_open_route(struct nl_sock *s)
{
	int on = 1;
	int ret = nl_open(s, NETLINK_ROUTE, 0, 0);

	if (!ret)
		(void)mnl_socket_setsockopt(s->mnl, NETLINK_GET_STRICT_CHK, &on,
					    sizeof(on));
	return ret;
}

int nl_adopt(struct nl_sock *s, int fd)
{
	int domain, err = 0;
	socklen_t len = sizeof(domain);

	*s = (struct nl_sock){ .fd = -1 };
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
		err = -errno;
	else if (domain != AF_NETLINK)
		err = -EINVAL;
	if (!err) {
		s->mnl = mnl_socket_fdopen(fd);
		err = s->mnl ? 0 : -errno;
	}
	if (err) {
		close(fd);
		return err;
	}
	s->fd = fd;
	s->portid = mnl_socket_get_portid(s->mnl);
	return 0;
}

int nl_move_high(struct nl_sock *s)
{
	struct rlimit files;
	struct mnl_socket *moved;
	int fd;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	if (files.rlim_cur > FILES_MAX)
		files.rlim_cur = FILES_MAX;
	fd = fcntl(s->fd, F_DUPFD_CLOEXEC, (int)files.rlim_cur - 1);
	if (fd < 0)
		return -errno;
	moved = mnl_socket_fdopen(fd);
	if (moved == NULL) {
		int err = -errno;

		close(fd);
		return err;
	}
	mnl_socket_close(s->mnl);
	s->mnl = moved;
	s->fd = fd;
	return 0;
}

void nl_close(struct nl_sock *s)
{
	if (s->mnl != NULL)
		mnl_socket_close(s->mnl);
	*s = (struct nl_sock){ .fd = -1 };
}

int nl_set_sndbuf(struct nl_sock *s, size_t bytes)
{
	return set_buffer(s, SO_SNDBUFFORCE, SO_SNDBUF, bytes);
}

int nl_group_join(struct nl_sock *s, unsigned group)
{
	return set_int(s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, (int)group);
}

int nl_group_leave(struct nl_sock *s, unsigned group)
{
	return set_int(s, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, (int)group);
}

int nl_send(struct nl_sock *s, const void *request, size_t len)
{
	ssize_t n;

	do
		n = mnl_socket_sendto(s->mnl, request, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* What is known of a conversation while its answers are read. */
struct talk {
	uint32_t first, last; /* sequence numbers of the request */
	unsigned missing;     /* acknowledgements still to come */
	bool multi_open;      /* parts of a dump came, its end did not */
	int error;	      /* the first one */
	nl_cb *cb;
	void *arg;
};

static void talk_fail(struct talk *t, int error)
{
	if (t->error == 0)
		t->error = error;
}

/* Numbers the messages of a request and counts what they ask to be told. */
static int talk_prepare(struct nl_sock *s, struct talk *t, void *request,
			size_t len)
{
	struct nlmsghdr *nlh = request;
	int left = (int)len;

	if (len > INT_MAX || !mnl_nlmsg_ok(nlh, left))
		return -EBADMSG;
	t->first = s->seq + 1;
	while (mnl_nlmsg_ok(nlh, left)) {
		nlh->nlmsg_seq = ++s->seq;
		if (nlh->nlmsg_flags & NLM_F_ACK)
			t->missing++;
		nlh = mnl_nlmsg_next(nlh, &left);
	}
	t->last = s->seq;
	/* A rest that is no message would end the batch without a word. */
	return left == 0 ? 0 : -EBADMSG;
}

/* The int at the head of an NLMSG_ERROR, and of an NLMSG_DONE that has one. */
static int talk_code(const struct nlmsghdr *nlh)
{
	int code = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
	return code;
}

static void talk_data(struct talk *t, const struct nlmsghdr *nlh)
{
	int ret;

	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		talk_fail(t, -EINTR);
	if (nlh->nlmsg_flags & NLM_F_MULTI)
		t->multi_open = true;
	if (t->cb == NULL || t->error < 0)
		return;
	ret = t->cb(nlh, t->arg);
	if (ret < 0)
		talk_fail(t, ret);
}

static void talk_message(struct talk *t, const struct nlmsghdr *nlh)
{
	if (nlh->nlmsg_seq - t->first > t->last - t->first)
		return; /* an older conversation's */
	switch (nlh->nlmsg_type) {
	case NLMSG_NOOP:
	case NLMSG_OVERRUN:
		break;
	case NLMSG_DONE:
	case NLMSG_ERROR:
		/* CT_GET_STATS sets NLM_F_MULTI and ends in an ack. */
		t->multi_open = false;
		if (t->missing > 0)
			t->missing--;
		if (talk_code(nlh) < 0)
			talk_fail(t, talk_code(nlh));
		break;
	default:
		talk_data(t, nlh);
	}
}

static void talk_datagram(struct talk *t, const void *data, int len)
{
	const struct nlmsghdr *nlh = data;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
		talk_message(t, nlh);
	if (len != 0)
		talk_fail(t, -EBADMSG);
}

/* Reads until the queue is empty, whatever happens on the way. */
static void talk_read(struct nl_sock *s, struct talk *t)
{
	_Alignas(8) uint8_t chunk[CHUNK];
	ssize_t n;

	for (;;) {
		n = recv(s->fd, chunk, sizeof(chunk), MSG_DONTWAIT | MSG_TRUNC);
		if (n > (ssize_t)sizeof(chunk))
			talk_fail(t, -EMSGSIZE);
		else if (n >= 0)
			talk_datagram(t, chunk, (int)n);
		else if (errno == EAGAIN)
			return;
		else if (errno == ENOBUFS)
			talk_fail(t, -ENOBUFS);
		else if (errno != EINTR) {
			talk_fail(t, -errno);
			return;
		}
	}
}

int nl_talk(struct nl_sock *s, void *request, size_t len, nl_cb *cb, void *arg)
{
	struct talk t = { .cb = cb, .arg = arg };
	int ret;

	ret = talk_prepare(s, &t, request, len);
	if (ret < 0)
		return ret;
	ret = nl_send(s, request, len);
	if (ret < 0)
		return ret;
	talk_read(s, &t);
	if (t.error == 0 && (t.missing > 0 || t.multi_open))
		return -ENOMSG;
	return t.error;
}

void nl_slots_init(struct nl_slots *slots)
{
	memset(slots->msgs, 0, sizeof(slots->msgs));
	for (unsigned i = 0; i < NL_SLOTS; i++) {
		slots->iov[i].iov_base = slots->bytes[i];
		slots->iov[i].iov_len = NL_SLOT_SIZE;
		slots->msgs[i].msg_hdr.msg_iov = &slots->iov[i];
		slots->msgs[i].msg_hdr.msg_iovlen = 1;
	}
}

int nl_slots_recv(struct nl_sock *s, struct nl_slots *slots, unsigned max)
{
	int n;

	if (max > NL_SLOTS)
		max = NL_SLOTS;
	do
		n = recvmmsg(s->fd, slots->msgs, max, MSG_DONTWAIT, NULL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN ? 0 : -errno;
}
