// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What who begins does wrong: a file copied to a machine of another name,
 * quotes, a file that is missing or not root's. Each is one sentence with its
 * place and the remedy.
 */
#include "conf_file.h"

#include "exec_conf.h"

#define PEERS                                       \
	"link {\n"                                  \
	"peer \"fw1\" { address = \"10.9.0.1\" }\n" \
	"peer \"fw2\" { address = \"10.9.0.2\" }\n"
#define PREFERS                                                      \
	"carp \"lan\" { interface = \"eth0\" vhid = 1 addresses = {" \
	" \"10.1.0.1/24\" } pass-file = \"@/carp.pass\"\n"           \
	"prefer = { \"fw1\", \"fw2\" } }\n"
#define PAIR PEERS "key-file = \"@/link.key\" }\n" PREFERS

/* --- another name ----------------------------------------------------------- */

START_TEST(a_name_of_no_peer)
{
	refused_as("vm", PAIR, 0,
		   "1: this node is called \"vm\", and no peer block is: fw1, "
		   "fw2; node = \"fw1\" at the top");
	refused_as("FW2", PAIR, 0,
		   "1: this node is called \"FW2\", and no peer block is: fw1, "
		   "fw2; node = \"fw2\" at the top");
	refused_as("fw2.example.org", PAIR, 0,
		   "1: this node is called \"fw2.example.org\", and no peer "
		   "block is: fw1, fw2; node = \"fw2\" at the top");
	refused_as(NULL, "node = \"fw3\"\n" PAIR, 0,
		   "2: this node is called \"fw3\", and no peer block is: fw1, "
		   "fw2; node = \"fw1\" at the top");
}
END_TEST

START_TEST(the_host_name)
{
	char host[65] = "", expected[CONF_ERROR_SIZE];

	gethostname(host, sizeof(host) - 1);
	snprintf(expected, sizeof(expected),
		 "1: this node is called \"%s\" (its host name), and no peer "
		 "block is: fw1, fw2; node = \"fw1\" at the top, or "
		 "hostnamectl set-hostname fw1",
		 host);
	refused_as(NULL, PAIR, 0, expected);
}
END_TEST

/* Neither keys for each pair nor prefer are said to be wrong, too. */
START_TEST(one_of_three)
{
	refused_as("vm",
		   "link {\n"
		   "peer fw1 { address = 10.9.0.1 key-file = \"@/fw1.key\" }\n"
		   "peer fw2 { address = 10.9.0.2 key-file = \"@/fw2.key\" }\n"
		   "peer fw3 { address = 10.9.0.3 key-file = \"@/fw3.key\" }\n"
		   "}\n" PREFERS,
		   0,
		   "1: this node is called \"vm\", and no peer block is: fw1, "
		   "fw2, fw3; node = \"fw1\" at the top");
}
END_TEST

/* --- quotes ----------------------------------------------------------------- */

#define VARIABLE                                                        \
	"${ } is replaced when this file is read; in single quotes it " \
	"stays, or as \\${ } in double ones"

/* Daemon and helper are two units with two environments. */
START_TEST(variables)
{
	refused(CARP "on-master = \"logger ${STATESYNC_CARP}\"\n",
		"2:21: " VARIABLE);
	refused(CARP "on-master = ${HOME}\n", "2:13: " VARIABLE);
	refused_as("fw1", CARP "on-master = \"a ${B}\"\non-fault = \"${C}\"\n",
		   1, "2:16: " VARIABLE);
	ck_assert_ptr_nonnull(strstr(errors.text[1], "/c:3:13: ${ }"));
	accepted(CARP "on-master = 'logger ${X}' # \"${Y}\"\n"
		      "on-backup = \"logger \\${X} $Z\" /* ${Y} */\n"
		      "on-fault = 'it\\'s \"${X}\"'\n");
	ck_assert_str_eq(conf->follow.on_role[CONF_ON_MASTER], "logger ${X}");
	ck_assert_str_eq(conf->follow.on_role[CONF_ON_BACKUP],
			 "logger ${X} $Z");
	ck_assert_str_eq(conf->follow.on_role[CONF_ON_FAULT], "it's \"${X}\"");
}
END_TEST

#define UNCLOSED(quote)                                                     \
	"a string is not closed on this line; add " quote ", or \\ at its " \
	"end to go on"

