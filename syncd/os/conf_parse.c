// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * libConfuse over the text: its callbacks, its sentences in our words. It
 * decides nothing about values (conf_keys) nor between them (conf_check).
 *
 * Implements the form of messages: libConfuse knows the line of a value, not
 * its column, and stops at the first unknown key: the column is looked up in
 * the text, and the statement of an unknown key is blanked out for another
 * pass, so that one run shows up to ten mistakes.
 *
 * Invariant: a pass that is neither broken nor to be repeated has seen every
 * statement of the text.
 */
#include "conf_int.h"
#include "near.h"

#include <assert.h>
#include <confuse.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No key can have this name: the option bears our slot. */
#define SLOT_NAME   "|"
#define OPTIONS_MAX 32 /* in one section, with room */

static const struct block {
	enum section in, section;
	const char *name;
	cfg_flag_t flags;
} blocks[] = {
	{ IN_ROOT, IN_LINK, "link", CFGF_NONE },
	{ IN_LINK, IN_PEER, "peer", CFGF_MULTI | CFGF_TITLE },
	{ IN_ROOT, IN_CARP, "carp", CFGF_MULTI | CFGF_TITLE },
	{ IN_CARP, IN_ALLOW, "allow", CFGF_MULTI | CFGF_TITLE },
	{ IN_CARP, IN_TRACK, "track", CFGF_NONE },
	{ IN_TRACK, IN_WATCH, "interface", CFGF_MULTI | CFGF_TITLE },
	{ IN_TRACK, IN_WATCH, "route", CFGF_MULTI | CFGF_TITLE },
	{ IN_TRACK, IN_SCRIPT, "script", CFGF_MULTI | CFGF_TITLE },
	{ IN_TRACK, IN_WATCH, "process", CFGF_MULTI | CFGF_TITLE },
	{ IN_TRACK, IN_WATCH, "file", CFGF_MULTI | CFGF_TITLE },
	{ IN_CARP, IN_ROUTES, "routes", CFGF_NONE },
	{ IN_ROUTES, IN_ROUTE, "route", CFGF_MULTI | CFGF_TITLE },
	{ IN_CARP, IN_RULES, "rules", CFGF_NONE },
	{ IN_RULES, IN_RULE, "rule", CFGF_MULTI | CFGF_TITLE },
	{ IN_ROOT, IN_SYNC, "sync", CFGF_NONE },
	{ IN_SYNC, IN_FILTER, "filter", CFGF_MULTI | CFGF_TITLE },
	{ IN_SYNC, IN_NAMES, "names", CFGF_MULTI | CFGF_TITLE },
	{ IN_ROOT, IN_STATS, "stats", CFGF_NONE },
	{ IN_ROOT, IN_DRIFT, "drift", CFGF_NONE },
};

/* The first option of every section has our slot's scratch as its simple
 * value. */
static const struct slot *slot_of(const cfg_t *cfg)
{
	char *scratch = (char *)cfg->opts[0].simple_value.string;

	return (struct slot *)(void *)(scratch -
				       offsetof(struct slot, scratch));
}

static enum section section_of(const cfg_t *cfg)
{
	return slot_of(cfg)->section;
}

static struct parser *parser_of(const cfg_t *cfg)
{
	return slot_of(cfg)->parser;
}

/* ` in carp "lan"`, or nothing at the top. */
static const char *where(const cfg_t *cfg, char *buf, size_t size)
{
	if (section_of(cfg) == IN_ROOT)
		return "";
	if (cfg->title)
		snprintf(buf, size, " in %s \"%s\"", cfg->name, cfg->title);
	else
		snprintf(buf, size, " in %s", cfg->name);
	return buf;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const struct conf_key *key = conf_key_find(section_of(cfg), opt->name);
	struct parser *p = parser_of(cfg);
	struct place *seen;
	char buf[128];

	*(const char **)result = value;
	p->at = conf_text_value(p->text, cfg->line, opt->name, value);
	if (!key) { /* libConfuse reaches into blocks: "link|port" */
		conf_mistake(p, p->at, "a key cannot have | in it; remove it");
		return 0;
	}
	p->key = key->name;
	seen = &p->seen[key - conf_keys];
	if (seen->line && key->kind == KEY_ONE)
		conf_mistake(
			p, p->at, "%s stands twice%s (line %d too); keep one",
			key->name, where(cfg, buf, sizeof(buf)), seen->line);
	*seen = p->at;
	key->set(p, value);
	return 0;
}

