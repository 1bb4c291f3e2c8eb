/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The service manager's socket. It decides nothing.
 *
 * Text: sd_notify(3).
 *
 * Invariant: it never waits.
 */
#include "notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TEXT_SIZE 512

void notify(const char *fmt, ...)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	char text[TEXT_SIZE];
	va_list ap;
	int fd;

	if (!path || !*path || strlen(path) >= sizeof(un.sun_path))
		return;
	memcpy(un.sun_path, path, strlen(path));
	if (un.sun_path[0] == '@')
		un.sun_path[0] = '\0'; /* an abstract one */
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)&un,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				  strlen(path)));
	close(fd);
}

void notify_alive(const char *verdict)
{
	notify(getenv("WATCHDOG_USEC") ? "WATCHDOG=1\nSTATUS=%s" : "STATUS=%s",
	       verdict);
}

void notify_reloading(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	notify("RELOADING=1\nMONOTONIC_USEC=%lld",
	       ts.tv_sec * 1000000LL + ts.tv_nsec / 1000);
}
