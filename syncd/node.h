/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One running node: the engine, and the kernel objects and sockets that its
 * actions are carried out on. Shared by node*.c, commands*.c (the operator) and
 * report*.c (the screen, the status).
 */
#ifndef STATESYNC_NODE_H
#define STATESYNC_NODE_H

#include <event2/event.h>
#include <limits.h>
#include <net/if.h>

#include "carpsock.h"
#include "conf.h"
#include "ct_dump.h"
#include "ct_events.h"
#include "ct_inject.h"
#include "drill.h"
#include "engine.h"
#include "ifmon.h"
#include "lease.h"
#include "neigh.h"
#include "neigh6.h"
#include "peersock.h"
#include "rate.h"
#include "standin.h"
#include "statsock.h"
#include "vip.h"

/* Events of the loop: adverts, answers and deadlines before everything. */
enum { PRIORITY_URGENT, PRIORITY_NORMAL, PRIORITY_BULK, PRIORITIES };

struct node;

/* An interface on which we run virtual hosts. */
struct node_iface {
	struct node *node;
	char name[IF_NAMESIZE];
	unsigned ifindex; /* 0: not there */
	bool up, has_mac;
	bool seen;	/* by the dump that goes on */
	bool readdress; /* its addresses changed */
	uint8_t mac[6];
	struct carpsock carp;
	struct neigh neigh;
	struct event *carp_event, *neigh_event;
	mono_t flood_since; /* adverts that came from then on */
	unsigned flood;
	bool v6; /* a vhost has IPv6, and neigh6 is in use */
	struct neigh6 neigh6;
	struct event *neigh6_event;
};

/* Router advertisements of one vhost. */
struct node_ra {
	struct event *timer;
	unsigned initial;  /* of the quick ones, still to come */
	int64_t last, due; /* CLOCK_MONOTONIC, ns; 0: none */
	bool silent;	   /* the interface does not forward: told once */
};

/* Who waits for the end of a bulk, or of a handover. */
#define NODE_WAITERS 8
struct node_waiters {
	struct stats_client *list[NODE_WAITERS];
	size_t n;
};

/* Who waits for verify. */
#define NODE_VERIFIES 8
struct node_verify {
	struct stats_client *client; /* NULL: nobody */
	unsigned peers;		     /* still to be compared, a bit each */
	bool bad;
	char sentence[ENGINE_TEXT_MAX];
};

/* Adverts with a vhost's number that are not of its group: node_foreign.c. */
struct node_foreign {
	mono_t at, said_at; /* of the last one; 0: none yet */
	struct carp_address source;
	bool vrrp;
	unsigned times; /* since it was logged */
};

/* statesync maintenance */
struct node_maintenance {
	bool on;
	bool handing;	 /* it waits for the end of a handover */
	char since[160]; /* when, and by whom */
	struct stats_client *client;
	mono_t tried; /* a handover */
};

/* statesync drill: the one that runs, or ran last */
struct node_drill {
	struct drill drill;
	unsigned peer;
	uint32_t set; /* what was given, a bit each */
	struct stats_client *client;
	bool json;
	struct event *timer;
	double handover_ms; /* below 0: there was none */
	double away_s;	    /* until all was back */
	/* of the last one that ended, also before this daemon: seconds since
	 * the Epoch, 0: never; and of the last that passed */
	int64_t at, success_at;
	enum drill_result result;
	char peer_name[SESSION_NAME_MAX];
	char text[400]; /* what came of it */
};

