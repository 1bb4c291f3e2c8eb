/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the parts of the engine know of each other. Not for others.
 *
 * engine.c           life, time, the queue of actions, settling
 * engine_carp.c      virtual hosts, demotion, gate
 * engine_vhosts.c    virtual hosts that come, change and go while it runs
 * engine_external.c  virtual hosts whose master another program elects
 * engine_witness.c   what the link says about adverts
 * engine_handover.c  the planned switch, as the old master
 * engine_given.c     and as the new one
 * engine_split.c     which vhosts move together, and who hands over for it
 * engine_took.c      what a new master has of the state, in words
 * engine_keep.c      what another process of this node goes on with
 * engine_peer.c      what a peer says, what it is told of us
 * engine_addresses.c whose addresses: ours, a peer's
 * engine_sync.c      flows out: events, gaps, bulks
 * engine_rx.c        flows in: injection, bulks, what is missing
 * engine_told.c      what a peer told, as a change for our kernel
 * engine_ask.c       when we ask to be told all
 * engine_result.c    what our kernel says to what we are told
 * engine_resume.c    streams that go on after their link was down
 * engine_merge.c     whose word counts where several nodes work
 * engine_dump.c      dumps of our table, and whom they serve
 * engine_filter.c    filter blocks, and zones called otherwise on a peer
 * engine_drift.c     nodes compared, and what follows
 * engine_defer.c     first packets that wait until the peers know their flow
 * engine_audit.c     comparing tables, as the owner of the flows
 * engine_judge.c     what differs, and its repair
 * engine_lower.c     the times after a takeover, and after a handover
 * engine_answer.c    and as the other node; copies' timeouts
 * engine_verify.c    what came out of it, and who wants to know
 * engine_expect.c    expectations, out and in
 * engine_sets*.c     nftables sets (engine_sets_int.h)
 */
#ifndef STATESYNC_ENGINE_INT_H
#define STATESYNC_ENGINE_INT_H

#include "engine.h"

/* Of engine_log(), as syslog(3), which this floor does not include. */
enum { LEVEL_ERR = 3, LEVEL_WARNING, LEVEL_NOTICE, LEVEL_INFO };

/* --- engine.c */
struct engine_action *engine_push(struct engine *e, enum engine_do what,
				  unsigned index);
