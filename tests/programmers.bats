#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016,SC2154,SC2317 # bash -c has $ of its own; run sets stderr; functions run in it
#
# The methods avrdude and bossac: the programs of that name on simulated bootloaders, and what a user is told.
load helper
load boards

OLD=v0.11.0-1-gabcdef0
MEGA=mcu=atmega2560,uart,loader=stk500v2,boot_baud=0,serial=,port=1-1.5,version=$OLD
MELZI=mcu=atmega1284p,uart,loader=stk500,boot_baud=0,serial=,port=1-1.6,version=$OLD
MICRO=mcu=atmega32u4,loader=avr109,serial=12345,port=1-1.7,version=$OLD
DUE=mcu=sam3x8e,serial=29001A00,katapult=none,loader=samba,port=1-1.2,version=$OLD
ZERO=mcu=samd21g18a,serial=29001B00,katapult=none,loader=samba,start=0x2000,port=1-1.3,version=$OLD

setup_file() {
	build_images
	{
		image mega 'CONFIG_MACH_AVR=y'
		image melzi $'CONFIG_MACH_AVR=y\nCONFIG_MACH_atmega1284p=y'
		image micro $'CONFIG_MACH_AVR=y\nCONFIG_MACH_atmega32u4=y'
		image due 'CONFIG_MACH_ATSAM=y'
		image zero 'CONFIG_MACH_ATSAMD=y'
	} >/dev/null
}

setup() {
	setup_boards
	registry <<<'{"devices":{
		"mega":{"name":"Mega","mcu":"atmega2560","serial_pattern":"usb-1a86_USB_Serial*","usb_port":"1-1.5"},
		"melzi":{"name":"Melzi","mcu":"atmega1284p","serial_pattern":"usb-1a86_USB_Serial*","usb_port":"1-1.6"},
		"micro":{"name":"Micro","mcu":"atmega32u4","serial_pattern":"usb-Klipper_atmega32u4_12345*","usb_port":"1-1.7"},
		"due":{"name":"Due","mcu":"sam3x8e","serial_pattern":"usb-Klipper_sam3x8e_29001A00*"},
		"zero":{"name":"Zero","mcu":"samd21g18a","serial_pattern":"usb-Klipper_samd21g18a_29001B00*"}}}'
	save_configs mega:mega melzi:melzi micro:micro due:due zero:zero
	# The record of the only board, with the image that is called as it.
	given() {
		local record key file sum start=null
		record=$(kf-scan -q)
		key=$(jq -r .board.key <<<"$record")
		for file in "$IMAGES/$key/klipper.elf.hex" "$IMAGES/$key/klipper.bin"; do [ ! -e "$file" ] || break; done
		[ "$key" != zero ] || start=8192
		read -r sum _ < <(sha256sum <"$file")
		jq -c ".firmware = {path: \"$file\", sha256: \"$sum\", start: $start}" <<<"$record"
	}
	export -f given
}

# Programs that note their arguments, and read back what they "wrote", unless a file tells them otherwise.
fakes() {
	mkdir -p bin
	cat >bin/avrdude <<-'END'
		#!/bin/sh
		echo "$*" >>"$HOME/argv"
		[ ! -e "$HOME/hangs" ] || exec tail -f /dev/null
		[ ! -e "$HOME/fails" ] || { echo "not in sync: resp=0x00"; exit 1; }
		while [ "$1" ]; do
			case $1 in
			+*) cp "${1#+}" "$HOME/part" ;;
			flash:w:*) wrote=${1#flash:w:} ;;
			flash:r:*) read=${1#flash:r:} ;;
			esac
			shift
		done
		[ -e "$HOME/reads-nothing" ] || cp "${wrote%:r}" "${read%:r}"
		[ ! -e "$HOME/reads-wrong" ] || printf '\0' | dd of="${read%:r}" bs=1 seek=4096 conv=notrunc 2>/dev/null
	END
	chmod +x bin/avrdude
	PATH=$PWD/bin:$PATH
}

# results: what became of each flash, by which method, and what proves it; of an error its code.
results() {
	jq -r '(.flash | [.result, .method, (.verified | join("+"))]) + [.error.code] | map(. // "-") | join(" ")' <<<"$output"
}

