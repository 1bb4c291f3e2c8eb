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

#include <confuse.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const section_names[SECTIONS] = { "root", "link", "peer",
						     "carp", "stats" };

static enum section section_of(const cfg_t *cfg)
{
	for (int i = IN_ROOT; i < SECTIONS; i++)
		if (!strcmp(section_names[i], cfg->name))
			return (enum section)i;
	return IN_ROOT;
}

/* The first option of every section has our scratch as its simple value. */
static struct parser *parser_of(const cfg_t *cfg)
{
	char *scratch = (char *)cfg->opts[0].simple_value.string;

	return (struct parser *)(void *)(scratch -
					 offsetof(struct parser, scratch));
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
	struct place *seen = &p->seen[key - conf_keys];
	char buf[128];

	*(const char **)result = value;
	p->at = conf_text_value(p->text, cfg->line, opt->name, value);
	p->key = key->name;
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
		reallocarray(p->peers, p->num_peers + 1, sizeof(*more));

	p->key = "peer";
	p->at = p->peer.at;
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
}

static void carp_closed(struct parser *p, const char *title)
{
	struct draft_carp *more =
		reallocarray(p->carps, p->num_carps + 1, sizeof(*more));

	p->key = "carp";
	p->at = p->carp.at;
	conf_set_name(p, title, "carp", p->carp.carp.name);
	if (more) {
		p->carps = more;
		p->carps[p->num_carps++] = p->carp;
	}
	carp_init(&p->carp);
}

/* A block has been read to its end. */
static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
	struct parser *p = parser_of(cfg);
	cfg_t *sec = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	enum section section = section_of(sec);
	struct place at =
		conf_text_block(p->text, sec->line, sec->name, cfg_title(sec));

	section_closed(p, section);
	switch (section) {
	case IN_PEER:
		p->peer.at = at;
		peer_closed(p, cfg_title(sec));
		break;
	case IN_CARP:
		p->carp.at = at;
		carp_closed(p, cfg_title(sec));
		break;
	case IN_LINK:
		if (p->conf->link.present)
			conf_mistake(p, at,
				     "two link blocks (line %d too); keep one",
				     p->link_at.line);
		p->conf->link.present = true;
		p->link_at = at;
		break;
	case IN_ROOT:
	case IN_STATS:
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

	if (conf_key_find(section_of(cfg), name)) {
		conf_mistake(p, at,
			     "\"%s\"%s is not supported by this version; "
			     "remove it",
			     name, in);
		return;
	}
	near_init(&near, name);
	for (const cfg_opt_t *o = cfg->opts; o->name; o++) {
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
	conf_mistake(p, at,
		     "%s; the form is: key = \"value\", key = { \"a\", \"b\" "
		     "}, or block \"name\" { ... }",
		     text);
}

/* libConfuse's options of one section, out of our table; where they end. */
static cfg_opt_t *fill_options(struct parser *p, enum section section,
			       cfg_opt_t *out)
{
	for (const struct conf_key *key = conf_keys; key->name; key++) {
		if (key->section != section || key->kind == KEY_LATER)
			continue;
		*out = (cfg_opt_t)CFG_STR_CB(key->name, NULL, 0, on_value);
		if (key->kind == KEY_LIST)
			out->flags |= CFGF_LIST;
		out->simple_value.string = &p->scratch;
		out++;
	}
	*out = (cfg_opt_t)CFG_END();
	return out;
}

/* One more section behind these options; where they end now. */
static cfg_opt_t *add_section(cfg_opt_t *out, const char *name,
			      cfg_opt_t *options, cfg_flag_t flags)
{
	*out = (cfg_opt_t)CFG_SEC(name, options, flags);
	out->validcb = on_section;
	*++out = (cfg_opt_t)CFG_END();
	return out;
}

/* libConfuse copies the options: ours are gone on return. */
static cfg_t *make_parser(struct parser *p)
{
	cfg_opt_t peer[CONF_TABLE_MAX], link[CONF_TABLE_MAX];
	cfg_opt_t carp[CONF_TABLE_MAX], stats[CONF_TABLE_MAX];
	cfg_opt_t root[CONF_TABLE_MAX], *end;
	cfg_t *cfg;

	fill_options(p, IN_PEER, peer);
	fill_options(p, IN_CARP, carp);
	fill_options(p, IN_STATS, stats);
	end = fill_options(p, IN_LINK, link);
	add_section(end, "peer", peer, CFGF_MULTI | CFGF_TITLE);
	end = fill_options(p, IN_ROOT, root);
	end = add_section(end, "link", link, CFGF_NONE);
	end = add_section(end, "carp", carp, CFGF_MULTI | CFGF_TITLE);
	add_section(end, "stats", stats, CFGF_NONE);
	cfg = cfg_init(root, CFGF_NONE);
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
		free(p->carps[i].carp.addresses);
	}
	free(p->carp.pass_file);
	free(p->carp.carp.addresses);
	if (p->carps)
		OPENSSL_cleanse(p->carps, p->num_carps * sizeof(*p->carps));
	free(p->carps);
	free(p->peers);
	conf_free(p->conf);
	p->carps = NULL;
	p->peers = NULL;
	p->conf = NULL;
	p->num_carps = p->num_peers = 0;
	memset(p->seen, 0, sizeof(p->seen));
	memset(&p->peer, 0, sizeof(p->peer));
	carp_init(&p->carp);
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
	if (p->scratch)
		OPENSSL_cleanse(p->scratch, strlen(p->scratch));
	free(p->scratch);
	p->scratch = NULL;
	return 0;
}

int conf_parse(struct parser *p)
{
	int rc;

	do {
		rc = run_pass(p);
	} while (!rc && p->again && p->num_mistakes < CONF_ERRORS_MAX);
	return rc;
}
