// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Saves the ruleset without the tables that one program owns, ours above all.
 * One nft list ruleset, so that what is saved was in force at one moment; its
 * text is cut into tables and understood no further.
 *
 * Implements LINUX-VIP.md, "the table is the daemon's own".
 *
 * Invariant: a file is replaced by a whole ruleset or not at all.
 */
#include "statesync_ruleset.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "statesync_client.h"

#define HEAD "#!/usr/sbin/nft -f\nflush ruleset\n"

/* --- nft --------------------------------------------------------------------- */

static void become_nft(int out)
{
	/* as nft itself, where the path of an ordinary user lacks sbin */
	if (dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	execlp("nft", "nft", "list", "ruleset", (char *)NULL);
	execl("/usr/sbin/nft", "nft", "list", "ruleset", (char *)NULL);
	_exit(127);
}

static int read_all(int fd, FILE *to)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (fwrite(buf, 1, (size_t)n, to) != (size_t)n)
			return -ENOMEM;
	}
	return 0;
}

/* What nft prints, to be freed; NULL when it failed and that was said. */
static char *list_ruleset(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = NULL;
	int fds[2], status = 0, err;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC)) {
		fprintf(stderr, "statesync: nft: %s; not saved. free -m\n",
			log_errno(errno));
		return NULL;
	}
	pid = fork();
	if (pid == 0)
		become_nft(fds[1]);
	close(fds[1]);
	to = open_memstream(&text, &len);
	err = pid < 0 ? -errno : to ? read_all(fds[0], to) : -ENOMEM;
	if (to && fclose(to) && !err)
		err = -ENOMEM;
	close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!err && !status)
		return text;
	if (err)
		fprintf(stderr, "statesync: nft: %s; not saved. free -m\n",
			log_errno(-err));
	else if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		fputs("statesync: there is no nft here. apt install nftables\n",
		      stderr);
	else
		fputs("statesync: nft list ruleset did not succeed; nothing is "
		      "saved. run it as root\n",
		      stderr);
	free(text);
	return NULL;
}

/* --- tables ------------------------------------------------------------------ */

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* Behind the brace of a table, which alone stands in the first column. */
static const char *table_end(const char *line)
{
	while (*line && !starts(line, "}\n"))
		line = next_line(line);
	return next_line(line);
}

/* Flags stand before everything else in a table, perhaps behind a comment. */
static bool is_owned(const char *table)
{
	for (int i = 0; i < 2; i++) {
		const char *end;

		table = next_line(table);
		end = next_line(table);
		if (starts(table, "\tflags ") &&
		    memmem(table, (size_t)(end - table), "owner", 5))
			return true;
	}
	return false;
}

static void print_left_out(const char *table)
{
	/* "table netdev statesync { # progname statesyncd" */
	int len = (int)strcspn(table, "{\n");

	while (len && table[len - 1] == ' ')
		len--;
	fprintf(stderr,
		"statesync: left out, because one program alone may write it: "
		"%.*s\n",
		len, table);
}

static void print_ruleset(const char *text, FILE *out)
{
	fputs(HEAD, out);
	while (*text) {
		bool table = starts(text, "table ");
		const char *end = table ? table_end(text) : next_line(text);

		if (table && is_owned(text))
			print_left_out(text);
		else
			fwrite(text, 1, (size_t)(end - text), out);
		text = end;
	}
}

/* --- the file ------------------------------------------------------------------ */

/* As the file that it will replace, if there is one. 0 or -errno. */
static int dress(int fd, const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno != ENOENT ? -errno : fchmod(fd, 0644) ? -errno : 0;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return fchown(fd, st.st_uid, st.st_gid) ||
			       fchmod(fd, st.st_mode & 07777)
		       ? -errno
		       : 0;
}

/* So that the new name outlives a power cut. */
static int sync_folder(const char *path)
{
	char folder[PATH_MAX];
	int fd, err;

	snprintf(folder, sizeof(folder), "%s", path);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fsync(fd) ? -errno : 0;
	close(fd);
	return err;
}

static int write_file(const char *path, const char *text)
{
	char real[PATH_MAX], temp[PATH_MAX + 8];
	FILE *out = NULL;
	int fd, err;

	/* a link keeps pointing where it did */
	if (!realpath(path, real))
		snprintf(real, sizeof(real), "%s", path);
	snprintf(temp, sizeof(temp), "%s.XXXXXX", real);
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = dress(fd, real);
	if (err)
		goto out;
	out = fdopen(fd, "w");
	if (!out) {
		err = -errno;
		goto out;
	}
	print_ruleset(text, out);
	if (fflush(out) || fsync(fd) || rename(temp, real))
		err = -errno;
out:
	if (out)
		fclose(out);
	else
		close(fd);
	if (err)
		unlink(temp);
	return err ? err : sync_folder(real);
}

int ruleset_save(const char *path)
{
	char *text = list_ruleset();
	int err = 0;

	if (!text)
		return EXIT_NO;
	if (path) {
		err = write_file(path, text);
	} else {
		print_ruleset(text, stdout);
		if (fflush(stdout))
			err = -errno;
	}
	free(text);
	if (!err)
		return EXIT_YES;
	fprintf(stderr,
		"statesync: %s: %s; not saved. choose another: -o FILE\n",
		path ? path : "standard output",
		err == -EINVAL ? "this is not a file" : log_errno(-err));
	return EXIT_NO;
}
