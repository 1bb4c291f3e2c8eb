/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What of a configuration the helper is asked for, and the configuration read
 * through the helper.
 */
#ifndef STATESYNC_EXEC_CONF_H
#define STATESYNC_EXEC_CONF_H

#include "conf.h"
#include "exec.h"
#include "exec_names.h"
#include "fact.h"
#include "policy_file.h"

/*
 * As conf_load(), with its policy, and with every file opened by the helper
 * (NULL: by us); the names that are new with it count from exec_conf_use() on.
 * All mistakes are in *errors, what else is to be said of the policy in
 * *report.
 */
int exec_conf_load(struct exec *x, const char *path,
		   const struct policy_macros *macros, struct conf **out,
		   struct conf_errors *errors, struct policy_report *report)
	__attribute__((warn_unused_result));

/* That configuration is in use now. Without one: nothing happens. */
void exec_conf_use(struct exec *x);

/*
 * Has the helper open a file of the configuration in use, or, while one is
 * read, of that one; waits for it. A descriptor with CLOEXEC, or -errno:
 * -ENOENT also where the file is not in the list, -ESTALE: the helper has
 * another configuration, -ETIMEDOUT, -EPIPE: it is gone. x: struct exec; as
 * conf_opener wants it.
 */
int exec_open_file(void *x, const char *path)
	__attribute__((warn_unused_result));

/* The same for who may not wait: -ETIMEDOUT already after 50 ms, and from then
 * on at once, until the helper has answered; what it says late is dropped. */
int exec_look_file(struct exec *x, const char *path)
	__attribute__((warn_unused_result));

/* As that, for a process of this name that is tracked: a pidfd; -ENOENT: none
 * runs. */
int exec_find_process(struct exec *x, const char *name)
	__attribute__((warn_unused_result));

/*
 * Files that are compared (drift {}), for a thread that has nothing of the
 * daemon but a socket to the helper. To be made where the configuration is
 * used: a socket, of the caller to close, in place of the last one, or -errno.
 */
int exec_channel(struct exec *x) __attribute__((warn_unused_result));

struct exec_watched {
	int channel;
	uint32_t last;	/* question */
	uint32_t first; /* pattern; the others follow in their order */
	uint8_t of[EXEC_DIGEST];
};

/* Of the configuration in use; pattern is the first of it. */
void exec_watched(const struct exec *x, const char *pattern,
		  struct exec_watched *out);

/*
 * In the thread: has the match-th file, from 0, of a pattern opened; its path
 * is in name. A descriptor, or -errno of this file, with a name, -EISDIR: it is
 * no regular file; without a name: -ENODATA: there are no more, -ENAMETOOLONG:
 * it is left out, else nothing is to be had. A pattern without * ? [ always has
 * one.
 */
int exec_open_watched(struct exec_watched *w, size_t pattern, uint32_t match,
		      char name[FACT_NAME_MAX])
	__attribute__((warn_unused_result));

/* In the helper: reads the file by itself; its text is in *fd, of the caller
 * to close. An exec_loader, with struct policy_macros or NULL. */
int exec_conf_names(const char *path, const void *macros, struct exec_names *n,
		    int *fd) __attribute__((warn_unused_result));

#endif
