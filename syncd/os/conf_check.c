// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What holds between the values of the whole file; that of the link is
 * conf_link's, that of carp blocks conf_carp_check's. The text is not looked
 * at any more.
 *
 * Implements the requirements of the manual that need more than one value.
 *
 * Invariant: without a mistake the tree is whole: each field that conf.h
 * promises is there.
 */
#include "conf_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "statsock.h"

static void settle_node(struct parser *p)
{
	struct conf *conf = p->conf;
	struct utsname name;

	p->at = (struct place){ 0 };
	if (p->override) {
		conf_set_name(p, p->override, "node", conf->node);
	} else if (!*conf->node) {
		uname(&name);
		p->by_host = true;
		conf_set_name(p, name.nodename, "the host name", conf->node);
	}
	if (!conf->state_dir)
		conf->state_dir = strdup("/var/lib/statesync");
	if (!conf->stats_socket)
		conf->stats_socket = strdup(STATSOCK_DEFAULT_PATH);
}

int conf_check(struct parser *p)
{
	int rc;

	settle_node(p);
	rc = p->conf->link.present ? conf_check_link(p) : 0;
	conf_check_carps(p);
	if (conf_check_sync(p))
		return -ENOMEM;
	if (!p->conf->state_dir || !p->conf->stats_socket || !p->conf->carps)
		return -ENOMEM;
	return rc;
}
