/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two to five participants of an election under a made-up clock: engines of
 * ours and models of OpenBSD, FreeBSD and ucarp, on LANs that lose, delay and
 * reorder adverts. No flows, no tables: that is sim.h. Everything follows
 * from the seed. What must never happen is watched all the time.
 */
#ifndef STATESYNC_CARP_SIM_H
#define STATESYNC_CARP_SIM_H

#include "engine.h"

#define CS_NODES   5
#define CS_VHOSTS  2
#define CS_QUEUE   1024
#define CS_BACKLOG 64

enum cs_kind { CS_OURS, CS_OPENBSD, CS_FREEBSD, CS_UCARP };

struct cs_node_conf {
	enum cs_kind kind;
	uint8_t advbase, advskew[CS_VHOSTS];
	bool preempt;
	uint32_t v4;
	int64_t late_ns; /* a timer, or what it hears, at most */
	int64_t take_ns; /* to carry out a TAKE, at most */
};

struct cs_conf {
	uint64_t seed;
	unsigned nodes, vhosts;
	bool one_lan;		      /* for both vhosts */
	unsigned families[CS_VHOSTS]; /* bits, 1 << enum carp_family */
	int64_t delay_ns, jitter_ns;  /* of the LANs */
	struct cs_node_conf node[CS_NODES];
	unsigned verbose;
};

struct cs_packet {
	uint8_t from, to, vhost, family;
	unsigned number; /* of the sender's adverts of that vhost */
	mono_t sent;
	uint8_t bytes[CARP_ADVERT_LEN];
};

struct cs_queued {
	mono_t at;
	uint64_t order;
	struct cs_packet packet;
};

/* One participant's part in one vhost. */
struct cs_vhost {
	/* ours: the kernel's lease */
	mono_t lease_from, lease_until;
	int64_t lease_ns;
	/* foreign: the whole state machine */
	mono_t master_down[CARP_FAMILIES], next_advert;
	uint64_t counter;
	bool heard_any;
	/* both, for the watch */
	enum carp_state state;
	unsigned number;    /* of its adverts so far */
	mono_t able_since;  /* MONO_NEVER: it cannot become master */
	mono_t waits_since; /* BACKUP with armed timers; its own time */
	mono_t heard[CARP_FAMILIES]; /* its own time */
	bool provoked;		     /* by the last one: it may take over */
	unsigned heard_number[CS_NODES][CARP_FAMILIES];
};

struct cs_node {
	const struct cs_node_conf *conf;
	char name[16];
	bool running, frozen, asleep, stopping;
	struct engine *engine; /* of ours, while running */
	int64_t offset_ns;     /* its clock is so far behind the world's */
	mono_t busy_until, wakes_at, starts_at;
	mono_t deadline, late_deadline; /* its timers, and when it sees it */
	bool carrier[CS_VHOSTS];	/* by LAN */
	int32_t demotion;		/* foreign; of ours: by the operator */
	unsigned failing_takes;
	mono_t key_since; /* its demotion, as on the wire, has not changed */
	uint8_t demote;	  /* which is this */
	struct cs_packet backlog[CS_BACKLOG];
	unsigned nbacklog;
	struct cs_vhost vhost[CS_VHOSTS];
};

/* What is on the way between two. */
struct cs_path {
	bool cut[CARP_FAMILIES];
	unsigned loss; /* of 1000 */
};

/* Two that hold the same vhost. */
struct cs_pair {
	mono_t both_since; /* MONO_NEVER: they do not */
	unsigned heard[2]; /* adverts sent since, by the lesser number first */
	mono_t counted_since;
};

/* What makes a node change its mind, for the watch. */
enum cs_stimulus { CS_TIMER, CS_ADVERT, CS_OTHER };

struct cs_sim {
	struct cs_conf conf;
	mono_t now;
	uint64_t random, order;
	struct cs_queued heap[CS_QUEUE];
	unsigned nqueued;
	struct carp_auth auth[CS_VHOSTS];
	uint32_t v4[CS_VHOSTS];
	struct carp_addr6 v6[CS_VHOSTS];
	struct cs_node node[CS_NODES];
	struct cs_path path[CS_VHOSTS][CS_NODES][CS_NODES]; /* LAN, from, to */
	int64_t tail_ns;     /* that some adverts are late */
	int64_t max_late_ns; /* that any advert on its way may need */
	/* the stimulus that is being followed */
	enum cs_stimulus stimulus;
	const struct carp_advert *advert;
	/* of the watch */
	unsigned holders[CS_VHOSTS]; /* bits */
	mono_t none_since[CS_VHOSTS];
	struct cs_pair pair[CS_VHOSTS][CS_NODES][CS_NODES];
	mono_t hear_since[CS_VHOSTS][CS_NODES][CS_NODES]; /* by LAN */
	uint64_t transitions, takes;
	int64_t longest_both_ns, longest_none_ns;
	char error[256];
};

