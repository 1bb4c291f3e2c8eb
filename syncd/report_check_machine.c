// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The checks about this machine alone: its kernel, how it tracks connections,
 * and who else writes them. Two nodes that are alike in what is wrong do not
 * differ, so nothing else finds it.
 *
 * Implements the command check of statesync(8). Text: proc(5), unix(7).
 *
 * Invariant: what this machine does not tell is not judged.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "node.h"
#include "report_check.h"

#define LISTENS 0x10000 /* __SO_ACCEPTCON of /proc/net/unix */

static bool has_virtual_mac(const struct node *n)
{
	for (size_t i = 0; i < n->nvhosts; i++)
		if (!n->engine->vhosts[i].gone &&
		    !node_is_external(&n->vhosts[i]) &&
		    n->vhosts[i].conf->mac == CONF_MAC_VIRTUAL)
			return true;
	return false;
}

void check_kernel(struct checker *c)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	if (!has_virtual_mac(c->n) || uname(&u) ||
	    sscanf(u.release, "%u.%u", &major, &minor) != 2 || major > 5 ||
	    (major == 5 && minor >= 16))
		return;
	finding(c, LEVEL_WARNS,
		"kernel %u.%u is too old for mac = \"virtual\" (needs 5.16)\n"
		"a master that hangs goes on answering.\n"
		"boot a newer kernel, or mac = \"interface\" in "
		"statesync.conf on both nodes",
		major, minor);
}

bool check_sysctl(const char *name, uint32_t *value)
{
	char path[96];
	bool known;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/netfilter/%s", name);
	f = fopen(path, "re");
	known = f && fscanf(f, "%" SCNu32, value) == 1;
	if (f)
		fclose(f);
	return known;
}

/* It has to be 1; breaks: what happens where it is not. */
static void check_is_1(struct checker *c, const char *name, enum level level,
		       uint32_t value, const char *breaks)
{
	finding(c, level,
		"net.netfilter.%s is %" PRIu32 "\n"
		"%s\n"
		"sysctl -w net.netfilter.%s=1; "
		"/usr/lib/sysctl.d/60-statesync.conf sets it at boot: look in "
		"/etc/sysctl.d for who sets it back",
		name, value, breaks, name);
}

void check_tracking(struct checker *c)
{
	static const char events[] = "nf_conntrack_events";
	static const char liberal[] = "nf_conntrack_tcp_be_liberal";
	uint32_t value;

	if (!check_sysctl(events, &value))
		c->unknown = true;
	else if (!value)
		check_is_1(c, events, LEVEL_BLOCKS, value,
			   "the kernel tells of no connection: those that "
			   "begin here end at a failover.");
	else if (value != 1)
		check_is_1(c, events, LEVEL_WARNS, value,
			   "a connection that began while no daemon ran never "
			   "tells of its changes or its end.");
	if (!check_sysctl(liberal, &value))
		c->unknown = true;
	else if (!value)
		check_is_1(c, liberal, LEVEL_WARNS, value,
			   "a TCP connection that goes to the other node and "
			   "comes back is INVALID here; a ruleset that drops "
			   "those breaks it.");
}

/* Its socket in this network namespace: its process may be hidden from us. */
static bool finds_conntrackd(char path[128])
{
	static const char name[] = "/conntrackd.ctl";
	FILE *f = fopen("/proc/self/net/unix", "re");
	char line[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		unsigned flags;
		size_t len;

		if (sscanf(line, "%*s %*s %*s %x %*s %*s %*s %127[^\n]", &flags,
			   path) != 2 ||
		    !(flags & LISTENS))
			continue;
		len = strlen(path);
		found = len >= strlen(name) &&
			!strcmp(path + len - strlen(name), name);
	}
	if (f)
		fclose(f);
	return found;
}

void check_conntrackd(struct checker *c)
{
	char path[128];

	if (finds_conntrackd(path))
		finding(c, LEVEL_WARNS,
			"conntrackd runs here, at %s\n"
			"what it commits at a failover is older than what is "
			"in the table already, and is written over it.\n"
			"statesync replaces it, on both nodes: systemctl "
			"disable --now conntrackd",
			path);
}
