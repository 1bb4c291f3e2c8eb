// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Packet sockets and the two ends of crafted flows. A packet sent here runs
 * through bridge, gateway and bridge inside the sendmmsg call (veth hands over
 * in softirq at once), so the sender cannot overrun the path, only the
 * receiver's ring. Invariant: a flow's cookie is the same at both ends.
 */
#include "wire.h"

#include "frame.h"
#include "lab.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

enum { SLOT = 256, SLOTS = 65536 };

static const uint32_t client_isn = 0x10000000, server_isn = 0x70000000;

uint32_t wire_client_seq(uint32_t cookie)
{
	return client_isn + cookie;
}

uint32_t wire_cookie(const struct seg *answer)
{
	if (answer->proto != IPPROTO_TCP)
		return answer->seq;
	return answer->seq - server_isn - (answer->flags & WIRE_SYN ? 0 : 1);
}

void flow_seg(struct seg *s, uint8_t proto, uint32_t i, const struct port *c,
	      const struct port *srv)
{
	memset(s, 0, sizeof(*s));
	s->proto = proto;
	s->src = c->net + 2 + i % 30011;
	s->dst = srv->net + 2 + (i / 60000 * 97 + i % 97) % 32700;
	s->sport = (uint16_t)(2000 + i % 60000);
	s->dport = (uint16_t)(i % 8 ? 5000 + i % 16 : 7007);
	if (proto == IPPROTO_ICMP)
		s->dport = 8;
	s->seq = proto == IPPROTO_TCP ? wire_client_seq(i) : i;
}

/* Only IPv4 to our /17, before anything is copied. */
static void port_filter(struct port *p)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 30),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xffff8000),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, p->net, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]),
				   .filter = code };

	if (setsockopt(p->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
		       sizeof(prog)) < 0)
		die("SO_ATTACH_FILTER");
}

static void port_ring(struct port *p)
{
	struct tpacket_req req = {
		.tp_block_size = 1 << 20,
		.tp_block_nr = SLOT * SLOTS >> 20,
		.tp_frame_size = SLOT,
		.tp_frame_nr = SLOTS,
	};
	int v2 = TPACKET_V2, one = 1;

	if (setsockopt(p->fd, SOL_PACKET, PACKET_VERSION, &v2, sizeof(v2)) ||
	    setsockopt(p->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
		       sizeof(one)) ||
	    setsockopt(p->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one,
		       sizeof(one)) ||
	    setsockopt(p->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		die("packet socket options");
	p->ring = mmap(NULL, (size_t)SLOT * SLOTS, PROT_READ | PROT_WRITE,
		       MAP_SHARED, p->fd, 0);
	if (p->ring == MAP_FAILED)
		die("packet ring");
}

static void port_bind(struct port *p, const char *ifname)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_IP) };
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(p->fd, SIOCGIFHWADDR, &ifr) < 0)
		die("%s in %s", ifname, p->ns);
	memcpy(p->mac, ifr.ifr_hwaddr.sa_data, 6);
	ll.sll_ifindex = (int)if_nametoindex(ifname);
	if (bind(p->fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		die("bind %s", ifname);
}

bool port_learn(struct port *p)
{
	char line[256], text[64], mac[32], dev[32];
	unsigned int m[6];
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr.s_addr = htonl(p->gateway) };

	(void)!sendto(p->poke, "", 0, MSG_DONTWAIT, (struct sockaddr *)&to,
		      sizeof(to));
	rewind(p->arp);
	while (fgets(line, sizeof(line), p->arp)) {
		if (sscanf(line, "%63s %*s %*s %31s %*s %31s", text, mac,
			   dev) != 3 ||
		    strcmp(text, addr_text(p->gateway)) ||
		    sscanf(mac, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3,
			   m + 4, m + 5) != 6 ||
		    !(m[0] | m[1] | m[2] | m[3] | m[4] | m[5]))
			continue;
		for (int i = 0; i < 6; i++)
			p->gateway_mac[i] = (uint8_t)m[i];
		return true;
	}
	return false;
}

