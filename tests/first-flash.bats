#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016 # bash -c has $ of its own
#
# The first firmware of a board that a person put into DFU or BOOTSEL, and a Katapult before it.
load helper
load boards

FRESH=mcu=stm32f446xx,serial=3B0032000B50314139323520,katapult=none,mode=dfu
F446=$FRESH,port=1-1.4
DUE=mcu=sam3x8e,serial=29001A00,katapult=none,loader=samba,mode=other,port=1-1.2

# katapult FILE MCU VERSION [FLASH STACK]: what makes an image of Katapult one, and what an RP2040 wants to start it.
katapult() {
	/usr/bin/python3 -IS - "$@" <<-'END'
		import struct, sys
		file, mcu, version, flash, stack = (sys.argv[1:] + ["0x8000000", "0x20010000"])[:5]
		data = b""
		if mcu == "rp2040":
		    crc = 0xffffffff
		    for _ in range(252 * 8):
		        crc = (crc << 1 ^ (0x04c11db7 if crc & 0x80000000 else 0)) & 0xffffffff
		    data = bytes(252) + struct.pack("<I", crc)
		start = int(flash, 0) + len(data)
		data += struct.pack("<II", int(stack, 0), start + 0x41) + bytes(0x30) + b"CanBoot!\xfe\xe7" + struct.pack("<I", start)
		data += b"\x20" + mcu.encode() + b"\0" + version.encode() + b"\0"
		open(file, "wb").write(data)
	END
}

setup_file() {
	build_images
	build_bare_image
}

setup() {
	setup_boards
	registry <<<'{"devices":{}}'
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	katapult katapult.bin stm32f446xx v0.0.1-109-g902f335
	head -c 64 /dev/zero | tr '\0' '\377' >empty.bin
	EMPTY=app=$PWD/empty.bin
	DEVICES=$XDG_CONFIG_HOME/kalico-flash/devices.json
	ADD="kf add --key=fresh --name=Fresh"
}

@test "kf add --bootloader: Katapult, then Klipper through it; then its serial number is known" {
	save_configs fresh:f446
	run --separate-stderr sim "$F446" -- "$ADD --bootloader=katapult.bin >out; echo \$?; kf flash --json fresh"
	echo "$output $stderr"
	[ "${lines[0]}" = 0 ]
	[[ $stderr == *"fresh: Fresh (stm32f446) is registered"*"waiting for Katapult"*"installed: Katapult v0.0.1-109-g902f335 answers"*"application at 0x08008000"*"known by its serial number now"* ]]
	[ "$(jq -s -c '.[-1].flash | [.result, .method, .verified]' out)" = '["flashed","katapult",["readback","identify"]]' ]
	[ "$(jq -c '.devices.fresh | [.mcu, .serial_pattern, .usb_port]' "$DEVICES")" = \
		'["stm32f446","usb-Klipper_stm32f446xx_3B0032000B50314139323520*",null]' ]
	[ "$(jq -r .flash.result <<<"${lines[1]}")" = current ]
}

@test "kf add on a terminal: which of two in DFU, and Klipper after a question" {
	need pty
	save_configs ebb:f446-none
	run sim "$F446" "$FRESH,port=1-1.5" -- '"$KF_TESTS/on-terminal" "kf add" "1\).*1-1.4 .*2\).*1-1.5.*plug in one of them alone.*Which board: " "2\r" \
		"Name of the board" "EBB\r" "Key" "\r" "MCU" "stm32f446\r" "install it now\? \[Y/n\] " "\r"'
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"reading back"*"flashed"*"ebb: known by its serial number now"* ]]
	# With all that is asked given, nothing is asked, and nothing installed.
	registry <<<'{"devices":{}}'
	run --separate-stderr sim "$F446" "$FRESH,port=1-1.5" -- "$ADD --mcu=stm32f446; $ADD --mcu=stm32f446 --port=1-1.4"
	[[ $stderr == *"2 boards can be registered, on the ports 1-1.4"*"choose one: --port=1-1.4; in DFU and BOOTSEL boards show no serial number: to see which port is whose, plug in one of them alone"* ]]
	[[ $stderr == *"to install Klipper on it: kf flash fresh"* ]]
}

