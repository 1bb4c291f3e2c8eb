/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The inside of a session, for session.c and session_out.c only. */
#ifndef STATESYNC_SESSION_INT_H
#define STATESYNC_SESSION_INT_H

#include "arena.h"
#include "flow_pb.h"
#include "frame.h"
#include "lag.h"
#include "queue.h"
#include "session.h"
#include "session_msg.h"

enum session_state {
	SESSION_STATE_DOWN,   /* no connection */
	SESSION_STATE_HELLO,  /* our hello is queued, theirs awaited */
	SESSION_STATE_LIVE,   /* theirs came and was right */
	SESSION_STATE_FAILED, /* SESSION_BROKEN is to be told */
	SESSION_STATE_CLOSED, /* it was told; waits for session_down */
};

/* Frames that wait for the wire. */
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
	struct session_lane control, flows;
	struct session_lane *offered; /* by session_output */
	size_t offered_len;
	size_t last_ack; /* size of an untaken ack at the end of control */
	uint64_t seq;	 /* last number given */
	uint64_t taken;	 /* last number of which bytes were taken */
	uint64_t acked;
	struct lag lag;
	struct session_bulk bulk;
	struct flow_pb_batch stream_batch, bulk_batch;
};

struct session_rx {
	struct queue q;
	uint64_t seq; /* last number that came */
	struct session_bulk bulk;
	struct arena arena;
	/* what the last event points to */
	struct flow_change flows[SESSION_BATCH_MAX];
	struct session_address addresses[SESSION_ADDRESSES_MAX];
	struct session_word word;
	char reason[SESSION_REASON_MAX];
	struct set_word sets[SETS_MAX];
	struct set_elements elements;
};

struct session {
	struct session_hello_names names;
	struct session_hello hello; /* ours */
	enum session_state state;
	enum session_error error; /* with FAILED */
	mono_t now;		  /* latest time that we were told */
	mono_t heard; /* when a frame was last taken from the input */
	struct session_stats stats;
	struct session_tx tx;
	struct session_rx rx;
};

/* Time does not go back. */
void session_clock(struct session *s, mono_t now);
/* Is there a connection to say something on? */
bool session_is_open(const struct session *s);
/* Empties queues, numbers, batches and the bulk of the sending half. */
void session_tx_reset(struct session_tx *tx);
int session_tx_init(struct session_tx *tx);
void session_tx_free(struct session_tx *tx);
int session_send_hello(struct session *s);
/* A numbered frame was added to the queue of flows. */
void session_flow_frame_added(struct session *s);
/* session_sets.c */
enum session_error session_hear_sets(struct session *s, const struct frame *f,
				     struct session_event *e);
enum session_error session_hear_elements(struct session *s,
					 const struct frame *f,
					 struct session_event *e);
/* False if the peer acknowledges what it cannot have, or less than before. */
bool session_tx_acked(struct session_tx *tx, uint64_t seq);

#endif
