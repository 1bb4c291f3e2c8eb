/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the file of a policy to one whose names are known, and what a person
 * should hear of it. The language is policy_parse.c's, the meaning of names
 * core/policy_names.c's.
 *
 * Implements the section NAMES of statesync-policy(5).
 *
 * Invariant: a name that means nothing here is an interface that may come.
 */
#include "policy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyfile.h"
#include "policy_names.h"

#define FILE_MAX (1024 * 1024)

/* --- names ----------------------------------------------------------------- */

static bool is_here(const char *name)
{
	return if_nametoindex(name) != 0;
}

/* "lan (vhid 1), wan (vhid 2)" */
static void list_vhosts(const struct conf *conf, char *out, size_t size)
{
	size_t len = 0;

	*out = '\0';
	for (size_t i = 0; i < conf->num_carps && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s (vhid %u)",
					i ? ", " : "", conf->carps[i].name,
					conf->carps[i].vhid);
}

static void no_vhost(const struct conf *conf, const struct policy_text *of,
		     const struct policy_link *l, struct conf_errors *errors)
{
	char list[256];

	list_vhosts(conf, list, sizeof(list));
	if (strncmp(l->name, "carp:", 5) == 0)
		policy_say(errors, of, l->at,
			   "no carp vhost \"%s\"; vhosts here: %s. write one "
			   "of them behind carp:",
			   l->name + 5, list);
	else
		policy_say(errors, of, l->at,
			   "no carp vhost or interface \"%s\"; vhosts here: "
			   "%s. add alias = \"%s\" to carp \"%s\"",
			   l->name, list, l->name, conf->carps[0].name);
}

static void found(const struct conf *conf, const struct policy_text *of,
		  const struct policy_link *l, enum policy_found what,
		  struct policy_report *report)
{
	const char *vhost = conf->carps[l->vhost].name;

	switch (what) {
	case POLICY_FOUND_INTERFACE:
		policy_say(&report->notes, of, l->at, "\"%s\" is the interface",
			   l->name);
		return;
	case POLICY_FOUND_VHOST:
		policy_say(&report->notes, of, l->at, "\"%s\" is carp \"%s\"",
			   l->name, vhost);
		return;
	case POLICY_FOUND_VHID:
		policy_say(&report->notes, of, l->at,
			   "\"%s\" is carp \"%s\", by its vhid", l->name,
			   vhost);
		return;
	case POLICY_FOUND_NOTHING:
		report->missing = true;
		policy_say(&report->warnings, of, l->at,
			   "no interface \"%s\" here; it counts as down until "
			   "it appears",
			   l->name);
		return;
	case POLICY_FOUND_NO_VHOST:
		no_vhost(conf, of, l, &report->errors);
		return;
	case POLICY_FOUND_SEVERAL:
		policy_say(&report->errors, of, l->at,
			   "\"%s\" may be several vhosts; write carp:NAME, or "
			   "give one of them an alias",
			   l->name);
		return;
	}
}

static int resolve(struct conf *conf, struct policy *p,
		   const struct policy_text *of, struct policy_report *report)
{
	struct policy_vhost_name *names =
		calloc(conf->num_carps, sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < conf->num_carps; i++)
		names[i] = (struct policy_vhost_name){ conf->carps[i].name,
						       conf->carps[i].alias,
						       conf->carps[i].vhid,
						       (unsigned)i };
	for (size_t i = 0; i < p->nlinks; i++) {
		struct policy_link *l = &p->links[i];
		enum policy_found what = policy_name_find(
			l->name, is_here, names, conf->num_carps, &l->vhost);

		if (what == POLICY_FOUND_VHOST || what == POLICY_FOUND_VHID)
			l->means = POLICY_VHOST;
		found(conf, of, l, what, report);
	}
	free(names);
	return report->errors.count ? CONF_REFUSED : 0;
}

/* --- the file -------------------------------------------------------------- */

/* 0, or -errno; -EILSEQ: a NUL in it. */
static int read_file(int fd, char *text, size_t *len)
{
	ssize_t n = 0;
	int err = 0;

	if (fd < 0)
		return fd;
	for (*len = 0; !err && *len < FILE_MAX; *len += (size_t)n) {
		n = read(fd, text + *len, FILE_MAX - *len);
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
	}
	close(fd);
	if (!err && *len == FILE_MAX)
		err = -EFBIG;
	if (!err && memchr(text, '\0', *len))
		err = -EILSEQ;
	return err;
}

