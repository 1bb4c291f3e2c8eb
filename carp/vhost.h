/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One virtual host: state, timers, own adverts. A value: it is given packets,
 * facts and the time, and answers with actions. The caller drains
 * carp_vhost_poll after every other call. No function here fails but init,
 * change and receive; what makes no sense in the present state does nothing.
 */
#ifndef STATESYNC_CARP_VHOST_H
#define STATESYNC_CARP_VHOST_H

#include "action.h"
#include "auth.h"
#include "fsm.h"
#include "mono.h"
#include "wire.h"

/* Everything is copied; pass and the lists may go after carp_vhost_init. */
struct carp_vhost_conf {
	uint8_t vhid, advbase, advskew;
	bool preempt;
	const char *pass; /* NULL: none */
	const uint32_t *v4;
	size_t v4_count;
	const struct carp_addr6 *v6;
	size_t v6_count;
	int64_t preempt_delay_ns; /* since a worse master is heard */
	int64_t announce_ns;	  /* between announcements; 0: once is enough */
	unsigned witness_limit;	  /* master-down times; 0: no witness */
	/* Another program elects: no adverts, no timers, no vhid. It is MASTER
	 * or BACKUP by CARP_CAUSE_ELECTOR alone. */
	bool external;
	uint64_t seed; /* random; another one for every vhost and start */
};

/* A master is missed after three intervals, and not before. */
#define CARP_MASTER_DOWN_LEAST_NS (12500 * MONO_US)

/* The last node whose advert was accepted since INIT: the master, or a rival. */
struct carp_heard {
	bool any;
	struct carp_sender from;
	struct carp_advert advert;
	mono_t at;
};

enum carp_fence { CARP_UNFENCED, CARP_FENCED, CARP_BOWED_OUT };

/*
 * The counters of our adverts: base + n * STEP, and behind each in steps of
 * AGAIN, as many as there are in a second, those of who stands in for us
 * (standin.h). FreeBSD and ucarp go on by 1 from the last that they heard: they
 * meet one of these once in AGAIN adverts. The base follows when half of the
 * range is used up, after a month at 1/256 s.
 */
#define CARP_COUNTER_STEP  (1ULL << 26)
#define CARP_COUNTER_AGAIN (1ULL << 16)
#define CARP_COUNTER_RANGE (1ULL << 56)

/* Callers may read; only carp/vhost*.c write. */
struct carp_vhost {
	struct carp_auth auth; /* vhid and sorted addresses */
	struct carp_auth old;  /* of before carp_vhost_change */
	bool has_old, says_old;
	uint8_t advbase, advskew;
	bool preempt, stopped, external;
	bool uses[CARP_FAMILIES]; /* has addresses of it, so adverts */
	int64_t preempt_delay_ns, announce_ns;
	unsigned witness_limit;
	enum carp_state state;
	enum carp_fence fence; /* in MASTER: how far a handover went */
	mono_t since;	       /* of the state */
	struct carp_env env;
	uint64_t base, counter; /* of our first and our last advert */
	uint64_t random;
	bool foreign; /* a node that is no peer of ours advertises here ... */
	struct carp_address foreigner; /* ... from there, at last */
	mono_t next_advert, next_announce, next_ask, preempt_at;
	mono_t master_down[CARP_FAMILIES];
	int64_t extra_ns; /* of master-down, after an equal was heard */
	mono_t take_at;	  /* for that cause, later than others */
	enum carp_cause take_cause;
	/* The witness: its word counts until then, and that master is well;
	 * since when it is believed; that may be for ever, because that master
	 * took over from us. */
	mono_t vouched, waiting[CARP_FAMILIES];
	bool let_pass[CARP_FAMILIES]; /* once for each silence */
	bool well, obeys[CARP_FAMILIES];
	bool hears[CARP_FAMILIES]; /* an advert, since the state began */
	unsigned announce_after;   /* adverts until the next announcement */
	struct carp_heard master;
	uint64_t transitions;
	uint64_t entered[CARP_MASTER + 1];     /* each state, since the start */
	uint64_t counters[CARP_REFUSAL_COUNT]; /* packets; CARP_OK: accepted */
	struct carp_action ring[CARP_ACTIONS_MAX];
	unsigned head, queued;
};

/* In INIT, without hold or demotion, no preemption until carp_vhost_env. */
enum carp_conf_error carp_vhost_init(struct carp_vhost *v,
				     const struct carp_vhost_conf *conf,
				     mono_t now)
	__attribute__((warn_unused_result));

/*
 * Other parameters, passwords or addresses; the state stays, the vhid too.
 * Where the HMAC is another one, what it was before is accepted further, and
 * sent while `says_old`, until carp_vhost_changed: the other nodes are not
 * changed yet. As init; after an error v is as it was.
 */
enum carp_conf_error carp_vhost_change(struct carp_vhost *v,
				       const struct carp_vhost_conf *conf,
				       bool says_old, mono_t now)
	__attribute__((warn_unused_result));
