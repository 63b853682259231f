/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The printers of this machine: each Klippy that runs, and each service klipper*.service that does
 * not, of the system's manager or of this user's own. What a running one does not tell (its
 * configuration has an error, it does not answer) and all of those that do not run is read from
 * their printer.cfg.
 */
#ifndef KF_PRINTER_PRINTER_H
#define KF_PRINTER_PRINTER_H

#include "klippy/mcus.h"

#define KF_PRINTERS_MAX 16

/* Never waits longer for all Klippies of a machine. */
#define KF_PRINTERS_MS 2000

/* Texts are clean; empty: not known. */
struct kf_printer {
	/* Its service; empty: it has none of the system's manager (a user's own may start it). */
	char unit[KF_NAME_SIZE];
	/*
	 * Its name for people: what sets its unit's name apart (klipper-voron.service and
	 * klipper@voron.service are "voron"), else its folder's ("voron" of ~/voron_data), else
	 * "printer". No two are alike.
	 */
	char name[64];
	pid_t pid; /* of its Klippy; 0: it does not run */
	/* ready, startup, shutdown, error; "stopped"; "unknown": it runs and does not answer */
	char state[16];
	char message[KF_REASON_SIZE]; /* what Klippy says of its state, unless that is ready */
	char version[KF_NAME_SIZE];   /* of the host software that runs */
	char tree[PATH_MAX];	      /* the source tree of its Klippy */
	char python[PATH_MAX];	      /* the interpreter */
	char config[PATH_MAX];	      /* its printer.cfg, absolute */
	struct kf_print_state print;  /* of a running one; KF_PRINT_UNCLEAR: not told */
	struct kf_mcus mcus;	      /* of the running Klippy, else of the file */
	struct kf_error why; /* code not KF_OK: why Klippy or the file told less than it should */
};

struct kf_printers {
	struct kf_printer *list; /* those that run first, then by unit */
	size_t count;
};

/* The folder that stands for / in paths of unit files and of /proc: $KF_PRINTER_ROOT (tests), or
 * "". */
const char *kf_printer_root(void);

/*
 * Find them all, each Klippy asked once and all at the same time, within KF_PRINTERS_MS. Fails only
 * with KF_INTERRUPTED and for want of memory: what a printer itself lacks is in its why. The caller
 * frees with kf_printers_free. etc/systemd, usr/lib/systemd ... and proc are those of
 * kf_printer_root.
 */
_must_check_ int kf_printers_find(struct kf_printers *ret, struct kf_error *err);

/*
 * The same without a question to any Klippy: what their command lines and configurations tell. For
 * shell completion, where each keystroke waits for it. -ENOMEM.
 */
_must_check_ int kf_printers_find_configured(struct kf_printers *ret, struct kf_error *err);
void kf_printers_free(struct kf_printers *printers);

/* The printer's why as a sentence for people, with what to do about it. False: it has none. */
bool kf_printer_problem(const struct kf_printer *printer, struct kf_error *ret);

/* Could a board be this printer's, although it does not say so? Its configuration is not known. */
bool kf_printer_may_have(const struct kf_printer *printer);

/* Is there such a printer among them? */
bool kf_printers_hidden(const struct kf_printers *printers);

/* "ready", "error: MCU Protocol error", "printing cube.gcode, 45 % done" */
void kf_printer_state_text(const struct kf_printer *printer, char *ret, size_t size);

#endif
