/* SPDX-License-Identifier: GPL-3.0-or-later */
/* This stands for generic/crc16 in the simulated firmware: a change here changes the image. */
