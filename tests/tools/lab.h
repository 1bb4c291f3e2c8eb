/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the laboratory's tools share: namespaces, the clock, addresses and
 * command lines. These are test tools: a failed system call ends the program
 * with a message and exit status 2; nothing here returns such an error.
 */
#ifndef TESTS_TOOLS_LAB_H
#define TESTS_TOOLS_LAB_H

#include <stddef.h>
#include <stdint.h>

#define MS_NS  1000000ull
#define SEC_NS 1000000000ull

/* Prints the message (with errno's text when it is not 0), exits 2. */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Moves the calling thread into namespace NAME of /run/netns; sockets opened
 * before stay where they are. */
void ns_enter(const char *name);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

/* "10.1.0.1" in host byte order; exits on anything else. */
uint32_t addr_parse(const char *text);

/* "10.1.0.1:80"; the address may be left out ("80": any). */
void addr_parse_port(const char *text, uint32_t *addr, uint16_t *port);

/* Dotted quad of a host-order address; four buffers in turn. */
const char *addr_text(uint32_t addr);

/* An unsigned number up to max, or exit. */
uint64_t num_parse(const char *text, uint64_t max);

/* Runs before other processes where the kernel lets us: a probe that waits
 * for the CPU measures the machine, not the gateways. */
void sched_first(int priority);

/* One line of stdin without its newline into line; 1 when there is one, 0
 * when none is complete yet, -1 at the end of the file. Does not block when
 * stdin is set non-blocking. */
int stdin_line(char *line, size_t size);

#endif