@test "avrdude's arguments: Kconfig's, or the registry's; its failure; what it reads back is compared" {
	fakes
	run --separate-stderr sim "${MEGA/loader=stk500v2,/}" -- '
		part=$XDG_CACHE_HOME/kalico-flash/flash/mega/part.conf
		mkdir -p "$part"; given | kf-flash -q >/dev/null; kf-scan -q | jq -r .board.incomplete >incomplete; rmdir "$part"
		given | kf-flash
		kf-config set mega programmer=stk500v1 programmer_part=atmega1280 programmer_baud=57600 -q >/dev/null
		given | kf-flash -q --force
		touch "$HOME/reads-wrong"; given | kf-flash -q --force
		rm "$HOME/reads-wrong"; touch "$HOME/reads-nothing"; given | kf-flash -q --force
		touch "$HOME/hangs"; given | kf-flash -q --force --timeout=0.5
		rm "$HOME/hangs"; touch "$HOME/fails"; given | kf-flash -q --force
		kf-config set mega baud=9600 -q >/dev/null; given | kf-flash -q --force
		kf-config remove mega --yes --keep-config -q >/dev/null
		kf-flash -q --json --port=usb:1-1.5 --firmware="$IMAGES/mega/klipper.elf.hex" >/dev/null'
	[ "$(<incomplete)" = null ] # avrdude had not begun
	# The board is no AVR: whatever was written, it runs what it ran.
	[ "$(results)" = "wrong_version avrdude readback wrong_version
wrong_version avrdude readback wrong_version
verify_failed avrdude  verify_failed
verify_failed avrdude  verify_failed
timeout avrdude  timeout
flash_failed avrdude  flash_failed
flash_failed avrdude  flash_failed" ]
	[[ $(head -n 1 "$HOME/argv") == "-C +$HOME/.cache/kalico-flash/flash/mega/part.conf -p kalico-flash -c wiring \
-P /dev/ttyUSB0 -D -V -U flash:w:$HOME/.cache/kalico-flash/flash/mega/klipper.bin:r -U flash:r:$HOME/.cache/"* ]]
	[[ $(sed -n 2p "$HOME/argv") == *" -c stk500v1 -P /dev/ttyUSB0 "*" -b 57600" ]]
	[[ $(<"$HOME/part") == 'part parent "atmega1280"'*'size = 25600;'* ]]
	[[ $stderr == *"avrdude -p atmega2560 -c wiring -P /dev/ttyUSB0: writing, and reading back"* ]]
	[[ $(jq -sr '.[2].error.message' <<<"$output") == *0x00001000* ]]
	# It tells its version, so what it has is whole.
	[ "$(jq -sr '.[5].error.message' <<<"$output")" = "avrdude -p atmega1280 -c stk500v1 ended with status 1" ]
	[[ $(jq -sr '.[5].error.hint' <<<"$output") == 'read the log; if it says "not in sync"'*"kf set mega programmer_baud=57600"*"press its reset button as avrdude starts, then run the same command again" ]]
	[ "$(jq -sr '.[6].error | .message + .hint' <<<"$output")" = "$(jq -sr '.[5].error |
		.message + "; the firmware on it is incomplete" + .hint' <<<"$output")" ]
	# Boards without a key have files of their own, for they may be flashed at the same time.
	[[ $(tail -n 1 "$HOME/argv") == *"flash:w:$HOME/.cache/kalico-flash/flash/by-hand-1-1.5/klipper.bin:r"* ]]
	grep "not in sync" "$(jq -sr '.[5].error.log' <<<"$output")"
	[[ $(jq -sr '.[4].error.message' <<<"$output") == *"it takes longer than 0.5 s: avrdude -p atmega1280 -c stk500v1 did not end in time"* ]]
	[[ $(jq -sr '.[4].error.hint' <<<"$output") == *"run the same command again; give it more time: kf --flash-timeout=SECONDS, or kf-flash --timeout=SECONDS" ]]
}

@test "Klipper on an ATmega32U4 stays where it is, unless avrdude is named" {
	fakes
	run --separate-stderr sim "$MICRO" -- 'given >r
		for method in "" --method=make_flash --method=avrdude; do kf-flash --dry-run $method <r; done'
	[[ $(jq -r .error.message <<<"${lines[0]}") == *"nothing here can flash this atmega32u4: there is no Katapult for it; its Klipper cannot start its bootloader" ]]
	[ "$(jq -r .error.hint <<<"${lines[0]}")" = "kf flash micro --method=avrdude, and press its reset button when it says so" ]
	[ "$(jq -r .error.code <<<"${lines[1]}")" = no_katapult ]
	[ "$(jq -r .error.code <<<"${lines[2]}")" = null ]
}

# bats test_tags=slow
@test "avrdude writes an ATmega2560 and an ATmega1284P, and reads them back" {
	type -P avrdude || skip "avrdude is not installed"
	run -0 --separate-stderr sim "$MEGA" -- 'given | kf-flash -q; given | kf-flash -q'
	[ "$(results)" = "flashed avrdude readback+identify -
current - identify -" ]
	[ "$(jq -sr '.[0].flash.version_before' <<<"$output")" = "$OLD" ]
	# Another board on that port, with other firmware of that version.
	run -0 --separate-stderr sim "${MEGA/"$OLD"/"$(jq -sr '.[0].flash.version_after' <<<"$output")"}" -- 'given | kf-flash -q'
	[ "$(results)" = "flashed avrdude readback+identify -" ]
	run -0 --separate-stderr sim "$MELZI" -- 'given | kf-flash -q'
	[ "$(results)" = "flashed avrdude readback+identify -" ]
}

# bats test_tags=slow
@test "an AVR whose flash is worn: the address, and that it is incomplete until it is flashed" {
	type -P avrdude || skip "avrdude is not installed"
	run --separate-stderr sim "$MELZI,worn=0x1234" -- 'given | kf-flash -q; kf list'
	[ "$(results <<<"${lines[0]}" | head -n 1)" = "verify_failed avrdude  verify_failed" ]
	[[ $(jq -r .error.message <<<"${lines[0]}") == *"0x00001234"*"the firmware on it is incomplete" ]]
	# Another board: the AVR is not connected.
	run -0 --separate-stderr sim "$MICRO" -- 'kf list'
	[[ $output == *"the firmware on it is incomplete: read the log"*"kf set melzi programmer_baud=57600"*"then run kf flash melzi"* ]]
}

# bats test_tags=slow
@test "an ATmega32U4: kf-flash waits until its reset button is pressed" {
	type -P avrdude || skip "avrdude is not installed"
	run -0 --separate-stderr sim "$MICRO" -- 'given >r; mkfifo said
		kf-flash --method=avrdude <r >out 2>said &
		while read -r line; do
			echo "$line" >&2
			[[ $line != *"press the reset button"* ]] || { by_hand unplug 1-1.7; by_hand button 1-1.7; }
		done <said
		wait $!; s=$?; cat out; exit $s'
	[ "$(results)" = "flashed avrdude readback+identify -" ]
}

# bats test_tags=slow
@test "bossac writes a SAM3X and a SAMD21, and reads them back, also one that waits in its bootloader" {
	type -P bossac || skip "bossac is not installed"
	run -0 --separate-stderr sim "$DUE" -- 'given | kf-flash -q; given | kf-flash -q'
	[ "$(results)" = "flashed bossac readback+identify -
current - identify -" ]
	# On a busy machine an answer comes too late for bossac.
	mkdir bin
	printf '%s\n' '#!/bin/sh' '[ -e "$HOME/late" ] || { touch "$HOME/late"; echo "No device found on ttyACM0"; exit 1; }' \
		'exec /usr/bin/bossac "$@"' >bin/bossac
	chmod +x bin/bossac
	PATH=$PWD/bin:$PATH run -0 --separate-stderr sim "$ZERO" -- 'given | kf-flash -q'
	[ "$(results)" = "flashed bossac readback+identify -" ]
	[ -e "$HOME/late" ]
	# A .bin by hand: its code tells where it goes.
	run -0 --separate-stderr sim "$ZERO" -- 'kf-flash -q --json --port=$(kf-scan -q | jq -r .board.by_id) --firmware="$IMAGES/zero/klipper.bin"'
	[ "$(results)" = "flashed bossac readback+identify -" ]
	[ "$(jq -r .firmware.start <<<"$output")" -eq 8192 ]
	run -0 --separate-stderr sim "$DUE,mode=other" -- 'kf-flash -q --json --port=usb:1-1.2 --firmware="$IMAGES/due/klipper.bin"'
	[ "$(results)" = "flashed bossac readback+identify -" ]
}

# bats test_tags=slow
@test "a SAM whose flash is worn stays in its bootloader; the way back is told" {
	type -P bossac || skip "bossac is not installed"
	run --separate-stderr sim "$DUE,worn=0x81234" -- 'given | kf-flash -q; kf list >listed'
	[ "$(results)" = "flash_failed bossac  flash_failed" ]
	[[ $(jq -r .error.message <<<"$output") == "bossac ended with status 2; the board is not there any more: on USB port 1-1.2 there is now a bootloader"*"the firmware on it is incomplete" ]]
	[[ $(jq -r .error.hint <<<"$output") == *"button or jumper held, then run the same command again" ]]
	[[ $(<listed) == *"[OK]"*due*"in its bootloader, incomplete"*"the firmware on it is incomplete: run kf flash due"* ]]
}

# bats test_tags=slow
@test "a SAM3X and a SAMD21 whose write was cut wait in their bootloader, and are taken by their USB port" {
	type -P bossac || skip "bossac is not installed"
	mkdir bin
	# bossac ends after it has erased.
	printf '%s\n' '#!/bin/bash' '[[ ! -e $HOME/cut || $* != *--write* ]] || { /usr/bin/bossac "${@:1:3}" --erase; send_signal KILL "$PPID"; exit 1; }' \
		'exec /usr/bin/bossac "$@"' >bin/bossac
	chmod +x bin/bossac
	for board in "$DUE" "$ZERO"; do
		touch "$HOME/cut"
		PATH=$PWD/bin:$PATH run -0 --separate-stderr sim "$board" -- 'given | kf-flash -q; rm "$HOME/cut"; given | kf-flash -q'
		[ "$(results)" = "flashed bossac readback+identify -" ]
	done
}
