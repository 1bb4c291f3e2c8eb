/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * After a takeover: each entry of a copy gets the time that its state deserves,
 * and the old master what it may have lost; and there, after a handover, what
 * was its own gets a copy's time. The dump that comes by is engine_dump.c's.
 *
 * Implements rules 7. Invariant: nothing is told here that an event has told
 * otherwise since it was read.
 */
#include "engine_int.h"
#include "merge.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>

/* At most so long after its time is a flow taken out of its flowtable. */
#define FLOWTABLE_REST_S 5
/* What lives longer does not run out before the old master has raised it. */
#define SHORT_S 600

static const uint8_t key[DIGEST_KEY_LEN] = "lower: changed.";

/* --- times --------------------------------------------------------------- */

/* What it deserves after a takeover; a bulk that was broken off may have cut it.
 * Where several nodes work most are copies still, and are seen to be. */
static uint32_t deserved(const struct engine *e, const struct flow *f)
{
	uint32_t nominal = timeouts_nominal(&e->timeouts, f);
	uint32_t most = timeouts_raised(&e->timeouts, f);

	if (!engine_all_work(e) || f->status & IPS_FIXED_TIMEOUT)
		return nominal;
	if (e->marked && f->timeout_s <= TIMEOUT_SUSPECT_S &&
	    (f->timeout_s > nominal || nominal > TIMEOUT_SUSPECT_S))
		return timeouts_copy(&e->timeouts, f);
	return f->timeout_s < most ? f->timeout_s : most;
}

/* No timeout is longer than its state deserves, whichever dump comes by first;
 * those that a bulk marked and never reached get theirs back, and TCP is
 * liberal (FLOW_TIMEOUT). */
void engine_lower(struct engine *e, const struct flow *f)
{
	uint32_t timeout_s = deserved(e, f);

	/* in a flowtable: the kernel keeps and ends it by that one's time */
	if (f->status & (IPS_OFFLOAD | IPS_HW_OFFLOAD))
		return;
	/* its packet gave it the time of a state that is not seen here; but did
	 * not make it liberal */
	if (engine_lower_outdated(e, f)) {
		if (!e->windows_old || f->l4proto != IPPROTO_TCP)
			return;
		timeout_s = timeout_s < SHORT_S ? SHORT_S : timeout_s;
	}
	if (f->timeout_s > timeout_s ||
	    (f->status & IPS_FIXED_TIMEOUT && f->timeout_s < timeout_s / 2) ||
	    (e->windows_old && f->l4proto == IPPROTO_TCP) ||
	    (e->marked && f->timeout_s <= TIMEOUT_SUSPECT_S &&
	     timeout_s > TIMEOUT_SUSPECT_S))
		engine_op(e, FLOW_TIMEOUT, f, timeout_s);
}

/*
 * A flowtable gives what passes in it a day. When nothing passes any more the
 * kernel takes it out, and leaves it less than its nominal time, whatever it
 * has been given meanwhile (flow_offload_fixup_ct).
 */
void engine_raise_again(struct engine *e, const struct flow *f, mono_t now)
{
	int64_t after_s = e->timeouts.flowtable + FLOWTABLE_REST_S;

	if (f->status & (IPS_OFFLOAD | IPS_HW_OFFLOAD))
		e->raise_at = mono_add(now, after_s * MONO_S);
}

/* What was ours as master's a moment ago is a copy now: nothing refreshes it
 * here, and its windows stand still while it goes on over there. Or it may be:
 * where we are master of others it is seen that it was ours. */
void engine_raise(struct engine *e, const struct flow *f, mono_t now)
{
	if (!e->raise_last)
		engine_raise_again(e, f, now);
	/* what was told since is a copy */
	if (!engine_all_work(e) && !engine_lower_outdated(e, f))
		engine_op(e, FLOW_TIMEOUT, f,
			  timeouts_standby(&e->timeouts, f, e->standby_s));
	else if (engine_all_work(e) && merge_fresh(f, &e->timeouts))
		engine_op(e, FLOW_TIMEOUT, f, timeouts_raised(&e->timeouts, f));
}

/* --- the old master ------------------------------------------------------ */

/* A dump that sets timeouts runs: no other asks what has changed. */
static bool sets_timeouts(const struct engine *e)
{
	return e->dump_running &&
	       (e->dump == DUMP_LOWER || e->dump == DUMP_RAISE ||
		e->dump == DUMP_ANSWER ||
		(e->dump == DUMP_BULK && e->bulk_lowers));
}

void engine_lower_changed(struct engine *e, const struct flow *f)
{
	if (sets_timeouts(e) &&
	    !audit_tuples_add(&e->changed, digest_tuple(key, f)))
		e->changed_many = true;
}

bool engine_lower_outdated(const struct engine *e, const struct flow *f)
{
	return e->changed.n &&
	       audit_tuples_has(&e->changed, digest_tuple(key, f));
}

void engine_lower_chunk(struct engine *e)
{
	e->changed.n = 0;
	e->changed_many = false;
}

/*
 * An old master raises its entries when it has handed over, and those that had
 * little time left have run out before that: some of them go on here, and have
 * no event that would say so. What changed since the kernel filled this chunk
 * was told then, and is not as it stands here.
 */
void engine_lower_tell(struct engine *e, const struct flow *f, mono_t now)
{
	const struct flow_change c = { .op = FLOW_COPY, .flow = *f };

	if (engine_all_work(e) || engine_sync_silent(e) || e->windows_old ||
	    e->changed_many || timeouts_nominal(&e->timeouts, f) > SHORT_S ||
	    !audit_compares(f) || engine_lower_outdated(e, f))
		return;
	engine_audit_touch(e, f);
	for (unsigned i = 0; i < e->npeers; i++)
		if (engine_tx_in_sync(e, i) &&
		    session_tell(e->peers[i].session, &c, now))
			engine_sync_gap(e, i, "memory is short", now);
}
