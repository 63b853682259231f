/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What Katapult erases at once, and in which order it takes blocks: its src/stm32/flash.c,
 * src/rp2040/flash.c and src/lpc176x/flash.c. Pure.
 */
#ifndef KF_KATAPULT_PAGES_H
#define KF_KATAPULT_PAGES_H

#include "core/base.h"

struct kf_katapult_pages {
	/* What the block at an application's start erases lies within so many bytes, and the next
	 * page begins behind them. 0: not known, or the application starts inside of a page. */
	uint32_t first_bytes;
	/* Blocks are collected to so many bytes; only then may another address follow. 0: no */
	uint32_t unit_bytes;
};

/* For an MCU as Kconfig spells it, and an application that starts at start. */
struct kf_katapult_pages kf_katapult_pages_find(const char *mcu, uint32_t start);

#endif