static void section_closed(struct parser *p, enum section section)
{
	for (const struct conf_key *key = conf_keys; key->name; key++)
		if (key->section == section)
			p->seen[key - conf_keys] = (struct place){ 0 };
}

static void peer_closed(struct parser *p, const char *title)
{
	struct draft_peer *more =
		conf_grow(p, p->peers, p->num_peers, sizeof(*more));

	assert(title);
	p->peer.at = p->at;
	conf_set_name(p, title, "peer", p->peer.peer.name);
	for (size_t i = 0; i < p->num_peers && more; i++)
		if (!strcmp(more[i].peer.name, title))
			conf_mistake(p, p->at,
				     "two blocks of peer \"%s\" (line %d too); "
				     "keep one",
				     title, more[i].at.line);
	if (more) {
		p->peers = more;
		p->peers[p->num_peers++] = p->peer;
	}
	memset(&p->peer, 0, sizeof(p->peer));
}

static void carp_init(struct draft_carp *d)
{
	memset(d, 0, sizeof(*d));
	d->carp.advbase = 1;
	d->carp.ttl = 255;
}

static void carp_closed(struct parser *p, const char *title)
{
	struct draft_carp *more =
		conf_grow(p, p->carps, p->num_carps, sizeof(*more));

	p->carp.at = p->at;
	conf_set_name(p, title, "carp", p->carp.carp.name);
	p->block_at[IN_TRACK] = (struct place){ 0 };
	p->block_at[IN_ROUTES] = (struct place){ 0 };
	p->block_at[IN_RULES] = (struct place){ 0 };
	if (more) {
		p->carps = more;
		p->carps[p->num_carps++] = p->carp;
	}
	carp_init(&p->carp);
}

/* The block that has just been read: libConfuse puts one whose title stood
 * before into the place of that. */
static cfg_t *just_read(const cfg_t *cfg, cfg_opt_t *opt)
{
	unsigned int last = cfg_opt_size(opt) - 1;

	for (unsigned int i = last + 1; i-- > 0;)
		if (cfg_opt_getnsec(opt, i)->line == cfg->line)
			return cfg_opt_getnsec(opt, i);
	return cfg_opt_getnsec(opt, last);
}

/* One without a title may stand once in the block around it. */
static void only_once(struct parser *p, const cfg_t *in, const char *name,
		      enum section section)
{
	struct place *before = &p->block_at[section];
	char buf[128];

	if (before->line)
		conf_mistake(p, p->at,
			     "two %s blocks%s (line %d too); keep one", name,
			     where(in, buf, sizeof(buf)), before->line);
	*before = p->at;
}

/* A block has been read to its end. */
static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
	struct parser *p = parser_of(cfg);
	cfg_t *sec = just_read(cfg, opt);
	enum section section = section_of(sec);
	const char *title = cfg_title(sec);

	p->at = conf_text_block(p->text, sec->line, sec->name, title);
	p->key = sec->name;
	section_closed(p, section);
	if (!title)
		only_once(p, cfg, sec->name, section);
	switch (section) {
	case IN_PEER:
		peer_closed(p, title);
		break;
	case IN_CARP:
		carp_closed(p, title);
		break;
	case IN_LINK:
		p->conf->link.present = true;
		break;
	case IN_ALLOW:
		conf_allow_closed(p, title);
		break;
	case IN_SCRIPT:
	case IN_WATCH:
		conf_track_closed(p, title);
		break;
	case IN_ROUTE:
		conf_route_closed(p, title);
		break;
	case IN_RULE:
		conf_rule_closed(p, title);
		break;
	case IN_FILTER:
		conf_filter_closed(p, title);
		break;
	case IN_NAMES:
		conf_names_closed(p, title);
		break;
	case IN_TRACK:
	case IN_ROUTES:
	case IN_RULES:
	case IN_SYNC:
	case IN_ROOT:
	case IN_STATS:
	case IN_DRIFT:
	case SECTIONS:
		break;
	}
	return 0;
}

