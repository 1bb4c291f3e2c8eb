/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel's own table of neighbours (ip neigh), of both families. Who is
 * told of the shared addresses is neigh.h's and neigh6.h's.
 */
#ifndef STATESYNC_NEIGH_TABLE_H
#define STATESYNC_NEIGH_TABLE_H

#include "nl.h"

/*
 * The cable of an interface is back: whom the kernel asked for in vain
 * meanwhile it asks for anew with the next packet, not when its second is
 * over. nl is of nl_open_route(). 0 or the first -errno.
 */
int neigh_table_ask_anew(struct nl_sock *nl, unsigned int ifindex)
	__attribute__((warn_unused_result));

#endif
