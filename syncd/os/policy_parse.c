/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the text of a policy to its tree: macros, what the grammar's rules
 * make, and the words for mistakes. What follows what is policy_gram.y's.
 *
 * Implements ifstated.conf(5) of OpenBSD; the form of messages is the one of
 * conf.c.
 *
 * Invariant: a tree is handed out only if no mistake was said.
 */
#include "policy_parse_int.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy_gram.h"

/* Of policy_lex.l; its header would bring its macros along. */
typedef void *yyscan_t;
struct yy_buffer_state;
int policy_lex_lex_init_extra(struct policy_parser *p, yyscan_t *scanner);
struct yy_buffer_state *policy_lex__scan_bytes(const char *text, int len,
					       yyscan_t scanner);
char *policy_lex_get_text(yyscan_t scanner);
void policy_lex_pop_buffer_state(yyscan_t scanner);
int policy_lex_lex_destroy(yyscan_t scanner);

/* --- memory ---------------------------------------------------------------- */

static void *need(struct policy_parser *p, void *memory)
{
	if (!memory)
		longjmp(p->no_memory, 1);
	return memory;
}

char *policy_keep_text(struct policy_parser *p, const char *text, size_t len)
{
	char *out = need(p, policy_alloc(p->policy, len + 1));

	memcpy(out, text, len);
	return out;
}

char *policy_join(struct policy_parser *p, const char *a, const char *b)
{
	size_t size = strlen(a) + strlen(b) + 2;
	char *out = need(p, policy_alloc(p->policy, size));

	snprintf(out, size, "%s %s", a, b);
	return out;
}

/* --- mistakes -------------------------------------------------------------- */

__attribute__((format(printf, 4, 0))) static void say(
	struct conf_errors *list, const struct policy_text *of,
	struct policy_place at, const char *fmt, va_list ap)
{
	char place[32] = "";
	unsigned i = list->count;
	int n;

	if (i == CONF_ERRORS_MAX)
		return;
	list->count++;
	*list->shown[i] = '\0';
	if (at.col)
		snprintf(place, sizeof(place), "%d:%d: ", at.line, at.col);
	else if (at.line)
		snprintf(place, sizeof(place), "%d: ", at.line);
	n = snprintf(list->text[i], CONF_ERROR_SIZE, "%.250s:%s%s", of->path,
		     place, *place ? "" : " ");
	vsnprintf(list->text[i] + n, CONF_ERROR_SIZE - (size_t)n, fmt, ap);
	conf_errors_plain(list->text[i]);
	if (of->text && at.col)
		conf_errors_show(of->text, of->len, at.line, at.col, true,
				 list->shown[i]);
}

void policy_say(struct conf_errors *list, const struct policy_text *of,
		struct policy_place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(list, of, at, fmt, ap);
	va_end(ap);
}

void policy_mistake(struct policy_parser *p, struct policy_place at,
		    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(p->errors, &p->of, at, fmt, ap);
	va_end(ap);
}

static void line_of(const struct policy_parser *p, int number, char *out,
		    size_t size)
{
	const char *s = p->of.text, *end = s + p->of.len;
	size_t len = 0;

	while (--number > 0 && (s = memchr(s, '\n', (size_t)(end - s))))
		s++;
	while (s && s + len < end && s[len] != '\n' && len + 1 < size)
		len++;
	if (s)
		memcpy(out, s, len);
	out[len] = '\0';
}

/* Does the word stand there, blanks on both sides? */
static bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word);

	for (const char *s = line; (s = strstr(s, word)); s += len)
		if (s > line && isspace((unsigned char)s[-1]) &&
		    (!s[len] || isspace((unsigned char)s[len])))
			return true;
	return false;
}

/* && or || with something beside it. */
static bool is_tight(const char *line)
{
	for (const char *s = line; *s; s++)
		if ((!strncmp(s, "&&", 2) || !strncmp(s, "||", 2)) &&
		    ((s > line && !isspace((unsigned char)s[-1])) ||
		     (s[2] && !isspace((unsigned char)s[2]))))
			return true;
	return false;
}

/* The usual mistakes, and what to write instead; NULL: another one. */
static const char *hint_for(const char *line, const char *word,
			    const char *expected)
{
	if (!strncmp(line, "<<<<<<<", 7) || !strncmp(line, "=======", 7) ||
	    !strncmp(line, ">>>>>>>", 7))
		return "a merge left this line behind; resolve it";
	if (has_word(line, "link") || has_word(line, "and") ||
	    has_word(line, "or"))
		return "old syntax: carp0.link.up, &&, ||";
	if (is_tight(line))
		return "&& and || need a blank on both sides";
	if (strcmp(word, "else") == 0)
		return "there is no else; write another if, with ! before it";
	if (strcmp(expected, "link") == 0)
		return "a name with dots goes into quotes: "
		       "\"eth0.100\".link.up";
	if (strstr(expected, "every"))
		return "a condition is eth0.link.up, or \"command\" every 10 "
		       "(old syntax had less)";
	if (strchr(line, '$'))
		return "is the macro's text a whole condition or command?";
	return NULL;
}

