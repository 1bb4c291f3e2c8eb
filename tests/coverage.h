/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Of tests/coverage alone, before every source: a child that ends by _exit()
 * would count nothing. No header is needed, so that no name is taken.
 */
#ifndef STATESYNC_COVERAGE_H
#define STATESYNC_COVERAGE_H

void __gcov_dump(void);
extern inline __attribute__((gnu_inline, always_inline, noreturn)) void
coverage_exit(int status)
{
	__gcov_dump();
	__builtin__Exit(status);
}
#define _exit coverage_exit

#endif
