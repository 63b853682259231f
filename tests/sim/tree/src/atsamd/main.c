/* SPDX-License-Identifier: GPL-3.0-or-later */
/* This stands for atsamd/main in the simulated firmware: a change here changes the image. */
