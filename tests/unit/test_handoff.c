/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What two daemons say to each other in an upgrade, and who starts the new
 * one. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handoff.h"
#include "launcher.h"
#include "notify.h"

static int pair[2];
static struct handoff_msg out, in;

static void setup(void)
{
	ck_assert_int_eq(handoff_pair(pair), 0);
	memset(&out, 0, sizeof(out));
	memset(&in, 0xee, sizeof(in));
}

static void teardown(void)
{
	close(pair[0]);
	close(pair[1]);
}

static unsigned open_files(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(test_message)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct stat was, is;

	ck_assert_int_eq(fstat(null, &was), 0);
	out.type = HANDOFF_COMMIT;
	out.len = sizeof(out.payload);
	memset(out.payload, 0x5a, out.len);
	out.nfds = 2;
	out.fds[0] = out.fds[1] = null;
	ck_assert_int_eq(handoff_send(pair[0], &out), 0);
	ck_assert_int_eq(handoff_recv(pair[1], &in, 1000), 0);
	ck_assert_int_eq(in.type, HANDOFF_COMMIT);
	ck_assert_uint_eq(in.len, out.len);
	ck_assert_mem_eq(in.payload, out.payload, out.len);
	ck_assert_uint_eq(in.nfds, 2);
	ck_assert_int_eq(fstat(in.fds[1], &is), 0);
	ck_assert(was.st_ino == is.st_ino && was.st_dev == is.st_dev);
	ck_assert(fcntl(in.fds[0], F_GETFD) & FD_CLOEXEC);
	handoff_close_fds(&in);
	ck_assert_uint_eq(in.nfds, 0);
	close(null);
}
END_TEST

START_TEST(test_nobody)
{
	ck_assert_int_eq(handoff_recv(pair[1], &in, 0), -ETIMEDOUT);
	ck_assert_uint_eq(in.nfds, 0);
	close(pair[0]);
	pair[0] = -1;
	out.type = HANDOFF_TAKEN;
	ck_assert_int_eq(handoff_recv(pair[1], &in, 1000), -EPIPE);
	ck_assert_int_eq(handoff_send(pair[1], &out), -EPIPE);
}
END_TEST

/* Who waits no longer has what was sent before that, and nothing after it. */
START_TEST(test_last)
{
	out.type = HANDOFF_TAKEN;
	ck_assert_int_eq(handoff_send(pair[1], &out), 0);
	ck_assert_int_eq(handoff_last(pair[0], &in), 0);
	ck_assert_int_eq(in.type, HANDOFF_TAKEN);
	ck_assert_int_eq(handoff_send(pair[1], &out), -EPIPE);
	ck_assert_int_eq(handoff_last(pair[0], &in), -EPIPE);
	ck_assert_int_eq(handoff_recv(pair[1], &in, 0), -EPIPE);
}
END_TEST

/* What another version, or something else, might say. */
START_TEST(test_not_understood)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "SSUP\0\2\0\2", 8 }, /* another version */
		{ "SSUP\0\1\0\0", 8 }, /* no such type */
		{ "SSUP\0\1\0\11", 8 },	  { "SSUP\0\1\0", 7 }, { "x", 1 },
		{ "GET / HTTP/1.1", 14 },
	};
	unsigned before = open_files();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert(send(pair[0], bad[i].bytes, bad[i].len, 0) > 0);
		ck_assert_int_eq(handoff_recv(pair[1], &in, 1000), -EPROTO);
	}
	ck_assert_uint_eq(open_files(), before);
}
END_TEST

