/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The language of policies: its words, its order, and its mistakes. */
#include "policy_play.h"

static void refused(const char *text, int nmistakes, const char *first)
{
	struct play p;

	ck_assert_int_eq(play_parse(&p, text, 0, NULL), CONF_REFUSED);
	ck_assert_str_eq(p.errors.text[0], first);
	ck_assert_msg(p.errors.count == (unsigned)nmistakes, "%u: %s",
		      p.errors.count, p.errors.text[p.errors.count - 1]);
	ck_assert_ptr_null(p.policy);
}

/* What runs when everything of the state is true. */
static void runs(const char *text, const char *what)
{
	struct play p;

	play_load(&p, text);
	for (unsigned i = 0; i < p.policy->nlinks; i++)
		policy_fact(p.run, i, POLICY_IS_UP, p.now);
	play_begin(&p);
	play_did(&p, what);
	play_end(&p);
}

START_TEST(strings_are_byte_exact)
{
	/* as people write them: back-ticks, awk, lines continued */
	runs("run 'GW=`awk \\'/^default/ {print $1}\\' f`; \\\n  echo "
	     "\"$GW\"'\n",
	     "run GW=`awk '/^default/ {print $1}' f`;   echo \"$GW\"\n");
}
END_TEST

START_TEST(quotes)
{
	runs("run 'say \\'hi\\' \\\"x\\\" \\n $a'\n",
	     "run say 'hi' \\\"x\\\" \\n $a\n");
	runs("run \"one \\\n  two\n three\"\n", "run one   two three\n");
	runs("run \"sed 's/a\\.b/\\\\1/'\"\n", "run sed 's/a\\.b/\\\\1/'\n");
	runs("run \"a\\ b\" # comment \"\n", "run a b\n");
	runs("run 'no # comment'\n", "run no # comment\n");
	runs("run word\n", "run word\n");
	runs("run \"r\303\251seau\"", "run r\303\251seau\n");
}
END_TEST

START_TEST(macros)
{
	runs("c = 'em0.link.up'\nif $c\n run 'x'\n", "run x\n");
	runs("c = \"em0.link.up\" '&& em1.link.up'\nif $c {\n run 'x'\n}\n",
	     "run x\n");
	runs("t = '( \"a\" every 10 || em0.link.up )'\nif em1.link.up && $t\n"
	     " run 'x'\n",
	     "test a\n");
	runs("i = em0\nif $i.link.up\n run 'x'\n", "run x\n");
	runs("c = '\"echo $x\"'\nrun $c\n", "run echo $x\n");
	runs("a = 'x'\na = 'y'\nrun $a\n", "run y\n");
}
END_TEST

START_TEST(macros_from_outside)
{
	static const char *const list[] = { "a=given", "b=" };
	struct play p;

	ck_assert_int_eq(
		play_parse(&p, "a = 'file'\nrun $a\nc = 'x'\n", 2, list), 0);
	ck_assert_str_eq(p.policy->states[0].body.first->text, "given");
	ck_assert_uint_eq(p.warnings.count, 2);
	ck_assert_str_eq(p.warnings.text[0],
			 "p:3:1: macro \"c\" is never used");
	policy_free(p.policy);
	ck_assert(policy_macro_ok("a_1=x y") && policy_macro_ok("a="));
	ck_assert(!policy_macro_ok("a-b=x") && !policy_macro_ok("=x") &&
		  !policy_macro_ok("a"));
}
END_TEST

START_TEST(and_and_or_bind_alike)
{
	/* (up || up) && down: false; with && first it were true */
	runs("if a.link.up || b.link.up && c.link.down\n run 'x'\n", "");
	runs("if a.link.up || ( b.link.up && c.link.down )\n run 'x'\n",
	     "run x\n");
	runs("if ! a.link.down && ! ! b.link.up\n run 'x'\n", "run x\n");
	runs("if ! ( a.link.down || b.link.down )\n run 'x'\n", "run x\n");
	runs("if ! a.link.up || b.link.up\n run 'x'\n", "run x\n");
}
END_TEST

