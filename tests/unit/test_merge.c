/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/merge: what a node that forwards makes of a peer's word (rules 9). */
#include <check.h>
#include <stdlib.h>

#include "core_flow.h"
#include "merge.h"

static struct flow_timeouts t;
static struct flow out;

static void setup(void)
{
	timeouts_default(&t);
}

/* As our own table has it: a packet has just passed. */
static struct flow passed(uint8_t state)
{
	struct flow f = tcp_flow(1);

	f.tcp_state = state;
	f.tcp_flags[0] = f.tcp_flags[1] = IP_CT_TCP_FLAG_BE_LIBERAL;
	f.has |= FLOW_HAS_TIMEOUT;
	f.timeout_s = timeouts_nominal(&t, &f);
	return f;
}

/* None has since the peer told of it. */
static struct flow copied(uint8_t state)
{
	struct flow f = passed(state);

	f.timeout_s = timeouts_copy(&t, &f) - 5;
	return f;
}

static struct flow_change told(enum flow_op op, uint8_t state)
{
	struct flow_change c = { .op = op,
				 .merge = FLOW_MERGE_YIELD,
				 .flow = passed(state) };

	c.flow.timeout_s = timeouts_copy(&t, &c.flow);
	return c;
}

static enum merge_do merge(struct flow_change c, struct flow found)
{
	return merge_found(&c, &found, &t, &out);
}

enum {
	SYN_SENT = TCP_CONNTRACK_SYN_SENT,
	SYN_RECV = TCP_CONNTRACK_SYN_RECV,
	ESTABLISHED = TCP_CONNTRACK_ESTABLISHED,
	FIN_WAIT = TCP_CONNTRACK_FIN_WAIT,
	TIME_WAIT = TCP_CONNTRACK_TIME_WAIT,
	CLOSE = TCP_CONNTRACK_CLOSE,
};

START_TEST(the_timeout_tells_whose_it_is)
{
	struct flow f = passed(ESTABLISHED);

	ck_assert(merge_mine(&f, &t));
	f = copied(ESTABLISHED);
	ck_assert(!merge_mine(&f, &t));
	f.status |= IPS_OFFLOAD;
	ck_assert(merge_mine(&f, &t));
	f = copied(FIN_WAIT);
	f.timeout_s += 10000; /* by somebody else's hand */
	ck_assert(merge_mine(&f, &t) && merge_fresh(&f, &t));
}
END_TEST

/* It was ours and may be the peer's now: its table changes nothing, an event
 * of it makes it a copy, and so its mark is taken, and its end. */
START_TEST(what_was_raised)
{
	struct flow here = passed(ESTABLISHED);
	struct flow_change c = told(FLOW_COPY, ESTABLISHED);

	here.timeout_s = timeouts_raised(&t, &here) - 5;
	here.mark = 1;
	c.flow.mark = 2;
	c.merge = FLOW_MERGE_PREVAIL;
	ck_assert(merge_mine(&here, &t) && !merge_fresh(&here, &t));
	ck_assert_int_eq(merge(c, here), MERGE_SAME);
	c.op = FLOW_UPDATE;
	ck_assert_int_eq(merge(c, here), MERGE_WRITE);
	ck_assert_uint_eq(out.mark, 2);
	ck_assert_uint_eq(out.timeout_s, timeouts_copy(&t, &here));
	c.op = FLOW_DESTROY;
	c.flow.has &= (uint8_t)~FLOW_HAS_TIMEOUT;
	ck_assert_int_eq(merge(c, here), MERGE_DELETE);
	/* the other way round: a table of before takes no mark back */
	c = told(FLOW_COPY, ESTABLISHED);
	c.flow.mark = 2;
	(void)merge(c, here);
	ck_assert_uint_eq(out.mark, 2);
	c.raised = true;
	here.timeout_s = timeouts_nominal(&t, &here);
	(void)merge(c, here);
	ck_assert_uint_eq(out.mark, 1);
}
END_TEST

