/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Labels, helper, master, sequence adjustment, synproxy, SCTP state and the
 * zone's direction of a flow to and from the message FlowExtra. Not the
 * judgement whether such a flow may go to a kernel (flow_valid).
 *
 * Text: statesync.proto, message FlowExtra.
 *
 * Invariant: what is unpacked has exactly the lengths that struct flow has.
 */
#include "flow_extra.h"

#include <string.h>

/* --- to the message ------------------------------------------------------- */

static ProtobufCBinaryData data(uint8_t *to, const void *from, size_t len)
{
	memcpy(to, from, len);
	return (ProtobufCBinaryData){ .len = len, .data = to };
}

static void pack_master(struct flow_extra *x, const struct flow *f)
{
	size_t len = flow_addr_len(f->family);

	x->m.master_src = data(x->src, f->master.src.b, len);
	x->m.master_dst = data(x->dst, f->master.dst.b, len);
	x->m.master_ports = (uint32_t)f->master.sport << 16 | f->master.dport;
	x->m.master_l4proto = f->master_l4proto;
}

static void pack_seqadj(struct flow_extra *x, const struct flow *f)
{
	for (size_t i = 0; i < 2; i++) {
		x->seqadj[3 * i] = f->seqadj[i].correction_pos;
		x->seqadj[3 * i + 1] = (uint32_t)f->seqadj[i].offset_before;
		x->seqadj[3 * i + 2] = (uint32_t)f->seqadj[i].offset_after;
	}
	x->m.n_seqadj = 6;
	x->m.seqadj = x->seqadj;
}

static void pack_synproxy(struct flow_extra *x, const struct flow *f)
{
	x->synproxy[0] = f->synproxy.isn;
	x->synproxy[1] = f->synproxy.its;
	x->synproxy[2] = f->synproxy.tsoff;
	x->m.n_synproxy = 3;
	x->m.synproxy = x->synproxy;
}

static void pack_sctp(struct flow_extra *x, const struct flow *f)
{
	memcpy(x->vtag, f->sctp_vtag, sizeof(x->vtag));
	x->m.n_sctp_vtag = 2;
	x->m.sctp_vtag = x->vtag;
	x->m.sctp_state = f->sctp_state;
}

void flow_extra_pack(struct flow_extra *x, const struct flow *f)
{
	statesync__flow_extra__init(&x->m);
	x->m.zone_dir = f->zone_dir;
	if (f->has & FLOW_HAS_LABELS)
		x->m.labels = data(x->labels, f->labels, sizeof(f->labels));
	if (f->has & FLOW_HAS_HELPER) {
		memcpy(x->helper, f->helper, sizeof(x->helper));
		x->m.helper = x->helper;
	}
	if (f->has & FLOW_HAS_MASTER)
		pack_master(x, f);
	if (f->has & FLOW_HAS_SEQADJ)
		pack_seqadj(x, f);
	if (f->has & FLOW_HAS_SYNPROXY)
		pack_synproxy(x, f);
	if (f->has & FLOW_HAS_SCTP)
		pack_sctp(x, f);
}

/* --- from the message ----------------------------------------------------- */

static bool unpack_labels(const Statesync__FlowExtra *m, struct flow *f)
{
	if (m->labels.len == 0)
		return true;
	if (m->labels.len != sizeof(f->labels))
		return false;
	memcpy(f->labels, m->labels.data, sizeof(f->labels));
	f->has |= FLOW_HAS_LABELS;
	return true;
}

static bool unpack_helper(const Statesync__FlowExtra *m, struct flow *f)
{
	size_t len = strlen(m->helper);

	if (len == 0)
		return true;
	if (len >= sizeof(f->helper))
		return false;
	memcpy(f->helper, m->helper, len);
	f->has |= FLOW_HAS_HELPER;
	return true;
}

static bool unpack_master(const Statesync__FlowExtra *m, struct flow *f)
{
	size_t len = flow_addr_len(f->family);

	if (m->master_src.len == 0 && m->master_dst.len == 0)
		return true;
	if (m->master_src.len != len || m->master_dst.len != len ||
	    m->master_l4proto > UINT8_MAX)
		return false;
	memcpy(f->master.src.b, m->master_src.data, len);
	memcpy(f->master.dst.b, m->master_dst.data, len);
	f->master.sport = (uint16_t)(m->master_ports >> 16);
	f->master.dport = (uint16_t)m->master_ports;
	f->master_l4proto = (uint8_t)m->master_l4proto;
	f->has |= FLOW_HAS_MASTER;
	return true;
}

static bool unpack_seqadj(const Statesync__FlowExtra *m, struct flow *f)
{
	if (m->n_seqadj == 0)
		return true;
	if (m->n_seqadj != 6)
		return false;
	for (size_t i = 0; i < 2; i++) {
		f->seqadj[i].correction_pos = m->seqadj[3 * i];
		f->seqadj[i].offset_before = (int32_t)m->seqadj[3 * i + 1];
		f->seqadj[i].offset_after = (int32_t)m->seqadj[3 * i + 2];
	}
	f->has |= FLOW_HAS_SEQADJ;
	return true;
}

static bool unpack_synproxy(const Statesync__FlowExtra *m, struct flow *f)
{
	if (m->n_synproxy == 0)
		return true;
	if (m->n_synproxy != 3)
		return false;
	f->synproxy.isn = m->synproxy[0];
	f->synproxy.its = m->synproxy[1];
	f->synproxy.tsoff = m->synproxy[2];
	f->has |= FLOW_HAS_SYNPROXY;
	return true;
}

static bool unpack_sctp(const Statesync__FlowExtra *m, struct flow *f)
{
	if (m->n_sctp_vtag == 0)
		return true;
	if (m->n_sctp_vtag != 2 || m->sctp_state > UINT8_MAX)
		return false;
	memcpy(f->sctp_vtag, m->sctp_vtag, sizeof(f->sctp_vtag));
	f->sctp_state = (uint8_t)m->sctp_state;
	f->has |= FLOW_HAS_SCTP;
	return true;
}

bool flow_extra_unpack(const Statesync__FlowExtra *m, struct flow *f)
{
	if (m->zone_dir > FLOW_ZONE_REPLY)
		return false;
	f->zone_dir = (uint8_t)m->zone_dir;
	return unpack_labels(m, f) && unpack_helper(m, f) &&
	       unpack_master(m, f) && unpack_seqadj(m, f) &&
	       unpack_synproxy(m, f) && unpack_sctp(m, f);
}
