// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The thread that gathers facts. It has sockets and memory of its own and shares
 * with the loop what the mutex guards, no more; it neither logs nor decides.
 *
 * Its descriptors are its own: files of a process are released when the last
 * thread that shares them has ended, and one of low priority that is killed on
 * a busy machine would keep the lease's table alive meanwhile.
 *
 * Invariant: the loop never waits for it but in drift_watch_close().
 */
#include "drift_watch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "drift_gather.h"

struct texts {
	char **list;
	size_t n;
};

struct drift_watch {
	pthread_t thread;
	int fd;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* guarded by the mutex */
	bool ending, look;
	struct exec_watched files;
	size_t nfiles;
	struct texts sets;
	struct fact *list; /* to be taken */
	size_t n;
	int channel; /* to the helper, who opens files */
	/* the thread's own */
	struct drift_rules rules;
	struct drift_files watched;
};

static void texts_free(struct texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->list[i]);
	free(t->list);
	*t = (struct texts){ 0 };
}

static int texts_copy(struct texts *out, const char *const *list, size_t n)
{
	*out = (struct texts){ calloc(n + 1, sizeof(*out->list)), 0 };
	if (!out->list)
		return -ENOMEM;
	for (; out->n < n; out->n++) {
		out->list[out->n] = strdup(list[out->n]);
		if (!out->list[out->n]) {
			texts_free(out);
			return -ENOMEM;
		}
	}
	return 0;
}

static const char *const *texts(const struct texts *t)
{
	return (const char *const *)t->list;
}

/* --- the thread -------------------------------------------------------------------- */

static bool is_ending(void *arg)
{
	struct drift_watch *w = arg;
	bool ending;

	pthread_mutex_lock(&w->mutex);
	ending = w->ending;
	pthread_mutex_unlock(&w->mutex);
	return ending;
}

static void gather_all(struct drift_watch *w, struct gather *g, size_t nfiles,
		       const struct texts *sets)
{
	gather_rules(g, &w->rules, texts(sets), sets->n);
	gather_proc(g);
	gather_files(g, &w->watched, nfiles, is_ending, w);
}

static void hand_over(struct drift_watch *w, struct gather *g)
{
	uint64_t one = 1;

	free(w->list);
	w->list = g->list;
	w->n = g->n;
	g->list = NULL;
	if (write(w->fd, &one, sizeof(one)) < 0)
		return; /* it is readable already */
}

/* Nothing of the daemon but the descriptor that tells it of results, the one to
 * the helper, and the standard ones. The first call unshares. */
static bool keep_only(int a, int b)
{
	unsigned low = (unsigned)(a < b ? a : b);
	unsigned high = (unsigned)(a < b ? b : a);

	if (low < 3 || close_range(high + 1, ~0U, CLOSE_RANGE_UNSHARE))
		return false;
	if (high > low + 1 && close_range(low + 1, high - 1, 0))
		return false;
	return low == 3 || close_range(3, low - 1, 0) == 0;
}

static void *run(void *arg)
{
	struct drift_watch *w = arg;

	/* where it cannot be so, it runs like any other thread */
	if (keep_only(w->fd, w->channel))
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
	pthread_mutex_lock(&w->mutex);
	while (!w->ending) {
		struct gather g = { 0 };
		struct texts sets;
		size_t nfiles;
		int err;

		if (!w->look) {
			pthread_cond_wait(&w->changed, &w->mutex);
			continue;
		}
		w->look = false;
		err = texts_copy(&sets, texts(&w->sets), w->sets.n);
		nfiles = w->nfiles;
		w->watched.by.channel = w->channel;
		w->watched.by.first = w->files.first;
		memcpy(w->watched.by.of, w->files.of, sizeof(w->files.of));
		pthread_mutex_unlock(&w->mutex);
		g.list = err ? NULL : calloc(FACTS_MAX, sizeof(*g.list));
		if (g.list)
			gather_all(w, &g, nfiles, &sets);
		texts_free(&sets);
		pthread_mutex_lock(&w->mutex);
		if (g.list && !w->ending)
			hand_over(w, &g);
		free(g.list);
	}
	pthread_mutex_unlock(&w->mutex);
	drift_rules_close(&w->rules);
	drift_files_close(&w->watched);
	return NULL;
}

/* --- the loop's side ----------------------------------------------------------------- */

/* It is not for the thread to hear signals. */
static int start(struct drift_watch *w)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

struct drift_watch *drift_watch_open(const struct drift_watch_conf *conf,
				     int channel)
{
	struct drift_watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w) {
		close(channel);
		errno = ENOMEM;
		return NULL;
	}
	w->channel = channel;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->changed, NULL);
	w->look = true;
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = w->fd < 0 ? -errno : drift_watch_set(w, conf);
	if (!err)
		err = start(w);
	if (!err)
		return w;
	if (w->fd >= 0)
		close(w->fd);
	close(channel);
	texts_free(&w->sets);
	free(w);
	errno = -err;
	return NULL;
}

void drift_watch_close(struct drift_watch *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->mutex);
	w->ending = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->mutex);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->mutex);
	texts_free(&w->sets);
	free(w->list);
	close(w->fd);
	close(w->channel);
	free(w);
}

int drift_watch_set(struct drift_watch *w, const struct drift_watch_conf *conf)
{
	struct texts sets;

	if (texts_copy(&sets, conf->sets, conf->nsets))
		return -ENOMEM;
	pthread_mutex_lock(&w->mutex);
	texts_free(&w->sets);
	w->files = conf->files;
	w->nfiles = conf->nfiles;
	w->sets = sets;
	pthread_mutex_unlock(&w->mutex);
	return 0;
}

void drift_watch_look(struct drift_watch *w)
{
	pthread_mutex_lock(&w->mutex);
	w->look = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->mutex);
}

int drift_watch_fd(const struct drift_watch *w)
{
	return w->fd;
}

size_t drift_watch_take(struct drift_watch *w, struct fact **list)
{
	uint64_t count;
	size_t n;

	if (read(w->fd, &count, sizeof(count)) < 0)
		count = 0; /* nothing was written since */
	pthread_mutex_lock(&w->mutex);
	*list = w->list;
	n = w->n;
	w->list = NULL;
	w->n = 0;
	pthread_mutex_unlock(&w->mutex);
	return n;
}
