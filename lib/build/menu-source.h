/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The entries of a tree's menuconfig as its src/FAMILY/Kconfig has them: labels for people, and the
 * symbols of a processor model. The file is read as text, never executed.
 */
#ifndef KF_BUILD_MENU_SOURCE_H
#define KF_BUILD_MENU_SOURCE_H

#include "build/tree.h"

enum { KF_SYMBOL_SIZE = 80 };

/* The text of src/FOLDER/Kconfig; the caller frees it. Errors as kf_file_read. */
_must_check_ int kf_menu_source_read(const struct kf_tree *tree, const char *folder, char **ret,
				     struct kf_error *err);

/* menuconfig's words for a symbol of that text, clean. False: it has no entry of its own. */
bool kf_menu_source_label(const char *text, const char *symbol, char ret[KF_NAME_SIZE]);

/*
 * The symbols of this MCU's processor model that have an entry, each in turn: *at is NULL first.
 * False: there are no more.
 */
bool kf_menu_source_model(const char *text, const char *mcu, const char **at,
			  char ret[KF_SYMBOL_SIZE]);

#endif
