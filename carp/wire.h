/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CARP version 2 on the wire: an advert to and from its 36 bytes. Pure. IPv4
 * addresses are integers in host byte order everywhere in this floor, IPv6
 * addresses 16 bytes.
 */
#ifndef STATESYNC_CARP_WIRE_H
#define STATESYNC_CARP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CARP_ADVERT_LEN	 36
#define CARP_DIGEST_LEN	 20
#define CARP_MAC_LEN	 6
#define CARP_IP_PROTOCOL 112
#define CARP_TTL	 255
#define CARP_GROUP_V4	 0xe0000012U /* 224.0.0.18 */
#define CARP_ADVSKEW_MAX 254	     /* 255 stands in a bow-out only */

struct carp_addr6 {
	uint8_t b[16];
};

/* Adverts are sent and waited for in each family apart. */
enum carp_family { CARP_V4, CARP_V6, CARP_FAMILIES };

struct carp_address {
	enum carp_family family;
	union {
		uint32_t v4;
		struct carp_addr6 v6;
	};
};

/*
 * Why a packet was not used. Who finds out: [W] this module, [P] carp/packet,
 * [V] carp/vhost, [E] its caller. Also the index of struct
 * carp_vhost.counters, where CARP_OK counts what was accepted.
 */
enum carp_refusal {
	CARP_OK = 0,
	CARP_REFUSED_TTL,	/* [P] too low: came through a router */
	CARP_REFUSED_SHORT,	/* [W][P] cut, or lengths that lie */
	CARP_REFUSED_VERSION,	/* [W][P] not CARP 2, not IP, not 112 */
	CARP_REFUSED_CHECKSUM,	/* [W][P] of the advert or the IPv4 header */
	CARP_REFUSED_VHID,	/* [V][E] no such virtual host here */
	CARP_REFUSED_AUTH,	/* [V] HMAC: password or addresses differ */
	CARP_REFUSED_REPLAY,	/* [E] a counter that was heard before */
	CARP_REFUSED_INTERFACE, /* never said; schema 1, kept state have it */
	CARP_REFUSED_SOURCE,	/* [E] sender not allowed */
	CARP_REFUSED_LOOP,	/* [V] our own packet came back */
	CARP_REFUSAL_COUNT
};

/* The word for counters and metrics: "ttl", "short", ...; CARP_OK "accepted".
 */
const char *carp_refusal_name(enum carp_refusal why);

/* Both are said by a master that gives up. */
#define CARP_BOW_OUT_ADVBASE 255
#define CARP_BOW_OUT_ADVSKEW 255

/* The fields of struct carp_header (OpenBSD ip_carp.h). Version 2 and type 1
 * are understood. */
struct carp_advert {
	uint8_t vhid;
	uint8_t advskew; /* 1/256 s */
	uint8_t authlen; /* 7; no receiver looks at it */
	uint8_t demote;	 /* FreeBSD and ucarp send 0 */
	uint8_t advbase; /* s */
	uint64_t counter;
	uint8_t digest[CARP_DIGEST_LEN];
};

/*
 * Reads the 36 bytes at data; more may follow and are not looked at, as
 * OpenBSD. Returns CARP_OK, or SHORT, CHECKSUM, VERSION in this order
 * (carp_proto_input_c; the type is not checked). a->vhid is set whenever that
 * byte is there, also on refusal, so that the refusal can be counted at the
 * right vhost; else *a is all zero then.
 */
enum carp_refusal carp_wire_parse(const void *data, size_t len,
				  struct carp_advert *a);

/* Writes the 36 bytes of a, with their checksum (RFC 1071 over these bytes
 * only, carp_send_ad). */
void carp_wire_build(const struct carp_advert *a, uint8_t out[CARP_ADVERT_LEN]);

/* One station's address: neither zero nor a group's. */
bool carp_mac_is_station(const uint8_t mac[CARP_MAC_LEN]);

/* fe80::/10 */
bool carp_addr6_is_link_local(const struct carp_addr6 *a);

/* RFC 1071: the complement of the one's-complement sum of data (an odd last
 * byte counts as the high one). 0 over data that holds its own checksum. */
uint16_t carp_wire_checksum(const void *data, size_t len);

#endif
