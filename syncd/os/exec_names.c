/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Lists of texts, and digests of them. What is in them is exec_conf.c's.
 *
 * Implements rules 14: the helper is asked by number.
 *
 * Invariant: the same configuration has the same numbers in both processes.
 */
#include "exec_names.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int exec_list_find(const struct exec_list *l, const char *text)
{
	for (size_t i = 0; i < l->count; i++)
		if (!strcmp(l->text[i], text))
			return (int)i;
	return -ENOENT;
}

int exec_list_add(struct exec_list *l, const char *text)
{
	int number = exec_list_find(l, text);
	char **more;

	if (number >= 0)
		return number;
	more = reallocarray(l->text, l->count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	l->text = more;
	more[l->count] = strdup(text);
	return more[l->count] ? (int)l->count++ : -ENOMEM;
}

int exec_names_seal(struct exec_names *n)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	bool ok = sum && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1;

	/* with the NUL: where one ends is part of it */
	for (size_t i = 0; ok && i < n->commands.count; i++)
		ok = EVP_DigestUpdate(sum, n->commands.text[i],
				      strlen(n->commands.text[i]) + 1) == 1;
	ok = ok && EVP_DigestFinal_ex(sum, n->commands_id, NULL) == 1;
	EVP_MD_CTX_free(sum);
	return ok ? 0 : -ENOMEM;
}

int exec_names_identify(struct exec_names *n, int fd)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	bool ok = sum && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1;
	int err = ok ? 0 : -ENOMEM;
	char buf[4096];
	off_t at = 0;
	ssize_t got = 0;

	while (!err && (got = pread(fd, buf, sizeof(buf), at)) > 0) {
		ok = EVP_DigestUpdate(sum, buf, (size_t)got) == 1;
		err = ok ? 0 : -ENOMEM;
		at += got;
	}
	if (!err && got < 0)
		err = -errno;
	if (!err && EVP_DigestFinal_ex(sum, n->conf_id, NULL) != 1)
		err = -ENOMEM;
	EVP_MD_CTX_free(sum);
	explicit_bzero(buf, sizeof(buf));
	return err;
}

static void drop(struct exec_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->text[i]);
	free(l->text);
}

void exec_names_free(struct exec_names *n)
{
	if (!n)
		return;
	drop(&n->files);
	drop(&n->commands);
	free(n);
}