struct node_vhost {
	struct node *node;
	const struct conf_carp *conf;
	/* of conf, or, where it is balanced, of one of its nodes: then several
	 * have one conf, in any order */
	char name[SESSION_NAME_MAX];
	uint8_t vhid, advskew;
	unsigned iface;
	uint8_t share; /* which of conf's nodes */
	struct vip_vhost vip;
	struct vip_addr *addrs;
	struct lease_vhost lease;
	bool leased;	  /* lease knows it */
	bool answering;	  /* ARP is answered */
	bool unannounced; /* taken, the announcement is still to come */
	int64_t since_ns; /* CLOCK_REALTIME of the grant */
	int64_t take_us[SESSION_STEPS];
	uint64_t adverts_sent[CARP_FAMILIES], adverts_received[CARP_FAMILIES];
	mono_t conflict_at, conflict_said_at; /* answered, and logged */
	unsigned conflicts;		      /* since it was logged */
	struct node_ra ra;
	mono_t advert_said_at; /* that a unicast peer cannot be reached */
	struct node_foreign foreign;
};

/* An address of this machine, shared ones left out. */
struct node_addr {
	unsigned ifindex;
	struct ifmon_addr addr;
};

struct exec;
struct node_track;
struct node_routes;
struct node_ifstated;
struct policy_macros;
struct node_upgrade;
struct node_sets;
struct node_drift;
struct node_defer;
struct node_http;
struct follower;

struct node {
	struct node_upgrade *upgrade;
	const char *helper; /* the socket of one that runs, or NULL */
	const char *path;   /* of the configuration, absolute */
	int sched_policy;   /* once all threads are there */
	struct conf *conf;
	struct engine *engine;
	struct event_base *base;
	struct event *timer, *work, *housekeeping;
	struct event *events_event, *events_rest, *ifmon_event;
	uint64_t events_seen;
	mono_t last_events; /* when the kernel was asked for them */
	struct event *signals[3];
	bool running_actions, stopped, handover_failed;
	mono_t last;		    /* the time of the last turn */
	int64_t ahead_ns[2];	    /* of other clocks, then */
	struct rate sent, received; /* changes of flows */

	size_t nifaces, nvhosts;
	struct node_iface *ifaces;
	struct node_vhost *vhosts;
	size_t naddrs, addrs_room;
	struct node_addr *addrs;
	struct ifmon ifmon;
	struct vip vip;
	struct vip_vhost *vip_vhosts; /* the array that vip.c keeps */
	bool vip_open, lease_open;
	struct lease lease;
	uint32_t mark;
	struct standin *standin;

	struct ct_events events;
	bool deaf; /* the subscription failed: tried again */
	bool events_paused;
	bool events_behind; /* after a chunk of a dump */
	struct ct_dump dump;
	struct ct_inject inject;
	char helper_said[FLOW_HELPER_MAX]; /* that is unknown here */
	int refused_said; /* errno of the last FLOW_OTHER that was logged */
	mono_t refused_next;
	struct flow *chunk; /* of the dump being read */
	size_t nchunk;
	uint32_t table_max;
	struct peersock *peersock;
	struct node_sets *sets;	  /* NULL: none are named */
	struct node_drift *drift; /* NULL: no peers */

	struct node_defer *defer; /* NULL until packets are held */
	struct exec *exec;	  /* the helper that runs commands */
	struct event *exec_event;
	struct node_track *track;
	struct node_routes *routes;
	struct node_ifstated *ifstated;
	const struct policy_macros *macros; /* of -D; NULL: none */

	struct statsock *statsock;
	struct node_http *http;
	bool reload_refused; /* the last one */
	struct node_waiters bulk_clients, handover_clients;
	struct listing *listing; /* the one that somebody reads now */
	unsigned bulk_peer;
	struct node_verify verifies[NODE_VERIFIES];
	struct node_maintenance maintenance;
	struct node_drill drill;
	uint64_t commands_ended[2]; /* that follow: badly, well */
	struct node_events *events_told;
	struct event *progress;
};

/* The vhost of the same conf that leads: of a balanced block its first share,
 * else itself. */
unsigned node_leader(const struct node *n, unsigned vhost);

/* Another program elects and moves the addresses: nothing of it is ours. */
bool node_is_external(const struct node_vhost *v);

