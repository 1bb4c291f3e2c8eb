/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Commands that follow a role: given to the helper in their order, with what
 * they should know in the environment, and their output and end to the log.
 * Why one is run is decided elsewhere; the loop never waits for one.
 *
 * Implements on-master, on-backup and on-fault of statesync.conf(5).
 *
 * Invariant: commands of one queue are never given out of their order.
 */
#include "node_ifstated.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exec.h"
#include "log.h"

#define QUEUE_ROLE 2
#define LIMIT_MS   60000
#define VARS_MAX   12

static void forget(struct follow_command *c)
{
	struct follow_command **at = &c->of->commands;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	free(c->text);
	free(c->env);
	free(c);
}

/* --- results --------------------------------------------------------------- */

static void ended(struct follow_command *c, const struct exec_event *ev)
{
	struct node *n = c->of->node;
	char words[64];
	bool good = ev->how == EXEC_EXITED && !ev->status;

	exec_words(ev, words, sizeof(words));
	if (c->test) {
		log_msg(LOG_DEBUG, "%s: test \"%s\": %s", c->who, c->text,
			words);
		node_ifstated_tested(n, c,
				     ev->how == EXEC_EXITED ? ev->status : -1);
	} else {
		n->commands_ended[good]++;
		log_msg(good ? LOG_INFO : LOG_WARNING, "%s: \"%s\": %s%s",
			c->who, c->text, words,
			good ? ""
			     : "; what comes after it is run all the same");
		if (!good)
			node_ifstated_note(n, "%s: \"%.40s\": %s", c->who,
					   c->text, words);
	}
	forget(c);
	node_follow_pump(n);
}

static void on_command(const struct exec_event *ev, void *arg)
{
	struct follow_command *c = arg;

	if (ev->how == EXEC_LINE)
		log_msg(LOG_INFO, "%s: %s", c->who, ev->text);
	else
		ended(c, ev);
}

/* --- to the helper --------------------------------------------------------- */

static int give(struct node *n, struct follow_command *c)
{
	const char *vars[VARS_MAX + 1] = { NULL };
	char *text = c->env ? strdup(c->env) : NULL, *s = text;
	int err;

	for (int i = 0; s && i < VARS_MAX; i++)
		vars[i] = strsep(&s, "\n");
	err = exec_run_env(n->exec, c->queue, c->text, vars, c->limit_ms,
			   on_command, c);
	free(text);
	return err;
}

void node_follow_pump(struct node *n)
{
	const struct timeval soon = { .tv_usec = 10000 };
	struct follow_command *c = n->ifstated->commands, *next;

	for (; c; c = next) {
		int err;

		next = c->next;
		if (c->given)
			continue;
		err = give(n, c);
		if (err == -EAGAIN) {
			event_add(n->ifstated->timer, &soon);
			return;
		}
		c->given = !err;
		if (!err)
			continue;
		log_msg(LOG_ERR, "%s: \"%s\" is not run: %s", c->who, c->text,
			err == EXEC_GONE ? "the helper is gone; restart "
					   "statesyncd"
					 : log_errno(-err));
		forget(c);
	}
}

static struct follow_command *new_command(struct node *n, uint32_t queue,
					  const char *who, const char *text)
{
	struct follow_command *c = calloc(1, sizeof(*c)), **at;

	if (c)
		c->text = strdup(text);
	if (!c || !c->text) {
		log_msg(LOG_ERR, "%s: no memory for \"%s\"; it is not run", who,
			text);
		free(c);
		return NULL;
	}
	c->of = n->ifstated;
	c->queue = queue;
	c->limit_ms = LIMIT_MS;
	snprintf(c->who, sizeof(c->who), "%s", who);
	for (at = &n->ifstated->commands; *at;)
		at = &(*at)->next;
	*at = c;
	return c;
}

void node_follow_run(struct node *n, uint32_t queue, const char *who,
		     const char *text, char *env)
{
	struct follow_command *c = new_command(n, queue, who, text);

	if (!c) {
		free(env);
		return;
	}
	c->env = env;
	log_msg(LOG_INFO, "%s: run \"%s\"", who, text);
	node_follow_pump(n);
}

void node_follow_test(struct node *n, const char *text, unsigned index,
		      unsigned serial, unsigned every_s)
{
	struct follow_command *c = new_command(n, EXEC_CHECK, "policy", text);

	if (!c)
		return;
	c->env = node_follow_env(n);
	c->test = true;
	c->index = index;
	c->serial = serial;
	c->generation = n->ifstated->generation;
	c->limit_ms = every_s * 1000LL;
	node_follow_pump(n);
}

/* --- the environment -------------------------------------------------------- */

char *node_follow_env(const struct node *n)
{
	char *text;

	if (asprintf(&text, "STATESYNC_NODE=%s\nSTATESYNC_SOCKET=%s",
		     n->conf->node, n->conf->stats_socket) < 0)
		return NULL;
	return text;
}

/* As a word: a cause has no newline, but who knows. */
static void clean(char *text)
{
	for (; *text; text++)
		if (*text == '\n')
			*text = ' ';
}

static char *role_env(struct node *n, const struct engine_action *a)
{
	const struct node_vhost *v = &n->vhosts[a->index];
	char *common = node_follow_env(n), *text = NULL;
	char cause[SESSION_REASON_MAX], at[40];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &tm);
	memcpy(cause, a->transition.cause, sizeof(cause));
	clean(cause);
	if (common &&
	    asprintf(&text,
		     "%s\nSTATESYNC_CARP=%s\nSTATESYNC_VHID=%u\n"
		     "STATESYNC_INTERFACE=%s\nSTATESYNC_FROM=%s\n"
		     "STATESYNC_TO=%s\nSTATESYNC_CAUSE=%s\nSTATESYNC_AT=%s",
		     common, v->name, v->vhid, v->conf->interface,
		     carp_state_name(a->transition.from),
		     carp_state_name(a->transition.to), cause, at) < 0)
		text = NULL;
	free(common);
	return text;
}

/* Who is told to stop gives its role away: that is no fault. */
static enum conf_role role_of(const struct node *n, enum carp_state to)
{
	switch (to) {
	case CARP_MASTER:
		return CONF_ON_MASTER;
	case CARP_BACKUP:
		return CONF_ON_BACKUP;
	case CARP_INIT:
		break;
	}
	return n->engine->stopping ? CONF_ON_BACKUP : CONF_ON_FAULT;
}

void node_follow_role(struct node *n, const struct engine_action *a)
{
	static const char *const names[CONF_ROLES] = { "on-master", "on-backup",
						       "on-fault" };
	enum conf_role role = role_of(n, a->transition.to);
	const char *command = n->conf->follow.on_role[role];
	char who[CONF_NAME_SIZE + 32];

	if (!command)
		return;
	snprintf(who, sizeof(who), "carp \"%s\", %s", n->vhosts[a->index].name,
		 names[role]);
	node_follow_run(n, QUEUE_ROLE, who, command, role_env(n, a));
}

/* The last ones are still to be given: the helper runs them all. */
void node_follow_close(struct node *n)
{
	struct node_ifstated *f = n->ifstated;

	while (f->commands) {
		struct follow_command *c = f->commands;

		/* forget() took the one before off the list */
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		if (!c->given && !c->test && give(n, c))
			log_msg(LOG_ERR,
				"%s: \"%s\" is not run: this process ends",
				c->who, c->text);
		exec_forget(n->exec, c); /* nobody is called any more */
		forget(c);
	}
}