/* What the peer itself has only by hearsay. */
START_TEST(what_is_only_added)
{
	struct flow_change c = told(FLOW_COPY, ESTABLISHED);
	struct flow other = copied(TIME_WAIT);

	c.merge = FLOW_MERGE_ADD;
	ck_assert_int_eq(merge(c, copied(SYN_RECV)), MERGE_SAME);
	ck_assert_int_eq(merge(c, copied(TIME_WAIT)), MERGE_SAME);
	other.reply.dport++;
	ck_assert_int_eq(merge(c, other), MERGE_STALE);
	ck_assert_int_eq(merge_taken(&c, &other, &t), MERGE_STALE);
}
END_TEST

/* Every pair of states, told as an update: it never goes back. */
START_TEST(state_only_goes_on)
{
	for (uint8_t here = SYN_SENT; here <= CLOSE; here++)
		for (uint8_t there = SYN_SENT; there <= CLOSE; there++) {
			struct flow_change c = told(FLOW_UPDATE, there);
			enum merge_do what = merge(c, passed(here));

			if (there > here) {
				ck_assert_int_eq(what, MERGE_WRITE);
				ck_assert_uint_eq(out.tcp_state, there);
				ck_assert_uint_eq(out.timeout_s,
						  c.flow.timeout_s);
			} else if (there == here) {
				/* the peer saw it after us */
				ck_assert_int_eq(what, MERGE_WRITE);
				ck_assert_uint_eq(out.tcp_state,
						  TCP_CONNTRACK_NONE);
			} else {
				ck_assert_int_eq(what, MERGE_STALE);
			}
		}
}
END_TEST

static struct flow_change told_sctp(uint8_t state)
{
	struct flow_change c = { .op = FLOW_UPDATE,
				 .merge = FLOW_MERGE_YIELD,
				 .flow = sctp_flow(state, 1, 2) };

	c.flow.has |= FLOW_HAS_TIMEOUT;
	c.flow.timeout_s = timeouts_copy(&t, &c.flow);
	return c;
}

static enum merge_do merge_sctp(uint8_t there, uint8_t here)
{
	struct flow f = sctp_flow(here, 1, 2);

	f.has |= FLOW_HAS_TIMEOUT;
	f.timeout_s = timeouts_nominal(&t, &f);
	out.sctp_state = 0;
	return merge(told_sctp(there), f);
}

/* A path that is tried anew is no step back, and the end is the end. */
START_TEST(sctp_only_goes_on)
{
	ck_assert_int_eq(merge_sctp(SCTP_CONNTRACK_ESTABLISHED,
				    SCTP_CONNTRACK_COOKIE_ECHOED),
			 MERGE_WRITE);
	ck_assert_uint_eq(out.sctp_state, SCTP_CONNTRACK_ESTABLISHED);
	ck_assert_int_eq(merge_sctp(SCTP_CONNTRACK_COOKIE_WAIT,
				    SCTP_CONNTRACK_ESTABLISHED),
			 MERGE_STALE);
	ck_assert_int_eq(merge_sctp(SCTP_CONNTRACK_HEARTBEAT_SENT,
				    SCTP_CONNTRACK_ESTABLISHED),
			 MERGE_STALE);
	ck_assert_int_eq(merge_sctp(SCTP_CONNTRACK_ESTABLISHED,
				    SCTP_CONNTRACK_HEARTBEAT_SENT),
			 MERGE_WRITE);
	ck_assert_int_eq(merge_sctp(SCTP_CONNTRACK_CLOSED,
				    SCTP_CONNTRACK_SHUTDOWN_ACK_SENT),
			 MERGE_WRITE);
	ck_assert_uint_eq(out.sctp_state, SCTP_CONNTRACK_CLOSED);
	ck_assert_int_eq(merge_sctp(SCTP_CONNTRACK_SHUTDOWN_ACK_SENT,
				    SCTP_CONNTRACK_CLOSED),
			 MERGE_STALE);
}
END_TEST

START_TEST(labels_are_only_added)
{
	struct flow_change c = told(FLOW_UPDATE, ESTABLISHED);
	struct flow here = passed(ESTABLISHED);

	here.has |= FLOW_HAS_LABELS;
	here.labels[0] = 1;
	c.flow.has |= FLOW_HAS_LABELS;
	c.flow.labels[0] = 2;
	c.flow.labels[15] = 128;
	ck_assert_int_eq(merge(c, here), MERGE_WRITE);
	ck_assert_uint_eq(out.labels[0], 3);
	ck_assert_uint_eq(out.labels[15], 128);
}
END_TEST

