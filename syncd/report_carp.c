/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part of the screen that is about virtual hosts: the block CARP, who
 * else is heard, which adverts were late, and the transitions. It decides
 * nothing. Invariant: what is not known is not shown as known.
 */
#include "report.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

/* A peer's word older than this is shown with a question mark. */
#define WORD_OLD_NS (1500 * MONO_MS)
#define STRANGER_NS (10 * MONO_S) /* after its last advert */

const char *report_address(const struct conf_address *a, char *text)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	inet_ntop(a->family, &a->v4, ip, sizeof(ip));
	snprintf(text, REPORT_ADDRESS_SIZE, "%s/%u", ip, a->prefixlen);
	return text;
}

static const char *state_word(enum carp_state s)
{
	switch (s) {
	case CARP_MASTER:
		return "MASTER";
	case CARP_BACKUP:
		return "backup";
	case CARP_INIT:
		return "init";
	}
	return "?";
}

/* What peer i said last of that vhost; with a question mark where that is old,
 * "-" where it never did. */
static const char *last_word(const struct node *n, size_t i, const char *name,
			     char text[16])
{
	const struct engine_peer *p = &n->engine->peers[i];
	bool old = !p->heard || mono_diff(n->last, p->word_at) > WORD_OLD_NS;

	for (size_t k = 0; p->word_at.ns && k < p->word.nvhosts; k++)
		if (!strcmp(p->word.vhosts[k].name, name)) {
			snprintf(text, 16, "%s%s",
				 state_word((enum carp_state)p->word.vhosts[k]
						    .state),
				 old ? "?" : "");
			return text;
		}
	return "-";
}

enum carp_state report_peer_said(const struct engine_peer *p, const char *name)
{
	for (size_t i = 0; p->heard && i < p->word.nvhosts; i++)
		if (strcmp(p->word.vhosts[i].name, name) == 0)
			return (enum carp_state)p->word.vhosts[i].state;
	return CARP_INIT;
}

static void block_carp(struct node *n, FILE *out)
{
	const struct engine *e = n->engine;
	char text[32];

	fprintf(out, "\nCARP      VHID   IF           %-8s", e->node);
	for (size_t i = 0; i < e->npeers; i++)
		fprintf(out, " %-8s", e->peers[i].name);
	fputs(" SINCE    ADDRESSES\n", out);
	for (size_t i = 0; i < e->nvhosts; i++) {
		const struct node_vhost *nv = &n->vhosts[i];
		const struct conf_carp *c = nv->conf;
		const struct carp_vhost *v = &e->vhosts[i].carp;

		if (e->vhosts[i].gone)
			continue;
		if (node_is_external(nv))
			fprintf(out, "%-8s     -   %-12s %-8s", nv->name,
				"external", state_word(v->state));
		else
			fprintf(out, "%-8s  %4u   %-12s %-8s", nv->name,
				nv->vhid, c->interface, state_word(v->state));
		for (size_t k = 0; k < e->npeers; k++)
			fprintf(out, " %-8s", last_word(n, k, nv->name, text));
		fprintf(out, " %-8s",
			report_duration(mono_diff(n->last, v->since), text,
					sizeof(text)));
		/* shares have the same ones */
		for (size_t k = 0; !nv->share && k < c->num_addresses; k++) {
			char address[REPORT_ADDRESS_SIZE];

			/* under the first one: behind the columns of all */
			if (k)
				fprintf(out, "\n%*s", (int)(47 + 9 * e->npeers),
					"");
			fprintf(out, " %s",
				report_address(&c->addresses[k], address));
		}
		fputc('\n', out);
	}
}

static void sender_text(const struct carp_address *a,
			char text[INET6_ADDRSTRLEN])
{
	struct in_addr v4;

	switch (a->family) {
	case CARP_V4:
		v4.s_addr = htonl(a->v4);
		inet_ntop(AF_INET, &v4, text, INET6_ADDRSTRLEN);
		return;
	case CARP_V6:
		inet_ntop(AF_INET6, a->v6.b, text, INET6_ADDRSTRLEN);
		return;
	case CARP_FAMILIES:
		break;
	}
	strcpy(text, "?");
}

/* Adverts that were late lately: the machine is too slow for the interval. */
static void print_late(struct node *n, FILE *out)
{
	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct carp_vhost *v = &n->engine->vhosts[i].carp;
		struct standin_stats s;
		char ago[32];

		if (!report_late(n, i, REPORT_RECENT_NS, &s))
			continue;
		fprintf(out,
			"%-8s  %" PRIu64 " advert%s late, the last %s ago; "
			"longest gap %.1f ms, interval %.1f ms\n",
			n->vhosts[i].name, s.late, s.late == 1 ? "" : "s",
			report_duration(mono_diff(n->last, s.late_at), ago,
					sizeof(ago)),
			(double)s.longest_ns / 1e6,
			(double)carp_vhost_interval_ns(v) / 1e6);
	}
}

/* FreeBSD, ucarp, an OpenBSD without us: they elect, and know no state. */
static void print_strangers(struct node *n, FILE *out)
{
	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct carp_vhost *v = &n->engine->vhosts[i].carp;
		char text[INET6_ADDRSTRLEN];

		if (!v->master.any || v->master.from.known ||
		    mono_diff(n->last, v->master.at) > STRANGER_NS)
			continue;
		sender_text(&v->master.from.addr, text);
		fprintf(out, "%-8s  %s is a peer without state sync\n",
			n->vhosts[i].name, text);
	}
}

void report_carp(struct node *n, FILE *out)
{
	block_carp(n, out);
	report_balancing(n, out);
	print_strangers(n, out);
	print_late(n, out);
}

const struct node_iface *report_iface(const struct node *n, size_t vhost)
{
	if (n->vhosts[vhost].iface == NODE_NO_IFACE)
		return NULL;
	return &n->ifaces[n->vhosts[vhost].iface];
}

/* --- history -------------------------------------------------------- */

/* How long a takeover took, all its steps; "-" where there was none. */
static const char *took_text(const struct history_entry *h, char text[16])
{
	int64_t us = -1;

	for (int k = 0; k < STEP_COUNT; k++)
		if (h->step_us[k] >= 0)
			us = (us < 0 ? 0 : us) + h->step_us[k];
	if (us < 0)
		return "-";
	snprintf(text, 16, us < 9950 ? "%.1f ms" : "%.0f ms", (double)us / 1e3);
	return text;
}

void report_history(struct node *n, size_t max, FILE *out)
{
	const struct history_entry *h;

	if (max && n->engine->history.count)
		fputs("WHEN                 VHOST    FROM     TO       TOOK    "
		      " "
		      "CAUSE\n",
		      out);
	for (size_t i = 0; i < max && (h = history_get(&n->engine->history, i));
	     i++) {
		time_t at = (time_t)report_wall(n, h->at);
		char when[32], took[16];
		struct tm tm;
		bool any = false;

		localtime_r(&at, &tm);
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
		fprintf(out, "%s  %-8s %-8s %-8s %-8s %s\n", when, h->vhost,
			history_is_note(h) ? "-" : state_word(h->from),
			history_is_note(h) ? "-" : state_word(h->to),
			took_text(h, took), h->cause);
		for (int k = 0; k < STEP_COUNT; k++) {
			if (h->step_us[k] < 0)
				continue;
			fprintf(out, "%s%s %.1f",
				any ? "  " : "                     ",
				history_step_name((enum history_step)k),
				(double)h->step_us[k] / 1e3);
			any = true;
		}
		if (any)
			fputs(" ms\n", out);
	}
}
