/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The helper: ends, limits, order, output, and what outlives whom. */
#include "exec_conf.h"
#include "exec_scene.h"

/* Leaves signs of life in a file, of a child of the shell's. */
#define LIVES "(while sleep 0.02; do echo x >>%s/life; done) & wait"

/* Once there were some, no more come. */
static bool life_ended(void)
{
	struct stat before, after;
	char path[64];

	snprintf(path, sizeof(path), "%s/life", dir);
	ck_assert_int_eq(stat(path, &before), 0);
	usleep(300000);
	ck_assert_int_eq(stat(path, &after), 0);
	return before.st_size > 0 && after.st_size == before.st_size;
}

START_TEST(test_ends)
{
	struct got ok = { 0 }, three = { 0 }, killed = { 0 }, late = { 0 },
		   none = { 0 };
	int64_t start = now_ms();
	char cmd[128];

	snprintf(cmd, sizeof(cmd), LIVES, dir);
	know("true");
	know("echo out; echo err >&2; exit 3");
	know("kill -9 $$");
	know("exec /no/such/program");
	ask(&late, EXEC_CHECK, cmd, 300);
	ask(&ok, EXEC_CHECK, "true", LIMIT);
	ask(&three, EXEC_CHECK, "echo out; echo err >&2; exit 3", LIMIT);
	ask(&killed, EXEC_CHECK, "kill -9 $$", LIMIT);
	ask(&none, EXEC_CHECK, "exec /no/such/program", LIMIT);
	wait_ends(5);
	ck_assert_int_eq(ok.how, EXEC_EXITED);
	ck_assert_int_eq(ok.status, 0);
	ck_assert_int_eq(ok.lines, 0);
	ck_assert_int_eq(three.how, EXEC_EXITED);
	ck_assert_int_eq(three.status, 3);
	ck_assert_int_eq(three.lines, 2);
	ck_assert_str_eq(three.text, "err");
	ck_assert_int_eq(killed.how, EXEC_SIGNALLED);
	ck_assert_int_eq(killed.status, 9);
	ck_assert_int_eq(none.status, 127);
	ck_assert_int_eq(late.how, EXEC_TIMEOUT);
	ck_assert_int_ge(now_ms() - start, 300);
	ck_assert_int_lt(now_ms() - start, 5000);
	ck_assert(life_ended());
}
END_TEST

/* One after the other in a queue, beside the others; checks at once. */
START_TEST(test_queues)
{
	struct got a = { 0 }, b = { 0 }, c = { 0 }, other = { 0 },
		   check = { 0 };
	char cmd[3][128], file[64], text[16] = "";
	int fd;

	snprintf(file, sizeof(file), "%s/order", dir);
	snprintf(cmd[0], sizeof(cmd[0]), "sleep 0.4; echo a >>%s", file);
	snprintf(cmd[1], sizeof(cmd[1]), "echo b >>%s; exit 1", file);
	snprintf(cmd[2], sizeof(cmd[2]), "echo c >>%s", file);
	know("true");
	for (int i = 0; i < 3; i++)
		know(cmd[i]);
	ask(&a, 1, cmd[0], LIMIT);
	ask(&b, 1, cmd[1], LIMIT);
	ask(&c, 1, cmd[2], LIMIT);
	ask(&other, 2, "true", LIMIT);
	ask(&check, EXEC_CHECK, "true", LIMIT);
	wait_ends(5);
	ck_assert_int_lt(other.order, a.order);
	ck_assert_int_lt(check.order, a.order);
	ck_assert(a.order < b.order && b.order < c.order);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 6);
	ck_assert_str_eq(text, "a\nb\nc\n");
	close(fd);
}
END_TEST

START_TEST(test_output_is_limited)
{
	struct got loud = { 0 }, wide = { 0 };
	int64_t start = now_ms();

	ask(&loud, EXEC_CHECK, "yes | head -n 100000", LIMIT);
	wait_ends(1);
	ck_assert_int_eq(loud.lines, EXEC_LINES_MAX + 1);
	ck_assert_str_eq(loud.text, "(99980 more lines left out)");
	ask(&wide, EXEC_CHECK, "head -c 1000 /dev/zero | tr '\\0' x", LIMIT);
	wait_ends(2);
	ck_assert_int_eq(wide.lines, 3);
	ck_assert_int_eq(strlen(wide.text), 200);
	ck_assert_int_lt(now_ms() - start, 5000);
}
END_TEST

