// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The configuration file: read whole, parsed (conf_parse), checked
 * (conf_check), handed on as a tree of values. It is not the place where
 * anything is opened or applied.
 *
 * Implements the configuration of the manual and the form of its messages:
 * place; what is; what to do.
 *
 * Invariant: conf_load() returns 0 only after a pass in which libConfuse took
 * every statement of the whole text and no mistake is noted.
 */
#include "conf_int.h"
#include "keyfile.h"
#include "log.h"
#include "policy.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (1024 * 1024)

/* Room for one more, or NULL. */
static struct mistake *new_mistake(struct parser *p, struct place at)
{
	struct mistake *m = &p->mistakes[p->num_mistakes];

	if (p->num_mistakes == CONF_ERRORS_MAX)
		return NULL;
	p->num_mistakes++;
	m->at = at;
	m->lasting = false;
	*m->shown = '\0';
	return m;
}

/* What is behind the place is not shown, it may be anything: who mistypes
 * pass does not want to read what it was. */
static void show(const struct parser *p, struct mistake *m)
{
	if (!m->at.col ||
	    conf_text_word(conf_text_line(p->text, m->at.line), "pass"))
		return;
	conf_errors_show(p->text, strlen(p->text), m->at.line, m->at.col, false,
			 m->shown);
}

void conf_mistake(struct parser *p, struct place at, const char *fmt, ...)
{
	struct mistake *m = new_mistake(p, at);
	char place[32] = "";
	va_list ap;
	int n;

	if (!m)
		return;
	if (at.line && at.col)
		snprintf(place, sizeof(place), ":%d:%d", at.line, at.col);
	else if (at.line)
		snprintf(place, sizeof(place), ":%d", at.line);
	n = snprintf(m->text, sizeof(m->text), "%s%s: ", p->path, place);
	if (n < 0 || n >= (int)sizeof(m->text))
		n = 0;
	va_start(ap, fmt);
	vsnprintf(m->text + n, sizeof(m->text) - (size_t)n, fmt, ap);
	va_end(ap);
	conf_errors_plain(m->text);
	show(p, m);
}

void *conf_grow(struct parser *p, void *array, size_t count, size_t size)
{
	void *more = reallocarray(array, count + 1, size);

	if (!more)
		p->no_memory = true;
	return more;
}

static int compare_mistakes(const void *a, const void *b)
{
	const struct mistake *x = a, *y = b;

	if (x->at.line != y->at.line)
		return x->at.line < y->at.line ? -1 : 1;
	return (x->at.col > y->at.col) - (x->at.col < y->at.col);
}

int conf_open(const struct conf_opener *by, const char *path)
{
	return by ? by->open(by->arg, path) : keyfile_open_own(path);
}

/* The whole file as text; 0 with p->text, or -errno. */
static int read_text(struct parser *p)
{
	int fd = conf_open(p->by, p->path);
	struct stat st;
	ssize_t n = 0;
	size_t len = 0;

	if (fd < 0)
		return fd;
	p->text = calloc(1, FILE_MAX + 1);
	if (!p->text || fstat(fd, &st) < 0) {
		close(fd);
		return p->text ? -errno : -ENOMEM;
	}
	p->mode = st.st_mode;
	while (len < FILE_MAX &&
	       (n = read(fd, p->text + len, FILE_MAX - len)) > 0)
		len += (size_t)n;
	close(fd);
	if (n < 0)
		return -errno;
	return len == FILE_MAX ? -EFBIG : strlen(p->text) != len ? -EILSEQ : 0;
}

static int load(struct parser *p)
{
	static const char make[] =
		"copy /usr/share/doc/statesync/examples/pair.conf there, or "
		"name another file with -f";
	int rc = read_text(p);

	if (rc == -ENOMEM)
		return rc;
	if (rc) {
		char why[CONF_ERROR_SIZE];

		keyfile_why(-rc, p->path, make, why, sizeof(why));
		conf_mistake(p, (struct place){ 0 }, "%s", why);
		return 0;
	}
	rc = conf_parse(p);
	/* No cascades: what a broken text lacks is not said to be missing. */
	return rc || p->broken ? rc : conf_check(p);
}

int conf_load(const char *path, const char *node, struct conf **out,
	      struct conf_errors *errors)
{
	return conf_load_by(NULL, path, node, out, errors);
}

int conf_load_by(const struct conf_opener *by, const char *path,
		 const char *node, struct conf **out,
		 struct conf_errors *errors)
{
	struct parser p = { .by = by, .path = path, .override = node };
	int rc;

	memset(errors, 0, sizeof(*errors));
	*out = NULL;
	rc = load(&p);
	qsort(p.mistakes, p.num_mistakes, sizeof(p.mistakes[0]),
	      compare_mistakes);
	for (unsigned int i = 0; i < p.num_mistakes; i++) {
		memcpy(errors->text[i], p.mistakes[i].text, CONF_ERROR_SIZE);
		memcpy(errors->shown[i], p.mistakes[i].shown, CONF_SHOWN_SIZE);
	}
	errors->count = p.num_mistakes;
	if (p.no_memory)
		rc = -ENOMEM;
	if (!rc && errors->count)
		rc = CONF_REFUSED;
	if (!rc) {
		*out = p.conf;
		p.conf = NULL;
	}
	conf_parse_drop(&p);
	if (p.text)
		OPENSSL_cleanse(p.text, FILE_MAX);
	free(p.text);
	return rc;
}

void conf_carp_drop(struct conf_carp *carp)
{
	for (size_t i = 0; i < carp->num_tracks; i++)
		free(carp->tracks[i].command);
	free(carp->addresses);
	free(carp->tracks);
	free(carp->routes);
	free(carp->rules);
	OPENSSL_cleanse(carp, sizeof(*carp));
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf->num_carps; i++)
		conf_carp_drop(&conf->carps[i]);
	for (unsigned int i = 0; i < CONF_KEYS_MAX; i++)
		free(conf->link.keys.file[i]);
	for (size_t i = 0; conf->link.peers && i < conf->link.num_peers; i++)
		conf_peer_drop(&conf->link.peers[i]);
	conf_sync_drop(&conf->sync);
	conf_drift_drop(&conf->drift);
	free(conf->carps);
	free(conf->link.peers);
	free(conf->state_dir);
	free(conf->stats_socket);
	free(conf->stats_metrics);
	free(conf->follow.policy_file);
	policy_free(conf->follow.policy);
	for (unsigned int i = 0; i < CONF_ROLES; i++)
		free(conf->follow.on_role[i]);
	free(conf);
}
