// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A batch of flows is refused unless its columns are as long as its shapes say,
 * which chance does not bring about: here they are made so. Invariant: what
 * comes out is not refused for that.
 */
#include "flows_fit.h"

#include "flow_pb.h"
#include "frame.h"
#include "statesync.pb-c.h"

#define EXTRAS_MAX 16

/* The values that came, as often as need be. */
#define FILL(type, column, from, count, n, mask)                             \
	do {                                                                 \
		for (size_t at = 0; at < (n); at++)                          \
			(column)[at] =                                       \
				(type)((count) ? (from)[at % (count)] : 0) & \
				(type)(mask);                                \
	} while (0)

size_t flows_fit(const uint8_t *data, size_t len, uint8_t *out)
{
	static struct flow_pb_batch b;
	static struct arena arena;
	const Statesync__Flows *m;
	Statesync__Flows whole;

	arena_init(&arena);
	m = (const Statesync__Flows *)arena_unpack(
		&arena, &statesync__flows__descriptor, data, len);
	if (!m)
		return 0;
	flow_pb_clear(&b);
	b.n = m->n_shape < FLOW_PB_BATCH ? m->n_shape : FLOW_PB_BATCH;
	for (size_t i = 0; i < b.n; i++) {
		uint32_t s = m->shape[i] & FLOW_PB_KNOWN;
		size_t ends = 2u + !!(s & FLOW_PB_SNAT) + !!(s & FLOW_PB_DNAT);

		if (!m->n_extra || b.nextra == EXTRAS_MAX)
			s &= ~(uint32_t)FLOW_PB_EXTRA;
		b.shape[i] = s;
		b.naddr6 += s & FLOW_PB_IPV6 ? 2 * ends : 0;
		b.naddr4 += s & FLOW_PB_IPV6 ? 0 : ends;
		b.nport += ends;
		b.ntimeout += !!(s & FLOW_PB_TIMEOUT);
		b.ntcp += !!(s & FLOW_PB_TCP);
		b.nmark += !!(s & FLOW_PB_MARK);
		b.nzone += !!(s & FLOW_PB_ZONE);
		b.nextra += !!(s & FLOW_PB_EXTRA);
	}
	FILL(uint32_t, b.addr4, m->addr4, m->n_addr4, b.naddr4, UINT32_MAX);
	FILL(uint64_t, b.addr6, m->addr6, m->n_addr6, b.naddr6, UINT64_MAX);
	FILL(uint32_t, b.port, m->port, m->n_port, b.nport, UINT16_MAX);
	FILL(uint32_t, b.status, m->status, m->n_status, b.n, UINT32_MAX);
	FILL(uint32_t, b.timeout_s, m->timeout_s, m->n_timeout_s, b.ntimeout,
	     UINT32_MAX);
	FILL(uint32_t, b.tcp, m->tcp, m->n_tcp, b.ntcp, 0xfffff);
	FILL(uint32_t, b.mark, m->mark, m->n_mark, b.nmark, UINT32_MAX);
	FILL(uint32_t, b.zone, m->zone, m->n_zone, b.nzone, UINT16_MAX);
	flow_pb_message(&b, &whole);
	for (size_t i = 0; i < b.nextra; i++)
		whole.extra[i] = m->extra[i % m->n_extra];
	if (statesync__flows__get_packed_size(&whole) > FRAME_PAYLOAD_MAX)
		return 0;
	return statesync__flows__pack(&whole, out);
}
