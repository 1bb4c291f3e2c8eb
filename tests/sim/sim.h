/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole nodes in one process under a made-up clock: engines, a LAN for each
 * virtual host, the link between them, a conntrack table and leases for each,
 * and traffic through whoever holds the leases. Everything follows from the
 * seed. What must never happen is watched all the time; sim_error tells it.
 */
#ifndef STATESYNC_SIM_H
#define STATESYNC_SIM_H

#include "engine.h"
#include "expects.h"
#include "kernel.h"
#include "sets.h"

#define SIM_NODES_MAX	3
#define SIM_VHOSTS_MAX	2
#define SIM_PACKETS_MAX 256
#define SIM_PIPE_BYTES	(64 * 1024)
#define SIM_SEGMENTS	512
#define SIM_UNTOLD_MAX	8192
#define SIM_HELD_MAX	256
#define SIM_SAID	64
#define SIM_STEPS	14

struct sim_conf {
	uint64_t seed;
	unsigned nodes;	 /* 2, as 0, or 3: each has a link to each other one */
	unsigned vhosts; /* 1 or 2 */
	uint8_t advbase, advskew[SIM_NODES_MAX];
	bool crossed; /* the second vhost has the advskews the other way round */
	bool preempt, independent, strict;
	bool no_v4, v6; /* the families of the vhosts */
	int64_t preempt_delay_ns;
	bool shares; /* WAN is balanced */
	/* both nodes forward, each what comes to a vhost of its own; some flows
	 * come by either */
	bool active;
	unsigned witness_limit;
	enum require_sync require;
	int64_t require_ns;
	unsigned lan_loss;     /* of 1000 adverts */
	unsigned lan_twice;    /* arrive again, maybe after later ones */
	unsigned lan_broken;   /* are cut short, or have a wrong byte */
	int64_t lan_delay_ns;  /* at most */
	int64_t link_delay_ns; /* each way */
	bool cut_frames; /* a reset lets a part of what is on its way arrive */
	uint64_t link_bytes_s; /* 0: no limit */
	unsigned ops_s;	       /* of the traffic */
	unsigned slowness;     /* of the machines, 0 as 1; up to 100 */
	unsigned tuples;       /* that clients use; few are used again */
	size_t chunk, event_room;
	int64_t audit_ns;    /* period of the audit, 0: none */
	size_t resume_bytes; /* 0: 8 MiB */
	bool no_resume;
	bool sets; /* nftables sets are told, too */
	bool verbose;
	uint16_t trace; /* say what happens to this client port */
};

struct sim_packet {
	mono_t at;
	unsigned vhost, from;
	enum carp_family family;
	uint8_t bytes[CARP_ADVERT_LEN];
	size_t len;
	bool again, broken;
};

/* One direction of a connection. */
struct sim_pipe {
	uint8_t bytes[SIM_PIPE_BYTES];
	size_t len;
	struct {
		mono_t at;
		size_t len;
	} segments[SIM_SEGMENTS];
	size_t nsegments;
	mono_t busy; /* the wire, until then */
	bool closed; /* nothing more follows */
};

struct sim_node {
	struct engine *engine; /* NULL: the daemon does not run */
	struct kernel kernel;
	struct sim_expects expects;
	struct sim_sets sets;
	char name[16];
	bool carrier[SIM_VHOSTS_MAX];
	bool mute[SIM_VHOSTS_MAX];    /* its adverts fail, and it knows */
	bool unheard[SIM_VHOSTS_MAX]; /* they are lost, and it does not */
	mono_t lease_until[SIM_VHOSTS_MAX];
	int64_t lease_ns[SIM_VHOSTS_MAX];
	bool announcing[SIM_VHOSTS_MAX]; /* taken, not yet announced */
	mono_t frozen_until, busy_until, starts_at;
	bool suspended;	   /* the machine, not only the daemon, until then */
	int64_t behind_ns; /* its clock, since it was */
	mono_t boots_at;   /* a lost machine, not before */
	struct sim_packet packets[SIM_PACKETS_MAX];
	size_t npackets;
	/* its end of the connection to each other node, and what comes by it */
	bool attached[SIM_NODES_MAX];
	struct sim_pipe inbox[SIM_NODES_MAX];
	/* an advert was given to it */
	mono_t heard[SIM_VHOSTS_MAX][CARP_FAMILIES];
	mono_t able_since[SIM_VHOSTS_MAX];
	struct gate gate; /* as it was after its last turn */
	/* end of the last comparison that was watched, with each peer */
	mono_t audited[SIM_NODES_MAX];
	bool stopped;	 /* ENGINE_STOPPED came */
	bool any;	 /* the last turn did something: look again */
	bool unsure;	 /* it tracks what it does not know when it starts */
	bool paused;	 /* no events are read: an upgrade is under way */
	unsigned refuse; /* so many entries of a peer are not taken */
	enum engine_dump breaks; /* the next such dump breaks off */
	/* for a test to look at */
	unsigned takes[SIM_VHOSTS_MAX], transitions, bulks_ok, bulks_failed;
	unsigned handovers_ok, handovers_failed;
	/* packets let go, and when, by number */
	unsigned passed;
	mono_t passed_at[SIM_HELD_MAX];
	unsigned verified, verify_failed;
	char handover_why[ENGINE_TEXT_MAX];
	/* the last messages, the newest at (nsaid - 1) % SIM_SAID */
	char said[SIM_SAID][ENGINE_TEXT_MAX];
	size_t nsaid;
	bool handover_forced;
	unsigned spins;
};

