// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Facts out of /proc and /sys: what connection tracking is set to, whether this
 * machine forwards, and which helpers its kernel has. It judges nothing.
 *
 * Text: Documentation/networking/nf_conntrack-sysctl.rst.
 *
 * Invariant: what says how much the machine is in use (nf_conntrack_count) is
 * no fact.
 */
#include "drift_gather.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

#define NETFILTER "/proc/sys/net/netfilter"
#define MODULES	  "/sys/module"

void gather_add(struct gather *g, enum drift_kind kind, const char *name,
		const char *value, const char *note)
{
	struct fact *f = &g->list[g->n];

	if (g->n == DRIFT_GATHER_MAX) {
		for (f = g->list; f->kind != kind && f < g->list + g->n; f++)
			;
		*f->value = '\0';
		snprintf(f->note, sizeof(f->note),
			 "more than %d facts; watch fewer files",
			 DRIFT_GATHER_MAX);
		return;
	}
	f->kind = kind;
	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(f->value, sizeof(f->value), "%s", value);
	snprintf(f->note, sizeof(f->note), "%s", note ? note : "");
	g->n++;
}

void gather_head(struct gather *g, enum drift_kind kind, const char *why)
{
	gather_add(g, kind, "", why ? "" : "all", why);
}

/* The first line of a file. */
static bool read_line(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(out, (int)size, f);

	if (ok)
		out[strcspn(out, "\n")] = '\0';
	if (f)
		fclose(f);
	return ok;
}

static void add_sysctl(struct gather *g, enum drift_kind kind, const char *path)
{
	char value[FACT_VALUE_MAX], name[FACT_NAME_MAX];

	if (!read_line(path, value, sizeof(value)))
		return;
	snprintf(name, sizeof(name), "%s", path + strlen("/proc/sys/"));
	for (char *p = name; *p; p++)
		if (*p == '/')
			*p = '.';
	gather_add(g, kind, name, *value ? value : "(empty)", NULL);
}

static bool is_size(const char *name)
{
	return !strcmp(name, "nf_conntrack_max") ||
	       !strcmp(name, "nf_conntrack_buckets");
}

static void gather_sysctls(struct gather *g)
{
	DIR *dir = opendir(NETFILTER);
	struct dirent *d;

	gather_head(g, DRIFT_SYSCTLS, dir ? NULL : log_errno(errno));
	while (dir && (d = readdir(dir))) {
		char path[512];

		if (strncmp(d->d_name, "nf_conntrack_", 13) ||
		    is_size(d->d_name) ||
		    !strcmp(d->d_name, "nf_conntrack_count"))
			continue;
		snprintf(path, sizeof(path), NETFILTER "/%s", d->d_name);
		add_sysctl(g, DRIFT_SYSCTLS, path);
	}
	if (dir)
		closedir(dir);
	add_sysctl(g, DRIFT_SYSCTLS, "/proc/sys/net/ipv4/ip_forward");
	add_sysctl(g, DRIFT_SYSCTLS, "/proc/sys/net/ipv6/conf/all/forwarding");
}

static void gather_size(struct gather *g)
{
	static const char *const paths[] = {
		NETFILTER "/nf_conntrack_max",
		NETFILTER "/nf_conntrack_buckets",
	};
	char value[FACT_VALUE_MAX];
	bool there = read_line(paths[0], value, sizeof(value));

	gather_head(g, DRIFT_TABLE, there ? NULL : log_errno(errno));
	for (size_t i = 0; there && i < 2; i++)
		add_sysctl(g, DRIFT_TABLE, paths[i]);
}

/* Is it one of a protocol that announces connections? Others are named alike:
 * nf_conntrack_netlink, nf_nat_... */
static bool is_helper(const char *name)
{
	static const char *const known[] = {
		"amanda", "ftp", "h323", "irc",	 "netbios_ns", "pptp",
		"sane",	  "sip", "snmp", "tftp", "proto_gre",  "broadcast",
	};
	size_t prefix = 0;

	if (!strncmp(name, "nf_conntrack_", 13))
		prefix = 13;
	else if (!strncmp(name, "nf_nat_", 7))
		prefix = 7;
	for (size_t i = 0; prefix && i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(name + prefix, known[i]))
			return true;
	return false;
}

/* Built in or loaded: each of them has a parameter, so it is listed. */
static void gather_helpers(struct gather *g)
{
	DIR *dir = opendir(MODULES);
	struct dirent *d;

	gather_head(g, DRIFT_HELPERS, dir ? NULL : log_errno(errno));
	while (dir && (d = readdir(dir)))
		if (is_helper(d->d_name))
			gather_add(g, DRIFT_HELPERS, d->d_name, "loaded", NULL);
	if (dir)
		closedir(dir);
}

void gather_proc(struct gather *g)
{
	gather_sysctls(g);
	gather_size(g);
	gather_helpers(g);
}
