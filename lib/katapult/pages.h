/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pages that Katapult erases at once, and the order in which it takes blocks: its
 * src/stm32/flash.c, src/rp2040/flash.c and src/lpc176x/flash.c. Pure.
 */
#ifndef KF_KATAPULT_PAGES_H
#define KF_KATAPULT_PAGES_H

#include "core/base.h"

struct kf_katapult_pages {
	/* The first page: the block at an application's start erases bytes only within it.
	 * 0: not known, or the application starts inside of a page. */
	uint32_t first_bytes;
	/* Blocks are collected to so many bytes; only then may another address follow. 0: no */
	uint32_t unit_bytes;
};

/* For an MCU as Kconfig spells it, and an application that starts at start. */
struct kf_katapult_pages kf_katapult_pages_find(const char *mcu, uint32_t start);

#endif
