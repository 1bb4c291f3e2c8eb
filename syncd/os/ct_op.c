/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One change for the kernel's table: which message next, and which result at
 * the end. On a standby what is told goes over what is there; where flows pass
 * it is looked at first, and core/merge.h decides. Sends nothing.
 *
 * Text: nf_conntrack_netlink.c (ctnetlink_new_conntrack and below),
 * nf_conntrack_core.c (nf_conntrack_hash_check_insert); CTNETLINK.md 1, 2.
 *
 * Invariant: after STEPS_MAX answers it has a result, whatever they were.
 */
#include "ct_op.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "ct_inject.h"
#include "ct_result.h"
#include "merge.h"

/* Who still has no result after so many steps meets a moving target. */
#define STEPS_MAX 8

static void done(struct ct_op *s, enum flow_result result)
{
	s->stage = CT_DONE;
	s->result = result;
}

/*
 * CT_DONE when it makes no sense. Copies come by the thousand, and either most
 * of them are there already or none: so it begins with what the last one met.
 */
static enum ct_stage first_stage(const struct flow_change *c,
				 const struct ct_inject *in)
{
	const struct flow *f = &c->flow;

	if (flow_addr_len(f->family) == 0 || (c->merge && !in->timeouts))
		return CT_DONE;
	switch (c->op) {
	case FLOW_NEW:
	case FLOW_UPDATE:
	case FLOW_COPY:
		if (!ct_result_possible(f))
			return CT_DONE;
		if (c->merge || (c->op == FLOW_COPY && in->copies_known))
			return CT_LOOK;
		return c->op == FLOW_UPDATE ? CT_UPDATE : CT_CREATE;
	case FLOW_DESTROY:
		return c->merge ? CT_LOOK : CT_DELETE;
	case FLOW_TIMEOUT:
		return f->has & FLOW_HAS_TIMEOUT ? CT_TIMEOUT : CT_DONE;
	}
	return CT_DONE;
}

void ct_op_begin(struct ct_op *s, const struct flow_change *c,
		 const struct ct_inject *in)
{
	*s = (struct ct_op){ .stage = first_stage(c, in),
			     .result = FLOW_INVALID };
}

const struct flow *ct_op_flow(const struct ct_op *s,
			      const struct flow_change *c, struct flow *less)
{
	bool merged = c->merge && s->stage == CT_UPDATE;

	return ct_helper_without(&s->less, merged ? &s->entry : &c->flow, less);
}

/* As told, or without what this kernel lacks. */
static void applied(struct ct_op *s, const struct flow_change *c,
		    struct ct_inject *in)
{
	bool helper = s->less.without & FLOW_HAS_HELPER;

	in->orphans += !!(s->less.without & FLOW_HAS_MASTER);
	if (helper)
		memcpy(in->helper, c->flow.helper, sizeof(in->helper));
	done(s, s->ousts && s->stage != CT_UPDATE ? FLOW_OUSTED
		: helper			  ? FLOW_HELPER
						  : FLOW_APPLIED);
}

static enum flow_result failure(struct ct_inject *in, int error)
{
	return ct_result_of(error, &in->last_errno);
}

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ETIME;
}

/* --- as it is told --------------------------------------------------------- */

static bool same_connection(const struct ct_op *s, const struct flow *f)
{
	return s->found && flow_same_key(&s->entry, f) &&
	       flow_tuple_equal(&s->entry.reply, &f->reply) &&
	       s->entry.zone == f->zone && s->entry.zone_dir == f->zone_dir &&
	       ct_helper_same(f, &s->entry);
}

/* A full table has room for one in the place of another. */
static enum ct_stage after_create(struct ct_op *s, const struct flow_change *c,
				  struct ct_inject *in)
{
	if (s->error == -EEXIST)
		s->taken = true;
	else if (s->error == -ENOMEM && !s->full && c->op != FLOW_UPDATE)
		s->full = true;
	else
		return CT_DONE;
	if (c->op == FLOW_NEW)
		return CT_REPLACE;
	in->copies_known |= s->taken;
	return CT_LOOK;
}

