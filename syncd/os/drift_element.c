// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The elements of a set of nftables, as sums of digests that are the same on two
 * machines with the same ones, in whatever order they come. What an element
 * counts, or how long it lives, is not part of it. The rest of a table is
 * drift_table.c's.
 *
 * Text: linux/netfilter/nf_tables.h; the types of keys as nft numbers them.
 *
 * Invariant: the number of an interface is none of another machine, so it goes
 * in as the name.
 */
#include "drift_table.h"

#include <errno.h>
#include <net/if.h>
#include <openssl/evp.h>
#include <string.h>

#define TYPE_IFINDEX 20
#define TYPE_IFNAME  41

const char *drift_interface_name(const void *number, char name[IF_NAMESIZE])
{
	uint32_t index;

	memcpy(&index, number, sizeof(index));
	memset(name, 0, IF_NAMESIZE);
	if (!if_indextoname(index, name))
		strcpy(name, "?");
	return name;
}

/* Adds the digest of an element to the sum that is of this kind. */
static int add_element(struct rules_set *s, struct nftnl_set_elem *e,
		       enum rules_digest which)
{
	static const uint16_t parts[] = {
		NFTNL_SET_ELEM_FLAGS,	NFTNL_SET_ELEM_KEY,
		NFTNL_SET_ELEM_KEY_END, NFTNL_SET_ELEM_DATA,
		NFTNL_SET_ELEM_VERDICT, NFTNL_SET_ELEM_CHAIN,
		NFTNL_SET_ELEM_OBJREF,
	};
	uint32_t type = nftnl_set_get_u32(s->set, NFTNL_SET_KEY_TYPE);
	bool index = type == TYPE_IFINDEX;
	bool nameless =
		which == RULES_NAMELESS && (index || type == TYPE_IFNAME);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char out[EVP_MAX_MD_SIZE];
	bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; ok && i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint32_t len = 0, head[2] = { parts[i], 0 };
		bool key = parts[i] == NFTNL_SET_ELEM_KEY ||
			   parts[i] == NFTNL_SET_ELEM_KEY_END;
		char name[IF_NAMESIZE];
		const void *data;

		if (!nftnl_set_elem_is_set(e, parts[i]) || (key && nameless))
			continue;
		data = nftnl_set_elem_get(e, parts[i], &len);
		if (!data)
			continue;
		if (index && parts[i] == NFTNL_SET_ELEM_KEY && len == 4) {
			data = drift_interface_name(data, name);
			len = IF_NAMESIZE;
		}
		head[1] = len;
		ok = EVP_DigestUpdate(md, head, sizeof(head)) == 1 &&
		     EVP_DigestUpdate(md, data, len) == 1;
	}
	ok = ok && EVP_DigestFinal_ex(md, out, NULL) == 1;
	EVP_MD_CTX_free(md);
	for (int i = 0; ok && i < 4; i++) {
		uint64_t part;

		memcpy(&part, out + 8 * i, sizeof(part));
		s->elements[which][i] += part;
	}
	return ok ? 0 : -ENOMEM;
}

int drift_table_element(struct rules_set *s, struct nftnl_set_elem *e)
{
	int err = add_element(s, e, RULES_ALL);

	s->count++;
	return err ? err : add_element(s, e, RULES_NAMELESS);
}
