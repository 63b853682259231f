#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154 # run sets stderr
#
# avrdude, as kf-flash starts it, and the genuine bootloaders of Debian's arduino packages on simavr (board.c). Not an
# ATmega328P's optiboot: that of Debian 12 ends at 0x8014, behind that chip's flash.
load ../helper
load ../boards

HARDWARE=/usr/share/arduino/hardware

setup_file() {
	build_images
	{
		image mega 'CONFIG_MACH_AVR=y'
		image melzi $'CONFIG_MACH_AVR=y\nCONFIG_MACH_atmega1284p=y'
	} >/dev/null
}

setup() {
	need pty
	fresh_home
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	[ ! "${board-}" ] || send_signal KILL "$board" 2>/dev/null || :
}

# started MCU HEX PACKAGE: the chip with that bootloader is at $port.
started() {
	local out
	type -P avrdude >/dev/null || skip "avrdude is not installed"
	[ -x "$KF_BUILD/tests/simavr/board" ] || skip "libsimavr-dev is not installed: make check-avr installs it"
	[ -e "$HARDWARE/$2" ] || skip "$3 is not installed: make check-avr installs it"
	exec {out}< <(exec "$KF_BUILD/tests/simavr/board" "$1" "$HARDWARE/$2" "$PWD/chip.bin" 3>&-)
	board=$!
	read -r port <&"$out"
}

# flashed MCU PROGRAMMER IMAGE: every byte is in the chip, and its bootloader is as it was.
flashed() {
	local hex=$IMAGES/$3/klipper.elf.hex
	run --separate-stderr kf-flash --no-service --json --return-timeout=1 --port="$port" --firmware="$hex"
	echo "$output $stderr"
	[[ $stderr == *"avrdude -p $1 -c $2 -P $port: writing, and reading back"* ]]
	# The chip runs nothing but its bootloader, so no Klipper answers; but what was read back was the image.
	[ "$(jq -c '.flash.verified' <<<"$output")" = '["readback"]' ]
	send_signal TERM "$board"
	timeout 10 tail -s 0.02 --pid="$board" -f /dev/null
	/usr/bin/python3 -IS - "$hex" chip.bin <<-'END'
		import sys
		image, base = {}, 0
		for line in open(sys.argv[1]):
		    record = bytes.fromhex(line.strip()[1:])
		    count, address, kind = record[0], record[1] << 8 | record[2], record[3]
		    if kind == 4:
		        base = (record[4] << 8 | record[5]) << 16
		    if kind == 0:
		        image.update(zip(range(base + address, base + address + count), record[4:]))
		chip = open(sys.argv[2], "rb").read()
		assert len(image) > 20000 and all(chip[at] == byte for at, byte in image.items())
	END
}

@test "an ATmega2560 with stk500v2, as on an Arduino Mega" {
	started atmega2560 arduino/avr/bootloaders/stk500v2/stk500boot_v2_mega2560.hex arduino-core-avr
	flashed atmega2560 wiring mega
}

@test "an ATmega1284P with optiboot" {
	started atmega1284p mighty-1284p/bootloaders/optiboot/optiboot_atmega1284p.hex arduino-mighty-1284p
	flashed atmega1284p arduino melzi
}
