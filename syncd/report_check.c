/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What would bite at a failover, found before one: a table of checks, one
 * function each. It looks and mends nothing.
 *
 * Implements the command check of statesync(8): each finding says what is, what
 * it breaks, what to do.
 *
 * Invariant: a check that finds nothing says nothing but its name.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "peersock_path.h"
#include "report.h"
#include "report_check.h"
#include "report_sets.h"

#define COLUMN 8
#define WIDTH  79

struct check {
	const char *name;
	void (*run)(struct checker *c);
};

void finding(struct checker *c, enum level level, const char *fmt, ...)
{
	static const char *const words[LEVELS] = { "note", "WARNS", "DEMOTES",
						   "BLOCKS" };
	char text[1024], *line = text, *end;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	c->found[level]++;
	for (bool first = true; line; first = false, line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		fprintf(c->out, "%-*s%s\n", COLUMN, first ? words[level] : "",
			line);
	}
}

/* --- interfaces ------------------------------------------------------------- */

static void check_interfaces(struct checker *c)
{
	const struct node *n = c->n;

	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct node_iface *f = report_iface(n, i);
		const char *name = n->vhosts[i].name;

		if (!f)
			continue;
		if (!f->ifindex)
			finding(c, LEVEL_BLOCKS,
				"carp \"%s\": there is no interface %s\n"
				"this node cannot be master of it, and yields "
				"the others.\n"
				"ip link; if its name is another now: "
				"interface in statesync.conf",
				name, f->name);
		else if (!f->up)
			finding(c, LEVEL_BLOCKS,
				"carp \"%s\": %s is down, or has no carrier\n"
				"this node cannot be master of it, and yields "
				"the others.\n"
				"ip link set %s up; then look at the cable",
				name, f->name, f->name);
	}
}

static bool in_prefix(const struct conf_address *a,
		      const struct ifmon_addr *own)
{
	const uint8_t *want = (const uint8_t *)&a->v4;
	unsigned bits = a->prefixlen, whole = bits / 8, rest = bits % 8;

	return a->family == own->family && !memcmp(want, own->addr, whole) &&
	       (!rest || !((want[whole] ^ own->addr[whole]) >> (8 - rest)));
}

static bool has_own(const struct node *n, unsigned ifindex,
		    const struct conf_address *a)
{
	for (size_t i = 0; i < n->naddrs; i++)
		if (n->addrs[i].ifindex == ifindex &&
		    in_prefix(a, &n->addrs[i].addr))
			return true;
	return false;
}

static void check_own_addresses(struct checker *c)
{
	const struct node *n = c->n;

	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct node_iface *f = report_iface(n, i);
		const struct conf_carp *conf = n->vhosts[i].conf;

		for (size_t k = 0; f && f->ifindex && k < conf->num_addresses;
		     k++) {
			const struct conf_address *a = &conf->addresses[k];
			char text[REPORT_ADDRESS_SIZE];

			if (a->prefixlen >= (a->family == AF_INET ? 32 : 128) ||
			    has_own(n, f->ifindex, a))
				continue;
			finding(c, LEVEL_NOTE,
				"carp \"%s\": %s has no address of its own in "
				"the network of %s\n"
				"as backup this node reaches nobody there.\n"
				"if you have an address left: ip address add "
				"ADDRESS/%u dev %s",
				conf->name, f->name, report_address(a, text),
				a->prefixlen, f->name);
		}
	}
}

/* --- sysctls ----------------------------------------------------------------- */

/* The kernel takes the larger one of conf/all and the interface's own. */
static uint32_t of_all(const char *name)
{
	char path[64];
	uint32_t value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/all/%s", name);
	f = fopen(path, "re");
	if (f && fscanf(f, "%" SCNu32, &value) != 1)
		value = 0;
	if (f)
		fclose(f);
	return value;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static void check_arp(struct checker *c)
{
	struct node *n = c->n;

	for (size_t i = 0; n->vip_open && i < n->nifaces; i++) {
		const struct node_iface *f = &n->ifaces[i];
		struct sysctl_link l;
		uint32_t ignore, announce;

		if (!f->ifindex ||
		    sysctl_link_get(&n->vip.nl, f->ifindex, NULL, &l) ||
		    !l.arp || !l.has_inet)
			continue;
		ignore = larger(l.v.arp_ignore, of_all("arp_ignore"));
		announce = larger(l.v.arp_announce, of_all("arp_announce"));
		if (!ignore)
			finding(c, LEVEL_BLOCKS,
				"%s: somebody set arp_ignore back to 0\n"
				"the kernel answers for shared addresses with "
				"the real MAC, also when this node hangs.\n"
				"sysctl -w net.ipv4.conf.%s.arp_ignore=%d; "
				"look in /etc/sysctl.d for who did it",
				f->name, f->name, SYSCTL_ARP_IGNORE);
		if (announce < SYSCTL_ARP_ANNOUNCE)
			finding(c, LEVEL_BLOCKS,
				"%s: somebody set arp_announce to %" PRIu32 "\n"
				"the kernel tells neighbours that a shared "
				"address is at the real MAC; after a failover "
				"they go on sending there.\n"
				"sysctl -w net.ipv4.conf.%s.arp_announce=%d; "
				"look in /etc/sysctl.d for who did it",
				f->name, announce, f->name,
				SYSCTL_ARP_ANNOUNCE);
	}
}

/* --- the machine -------------------------------------------------------------- */

static void check_adverts(struct checker *c)
{
	const struct node *n = c->n;

	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct carp_vhost *v = &n->engine->vhosts[i].carp;
		struct standin_stats s;
		char ago[32];

		if (!report_late(n, i, CHECK_RECENT_NS, &s))
			continue;
		finding(c, LEVEL_WARNS,
			"carp \"%s\": %" PRIu64 " adverts were late, the last "
			"%s ago; longest gap %.1f ms\n"
			"a gap of %.1f ms ends the mastership.\n"
			"a larger advskew on both nodes, a CPU of its own, or "
			"a preemptible kernel",
			n->vhosts[i].name, s.late,
			report_duration(mono_diff(n->last, s.late_at), ago,
					sizeof(ago)),
			(double)s.longest_ns / 1e6,
			(double)carp_vhost_interval_ns(v) * 2.5 / 1e6);
	}
}

