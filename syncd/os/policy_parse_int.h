/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the grammar, the lexer and policy_parse.c share. For them only. */
#ifndef STATESYNC_POLICY_PARSE_INT_H
#define STATESYNC_POLICY_PARSE_INT_H

#include "policy_parse.h"

#include <setjmp.h>

#define POLICY_DEPTH_MAX 64 /* of blocks in blocks */
#define POLICY_WORD_MAX	 8000

struct policy_macro {
	struct policy_macro *next;
	const char *name, *text;
	struct policy_place at;
	bool given; /* by -D */
	bool used;
};

struct policy_parser {
	struct policy_text of;
	struct conf_errors *errors;
	struct policy *policy;
	struct policy_macro *macros;
	void *scanner;
	jmp_buf no_memory;
	/* The lexer's. */
	struct policy_place at; /* of the next character */
	bool in_macro;
	size_t macro_len; /* of its name */
	char quote;
	struct policy_place quote_at;
	char word[POLICY_WORD_MAX + 1];
	size_t word_len;
	/* The grammar's. */
	unsigned state;
	struct policy_steps *into[POLICY_DEPTH_MAX];
	unsigned depth;
	const char *start; /* init-state, or NULL */
	struct policy_place start_at, last;
};

/* policy_parse.c; without memory they do not return. */
char *policy_keep_text(struct policy_parser *p, const char *text, size_t len);
void policy_mistake(struct policy_parser *p, struct policy_place at,
		    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* What cannot stand there; what could. With a hint, where the line is one of
 * the usual mistakes. */
void policy_syntax(struct policy_parser *p, struct policy_place at,
		   const char *found, const char *expected);
/* NULL: not defined, which was said. */
const char *policy_macro_use(struct policy_parser *p, const char *name,
			     struct policy_place at);
void policy_macro_set(struct policy_parser *p, const char *name,
		      const char *text, struct policy_place at);
char *policy_join(struct policy_parser *p, const char *a, const char *b);

/* The grammar's actions. */
void policy_state_begin(struct policy_parser *p, const char *name,
			struct policy_place at);
void policy_state_end(struct policy_parser *p);
/* False: too deep, which was said. */
bool policy_block_begin(struct policy_parser *p, struct policy_steps *steps);
void policy_block_end(struct policy_parser *p);
struct policy_step *policy_step_new(struct policy_parser *p,
				    enum policy_do what, const char *text,
				    struct policy_place at);
struct policy_expr *policy_expr_new(struct policy_parser *p, enum policy_op op,
				    const struct policy_expr *left,
				    const struct policy_expr *right);
struct policy_expr *policy_link_test(struct policy_parser *p, const char *name,
				     enum policy_op op, struct policy_place at);
struct policy_expr *policy_command_test(struct policy_parser *p,
					const char *command, long every,
					struct policy_place at);

#endif
