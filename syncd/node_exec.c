/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The helper that runs commands, in the loop. Who has them run gets the
 * results from exec.h; nothing is decided here.
 *
 * Implements rules 14.
 *
 * Invariant: the helper is forked before anything else is open.
 */
#include "node.h"

#include <errno.h>

#include "exec_conf.h"
#include "log.h"

static void on_exec(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;

	(void)fd;
	(void)what;
	(void)node_now(n);
	/* the descriptor is closed then, and may be another's */
	if (exec_read(n->exec) == EXEC_GONE)
		event_del(n->exec_event);
	node_settle(n);
}

int node_exec_fork(struct node *n)
{
	int err;

	n->exec = n->helper ? exec_connect(n->helper)
			    : exec_open(exec_conf_names, n->path, n->macros);
	if (n->exec)
		return 0;
	err = errno;
	if (n->helper)
		log_msg(LOG_ERR,
			"%s: %s; no helper to open files and run commands, not "
			"started. systemctl start statesync-helper.socket",
			n->helper, log_errno(err));
	else
		log_msg(LOG_ERR, "no helper to run commands: %s",
			log_errno(err));
	return -err;
}

int node_exec_open(struct node *n)
{
	n->exec_event = event_new(n->base, exec_fd(n->exec),
				  EV_READ | EV_PERSIST, on_exec, n);
	if (!n->exec_event)
		return -ENOMEM;
	event_priority_set(n->exec_event, PRIORITY_NORMAL);
	return event_add(n->exec_event, NULL) ? -ENOMEM : 0;
}

void node_exec_close(struct node *n)
{
	if (n->exec_event)
		event_free(n->exec_event);
	n->exec_event = NULL;
	exec_close(n->exec);
	n->exec = NULL;
}