static void unknown_key(struct parser *p, const cfg_t *cfg, struct place at,
			const char *name)
{
	char buf[128], all[256] = "";
	const char *in = where(cfg, buf, sizeof(buf));
	struct near near;
	size_t n = 0;

	near_init(&near, name);
	for (const cfg_opt_t *o = cfg->opts + 1; o->name; o++) {
		near_try(&near, o->name);
		if (n < sizeof(all))
			n += (size_t)snprintf(all + n, sizeof(all) - n, " %s",
					      o->name);
	}
	if (near.word)
		conf_mistake(p, at,
			     "unknown key \"%s\"%s; did you mean \"%s\"?", name,
			     in, near.word);
	else
		conf_mistake(p, at, "unknown key \"%s\"%s; known here:%s", name,
			     in, all);
}

/* Takes the statement of an unknown key out, for another pass. */
static void recover(struct parser *p, const cfg_t *cfg, const char *name)
{
	struct place at = { .line = cfg->line };
	char *start = conf_text_line(p->text, cfg->line);
	char *s = conf_text_word(start, name);

	if (s)
		at.col = (int)(s - start) + 1;
	unknown_key(p, cfg, at, name);
	if (!s || p->num_mistakes == CONF_ERRORS_MAX)
		return;
	p->mistakes[p->num_mistakes - 1].lasting = true;
	conf_text_blank(s);
	p->again = true;
}

/* libConfuse's sentences in our words; each ends the pass. */
static void on_syntax(cfg_t *cfg, const char *fmt, va_list ap)
{
	static const char unknown[] = "no such option '";
	static const char untitled[] = "missing title for section '";
	struct parser *p = parser_of(cfg);
	struct place at = { .line = cfg->line };
	char text[200];
	size_t len;

	vsnprintf(text, sizeof(text), fmt, ap);
	len = strlen(text);
	if (!strncmp(text, unknown, strlen(unknown)) && text[len - 1] == '\'') {
		text[len - 1] = '\0';
		recover(p, cfg, text + strlen(unknown));
		return;
	}
	if (!strncmp(text, untitled, strlen(untitled))) {
		const char *name = text + strlen(untitled);
		const int end = (int)strcspn(name, "'");

		conf_mistake(p, at, "%.*s has no name; %.*s \"name\" { ... }",
			     end, name, end, name);
		return;
	}
	conf_mistake(p, at,
		     "%s; the form is: key = \"value\", key = { \"a\", \"b\" "
		     "}, or block \"name\" { ... }",
		     text);
}

static cfg_opt_t *add_option(struct slot *slot, const char *name, bool list,
			     cfg_opt_t *out)
{
	*out = (cfg_opt_t)CFG_STR_CB(name, NULL, 0, on_value);
	if (list)
		out->flags |= CFGF_LIST;
	out->simple_value.string = &slot->scratch;
	return out + 1;
}

/* libConfuse's options of one section, out of our tables. */
static void fill_options(struct parser *p, enum section section,
			 cfg_opt_t options[SECTIONS][OPTIONS_MAX])
{
	cfg_opt_t *out = options[section];
	struct slot *slot = &p->slots[section];

	*slot = (struct slot){ NULL, section, p };
	out = add_option(slot, SLOT_NAME, false, out);
	for (const struct conf_key *key = conf_keys; key->name; key++)
		if (key->section == section)
			out = add_option(slot, key->name, key->kind == KEY_LIST,
					 out);
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		const struct block *b = &blocks[i];

		if (b->in != section)
			continue;
		*out = (cfg_opt_t)CFG_SEC(b->name, options[b->section],
					  b->flags);
		out->validcb = on_section;
		out++;
	}
	*out = (cfg_opt_t)CFG_END();
}

/* libConfuse copies the options: ours are gone on return. */
static cfg_t *make_parser(struct parser *p)
{
	cfg_opt_t options[SECTIONS][OPTIONS_MAX];
	cfg_t *cfg;

	for (int i = IN_ROOT; i < SECTIONS; i++)
		fill_options(p, (enum section)i, options);
	cfg = cfg_init(options[IN_ROOT], CFGF_NONE);
	if (cfg)
		cfg_set_error_function(cfg, on_syntax);
	return cfg;
}

