/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The inside of a session, for session*.c. */
#ifndef STATESYNC_SESSION_INT_H
#define STATESYNC_SESSION_INT_H

#include "arena.h"
#include "flow_pb.h"
#include "frame.h"
#include "lag.h"
#include "outbox.h"
#include "queue.h"
#include "session.h"
#include "session_audit.h"
#include "session_msg.h"

enum session_state {
	SESSION_STATE_DOWN,   /* no connection */
	SESSION_STATE_HELLO,  /* our hello is queued, theirs awaited */
	SESSION_STATE_LIVE,   /* theirs came and was right */
	SESSION_STATE_FAILED, /* SESSION_BROKEN is to be told */
	SESSION_STATE_CLOSED, /* it was told; waits for session_down */
};

/* Frames without a number that wait for the wire. */
struct session_lane {
	struct queue q;
	size_t part; /* bytes left of a frame of which some were taken */
};

/* A bulk under way, sent or heard. */
struct session_bulk {
	bool running;
	uint64_t id;
	uint8_t key[DIGEST_KEY_LEN];
	struct digest digest;
};

struct session_tx {
	struct session_lane control;
	struct outbox flows;
	size_t flows_max;   /* bytes that it may hold */
	bool parked;	    /* flows are of an earlier connection */
	bool offered_flows; /* by session_output, else of control */
	size_t offered_len;
	size_t last_ack; /* size of an untaken ack at the end of control */
	uint64_t acked;
	struct lag lag;
	struct session_bulk bulk;
	struct flow_pb_batch stream_batch, bulk_batch;
	struct expect_batch expects; /* empty while stream_batch is not */
};

struct session_rx {
	struct queue q;
	uint64_t seq;  /* last number that came */
	bool awaiting; /* SESSION_RESUME, before anything numbered */
	struct session_bulk bulk;
	struct arena arena;
	/* what the last event points to */
	struct flow_change flows[SESSION_BATCH_MAX];
	struct session_address addresses[SESSION_ADDRESSES_MAX];
	struct session_word word;
	struct session_audit audit;
	char reason[SESSION_REASON_MAX];
	struct expect_batch expects;
	struct set_word sets[SETS_MAX];
	struct fact facts[FACTS_FRAME];
	struct set_elements elements;
};

struct session {
	struct session_hello_names names;
	struct session_hello hello; /* ours */
	uint32_t peer_can;	    /* capabilities of theirs */
	bool peer_offers;	    /* it waits for our FRAME_RESUME */
	enum session_state state;
	enum session_error error; /* with FAILED */
	mono_t started, now;	  /* now: the latest that we were told */
	mono_t heard; /* when a frame was last taken from the input */
	struct session_stats stats;
	struct session_tx tx;
	struct session_rx rx;
};

/* Time does not go back. */
void session_clock(struct session *s, mono_t now);
/* Is there a connection to say something on? */
bool session_is_open(const struct session *s);
/* Empties control, and flows with all that belongs to them unless parked. */
void session_tx_reset(struct session_tx *tx);
void session_tx_empty_control(struct session_tx *tx);
/* Forgets flows, numbers, batches, the bulk; numbers begin after seq. */
void session_tx_forget_flows(struct session_tx *tx, uint64_t seq);
/* To be asked before anything is added to control. */
struct queue *session_control(struct session *s);
bool session_tx_is_stuck(const struct session_tx *tx);
int session_tx_init(struct session_tx *tx);
void session_tx_free(struct session_tx *tx);
int session_send_hello(struct session *s);
/* A frame was added to the flows' lane, of the next number. */
void session_frame_added(struct session *s);
/* As session_msg_get_* (session_msg.h). */
bool session_audit_get(struct arena *arena, const struct frame *f,
		       struct session_audit *a);
enum session_error session_hear_sets(struct session *s, const struct frame *f,
				     struct session_event *e);
enum session_error session_hear_elements(struct session *s,
					 const struct frame *f,
					 struct session_event *e);
enum session_error session_hear_facts(struct session *s, const struct frame *f,
				      struct session_event *e);
/* False: it can have less, or said more before. Counts how long that took. */
bool session_tx_acked(struct session *s, uint64_t seq);
/* The peer's answer to our offer; it must be one. */
enum session_error session_hear_resume(struct session *s, const struct frame *f,
				       struct session_event *e);

#endif
