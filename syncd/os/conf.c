// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The configuration file: read by libConfuse, checked here, handed on as a
 * tree of values. It is not the place where anything is opened or applied.
 *
 * Implements the configuration of the manual and the form of its messages:
 * place; what is; what to do. libConfuse knows the line of a value, not its
 * column, and stops at the first unknown key: the column is looked up in the
 * text, and the statement of an unknown key is blanked out and the text read
 * again, so that one run shows up to ten mistakes.
 *
 * Invariant: conf_load() returns 0 only after a pass in which libConfuse took
 * every statement of the whole text and no mistake is noted.
 */
#include "conf.h"
#include "keyfile.h"
#include "log.h"

#include <arpa/inet.h>
#include <assert.h>
#include <confuse.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FILE_MAX   (1024 * 1024)
#define PREFER_MAX 3 /* advskew 0, 100, 200 */
#define KEYS_MAX   32

enum section { IN_ROOT, IN_LINK, IN_PEER, IN_CARP, IN_STATS, SECTIONS };

struct place {
	int line, col; /* from 1; 0: not known */
};

struct mistake {
	struct place at;
	bool lasting; /* of an earlier pass */
	char text[CONF_ERROR_SIZE];
};

struct draft_peer {
	struct conf_peer peer;
	struct place at;
};

struct draft_carp {
	struct conf_carp carp;
	struct place at, vhid_at, skew_at, pass_at, file_at, prefer_at;
	char *pass_file;
	char prefer[PREFER_MAX][CONF_NAME_SIZE];
	unsigned int num_prefer;
};

struct parser {
	const char *path;
	const char *override; /* of the node's name */
	char *text;	      /* what libConfuse reads */
	mode_t mode;
	char *scratch; /* libConfuse's; by it the callbacks find us */
	struct mistake mistakes[CONF_ERRORS_MAX];
	unsigned int num_mistakes;
	bool again;  /* a statement was blanked out */
	bool broken; /* the pass ended before the text did */
	/* The value at hand. */
	struct place at;
	const char *key;
	/* What the pass has found. */
	struct conf *conf;
	struct place seen[KEYS_MAX]; /* in the block that is open */
	struct place link_at, link_address_at, key_at[CONF_KEYS_MAX];
	struct draft_peer peer, *peers;
	size_t num_peers;
	struct draft_carp carp, *carps;
	size_t num_carps;
};

typedef void set_fn(struct parser *p, const char *value);

struct key {
	enum section section;
	bool list;
	const char *name;
	set_fn *set;
};

/* --- mistakes ----------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void mistake(struct parser *p,
							  struct place at,
							  const char *fmt, ...)
{
	struct mistake *m = &p->mistakes[p->num_mistakes];
	char place[32] = "";
	va_list ap;
	int n;

	if (p->num_mistakes == CONF_ERRORS_MAX)
		return;
	if (at.line && at.col)
		snprintf(place, sizeof(place), ":%d:%d", at.line, at.col);
	else if (at.line)
		snprintf(place, sizeof(place), ":%d", at.line);
	n = snprintf(m->text, sizeof(m->text), "%s%s: ", p->path, place);
	if (n < 0 || n >= (int)sizeof(m->text))
		n = 0;
	va_start(ap, fmt);
	vsnprintf(m->text + n, sizeof(m->text) - (size_t)n, fmt, ap);
	va_end(ap);
	m->at = at;
	m->lasting = false;
	p->num_mistakes++;
}

/* One that stands for itself: another file is its place. */
static void mistake_elsewhere(struct parser *p, struct place at,
			      const char *sentence)
{
	struct mistake *m = &p->mistakes[p->num_mistakes];

	if (p->num_mistakes == CONF_ERRORS_MAX)
		return;
	snprintf(m->text, sizeof(m->text), "%s", sentence);
	m->at = at;
	p->num_mistakes++;
}

static int compare_mistakes(const void *a, const void *b)
{
	const struct mistake *x = a, *y = b;

	if (x->at.line != y->at.line)
		return x->at.line < y->at.line ? -1 : 1;
	return (x->at.col > y->at.col) - (x->at.col < y->at.col);
}

/* --- places in the text ------------------------------------------------- */

static char *line_start(char *text, int line)
{
	while (--line > 0) {
		text = strchr(text, '\n');
		if (!text)
			return NULL;
		text++;
	}
	return text;
}

static int last_line(const char *text)
{
	int line = 1;

	for (; *text; text++)
		line += *text == '\n' && text[1];
	return line;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_-./:", c));
}

/* The end of a comment, of a string or of a word that starts here. */
static char *skip_piece(char *s)
{
	char quote = *s;

	if (*s == '#' || (*s == '/' && s[1] == '/'))
		return s + strcspn(s, "\n");
	if (*s == '/' && s[1] == '*') {
		char *end = strstr(s + 2, "*/");

		return end ? end + 2 : s + strlen(s);
	}
	if (quote == '"' || quote == '\'') {
		for (s++; *s && *s != quote; s++)
			if (*s == '\\' && s[1])
				s++;
		return *s ? s + 1 : s;
	}
	if (!is_word(*s))
		return *s ? s + 1 : s;
	while (is_word(*s) && !(*s == '/' && (s[1] == '/' || s[1] == '*')))
		s++;
	return s;
}

static char *skip_blanks(char *s)
{
	while (*s) {
		if (isspace((unsigned char)*s))
			s++;
		else if (*s == '#' ||
			 (*s == '/' && (s[1] == '/' || s[1] == '*')))
			s = skip_piece(s);
		else
			break;
	}
	return s;
}

