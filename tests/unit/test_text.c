/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text of others, as it is shown. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static const struct {
	const char *in, *out;
} texts[] = {
	{ "", "" },
	{ "plain ~", "plain ~" },
	{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\xa5",
	  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\xa5" },
	/* C0, DEL, C1 */
	{ "a\n\x1b[2J\x7f", "a??[2J?" },
	{ "a\xc2\x9b"
	  "2J\xc2\x80\xc2\xa0",
	  "a?2J?\xc2\xa0" },
	/* no UTF-8: alone, too long for what it says, of no code point */
	{ "\x9b\xff\xf8z", "???z" },
	{ "\xc0\x8a|\xe0\x80\x8a|\xf0\x80\x80\x8a", "?|?|?" },
	{ "\xed\xa0\x80|\xf4\x90\x80\x80", "?|?" },
	{ "\xc3z\xe2\x82z\xf0\x9f\x94z", "?z?z?z" },
	/* cut */
	{ "z\xc3", "z" },
	{ "z\xe2\x82", "z" },
	{ "z\xf0\x9f\x94", "z" },
};

START_TEST(test_clean)
{
	char text[64];

	strcpy(text, texts[_i].in);
	text_clean(text);
	ck_assert_str_eq(text, texts[_i].out);
	text_clean(text);
	ck_assert_str_eq(text, texts[_i].out);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("text");
	TCase *t = tcase_create("text");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, test_clean, 0, sizeof(texts) / sizeof(texts[0]));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
