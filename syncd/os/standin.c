/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stand-in of the loop for adverts. It knows packets and intervals, not
 * CARP. Invariant: what is sent was sent by the loop before, at most
 * STANDIN_ALIVE_NS after its last sign of life, and never after
 * standin_clear, because both hold the mutex.
 */
#include "standin.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"

/* Below the kernel's own threads, which stand at 50. */
#define PRIORITY 10
#define THREADS	 2

struct slot {
	bool active;
	size_t count;
	struct carpsock_out packets[STANDIN_PACKETS];
	struct carp_auth auth;
	int64_t interval_ns;
	mono_t due; /* a quarter of an interval after the loop's turn */
	mono_t sent_at;
	struct standin_stats stats;
};

struct standin {
	pthread_t threads[THREADS];
	size_t nthreads;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool ending, realtime;
	mono_t alive;
	struct slot slots[STANDIN_SLOTS];
};

static bool send_slot(struct slot *slot)
{
	bool sent = false;

	for (size_t i = 0; i < slot->count; i++) {
		struct carpsock_out *o = &slot->packets[i];

		carp_vhost_again(&slot->auth,
				 o->bytes + o->len - CARP_ADVERT_LEN);
		if (carpsock_send(o) == 0)
			sent = true;
	}
	return sent;
}

static void note_sent(struct slot *slot, mono_t now, bool first)
{
	int64_t gap = first ? 0 : mono_diff(now, slot->sent_at);

	if (gap > slot->stats.longest_ns)
		slot->stats.longest_ns = gap;
	slot->sent_at = now;
}

/* Sends what is due and returns when to look again. */
static mono_t send_due(struct standin *s, mono_t now)
{
	bool alive = mono_diff(now, s->alive) < STANDIN_ALIVE_NS;
	mono_t next = MONO_NEVER;

	for (size_t i = 0; i < STANDIN_SLOTS; i++) {
		struct slot *slot = &s->slots[i];

		if (!slot->active)
			continue;
		if (mono_due(slot->due, now)) {
			if (alive && send_slot(slot)) {
				slot->stats.late++;
				slot->stats.late_at = now;
				note_sent(slot, now, false);
			}
			slot->due = mono_add(now, slot->interval_ns);
		}
		next = mono_min(next, slot->due);
	}
	return next;
}

/*
 * There are several, because a wakeful CPU is no help to a thread that waits
 * for the other: a kernel that is not preemptible lets none run on a CPU where
 * somebody, perhaps our own loop, is in a long system call.
 */
static void *run(void *arg)
{
	struct standin *s = arg;

	pthread_mutex_lock(&s->mutex);
	while (!s->ending) {
		mono_t next = send_due(s, clock_mono());
		struct timespec ts = { .tv_sec = next.ns / MONO_S,
				       .tv_nsec = next.ns % MONO_S };

		if (mono_is_never(next))
			pthread_cond_wait(&s->changed, &s->mutex);
		else
			pthread_cond_timedwait(&s->changed, &s->mutex, &ts);
	}
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

static void init_locks(struct standin *s)
{
	pthread_mutexattr_t mutex;
	pthread_condattr_t cond;

	pthread_mutexattr_init(&mutex);
	/* the loop must not be held up while the thread waits for it */
	pthread_mutexattr_setprotocol(&mutex, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&s->mutex, &mutex);
	pthread_mutexattr_destroy(&mutex);
	pthread_condattr_init(&cond);
	pthread_condattr_setclock(&cond, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &cond);
	pthread_condattr_destroy(&cond);
}

/* Every other CPU of those that we may use: no two threads share one. */
static void spread(pthread_t thread, size_t index)
{
	cpu_set_t all, half;
	size_t nth = 0;

	if (sched_getaffinity(0, sizeof(all), &all) ||
	    CPU_COUNT(&all) < THREADS)
		return;
	CPU_ZERO(&half);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all) && nth++ % THREADS == index)
			CPU_SET(i, &half);
	(void)pthread_setaffinity_np(thread, sizeof(half), &half);
}

static int start_threads(struct standin *s)
{
	const struct sched_param param = { .sched_priority = PRIORITY };
	sigset_t all, old;
	int err = 0;

	/* signals are for the loop */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	s->realtime = true;
	while (s->nthreads < THREADS) {
		pthread_t *t = &s->threads[s->nthreads];

		err = pthread_create(t, NULL, run, s);
		if (err)
			break;
		spread(*t, s->nthreads++);
		/* else they are what the loop is (priv.h), or ordinary */
		if (sched_getscheduler(0) != SCHED_RR &&
		    pthread_setschedparam(*t, SCHED_RR, &param))
			s->realtime = false;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

struct standin *standin_new(void)
{
	struct standin *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return NULL;
	init_locks(s);
	err = start_threads(s);
	if (err) {
		standin_free(s);
		errno = err;
		return NULL;
	}
	return s;
}

void standin_free(struct standin *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->mutex);
	s->ending = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mutex);
	for (size_t i = 0; i < s->nthreads; i++)
		pthread_join(s->threads[i], NULL);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

bool standin_realtime(const struct standin *s)
{
	return s->realtime;
}

void standin_alive(struct standin *s, mono_t now)
{
	pthread_mutex_lock(&s->mutex);
	s->alive = now;
	pthread_mutex_unlock(&s->mutex);
}

void standin_sent(struct standin *s, unsigned slot,
		  const struct carpsock_out *packets, size_t count,
		  const struct carp_auth *auth, int64_t interval_ns, mono_t now)
{
	struct slot *p = &s->slots[slot];
	bool was_active;

	pthread_mutex_lock(&s->mutex);
	was_active = p->active;
	/* the time of the loop's turn is older than the packet */
	note_sent(p, clock_mono(), !was_active);
	p->active = count <= STANDIN_PACKETS;
	p->count = p->active ? count : 0;
	memcpy(p->packets, packets, p->count * sizeof(*packets));
	p->auth = *auth;
	p->interval_ns = interval_ns;
	p->due = mono_add(now, interval_ns + interval_ns / 4);
	s->alive = now;
	if (!was_active)
		pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mutex);
}

void standin_clear(struct standin *s, unsigned slot)
{
	pthread_mutex_lock(&s->mutex);
	s->slots[slot].active = false;
	pthread_mutex_unlock(&s->mutex);
}

void standin_stats(struct standin *s, unsigned slot, struct standin_stats *out)
{
	pthread_mutex_lock(&s->mutex);
	*out = s->slots[slot].stats;
	pthread_mutex_unlock(&s->mutex);
}

uint64_t standin_count(struct standin *s)
{
	uint64_t count = 0;

	pthread_mutex_lock(&s->mutex);
	for (size_t i = 0; i < STANDIN_SLOTS; i++)
		count += s->slots[i].stats.late;
	pthread_mutex_unlock(&s->mutex);
	return count;
}
