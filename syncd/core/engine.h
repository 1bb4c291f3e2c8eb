/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole node as a value: its virtual hosts, its peers, the gate and the
 * streams. It is given facts, packets, kernel events and the time; it answers
 * with actions (urgent, in order) and with work (heavy, one piece at a time).
 * No socket, no clock, no kernel: two of them run in one process under a
 * made-up time.
 *
 * After every call the caller takes engine_poll until it is empty, and asks
 * for engine_work when nothing urgent is left.
 */
#ifndef STATESYNC_ENGINE_H
#define STATESYNC_ENGINE_H

#include "defer.h"
#include "demotion.h"
#include "destroys.h"
#include "ended.h"
#include "engine_audit.h"
#include "engine_drift.h"
#include "engine_sets.h"
#include "filter.h"
#include "gate.h"
#include "handover.h"
#include "history.h"
#include "session.h"
#include "timeouts.h"
#include "vhost.h"

#define ENGINE_VHOSTS_MAX SESSION_VHOSTS_MAX
#define ENGINE_PEERS_MAX  8
#define ENGINE_OPS_MAX	  512
#define ENGINE_TEXT_MAX	  256

/* Entries that we did not even try are counted after the kernel's answers; as
 * those (enum flow_result) the numbers are on the wire. */
#define ENGINE_REFUSED_FILTER 12
#define ENGINE_REFUSED_RULE   13 /* a filter block */
#define ENGINE_REFUSED_COUNT  14
_Static_assert(FLOW_RESULT_COUNT <= ENGINE_REFUSED_FILTER,
	       "a new result has a number that is nobody's");

/* Who may advertise on a vhost besides the peers (strict-peers). */
struct engine_allowed {
	struct carp_address address;
	int advbase, advskew; /* -1: any */
};
#define ENGINE_ALLOWED_MAX 8

struct engine_vhost_conf {
	const char *name;
	unsigned interface; /* vhosts on one interface have one number */
	bool own_mac;	    /* mac = "interface": no lease */
	bool strict;	    /* nobody but peers and the allowed */
	bool balanced;	    /* a share: other nodes are master of others */
	size_t nallowed;
	struct engine_allowed allowed[ENGINE_ALLOWED_MAX];
	struct carp_vhost_conf carp;
};

struct engine_conf {
	const char *node, *version;
	uint64_t boot_id; /* random */
	enum require_sync require;
	int64_t require_ns;
	bool independent;	 /* vhosts move each by itself */
	bool defer;		 /* first packets wait for the peers */
	int64_t audit_period_ns; /* 0: no audit but by verify */
	size_t resume_bytes;	 /* of what is kept for each peer; 0: nothing */
	size_t nvhosts, npeers;
	const struct engine_vhost_conf *vhosts;
	const char *const *peers; /* names */
	size_t nsets;
	const char *const *sets; /* as engine_sets_name() takes them */
	int64_t sets_period_ns;
};

struct engine_vhost {
	char name[SESSION_NAME_MAX];
	unsigned interface;
	bool own_mac;
	bool link_up;
	bool taking;	 /* TAKE was given out, not yet answered */
	bool held;	 /* it was, and nothing was released since */
	bool unusable;	 /* the last TAKE failed */
	int32_t tracked; /* as engine_track said */
	/* not all of it is known; what it was in the process before, then */
	bool unsure;
	int32_t tracked_before;
	bool gone;	 /* not in the configuration any more */
	bool unheard;	 /* taken although the link told of a master */
	bool mute;	 /* the last advert did not get out */
	mono_t heard_at; /* the last advert of another node; 0: none */
	uint64_t leases_lost;
	bool no_preempt; /* after a handover, rules 12 */
	bool strict;
	bool balanced;
	size_t nallowed;
	struct engine_allowed allowed[ENGINE_ALLOWED_MAX];
	unsigned voucher; /* the peer whose word counts, from 1 on; 0: none */
	mono_t lost_at;	  /* the lease ran out then; 0 once that is settled */
	mono_t old_until; /* what was before a change is accepted until then */
	mono_t waits_until; /* for a master that is to have it, too */
	bool said;	    /* that it waits */
	int64_t lease_ns;
	/* How far the counters of each peer's adverts are, from the first one
	 * on: in each family as heard, and as the link tells. */
	struct engine_counters {
		uint64_t first, heard[CARP_FAMILIES], told;
	} counters[ENGINE_PEERS_MAX];
	struct carp_vhost carp;
};

