/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text before the one question of kf update. Boards are JSON arrays of valid records. */
#ifndef KF_REGISTRY_UPDATE_PLAN_H
#define KF_REGISTRY_UPDATE_PLAN_H

#include <jansson.h>

/*
 * What will happen: from which version to which; a line for each of the boards that did not fail, a
 * bridge behind the nodes that it carries; which services will be stopped, and for how long. found
 * are the boards of all printers: a printer with a board on a bridge's bus is stopped, too. No
 * newline at the end. The caller frees it; NULL: no memory.
 */
char *kf_update_plan(const json_t *boards, const json_t *found);

#endif
