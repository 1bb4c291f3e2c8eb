// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A made-up kernel behind os/nl.c: it keeps nothing, and answers what the
 * input says: success, an error, a message of the input, silence, or that
 * answers were lost. Invariant: a conversation ends.
 */
#include "netlink.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "nl.h"

#define PENDING_MAX 512

struct reader netlink_answers, netlink_news;
const uint16_t *netlink_types;

/* Requests of the last send that are still to be answered. */
static struct {
	uint32_t seq;
	uint16_t flags, type;
} pending[PENDING_MAX];
static unsigned asked, answered;
static unsigned lost; /* no more than so often in a row */

static const int errors[] = {
	0,	 -EEXIST, -ENOENT,     -EBUSY,	   -ENOMEM,    -ENOSPC,
	-EINVAL, -EPERM,  -EOPNOTSUPP, -ETIMEDOUT, -EAGAIN,    -ERANGE,
	-ETIME,	 -EMFILE, -ENFILE,     -ESHUTDOWN, -ENOTEMPTY, -EIO,
};

static int error(void)
{
	return errors[fuzz_below(&netlink_answers,
				 sizeof(errors) / sizeof(errors[0]))];
}

struct nlmsghdr *netlink_message(struct reader *in, uint16_t type)
{
	size_t len;
	const uint8_t *part = fuzz_part(in, &len);
	struct nlmsghdr *nlh;

	if (!part || !len)
		return NULL;
	nlh = calloc(1, NLMSG_HDRLEN + len);
	assert(nlh);
	nlh->nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len);
	nlh->nlmsg_type = type;
	memcpy(NLMSG_DATA(nlh), part, len);
	return nlh;
}

/* libmnl takes a length of 2 GB and more for one that fits; no kernel says so. */
static size_t without_giants(const uint8_t *buf, size_t len)
{
	const struct nlmsghdr *nlh = (const void *)buf;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		if (nlh->nlmsg_len > INT32_MAX)
			return (size_t)((const uint8_t *)nlh - buf);
	return len;
}

/* One message, whose length is right; or anything. */
static size_t datagram(uint8_t *buf, size_t size)
{
	uint8_t how = reader_u8(&netlink_news);
	struct nlmsghdr *nlh;
	size_t len;
	const uint8_t *part;

	if (how & 128) {
		part = fuzz_part(&netlink_news, &len);
		len = len < size ? len : size;
		if (len)
			memcpy(buf, part, len);
		return without_giants(buf, len);
	}
	nlh = netlink_message(&netlink_news, netlink_types[how & 3]);
	if (!nlh)
		return 0;
	nlh->nlmsg_flags = how & 4 ? NLM_F_CREATE : 0;
	nlh->nlmsg_pid = how & 8 ? 77 : 0;
	if (how & 16)
		nlh->nlmsg_type = how & 32 ? NLMSG_DONE : NLMSG_ERROR;
	len = nlh->nlmsg_len < size ? nlh->nlmsg_len : size;
	memcpy(buf, nlh, len);
	free(nlh);
	return len;
}

struct set_kind netlink_set_kind(uint8_t how, uint8_t key_len, uint8_t data_len)
{
	return (struct set_kind){
		.present = true,
		.key_len = key_len,
		.data_type = how & 1 ? NFT_DATA_VERDICT : 0,
		.data_len = how & 1 ? 0 : data_len,
		.flags = (how & 2 ? NFT_SET_MAP : 0) |
			 (how & 4 ? NFT_SET_INTERVAL : 0) |
			 (how & 8 ? (uint32_t)NFT_SET_CONCAT : 0) |
			 (how & 16 ? NFT_SET_TIMEOUT : 0),
		.timeout_ms = how & 32 ? 1000 : 0,
	};
}

/* --- in place of os/nl.c ------------------------------------------------------- */

int __wrap_nl_open(struct nl_sock *s, int bus, unsigned groups, size_t rcvbuf);
int __wrap_nl_set_sndbuf(struct nl_sock *s, size_t bytes);
int __wrap_nl_send(struct nl_sock *s, const void *request, size_t len);
int __wrap_nl_slots_recv(struct nl_sock *s, struct nl_slots *slots,
			 unsigned max);
int __wrap_nl_talk(struct nl_sock *s, void *request, size_t len, nl_cb *cb,
		   void *arg);

ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags);
ssize_t __real_recv(int fd, void *buf, size_t size, int flags);