enum tx_state { TX_NONE, TX_BULK, TX_STREAM };
enum rx_state { RX_IDLE, RX_MARK, RX_ASKED, RX_RUNNING, RX_SWEEP };
enum bulk_result { BULK_NONE, BULK_RUNNING, BULK_DONE, BULK_FAILED };

/* What we tell a peer. */
struct engine_tx {
	enum tx_state state;
	uint64_t epoch;	 /* 0: nothing to tell */
	const char *gap; /* why the present epoch began, or NULL */
	bool want_bulk;
	uint64_t want_id;
	size_t behind; /* bytes that a resumed stream began with */
	uint64_t refused[SESSION_REFUSALS_MAX]; /* by its kernel, totals */
	mono_t labels_at; /* the last time that FLOW_LABELS of them grew */
	bool expects;	  /* of a bulk, they alone are still to be told */
	/* the last frame before this node ceased to be master, or began */
	uint64_t left_seq;
	/* the last whole bulk: how many flows, when (0: none was) */
	uint64_t told_from, told;
	mono_t told_at;
};

/* What a peer tells us. */
struct engine_rx {
	enum rx_state state;
	uint64_t epoch; /* of which we have everything; 0: of none */
	char gap[SESSION_REASON_MAX]; /* "" unless there is one */
	bool adopt;	   /* we handed over: its next epoch starts complete */
	uint64_t adopting; /* that epoch, while DUMP_RAISE runs; or 0 */
	bool asked;	   /* a person wants a bulk */
	uint64_t id, bulk_epoch; /* asked for */
	bool requested;		 /* and it was said; */
	uint64_t told_seq;	 /* a master waits for this frame first */
	bool open_failure;	 /* of an entry since the bulk began */
	bool refused;		 /* one of them, and not for want of room */
	bool streamed;		 /* flows, while we were master, too */
	uint64_t missing;	 /* of its entries, refused by our kernel */
	uint64_t unfit;		 /* and those that no kernel like it takes */
	uint64_t last_epoch;	 /* of its last word */
	bool alone;		 /* no other peer told us when it began */
	bool unswept;		 /* another one did meanwhile */
	mono_t labels_at; /* the last time that our kernel kept no labels */
	int64_t retry_full_ns; /* after such a failure, doubled by each */
	int64_t retry_soon_ns; /* after others, doubled by each in a minute */
	mono_t failed_at;      /* the last of those */
	bool swept;	       /* the dump of RX_SWEEP came to its end */
	uint64_t suspects;     /* entries marked before it */
	mono_t retry_at, started, asked_at;
	enum bulk_result result;
	uint64_t entries, total;
	int64_t took_ns;
	char why[SESSION_REASON_MAX]; /* of BULK_FAILED */
	struct ended ended;	      /* while it tells */
};

/* A stream after an interruption of the link. */
struct engine_resume {
	/* why what was parked for the peer is gone, or NULL */
	const char *lost;
	/* totals: streams resumed, changes sent again, streams given up */
	uint64_t told, again, dropped;
	/* and of what the peer tells: */
	uint64_t epoch; /* we have it up to ack_seq; 0: none, or not whole */
	mono_t since;	/* the link was lost first */
	bool running;	/* until all up to last is there */
	uint64_t last;
	uint64_t heard_from; /* flows_received when it began */
	uint64_t heard;	     /* streams resumed: total */
	mono_t at;	     /* the last one, of both kinds */
};