/* What it leaves in the background does not hold up its end, and lives. */
START_TEST(test_background_is_left_alone)
{
	struct got g = { 0 };
	int64_t start = now_ms();
	char cmd[128], file[64];

	snprintf(file, sizeof(file), "%s/late", dir);
	snprintf(cmd, sizeof(cmd), "(sleep 0.5; echo x >%s) & exit 0", file);
	ask(&g, EXEC_CHECK, cmd, LIMIT);
	wait_ends(1);
	ck_assert_int_lt(now_ms() - start, 450);
	ck_assert_int_ne(access(file, F_OK), 0);
	for (int i = 0; i < 50 && access(file, F_OK); i++)
		usleep(50000);
	ck_assert_int_eq(access(file, F_OK), 0);
}
END_TEST

static int count(const char *path, bool print)
{
	DIR *d = opendir(path);
	int n = 0;

	ck_assert_ptr_nonnull(d);
	for (const struct dirent *e; (e = readdir(d));) {
		n += *e->d_name != '.';
		if (print)
			printf("%s/%s\n", path, e->d_name);
	}
	closedir(d);
	return n;
}

/* Neither the helper nor a command has a descriptor of ours. */
START_TEST(test_inherits_nothing)
{
	int fd = open("/dev/zero", O_RDONLY); /* not CLOEXEC, on purpose */
	struct got g = { 0 };
	char path[EXEC_LINE_MAX + 32], text[32];
	FILE *f;

	exec_close(x);
	x = open_helper();
	ck_assert_ptr_nonnull(x);
	ck_assert_int_ge(fd, 0);
	ask(&g, EXEC_CHECK, "ls /proc/self/fd | wc -l; echo $PPID", LIMIT);
	wait_ends(1);
	ck_assert_int_eq(g.lines, 2);
	snprintf(path, sizeof(path), "/proc/%s/fd", g.text);
	/* input, output, error, the pairs, the signals */
	ck_assert_int_eq(count(path, false), 6);
	snprintf(path, sizeof(path), "/proc/%s/comm", g.text);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	ck_assert_str_eq(text, "statesync-exec\n");
	fclose(f);
	close(fd);
	ask(&g, EXEC_CHECK, "test $(ls /proc/self/fd | wc -l) = 4", LIMIT);
	wait_ends(2);
	ck_assert_int_eq(g.status, 0);
}
END_TEST

START_TEST(test_refusals)
{
	struct got g = { 0 };

	/* what does not stand in the configuration */
	ck_assert_int_eq(exec_run(x, 1, "exit 7", LIMIT, cb, &g), -ENOENT);
	ask(&g, 1, "exit 7", LIMIT);
	wait_ends(1);
	ck_assert_int_eq(g.status, 7);
	for (int i = 0; i < EXEC_JOBS_MAX; i++)
		ask(&g, 1, "true", LIMIT);
	ck_assert_int_eq(exec_run(x, 1, "true", LIMIT, cb, &g), -EAGAIN);
	wait_ends(1 + EXEC_JOBS_MAX);
	know("sleep 0.3");
	ask(&g, 1, "true", LIMIT);
	exec_forget(x, &g);
	ask(&g, 2, "sleep 0.3", LIMIT);
	wait_ends(2 + EXEC_JOBS_MAX);
	ck_assert_int_eq(g.ends, 2 + EXEC_JOBS_MAX);
}
END_TEST

