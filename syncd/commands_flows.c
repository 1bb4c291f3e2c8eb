/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `flows`: the kernel's table through the predicate of rules 2, a line for each
 * flow that goes to the peers, or for each that does not. It has a dump of its
 * own and disturbs none of the engine's.
 *
 * Invariant: at most one chunk of the table and what it says wait in memory:
 * the next one is read when the client has taken the last.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "log.h"
#include "report.h"
#include "report_value.h"

struct listing {
	struct node *n;
	struct stats_client *client;
	struct ct_dump dump;
	struct event *more;
	const struct filter_zones *zones; /* of the peer asked about, or NULL */
	bool json, skipped;
	FILE *out; /* while a chunk is read */
};

/* --- a line ------------------------------------------------------------------- */

static json_t *tuple(const struct flow *f, const struct flow_tuple *t)
{
	char text[INET6_ADDRSTRLEN] = "";
	json_t *o = json_object();

	inet_ntop(f->family, t->src.b, text, sizeof(text));
	put(o, "source", json_string(text));
	inet_ntop(f->family, t->dst.b, text, sizeof(text));
	put(o, "destination", json_string(text));
	put(o, "sport", json_integer(t->sport));
	put(o, "dport", json_integer(t->dport));
	return o;
}

static bool has_label(const struct flow *f, unsigned bit)
{
	return f->has & FLOW_HAS_LABELS && f->labels[bit / 8] >> bit % 8 & 1;
}

static json_t *labels(const struct flow *f)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < 8 * FLOW_LABELS_BYTES; i++)
		if (has_label(f, i))
			json_array_append_new(list, json_integer(i));
	return list;
}

static void print_json(const struct listing *l, const struct flow *f,
		       const char *reason, const char *rule)
{
	static const char *const classes[] = { [FLOW_OPENING] = "opening",
					       [FLOW_ESTABLISHED] =
						       "established",
					       [FLOW_CLOSING] = "closing" };
	json_t *o = json_object();

	put(o, "schema", json_integer(1));
	put(o, "protocol", json_integer(f->l4proto));
	put(o, "original", tuple(f, &f->orig));
	put(o, "reply", tuple(f, &f->reply));
	put(o, "state", json_string(classes[flow_class(f)]));
	put(o, "assured", json_boolean(f->status & IPS_ASSURED));
	put(o, "mark", json_integer(f->mark));
	put(o, "labels", labels(f));
	put(o, "zone", json_integer(f->zone));
	if (l->zones)
		put(o, "zone_there",
		    json_integer(filter_zone_theirs(l->zones, f->zone)));
	put(o, "timeout_s", json_integer(f->timeout_s));
	if (reason)
		put(o, "reason", json_string(reason));
	if (rule)
		put(o, "filter", json_string(rule));
	json_dumpf(o, l->out, JSON_COMPACT);
	fputc('\n', l->out);
	json_decref(o);
}

static void print_text(const struct listing *l, const struct flow *f,
		       const char *reason, const char *rule)
{
	uint16_t there =
		l->zones ? filter_zone_theirs(l->zones, f->zone) : f->zone;
	char text[256];

	if (rule)
		fprintf(l->out, "filter \"%s\": ", rule);
	else if (reason)
		fprintf(l->out, "%s: ", reason);
	flow_format(f, text, sizeof(text));
	fputs(text, l->out);
	if (there != f->zone)
		fprintf(l->out, " (there %u)", there);
	if (f->mark)
		fprintf(l->out, " mark 0x%" PRIx32, f->mark);
	for (unsigned i = 0; i < 8 * FLOW_LABELS_BYTES; i++)
		if (has_label(f, i))
			fprintf(l->out, " label %u", i);
	fprintf(l->out, " %" PRIu32 " s\n", f->timeout_s);
}

static void got_flow(const struct flow *f, void *arg)
{
	const struct listing *l = arg;
	const struct filter *filter = &l->n->engine->filter;
	enum filter_verdict v = filter_flow(filter, f);
	const struct filter_rule *rule = NULL;

	if ((v != FILTER_PASS) != l->skipped)
		return;
	if (v == FILTER_RULE)
		rule = filter_rules_skip(&filter->rules, f);
	(l->json ? print_json : print_text)(
		l, f, v == FILTER_PASS ? NULL : filter_verdict_name(v),
		rule ? rule->name : NULL);
}

