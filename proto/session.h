/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The conversation with one peer over one authenticated, ordered byte
 * stream: hello, words, flows in numbered batches, bulks, acknowledgements.
 * Pure: bytes and flows in, bytes and events out. What to say and what to do
 * about what is heard is decided by the caller (syncd/core).
 *
 * Bytes to send wait in two queues inside the session: control (hello, words,
 * acknowledgements, handover) goes before flows. Flows may be dropped by
 * session_drop_flows, whole frames at a time; control never.
 */
#ifndef STATESYNC_SESSION_H
#define STATESYNC_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest.h"
#include "expect.h"
#include "fact.h"
#include "flow.h"
#include "mono.h"
#include "set.h"

#define SESSION_PROTOCOL      1
#define SESSION_NAME_MAX      64 /* bytes of a node's or vhost's name, with NUL */
#define SESSION_VHOSTS_MAX    32
#define SESSION_ADDRESSES_MAX 256 /* in one frame */
#define SESSION_REASON_MAX    128 /* bytes of a sentence, with NUL */
#define SESSION_BATCH_MAX     256 /* flows in one frame */
#define SESSION_REFUSALS_MAX  16  /* reasons in an acknowledgement */
/* A length of time that a peer may say: nothing that is made of it overflows. */
#define SESSION_MS_MAX (INT64_MAX / MONO_MS / 4)
/* Bits of capabilities in the hello: this side understands the frame. */
#define SESSION_CAN_RESUME  (1u << 5)
#define SESSION_CAN_SETS    (1u << 7)
#define SESSION_CAN_EXPECTS (1u << 8)
#define SESSION_CAN_FACTS   (1u << 12)
#define SESSION_SILENCE_NS  (2 * MONO_S) /* without a frame: peer is dead */

struct session;
struct session_audit;

struct session_conf {
	const char *node, *peer; /* ours, theirs; copied */
	const char *version;	 /* of the software; copied */
	uint64_t boot_id;	 /* random, from the caller */
	size_t resume_bytes;	 /* as session_set_resume */
	mono_t started;		 /* this node, for its uptime */
};

/* A place in a stream: its epoch, and a number in it. */
struct session_place {
	uint64_t epoch, seq;
};

struct session_hello {
	char version[32];
	uint64_t boot_id;
	uint32_t capabilities;
	uint64_t uptime_ms; /* when it said this; 0: it does not tell */
	/* what it has of the stream of whom it greets; epoch 0: none */
	struct session_place resume;
};

struct session_vhost {
	char name[SESSION_NAME_MAX];
	uint8_t vhid;
	uint8_t state; /* enum carp_state */
	uint8_t advskew;
	uint32_t interval_us;
	uint64_t master_ms;
	uint64_t first, last; /* counters of its adverts */
	uint64_t identity;    /* of its password and addresses */
	bool unheard;	   /* it took over, though the link told of a master */
	bool mute;	   /* its adverts do not get out */
	uint32_t demotion; /* as in its adverts */
};

struct session_advert {
	unsigned vhost; /* its place in the word */
	uint64_t counter;
};

struct session_word {
	uint32_t demotion;
	bool ready;
	uint32_t holds;
	uint32_t stale_ms; /* since its copy was whole, while it holds */
	uint64_t tx_epoch, rx_epoch;
	uint32_t number, heard; /* of this word, of the last one heard */
	bool answer;		/* a word is asked for */
	uint64_t filter, zones; /* digests of what is configured; 0: nothing */
	uint64_t owner; /* number of its mastership, 0: it was never master */
	size_t nvhosts;
	struct session_vhost vhosts[SESSION_VHOSTS_MAX];
};

struct session_address {
	uint8_t family; /* AF_INET, AF_INET6 */
	struct flow_addr addr;
};

enum session_handover {
	SESSION_HANDOVER_REQUEST = 1,
	SESSION_HANDOVER_REFUSED,
	SESSION_HANDOVER_GO,
	SESSION_HANDOVER_DONE,
	SESSION_HANDOVER_BACK,
	SESSION_HANDOVER_ELSEWHERE = 40, /* to the peer named in reason */
};

