/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is left of a process's rights; each test in a child, which loses them. */
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "priv.h"

static int try_exec(void)
{
	return execl("/bin/true", "true", (char *)NULL);
}

static int try_fork(void)
{
	return fork();
}

static int try_socket(void)
{
	return socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static int try_both(void)
{
	void *p = mmap(NULL, 4096, PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static int try_run(void)
{
	void *p = mmap(NULL, 4096, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	return mprotect(p, 4096, PROT_EXEC);
}

static int try_unshare(void)
{
	return unshare(CLONE_NEWUSER);
}

static int try_kill(void)
{
	return kill(getppid(), 0);
}

static int try_ptrace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int (*const forbidden[])(void) = {
	try_exec, try_fork,    try_socket, try_both,
	try_run,  try_unshare, try_kill,   try_ptrace,
};

#define COUNT ((int)(sizeof(forbidden) / sizeof(forbidden[0])))

/* 0: refused as by an older kernel; else how it ended. */
static int status_of(int (*call)(void), const char *mode)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (mode)
			setenv("STATESYNC_SECCOMP", mode, 1);
		if (priv_filter())
			_exit(2);
		_exit(call() < 0 && errno == ENOSYS ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(test_refused)
{
	ck_assert_int_eq(status_of(forbidden[_i], NULL), 0);
}
END_TEST

START_TEST(test_killed)
{
	int status = status_of(forbidden[_i], "kill");

	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGSYS);
}
END_TEST

static int allowed(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);

	errno = ENOSYS; /* as status_of() has it */
	return fd < 0 ? 0 : -1;
}

START_TEST(test_allowed)
{
	ck_assert_int_eq(status_of(allowed, "kill"), 0);
}
END_TEST

START_TEST(test_off)
{
	int status = status_of(try_exec, "off");

	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

/* Where the machine writes cores at all, that of who did not hide shows it. */
START_TEST(test_no_core)
{
	const struct rlimit any = { RLIM_INFINITY, RLIM_INFINITY };
	char dir[] = "/tmp/test_priv-XXXXXX", rm[64];
	int status;
	pid_t pid;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	for (int hidden = 0; hidden < 2; hidden++) {
		pid = fork();
		if (!pid) {
			signal(SIGSEGV, SIG_DFL);
			(void)setrlimit(RLIMIT_CORE, &any);
			if (chdir(dir))
				_exit(1);
			if (hidden)
				priv_hide();
			if (prctl(PR_GET_DUMPABLE) != !hidden)
				_exit(2);
			raise(SIGSEGV);
			_exit(3);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status));
		ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
		printf("%s: %s core\n", hidden ? "hidden" : "not hidden",
		       WCOREDUMP(status) ? "a" : "no");
		ck_assert(!hidden || !WCOREDUMP(status));
	}
	snprintf(rm, sizeof(rm), "rm -r %s", dir);
	ck_assert_int_eq(system(rm), 0);
}
END_TEST

/* No user of this name, and none that could change. */
START_TEST(test_drop)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (priv_drop("no-such-user") != -ENOENT)
			_exit(1);
		if (priv_drop("nobody") || prctl(PR_GET_DUMPABLE))
			_exit(4);
		if (getuid() == 0 || !setuid(0) || !setgid(0))
			_exit(2);
		_exit(priv_drop("nobody") ? 0 : 3); /* no SETUID is left */
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("priv");
	TCase *t = tcase_create("filter"), *d = tcase_create("drop");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, test_refused, 0, COUNT);
	tcase_add_loop_test(t, test_killed, 0, COUNT);
	tcase_add_test(t, test_allowed);
	tcase_add_test(t, test_off);
	tcase_add_test(t, test_no_core);
	suite_add_tcase(s, t);
	if (geteuid() == 0)
		tcase_add_test(d, test_drop);
	suite_add_tcase(s, d);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
