/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A configuration as a list of names, in the daemon and in the helper: both
 * run the same code over the same text, so that a number means the same.
 * Files are numbered as the parser opens them, then those that are watched.
 *
 * Implements rules 14: files are opened and commands run by number.
 *
 * Invariant: whatever the daemon gives to exec_run(), exec_open_file(),
 * exec_look_file() or exec_watched() is added in add_names().
 */
#include "exec_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_open.h"
#include "exec_int.h"
#include "keyfile.h"
#include "policy.h"
#include "track_process.h"

/* --- what a configuration asks for ---------------------------------------- */

/* Among the files: none of them begins like this. */
static int add_process(struct exec_names *n, const char *name)
{
	char text[TRACK_COMM_SIZE + sizeof(EXEC_PROCESS)];

	snprintf(text, sizeof(text), EXEC_PROCESS "%.*s", TRACK_COMM_SIZE - 1,
		 name);
	return exec_list_add(&n->files, text);
}

static int add_tracks(struct exec_names *n, const struct conf_carp *c)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < c->num_tracks; i++) {
		const struct conf_track *t = &c->tracks[i];

		if (t->kind == CONF_TRACK_SCRIPT)
			r = exec_list_add(&n->commands, t->command);
		else if (t->kind == CONF_TRACK_FILE)
			r = exec_list_add(&n->files, t->name);
		else if (t->kind == CONF_TRACK_PROCESS)
			r = add_process(n, t->name);
	}
	return r < 0 ? r : 0;
}

/* One after the other, which counts on. */
static int add_watched(struct exec_names *n, const struct conf_drift *d)
{
	char text[FACT_NAME_MAX + sizeof(EXEC_WATCHED)];
	int r = 0;

	for (size_t i = 0; r >= 0 && i < d->num_files; i++) {
		snprintf(text, sizeof(text), EXEC_WATCHED "%s", d->files[i]);
		r = exec_list_add(&n->files, text);
	}
	return r < 0 ? r : 0;
}

struct steps {
	struct exec_list *commands;
	int r;
};

static void add_step(unsigned state, struct policy_step *step, void *arg)
{
	struct steps *s = arg;

	(void)state;
	if (step->what == POLICY_RUN && s->r >= 0)
		s->r = exec_list_add(s->commands, step->text);
}

static int add_policy(struct exec_names *n, const struct conf *conf)
{
	const struct policy *p = conf->follow.policy;
	struct steps s = { &n->commands, 0 };

	for (int i = 0; i < CONF_ROLES && s.r >= 0; i++)
		if (conf->follow.on_role[i])
			s.r = exec_list_add(&n->commands,
					    conf->follow.on_role[i]);
	if (p)
		policy_each_step(p, add_step, &s);
	for (size_t i = 0; p && i < p->ntests && s.r >= 0; i++)
		s.r = exec_list_add(&n->commands, p->tests[i].command);
	return s.r < 0 ? s.r : 0;
}

/* 0 or -ENOMEM. */
static int add_names(struct exec_names *n, const struct conf *conf)
{
	int err = add_policy(n, conf);

	for (size_t i = 0; !err && i < conf->num_carps; i++)
		err = add_tracks(n, &conf->carps[i]);
	if (!err)
		err = add_watched(n, &conf->drift);
	return err ? err : exec_names_seal(n);
}

/* The configuration and its policy. */
static int load(const struct conf_opener *by, const char *path,
		const struct policy_macros *macros, struct conf **out,
		struct conf_errors *errors, struct policy_report *report)
{
	int r = conf_load_by(by, path, NULL, out, errors);

	if (r)
		return r;
	r = policy_file_load(by, path, *out, macros, report);
	if (r) {
		*errors = report->errors;
		conf_free(*out);
		*out = NULL;
	}
	return r;
}

/* --- the daemon -------------------------------------------------------------- */

int exec_conf_load(struct exec *x, const char *path,
		   const struct policy_macros *macros, struct conf **out,
		   struct conf_errors *errors, struct policy_report *report)
{
	const struct conf_opener by = { exec_open_file, x };
	int r;

	if (!x)
		return load(NULL, path, macros, out, errors, report);
	exec_names_free(x->draft);
	x->draft = NULL;
	x->loading = calloc(1, sizeof(*x->loading));
	if (!x->loading)
		return -ENOMEM;
	r = load(&by, path, macros, out, errors, report);
	if (!r)
		r = add_names(x->loading, *out);
	if (!r) {
		x->draft = x->loading;
	} else {
		conf_free(*out);
		*out = NULL;
		exec_names_free(x->loading);
	}
	x->loading = NULL;
	return r;
}

void exec_conf_use(struct exec *x)
{
	if (!x->draft)
		return;
	exec_names_free(x->used);
	x->used = x->draft;
	x->draft = NULL;
}

int exec_find_process(struct exec *x, const char *name)
{
	char text[TRACK_COMM_SIZE + sizeof(EXEC_PROCESS)];

	snprintf(text, sizeof(text), EXEC_PROCESS "%.*s", TRACK_COMM_SIZE - 1,
		 name);
	return exec_look_file(x, text);
}

/* --- the helper ---------------------------------------------------------------- */

struct reading {
	struct exec_names *names;
	int text; /* a copy of the configuration; -1 */
};

/* With the same mode, by which the parser judges it. Nobody can change it. */
static int copy_of(int fd)
{
	int copy =
		memfd_create("statesync.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char buf[4096];
	struct stat st;
	ssize_t n;

	if (copy < 0)
		return -errno;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(copy, buf, (size_t)n) != n)
			break;
	explicit_bzero(buf, sizeof(buf));
	if (n == 0 && fstat(fd, &st) == 0 &&
	    fchmod(copy, st.st_mode & 0777) == 0 &&
	    fcntl(copy, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) ==
		    0 &&
	    lseek(copy, 0, SEEK_SET) == 0)
		return copy;
	close(copy);
	return n < 0 ? -errno : -EIO;
}

static int open_and_note(void *arg, const char *path)
{
	struct reading *r = arg;
	bool first = !r->names->files.count;
	int fd = keyfile_open_own(path), number, copy;

	number = exec_list_add(&r->names->files, path);
	if (!first || fd < 0 || number < 0)
		return number < 0 ? number : fd;
	copy = copy_of(fd);
	close(fd);
	if (copy < 0)
		return copy;
	r->text = copy;
	number = exec_names_identify(r->names, copy);
	return number ? number : fcntl(copy, F_DUPFD_CLOEXEC, 0);
}

int exec_conf_names(const char *path, const void *macros, struct exec_names *n,
		    int *fd)
{
	struct reading reading = { n, -1 };
	const struct conf_opener by = { open_and_note, &reading };
	struct conf_errors *errors = calloc(1, sizeof(*errors));
	struct policy_report *report = calloc(1, sizeof(*report));
	struct conf *conf = NULL;
	int r = errors && report
			? load(&by, path, macros, &conf, errors, report)
			: -ENOMEM;

	free(errors);
	free(report);
	*fd = reading.text;
	n->own = n->files.count;
	if (!r)
		r = add_names(n, conf);
	conf_free(conf);
	if (*fd >= 0)
		(void)lseek(*fd, 0, SEEK_SET);
	/* one with mistakes has its files, too: the daemon says which */
	return r < 0 ? r : 0;
}