START_TEST(unclosed_strings)
{
	refused("carp \"lan\" {\n  interface = \"eth0\n  vhid = 1\n"
		"  addresses = { \"10.1.0.1/24\" }\n  pass = x\n}\n",
		"2:15: " UNCLOSED("\""));
	refused(CARP "on-fault = 'it's'\n", "2:17: " UNCLOSED("'"));
	refused("# it's \"\n" CARP "node = \"fw1", "3:8: " UNCLOSED("\""));
	accepted(CARP "on-fault = 'a; \\\nb'\non-master = \"c \\\n\\\"d\"\n");
	ck_assert_str_eq(conf->follow.on_role[CONF_ON_FAULT], "a; b");
	ck_assert_str_eq(conf->follow.on_role[CONF_ON_MASTER], "c \"d");
}
END_TEST

/* What the manual says of comments. */
START_TEST(comments)
{
	accepted("carp lan { interface = e vhid = 1 pass = x\n"
		 "addresses = { # first\n \"10.1.0.1/24\", // second\n"
		 " /* third */ \"10.1.0.2/24\" } }\n");
	ck_assert_uint_eq(conf->carps[0].num_addresses, 2);
}
END_TEST

START_TEST(blocks_without_names)
{
	refused("carp {\n vhid = 1\n}\n",
		"1: carp has no name; carp \"name\" { ... }");
	refused("link {\n peer { address = 10.9.0.1 }\n}\n",
		"2: peer has no name; peer \"name\" { ... }");
}
END_TEST

/* --- files ------------------------------------------------------------------ */

START_TEST(missing_files)
{
	static const char pass[] =
		"carp \"lan\" { interface = \"eth0\" vhid = 1 addresses = {"
		" \"10.1.0.1/24\" }\npass-file = \"@/none\" }\n";

	refused(PEERS "key-file = \"@/none\" }\n" PREFERS,
		"4:12: @/none: no such file; not loaded. statesync genkey -o "
		"@/none on one node, the same file on the other");
	refused(pass, "2:13: @/none: no such file; not loaded. (umask 077; "
		      "openssl rand -hex 8 > @/none) on one node, the same "
		      "file on the other");
}
END_TEST

static struct policy_report report;

/* With the policy that the configuration names. */
static void policy_refused(const char *sentence)
{
	static const struct policy_macros none = { 0, NULL };
	char expected[CONF_ERROR_SIZE] = "", *end = expected;

	memset(&report, 0, sizeof(report));
	put_file("c", CARP "\npolicy-file = \"@/new\"\n", 0600);
	ck_assert_int_eq(
		exec_conf_load(NULL, path, &none, &conf, &errors, &report),
		*sentence ? CONF_REFUSED : 0);
	if (!*sentence)
		return;
	for (end += sprintf(end, "%s:", path); *sentence; sentence++)
		if (*sentence == '@')
			end += sprintf(end, "%s", dir);
		else
			*end++ = *sentence;
	*end = '\0';
	ck_assert_str_eq(errors.text[0], expected);
}

START_TEST(policies)
{
	policy_refused("3: @/new: no such file; not loaded. write it, or take "
		       "policy-file out");
	put_file("new", "run \"true\"\n", 0664);
	policy_refused("3: @/new: others than root may write it; not loaded. "
		       "chmod go-w @/new; chown root @/new");
	put_file("new", "run \"true\"\n", 0644);
	policy_refused("");
}
END_TEST

static void other_owner(const char *name)
{
	char full[128];

	snprintf(full, sizeof(full), "%s/%s", dir, name);
	ck_assert_int_eq(chown(full, 65534, 65534), 0);
}

#define NOT_ROOTS(file)                                               \
	"others than root may write it; not loaded. chmod go-w " file \
	"; chown root " file

/* Who can write it says what root runs. */
START_TEST(who_may_write)
{
	static const mode_t wrong[] = { 0620, 0602, 0664, 0666 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		put_file("c", CARP, wrong[i]);
		ck_assert_int_eq(conf_load(path, "fw1", &conf, &errors),
				 CONF_REFUSED);
		ck_assert_ptr_nonnull(strstr(errors.text[0],
					     ": others than root may write "
					     "it; not loaded. chmod go-w "));
	}
	put_file("c", CARP, 0644);
	ck_assert_int_eq(conf_load(path, "fw1", &conf, &errors), 0);
	if (geteuid()) /* only root can give it away */
		return;
	other_owner("link.key");
	refused(PAIR, "4:12: @/link.key: " NOT_ROOTS("@/link.key"));
	other_owner("carp.pass");
	refused(CARP, "1:84: @/carp.pass: " NOT_ROOTS("@/carp.pass"));
	other_owner("c");
	ck_assert_int_eq(conf_load(path, "fw1", &conf, &errors), CONF_REFUSED);
	ck_assert_ptr_nonnull(strstr(errors.text[0], "others than root"));
}
END_TEST

