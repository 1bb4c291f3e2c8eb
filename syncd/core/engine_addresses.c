/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which addresses are this node's, and which its peers', for the filter (rules
 * 2) and for whose adverts are a peer's. Invariant: a peer's are those of one
 * moment, all of them.
 */
#include "engine_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of one peer. */
#define ADDRESSES_MAX 65536

/* --- ours ---------------------------------------------------------------- */

/* Ours are those of the machine and every shared one (rules 2). */
static size_t add_shared(const struct engine *e, struct session_address *list)
{
	size_t n = 0;

	for (size_t i = 0; i < e->nvhosts; i++) {
		const struct carp_auth *a = &e->vhosts[i].carp.auth;

		if (e->vhosts[i].gone)
			continue;
		for (size_t k = 0; k < a->v4_count; k++) {
			struct session_address *s = &list[n++];
			uint32_t v4 = htonl(a->v4[k]);

			*s = (struct session_address){ .family = AF_INET };
			memcpy(s->addr.b, &v4, sizeof(v4));
		}
		for (size_t k = 0; k < a->v6_count; k++) {
			struct session_address *s = &list[n++];

			*s = (struct session_address){ .family = AF_INET6 };
			memcpy(s->addr.b, a->v6[k].b, sizeof(s->addr.b));
		}
	}
	return n;
}

int engine_addresses(struct engine *e, const struct session_address *list,
		     size_t n)
{
	size_t room = n + e->nvhosts * 2 * CARP_ADDR_MAX + 1, total;
	struct session_address *all = calloc(room, sizeof(*all));
	int err;

	if (!all)
		return -ENOMEM;
	if (n)
		memcpy(all, list, n * sizeof(*all));
	total = n + add_shared(e, all + n);
	err = filter_set(&e->filter, FILTER_OURS, all, total);
	if (err) {
		free(all);
		return err;
	}
	free(e->own);
	e->own = all;
	e->nown = total;
	for (size_t i = 0; i < e->npeers; i++)
		e->peers[i].say_addresses = true;
	return 0;
}

/* --- a peer's ------------------------------------------------------------ */

static int set_filter(struct engine *e)
{
	struct session_address *all;
	size_t total = 0;
	int err;

	for (size_t i = 0; i < e->npeers; i++)
		total += e->peers[i].naddresses;
	all = calloc(total ? total : 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	total = 0;
	for (size_t i = 0; i < e->npeers; i++) {
		if (e->peers[i].naddresses)
			memcpy(all + total, e->peers[i].addresses,
			       e->peers[i].naddresses * sizeof(*all));
		total += e->peers[i].naddresses;
	}
	err = filter_set(&e->filter, FILTER_PEERS, all, total);
	free(all);
	return err;
}

/* Those that came before, and these; false: the old ones stay. */
static bool add(struct engine_peer *p, const struct session_event *ev)
{
	size_t n = ev->addresses.n;
	size_t had = ev->addresses.rest ? p->ncoming : 0;
	struct session_address *more = NULL;

	if (had + n <= ADDRESSES_MAX)
		more = realloc(p->coming, (had + n + 1) * sizeof(*more));
	if (!more) {
		free(p->coming);
		p->coming = NULL;
		return false;
	}
	if (n)
		memcpy(more + had, ev->addresses.list, n * sizeof(*more));
	p->coming = more;
	p->ncoming = had + n;
	return true;
}

void engine_addresses_heard(struct engine *e, unsigned peer,
			    const struct session_event *ev)
{
	struct engine_peer *p = &e->peers[peer];
	int err = 0;

	if (ev->addresses.rest && !p->coming)
		return; /* of a list that was given up */
	if (!add(p, ev)) {
		err = -ENOMEM;
	} else if (!ev->addresses.more) {
		free(p->addresses);
		p->addresses = p->coming;
		p->naddresses = p->ncoming;
		p->coming = NULL;
		engine_witness_addresses(e, peer);
		err = set_filter(e);
	}
	if (err)
		engine_log(e, LEVEL_WARNING,
			   "peer \"%s\": no memory for its addresses", p->name);
}