void port_open(struct port *p, const char *ns, const char *ifname,
	       unsigned int wait_ms)
{
	p->ns = ns;
	ns_enter(ns);
	p->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	p->poke = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	p->arp = fopen("/proc/thread-self/net/arp", "re");
	if (p->fd < 0 || p->poke < 0 || !p->arp)
		die("sockets in %s", ns);
	setvbuf(p->arp, NULL, _IOFBF, 1 << 16);
	port_filter(p);
	port_ring(p);
	port_bind(p, ifname);
	for (int i = 0; i < WIRE_BATCH; i++) {
		p->iov[i].iov_base = p->frames[i];
		p->msgs[i].msg_hdr.msg_iov = &p->iov[i];
		p->msgs[i].msg_hdr.msg_iovlen = 1;
	}
	for (unsigned int t = 0; !port_learn(p); t += 10) {
		errno = 0;
		if (t >= wait_ms)
			die("%s: nobody answers ARP for %s", ns,
			    addr_text(p->gateway));
		poll(NULL, 0, 10);
	}
}

void port_flush(struct port *p)
{
	unsigned int done = 0;

	while (done < p->pending) {
		int n = sendmmsg(p->fd, p->msgs + done, p->pending - done, 0);

		if (n > 0) {
			done += (unsigned int)n;
			p->sent += (unsigned int)n;
		} else if (errno == ENOBUFS || errno == EAGAIN ||
			   errno == ENETDOWN) {
			p->refused++;
			done++;
		} else if (errno != EINTR) {
			die("send in %s", p->ns);
		}
	}
	p->pending = 0;
}

void port_send(struct port *p, const struct seg *s)
{
	p->iov[p->pending].iov_len =
		frame_build(p->frames[p->pending], p->gateway_mac, p->mac, s);
	if (++p->pending == WIRE_BATCH)
		port_flush(p);
}

bool port_next(struct port *p, struct seg *s)
{
	for (;;) {
		uint8_t *slot = p->ring + (size_t)p->head * SLOT;
		struct tpacket2_hdr *h = (void *)slot;
		bool good;

		if (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) &
		      TP_STATUS_USER))
			return false;
		good = frame_parse(slot + h->tp_mac, h->tp_snaplen, s);
		__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL,
				 __ATOMIC_RELEASE);
		p->head = (p->head + 1) % SLOTS;
		if (good) {
			p->received++;
			return true;
		}
	}
}

void port_wait(struct port *p, int timeout_ms)
{
	struct pollfd fd = { .fd = p->fd, .events = POLLIN };

	poll(&fd, 1, timeout_ms);
}

/* The packet that answers s, still without flags and numbers. */
static struct seg turned(const struct seg *s)
{
	struct seg r = *s;

	r.src = s->dst;
	r.dst = s->src;
	r.sport = s->dport;
	r.dport = s->sport;
	r.flags = 0;
	return r;
}

/* True when the packet confirms a flow; its cookie in *cookie. */
static bool answer(struct port *p, const struct seg *s, uint32_t *cookie)
{
	struct seg r = turned(s);

	if (s->proto == IPPROTO_ICMP) {
		r.sport = s->sport;
		r.dport = 0;
	}
	if (s->proto != IPPROTO_TCP) {
		*cookie = s->seq;
		if (s->proto == IPPROTO_UDP || s->dport == 8)
			port_send(p, &r);
		return true;
	}
	*cookie = s->seq - client_isn - (s->flags & WIRE_SYN ? 0 : 1);
	if (s->flags & WIRE_RST)
		return false;
	if (s->flags & WIRE_SYN) {
		r.flags = WIRE_SYN | WIRE_ACK;
		r.seq = server_isn + *cookie;
		r.ack = s->seq + 1;
		port_send(p, &r);
		return false;
	}
	if (s->flags & WIRE_FIN) {
		r.flags = WIRE_FIN | WIRE_ACK;
		r.seq = s->ack;
		r.ack = s->seq + 1;
		port_send(p, &r);
		return false;
	}
	return s->ack == server_isn + *cookie + 1;
}

unsigned int responder_run(struct port *p, void (*seen)(uint32_t, void *),
			   void *arg)
{
	unsigned int n = 0;
	uint32_t cookie;
	struct seg s;

	while (port_next(p, &s)) {
		n++;
		if (answer(p, &s, &cookie) && seen)
			seen(cookie, arg);
	}
	port_flush(p);
	return n;
}