/* Said where it is named. */
static void not_read(const char *path, const struct conf *conf, int err,
		     struct policy_report *report)
{
	const struct policy_text of = { path, NULL, 0 };
	const struct policy_place at = { conf->follow.policy_line, 0 };
	const char *policy = conf->follow.policy_file;
	char why[CONF_ERROR_SIZE];

	keyfile_why(err, policy, "write it, or take policy-file out", why,
		    sizeof(why));
	policy_say(&report->errors, &of, at, "%s: %s", policy, why);
}

/* --- what would not work ---------------------------------------------------- */

static bool in_dir(const char *dir, size_t dir_len, const char *name,
		   size_t len)
{
	char path[512];

	return snprintf(path, sizeof(path), "%.*s/%.*s", (int)dir_len, dir,
			(int)len, name) < (int)sizeof(path) &&
	       access(path, X_OK) == 0;
}

static bool in_path(const char *name, size_t len)
{
	const char *dir = getenv("PATH");

	if (memchr(name, '/', len)) {
		return in_dir("", 0, name, len);
	}
	for (; dir && *dir; dir += strcspn(dir, ":"), dir += *dir == ':')
		if (in_dir(dir, strcspn(dir, ":"), name, len))
			return true;
	return false;
}

/* Words that the shell knows without a file. */
static bool is_builtin(const char *name, size_t len)
{
	static const char *const words[] = {
		".",	":",	 "[",	   "case",  "cd",     "command",
		"echo", "eval",	 "exec",   "exit",  "export", "for",
		"if",	"kill",	 "printf", "read",  "set",    "test",
		"trap", "true",	 "false",  "umask", "unset",  "until",
		"wait", "while",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == len && !strncmp(words[i], name, len))
			return true;
	return false;
}

/* A command that begins with anything but a plain word is not judged. */
static void look_command(const struct policy_text *of,
			 struct policy_report *report, struct policy_place at,
			 const char *command)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-+./[:";
	size_t len = strspn(command, plain);

	if (!len || (command[len] && !strchr(" \t\n;&|<>", command[len])) ||
	    is_builtin(command, len) || in_path(command, len))
		return;
	/* ours stands in for it */
	if (len == strlen("ifconfig") && !strncmp(command, "ifconfig", len))
		return;
	policy_say(&report->warnings, of, at,
		   "there is no program \"%.*s\" here; the command will fail. "
		   "install it, or write what this system has instead",
		   (int)len, command);
}

struct look {
	const struct policy_text *of;
	struct policy_report *report;
};

static void look_step(unsigned state, struct policy_step *step, void *arg)
{
	struct look *l = arg;

	(void)state;
	if (step->what == POLICY_RUN)
		look_command(l->of, l->report, step->at, step->text);
}

static void look(const struct policy *p, const struct policy_text *of,
		 struct policy_report *report)
{
	struct look l = { of, report };
	unsigned state = POLICY_GLOBAL;

	policy_each_step(p, look_step, &l);
	for (size_t i = 0; i < p->ntests; i++)
		look_command(of, report, p->states[p->tests[i].state].at,
			     p->tests[i].command);
	while ((state = policy_unreached(p, state)) != POLICY_GLOBAL)
		policy_say(&report->warnings, of, p->states[state].at,
			   "state \"%s\" is never entered; no set-state on the "
			   "way from the first one leads to it",
			   p->states[state].name);
}

/* --- all of it ------------------------------------------------------------- */

int policy_file_load(const struct conf_opener *by, const char *path,
		     struct conf *conf, const struct policy_macros *macros,
		     struct policy_report *report)
{
	const char *policy = conf->follow.policy_file;
	struct policy_text of = { policy, NULL, 0 };
	struct policy *p = NULL;
	char *text;
	int err;

	if (!policy)
		return 0;
	text = malloc(FILE_MAX);
	if (!text)
		return -ENOMEM;
	err = read_file(conf_open(by, policy), text, &of.len);
	if (err) {
		not_read(path, conf, -err, report);
		err = CONF_REFUSED;
	} else {
		of.text = text;
		err = policy_parse(policy, text, of.len, macros, &p,
				   &report->errors, &report->notes);
	}
	if (!err)
		err = resolve(conf, p, &of, report);
	if (!err && report->look)
		look(p, &of, report);
	free(text);
	if (err)
		policy_free(p);
	else
		conf->follow.policy = p;
	return err;
}
