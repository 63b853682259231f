#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# kf-flash: boards that are the bridge of a CAN bus.
load can
load ../boards
load ../printers
load images
load nodes

@test "a bridge is flashed after the nodes behind it, whatever the order of the records" {
	registry <<-'END'
		{"devices": {
		  "mcu": {"mcu": "stm32h723", "canbus_uuid": "95C25DD8FD1E", "canbus_interface": "can1"},
		  "behind": {"mcu": "stm32f446", "canbus_uuid": "aabbccddee01", "canbus_interface": "can1"},
		  "ebb": {"mcu": "stm32f446", "canbus_uuid": "44db3d634885"}}}
	END
	run -0 --separate-stderr sim "$BRIDGE" "$BEHIND" "$NODE" -- 'built | kf-flash; ip -br link show can1'
	diff - <(head -n 3 <<<"$output" | jq -c '[.board.key, .flash.result // .error.code, .flash.verified]' | sort) <<-END
		["behind","flashed",["readback","identify"]]
		["ebb","flashed",["readback","identify"]]
		["mcu","flashed",["readback","identify"]]
	END
	# Its own last step comes before the bridge's first one.
	[ "$(grep -n 'mcu: entering Katapult' <<<"$stderr" | cut -d : -f 1)" -gt "$(grep -n 'behind: flashed' <<<"$stderr" | cut -d : -f 1)" ]
}

@test "a bridge that waits in DFU is found by its name on the bus that it made, and is flashed there" {
	registry <<<'{"devices": {}}'
	export KF_PRINTER_ROOT=$PWD/root
	mkdir root
	stopped klipper "$PWD" '[mcu]' 'canbus_uuid: 95c25dd8fd1e' 'canbus_interface: can1'
	run -0 --separate-stderr sim "$BRIDGE,leave_as=dfu" -- 'set +e
		flash() { kf-flash --port can1:95c25dd8fd1e --firmware "$IMAGES/bridge/klipper.bin" --json "$@"; }
		flash --no-fallback; flash; ip -br link show can1 >&2'
	[ "$(jq -sc 'map(.error.code // (.flash | .result + " " + .method))' <<<"$output")" = '["no_katapult","flashed dfu"]' ]
	[[ $stderr == *"it has no Katapult: it came back in dfu mode
  power-cycle it, and its firmware starts; or flash it where it waits: kf flash mcu"* ]]
	# In one run.
	run -0 --separate-stderr sim "$BRIDGE,leave_as=dfu" -- \
		'kf-flash --port can1:95c25dd8fd1e --firmware "$IMAGES/bridge/klipper.bin" --json'
	[ "$(jq -c '.flash.attempts | map(.method + " " + .result)' <<<"$output")" = '["katapult no_katapult","dfu flashed"]' ]
}

@test "a bridge that comes back without its interface, or with it down, has its own verdict" {
	run -1 --separate-stderr sim "$BRIDGE,return_net=none" -- 'built ".board.key == \"mcu\"" | kf-flash --return-timeout=3'
	[ "$(jq -r .error.code <<<"$output")" = unverified ]
	[ "$(jq -r .error.message <<<"$output")" = "written and read back: on USB port 1-1.2 it came back as a USB-to-CAN bridge, but without its network interface" ]
	run -1 --separate-stderr sim "$BRIDGE,net_down" -- 'ip link set can1 up; built ".board.key == \"mcu\"" | kf-flash --return-timeout=3'
	[ "$(jq -r .error.message <<<"$output")" = "written and read back: it came back as the bridge of can1, and nothing brought that up: can1 is down" ]
	[[ $(jq -r .error.hint <<<"$output") == "sudo ip link set can1 up; then start Klipper again" ]]
}

@test "a bridge waits for a kf-flash that works on a node behind it" {
	run -75 --separate-stderr sim "$BRIDGE" "$BEHIND" -- 'built ".board.key == \"mcu\"" >r
		exec 9</sys/class/net/can1; flock 9
		kf-flash --wait 0.1 --dry-run <r 9<&-'
	[[ $(jq -r .error.message <<<"$output") == "another kf-flash"*" is using the board" ]]
}