/* says_old as above; neither: nobody uses the old ones any more. */
void carp_vhost_changed(struct carp_vhost *v, bool says_old, bool accepts_old);

/* What signs its adverts now. */
const struct carp_auth *carp_vhost_auth(const struct carp_vhost *v);

/* Makes the next advert of one, for who stands in for us: the next counter. */
void carp_vhost_again(const struct carp_auth *auth,
		      uint8_t advert[CARP_ADVERT_LEN]);

/* Tells two sets of password and addresses apart. */
uint64_t carp_vhost_identity(const struct carp_vhost *v);

/* advbase + advskew/256 s; 1/256 s where that is 0 (carp_send_ad). */
int64_t carp_vhost_interval_ns(const struct carp_vhost *v);

/* The advskew in our adverts: to nodes that know no demotion (FreeBSD, ucarp)
 * it is in there, up to 240. The interval is the configured one. */
uint8_t carp_vhost_said_skew(const struct carp_vhost *v);

/* The interface can be used, or not: INIT <-> BACKUP. Without a bow-out; a
 * BACKUP waits one master-down time (3 intervals) (carp_carpdev_state). */
void carp_vhost_link(struct carp_vhost *v, bool up, mono_t now);

/* A MASTER whose demotion rose says so at once (carp_group_demote_adj). */
void carp_vhost_env(struct carp_vhost *v, const struct carp_env *env,
		    mono_t now);

/* An advert that passed carp_wire_parse: vhid, HMAC, own packet, what the
 * caller has against it, election. Counts and returns the result. */
enum carp_refusal carp_vhost_receive(struct carp_vhost *v,
				     const struct carp_advert *rx,
				     const struct carp_sender *from,
				     mono_t now);

/* Whom it took for no peer is one. */
void carp_vhost_no_foreign(struct carp_vhost *v);

/* Counts a packet for this vhost that somebody else refused. */
void carp_vhost_count(struct carp_vhost *v, enum carp_refusal why);

/* The master's own word over the link that it is no longer: BACKUP becomes
 * MASTER at once, also on hold. */
void carp_vhost_give_up(struct carp_vhost *v, mono_t now);

/* The link tells that a peer is MASTER (rules 10); it counts until then. MONO
 * 0: not any more. A BACKUP that hears no adverts waits for one that is well;
 * where it waits and this ends, it takes over at the next tick. */
void carp_vhost_vouch(struct carp_vhost *v, mono_t until, bool well,
		      mono_t now);

/* A peer took over because it heard nothing of us: MASTER yields, and waits
 * for adverts as long as it is vouched for; in each family until it hears
 * one. So does a BACKUP, which may have yielded to its advert before. */
void carp_vhost_obey(struct carp_vhost *v, mono_t now);

/* BACKUP -> MASTER for that cause (the peer hands over; lease back; the
 * elector says so, of an external one the only cause). */
void carp_vhost_take(struct carp_vhost *v, enum carp_cause cause, mono_t now);

/* MASTER -> BACKUP for that cause; waits a master-down time. */
void carp_vhost_yield(struct carp_vhost *v, enum carp_cause cause, mono_t now);

/* MASTER -> BACKUP: the kernel refused an advert or the lease ran out. */
void carp_vhost_lease_lost(struct carp_vhost *v, mono_t now);

/* Handover, still MASTER (rules 12). Step 3: the lease is revoked, no adverts
 * any more. Step 5: one bow-out advert from the interface's own MAC; from then
 * on any other advert makes us yield. Not taken: go on as MASTER (TAKE, advert,
 * announcement). */
void carp_vhost_fence(struct carp_vhost *v);
void carp_vhost_bow_out(struct carp_vhost *v);
void carp_vhost_resume(struct carp_vhost *v, mono_t now);

/* For good: INIT. A MASTER releases, then bows out from its own MAC. */
void carp_vhost_stop(struct carp_vhost *v, mono_t now);

/*
 * Another process goes on as this node (an upgrade): what it has to know, as
 * long as no handover and no change of the HMAC is under way (else false). It
 * takes that up without an action but the next advert, which is due at once;
 * v is not MASTER then, and its queue is empty.
 */
struct carp_kept {
	enum carp_state state;
	mono_t since;
	uint64_t base, counter, transitions;
	bool foreign;
	uint64_t counters[CARP_REFUSAL_COUNT];
};
bool carp_vhost_keep(const struct carp_vhost *v, struct carp_kept *k)
	__attribute__((warn_unused_result));
void carp_vhost_restore(struct carp_vhost *v, const struct carp_kept *k,
			mono_t now);
/* It did not go on, but may have sent a few adverts. */
void carp_vhost_kept_not(struct carp_vhost *v, mono_t now);

/* What has become due: adverts, announcements, master-down. */
void carp_vhost_tick(struct carp_vhost *v, mono_t now);

/* When to tick next at the latest; MONO_NEVER in INIT. */
mono_t carp_vhost_deadline(const struct carp_vhost *v);

/* Takes the oldest action off the queue; false when there is none. */
bool carp_vhost_poll(struct carp_vhost *v, struct carp_action *a);

#endif
