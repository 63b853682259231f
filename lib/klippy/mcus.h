/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The MCUs of a printer: how its configuration names and reaches each of them, and what each told
 * its Klippy when it connected (Klipper docs/Status_Reference.md, configfile and mcu). A
 * configuration that does not run: klippy/printer-config.h.
 */
#ifndef KF_KLIPPY_MCUS_H
#define KF_KLIPPY_MCUS_H

#include "board/board.h"
#include "klippy/klippy.h"
#include "klippy/print-state.h"

#define KF_MCUS_MAX    64
#define KF_KCONFIG_MAX (1 << 18) /* bytes of a board's own Kconfig */

/* Texts are clean; empty: not told. */
struct kf_mcu {
	char name[64];		  /* "mcu", or NAME of [mcu NAME] in the configuration's case */
	char serial[KF_DEV_SIZE]; /* as configured: a port, or a host process' socket or pty */
	uint32_t baud;		  /* of serial; 0: none, no UART */
	char restart_method[32];  /* command, arduino, cheetah, rpi_usb */
	char canbus_uuid[KF_CAN_UUID_SIZE]; /* 12 hexadecimal digits, lower case */
	char canbus_interface[16];	    /* can0 */

	/* By the word of the firmware. A Klippy that has not connected to it knows none of this. */
	char version[KF_NAME_SIZE];
	char app[32];	   /* Klipper, Kalico */
	json_t *constants; /* an object, as it came: MCU, CLOCK_FREQ ... ; NULL: not told */
	char *kconfig;	   /* the text of its savedefconfig, as it came; NULL: it carries none */
};

struct kf_mcus {
	struct kf_mcu *list; /* [mcu] first */
	size_t count;
};

void kf_mcus_free(struct kf_mcus *mcus);

/*
 * Take one option of section "mcu" or "mcu NAME" (any other is passed over). only_new: a value that
 * is set already stays. -ENOMEM; -E2BIG: more than KF_MCUS_MAX.
 */
_must_check_ int kf_mcus_set(struct kf_mcus *mcus, const char *section, const char *option,
			     const char *value, bool only_new);

/* Fill each MCU's empty members from other, except the name. */
void kf_mcus_default(struct kf_mcus *mcus, const struct kf_mcu *other);

/* After the last kf_mcus_set: what Klippy takes where nothing is said, and [mcu] comes first. */
void kf_mcus_complete(struct kf_mcus *mcus);

/* The chip of an MCU by its constants (stm32h723xx), clean; empty: not told. */
void kf_mcu_chip(const struct kf_mcu *mcu, char ret[64]);

/* Is its serial: the board's port, by name (by-id, by-path, tty) or by another link to it? */
bool kf_mcu_has_port(const struct kf_mcu *mcu, const struct kf_board *board);

/* The answers of a running Klippy about itself and its MCUs. */
struct kf_klippy_facts {
	char state[16];		      /* ready, startup, shutdown, error */
	char message[KF_REASON_SIZE]; /* its first sentence about that; empty where it is ready */
	char version[KF_NAME_SIZE];   /* of the host software that runs: software_version */
	char tree[PATH_MAX];	      /* klipper_path */
	char python[PATH_MAX];	      /* python_path */
	char config[PATH_MAX];	      /* config_file, as it was started with: may be relative */
	struct kf_mcus mcus;	      /* empty: its configuration has an error */
	struct kf_print_state print;  /* KF_PRINT_UNCLEAR: its answer does not tell */
};

/*
 * Ask klippy over its own socket, in one connection, else the Moonraker that speaks for that
 * process. Its objects are asked for once: where another client has subscribed, or has just asked,
 * Klippy answers each query up to 250 ms later (klippy/webhooks.py, QueryStatusHelper), and
 * everything else at once. Several threads may ask, each another Klippy. KF_PRINTER_UNKNOWN with
 * the reasons of all that were asked; KF_INTERRUPTED. The caller frees ret->mcus.
 */
_must_check_ int kf_klippy_ask(const struct kf_klippy *klippy, int64_t deadline_ms,
			       struct kf_klippy_facts *ret, struct kf_error *err);

/*
 * The MCUs in answers (any may be NULL or of a wrong type, and is then passed over): settings is
 * configfile's, with the sections in lower case; status has the mcu objects by their names. Pure.
 * -ENOMEM, -E2BIG.
 */
_must_check_ int kf_mcus_read(const json_t *settings, const json_t *status, struct kf_mcus *ret);

/*
 * The version that klippy names for the board whose port is its MCU's serial:, or whose node its
 * canbus_uuid:. False: it does not answer, or has no such MCU connected.
 */
_must_check_ bool kf_klippy_version(const struct kf_klippy *klippy, const struct kf_board *board,
				    int64_t deadline_ms, char ret[KF_NAME_SIZE]);

#endif
