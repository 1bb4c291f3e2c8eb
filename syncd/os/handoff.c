/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages with descriptors between two daemons. What they mean, and when one
 * is sent, is node_upgrade's.
 *
 * Text: unix(7), SCM_RIGHTS.
 *
 * Invariant: a descriptor that was received is in the message, or closed.
 */
#include "handoff.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"

#define MAGIC	   0x53535550 /* SSUP */
#define HEADER_LEN 8

union control {
	char bytes[CMSG_SPACE(HANDOFF_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

int handoff_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0
		       ? -errno
		       : 0;
}

int handoff_send(int fd, const struct handoff_msg *m)
{
	union {
		const uint8_t *in;
		void *out; /* sendmsg reads it */
	} payload = { m->payload };
	uint8_t header[HEADER_LEN];
	struct iovec iov[2] = { { header, sizeof(header) },
				{ payload.out, m->len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	union control control = { { 0 } };
	struct writer w;
	ssize_t n;

	if (m->len > HANDOFF_PAYLOAD_MAX || m->nfds > HANDOFF_FDS_MAX)
		return -EMSGSIZE;
	writer_init(&w, header, sizeof(header));
	writer_u32(&w, MAGIC);
	writer_u16(&w, HANDOFF_VERSION);
	writer_u16(&w, (uint16_t)m->type);
	if (m->nfds) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(m->nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(m->nfds * sizeof(int));
		memcpy(CMSG_DATA(c), m->fds, m->nfds * sizeof(int));
	}
	do
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

void handoff_close_fds(struct handoff_msg *m)
{
	while (m->nfds)
		close(m->fds[--m->nfds]);
}

static void take_fds(struct msghdr *msg, struct handoff_msg *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		/* the kernel gives no more than there is room for */
		memcpy(m->fds, CMSG_DATA(c), n * sizeof(int));
		m->nfds = (unsigned)n;
	}
}

static int wait_for(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t end = clock_ns(CLOCK_MONOTONIC) / MONO_MS + ms;
	int r;

	do {
		int64_t left = end - clock_ns(CLOCK_MONOTONIC) / MONO_MS;

		r = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r ? 0 : -ETIMEDOUT;
}

static int parse(const uint8_t header[HEADER_LEN], size_t len,
		 struct handoff_msg *m)
{
	struct reader r;
	uint32_t magic;
	uint16_t version, type;

	reader_init(&r, header, len < HEADER_LEN ? len : HEADER_LEN);
	magic = reader_u32(&r);
	version = reader_u16(&r);
	type = reader_u16(&r);
	if (!reader_ok(&r) || magic != MAGIC || version != HANDOFF_VERSION ||
	    type < HANDOFF_OFFER || type > HANDOFF_TAKEN)
		return -EPROTO;
	m->type = (enum handoff_type)type;
	m->len = len - HEADER_LEN;
	return 0;
}

int handoff_recv(int fd, struct handoff_msg *m, int ms)
{
	uint8_t header[HEADER_LEN];
	struct iovec iov[2] = { { header, sizeof(header) },
				{ m->payload, sizeof(m->payload) } };
	union control control;
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	ssize_t n;
	int err = wait_for(fd, ms);

	m->nfds = 0;
	m->len = 0;
	if (err)
		return err;
	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	take_fds(&msg, m);
	if (n == 0)
		return -EPIPE;
	err = msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)
		      ? -EPROTO
		      : parse(header, (size_t)n, m);
	if (err)
		handoff_close_fds(m);
	return err;
}

int handoff_last(int fd, struct handoff_msg *m)
{
	(void)shutdown(fd, SHUT_RDWR);
	return handoff_recv(fd, m, 0);
}