struct engine_peer {
	char name[SESSION_NAME_MAX];
	struct session *session;
	bool up, live;
	bool rest; /* down, but flows it told are still to be injected */
	struct session_hello hello;
	bool heard; /* word is valid */
	struct session_word word;
	mono_t word_at, live_since;
	char down_why[SESSION_REASON_MAX];
	mono_t down_since;
	struct session_address *addresses, *coming; /* a part of the next */
	size_t naddresses, ncoming;
	struct filter_zones zones; /* called otherwise there */
	uint64_t zones_unlisted;   /* flows told, of a zone not among them */
	struct engine_tx tx;
	struct engine_rx rx;
	struct engine_audit audit;
	struct engine_resume resume;
	mono_t next_word;
	bool say_word, say_addresses, say_ack;
	mono_t ack_after;
	uint32_t words; /* said on this connection */
	bool ask;	/* the next one asks for an answer */
	uint32_t asked; /* the one that did, not yet answered; or 0 */
	uint64_t ack_seq;
	uint64_t answered; /* changes it told of flows that were answered */
	uint64_t refused[ENGINE_REFUSED_COUNT];
	uint64_t broken[SESSION_ERROR_COUNT]; /* sessions, by the reason */
	uint64_t sessions;		      /* that became live */
	uint64_t bulks[BULK_FAILED + 1];      /* received, by the result */
	mono_t ask_at;			      /* not before, for a handover */
	int64_t ask_wait_ns; /* doubled by each one that was taken back */
};

enum engine_do {
	ENGINE_TAKE,	/* address, MAC, lease; then engine_taken */
	ENGINE_RELEASE, /* lease, MAC, address */
	ENGINE_FENCE,	/* lease only */
	ENGINE_ADVERT,
	ENGINE_ANNOUNCE,
	ENGINE_SUBSCRIBE,   /* to our kernel's flow events */
	ENGINE_UNSUBSCRIBE, /* read all events, then engine_unsubscribed */
	ENGINE_DRAIN,	    /* read events at once, as many as there are */
	ENGINE_LEASE_TIME,
	ENGINE_CLOSE, /* the connection to the peer */
	ENGINE_LOG,
	ENGINE_TRANSITION, /* for notification; history has it already */
	ENGINE_BULK_ENDED,
	ENGINE_HANDOVER_ENDED,
	ENGINE_PASS,	 /* a packet that engine_packet() was given */
	ENGINE_VERIFIED, /* not ok: it could not be */
	ENGINE_STOPPED,
};

struct engine_action {
	enum engine_do what;
	unsigned index; /* of the vhost, or of the peer */
	bool ok;	/* of ..._ENDED and STOPPED */
	union {
		struct {
			uint8_t bytes[CARP_ADVERT_LEN];
			bool own_mac;
		} advert;
		int64_t lease_ns;
		uint32_t packet; /* of PASS */
		struct {
			enum carp_state from, to;
			char cause[SESSION_REASON_MAX];
		} transition;
		struct {
			int level; /* as syslog(3) */
			char text[ENGINE_TEXT_MAX];
		} log; /* the text also of CLOSE and ..._ENDED */
	};
};

#define ENGINE_EXPECTS_EARLY 32

/* Expectations (engine_expect.c). */
struct engine_expects {
	/* told by our kernel before their masters */
	struct engine_early {
		struct expect_change change;
		bool has_master;
		struct flow master; /* as it was found */
		mono_t due;	    /* no longer waited for */
	} early[ENGINE_EXPECTS_EARLY];
	size_t early_count;

	struct expect_batch batch; /* to be put into our kernel */
	int peer;		   /* who told them; -1: nobody to answer */
	uint64_t seq;
	mono_t again; /* all are told then */
	/* told; of a master that is gone, or not to be told; dumps that broke
	 * off; told by a peer and not to be had */
	uint64_t told, orphans, filtered, failures, refused_own;
	uint64_t results[EXPECT_RESULTS];
};

