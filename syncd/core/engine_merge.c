/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whose word counts where two nodes work: the later master's (rules 9). Each
 * node numbers its mastership one higher than every number it has heard of,
 * and says it in its words; so a node that took over from another one, or was
 * handed something, comes after it, and no clock is asked. What follows for
 * one flow is merge.c's. Invariant: of two nodes that have heard each other
 * one prevails, and both know which.
 */
#include "engine_int.h"

#include <string.h>

void engine_merge_masters(struct engine *e, unsigned masters)
{
	if (masters <= e->masters)
		return;
	for (unsigned i = 0; i < e->npeers; i++)
		if (e->owner < e->peers[i].word.owner)
			e->owner = e->peers[i].word.owner;
	e->owner++;
	engine_peer_say_word(e);
}

enum flow_merge engine_merge(const struct engine *e, unsigned peer)
{
	const struct engine_peer *p = &e->peers[peer];
	bool prevails;

	/* two that work, both or each beside this one, may see one flow; who
	 * alone tells is right, also of copies that are marked */
	if (!e->masters && !(engine_all_work(e) && engine_others_tell(e, peer)))
		return FLOW_MERGE_NOT;
	/* two that did not hear each other may have the same number */
	prevails = e->owner != p->word.owner ? e->owner > p->word.owner
					     : strcmp(e->node, p->name) < 0;
	return prevails ? FLOW_MERGE_PREVAIL : FLOW_MERGE_YIELD;
}