/* A word of its own on this line, not in a string or comment. */
static char *find_word(char *s, const char *word)
{
	const size_t len = strlen(word);

	while (s && *s && *s != '\n') {
		char *end = skip_piece(s);

		if ((size_t)(end - s) == len && !memcmp(s, word, len))
			return s;
		s = end;
	}
	return NULL;
}

/* The column of a value: behind its key where that is on the same line. */
static struct place find_value(struct parser *p, int line, const char *key,
			       const char *value)
{
	struct place at = { .line = line };
	char *start = line_start(p->text, line), *s, *end;

	if (!start)
		return at;
	s = find_word(start, key);
	end = start + strcspn(start, "\n");
	if (s)
		at.col = (int)(s - start) + 1;
	s = *value ? strstr(s ? s + strlen(key) : start, value) : NULL;
	if (s && s < end) {
		if (s > start && (s[-1] == '"' || s[-1] == '\''))
			s--;
		at.col = (int)(s - start) + 1;
	}
	return at;
}

/* Where the block began that ends on this line. */
static struct place find_block(struct parser *p, int end_line, const char *name,
			       const char *title)
{
	for (int line = end_line; line > 0; line--) {
		char *start = line_start(p->text, line);
		char *s = find_word(start, name), *brace;

		if (!s)
			continue;
		brace = s + strcspn(s, "{\n");
		s = title ? strstr(s, title) : s;
		if (s && s <= brace)
			return (struct place){ .line = line };
	}
	return (struct place){ .line = end_line };
}

/* The end of `{ ... }` or `( ... )`, which starts here. */
static char *skip_braces(char *s)
{
	int depth = 0;

	do {
		depth += (*s == '{' || *s == '(') - (*s == '}' || *s == ')');
		s = skip_blanks(skip_piece(s));
	} while (depth > 0 && *s);
	return s;
}

/* libConfuse takes the end of the file for the end of every open block. */
static int open_braces(char *s)
{
	int depth = 0;

	for (s = skip_blanks(s); *s; s = skip_blanks(skip_piece(s)))
		depth += (*s == '{') - (*s == '}');
	return depth;
}

/* Blanks out the statement that starts with this key: lines stay. */
static void blank_statement(char *start)
{
	char *s = skip_blanks(skip_piece(start));

	if (*s == '+')
		s++;
	if (*s == '=')
		s = skip_blanks(s + 1);
	if (*s == '{' || *s == '(') {
		s = skip_braces(s);
	} else {
		s = skip_blanks(skip_piece(s));
		if (*s == '{')
			s = skip_braces(s);
	}
	for (; start < s; start++)
		if (*start != '\n')
			*start = ' ';
}

/* --- values ------------------------------------------------------------- */

/* Digits, then a unit that is handed back; false when it is no number. */
static bool parse_number(const char *s, long *number, const char **unit)
{
	char *end;

	errno = 0;
	*number = strtol(s, &end, 10);
	*unit = end;
	return end != s && isdigit((unsigned char)*s) && !errno;
}

static long set_number(struct parser *p, const char *value, long low, long high)
{
	const char *unit;
	long number;

	if (!parse_number(value, &number, &unit) || *unit)
		mistake(p, p->at, "%s \"%s\" is not a number; %ld to %ld",
			p->key, value, low, high);
	else if (number < low || number > high)
		mistake(p, p->at, "%s %s is out of range; %ld to %ld", p->key,
			value, low, high);
	else
		return number;
	return high;
}

static bool is_name(const char *s)
{
	size_t len = strlen(s);

	if (!len || len >= CONF_NAME_SIZE)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
			return false;
	return true;
}

static void set_name(struct parser *p, const char *value, const char *what,
		     char out[CONF_NAME_SIZE])
{
	if (is_name(value))
		snprintf(out, CONF_NAME_SIZE, "%s", value);
	else
		mistake(p, p->at,
			"%s \"%s\" cannot be a name; 1 to 63 letters, digits "
			"and . _ -",
			what, value);
}

static void set_path(struct parser *p, const char *value, size_t size,
		     char **out)
{
	if (*value != '/') {
		mistake(p, p->at, "%s \"%s\" is not an absolute path; \"/...\"",
			p->key, value);
	} else if (strlen(value) >= size) {
		mistake(p, p->at,
			"%s is longer than %zu bytes; choose a "
			"shorter path",
			p->key, size - 1);
	} else {
		free(*out);
		*out = strdup(value);
	}
}

static bool parse_address(const char *value, struct conf_address *a)
{
	a->family = AF_INET;
	if (inet_pton(AF_INET, value, &a->v4) == 1)
		return true;
	a->family = AF_INET6;
	if (inet_pton(AF_INET6, value, &a->v6) == 1)
		return true;
	a->family = AF_UNSPEC;
	return false;
}

static bool same_address(const struct conf_address *a,
			 const struct conf_address *b)
{
	if (a->family != b->family)
		return false;
	return a->family == AF_INET ? a->v4.s_addr == b->v4.s_addr
				    : !memcmp(&a->v6, &b->v6, sizeof(a->v6));
}

/* One node's address on the link: no prefix. AF_MAX when refused. */
static void set_node_address(struct parser *p, const char *value,
			     struct conf_address *out)
{
	if (parse_address(value, out))
		return;
	out->family = AF_MAX;
	mistake(p, p->at,
		"address \"%s\" is not an IP address without prefix; 10.9.0.1",
		value);
}