void engine_log(struct engine *e, int level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
uint64_t engine_random(struct engine *e);

/* --- engine_carp.c */
/* Carries over what the vhosts want; true if anything changed. */
bool engine_carp_settle(struct engine *e, mono_t now);
/* Of the interfaces, how many are down. */
void engine_carp_count_down(struct engine *e);
/* The peers said a word that is younger than a lost lease. */
void engine_carp_answered(struct engine *e, mono_t now);
/* A vhost of the peer is no longer master. */
void engine_carp_peer_gave_up(struct engine *e, unsigned peer,
			      const char *vhost, mono_t now);

/* --- engine_witness.c */
/* Says in from what is against the advert; its peer, or -1. */
int engine_witness_sender(const struct engine *e, unsigned vhost,
			  const struct carp_advert *a, struct carp_sender *from,
			  mono_t now);
/* Rules 11: who goes on of two equal masters. */
enum carp_tie engine_witness_tie(const struct engine *e, unsigned vhost,
				 unsigned peer, mono_t now);
/* The peer has that address. */
bool engine_witness_owns(const struct engine *e, unsigned peer,
			 const struct carp_address *a);
/* An advert was accepted. */
void engine_witness_heard(struct engine *e, unsigned vhost, int peer,
			  const struct carp_advert *a, enum carp_family family);
void engine_witness_advert(struct engine *e, unsigned peer,
			   const struct session_advert *ad, mono_t now);
void engine_witness_word(struct engine *e, unsigned peer, mono_t now);
/* It gave way to one that does not hear it, in either family. */
bool engine_witness_obeys(const struct carp_vhost *v);
/* The link to a peer is down: it vouches no more, unless we obey it. */
void engine_witness_gone(struct engine *e, unsigned peer, mono_t now);
/* The addresses of a peer are known. */
void engine_witness_addresses(struct engine *e, unsigned peer);
/* Our advert of that counter leaves. */
void engine_witness_said(struct engine *e, unsigned vhost, uint64_t counter,
			 mono_t now);
void engine_witness_waits(struct engine *e, unsigned vhost, mono_t now);

/* --- engine_took.c */
enum engine_took {
	TOOK_WHOLE, /* nothing is known to be missing */
	TOOK_ALONE, /* there was never another node */
	TOOK_LESS,
};
/* The vhost becomes master. */
enum engine_took engine_took(const struct engine *e, unsigned vhost);
/* Of a node that was on hold. */
void engine_took_log(struct engine *e, unsigned vhost, enum engine_took took,
		     mono_t now);

/* --- engine_vhosts.c */
/* The vhost of that name in a word, or NULL. */
const struct session_vhost *engine_word_vhost(const struct session_word *w,
					      const char *name);
/* What the peer last said of it; NULL: nothing, or the link is down. */
const struct session_vhost *engine_peer_vhost(const struct engine_peer *p,
					      const char *name);
void engine_vhosts_settle(struct engine *e, mono_t now);
mono_t engine_vhosts_deadline(const struct engine *e);

/* --- engine_split.c */
void engine_split_settle(struct engine *e, mono_t now);
/* It moves by itself, and its master may be another node than the others'. */
bool engine_alone(const struct engine *e, size_t vhost);
/* Several nodes are to be masters at a time, each of some vhosts. */
bool engine_all_work(const struct engine *e);
/* With one that is preempted: those to ask the peer for, a bit each; 0: all. */
uint32_t engine_wanted(const struct engine *e, const struct engine_peer *p,
		       unsigned vhost);
/* After a handover; of all that move with it. */
void engine_set_no_preempt(struct engine *e, size_t vhost, bool on);
/* Is the next master of it another backup, before us? leaver: a peer that gives
 * it up, or -1. */
bool engine_is_second(const struct engine *e, size_t vhost, int leaver,
		      mono_t now);
/* Is the copy of another backup a better one? */
bool engine_is_behind(const struct engine *e, size_t vhost, mono_t now);
/* Milliseconds since our copy was last whole; 0: it is; UINT32_MAX: it never
 * was. */
uint32_t engine_stale_ms(const struct engine *e, mono_t now);

/* --- engine_handover.c */
/* Is it of some of our vhosts only? Then the others' flows go on. */
bool engine_handover_partial(const struct engine *e);
/* That peer is master of it. If it was given to another one, what that one tells
 * when it is master later is not what we had. */
void engine_handover_taken(struct engine *e, size_t vhost, unsigned peer);
/* Into history: how long the new master's part took, as far as it is known. */
void engine_handover_done(struct engine *e);
/* NULL, or what the peer lacks to go on. */
const char *engine_handover_lacks(const struct engine *e, unsigned peer);
void engine_handover_say(struct engine_peer *p, enum session_handover kind,
			 const char *reason, uint32_t set);
/* NULL, or why the peer cannot take over those (a bit each, 0: all) now (rules
 * 12, step 1). */
const char *engine_handover_refusal(const struct engine *e, unsigned peer,
				    uint32_t set, bool force);
void engine_handover_start(struct engine *e, unsigned peer, uint32_t set,
			   bool force, const char *why, mono_t now);
/* The vhosts of which this node is master, a bit each. */
uint32_t engine_masters(const struct engine *e);
void engine_handover_settle(struct engine *e, mono_t now);

/* --- engine_given.c */
/* Asks the peer that is master of it, and of what moves with it; not often. */
void engine_handover_ask(struct engine *e, unsigned vhost, mono_t now);
/* The peer's part of a handover, or its wish for one. */
void engine_handover_received(struct engine *e, unsigned peer,
			      const struct session_event *ev, mono_t now);

/* --- engine_peer.c */
/* Tells the peer of us at once. */
void engine_peer_word(struct engine *e, unsigned peer, mono_t now);
void engine_peer_settle(struct engine *e, unsigned peer, mono_t now);
mono_t engine_peer_deadline(const struct engine *e, unsigned peer);
/* Hears events until one is flows (then e->nops is set), none is left, or it
 * were too many at once (true). */
bool engine_peer_pump(struct engine *e, unsigned peer, mono_t now);
void engine_peer_say_word(struct engine *e);
uint32_t engine_peer_holds(const struct engine *e);
size_t engine_live_peers(const struct engine *e);
/* Does it say that it is master of anything? */
bool engine_peer_is_master(const struct engine_peer *p);

/* --- engine_addresses.c */
void engine_addresses_heard(struct engine *e, unsigned peer,
			    const struct session_event *ev);

/* --- engine_epoch.c: mastership, and what is told because of it */
/* This node has flows to tell: as master, or that it had as one (legacy). */
bool engine_telling(const struct engine *e);
/* All that the peer was told it has in its kernel. */
bool engine_epoch_acked(const struct engine_peer *p);
/* What it is told begins anew, where there is anything to tell. */
void engine_epoch_new(struct engine *e, struct engine_peer *p,
		      enum tx_state state);
/* This node is master of so many vhosts. */
void engine_epoch_masters(struct engine *e, unsigned masters, mono_t now);
/* Mastership began or ended: new epochs for the peers, or none. */
void engine_epoch_telling(struct engine *e, bool telling, mono_t now);
/* No other node may have all that this one had to tell; it ends when one has. */
void engine_epoch_legacy(struct engine *e);
void engine_epoch_settle(struct engine *e, mono_t now);

/* --- engine_sync.c: what we tell */
void engine_sync_peer_live(struct engine *e, unsigned peer, mono_t now);
void engine_sync_forget_peer(struct engine *e, unsigned peer);
/* What was told to peers whose link is down is void. */
void engine_sync_unpark(struct engine *e);
void engine_sync_requested(struct engine *e, unsigned peer, uint64_t id);
void engine_sync_settle(struct engine *e, unsigned peer, mono_t now);
/* What was told to this peer is no longer complete. */
void engine_sync_gap(struct engine *e, unsigned peer, const char *reason,
		     mono_t now);
void engine_sync_tick(struct engine *e, mono_t now);
mono_t engine_sync_deadline(const struct engine *e);
/*
 * Handover: all events were read, so all is told that will be, also deletes
 * that wait. Its fence interrupts bulks. Taken back, a peer that missed
 * anything has a gap.
 */
void engine_sync_drained(struct engine *e, mono_t now);
void engine_sync_interrupt(struct engine *e);
void engine_sync_resume(struct engine *e, bool missed, mono_t now);
/* A chunk of a bulk; the dump behind it goes on, or is over. */
void engine_sync_chunk(struct engine *e, unsigned peer, const struct flow *list,
		       size_t n, bool more, mono_t now);
/* The dump behind a bulk has begun. */
void engine_sync_bulk_begins(struct engine *e, unsigned peer, mono_t now);

/* The last of a bulk is told. */
void engine_sync_bulk_ends(struct engine *e, unsigned peer, mono_t now);
void engine_sync_tell(struct engine *e, enum flow_op op, const struct flow *f,
		      mono_t now);
/* A handover goes on and nothing is told from here to its end; what would have
 * been is remembered. */
bool engine_sync_silent(const struct engine *e);

/* --- engine_drift.c: nodes compared */
void engine_drift_peer_live(struct engine *e, unsigned peer);
void engine_drift_peer_down(struct engine *e, unsigned peer);
void engine_drift_heard(struct engine *e, unsigned peer,
			const struct session_event *ev, mono_t now);
/* Tells a live peer, if there is anything new. */
void engine_drift_say(struct engine *e, unsigned peer);
/* HOLD_DRIFT, or 0; and the demotion. */
uint32_t engine_drift_holds(const struct engine *e);
void engine_drift_settle(struct engine *e);
/* What would be a hold is not yet known. */
bool engine_drift_unsure(const struct engine *e);
void engine_drift_free(struct engine *e);

/* --- engine_expect.c: expectations */
/* Those whose master's word did not come; at the end of time: all. */
void engine_expects_tick(struct engine *e, mono_t now);
/* A flow with a helper was told: what it announced at once is, too. */
void engine_expect_master(struct engine *e, const struct flow *f, mono_t now);
bool engine_expects_due(const struct engine *e, mono_t now);
mono_t engine_expects_deadline(const struct engine *e);
void engine_rx_expects(struct engine *e, unsigned peer,
		       const struct session_event *ev);

/* --- engine_ask.c: when we ask to be told all */
bool engine_peer_tells(const struct engine_peer *p);
bool engine_others_tell(const struct engine *e, unsigned peer);
void engine_rx_settle(struct engine *e, unsigned peer, mono_t now);
mono_t engine_rx_deadline(const struct engine *e, unsigned peer);
/* The dump that marks copies is through. */
void engine_rx_marked(struct engine *e, unsigned peer, mono_t now);

/* --- engine_rx.c: what we are told */
void engine_rx_forget(struct engine *e, unsigned peer, const char *why,
		      mono_t now);
/* What the peer has is more than what it told so far: the whole again. */
void engine_rx_again(struct engine *e, unsigned peer, const char *why,
		     mono_t now);
/* DUMP_RAISE is done: what was handed over is a copy now. */
void engine_rx_raised(struct engine *e);
/* Entries were torn away: who is no master lacks what the peers have. */
void engine_rx_torn(struct engine *e, mono_t now);
/* A master neither marks nor sweeps; and what it was told it only added to
 * its own, so it is in sync with nobody when it is master no more. */
void engine_rx_role_changed(struct engine *e, bool master, mono_t now);
void engine_rx_word(struct engine *e, unsigned peer, mono_t now);
void engine_rx_gap(struct engine *e, unsigned peer, const char *reason,
		   mono_t now);
/* An entry is missing that our kernel may take later: why; for want of room? */
void engine_rx_open(struct engine_peer *p, const char *why, bool no_room,
		    mono_t now);
void engine_rx_bulk_begin(struct engine *e, unsigned peer,
			  const struct session_event *ev, mono_t now);
void engine_rx_bulk_end(struct engine *e, unsigned peer,
			const struct session_event *ev, mono_t now);
/* Why a peer gets all again, after a master took what another one had. */
extern const char engine_rx_differently[];
/* A bulk is over: not whole, and asked for again then. */
void engine_rx_failed(struct engine *e, unsigned peer, const char *why,
		      int64_t retry_ns, mono_t now);
/* It is over and was told whole, which our kernel has taken, or has not. */
void engine_rx_ended(struct engine *e, unsigned peer, mono_t now);
void engine_rx_flows(struct engine *e, unsigned peer,
		     const struct session_event *ev);

/* --- engine_result.c */
/* Our kernel's answer to one entry that the peer told. */
void engine_rx_result(struct engine *e, struct engine_peer *p,
		      enum flow_result r, mono_t now);
/* The bulk is told whole: a gap, if our kernel refused much of it for good. */
void engine_rx_unfit(struct engine *e, struct engine_peer *p, mono_t now);

/* --- engine_filter.c */
/* What the peer told, in our numbers of zones: c itself, or *here. */
const struct flow_change *engine_zone_here(struct engine_peer *p,
					   const struct flow_change *c,
					   struct flow_change *here);
/* Ours, in the peer's numbers of zones: f itself, or *there. */
const struct flow *engine_zone_there(const struct engine_peer *p,
				     const struct flow *f, struct flow *there);
/* Counts what a peer is told of and cannot have, for the administrator. by: who
 * made the event; FLOW_COPY is none. */
void engine_filter_lacks(struct engine *e, enum flow_op op,
			 const struct flow *f, uint32_t by, mono_t now);
/* Counts an event that a filter block skips. */
void engine_filter_skipped(struct engine *e, const struct flow *f);
/* Counts what a peer told and engine_op_told refused. */
void engine_filter_refused(struct engine *e, unsigned peer,
			   const struct flow_change *c);

/* --- engine_defer.c */
void engine_defer_settle(struct engine *e, mono_t now);
/* The peers that know of the flow by a packet that waited, a bit each. */
uint32_t engine_defer_told(const struct engine *e, const struct flow *f);
/* --- engine_resume.c: over an interruption of the link */
/* The link is down: what the peer is told is kept for it. False: it is not,
 * and an epoch begins. */
bool engine_resume_park(struct engine *e, unsigned peer);
/* It is gone after all; a new epoch has to follow. */
void engine_resume_lost(struct engine *e, unsigned peer, const char *why);
/* The reason of that: more was told than may be kept. */
const char *engine_resume_too_long(void);
/* The peer said hello: does what it was told go on? If not, why has a reason
 * that it should know, or NULL. */
bool engine_resume_tell(struct engine *e, unsigned peer, const char **why,
			mono_t now);
/* The link is down: notes what we have of what the peer told. */
void engine_resume_keep(struct engine *e, unsigned peer, mono_t now);
/* Something else than that stream changed our table, or the peer's. */
void engine_resume_void(struct engine *e);
void engine_resume_void_peer(struct engine *e, unsigned peer);
/* A virtual host may have become master, or ceased to be it. */
void engine_resume_masters(struct engine *e);
/* Before session_up, after the peer's hello, and after its answer. */
void engine_resume_offer(struct engine *e, unsigned peer, mono_t now);
void engine_resume_hello(struct engine *e, unsigned peer);
void engine_resume_answered(struct engine *e, unsigned peer,
			    const struct session_event *ev);
/* It is being resumed: no bulk is wanted now. */
bool engine_resume_running(const struct engine *e, unsigned peer);
void engine_resume_settle(struct engine *e, unsigned peer, mono_t now);
/* For another process of this node: how far the two streams are, epoch 0 where
 * it cannot go on with one; and there. */
struct session_place engine_resume_told(const struct engine *e, unsigned peer);
struct session_place engine_resume_heard(const struct engine *e, unsigned peer);
void engine_resume_restore(struct engine *e, unsigned peer,
			   const struct session_place *told,
			   const struct session_place *heard, mono_t now);

/* --- engine_merge.c */
/* Of how many vhosts this node is about to be master. */
void engine_merge_masters(struct engine *e, unsigned masters);
/* Is what the peer tells merged with what is here, and who prevails? */
enum flow_merge engine_merge(const struct engine *e, unsigned peer);

/* --- engine_told.c */
/* One change for our kernel that a peer told, alone or in a bulk. False: it is
 * not to be had here (rules 2). */
bool engine_op_told(struct engine *e, const struct flow_change *c,
		    unsigned peer);

/* --- engine_dump.c: dumps of our table, and injection */
/* One change for our kernel, made from a dump. */
void engine_op(struct engine *e, enum flow_op op, const struct flow *f,
	       uint32_t timeout_s);
/* The dump that serves this peer is wanted no more. */
void engine_dump_cancel(struct engine *e, enum engine_dump what, unsigned peer);
mono_t engine_dump_deadline(const struct engine *e);
/* What was injected or read costs a rest, where dumping is not urgent. */
void engine_dump_rest(struct engine *e, bool injected, int64_t cost_ns,
		      mono_t now);

/* --- engine_lower.c: after takeover and handover, from a dump of our table */
/* An op, where it has another time than its state deserves. */
void engine_lower(struct engine *e, const struct flow *f);
/* A copy's time for what was our own. */
void engine_raise(struct engine *e, const struct flow *f, mono_t now);
/* Once more then, where a flowtable is going to cut it. */
void engine_raise_again(struct engine *e, const struct flow *f, mono_t now);
/* To the peers, where an old master may have lost it. */
void engine_lower_tell(struct engine *e, const struct flow *f, mono_t now);
/* An event was read, or a peer told it: it is not as in the chunk that waits. */
void engine_lower_changed(struct engine *e, const struct flow *f);
/* That was so of this flow; of others perhaps, too (changed_many). */
bool engine_lower_outdated(const struct engine *e, const struct flow *f);
/* The kernel fills the next chunk from now on. */
void engine_lower_chunk(struct engine *e);

/* --- engine_audit.c: comparing, as the owner */
/* The peer can be told of audits; and a round with it may go on now. */
bool engine_audit_can(const struct engine *e, unsigned peer);
bool engine_audit_can_fine(const struct engine *e, unsigned peer);
bool engine_audit_may(const struct engine *e, unsigned peer);
/* Ends the round there is, if any: without a word, or with one. */
void engine_audit_free(struct engine *e);
void engine_audit_give_up(struct engine *e, const char *why, mono_t now);
void engine_audit_enter(struct audit_round *r, enum audit_phase phase,
			mono_t now);
/* False: the round was given up. */
bool engine_audit_say(struct engine *e, struct session_audit *m, mono_t now);
/* The next look, if there is to be one; else its end. */
void engine_audit_next(struct engine *e, mono_t now);
void engine_audit_finish(struct engine *e, mono_t now);
/* A flow may be another than it was. */
void engine_audit_touch(struct engine *e, const struct flow *f);
void engine_audit_answered(struct engine *e, unsigned peer,
			   const struct session_audit *m, mono_t now);
bool engine_audit_wants_dump(const struct engine *e);
void engine_audit_dumping(struct engine *e, bool running, mono_t now);
void engine_audit_chunk(struct engine *e, const struct flow *list, size_t n);
void engine_audit_dumped(struct engine *e, mono_t now);
void engine_audit_drained(struct engine *e, mono_t now);
void engine_audit_settle(struct engine *e, mono_t now);
mono_t engine_audit_deadline(const struct engine *e);

/* --- engine_judge.c: its second half */
/* Tells the peer which of its entries the sums confirm. False: memory is short,
 * and the round is over. */
bool engine_judge_verdict(struct engine *e, mono_t now);
/* Buckets that one look can list. */
size_t engine_judge_at_once(const struct engine *e);
void engine_judge_look(struct engine *e, mono_t now);
void engine_judge_entries(struct engine *e, const struct session_audit *m,
			  mono_t now);
/* A flow of our dump. */
void engine_judge_compare(struct audit_round *r, const struct flow *f);
void engine_judge(struct engine *e, mono_t now);
void engine_judge_found(struct engine *e, const struct session_audit *m,
			mono_t now);

/* --- engine_answer.c: comparing, as the other node */
void engine_answer_asked(struct engine *e, unsigned peer,
			 const struct session_audit *m, mono_t now);
bool engine_answer_wants_dump(const struct engine *e, unsigned *peer);
void engine_answer_dumping(struct engine *e, unsigned peer);
void engine_answer_chunk(struct engine *e, unsigned peer,
			 const struct flow *flows, size_t n, mono_t now);
void engine_answer_dumped(struct engine *e, unsigned peer, mono_t now);
void engine_answer_drained(struct engine *e, mono_t now);
/* Some sums, if the link has room for them. */
void engine_answer_tell(struct engine *e, unsigned peer, mono_t now);
void engine_answer_settle(struct engine *e, mono_t now);
void engine_answer_forget(struct engine *e, unsigned peer, mono_t now);
void engine_answer_free(struct engine_audit *a);
mono_t engine_answer_deadline(const struct engine *e);

/* --- engine_verify.c: what came out, and for whom */
/* A person waits, and not so long that a round that could not go on is not
 * begun again. */
bool engine_verify_waits(const struct engine *e, unsigned peer, mono_t now);
void engine_verify_peer_live(struct engine *e, unsigned peer, mono_t now);
void engine_verify_heard(struct engine *e, unsigned peer,
			 const struct session_event *ev, mono_t now);
void engine_verify_example(struct audit_report *r,
			   enum session_audit_count kind, const char *text);
/* Our round is at its end: who waits is answered, the peer is told. */
void engine_verify_report(struct engine *e, const struct audit_round *r,
			  mono_t now);
/* One for which a person waits was given up. */
void engine_verify_ended(struct engine *e, unsigned peer, const char *why,
			 mono_t now);
void engine_verify_settle(struct engine *e, mono_t now);

#endif
