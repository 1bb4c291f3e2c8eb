// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A series of the election: who takes part, what befalls them, and the end,
 * when everything is mended and the best one has to be the only master and to
 * stay so. Invariant: at the end nothing is lost, cut, frozen or failing any
 * more; what then goes wrong is the election's own fault.
 */
#include "carp_sim.h"

#include <string.h>

/* --- who takes part -------------------------------------------------------- */

static uint64_t dice_to(struct cs_sim *dice, uint64_t n)
{
	return cs_random(dice, n + 1);
}

static bool has_kind(const struct cs_conf *c, enum cs_kind kind)
{
	for (unsigned i = 0; i < c->nodes; i++)
		if (c->node[i].kind == kind)
			return true;
	return false;
}

static bool is_taken(const struct cs_conf *c, unsigned n, unsigned k,
		     unsigned skew)
{
	for (unsigned i = 0; i < n; i++)
		if (c->node[i].advskew[k] == skew)
			return true;
	return false;
}

/*
 * Less than a factor of three between them, or a master-down time of one is
 * over before the advert of the other comes. Ours may be equal; who is equal
 * to another system's node is no question for us to answer.
 */
static void draw_skews(struct cs_conf *c, struct cs_sim *dice, uint8_t advbase)
{
	static const uint8_t least[] = { 2, 5, 10, 20, 64, 100 };
	unsigned low = advbase ? 0 : least[cs_random(dice, 6)];
	unsigned range = cs_chance(dice, 30) ? 1 : advbase ? 200 : low;
	bool equals = cs_chance(dice, 25);

	if (!advbase && low < c->nodes)
		low = range = c->nodes;
	for (unsigned i = 0; i < c->nodes; i++)
		for (unsigned k = 0; k < c->vhosts; k++) {
			unsigned skew = low + (unsigned)dice_to(dice, range);

			if (equals && i && c->node[i].kind == CS_OURS &&
			    c->node[0].kind == CS_OURS)
				skew = c->node[0].advskew[k];
			else
				while (is_taken(c, i, k, skew))
					skew++;
			c->node[i].advbase = advbase;
			c->node[i].advskew[k] = (uint8_t)skew;
		}
}

static void draw_kinds(struct cs_conf *c, struct cs_sim *dice)
{
	unsigned ours = (unsigned)cs_random(dice, c->nodes);

	if (cs_chance(dice, 50))
		return;
	for (unsigned i = 0; i < c->nodes; i++)
		if (i != ours && cs_chance(dice, 60))
			c->node[i].kind = (enum cs_kind)cs_random(dice, 4);
}

/* Delays in parts of an interval: it does not matter how long that is. */
static void draw_times(struct cs_conf *c, struct cs_sim *dice, uint8_t advbase)
{
	unsigned skew = 255;
	int64_t unit;

	for (unsigned i = 0; i < c->nodes; i++)
		for (unsigned k = 0; k < c->vhosts; k++)
			if (c->node[i].advskew[k] < skew)
				skew = c->node[i].advskew[k];
	unit = advbase * MONO_S + skew * (MONO_S / 256);
	/* equals that step down together rise apart by up to an eighth of an
	 * interval; what is slower than that makes them do it again */
	unit /= 400 * (1 + cs_random(dice, 3));
	c->delay_ns = (int64_t)dice_to(dice, (uint64_t)unit);
	c->jitter_ns = (int64_t)dice_to(dice, (uint64_t)unit);
	for (unsigned i = 0; i < c->nodes; i++) {
		struct cs_node_conf *n = &c->node[i];

		n->late_ns = (int64_t)dice_to(dice, (uint64_t)unit);
		if (n->kind == CS_UCARP)
			n->late_ns = 300 * MONO_MS;
		else if (n->kind == CS_OURS)
			n->take_ns = (int64_t)dice_to(dice, (uint64_t)unit);
	}
}