static void set_node(struct parser *p, const char *value)
{
	set_name(p, value, "node", p->conf->node);
}

static void set_preempt(struct parser *p, const char *value)
{
	int on = cfg_parse_boolean(value);

	if (on < 0)
		mistake(p, p->at, "preempt \"%s\" is not known; true or false",
			value);
	else
		p->conf->preempt = on;
}

static void set_require_sync(struct parser *p, const char *value)
{
	static const struct {
		const char *unit;
		long ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }
	};
	const char *unit;
	long number;

	p->conf->require_sync = CONF_SYNC_STRICT;
	if (!strcmp(value, "strict"))
		return;
	if (!strcmp(value, "off")) {
		p->conf->require_sync = CONF_SYNC_OFF;
		return;
	}
	p->conf->require_sync = CONF_SYNC_LIMIT;
	if (parse_number(value, &number, &unit)) {
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (strcmp(unit, units[i].unit))
				continue;
			p->conf->require_sync_ms = number * units[i].ms;
			if (number < 1 || number > 86400000 / units[i].ms)
				mistake(p, p->at,
					"require-sync %s is out of "
					"range; 1ms to 24h",
					value);
			return;
		}
	}
	mistake(p, p->at,
		"require-sync \"%s\" is not known; strict, off, or a "
		"duration with its unit: 500ms, 60s, 2min, 1h",
		value);
}

static void set_event_buffer(struct parser *p, const char *value)
{
	const long low = 64 * 1024, high = 1024L * 1024 * 1024;
	const char *unit, *units = "KMG", *u;
	long bytes;

	if (!parse_number(value, &bytes, &unit) ||
	    (*unit && (unit[1] || !strchr(units, *unit)))) {
		mistake(p, p->at,
			"event-buffer \"%s\" is not a size; 64K to "
			"1G",
			value);
		return;
	}
	for (u = units; *unit && bytes <= high; u++) {
		bytes *= 1024;
		if (*u == *unit)
			break;
	}
	if (bytes < low || bytes > high)
		mistake(p, p->at, "event-buffer %s is out of range; 64K to 1G",
			value);
	else
		p->conf->event_buffer_bytes = (uint32_t)bytes;
}

static void set_state_dir(struct parser *p, const char *value)
{
	set_path(p, value, 1024, &p->conf->state_dir);
}

static void set_socket(struct parser *p, const char *value)
{
	set_path(p, value, sizeof(((struct sockaddr_un *)0)->sun_path),
		 &p->conf->stats_socket);
}

static void set_link_address(struct parser *p, const char *value)
{
	set_node_address(p, value, &p->conf->link.address);
	p->link_address_at = p->at;
}

static void set_port(struct parser *p, const char *value)
{
	p->conf->link.port = (uint16_t)set_number(p, value, 1, 65535);
}

static void set_key_file(struct parser *p, const char *value)
{
	struct conf_link *link = &p->conf->link;

	if (link->num_keys == CONF_KEYS_MAX) {
		mistake(p, p->at,
			"a third key-file; at most 2, the new and "
			"the old one");
		return;
	}
	p->key_at[link->num_keys] = p->at;
	set_path(p, value, 1024, &link->key_file[link->num_keys]);
	if (link->key_file[link->num_keys])
		link->num_keys++;
}

static void set_peer_address(struct parser *p, const char *value)
{
	set_node_address(p, value, &p->peer.peer.address);
}

static void set_interface(struct parser *p, const char *value)
{
	struct conf_carp *c = &p->carp.carp;

	if (!*value || strlen(value) >= sizeof(c->interface) ||
	    strpbrk(value, "/ \t\n:") || *value == '.')
		mistake(p, p->at,
			"interface \"%s\" cannot be the name of an "
			"interface; see: ip link",
			value);
	snprintf(c->interface, sizeof(c->interface), "%s",
		 *value ? value : "?");
}

static void set_vhid(struct parser *p, const char *value)
{
	unsigned int before = p->num_mistakes;

	p->carp.carp.vhid = (uint8_t)set_number(p, value, 1, 255);
	p->carp.vhid_at = p->at;
	if (p->num_mistakes != before)
		p->carp.carp.vhid = 0;
}

/* The kinds of IPv4 addresses that a host can have on a network. */
static bool is_shareable(const struct conf_address *a)
{
	uint32_t ip = ntohl(a->v4.s_addr);

	return ip >> 24 != 0 && ip >> 24 != 127 && ip < 0xe0000000;
}

static void add_address(struct parser *p, const struct conf_address *a)
{
	struct conf_carp *c = &p->carp.carp;
	struct conf_address *more =
		reallocarray(c->addresses, c->num_addresses + 1, sizeof(*more));

	if (!more)
		return;
	c->addresses = more;
	c->addresses[c->num_addresses++] = *a;
}

