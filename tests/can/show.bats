#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2034,SC2154,SC2016 # printers uses BOARDS; run sets output; printers has $ of its own
#
# kf on two printers, one of which prints.
load two-printers

@test "kf status and kf update: one question, one hold, the nodes and then their bridge; who prints on another bus goes on" {
	BOARDS=("$BRIDGE" "$EBB" "$TOOL" "$BETA")
	run -75 printers 'kf status --ask --table
		setsid -w kf update --yes --json beta-mcu >beta || echo "beta alone: $?"
		! grep "^StopUnit" "$FAKE/calls" || exit 1
		update'
	ended flashed flashed flashed
	told "alpha (klipper-alpha.service): error: MCU Protocol error"
	told "alpha-mcu stm32h723xx behind by 2 commits"
	told "alpha-ebb in its bootloader: katapult"
	told "alpha-silent not asked: it did not answer on can0"
	told "beta alone: 75"
	[ "$(jq -r .error.code beta)" = printing ]
	told "beta-mcu: can1 0badcafe0001 cannot be flashed now: Klippy (klipper-beta.service, process "
	told "Boards to flash (to $new): alpha-ebb can0 40f84a5af36e (in its bootloader) alpha-tool stm32f446xx can0 101f20646387 \
($old, 2 commits) alpha-mcu stm32h723xx USB port 1-1.2, bridge of can0 ($old, 2 commits) (last: it carries the others) \
Klipper (klipper-alpha.service) will be stopped for about 66 s. Go on? [Y/n]"
	# The bridge leaves after the nodes.
	[ "$(jq -r '.board.key' "$XDG_STATE_HOME/kalico-flash/history.jsonl" | tail -n 1)" = alpha-mcu ]
}