void policy_syntax(struct policy_parser *p, struct policy_place at,
		   const char *found, const char *expected)
{
	const char *word = policy_lex_get_text(p->scanner);
	char line[256], what[80];
	const char *hint;

	line_of(p, at.line, line, sizeof(line));
	hint = hint_for(line, word, expected);
	if (!strcmp(found, "end of line") || !strcmp(found, "end of file"))
		snprintf(what, sizeof(what), "the line ends too early");
	else if (*word == '"' || *word == '\'')
		snprintf(what, sizeof(what), "a string cannot stand here");
	else
		snprintf(what, sizeof(what), "\"%.40s\" cannot stand here",
			 word);
	if (hint)
		policy_mistake(p, at, "%s; %s", what, hint);
	else
		policy_mistake(p, at, "%s; %s%s", what,
			       *expected ? "here may stand: "
					 : "ifstated.conf(5) knows: run, "
					   "set-state, if, state, init-state, "
					   "name = \"text\"",
			       expected);
}

/* --- macros ---------------------------------------------------------------- */

static struct policy_macro *find_macro(const struct policy_parser *p,
				       const char *name)
{
	struct policy_macro *m = p->macros;

	while (m && strcmp(m->name, name))
		m = m->next;
	return m;
}

const char *policy_macro_use(struct policy_parser *p, const char *name,
			     struct policy_place at)
{
	struct policy_macro *m = find_macro(p, name);

	if (!m) {
		policy_mistake(p, at,
			       "macro \"%s\" is not defined before this; %s = "
			       "\"...\", or -D %s=...",
			       name, name, name);
		return NULL;
	}
	m->used = true;
	/* a number ends there */
	return policy_join(p, m->text, "");
}

static bool is_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	return len > 0;
}

bool policy_macro_ok(const char *text)
{
	const char *equals = strchr(text, '=');

	return equals && is_name(text, (size_t)(equals - text));
}

void policy_macro_set(struct policy_parser *p, const char *name,
		      const char *text, struct policy_place at)
{
	struct policy_macro *m = find_macro(p, name);

	if (!is_name(name, strlen(name))) {
		policy_mistake(p, at,
			       "\"%s\" cannot be a macro's name; letters, "
			       "digits and _",
			       name);
		return;
	}
	if (m && m->given) /* -D beats the file */
		return;
	if (!m) {
		m = need(p, policy_alloc(p->policy, sizeof(*m)));
		m->next = p->macros;
		p->macros = m;
	}
	m->name = name;
	m->text = text;
	m->at = at;
}

static void give_macros(struct policy_parser *p,
			const struct policy_macros *macros)
{
	for (size_t i = 0; macros && i < macros->count; i++) {
		const char *text = macros->list[i];
		const char *equals = strchr(text, '=');
		const char *name =
			policy_keep_text(p, text, (size_t)(equals - text));

		policy_macro_set(p, name, equals + 1,
				 (struct policy_place){ 0, 0 });
		p->macros->given = true;
	}
}

/* --- what the rules make --------------------------------------------------- */

bool policy_block_begin(struct policy_parser *p, struct policy_steps *steps)
{
	if (p->depth == POLICY_DEPTH_MAX) {
		policy_mistake(p, p->at,
			       "blocks in blocks, %d deep; a state for some "
			       "of it",
			       POLICY_DEPTH_MAX);
		return false;
	}
	p->into[p->depth++] = steps;
	return true;
}

void policy_block_end(struct policy_parser *p)
{
	p->depth--;
}

void policy_state_begin(struct policy_parser *p, const char *name,
			struct policy_place at)
{
	int before = policy_find_state(p->policy, name);
	int state;

	if (before >= 0)
		policy_mistake(p, at,
			       "two states \"%s\" (line %d too); give one "
			       "another name",
			       name, p->policy->states[before].at.line);
	state = policy_add_state(p->policy, name, at);
	if (state < 0)
		longjmp(p->no_memory, 1);
	p->state = (unsigned)state;
	/* after a mistake blocks may be open */
	p->depth = 0;
}

void policy_state_end(struct policy_parser *p)
{
	p->state = POLICY_GLOBAL;
	p->depth = 0;
}

