// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A node of the link that has the key and says nonsense: it connects as the
 * peer would, and then does what its mode says. It knows the protocol as far
 * as proto/ does, and keeps no state of its own. Invariant: what it prints was
 * taken by the kernel.
 *
 *   flows    tells flows that are the daemon's own, loopback, multicast
 *   asks     asks for words, comparisons and handovers, and reads nothing
 *   bulks    asks for the whole table again and again
 *   garbage  greets and then sends frames that are none, again and again
 */
#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peersock.h"
#include "session.h"
#include "session_audit.h"

#define QUEUE_BYTES (1024 * 1024)

enum mode { FLOWS, ASKS, BULKS, GARBAGE, MODES };
static const char *const mode_names[MODES] = { "flows", "asks", "bulks",
					       "garbage" };

static struct event_base *base;
static struct peersock *ps;
static struct session *session;
static enum mode mode;
static uint64_t ups, downs, said, bytes;
static bool up;

static mono_t now(void)
{
	return (mono_t){ (int64_t)now_ns() };
}

/* --- what it says --------------------------------------------------------- */

static void tell_flow(const char *src, const char *dst, uint16_t port)
{
	struct flow_change c = { .op = (enum flow_op)(1 + said % 4) };
	struct flow *f = &c.flow;

	f->family = AF_INET;
	f->l4proto = IPPROTO_TCP;
	inet_pton(AF_INET, src, f->orig.src.b);
	inet_pton(AF_INET, dst, f->orig.dst.b);
	f->orig.sport = port;
	f->orig.dport = 443;
	flow_tuple_invert(f, &f->orig, &f->reply);
	f->status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED;
	f->has = FLOW_HAS_TIMEOUT | FLOW_HAS_TCP;
	f->timeout_s = 3600;
	f->tcp_state = TCP_CONNTRACK_ESTABLISHED;
	if (session_tell(session, &c, now()))
		die("no memory");
}

static void say_flows(void)
{
	/* of nobody, and of the daemon and its peers (lab.py) */
	static const char *const ends[][2] = {
		{ "127.0.0.1", "198.51.100.1" },
		{ "10.1.0.7", "127.0.0.1" },
		{ "10.1.0.7", "224.0.0.18" },
		{ "10.1.0.7", "255.255.255.255" },
		{ "10.1.0.12", "198.51.100.1" },
		{ "10.1.0.7", "10.1.0.12" },
		{ "10.1.0.1", "198.51.100.1" },
		{ "10.9.0.2", "10.9.0.1" },
		{ "10.2.0.1", "10.2.0.100" },
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		tell_flow(ends[i][0], ends[i][1],
			  (uint16_t)(1024 + said % 60000));
		said++;
	}
	(void)session_flush(session, now());
}

static void say_questions(void)
{
	const struct session_word word = { .answer = true, .ready = true };
	const struct session_audit audit = { .kind = SESSION_AUDIT_WANTED };
	const struct session_switch give = { .kind = SESSION_HANDOVER_REQUEST,
					     .reason = "give me all" };

	(void)!session_send_word(session, &word);
	(void)!session_send_audit(session, &audit, now());
	(void)!session_send_handover(session, &give);
	said += 3;
}

static void say_bulks(void)
{
	(void)!session_send_bulk_request(session, ++said);
}

static void say_garbage(void)
{
	static uint8_t noise[4096];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)random();
	if (!peersock_send(ps, 0, noise, sizeof(noise))) {
		bytes += sizeof(noise);
		said++;
	}
}

static void say(void)
{
	switch (mode) {
	case FLOWS:
		say_flows();
		return;
	case ASKS:
		say_questions();
		return;
	case BULKS:
		say_bulks();
		return;
	case GARBAGE:
	case MODES:
		say_garbage();
		return;
	}
}

/* --- the link -------------------------------------------------------------- */

static void on_up(void *arg, unsigned int peer)
{
	(void)arg, (void)peer;
	up = true;
	ups++;
	session_up(session, now());
}

static void on_down(void *arg, unsigned int peer, enum peersock_reason reason,
		    const char *why)
{
	(void)arg, (void)peer, (void)reason, (void)why;
	up = false;
	downs++;
	session_down(session);
}

