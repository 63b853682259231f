/* SPDX-License-Identifier: GPL-3.0-or-later */
/* This stands for what several parts include: a change here changes the image. */