/* `statesyncd -n` of a file of one's own. */
START_TEST(a_user_checks)
{
	static const char *const names[] = { "", "c", "carp.pass" };

	if (geteuid())
		return;
	put_file("c", CARP, 0600);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		other_owner(names[i]);
	ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_msg(!conf_load(path, "fw1", &conf, &errors), "%s",
		      errors.text[0]);
	conf_free(conf);
	conf = NULL;
	ck_assert_int_eq(seteuid(0), 0);
	put_file("carp.pass", "secret\n", 0600);
	ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(conf_load(path, "fw1", &conf, &errors), CONF_REFUSED);
	ck_assert_ptr_nonnull(strstr(
		errors.text[0], "/c:1:84: ")); /* where the file is named */
	ck_assert_ptr_nonnull(strstr(errors.text[0],
				     ": permission denied; not loaded. run it "
				     "as root, or chown root "));
	ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

static int load_by_helper(struct exec *x)
{
	static const struct policy_macros none = { 0, NULL };

	conf_free(conf);
	conf = NULL;
	memset(&errors, 0, sizeof(errors));
	return exec_conf_load(x, path, &none, &conf, &errors, &report);
}

/* It says so of the files that it opens, whoever reads them. What is only
 * tracked may be anybody's. */
START_TEST(the_helper_looks)
{
	static const struct policy_macros none = { 0, NULL };
	static const char text[] =
		LINK "carp lan { interface = e vhid = 1 pass = x addresses = {"
		     "\n10.1.0.1/24 } track { file \"@/open\" { } } }\n";
	struct exec *x = exec_open(exec_conf_names, path, &none);
	char tracked[64];
	int fd;

	if (geteuid())
		return;
	ck_assert_ptr_nonnull(x);
	put_file("open", "1\n", 0666);
	other_owner("open");
	put_file("c", text, 0600);
	ck_assert_msg(!load_by_helper(x), "%s", errors.text[0]);
	exec_conf_use(x);
	snprintf(tracked, sizeof(tracked), "%s/open", dir);
	fd = exec_open_file(x, tracked);
	ck_assert_int_ge(fd, 0);
	close(fd);
	other_owner("link.key");
	ck_assert_int_eq(load_by_helper(x), CONF_REFUSED);
	ck_assert_ptr_nonnull(
		strstr(errors.text[0], "/link.key: others than root may"));
	other_owner("c");
	ck_assert_int_eq(load_by_helper(x), CONF_REFUSED);
	ck_assert_ptr_nonnull(
		strstr(errors.text[0], "/c: others than root may write it"));
	exec_close(x);
}
END_TEST

/* --- addresses -------------------------------------------------------------- */

#define OF_ALL                                                         \
	" is the network itself or its broadcast address; choose the " \
	"address of a host in it"

START_TEST(addresses_of_all)
{
	carp_line("addresses = { \"10.1.0.0/24\" }",
		  "6:19: 10.1.0.0/24" OF_ALL);
	carp_line("addresses = { \"10.1.0.255/24\" }",
		  "6:19: 10.1.0.255/24" OF_ALL);
	carp_line("addresses = { \"10.1.0.3/30\" }",
		  "6:19: 10.1.0.3/30" OF_ALL);
	accepted("carp lan { interface = e vhid = 1 pass = x addresses = {\n"
		 "10.1.0.0/31, 10.1.0.255/32, 10.1.2.255/22, 10.1.0.2/30,\n"
		 "2001:db8::/64 } }\n");
}
END_TEST

START_TEST(addresses_of_the_link)
{
	refused(LINK "carp lan { interface = e vhid = 1 pass = x\n"
		     "addresses = { 10.9.0.1/24 } }\n",
		"4: carp \"lan\" has 10.9.0.1, the address of this node on "
		"the link; choose one that no node has");
	refused(LINK "carp lan { interface = e vhid = 1 pass = x\n"
		     "addresses = { 10.9.0.2/24 } }\n",
		"4: carp \"lan\" has 10.9.0.2, the address of fw2 on the "
		"link; choose one that no node has");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("conf");

	tcase_add_test(tc, a_name_of_no_peer);
	tcase_add_test(tc, the_host_name);
	tcase_add_test(tc, one_of_three);
	tcase_add_test(tc, variables);
	tcase_add_test(tc, unclosed_strings);
	tcase_add_test(tc, comments);
	tcase_add_test(tc, blocks_without_names);
	tcase_add_test(tc, missing_files);
	tcase_add_test(tc, policies);
	tcase_add_test(tc, who_may_write);
	tcase_add_test(tc, a_user_checks);
	tcase_add_test(tc, the_helper_looks);
	tcase_add_test(tc, addresses_of_all);
	tcase_add_test(tc, addresses_of_the_link);
	return run_case(tc);
}
