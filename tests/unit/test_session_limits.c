// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * proto/session: what a peer may say, at most; and what is not said: what is
 * not valid, and anything without a connection.
 */
#include "session_pair.h"

#include <stdio.h>

#include "expect_sample.h"
#include "session_audit.h"
#include "statesync.pb-c.h"

/* a ends the session for that message. */
static void refused(enum frame_type type, const ProtobufCMessage *m)
{
	meet("fw2", "fw1", SESSION_OK);
	frame_add(&raw, type, frame_type_numbered(type), m);
	feed_raw();
	assert_broken(a, SESSION_BAD_MESSAGE);
}

static void heard(enum frame_type type, const ProtobufCMessage *m,
		  enum session_event_type as)
{
	meet("fw2", "fw1", SESSION_OK);
	frame_add(&raw, type, frame_type_numbered(type), m);
	feed_raw();
	ck_assert(next(a, as));
}

/* --- audit ---------------------------------------------------------------- */

static uint8_t audit_key[DIGEST_KEY_LEN + 1];
static uint32_t numbers[SESSION_AUDIT_BUCKETS_MAX + 1];
static uint64_t tuples[SESSION_AUDIT_TUPLES_MAX + 1];
static char *texts[SESSION_AUDIT_TEXTS_MAX + 1];

static Statesync__Audit audit(Statesync__Audit__Kind kind)
{
	Statesync__Audit m = STATESYNC__AUDIT__INIT;

	m.kind = kind;
	m.round = 1;
	if (kind == STATESYNC__AUDIT__KIND__BEGIN) {
		m.key.data = audit_key;
		m.key.len = DIGEST_KEY_LEN;
		m.bits = SESSION_AUDIT_BITS_MIN;
	}
	return m;
}

START_TEST(test_audit)
{
	Statesync__Audit m = audit(STATESYNC__AUDIT__KIND__BEGIN);

	heard(FRAME_AUDIT, &m.base, SESSION_AUDIT);
	m.key.len++;
	refused(FRAME_AUDIT, &m.base);
	m = audit(STATESYNC__AUDIT__KIND__BEGIN);
	m.bits = SESSION_AUDIT_BITS_MIN - 1;
	refused(FRAME_AUDIT, &m.base);
	m.bits = SESSION_AUDIT_BITS_MAX + 1;
	refused(FRAME_AUDIT, &m.base);
	m = audit(STATESYNC__AUDIT__KIND__UNSPECIFIED);
	refused(FRAME_AUDIT, &m.base);
	m = audit(STATESYNC__AUDIT__KIND__REFUSED + 1);
	refused(FRAME_AUDIT, &m.base);
}
END_TEST

START_TEST(test_audit_lists)
{
	Statesync__Audit m = audit(STATESYNC__AUDIT__KIND__LIST);

	m.bucket = numbers;
	m.n_bucket = SESSION_AUDIT_BUCKETS_MAX;
	heard(FRAME_AUDIT, &m.base, SESSION_AUDIT);
	ck_assert_uint_eq(ev.audit.said->nbuckets, SESSION_AUDIT_BUCKETS_MAX);
	m.n_bucket++;
	refused(FRAME_AUDIT, &m.base);
	m.n_bucket = 1;
	numbers[0] = 1U << SESSION_AUDIT_BITS_MAX;
	refused(FRAME_AUDIT, &m.base);
	numbers[0] = 0;

	m = audit(STATESYNC__AUDIT__KIND__SUMS);
	m.sum = numbers;
	m.n_sum = SESSION_AUDIT_SUMS_MAX + 1;
	refused(FRAME_AUDIT, &m.base);

	m = audit(STATESYNC__AUDIT__KIND__EXTRA);
	m.tuple = tuples;
	m.n_tuple = SESSION_AUDIT_TUPLES_MAX;
	heard(FRAME_AUDIT, &m.base, SESSION_AUDIT);
	m.n_tuple++;
	refused(FRAME_AUDIT, &m.base);
}
END_TEST

