// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The helpers of the laboratory's tools. Not part of the daemon: no product
 * code includes this. Invariant: an error never goes unseen, it ends the tool.
 */
#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (err)
		fprintf(stderr, ": %s", strerror(err));
	fputc('\n', stderr);
	exit(2);
}

void ns_enter(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("%s", path);
	if (setns(fd, CLONE_NEWNET) < 0)
		die("setns %s", name);
	close(fd);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SEC_NS + (uint64_t)ts.tv_nsec;
}

uint32_t addr_parse(const char *text)
{
	struct in_addr a;

	errno = 0;
	if (inet_pton(AF_INET, text, &a) != 1)
		die("not an IPv4 address: %s", text);
	return ntohl(a.s_addr);
}

uint64_t num_parse(const char *text, uint64_t max)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (end == text || *end || errno || n > max)
		die("not a number up to %llu: %s", (unsigned long long)max,
		    text);
	return n;
}

void addr_parse_port(const char *text, uint32_t *addr, uint16_t *port)
{
	const char *colon = strchr(text, ':');
	char host[32] = "0.0.0.0";

	if (colon) {
		size_t n = (size_t)(colon - text);

		errno = 0;
		if (n >= sizeof(host))
			die("not ADDRESS:PORT: %s", text);
		memcpy(host, text, n);
		host[n] = '\0';
		text = colon + 1;
	}
	*addr = addr_parse(host);
	*port = (uint16_t)num_parse(text, 65535);
}

const char *addr_text(uint32_t addr)
{
	static char texts[4][INET_ADDRSTRLEN];
	static unsigned int turn;
	struct in_addr a = { .s_addr = htonl(addr) };
	char *t = texts[turn++ % 4];

	return inet_ntop(AF_INET, &a, t, INET_ADDRSTRLEN);
}

void sched_first(int priority)
{
	struct sched_param p = { .sched_priority = priority };

	(void)!sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p);
}

int stdin_line(char *line, size_t size)
{
	static char buf[1024];
	static size_t have;
	char *nl;
	ssize_t n;

	nl = memchr(buf, '\n', have);
	if (!nl) {
		if (have == sizeof(buf))
			have = 0;
		n = read(STDIN_FILENO, buf + have, sizeof(buf) - have);
		if (n == 0)
			return -1;
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		have += (size_t)n;
		nl = memchr(buf, '\n', have);
		if (!nl)
			return 0;
	}
	*nl = '\0';
	snprintf(line, size, "%s", buf);
	have -= (size_t)(nl + 1 - buf);
	memmove(buf, nl + 1, have);
	return 1;
}
