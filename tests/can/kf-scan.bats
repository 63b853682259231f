#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# kf-scan --can, and the print guard on a bus that several printers use.
load can
load ../printers

NODE=mcu=stm32f446xx,serial=39001B000C51313339373836,can=can0
OTHER=mcu=stm32f446xx,serial=2A003500135330363338303E,can=can0,uuid=aabbccddee02

setup() {
	fresh_home
	cd "$BATS_TEST_TMPDIR" || return
	can_up can0 can1
	registry <<<'{"devices": {"ebb": {"mcu": "stm32f446", "canbus_uuid": "44db3d634885"}}}'
	export KF_PRINTER_ROOT=$PWD/root
	mkdir -p root/proc
}

teardown() {
	local name
	end_klippies
	for name in can0 can1; do ip link del "$name"; done
}

# uses NAME PRINT INTERFACE UUID: a Klippy with this node. PRINT names the line of klippy-api.jsonl that says what it prints.
uses() {
	running "$1" "mcus ready" PRINT="$2" MCUS='{"mcu": {"config": {"canbus_uuid": "'"$4"'", "canbus_interface": "'"$3"'"},
		"object": {"mcu_version": "v1", "mcu_constants": {"MCU": "stm32f446xx"}}}}'
}

fields() {
	jq -c '.board | [.key, .mode, .connected, .link.uuid, .reason]' <<<"$output"
}

@test "a scan sends nothing; --can asks, says so, and tells modes, strangers and the silent ones" {
	run -0 --separate-stderr sim "$NODE,mode=katapult" "$OTHER" -- 'can can0 listen 3 >frames & kf-scan; wait $!'
	[ "$(fields)" = '["ebb",null,true,"44db3d634885",null]' ]
	[ ! -s frames ]
	run -0 sim "$NODE,mode=katapult" -- 'kf-scan --table; kf-scan --table --can'
	[[ $output == *"[??] ebb"*"not asked"*"[OK] ebb"*"katapult"* && ${output#*"[OK]"} != *"[OK]"* ]]
	run -0 --separate-stderr sim "$NODE,mode=katapult" "$OTHER" -- 'kf-scan --can'
	valid_records <<<"$output"
	[[ $stderr == *"asking all nodes on can0 that have no id (00 to 3f0)"* ]]
	[ "$(fields)" = '["ebb","katapult",true,"44db3d634885",null]
[null,"klipper",true,"aabbccddee02",null]' ]
	run -0 --separate-stderr sim "$OTHER" -- 'kf-scan -q --can=can0'
	[[ $(fields) == '["ebb",null,false,"44db3d634885","it did not answer on can0: '* ]]
	run -64 --separate-stderr kf-scan --can=/can0
	run -69 --separate-stderr kf-scan --can=can7
	[[ $stderr == *"there is no interface can7"* && $stderr != *"asking all nodes"* ]]
	run -69 --separate-stderr kf-scan --can=lo
	[[ $stderr == *"lo is no CAN interface"* && $stderr != *"asking all nodes"* ]]
	registry <<<'{"devices": {}}'
	run -0 --separate-stderr sim "$OTHER" -- 'kf-scan --can'
	[[ $stderr == *"asking all nodes on can0 "* && $(jq -r .board.link.uuid <<<"$output") = aabbccddee02 ]]
}

@test "two nodes of one UUID are told" {
	run --separate-stderr sim "$NODE" "$NODE,port=1-1.4" -- 'kf-scan -q --can'
	[ "$(jq -r '.error.code' <<<"$output")" = ambiguous ]
	[[ $(jq -r '.error.message' <<<"$output") == "two nodes on can0 show the UUID 44db3d634885"* ]]
}

@test "a Klippy that prints over the bus with other nodes: neither asked nor flashed; one on another bus does not matter" {
	uses beta printing can0 aabbccddee02
	run -75 --separate-stderr sim "$NODE" -- 'kf-scan --can'
	[[ $stderr == *"can0 is not asked: Klippy (process $klippy) is printing "* && $stderr != *"asking all nodes"* ]]
	run -75 --separate-stderr sim "$NODE" -- 'kf-scan -q | jq -c "select(.board.key == \"ebb\")" | kf-flash --check'
	[ "$(jq -r .error.code <<<"$output")" = printing ]
	[[ $(jq -r .error.message <<<"$output") == "can0 44db3d634885 cannot be flashed now: Klippy (process $klippy) is printing "* ]]
	end_klippies
	mkdir root/proc
	uses beta printing can1 aabbccddee02
	run -0 --separate-stderr sim "$NODE" -- 'kf-scan -q | jq -c "select(.board.key == \"ebb\")" | kf-flash --check'
	end_klippies
	mkdir root/proc
	uses beta "ready, idle" can0 aabbccddee02
	run -0 --separate-stderr sim "$NODE" -- 'kf-scan -q | jq -c "select(.board.key == \"ebb\")" | kf-flash --check; kf-scan --can'
}

@test "only the node's own Klippy is in the way of the node, and every one on its bus of the bridge" {
	local bridge=mcu=stm32h723xx,serial=29001A001151313531383332,port=1-1.2,bridge,can=can2
	registry <<-'END'
		{"devices": {"mcu": {"canbus_uuid": "95c25dd8fd1e", "canbus_interface": "can2"},
		  "ebb": {"canbus_uuid": "44db3d634885", "canbus_interface": "can2"}}}
	END
	uses beta "ready, idle" can2 aabbccddee02
	run --separate-stderr sim "$bridge" "${NODE/can0/can2}" -- 'kf-scan -q | kf-flash --check --no-service'
	[ "$(jq -c 'select(.board.key == "mcu") | .error.code' <<<"$output")" = '"busy"' ]
	[[ $(jq -r 'select(.board.key == "mcu") | .error.message' <<<"$output") == "USB port 1-1.2, bridge of can2 is in use by process $klippy "* ]]
	[ "$(jq -c 'select(.board.key == "ebb") | .error' <<<"$output")" = null ]
}
