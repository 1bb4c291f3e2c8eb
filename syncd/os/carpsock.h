/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Adverts of one interface, in and out. In: a raw IP socket for protocol 112,
 * which costs other traffic nothing; where the interface has no address of its
 * own a packet socket, for there the kernel takes adverts, whose source is the
 * shared address, for martians (ip_mc_validate_source). Out: a packet socket for whole Ethernet
 * frames, marked with the lease's mark; it receives nothing.
 */
#ifndef STATESYNC_CARPSOCK_H
#define STATESYNC_CARPSOCK_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Positive results. */
enum carpsock_condition {
	CARPSOCK_EMPTY = 1,	/* nothing waits */
	CARPSOCK_TRUNCATED = 2, /* longer than the buffer: count and ignore */
};

struct carpsock {
	char ifname[IF_NAMESIZE];
	unsigned int ifindex;
	uint32_t mark;
	bool packet; /* how rx receives */
	int rx, tx;  /* -1: closed */
};

/*
 * Opens both sockets on the interface (CLOEXEC, non-blocking) and joins
 * 224.0.0.18 there. mark is the lease's mark. 0; -ENODEV: no such interface;
 * -errno. After an error nothing is open, ifname and mark are kept, so that
 * carpsock_rebind can try again.
 */
int carpsock_open(struct carpsock *s, const char *ifname, uint32_t mark)
	__attribute__((warn_unused_result));
void carpsock_close(struct carpsock *s);

/*
 * Opens anew when the interface of that name is another one now, or the
 * sockets are closed. rx may be another descriptor afterwards. 0 or as
 * carpsock_open.
 */
int carpsock_rebind(struct carpsock *s) __attribute__((warn_unused_result));

/*
 * Receives by a packet socket, or not (at first). rx may be another descriptor
 * afterwards. 0 or as carpsock_open.
 */
int carpsock_packet(struct carpsock *s, bool packet)
	__attribute__((warn_unused_result));

/* The descriptor to wait on for reading; -1 when closed. */
int carpsock_fd(const struct carpsock *s);

/*
 * Reads one packet, beginning with its IPv4 header, into buf; *len is its
 * length. 0, CARPSOCK_EMPTY, CARPSOCK_TRUNCATED, -ENETDOWN or -errno.
 */
int carpsock_read(struct carpsock *s, void *buf, size_t size, size_t *len)
	__attribute__((warn_unused_result));

/*
 * Sends one whole Ethernet frame, now or not at all. 0; -ENOBUFS: our egress
 * rule refused it, the lease has run out (or the device's queue was full);
 * -ENETDOWN, -ENXIO: the interface is down or gone; -EAGAIN; -errno.
 */
int carpsock_send(struct carpsock *s, const void *frame, size_t len)
	__attribute__((warn_unused_result));

#endif
