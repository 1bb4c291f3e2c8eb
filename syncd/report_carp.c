/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part of the screen that is about virtual hosts: the block CARP, who
 * else is heard, which adverts were late, and the transitions. It decides
 * nothing. Invariant: what is not known is not shown as known.
 */
#include "report.h"
#include "report_check.h"

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

/* Of a vhost's addresses each has a line of its own, below the first one. */
static void print_addresses(const struct node_vhost *v, int column, FILE *out)
{
	for (size_t i = 0; i < v->conf->num_addresses; i++) {
		char address[REPORT_ADDRESS_SIZE];

		if (i)
			fprintf(out, "\n%*s", column, "");
		fputs(report_address(&v->conf->addresses[i], address), out);
	}
}

static const char *where(const struct node_vhost *v)
{
	return node_is_external(v) ? "external" : v->conf->interface;
}

static void block_carp(struct node *n, FILE *out)
{
	const struct engine *e = n->engine;
	int width = report_width(n), ifaces = 12, column;
	char text[32];

	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].gone)
			ifaces = report_wider(ifaces, where(&n->vhosts[i]));
	column = fprintf(out, "\n%-*s  VHID   %-*s %-*s", width, "CARP", ifaces,
			 "IF", width, e->node);
	for (size_t i = 0; i < e->npeers; i++)
		column += fprintf(out, " %-*s", width, e->peers[i].name);
	column += fprintf(out, " SINCE    ") - 1; /* without the newline */
	fputs("ADDRESSES\n", out);
	for (size_t i = 0; i < e->nvhosts; i++) {
		const struct node_vhost *nv = &n->vhosts[i];
		const struct carp_vhost *v = &e->vhosts[i].carp;
		char vhid[8] = "-";

		if (e->vhosts[i].gone)
			continue;
		if (!node_is_external(nv))
			snprintf(vhid, sizeof(vhid), "%u", nv->vhid);
		fprintf(out, "%-*s  %4s   %-*s %-*s", width, nv->name, vhid,
			ifaces, where(nv), width, state_word(v->state));
		for (size_t k = 0; k < e->npeers; k++)
			fprintf(out, " %-*s", width,
				last_word(n, k, nv->name, text));
		fprintf(out, " %-8s ",
			report_duration(mono_diff(n->last, v->since), text,
					sizeof(text)));
		if (!nv->share) /* the others have the same ones */
			print_addresses(nv, column, out);
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
			"%-*s  %" PRIu64 " advert%s late, the last %s ago; "
			"longest gap %.1f ms, interval %.1f ms\n",
			report_width(n), n->vhosts[i].name, s.late,
			s.late == 1 ? "" : "s",
			report_duration(mono_diff(n->last, s.late_at), ago,
					sizeof(ago)),
			(double)s.longest_ns / 1e6,
			(double)carp_vhost_interval_ns(v) / 1e6);
	}
}

bool report_stranger(const struct node *n, size_t vhost,
		     char text[INET6_ADDRSTRLEN])
{
	const struct carp_vhost *v = &n->engine->vhosts[vhost].carp;

	if (!v->master.any || v->master.from.known ||
	    mono_diff(n->last, v->master.at) > STRANGER_NS)
		return false;
	sender_text(&v->master.from.addr, text);
	return true;
}

static void print_strangers(struct node *n, FILE *out)
{
	for (size_t i = 0; i < n->nvhosts; i++) {
		char text[INET6_ADDRSTRLEN];

		if (!report_stranger(n, i, text))
			continue;
		fprintf(out, "%-*s  %s is a peer without state sync\n",
			report_width(n), n->vhosts[i].name, text);
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
	int width = 8;

	for (size_t i = 0; i < max && (h = history_get(&n->engine->history, i));
	     i++)
		width = report_wider(width, h->vhost);
	if (max && n->engine->history.count)
		fprintf(out,
			"WHEN                 %-*s FROM     TO       TOOK     "
			"CAUSE\n",
			width, "VHOST");
	for (size_t i = 0; i < max && (h = history_get(&n->engine->history, i));
	     i++) {
		time_t at = (time_t)report_wall(n, h->at);
		char when[32], took[16];
		struct tm tm;
		bool any = false;

		localtime_r(&at, &tm);
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
		fprintf(out, "%s  %-*s %-8s %-8s %-8s %s\n", when, width,
			h->vhost,
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
