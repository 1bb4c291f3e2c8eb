// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What a person sees of a mistake beside its sentence: the line, and ^^^ below
 * the place. In both languages with the same code.
 */
#include "conf_file.h"
#include "policy_play.h"

static void shows(const char *text, int line, int col, const char *expected)
{
	char shown[CONF_SHOWN_SIZE];

	conf_errors_show(text, strlen(text), line, col, true, shown);
	ck_assert_str_eq(shown, expected);
}

START_TEST(a_place)
{
	shows("one\n two three\n", 2, 2, "     two three\n     ^^^");
	shows("one\ntwo", 2, 1, "    two\n    ^^^");
	shows("a \"b c\" d\n", 1, 3, "    a \"b c\" d\n      ^^^^^");
	shows("a 'b\nc'\n", 1, 3, "    a 'b\n      ^");
	shows("if {\n", 1, 4, "    if {\n       ^");
	shows("if\n", 1, 3, "    if\n      ^"); /* too early */
	/* below it, whatever is before */
	shows("\t\tx\ty\n", 1, 5, "    \t\tx\ty\n    \t\t \t^");
	shows("\303\251t\303\251 x\303\251\n", 1, 7,
	      "    \303\251t\303\251 x\303\251\n        ^^");
	shows("a\033[2Jb c\n", 1, 7, "    a?[2Jb c\n          ^");
	/* nothing to show */
	shows("one\n", 3, 1, "");
	shows("one\n", 1, 9, "");
	shows("one\n", 1, 0, "");
	shows("", 1, 2, "");
}
END_TEST

START_TEST(a_long_line)
{
	char text[1000], shown[CONF_SHOWN_SIZE], *caret;

	/* of two bytes each, so that one is cut in the middle */
	for (int i = 0; i < 400; i++)
		memcpy(text + 1 + 2 * i, "\303\251", 2);
	text[0] = 'x';
	strcpy(text + 801, " here \303\251\303\251\303\251\303\251\303\251\303"
			   "\251\303\251\303\251\303\251\303\251\303\251\n");
	for (int col = 1; col < 830; col++) {
		conf_errors_show(text, strlen(text), 1, col, true, shown);
		ck_assert_uint_lt(strlen(shown), sizeof(shown));
		caret = strchr(shown, '\n');
		ck_assert_ptr_nonnull(caret);
		ck_assert_int_ne(shown[4] & 0xc0, 0x80);
		ck_assert_ptr_nonnull(strchr(caret, '^'));
	}
	conf_errors_show(text, strlen(text), 1, 803, true, shown);
	ck_assert_ptr_nonnull(strstr(shown, " here "));
	ck_assert_str_eq(strchr(shown, '\n'),
			 "\n                            ^^^^");
}
END_TEST

/* A line of bytes that begin no character is not looked at from before its
 * beginning; what steers a terminal is not shown, nor said. */
START_TEST(of_bytes_that_are_no_text)
{
	char *inner = malloc(100), shown[CONF_SHOWN_SIZE];

	ck_assert_ptr_nonnull(inner);
	memset(inner, 0x80, 100);
	conf_errors_show(inner, 100, 1, 1, true, shown);
	ck_assert_str_eq(strchr(shown, '\n'), "\n    ^");
	free(inner);
	refused("\"a\\nb\033[2J\" = 1\n" CARP,
		"1: unknown key \"a?b?[2J\"; known here: node preempt "
		"independent preempt-delay witness witness-limit "
		"router-advertisement strict-peers require-sync event-buffer "
		"state-dir strict-interfaces policy-file on-master on-backup "
		"on-fault link carp sync stats drift");
}
END_TEST

START_TEST(of_the_configuration)
{
	carp_line("vhid = 300 # or less",
		  "6:12: vhid 300 is out of range; 1 to 255");
	ck_assert_str_eq(errors.shown[0],
			 "        vhid = 300\n               ^^^");
	carp_line("adskew = 100", "6:5: unknown key \"adskew\" in carp "
				  "\"lan\"; did you mean \"advskew\"?");
	ck_assert_str_eq(errors.shown[0], "        adskew\n        ^^^^^^");
	/* no column, another file */
	refused("carp lan {\n", "1: the file ends inside a block; add }");
	ck_assert_str_eq(errors.shown[0], "");
}
END_TEST

/* Neither the one that is known nor the one that it was meant to be. */
START_TEST(no_password)
{
	static const char *const lines[] = {
		"password = \"geheim\"",
		"vhid = 300 pass = \"geheim\"",
		"pass = \"geheim\" vhid = 300",
		"pas = \"geheim\" vhid = 300",
		"vhid = 300 secret = \"geheim\" advskew = 999",
	};
	char text[1024];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(text, sizeof(text), "carp lan {\n%s\n}\n", lines[i]);
		ck_assert_int_eq(load_as("fw1", text), CONF_REFUSED);
		for (unsigned k = 0; k < errors.count; k++)
			ck_assert_msg(!strstr(errors.shown[k], "geheim"), "%s",
				      errors.shown[k]);
	}
}
END_TEST

START_TEST(of_a_policy)
{
	struct play p;

	ck_assert_int_eq(play_parse(&p,
				    "state a {\n"
				    "\tif em0.link.up&&em1.link.up\n"
				    "\t\tset-state b\n"
				    "\tif em0.link.up || $x\n"
				    "\t\tset-state b\n"
				    "}\n",
				    0, NULL),
			 CONF_REFUSED);
	ck_assert_uint_eq(p.errors.count, 2);
	ck_assert_str_eq(p.errors.shown[0],
			 "    \tif em0.link.up&&em1.link.up\n"
			 "    \t            ^^^^^^^^^^^^^^^");
	ck_assert_str_eq(p.errors.shown[1], "    \tif em0.link.up || $x\n"
					    "    \t                  ^^");
	ck_assert_int_eq(play_parse(&p, "init-state x\n", 0, NULL),
			 CONF_REFUSED);
	ck_assert_str_eq(p.errors.shown[0],
			 "    init-state x\n               ^");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("conf_errors");

	tcase_add_test(tc, a_place);
	tcase_add_test(tc, a_long_line);
	tcase_add_test(tc, of_bytes_that_are_no_text);
	tcase_add_test(tc, of_the_configuration);
	tcase_add_test(tc, no_password);
	tcase_add_test(tc, of_a_policy);
	return run_case(tc);
}
