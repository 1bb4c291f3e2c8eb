/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * struct flow to ctnetlink messages, by hand and without memory of its own:
 * the hot path of injection. Text: nf_conntrack_netlink.c of the kernel
 * (ctnetlink_create_conntrack, ctnetlink_change_conntrack).
 */
#ifndef STATESYNC_CT_PUT_H
#define STATESYNC_CT_PUT_H

#include <stddef.h>
#include <stdint.h>

struct filter_need;
struct flow;

/* No message of ours is longer. */
#define CT_PUT_MAX 704

/*
 * Builders: each writes one whole message into buf (size bytes, aligned to 4)
 * and returns its length, a multiple of 4; 0 when it does not fit or the flow
 * has no known family. NLM_F_REQUEST is set, seq and flags (NLM_F_ACK) as told.
 */

/*
 * A whole new entry (NLM_F_CREATE | NLM_F_EXCL). Translation goes as the
 * inverse of the original tuple plus NAT attributes with min = max; TCP flags
 * as (flags & 7) | BE_LIBERAL with mask 0xff; EXPECTED is left out
 * (CTNETLINK.md 0.1, 0.2, 0.5). GRE gets a fixed timeout: only the packet
 * that makes an entry tells it how long packets keep it, so the first one to
 * meet ours would end it (nf_conntrack_gre_packet).
 */
size_t ct_put_create(void *buf, size_t size, uint32_t seq, uint16_t flags,
		     const struct flow *f);

/*
 * Status, timeout, protocol state, mark and extras of an entry that must be
 * there; nothing of its translation. Without FLOW_HAS_TIMEOUT its timeout stays,
 * and with TCP_CONNTRACK_NONE its state. A kernel that keeps no labels answers
 * ENOSPC when all else was applied. keep_status is or-ed in: bits of the existing
 * entry that may not change (EXPECTED).
 */
size_t ct_put_update(void *buf, size_t size, uint32_t seq, uint16_t flags,
		     const struct flow *f, uint32_t keep_status);

/* Only the timeout of an entry that must be there; TCP becomes liberal, and a
 * helper reads on from the next packet. */
size_t ct_put_timeout(void *buf, size_t size, uint32_t seq, uint16_t flags,
		      const struct flow *f);

/* Only the labels of an entry that must be there. */
size_t ct_put_labels_only(void *buf, size_t size, uint32_t seq, uint16_t flags,
			  const struct flow *f);

/* Deletes what the original, or the reply, tuple of f finds. Never empty: a
 * delete without a tuple would flush the table. */
size_t ct_put_delete_orig(void *buf, size_t size, uint32_t seq, uint16_t flags,
			  const struct flow *f);
size_t ct_put_delete_reply(void *buf, size_t size, uint32_t seq, uint16_t flags,
			   const struct flow *f);

/* Asks for the entry that the original, or the reply, tuple of f finds. */
size_t ct_put_get(void *buf, size_t size, uint32_t seq, uint16_t flags,
		  const struct flow *f);
size_t ct_put_get_reply(void *buf, size_t size, uint32_t seq, uint16_t flags,
			const struct flow *f);

/* Asks for the whole table of a family (AF_INET, AF_INET6; 0 for both), or for
 * what has these bits (NULL: all; a kernel may not know how, and tell all). */
size_t ct_put_dump(void *buf, size_t size, uint32_t seq, uint8_t family,
		   const struct filter_need *need);

#endif
