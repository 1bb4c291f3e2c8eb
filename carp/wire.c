// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * CARP version 2 between bytes and struct. Not here: IP and Ethernet around an
 * advert (carp/packet), passwords (carp/auth), which vhost an advert is for
 * (carp/vhost), sockets.
 *
 * Implements the layout of struct carp_header and the checks of
 * carp_proto_input_c (OpenBSD ip_carp.c), RFC 1071 for the checksum.
 *
 * Invariant: an advert that was built is parsed to the same values.
 */
#include "wire.h"

#include "buf.h"

#include <assert.h>
#include <string.h>

#define CARP_VERSION	 2
#define CARP_TYPE_ADVERT 1
#define CARP_CHECKSUM_AT 6

const char *carp_refusal_name(enum carp_refusal why)
{
	switch (why) {
	case CARP_OK:
		return "accepted";
	case CARP_REFUSED_TTL:
		return "ttl";
	case CARP_REFUSED_SHORT:
		return "short";
	case CARP_REFUSED_VERSION:
		return "version";
	case CARP_REFUSED_CHECKSUM:
		return "checksum";
	case CARP_REFUSED_VHID:
		return "vhid";
	case CARP_REFUSED_AUTH:
		return "auth";
	case CARP_REFUSED_REPLAY:
		return "replay";
	case CARP_REFUSED_INTERFACE:
		return "interface";
	case CARP_REFUSED_SOURCE:
		return "source";
	case CARP_REFUSED_LOOP:
		return "loop";
	case CARP_REFUSAL_COUNT:
		break;
	}
	return "unknown";
}

bool carp_mac_is_station(const uint8_t mac[CARP_MAC_LEN])
{
	static const uint8_t zero[CARP_MAC_LEN];

	return !(mac[0] & 1) && memcmp(mac, zero, CARP_MAC_LEN) != 0;
}

bool carp_addr6_is_link_local(const struct carp_addr6 *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

uint16_t carp_wire_checksum(const void *data, size_t len)
{
	struct reader r;
	uint32_t sum = 0;

	/* 64 kB of ones stay below 2^32 */
	assert(len <= UINT16_MAX);
	reader_init(&r, data, len);
	for (; len > 1; len -= 2)
		sum += reader_u16(&r);
	if (len)
		sum += (uint32_t)reader_u8(&r) << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return (uint16_t)~sum;
}

enum carp_refusal carp_wire_parse(const void *data, size_t len,
				  struct carp_advert *a)
{
	struct carp_advert in = { 0 };
	struct reader r;
	uint8_t version_type;

	*a = in;
	reader_init(&r, data, len);
	version_type = reader_u8(&r);
	in.vhid = reader_u8(&r);
	a->vhid = in.vhid;
	in.advskew = reader_u8(&r);
	in.authlen = reader_u8(&r);
	in.demote = reader_u8(&r);
	in.advbase = reader_u8(&r);
	reader_u16(&r);
	in.counter = reader_u64(&r);
	reader_bytes(&r, in.digest, sizeof(in.digest));
	if (!reader_ok(&r))
		return CARP_REFUSED_SHORT;
	if (carp_wire_checksum(data, CARP_ADVERT_LEN) != 0)
		return CARP_REFUSED_CHECKSUM;
	if (version_type >> 4 != CARP_VERSION)
		return CARP_REFUSED_VERSION;
	*a = in;
	return CARP_OK;
}

void carp_wire_build(const struct carp_advert *a, uint8_t out[CARP_ADVERT_LEN])
{
	struct writer w;

	writer_init(&w, out, CARP_ADVERT_LEN);
	writer_u8(&w, CARP_VERSION << 4 | CARP_TYPE_ADVERT);
	writer_u8(&w, a->vhid);
	writer_u8(&w, a->advskew);
	writer_u8(&w, a->authlen);
	writer_u8(&w, a->demote);
	writer_u8(&w, a->advbase);
	writer_u16(&w, 0);
	writer_u64(&w, a->counter);
	writer_bytes(&w, a->digest, sizeof(a->digest));
	writer_patch_u16(&w, CARP_CHECKSUM_AT,
			 carp_wire_checksum(out, CARP_ADVERT_LEN));
	assert(writer_ok(&w) && w.used == CARP_ADVERT_LEN);
}