void cs_draw(struct cs_conf *c, uint64_t seed)
{
	/* of a world only its dice */
	static struct cs_sim dice;
	unsigned preempt;
	uint8_t advbase;

	dice.random = seed * 0x9e3779b97f4a7c15 ^ 0xca59;
	*c = (struct cs_conf){
		.seed = seed,
		.nodes = 2 + (unsigned)cs_random(&dice, CS_NODES - 1),
		.vhosts = 1 + (unsigned)cs_chance(&dice, 40),
		.one_lan = cs_chance(&dice, 50),
	};
	draw_kinds(c, &dice);
	for (unsigned k = 0; k < c->vhosts; k++)
		c->families[k] = has_kind(c, CS_UCARP)
					 ? 1 << CARP_V4
					 : 1 + (unsigned)cs_random(&dice, 3);
	advbase = (uint8_t)cs_random(&dice, cs_chance(&dice, 80) ? 2 : 4);
	if (!advbase && (has_kind(c, CS_UCARP) || has_kind(c, CS_FREEBSD)))
		advbase = 1;
	draw_skews(c, &dice, advbase);
	draw_times(c, &dice, advbase);
	preempt = (unsigned)cs_random(&dice, 3);
	for (unsigned i = 0; i < c->nodes; i++) {
		c->node[i].preempt =
			preempt == 2 ? cs_chance(&dice, 50) : preempt;
		c->node[i].v4 =
			0xc0000200 + (uint32_t)((i * 61 + seed) % 250 + 1);
	}
}

/* --- what befalls them ---------------------------------------------------------- */

enum misfortune {
	NOTHING,
	FREEZE,
	SLEEP,
	KILL,
	STOP,
	CARRIER,
	PARTITION,
	ONE_WAY,
	ONE_FAMILY,
	LOSS,
	DELAY,
	DEMOTE,
	TAKE_FAILS,
	MISFORTUNES
};

static unsigned lans(const struct cs_sim *s)
{
	return s->conf.one_lan ? 1 : s->conf.vhosts;
}

static unsigned any_node(struct cs_sim *s)
{
	return (unsigned)cs_random(s, s->conf.nodes);
}

static unsigned other_node(struct cs_sim *s, unsigned than)
{
	unsigned i = (unsigned)cs_random(s, s->conf.nodes - 1);

	return i + (i >= than);
}

static int64_t intervals(struct cs_sim *s, unsigned most)
{
	return (int64_t)cs_random(s, (uint64_t)cs_longest_ns(s) * most + 1);
}

static void cut(struct cs_sim *s, unsigned lan, unsigned a, unsigned b,
		unsigned families)
{
	for (unsigned f = 0; f < CARP_FAMILIES; f++)
		if (families >> f & 1)
			s->path[lan][a][b].cut[f] = true;
}

/* In two, each of which may be empty. */
static void partition(struct cs_sim *s, unsigned lan)
{
	unsigned side = (unsigned)cs_random(s, 1U << s->conf.nodes);

	cs_say(s, 1, "-- LAN %u in two: 0x%x and the others", lan, side);
	for (unsigned a = 0; a < s->conf.nodes; a++)
		for (unsigned b = 0; b < s->conf.nodes; b++)
			if ((side >> a & 1) != (side >> b & 1))
				cut(s, lan, a, b, 3);
}

static void lose(struct cs_sim *s, unsigned lan, unsigned a)
{
	unsigned loss = (unsigned)cs_random(s, 500);

	cs_say(s, 1, "-- LAN %u loses %u of 1000 adverts of %s", lan, loss,
	       s->node[a].name);
	for (unsigned b = 0; b < s->conf.nodes; b++)
		s->path[lan][a][b].loss = loss;
}

static int64_t late_most(const struct cs_sim *s)
{
	int64_t ns = s->conf.delay_ns + s->conf.jitter_ns + s->tail_ns;

	return ns + has_kind(&s->conf, CS_UCARP) * 300 * MONO_MS;
}

static void befall(struct cs_sim *s, enum misfortune what)
{
	unsigned i = any_node(s), lan = (unsigned)cs_random(s, lans(s));
	unsigned b = other_node(s, i);

	switch (what) {
	case NOTHING:
	case MISFORTUNES:
		return;
	case FREEZE:
		cs_freeze(s, i, intervals(s, 8));
		return;
	case SLEEP:
		cs_sleep(s, i, intervals(s, 8));
		return;
	case KILL:
		cs_kill(s, i);
		return;
	case STOP:
		cs_stop(s, i);
		return;
	case CARRIER:
		cs_carrier(s, i, lan, !s->node[i].carrier[lan]);
		return;
	case PARTITION:
		partition(s, lan);
		break;
	case ONE_WAY:
		cs_say(s, 1, "-- LAN %u: %s is not heard by %s", lan,
		       s->node[i].name, s->node[b].name);
		cut(s, lan, i, b, 3);
		break;
	case ONE_FAMILY:
		cs_say(s, 1, "-- LAN %u: one family of %s is not heard by %s",
		       lan, s->node[i].name, s->node[b].name);
		cut(s, lan, i, b, 1U << cs_random(s, CARP_FAMILIES));
		break;
	case LOSS:
		lose(s, lan, i);
		break;
	case DELAY:
		s->tail_ns = intervals(s, 2);
		s->max_late_ns = late_most(s) > s->max_late_ns ? late_most(s)
							       : s->max_late_ns;
		return;
	case DEMOTE:
		cs_demote(s, i,
			  cs_chance(s, 70) ? 1 + (int32_t)cs_random(s, 60)
					   : -(int32_t)cs_random(s, 255));
		return;
	case TAKE_FAILS:
		s->node[i].failing_takes = 1;
		return;
	}
	cs_watch_paths(s);
}