static void send_fds(int count, const char *bytes, size_t len)
{
	union {
		char bytes[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	char copy[16];
	struct iovec iov = { copy, len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen =
				      CMSG_SPACE((size_t)count * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int fds[8];

	memcpy(copy, bytes, len);
	for (int i = 0; i < 8; i++)
		fds[i] = STDERR_FILENO;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
	memcpy(CMSG_DATA(c), fds, (size_t)count * sizeof(int));
	ck_assert(sendmsg(pair[0], &msg, 0) > 0);
}

/* Descriptors that come with it are not left open. */
START_TEST(test_too_many_descriptors)
{
	unsigned before = open_files();

	send_fds(8, "SSUP\0\1\0\2", 8);
	ck_assert_int_eq(handoff_recv(pair[1], &in, 1000), -EPROTO);
	send_fds(2, "SSUP\0\7\0\2", 8);
	ck_assert_int_eq(handoff_recv(pair[1], &in, 1000), -EPROTO);
	ck_assert_uint_eq(open_files(), before);
	out.nfds = HANDOFF_FDS_MAX + 1;
	ck_assert_int_eq(handoff_send(pair[0], &out), -EMSGSIZE);
}
END_TEST

/* --- the launcher ------------------------------------------------------- */

static char *sh_argv(const char *script)
{
	static char copy[512];

	snprintf(copy, sizeof(copy), "%s", script);
	return copy;
}

/* The program started is the one in argv[0], with the rest of argv. */
static struct launcher *launcher_of(const char *script)
{
	static char sh[] = "/bin/sh", c[] = "-c";
	char *argv[] = { sh, c, sh_argv(script), NULL };

	return launcher_open(argv);
}

START_TEST(test_started)
{
	struct launcher *l = launcher_of(
		"test -S /dev/fd/3 && test -n \"$STATESYNC_TAKEOVER\" && "
		"test \"$(ls /proc/$$/fd | grep -cv '^1*[0-9]$' )\" = 0 && "
		"printf 'SSUP\\000\\001\\000\\002' >&3; exit 7");
	int status;

	ck_assert_ptr_nonnull(l);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(launcher_start(l, pair[1]), 0);
		ck_assert_int_eq(launcher_read(l, &status, 5000),
				 LAUNCHER_ENDED);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
		ck_assert_int_eq(handoff_recv(pair[0], &in, 0), 0);
		ck_assert_int_eq(in.type, HANDOFF_READY);
	}
	launcher_close(l);
}
END_TEST

START_TEST(test_killed)
{
	struct launcher *l = launcher_of("exec sleep 60");
	int status;

	launcher_kill(l); /* nothing runs */
	ck_assert_int_eq(launcher_start(l, pair[1]), 0);
	ck_assert_int_eq(launcher_read(l, &status, 100), 0);
	launcher_kill(l);
	ck_assert_int_eq(launcher_read(l, &status, 5000), LAUNCHER_ENDED);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	launcher_close(l);
}
END_TEST

/* Its end is seen all the same, and another one can be started. */
START_TEST(test_without_a_pidfd)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	struct launcher *l;
	int status;

	ck_assert_int_eq(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
					  SCMP_SYS(pidfd_open), 0),
			 0);
	ck_assert_int_eq(seccomp_load(ctx), 0);
	seccomp_release(ctx);
	l = launcher_of("exit 7");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(launcher_start(l, pair[1]), 0);
		ck_assert_int_eq(launcher_read(l, &status, 5000),
				 LAUNCHER_ENDED);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	}
	launcher_close(l);
}
END_TEST

START_TEST(test_one_at_a_time)
{
	struct launcher *l = launcher_of("exec sleep 60");
	int status;

	ck_assert_int_eq(launcher_start(l, pair[1]), 0);
	ck_assert_int_eq(launcher_start(l, pair[1]), 0);
	ck_assert_int_eq(launcher_read(l, &status, 5000), LAUNCHER_FAILED);
	ck_assert_int_eq(status, EBUSY);
	launcher_kill(l);
	ck_assert_int_eq(launcher_read(l, &status, 5000), LAUNCHER_ENDED);
	launcher_close(l);
}
END_TEST

START_TEST(test_no_program)
{
	char path[] = "/nonexistent/statesyncd";
	char *argv[] = { path, NULL };
	struct launcher *l = launcher_open(argv);
	int status;

	ck_assert_int_eq(launcher_start(l, pair[1]), 0);
	ck_assert_int_eq(launcher_read(l, &status, 5000), LAUNCHER_FAILED);
	ck_assert_int_eq(status, ENOENT);
	launcher_close(l);
}
END_TEST

/* What was started lives on; its end of the pair stays open until it ends. */
START_TEST(test_outlives)
{
	struct launcher *l =
		launcher_of("sleep 0.3; printf 'SSUP\\000\\001\\000\\005' >&3");

	ck_assert_int_eq(launcher_start(l, pair[1]), 0);
	close(pair[1]);
	pair[1] = -1;
	launcher_close(l);
	ck_assert_int_eq(handoff_recv(pair[0], &in, 5000), 0);
	ck_assert_int_eq(in.type, HANDOFF_TAKEN);
	ck_assert_int_eq(handoff_recv(pair[0], &in, 5000), -EPIPE);
}
END_TEST

START_TEST(test_not_given)
{
	unsetenv("STATESYNC_TAKEOVER");
	ck_assert_int_eq(launcher_given(), -1);
}
END_TEST

/* --- the service manager ------------------------------------------------- */

START_TEST(test_notify)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[128] = "", name[64];
	socklen_t len;

	unsetenv("NOTIFY_SOCKET");
	notify("READY=1"); /* nobody */
	snprintf(name, sizeof(name), "@statesync-test-%d", getpid());
	memcpy(un.sun_path, name, strlen(name));
	un.sun_path[0] = '\0';
	len = (socklen_t)(sizeof(un.sun_family) + strlen(name));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, len), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	notify("MAINPID=%d", 17);
	ck_assert_int_eq(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), 10);
	ck_assert_str_eq(text, "MAINPID=17");
	notify_reloading();
	ck_assert_int_gt(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), 0);
	ck_assert_int_eq(strncmp(text, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	unsetenv("NOTIFY_SOCKET");
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("handoff");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_message);
	tcase_add_test(t, test_nobody);
	tcase_add_test(t, test_last);
	tcase_add_test(t, test_not_understood);
	tcase_add_test(t, test_too_many_descriptors);
	tcase_add_test(t, test_started);
	tcase_add_test(t, test_killed);
	tcase_add_test(t, test_without_a_pidfd);
	tcase_add_test(t, test_one_at_a_time);
	tcase_add_test(t, test_no_program);
	tcase_add_test(t, test_outlives);
	tcase_add_test(t, test_not_given);
	tcase_add_test(t, test_notify);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