/* --- node.c */
/* n is zeroed but for helper, path, exec and upgrade; conf is taken over, and
 * was read with exec_conf_load. 0 or -errno, already logged. */
int node_open(struct node *n, struct conf *conf)
	__attribute__((warn_unused_result));
/* Until it was told to stop. The exit status of the program. */
int node_run(struct node *n);
void node_close(struct node *n);
/* The time of this turn. */
mono_t node_now(struct node *n);
/* Carries out what the engine wants; after every input to it. */
void node_settle(struct node *n);

/* --- node_conf.c */
/* A vhost that a configuration asks for: a block, or one of the nodes of a
 * balanced one. */
struct node_wanted {
	const struct conf_carp *conf;
	uint8_t share;
};
/* All of them; -E2BIG: there are more than there is room for. */
int node_conf_list(const struct conf *conf,
		   struct node_wanted list[ENGINE_VHOSTS_MAX], size_t *count)
	__attribute__((warn_unused_result));
#define NODE_TOO_MANY "at most 32 virtual hosts, each of `nodes` is one"
/* Vhost i is w from now on: at a free place (fresh), or what is there with
 * another configuration. Its interface has a slot. */
void node_conf_place(struct node *n, unsigned i, const struct node_wanted *w,
		     bool fresh);
/* The place is free: nothing of a configuration is there, on no interface
 * (NODE_NO_IFACE), so whoever walks over all vhosts finds none. */
#define NODE_NO_IFACE UINT_MAX
void node_conf_forget(struct node *n, unsigned i);
/* The vhosts and their interfaces, of the configuration. 0, -E2BIG (logged) or
 * -ENOMEM. */
int node_conf_vhosts(struct node *n) __attribute__((warn_unused_result));
/* The engine for them. 0 or -errno, logged. */
int node_conf_engine(struct node *n) __attribute__((warn_unused_result));
/* Tells the engine what vhost i is now. As engine_vhost_set. */
int node_conf_set(struct node *n, unsigned i, const char **why)
	__attribute__((warn_unused_result));
/* Tells it what is not of a vhost. */
void node_conf_change(struct node *n);

/* --- node_defer.c: sync { defer } */
/* Holds first packets or not, as the engine wants it now. */
void node_defer_settle(struct node *n);
void node_defer_pass(struct node *n, uint32_t id);
void node_defer_close(struct node *n);
/* NULL, or why no packet can be held here. */
const char *node_defer_error(const struct node *n);
/* Packets of the queue that could not be read. */
uint64_t node_defer_malformed(const struct node *n);

/* --- node_filter.c: sync {} */
/* Carries it over, with the networks that interfaces have now. */
void node_filter_set(struct node *n);
/* The next interface that a filter names and that is not here, *at from 0 on;
 * NULL: no more. */
const char *node_filter_missing(const struct node *n, size_t *at);

/* --- node_reload.c */
/*
 * Reads the configuration again and does what is new in it. text: what was
 * done, or, where nothing was (false), why not. Logged.
 */
#define NODE_RELOAD_TEXT CONF_ERROR_SIZE
bool node_reload(struct node *n, char text[NODE_RELOAD_TEXT]);

/* --- node_vhost.c: the life of vhosts on their interfaces */
int node_carp_open(struct node *n) __attribute__((warn_unused_result));
void node_carp_close(struct node *n);
/* The leases of all vhosts, without the right. 0 or -errno, logged. */
int node_leases_open(struct node *n);
/* One that came, changed (its addresses, source-mac) or went, as its
 * configuration says. What cannot be done is logged. 0 or -ENOMEM. */
int node_vhost_open(struct node *n, unsigned vhost)
	__attribute__((warn_unused_result));
int node_vhost_change(struct node *n, unsigned vhost)
	__attribute__((warn_unused_result));
void node_vhost_close(struct node *n, unsigned vhost);
/* Sockets and tables of all interfaces as the vhosts need them now; none on
 * those where no vhost is. */