static void set_addresses(struct parser *p, const char *value)
{
	struct conf_address a = { 0 };
	char host[INET6_ADDRSTRLEN];
	size_t len = strcspn(value, "/");
	const char *unit;
	long prefixlen;

	snprintf(host, sizeof(host), "%.*s", (int)len, value);
	if (len >= sizeof(host) || !parse_address(host, &a))
		mistake(p, p->at,
			"\"%s\" is not an IPv4 address with its "
			"prefix length; 10.1.0.1/24",
			value);
	else if (a.family == AF_INET6)
		mistake(p, p->at,
			"IPv6 shared addresses: not in this version; "
			"remove \"%s\"",
			value);
	else if (!value[len])
		mistake(p, p->at, "address %s has no prefix length; %s/24",
			value, value);
	else if (!parse_number(value + len + 1, &prefixlen, &unit) || *unit ||
		 prefixlen < 1 || prefixlen > 32)
		mistake(p, p->at,
			"prefix length of %s is out of range; 1 to "
			"32",
			value);
	else if (!is_shareable(&a))
		mistake(p, p->at,
			"%s cannot be shared; an address of the "
			"network on this interface",
			value);
	else
		a.prefixlen = (uint8_t)prefixlen;
	/* Kept also when refused, so that it is not said to be missing. */
	add_address(p, &a);
}

static void set_pass(struct parser *p, const char *value)
{
	size_t len = strlen(value);

	p->carp.pass_at = p->at;
	if (!len || len > CONF_PASS_MAX) {
		p->at.col = 0;
		mistake(p, p->at, "pass is %zu bytes long; 1 to %d", len,
			CONF_PASS_MAX);
		return;
	}
	memcpy(p->carp.carp.pass, value, len);
}

static void set_pass_file(struct parser *p, const char *value)
{
	p->carp.file_at = p->at;
	set_path(p, value, 1024, &p->carp.pass_file);
}

static void set_advbase(struct parser *p, const char *value)
{
	p->carp.carp.advbase = (uint8_t)set_number(p, value, 0, 255);
}

static void set_advskew(struct parser *p, const char *value)
{
	p->carp.carp.advskew = (uint8_t)set_number(p, value, 0, 254);
	p->carp.skew_at = p->at;
}

static void set_mac(struct parser *p, const char *value)
{
	if (!strcmp(value, "interface"))
		p->carp.carp.mac = CONF_MAC_INTERFACE;
	else if (!strcmp(value, "virtual"))
		p->carp.carp.mac = CONF_MAC_VIRTUAL;
	else
		mistake(p, p->at,
			"mac \"%s\" is not known; virtual or "
			"interface",
			value);
}

static void set_prefer(struct parser *p, const char *value)
{
	struct draft_carp *d = &p->carp;

	if (!d->num_prefer)
		d->prefer_at = p->at;
	if (d->num_prefer == PREFER_MAX) {
		mistake(p, p->at,
			"prefer names more than %d nodes; advskew "
			"ends at 254",
			PREFER_MAX);
		return;
	}
	for (unsigned int i = 0; i < d->num_prefer; i++)
		if (!strcmp(d->prefer[i], value))
			mistake(p, p->at, "prefer names \"%s\" twice; once",
				value);
	set_name(p, value, "prefer", d->prefer[d->num_prefer++]);
}

static const struct key keys[] = {
	{ IN_ROOT, false, "node", set_node },
	{ IN_ROOT, false, "preempt", set_preempt },
	{ IN_ROOT, false, "require-sync", set_require_sync },
	{ IN_ROOT, false, "event-buffer", set_event_buffer },
	{ IN_ROOT, false, "state-dir", set_state_dir },
	{ IN_LINK, false, "address", set_link_address },
	{ IN_LINK, false, "port", set_port },
	{ IN_LINK, false, "key-file", set_key_file },
	{ IN_PEER, false, "address", set_peer_address },
	{ IN_CARP, false, "interface", set_interface },
	{ IN_CARP, false, "vhid", set_vhid },
	{ IN_CARP, true, "addresses", set_addresses },
	{ IN_CARP, false, "pass", set_pass },
	{ IN_CARP, false, "pass-file", set_pass_file },
	{ IN_CARP, false, "advbase", set_advbase },
	{ IN_CARP, false, "advskew", set_advskew },
	{ IN_CARP, false, "mac", set_mac },
	{ IN_CARP, true, "prefer", set_prefer },
	{ IN_STATS, false, "socket", set_socket },
};
#define NUM_KEYS (sizeof(keys) / sizeof(keys[0]))

/* Promised, and not built yet: refused by name. */
static const struct {
	enum section section;
	const char *name;
} later[] = {
	{ IN_ROOT, "independent" },
	{ IN_ROOT, "preempt-delay" },
	{ IN_ROOT, "witness" },
	{ IN_ROOT, "witness-limit" },
	{ IN_ROOT, "router-advertisement" },
	{ IN_ROOT, "strict-peers" },
	{ IN_ROOT, "strict-interfaces" },
	{ IN_ROOT, "policy-file" },
	{ IN_ROOT, "on-master" },
	{ IN_ROOT, "on-backup" },
	{ IN_ROOT, "on-fault" },
	{ IN_ROOT, "sync" },
	{ IN_ROOT, "drift" },
	{ IN_PEER, "key-file" },
	{ IN_CARP, "peer" },
	{ IN_CARP, "alias" },
	{ IN_CARP, "source-mac" },
	{ IN_CARP, "shared-address" },
	{ IN_CARP, "announce-refresh" },
	{ IN_CARP, "ttl" },
	{ IN_CARP, "balancing" },
	{ IN_CARP, "nodes" },
	{ IN_CARP, "track" },
	{ IN_CARP, "routes" },
	{ IN_CARP, "rules" },
	{ IN_STATS, "metrics" },
	{ IN_STATS, "mode" },
};

static const char *const section_names[SECTIONS] = { "root", "link", "peer",
						     "carp", "stats" };