#define SESSION_STEPS 3 /* of a takeover: address, lease, announce */

struct session_switch {
	enum session_handover kind;
	const char *reason;		 /* NULL: none */
	uint32_t step_us[SESSION_STEPS]; /* of DONE */
	uint32_t vhosts; /* a bit for each place in the sender's word; 0: all */
};

enum session_event_type {
	SESSION_HELLO, /* the peer is who it should be: the session is live */
	SESSION_WORD,
	SESSION_ADVERT, /* the peer sends one now */
	SESSION_ADDRESSES,
	SESSION_FLOWS,	 /* apply in order, then session_ack */
	SESSION_EXPECTS, /* the same */
	SESSION_BULK_REQUEST,
	SESSION_BULK_BEGIN,
	SESSION_BULK_END, /* comes after all flows of the bulk */
	SESSION_ACK,
	SESSION_GAP,
	SESSION_HANDOVER,
	SESSION_AUDIT,	      /* session_audit.h; in order with the flows */
	SESSION_RESUME,	      /* the answer to session_offer */
	SESSION_FACTS,	      /* what the peer says of itself, or a part */
	SESSION_SETS,	      /* all that the peer says of its sets */
	SESSION_SET_ELEMENTS, /* apply in order, then session_ack */
	SESSION_BROKEN,	      /* close the connection; error tells why */
};

/* Why a session is broken. */
enum session_error {
	SESSION_OK = 0,
	SESSION_BAD_FRAME,    /* length, type or order of frames */
	SESSION_BAD_MESSAGE,  /* does not decode, or breaks a limit */
	SESSION_BAD_PROTOCOL, /* another protocol version */
	SESSION_BAD_NAME,     /* the hello names others than us two */
	SESSION_SILENT,	      /* SESSION_SILENCE_NS without a frame */
	SESSION_STUCK,	      /* it does not read what it is told */
	SESSION_ERROR_COUNT
};

/* Pointers are valid until the next call on the session. */
struct session_event {
	enum session_event_type type;
	union {
		enum session_error error;
		struct session_hello hello;
		const struct session_word *word;
		struct session_advert advert;
		struct {
			const struct session_address *list;
			size_t n;
			bool more, rest; /* follow; of those before */
		} addresses;
		struct {
			uint64_t seq;
			bool bulk; /* part of the bulk, else of the stream */
			const struct flow_change *list;
			size_t n;
		} flows;
		struct {
			uint64_t seq;
			const struct expect_batch *batch;
		} expects;
		struct {
			uint64_t id, epoch, expected;
		} bulk; /* request: id; begin: all */
		struct {
			uint64_t id, seq;
			bool complete; /* count and digest match what came */
			uint64_t arrived, sent;
		} bulk_end;
		struct {
			uint64_t seq;
			uint64_t refused[SESSION_REFUSALS_MAX]; /* totals */
		} ack;
		struct {
			uint64_t epoch;
			const char *reason;
		} gap;
		struct session_switch handover;
		struct {
			uint64_t seq; /* to be acknowledged */
			const struct session_audit *said;
		} audit;
		struct {
			uint64_t epoch; /* 0: a new stream begins */
			uint64_t last;	/* it is as before after this one */
		} resume;
		struct {
			const struct fact *list;
			size_t n;
			bool first, last; /* of all parts */
		} facts;
		struct {
			const struct set_word *list;
			size_t n;
			bool answer; /* it asks for ours */
		} sets;
		struct {
			uint64_t seq;
			const struct set_elements *m;
		} elements;
	};
};

#define SESSION_ACK_BUCKETS 9
extern const uint32_t session_ack_bounds_us[SESSION_ACK_BUCKETS - 1];