void node_ifaces_settle(struct node *n);
/* The kernel's silence for the vhosts that are there now. */
void node_vhosts_prepare(struct node *n);
/* From another process (an upgrade): the socket of the leases, -1 without, and
 * what the engine says is held. 0 or -errno. */
int node_carp_adopt(struct node *n, int lease_fd)
	__attribute__((warn_unused_result));

/* --- node_carp.c */
void node_take(struct node *n, unsigned vhost);
void node_release(struct node *n, unsigned vhost);
void node_fence(struct node *n, unsigned vhost);
void node_lease_time(struct node *n, unsigned vhost, int64_t ns);
/* The machine slept: no lease of before is worth anything. */
void node_carp_slept(struct node *n);
/* Sockets, rules and silence for an interface that is new, or another one. */
void node_carp_bind(struct node *n, unsigned iface);
/* Its addresses changed: puts back what went with them, and receives adverts
 * in the way that they ask for. */
void node_carp_addresses(struct node *n, unsigned iface);
/* Waits for reading on fd, an urgent event, from now on; -1: on nothing. 0 or
 * -ENOMEM. */
int node_watch(struct node_iface *f, struct event **ev, int fd,
	       event_callback_fn cb);

/* The shared addresses of which somebody took something away. */
void node_carp_put_back(struct node *n);
/* After node_carp_adopt(), once all is ours: what could wait. */
void node_carp_adopted(struct node *n);
/* Before the sockets of an interface are others: nobody uses them. */
void node_advert_stop(struct node *n, unsigned iface);

/* --- node_neigh.c */
/* The sockets of an interface: 0, or -ENODEV or -errno where it is not there
 * yet (bind opens them when it comes). */
int node_neigh_open(struct node_iface *f) __attribute__((warn_unused_result));
void node_neigh_bind(struct node_iface *f);
void node_neigh_close(struct node_iface *f);
/* The table of one interface: every shared address, answered or not. */
void node_neigh_set(struct node *n, unsigned iface);
void node_neigh_answer(struct node *n, unsigned vhost, bool on);
void node_announce(struct node *n, unsigned vhost);
/* The process slept: what waits in the sockets is old. */
void node_woke(struct node *n);
/* Microseconds since *t, which becomes now. */
int64_t node_us_since(mono_t *t);

/* --- node_ra.c */
/* Begins to advertise at once, or ends; does nothing without the option or
 * without a link-local shared address. */
void node_ra_set(struct node *n, unsigned vhost, bool on);
/* A router solicitation came on an interface (struct node_iface). */
neigh6_solicited_cb node_ra_solicited;

/* --- node_foreign.c */
/* Signed with another password, or for other addresses; vrrp: no CARP at all.
 * Told at once, then once a minute. */
void node_foreign_advert(struct node *n, unsigned vhost,
			 const struct carp_address *source, bool vrrp);
/* Whether it is VRRP, and what its number is: 0 if it is something else. */
uint8_t node_foreign_vrrp(const struct carp_packet *p);
/* What it is, as log and check say it. */
#define NODE_FOREIGN_SIZE 160
const char *node_foreign_text(const struct node *n, unsigned vhost,
			      char text[NODE_FOREIGN_SIZE]);

/* --- node_advert.c */
/* The sockets of one interface, for the vhosts on it. As carpsock_open. */
int node_advert_open(struct node *n, unsigned iface)
	__attribute__((warn_unused_result));
/* The same when other vhosts are on it. */
void node_advert_change(struct node *n, unsigned iface);
void node_advert(struct node *n, unsigned vhost,
		 const uint8_t bytes[CARP_ADVERT_LEN], bool own_mac);
/* An event's function: adverts wait on an interface (struct node_iface). */
void node_advert_read(evutil_socket_t fd, short what, void *iface);
#define NODE_ADVERTS_WAITING 16384 /* more than a socket's buffer holds */
/* All that waits there, also behind a flood. */
void node_advert_read_all(struct node_iface *f);