/* --- carp_world.c: time, chance, words, the LANs -------------------------- */

void cs_init(struct cs_sim *s, const struct cs_conf *conf);
void cs_free(struct cs_sim *s);
uint64_t cs_random(struct cs_sim *s, uint64_t below);
bool cs_chance(struct cs_sim *s, unsigned percent);
/* Lets time pass, until an error at the latest. */
void cs_run(struct cs_sim *s, int64_t ns);
void cs_say(const struct cs_sim *s, unsigned level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void cs_fail(struct cs_sim *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
unsigned cs_lan(const struct cs_sim *s, unsigned vhost);
/* To everybody on the LAN, in each family of the vhost; it leaves then. */
void cs_send(struct cs_sim *s, unsigned from, unsigned vhost,
	     const uint8_t bytes[CARP_ADVERT_LEN], mono_t leaves);
mono_t cs_local(const struct cs_sim *s, const struct cs_node *n);

/* --- carp_node.c: what befalls a participant ------------------------------- */

void cs_start(struct cs_sim *s, unsigned i);
void cs_kill(struct cs_sim *s, unsigned i);
void cs_stop(struct cs_sim *s, unsigned i); /* ours and OpenBSD bow out */
void cs_freeze(struct cs_sim *s, unsigned i, int64_t ns);
/* The machine sleeps; its clock stands still, and its lease ends with it. */
void cs_sleep(struct cs_sim *s, unsigned i, int64_t ns);
void cs_carrier(struct cs_sim *s, unsigned i, unsigned lan, bool up);
void cs_demote(struct cs_sim *s, unsigned i, int32_t by);
void cs_turn(struct cs_sim *s, unsigned i);
void cs_hear(struct cs_sim *s, const struct cs_packet *p);
mono_t cs_deadline(const struct cs_sim *s, unsigned i);
int64_t cs_interval_ns(const struct cs_sim *s, unsigned i, unsigned vhost);

/* --- carp_ours.c: an engine, and what is done with its actions --------------- */

void cs_ours_begin(struct cs_sim *s, unsigned i);
void cs_ours_end(struct engine *e);
/* Carries out what a call to the engine has led to. */
void cs_ours_follow(struct cs_sim *s, unsigned i);
/* What the engine wants of the kernel's table, which is empty. */
void cs_ours_work(struct cs_sim *s, unsigned i);

/* --- carp_foreign.c ---------------------------------------------------------- */

void cs_foreign_up(struct cs_sim *s, unsigned i, unsigned vhost, bool up);
void cs_foreign_hear(struct cs_sim *s, const struct cs_packet *p,
		     const struct carp_advert *a);
void cs_foreign_tick(struct cs_sim *s, unsigned i, unsigned vhost);
mono_t cs_foreign_deadline(const struct cs_node *n, unsigned vhost);
void cs_foreign_advert(struct cs_sim *s, unsigned i, unsigned vhost,
		       bool bow_out);

/* --- carp_watch.c -------------------------------------------------------------- */

bool cs_awake(const struct cs_node *n);
bool cs_holds(const struct cs_sim *s, unsigned i, unsigned vhost);
void cs_watch(struct cs_sim *s);
/* Paths, carriers or who is awake have changed. */
void cs_watch_paths(struct cs_sim *s);
/* It is BACKUP from now on, and waits for a master-down time. */
void cs_watch_waits(struct cs_sim *s, struct cs_node *n, struct cs_vhost *v);
void cs_watch_heard(struct cs_sim *s, const struct cs_packet *p);
void cs_watch_transition(struct cs_sim *s, unsigned i, unsigned vhost,
			 enum carp_state to);
/* The longest interval of any node. */
int64_t cs_longest_ns(const struct cs_sim *s);
/* One holder, and nobody should replace it. */
bool cs_settled(const struct cs_sim *s, unsigned vhost);

/* --- carp_play.c ------------------------------------------------------------------ */

void cs_draw(struct cs_conf *c, uint64_t seed);
void cs_play(struct cs_sim *s);

#endif
