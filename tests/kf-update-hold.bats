#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; bash -c has $ of its own
#
# kf update where a Klippy that runs has a port: it is stopped once, and the boards keep their names.
load helper
load flash
load printers

setup() {
	setup_flash
	export KF_PRINTER_ROOT=$PWD/root
	mkdir root
	registry <<<'{"devices": {}}'
	git_tree source 4
	old=$(version_of source 2) new=$(version_of source)
	stopped klipper "$PWD/source" '[mcu]' "serial: $H723_BY_ID" '[mcu tool]' "serial: $RP2040_BY_ID"
	save_configs mcu:h723 tool:rp2040
	export MCUS old
	MCUS=$(jq -nc --arg p "$H723_BY_ID" --arg q "$RP2040_BY_ID" --arg v "$old" '{mcu: [$p, $v], "mcu tool": [$q, $v]}')
}

# beside COMMAND: COMMAND beside both boards, of which a Klippy, the main process of klipper.service, has one.
beside() {
	mocked kf-sim --board="${H723%,version=*},start=0x8020000,version=$old" \
		--board="${RP2040%,version=*},start=0x10004000,version=$old" -- bash -c '
		. "$KF_TESTS/printers.bash"
		. "$KF_TESTS/signal.bash"
		mkdir -p klipper_data/comms
		running klipper "'"${STATE:-ready, idle}"'" PORT=/dev/ttyACM0 TREE="$PWD/source" VERSION="$old"
		jq ".units[\"klipper.service\"] += {\"pid\": $klippy, \"kill\": true}" "$FAKE/state.json" >state.new
		mv state.new "$FAKE/state.json"
		'"$1"
}

@test "two boards behind: Klipper stops once, both are flashed by its names for them" {
	run -0 --separate-stderr beside 'setsid -w kf update --yes --json -u klipper'
	[ "$(jq -r '[.board.key, .flash.result, .flash.version_after] | join(" ")' <<<"$output" | sort)" = \
		"mcu flashed $new
tool flashed $new" ]
	[ "$(grep -c '^StopUnit klipper.service' "$FAKE/calls")" -eq 1 ]
	[ "$(active)" = active ]
	[[ $stderr == *"[Status] Klippy of klipper runs $old, and its tree has $new: it takes that when it is started again"* ]]
	[[ $stderr != *"after the print"* ]]
}

@test "a printer that prints: nothing is built or stopped" {
	STATE=printing run -75 --separate-stderr beside 'setsid -w kf update --yes --json -u klipper'
	[[ $stderr == *print* ]]
	[ ! -e "$XDG_CACHE_HOME/kalico-flash/build" ]
	run ! grep -E '^StopUnit' "$FAKE/calls"
}
