#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets output; sim has $ of its own
#
# Katapult's own flashtool.py, unmodified, against kf-sim: KATAPULT=FOLDER names a checkout of Katapult.
load ../boards
load can

UUID=40f84a5af36e
A=can=can0,mcu=stm32f446xx,uuid=$UUID,start=0x8008000

setup() {
	[ "${KATAPULT-}" ] || skip "KATAPULT= names no checkout of Katapult"
	fresh_home
	can_up can0
}

flashtool() {
	/usr/bin/python3 "$KATAPULT/scripts/flashtool.py" -f "$IMAGES/f446/klipper.bin" "$@"
}
export -f flashtool
export UUID

@test "it lists the nodes of both programs" {
	run -0 sim $A,mode=katapult can=can0,uuid=101f20646387,mcu=stm32g0b1xx -- 'flashtool -i can0 -q'
	[[ $output == *"Detected UUID: 40f84a5af36e, Application: Katapult"* ]]
	[[ $output == *"Detected UUID: 101f20646387, Application: Klipper"* ]]
}

@test "it flashes a node that runs Klipper, and verifies" {
	run -0 sim "$A,state=$BATS_TEST_TMPDIR/board" -- 'flashtool -i can0 -u $UUID
		can can0 talk 3f0#00'
	[[ $output == *"Verification Complete: SHA"*"Programming Complete"* ]]
	[ "${lines[-1]}" = 3f1#2040f84a5af36e01 ]
	cmp -n "$(stat -c %s "$IMAGES/f446/klipper.bin")" "$IMAGES/f446/klipper.bin" \
		<(tail -c +$((64 + 0x8000 + 1)) "$BATS_TEST_TMPDIR/board")
}

@test "it flashes a bridge on the USB port where it comes back" {
	/usr/bin/python3 -c 'import serial' || skip "python3-serial is not installed"
	run -0 sim bridge,can=can1,mcu=stm32f446xx,start=0x8008000,serial=39001B000C51313339373836 -- '
		flashtool -i can1 -u 44db3d634885'
	[[ $output == *"Canbus Bridge detected"*"Verification Complete: SHA"*"Programming Complete"* ]]
}

@test "it flashes a UART board" {
	/usr/bin/python3 -c 'import serial' || skip "python3-serial is not installed"
	run -0 sim uart,mcu=stm32f446xx,start=0x8008000,port=1-1.4 -- '
		flashtool -d /dev/ttyUSB0 -b 250000 -r
		flashtool -d /dev/ttyUSB0 -b 250000'
	[[ $output == *"Verification Complete: SHA"*"Programming Complete"* ]]
}