static enum section section_of(const cfg_t *cfg)
{
	for (int i = IN_ROOT; i < SECTIONS; i++)
		if (!strcmp(section_names[i], cfg->name))
			return (enum section)i;
	return IN_ROOT;
}

/* --- libConfuse --------------------------------------------------------- */

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
	struct parser *p = parser_of(cfg);
	char buf[128];

	*(const char **)result = value;
	for (size_t i = 0; i < NUM_KEYS; i++) {
		const struct key *key = &keys[i];
		struct place *seen = &p->seen[i];

		if (key->section != section_of(cfg) ||
		    strcmp(key->name, opt->name))
			continue;
		p->at = find_value(p, cfg->line, opt->name, value);
		p->key = key->name;
		if (seen->line && !key->list && key->set != set_key_file)
			mistake(p, p->at,
				"%s stands twice%s (line %d too); "
				"keep one",
				key->name, where(cfg, buf, sizeof(buf)),
				seen->line);
		*seen = p->at;
		key->set(p, value);
		return 0;
	}
	p->at = (struct place){ .line = cfg->line };
	mistake(p, p->at, "%s does not belong here; see statesync.conf(5)",
		opt->name);
	return 0;
}

static void section_closed(struct parser *p, enum section section)
{
	for (size_t i = 0; i < NUM_KEYS; i++)
		if (keys[i].section == section)
			p->seen[i] = (struct place){ 0 };
}

