/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads net.netfilter.nf_*_timeout*; writes nothing. A value that cannot be
 * read keeps its default, because a copy's timeout is no more than a bound on
 * how long a dead entry stays. Invariant: what was read is a number of seconds
 * that fits.
 */
#include "ct_timeouts.h"

#include <netinet/in.h> /* before linux/in.h */

#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdio.h>

static void read_one(const char *of, const char *name, uint32_t *seconds)
{
	char path[128];
	unsigned value;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/netfilter/nf_%s_%s", of,
		 name);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fscanf(f, "%u", &value) == 1 && value)
		*seconds = value;
	fclose(f);
}

void ct_timeouts_read(struct flow_timeouts *t)
{
	const struct {
		const char *name;
		uint32_t *seconds;
	} files[] = {
		{ "tcp_timeout_syn_sent", &t->tcp[TCP_CONNTRACK_SYN_SENT] },
		{ "tcp_timeout_syn_recv", &t->tcp[TCP_CONNTRACK_SYN_RECV] },
		{ "tcp_timeout_established",
		  &t->tcp[TCP_CONNTRACK_ESTABLISHED] },
		{ "tcp_timeout_fin_wait", &t->tcp[TCP_CONNTRACK_FIN_WAIT] },
		{ "tcp_timeout_close_wait", &t->tcp[TCP_CONNTRACK_CLOSE_WAIT] },
		{ "tcp_timeout_last_ack", &t->tcp[TCP_CONNTRACK_LAST_ACK] },
		{ "tcp_timeout_time_wait", &t->tcp[TCP_CONNTRACK_TIME_WAIT] },
		{ "tcp_timeout_close", &t->tcp[TCP_CONNTRACK_CLOSE] },
		{ "sctp_timeout_closed", &t->sctp[SCTP_CONNTRACK_CLOSED] },
		{ "sctp_timeout_cookie_wait",
		  &t->sctp[SCTP_CONNTRACK_COOKIE_WAIT] },
		{ "sctp_timeout_cookie_echoed",
		  &t->sctp[SCTP_CONNTRACK_COOKIE_ECHOED] },
		{ "sctp_timeout_established",
		  &t->sctp[SCTP_CONNTRACK_ESTABLISHED] },
		{ "sctp_timeout_shutdown_sent",
		  &t->sctp[SCTP_CONNTRACK_SHUTDOWN_SENT] },
		{ "sctp_timeout_shutdown_recd",
		  &t->sctp[SCTP_CONNTRACK_SHUTDOWN_RECD] },
		{ "sctp_timeout_shutdown_ack_sent",
		  &t->sctp[SCTP_CONNTRACK_SHUTDOWN_ACK_SENT] },
		{ "sctp_timeout_heartbeat_sent",
		  &t->sctp[SCTP_CONNTRACK_HEARTBEAT_SENT] },
		{ "udp_timeout", &t->udp },
		{ "udp_timeout_stream", &t->udp_stream },
		{ "gre_timeout", &t->gre },
		{ "gre_timeout_stream", &t->gre_stream },
		{ "icmp_timeout", &t->icmp },
		{ "icmpv6_timeout", &t->icmpv6 },
		{ "generic_timeout", &t->generic },
	};
	uint32_t udp = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		read_one("conntrack", files[i].name, files[i].seconds);
	read_one("flowtable", "tcp_timeout", &t->flowtable);
	read_one("flowtable", "udp_timeout", &udp);
	if (t->flowtable < udp)
		t->flowtable = udp;
}