enum engine_work {
	WORK_NONE,
	WORK_INJECT,	   /* e->ops[0 .. e->nops - 1]; then engine_injected */
	WORK_EXPECTS,	   /* e->expects.batch; then engine_expects_injected */
	WORK_EXPECTS_DUMP, /* engine_expect of each; engine_expects_dumped */
	WORK_DUMP_START,   /* a new dump of our table; then engine_dumping */
	WORK_DUMP_READ,	   /* one chunk; then engine_dumped */
	WORK_DUMP_ABORT,   /* then engine_dumping(false) */
	WORK_SETS,	   /* nftables sets: engine_sets_piece */
	WORK_HEAR,	   /* a peer has said more: nothing but another turn */
};

/* Whom a dump of our table serves, most urgent first. */
enum engine_dump {
	DUMP_NONE,
	DUMP_BULK,  /* to a peer */
	DUMP_MARK,  /* cut the timeouts of copies before a bulk */
	DUMP_SWEEP, /* remove those that the bulk did not set anew */
	/* after a handover: timeouts up to a standby's, TCP made liberal */
	DUMP_RAISE,
	/* after a takeover: timeouts down to nominal; liberal what is not */
	DUMP_LOWER,
	DUMP_AUDIT,  /* ours */
	DUMP_ANSWER, /* of a peer */
};

#define ENGINE_ACTIONS_MAX 512

struct engine {
	char node[SESSION_NAME_MAX];
	char version[32];
	uint64_t boot_id, random;
	uint64_t epochs, ids, wishes; /* the last ones given out */
	mono_t started;
	bool stopping, stopped;
	struct demotion demotion;
	struct gate gate;
	struct carp_env env;
	bool independent;
	size_t resume_bytes;
	/* this node was master beside another one: its entries are told to
	 * whoever is master now, before they are given up */
	bool legacy;
	struct filter filter;
	bool defers; /* as configured */
	struct defer defer;
	struct session_address *own; /* without the shared ones */
	size_t nown;
	struct destroys destroys;
	struct flow_timeouts timeouts;
	int64_t audit_period_ns;
	uint32_t standby_s;	   /* a copy's timeout, at least */
	struct audit_round *round; /* NULL: none runs */
	struct handover handover;
	unsigned handover_peer;
	uint32_t handover_set; /* of vhosts, a bit each */
	bool handover_read;    /* all events were read since its start */
	bool handover_drained; /* nothing is told from here to its end */
	bool handover_missed;  /* something would have been */
	bool handover_refused;
	uint64_t handover_seq; /* the last frame of what was drained */
	char handover_why[SESSION_REASON_MAX];
	int64_t done_us[SESSION_STEPS]; /* the new master's steps, -1 */
	mono_t split_at; /* since then a peer has the other vhosts */
	int go_from;	 /* peer that handed over to us, -1: none */
	uint32_t go_set; /* what it gave */
	int64_t go_step_us[SESSION_STEPS];
	char go_why[SESSION_REASON_MAX];
	bool whole; /* nothing held, since the start, at least once: */
	mono_t whole_at;
	uint32_t elsewhere; /* until then a peer hands these over to another */
	mono_t elsewhere_until;
	struct history history;
	uint64_t table;	     /* entries in our kernel now */
	bool touched;	     /* it may have others than at our start */
	unsigned masters;    /* vhosts that are MASTER */
	uint32_t master_set; /* which, a bit each */
	uint64_t owner;	     /* number of our mastership (engine_merge.c) */
	bool subscribed;
	bool slept;   /* the machine, since mastership changed last */
	bool leaving; /* master of nothing; UNSUBSCRIBE is not yet answered */

	size_t nvhosts, npeers;
	struct engine_vhost vhosts[ENGINE_VHOSTS_MAX];
	struct engine_peer peers[ENGINE_PEERS_MAX];

