/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kf-build and kf-status are links to kf-config, and kf-doctor is one to kf-flash. They have most
 * of libkf.a in common: kf-doctor as a program of its own made the package a fifth larger. Each of
 * these is the main function of the program of that name, and returns the exit status.
 */
#ifndef KF_TOOLS_NAMES_H
#define KF_TOOLS_NAMES_H

int build_main(int argc, char *argv[]);
int doctor_main(int argc, char *argv[]);
int status_main(int argc, char *argv[]);

#endif