/* Of each entry all that belongs to it. */
START_TEST(test_audit_entries)
{
	Statesync__Audit m = audit(STATESYNC__AUDIT__KIND__ENTRIES);

	m.tuple = tuples;
	m.identity = m.state = m.mark = numbers;
	m.n_tuple = m.n_identity = m.n_state = m.n_mark = 3;
	heard(FRAME_AUDIT, &m.base, SESSION_AUDIT);
	ck_assert_uint_eq(ev.audit.said->ntuples, 3);
	m.n_mark = 2;
	refused(FRAME_AUDIT, &m.base);
	m.n_mark = 3;
	m.n_state = 4;
	refused(FRAME_AUDIT, &m.base);
	m.n_state = 3;
	m.n_identity = 2;
	refused(FRAME_AUDIT, &m.base);
	m.n_tuple = m.n_identity = m.n_state = m.n_mark =
		SESSION_AUDIT_ENTRIES_MAX + 1;
	refused(FRAME_AUDIT, &m.base);
}
END_TEST

/* A text is for a terminal. */
START_TEST(test_audit_texts)
{
	static char loud[] = "tcp \x1b[31m10.1.0.1\x7f", longest[200];
	Statesync__Audit m = audit(STATESYNC__AUDIT__KIND__FOUND);

	memset(longest, 'x', sizeof(longest) - 1);
	texts[0] = loud;
	texts[1] = longest;
	m.text = texts;
	m.example = numbers;
	m.n_text = m.n_example = 2;
	heard(FRAME_AUDIT, &m.base, SESSION_AUDIT);
	ck_assert_str_eq(ev.audit.said->texts[0], "tcp ?[31m10.1.0.1?");
	ck_assert_uint_eq(strlen(ev.audit.said->texts[1]),
			  SESSION_AUDIT_TEXT_SIZE - 1);
	m.n_example = 1;
	refused(FRAME_AUDIT, &m.base);
	for (size_t i = 0; i <= SESSION_AUDIT_TEXTS_MAX; i++)
		texts[i] = loud;
	m.n_text = m.n_example = SESSION_AUDIT_TEXTS_MAX + 1;
	refused(FRAME_AUDIT, &m.base);
}
END_TEST

/* --- facts ------------------------------------------------------------------ */

START_TEST(test_facts_come_in_parts)
{
	enum { N = 2 * FACTS_FRAME + 1 };
	static struct fact list[N];
	size_t got = 0;

	connect_both();
	for (uint32_t i = 0; i < N; i++) {
		list[i].kind = i;
		snprintf(list[i].name, sizeof(list[i].name), "name %u", i);
		snprintf(list[i].value, sizeof(list[i].value), "%u", i * i);
		snprintf(list[i].note, sizeof(list[i].note), "a\nb");
	}
	ck_assert_int_eq(session_send_facts(a, list, N), 0);
	carry(a, b);
	while (session_poll(b, &ev)) {
		ck_assert_int_eq(ev.type, SESSION_FACTS);
		ck_assert_int_eq(ev.facts.first, got == 0);
		for (size_t i = 0; i < ev.facts.n; i++, got++) {
			const struct fact *f = &ev.facts.list[i];

			ck_assert_uint_eq(f->kind, got);
			ck_assert_str_eq(f->name, list[got].name);
			ck_assert_str_eq(f->value, list[got].value);
			ck_assert_str_ne(f->note, "a\nb"); /* can be printed */
		}
		ck_assert_int_eq(ev.facts.last, got == N);
	}
	ck_assert_uint_eq(got, N);
	/* who has none says that */
	ck_assert_int_eq(session_send_facts(a, NULL, 0), 0);
	carry(a, b);
	ck_assert(next(b, SESSION_FACTS));
	ck_assert(ev.facts.first && ev.facts.last && ev.facts.n == 0);
}
END_TEST

START_TEST(test_facts_have_a_bound)
{
	Statesync__Fact one;
	Statesync__Fact *list[FACTS_FRAME + 1];
	Statesync__Facts m = STATESYNC__FACTS__INIT;

	statesync__fact__init(&one);
	for (size_t i = 0; i <= FACTS_FRAME; i++)
		list[i] = &one;
	m.fact = list;
	m.n_fact = FACTS_FRAME;
	heard(FRAME_FACTS, &m.base, SESSION_FACTS);
	m.n_fact++;
	refused(FRAME_FACTS, &m.base);
}
END_TEST