/* --- all of them ---------------------------------------------------------------- */

static void finish(struct listing *l)
{
	l->n->listing = NULL;
	event_free(l->more);
	ct_dump_close(&l->dump);
	free(l);
}

static void forget_client(void *arg, struct stats_client *c)
{
	(void)c;
	finish(arg);
}

static void end(struct listing *l, enum stats_verdict verdict, const char *why)
{
	struct stats_client *c = l->client;

	finish(l);
	statsock_end(c, verdict, why);
}

static void broke_off(struct listing *l, const char *why)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "reading the connection table broke off (%s); try again", why);
	end(l, STATS_NO, text);
}

static void on_more(evutil_socket_t fd, short what, void *arg)
{
	struct listing *l = arg;
	char *text = NULL;
	size_t len = 0;
	int r;

	(void)fd;
	(void)what;
	l->out = open_memstream(&text, &len);
	if (!l->out) {
		end(l, STATS_ERROR, "not enough memory. free -m");
		return;
	}
	r = ct_dump_read(&l->dump, got_flow, l);
	fclose(l->out);
	if (len)
		(void)statsock_write(l->client, text, len);
	free(text);
	if (r == CT_DUMP_DONE)
		end(l, STATS_OK, NULL);
	else if (r < 0)
		broke_off(l, ct_dump_why(r));
	else if (!len)
		event_active(l->more, EV_TIMEOUT, 0);
}

static void on_room(void *arg, struct stats_client *c)
{
	struct listing *l = arg;

	(void)c;
	event_active(l->more, EV_TIMEOUT, 0);
}

static int begin(struct listing *l)
{
	struct node *n = l->n;
	int err;

	l->more = event_new(n->base, -1, 0, on_more, l);
	if (!l->more)
		return -ENOMEM;
	event_priority_set(l->more, PRIORITY_BULK);
	err = ct_dump_open(&l->dump);
	if (!err && !l->skipped)
		l->dump.need = n->dump.need;
	return err ? err : ct_dump_start(&l->dump, AF_UNSPEC);
}

static const char usage[] = "flows takes json, skipped and peer NAME";

/* The words behind flows; NULL, usage, or the name of a peer that is none. */
static const char *read_words(struct listing *l, int argc, char **argv)
{
	const struct engine *e = l->n->engine;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "json")) {
			l->json = true;
		} else if (!strcmp(argv[i], "skipped")) {
			l->skipped = true;
		} else if (!strcmp(argv[i], "peer") && i + 1 < argc) {
			i++;
			for (size_t k = 0; k < e->npeers; k++)
				if (!strcmp(e->peers[k].name, argv[i]))
					l->zones = &e->peers[k].zones;
			if (!l->zones)
				return argv[i];
		} else {
			return usage;
		}
	}
	return NULL;
}

void commands_flows(struct node *n, struct stats_client *c, int argc,
		    char **argv)
{
	struct listing *l;
	const char *why;
	int err;

	if (n->listing) {
		statsock_end(c, STATS_NO,
			     "somebody else lists flows now; try again");
		return;
	}
	l = calloc(1, sizeof(*l));
	if (!l) {
		statsock_end(c, STATS_ERROR, "not enough memory. free -m");
		return;
	}
	l->n = n;
	l->client = c;
	why = read_words(l, argc, argv);
	if (why) {
		free(l);
		if (why == usage)
			statsock_end(c, STATS_ERROR, usage);
		else
			commands_no_peer(n, c, why);
		return;
	}
	n->listing = l;
	err = begin(l);
	if (err) {
		log_msg(LOG_ERR, "flows cannot be listed: %s", log_errno(-err));
		end(l, STATS_NO, "the connection table cannot be read");
		return;
	}
	statsock_on_close(c, forget_client, l);
	statsock_on_room(c, on_room, l);
	event_active(l->more, EV_TIMEOUT, 0);
}
