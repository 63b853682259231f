#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016 # bash -c has $ of its own
#
# Boards whose bootloader takes its firmware from an SD card, which the tree's flash-sdcard.sh writes. The script of
# these tests takes its options, builds its libraries where the genuine one does, and prints and ends as that did when
# it was run against Klipper with an emulated card. It sends the image to a simulated board where HOW is now: a
# bootloader that reads its card at every reset.
load helper
load boards

H723SD=$H723,version=v0.9.0-1-gabcdef012

setup() {
	setup_boards
	tree=$HOME/klipper
	cp -r "$KF_TESTS/sim/tree" "$tree"
	mkdir "$tree/scripts/spi_flash"
	cat >"$tree/scripts/spi_flash/board_defs.py" <<-'END'
		BOARDS = {
		    "btt-skr-3-h723": {"mcu": "stm32h723xx", "skip_verify": True},
		    "btt-octopus-pro-h723-v1.1": {"mcu": "stm32h723xx", "firmware_path": "Robin.bin", "conversion_script": "scripts/convert.py"},
		    "creality-v4.2.2": {"mcu": "stm32f103xe", "requires_unique_fw_name": True},
		}
		def list_boards():
		    return sorted(BOARDS)
		def lookup_board(name):
		    return BOARDS.get(name)
	END
	mkdir -p "$tree/klippy/chelper" "$tree/klippy/extras"
	touch "$tree/klippy/extras/gcode_macro.py" # Kalico's loads some of these
	cat >"$tree/klippy/chelper/__init__.py" <<-'END'
		import os
		def get_ffi():
		    open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "c_helper.so"), "w").close()
	END
	cat >"$tree/scripts/spi_flash/spi_flash.py" <<-'END'
		import os, sys, traceback
		import board_defs
		here = os.path.dirname(os.path.realpath(__file__))
		sys.path.append(os.path.join(here, "../../klippy"))
		import chelper, extras.gcode_macro
		if "MISSING" in os.environ:
		    import module_that_is_missing
		if sys.argv[1] == "-l":
		    sys.exit(0)
		def fail(why):
		    print("\nSD Card Flash Error: " + why + "\nTraceback (most recent call last):\nSPIFlashError: " + why)
		    sys.exit(-1)
		chelper.get_ffi()
		open(os.path.join(here, "fatfs.so"), "w").close()
		how = os.environ["HOW"]
		if how == "nocard":
		    fail("Failed to Initialize SD Card. Is it inserted?")
		print("Uploading Klipper Firmware to SD Card...Done\nValidating Upload...", end="")
		if how == "full":
		    fail("Checksum Mismatch: Got '8CFD', expected 'CAB7'")
		print("Done\nFirmware Upload Complete: firmware.bin, Size: 41788, Checksum (SHA1): CAB7", flush=True)
		if how == "refused":
		    fail("Validation failure.")
		if how == "now":
		    os.execv("/usr/bin/python3", ["python3", os.path.join(here, "../flash.py"), sys.argv[3], sys.argv[2]])
	END
	cat >"$tree/scripts/flash-sdcard.sh" <<-'END'
		#!/bin/bash
		[ "$1" = -l ] || echo "$*" >"$BATS_TEST_TMPDIR/called"
		[ "$1" = -l ] || set -- "$2" "$4" "$5"
		exec /usr/bin/python3 "${0%/*}/spi_flash/spi_flash.py" "$@"
	END
	registry <<<"$(jq '.devices[].sdcard_board = "btt-skr-3-h723"' <<<"$OCTOPUS")"
	save_configs octopus-pro:h723
	unset PYTHONDONTWRITEBYTECODE
	export HOW=now
}

# on BASH-TEXT: on a machine with the board; $output, $stderr.
on() {
	run --separate-stderr sim "$H723SD" -- "$1"
	echo "$status $output $stderr"
}