/* Of a link of one path status says enough. */
static void check_paths(struct checker *c)
{
	const struct node *n = c->n;

	for (unsigned i = 0; i < n->engine->npeers; i++) {
		unsigned count = peersock_paths(n->peersock, i);

		for (unsigned k = 0; count > 1 && k < count; k++) {
			struct peersock_path_info info;

			peersock_path_info(n->peersock, i, k, &info);
			if (info.state != PEERSOCK_PATH_DOWN)
				continue;
			finding(c, LEVEL_WARNS,
				"peer \"%s\": the path from %s to %s is down "
				"(%s)\n"
				"the link has a cable less than you think.\n"
				"ping -I %s %s; then look at the cable",
				n->engine->peers[i].name, info.ours,
				info.theirs, info.error, info.ours,
				info.theirs);
		}
	}
}

static void check_audit(struct checker *c)
{
	const struct engine *e = c->n->engine;

	for (size_t i = 0; i < e->npeers; i++)
		if (*e->peers[i].audit.alarm)
			finding(c, LEVEL_WARNS,
				"%s: %s\n"
				"after a failover those connections break.\n"
				"statesync verify %s lists them",
				e->peers[i].name, e->peers[i].audit.alarm,
				e->peers[i].name);
}

/* --- the ruleset and its helpers ------------------------------------------------ */

/* The module of a helper is named after the protocol; "ftp-2121" is one more
 * port of it. */
static void module_of(const char *helper, char *name, size_t size)
{
	static const char *const h323[] = { "RAS", "Q.931", "H.245" };
	size_t len = strcspn(helper, "0123456789");

	if (len > 1 && helper[len] && helper[len - 1] == '-')
		len--;
	else
		len = strlen(helper);
	snprintf(name, size, "nf_conntrack_%.*s", (int)len, helper);
	for (size_t i = 0; i < sizeof(h323) / sizeof(h323[0]); i++)
		if (!strcmp(helper, h323[i]))
			snprintf(name, size, "nf_conntrack_h323");
	for (char *p = name; *p; p++)
		if (*p == '-')
			*p = '_';
}

static void check_helpers(struct checker *c)
{
	const struct engine *e = c->n->engine;
	char module[64];

	module_of(c->n->inject.helper, module, sizeof(module));
	if (e->results[FLOW_HELPER])
		finding(c, LEVEL_WARNS,
			"this kernel does not know the helper \"%s\": "
			"%" PRIu64 " connections are here without one\n"
			"after a takeover the ruleset may drop what "
			"they announce.\n"
			"modprobe %s, and nf_nat_... where it is "
			"translated; then statesync bulk",
			c->n->inject.helper, e->results[FLOW_HELPER], module);
	for (size_t i = 0; i < e->npeers; i++)
		if (e->peers[i].live && e->peers[i].tx.refused[FLOW_HELPER])
			finding(c, LEVEL_WARNS,
				"%s does not know a helper of this node: "
				"%" PRIu64 " connections are there without "
				"one\n"
				"after a takeover its ruleset may drop what "
				"they announce.\n"
				"statesync check on %s names the module",
				e->peers[i].name,
				e->peers[i].tx.refused[FLOW_HELPER],
				e->peers[i].name);
}

/* The number of the line that makes our table in the file; 0: none does. */
static unsigned our_table(FILE *f, const char *name)
{
	char line[4096], family[16], table[64];
	unsigned number = 0;

	while (fgets(line, sizeof(line), f)) {
		number++;
		if (sscanf(line, " table %15s %63[^ \t\n{;]", family, table) ==
			    2 &&
		    !strcmp(family, "netdev") && !strcmp(table, name))
			return number;
	}
	return 0;
}

