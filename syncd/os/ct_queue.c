/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The socket of nfnetlink_queue. It holds no packet itself and asks for no
 * byte of one: the entry is all that is read.
 *
 * Text: nfnetlink_queue.c (nfqnl_recv_config, nfqnl_build_packet_message),
 * nf_conntrack_netlink.c (ctnetlink_glue_build: the attributes of an entry,
 * nested in NFQA_CT).
 *
 * Invariant: a packet that was read was given to the callback, whatever the
 * kernel said about its flow.
 */
#include "ct_queue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <string.h>

#include "ct_msg.h"
#include "nl_attr.h"

#define MESSAGE_MAX 4096
#define CONFIG_MAX  256
/* Each packet books about 1 KiB. */
#define RECEIVE_BUFFER (4 * CT_QUEUE_MAX * 1024)

int ct_queue_open(struct ct_queue *q)
{
	*q = (struct ct_queue){ .sock.fd = -1 };
	return nl_open(&q->sock, NETLINK_NETFILTER, 0, RECEIVE_BUFFER);
}

void ct_queue_close(struct ct_queue *q)
{
	nl_close(&q->sock);
	q->bound = false;
}

int ct_queue_fd(const struct ct_queue *q)
{
	return q->sock.fd;
}

/* --- configuration -------------------------------------------------------------- */

static struct nl_msg msg_start(void *buf, size_t size, uint8_t type,
			       uint16_t flags)
{
	return nl_msg_start(buf, size, NFNL_SUBSYS_QUEUE << 8 | type, flags, 0,
			    AF_UNSPEC, CT_QUEUE_NUMBER);
}

static int command(struct ct_queue *q, uint8_t what)
{
	_Alignas(8) uint8_t buf[CONFIG_MAX];
	struct nl_msg m =
		msg_start(buf, sizeof(buf), NFQNL_MSG_CONFIG, NLM_F_ACK);
	const struct nfqnl_msg_config_cmd cmd = { .command = what };

	nl_msg_put(&m, NFQA_CFG_CMD, &cmd, sizeof(cmd));
	return nl_talk(&q->sock, buf, nl_msg_end(&m), NULL, NULL);
}

/* Meta data of packets, their entries, and the way out when it is full. */
static int configure(struct ct_queue *q, bool entries)
{
	_Alignas(8) uint8_t buf[CONFIG_MAX];
	struct nl_msg m =
		msg_start(buf, sizeof(buf), NFQNL_MSG_CONFIG, NLM_F_ACK);
	const struct nfqnl_msg_config_params params = {
		.copy_mode = NFQNL_COPY_META,
	};
	const uint32_t flags =
		NFQA_CFG_F_FAIL_OPEN | (entries ? NFQA_CFG_F_CONNTRACK : 0);

	nl_msg_put(&m, NFQA_CFG_PARAMS, &params, sizeof(params));
	nl_msg_be32(&m, NFQA_CFG_QUEUE_MAXLEN, CT_QUEUE_MAX);
	nl_msg_be32(&m, NFQA_CFG_FLAGS, flags);
	nl_msg_be32(&m, NFQA_CFG_MASK, flags);
	return nl_talk(&q->sock, buf, nl_msg_end(&m), NULL, NULL);
}

int ct_queue_bind(struct ct_queue *q, bool entries)
{
	int ret;

	if (q->bound)
		return 0;
	ret = command(q, NFQNL_CFG_CMD_BIND);
	if (ret)
		return ret == -EINVAL ? -EOPNOTSUPP : ret;
	ret = configure(q, entries);
	if (ret)
		(void)!command(q, NFQNL_CFG_CMD_UNBIND);
	q->bound = !ret;
	return ret;
}

/* --- packets -------------------------------------------------------------------- */

/* The attributes of an entry as the message that they are elsewhere. */
static bool parse_entry(const struct nl_attrs *nest, uint8_t family,
			struct flow *f)
{
	_Alignas(8) uint8_t buf[MESSAGE_MAX];
	struct nl_attrs a = nl_attrs_nest(nest);
	size_t len = (size_t)(a.end - a.at);
	const size_t header = NLMSG_HDRLEN + sizeof(struct nfgenmsg);
	const struct nlmsghdr head = {
		.nlmsg_len = (uint32_t)(header + len),
		.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW,
	};
	const struct nfgenmsg nfg = { .nfgen_family = family };

	if (header + len > sizeof(buf))
		return false;
	memcpy(buf, &head, sizeof(head));
	memcpy(buf + NLMSG_HDRLEN, &nfg, sizeof(nfg));
	memcpy(buf + header, a.at, len);
	if (ct_msg_parse((const void *)buf, f))
		return false;
	/* what it is a moment after it was let go */
	f->status |= IPS_CONFIRMED;
	f->has &= (uint8_t)~FLOW_HAS_TIMEOUT;
	f->timeout_s = 0;
	return true;
}

bool ct_queue_parse(const struct nlmsghdr *nlh, uint32_t *id, struct flow *f,
		    bool *flow_known)
{
	struct nl_attrs a = nl_attrs_of(nlh, sizeof(struct nfgenmsg));
	struct nfqnl_msg_packet_hdr packet;
	struct nfgenmsg nfg;
	bool found = false;

	*flow_known = false;
	if (nlh->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) ||
	    nlh->nlmsg_len < NLMSG_HDRLEN + sizeof(nfg))
		return false;
	memcpy(&nfg, NLMSG_DATA(nlh), sizeof(nfg));
	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		if (nl_attrs_type(&a) == NFQA_PACKET_HDR)
			found = nl_attrs_get(&a, &packet, sizeof(packet));
		else if (nl_attrs_type(&a) == NFQA_CT)
			*flow_known = parse_entry(&a, nfg.nfgen_family, f);
	}
	if (found)
		*id = ntohl(packet.packet_id);
	return found;
}

static void read_datagram(struct ct_queue *q, const uint8_t *buf, ssize_t n,
			  ct_queue_cb *cb, void *arg)
{
	const struct nlmsghdr *nlh = (const void *)buf;
	int len = (int)n;
	struct flow f;
	uint32_t id;
	bool known;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		/* the kernel's answer to a verdict on a packet that is gone */
		if (nlh->nlmsg_type < NLMSG_MIN_TYPE)
			continue;
		if (ct_queue_parse(nlh, &id, &f, &known))
			cb(id, known ? &f : NULL, arg);
		else
			q->malformed++;
	}
}

int ct_queue_read(struct ct_queue *q, ct_queue_cb *cb, void *arg, unsigned max)
{
	_Alignas(8) uint8_t buf[MESSAGE_MAX];

	for (unsigned i = 0; i < max; i++) {
		ssize_t n = recv(q->sock.fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return CT_QUEUE_DRAINED;
		/* what did not fit was let pass (fail-open) */
		if (n < 0 && errno != EINTR && errno != ENOBUFS)
			return -errno;
		if (n > 0)
			read_datagram(q, buf, n, cb, arg);
	}
	return CT_QUEUE_MORE;
}

int ct_queue_pass(struct ct_queue *q, uint32_t id)
{
	_Alignas(8) uint8_t buf[CONFIG_MAX];
	struct nl_msg m = msg_start(buf, sizeof(buf), NFQNL_MSG_VERDICT, 0);
	const struct nfqnl_msg_verdict_hdr verdict = {
		.verdict = htonl(NF_ACCEPT),
		.id = htonl(id),
	};

	nl_msg_put(&m, NFQA_VERDICT_HDR, &verdict, sizeof(verdict));
	return nl_send(&q->sock, buf, nl_msg_end(&m));
}
