/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "flash/outcome.h"

bool kf_outcome_refused(enum kf_code code)
{
	return code == KF_MCU_MISMATCH || code == KF_WRONG_OFFSET || code == KF_BAD_IMAGE ||
	       code == KF_TOO_LARGE;
}

bool kf_outcome_final(enum kf_code code)
{
	if (kf_outcome_refused(code))
		return true;
	switch (code) {
	case KF_INTERRUPTED:
	case KF_BUSY:
	case KF_PERMISSION:
	case KF_IO: /* no note can be written: a full disk */
	case KF_GONE:
	case KF_LEFT_IN_BOOTLOADER:
	case KF_WRONG_VERSION:
	case KF_UNVERIFIED:
		return true;
	default:
		return false;
	}
}
