/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The metrics listener of a node (stats { metrics = ... }), for looking only.
 */
#ifndef STATESYNC_NODE_HTTP_H
#define STATESYNC_NODE_HTTP_H

#include <jansson.h>

#include "httpsock.h"
#include "node.h"

/* Listens if it is configured, now or as soon as it can. 0 or -ENOMEM. */
int node_http_open(struct node *n) __attribute__((warn_unused_result));
/* The configuration is another one than was. */
void node_http_change(struct node *n, const struct conf *was);
void node_http_close(struct node *n);

/* Where, why not, and how many answers of each status. */
json_t *node_http_json(const struct node *n);

#endif