/*
 * What was found under the original tuple: the same connection is updated,
 * another one replaced. Where nothing was found but creation was refused, the
 * reply tuple is taken, or there is no room.
 */
static enum ct_stage after_look(struct ct_op *s, const struct flow_change *c,
				struct ct_inject *in)
{
	if (is_gone(s->error) && s->full)
		s->error = -ENOMEM;
	if (s->error == -ENOENT && !s->taken) {
		in->copies_known = false;
		return CT_CREATE;
	}
	if (s->error && s->error != -ENOENT)
		return CT_DONE;
	if (s->error || !same_connection(s, &c->flow))
		return CT_REPLACE;
	s->looked = true;
	return CT_UPDATE;
}

static enum ct_stage after_update(const struct ct_op *s)
{
	if (is_gone(s->error))
		return CT_CREATE;
	/* It has seen more than ours, and bits cannot be cleared: unless it is
	 * only EXPECTED, another incarnation. */
	if (s->error == -EBUSY)
		return s->looked ? CT_REPLACE : CT_LOOK;
	/* Its timeout was fixed by somebody, for the life of the entry. */
	return s->error == -EPERM ? CT_REPLACE : CT_DONE;
}

/* The stage after an answer that is not final; CT_DONE if there is none. */
static enum ct_stage next_stage(struct ct_op *s, const struct flow_change *c,
				struct ct_inject *in)
{
	switch (s->stage) {
	case CT_CREATE:
		return after_create(s, c, in);
	case CT_UPDATE:
		return after_update(s);
	case CT_LOOK:
		return after_look(s, c, in);
	case CT_REPLACE:
		return s->error == -EEXIST ? CT_REPLACE : CT_DONE;
	case CT_LOOK_REPLY:
	case CT_DELETE:
	case CT_DELETE_REPLY:
	case CT_TIMEOUT:
	case CT_LABELS:
	case CT_DONE:
		break;
	}
	return CT_DONE;
}

/* --- merged ------------------------------------------------------------------ */

static void decided(struct ct_op *s, enum merge_do what)
{
	switch (what) {
	case MERGE_SAME:
		done(s, FLOW_APPLIED);
		return;
	case MERGE_STALE:
		done(s, FLOW_KEPT);
		return;
	case MERGE_CLASH:
		done(s, FLOW_CLASH);
		return;
	case MERGE_WRITE:
		s->stage = CT_UPDATE;
		return;
	case MERGE_DELETE:
		s->stage = CT_DELETE;
		return;
	case MERGE_OUST:
	case MERGE_REPLACE:
		s->ousts = what == MERGE_OUST;
		s->stage = CT_REPLACE;
		return;
	}
}

static void merged_look(struct ct_op *s, const struct flow_change *c,
			struct ct_inject *in)
{
	struct flow found = s->entry;

	if (s->error == -ENOENT && (c->op == FLOW_DESTROY || c->late))
		done(s, FLOW_GONE);
	else if (s->error == -ENOENT)
		s->stage = s->taken ? CT_LOOK_REPLY : CT_CREATE;
	else if (s->error)
		done(s, failure(in, s->error));
	else if (!s->found) /* one that we cannot say */
		done(s, FLOW_CLASH);
	else
		decided(s, merge_found(c, &found, in->timeouts, &s->entry));
}

static void merged_look_reply(struct ct_op *s, const struct flow_change *c,
			      struct ct_inject *in)
{
	s->taken = false;
	if (s->error == -ENOENT)
		s->stage = CT_CREATE;
	else if (s->error)
		done(s, failure(in, s->error));
	else if (!s->found)
		done(s, FLOW_CLASH);
	else
		decided(s, merge_taken(c, &s->entry, in->timeouts));
}

/* A packet may have come between a look and what follows: it looks again. */
static void merged_next(struct ct_op *s, const struct flow_change *c,
			struct ct_inject *in)
{
	bool moved = s->error == -EEXIST || s->error == -EBUSY ||
		     s->error == -EPERM || is_gone(s->error);

