#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # run sets its variables for functions in here; bash -c has $ of its own
#
# STM32's ROM in DFU, flashed directly: what its user sees. Every fault of a transfer is in unit/test-dfu-session.c.
load helper
load boards

F446=mcu=stm32f446xx,serial=3B0032000B50314139323520,port=1-1.4,version=v0.11.0-122-ge6ef48cd
NONE=$F446,katapult=none

setup_file() {
	build_images
	build_bare_image
}

setup() {
	setup_boards
	registry <<<'{"devices":{"ebb":{"name":"E","mcu":"stm32f446","usb_port":"1-1.4",
		"serial_pattern":"usb-Klipper_stm32f446xx_3B0032000B50314139323520*"}}}'
	export FIRMWARE=$IMAGES/f446-none/klipper.bin KLIPPER=/dev/serial/by-id/usb-Klipper_stm32f446xx_3B0032000B50314139323520-if00
}

# flash SPEC [OPTION...]: the board through kf-flash, by its record; $status, the record in $output.
flash() {
	run --separate-stderr sim "$1" -- "records \$FIRMWARE | jq -c .firmware.start=134217728 | kf-flash --return-timeout=3 ${*:2}"
	valid_records <<<"$output"
	echo "$status $output $stderr"
}

# by_port SPEC [OPTION...]: the same by hand.
by_port() {
	run --separate-stderr sim "$1" -- "kf-flash --port=usb:1-1.4 --firmware=\$FIRMWARE --json --return-timeout=3 ${*:2}"
	echo "$status $output $stderr"
}

# ends STATUS RESULT [TEXT]: the record says so, as its result and as its error; TEXT is in the message.
ends() {
	[ "$status" -eq "$1" ]
	[ "$(jq -r .flash.result <<<"$output")" = "$2" ]
	[ "$(jq -r '.error.code // .flash.result' <<<"$output")" = "$2" ]
	[[ $(jq -r .error.message <<<"$output") == *"${3-}"* ]]
}

attempts() {
	jq -c '.flash.attempts | map(.method + " " + .result)' <<<"$output"
}

@test "Klipper without a bootloader goes to DFU, is written and read back, and comes back with the new version" {
	flash "$NONE"
	ends 0 flashed
	[ "$(attempts)" = '["dfu flashed"]' ]
	[ "$(jq -c .flash.verified <<<"$output")" = '["readback","identify"]' ]
	[[ $stderr == *"ebb: entering DFU from "*"ebb: writing"*"ebb: reading back"* ]]
	# dfu-util was not needed, and nothing is written twice.
	flash "$NONE,mode=dfu,state=board"
	flash "$NONE,state=board"
	ends 0 current
}

@test "a board that a person put into DFU is found by its port" {
	flash "$NONE,mode=dfu"
	ends 0 flashed
	by_port "$NONE,mode=dfu"
	ends 0 flashed
	registry <<<'{"devices":{}}'
	by_port "$NONE,mode=dfu,transfer=64"
	ends 0 flashed
	run --separate-stderr sim "$NONE,mode=dfu" -- 'kf-flash --port=usb:1-1.5 --firmware=$FIRMWARE --json'
	[ "$status" -eq 69 ]
	[[ $stderr == *"no board is on USB port 1-1.5"* ]]
}