/* Each by chance. */
static void mend(struct cs_sim *s, unsigned percent)
{
	for (unsigned i = 0; i < s->conf.nodes; i++) {
		struct cs_node *n = &s->node[i];

		if (!n->running && cs_chance(s, percent))
			cs_start(s, i);
		for (unsigned l = 0; l < lans(s); l++) {
			if (!n->carrier[l] && cs_chance(s, percent))
				cs_carrier(s, i, l, true);
			if (!cs_chance(s, percent))
				continue;
			for (unsigned b = 0; b < s->conf.nodes; b++)
				s->path[l][i][b] = (struct cs_path){ 0 };
		}
	}
	if (cs_chance(s, percent))
		s->tail_ns = 0;
	cs_watch_paths(s);
}

static void misfortunes(struct cs_sim *s)
{
	unsigned n = 3 + (unsigned)cs_random(s, 12);

	for (unsigned i = 0; i < n && !s->error[0]; i++) {
		befall(s, (enum misfortune)cs_random(s, MISFORTUNES));
		cs_run(s, intervals(s, cs_chance(s, 30) ? 1 : 7));
		mend(s, 40);
	}
}

/* --- the end ------------------------------------------------------------------------ */

/* Some stay demoted, or all alike, where everybody understands that. */
static void mend_all(struct cs_sim *s)
{
	bool some = !has_kind(&s->conf, CS_FREEBSD) &&
		    !has_kind(&s->conf, CS_UCARP) && cs_chance(s, 50);
	int32_t alike = some && cs_chance(s, 40) ? 30 : 0;

	for (unsigned i = 0; i < s->conf.nodes; i++) {
		struct cs_node *n = &s->node[i];

		n->failing_takes = 0;
		while (n->running && !cs_awake(n) && !s->error[0])
			cs_run(s, n->wakes_at.ns - s->now.ns);
	}
	mend(s, 100);
	for (unsigned i = 0; i < s->conf.nodes; i++) {
		/* a failed TAKE is forgotten when the interface comes up */
		for (unsigned l = 0; l < lans(s); l++)
			cs_carrier(s, i, l, true);
		if (!some || alike || cs_chance(s, 60))
			cs_demote(s, i, -1000);
		cs_demote(s, i, alike);
	}
}

static bool all_settled(const struct cs_sim *s)
{
	bool all = true;

	for (unsigned k = 0; k < s->conf.vhosts; k++)
		all &= cs_settled(s, k);
	return all;
}

/* Until one has been alone, and rightly, for two intervals. */
static void until_settled(struct cs_sim *s, int64_t limit_ns)
{
	int64_t step = cs_longest_ns(s) / 4;
	unsigned good = 0;

	for (; limit_ns > 0 && good < 8 && !s->error[0]; limit_ns -= step) {
		cs_run(s, step);
		good = all_settled(s) ? good + 1 : 0;
	}
	for (unsigned k = 0; k < s->conf.vhosts && good < 8; k++)
		if (!cs_settled(s, k))
			cs_fail(s, "vhost %u does not settle", k);
}

static bool has_equals(const struct cs_sim *s)
{
	for (unsigned i = 1; i < s->conf.nodes; i++)
		if (s->conf.node[i].advskew[0] == s->conf.node[0].advskew[0])
			return true;
	return false;
}

/* Twenty master-down times without a change. */
static void stays(struct cs_sim *s)
{
	uint64_t before = s->transitions;

	cs_run(s, 60 * cs_longest_ns(s));
	if (s->transitions != before)
		cs_fail(s, "a change on a stable network");
	if (!all_settled(s))
		cs_fail(s, "it did not stay settled");
}