static void on_data(void *arg, unsigned int peer, const uint8_t *data,
		    size_t len)
{
	struct session_event ev;

	(void)arg, (void)peer;
	if (session_input(session, data, len, now()))
		die("no memory");
	while (session_poll(session, &ev))
		if (ev.type == SESSION_HELLO) /* nothing goes on: all anew */
			(void)!session_restart(session);
}

static void send_all(void)
{
	const uint8_t *data;
	size_t len;

	while (up && (len = session_output(session, &data)) > 0) {
		if (peersock_send(ps, 0, data, len))
			return;
		bytes += len;
		session_sent(session, len);
	}
}

/* Every millisecond, as much as the link takes. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	for (int i = 0;
	     i < 100 && up && peersock_pending(ps, 0) < QUEUE_BYTES / 2; i++) {
		if (session_live(session))
			say();
		send_all();
	}
	/* it was heard that the daemon is there; the rest is left unread */
	if (up && mode == ASKS && session_live(session))
		peersock_pause_reading(ps, 0, true);
}

static struct sockaddr_storage end_of(const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_storage ss = { 0 };
	uint32_t addr;
	uint16_t port;

	addr_parse_port(text, &addr, &port);
	in.sin_addr.s_addr = htonl(addr);
	in.sin_port = htons(port);
	memcpy(&ss, &in, sizeof(in));
	return ss;
}

static void open_link(const char *key_file, const char *node, const char *peer,
		      const char *ours, const char *theirs)
{
	static const struct peersock_ops ops = { on_up, on_data, on_down,
						 NULL };
	const struct peersock_path path = { .ours.address = end_of(ours),
					    .theirs.address = end_of(theirs) };
	const struct session_conf talk = { .node = node,
					   .peer = peer,
					   .version = "intruder",
					   .boot_id = now_ns(),
					   .resume_bytes = QUEUE_BYTES };
	struct link_key key;
	const struct peersock_peer peers = { peer, &path, 1, &key, 1 };
	const struct peersock_conf conf = { .node = node,
					    .peers = &peers,
					    .num_peers = 1,
					    .max_queue = QUEUE_BYTES };
	char why[512];

	if (keyfile_read(key_file, &key, why, sizeof(why)))
		die("%s", why);
	session = session_new(&talk);
	if (!session || peersock_new(base, &conf, &ops, NULL, &ps))
		die("the link");
}

int main(int argc, char **argv)
{
	const char *ns = NULL, *key = NULL, *ours = NULL, *theirs = NULL;
	const char *node = "fw1", *peer = "fw2", *name = "";
	const struct timeval every = { .tv_usec = 1000 };
	struct timeval limit = { .tv_sec = 5 };
	struct event *timer;
	int opt;

	while ((opt = getopt(argc, argv, "n:k:b:a:w:p:m:t:")) != -1) {
		if (opt == 'n')
			ns = optarg;
		else if (opt == 'k')
			key = optarg;
		else if (opt == 'b')
			ours = optarg;
		else if (opt == 'a')
			theirs = optarg;
		else if (opt == 'w')
			node = optarg;
		else if (opt == 'p')
			peer = optarg;
		else if (opt == 'm')
			name = optarg;
		else if (opt == 't')
			limit.tv_sec = (time_t)num_parse(optarg, 3600);
	}
	while (mode < MODES && strcmp(name, mode_names[mode]))
		mode++;
	if (!ns || !key || !ours || !theirs || mode == MODES)
		die("usage: intruder -n NS -k KEY-FILE -b OURS -a THEIRS "
		    "[-w NODE] [-p PEER] [-t SECONDS] -m "
		    "flows|asks|bulks|garbage");
	signal(SIGPIPE, SIG_IGN);
	ns_enter(ns);
	base = event_base_new();
	open_link(key, node, peer, ours, theirs);
	timer = event_new(base, -1, EV_PERSIST, on_timer, NULL);
	if (!timer || event_add(timer, &every))
		die("no timer");
	event_base_loopexit(base, &limit);
	event_base_dispatch(base);
	printf("{\"ups\": %llu, \"downs\": %llu, \"said\": %llu, \"bytes\": "
	       "%llu}\n",
	       (unsigned long long)ups, (unsigned long long)downs,
	       (unsigned long long)said, (unsigned long long)bytes);
	return 0;
}
