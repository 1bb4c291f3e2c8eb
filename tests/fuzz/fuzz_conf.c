// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The configuration's text, and what is said of its mistakes. The files that
 * it names have a content by their names: "...key..." a link key, "...bad..."
 * another one's rights, "...absent..." none, any other a password.
 *
 * Invariant: it is taken, or refused with sentences whose places are in it;
 * the second time with the same ones.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_open.h"
#include "places.h"

#define PATH "c"
#define KEY                                                                \
	"ss1:0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab" \
	"cd%02x\n"

struct input {
	const uint8_t *data;
	size_t size;
};

static int file(const void *data, size_t len, mode_t mode)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	assert(fd >= 0 && fchmod(fd, mode) == 0);
	assert(!len || write(fd, data, len) == (ssize_t)len);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static int open_it(void *arg, const char *path)
{
	const struct input *in = arg;
	mode_t mode = strstr(path, "bad") ? 0644 : 0600;
	char text[128];

	if (!strcmp(path, PATH))
		return file(in->data, in->size, 0600);
	if (strstr(path, "absent"))
		return -ENOENT;
	if (!strstr(path, "key"))
		return file("secret\n", 7, mode);
	/* each of its own */
	snprintf(text, sizeof(text), KEY,
		 (unsigned char)path[strlen(path) - 1]);
	return file(text, strlen(text), mode);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf_errors errors[2];
	struct input in = { data, size };
	const struct conf_opener by = { open_it, &in };
	struct conf *conf;
	int rc[2];

	for (int i = 0; i < 2; i++) {
		rc[i] = conf_load_by(&by, PATH, "fw1", &conf, &errors[i]);
		assert((rc[i] == 0) == (conf != NULL));
		assert((rc[i] == CONF_REFUSED) == (errors[i].count > 0));
		assert(errors[i].count <= CONF_ERRORS_MAX);
		places_check(&errors[i], PATH, (const char *)data, size);
		if (conf)
			assert(conf->num_carps >= 1 && conf->carps);
		conf_free(conf);
	}
	assert(rc[0] == rc[1]);
	assert(!memcmp(&errors[0], &errors[1], sizeof(errors[0])));
	return 0;
}
