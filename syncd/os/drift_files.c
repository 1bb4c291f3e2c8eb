// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Facts about files that are to be the same on every node: what is in them,
 * whose they are and who may read them. It stores no content and no key to it.
 *
 * Invariant: a file is read again only when it is another one, or changed.
 */
#include "drift_gather.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define READ_BYTES 65536
/* So long may a file be that is read again and again. */
#define SIZE_MAX_BYTES (256LL * 1024 * 1024)
#define DIGEST_SHOWN   16 /* bytes of it */

struct drift_file {
	char *path;
	bool seen; /* in this round */
	bool read;
	struct stat st;
	char digest[2 * DIGEST_SHOWN + 1];
};

static struct drift_file *file_of(struct drift_files *f, const char *path)
{
	struct drift_file *more;

	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->list[i].path, path))
			return &f->list[i];
	more = realloc(f->list, (f->n + 1) * sizeof(*more));
	if (!more)
		return NULL;
	f->list = more;
	more[f->n] = (struct drift_file){ .path = strdup(path) };
	return more[f->n].path ? &more[f->n++] : NULL;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool unchanged(const struct drift_file *f, const struct stat *st)
{
	return f->read && f->st.st_dev == st->st_dev &&
	       f->st.st_ino == st->st_ino && f->st.st_size == st->st_size &&
	       same_time(f->st.st_mtim, st->st_mtim) &&
	       same_time(f->st.st_ctim, st->st_ctim);
}

/* --- its content ----------------------------------------------------------------- */

/* 0 or -errno; -EINTR: stopped. */
static int digest_all(int fd, EVP_MD_CTX *md, bool (*stop)(void *arg),
		      void *arg)
{
	static const int64_t most = SIZE_MAX_BYTES;
	uint8_t *buf = malloc(READ_BYTES);
	int64_t total = 0;
	ssize_t n = buf ? 1 : -1;
	int err = buf ? 0 : -ENOMEM;

	while (!err && n > 0) {
		n = read(fd, buf, READ_BYTES);
		if (n < 0)
			err = -errno;
		else if ((total += n) > most)
			err = -EFBIG;
		else if (stop(arg))
			err = -EINTR;
		else if (EVP_DigestUpdate(md, buf, (size_t)n) != 1)
			err = -ENOMEM;
	}
	free(buf);
	return err;
}

static int digest_fd(int fd, struct drift_file *f, bool (*stop)(void *arg),
		     void *arg)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t out[EVP_MAX_MD_SIZE];
	int err = -ENOMEM;

	if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1)
		err = digest_all(fd, md, stop, arg);
	if (!err && EVP_DigestFinal_ex(md, out, NULL) != 1)
		err = -ENOMEM;
	EVP_MD_CTX_free(md);
	for (int i = 0; !err && i < DIGEST_SHOWN; i++)
		snprintf(f->digest + 2 * i, 3, "%02x", out[i]);
	return err;
}

/* --- one file, one pattern, all -------------------------------------------------- */

/* fd: or why there is none. 0 or -errno. */
static int look(struct drift_file *f, int fd, bool (*stop)(void *arg),
		void *arg)
{
	struct stat st;
	int err = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	if (unchanged(f, &st))
		return 0;
	err = S_ISREG(st.st_mode) ? digest_fd(fd, f, stop, arg) : -EISDIR;
	f->st = st;
	f->read = !err;
	return err;
}

static void add_file(struct gather *g, const struct drift_file *f, int err)
{
	char value[FACT_VALUE_MAX], note[FACT_NOTE_MAX];

	if (err == -ENOENT || err == -ENOTDIR) {
		gather_add(g, DRIFT_FILES, f->path, "absent", NULL);
	} else if (err) {
		gather_add(g, DRIFT_FILES, f->path, "",
			   err == -EISDIR ? "it is no regular file"
					  : log_errno(-err));
	} else {
		snprintf(value, sizeof(value), "%s %04o %u:%u", f->digest,
			 f->st.st_mode & 07777U, f->st.st_uid, f->st.st_gid);
		snprintf(note, sizeof(note), "%" PRId64,
			 (int64_t)f->st.st_mtim.tv_sec);
		gather_add(g, DRIFT_FILES, f->path, value, note);
	}
}

static void take(struct gather *g, struct drift_files *files, const char *path,
		 int fd, bool (*stop)(void *arg), void *arg)
{
	struct drift_file *f = file_of(files, path);

	if (!f || f->seen)
		return;
	f->seen = true;
	add_file(g, f, look(f, fd, stop, arg));
}

/* All files of a pattern. 0, or -errno: nothing is to be had. */
static int take_all(struct gather *g, struct drift_files *f, size_t pattern,
		    bool (*stop)(void *arg), void *arg)
{
	for (uint32_t match = 0; !stop(arg); match++) {
		char name[FACT_NAME_MAX];
		int fd = exec_open_watched(&f->by, pattern, match, name);

		if (fd == -ENODATA)
			return 0;
		if (*name)
			take(g, f, name, fd, stop, arg);
		else if (fd != -ENAMETOOLONG)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return 0;
}

static void forget_unseen(struct drift_files *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (!f->list[i].seen) {
			free(f->list[i].path);
			continue;
		}
		f->list[i].seen = false;
		f->list[kept++] = f->list[i];
	}
	f->n = kept;
}

void gather_files(struct gather *g, struct drift_files *f, size_t npatterns,
		  bool (*stop)(void *arg), void *arg)
{
	size_t before = g->n;
	int err = 0;

	gather_head(g, DRIFT_FILES, NULL);
	for (size_t i = 0; i < npatterns && !err && !stop(arg); i++)
		err = take_all(g, f, i, stop, arg);
	if (err) {
		g->n = before;
		gather_head(g, DRIFT_FILES,
			    err == -ESTALE ? "the configuration was changed, "
					     "and not reloaded"
					   : "the helper does not answer");
	}
	forget_unseen(f);
}

void drift_files_close(struct drift_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->list[i].path);
	free(f->list);
	*f = (struct drift_files){ 0 };
}
