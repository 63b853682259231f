/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kf-build and kf-status are links to kf-config. The three have most of libkf.a in common: as three
 * programs they made the package a quarter larger. Each of these is the main function of the
 * program of that name, and returns the exit status.
 */
#ifndef KF_CONFIG_NAMES_H
#define KF_CONFIG_NAMES_H

int build_main(int argc, char *argv[]);
int status_main(int argc, char *argv[]);

#endif
