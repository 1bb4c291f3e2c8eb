/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For carpsock.c alone: the sockets that receive; and what both files use. */
#ifndef STATESYNC_CARPSOCK_RX_H
#define STATESYNC_CARPSOCK_RX_H

#include "carpsock.h"

/* Opens s->rx[family]: as s->packet[family] says, and by a packet socket also
 * where the kernel has no raw one to give. 0 or -errno. */
int carpsock_rx_open(struct carpsock *s, enum carp_family family)
	__attribute__((warn_unused_result));

/* An option of a socket. 0 or -errno. */
int carpsock_set_int(int fd, int level, int name, int value);

#endif
