/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a running Klippy is doing, and what it drives: asked of itself, else of a Moonraker that
 * speaks of this very process. Another printer's Moonraker on the same host must not answer for it.
 */
#ifndef KF_KLIPPER_CONSULT_H
#define KF_KLIPPER_CONSULT_H

#include "core/error.h"
#include "klipper/klippy.h"
#include "klipper/printer.h"

#define KF_MOONRAKER_PORT 7125

/*
 * 0 and a verdict that is not KF_PRINTER_DOUBT; KF_PRINTER_UNKNOWN with the reasons of all that
 * were asked; KF_INTERRUPTED. Each source has a few seconds, all have until deadline_ms.
 */
_must_check_ int kf_klippy_consult(const struct kf_klippy *klippy, int64_t deadline_ms,
				   struct kf_printer *ret, struct kf_error *err);

/*
 * Its configuration as it runs: "settings" of the object configfile (Klipper
 * docs/Status_Reference.md), a new reference, with at least an "mcu" in it. Sources and errors
 * as above.
 */
_must_check_ int kf_klippy_settings(const struct kf_klippy *klippy, int64_t deadline_ms,
				    json_t **ret, struct kf_error *err);

/* The port in [server] of a moonraker.conf; KF_MOONRAKER_PORT where it names none, 0: no file. */
unsigned kf_moonraker_port(const char *conf);

#endif
