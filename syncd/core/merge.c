/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two nodes that both see packets of a flow, and one entry for it on each.
 * There is no place in the kernel's table for who owns a flow, so it is read
 * from the timeout: whoever saw the last packet has the nominal one, a copy
 * has more. Not here: which node's word counts in a clash (engine_merge.c).
 *
 * Implements rules 9. Invariant: what passes here never goes back: not its
 * TCP state, and no bit of its status, but for a new incarnation.
 */
#include "merge.h"

#include <netinet/in.h> /* before linux/in.h */
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include "destroys.h"

/* Bits that a peer tells and that are only added. */
#define STATUS_ADDED (IPS_SEEN_REPLY | IPS_ASSURED)
#define LIBERAL	     IP_CT_TCP_FLAG_BE_LIBERAL

/* The kernel numbers the states of a connection's life in their order, but
 * for the one in which both sides have sent a SYN, and those of SCTP that
 * begin a path anew and end an association. */
static unsigned rank(const struct flow *f)
{
	if (f->l4proto == IPPROTO_SCTP) {
		if (f->sctp_state == SCTP_CONNTRACK_CLOSED)
			return SCTP_CONNTRACK_MAX;
		if (f->sctp_state >= SCTP_CONNTRACK_HEARTBEAT_SENT)
			return SCTP_CONNTRACK_COOKIE_WAIT;
		return f->sctp_state;
	}
	if (f->l4proto != IPPROTO_TCP)
		return 0;
	if (f->tcp_state == TCP_CONNTRACK_SYN_SENT2)
		return TCP_CONNTRACK_SYN_SENT;
	return f->tcp_state;
}

static unsigned established(const struct flow *f)
{
	return f->l4proto == IPPROTO_SCTP ? (unsigned)SCTP_CONNTRACK_ESTABLISHED
					  : TCP_CONNTRACK_ESTABLISHED;
}

static bool closing(const struct flow *f)
{
	return rank(f) > established(f);
}

static bool same_connection(const struct flow *a, const struct flow *b)
{
	return flow_same_key(a, b) && flow_tuple_equal(&a->reply, &b->reply) &&
	       a->zone == b->zone && a->zone_dir == b->zone_dir;
}

/* A flowtable's flows have a day, and somebody may have set more. */
static bool passed(const struct flow *f, const struct flow_timeouts *t,
		   uint32_t most)
{
	return f->status & (IPS_OFFLOAD | IPS_HW_OFFLOAD) ||
	       f->timeout_s <= timeouts_nominal(t, f) || f->timeout_s > most;
}

bool merge_mine(const struct flow *f, const struct flow_timeouts *t)
{
	return passed(f, t, timeouts_copy(t, f));
}

bool merge_fresh(const struct flow *f, const struct flow_timeouts *t)
{
	return passed(f, t, timeouts_raised(t, f));
}

enum merge_do merge_taken(const struct flow_change *told,
			  const struct flow *holder,
			  const struct flow_timeouts *t)
{
	if (told->merge == FLOW_MERGE_ADD)
		return MERGE_STALE;
	if (closing(holder) || !merge_mine(holder, t))
		return MERGE_REPLACE;
	return told->merge == FLOW_MERGE_PREVAIL ? MERGE_CLASH : MERGE_OUST;
}

/*
 * One that ran out there for want of packets, or whose port was used again
 * there, is over if none passed here; what somebody deleted is over anyway.
 */
static enum merge_do ended(const struct flow *told, const struct flow *found,
			   const struct flow_timeouts *t)
{
	bool ran_out = !(told->has & FLOW_HAS_TIMEOUT);
	bool reused = !ran_out && destroys_ended(told);

	if (!same_connection(told, found))
		return MERGE_STALE;
	if ((ran_out || reused) && merge_fresh(found, t) &&
	    !(reused && closing(found)))
		return MERGE_STALE;
	return MERGE_DELETE;
}

/* A helper or a master can be given to a new entry only. */
static bool lacks(const struct flow *found, const struct flow *told)
{
	return told->has & (FLOW_HAS_HELPER | FLOW_HAS_MASTER) & ~found->has;
}

/*
 * The peer's connection has the tuples of one that is over: its kernel has made
 * it anew, and nothing passed here; or a SYN came where it was closing. A copy
 * in its table may be older than what we saw.
 */
static bool is_another(const struct flow_change *told, const struct flow *found,
		       bool mine)
{
	if (told->op == FLOW_NEW)
		return !mine || (closing(found) &&
				 rank(&told->flow) < established(found));
	return told->op == FLOW_COPY && !mine &&
	       (lacks(found, &told->flow) ||
		(closing(found) && !closing(&told->flow)));
}

static bool goes_on(const struct flow_change *told, const struct flow *found,
		    bool mine)
{
	if (rank(&told->flow) <= rank(found))
		return false;
	/* an entry that lingers there may be of the connection before */
	return !(told->op == FLOW_COPY && mine && closing(&told->flow));
}