@test "a board whose SD board is registered is written by flash-sdcard.sh, and proved by its version" {
	on 'kf flash octopus-pro --json; echo $?; cat called; kf flash octopus-pro --json
		HOW=later kf flash octopus-pro --json --force --return-timeout=1'
	[ "$(jq -c '.flash | [.result, .method, .verified]' <<<"${lines[0]}")" = '["flashed","sdcard",["identify"]]' ]
	[ "${lines[1]}" = 0 ]
	[ "${lines[2]}" = "-b 250000 -f $XDG_CACHE_HOME/kalico-flash/flash/octopus-pro/klipper.bin /dev/ttyACM0 btt-skr-3-h723" ]
	[ "$(jq -r .flash.result <<<"${lines[3]}")" = current ]
	[[ $stderr == *"for a card carried by hand: copy "*"/klipper.bin to it as firmware.bin"* ]]
	[ "$(jq -c '[.error.code, .flash.verified]' <<<"${lines[4]}")" = '["unverified",["identify"]]' ]
	[[ $(jq -r .error.hint <<<"${lines[4]}") == "it is on its SD card: power-cycle the printer, in case its bootloader reads the card only then, "* ]]
	# Its libraries are built in our copies of their folders, and the tree stays as it was.
	[ -z "$(find "$tree" -name "*.so" -o -name __pycache__)" ]
	(cd "$XDG_CACHE_HOME"/kalico-flash/linked/* && [ -f scripts/spi_flash/fatfs.so ] &&
		[ -f klippy/chelper/c_helper.so ] && [ -L scripts/flash-sdcard.sh ])
	valid_records <<<"${lines[0]}"
}

@test "a board that reads its card only after the power was off is pending, until kf status sees the version" {
	export HOW=later
	on 'kf flash octopus-pro --json; echo $?; kf status --ask --json
		/usr/bin/python3 ~/klipper/scripts/flash.py /dev/ttyACM0 ~/.cache/kalico-flash/flash/octopus-pro/klipper.bin >/dev/null
		client wait /dev/serial/by-id/usb-Klipper_stm32h723xx_29001A001151313531383332-if00
		kf status --ask --json; kf flash octopus-pro --json'
	[ "$(jq -c '[.error, .flash.result, .flash.reason]' <<<"${lines[0]}")" = \
		'[null,"pending","it is on the SD card, and does not run yet: power-cycle the printer; kf status then says what the board runs"]' ]
	[ "${lines[1]}" = 0 ]
	[[ $(jq -r '.status | .state + ": " + .reason' <<<"${lines[2]}") == "pending: v"*" is on its SD card and does not run: power-cycle the printer; if that was done, its bootloader has refused the file: kf flash octopus-pro" ]]
	[ "$(jq -r .status.state <<<"${lines[3]}")" != pending ]
	[ "$(jq -r .board.version <<<"${lines[3]}")" = "$(jq -r .flash.version_after <<<"${lines[4]}")" ]
	[ "$(jq -r .flash.result <<<"${lines[4]}")" = current ]
}

@test "what is wrong is said before anything is sent: board, MCU, Python, script" {
	# what BOARD TEXT: kf-flash says so of a board that is registered as that one.
	cat >check <<-'END'
		config >r
		what() { kf-config set octopus-pro -q sdcard_board="$1" >/dev/null; kf-flash --check --json <r | jq -r .error.message; }
		what skr-3; what creality-v4.2.3; what creality-v4.2.2; MISSING=1 what btt-skr-3-h723
		mv ~/klipper/scripts/spi_flash away; what btt-skr-3-h723; mv away ~/klipper/scripts/spi_flash
		kf-config set octopus-pro -q sdcard_board=creality-v4.2.2 >/dev/null; kf-flash --check --json <r | jq -r .error.hint >hint
		what ""; records start >r; kf-flash --json --method=sdcard <r | jq -r ".error.message, .error.hint"
	END
	on '. ./check'
	[[ ${lines[0]} == *"the flash-sdcard.sh of $tree knows no board skr-3; like it are: btt-skr-3-h723" ]]
	[[ ${lines[1]} == *"like it are: creality-v4.2.2" ]]
	[[ ${lines[2]} == *"the firmware is for stm32h723xx, and the SD board creality-v4.2.2 is a stm32f103xe" ]]
	[[ $(<hint) == "if it is another board: kf set octopus-pro sdcard_board=BOARD ($tree/scripts/flash-sdcard.sh -l lists them); else choose the MCU stm32f103xe in menuconfig" ]]
	[[ ${lines[3]} == *"flash-sdcard.sh -l fails: ModuleNotFoundError: No module named 'module_that_is_missing'" ]]
	[[ ${lines[4]} == *"board_defs.py: that tree writes no SD card" ]]
	[ "${lines[5]}" = null ]
	[[ ${lines[6]} == *"--method=sdcard is not for this stm32h723xx: nothing says which SD board it is: kf set octopus-pro sdcard_board=BOARD" ]]
	[ "${lines[7]}" = "leave out --method, and a method that is for it is chosen" ]
}

@test "a card that is missing, full, or not taken: what is on it, and what to do" {
	on 'records start >r
		for HOW in nocard full refused; do
			kf-flash --json --return-timeout=1 <r | jq -r ".error.code, .error.message, .error.hint"
			kf-scan -q | jq -r ".board.incomplete" >>incomplete
		done'
	[ "${lines[*]:0:2}" = "flash_failed flash-sdcard.sh: Failed to Initialize SD Card. Is it inserted?" ]
	[[ ${lines[2]} == *"formatted as FAT16 or FAT32; then run the same command again"* ]]
	[ "$(<incomplete)" = $'null\nsdcard\nnull' ]
	# Klippy, and another run, would reset the board, whose bootloader would take what is there.
	[ "${lines[4]}" = "flash-sdcard.sh: Checksum Mismatch: Got '8CFD', expected 'CAB7'; its SD card may have only a part of the firmware" ]
	[[ ${lines[5]} == *"when Klipper starts"*": copy $XDG_CACHE_HOME/kalico-flash/flash/octopus-pro/klipper.bin to the card as firmware.bin by hand, then power-cycle the printer"* ]]
	[ "${lines[7]}" = "flash-sdcard.sh: Validation failure" ]
	[[ ${lines[8]} == "the firmware is on its card as firmware.bin: power-cycle the printer, then see kf status; "* ]]
}

@test "killed while the card is written: kf says that it may have a part, and the next run succeeds" {
	on 'records start >r
		HOW=full killed_at command "writing its SD card" kf-flash <r
		kf list; kf-flash <r | jq -r .flash.result; kf-scan -q | jq .board.incomplete'
	[[ $output == *octopus-pro*"the firmware on it is incomplete"* ]]
	[ "${lines[*]: -2}" = "flashed null" ]
}

@test "kf build: the name of the file on the card" {
	on 'kf set octopus-pro -q sdcard_board=btt-octopus-pro-h723-v1.1 >/dev/null; kf build octopus-pro >/dev/null'
	[[ $stderr == *"for a card carried by hand: python3 $HOME/klipper/scripts/convert.py "*"/klipper.bin Robin.bin"* ]]
}