struct session_stats {
	/* Changes, both kinds; sent: put into frames, also those dropped. */
	uint64_t flows_sent, flows_received;
	uint64_t bulk_sent, bulk_received; /* of these, in bulks */
	uint64_t bytes_sent, bytes_received;
	/* Frames of flows that were acknowledged, by the time that took: at most
	 * session_ack_bounds_us[i], the last one more than all; and their sum. */
	uint64_t acks[SESSION_ACK_BUCKETS];
	uint64_t acks_ns;
	/* Entries skipped as not flow_valid or expect_valid, by the sender or
	 * the receiver. */
	uint64_t frames_invalid_flows;
};

/* A word for a counter, a log line and the JSON: "frame", "silent", ... */
const char *session_error_name(enum session_error e);

/*
 * NULL when memory is short. Owned by the caller; session_free takes NULL.
 * Names must be shorter than SESSION_NAME_MAX; a long version is cut.
 */
struct session *session_new(const struct session_conf *conf);
void session_free(struct session *s);

/* The connection stands and is authenticated: queues our hello. */
void session_up(struct session *s, mono_t now);
/* The connection is gone: forgets queues, sequence numbers and bulks, but
 * what is parked (session_park). */
void session_down(struct session *s);
/* True between SESSION_HELLO and session_down or SESSION_BROKEN. */
bool session_live(const struct session *s);

/* --- hearing ---------------------------------------------------------- */

#define SESSION_UNREAD_MAX (256 * 1024) /* bytes */

/*
 * Takes all len bytes. 0, or -ENOMEM. Feed no more while session_unread()
 * exceeds SESSION_UNREAD_MAX, so that memory stays bounded.
 */
int session_input(struct session *s, const void *data, size_t len, mono_t now);
size_t session_unread(const struct session *s);
/* The next event, one frame at a time; false when there is none. */
bool session_poll(struct session *s, struct session_event *e);
/* SESSION_BROKEN(SESSION_SILENT) comes from here, through session_poll. Not
 * while a whole frame waits for session_poll: then it is we who are slow. */
void session_tick(struct session *s, mono_t now);
mono_t session_deadline(const struct session *s);

/*
 * --- saying: 0, or -ENOMEM and nothing was said -------------------------
 *
 * Without a connection (before session_up, after session_down or
 * SESSION_BROKEN) nothing is kept, and the result is 0. Texts are cut.
 */

int session_send_word(struct session *s, const struct session_word *w);
int session_send_advert(struct session *s, const struct session_advert *ad);
int session_send_addresses(struct session *s,
			   const struct session_address *list, size_t n);
int session_send_bulk_request(struct session *s, uint64_t id);
int session_send_gap(struct session *s, uint64_t epoch, const char *reason);
int session_send_handover(struct session *s, const struct session_switch *h);
/*
 * Every entry up to seq has its result. refused: n totals by reason since
 * the session began; n <= SESSION_REFUSALS_MAX. seq must have come on this
 * connection. Replaces an acknowledgement that still waits.
 */
int session_send_ack(struct session *s, uint64_t seq, const uint64_t *refused,
		     size_t n);

/* Adds a change to the batch being filled; a full batch is closed. One that
 * is not flow_valid is skipped and counted. -ENOBUFS: parked, and more than
 * may be held. */
int session_tell(struct session *s, const struct flow_change *c, mono_t now);
/*
 * An expectation, told after every change told before it and before every one
 * told after it. Said only to a peer that can, else nothing happens. Not while
 * a bulk is sent to the peer: it would close the batch that waits for it.
 */
int session_tell_expect(struct session *s, const struct expect_change *c,
			mono_t now);
bool session_hears_expects(const struct session *s);
/* Closes the batch being filled, if any: it becomes a frame. Bulk flows told
 * so far go before it: a copy never follows a change told after it. */
int session_flush(struct session *s, mono_t now);
/* Changes in the batch being filled. */
size_t session_filling(const struct session *s);