/* --- node_ifaces.c */
/* Watches, and tells the engine what is there. 0 or -errno. */
int node_ifaces_open(struct node *n) __attribute__((warn_unused_result));
/* Looks at all of them again. */
void node_ifaces_look(struct node *n);
void node_ifaces_close(struct node *n);
/* The names of those of this machine, " ..." behind as many as fit. */
void node_ifaces_present(char *out, size_t size);

/* --- node_exec.c: n->exec, the helper that runs commands */
/* Of n->helper and n->path. Before anything else is open. 0 or -errno, logged. */
int node_exec_fork(struct node *n) __attribute__((warn_unused_result));
/* Once there is a loop. 0 or -ENOMEM. */
int node_exec_open(struct node *n) __attribute__((warn_unused_result));
void node_exec_close(struct node *n);

/* --- node_notify.c: each second */
void node_notify(struct node *n);

/* --- node_track.c: what track {} asks to be watched */
/* 0 or -errno, logged. */
int node_track_open(struct node *n) __attribute__((warn_unused_result));
/* The vhosts have another configuration: what was tracked before keeps its
 * state. 0 or -errno, logged. */
int node_track_reopen(struct node *n) __attribute__((warn_unused_result));
void node_track_close(struct node *n);
/* A link event, of any interface; after a dump; after all of a turn. */
void node_track_link(struct node *n, const struct ifmon_event *ev);
void node_track_links_dumped(struct node *n);
void node_track_links_changed(struct node *n);
/* The i-th of a vhost's conf->tracks. */
const struct track *node_track_get(const struct node *n, unsigned vhost,
				   size_t i);

/* --- node_routes.c: routes {} and rules {}, which the master alone has */
int node_routes_open(struct node *n) __attribute__((warn_unused_result));
/* Vhost has another configuration than was: what is not in it is removed, what
 * is new is set by the next node_routes_put_back(). 0 or -ENOMEM. */
int node_routes_change(struct node *n, unsigned vhost,
		       const struct conf_carp *was)
	__attribute__((warn_unused_result));
void node_routes_close(struct node *n);
/* What cannot be set is logged, tried again, and stops nothing. */
void node_routes_take(struct node *n, unsigned vhost);
void node_routes_release(struct node *n, unsigned vhost);
/* Sets again what is missing: an interface changed. */
void node_routes_put_back(struct node *n);
/* The same in a moment: somebody removed something of ours. */
void node_routes_removed(struct node *n);
/* Of the i-th of a vhost's routes, then rules: why it is not there, 0: it is,
 * or is not to be; as vroute_add(). */
int node_routes_error(const struct node *n, unsigned vhost, size_t i);

/* Of the same: it was set by us; so it was by the process before this one (an
 * upgrade), before node_routes_take. */
bool node_routes_there(const struct node *n, unsigned vhost, size_t i);
void node_routes_adopt(struct node *n, unsigned vhost, size_t i);

/* --- node_upgrade.c: another process goes on as this node */
/* The launcher. Before anything else is open. 0 or -errno, logged. */
int node_upgrade_fork(struct node *n, char **argv)
	__attribute__((warn_unused_result));
/* Once there is a loop and an engine. 0 or -errno, logged. */
int node_upgrade_open(struct node *n) __attribute__((warn_unused_result));
/* What is in the kernel is another process's, not yet or no more ours. */
bool node_upgrade_foreign(const struct node *n);
/* For a listening socket that was handed on, those of the link from
 * UPGRADE_LINK on; -1. */
enum {
	UPGRADE_STATS,
	UPGRADE_LINK,
	UPGRADE_FDS = UPGRADE_LINK + PEERSOCK_PATHS_MAX
};
int node_upgrade_fd(const struct node *n, int which);
/* The end, after it was handed on. */
void node_upgrade_leave(struct node *n);
void node_upgrade_close(struct node *n);

