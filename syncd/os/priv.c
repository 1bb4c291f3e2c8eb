/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Capabilities, user and limits. The system calls are priv_filter.c's.
 *
 * Implements rules 14; text: capabilities(7), libcap-ng's capng_change_id(3).
 *
 * Invariant: after priv_drop() nothing of this process can get a right back.
 */
#include "priv.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "log.h"

#define GROUPS_MAX     64
#define REALTIME_LEVEL 10 /* standin.c */

void priv_hide(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* What CAP_IPC_LOCK would be for. Without the right to it the limit is as the
 * service manager set it. */
static void lift_limit(void)
{
	const struct rlimit memory = { RLIM_INFINITY, RLIM_INFINITY };

	(void)setrlimit(RLIMIT_MEMLOCK, &memory);
}

int priv_realtime(void)
{
	const struct sched_param level = { .sched_priority = REALTIME_LEVEL };
	int was = sched_getscheduler(0);

	if (was == SCHED_RR)
		return SCHED_OTHER; /* the service manager did it */
	(void)sched_setscheduler(0, SCHED_RR, &level);
	return was;
}

void priv_ordinary(int policy)
{
	const struct sched_param none = { .sched_priority = 0 };

	(void)sched_setscheduler(0, policy, &none);
}

/* The stats socket is given to this group, which only its members may do. */
static void join_group(const char *name)
{
	const struct group *g = getgrnam(name);
	gid_t groups[GROUPS_MAX];
	int n = getgroups(GROUPS_MAX - 1, groups);

	if (!g || n < 0)
		return;
	groups[n++] = g->gr_gid;
	(void)setgroups((size_t)n, groups);
}

static int become(const char *user)
{
	const struct passwd *p = getpwnam(user);
	int r;

	if (!p) {
		log_msg(LOG_ERR,
			"there is no user \"%s\"; not started. "
			"systemd-sysusers, "
			"or useradd --system %s",
			user, user);
		return -ENOENT;
	}
	r = capng_change_id((int)p->pw_uid, (int)p->pw_gid,
			    CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING |
				    CAPNG_CLEAR_AMBIENT);
	if (!r)
		return 0;
	log_msg(LOG_ERR,
		"cannot become user \"%s\" (capng_change_id: %d); not started. "
		"start it as root",
		user, r);
	return -EPERM;
}

static bool have_both(void)
{
	return capng_have_capability(CAPNG_PERMITTED, CAP_NET_ADMIN) &&
	       capng_have_capability(CAPNG_PERMITTED, CAP_NET_RAW);
}

int priv_drop(const char *user)
{
	bool bounding;
	int err = 0;

	if (capng_get_caps_process() || !have_both()) {
		log_msg(LOG_ERR,
			"CAP_NET_ADMIN and CAP_NET_RAW are needed, and one is "
			"not there; not started. start it as root, or by its "
			"unit");
		return -EPERM;
	}
	lift_limit();
	bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	if (!user && capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID))
		join_group("statesync");
	capng_clear(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
	capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
		      CAP_NET_ADMIN, CAP_NET_RAW, -1);
	if (user)
		err = become(user);
	else if (capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS))
		err = -EPERM;
	priv_hide(); /* another id has undone it */
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	if (err && !user)
		log_msg(LOG_ERR, "rights cannot be given up: %s; not started",
			log_errno(-err));
	return err;
}
