/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The environment of a command: as the helper's own, with the variables that
 * came with it. Their names all begin with STATESYNC_, so nobody who asks for
 * a command can change what it finds in PATH.
 *
 * Invariant: what is refused is left out, and the command runs without it.
 */
#include "exec_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "STATESYNC_"

extern char **environ;

int exec_env_pack(char *buf, size_t size, const char *command,
		  const char *const *env)
{
	size_t len = strlen(command);

	if (len >= size)
		return -E2BIG;
	memcpy(buf, command, len + 1);
	for (; env && *env; env++) {
		size_t more = strlen(*env) + 1;

		if (len + 1 + more > size)
			return -E2BIG;
		memcpy(buf + len + 1, *env, more);
		len += more;
	}
	return (int)len;
}

/* Is it of the same variable as one of the list? */
static bool is_there(char *const *list, const char *var)
{
	size_t len = strcspn(var, "=") + 1;

	for (; *list; list++)
		if (strncmp(*list, var, len) == 0)
			return true;
	return false;
}

char **exec_env_make(char *text, size_t len)
{
	char *at = text + strlen(text) + 1, *end = text + len;
	size_t count = 1, n = 0;
	char **list;

	for (char **e = environ; *e; e++)
		count++;
	for (const char *s = at; s < end; s += strlen(s) + 1)
		count++;
	list = calloc(count, sizeof(*list));
	if (!list)
		return NULL;
	for (; at < end; at += strlen(at) + 1)
		if (strncmp(at, PREFIX, strlen(PREFIX)) == 0 &&
		    strchr(at, '=') && !is_there(list, at))
			list[n++] = at;
	for (char **e = environ; *e; e++)
		if (!is_there(list, *e))
			list[n++] = *e;
	return list;
}

void exec_env_path(void)
{
	const char *dir = getenv("STATESYNC_COMPAT"), *path = getenv("PATH");
	char *text;

	if (asprintf(&text, "%s:%s", dir ? dir : STATESYNC_COMPAT_DIR,
		     path ? path
			  : "/usr/local/sbin:/usr/local/bin:/usr/sbin:"
			    "/usr/bin:/sbin:/bin") < 0)
		return;
	setenv("PATH", text, 1);
	free(text);
}