/*
 * One bulk at a time. begin and end flush the stream's batch first; bulk
 * flows have a batch of their own, and session_bulk_flush closes that. Outside
 * of a bulk (also when session_drop_flows ended it) tell and end do nothing;
 * a second begin gives the first bulk up.
 */
int session_bulk_begin(struct session *s, uint64_t id, uint64_t epoch,
		       uint64_t expected, const uint8_t key[DIGEST_KEY_LEN],
		       mono_t now);
int session_bulk_tell(struct session *s, const struct flow *f, mono_t now);
int session_bulk_flush(struct session *s, mono_t now);
int session_bulk_end(struct session *s, mono_t now);

/*
 * --- from one connection to the next ------------------------------------
 *
 * The sender parks its stream when the connection is gone: what was not
 * acknowledged is kept, and what is told meanwhile is added. The receiver
 * offers what it has, with its hello. Then the sender resumes, or restarts.
 */

/* How many bytes of flow frames may be held, sent ones included; 0: nothing is
 * parked. Of what is waiting, the caller decides (session_backlog). */
void session_set_resume(struct session *s, size_t bytes);
/* Between the end of a connection and session_down: false if there is nothing
 * to go on with, and nothing is parked: it is more than may be held, or a bulk
 * is being sent. */
bool session_park(struct session *s);
bool session_parked(const struct session *s);
/* In this process goes on what another one began: as if numbers up to seq had
 * been given, and all were acknowledged. Parked; before session_up. */
void session_adopt(struct session *s, uint64_t seq);
/*
 * The peer has everything up to seq. 0: the rest is sent, *changes of flows at
 * least, and the stream goes on. -ENOENT: it is not parked any more or was
 * not there, -ENOMEM; then session_restart. Only for a live session.
 */
int session_resume(struct session *s, const struct session_place *from,
		   uint64_t *changes);
/* What is parked is forgotten, numbers begin at 1; a peer that offered is told
 * so, if the session is live. */
int session_restart(struct session *s);
/* Before session_up: what is in our kernel of the peer's stream. Then nothing
 * numbered is accepted before SESSION_RESUME, if the peer understands that
 * (session_offered, after SESSION_HELLO). */
void session_offer(struct session *s, const struct session_place *have);
bool session_offered(const struct session *s);

/*
 * nftables sets (session_sets.c), to a peer that says SESSION_CAN_SETS.
 * Elements go among the frames of flows, in an order of their own, and before a
 * bulk's end that is told later.
 */
int session_send_sets(struct session *s, const struct set_word *list, size_t n,
		      bool answer);
int session_tell_elements(struct session *s, const struct set_elements *m,
			  mono_t now);

/* All facts of this node, FACTS_MAX at most (session_facts.c). To a peer that
 * says SESSION_CAN_FACTS. -ENOMEM: some may have been said; say all again. */
int session_send_facts(struct session *s, const struct fact *list, size_t n);

/* --- bytes out -------------------------------------------------------- */

/*
 * The next bytes for the wire (whole frames, control first); 0 when there is
 * nothing. Valid until the next call. session_sent, with no call between,
 * tells how many of them were taken; what is taken (and the rest of a frame
 * of which bytes were) cannot be dropped any more.
 */
size_t session_output(struct session *s, const uint8_t **bytes);
void session_sent(struct session *s, size_t len);

/* Bytes of flow frames that wait. */
size_t session_backlog(const struct session *s);
/* Bytes of flow frames that are held, those sent included. */
size_t session_held(const struct session *s);
/* Throws the waiting flow frames and both batches away (a gap), and ends the
 * bulk being sent. Their numbers go back: session_seq_sent becomes smaller. */
void session_drop_flows(struct session *s);

/* --- how far ---------------------------------------------------------- */

uint64_t session_seq_sent(const struct session *s); /* last number given */
uint64_t session_seq_acked(const struct session *s);
/* Age of the oldest frame of flows without acknowledgement; 0 if none. */
int64_t session_lag_ns(const struct session *s, mono_t now);
const struct session_stats *session_stats(const struct session *s);

#endif
