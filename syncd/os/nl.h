/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A netlink socket of any family: opened with our settings, spoken to with
 * one question and all its answers. For conntrack, nftables and routes.
 *
 * What makes it simple: the kernel works a request off inside sendmsg(), and
 * the next part of a dump inside recvmsg() (af_netlink.c: netlink_sendmsg,
 * netlink_recvmsg). So every answer lies in the receive queue when send
 * returns, and an empty queue is the end of the answer. Nobody here waits.
 */
#ifndef STATESYNC_NL_H
#define STATESYNC_NL_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct nl_sock {
	struct mnl_socket *mnl; /* NULL when closed */
	int fd;			/* -1 when closed */
	uint32_t portid;	/* our address in this namespace */
	uint32_t seq;		/* of the last message sent */
};

/*
 * Opens a socket of a netlink family (NETLINK_NETFILTER, NETLINK_ROUTE),
 * CLOEXEC and non-blocking, bound to a port id of the kernel's choice and to
 * the old-style group mask groups (RTMGRP_*; 0 for none, see also
 * nl_group_join). rcvbuf is the receive buffer in bytes as the kernel counts
 * it (it books about 768 bytes for the smallest message), 0 for the default;
 * SO_RCVBUFFORCE where we may, else what rmem_max allows.
 * Returns 0 or -errno; on failure *s is closed.
 */
__attribute__((warn_unused_result)) int nl_open(struct nl_sock *s, int bus,
						unsigned groups, size_t rcvbuf);

/* As nl_open, of NETLINK_ROUTE; a dump tells what is asked for (Linux 4.20). */
__attribute__((warn_unused_result)) int nl_open_route(struct nl_sock *s);

/* A socket that another process opened so; fd is taken over, on failure, too.
 * 0 or -errno; on failure *s is closed. */
__attribute__((warn_unused_result)) int nl_adopt(struct nl_sock *s, int fd);

/*
 * Gives the socket the highest descriptor of the process (at most 1023), so
 * that it is the first to go when the process is killed: the kernel releases
 * files from the last descriptor down (close_files queues them, task_work_run
 * takes the newest first), and each packet socket on the way waits for an RCU
 * grace period, 16 to 25 ms. Tried on 6.18. 0 or -errno; then nothing changed.
 */
__attribute__((warn_unused_result)) int nl_move_high(struct nl_sock *s);

/* Closes; may be called twice, and on a zeroed struct nl_sock. */
void nl_close(struct nl_sock *s);

/* Largest batch in bytes that one send may carry (SO_SNDBUFFORCE). 0 or
 * -errno. */
__attribute__((warn_unused_result)) int nl_set_sndbuf(struct nl_sock *s,
						      size_t bytes);

/* Joins or leaves one multicast group (NFNLGRP_*, RTNLGRP_*). 0 or -errno. */
__attribute__((warn_unused_result)) int nl_group_join(struct nl_sock *s,
						      unsigned group);
__attribute__((warn_unused_result)) int nl_group_leave(struct nl_sock *s,
						       unsigned group);

/* One message of an answer; 0, or -errno which ends the conversation. */
typedef int nl_cb(const struct nlmsghdr *nlh, void *arg);

/*
 * Sends len bytes of request, one message or a batch, and reads all answers.
 * Sequence numbers are ours: those in the messages are overwritten. Messages
 * must carry NLM_F_ACK (at least the last one of a batch) or NLM_F_DUMP to
 * have their outcome known. Each data message of the answer goes to cb (may be
 * NULL). Not for a socket that is member of a group.
 *
 * Returns 0, the first error of the kernel as -errno, what cb returned,
 * -ENOMSG when an answer that was asked for did not come, -EBADMSG for a
 * malformed request or answer, -EINTR when a dump was inconsistent
 * (NLM_F_DUMP_INTR: repeat it). The queue is empty afterwards in any case.
 */
__attribute__((warn_unused_result)) int nl_talk(struct nl_sock *s,
						void *request, size_t len,
						nl_cb *cb, void *arg);

/*
 * Sends without reading any answer. 0 or -errno; a batch goes whole or not.
 */
__attribute__((warn_unused_result)) int nl_send(struct nl_sock *s,
						const void *request,
						size_t len);

/*
 * Room for many datagrams read by one recvmmsg(2): events and
 * acknowledgements come one small message per datagram.
 */
#define NL_SLOTS     64
#define NL_SLOT_SIZE 1024

struct nl_slots {
	struct mmsghdr msgs[NL_SLOTS];
	struct iovec iov[NL_SLOTS];
	_Alignas(8) uint8_t bytes[NL_SLOTS][NL_SLOT_SIZE];
};

void nl_slots_init(struct nl_slots *slots);

/*
 * Reads up to max datagrams, never waits. Datagram i lies in slots->bytes[i],
 * slots->msgs[i].msg_len long, and is cut where slots->msgs[i].msg_hdr.msg_flags
 * has MSG_TRUNC. Returns how many (0: the queue is empty) or -errno; -ENOBUFS:
 * the kernel threw messages away before this point, go on reading.
 */
__attribute__((warn_unused_result)) int nl_slots_recv(struct nl_sock *s,
						      struct nl_slots *slots,
						      unsigned max);

#endif
