/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The small messages, one pair of functions each: session_msg_put_* adds a
 * frame with the message to the queue (0, or -ENOMEM), session_msg_get_*
 * reads the payload of a frame of that type. Pure.
 *
 * Reading returns false when the message does not decode or breaks a limit of
 * session.h; a text longer than its field is cut, a name is refused. Texts
 * are cleaned (text.h), so that they may be logged. What is put
 * must keep the limits; texts are cut.
 */
#ifndef STATESYNC_SESSION_MSG_H
#define STATESYNC_SESSION_MSG_H

#include "arena.h"
#include "frame.h"
#include "outbox.h"
#include "queue.h"
#include "session.h"

struct session_hello_names {
	char node[SESSION_NAME_MAX]; /* the sender */
	char peer[SESSION_NAME_MAX]; /* whom it believes to talk to */
};

struct session_bulk_begin {
	uint64_t id, epoch, expected;
	uint8_t key[DIGEST_KEY_LEN];
};

struct session_bulk_end {
	uint64_t id;
	struct digest digest;
};

struct session_ack {
	uint64_t seq;
	uint64_t refused[SESSION_REFUSALS_MAX];
};

/* A text of a peer, cut to size - 1 bytes and cleaned (text.h). */
void session_text_get(char *out, size_t size, const char *text);

int session_msg_put_hello(struct queue *q, const struct session_hello *h,
			  const struct session_hello_names *names);
/* Names that do not fit are read as empty. */
bool session_msg_get_hello(struct arena *a, const struct frame *f,
			   uint32_t *protocol, struct session_hello *h,
			   struct session_hello_names *names);

int session_msg_put_word(struct queue *q, const struct session_word *w);
bool session_msg_get_word(struct arena *a, const struct frame *f,
			  struct session_word *w);

int session_msg_put_advert(struct queue *q, const struct session_advert *ad);
bool session_msg_get_advert(struct arena *a, const struct frame *f,
			    struct session_advert *ad);

/* In as many frames as it takes. */
int session_msg_put_addresses(struct queue *q,
			      const struct session_address *list, size_t n);
/* list has room for SESSION_ADDRESSES_MAX. */
bool session_msg_get_addresses(struct arena *a, const struct frame *f,
			       struct session_address *list,
			       struct session_event *e);

int session_msg_put_bulk_request(struct queue *q, uint64_t id);
bool session_msg_get_bulk_request(struct arena *a, const struct frame *f,
				  uint64_t *id);

int session_msg_put_bulk_begin(struct outbox *o,
			       const struct session_bulk_begin *b);
bool session_msg_get_bulk_begin(struct arena *a, const struct frame *f,
				struct session_bulk_begin *b);

int session_msg_put_bulk_end(struct outbox *o,
			     const struct session_bulk_end *b);
bool session_msg_get_bulk_end(struct arena *a, const struct frame *f,
			      struct session_bulk_end *b);

/* n totals; those that are not told are read as 0. */
int session_msg_put_ack(struct queue *q, uint64_t seq, const uint64_t *refused,
			size_t n);
bool session_msg_get_ack(struct arena *a, const struct frame *f,
			 struct session_ack *ack);

int session_msg_put_gap(struct queue *q, uint64_t epoch, const char *reason);
bool session_msg_get_gap(struct arena *a, const struct frame *f,
			 uint64_t *epoch, char reason[SESSION_REASON_MAX]);

int session_msg_put_handover(struct queue *q, const struct session_switch *h);
/* The reason points to the caller's text. */
bool session_msg_get_handover(struct arena *a, const struct frame *f,
			      struct session_switch *h,
			      char reason[SESSION_REASON_MAX]);

#endif
