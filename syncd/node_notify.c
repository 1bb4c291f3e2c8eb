/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the service manager hears each second: that the loop turns, and the
 * verdict, which `systemctl status` shows.
 *
 * Text: sd_notify(3), sd_watchdog_enabled(3).
 *
 * Invariant: nothing is said from anywhere but the loop; who hangs is silent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notify.h"
#include "report.h"

void node_notify(struct node *n)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	if (!getenv("NOTIFY_SOCKET"))
		return;
	out = open_memstream(&text, &size);
	if (out) {
		(void)report_verdict(n, out);
		fclose(out);
	}
	if (text)
		text[strcspn(text, "\n")] = '\0';
	notify_alive(text ? text : "");
	free(text);
}
