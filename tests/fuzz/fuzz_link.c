// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Frames of the link, one by one: what is accepted is written again by the
 * encoder and reads as the same. Not their order (fuzz_session).
 */
#include <string.h>

#include "fuzz_link.h"
#include "netlink.h"
#include "session_int.h"
#include "set_pb.h"

struct arena link_arena[2];
static struct session *session; /* for what only a session can write */
static struct queue q;

/* The frame that was written. */
static struct frame written(void)
{
	struct frame f;

	assert(frame_look(queue_data(&q), q.len, &f) == FRAME_OK);
	assert(frame_size(&f) == q.len);
	return f;
}

struct frame link_written(const struct outbox *o)
{
	const uint8_t *bytes;
	size_t len = outbox_offer(o, SIZE_MAX, &bytes);
	struct frame f;

	assert(frame_look(bytes, len, &f) == FRAME_OK && frame_size(&f) == len);
	return f;
}

/* Both are zeroed; what is read from the frame, and from what it became. */
#define SAME(a, b) assert(!memcmp(&(a), &(b), sizeof(a)))

static void hello(const struct frame *f)
{
	static struct session_hello a, b;
	struct session_hello_names n, m;
	struct frame again;
	uint32_t protocol;

	if (!session_msg_get_hello(&link_arena[0], f, &protocol, &a, &n))
		return;
	assert(!session_msg_put_hello(&q, &a, &n));
	again = written();
	assert(session_msg_get_hello(&link_arena[1], &again, &protocol, &b,
				     &m));
	assert(!strcmp(a.version, b.version) && a.boot_id == b.boot_id &&
	       a.uptime_ms == b.uptime_ms && a.capabilities == b.capabilities &&
	       a.resume.epoch == b.resume.epoch &&
	       a.resume.seq == b.resume.seq);
	assert(!strcmp(n.node, m.node) && !strcmp(n.peer, m.peer));
}

static void word(const struct frame *f)
{
	static struct session_word a, b;
	struct frame again;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	if (!session_msg_get_word(&link_arena[0], f, &a))
		return;
	assert(!session_msg_put_word(&q, &a));
	again = written();
	assert(session_msg_get_word(&link_arena[1], &again, &b));
	SAME(a, b);
}

static void advert(const struct frame *f)
{
	struct session_advert a = { 0 }, b = { 0 };
	struct frame again;

	if (!session_msg_get_advert(&link_arena[0], f, &a))
		return;
	assert(!session_msg_put_advert(&q, &a));
	again = written();
	assert(session_msg_get_advert(&link_arena[1], &again, &b));
	assert(a.vhost == b.vhost && a.counter == b.counter);
}

static void addresses(const struct frame *f)
{
	static struct session_address a[SESSION_ADDRESSES_MAX],
		b[SESSION_ADDRESSES_MAX];
	struct session_event one, two;
	struct frame again;

	if (!session_msg_get_addresses(&link_arena[0], f, a, &one))
		return;
	assert(!session_msg_put_addresses(&q, a, one.addresses.n));
	again = written();
	assert(session_msg_get_addresses(&link_arena[1], &again, b, &two));
	assert(one.addresses.n == two.addresses.n &&
	       !memcmp(a, b, one.addresses.n * sizeof(a[0])));
}

static void bulk_request(const struct frame *f)
{
	uint64_t a, b;
	struct frame again;

	if (!session_msg_get_bulk_request(&link_arena[0], f, &a))
		return;
	assert(!session_msg_put_bulk_request(&q, a));
	again = written();
	assert(session_msg_get_bulk_request(&link_arena[1], &again, &b));
	assert(a == b);
}

static void bulk_begin(const struct frame *f)
{
	struct session_bulk_begin a = { 0 }, b = { 0 };
	struct outbox o = { 0 };
	struct frame again;

	if (!session_msg_get_bulk_begin(&link_arena[0], f, &a))
		return;
	assert(!session_msg_put_bulk_begin(&o, &a));
	again = link_written(&o);
	assert(session_msg_get_bulk_begin(&link_arena[1], &again, &b));
	SAME(a, b);
	outbox_clear(&o, 0);
}

