#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# Two printers on one host: alpha has a bridge and the nodes behind it, beta prints on can1.
load ../fake/systemd
load ../boards
load ../printers
load can
load images

BRIDGE=mcu=stm32h723xx,serial=29001A001151313531383332,port=1-1.2,bridge,can=can0
EBB=mcu=stm32f446xx,uuid=40f84a5af36e,can=can0,mode=katapult
TOOL=mcu=stm32f446xx,uuid=101f20646387,can=can0
BETA=mcu=stm32f446xx,uuid=0badcafe0001,can=can1

setup_file() {
	build_can_images
	file_systemd
}

teardown_file() {
	stop_systemd
}

setup() {
	fresh_home
	cd "$BATS_TEST_TMPDIR" || return
	: >"$FAKE/calls"
	units klipper-alpha.service active klipper-beta.service active
	can_up can1
	export KF_PRINTER_ROOT=$PWD/root
	mkdir root
	registry <<-'END'
		{"devices": {
		  "mcu": {"mcu": "stm32h723", "serial_pattern": "usb-Klipper_stm32h723xx_29001A001151313531383332*"},
		  "ebb": {"mcu": "stm32f446", "canbus_uuid": "40f84a5af36e", "canbus_interface": "can0"},
		  "tool": {"mcu": "stm32f446", "canbus_uuid": "101f20646387", "canbus_interface": "can0"},
		  "silent": {"mcu": "stm32f446", "canbus_uuid": "0badcafe0002", "canbus_interface": "can0"},
		  "other": {"mcu": "stm32f446", "canbus_uuid": "0badcafe0001", "canbus_interface": "can1"}}}
	END
}

# A record of KEY with the firmware of its kind.
record() {
	local image=node sum
	[ "$1" != mcu ] || image=bridge
	sum=$(sha256sum <"$IMAGES/$image/klipper.bin")
	kf-scan -q --all --device "$1" |
		jq -c ".firmware = {path: \"$IMAGES/$image/klipper.bin\", sha256: \"${sum%% *}\"}"
}
export -f record

# printers COMMAND: beside both Klippies, each the main process of its service.
printers() {
	sim "${BOARDS[@]}" -- '
		. "$KF_TESTS/printers.bash"
		. "$KF_TESTS/signal.bash"
		running alpha "ready, idle" MCUS="{\"mcu\": {\"config\": {\"canbus_uuid\": \"'"$BRIDGE_UUID"'\", \"canbus_interface\": \"can0\"},
			\"object\": {}}}"
		jq ".units[\"klipper-alpha.service\"] += {pid: $klippy, kill: true}" "$FAKE/state.json" >state.new
		mv state.new "$FAKE/state.json"
		running beta printing MCUS="{\"mcu\": {\"config\": {\"canbus_uuid\": \"0badcafe0001\", \"canbus_interface\": \"can1\"},
			\"object\": {}}}" PRINT=printing
		jq ".units[\"klipper-beta.service\"] += {pid: $klippy, kill: true}" "$FAKE/state.json" >state.new
		mv state.new "$FAKE/state.json"
		status=0
		{ '"$1"'; } || status=$?
		end_klippies
		exit $status'
}

BRIDGE_UUID=$(/usr/bin/python3 -c '
m = 0x880355F21E6D1965
mask = (1 << 64) - 1
def mix(h):
    h ^= h >> 23
    h = h * 0x2127599BF4325C37 & mask
    return h ^ h >> 47
chip = bytes.fromhex("29001A001151313531383332")
h = 0xA16231A7 ^ len(chip) * m & mask
for i in range(0, len(chip), 8):
    h = (h ^ mix(int.from_bytes(chip[i:i + 8], "little"))) * m & mask
print(mix(h).to_bytes(8, "little")[:6].hex())')

@test "one hold: the nodes, then their bridge; a silent node is told; who prints on another bus is not disturbed" {
	BOARDS=("$BRIDGE" "$EBB" "$TOOL" "$BETA")
	run --separate-stderr printers '{ record mcu; record silent; record ebb; record tool; } | kf-flash -u klipper-alpha --json'
	echo "$stderr" >&2
	[ "$status" -eq 1 ] || [ "$status" -eq 69 ]
	diff - <(jq -c '[.board.key, .flash.result // .error.code]' <<<"$output" | sort) <<-END
		["ebb","flashed"]
		["mcu","flashed"]
		["silent","not_connected"]
		["tool","flashed"]
	END
	[ "$(grep -c '^StopUnit klipper-alpha' "$FAKE/calls")" -eq 1 ]
	[ "$(active klipper-alpha.service)" = active ]
	run ! grep klipper-beta "$FAKE/calls"
	# The bridge leaves after the nodes.
	[ "$(grep -n 'mcu: entering Katapult' <<<"$stderr" | cut -d : -f 1)" -gt "$(grep -n 'tool: flashed' <<<"$stderr" | cut -d : -f 1)" ]
}

@test "a node on the bus of a printer that prints is refused, and nothing is sent" {
	BOARDS=("$BETA")
	run -75 --separate-stderr printers 'record other | kf-flash -u klipper-beta --json'
	[ "$(jq -r .error.code <<<"$output")" = printing ]
	run ! grep '^StopUnit' "$FAKE/calls"
}
