// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The configuration's link: who the peers are, which addresses reach which,
 * and whose key is which.
 */
#include "conf_file.h"

#include <fcntl.h>

START_TEST(peers)
{
	refused("link { address = 10.9.0.2 peer fw2 { address = 10.9.0.2 }\n"
		"key-file = \"@/link.key\" }\n" CARP,
		"1: peer \"fw2\" has our own address; give each node its own");
	refused("link { address = 10.9.0.2 peer fw1 { address = 10.9.0.1 }\n"
		"peer fw2 { address = 10.9.0.3 }\n"
		"key-file = \"@/link.key\" }\n" CARP,
		"1: peer \"fw1\" is this node, and has another address than "
		"link (line 1); keep one");
	refused("link { address = 10.9.0.1 peer fw2 { address = fe80::1 }\n"
		"key-file = \"@/link.key\" }\n" CARP,
		"1:48: address fe80::1 is there on every interface; say on "
		"which: \"fe80::1%eth2\"");
	refused("link { address = 10.9.0.1 peer fw2 { address = fd00::1 }\n"
		"key-file = \"@/link.key\" }\n" CARP,
		"1: peer \"fw2\" and this node have addresses of two families; "
		"choose one");
	refused("link { address = 10.9.0.1/24 peer fw2 { address = 10.9.0.2 }\n"
		"key-file = \"@/link.key\" }\n" CARP,
		"1:18: address \"10.9.0.1/24\" is not an IP address without "
		"prefix; 10.9.0.1");
}
END_TEST

#define THREE                                                        \
	"peer fw1 { address = 10.9.0.1 key-file = \"@/fw1.key\" }\n" \
	"peer fw2 { address = 10.9.0.2 key-file = \"@/fw2.key\" }\n" \
	"peer fw3 { address = 10.9.0.3 "

/* A key for each pair; the file on this node has the peer's name. */
START_TEST(three_nodes)
{
	put_pair_keys();
	accepted("link {" THREE "key-file = \"@/fw3.key\" } }\n" CARP);
	ck_assert_uint_eq(conf->link.num_peers, 2);
	ck_assert_str_eq(conf->link.peers[1].name, "fw3");
	ck_assert_ptr_nonnull(strstr(
		conf_peer_keys(&conf->link, &conf->link.peers[1])->file[0],
		"/fw3.key"));
	refused("link {" THREE "} key-file = \"@/fw1.key\" }\n" CARP,
		"1: peer \"fw3\" has no key-file; with more than two nodes "
		"each "
		"pair has its own key. statesync genkey -o "
		"/etc/statesync/fw3.key, the same as /etc/statesync/fw1.key "
		"there");
	refused("link {" THREE "key-file = \"@/fw2.key\" } }\n" CARP,
		"3: peer \"fw3\" has the same key as another peer; each pair "
		"of "
		"nodes needs its own. statesync genkey");
	refused("link {" THREE "key-file = \"@/none\" } }\n" CARP,
		"3:42: @/none: no such file; not loaded. statesync genkey -o "
		"@/none on one node, the same file on the other");
}
END_TEST

#define KEYS " key-file = \"@/link.key\" }\n" CARP

START_TEST(several_addresses)
{
	accepted("link { address = { 10.9.0.1, \"fe80::1%eth2\" }\n"
		 "mptcp = true peer fw2 { address = { 10.9.0.2, "
		 "\"fe80::2%eth2\" } }\n" KEYS);
	ck_assert(conf->link.mptcp);
	ck_assert_uint_eq(conf->link.num_ends, 2);
	ck_assert_uint_eq(conf->link.peers[0].num_ends, 2);
	ck_assert_int_eq(conf->link.ends[1].address.family, AF_INET6);
	ck_assert_str_eq(conf->link.ends[1].interface, "eth2");
	ck_assert_str_eq(conf->link.ends[0].interface, "");
	refused("link { address = 10.9.0.1 peer fw2 { address = { 10.9.0.2, "
		"10.9.1.2 } }\n" KEYS,
		"1: peer \"fw2\" has 2 addresses, and this node 1; each of "
		"them "
		"needs one of ours at the same place");
	refused("link { address = { 10.9.0.1, 10.9.0.1 }\n peer fw2 { address "
		"= 10.9.0.2 }\n" KEYS,
		"1:20: address 10.9.0.1 stands twice; keep one");
	refused("link { address = \"fe80::1%eth2\" peer fw2 {\n"
		"address = \"fe80::2%eth3\" }" KEYS,
		"1: peer \"fw2\" is to be reached by eth3 from an address on "
		"eth2; after % stands the interface of this node");
	refused("link { address = { 10.9.0.1, 10.9.1.1, 10.9.2.1, 10.9.3.1,\n"
		"10.9.4.1 }\npeer fw2 { address = 10.9.0.2 }" KEYS,
		"2:1: a fifth address; at most 4, one for each cable between "
		"the nodes");
}
END_TEST