	enum engine_dump dump;
	unsigned dump_peer;
	unsigned bulk_peer; /* whose bulk was the last to begin */
	bool dump_running, dump_abort;
	mono_t dump_after;    /* no dump before; pacing of DUMP_LOWER */
	int64_t dump_cost_ns; /* of its last chunk */
	mono_t lower_at;      /* when it is due */
	bool bulk_lowers;     /* the bulk that runs does it on its way */
	/* since the chunk of a dump was filled; more than fit in */
	struct audit_tuples changed;
	bool changed_many;
	bool raise;	 /* DUMP_RAISE is due */
	mono_t raise_at; /* and is then: flowtables will have cut times */
	bool raise_last; /* the one that runs is that one */
	bool marked;	 /* copies may still bear the mark */
	/* TCP went on elsewhere since it passed here, and entries are not
	 * liberal about that yet */
	bool windows_old;
	bool torn;    /* entries were torn away here that the peers keep */
	size_t fresh; /* ops a peer told since a chunk was filled */
	uint64_t chunk_offered; /* destroys.offered when it was */

	struct engine_drift drift;
	struct engine_sets *sets; /* NULL: none are named */

	struct flow_change ops[ENGINE_OPS_MAX];
	size_t nops;
	int ops_peer; /* -1: they come from a dump */
	uint64_t ops_seq;
	bool ops_bulk;

	struct engine_expects expects;

	bool congested; /* the kernel drops events until all were read */
	/* told by a peer, and not to be had (rules 2), or skipped by a filter */
	uint64_t refused_own, refused_filtered;
	uint64_t overruns, injected, results[FLOW_RESULT_COUNT];
	uint64_t filtered[FILTER_VERDICTS]; /* events not told */
	uint64_t answered; /* events told, of flows that were answered */
	/* Flows were told that go on without a part of them, or not at all. */
	struct engine_lacks {
		uint64_t tied; /* to an address that only we have: in vain */
		uint8_t family;
		struct flow_addr address; /* of the last one, at tied_at */
		mono_t tied_at;
		uint64_t secmark; /* without their security mark */
		/* with more time than their state has: the last one, at */
		uint64_t longer;
		uint32_t longer_s, nominal_s;
		mono_t longer_at;
	} lacks;

	struct engine_action queue[ENGINE_ACTIONS_MAX];
	size_t head, queued;
};

/* --- life ------------------------------------------------------------- */

/*
 * e is zeroed memory of the caller. 0, -ENOMEM, or -EINVAL with a phrase in
 * why (a vhost's configuration).
 */
int engine_init(struct engine *e, const struct engine_conf *conf,
		const char **why, mono_t now)
	__attribute__((warn_unused_result));
void engine_free(struct engine *e);

/* --- facts ------------------------------------------------------------ */

void engine_link(struct engine *e, unsigned vhost, bool up, mono_t now);
/* engine_external.c: what the elector of this external vhost says. 0, -EINVAL
 * (this node elects there itself), or -EBUSY: it stops. */
int engine_role(struct engine *e, unsigned vhost, bool master, mono_t now)
	__attribute__((warn_unused_result));
/* Another program elects; all vhosts are external then (conf). */
bool engine_is_external(const struct engine *e);
/* The sum of the weights of what the vhost tracks and is down (track {}), and
 * whether all of that is known: until then this node does not preempt. */
void engine_track(struct engine *e, unsigned vhost, int32_t weights, bool known,
		  mono_t now);
/* All addresses of this machine, shared ones left out. 0 or -ENOMEM. */
int engine_addresses(struct engine *e, const struct session_address *list,
		     size_t n) __attribute__((warn_unused_result));
void engine_table(struct engine *e, uint64_t entries);
/* Other filter blocks (taken over; *rules is empty then), or zones that a peer
 * calls otherwise. What is new in them needs a bulk. */
void engine_filter(struct engine *e, struct filter_rules *rules, mono_t now);
void engine_zones(struct engine *e, unsigned peer,
		  const struct filter_zones *zones, mono_t now);
/* As a peer with the same filter, and the mirror of the list of zones, says
 * them in its word. */
uint64_t engine_filter_digest(const struct engine *e, unsigned peer);
uint64_t engine_zones_digest(const struct engine *e, unsigned peer);
/* The vhost's advert was sent, or could not be. */
void engine_advert_sent(struct engine *e, unsigned vhost, bool ok);
/* A packet for this vhost that did not parse; counted. */
void engine_refused(struct engine *e, unsigned vhost, enum carp_refusal why);
/* One that did. What came of it, counted as well. */
enum carp_refusal engine_advert(struct engine *e, unsigned vhost,
				const struct carp_advert *a,
				const struct carp_address *source, mono_t now);
