// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The least that replicating one namespace's connections into another one can
 * cost: a bare listener and a bare injector, with nothing between them but
 * memory. No link, no peer, no order across failures, no answer looked at: a
 * yardstick, and no way to sync. Text: ctnetlink.
 * Invariant: what a thread is charged with is what it did itself.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ct_events.h"
#include "ct_put.h"
#include "flow.h"
#include "lab.h"
#include "nl.h"

#define RING	  (1u << 16) /* changes on their way */
#define BATCH	  200
#define STANDBY_S 3600 /* as a copy's timeout */

static struct flow_change ring[RING];
static uint64_t head, tail; /* written, read */
static bool over;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;

static struct {
	const char *from, *to;
	unsigned seconds, rest_us;
	uint64_t begun, events, overruns, dropped, messages, refused;
	double listen_s, inject_s;
} run = { .seconds = 8, .rest_us = 250 };

static double cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* --- the listener ----------------------------------------------------------- */

/* Nobody can use a half open connection (CTNETLINK.md 3). */
static bool opening(const struct flow *f)
{
	return f->l4proto == IPPROTO_TCP &&
	       (f->tcp_state == TCP_CONNTRACK_SYN_SENT ||
		f->tcp_state == TCP_CONNTRACK_SYN_SENT2);
}

static void take(const struct ct_event *ev, void *arg)
{
	struct flow_change *c = &ring[head % RING];

	(void)arg;
	run.events++;
	run.begun += ev->op == FLOW_NEW;
	if (opening(&ev->flow))
		return;
	if (!run.to)
		return;
	if (head - tail == RING) {
		run.dropped++;
		return;
	}
	c->op = ev->op;
	if (ev->flow.l4proto == IPPROTO_TCP &&
	    ev->flow.tcp_state == TCP_CONNTRACK_SYN_RECV)
		c->op = FLOW_NEW;
	c->flow = ev->flow;
	c->flow.timeout_s = STANDBY_S;
	c->flow.has |= FLOW_HAS_TIMEOUT;
	head++;
}

static void *listener(void *arg)
{
	uint64_t end = now_ns() + run.seconds * SEC_NS;
	struct ct_events e;
	struct pollfd p = { .events = POLLIN };
	double begin;

	(void)arg;
	ns_enter(run.from);
	if (ct_events_open(&e, 64u << 20) || ct_events_subscribe(&e))
		die("events");
	p.fd = ct_events_fd(&e);
	begin = cpu_s();
	while (now_ns() < end) {
		int r;

		if (poll(&p, 1, 100) <= 0)
			continue;
		pthread_mutex_lock(&lock);
		r = ct_events_read(&e, take, NULL, 0);
		pthread_cond_signal(&more);
		pthread_mutex_unlock(&lock);
		run.overruns += r == CT_EVENTS_OVERRUN;
		usleep(run.rest_us);
	}
	run.listen_s = cpu_s() - begin;
	ct_events_close(&e);
	pthread_mutex_lock(&lock);
	over = true;
	pthread_cond_signal(&more);
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* --- the injector ----------------------------------------------------------- */

static size_t put(void *at, const struct flow_change *c)
{
	switch (c->op) {
	case FLOW_NEW:
		return ct_put_create(at, CT_PUT_MAX, 1, 0, &c->flow);
	case FLOW_UPDATE:
		return ct_put_update(at, CT_PUT_MAX, 1, 0, &c->flow, 0);
	case FLOW_DESTROY:
		return ct_put_delete_orig(at, CT_PUT_MAX, 1, 0, &c->flow);
	case FLOW_COPY:
	case FLOW_TIMEOUT:
		break;
	}
	return 0;
}

/* Up to BATCH changes, as soon as there is one; 0 at the end. */
static size_t next(struct flow_change *list)
{
	size_t n = 0;

	pthread_mutex_lock(&lock);
	while (head == tail && !over)
		pthread_cond_wait(&more, &lock);
	while (tail < head && n < BATCH)
		list[n++] = ring[tail++ % RING];
	pthread_mutex_unlock(&lock);
	return n;
}

/* Refusals come by themselves. */
static void read_refusals(struct nl_sock *s)
{
	static struct nl_slots slots;
	int n;

	if (!slots.msgs[0].msg_hdr.msg_iov)
		nl_slots_init(&slots);
	while ((n = nl_slots_recv(s, &slots, NL_SLOTS)) > 0)
		run.refused += (uint64_t)n;
}

static void *injector(void *arg)
{
	static struct flow_change list[BATCH];
	static _Alignas(8) uint8_t bytes[BATCH * CT_PUT_MAX];
	struct nl_sock s;
	double begin;
	size_t n;

	(void)arg;
	ns_enter(run.to);
	if (nl_open(&s, NETLINK_NETFILTER, 0, 4 << 20) ||
	    nl_set_sndbuf(&s, 4 * sizeof(bytes)))
		die("netlink");
	begin = cpu_s();
	while ((n = next(list)) > 0) {
		size_t len = 0;

		for (size_t i = 0; i < n; i++)
			len += put(bytes + len, &list[i]);
		if (len > 0 && nl_send(&s, bytes, len))
			die("send");
		run.messages += n;
		read_refusals(&s);
	}
	run.inject_s = cpu_s() - begin;
	nl_close(&s);
	return NULL;
}

static void usage(int status)
{
	fputs("usage: rawpipe -f NS [-t NS] [-s SECONDS] [-w US]\n"
	      "Listens to the connections of one namespace and puts them into "
	      "another one; tells\nwhat both cost. Without -t it only "
	      "listens.\n"
	      "  -f NS   from          -t NS   to\n"
	      "  -s N    seconds (8)   -w US   rest between two reads (250)\n",
	      status ? stderr : stdout);
	exit(status);
}

static void options(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "f:t:s:w:h")) != -1)
		switch (o) {
		case 'f':
			run.from = optarg;
			break;
		case 't':
			run.to = optarg;
			break;
		case 's':
			run.seconds = (unsigned)num_parse(optarg, 3600);
			break;
		case 'w':
			run.rest_us = (unsigned)num_parse(optarg, 100000);
			break;
		default:
			usage(o == 'h' ? 0 : 2);
		}
	if (!run.from || optind != argc)
		usage(2);
}

int main(int argc, char **argv)
{
	pthread_t l, i;
	double flows;

	options(argc, argv);
	if ((run.to && pthread_create(&i, NULL, injector, NULL)) ||
	    pthread_create(&l, NULL, listener, NULL))
		die("thread");
	pthread_join(l, NULL);
	if (run.to)
		pthread_join(i, NULL);
	flows = run.begun ? (double)run.begun : 1;
	printf("{\"new\": %llu, \"events\": %llu, \"overruns\": %llu, "
	       "\"dropped\": %llu, \"messages\": %llu, \"refused\": %llu, "
	       "\"listen_us\": %.3f, \"inject_us\": %.3f}\n",
	       (unsigned long long)run.begun, (unsigned long long)run.events,
	       (unsigned long long)run.overruns,
	       (unsigned long long)run.dropped,
	       (unsigned long long)run.messages,
	       (unsigned long long)run.refused, run.listen_s * 1e6 / flows,
	       run.inject_s * 1e6 / flows);
	return 0;
}
