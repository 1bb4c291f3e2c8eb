/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Somebody else uses a vhost's number: adverts that are not signed as ours are,
 * and VRRP, whose packets and virtual MAC are of the same kind. It names who;
 * the advert was refused and counted before.
 *
 * Implements VRRP's packets as in RFC 5798, 5.1.
 *
 * Invariant: a line a minute and vhost, whatever comes in.
 */
#include "node.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "log.h"

#define SAID_NS (60 * MONO_S)

uint8_t node_foreign_vrrp(const struct carp_packet *p)
{
	/* version 2 or 3, type 1; CARP's packets are never as short */
	if (p->payload && p->len >= 2 && p->len < CARP_ADVERT_LEN &&
	    (p->payload[0] == 0x21 || p->payload[0] == 0x31))
		return p->payload[1];
	return 0;
}

static const char *source_text(const struct carp_address *a, char *text,
			       size_t size)
{
	uint32_t v4 = htonl(a->v4);

	if (a->family == CARP_V6)
		return inet_ntop(AF_INET6, a->v6.b, text, (socklen_t)size);
	return inet_ntop(AF_INET, &v4, text, (socklen_t)size);
}

const char *node_foreign_text(const struct node *n, unsigned vhost,
			      char text[NODE_FOREIGN_SIZE])
{
	const struct node_vhost *v = &n->vhosts[vhost];
	char source[INET6_ADDRSTRLEN];

	source_text(&v->foreign.source, source, sizeof(source));
	snprintf(text, NODE_FOREIGN_SIZE,
		 v->foreign.vrrp
			 ? "VRRP with number %u comes from %s"
			 : "adverts of vhid %u from %s do not match our "
			   "password and addresses",
		 v->vhid, source);
	return text;
}

void node_foreign_advert(struct node *n, unsigned vhost,
			 const struct carp_address *source, bool vrrp)
{
	struct node_foreign *f = &n->vhosts[vhost].foreign;
	char text[NODE_FOREIGN_SIZE];

	f->at = n->last;
	f->source = *source;
	f->vrrp = vrrp;
	f->times++;
	if (f->said_at.ns && mono_diff(n->last, f->said_at) < SAID_NS)
		return;
	f->said_at = n->last;
	log_msg(LOG_ERR,
		"carp \"%s\": %s (%u times): %s. choose another vhid on both "
		"nodes; statesync(7), INCORRECT HASH",
		n->vhosts[vhost].name, node_foreign_text(n, vhost, text),
		f->times,
		vrrp ? "its virtual MAC is the same"
		     : "another CARP group has this number on this network, or "
		       "the other node has another carp block");
	f->times = 0;
}