static void bulk_end(const struct frame *f)
{
	struct session_bulk_end a = { 0 }, b = { 0 };
	struct outbox o = { 0 };
	struct frame again;

	if (!session_msg_get_bulk_end(&link_arena[0], f, &a))
		return;
	assert(!session_msg_put_bulk_end(&o, &a));
	again = link_written(&o);
	assert(session_msg_get_bulk_end(&link_arena[1], &again, &b));
	SAME(a, b);
	outbox_clear(&o, 0);
}

static void ack(const struct frame *f)
{
	struct session_ack a = { 0 }, b = { 0 };
	struct frame again;

	if (!session_msg_get_ack(&link_arena[0], f, &a))
		return;
	assert(!session_msg_put_ack(&q, a.seq, a.refused,
				    SESSION_REFUSALS_MAX));
	again = written();
	assert(session_msg_get_ack(&link_arena[1], &again, &b));
	SAME(a, b);
}

static void gap(const struct frame *f)
{
	char a[SESSION_REASON_MAX], b[SESSION_REASON_MAX];
	uint64_t epoch, epoch_again;
	struct frame again;

	if (!session_msg_get_gap(&link_arena[0], f, &epoch, a))
		return;
	assert(!session_msg_put_gap(&q, epoch, a));
	again = written();
	assert(session_msg_get_gap(&link_arena[1], &again, &epoch_again, b));
	assert(epoch == epoch_again && !strcmp(a, b));
}

static void handover(const struct frame *f)
{
	char a[SESSION_REASON_MAX], b[SESSION_REASON_MAX];
	struct session_switch x, y;
	struct frame again;

	if (!session_msg_get_handover(&link_arena[0], f, &x, a))
		return;
	assert(!session_msg_put_handover(&q, &x));
	again = written();
	assert(session_msg_get_handover(&link_arena[1], &again, &y, b));
	assert(x.kind == y.kind && x.vhosts == y.vhosts && !strcmp(a, b) &&
	       !memcmp(x.step_us, y.step_us, sizeof(x.step_us)));
}

static void sets(const struct frame *f)
{
	static struct set_word a[SETS_MAX], b[SETS_MAX];
	bool answer, answer_again;
	struct frame again;
	size_t n, m;

	memset(a, 0, sizeof(a));
	memset(b, 0, sizeof(b));
	if (!set_pb_get_words(&link_arena[0], f, a, &n, &answer))
		return;
	assert(!set_pb_put_words(&q, a, n, answer));
	again = written();
	assert(set_pb_get_words(&link_arena[1], &again, b, &m, &answer_again));
	assert(m == n && answer == answer_again);
	SAME(a, b);
}

static void audit(const struct frame *f)
{
	static struct session_audit a, b;
	struct frame again;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	if (!session_audit_get(&link_arena[0], f, &a))
		return;
	/* each kind has values of its own */
	if (a.kind != SESSION_AUDIT_BEGIN)
		memset(a.key, 0, sizeof(a.key));
	if (a.kind != SESSION_AUDIT_ENTRIES)
		a.identities = a.states = a.marks = NULL;
	if (!a.identities && a.ntuples == 0)
		a.states = a.marks = NULL;
	assert(!session_send_audit(session, &a, (mono_t){ MONO_S }));
	again = link_written(&session->tx.flows);
	assert(session_audit_get(&link_arena[1], &again, &b));
	assert(a.kind == b.kind && a.round == b.round && a.bits == b.bits &&
	       a.period_ms == b.period_ms && a.first == b.first &&
	       a.nsums == b.nsums && a.nbuckets == b.nbuckets &&
	       a.ntuples == b.ntuples && a.ntexts == b.ntexts);
	SAME(a.key, b.key);
	SAME(a.count, b.count);
	SAME(a.examples, b.examples);
	for (size_t i = 0; i < a.ntexts; i++)
		assert(!strcmp(a.texts[i], b.texts[i]));
	for (size_t i = 0; i < a.nsums; i++)
		assert(a.sums[i] == b.sums[i]);
	for (size_t i = 0; i < a.ntuples; i++)
		assert(a.tuples[i] == b.tuples[i] &&
		       (!a.identities || (a.identities[i] == b.identities[i] &&
					  a.states[i] == b.states[i] &&
					  a.marks[i] == b.marks[i])));
	session_drop_flows(session);
}