@test "dfu_util by name: the program writes, we read back; its failure" {
	type -P dfu-util >/dev/null || skip "dfu-util is not installed"
	flash "$NONE" --method=dfu_util --no-fallback
	ends 0 flashed
	[ "$(attempts)" = '["dfu_util flashed"]' ]
	[ "$(jq -c .flash.verified <<<"$output")" = '["readback","identify"]' ]
	grep -q "File downloaded successfully" "$XDG_STATE_HOME"/kalico-flash/logs/*-dfu_util.log
	mkdir bin
	printf '#!/bin/sh\necho no luck; exit 74\n' >bin/dfu-util
	chmod +x bin/dfu-util
	PATH=$PWD/bin:$PATH run --separate-stderr sim "$NONE,mode=dfu" -- 'kf-flash -q --json --port=usb:1-1.4 --firmware=$FIRMWARE --method=dfu_util --no-fallback'
	ends 1 flash_failed "dfu-util ended with status 74"
}

@test "Katapult is not erased, unless it is named" {
	by_port "$F446,mode=dfu,start=0x8008000"
	ends 78 wrong_offset "where the Katapult of this board is: it would be erased"
	[[ $(jq -r .error.hint <<<"$output") == *"--replace-bootloader"* ]]
	by_port "$F446,mode=dfu,start=0x8008000,state=board" --replace-bootloader
	ends 0 flashed
}

@test "firmware for behind a bootloader is refused where Klipper is instead of one, and is written behind another" {
	FIRMWARE=$IMAGES/f446/klipper.bin by_port "$NONE"
	ends 78 wrong_offset "behind a bootloader, and there is Klipper instead of one at 0x08000000: it would not start"
	{ head -c 32768 /dev/zero | tr '\0' U; cat "$IMAGES/f446/klipper.bin"; } >maker.bin
	# The simulated board starts no maker's bootloader. A write that was cut off is repaired.
	FIRMWARE=$IMAGES/f446/klipper.bin by_port "$NONE,mode=dfu,app=maker.bin" --force
	ends 69 gone "written and read back"
	head -c 2048 /dev/zero | tr '\0' '\377' | dd of=maker.bin bs=2048 seek=16 conv=notrunc status=none
	FIRMWARE=$IMAGES/f446/klipper.bin by_port "$NONE,mode=dfu,app=maker.bin"
	ends 69 gone "written and read back"
}

@test "the last flash cannot be saved: nothing is written, and the board goes back to its firmware" {
	run -0 --separate-stderr sim "$NONE" -- 'trap "" XFSZ
		(ulimit -f 0; kf-flash --port=$KLIPPER --firmware=$FIRMWARE --json 2>/dev/null) | jq -r .error.message
		kf-scan -q | jq -r .board.mode'
	[[ ${lines[0]} == "nothing was written to the board: its last flash cannot be saved: "*"File too large" ]]
	[ "${lines[1]}" = klipper ]
}

@test "read protection is told, and what it means" {
	by_port "$NONE,mode=dfu,protected"
	ends 77 permission "the chip's flash is read-protected (errVENDOR)"
	[[ $(jq -r .error.hint <<<"$output") == "nothing was written: "*"erases the whole chip"* ]]
}

@test "firmware for another chip, or beyond the end of the flash" {
	registry <<<'{"devices":{}}'
	FIRMWARE=$IMAGES/h723/klipper.bin by_port "$NONE,mode=dfu"
	ends 78 mcu_mismatch "the firmware is for stm32h723xx, whose flash has sectors of 128 KiB; that of this board has 16 KiB"
	FIRMWARE=$IMAGES/h723/klipper.bin by_port mcu=stm32h723xx,mode=dfu,katapult=none,port=1-1.4,flash=128K
	ends 65 too_large "the flash of this board that can be written ends at 0x08020000"
}

@test "a refused erase and a stall are errors; a late answer is waited for" {
	by_port "$NONE,mode=dfu" # transfers of a whole run, without a fault
	ends 0 flashed
	by_port "$NONE,mode=dfu,f2=12"
	[ "$status" -eq 1 ]
	[[ $(jq -r .error.message <<<"$output") == *"the bootloader reports err"* ]]
	by_port "$NONE,mode=dfu,nack=60"
	[ "$status" -ne 0 ]
	[[ $(jq -r .error.message <<<"$output") == *"the firmware on it is incomplete"* ]]
	by_port "$NONE,mode=dfu,late=20,late_us=300000"
	ends 0 flashed
}

@test "the cable is pulled in mid-write: the error says so, and the next run flashes the board" {
	run --separate-stderr sim "$NONE,unplug=60" -- 'records $FIRMWARE >r; kf-flash --return-timeout=3 <r; kf-scan -q --all
		by_hand boot 1-1.4; records $FIRMWARE | kf-flash'
	echo "$output $stderr"
	[ "$(jq -sc '[.[0].error.code, .[-1].flash.result]' <<<"$output")" = '["gone","flashed"]' ]
	[[ $stderr == *"the firmware on it is incomplete"*"BOOT0"* ]]
}

@test "told to start, a board that stalls or is silent has left; one that stays is left_in_bootloader" {
	for how in stall silent; do
		by_port "$NONE,mode=dfu,rom_leave=$how"
		ends 0 flashed
	done
	by_port "$NONE,mode=dfu,rom_leave=stay"
	ends 1 left_in_bootloader "written and read back: it did not come back as Klipper: it is in dfu mode"
	[ "$(jq -c .flash.verified <<<"$output")" = '["readback"]' ]
	[[ $(jq -r .error.hint <<<"$output") == "its firmware starts at the next power-up: take out its BOOT0 jumper, or let go of its button, then power-cycle it"* ]]
}

@test "interrupted in mid-write: at once, and the next run flashes the board" {
	run --separate-stderr sim "$NONE,mode=dfu,poll_ms=40" -- 'records $FIRMWARE >r
		interrupt_at "ebb: writing " kf-flash; records $FIRMWARE | kf-flash'
	echo "$output $stderr"
	[ "$(jq -sc 'map(.error.code // .flash.result)' <<<"$output")" = '["interrupted","flashed"]' ]
	[[ $stderr == *"the firmware on it is incomplete"* ]]
}

@test "killed in mid-write: the next run flashes the board where it waits" {
	run --separate-stderr sim "$NONE,mode=dfu,poll_ms=20" -- 'records $FIRMWARE >r
		killed_at command "ebb: writing " kf-flash <r; kf-scan -q | jq -r .board.incomplete
		records $FIRMWARE | kf-flash | jq -r .flash.result'
	echo "$output $stderr"
	[ "$output" = $'dfu\nflashed' ]
}
