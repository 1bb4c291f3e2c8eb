// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Ethernet frames with IPv4 and TCP, UDP or ICMP echo, built and read (RFC
 * 791, 768, 792, 9293). Not a stack: no options but those of a SYN, no
 * fragments. Invariant: every frame leaves with right checksums, because the
 * gateways' connection tracking calls any other INVALID.
 */
#include "frame.h"

#include <netinet/in.h>
#include <string.h>

enum { ETH = 14, IP = 20, TCP = 20, SYN_OPTIONS = 12, UDP = 8, ICMP = 8 };

/* The payload of UDP and ICMP: a word to know ourselves by, and the cookie. */
enum { PAYLOAD = 8 };
static const uint32_t magic = 0x666c6f77;

static const uint8_t syn_options[SYN_OPTIONS] = { 2, 4,
						  5, 180, /* MSS 1460 */
						  4, 2,	  /* SACK permitted */
						  1, 3,
						  3, 7, /* window scale 7 */
						  1, 1 };

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* RFC 1071; all lengths here are even. */
static uint32_t sum(uint32_t acc, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		acc += get16(p + i);
	return acc;
}

static uint16_t fold(uint32_t acc)
{
	acc = (acc >> 16) + (acc & 0xffff);
	acc += acc >> 16;
	return (uint16_t)~acc;
}

static size_t build_tcp(uint8_t *p, const struct seg *s)
{
	size_t len = TCP + (s->flags & WIRE_SYN ? SYN_OPTIONS : 0);

	memset(p, 0, TCP);
	put16(p, s->sport);
	put16(p + 2, s->dport);
	put32(p + 4, s->seq);
	put32(p + 8, s->ack);
	p[12] = (uint8_t)(len / 4 << 4);
	p[13] = s->flags;
	put16(p + 14, 64240);
	if (s->flags & WIRE_SYN)
		memcpy(p + TCP, syn_options, SYN_OPTIONS);
	return len;
}

static size_t build_udp(uint8_t *p, const struct seg *s)
{
	put16(p, s->sport);
	put16(p + 2, s->dport);
	put16(p + 4, UDP + PAYLOAD);
	put16(p + 6, 0);
	put32(p + UDP, magic);
	put32(p + UDP + 4, s->seq);
	return UDP + PAYLOAD;
}

static size_t build_icmp(uint8_t *p, const struct seg *s)
{
	memset(p, 0, ICMP);
	p[0] = (uint8_t)s->dport;
	put16(p + 4, s->sport);
	put16(p + 6, 1);
	put32(p + ICMP, magic);
	put32(p + ICMP + 4, s->seq);
	put16(p + 2, fold(sum(0, p, ICMP + PAYLOAD)));
	return ICMP + PAYLOAD;
}

static void build_ip(uint8_t *p, const struct seg *s, size_t payload)
{
	memset(p, 0, IP);
	p[0] = 0x45;
	put16(p + 2, (uint32_t)(IP + payload));
	put16(p + 6, 0x4000);
	p[8] = 64;
	p[9] = s->proto;
	put32(p + 12, s->src);
	put32(p + 16, s->dst);
	put16(p + 10, fold(sum(0, p, IP)));
}

size_t frame_build(uint8_t *f, const uint8_t dst_mac[6],
		   const uint8_t src_mac[6], const struct seg *s)
{
	uint8_t *l4 = f + ETH + IP;
	size_t len;
	uint32_t pseudo;

	memcpy(f, dst_mac, 6);
	memcpy(f + 6, src_mac, 6);
	put16(f + 12, 0x0800);
	if (s->proto == IPPROTO_TCP)
		len = build_tcp(l4, s);
	else if (s->proto == IPPROTO_UDP)
		len = build_udp(l4, s);
	else
		len = build_icmp(l4, s);
	build_ip(f + ETH, s, len);
	if (s->proto != IPPROTO_ICMP) {
		pseudo = sum((uint32_t)(s->proto + len), f + ETH + 12, 8);
		put16(l4 + (s->proto == IPPROTO_TCP ? 16 : 6),
		      fold(sum(pseudo, l4, len)));
	}
	return ETH + IP + len;
}

static bool parse_payload(const uint8_t *p, size_t len, struct seg *s)
{
	if (len < PAYLOAD || get32(p) != magic)
		return false;
	s->seq = get32(p + 4);
	return true;
}

static bool parse_l4(const uint8_t *p, size_t len, struct seg *s)
{
	if (s->proto == IPPROTO_TCP && len >= TCP) {
		s->sport = get16(p);
		s->dport = get16(p + 2);
		s->seq = get32(p + 4);
		s->ack = get32(p + 8);
		s->flags = p[13];
		return true;
	}
	if (s->proto == IPPROTO_UDP && len >= UDP) {
		s->sport = get16(p);
		s->dport = get16(p + 2);
		return parse_payload(p + UDP, len - UDP, s);
	}
	if (s->proto == IPPROTO_ICMP && len >= ICMP && (p[0] == 8 || !p[0])) {
		s->dport = p[0];
		s->sport = get16(p + 4);
		return parse_payload(p + ICMP, len - ICMP, s);
	}
	return false;
}

bool frame_parse(const uint8_t *f, size_t len, struct seg *s)
{
	size_t total;

	memset(s, 0, sizeof(*s));
	if (len < ETH + IP || get16(f + 12) != 0x0800 || f[ETH] != 0x45)
		return false;
	total = get16(f + ETH + 2);
	if (total < IP || len < ETH + total)
		return false;
	s->proto = f[ETH + 9];
	s->src = get32(f + ETH + 12);
	s->dst = get32(f + ETH + 16);
	return parse_l4(f + ETH + IP, total - IP, s);
}