struct sim {
	struct sim_conf conf;
	mono_t now;
	uint64_t random;
	struct flow_timeouts timeouts;
	unsigned nodes;
	struct sim_node node[SIM_NODES_MAX];
	bool lan_cut[SIM_VHOSTS_MAX], link_cut; /* every cable of the link */
	bool cable_cut[SIM_NODES_MAX][SIM_NODES_MAX]; /* that of two nodes */
	bool family_cut[SIM_VHOSTS_MAX][CARP_FAMILIES];
	mono_t connect_at;
	mono_t next_traffic, next_table;
	bool traffic;
	int speaker[SIM_VHOSTS_MAX]; /* whom the switch sends frames to */
	/* flows that one node lost without a word, by the rules */
	struct flow untold[SIM_UNTOLD_MAX];
	size_t nuntold;
	bool tampered; /* tables differ, and nobody was told */
	bool tampered_once;
	bool lossy;		  /* a table was full */
	uint64_t created, broken; /* connections */
	uint64_t changed; /* differed in a comparison, and were on their way */
	uint64_t taken;	  /* vhosts from a living master */
	uint64_t calm; /* cuts and lost events while nothing else was wrong */
	uint64_t cuts, resumed;	    /* of the link; without a bulk after it */
	unsigned struck[SIM_STEPS]; /* how often in each step of strikes.c */
	/* of the watch */
	int sole[SIM_VHOSTS_MAX], master[SIM_VHOSTS_MAX]; /* node or -1 */
	mono_t sole_since[SIM_VHOSTS_MAX];
	unsigned changes[SIM_VHOSTS_MAX]; /* of master */
	mono_t none_since[SIM_VHOSTS_MAX];
	struct sim_two {
		mono_t both_since[SIM_VHOSTS_MAX];
		mono_t hear_since[SIM_VHOSTS_MAX], told_since[SIM_VHOSTS_MAX];
		mono_t apart_since, lacks_since;
	} two[SIM_NODES_MAX][SIM_NODES_MAX]; /* of nodes, the first the lower */
	int64_t longest_both_ns, longest_none_ns;
	char error[512];
};