static void keep_lasting(struct parser *p)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < p->num_mistakes; i++)
		if (p->mistakes[i].lasting)
			p->mistakes[kept++] = p->mistakes[i];
	p->num_mistakes = kept;
	p->again = false;
}

void conf_parse_drop(struct parser *p)
{
	for (size_t i = 0; i < p->num_carps; i++) {
		free(p->carps[i].pass_file);
		conf_carp_drop(&p->carps[i].carp);
	}
	free(p->carp.pass_file);
	conf_carp_drop(&p->carp.carp);
	for (size_t i = 0; i < p->num_peers; i++)
		conf_peer_drop(&p->peers[i].peer);
	conf_peer_drop(&p->peer.peer);
	free(p->carps);
	free(p->peers);
	conf_free(p->conf);
	p->carps = NULL;
	p->peers = NULL;
	p->conf = NULL;
	p->num_carps = p->num_peers = 0;
	memset(p->seen, 0, sizeof(p->seen));
	memset(p->block_at, 0, sizeof(p->block_at));
	memset(&p->peer, 0, sizeof(p->peer));
	memset(&p->route, 0, sizeof(p->route));
	memset(&p->rule, 0, sizeof(p->rule));
	carp_init(&p->carp);
	conf_allow_init(p);
	conf_track_init(p);
	conf_sync_init(p);
}

/* 0 or -ENOMEM. */
static int run_pass(struct parser *p)
{
	cfg_t *cfg;

	conf_parse_drop(p);
	keep_lasting(p);
	p->conf = calloc(1, sizeof(*p->conf));
	cfg = p->conf ? make_parser(p) : NULL;
	if (!cfg)
		return -ENOMEM;
	p->conf->link.port = CONF_DEFAULT_PORT;
	p->conf->event_buffer_bytes = 32 * 1024 * 1024;
	p->conf->audit_period_ms = 60000;
	p->conf->resume_buffer_bytes = 8 * 1024 * 1024;
	p->conf->witness = true;
	p->conf->witness_limit = 3;
	p->conf->sets.period_ms = 5000;
	p->conf->drift.period_ms = 10000;
	p->broken = cfg_parse_buf(cfg, p->text) != CFG_SUCCESS;
	if (p->broken && !p->num_mistakes)
		conf_mistake(p, (struct place){ 0 },
			     "cannot be read; see statesync.conf(5)");
	if (!p->broken && conf_text_is_open(p->text)) {
		p->broken = true;
		conf_mistake(
			p,
			(struct place){ .line = conf_text_last_line(p->text) },
			"the file ends inside a block; add }");
	}
	cfg_free(cfg);
	for (int i = IN_ROOT; i < SECTIONS; i++) {
		char *scratch = p->slots[i].scratch;

		if (scratch)
			OPENSSL_cleanse(scratch, strlen(scratch));
		free(scratch);
		p->slots[i].scratch = NULL;
	}
	return 0;
}

/* What would be read in another way than it looks: no pass is made then. */
static bool has_traps(struct parser *p)
{
	bool unclosed = false;
	const char *s = NULL;

	while (!unclosed && p->num_mistakes < CONF_ERRORS_MAX &&
	       (s = conf_text_trap(p->text, s, &unclosed)) != NULL) {
		const struct place at = conf_text_place(p->text, s);

		p->broken = true;
		if (unclosed)
			conf_mistake(p, at,
				     "a string is not closed on this line; add "
				     "%c, or \\ at its end to go on",
				     *s);
		else
			conf_mistake(p, at,
				     "${ } is replaced when this file is read; "
				     "in single quotes it stays, or as \\${ } "
				     "in double ones");
	}
	return p->broken;
}

int conf_parse(struct parser *p)
{
	int rc;

	conf_text_uncomment(p->text);
	if (has_traps(p))
		return 0;
	do {
		rc = run_pass(p);
	} while (!rc && p->again && p->num_mistakes < CONF_ERRORS_MAX);
	return rc;
}
