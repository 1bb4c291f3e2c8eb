// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * ARP and neighbour discovery of others, as the packet sockets have them, and
 * what is answered. The checksum is made right where the input asks for it.
 *
 * Invariant: nobody is answered but for a shared address of which this node is
 * master, after it became that, and with the MAC of the table.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "announce.h"
#include "fuzz.h"
#include "nd.h"
#include "neigh.h"
#include "neigh6.h"

#define SINCE_NS   1000
#define ENTRIES	   3
#define STEPS_MAX  50
#define FRAME_SIZE 512

static const uint8_t macs[ENTRIES][6] = {
	{ 0, 0, 0x5e, 0, 1, 1 },
	{ 0, 0, 0x5e, 0, 1, 2 },
	{ 0, 0, 0x5e, 0, 1, 3 },
};
static const uint8_t real[6] = { 2, 0, 0, 0, 0, 7 };

static struct {
	struct reader in;
	uint8_t frame[FRAME_SIZE]; /* the one that is read */
	size_t len;
	int64_t at_ns;
	bool v6;
} now;

/* --- in place of the sockets ---------------------------------------------------- */

int __wrap_neigh_sock_read(struct neigh_sock *s, unsigned int max,
			   neigh_packet_cb *cb, void *arg);
void __wrap_neigh_sock_answer(struct neigh_sock *s, const void *frame,
			      size_t len);

int __wrap_neigh_sock_read(struct neigh_sock *s, unsigned int max,
			   neigh_packet_cb *cb, void *arg)
{
	(void)s, (void)max;
	cb(now.frame, now.len, now.at_ns, arg);
	return 0;
}

/* The last byte of the address is its place in the table, from 1 on. */
static void check_answer(uint8_t last, const uint8_t *mac,
			 const uint8_t *eth_src)
{
	unsigned i = last - 1u;

	assert(i < ENTRIES && i != 1); /* of the second it is not master */
	assert(now.at_ns >= SINCE_NS);
	assert(!memcmp(mac, macs[i], 6));
	assert(!memcmp(eth_src, i == 2 ? real : macs[i], 6));
}

void __wrap_neigh_sock_answer(struct neigh_sock *s, const void *frame,
			      size_t len)
{
	struct carp_arp arp;
	struct carp_nd nd;

	s->counters.answered++;
	if (now.v6) {
		assert(carp_nd_parse(frame, len, &nd) == CARP_ND_OK);
		assert(nd.type == CARP_ND_NA && nd.has_mac);
		check_answer(nd.target.b[15], nd.mac, nd.eth_src);
		return;
	}
	assert(carp_arp_parse(frame, len, &arp) == CARP_ARP_OK);
	assert(arp.op == CARP_ARP_REPLY);
	check_answer((uint8_t)arp.sender, arp.sender_mac, arp.eth_src);
}

/* --- one frame --------------------------------------------------------------------- */

static void conflict(const struct neigh_conflict *c, void *arg)
{
	(void)arg;
	assert(c->family == (now.v6 ? AF_INET6 : AF_INET));
}

static void solicited(int64_t at_ns, void *arg)
{
	(void)arg;
	assert(at_ns == now.at_ns);
}

static void arp(struct neigh *n)
{
	struct carp_arp a, again;
	uint8_t out[CARP_ARP_FRAME_LEN];

	(void)!neigh_read(n, 1);
	if (carp_arp_parse(now.frame, now.len, &a) != CARP_ARP_OK)
		return;
	assert(carp_arp_build(&a, out) == sizeof(out));
	assert(carp_arp_parse(out, sizeof(out), &again) == CARP_ARP_OK);
	assert(!memcmp(&a, &again, sizeof(a)));
}

/* The length as the header says it, the checksum as it has to be. */
static void mend_nd(void)
{
	uint8_t pseudo[40 + FRAME_SIZE] = { 0 }, *msg = now.frame + 54;
	size_t len = now.len - 54;
	uint16_t sum;

	now.frame[12] = 0x86;
	now.frame[13] = 0xdd;
	now.frame[14] = 0x60;
	now.frame[18] = (uint8_t)(len >> 8);
	now.frame[19] = (uint8_t)len;
	now.frame[20] = 58;
	now.frame[21] = 255;
	msg[0] = (uint8_t)(133 + msg[0] % 4);
	msg[2] = msg[3] = 0;
	memcpy(pseudo, now.frame + 22, 32);
	pseudo[34] = (uint8_t)(len >> 8);
	pseudo[35] = (uint8_t)len;
	pseudo[39] = 58;
	memcpy(pseudo + 40, msg, len);
	sum = carp_wire_checksum(pseudo, 40 + len);
	msg[2] = (uint8_t)(sum >> 8);
	msg[3] = (uint8_t)sum;
}

static void nd(struct neigh6 *n)
{
	struct carp_nd a, again;
	uint8_t out[CARP_ND_FRAME_MAX];
	size_t len;

	(void)!neigh6_read(n, 1);
	if (carp_nd_parse(now.frame, now.len, &a) != CARP_ND_OK)
		return;
	len = carp_nd_build(&a, out);
	assert(carp_nd_parse(out, len, &again) == CARP_ND_OK);
	assert(!memcmp(&a, &again, sizeof(a)));
}

static void step(struct neigh *n, struct neigh6 *n6)
{
	uint8_t how = reader_u8(&now.in);
	const uint8_t *part;

	now.at_ns += reader_u8(&now.in) * 100 - (how & 4 ? 12800 : 0);
	part = fuzz_part(&now.in, &now.len);
	if (now.len > sizeof(now.frame))
		now.len = sizeof(now.frame);
	memset(now.frame, 0, sizeof(now.frame));
	if (now.len)
		memcpy(now.frame, part, now.len);
	now.v6 = how & 1;
	if (now.v6 && how & 2 && now.len >= 62)
		mend_nd();
	if (now.v6)
		nd(n6);
	else
		arp(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct neigh6_calls calls = { conflict, solicited, NULL };
	struct neigh n = { .sock = { .rx = -1, .tx = -1 },
			   .conflict = conflict };
	struct neigh6 n6 = { .sock = { .rx = -1, .tx = -1 }, .calls = calls };
	struct neigh_entry e4[ENTRIES] = { 0 };
	struct neigh6_entry e6[ENTRIES] = { 0 };

	for (unsigned i = 0; i < ENTRIES; i++) {
		e4[i].addr.s_addr = htonl(0x0a010000 + i + 1);
		memcpy(e4[i].mac, macs[i], 6);
		e4[i].answer = i != 1;
		e4[i].since_ns = SINCE_NS;
		e6[i].addr.s6_addr[0] = 0xfd;
		e6[i].addr.s6_addr[15] = (uint8_t)(i + 1);
		memcpy(e6[i].mac, macs[i], 6);
		e6[i].answer = i != 1;
		e6[i].since_ns = SINCE_NS;
	}
	memcpy(e4[2].from, real, 6);
	memcpy(e6[2].from, real, 6);
	assert(!neigh_set(&n, e4, ENTRIES) && !neigh6_set(&n6, e6, ENTRIES));
	reader_init(&now.in, data, size);
	now.at_ns = 0;
	for (int i = 0; i < STEPS_MAX && fuzz_more(&now.in); i++)
		step(&n, &n6);
	neigh_close(&n);
	neigh6_close(&n6);
	return 0;
}
