#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016,SC2154,SC2317 # bash -c has $ of its own; run sets stderr; functions run in it
#
# The picoboot method on simulated RP2040s: when kf-flash chooses it, and what a user is told.
load helper
load boards

BARE=$RP2040,katapult=none

setup_file() {
	build_images
	image rp2040-bare 'CONFIG_MACH_RPXXXX=y
CONFIG_RPXXXX_FLASH_START_0100=y' >/dev/null
}

setup() {
	setup_boards
	registry <<<'{"devices":{"pico":{"name":"Pico","mcu":"rp2040","usb_port":"1-1.3",
		"serial_pattern":"usb-Klipper_rp2040_E6605481DB318C34*"}}}'
	# The board's record, with the image for the start of the flash or for behind a Katapult.
	bare() { IMAGE=rp2040 records "$IMAGES/rp2040-bare/klipper.uf2"; }
	behind() { IMAGE=rp2040 records "$IMAGES/rp2040/klipper.bin" | jq -c '.firmware.start = 268451840'; }
	export -f bare behind
}

# results: what became of each flash, by which method, and what proves it; of an error its code and hint.
results() {
	jq -r '(.flash | [.result, .method, (.verified | join("+"))]) + [.error.code, .error.hint] | map(. // "-") | join(" ")' \
		<<<"$output"
}

@test "in BOOTSEL: written, read back, started and asked; then the board has it already" {
	run -0 --separate-stderr sim "$BARE,mode=rp2boot" -- 'bare | kf-flash; bare | kf-flash --force; bare | kf-flash -q'
	[ "$(results)" = "flashed picoboot readback+identify - -
flashed picoboot readback+identify - -
current - identify - -" ]
	[[ $stderr == *"BOOTSEL on USB port 1-1.3, firmware from 0x10000000"*erasing*writing*"reading back"* ]]
	[[ $stderr == *"entering BOOTSEL from /dev/ttyACM0"* ]]
}

@test "firmware for behind Katapult is written behind it, and Katapult is kept" {
	run -0 --separate-stderr sim "$RP2040,mode=rp2boot" -- 'behind | kf-flash -q && client touch /dev/ttyACM0 &&
		client wait /dev/serial/by-id/usb-katapult_rp2040_E6605481DB318C34-if00'
	[ "$(results)" = "flashed picoboot readback+identify - -" ]
}

@test "Katapult is erased only by name; firmware that would not start is refused; the board is where it was" {
	refused() { # SPEC RECORDS MODE TEXT HINT
		run -78 --separate-stderr sim "$1" -- "$2 | kf-flash -q || s=\$?; kf-scan -q; exit \$s"
		[ "$(jq -sr '.[0].error.code + " " + .[1].board.mode' <<<"$output")" = "wrong_offset $3" ]
		[[ $stderr == *"$4"*"$5"* ]]
	}
	refused "$RP2040,mode=rp2boot" bare rp2boot "where the Katapult of this board is" --replace-bootloader
	refused "$BARE,mode=rp2boot" behind rp2boot "there is none at 0x10000000: it would not start" "No bootloader"
	# From Klipper it goes back to Klipper.
	refused "$BARE" behind klipper "there is none at 0x10000000" "No bootloader"
	refused "$RP2040" bare klipper "the bootloader starts applications at 0x10004000" "16KiB bootloader"
	run -0 --separate-stderr sim "$RP2040,mode=rp2boot" -- 'bare | kf-flash -q --replace-bootloader'
	[ "$(results)" = "flashed picoboot readback+identify - -" ]
}

@test "an image that is larger than the flash is refused before anything is erased" {
	SIM_CODE_BYTES=150000 image rp2040-large 'CONFIG_MACH_RPXXXX=y
CONFIG_RPXXXX_FLASH_START_0100=y' >/dev/null
	export large=$IMAGES/rp2040-large/klipper.uf2
	run --separate-stderr sim "$BARE,mode=rp2boot,flash=128K" -- 'IMAGE=rp2040 records $large | kf-flash -q'
	[ "$status" -eq "$(status_of too_large)" ]
	[[ $stderr == *"the flash of this board has 128 KiB"* ]]
}

@test "a transfer that fails: the error says what the bootloader says; the next run succeeds" {
	# FAULT|the error; then the board is in BOOTSEL, or is put there
	while IFS='|' read -r fault text; do
		run -0 --separate-stderr sim "$BARE,mode=rp2boot,$fault" -- '
			bare >r
			kf-flash -q --timeout 5 <r && exit 1
			[ -e /sys/bus/usb/devices/1-1.3 ] || by_hand boot 1-1.3
			bare | kf-flash -q'
		[[ $stderr == *"$text"* ]] || { echo "$fault: $stderr" && return 1; }
		[[ $(tail -n 1 <<<"$(results)") == "flashed picoboot readback+identify"* ]]
	done <<-'END'
		f2=25|the bootloader refuses it:
		unplug=35|was disconnected; the firmware on it is incomplete
		drop=40|does not answer; the firmware on it is incomplete
	END
}

@test "firmware for a CAN node does not come back on USB: that is said at once" {
	image rp2040-can 'CONFIG_MACH_RPXXXX=y
CONFIG_RPXXXX_FLASH_START_0100=y
CONFIG_RPXXXX_CANBUS=y' >/dev/null
	run -1 --separate-stderr sim "$BARE,mode=rp2boot" -- "IMAGE=rp2040 records $IMAGES/rp2040-can/klipper.uf2 | kf-flash -q"
	[ "$(jq -r '.flash.seconds < 20' <<<"$output")" = true ]
	[[ $stderr == *"written and read back; its firmware is for CAN"*"kf-scan --can"* ]]
	# Nor does it where Katapult has written it.
	image rp2040-can-16k 'CONFIG_MACH_RPXXXX=y
CONFIG_RPXXXX_FLASH_START_4000=y
CONFIG_RPXXXX_CANBUS=y' >/dev/null
	run -1 --separate-stderr sim "$RP2040,mode=katapult" -- "IMAGE=rp2040 records $IMAGES/rp2040-can-16k/klipper.bin | kf-flash -q"
	[ "$(jq -c '[.error.code, .flash.method, .flash.verified, .flash.seconds < 20]' <<<"$output")" = '["unverified","katapult",["readback"],true]' ]
	[[ $stderr == *"written and read back; its firmware is for CAN"*"kf-scan --can"* ]]
}

@test "a board that does not come back on USB was written all the same, and the error says so" {
	run --separate-stderr sim "$BARE,mode=rp2boot,return_as=never" -- 'bare | kf-flash -q --return-timeout 1'
	[ "$status" -eq "$(status_of gone)" ]
	[[ $stderr == *"written and read back: it did not come back at USB port 1-1.3"* ]]
}