/* Two SYNs that cross are no further than one. */
START_TEST(both_opened_it)
{
	ck_assert_int_eq(merge(told(FLOW_UPDATE, SYN_RECV),
			       passed(TCP_CONNTRACK_SYN_SENT2)),
			 MERGE_WRITE);
	ck_assert_int_eq(merge(told(FLOW_UPDATE, TCP_CONNTRACK_SYN_SENT2),
			       passed(ESTABLISHED)),
			 MERGE_STALE);
}
END_TEST

START_TEST(bits_are_only_added)
{
	struct flow_change c = told(FLOW_UPDATE, SYN_RECV);
	struct flow here = passed(ESTABLISHED);

	here.status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_EXPECTED;
	c.flow.status = IPS_CONFIRMED | IPS_ASSURED;
	ck_assert_int_eq(merge(c, here), MERGE_WRITE);
	ck_assert_uint_eq(out.status, IPS_CONFIRMED | IPS_SEEN_REPLY |
					      IPS_EXPECTED | IPS_ASSURED);
	/* an older word leaves what it is older than */
	ck_assert_uint_eq(out.tcp_state, TCP_CONNTRACK_NONE);
	ck_assert(!(out.has & FLOW_HAS_TIMEOUT));
}
END_TEST

START_TEST(a_timeout_that_somebody_fixed_stays)
{
	struct flow here = passed(SYN_RECV);

	here.status |= IPS_FIXED_TIMEOUT;
	ck_assert_int_eq(merge(told(FLOW_UPDATE, ESTABLISHED), here),
			 MERGE_WRITE);
	ck_assert(!(out.has & FLOW_HAS_TIMEOUT));
}
END_TEST

/* A SYN goes over what has ended, not over what lives. */
START_TEST(a_new_incarnation)
{
	for (uint8_t here = SYN_SENT; here <= CLOSE; here++) {
		enum merge_do what =
			merge(told(FLOW_NEW, SYN_SENT), passed(here));

		ck_assert_int_eq(what == MERGE_REPLACE, here > ESTABLISHED);
	}
	ck_assert_int_eq(merge(told(FLOW_NEW, SYN_RECV), passed(TIME_WAIT)),
			 MERGE_REPLACE);
	ck_assert_int_eq(
		merge(told(FLOW_UPDATE, ESTABLISHED), passed(TIME_WAIT)),
		MERGE_STALE);
	/* made anew there, and nothing passed here */
	ck_assert_int_eq(merge(told(FLOW_NEW, SYN_SENT), copied(ESTABLISHED)),
			 MERGE_REPLACE);
	/* picked up there in its middle: no SYN was seen */
	ck_assert_int_eq(merge(told(FLOW_NEW, ESTABLISHED), passed(FIN_WAIT)),
			 MERGE_STALE);
}
END_TEST

/* A peer's table may hold what is long over: of what passes here it may open
 * a connection and end none; what did not pass here is the peer's. */
START_TEST(a_copy_ends_nothing_that_passes_here)
{
	ck_assert_int_eq(merge(told(FLOW_COPY, ESTABLISHED), passed(SYN_RECV)),
			 MERGE_WRITE);
	ck_assert_int_eq(merge(told(FLOW_COPY, TIME_WAIT), passed(ESTABLISHED)),
			 MERGE_STALE);
	ck_assert_int_eq(merge(told(FLOW_COPY, ESTABLISHED), passed(FIN_WAIT)),
			 MERGE_STALE);
	ck_assert_int_eq(merge(told(FLOW_COPY, FIN_WAIT), copied(ESTABLISHED)),
			 MERGE_WRITE);
	ck_assert_uint_eq(out.tcp_state, FIN_WAIT);
	ck_assert_int_eq(merge(told(FLOW_COPY, ESTABLISHED), copied(TIME_WAIT)),
			 MERGE_REPLACE);
	/* nor does it make ours a copy */
	ck_assert_int_eq(
		merge(told(FLOW_COPY, ESTABLISHED), passed(ESTABLISHED)),
		MERGE_SAME);
	ck_assert_int_eq(
		merge(told(FLOW_COPY, ESTABLISHED), copied(ESTABLISHED)),
		MERGE_WRITE);
}
END_TEST

