/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The grammar of a policy: what may follow what. What is made of it is
 * policy_parse.c's.
 *
 * Implements parse.y 1.56 of ifstated(8), OpenBSD: actions end with a newline,
 * && and || bind alike and to the left, ! binds tightest.
 */
%define api.pure full
%define api.prefix {policy_gram_}
%define api.location.type {struct policy_place}
%define parse.error custom
%locations
%param { void *scanner }
%parse-param { struct policy_parser *p }

%code requires {
#include "policy_parse_int.h"
}

%code {
#define YYLLOC_DEFAULT(cur, rhs, n) \
	((cur) = (n) ? YYRHSLOC(rhs, 1) : YYRHSLOC(rhs, 0))
#define YYMAXDEPTH 2000

int policy_gram_lex(POLICY_GRAM_STYPE *value, struct policy_place *at,
		    void *scanner);
static void policy_gram_error(struct policy_place *at, void *scanner,
			      struct policy_parser *p, const char *text);
/* No more than can be shown. */
#define RECOVERED \
	do { \
		yyerrok; \
		if (p->errors->count == CONF_ERRORS_MAX) \
			YYABORT; \
	} while (0)
}

%union {
	const char *text;
	long number;
	struct policy_step *step;
	struct policy_expr *expr;
	enum policy_op op;
}

%token NEWLINE "end of line"
%token STATE "state" INITSTATE "init-state" INIT "init"
%token LINK "link" UP "up" DOWN "down" UNKNOWN "unknown"
%token IF "if" RUN "run" SETSTATE "set-state" EVERY "every"
%token <text> STRING "word or string"
%token <number> NUMBER "number"
%token AND "&&" OR "||"
%left AND OR
%precedence NOT
%type <text> string
%type <expr> expr condition
%type <op> way

%%

file		: %empty
		| file NEWLINE
		| file init_state NEWLINE
		| file macro NEWLINE
		| file action NEWLINE
		| file state NEWLINE
		| file error NEWLINE	{ RECOVERED; }
		;

string		: string STRING		{ $$ = policy_join(p, $1, $2); }
		| STRING
		;

macro		: STRING '=' string	{ policy_macro_set(p, $1, $3, @1); }
		;

init_state	: INITSTATE STRING	{ p->start = $2; p->start_at = @2; }
		;

newlines	: %empty
		| newlines NEWLINE
		;

state		: STATE string		{ policy_state_begin(p, $2, @2); }
		  newlines '{' items last '}' { policy_state_end(p); }
		;

items		: newlines
		| items item NEWLINE newlines
		| items error NEWLINE newlines	{ RECOVERED; }
		;

last		: %empty
		| item
		;

item		: init
		| action
		;

init		: INIT			{
			if (!policy_block_begin(p,
				&p->policy->states[p->state].init))
				YYABORT;
		}
		  block			{ policy_block_end(p); }
		;

action		: RUN STRING		{ policy_step_new(p, POLICY_RUN, $2, @1); }
		| SETSTATE STRING	{ policy_step_new(p, POLICY_SET_STATE,
							  $2, @1); }
		| IF			{
			struct policy_step *step =
				policy_step_new(p, POLICY_IF, NULL, @1);

			$<step>$ = step;
		}
		  condition		{
			/* its steps go there until the block ends */
			static const struct policy_steps none;
			struct policy_steps *steps =
				policy_alloc(p->policy, sizeof(*steps));

			if (!steps)
				longjmp(p->no_memory, 1);
			*steps = none;
			$<step>2->expr = $3;
			if (!policy_block_begin(p, steps))
				YYABORT;
		}
		  block			{
			$<step>2->block = p->into[p->depth - 1]->first;
			policy_block_end(p);
		}
		;

condition	: expr
		| error			{ $$ = NULL; }
		;

block		: newlines '{' actions '}'
		| newlines '{' actions action '}'
		| newlines action
		;

actions		: newlines
		| actions action NEWLINE newlines
		| actions error NEWLINE newlines { RECOVERED; }
		;

expr		: '!' expr %prec NOT	{ $$ = policy_expr_new(p, POLICY_NOT,
							       $2, NULL); }
		| expr AND expr		{ $$ = policy_expr_new(p, POLICY_AND,
							       $1, $3); }
		| expr OR expr		{ $$ = policy_expr_new(p, POLICY_OR,
							       $1, $3); }
		| '(' expr ')'		{ $$ = $2; }
		| STRING '.' LINK '.' way { $$ = policy_link_test(p, $1, $5, @1); }
		| STRING EVERY NUMBER	{ $$ = policy_command_test(p, $1, $3, @3); }
		;

way		: UP			{ $$ = POLICY_UP; }
		| DOWN			{ $$ = POLICY_DOWN; }
		| UNKNOWN		{ $$ = POLICY_UNKNOWN; }
		;

%%

static void policy_gram_error(struct policy_place *at, void *scanner,
			      struct policy_parser *p, const char *text)
{
	(void)scanner;
	policy_mistake(p, *at, "%s", text);
}

static int yyreport_syntax_error(const yypcontext_t *context, void *scanner,
				 struct policy_parser *p)
{
	yysymbol_kind_t expected[8];
	yysymbol_kind_t found = yypcontext_token(context);
	char list[160] = "";
	int n = yypcontext_expected_tokens(context, expected, 8);

	(void)scanner;
	for (int i = 0; i < n; i++) {
		size_t len = strlen(list);

		snprintf(list + len, sizeof(list) - len, "%s%s",
			 i ? ", " : "", yysymbol_name(expected[i]));
	}
	policy_syntax(p, *yypcontext_location(context),
		      found == YYSYMBOL_YYEMPTY ? "" : yysymbol_name(found),
		      list);
	return 0;
}