int __wrap_nl_open(struct nl_sock *s, int bus, unsigned groups, size_t rcvbuf)
{
	(void)bus, (void)groups, (void)rcvbuf;
	*s = (struct nl_sock){ .fd = NETLINK_FD, .portid = 1 };
	return 0;
}

int __wrap_nl_set_sndbuf(struct nl_sock *s, size_t bytes)
{
	(void)s, (void)bytes;
	return 0;
}

static void take_requests(const void *request, size_t len)
{
	const struct nlmsghdr *nlh = request;
	int left = (int)len;

	asked = answered = lost = 0;
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		netlink_check(nlh);
		assert(asked < PENDING_MAX);
		pending[asked].seq = nlh->nlmsg_seq;
		pending[asked].flags = nlh->nlmsg_flags;
		pending[asked++].type = nlh->nlmsg_type;
	}
	assert(left == 0 && asked > 0);
}

int __wrap_nl_send(struct nl_sock *s, const void *request, size_t len)
{
	(void)s;
	take_requests(request, len);
	return reader_u8(&netlink_answers) == 0xff ? error() : 0;
}

/* One answer into a slot; false: there is none. */
static bool answer(uint8_t slot[NL_SLOT_SIZE], unsigned *len)
{
	struct nlmsghdr *nlh = (void *)slot, *data;
	unsigned i = answered++;
	uint8_t how = reader_u8(&netlink_answers);
	int code = 0;

	memset(nlh, 0, sizeof(*nlh));
	nlh->nlmsg_seq = pending[i].seq;
	nlh->nlmsg_type = NLMSG_ERROR;
	nlh->nlmsg_len = NLMSG_HDRLEN + sizeof(code);
	switch (how % 8) {
	case 1:
	case 2:
	case 3:
		code = error();
		break;
	case 4:
	case 5:
		data = netlink_message(&netlink_answers, pending[i].type);
		if (!data)
			break;
		data->nlmsg_seq = pending[i].seq;
		*len = data->nlmsg_len < NL_SLOT_SIZE ? data->nlmsg_len
						      : NL_SLOT_SIZE;
		memcpy(slot, data, *len);
		free(data);
		/* an acknowledgement that is due still comes */
		if (pending[i].flags & NLM_F_ACK && how % 8 == 4) {
			pending[i].flags = NLM_F_ACK;
			answered--;
		}
		return true;
	case 6:
		return false;
	default:
		if (!(pending[i].flags & NLM_F_ACK))
			return false;
	}
	memcpy(mnl_nlmsg_get_payload(nlh), &code, sizeof(code));
	*len = nlh->nlmsg_len;
	return true;
}

int __wrap_nl_slots_recv(struct nl_sock *s, struct nl_slots *slots,
			 unsigned max)
{
	unsigned n = 0;

	(void)s;
	while (fuzz_more(&netlink_news) && n < max) {
		slots->msgs[n].msg_hdr.msg_flags = 0;
		slots->msgs[n].msg_len = (unsigned)datagram(
			slots->bytes[n], sizeof(slots->bytes[n]));
		n++;
	}
	if (n)
		return (int)n;
	if (netlink_answers.left && reader_u8(&netlink_answers) == 0xff &&
	    lost++ < 3)
		return -ENOBUFS;
	while (answered < asked && n < max) {
		slots->msgs[n].msg_hdr.msg_flags = 0;
		if (answer(slots->bytes[n], &slots->msgs[n].msg_len))
			n++;
	}
	return (int)n;
}

int __wrap_nl_talk(struct nl_sock *s, void *request, size_t len, nl_cb *cb,
		   void *arg)
{
	uint8_t how;

	(void)s;
	assert(len > 0);
	take_requests(request, len);
	how = reader_u8(&netlink_answers);
	if (how & 1 && cb) {
		struct nlmsghdr *nlh =
			netlink_message(&netlink_answers, pending[0].type);
		int ret = nlh ? cb(nlh, arg) : 0;

		free(nlh);
		if (ret < 0)
			return ret;
	}
	return how & 2 ? error() : 0;
}

/* Answers, one at a time, and dumps, of which the input has the chunks. */
ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags)
{
	static _Alignas(8) uint8_t slot[NL_SLOT_SIZE];
	unsigned len;

	if (fd != NETLINK_FD)
		return __real_recv(fd, buf, size, flags);
	if (fuzz_more(&netlink_news))
		return (ssize_t)datagram(buf, size);
	while (answered < asked)
		if (answer(slot, &len)) {
			memcpy(buf, slot, len < size ? len : size);
			return len;
		}
	errno = EAGAIN;
	return -1;
}