/* Nodes do not run yet; sim_start. Owned by the caller. */
struct sim *sim_new(const struct sim_conf *conf);
void sim_free(struct sim *s);
uint64_t sim_random(struct sim *s, uint64_t below);
/* True with that many chances in 100. */
bool sim_chance(struct sim *s, unsigned percent);
/* Lets time pass, until an error at the latest. */
void sim_run(struct sim *s, int64_t ns);
/* NULL, or what must not have happened. */
const char *sim_error(const struct sim *s);
void sim_fail(struct sim *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void sim_say(const struct sim *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* describe.c: says how each node is. */
void sim_describe(const struct sim *s);
/* The vhosts have addresses of that family. */
bool sim_uses(const struct sim *s, enum carp_family f);
/* What is from its address, as the others see it. */
struct carp_address sim_address(unsigned node, enum carp_family f);
/* Where a node is among the peers of another one, and the node of a peer. */
unsigned sim_peer(unsigned of, unsigned node);
unsigned sim_node_of(unsigned of, unsigned peer);
/* What a node's clock says; and said or will say at that time. */
mono_t sim_clock(const struct sim *s, unsigned node);
mono_t sim_time(const struct sim_node *n, mono_t t);
/* A node that is not this one; by chance, where there are several. */
unsigned sim_other(struct sim *s, unsigned node);

/* --- befall.c: what befalls them ------------------------------------------ */

void sim_start(struct sim *s, unsigned node);
void sim_kill(struct sim *s, unsigned node); /* SIGKILL */
void sim_lose(struct sim *s, unsigned node); /* the machine */
void sim_term(struct sim *s, unsigned node); /* SIGTERM */
/* world.c: another process goes on; false if it cannot now. */
bool sim_upgrade(struct sim *s, unsigned node);
void sim_freeze(struct sim *s, unsigned node, int64_t ns);
/* The machine stands still, and its clock. */
void sim_suspend(struct sim *s, unsigned node, int64_t ns);
void sim_wake(struct sim *s, unsigned node);
void sim_carrier(struct sim *s, unsigned node, unsigned vhost, bool up);
void sim_lan(struct sim *s, unsigned vhost, bool cut);
void sim_link(struct sim *s, bool cut); /* of all to all */
void sim_cable(struct sim *s, unsigned a, unsigned b, bool cut);
void sim_reset_link(struct sim *s);
void sim_reset_cable(struct sim *s, unsigned a, unsigned b);
/* As engine_handover; the reason of a refusal is logged. */
int sim_handover(struct sim *s, unsigned node, bool force);
int sim_handover_to(struct sim *s, unsigned node, int to, bool force);
void sim_demote(struct sim *s, unsigned node, int32_t by);
void sim_ask_bulk(struct sim *s, unsigned node);
/* As engine_verify; refused or not. */
void sim_verify(struct sim *s, unsigned node);

/* --- cuts.c --------------------------------------------------------------- */

/* Cuts the link for a while: no bulk is needed after it, unless something else
 * happens. */
void sim_cut(struct sim *s);
/* sim_upgrade, after which none is needed either, where streams go on. */
void sim_upgrade_watched(struct sim *s, unsigned node);

/* --- traffic.c ------------------------------------------------------------ */

/* n connections through the table of that node, whoever is master. */
void sim_fill(struct sim *s, unsigned node, size_t n);
/* One thing that happens on the wire, through the node that forwards. */
void sim_traffic(struct sim *s, unsigned node);
/* And where both do (conf.active). */
void sim_traffic_both(struct sim *s);
/* Connections of the node itself, which no one else may touch. */
void sim_own_flows(struct sim *s, unsigned node);
/* One node lost it and the other is not told. */
void sim_untold(struct sim *s, const struct flow *f);
/* One entry of that node is gone, changed or added, without an event. */
void sim_tamper(struct sim *s, unsigned node);
/* conntrack -F by a process, or devices gone: untold. */
void sim_flush(struct sim *s, unsigned node, uint32_t portid);

/* --- watch_peers.c: of the link between two nodes ---------------------------- */

/* No session is stuck, and what waits is bounded. */
void sim_watch_sessions(struct sim *s);
/* Nothing but a fault of a node or of the LAN may move a vhost now. */
bool sim_is_calm(const struct sim *s);
/* How often any moved. */
uint64_t sim_moves(const struct sim *s);

/* --- watch.c --------------------------------------------------------------- */

void sim_watch(struct sim *s);
/* One advert interval of the slowest node. */
int64_t sim_interval_ns(const struct sim *s);
/* The advskew of a vhost of a node. */
uint8_t sim_advskew(const struct sim *s, unsigned node, unsigned vhost);
bool sim_holds(const struct sim *s, unsigned node, unsigned vhost);
/* The node that holds all vhosts alone, or -1. */
int sim_master(const struct sim *s);
/* The node to which frames for a vhost go, or -1. */
int sim_holder(const struct sim *s, unsigned vhost);
/* The new master takes over from one that handed over. */
void sim_watch_handover(struct sim *s, unsigned from, unsigned to);
/* It takes a vhost from a living one. */
void sim_watch_taken(struct sim *s, unsigned from, unsigned to);
void sim_watch_transition(struct sim *s, unsigned node, unsigned vhost);
/* Every vhost served by one, both in sync, nothing on its way. */
bool sim_idle(const struct sim *s);
/* Runs until then, so long at most. */
void sim_until_idle(struct sim *s, int64_t ns);
/* Equal tables, but for what the rules keep back. */
void sim_watch_tables(struct sim *s, unsigned master);
/* Of two that both forward neither lacks anything of the other one's. */
void sim_watch_both(struct sim *s);
/* What a peer told was put into a table in which it was as before, or not. */
void sim_watch_merge(struct sim *s, unsigned node, const struct flow_change *c,
		     const struct kernel_entry *before);
/* The same: it did not sweep what no other node was ever given. */
void sim_watch_only(struct sim *s, unsigned node, const struct flow_change *c,
		    const struct kernel_entry *before);
/* One master, both in sync, equal tables; else an error. */
void sim_watch_quiet(struct sim *s);

#endif