struct policy_step *policy_step_new(struct policy_parser *p,
				    enum policy_do what, const char *text,
				    struct policy_place at)
{
	struct policy_step *step =
		need(p, policy_alloc(p->policy, sizeof(*step)));

	if (what == POLICY_SET_STATE && p->state == POLICY_GLOBAL)
		policy_mistake(p, at,
			       "set-state outside of all states; it belongs "
			       "into the body of one");
	step->what = what;
	step->text = text;
	step->at = at;
	policy_add_step(p->depth ? p->into[p->depth - 1]
				 : &p->policy->states[p->state].body,
			step);
	return step;
}

struct policy_expr *policy_expr_new(struct policy_parser *p, enum policy_op op,
				    const struct policy_expr *left,
				    const struct policy_expr *right)
{
	struct policy_expr *e = need(p, policy_alloc(p->policy, sizeof(*e)));

	e->op = op;
	e->left = left;
	e->right = right;
	return e;
}

struct policy_expr *policy_link_test(struct policy_parser *p, const char *name,
				     enum policy_op op, struct policy_place at)
{
	struct policy_expr *e = policy_expr_new(p, op, NULL, NULL);
	int link = policy_add_link(p->policy, name, at);

	if (link < 0)
		longjmp(p->no_memory, 1);
	e->index = (unsigned)link;
	return e;
}

struct policy_expr *policy_command_test(struct policy_parser *p,
					const char *command, long every,
					struct policy_place at)
{
	struct policy_expr *e = policy_expr_new(p, POLICY_TEST, NULL, NULL);
	int test;

	if (every < 1 || every > 86400) {
		policy_mistake(p, at,
			       "every %ld is out of range; 1 to 86400 seconds",
			       every);
		every = 1;
	}
	test = policy_add_test(p->policy, p->state, command, (unsigned)every);
	if (test < 0)
		longjmp(p->no_memory, 1);
	e->index = (unsigned)test;
	return e;
}

/* --- the whole ------------------------------------------------------------- */

static void no_such_state(unsigned state, struct policy_step *step, void *arg)
{
	(void)state;
	policy_mistake(arg, step->at,
		       "there is no state \"%s\"; define it, or correct the "
		       "name",
		       step->text);
}

static void find_start(struct policy_parser *p)
{
	int start = p->policy->nstates > 1 ? 1 : POLICY_GLOBAL;

	if (p->start)
		start = policy_find_state(p->policy, p->start);
	if (start < 0) {
		policy_mistake(p, p->start_at,
			       "init-state: there is no state \"%s\"; define "
			       "it, or correct the name",
			       p->start);
		start = POLICY_GLOBAL;
	}
	p->policy->start = (unsigned)start;
}

/* Up to its end, or to one of memory. */
static int parse(struct policy_parser *p, const struct policy_macros *macros)
{
	if (setjmp(p->no_memory))
		return -ENOMEM;
	give_macros(p, macros);
	if (!policy_lex__scan_bytes(p->of.text, (int)p->of.len, p->scanner))
		return -ENOMEM;
	p->at = (struct policy_place){ 1, 1 };
	(void)policy_gram_parse(p->scanner, p);
	if (p->errors->count)
		return CONF_REFUSED;
	policy_link_states(p->policy, no_such_state, p);
	find_start(p);
	return p->errors->count ? CONF_REFUSED : 0;
}

static void name_unused(const struct policy_parser *p,
			struct conf_errors *warnings)
{
	for (const struct policy_macro *m = p->macros; m; m = m->next)
		if (!m->used)
			policy_say(warnings, &p->of, m->at,
				   "macro \"%s\" is never used", m->name);
}

int policy_parse(const char *path, const char *text, size_t len,
		 const struct policy_macros *macros, struct policy **out,
		 struct conf_errors *errors, struct conf_errors *warnings)
{
	struct policy_parser *p = calloc(1, sizeof(*p));
	char *whole = malloc(len + 1);
	int err = -ENOMEM;

	*out = NULL;
	if (p)
		p->policy = policy_new();
	if (p && whole && p->policy &&
	    !policy_lex_lex_init_extra(p, &p->scanner)) {
		memcpy(whole, text, len);
		/* the last line may lack its end */
		if (!len || whole[len - 1] != '\n')
			whole[len++] = '\n';
		p->of = (struct policy_text){ path, whole, len };
		p->errors = errors;
		err = parse(p, macros);
		if (p->in_macro) /* it frees one of them only */
			policy_lex_pop_buffer_state(p->scanner);
		policy_lex_lex_destroy(p->scanner);
	}
	if (!err && warnings)
		name_unused(p, warnings);
	if (!err)
		*out = p->policy;
	else if (p)
		policy_free(p->policy);
	free(whole);
	free(p);
	return err;
}