static void take_state(struct flow *out, const struct flow *told)
{
	out->tcp_state = told->tcp_state;
	out->sctp_state = told->sctp_state;
	memcpy(out->sctp_vtag, told->sctp_vtag, sizeof(out->sctp_vtag));
	for (int i = 0; i < 2; i++) {
		if (told->tcp_flags[i] & IP_CT_TCP_FLAG_WINDOW_SCALE)
			out->tcp_wscale[i] = told->tcp_wscale[i];
		out->tcp_flags[i] |= told->tcp_flags[i];
	}
}

/* A mark of 0 is none; of two the one that the later master has set. */
static uint32_t mark(const struct flow_change *told, const struct flow *found,
		     bool mine, bool older)
{
	if (mine && found->mark &&
	    (older || !told->flow.mark || told->merge == FLOW_MERGE_PREVAIL))
		return found->mark;
	return told->flow.mark;
}

/* Bit by bit they are only added, as they are by rules. */
static bool add_labels(struct flow *out, const struct flow *told)
{
	bool more = false;

	for (int i = 0; told->has & FLOW_HAS_LABELS && i < FLOW_LABELS_BYTES;
	     i++) {
		more |= (told->labels[i] & ~out->labels[i]) != 0;
		out->labels[i] |= told->labels[i];
	}
	out->has |= told->has & FLOW_HAS_LABELS;
	return more;
}

/* Lengths that a helper changed go on with the packets. What passes here has
 * its own, and no helper that must take up its reading anew. */
static bool take_lengths(struct flow *out, const struct flow *told, bool mine)
{
	bool known = out->has & FLOW_HAS_SEQADJ;

	out->has &= (uint8_t)~FLOW_HAS_SEQADJ;
	if (mine)
		out->has &= (uint8_t)~FLOW_HAS_HELPER;
	if (mine || !(told->has & FLOW_HAS_SEQADJ))
		return false;
	out->has |= FLOW_HAS_SEQADJ;
	known &= !memcmp(out->seqadj, told->seqadj, sizeof(out->seqadj));
	memcpy(out->seqadj, told->seqadj, sizeof(out->seqadj));
	return !known;
}

/* Windows stand still here while it goes on there (CTNETLINK.md 3). */
static bool is_liberal(const struct flow *f)
{
	return f->l4proto != IPPROTO_TCP ||
	       f->tcp_flags[0] & f->tcp_flags[1] & LIBERAL;
}

/* Whose a flow is that both nodes have. */
struct whose {
	bool fresh; /* a packet passed here, not long ago */
	bool mine;  /* the last one did, so far as what was told can say */
	bool newer; /* the peer's state goes on from ours */
};

/* The same connection, with what the peer knows of it; true if that changes
 * anything. */
static bool join(const struct flow_change *told, const struct flow *found,
		 struct whose is, struct flow *out)
{
	const struct flow *f = &told->flow;
	bool mine = is.mine, newer = is.newer, more;
	bool older = !newer && rank(f) != rank(found);
	/* it passes here by now, and its mark is of a packet here */
	bool left = told->op == FLOW_COPY && told->raised && is.fresh;
	/* a table is no packet: the flow is not the peer's because of it */
	bool copied = told->op == FLOW_COPY && mine && !newer;

	*out = *found;
	out->status |= f->status & STATUS_ADDED;
	out->mark = mark(told, found, mine, older || left);
	out->timeout_s = f->timeout_s;
	more = add_labels(out, f);
	more |= take_lengths(out, f, mine);
	if (newer)
		take_state(out, f);
	else
		out->tcp_state = TCP_CONNTRACK_NONE;
	if (older || copied || found->status & IPS_FIXED_TIMEOUT ||
	    (!newer && mine && f->timeout_s <= found->timeout_s) ||
	    f->timeout_s == found->timeout_s)
		out->has &= (uint8_t)~FLOW_HAS_TIMEOUT;
	return newer || more || out->has & FLOW_HAS_TIMEOUT ||
	       out->status != found->status || out->mark != found->mark ||
	       !(copied || is_liberal(found));
}

enum merge_do merge_found(const struct flow_change *told,
			  const struct flow *found,
			  const struct flow_timeouts *t, struct flow *out)
{
	struct whose is = { .fresh = merge_fresh(found, t) };

	if (told->op == FLOW_DESTROY)
		return ended(&told->flow, found, t);
	if (!same_connection(&told->flow, found))
		return merge_taken(told, found, t);
	if (told->merge == FLOW_MERGE_ADD)
		return MERGE_SAME;
	/* a table's word is weaker than an event's: that came after */
	is.mine = told->op == FLOW_COPY ? merge_mine(found, t) : is.fresh;
	if (is_another(told, found, is.mine))
		return MERGE_REPLACE;
	is.newer = goes_on(told, found, is.mine);
	if (join(told, found, is, out))
		return MERGE_WRITE;
	return is.newer || rank(&told->flow) == rank(found) ? MERGE_SAME
							    : MERGE_STALE;
}
