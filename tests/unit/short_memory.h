/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One allocation that fails, for a program linked with --wrap of all three. Not
 * while Check is called: it wants memory, too. */
#ifndef STATESYNC_TEST_SHORT_MEMORY_H
#define STATESYNC_TEST_SHORT_MEMORY_H

#include <stdbool.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool armed;
static unsigned asked, fails; /* since it is armed; which one */

static bool is_short(void)
{
	return armed && ++asked == fails;
}

void *__wrap_malloc(size_t size)
{
	return is_short() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return is_short() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return is_short() ? NULL : __real_realloc(p, size);
}

#endif
