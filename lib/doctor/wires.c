/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The CAN interfaces and UARTs of boards: can they be used for that? */
#include "doctor/check.h"
#include "link/can-state.h"
#include "link/uart-owner.h"
#include "usb/by-wire.h"

/* A USB-to-serial port is checked too, although the host has no console on it. */
static void check_device(struct kf_doctor *doctor, const struct kf_device *device)
{
	struct kf_board board;
	struct kf_error err = { 0 };
	int r;

	if (!kf_wire_board(device, &board))
		return;
	r = kf_wire_look(&board, &err);
	if (r == 0 && board.tty[0])
		r = kf_uart_free("", board.tty, &err);
	if (r < 0)
		kf_doctor_report_error(doctor, KF_HEALTH_WRONG, device->key, &err);
	else if (board.tty[0])
		kf_doctor_report(doctor, KF_HEALTH_OK, device->key, NULL,
				 "%s is there, and neither the console nor Bluetooth has it",
				 board.tty);
	else if (kf_can_state_passive(board.link.interface, &err))
		kf_doctor_report_error(doctor, KF_HEALTH_NOTE, device->key, &err);
	else
		kf_doctor_report(doctor, KF_HEALTH_OK, device->key, NULL, "%s can send",
				 board.link.interface);
}

void kf_doctor_wires(struct kf_doctor *doctor)
{
	struct kf_device device;
	size_t count = 0;

	for (void *at = NULL; kf_registry_next(&doctor->registry, &at, &device);) {
		count += device.canbus_uuid || device.serial;
		check_device(doctor, &device);
	}
	if (count == 0)
		kf_doctor_report(doctor, KF_HEALTH_OK, NULL, NULL,
				 "no board is on CAN or on a UART");
}
