/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The policy in the loop: facts to it, its commands and tests to the helper,
 * what it does to the log and to history. What follows of what is
 * core/policy_run.c's.
 *
 * Implements policy-file of statesync.conf(5), statesync-policy(5).
 *
 * Invariant: a policy that runs is that of n->conf.
 */
#include "node_ifstated.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "log.h"
#include "policy_run.h"

#define QUEUE_POLICY 1

void node_ifstated_note(struct node *n, const char *fmt, ...)
{
	char text[SESSION_REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	history_note(&n->engine->history, n->last, "policy", text);
}

/* --- what it does ----------------------------------------------------------- */

static void entered(struct node *n, const struct policy_action *a)
{
	const struct policy_state *states = n->ifstated->policy->states;
	const char *name = states[a->state].name;

	if (a->from == POLICY_GLOBAL) {
		log_msg(LOG_NOTICE, "policy: state %s: %s", name, a->text);
		node_ifstated_note(n, "state %.40s: %.60s", name, a->text);
	} else {
		log_msg(LOG_NOTICE, "policy: state %s -> %s: %s",
			states[a->from].name, name, a->text);
		node_ifstated_note(n, "state %.30s -> %.30s: %.50s",
				   states[a->from].name, name, a->text);
	}
}

static void stopped(struct node *n, const struct policy_action *a)
{
	const char *name = n->ifstated->policy->states[a->state].name;

	log_msg(LOG_ERR,
		"policy: its states lead into each other without end (%s); "
		"stopped in state %s after %d changes. set-state of one "
		"should need what the other's excludes",
		a->text, name, POLICY_CHANGES_MAX);
	node_ifstated_note(n, "loop of states stopped in %.40s: %.50s", name,
			   a->text);
}

static void run_command(struct node *n, const struct policy_action *a)
{
	const char *name = n->ifstated->policy->states[a->state].name;
	char who[CONF_NAME_SIZE + 32];

	snprintf(who, sizeof(who), *name ? "policy, state %s" : "policy%s",
		 name);
	node_follow_run(n, QUEUE_POLICY, who, a->text, node_follow_env(n));
}

static void arm(struct node *n)
{
	struct node_ifstated *f = n->ifstated;
	mono_t deadline = policy_deadline(f->run);
	int64_t wait = mono_diff(deadline, n->last) + MONO_MS;
	struct timeval tv = { .tv_usec = 1000 };

	if (mono_is_never(deadline))
		return;
	if (wait > MONO_MS) {
		tv.tv_sec = wait / MONO_S;
		tv.tv_usec = wait % MONO_S / MONO_US;
	}
	event_add(f->timer, &tv);
}

static void settle(struct node *n)
{
	struct policy_action a;

	while (policy_poll(n->ifstated->run, &a))
		switch (a.what) {
		case POLICY_DO_RUN:
			run_command(n, &a);
			break;
		case POLICY_DO_TEST:
			node_follow_test(n, a.text, a.test, a.serial,
					 a.every_s);
			break;
		case POLICY_DO_ENTER:
			entered(n, &a);
			break;
		case POLICY_DO_STOP:
			stopped(n, &a);
			break;
		}
	if (policy_lost(n->ifstated->run))
		log_msg(LOG_ERR, "policy: not enough memory; commands of it "
				 "were left out");
	arm(n);
}

void node_ifstated_tested(struct node *n, const struct follow_command *c,
			  int status)
{
	struct node_ifstated *f = n->ifstated;

	if (!f->run || c->generation != f->generation)
		return;
	policy_tested(f->run, c->index, c->serial, status, n->last);
	settle(n);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;

	(void)fd;
	(void)what;
	(void)node_now(n);
	node_follow_pump(n);
	if (n->ifstated->run && n->ifstated->begun) {
		policy_tick(n->ifstated->run, n->last);
		settle(n);
	}
	node_settle(n);
}

/* --- facts ------------------------------------------------------------------ */

/* Of a balanced block: master of any share. */
static enum policy_fact vhost_fact(const struct node *n, unsigned carp)
{
	const struct conf_carp *c = &n->conf->carps[carp];
	enum policy_fact fact = POLICY_IS_INIT;

	for (size_t i = 0; i < n->nvhosts; i++) {
		if (n->vhosts[i].conf != c || n->engine->vhosts[i].gone)
			continue;
		switch (n->engine->vhosts[i].carp.state) {
		case CARP_MASTER:
			return POLICY_IS_UP;
		case CARP_BACKUP:
			fact = POLICY_IS_DOWN;
			break;
		case CARP_INIT:
			break;
		}
	}
	return fact;
}

static enum policy_fact iface_fact(const struct node_ifstated *f,
				   const char *name)
{
	for (size_t i = 0; i < f->nifaces; i++)
		if (f->ifaces[i].ifindex &&
		    strcmp(f->ifaces[i].name, name) == 0)
			return f->ifaces[i].fact;
	return POLICY_IS_DOWN;
}

static void tell_facts(struct node *n)
{
	struct node_ifstated *f = n->ifstated;

	for (unsigned i = 0; f->run && i < f->policy->nlinks; i++) {
		const struct policy_link *l = &f->policy->links[i];

		policy_fact(f->run, i,
			    l->means == POLICY_VHOST ? vhost_fact(n, l->vhost)
						     : iface_fact(f, l->name),
			    n->last);
	}
	if (f->run && f->begun)
		settle(n);
}

void node_ifstated_role(struct node *n, const struct engine_action *a)
{
	node_follow_role(n, a);
	if (n->ifstated->begun)
		tell_facts(n);
}

static struct follow_iface *iface_of(struct node_ifstated *f, unsigned ifindex)
{
	struct follow_iface *more;

	for (size_t i = 0; i < f->nifaces; i++)
		if (f->ifaces[i].ifindex == ifindex)
			return &f->ifaces[i];
	for (size_t i = 0; i < f->nifaces; i++)
		if (!f->ifaces[i].ifindex)
			return &f->ifaces[i];
	more = reallocarray(f->ifaces, f->nifaces + 1, sizeof(*more));
	if (!more)
		return NULL;
	f->ifaces = more;
	return &f->ifaces[f->nifaces++];
}

void node_ifstated_link(struct node *n, const struct ifmon_event *ev)
{
	struct follow_iface *i = iface_of(n->ifstated, ev->ifindex);

	if (!i)
		return;
	i->ifindex = ev->link.gone ? 0 : ev->ifindex;
	memcpy(i->name, ev->link.name, sizeof(i->name));
	i->fact = !ev->link.up	     ? POLICY_IS_DOWN
		  : ev->link.unknown ? POLICY_IS_UNKNOWN
				     : POLICY_IS_UP;
	if (n->ifstated->begun)
		tell_facts(n);
}

/* --- life ------------------------------------------------------------------- */

static int make_run(struct node *n)
{
	struct node_ifstated *f = n->ifstated;

	policy_run_free(f->run);
	f->run = NULL;
	f->generation++;
	f->policy = n->conf->follow.policy;
	if (!f->policy)
		return 0;
	f->run = policy_run_new(f->policy);
	return f->run ? 0 : -ENOMEM;
}

int node_ifstated_open(struct node *n)
{
	struct node_ifstated *f = calloc(1, sizeof(*f));

	n->ifstated = f;
	if (!f)
		return -ENOMEM;
	f->node = n;
	f->timer = event_new(n->base, -1, 0, on_timer, n);
	if (!f->timer)
		return -ENOMEM;
	event_priority_set(f->timer, PRIORITY_NORMAL);
	return make_run(n);
}

void node_ifstated_begin(struct node *n)
{
	struct node_ifstated *f = n->ifstated;
	bool goes_on;

	(void)node_now(n);
	goes_on = f->run && f->kept &&
		  policy_restore(f->run, f->kept, f->kept_len, n->last);
	if (!goes_on)
		tell_facts(n);
	f->begun = true;
	if (goes_on)
		tell_facts(n);
	else if (f->run)
		policy_start(f->run, POLICY_GLOBAL, n->last);
	free(f->kept);
	f->kept = NULL;
	if (f->run)
		settle(n);
}

/* The same policy, to which names may mean something else now, goes on;
 * another one does in its state of the same name, if there is one. */
int node_ifstated_change(struct node *n, const struct conf *was)
{
	struct node_ifstated *f = n->ifstated;
	const struct policy *old = was->follow.policy,
			    *new = n->conf->follow.policy;
	bool same = old && new &&policy_digest(old) == policy_digest(new);
	uint8_t kept[NODE_IFSTATED_KEPT_MAX];
	size_t len = same ? policy_keep(f->run, kept, sizeof(kept)) : 0;
	const char *name = node_ifstated_state(n);
	int state = name && new ? policy_find_state(new, name) : -1;
	int err = make_run(n);

	if (err || !f->run) {
		/* its demotion ends with it */
		if (old && n->engine->demotion.by[DEMOTION_POLICY])
			(void)engine_demote(n->engine, DEMOTION_POLICY,
					    "the policy", -DEMOTION_WIRE_MAX);
		return err;
	}
	if (!len || !policy_restore(f->run, kept, len, n->last)) {
		tell_facts(n);
		policy_start(f->run,
			     state < 0 ? POLICY_GLOBAL : (unsigned)state,
			     n->last);
		node_ifstated_note(n, "another policy, %s %.40s",
				   state < 0 ? "begun" : "it goes on in state",
				   state < 0 ? "" : name);
	}
	tell_facts(n);
	return 0;
}

void node_ifstated_close(struct node *n)
{
	struct node_ifstated *f = n->ifstated;

	if (!f)
		return;
	node_follow_close(n);
	policy_run_free(f->run);
	if (f->timer)
		event_free(f->timer);
	free(f->ifaces);
	free(f->kept);
	free(f);
	n->ifstated = NULL;
}

const char *node_ifstated_state(const struct node *n)
{
	const struct node_ifstated *f = n->ifstated;

	if (!f || !f->run || !f->begun || !policy_state(f->run))
		return NULL;
	return f->policy->states[policy_state(f->run)].name;
}

/* --- another process --------------------------------------------------------- */

size_t node_ifstated_keep(const struct node *n, void *data, size_t size)
{
	const struct node_ifstated *f = n->ifstated;
	struct writer w;

	writer_init(&w, data, size);
	writer_u32(&w, (uint32_t)n->engine->demotion.by[DEMOTION_POLICY]);
	if (!writer_ok(&w))
		return 0;
	if (!f->run || !f->begun)
		return w.used;
	return w.used + policy_keep(f->run, w.p + w.used, size - w.used);
}

void node_ifstated_adopt(struct node *n, const void *data, size_t len)
{
	struct node_ifstated *f = n->ifstated;
	struct reader r;
	uint32_t demotion;

	reader_init(&r, data, len);
	demotion = reader_u32(&r);
	if (!reader_ok(&r))
		return;
	demotion_set(&n->engine->demotion, DEMOTION_POLICY,
		     demotion <= DEMOTION_WIRE_MAX ? (int32_t)demotion : 0);
	f->kept = malloc(r.left + 1);
	if (!f->kept)
		return;
	f->kept_len = r.left;
	reader_bytes(&r, f->kept, f->kept_len);
}
