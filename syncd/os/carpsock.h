/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Adverts of one interface, in and out, in the families that it is told.
 *
 * In: a raw IP socket for protocol 112, which costs other traffic nothing;
 * where the interface has no address of its own in that family a packet
 * socket, for there the kernel takes IPv4 adverts, whose source is the shared
 * address, for martians (ip_mc_validate_source), and IPv6 may be off.
 *
 * Out: a packet socket for whole Ethernet frames, and for unicast peers raw IP
 * sockets, so that routes, ARP and ND are the kernel's. All bear the lease's
 * mark and receive nothing.
 */
#ifndef STATESYNC_CARPSOCK_H
#define STATESYNC_CARPSOCK_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

/* Positive results. */
enum carpsock_condition {
	CARPSOCK_EMPTY = 1, /* nothing waits */
};

struct carpsock_conf {
	char ifname[IF_NAMESIZE];
	uint32_t mark;		      /* the lease's */
	uint8_t least_ttl;	      /* what comes with less is refused */
	bool families[CARP_FAMILIES]; /* received */
	bool unicast[CARP_FAMILIES];  /* sent to peers */
};

struct carpsock {
	struct carpsock_conf conf;
	unsigned int ifindex;
	bool packet[CARP_FAMILIES]; /* to receive by a packet socket */
	bool raw[CARP_FAMILIES];    /* received by a raw one */
	int rx[CARP_FAMILIES];	    /* -1: closed, as all of these */
	int tx, unicast[CARP_FAMILIES];
	int poll;	       /* epoll over rx */
	enum carp_family next; /* to be read first */
};

/*
 * Opens the sockets on the interface (CLOEXEC, non-blocking) and joins
 * 224.0.0.18 and ff02::12 there. *conf is copied. 0; -ENODEV: no such
 * interface; -errno. After an error nothing is open, *conf is kept, so that
 * carpsock_rebind can try again.
 */
int carpsock_open(struct carpsock *s, const struct carpsock_conf *conf)
	__attribute__((warn_unused_result));
void carpsock_close(struct carpsock *s);

/*
 * Opens anew when the interface of that name is another one now, or the
 * sockets are closed. carpsock_fd may be another descriptor afterwards. 0 or
 * as carpsock_open.
 */
int carpsock_rebind(struct carpsock *s) __attribute__((warn_unused_result));
/* Will that do nothing? */
bool carpsock_is_bound(const struct carpsock *s);

/*
 * Receives by a packet socket, or not (at first), in each family. carpsock_fd
 * may be another descriptor afterwards. 0 or as carpsock_open.
 */
int carpsock_packet(struct carpsock *s, const bool packet[CARP_FAMILIES])
	__attribute__((warn_unused_result));

/* The descriptor to wait on for reading; -1 when closed. */
int carpsock_fd(const struct carpsock *s);

/*
 * Reads one packet into buf, from the families in turn. 0: *why is CARP_OK and
 * *p says what it is, its payload in buf, or it is the reason why it cannot be
 * used (as carp/packet; SHORT also when it does not fit size). CARPSOCK_EMPTY,
 * -ENETDOWN or -errno.
 */
int carpsock_read(struct carpsock *s, void *buf, size_t size,
		  struct carp_packet *p, enum carp_refusal *why)
	__attribute__((warn_unused_result));

/* One packet to be sent, whole, so that it can be sent again. */
struct carpsock_out {
	int fd;
	bool unmarked;	  /* the lease is not asked */
	socklen_t to_len; /* 0: a frame, which says itself where to */
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} to;
	size_t len;
	uint8_t bytes[CARP_FRAME_MAX];
};

/* Makes *o from a frame with both MACs, or for the peer f->dst (the MACs are
 * the kernel's). Marked. */
void carpsock_frame(const struct carpsock *s, const struct carp_frame *f,
		    const uint8_t advert[CARP_ADVERT_LEN],
		    struct carpsock_out *o);
void carpsock_unicast(const struct carpsock *s, const struct carp_frame *f,
		      const uint8_t advert[CARP_ADVERT_LEN],
		      struct carpsock_out *o);

/*
 * Sends it, now or not at all. 0; -ENETDOWN, -ENXIO: the interface is down or
 * gone; -EAGAIN; -errno. A frame also -ENOBUFS: our egress rule refused it,
 * the lease has run out (or the device's queue was full). Of a unicast packet
 * the kernel does not say that; -EPERM is an output rule of the administrator.
 */
int carpsock_send(const struct carpsock_out *o)
	__attribute__((warn_unused_result));

#endif
