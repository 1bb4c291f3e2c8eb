/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Crafted packets through an Ethernet interface of a namespace: a packet
 * socket with a receive ring and batched sending, and the frames of flows
 * whose end points no stack owns. Used by flowfill and flowchurn.
 *
 * Each flow has a number, its cookie. It travels in the TCP sequence numbers,
 * or in the payload of UDP and ICMP, so that both ends know the flow whatever
 * a gateway did to its addresses.
 */
#ifndef TESTS_TOOLS_WIRE_H
#define TESTS_TOOLS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#define WIRE_BATCH 64
#define WIRE_FRAME 128

enum wire_flag {
	WIRE_FIN = 0x01,
	WIRE_SYN = 0x02,
	WIRE_RST = 0x04,
	WIRE_PSH = 0x08,
	WIRE_ACK = 0x10,
};

/* One packet of a flow; addresses and ports in host byte order. For ICMP
 * sport is the identifier and dport the type. */
struct seg {
	uint8_t proto; /* IPPROTO_TCP, _UDP or _ICMP */
	uint8_t flags; /* TCP: enum wire_flag */
	uint32_t src, dst;
	uint16_t sport, dport;
	uint32_t seq, ack; /* TCP; of UDP and ICMP seq is the cookie */
};

/* An interface with the routed range behind it that we play. */
struct port {
	const char *ns;
	uint32_t gateway; /* whose MAC the frames go to */
	uint32_t net;	  /* first address of the /17 that we play */
	int fd, poke;	  /* packet socket; UDP socket that makes ARP */
	FILE *arp;	  /* the namespace's ARP table */
	uint8_t mac[6], gateway_mac[6];
	uint8_t *ring;
	unsigned int head;
	unsigned int pending;
	struct mmsghdr msgs[WIRE_BATCH];
	struct iovec iov[WIRE_BATCH];
	uint8_t frames[WIRE_BATCH][WIRE_FRAME];
	uint64_t sent, refused, received;
};

/* Opens the port in namespace ns; p->gateway and p->net are set by the
 * caller. Waits up to wait_ms for the gateway's MAC. Exits on failure. */
void port_open(struct port *p, const char *ns, const char *ifname,
	       unsigned int wait_ms);

/* Asks the namespace's kernel again for the gateway's MAC; never blocks. */
bool port_learn(struct port *p);

/* Puts a packet into the batch; a full batch is sent. */
void port_send(struct port *p, const struct seg *s);

/* Sends what is in the batch. */
void port_flush(struct port *p);

/* Takes the next packet out of the ring; false when there is none. Packets
 * that are not TCP, UDP or ICMP echo are skipped. */
bool port_next(struct port *p, struct seg *s);

/* Sleeps until something came in, at most timeout_ms. */
void port_wait(struct port *p, int timeout_ms);

/*
 * The answering side: takes every packet that is there and answers it: SYN,
 * FIN, UDP and echo requests. For each packet that confirms a flow (the ACK
 * after the SYN/ACK, or a request) calls seen(cookie, arg). Returns how many
 * packets there were.
 */
unsigned int responder_run(struct port *p, void (*seen)(uint32_t, void *),
			   void *arg);

/* The original direction of flow number i: addresses and ports that no other
 * number has, spread over many addresses, without sequence numbers. Each
 * eighth TCP and UDP flow goes to port 7007, which the ruleset marks. */
void flow_seg(struct seg *s, uint8_t proto, uint32_t i, const struct port *c,
	      const struct port *srv);

/* TCP sequence numbers that carry a cookie. */
uint32_t wire_client_seq(uint32_t cookie);
uint32_t wire_cookie(const struct seg *answer);

#endif
