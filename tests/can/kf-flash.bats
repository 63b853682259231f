#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# kf-flash over a CAN bus: nodes.
load can
load ../boards
load ../printers
load images
load nodes

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