/* Not what a daemon says that another one has broken into. */
START_TEST(test_only_what_the_helper_has_read)
{
	struct got g = { 0 };
	char words[64];

	ask(&g, 1, "exit 3", LIMIT);
	wait_ends(1);
	/* a command that does not stand there */
	free(x->used->commands.text[0]);
	x->used->commands.text[0] = strdup("exit 4");
	ck_assert_int_eq(exec_run(x, 1, "exit 4", LIMIT, cb, &g), 0);
	wait_ends(2);
	ck_assert_int_eq(g.status, 3);
	/* a number that does not, and a list that is not this one */
	ck_assert_int_ge(exec_list_add(&x->used->commands, "exit 5"), 1);
	ck_assert_int_eq(exec_run(x, 1, "exit 5", LIMIT, cb, &g), 0);
	wait_ends(3);
	ck_assert_int_eq(g.how, EXEC_NOT_RUN);
	ck_assert_int_eq(exec_names_seal(x->used), 0);
	ck_assert_int_eq(exec_run(x, 1, "exit 5", LIMIT, cb, &g), 0);
	wait_ends(4);
	ck_assert_int_eq(g.how, EXEC_NOT_RUN);
	ck_assert_str_eq(
		exec_words(&(struct exec_event){ g.how, g.status, NULL }, words,
			   sizeof(words)),
		"not run: changed, and not reloaded");
}
END_TEST

/* Nor more words to one that stands there, nor a variable of another name. */
START_TEST(test_only_variables_come_along)
{
	static const char words[] = "; exit 9",
			  vars[] = "\0PATH=/x\0STATESYNC_A=7";
	const char *const env[] = { "STATESYNC_A=8", NULL };
	const char *command = "test $PATH != /x && exit $STATESYNC_A";
	struct exec_request r = { .id = 1, .limit_ns = 1000000000 };
	struct got g = { 0 };

	know(command);
	memcpy(r.of, x->used->commands_id, sizeof(r.of));
	x->asked[0] = (struct exec_asked){ .id = 1, .cb = cb, .arg = &g };
	ck_assert_int_gt(exec_send(x->fd, &r, sizeof(r), words, 8), 0);
	wait_ends(1);
	ck_assert_int_eq(g.how, EXEC_NOT_RUN);
	x->asked[0] = (struct exec_asked){ .id = 1, .cb = cb, .arg = &g };
	ck_assert_int_gt(
		exec_send(x->fd, &r, sizeof(r), vars, sizeof(vars) - 1), 0);
	wait_ends(2);
	ck_assert_int_eq(g.status, 7);
	ck_assert_int_eq(exec_run_env(x, 1, command, env, LIMIT, cb, &g), 0);
	wait_ends(3);
	ck_assert_int_eq(g.status, 8);
}
END_TEST

static char file_text(int fd)
{
	char byte = '-';

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(read(fd, &byte, 1), 1);
	close(fd);
	return byte;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	ck_assert_int_eq(chmod(path, 0600), 0);
}

/* A real configuration, which names both. */
static void track(const char *a, const char *b)
{
	static struct policy_report report;
	struct conf_errors errors = { 0 };
	struct conf *conf;
	char path[64], text[512];

	snprintf(path, sizeof(path), "%s/conf", dir);
	snprintf(text, sizeof(text),
		 "node = \"fw1\"\n"
		 "carp \"lan\" {\ninterface = \"lo\"\nvhid = 1\n"
		 "addresses = { \"10.1.0.1/24\" }\npass = \"secret\"\n"
		 "track { file \"%s\" { } file \"%s\" { } } }\n",
		 a, b);
	write_file(path, text);
	exec_close(x);
	x = exec_open(exec_conf_names, path, NULL);
	ck_assert_ptr_nonnull(x);
	if (exec_conf_load(x, path, NULL, &conf, &errors, &report))
		ck_abort_msg("%s", errors.text[0]);
	exec_conf_use(x);
	conf_free(conf);
}

/* A look does not wait for a helper that is busy, and is never given what was
 * asked for before. */
START_TEST(test_the_helper_is_late)
{
	char a[64], b[64];
	int64_t begun;
	int fd = -1;

	snprintf(a, sizeof(a), "%s/a", dir);
	snprintf(b, sizeof(b), "%s/b", dir);
	write_file(a, "a");
	write_file(b, "b");
	track(a, b);
	ck_assert_int_eq(file_text(exec_look_file(x, a)), 'a');
	kill(x->pid, SIGSTOP);
	begun = now_ms();
	ck_assert_int_eq(exec_look_file(x, a), -ETIMEDOUT);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(exec_look_file(x, b), -ETIMEDOUT);
	ck_assert_int_lt(now_ms() - begun, 500);
	kill(x->pid, SIGCONT);
	for (int i = 0; i < 100 && fd < 0; i++) {
		usleep(20000);
		fd = exec_look_file(x, b);
	}
	ck_assert_int_eq(file_text(fd), 'b');
	/* nor is who loads */
	kill(x->pid, SIGSTOP);
	ck_assert_int_eq(exec_look_file(x, a), -ETIMEDOUT);
	kill(x->pid, SIGCONT);
	ck_assert_int_eq(file_text(exec_open_file(x, b)), 'b');
	ck_assert_int_eq(file_text(exec_look_file(x, a)), 'a');
}
END_TEST

