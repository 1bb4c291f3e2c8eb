/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A walk through the kernel's conntrack table, a chunk at a time. Keeps
 * nothing of what it read.
 *
 * Text: af_netlink.c (netlink_dump, netlink_recvmsg), nf_conntrack_netlink.c
 * (ctnetlink_dump_table); CTNETLINK.md 6, rules 4.
 *
 * Invariant: the kernel is at most one chunk ahead of the reader, for each
 * recvmsg lets it fill one, and the buffer has no room for two.
 */
#include "ct_dump.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ct_msg.h"
#include "ct_put.h"
#include "log.h"

/*
 * The kernel begins the next chunk while at most half of this is taken; one
 * chunk takes more than half and less than all of it.
 */
#define RECEIVE_BUFFER (2 * CT_DUMP_CHUNK)

int ct_dump_open(struct ct_dump *d)
{
	int ret;

	*d = (struct ct_dump){ .sock.fd = -1 };
	d->chunk = malloc(CT_DUMP_CHUNK);
	if (d->chunk == NULL)
		return -ENOMEM;
	ret = nl_open(&d->sock, NETLINK_NETFILTER, 0, RECEIVE_BUFFER);
	if (ret < 0)
		ct_dump_close(d);
	return ret;
}

void ct_dump_close(struct ct_dump *d)
{
	ct_dump_abort(d);
	nl_close(&d->sock);
	free(d->chunk);
	d->chunk = NULL;
}

void ct_dump_abort(struct ct_dump *d)
{
	/* The kernel forgets a dump only with its socket. */
	if (d->running)
		nl_close(&d->sock);
	d->running = false;
}

static int read_sysctl(const char *path, uint32_t *value)
{
	FILE *f = fopen(path, "re");
	int ret;

	if (f == NULL)
		return -errno;
	ret = fscanf(f, "%" SCNu32, value) == 1 ? 0 : -EBADMSG;
	fclose(f);
	return ret;
}

/*
 * The kernel goes from bucket to bucket; when somebody changes their number
 * meanwhile, entries move behind its back and are missed.
 */
static uint32_t count_buckets(void)
{
	uint32_t n = 0;

	return read_sysctl("/proc/sys/net/netfilter/nf_conntrack_buckets", &n)
		       ? 0
		       : n;
}

int ct_dump_start(struct ct_dump *d, uint8_t family)
{
	_Alignas(8) uint8_t request[CT_PUT_MAX];
	size_t len;
	int ret;

	ct_dump_abort(d);
	/* the kernel fills as much as its socket ever asked for */
	nl_close(&d->sock);
	ret = nl_open(&d->sock, NETLINK_NETFILTER, 0, RECEIVE_BUFFER);
	if (ret < 0)
		return ret;
	d->chunk_size = CT_DUMP_CHUNK;
	d->buckets = count_buckets();
	len = ct_put_dump(request, sizeof(request), ++d->sock.seq, family,
			  &d->need);
	ret = nl_send(&d->sock, request, len);
	d->running = ret == 0;
	return ret;
}

void ct_dump_small(struct ct_dump *d)
{
	/* the least that has room for the kernel's first (NLMSG_GOODSIZE) */
	d->chunk_size = sysconf(_SC_PAGESIZE) < 8192 ? 4096 : 8192;
}

/* The error that an NLMSG_ERROR or NLMSG_DONE carries. */
static int end_code(const struct nlmsghdr *nlh)
{
	int code = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
	return code;
}

/* False: it is none that can be read. */
static bool read_entry(struct ct_dump *d, const struct nlmsghdr *nlh,
		       ct_dump_cb *cb, void *arg)
{
	struct flow flow;
	int ret;

	ret = ct_msg_parse(nlh, &flow);
	if (ret == 0)
		cb(&flow, arg);
	else if (ret == CT_MSG_FOREIGN)
		d->foreign++;
	else
		d->malformed++;
	return ret >= 0;
}

/* CT_DUMP_MORE while no end was seen; cb may have aborted the dump. */
static int read_chunk(struct ct_dump *d, int len, ct_dump_cb *cb, void *arg)
{
	const struct nlmsghdr *nlh = (const void *)d->chunk;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_type == NLMSG_DONE ||
		    nlh->nlmsg_type == NLMSG_ERROR)
			return end_code(nlh);
		if (nlh->nlmsg_type >= NLMSG_MIN_TYPE &&
		    !read_entry(d, nlh, cb, arg))
			return -EBADMSG;
		if (!d->running)
			return CT_DUMP_DONE;
	}
	return CT_DUMP_MORE;
}

int ct_dump_read(struct ct_dump *d, ct_dump_cb *cb, void *arg)
{
	ssize_t n;
	int ret;

	if (!d->running)
		return CT_DUMP_DONE;
	do
		n = recv(d->sock.fd, d->chunk, d->chunk_size,
			 MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		ret = -errno;
	else if (n > (ssize_t)d->chunk_size)
		ret = -EMSGSIZE;
	else
		ret = read_chunk(d, (int)n, cb, arg);
	if (ret == CT_DUMP_DONE && count_buckets() != d->buckets)
		ret = -EINTR;
	if (ret < 0)
		ct_dump_abort(d);
	else if (ret == CT_DUMP_DONE)
		d->running = false;
	return ret;
}

const char *ct_dump_why(int ret)
{
	if (ret == -EINTR)
		return "it was resized meanwhile";
	if (ret == -EBADMSG)
		return "one of its entries cannot be read";
	return ret < 0 ? log_errno(-ret) : NULL;
}

int ct_count(uint32_t *entries, uint32_t *max)
{
	int ret = read_sysctl("/proc/sys/net/netfilter/nf_conntrack_count",
			      entries);

	if (ret == 0 && max != NULL)
		ret = read_sysctl("/proc/sys/net/netfilter/nf_conntrack_max",
				  max);
	return ret;
}
