// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Who a client of the stats socket is, in words. What he may do is decided
 * elsewhere, and by numbers.
 *
 * Invariant: only local files are read. A directory service that is out of
 * reach would hold up the election.
 */
#include "statsock_who.h"
#include "statsock_int.h"

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

/* The name of a local user; "" for any other. */
static void name_of(uid_t uid, char *name, size_t size)
{
	FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw;

	name[0] = '\0';
	if (!f)
		return;
	while ((pw = fgetpwent(f)))
		if (pw->pw_uid == uid) {
			snprintf(name, size, "%s", pw->pw_name);
			break;
		}
	fclose(f);
	for (char *c = name; *c; c++)
		if (!isgraph((unsigned char)*c) || *c == '"')
			*c = '?';
}

/* Who has logged in before he became somebody else; NO_UID: not known. */
#define NO_UID ((uid_t)-1)
static uid_t login_of(pid_t pid)
{
	char path[64];
	unsigned uid = NO_UID;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/loginuid", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return NO_UID;
	if (fscanf(f, "%u", &uid) != 1)
		uid = NO_UID;
	fclose(f);
	return uid;
}

const char *statsock_client_author(const struct stats_client *c,
				   char text[STATSOCK_AUTHOR_SIZE])
{
	uid_t login = c->uid ? c->uid : login_of(c->pid);
	char name[33];

	if (login == NO_UID)
		login = c->uid;
	name_of(login, name, sizeof(name));
	snprintf(text, STATSOCK_AUTHOR_SIZE, "%s%suid %u%s%s", name,
		 *name ? " (" : "", (unsigned)login,
		 login != c->uid ? ", as root" : "", *name ? ")" : "");
	return text;
}