	switch (s->stage) {
	case CT_LOOK:
		merged_look(s, c, in);
		return;
	case CT_LOOK_REPLY:
		merged_look_reply(s, c, in);
		return;
	case CT_CREATE:
	case CT_UPDATE:
	case CT_REPLACE:
		s->taken = s->stage == CT_CREATE && s->error == -EEXIST;
		if (!s->error)
			applied(s, c, in);
		else if (moved)
			s->stage = CT_LOOK;
		else
			done(s, failure(in, s->error));
		return;
	case CT_DELETE:
	case CT_DELETE_REPLY:
	case CT_TIMEOUT:
	case CT_LABELS:
	case CT_DONE:
		return;
	}
}

/* --- labels -------------------------------------------------------------------- */

/*
 * A kernel that keeps no labels makes an entry without them and says nothing
 * (ctnetlink_new_conntrack), but it refuses them to one that is there. What
 * holds for one holds for all: one of a call is asked about while it is yes.
 */
static bool asks_labels(const struct ct_op *s, const struct flow_change *c,
			struct ct_inject *in)
{
	bool created = s->stage == CT_CREATE || s->stage == CT_REPLACE;

	if (s->error || !created || !(c->flow.has & FLOW_HAS_LABELS) ||
	    (in->labels_asked && in->labels_kept))
		return false;
	return in->labels_asked = true;
}

/* Labels come last: where they are refused all else was applied. */
static bool ends_by_labels(struct ct_op *s, const struct flow_change *c,
			   struct ct_inject *in)
{
	bool refused = s->error == -ENOSPC;

	if (s->stage != CT_LABELS && !(s->stage == CT_UPDATE && refused))
		return false;
	in->labels_kept = s->error == 0;
	if (refused)
		done(s, FLOW_LABELS);
	else
		applied(s, c, in);
	return true;
}

/* --- both ---------------------------------------------------------------------- */

/* The same once more, less a helper or master that this kernel lacks. */
static bool does_without(struct ct_op *s, const struct flow_change *c)
{
	struct flow less;

	if (s->stage == CT_LOOK || s->stage == CT_LOOK_REPLY)
		return false;
	return ct_helper_do_without(
		&s->less, ct_op_flow(s, c, &less),
		s->stage == CT_CREATE || s->stage == CT_REPLACE, s->error);
}

static void answered(struct ct_op *s, const struct flow_change *c,
		     struct ct_inject *in)
{
	bool idle = s->stage == CT_DELETE || s->stage == CT_TIMEOUT;
	bool looks = s->stage == CT_LOOK;
	enum ct_stage next;

	if (ends_by_labels(s, c, in))
		return;
	if (asks_labels(s, c, in)) {
		s->stage = CT_LABELS;
		return;
	}
	if (does_without(s, c))
		return;
	/* GRE's timeout is a fixed one, of our own doing (ct_put_create) */
	if (s->stage == CT_TIMEOUT && s->error == -EPERM &&
	    c->flow.l4proto == IPPROTO_GRE) {
		s->stage = CT_REPLACE;
		return;
	}
	if (idle && is_gone(s->error)) {
		done(s, FLOW_GONE);
	} else if (idle && s->error) {
		done(s, failure(in, s->error));
	} else if (idle || (!c->merge && !s->error && !looks)) {
		applied(s, c, in);
	} else if (c->merge) {
		merged_next(s, c, in);
	} else {
		next = next_stage(s, c, in);
		if (next == CT_DONE)
			done(s, failure(in, s->error));
		else
			s->stage = next;
	}
}

void ct_op_answered(struct ct_op *s, const struct flow_change *c,
		    struct ct_inject *in)
{
	/* a module came or went while the entry was made: once more, where the
	 * kernel does not do that itself (nf_ct_ext_valid_pre) */
	bool again = s->error == -EAGAIN || s->error == -ETIMEDOUT;

	if (!again)
		answered(s, c, in);
	if (s->stage != CT_DONE && ++s->steps == STEPS_MAX)
		done(s, again ? failure(in, s->error) : FLOW_CLASH);
}