@test "kf add: an MCU that the bootloader cannot have is asked for again" {
	need pty
	registry <<<'{"devices":{}}'
	run --separate-stderr sim "$FRESH,port=1-1.4" -- "$ADD --mcu=foo"
	[ "$status" -eq 78 ]
	[[ $stderr == *"the board on USB port 1-1.4 has a bootloader of stm32 (0483:df11), not of foo"*"such as stm32f446"* ]]
	run sim "$FRESH,port=1-1.4" -- '"$KF_TESTS/on-terminal" "kf add" "Name of the board" "EBB\r" "Key" "\r" \
		"MCU" "rp2040\r" "has a bootloader of stm32.*MCU" "q\r"'
	[[ $output == *"nothing was changed"* ]]
}

@test "kf add of a SAM in SAM-BA tells how to flash it" {
	run --separate-stderr sim "$DUE" -- "kf status; $ADD --mcu=sam3x8e; kf status"
	[[ $output == *AT91SAM*"in its bootloader"*fresh*"in its bootloader: known by USB port 1-1.2"* ]]
	[[ $stderr == *"in that bootloader it shows no serial number: leave it on USB port 1-1.2"*"to install Klipper on it: kf flash fresh"* ]]
}

# bats test_tags=slow
@test "kf add on a terminal takes a SAM in SAM-BA through to its Klipper" {
	need pty
	type -P bossac || skip "bossac is not installed"
	image due 'CONFIG_MACH_ATSAM=y' >/dev/null
	save_configs due:due
	run sim "$DUE" -- '"$KF_TESTS/on-terminal" "kf add" "Name of the board" "Due\r" "Key" "\r" "MCU" "sam3x8e\r" \
		"install it now\? \[Y/n\] " "\r"'
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"flashed"*"due: known by its serial number now"* ]]
}

@test "a registered board that was put into DFU, and whose port is not known: the command that tells it" {
	registry <<<'{"devices":{"ebb":{"name":"E","mcu":"stm32f446","serial_pattern":"usb-Klipper_stm32f446xx_3B0*"}}}'
	run --separate-stderr sim "$FRESH,port=1-1.4" -- 'kf flash ebb || kf set ebb usb_port=1-1.4; kf-scan -q | jq -r .board.key'
	[[ $stderr == *"ebb is not connected"*"if you have put it into its bootloader, and it is on USB port 1-1.4: kf set ebb usb_port=1-1.4, then run the same command again"* ]]
	[ "${lines[-1]}" = ebb ]
}

