/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * statesyncd: options, configuration, open, run, close. Nothing else.
 *
 * Invariant: nothing of the kernel is changed before the rights are dropped.
 */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "exec_conf.h"
#include "log.h"
#include "node.h"
#include "notify.h"
#include "policy_file.h"
#include "priv.h"

#define PRIORITY (-15) /* as nice(1) counts */

static int usage(void)
{
	fprintf(stderr, "usage: statesyncd [-dnVv] [-D macro=value] [-f file] "
			"[-H socket] [-u user]\n");
	return 2;
}

static struct policy_report report;

static void say_all(int level, const struct conf_errors *list, bool show)
{
	for (unsigned i = 0; i < list->count; i++) {
		log_msg(level, "%s", list->text[i]);
		if (show && *list->shown[i] && log_wants(level))
			fprintf(stderr, "%s\n", list->shown[i]);
	}
}

/* exec: NULL opens the files here. */
static struct conf *load(struct exec *exec, const char *path,
			 const struct policy_macros *macros)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	int r = exec_conf_load(exec, path, macros, &conf, &errors, &report);

	if (r == 0)
		return conf;
	say_all(LOG_ERR, &errors, !exec || isatty(STDERR_FILENO));
	if (r < 0)
		log_msg(LOG_ERR, "%s: %s; not started. free -m", path,
			log_errno(-r));
	else
		log_msg(LOG_ERR, "%s: %u error%s, not started", path,
			errors.count, errors.count == 1 ? "" : "s");
	return NULL;
}

/* For later: the background is another directory. So it has to be in argv, too,
 * with which the program is started anew. */
static const char *absolute(const char *path, char **argv)
{
	static char out[PATH_MAX];
	char dir[PATH_MAX];

	if (*path == '/' || !getcwd(dir, sizeof(dir)) ||
	    snprintf(out, sizeof(out), "%s/%s", dir, path) >= (int)sizeof(out))
		return path;
	for (; *argv; argv++)
		if (*argv == path)
			*argv = out;
	return out;
}

/* They may come later: no mistake. */
static void look_for_interfaces(const char *path, const struct conf *conf)
{
	char present[256];

	for (size_t i = 0; i < conf->num_carps; i++) {
		const struct conf_carp *c = &conf->carps[i];

		if (!*c->interface || if_nametoindex(c->interface))
			continue;
		node_ifaces_present(present, sizeof(present));
		log_msg(LOG_WARNING,
			"%s:%d: no interface %s here; its vhosts are in INIT "
			"until it appears. present: %s",
			path, c->interface_line, c->interface, present);
	}
}