/* What passes both ways by two nodes is out of any window (rules 2, 3). */
START_TEST(what_passes_there_too_becomes_liberal)
{
	struct flow_change c = told(FLOW_UPDATE, ESTABLISHED);
	struct flow here = copied(ESTABLISHED);

	c.flow.timeout_s = here.timeout_s;
	ck_assert_int_eq(merge(c, here), MERGE_SAME);
	here.tcp_flags[1] = 0;
	ck_assert_int_eq(merge(c, here), MERGE_WRITE);
	here = passed(ESTABLISHED);
	here.tcp_flags[1] = 0;
	c.op = FLOW_COPY;
	ck_assert_int_eq(merge(c, here), MERGE_SAME);
}
END_TEST

static uint32_t mark_of(uint32_t here, uint32_t there, enum flow_merge merge,
			bool mine, uint8_t state)
{
	struct flow_change c = told(FLOW_UPDATE, state);
	struct flow f = mine ? passed(ESTABLISHED) : copied(ESTABLISHED);

	f.mark = here;
	c.flow.mark = there;
	c.merge = merge;
	(void)merge_found(&c, &f, &t, &out);
	return out.mark;
}

START_TEST(of_two_marks_the_later_masters)
{
	const enum flow_merge yields = FLOW_MERGE_YIELD;
	const enum flow_merge prevails = FLOW_MERGE_PREVAIL;

	ck_assert_uint_eq(mark_of(1, 2, yields, true, ESTABLISHED), 2);
	ck_assert_uint_eq(mark_of(1, 2, prevails, true, ESTABLISHED), 1);
	ck_assert_uint_eq(mark_of(0, 2, prevails, true, ESTABLISHED), 2);
	ck_assert_uint_eq(mark_of(1, 0, yields, true, ESTABLISHED), 1);
	/* what did not pass here had its mark from there */
	ck_assert_uint_eq(mark_of(1, 2, prevails, false, ESTABLISHED), 2);
	ck_assert_uint_eq(mark_of(1, 0, prevails, false, ESTABLISHED), 0);
	/* an older word has an older mark */
	ck_assert_uint_eq(mark_of(1, 2, yields, true, SYN_RECV), 1);
}
END_TEST

static struct flow_change gone(bool time_left, uint8_t state)
{
	struct flow_change c = told(FLOW_DESTROY, state);

	if (!time_left)
		c.flow.has &= (uint8_t)~FLOW_HAS_TIMEOUT;
	return c;
}

START_TEST(an_end_counts_where_nothing_passes)
{
	struct flow other = copied(ESTABLISHED);

	/* ran out */
	ck_assert_int_eq(merge(gone(false, ESTABLISHED), copied(ESTABLISHED)),
			 MERGE_DELETE);
	ck_assert_int_eq(merge(gone(false, ESTABLISHED), passed(ESTABLISHED)),
			 MERGE_STALE);
	ck_assert_int_eq(merge(gone(false, TIME_WAIT), passed(TIME_WAIT)),
			 MERGE_STALE);
	/* its port was used again there, or was here before */
	ck_assert_int_eq(merge(gone(true, TIME_WAIT), passed(TIME_WAIT)),
			 MERGE_DELETE);
	ck_assert_int_eq(merge(gone(true, TIME_WAIT), passed(SYN_RECV)),
			 MERGE_STALE);
	/* somebody deleted it */
	ck_assert_int_eq(merge(gone(true, ESTABLISHED), passed(ESTABLISHED)),
			 MERGE_DELETE);
	/* but not another one */
	other.reply.dport++;
	ck_assert_int_eq(merge(gone(true, ESTABLISHED), other), MERGE_STALE);
}
END_TEST

/* Not told: a UDP flow has no state that could go back. */
START_TEST(udp)
{
	struct flow_change c = told(FLOW_NEW, 0);
	struct flow here;

	c.flow.l4proto = IPPROTO_UDP;
	c.flow.has = FLOW_HAS_TIMEOUT;
	c.flow.status = IPS_CONFIRMED;
	here = c.flow;
	here.status |= IPS_SEEN_REPLY | IPS_ASSURED;
	here.timeout_s = t.udp_stream;
	ck_assert_int_eq(merge(c, here), MERGE_WRITE);
	ck_assert_uint_eq(out.status & IPS_ASSURED, IPS_ASSURED);
	c.op = FLOW_DESTROY;
	c.flow.has = 0;
	ck_assert_int_eq(merge(c, here), MERGE_STALE);
	here.timeout_s++;
	ck_assert_int_eq(merge(c, here), MERGE_DELETE);
}
END_TEST

