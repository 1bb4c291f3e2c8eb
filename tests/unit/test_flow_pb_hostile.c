// SPDX-License-Identifier: GPL-3.0-or-later
/* Columns from a peer that lies: nothing that is no batch is accepted. */
#include "flow_pb_batch.h"

static void assert_refused(const Statesync__Flows *m)
{
	size_t len = statesync__flows__pack(m, wire), n = 77;

	ck_assert(!unpack(wire, len, &n));
	ck_assert_uint_eq(n, 0);
}

/* One column one value longer or shorter than the shapes say. */
START_TEST(test_columns_must_fit)
{
	Statesync__Flows m;
	size_t *const counts[] = {
		&m.n_shape,	&m.n_addr4, &m.n_addr6, &m.n_port, &m.n_status,
		&m.n_timeout_s, &m.n_tcp,   &m.n_mark,	&m.n_zone, &m.n_extra,
	};

	random_batch(100);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (int step = -1; step <= 1; step += 2) {
			flow_pb_message(batch, &m);
			ck_assert(*counts[i] > 0);
			*counts[i] += (size_t)step;
			assert_refused(&m);
		}
	}
	assert_round_trip(100);
}
END_TEST

START_TEST(test_values_out_of_range)
{
	Statesync__Flows m;

	random_batch(100);
	flow_pb_message(batch, &m);
	for (int bit = 18; bit < 32; bit++) {
		batch->shape[50] ^= 1u << bit;
		assert_refused(&m);
		batch->shape[50] ^= 1u << bit;
	}
	batch->port[77] ^= 1u << 16;
	assert_refused(&m);
	batch->port[77] ^= 1u << 16;
	batch->zone[3] ^= 1u << 16;
	assert_refused(&m);
	batch->zone[3] ^= 1u << 16;
	batch->tcp[3] ^= 1u << 20;
	assert_refused(&m);
	batch->tcp[3] ^= 1u << 20;
	assert_round_trip(100);
}
END_TEST

/* A field of FlowExtra of another length than it must have. */
START_TEST(test_extra_out_of_range)
{
	Statesync__FlowExtra *x;
	Statesync__Flows m;
	char long_name[] = "a name too long!";
	struct flow f = { .family = AF_INET, .l4proto = IPPROTO_SCTP };

	flow_tuple_invert(&f, &f.orig, &f.reply);
	f.has = FLOW_HAS_EXTRA;
	strcpy(f.helper, "ftp");
	flow_pb_add(batch, FLOW_NEW, &f);
	in[0] = (struct flow_change){ .op = FLOW_NEW, .flow = f };
	assert_round_trip(1);
	x = &batch->extra[0].m;
	flow_pb_message(batch, &m);
#define REFUSE(field, value, good) \
	x->field = value;          \
	assert_refused(&m);        \
	x->field = good
	REFUSE(labels.len, 15, 16);
	REFUSE(master_src.len, 3, 4);
	REFUSE(master_dst.len, 0, 4);
	REFUSE(master_l4proto, 256, 0);
	REFUSE(n_seqadj, 5, 6);
	REFUSE(n_synproxy, 1, 3);
	REFUSE(n_sctp_vtag, 1, 2);
	REFUSE(sctp_state, 256, 0);
	REFUSE(zone_dir, 3, 0);
	REFUSE(helper, long_name, batch->extra[0].helper);
#undef REFUSE
	assert_round_trip(1);
}
END_TEST

static void simple_columns(Statesync__Flows *m, size_t n)
{
	uint32_t *shape = calloc(n, 4), *addr4 = calloc(2 * n, 4);
	uint32_t *port = calloc(2 * n, 4), *status = calloc(n, 4);

	statesync__flows__init(m);
	for (size_t i = 0; i < n; i++)
		shape[i] = IPPROTO_UDP << 8;
	m->n_shape = m->n_status = n;
	m->n_addr4 = m->n_port = 2 * n;
	m->shape = shape;
	m->addr4 = addr4;
	m->port = port;
	m->status = status;
}

static void simple_free(Statesync__Flows *m)
{
	free(m->shape);
	free(m->addr4);
	free(m->port);
	free(m->status);
}

START_TEST(test_too_many)
{
	Statesync__Flows m;
	size_t n, len;

	simple_columns(&m, FLOW_PB_BATCH);
	len = statesync__flows__pack(&m, wire);
	ck_assert(unpack(wire, len, &n));
	ck_assert_uint_eq(n, FLOW_PB_BATCH);
	simple_free(&m);
	simple_columns(&m, FLOW_PB_BATCH + 1);
	assert_refused(&m);
	simple_free(&m);
}
END_TEST