static void check_nftables_conf(struct checker *c)
{
	const char *path = getenv("STATESYNC_NFTABLES_CONF");
	const char *name = *c->n->lease.table ? c->n->lease.table : "statesync";
	unsigned line;
	FILE *f;

	if (!path)
		path = "/etc/nftables.conf";
	f = fopen(path, "re");
	if (!f) {
		if (errno != ENOENT)
			finding(c, LEVEL_NOTE,
				"%s: %s\n"
				"so whether our table is in it is not known.\n"
				"grep 'table netdev %s' %s",
				path, log_errno(errno), name, path);
		return;
	}
	line = our_table(f, name);
	fclose(f);
	if (line)
		finding(c, LEVEL_WARNS,
			"%s:%u: our table netdev %s is in it\n"
			"while statesyncd runs the kernel refuses the file as "
			"a whole: no change of your rules gets in.\n"
			"statesync save-ruleset -o %s, or take the table out",
			path, line, name, path);
}

static void warn_of_set(void *arg, const char *text)
{
	finding(arg, LEVEL_WARNS, "%s", text);
}

static void check_sets(struct checker *c)
{
	report_sets_check(c->n, warn_of_set, c);
}

/* --- all of it ----------------------------------------------------------------- */

static const struct check checks[] = {
	{ "interfaces", check_interfaces },
	{ "own addresses", check_own_addresses },
	{ "arp_ignore, arp_announce", check_arp },
	{ "kernel", check_kernel },
	{ "nf_conntrack_events, tcp_be_liberal", check_tracking },
	{ "conntrackd", check_conntrackd },
	{ "adverts in time", check_adverts },
	{ "numbers of vhosts", check_foreign },
	{ "paths of the link", check_paths },
	{ "equal tables", check_audit },
	{ "helpers", check_helpers },
	{ "/etc/nftables.conf", check_nftables_conf },
	{ "translations", check_translations },
	{ "timeouts", check_timeouts },
	{ "labels", check_labels },
	{ "accounting", check_accounting },
	{ "filters", check_filters },
	{ "names", check_names },
	{ "defer", check_defer },
	{ "sets", check_sets },
	{ "peers compared", check_compared },
};
#define CHECKS (sizeof(checks) / sizeof(checks[0]))
/* and what is compared with the peers, kind by kind */
#define ALL	(CHECKS + DRIFT_KINDS - 1)
#define KIND(i) ((enum drift_kind)((i)-CHECKS + 1))

static unsigned total(const struct checker *c)
{
	return c->found[LEVEL_NOTE] + c->found[LEVEL_WARNS] +
	       c->found[LEVEL_DEMOTES] + c->found[LEVEL_BLOCKS];
}

static void print_verdict(const struct checker *c, FILE *out)
{
	unsigned warns = c->found[LEVEL_WARNS];
	unsigned demotes = c->found[LEVEL_DEMOTES];
	unsigned blocks = c->found[LEVEL_BLOCKS];
	unsigned all = warns + demotes + blocks;
	char more[32] = "";

	fprintf(out, "%s: ", c->n->engine->node);
	if (demotes)
		snprintf(more, sizeof(more), "%u demote%s, ", demotes,
			 demotes == 1 ? "s" : "");
	if (all == 0)
		fputs("nothing here would bite at a failover.\n\n", out);
	else
		fprintf(out,
			"%u finding%s, %u block%s a takeover, %s%u warn%s.\n\n",
			all, all == 1 ? "" : "s", blocks,
			blocks == 1 ? "s" : "", more, warns,
			warns == 1 ? "s" : "");
}

/* The names of the checks that found nothing, in lines. */
static void print_good(const bool good[ALL], FILE *out)
{
	size_t column = 0;

	for (size_t i = 0; i < ALL; i++) {
		const char *name =
			i < CHECKS ? checks[i].name : check_drift_name(KIND(i));
		size_t len = strlen(name);

		if (!good[i])
			continue;
		if (!column)
			column = (size_t)fprintf(out, "%-*s", COLUMN, "ok");
		else if (column + 2 + len > WIDTH)
			column = (size_t)fprintf(out, ",\n%*s", COLUMN, "") - 2;
		else
			column += (size_t)fprintf(out, ", ");
		fputs(name, out);
		column += len;
	}
	if (column)
		fputc('\n', out);
}

bool report_check(struct node *n, FILE *out)
{
	struct checker c = { .n = n };
	bool good[ALL] = { false };
	char *text = NULL;
	size_t len;

	(void)node_now(n);
	c.out = open_memstream(&text, &len);
	if (!c.out) {
		fprintf(out, "%s: not enough memory to check\n",
			n->engine->node);
		return false;
	}
	for (size_t i = 0; i < ALL; i++) {
		unsigned before = total(&c);

		c.unknown = false;
		if (i < CHECKS)
			checks[i].run(&c);
		else
			check_drift(&c, KIND(i));
		good[i] = total(&c) == before && !c.unknown;
	}
	fclose(c.out);
	print_verdict(&c, out);
	fputs(text, out);
	free(text);
	print_good(good, out);
	check_age(n, out);
	return c.found[LEVEL_WARNS] + c.found[LEVEL_DEMOTES] +
		       c.found[LEVEL_BLOCKS] ==
	       0;
}
