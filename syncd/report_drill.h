/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an operator has set going: maintenance, and the drill.
 */
#ifndef STATESYNC_REPORT_DRILL_H
#define STATESYNC_REPORT_DRILL_H

#include <jansson.h>

#include "drill.h"

struct node;

/* Two objects of the status. */
json_t *report_maintenance_json(const struct node *n);
json_t *report_drill_json(const struct node *n);

/* The answer to drill json, once it has ended. */
json_t *report_drill_result(const struct node *n);

#endif