static int check(const char *path, const struct policy_macros *macros)
{
	char policy[128] = "";
	struct conf *conf;
	bool good;

	report.look = true;
	conf = load(NULL, path, macros);
	if (!conf)
		return EXIT_FAILURE;
	good = !(conf->follow.strict_interfaces && report.missing);
	look_for_interfaces(path, conf);
	say_all(LOG_WARNING, &report.warnings, true);
	say_all(LOG_INFO, &report.notes, false);
	if (conf->follow.policy)
		snprintf(policy, sizeof(policy),
			 ", policy %.80s with %zu "
			 "state%s",
			 conf->follow.policy_file,
			 conf->follow.policy->nstates - 1,
			 conf->follow.policy->nstates == 2 ? "" : "s");
	if (good)
		printf("%s: configuration OK (%zu vhost%s, %zu peer%s%s)\n",
		       path, conf->num_carps, conf->num_carps == 1 ? "" : "s",
		       conf->link.num_peers,
		       conf->link.num_peers == 1 ? "" : "s", policy);
	else
		log_msg(LOG_ERR,
			"%s: interfaces of the policy are not here, and "
			"strict-interfaces is set; bring them up, or set it "
			"to false",
			path);
	conf_free(conf);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* -D macro=value, as often as one likes. */
#define MACROS_MAX 64
static const char *macro_list[MACROS_MAX];
static struct policy_macros macros = { 0, macro_list };

static bool add_macro(const char *text)
{
	if (policy_macro_ok(text) && macros.count < MACROS_MAX) {
		macro_list[macros.count++] = text;
		return true;
	}
	fprintf(stderr,
		"statesyncd: -D \"%s\" is not macro=value, or there are more "
		"than %d; define it in the policy: macro = \"value\"\n",
		text, MACROS_MAX);
	return false;
}

/*
 * Code and data that were used once stay in memory: adverts must not wait for
 * a disk. Not what was never touched, which would be 20 MB of stacks.
 */
static void stay_in_memory(void)
{
	struct rlimit limit;

	/* under one a later allocation could fail for it */
	if (getrlimit(RLIMIT_MEMLOCK, &limit) ||
	    limit.rlim_cur != RLIM_INFINITY)
		log_msg(LOG_INFO, "memory is not locked: the limit is too low "
				  "(LimitMEMLOCK=infinity)");
	else if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		log_msg(LOG_INFO, "memory is not locked: %s", log_errno(errno));
}

/*
 * What the kernel tells and nobody reads in time is lost, and with it the
 * peer's sync: other programs of this machine come second. The helper's
 * commands stay where they are.
 */
static void come_first(void)
{
	if (setpriority(PRIO_PROCESS, 0, PRIORITY))
		log_msg(LOG_INFO, "the priority stays as it is: %s",
			log_errno(errno));
}

/* All that has to be there before the rights go; they are gone then. */
static int give_up(struct node *n, const char *user, char **argv)
{
	int err = node_upgrade_fork(n, argv);

	come_first();
	n->sched_policy = priv_realtime();
	if (!err)
		err = priv_drop(user);
	if (!err)
		stay_in_memory();
	return err;
}

int main(int argc, char **argv)
{
	const char *path = CONF_DEFAULT_PATH, *user = NULL;
	bool foreground = false, check_only = false;
	int level = LOG_NOTICE, status, c;
	static struct node node;
	struct conf *conf;
	bool takes_over;

	while ((c = getopt(argc, argv, "dD:f:H:nu:Vv")) != -1) {
		switch (c) {
		case 'd':
			foreground = true;
			break;
		case 'D':
			if (!add_macro(optarg))
				return 2;
			break;
		case 'f':
			path = optarg;
			break;
		case 'H':
			node.helper = optarg;
			break;
		case 'n':
			check_only = true;
			break;
		case 'u':
			user = optarg;
			break;
		case 'v':
			if (level < LOG_DEBUG)
				level++;
			break;
		case 'V':
			printf("statesyncd %s\n", STATESYNC_VERSION);
			return EXIT_SUCCESS;
		default:
			return usage();
		}
	}
	if (optind != argc)
		return usage();

	log_set_level(level);
	priv_hide();
	if (check_only)
		return check(path, &macros);

	signal(SIGPIPE, SIG_IGN);
	node.path = absolute(path, argv);
	takes_over = node_upgrade_given(&node);
	node.macros = &macros;
	if (node_exec_fork(&node)) /* it inherits what is open */
		return EXIT_FAILURE;
	conf = load(node.exec, path, &macros);
	if (!conf)
		return EXIT_FAILURE;
	if (!foreground && !takes_over && daemon(0, 0)) {
		log_msg(LOG_ERR, "no background: %s", log_errno(errno));
		return EXIT_FAILURE;
	}
	log_open(foreground);
	if (takes_over && level == LOG_NOTICE)
		log_set_level(LOG_WARNING); /* all is as the old one said */
	say_all(LOG_WARNING, &report.warnings, false);
	if (give_up(&node, user, argv) || node_open(&node, conf))
		return EXIT_FAILURE;
	log_set_level(level);
	if (!takes_over)
		notify("READY=1");
	status = node_run(&node);
	node_close(&node);
	return status;
}