/* Answer to ENGINE_TAKE: microseconds for address, lease, announcement. */
void engine_taken(struct engine *e, unsigned vhost,
		  const int64_t us[SESSION_STEPS], mono_t now);
void engine_take_failed(struct engine *e, unsigned vhost, const char *why,
			mono_t now);
/* The machine slept, and no clock of ours says for how long; before
 * engine_lease_lost. */
void engine_slept(struct engine *e);
/* The kernel refused an advert: our right has run out. */
void engine_lease_lost(struct engine *e, unsigned vhost, mono_t now);

/* --- our kernel's flows ------------------------------------------------ */

/* How many events may be read before the next engine_work (rules 4). */
size_t engine_events_room(const struct engine *e);
void engine_event(struct engine *e, enum flow_op op, const struct flow *f,
		  uint32_t portid, mono_t now);
void engine_overrun(struct engine *e, mono_t now);
/* All events that the kernel had were read; by whoever read the last one. */
void engine_drained(struct engine *e, mono_t now);
/* Answer to ENGINE_UNSUBSCRIBE; whole: none was left unread. */
void engine_unsubscribed(struct engine *e, bool whole, mono_t now);

/* Are first packets of new flows to wait now? */
bool engine_defers(const struct engine *e);
/*
 * One does, of this entry, which the kernel has not in its table yet (NULL:
 * not known). ENGINE_PASS follows, at once or within DEFER_WAIT_NS.
 */
void engine_packet(struct engine *e, uint32_t id, const struct flow *f,
		   mono_t now);

/*
 * An expectation, from an event or the dump that WORK_EXPECTS_DUMP asks for,
 * with its master as it is now; NULL: there is none, or not yet.
 */
void engine_expect(struct engine *e, const struct expect_change *c,
		   const struct flow *master, mono_t now);
/* The dump is over; whole: all of them were told. */
void engine_expects_dumped(struct engine *e, bool whole, mono_t now);
void engine_expects_injected(struct engine *e, const uint8_t *results);

/* The next piece of work, WORK_NONE when there is none now. */
enum engine_work engine_work(struct engine *e, mono_t now);
/* cost_ns: processor time that it took, for the pace of the rest. */
void engine_injected(struct engine *e, const uint8_t *results, int64_t cost_ns,
		     mono_t now);
/* A dump was started (or could not be: false), or was aborted (false). */
void engine_dumping(struct engine *e, bool running, mono_t now);
/* One chunk; the last one has more = false. broke: NULL, or why the dump broke
 * off. */
void engine_dumped(struct engine *e, const struct flow *list, size_t n,
		   bool more, const char *broke, int64_t cost_ns, mono_t now);

/* --- peers ------------------------------------------------------------- */

void engine_peer_up(struct engine *e, unsigned peer, mono_t now);
void engine_peer_down(struct engine *e, unsigned peer, const char *why,
		      mono_t now);
void engine_peer_data(struct engine *e, unsigned peer, const void *data,
		      size_t len, mono_t now);
/* True while no more bytes of the peer should be read. */
bool engine_peer_full(const struct engine *e, unsigned peer);
/* Bytes for the peer: session_output and session_sent on this. */
struct session *engine_session(struct engine *e, unsigned peer);

/* --- operator ---------------------------------------------------------- */

/* Asks the peer for a bulk; ENGINE_BULK_ENDED follows. 0, -ENOTCONN. */
int engine_bulk(struct engine *e, unsigned peer, mono_t now);
/*
 * Compares the tables now: ENGINE_VERIFIED follows, and the peer's audit.last.
 * Otherwise -EAGAIN, or -ENOENT where neither is master, and a sentence in why
 * (at least SESSION_REASON_MAX bytes).
 */
