// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A target as a test: gives it each file of these directories, and nothing
 * else. libFuzzer has a main of its own. Invariant: each input lies in memory
 * of its size, so that the sanitizer sees a byte too many.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX 65536

static void replay(const char *path)
{
	static uint8_t bytes[INPUT_MAX];
	FILE *f = fopen(path, "re");
	size_t len;
	uint8_t *copy;

	assert(f);
	len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	/* what fails is named */
	printf("%s\n", path);
	fflush(stdout);
	copy = malloc(len ? len : 1);
	assert(copy);
	memcpy(copy, bytes, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

int main(int argc, char **argv)
{
	unsigned inputs = 0;

	for (int i = 1; i < argc; i++) {
		struct dirent **names;
		int n = scandir(argv[i], &names, NULL, alphasort);

		for (int k = 0; k < n; k++) {
			char path[4096];

			snprintf(path, sizeof(path), "%s/%s", argv[i],
				 names[k]->d_name);
			if (names[k]->d_name[0] != '.') {
				replay(path);
				inputs++;
			}
			free(names[k]);
		}
		if (n >= 0)
			free(names);
	}
	printf("%u inputs\n", inputs);
	return inputs ? EXIT_SUCCESS : EXIT_FAILURE;
}