START_TEST(layout)
{
	runs("state a\n\n{\n\n if x.link.up\n\n {\n\n  run '1'\n\n"
	     "  if y.link.up {\n   run '2' }\n }\n run '3'\n}\n",
	     "-> a (start)\nrun 1\nrun 2\nrun 3\n");
	runs("state a {\n init run 'i'\n}\nstate b { }\n",
	     "-> a (start)\nrun i\n");
	runs("state a {\n if x.link.up \\\n  && y.link.up\n  run 'x'\n}\n",
	     "-> a (start)\nrun x\n");
	runs("state one two {\n run 'x'\n}\n", "-> one two (start)\nrun x\n");
	runs("state b-1 {\n set-state c-2\n}\nstate c-2 {\n run 'c'\n}\n"
	     "init-state b-1\n",
	     "-> b-1 (start)\n-> c-2 (start)\nrun c\n");
	runs("if \"eth0.100\".link.up\n run 'vlan'\n", "run vlan\n");
	runs("if carp:lan.link.up\n run 'x'\n", "run x\n");
	runs("", "");
}
END_TEST

START_TEST(mistakes_of_meaning)
{
	refused("if em0.link.up\n run $x\n", 1,
		"p:2:6: macro \"x\" is not defined before this; x = "
		"\"...\", or -D x=...");
	refused("state a {\n}\nstate a {\n}\n", 1,
		"p:3:7: two states \"a\" (line 1 too); give one another name");
	refused("if em0.link.up\n set-state a\nstate a {\n}\n", 1,
		"p:2:2: set-state outside of all states; it belongs into the "
		"body of one");
	refused("if \"ping\" every 0\n run 'x'\n", 1,
		"p:1:17: every 0 is out of range; 1 to 86400 seconds");
	refused("state a {\n set-state b\n}\n", 1,
		"p:2:2: there is no state \"b\"; define it, or correct the "
		"name");
	refused("init-state x\nstate a {\n}\n", 1,
		"p:1:12: init-state: there is no state \"x\"; define it, or "
		"correct the name");
	refused("a-b = 'x'\n", 1,
		"p:1:1: \"a-b\" cannot be a macro's name; letters, digits and "
		"_");
	refused("run 'x\n", 1,
		"p:1:5: ' opens a string that never ends; close it");
}
END_TEST

START_TEST(mistakes_of_grammar)
{
	refused("if em0.link.up&&em1.link.up\n run 'x'\n", 1,
		"p:1:13: \"up&&em1\" cannot stand here; && and || need a "
		"blank on both sides");
	refused("if eth0.100.link.up\n run 'x'\n", 1,
		"p:1:9: \"100\" cannot stand here; a name with dots goes into "
		"quotes: \"eth0.100\".link.up");
	refused("state a {\n if em0.link.up\n  run 'x'\n else\n  run 'y'\n}\n",
		1,
		"p:4:2: \"else\" cannot stand here; there is no else; write "
		"another if, with ! before it");
	/* behind the last line, not behind one more */
	refused("if \"a\" every 10\n", 1,
		"p:1:16: the line ends too early; here may stand: end of line, "
		"if, run, set-state, '{'");
	refused("a = '$b'\nrun $a\n", 1,
		"p:2:5: $b in the text of a macro is not expanded; write it "
		"out there");
}
END_TEST

START_TEST(the_syntax_of_2004)
{
	struct play p;

	ck_assert_int_eq(play_parse(&p,
				    "state a {\n"
				    "	if carp0 link up and carp1 link up\n"
				    "		set-state b\n"
				    "	if carp0.link.up or carp1.link.up {\n"
				    "		set-state b\n"
				    "	}\n"
				    "	if !carp0\n"
				    "		set-state b\n"
				    "}\n"
				    "state b {\n"
				    "}\n",
				    0, NULL),
			 CONF_REFUSED);
	ck_assert_uint_eq(p.errors.count, 3);
	ck_assert_str_eq(p.errors.text[0],
			 "p:2:11: \"link\" cannot stand here; old syntax: "
			 "carp0.link.up, &&, ||");
	ck_assert_str_eq(p.errors.text[1],
			 "p:4:19: \"or\" cannot stand here; old syntax: "
			 "carp0.link.up, &&, ||");
	ck_assert_ptr_nonnull(strstr(p.errors.text[2], "p:7:11: the line ends "
						       "too early"));
}
END_TEST

