/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the commands of policies ask for: the demotion, also by their own
 * counter, and a vhost under the name that the policy has for it.
 *
 * Invariant: what a policy adds never changes the operator's counter.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "node.h"
#include "policy_names.h"
#include "report.h"

void commands_demote(struct node *n, struct stats_client *c, int argc,
		     char **argv)
{
	bool policy = argc == 3 && !strcmp(argv[2], "policy");
	enum demotion_name name = policy ? DEMOTION_POLICY : DEMOTION_OPERATOR;
	const char *by = policy ? "the policy" : "the operator";
	char *end;
	long value;

	if (argc != 2 && !policy) {
		statsock_end(c, STATS_ERROR,
			     "demote takes one number, and \"policy\" behind "
			     "it where that is who asks");
		return;
	}
	errno = 0;
	value = strtol(argv[1], &end, 10);
	if (errno || *end || end == argv[1] || value < -255 || value > 255) {
		statsock_end(c, STATS_ERROR,
			     "demote takes a number from -255 to 255");
		return;
	}
	(void)node_now(n);
	(void)statsock_printf(
		c, "%s: demotion by %s is now %d\n", n->engine->node, by,
		engine_demote(n->engine, name, by, (int32_t)value));
	statsock_end(c, STATS_OK, NULL);
	node_settle(n);
}

static bool nothing_is_here(const char *name)
{
	(void)name;
	return false;
}

static void show(const struct node *n, unsigned i, struct stats_client *c)
{
	static const char *const words[] = {
		[CARP_INIT] = "invalid",
		[CARP_BACKUP] = "backup",
		[CARP_MASTER] = "master",
	};
	const struct node_vhost *v = &n->vhosts[i];
	enum carp_state state = n->engine->vhosts[i].carp.state;
	char text[REPORT_ADDRESS_SIZE];

	(void)statsock_printf(
		c,
		"%s:\n\tcarp: %s carpdev %s vhid %u advbase %u advskew %u\n"
		"\tgroups: carp\n\tstatus: %s\n",
		v->name, carp_state_name(state), v->conf->interface, v->vhid,
		v->conf->advbase, v->advskew, words[state]);
	for (size_t k = 0; k < v->conf->num_addresses; k++)
		(void)statsock_printf(
			c, "\tinet%s %s\n",
			v->conf->addresses[k].family == AF_INET6 ? "6" : "",
			report_address(&v->conf->addresses[k], text));
}

void commands_carp(struct node *n, struct stats_client *c, int argc,
		   char **argv)
{
	struct policy_vhost_name names[ENGINE_VHOSTS_MAX];
	enum policy_found found;
	unsigned vhost;
	size_t count = 0;

	if (argc > 2) {
		statsock_end(c, STATS_ERROR, "carp takes one name");
		return;
	}
	for (unsigned i = 0; i < n->nvhosts; i++) {
		if (n->engine->vhosts[i].gone)
			continue;
		names[count++] =
			(struct policy_vhost_name){ n->vhosts[i].name,
						    n->vhosts[i].conf->alias,
						    n->vhosts[i].vhid, i };
		if (argc < 2)
			show(n, i, c);
	}
	if (argc < 2) {
		(void)statsock_printf(
			c, "carp: carp demote count %u\n",
			(unsigned)demotion_total(&n->engine->demotion));
		statsock_end(c, STATS_OK, NULL);
		return;
	}
	found = policy_name_find(argv[1], nothing_is_here, names, count,
				 &vhost);
	if (found == POLICY_FOUND_VHOST || found == POLICY_FOUND_VHID) {
		show(n, vhost, c);
		statsock_end(c, STATS_OK, NULL);
		return;
	}
	statsock_end(c, STATS_NO,
		     "no carp vhost of this name, or several; statesync carp "
		     "lists them, alias = \"...\" gives one another name");
}
