/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * statesync-helper: the helper as a unit of its own, which has the rights that
 * the daemon has not. One process for each connection, on standard input, as a
 * socket of systemd with Accept=yes gives it.
 *
 * Implements rules 14.
 *
 * Invariant: it takes numbers of commands and files of its own configuration,
 * and nothing else (exec.h).
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec_conf.h"
#include "priv.h"

#define MACROS_MAX 64

int main(int argc, char **argv)
{
	const char *path = CONF_DEFAULT_PATH;
	static const char *list[MACROS_MAX];
	struct policy_macros macros = { 0, list };
	struct stat st;
	bool bad = false;
	int c;

	priv_hide();
	while ((c = getopt(argc, argv, "D:f:")) != -1)
		if (c == 'f')
			path = optarg;
		else if (c == 'D' && policy_macro_ok(optarg) &&
			 macros.count < MACROS_MAX)
			list[macros.count++] = optarg;
		else
			bad = true;
	if (bad || optind != argc || fstat(0, &st) || !S_ISSOCK(st.st_mode)) {
		fprintf(stderr, "usage: statesync-helper [-D macro=value] [-f "
				"file] <socket>; "
				"see statesync-helper@.service\n");
		return 2;
	}
	exec_serve(0, exec_conf_names, path, &macros);
}