int engine_verify(struct engine *e, unsigned peer, char *why, mono_t now);
/*
 * Hands over the vhosts of the set (a bit each; 0: all) to this peer, -1: to
 * the one that is placed best (rules 11). reason: for both histories, "": none.
 * ENGINE_HANDOVER_ENDED follows after 0. Otherwise a sentence in why (at least
 * SESSION_REASON_MAX bytes) and -EAGAIN (refused) or -EALREADY.
 */
int engine_handover(struct engine *e, int peer, bool force, uint32_t set,
		    const char *reason, char *why, mono_t now);
/*
 * A new configuration while it runs, vhost by vhost: another one at its place
 * (of the same name, vhid and interface, or at one that is free), or none any
 * more. -EBUSY: a handover goes on; -EINVAL with a phrase in why: nothing is
 * changed.
 */
int engine_vhost_set(struct engine *e, unsigned index,
		     const struct engine_vhost_conf *conf, const char **why,
		     mono_t now) __attribute__((warn_unused_result));
int engine_vhost_drop(struct engine *e, unsigned index, mono_t now)
	__attribute__((warn_unused_result));
/* The other values of a new configuration: require, independent, resume. */
void engine_change(struct engine *e, const struct engine_conf *conf);
/* Adds n to a counter; by: "the operator" or the like. Its new value. */
int32_t engine_demote(struct engine *e, enum demotion_name name, const char *by,
		      int32_t n);
/* The peer that is placed best, -1: there is none; why: NULL if everything
 * could be handed to it now. And why a certain one could not. */
int engine_handover_heir(const struct engine *e, const char **why);
const char *engine_handover_hinders(const struct engine *e, unsigned peer);
/* Asks the peer to hand these over to this node; nothing may follow. */
void engine_handover_want(struct engine *e, unsigned peer, uint32_t set,
			  const char *reason);
/* Demotes this node because somebody works on it, or no more. */
void engine_maintenance(struct engine *e, bool on, mono_t now);
/* A line of history that is no transition, about a peer or this node. */
void engine_note(struct engine *e, const char *whom, mono_t now,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Hands over if it can, bows out; ENGINE_STOPPED ends it. */
void engine_stop(struct engine *e, mono_t now);

/*
 * Another process goes on as this node (an upgrade). What it has to know, as
 * bytes: their number, -EBUSY with a sentence in why, or -ENOBUFS. It takes
 * them up in an engine that heard nothing but its links; the vhosts that were
 * master are, and nothing is taken: their next advert is due at once. 0;
 * -EBADMSG; -ENOENT: one that was master is not here; then e is of no use.
 * If it does not go on, engine_kept_not() says so.
 *
 * Streams go on without a bulk where all is acknowledged: engine_keep_settled,
 * after the caller has ceased to read events. What has happened since then,
 * the other process has to read first (events: it can).
 */
#define ENGINE_KEPT_MAX 60000
int engine_keep(const struct engine *e, void *data, size_t size,
		const char **why) __attribute__((warn_unused_result));
int engine_restore(struct engine *e, const void *data, size_t len, bool events,
		   mono_t now) __attribute__((warn_unused_result));
bool engine_keep_settled(const struct engine *e);
void engine_kept_not(struct engine *e, mono_t now);

/* --- time and answers --------------------------------------------------- */

void engine_tick(struct engine *e, mono_t now);
mono_t engine_deadline(const struct engine *e);
bool engine_poll(struct engine *e, struct engine_action *a, mono_t now);

/* --- for the screen ------------------------------------------------------ */

bool engine_ready(const struct engine *e, mono_t now);
/* Changes of flows told to all peers and by them, since the start. */
void engine_told(const struct engine *e, uint64_t *sent, uint64_t *received);
/* How long the peer's daemon has run; -1: the link is down, or it is of a
 * version that does not tell. */
int64_t engine_peer_uptime_ns(const struct engine *e, unsigned peer,
			      mono_t now);
bool engine_tx_in_sync(const struct engine *e, unsigned peer);
bool engine_rx_in_sync(const struct engine *e, unsigned peer);
/* The peer whose bulk this node waits for; NULL if none. */
const struct engine_peer *engine_waits_for(const struct engine *e);

#endif
