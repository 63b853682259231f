#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# kf-flash over a CAN bus: nodes, and boards that are the bridge.
load can
load ../boards
load ../printers
load images
load images

NODE=mcu=stm32f446xx,serial=39001B000C51313339373836,can=can0,version=v0.11.0-1-gabcdef0
OTHER=mcu=stm32f446xx,serial=2A003500135330363338303E,can=can0,version=v0.11.0-1-gabcdef0
BRIDGE=mcu=stm32h723xx,serial=29001A001151313531383332,port=1-1.2,bridge,can=can1,version=v0.11.0-1-gabcdef0
BEHIND=mcu=stm32f446xx,serial=3B0021000F51383434363035,can=can1,uuid=aabbccddee01,version=v0.11.0-1-gabcdef0

setup_file() {
	build_can_images
}

setup() {
	fresh_home
	cd "$BATS_TEST_TMPDIR" || return
	can_up can0
	registry <<-'END'
		{"devices": {
		  "ebb": {"mcu": "stm32f446", "canbus_uuid": "44db3d634885"},
		  "mcu": {"mcu": "stm32h723", "serial_pattern": "usb-Klipper_stm32h723xx_29001A001151313531383332*"}}}
	END
}

# built [FILTER]: kf-scan's records that jq's filter takes, with the firmware of $IMAGE, or of the board's kind.
built() {
	local line image sum
	kf-scan -q | jq -c "select(${1-.board.key})" | while read -r line; do
		image=${IMAGE-}
		[ "$image" ] || case $line in *'"key":"mcu"'*) image=bridge ;; *) image=node ;; esac
		sum=$(sha256sum <"$IMAGES/$image/klipper.bin")
		jq -c ".firmware = {path: \"$IMAGES/$image/klipper.bin\", sha256: \"${sum%% *}\"}" <<<"$line"
	done
}
export -f built

results() {
	jq -c '[.board.key, .flash.result // .error.code, .flash.verified]' <<<"$output"
}

@test "a node is flashed, by hand and registered, and is current then" {
	run -0 --separate-stderr sim "$NODE" -- 'kf-flash --port can0:44db3d634885 --firmware "$IMAGES/node/klipper.bin" --json
		built | kf-flash; built | kf-flash'
	valid_records <<<"$output"
	diff - <(results) <<-END
		["ebb","flashed",["readback","identify"]]
		["ebb","current",["identify"]]
		["ebb","current",["identify"]]
	END
	[ "$(head -n 1 <<<"$output" | jq -r .flash.version_before)" = v0.11.0-1-gabcdef0 ]
	[[ $stderr == *"ebb: entering Katapult from can0 44db3d634885"* ]]
}

@test "a node that waits in Katapult is its registered self" {
	run -0 --separate-stderr sim "$NODE,mode=katapult" "$OTHER,mode=katapult" -- 'built | kf-flash; kf-flash --port can0:44db3d634885 \
		--firmware "$IMAGES/node/klipper.bin" --json --force'
	diff - <(results) <<-END
		["ebb","flashed",["readback","identify"]]
		["ebb","flashed",["readback","identify"]]
	END
}

@test "two nodes of one UUID, one of them in Katapult: refused before anything is written" {
	run ! --separate-stderr sim "$NODE,mode=katapult" "$NODE,port=1-1.4" -- 'kf-flash --port can0:44db3d634885 \
		--firmware "$IMAGES/node/klipper.bin" --json'
	[ "$(jq -c '[.error.code, .flash.attempts]' <<<"$output")" = '["ambiguous",[]]' ]
	[[ $stderr == *"two nodes have this UUID: one waits in Katapult, the other runs Klipper"* ]]
}

@test "nothing else on the bus is touched: another node keeps what it runs and its id" {
	can can0 listen 600 >frames 3>&- &
	local listener=$!
	run -0 --separate-stderr sim "$NODE" "$OTHER" -- 'built | kf-flash'
	send_signal TERM "$listener" || true
	wait "$listener" || true
	[ "$(results)" = '["ebb","flashed",["readback","identify"]]' ]
	# No question to all nodes, no id taken from all, and no request that names another node.
	[ "$(grep -c '^3F0#\|^3f0#' frames)" -gt 0 ]
	run -1 grep -i '^3f0#\(00\|12\)' frames
	run -1 grep -iv '^3f0#..44db3d634885' <(grep -i '^3f0#' frames)
}

@test "a node that is silent, or on another bus: one sentence, and what to look at" {
	run -69 --separate-stderr sim "$OTHER" -- 'built | kf-flash -t 2 --return-timeout=2'
	[ "$(jq -r .error.message <<<"$output")" = "no node 44db3d634885 answers on can0" ]
	[[ $(jq -r .error.hint <<<"$output") == "check its power and cable, and the bitrate"* ]]
	ip link set can0 down
	run -74 --separate-stderr sim "$OTHER" -- 'kf-flash --port can0:44db3d634885 --firmware "$IMAGES/node/klipper.bin" --json'
	[[ $stderr == "kf-flash: can0 is down"*"sudo ip link set can0 up"* ]]
	run -69 --separate-stderr sim "$OTHER" -- 'kf-flash --port can9:44db3d634885 --firmware "$IMAGES/node/klipper.bin" --json'
	[[ $stderr == "kf-flash: there is no interface can9"* ]]
}

@test "a node without Katapult leaves its Klipper once, and nothing is written" {
	run -1 --separate-stderr sim "$NODE,katapult=none" -- 'built | kf-flash -t 2 --return-timeout=2'
	[ "$(jq -r .error.code <<<"$output")" = no_katapult ]
	[[ $(jq -r .error.message <<<"$output") == "it left Klipper, and no Katapult answers at can0 44db3d634885" ]]
}

@test "firmware for another wire is refused before anything is sent" {
	run -78 --separate-stderr sim "$BRIDGE" "$BEHIND" -- 'export IMAGE=usb; built ".board.key == \"mcu\"" | kf-flash'
	[ "$(jq -r .error.code <<<"$output")" = config_difference ]
	[[ $(jq -r .error.message <<<"$output") == "the board is the USB-to-CAN bridge of can1, and this firmware is none"* ]]
	registry <<<'{"devices": {"ebb": {"mcu": "stm32h723", "canbus_uuid": "44db3d634885"}}}'
	run -78 --separate-stderr sim "${NODE/stm32f446xx/stm32h723xx}" -- 'export IMAGE=usb; built | kf-flash'
	[[ $(jq -r .error.message <<<"$output") == "the board is a node on can0, and this firmware is not for CAN" ]]
}

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
