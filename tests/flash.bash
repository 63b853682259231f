# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# For tests that flash simulated boards where a systemd runs klipper.service. A file with a setup of
# its own calls setup_flash there.
load fake/systemd
load boards

setup_file() {
	build_images
	file_systemd
}

teardown_file() {
	stop_systemd
}

setup_flash() {
	need bus
	setup_boards
	: >"$FAKE/calls"
	units klipper.service active
}

setup() {
	setup_flash
}