static void facts(const struct frame *f)
{
	static struct fact list[FACTS_FRAME];
	struct session_event a, b;
	struct frame again;

	if (session_hear_facts(session, f, &a) != SESSION_OK)
		return;
	memcpy(list, a.facts.list, a.facts.n * sizeof(list[0]));
	assert(!session_send_facts(session, list, a.facts.n));
	assert(frame_look(queue_data(&session->tx.control.q),
			  session->tx.control.q.len, &again) == FRAME_OK);
	assert(session_hear_facts(session, &again, &b) == SESSION_OK);
	assert(a.facts.n == b.facts.n && b.facts.first && b.facts.last);
	for (size_t i = 0; i < b.facts.n; i++)
		assert(list[i].kind == b.facts.list[i].kind &&
		       !strcmp(list[i].name, b.facts.list[i].name) &&
		       !strcmp(list[i].value, b.facts.list[i].value) &&
		       !strcmp(list[i].note, b.facts.list[i].note));
	queue_cut(&session->tx.control.q, 0);
}

static void heard(const struct frame *f, const struct link_how *how)
{
	switch (f->type) {
	case FRAME_HELLO:
		hello(f);
		return;
	case FRAME_WORD:
		word(f);
		return;
	case FRAME_ADDRESSES:
		addresses(f);
		return;
	case FRAME_BULK_REQUEST:
		bulk_request(f);
		return;
	case FRAME_ACK:
		ack(f);
		return;
	case FRAME_GAP:
		gap(f);
		return;
	case FRAME_HANDOVER:
		handover(f);
		return;
	case FRAME_ADVERT:
		advert(f);
		return;
	case FRAME_FLOWS:
	case FRAME_BULK_FLOWS:
		link_flows(f, how);
		return;
	case FRAME_BULK_BEGIN:
		bulk_begin(f);
		return;
	case FRAME_BULK_END:
		bulk_end(f);
		return;
	case FRAME_AUDIT:
		audit(f);
		return;
	case FRAME_SET_ELEMENTS:
		link_elements(f, how);
		return;
	case FRAME_EXPECTS:
		link_expects(f);
		return;
	case FRAME_RESUME: /* not without the question: fuzz_session */
		return;
	case FRAME_FACTS:
		facts(f);
		return;
	case FRAME_SETS:
		sets(f);
		return;
	}
}

static void begin(void)
{
	static const struct session_conf conf = { .node = "fw1",
						  .peer = "fw2",
						  .version = "1" };

	arena_init(&link_arena[0]);
	arena_init(&link_arena[1]);
	session = session_new(&conf);
	assert(session && !queue_init(&q));
	session_up(session, (mono_t){ MONO_S });
	queue_cut(&session->tx.control.q, 0);
}

/* A frame as the peer sent it, or a type and the payload alone; behind it
 * what the kernel answers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct link_how how;
	struct frame f;
	struct reader in;
	uint8_t mode;

	if (!session)
		begin();
	queue_cut(&q, 0);
	reader_init(&in, data, size);
	mode = reader_u8(&in);
	how = (struct link_how){ mode & 2, reader_u8(&in) };
	f = (struct frame){ .type = (enum frame_type)reader_u8(&in), .seq = 1 };
	f.payload = fuzz_part(&in, &f.len);
	if (!f.payload)
		return 0;
	netlink_answers = in;
	if (mode & 1 && (frame_look(f.payload, f.len, &f) != FRAME_OK))
		return 0;
	heard(&f, &how);
	return 0;
}
