// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * How the nodes are, in words, for who reads the trace of a series that failed.
 * Invariant: it only looks.
 */
#include "sim.h"

#include <stdio.h>

/* In ms from now; "-": never. */
static const char *in_ms(char text[24], mono_t at, mono_t now)
{
	if (mono_is_never(at))
		return "-";
	snprintf(text, 24, "%lld ms",
		 (long long)(mono_diff(at, now) / MONO_MS));
	return text;
}

static void describe_vhost(const struct sim *s, const struct sim_node *n,
			   unsigned k)
{
	const struct engine_vhost *v = &n->engine->vhosts[k];
	char down[2][24], heard[24];

	sim_say(s,
		"   %s: %s%s%s, demotion %u, no advert since %s, silence ends "
		"in %s, %s%s%s%s",
		v->name, carp_state_name(v->carp.state),
		v->held ? ", held" : "", v->unheard ? ", unheard" : "",
		v->carp.env.demotion,
		v->heard_at.ns ? in_ms(heard, v->heard_at, sim_time(n, s->now))
			       : "ever",
		in_ms(down[0], v->carp.master_down[CARP_V4],
		      sim_time(n, s->now)),
		in_ms(down[1], v->carp.master_down[CARP_V6],
		      sim_time(n, s->now)),
		v->carp.env.second ? ", second" : "",
		v->carp.env.behind ? ", behind" : "",
		v->no_preempt ? ", preempts not" : "");
}

static void describe_peer(const struct sim *s, const struct engine *e,
			  unsigned k)
{
	static const char *const tx[] = { "nothing", "a bulk", "the stream" };
	static const char *const rx[] = { "idle", "marks", "asked", "runs",
					  "sweeps" };
	const struct engine_peer *p = &e->peers[k];

	sim_say(s,
		"   of %s: %s%s, told %s of epoch %llu (it has %llu), %llu of "
		"%llu frames acknowledged; its epoch %llu, here %llu, bulk %s"
		"%s%s",
		p->name,
		p->live ? "live"
		: p->up ? "up"
			: "down",
		p->heard ? "" : " and not heard", tx[p->tx.state],
		(unsigned long long)p->tx.epoch,
		(unsigned long long)p->word.rx_epoch,
		(unsigned long long)session_seq_acked(p->session),
		(unsigned long long)session_seq_sent(p->session),
		(unsigned long long)p->word.tx_epoch,
		(unsigned long long)p->rx.epoch, rx[p->rx.state],
		p->rx.gap[0] ? ", gap: " : "", p->rx.gap);
}

void sim_describe(const struct sim *s)
{
	for (unsigned i = 0; s->conf.verbose && i < s->nodes; i++) {
		const struct sim_node *n = &s->node[i];
		const struct engine *e = n->engine;

		if (!e) {
			sim_say(s, "%s does not run", n->name);
			continue;
		}
		sim_say(s,
			"%s%s: %zu entries, holds 0x%x%s, demotion %u, "
			"handover %d, dump %d%s%s%s",
			n->name,
			mono_due(n->frozen_until, s->now) ? "" : " (asleep)",
			n->kernel.n, e->gate.holds,
			e->env.holding ? " (holding)" : "",
			demotion_total(&e->demotion), (int)e->handover.state,
			e->dump_running ? (int)e->dump : 0,
			e->legacy ? ", legacy" : "", e->torn ? ", torn" : "",
			e->raise ? ", raises" : "");
		for (unsigned k = 0; k < s->conf.vhosts; k++)
			describe_vhost(s, n, k);
		for (unsigned k = 0; k < e->npeers; k++)
			describe_peer(s, e, k);
	}
}