START_TEST(a_merge_left_its_marks)
{
	struct play p;
	char text[4096] = "<<<<<<< Updated upstream\n";

	for (int i = 0; i < 30; i++)
		strcat(text, "state s {\n if }\\')\n run {\n");
	ck_assert_int_eq(play_parse(&p, text, 0, NULL), CONF_REFUSED);
	ck_assert_uint_le(p.errors.count, CONF_ERRORS_MAX);
	ck_assert_str_eq(p.errors.text[0],
			 "p:1:1: \"<\" cannot stand here; a merge left this "
			 "line behind; resolve it");
}
END_TEST

/* Whatever stands there: read or refused, and nothing is left behind (the
 * sanitizers look). */
START_TEST(any_text)
{
	static const char *const parts[] = {
		"state ",      "a ",   "{",
		"}",	       "\n",   "if ",
		"init ",       "run ", "'x'",
		"\"",	       "'",    "\\",
		"$m",	       "m = ", "em0.link",
		".up",	       " && ", " || ",
		"!",	       "(",    ")",
		" every ",     "10",   "0",
		"-5",	       "#",    "$",
		"set-state a", "\xff", "init-state",
		"=",	       ".",    "99999999999999999999",
		"\n}\n",       "\n\n",
	};
	const unsigned n = sizeof(parts) / sizeof(parts[0]);
	uint32_t x = 1;

	for (int round = 0; round < 20000; round++) {
		char text[512] = "";
		struct play p;
		unsigned words = 1 + (x >> 8) % 40;
		int r;

		for (unsigned i = 0; i < words; i++) {
			x = x * 1664525 + 1013904223;
			strcat(text, parts[(x >> 16) % n]);
		}
		r = play_parse(&p, text, 0, NULL);
		ck_assert(r == 0 || r == CONF_REFUSED);
		ck_assert_msg((r == 0) == (p.errors.count == 0), "%s", text);
		if (r)
			continue;
		p.run = policy_run_new(p.policy);
		play_begin(&p);
		play_end(&p);
	}
}
END_TEST

START_TEST(too_deep)
{
	struct play p;
	char *text = calloc(1, 400000), *s = text;

	for (int i = 0; i < 100; i++)
		s += sprintf(s, "if a.link.up {\n");
	ck_assert_int_eq(play_parse(&p, text, 0, NULL), CONF_REFUSED);
	/* within a macro: what was read of both texts is given back */
	s = text + sprintf(text, "m = '");
	for (int i = 0; i < 100; i++)
		s += sprintf(s, "if a.link.up ");
	strcpy(s, "run b'\n$m\n");
	ck_assert_int_eq(play_parse(&p, text, 0, NULL), CONF_REFUSED);
	s = text + sprintf(text, "if ");
	for (int i = 0; i < 100000; i++)
		*s++ = '(';
	*s = '\0';
	ck_assert_int_eq(play_parse(&p, text, 0, NULL), CONF_REFUSED);
	s = text + sprintf(text, "run '");
	memset(s, 'x', 9000);
	strcpy(s + 9000, "'\n");
	ck_assert_int_eq(play_parse(&p, text, 0, NULL), CONF_REFUSED);
	ck_assert_ptr_nonnull(strstr(p.errors.text[0], "more than 8000 bytes"));
	free(text);
}
END_TEST

START_TEST(states_that_nothing_leads_to)
{
	struct play p;

	play_load(&p, "state a {\n set-state b\n}\nstate b {\n}\n"
		      "state c {\n set-state d\n}\nstate d {\n}\n");
	ck_assert_uint_eq(policy_unreached(p.policy, POLICY_GLOBAL), 3);
	ck_assert_uint_eq(policy_unreached(p.policy, 3), 4);
	ck_assert_uint_eq(policy_unreached(p.policy, 4), POLICY_GLOBAL);
	play_end(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("policy_parse");
	TCase *t = tcase_create("policy_parse");
	SRunner *sr;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, strings_are_byte_exact);
	tcase_add_test(t, quotes);
	tcase_add_test(t, macros);
	tcase_add_test(t, macros_from_outside);
	tcase_add_test(t, and_and_or_bind_alike);
	tcase_add_test(t, layout);
	tcase_add_test(t, mistakes_of_meaning);
	tcase_add_test(t, mistakes_of_grammar);
	tcase_add_test(t, the_syntax_of_2004);
	tcase_add_test(t, a_merge_left_its_marks);
	tcase_add_test(t, any_text);
	tcase_add_test(t, too_deep);
	tcase_add_test(t, states_that_nothing_leads_to);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