@test "what is proposed fits what is there: no bootloader in an empty flash, and the offset is asked where one may be" {
	registry <<-'END'
		{"devices": {"bare": {"mcu": "stm32f446", "usb_port": "1-1.4"}, "has": {"mcu": "stm32f446", "usb_port": "1-1.5"},
			"other": {"mcu": "stm32f446", "usb_port": "1-1.6"}, "pico": {"mcu": "rp2040", "usb_port": "1-1.7"}}}
	END
	run --separate-stderr sim "$F446,$EMPTY" mcu=stm32f446xx,mode=dfu,port=1-1.5 "$FRESH,port=1-1.6" \
		"mcu=rp2040,katapult=none,mode=rp2boot,port=1-1.7,$EMPTY" -- 'kf-scan -q | setsid -w kf-config'
	echo "$output $stderr"
	local nothing="no configuration is saved for this board, and nothing tells its"
	[ "$(jq -r '"\(.board.key): \(.error.message)"' <<<"$output" | sort)" = "bare: $nothing crystal, communication interface
has: $nothing bootloader offset, crystal, communication interface
other: $nothing bootloader offset, crystal, communication interface
pico: $nothing communication interface" ]
	[[ $stderr == *"bare: STM32_FLASH_START_0000=y, from: its flash, where no bootloader is"* ]]
	[[ $stderr == *"pico: RPXXXX_FLASH_START_0100=y, from: its flash, where no bootloader is"* ]]
}

# bats test_tags=slow
@test "kf add on an empty chip: no offset is asked, and Klipper starts; with --bootloader that Katapult tells it" {
	need pty
	for bootloader in "" --bootloader=katapult.bin; do
		registry <<<'{"devices":{}}'
		rm -rf "$XDG_CONFIG_HOME/kalico-flash/configs"
		export COMMAND="$ADD --mcu=stm32f446 --json >/dev/null; kf flash --json fresh >out"
		[ ! "$bootloader" ] || COMMAND="$ADD --json --bootloader=katapult.bin >out"
		run sim "$F446,$EMPTY" -- '"$KF_TESTS/on-terminal" "$COMMAND" "choose the crystal.*Which.*leave. " "\r" \
			"choose the communication interface.*Which.*leave. " "\r"'
		echo "$output"
		[ "$(jq -s -r '.[-1].flash | .result + " " + .method' out)" = "flashed $([ "$bootloader" ] && echo katapult || echo dfu)" ]
		[[ $output != *"bootloader offset"* ]]
	done
	[[ $output == *"STM32_FLASH_START_8000=y, from: Katapult"* ]]
}

@test "an RP2040 in BOOTSEL gets Katapult, and is compared the next time" {
	katapult rp.bin rp2040 v0.0.1-109-g902f335 0x10000000 0x20042000
	run --separate-stderr sim mcu=rp2040,katapult=none,mode=rp2boot,port=1-1.4,state=board -- \
		'kf-flash --port=usb:1-1.4 --bootloader=rp.bin --json'
	echo "$output $stderr"
	[ "$status" -eq 0 ]
	[ "$(jq -c '.flash | [.result, .method, .verified, .version_after]' <<<"$output")" = \
		'["flashed","picoboot",["readback","katapult"],"v0.0.1-109-g902f335"]' ]
	valid_records <<<"$output"
}

# refused STATUS SPEC OPTIONS TEXT...: kf-flash on port 1-1.4 refuses it, and says these.
refused() {
	local want=$1 text
	run --separate-stderr sim "$2" -- "kf-flash --port=usb:1-1.4 $3 --json"
	echo "$status $output $stderr"
	[ "$status" -eq "$want" ]
	for text in "${@:4}"; do
		[[ $stderr == *"$text"* ]]
	done
}

@test "what is no Katapult, or not for this board, is refused before anything is written" {
	refused 65 "$F446" "--bootloader=$IMAGES/f446-none/klipper.bin" "it is no Katapult" "flashed with --firmware="
	printf 'no Katapult' >garbage.bin
	refused 65 "$F446" --bootloader=garbage.bin "no Katapult that can be installed: " "garbage.bin: no data dictionary" "give the katapult.bin or katapult.uf2"
	refused 64 "$F446" "--baud=115200 --bootloader=katapult.bin" "--baud is the speed of a UART: the board at USB port 1-1.4 is on its own USB"
	refused 65 "$F446" --firmware=katapult.bin "it is a Katapult, not firmware" "--bootloader="
	refused 78 mcu=stm32f446xx,port=1-1.4 --bootloader=katapult.bin "only on a board that waits in DFU or BOOTSEL" "BOOT0"
	refused 78 mcu=stm32h723xx,katapult=none,mode=dfu,port=1-1.4 --bootloader=katapult.bin "sectors of 16 KiB"
	refused 78 mcu=stm32f446xx,mode=dfu,port=1-1.4 --bootloader=katapult.bin "another Katapult is on this board already" --replace-bootloader
	# kf add registers nothing then.
	run --separate-stderr sim mcu=stm32f446xx,port=1-1.4 -- "$ADD --bootloader=katapult.bin; $ADD --bootloader=$IMAGES/f446-none/klipper.bin; $ADD --bootloader=katapult.bin --mcu=rp2040"
	[[ $stderr == *"no board waits in DFU or BOOTSEL"*"it is no Katapult, but firmware of Klipper"*"this Katapult is for stm32f446xx, not for rp2040"* ]]
	# Another port, too: what is said there can be typed.
	run -69 --separate-stderr sim mcu=stm32f446xx,mode=dfu,port=1-1.4 -- "$ADD --bootloader=katapult.bin --port=1-1.5"
	[[ $stderr == *"no board waits in DFU or BOOTSEL on USB port 1-1.5"*"one waits on USB port 1-1.4: --port=1-1.4"* ]]
	[ "$(jq -c .devices "$DEVICES")" = '{}' ]
}

@test "Katapult starts the firmware behind it, which proves it; or nothing is seen of it" {
	refused 0 mcu=stm32f446xx,mode=dfu,port=1-1.4 "--replace-bootloader --bootloader=katapult.bin" \
		"installed: Katapult v0.0.1-109-g902f335 has started the firmware behind it"
	[ "$(jq -c .flash.verified <<<"$output")" = '["readback","started"]' ]
	valid_records <<<"$output"
	refused 1 "$F446,rom_leave=stay" "--bootloader=katapult.bin --return-timeout=2" \
		"Katapult was written and read back, but the board stays in dfu"
	refused 1 "$F446,reenum_ms=20000" "--bootloader=katapult.bin --return-timeout=1" \
		"Katapult was written and read back, but it did not answer" "built for CAN or a UART"
	[ "$(jq -r .error.code <<<"$output")" = unverified ]
}