START_TEST(in_a_clash_the_older_mastership_loses)
{
	struct flow_change c = told(FLOW_NEW, SYN_RECV);
	struct flow here = passed(ESTABLISHED);

	here.reply.dport++;
	ck_assert_int_eq(merge(c, here), MERGE_OUST);
	ck_assert_int_eq(merge_taken(&c, &here, &t), MERGE_OUST);
	c.merge = FLOW_MERGE_PREVAIL;
	ck_assert_int_eq(merge(c, here), MERGE_CLASH);
	ck_assert_int_eq(merge_taken(&c, &here, &t), MERGE_CLASH);
	/* what is over, or a copy of something that ended there, is no loss */
	here = passed(FIN_WAIT);
	ck_assert_int_eq(merge_taken(&c, &here, &t), MERGE_REPLACE);
	here = copied(ESTABLISHED);
	ck_assert_int_eq(merge_taken(&c, &here, &t), MERGE_REPLACE);
}
END_TEST

/* What only a new entry can be given comes where nothing passed here. */
START_TEST(a_helper_is_brought_to_a_copy)
{
	struct flow_change c = told(FLOW_COPY, ESTABLISHED);
	struct flow has = copied(ESTABLISHED);

	c.flow.has |= FLOW_HAS_HELPER;
	has.has |= FLOW_HAS_HELPER;
	ck_assert_int_eq(merge(c, has), MERGE_WRITE);
	ck_assert(out.has & FLOW_HAS_HELPER);
	ck_assert_int_eq(merge(c, copied(ESTABLISHED)), MERGE_REPLACE);
	ck_assert_int_ne(merge(c, passed(ESTABLISHED)), MERGE_REPLACE);
	c.op = FLOW_UPDATE;
	ck_assert_int_eq(merge(c, copied(ESTABLISHED)), MERGE_WRITE);
	has = passed(ESTABLISHED);
	has.has |= FLOW_HAS_HELPER | FLOW_HAS_SEQADJ;
	has.timeout_s--;
	ck_assert_int_eq(merge(c, has), MERGE_WRITE);
	ck_assert(!(out.has & (FLOW_HAS_HELPER | FLOW_HAS_SEQADJ)));
}
END_TEST

START_TEST(changed_lengths_are_of_whom_it_passes)
{
	struct flow_change c = told(FLOW_UPDATE, ESTABLISHED);
	struct flow here = copied(ESTABLISHED);

	here.timeout_s = c.flow.timeout_s;
	ck_assert_int_eq(merge(c, here), MERGE_SAME);
	c.flow.has |= FLOW_HAS_SEQADJ;
	c.flow.seqadj[0].offset_after = 4;
	ck_assert_int_eq(merge(c, here), MERGE_WRITE);
	ck_assert(out.has & FLOW_HAS_SEQADJ);
	ck_assert_int_eq(out.seqadj[0].offset_after, 4);
	c.op = FLOW_COPY;
	ck_assert_int_eq(merge(c, passed(ESTABLISHED)), MERGE_SAME);
}
END_TEST

int main(void)
{
	const TTest *const list[] = {
		the_timeout_tells_whose_it_is,
		what_was_raised,
		what_is_only_added,
		state_only_goes_on,
		sctp_only_goes_on,
		labels_are_only_added,
		both_opened_it,
		bits_are_only_added,
		a_timeout_that_somebody_fixed_stays,
		a_new_incarnation,
		a_copy_ends_nothing_that_passes_here,
		what_passes_there_too_becomes_liberal,
		of_two_marks_the_later_masters,
		an_end_counts_where_nothing_passes,
		udp,
		a_helper_is_brought_to_a_copy,
		changed_lengths_are_of_whom_it_passes,
		in_a_clash_the_older_mastership_loses,
	};
	Suite *s = suite_create("merge");
	TCase *tc = tcase_create("merge");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		tcase_add_test(tc, list[i]);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