START_TEST(one_file_for_both)
{
	const char *text = "link {\n"
			   "peer fw1 { address = 10.9.0.1 }\n"
			   "peer fw2 { address = 10.9.0.2 }\n"
			   "key-file = \"@/link.key\" }\n"
			   "carp lan { interface = e vhid = 1 addresses = {\n"
			   "10.1.0.1/24 } pass = x prefer = { fw1, fw2 } }\n";

	ck_assert_int_eq(load_as("fw1", text), 0);
	ck_assert_uint_eq(conf->carps[0].advskew, 0);
	ck_assert_uint_eq(conf->link.ends[0].address.v4.s_addr,
			  htonl(0x0a090001));
	ck_assert_str_eq(conf->link.peers[0].name, "fw2");
	ck_assert_int_eq(load_as("fw2", text), 0);
	ck_assert_uint_eq(conf->carps[0].advskew, 100);
	ck_assert_uint_eq(conf->link.ends[0].address.v4.s_addr,
			  htonl(0x0a090002));
	ck_assert_uint_eq(conf->link.num_peers, 1);
	ck_assert_str_eq(conf->link.peers[0].name, "fw1");
}
END_TEST

/* --- what is left of secrets ------------------------------------------------ */

#ifndef __SANITIZE_ADDRESS__ /* it keeps what was freed */

#define MASK 0x55 /* ours are kept so, or they would be found */

static uint8_t hidden_key[KEYFILE_SECRET_BYTES], hidden_hex[32],
	hidden_pass[CONF_PASS_MAX];

static void hide(uint8_t *out, const void *in, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = ((const uint8_t *)in)[i] ^ MASK;
}

/* A key and a password that nobody has seen, in files. */
__attribute__((noinline)) static void put_secrets(void)
{
	static const char digits[] = "0123456789abcdef";
	char why[256], full[64], pass[CONF_PASS_MAX];
	struct link_key key;
	int fd;

	ck_assert_int_eq(keyfile_generate(&key), 0);
	snprintf(full, sizeof(full), "%s/new", dir);
	ck_assert_int_eq(keyfile_write(full, &key, why, sizeof(why)), 0);
	hide(hidden_key, key.secret, sizeof(key.secret));
	for (size_t i = 0; i < sizeof(hidden_hex); i++)
		hidden_hex[i] =
			(uint8_t)digits[key.secret[i / 2] >> (i % 2 ? 0 : 4) &
					15] ^
			MASK;
	keyfile_wipe(&key);
	ck_assert_int_eq(keyfile_generate(&key), 0);
	for (size_t i = 0; i < sizeof(pass); i++)
		pass[i] = (char)('!' + key.secret[i] % 90);
	keyfile_wipe(&key);
	hide(hidden_pass, pass, sizeof(pass));
	snprintf(full, sizeof(full), "%s/open", dir);
	fd = open(full, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, pass, sizeof(pass)), sizeof(pass));
	close(fd);
	explicit_bzero(pass, sizeof(pass));
}

static unsigned count_in(const uint8_t *p, size_t size, const uint8_t *hidden,
			 size_t len)
{
	unsigned n = 0;

	for (size_t at = 0; at + len <= size; at++) {
		size_t i = 0;

		while (i < len && (p[at + i] ^ MASK) == hidden[i])
			i++;
		n += i == len;
	}
	return n;
}

/* How often it is in this process's memory, but for its stack. */
static unsigned copies(const uint8_t *hidden, size_t len)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long first, end;
	char line[512], mode[8];
	unsigned n = 0;

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %7s", &first, &end, mode) == 3 &&
		    !strncmp(mode, "rw", 2) && !strstr(line, "[stack]"))
			n += count_in((const uint8_t *)first, end - first,
				      hidden, len);
	fclose(f);
	return n;
}

START_TEST(secrets_are_overwritten)
{
	static const char text[] =
		"link { address = \"10.9.0.1\"\n"
		"peer \"fw2\" { address = \"10.9.0.2\" }\n"
		"key-file = \"@/new\" }\n"
		"carp \"lan\" { interface = \"eth0\" vhid = 1 addresses = {"
		" \"10.1.0.1/24\" } pass-file = \"@/open\" }\n"
		"carp \"wan\" { interface = \"eth1\" vhid = 2 addresses = {"
		" \"10.2.0.1/24\" } pass-file = \"@/carp.pass\" }\n";

	put_secrets();
	accepted(text);
	/* the password where it is needed, the key nowhere: node_link reads
	 * it again */
	ck_assert_uint_eq(copies(hidden_pass, sizeof(hidden_pass)), 1);
	ck_assert_uint_eq(copies(hidden_key, sizeof(hidden_key)), 0);
	ck_assert_uint_eq(copies(hidden_hex, sizeof(hidden_hex)), 0);
	conf_free(conf);
	conf = NULL;
	ck_assert_uint_eq(copies(hidden_pass, sizeof(hidden_pass)), 0);
}
END_TEST
#endif

int main(void)
{
	TCase *tc = tcase_create("link");

	tcase_add_test(tc, peers);
	tcase_add_test(tc, three_nodes);
	tcase_add_test(tc, several_addresses);
	tcase_add_test(tc, one_file_for_both);
#ifndef __SANITIZE_ADDRESS__
	tcase_add_test(tc, secrets_are_overwritten);
#endif
	return run_case(tc);
}