/* --- node_takeover.c: the process that goes on */
/* Was this one started to take over? Before all else. */
bool node_upgrade_given(struct node *n);
/* Once all is open: takes over, if that is what it was started for. 0 or
 * -errno, logged. */
int node_upgrade_take(struct node *n) __attribute__((warn_unused_result));

/* --- node_link.c */
/* 0 or -errno, logged; also without a link. */
int node_link_open(struct node *n) __attribute__((warn_unused_result));
/* The key files as they are now, for the next handshakes. What cannot be read
 * is logged, and the old ones stay. */
void node_link_rekey(struct node *n);

/* --- node_sync.c */
extern const struct peersock_ops node_sync_ops; /* of the link; arg: node */
int node_sync_open(struct node *n) __attribute__((warn_unused_result));
void node_sync_close(struct node *n);
/* One piece of heavy work; false when there was none. */
bool node_sync_work(struct node *n);
void node_sync_subscribe(struct node *n);
/* Reads what is there, and tells the engine. */
void node_sync_unsubscribe(struct node *n);
/* False: some are left. */
bool node_sync_drain(struct node *n);
/* No events are read from now on; again. */
void node_sync_pause(struct node *n, bool on);
/* Goes on with the socket on which another process listened. */
int node_sync_adopt(struct node *n, int fd) __attribute__((warn_unused_result));
void node_sync_table(struct node *n);
/* Each second. */
void node_sync_tick(struct node *n);
/* Moves bytes from the sessions to the sockets. */
void node_sync_output(struct node *n);

/* --- node_sets.c: nftables sets */
/* 0 or -errno, logged. */
int node_sets_open(struct node *n) __attribute__((warn_unused_result));
void node_sets_close(struct node *n);
/* The configuration has other sets than it had. 0 or -errno, logged. */
int node_sets_change(struct node *n, const struct conf_sets *was)
	__attribute__((warn_unused_result));
/* Those of the configuration, SETS_MAX at most; how many. */
int node_sets_names(const struct node *n, const char **names);
/* One piece of the engine's work on sets. */
void node_sets_work(struct node *n);

/* --- commands.c */
int commands_open(struct node *n) __attribute__((warn_unused_result));
void commands_close(struct node *n);
/* After all actions of a turn; true if the engine has more of them. */
bool commands_settle(struct node *n);

/* --- commands_bulk.c */
int commands_bulk_open(struct node *n) __attribute__((warn_unused_result));
void commands_bulk_close(struct node *n);
void commands_bulk_ended(struct node *n, unsigned peer, bool ok,
			 const char *why);

/* --- commands_handover.c */
void commands_handover(struct node *n, struct stats_client *c, int argc,
		       char **argv);
void commands_handover_ended(struct node *n, bool ok, const char *why);

/* --- commands_maintenance.c */
/* What state-dir says. Once there is an engine. */
void commands_maintenance_open(struct node *n);
/* Hands over once a peer can take it: true if it began. */
bool commands_maintenance_settle(struct node *n);
/* A handover, of whomever, has ended. */
void commands_maintenance_ended(struct node *n, bool ok, const char *why);

/* --- commands_drill.c */
int commands_drill_open(struct node *n) __attribute__((warn_unused_result));
void commands_drill_close(struct node *n);
/* A comparison, or a handover, has ended: perhaps it was the drill's. */
void commands_drill_verified(struct node *n, unsigned peer, const char *why);
void commands_drill_ended(struct node *n, bool ok, const char *why);

/* --- commands_events.c */
int commands_events_open(struct node *n) __attribute__((warn_unused_result));
/* History is another one: that of the process before. */
void commands_events_anew(struct node *n);
/* Tells the followers what is new in history. */
void commands_events_settle(struct node *n);
void commands_events_close(struct node *n);

/* --- commands_verify.c */
/* why: NULL, or it could not be. */
void commands_verified(struct node *n, unsigned peer, const char *why);

#endif
