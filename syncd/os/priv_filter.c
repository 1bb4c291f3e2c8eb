/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The system calls that the daemon makes, and no others: no new program, no
 * process or thread, no other namespace, no memory that is both written and run. The
 * helper and the launcher were forked before, and have no filter.
 *
 * Implements rules 14; text: seccomp(2), seccomp_rule_add(3).
 *
 * Invariant: nothing in the lists lets a process become more than it is. The
 * network tests run with the action "kill", so that the lists are complete.
 */
#include "priv.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "log.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Whatever their arguments are. */
static const int allowed[] = {
	/* descriptors */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write),
	SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(close), SCMP_SYS(lseek),
	SCMP_SYS(_llseek), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3),
	SCMP_SYS(fcntl), SCMP_SYS(fcntl64), SCMP_SYS(pipe2),
	/* files: the configuration, the state, /proc, the stats socket's */
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat),
	SCMP_SYS(stat64), SCMP_SYS(lstat64), SCMP_SYS(fstat64),
	SCMP_SYS(fstatat64), SCMP_SYS(newfstatat), SCMP_SYS(statx),
	SCMP_SYS(fstatfs), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
	SCMP_SYS(getdents64), SCMP_SYS(getcwd), SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat), SCMP_SYS(rename), SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(fchmod), SCMP_SYS(chown), SCMP_SYS(fchownat), SCMP_SYS(umask),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate),
	SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch),
	SCMP_SYS(inotify_rm_watch),
	/* sockets: which ones is said below */
	SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4),
	SCMP_SYS(connect), SCMP_SYS(shutdown), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
	SCMP_SYS(send), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg),
	SCMP_SYS(recv), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),
	/* waiting, and the time */
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_settime64), SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_gettime64), SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_nanosleep_time64),
	SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(restart_syscall),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	/* its threads, its children of before, its end */
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(close_range),
	SCMP_SYS(setpriority), SCMP_SYS(futex), SCMP_SYS(futex_time64),
	SCMP_SYS(sched_yield), SCMP_SYS(wait4), SCMP_SYS(waitid),
	SCMP_SYS(pidfd_open), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(tgkill),
	SCMP_SYS(exit), SCMP_SYS(exit_group),
	/* who it is, and what it has */
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid),
	SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
	SCMP_SYS(getgroups), SCMP_SYS(uname), SCMP_SYS(sysinfo),
	SCMP_SYS(getrandom), SCMP_SYS(getrusage)
};

/* Those whose argument of this place is one of these. */
static const struct {
	int call;
	unsigned argument;
	uint64_t value;
} allowed_with[] = {
	{ SCMP_SYS(socket), 0, AF_UNIX },
	{ SCMP_SYS(socket), 0, AF_INET },
	{ SCMP_SYS(socket), 0, AF_INET6 },
	{ SCMP_SYS(socket), 0, AF_NETLINK },
	{ SCMP_SYS(socket), 0, AF_PACKET },
	{ SCMP_SYS(socketpair), 0, AF_UNIX },
	{ SCMP_SYS(ioctl), 1, SIOCGIFHWADDR },
	{ SCMP_SYS(ioctl), 1, SIOCGIFINDEX },
	{ SCMP_SYS(ioctl), 1, SIOCGIFNAME },
	{ SCMP_SYS(ioctl), 1, SIOCGIFMTU },
	{ SCMP_SYS(ioctl), 1, FIONREAD },
	{ SCMP_SYS(ioctl), 1, FIONBIO },
	{ SCMP_SYS(ioctl), 1, TCGETS }, /* stdio asks whether it is one */
	{ SCMP_SYS(prctl), 0, PR_SET_NAME },
	{ SCMP_SYS(prlimit64), 0, 0 }, /* its own */
};

static int add_all(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp write_only =
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	const struct scmp_arg_cmp run_only =
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE, 0);
	int err = 0;

	for (size_t i = 0; !err && i < COUNT(allowed); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; !err && i < COUNT(allowed_with); i++)
		err = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, allowed_with[i].call, 1,
			SCMP_CMP64(allowed_with[i].argument, SCMP_CMP_EQ,
				   allowed_with[i].value, 0));
	if (!err)
		err = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW,
					     SCMP_SYS(mmap), 1, &write_only);
	/* libraries that are loaded late */
	if (!err)
		err = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW,
					     SCMP_SYS(mmap), 1, &run_only);
	if (!err)
		err = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW,
					     SCMP_SYS(mprotect), 1,
					     &write_only);
	return err;
}

/* False: there is to be none. */
static bool action(uint32_t *out)
{
	const char *wish = getenv("STATESYNC_SECCOMP");

	*out = SCMP_ACT_ERRNO(ENOSYS);
	if (!wish)
		return true;
	if (!strcmp(wish, "kill"))
		*out = SCMP_ACT_KILL_PROCESS;
	else if (!strcmp(wish, "log"))
		*out = SCMP_ACT_LOG;
	else
		return strcmp(wish, "off") != 0;
	return true;
}

int priv_filter(void)
{
	scmp_filter_ctx ctx;
	uint32_t otherwise;
	int err;

	if (!action(&otherwise))
		return 0;
	ctx = seccomp_init(otherwise);
	err = ctx ? add_all(ctx) : -ENOMEM;
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1);
	if (!err) /* for all threads */
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!err)
		err = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	if (err)
		log_msg(LOG_ERR,
			"no filter of system calls: %s; not started. a kernel "
			"with CONFIG_SECCOMP_FILTER, or STATESYNC_SECCOMP=off "
			"in its environment",
			log_errno(-err));
	return err;
}
