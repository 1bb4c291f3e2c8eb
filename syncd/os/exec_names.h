/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the daemon may ask its helper for: the files and the commands that a
 * configuration names, each by its number. Both make the list by themselves,
 * from the configuration, and a number counts only with a digest that says of
 * which (rules 14).
 */
#ifndef STATESYNC_EXEC_NAMES_H
#define STATESYNC_EXEC_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define EXEC_DIGEST 32 /* bytes, SHA-256 */

struct exec_list {
	size_t count;
	char **text;
};

struct exec_names {
	uint8_t conf_id[EXEC_DIGEST];	  /* of the configuration's text */
	uint8_t commands_id[EXEC_DIGEST]; /* of all commands */
	struct exec_list files;		  /* 0: the configuration itself */
	size_t own; /* files, from 0 on, that make the configuration */
	struct exec_list commands;
};

/* The number of a text in a list; -ENOENT. */
int exec_list_find(const struct exec_list *l, const char *text);

/* The same, and it is there then; or -ENOMEM. */
int exec_list_add(struct exec_list *l, const char *text)
	__attribute__((warn_unused_result));

/* Once all commands are in: commands_id. 0 or -ENOMEM. */
int exec_names_seal(struct exec_names *n) __attribute__((warn_unused_result));

/* Of a configuration in fd, from its beginning: conf_id. 0 or -errno; the next
 * read begins at its beginning, too. */
int exec_names_identify(struct exec_names *n, int fd)
	__attribute__((warn_unused_result));

/* NULL is fine. */
void exec_names_free(struct exec_names *n);

#endif
