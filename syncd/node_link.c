// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The link of the configuration, opened: its ends, its peers, their keys, and
 * other keys while it runs. What goes over it is node_sync's.
 *
 * Implements the manual's link {}, and its rotation of keys.
 *
 * Invariant: no key stays in memory but in the socket's own.
 */
#include "node.h"

#include <errno.h>
#include <string.h>

#include "exec_conf.h"
#include "log.h"

static void fill_end(const struct conf_end *conf, uint16_t port,
		     struct peersock_end *out)
{
	const struct conf_address *a = &conf->address;

	memset(out, 0, sizeof(*out));
	memcpy(out->interface, conf->interface, sizeof(out->interface));
	if (a->family == AF_INET6) {
		const struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
						  .sin6_addr = a->v6,
						  .sin6_port = htons(port) };

		memcpy(&out->address, &in6, sizeof(in6));
	} else {
		const struct sockaddr_in in = { .sin_family = AF_INET,
						.sin_addr = a->v4,
						.sin_port = htons(port) };

		memcpy(&out->address, &in, sizeof(in));
	}
}

/* 0, or -EACCES, logged. */
static int read_keys(struct exec *exec, const struct conf_link_keys *conf,
		     struct link_key keys[CONF_KEYS_MAX])
{
	char why[512];

	for (unsigned i = 0; i < conf->count; i++)
		if (keyfile_take(exec_open_file(exec, conf->file[i]),
				 conf->file[i], &keys[i], why, sizeof(why))) {
			log_msg(LOG_ERR, "%s", why);
			return -EACCES;
		}
	return 0;
}

/* What peersock_new() copies. */
struct draft {
	struct peersock_peer peers[ENGINE_PEERS_MAX];
	struct peersock_path paths[ENGINE_PEERS_MAX][CONF_PATHS_MAX];
	struct link_key keys[ENGINE_PEERS_MAX][CONF_KEYS_MAX];
};

static int fill_peer(struct exec *exec, const struct conf_link *link, size_t i,
		     struct draft *d)
{
	const struct conf_peer *conf = &link->peers[i];
	const struct conf_link_keys *keys = conf_peer_keys(link, conf);

	for (unsigned k = 0; k < conf->num_ends; k++) {
		fill_end(&link->ends[k], link->port, &d->paths[i][k].ours);
		fill_end(&conf->ends[k], link->port, &d->paths[i][k].theirs);
	}
	d->peers[i] = (struct peersock_peer){
		.name = conf->name,
		.paths = d->paths[i],
		.num_paths = conf->num_ends,
		.keys = d->keys[i],
		.num_keys = keys->count,
	};
	return read_keys(exec, keys, d->keys[i]);
}

static void wipe(struct draft *d)
{
	for (size_t i = 0; i < ENGINE_PEERS_MAX; i++)
		for (size_t k = 0; k < CONF_KEYS_MAX; k++)
			keyfile_wipe(&d->keys[i][k]);
}

int node_link_open(struct node *n)
{
	static struct draft d;
	const struct conf_link *link = &n->conf->link;
	struct peersock_conf conf = {
		.node = n->conf->node,
		.peers = d.peers,
		.num_peers = (unsigned)link->num_peers,
		.mptcp = link->mptcp,
		.priority = PRIORITY_BULK,
	};
	int fds[UPGRADE_FDS], err = 0;

	if (!link->present)
		return 0;
	for (int i = UPGRADE_LINK; i < UPGRADE_FDS; i++)
		if (node_upgrade_fd(n, i) >= 0)
			fds[conf.num_listen_fds++] = node_upgrade_fd(n, i);
	conf.listen_fds = fds;
	for (size_t i = 0; !err && i < link->num_peers; i++)
		err = fill_peer(n->exec, link, i, &d);
	if (!err)
		err = peersock_new(n->base, &conf, &node_sync_ops, n,
				   &n->peersock);
	if (err && err != -EACCES)
		log_msg(LOG_ERR, "the link cannot be opened: %s",
			log_errno(-err));
	wipe(&d);
	return err;
}

void node_link_rekey(struct node *n)
{
	const struct conf_link *link = &n->conf->link;
	struct link_key keys[CONF_KEYS_MAX];

	for (unsigned i = 0; n->peersock && i < link->num_peers; i++) {
		const struct conf_link_keys *conf =
			conf_peer_keys(link, &link->peers[i]);

		if (!read_keys(n->exec, conf, keys))
			peersock_set_keys(n->peersock, i, keys, conf->count);
	}
	for (size_t k = 0; k < CONF_KEYS_MAX; k++)
		keyfile_wipe(&keys[k]);
}