static void peer_closed(struct parser *p, const char *title)
{
	struct draft_peer *more =
		reallocarray(p->peers, p->num_peers + 1, sizeof(*more));

	p->key = "peer";
	p->at = p->peer.at;
	set_name(p, title, "peer", p->peer.peer.name);
	for (size_t i = 0; i < p->num_peers && more; i++)
		if (!strcmp(more[i].peer.name, title))
			mistake(p, p->at,
				"two blocks of peer \"%s\" (line %d "
				"too); keep one",
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
	set_name(p, title, "carp", p->carp.carp.name);
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
	struct place at = find_block(p, sec->line, sec->name, cfg_title(sec));

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
			mistake(p, at,
				"two link blocks (line %d too); keep "
				"one",
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

/* Letters added, dropped, changed or swapped, up to 3. */
static unsigned int distance(const char *a, const char *b, unsigned int limit)
{
	unsigned int best, d;

	while (*a && *a == *b)
		a++, b++;
	if (!*a && !*b)
		return 0;
	if (!limit)
		return 1;
	best = limit + 1;
	if (*a && (d = 1 + distance(a + 1, b, limit - 1)) < best)
		best = d;
	if (*b && (d = 1 + distance(a, b + 1, limit - 1)) < best)
		best = d;
	if (*a && *b && (d = 1 + distance(a + 1, b + 1, limit - 1)) < best)
		best = d;
	if (*a && a[1] && a[1] == *b && *a == b[1] &&
	    (d = 1 + distance(a + 2, b + 2, limit - 1)) < best)
		best = d;
	return best;
}

static void unknown_key(struct parser *p, const cfg_t *cfg, struct place at,
			const char *name)
{
	unsigned int best = 3, d;
	const char *near = NULL;
	char buf[128], all[256] = "";
	size_t n = 0;

	where(cfg, buf, sizeof(buf));
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		if (later[i].section == section_of(cfg) &&
		    !strcmp(later[i].name, name)) {
			mistake(p, at,
				"\"%s\"%s is not supported by this "
				"version; remove it",
				name, where(cfg, buf, sizeof(buf)));
			return;
		}
	for (const cfg_opt_t *o = cfg->opts; o->name; o++) {
		d = distance(name, o->name, 2);
		if (d < best && d < strlen(name)) {
			best = d;
			near = o->name;
		}
		if (n < sizeof(all))
			n += (size_t)snprintf(all + n, sizeof(all) - n, " %s",
					      o->name);
	}
	if (near)
		mistake(p, at, "unknown key \"%s\"%s; did you mean \"%s\"?",
			name, where(cfg, buf, sizeof(buf)), near);
	else
		mistake(p, at, "unknown key \"%s\"%s; known here:%s", name,
			where(cfg, buf, sizeof(buf)), all);
}

/* Takes the statement of an unknown key out, for another pass. */
static void recover(struct parser *p, const cfg_t *cfg, const char *name)
{
	struct place at = { .line = cfg->line };
	char *start = line_start(p->text, cfg->line);
	char *s = find_word(start, name);

	if (s)
		at.col = (int)(s - start) + 1;
	unknown_key(p, cfg, at, name);
	if (!s || p->num_mistakes == CONF_ERRORS_MAX)
		return;
	p->mistakes[p->num_mistakes - 1].lasting = true;
	blank_statement(s);
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
	mistake(p, at,
		"%s; the form is: key = \"value\", key = { \"a\", "
		"\"b\" }, or block \"name\" { ... }",
		text);
}

/* libConfuse's table of one section, out of ours. */
static void fill_options(struct parser *p, enum section section, cfg_opt_t *out,
			 cfg_opt_t *peer)
{
	for (size_t i = 0; i < NUM_KEYS; i++) {
		if (keys[i].section != section)
			continue;
		*out = (cfg_opt_t)CFG_STR_CB(keys[i].name, NULL, 0, on_value);
		if (keys[i].list)
			out->flags |= CFGF_LIST;
		out->simple_value.string = &p->scratch;
		out++;
	}
	if (peer) {
		*out = (cfg_opt_t)CFG_SEC("peer", peer,
					  CFGF_MULTI | CFGF_TITLE);
		out->validcb = on_section;
		out++;
	}
	*out = (cfg_opt_t)CFG_END();
}

static void reset_pass(struct parser *p)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < p->num_mistakes; i++)
		if (p->mistakes[i].lasting)
			p->mistakes[kept++] = p->mistakes[i];
	p->num_mistakes = kept;
	p->again = false;
}

static void drop_pass(struct parser *p)
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

/* One pass of libConfuse over the text; 0 or -ENOMEM. */
static int run_pass(struct parser *p)
{
	cfg_opt_t peer[KEYS_MAX], link[KEYS_MAX], carp[KEYS_MAX];
	cfg_opt_t stats[KEYS_MAX], root[KEYS_MAX];
	cfg_opt_t *end = root;
	cfg_t *cfg;

	drop_pass(p);
	reset_pass(p);
	p->conf = calloc(1, sizeof(*p->conf));
	if (!p->conf)
		return -ENOMEM;
	p->conf->link.port = CONF_DEFAULT_PORT;
	p->conf->event_buffer_bytes = 32 * 1024 * 1024;
	fill_options(p, IN_PEER, peer, NULL);
	fill_options(p, IN_LINK, link, peer);
	fill_options(p, IN_CARP, carp, NULL);
	fill_options(p, IN_STATS, stats, NULL);
	fill_options(p, IN_ROOT, root, NULL);
	while (end->name)
		end++;
	*end++ = (cfg_opt_t)CFG_SEC("link", link, CFGF_NONE);
	*end++ = (cfg_opt_t)CFG_SEC("carp", carp, CFGF_MULTI | CFGF_TITLE);
	*end++ = (cfg_opt_t)CFG_SEC("stats", stats, CFGF_NONE);
	for (int i = 1; i <= 3; i++)
		end[-i].validcb = on_section;
	*end = (cfg_opt_t)CFG_END();
	cfg = cfg_init(root, CFGF_NONE);
	if (!cfg)
		return -ENOMEM;
	cfg_set_error_function(cfg, on_syntax);
	p->broken = cfg_parse_buf(cfg, p->text) != CFG_SUCCESS;
	if (p->broken && !p->num_mistakes)
		mistake(p, (struct place){ 0 },
			"cannot be read; see statesync.conf(5)");
	if (!p->broken && open_braces(p->text)) {
		p->broken = true;
		mistake(p, (struct place){ .line = last_line(p->text) },
			"the file ends inside a block; add }");
	}
	cfg_free(cfg);
	if (p->scratch)
		OPENSSL_cleanse(p->scratch, strlen(p->scratch));
	free(p->scratch);
	p->scratch = NULL;
	return 0;
}

/* --- what holds between values ------------------------------------------ */

static void settle_node(struct parser *p)
{
	struct conf *conf = p->conf;
	struct utsname name;

	p->at = (struct place){ 0 };
	if (p->override) {
		set_name(p, p->override, "node", conf->node);
	} else if (!*conf->node) {
		uname(&name);
		set_name(p, name.nodename, "the host name", conf->node);
	}
	if (!conf->state_dir)
		conf->state_dir = strdup("/var/lib/statesync");
	if (!conf->stats_socket)
		conf->stats_socket = strdup("/run/statesync/stats.sock");
}

static bool is_given(const struct conf_address *a)
{
	return a->family == AF_INET || a->family == AF_INET6;
}

/* The block with our own name gives our address; the others are peers. */
static void settle_peers(struct parser *p)
{
	struct conf_link *link = &p->conf->link;

	link->peers = calloc(p->num_peers + 1, sizeof(*link->peers));
	for (size_t i = 0; i < p->num_peers && link->peers; i++) {
		const struct draft_peer *d = &p->peers[i];
		const struct conf_address *a = &d->peer.address;

		if (a->family == AF_UNSPEC)
			mistake(p, d->at,
				"peer \"%s\" has no address; add "
				"address = \"...\"",
				d->peer.name);
		if (strcmp(d->peer.name, p->conf->node)) {
			link->peers[link->num_peers++] = d->peer;
			continue;
		}
		if (link->address.family == AF_UNSPEC)
			link->address = *a;
		else if (is_given(a) && is_given(&link->address) &&
			 !same_address(&link->address, a))
			mistake(p, d->at,
				"peer \"%s\" is this node, and has "
				"another address than link (line %d); keep one",
				d->peer.name, p->link_address_at.line);
	}
}

static void check_link(struct parser *p)
{
	const struct conf_link *link = &p->conf->link;
	const struct place at = p->link_at;
	const char *node = p->conf->node;

	if (!link->num_keys)
		mistake(p, at,
			"link has no key-file; statesync genkey -o "
			"/etc/statesync/link.key, then key-file = "
			"\"/etc/statesync/link.key\"");
	if (link->address.family == AF_UNSPEC)
		mistake(p, at,
			"link has no address, and no peer block bears "
			"our name \"%s\"; add one of them",
			node);
	if (!link->num_peers)
		mistake(p, at,
			"link names no node but this one (\"%s\"); add "
			"peer \"...\" { address = \"...\" }",
			node);
	else if (link->num_peers > 1)
		mistake(p, at,
			"link names %zu other nodes; this version "
			"links two nodes, not more (this one is \"%s\")",
			link->num_peers, node);
	for (size_t i = 0; i < link->num_peers; i++) {
		const struct conf_peer *peer = &link->peers[i];

		if (!is_given(&peer->address) || !is_given(&link->address))
			continue;
		if (peer->address.family != link->address.family)
			mistake(p, at,
				"peer \"%s\" and this node have "
				"addresses of two families; choose one",
				peer->name);
		else if (same_address(&peer->address, &link->address))
			mistake(p, at,
				"peer \"%s\" has our own address; give "
				"each node its own",
				peer->name);
	}
}

static void check_key_files(struct parser *p)
{
	char why[CONF_ERROR_SIZE];
	struct link_key key;

	for (unsigned int i = 0; i < p->conf->link.num_keys; i++)
		if (keyfile_read(p->conf->link.key_file[i], &key, why,
				 sizeof(why)))
			mistake_elsewhere(p, p->key_at[i], why);
	keyfile_wipe(&key);
}

static bool node_is_known(const struct parser *p, const char *name)
{
	if (!p->conf->link.present || !strcmp(name, p->conf->node))
		return true;
	for (size_t i = 0; i < p->num_peers; i++)
		if (!strcmp(name, p->peers[i].peer.name))
			return true;
	return false;
}

/* prefer in place of advskew: 0, 100, 200 in its order. */
static void settle_skew(struct parser *p, struct draft_carp *d)
{
	const char *name = d->carp.name;
	bool found = !d->num_prefer;

	if (d->num_prefer && d->skew_at.line)
		mistake(p, d->prefer_at,
			"carp \"%s\" has prefer and advskew "
			"(line %d); keep one",
			name, d->skew_at.line);
	for (unsigned int i = 0; i < d->num_prefer; i++) {
		if (!strcmp(d->prefer[i], p->conf->node)) {
			d->carp.advskew = (uint8_t)(100 * i);
			found = true;
		} else if (!node_is_known(p, d->prefer[i])) {
			mistake(p, d->prefer_at,
				"carp \"%s\" prefers \"%s\", "
				"which no peer block names; correct one of "
				"them",
				name, d->prefer[i]);
		}
	}
	if (!found)
		mistake(p, d->prefer_at,
			"carp \"%s\": prefer does not name "
			"this node (\"%s\"); add it",
			name, p->conf->node);
	if (!d->carp.advbase && !d->carp.advskew)
		mistake(p, d->at,
			"carp \"%s\": advbase 0 with advskew 0 has "
			"no interval; advskew of at least 1%s",
			name, d->num_prefer ? " in place of prefer" : "");
}

static void settle_pass(struct parser *p, struct draft_carp *d)
{
	char text[256], why[CONF_ERROR_SIZE];
	size_t len;

	if (d->pass_at.line && d->file_at.line)
		mistake(p, d->file_at,
			"carp \"%s\" has pass (line %d) and "
			"pass-file; keep one",
			d->carp.name, d->pass_at.line);
	else if (!d->pass_at.line && !d->file_at.line)
		mistake(p, d->at,
			"carp \"%s\" has no password; add pass-file "
			"= \"/etc/statesync/carp.pass\"",
			d->carp.name);
	if (!d->pass_file)
		return;
	if (keyfile_read_secret(d->pass_file, "password", text, sizeof(text),
				&len, why, sizeof(why))) {
		mistake_elsewhere(p, d->file_at, why);
		return;
	}
	len = strcspn(len < sizeof(text) ? (text[len] = '\0', text) : "",
		      "\r\n");
	if (!len || len > CONF_PASS_MAX) {
		snprintf(why, sizeof(why),
			 "%s: the password is %zu bytes "
			 "long; one line of 1 to %d bytes",
			 d->pass_file, len, CONF_PASS_MAX);
		mistake_elsewhere(p, d->file_at, why);
		len = 0;
	}
	memcpy(d->carp.pass, text, len);
	OPENSSL_cleanse(text, sizeof(text));
}

/* The first `pass` of the file stands for all: chmod is done once. */
static void check_own_mode(struct parser *p)
{
	char why[CONF_ERROR_SIZE];

	for (size_t i = 0; i < p->num_carps && p->mode & 077; i++) {
		if (!p->carps[i].pass_at.line)
			continue;
		snprintf(why, sizeof(why),
			 "%s: mode %04o lets others read the password of carp "
			 "\"%s\" (line %d); not started. chmod 600 %s",
			 p->path, (unsigned int)(p->mode & 07777),
			 p->carps[i].carp.name, p->carps[i].pass_at.line,
			 p->path);
		mistake_elsewhere(p, p->carps[i].pass_at, why);
		return;
	}
}

static void check_missing(struct parser *p, const struct draft_carp *d)
{
	const struct conf_carp *c = &d->carp;

	if (!*c->interface)
		mistake(p, d->at,
			"carp \"%s\" has no interface; add interface "
			"= \"...\"",
			c->name);
	if (!d->vhid_at.line)
		mistake(p, d->at,
			"carp \"%s\" has no vhid; add vhid = 1 to "
			"255",
			c->name);
	if (!c->num_addresses)
		mistake(p, d->at,
			"carp \"%s\" has no addresses; add addresses "
			"= { \"10.1.0.1/24\" }",
			c->name);
}

static bool shares_address(const struct conf_carp *a, const struct conf_carp *b,
			   char text[INET_ADDRSTRLEN])
{
	for (size_t i = 0; i < a->num_addresses; i++)
		for (size_t j = 0; j < b->num_addresses; j++)
			if (a != b || i < j)
				if (a->addresses[i].prefixlen &&
				    same_address(&a->addresses[i],
						 &b->addresses[j]))
					return inet_ntop(AF_INET,
							 &a->addresses[i].v4,
							 text, INET_ADDRSTRLEN);
	return false;
}

/* Two blocks that clash; the later one is told. */
static void check_pair(struct parser *p, const struct draft_carp *a,
		       const struct draft_carp *b)
{
	char text[INET_ADDRSTRLEN];

	if (shares_address(&a->carp, &b->carp, text))
		mistake(p, b->at,
			"address %s stands twice, in carp \"%s\" "
			"(line %d) and in carp \"%s\"; keep one",
			text, a->carp.name, a->at.line, b->carp.name);
	if (a == b)
		return;
	if (!strcmp(a->carp.name, b->carp.name))
		mistake(p, b->at,
			"two blocks of carp \"%s\" (line %d too); "
			"give each its own name",
			b->carp.name, a->at.line);
	if (a->carp.vhid && a->carp.vhid == b->carp.vhid &&
	    !strcmp(a->carp.interface, b->carp.interface))
		mistake(p, (struct place){ .line = b->vhid_at.line },
			"carp \"%s\" uses vhid %u on %s, which carp \"%s\" "
			"(line %d) has already; choose another vhid",
			b->carp.name, b->carp.vhid, b->carp.interface,
			a->carp.name, a->vhid_at.line);
}

static void settle_carps(struct parser *p)
{
	struct conf *conf = p->conf;

	if (!p->num_carps)
		mistake(p, (struct place){ 0 },
			"no carp block; nothing to share. carp \"lan\" { "
			"interface = ... vhid = ... addresses = ... }");
	for (size_t i = 0; i < p->num_carps; i++) {
		check_missing(p, &p->carps[i]);
		settle_skew(p, &p->carps[i]);
		settle_pass(p, &p->carps[i]);
		for (size_t j = 0; j <= i; j++)
			check_pair(p, &p->carps[j], &p->carps[i]);
	}
	conf->carps = calloc(p->num_carps + 1, sizeof(*conf->carps));
	for (size_t i = 0; i < p->num_carps && conf->carps; i++) {
		conf->carps[conf->num_carps++] = p->carps[i].carp;
		p->carps[i].carp.addresses = NULL; /* now the tree's */
	}
}

static int settle(struct parser *p)
{
	settle_node(p);
	if (p->conf->link.present) {
		settle_peers(p);
		check_link(p);
		check_key_files(p);
	}
	settle_carps(p);
	check_own_mode(p);
	if (!p->conf->state_dir || !p->conf->stats_socket || !p->conf->carps ||
	    (p->conf->link.present && !p->conf->link.peers))
		return -ENOMEM;
	return 0;
}

/* The whole file as text; 0 with p->text, or -errno. */
static int read_text(struct parser *p)
{
	int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n = 0;
	size_t len = 0;

	if (fd < 0)
		return -errno;
	p->text = malloc(FILE_MAX + 1);
	if (!p->text || fstat(fd, &st) < 0) {
		close(fd);
		return p->text ? -errno : -ENOMEM;
	}
	p->mode = st.st_mode;
	while (len < FILE_MAX &&
	       (n = read(fd, p->text + len, FILE_MAX - len)) > 0)
		len += (size_t)n;
	close(fd);
	if (n < 0)
		return -errno;
	p->text[len] = '\0';
	return len == FILE_MAX ? -EFBIG : strlen(p->text) != len ? -EILSEQ : 0;
}

static int parse(struct parser *p)
{
	int rc = read_text(p);

	if (rc == -ENOMEM)
		return rc;
	if (rc) {
		mistake(p, (struct place){ 0 }, "%s; not loaded. ls -l %s",
			rc == -EILSEQ ? "holds a NUL byte" : log_errno(-rc),
			p->path);
		return 0;
	}
	do {
		rc = run_pass(p);
	} while (!rc && p->again && p->num_mistakes < CONF_ERRORS_MAX);
	/* No cascades: what a broken text lacks is not said to be missing. */
	return rc || p->broken ? rc : settle(p);
}

int conf_load(const char *path, const char *node, struct conf **out,
	      struct conf_errors *errors)
{
	struct parser p = { .path = path, .override = node };
	int rc;

	assert(NUM_KEYS + 5 <= KEYS_MAX);
	memset(errors, 0, sizeof(*errors));
	*out = NULL;
	rc = parse(&p);
	qsort(p.mistakes, p.num_mistakes, sizeof(p.mistakes[0]),
	      compare_mistakes);
	for (unsigned int i = 0; i < p.num_mistakes; i++)
		memcpy(errors->text[errors->count++], p.mistakes[i].text,
		       CONF_ERROR_SIZE);
	if (!rc && errors->count)
		rc = CONF_REFUSED;
	if (!rc) {
		*out = p.conf;
		p.conf = NULL;
	}
	drop_pass(&p);
	if (p.text)
		OPENSSL_cleanse(p.text, strlen(p.text));
	free(p.text);
	return rc;
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf->num_carps; i++) {
		OPENSSL_cleanse(conf->carps[i].pass,
				sizeof(conf->carps[i].pass));
		free(conf->carps[i].addresses);
	}
	for (unsigned int i = 0; i < CONF_KEYS_MAX; i++)
		free(conf->link.key_file[i]);
	free(conf->carps);
	free(conf->link.peers);
	free(conf->state_dir);
	free(conf->stats_socket);
	free(conf);
}