/* Small on the wire, large in memory: the arena says no. */
START_TEST(test_memory_is_bounded)
{
	size_t n, len = 60000;

	wire[0] = 1 << 3 | 2; /* shape, packed */
	wire[1] = (len & 0x7f) | 0x80;
	wire[2] = (len >> 7 & 0x7f) | 0x80;
	wire[3] = (uint8_t)(len >> 14);
	memset(wire + 4, 0, len);
	ck_assert(!unpack(wire, len + 4, &n));
	ck_assert_uint_le(arena->used, ARENA_BYTES);
	/* the same, each value a field of its own */
	for (size_t i = 0; i < len; i += 2) {
		wire[i] = 1 << 3;
		wire[i + 1] = 0;
	}
	ck_assert(!unpack(wire, len, &n));
	ck_assert_uint_le(arena->used, ARENA_BYTES);
	random_batch(FLOW_PB_BATCH);
	assert_round_trip(FLOW_PB_BATCH);
}
END_TEST

START_TEST(test_too_long)
{
	size_t n, len;

	random_batch(10);
	len = pack();
	/* an unknown field fills it up; is skipped as long as it fits */
	wire[len] = 0x82;
	wire[len + 1] = 0x06; /* field 96, bytes */
	wire[len + 2] = 0x80;
	wire[len + 3] = 0x80;
	wire[len + 4] = 0x03; /* 49152 of them */
	memset(wire + len + 5, 0xaa, 49152);
	ck_assert(unpack(wire, len + 5 + 49152, &n));
	ck_assert_uint_eq(n, 10);
	ck_assert_mem_eq(&out[9].flow, &in[9].flow, sizeof(in[9].flow));
	ck_assert(!unpack(wire, FRAME_PAYLOAD_MAX + 1, &n));
}
END_TEST

/* Nothing is a batch of nothing; every other cut is refused. */
START_TEST(test_truncated)
{
	size_t n, len;

	random_batch(20);
	len = pack();
	ck_assert(unpack(wire, 0, &n));
	ck_assert_uint_eq(n, 0);
	for (size_t i = 1; i < len; i++)
		ck_assert(!unpack(wire, i, &n));
	ck_assert(unpack(wire, len, &n));
}
END_TEST

static void spoil(uint8_t *p, size_t *len)
{
	size_t at = rnd() % *len;

	switch (rnd() % 4) {
	case 0:
		p[at] = (uint8_t)rnd();
		break;
	case 1:
		p[at] ^= (uint8_t)(1 << rnd() % 8);
		break;
	case 2:
		memmove(p + at, p + at + 1, *len - at - 1);
		(*len)--;
		break;
	default:
		memmove(p + at + 1, p + at, *len - at);
		p[at] = (uint8_t)rnd();
		(*len)++;
		break;
	}
}

START_TEST(test_garbage)
{
	uint8_t good[16384], bad[16384];
	size_t len = 0, bad_len, n, accepted = 0;

	for (int i = 0; i < 200000; i++) {
		if (i % 1000 == 0) {
			random_batch(1 + rnd() % 40);
			len = pack();
			ck_assert(len < sizeof(good) - 16);
			memcpy(good, wire, len);
		}
		memcpy(bad, good, len);
		bad_len = len;
		for (uint32_t k = 1 + rnd() % 4; k > 0; k--)
			spoil(bad, &bad_len);
		if (!flow_pb_unpack(arena, bad, bad_len, out, &n))
			continue;
		accepted++;
		ck_assert_uint_le(n, FLOW_PB_BATCH);
		/* what was accepted is a batch like any other */
		flow_pb_clear(batch);
		for (size_t k = 0; k < n; k++)
			if (flow_valid(&out[k].flow))
				flow_pb_add(batch, out[k].op, &out[k].flow);
		memcpy(in, out, n * sizeof(in[0]));
		if (batch->n == n)
			assert_round_trip(n);
	}
	ck_assert_uint_gt(accepted, 1000);
	ck_assert_uint_lt(accepted, 199000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("flow_pb_hostile");
	TCase *tc = tcase_create("flow_pb_hostile");

	tcase_add_test(tc, test_columns_must_fit);
	tcase_add_test(tc, test_values_out_of_range);
	tcase_add_test(tc, test_extra_out_of_range);
	tcase_add_test(tc, test_too_many);
	tcase_add_test(tc, test_memory_is_bounded);
	tcase_add_test(tc, test_too_long);
	tcase_add_test(tc, test_truncated);
	tcase_add_test(tc, test_garbage);
	return run_suite(s, tc);
}