static unsigned holder_of(const struct cs_sim *s, unsigned k)
{
	for (unsigned i = 0; i < s->conf.nodes; i++)
		if (cs_holds(s, i, k))
			return i;
	return CS_NODES;
}

/* The master's advert, a TAKE for each vhost, the new one's advert. */
static int64_t swap_ns(const struct cs_sim *s)
{
	int64_t ns = 2 * s->max_late_ns + cs_longest_ns(s) / 50;

	for (unsigned i = 0; i < s->conf.nodes; i++)
		ns += 2 * s->conf.node[i].take_ns;
	return ns;
}

/* A master that is more demoted than another one is replaced at once, and one
 * that leaves with a word, too. */
static void swaps(struct cs_sim *s)
{
	unsigned h = holder_of(s, 0), least = 255;
	bool stop = cs_chance(s, 50);

	/* equals take over together, and then both step down */
	if (s->error[0] || h == CS_NODES || has_equals(s))
		return;
	for (unsigned i = 0; i < s->conf.nodes; i++) {
		if (s->conf.node[i].kind != CS_OURS)
			return;
		if (i != h && s->node[i].demote < least)
			least = s->node[i].demote;
	}
	/* an older advert may come later, and undo it */
	while (s->nqueued && !s->error[0])
		cs_run(s, s->max_late_ns / 4 + 1);
	cs_say(s, 1, "-- roles swap");
	if (stop)
		cs_stop(s, h);
	else
		cs_demote(s, h,
			  (int32_t)(least - s->node[h].demote) + 1 +
				  (int32_t)cs_random(s, 5));
	cs_run(s, swap_ns(s));
	if (holder_of(s, 0) == CS_NODES || cs_holds(s, h, 0))
		cs_fail(s, "%s is not replaced at once", s->node[h].name);
	if (stop)
		cs_start(s, h);
	until_settled(s, (has_equals(s) ? 90 : 10) * cs_longest_ns(s));
}

/* A master that hangs is silent before it is replaced, and is replaced. */
static void hangs(struct cs_sim *s)
{
	unsigned h = holder_of(s, 0);

	if (s->error[0] || h == CS_NODES || s->conf.node[h].kind != CS_OURS)
		return;
	cs_say(s, 1, "-- the master hangs");
	cs_freeze(s, h, 8 * cs_longest_ns(s));
	cs_run(s, 5 * cs_longest_ns(s));
	if (cs_holds(s, h, 0))
		cs_fail(s, "%s hangs and holds vhost 0", s->node[h].name);
	cs_run(s, 4 * cs_longest_ns(s));
	until_settled(s, (has_equals(s) ? 90 : 10) * cs_longest_ns(s));
}

static void the_end(struct cs_sim *s)
{
	mend_all(s);
	cs_say(s, 1, "-- all is whole");
	cs_run(s, s->max_late_ns + 4 * cs_longest_ns(s));
	s->max_late_ns = late_most(s);
	until_settled(s, (has_equals(s) ? 90 : 10) * cs_longest_ns(s));
	stays(s);
	if (cs_chance(s, 30))
		swaps(s);
	if (cs_chance(s, 30))
		hangs(s);
}

static void tell_conf(const struct cs_sim *s)
{
	cs_say(s, 1, "-- seed %llu, %s", (unsigned long long)s->conf.seed,
	       s->conf.one_lan ? "one LAN" : "a LAN for each vhost");
	for (unsigned i = 0; i < s->conf.nodes; i++)
		for (unsigned k = 0; k < s->conf.vhosts; k++)
			cs_say(s, 1,
			       "%s: vhost %u (%s%s): advbase %u advskew %u%s, "
			       "%lld us",
			       s->node[i].name, k,
			       s->conf.families[k] & 1 ? "v4" : "",
			       s->conf.families[k] & 2 ? "v6" : "",
			       s->conf.node[i].advbase,
			       s->conf.node[i].advskew[k],
			       s->conf.node[i].preempt ? " preempt" : "",
			       (long long)(cs_interval_ns(s, i, k) / MONO_US));
}

void cs_play(struct cs_sim *s)
{
	s->max_late_ns = late_most(s);
	tell_conf(s);
	for (unsigned i = 0; i < s->conf.nodes; i++)
		s->node[i].starts_at = mono_add(
			s->now, cs_chance(s, 50) ? 0 : intervals(s, 5));
	cs_run(s, 6 * cs_longest_ns(s));
	misfortunes(s);
	the_end(s);
}
