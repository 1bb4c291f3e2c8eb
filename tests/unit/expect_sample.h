/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An expectation as FTP has it: data from the server to port 4000 + n. */
#ifndef TESTS_UNIT_EXPECT_SAMPLE_H
#define TESTS_UNIT_EXPECT_SAMPLE_H

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "expect.h"

/* The server's connection to whom the master translates to. */
__attribute__((unused)) static struct expect expect_sample(
	const struct flow *master, uint16_t n)
{
	struct expect e = {
		.family = master->family,
		.l4proto = IPPROTO_TCP,
		.master_l4proto = master->l4proto,
		.tuple = { .src = master->reply.src,
			   .dst = master->reply.dst,
			   .dport = (uint16_t)(4000 + n) },
		.master = master->orig,
		.nat_port = (uint16_t)(4000 + n),
		.nat_dir = 1,
		.timeout_s = 300,
		.helper = "ftp",
		.fn = "nat-follow-master",
	};

	memset(e.mask.b, 0xff, flow_addr_len(e.family));
	return e;
}

#endif