START_TEST(test_the_helper_dies)
{
	struct got g = { 0 }, w = { 0 };

	know("true");
	ask(&g, 1, "kill -9 $PPID; sleep 1", LIMIT);
	ask(&w, 1, "true", LIMIT);
	wait_ends(2);
	ck_assert_int_eq(g.how, EXEC_LOST);
	ck_assert_int_eq(w.how, EXEC_LOST);
	ck_assert_int_eq(exec_fd(x), -1);
	ck_assert_int_eq(exec_run(x, 1, "true", LIMIT, cb, &g), EXEC_GONE);
	ck_assert_int_eq(exec_read(x), 0);
}
END_TEST

/* SIGTERM goes to all of a service's processes; a stopped daemon does not
 * keep the helper from its limits. */
START_TEST(test_signals_and_a_hung_daemon)
{
	struct got g = { 0 }, late = { 0 };
	char cmd[128];

	ask(&g, 1, "kill -TERM $PPID; kill -INT $PPID; trap '' TERM; exit 4",
	    LIMIT);
	wait_ends(1);
	ck_assert_int_eq(g.status, 4);
	snprintf(cmd, sizeof(cmd), LIVES, dir);
	ask(&late, 1, cmd, 300);
	usleep(500000);
	ck_assert(life_ended());
	wait_ends(2);
	ck_assert_int_eq(late.how, EXEC_TIMEOUT);
}
END_TEST

/* A daemon of its own that asks for three commands, then leaves. */
static void leave(bool in_order)
{
	char cmd[3][128];
	pid_t pid = fork();

	if (pid) {
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		return;
	}
	x = open_helper();
	snprintf(cmd[0], sizeof(cmd[0]), "sleep 0.3; touch %s/check", dir);
	snprintf(cmd[1], sizeof(cmd[1]), "sleep 0.3; touch %s/runs", dir);
	snprintf(cmd[2], sizeof(cmd[2]), "touch %s/waits", dir);
	for (int i = 0; i < 3; i++)
		know(cmd[i]);
	for (int i = 0; i < 3; i++)
		(void)!exec_run(x, i ? 1 : EXEC_CHECK, cmd[i], LIMIT, cb, NULL);
	usleep(100000);
	if (in_order)
		exec_close(x);
	else
		kill(getpid(), SIGKILL);
	_exit(0);
}

static bool is_there(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

START_TEST(test_the_daemon_leaves)
{
	leave(true);
	usleep(800000);
	ck_assert(is_there("runs") && is_there("waits"));
	ck_assert(!is_there("check"));
}
END_TEST

START_TEST(test_the_daemon_is_killed)
{
	leave(false);
	usleep(800000);
	ck_assert(is_there("runs"));
	ck_assert(!is_there("waits") && !is_there("check"));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("helper");

	tcase_add_test(t, test_ends);
	tcase_add_test(t, test_queues);
	tcase_add_test(t, test_output_is_limited);
	tcase_add_test(t, test_background_is_left_alone);
	tcase_add_test(t, test_inherits_nothing);
	tcase_add_test(t, test_refusals);
	tcase_add_test(t, test_only_what_the_helper_has_read);
	tcase_add_test(t, test_only_variables_come_along);
	tcase_add_test(t, test_the_helper_is_late);
	tcase_add_test(t, test_the_helper_dies);
	tcase_add_test(t, test_signals_and_a_hung_daemon);
	tcase_add_test(t, test_the_daemon_leaves);
	tcase_add_test(t, test_the_daemon_is_killed);
	return run_case(t);
}
