/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Balanced addresses, for people and for programs: how flows are told apart,
 * and what each share let in here. Invariant: a count that the kernel does not
 * tell is not shown as one.
 */
#include "report.h"
#include "report_value.h"

#include <inttypes.h>
#include <string.h>

static const char *mode_name(const struct conf_carp *c)
{
	return c->balancing == CONF_BALANCING_IP ? "ip" : "ip-stealth";
}

static bool read_counters(struct node *n, unsigned vhost, uint64_t *packets,
			  uint64_t *bytes)
{
	const struct node_vhost *v = &n->vhosts[vhost];

	return v->leased &&
	       !lease_share_counters(&n->lease, &v->lease, packets, bytes);
}

json_t *report_balancing_json(struct node *n, unsigned vhost)
{
	const struct node_vhost *v = &n->vhosts[vhost];
	uint64_t packets, bytes;
	bool known;
	json_t *o;

	if (!v->lease.shares)
		return json_null();
	known = read_counters(n, vhost, &packets, &bytes);
	o = json_object();
	put(o, "mode", json_string(mode_name(v->conf)));
	put(o, "block", json_string(v->conf->name));
	put(o, "hash", json_string(lease_share_hash(v->lease.shares)));
	put(o, "share", json_integer(v->share));
	put(o, "shares", json_integer(v->lease.shares));
	put(o, "packets",
	    known ? json_integer((json_int_t)packets) : json_null());
	put(o, "bytes", known ? json_integer((json_int_t)bytes) : json_null());
	return o;
}

static void print_share(struct node *n, unsigned vhost, bool first, FILE *out)
{
	const struct node_vhost *v = &n->vhosts[vhost];
	uint64_t packets, bytes;

	fprintf(out, "%s%s", first ? ": " : ", ", v->name);
	if (read_counters(n, vhost, &packets, &bytes))
		fprintf(out, " %" PRIu64, packets);
	else
		fputs(" ?", out);
}

void report_balancing(struct node *n, FILE *out)
{
	for (unsigned i = 0; i < n->nvhosts; i++) {
		const struct node_vhost *v = &n->vhosts[i];
		unsigned shares = v->lease.shares;
		bool first;

		if (!shares || v->share)
			continue;
		fprintf(out, "%-*s  balancing %s by ", report_width(n),
			v->conf->name, mode_name(v->conf));
		if (strcmp(lease_share_hash(shares), "xor") == 0)
			fprintf(out, "src xor dst mod %u", shares);
		else
			fprintf(out, "jhash mod %u (no OpenBSD)", shares);
		fputs("; packets let in here", out);
		first = true;
		for (unsigned k = 0; k < n->nvhosts; k++) {
			if (n->vhosts[k].conf != v->conf)
				continue;
			print_share(n, k, first, out);
			first = false;
		}
		fputc('\n', out);
	}
}