/* --- sets --------------------------------------------------------------------- */

START_TEST(test_names_of_sets)
{
	static char good[] = "inet filter blocked", none[] = "",
		    loud[] = "inet filter \x1b[31m", del[] = "a\x7f",
		    longest[SET_NAME_MAX + 1];
	Statesync__Set one, *list[SETS_MAX + 1];
	Statesync__Sets m = STATESYNC__SETS__INIT;
	char *bad[] = { none, loud, del, longest };

	statesync__set__init(&one);
	memset(longest, 'x', SET_NAME_MAX);
	for (size_t i = 0; i <= SETS_MAX; i++)
		list[i] = &one;
	m.set = list;
	m.n_set = SETS_MAX;
	one.name = good;
	heard(FRAME_SETS, &m.base, SESSION_SETS);
	m.n_set++;
	refused(FRAME_SETS, &m.base);
	m.n_set = 1;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		one.name = bad[i];
		refused(FRAME_SETS, &m.base);
	}
	longest[SET_NAME_MAX - 1] = '\0';
	one.name = longest;
	heard(FRAME_SETS, &m.base, SESSION_SETS);
}
END_TEST

START_TEST(test_elements_of_sets)
{
	static char good[] = "inet filter blocked", none[] = "";
	static uint8_t bytes[SET_USERDATA_MAX + 1];
	const Statesync__SetElement empty = STATESYNC__SET_ELEMENT__INIT;
	Statesync__SetElement one = empty, *list[SET_FRAME_MAX + 1];
	Statesync__SetElements m;
	struct {
		ProtobufCBinaryData *what;
		size_t most;
	} fields[] = { { &one.key, SET_KEY_MAX },
		       { &one.key_end, SET_KEY_MAX },
		       { &one.data, SET_DATA_MAX },
		       { &one.userdata, SET_USERDATA_MAX },
		       { &one.expressions, SET_EXPR_MAX } };

	statesync__set_elements__init(&m);
	for (size_t i = 0; i <= SET_FRAME_MAX; i++)
		list[i] = &one;
	m.name = good;
	m.element = list;
	m.n_element = SET_FRAME_MAX;
	heard(FRAME_SET_ELEMENTS, &m.base, SESSION_SET_ELEMENTS);
	m.n_element++;
	refused(FRAME_SET_ELEMENTS, &m.base);
	m.n_element = 1;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		one = empty;
		fields[i].what->data = bytes;
		fields[i].what->len = fields[i].most;
		heard(FRAME_SET_ELEMENTS, &m.base, SESSION_SET_ELEMENTS);
		fields[i].what->len++;
		refused(FRAME_SET_ELEMENTS, &m.base);
	}
	one = empty;
	one.flags = UINT8_MAX + 1;
	refused(FRAME_SET_ELEMENTS, &m.base);
	one = empty;
	m.part = SET_PART_END + 1;
	refused(FRAME_SET_ELEMENTS, &m.base);
	m.part = SET_PART_END;
	m.name = none;
	refused(FRAME_SET_ELEMENTS, &m.base);
}
END_TEST

/* --- others ------------------------------------------------------------------- */

START_TEST(test_counted_lists)
{
	static uint64_t totals[SESSION_REFUSALS_MAX + 1];
	Statesync__Ack ack = STATESYNC__ACK__INIT;
	Statesync__Advert advert = STATESYNC__ADVERT__INIT;

	ack.refused = totals;
	ack.n_refused = SESSION_REFUSALS_MAX + 1;
	refused(FRAME_ACK, &ack.base);
	advert.vhost = SESSION_VHOSTS_MAX;
	refused(FRAME_ADVERT, &advert.base);
	advert.vhost--;
	heard(FRAME_ADVERT, &advert.base, SESSION_ADVERT);
}
END_TEST

