// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Sends the frames it is given again and again, in turn, at a rate, through
 * an interface of a namespace. It knows nothing of what is in them: it is the
 * hostile neighbour. Invariant: never faster than the rate, and what it says
 * was sent was taken by the kernel.
 */
#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FRAMES_MAX 64
#define BATCH	   64
#define FRAME_MAX  1514

static uint8_t frames[FRAMES_MAX][FRAME_MAX];
static size_t lengths[FRAMES_MAX];
static unsigned int count;

static void add_frame(const char *hex)
{
	size_t len = strlen(hex) / 2;

	if (count == FRAMES_MAX || !len || len > FRAME_MAX ||
	    strlen(hex) != 2 * len)
		die("frames: at most %d of up to %d bytes", FRAMES_MAX,
		    FRAME_MAX);
	for (size_t i = 0; i < len; i++) {
		unsigned int byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			die("not hexadecimal: %s", hex);
		frames[count][i] = (uint8_t)byte;
	}
	lengths[count++] = len;
}

static int open_port(const char *ns, const char *ifname)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET };
	int one = 1, fd;

	ns_enter(ns);
	/* protocol 0: it hears nothing */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		die("packet socket in %s", ns);
	ll.sll_ifindex = (int)if_nametoindex(ifname);
	if (!ll.sll_ifindex || bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		die("%s in %s", ifname, ns);
	return fd;
}

static unsigned int send_batch(int fd, unsigned int n, unsigned int *next)
{
	struct mmsghdr msgs[BATCH] = { 0 };
	struct iovec iov[BATCH];
	int sent;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int k = (*next + i) % count;

		iov[i].iov_base = frames[k];
		iov[i].iov_len = lengths[k];
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(fd, msgs, n, 0);
	if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
		die("send");
	if (sent < 0)
		return 0;
	*next = (*next + (unsigned int)sent) % count;
	return (unsigned int)sent;
}

int main(int argc, char **argv)
{
	const char *ns = NULL, *ifname = "eth0";
	uint64_t rate = 1000, seconds = 1, sent = 0, start, elapsed;
	unsigned int next = 0;
	int opt, fd;

	while ((opt = getopt(argc, argv, "n:i:r:t:")) != -1) {
		switch (opt) {
		case 'n':
			ns = optarg;
			break;
		case 'i':
			ifname = optarg;
			break;
		case 'r':
			rate = num_parse(optarg, 10000000);
			break;
		case 't':
			seconds = num_parse(optarg, 3600);
			break;
		default:
			ns = NULL;
		}
	}
	for (int i = optind; i < argc; i++)
		add_frame(argv[i]);
	if (!ns || !count) {
		fputs("usage: flood -n NS [-i IF] [-r PER-SECOND] [-t SECONDS] "
		      "HEX...\n",
		      stderr);
		return 2;
	}
	fd = open_port(ns, ifname);
	/* Like a card's interrupts: it does not wait for its turn. What has to
	 * be in time nevertheless is ahead of it. */
	sched_first(1);
	start = now_ns();
	while ((elapsed = now_ns() - start) < seconds * SEC_NS) {
		uint64_t due = elapsed * rate / SEC_NS;

		if (due > sent)
			sent += send_batch(fd,
					   due - sent > BATCH
						   ? BATCH
						   : (unsigned int)(due - sent),
					   &next);
		else
			poll(NULL, 0, 1);
	}
	printf("{\"sent\": %llu, \"seconds\": %.3f}\n",
	       (unsigned long long)sent, (double)elapsed / 1e9);
	return 0;
}