/* What the other side would refuse is not even told. */
START_TEST(test_what_is_not_valid_is_not_told)
{
	struct flow_change c = { .op = FLOW_NEW };
	struct expect_change x = { .op = EXPECT_NEW };

	connect_both();
	numbered_flow(&c.flow, 1);
	x.expect = expect_sample(&c.flow, 1);
	x.expect.helper[0] = '\0';
	c.flow.family = 77;
	ck_assert_int_eq(session_tell(a, &c, now), 0);
	ck_assert_int_eq(session_tell_expect(a, &x, now), 0);
	ck_assert_int_eq(session_bulk_tell(a, &c.flow, now), 0); /* no bulk */
	ck_assert_int_eq(session_bulk_begin(a, 1, 5, 1, key, now), 0);
	ck_assert_int_eq(session_bulk_tell(a, &c.flow, now), 0);
	ck_assert_uint_eq(session_stats(a)->frames_invalid_flows, 3);
	ck_assert_uint_eq(session_filling(a), 0);
	ck_assert_int_eq(session_bulk_end(a, now), 0);
	carry(a, b);
	ck_assert(next(b, SESSION_BULK_BEGIN));
	ck_assert(next(b, SESSION_BULK_END));
	ck_assert(ev.bulk_end.complete);
}
END_TEST

START_TEST(test_without_a_connection_nothing_is_said)
{
	static const struct session_word word;
	const struct session_advert advert = { 0, 1 };
	const struct session_switch go = { .kind = SESSION_HANDOVER_GO };
	const struct session_audit look = { .kind = SESSION_AUDIT_WANTED };
	static const struct set_elements elements = { .name = "ip a b" };
	const struct fact fact = { 1, "a", "b", "" };
	const uint8_t *p;

	session_down(a);
	ck_assert_int_eq(session_send_word(a, &word), 0);
	ck_assert_int_eq(session_send_advert(a, &advert), 0);
	ck_assert_int_eq(session_send_addresses(a, NULL, 0), 0);
	ck_assert_int_eq(session_send_bulk_request(a, 1), 0);
	ck_assert_int_eq(session_send_gap(a, 1, "none"), 0);
	ck_assert_int_eq(session_send_handover(a, &go), 0);
	ck_assert_int_eq(session_send_ack(a, 0, NULL, 0), 0);
	ck_assert_int_eq(session_send_audit(a, &look, now), 0);
	ck_assert_int_eq(session_send_facts(a, &fact, 1), 0);
	ck_assert_int_eq(session_send_sets(a, NULL, 0, false), 0);
	ck_assert_int_eq(session_tell_elements(a, &elements, now), 0);
	ck_assert_int_eq(session_bulk_begin(a, 1, 1, 1, key, now), 0);
	ck_assert_int_eq(session_bulk_end(a, now), 0);
	ck_assert_uint_eq(session_output(a, &p), 0);
	ck_assert_uint_eq(session_backlog(a), 0);
	/* nor is any of it said later */
	session_up(a, now);
	connect_both();
	ck_assert(!session_poll(b, &ev));
}
END_TEST

START_TEST(test_each_error_has_a_word)
{
	for (int e = SESSION_OK; e < SESSION_ERROR_COUNT; e++)
		ck_assert_str_ne(session_error_name((enum session_error)e),
				 "?");
	for (int r = EXPECT_APPLIED; r < EXPECT_RESULTS; r++)
		ck_assert_str_ne(expect_result_name((enum expect_result)r),
				 "?");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("session_limits");
	TCase *t = tcase_create("limits");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_audit);
	tcase_add_test(t, test_audit_lists);
	tcase_add_test(t, test_audit_entries);
	tcase_add_test(t, test_audit_texts);
	tcase_add_test(t, test_facts_come_in_parts);
	tcase_add_test(t, test_facts_have_a_bound);
	tcase_add_test(t, test_names_of_sets);
	tcase_add_test(t, test_elements_of_sets);
	tcase_add_test(t, test_counted_lists);
	tcase_add_test(t, test_what_is_not_valid_is_not_told);
	tcase_add_test(t, test_without_a_connection_nothing_is_said);
	tcase_add_test(t, test_each_error_has_a_word);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
