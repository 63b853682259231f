#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016,SC2317 # bash -c has $ of its own, and calls what is exported
#
# The simulated ROM of an STM32 as dfu-util, which knows nothing of us, finds it: through libusb. Its states are
# tested in unit/test-sim-dfu.c. KF_TREES="/path/klipper /path/kalico" adds what their make flash runs.
load helper
load boards

F446=mcu=stm32f446xx,serial=3B0032000B50314139323520,port=1-1.4,katapult=none,version=v0.11.0-122-ge6ef48cd

setup_file() {
	export IMAGES=${KF_IMAGES:-$BATS_FILE_TMPDIR/images} PYTHONDONTWRITEBYTECODE=1
	image f446-dfu 'CONFIG_MACH_STM32=y
CONFIG_MACH_STM32F446=y
CONFIG_STM32_FLASH_START_0000=y' >/dev/null
}

setup() {
	fresh_home
	need pty
	type -P dfu-util >/dev/null || skip "dfu-util is not installed"
	cd "$BATS_TEST_TMPDIR" || return
	export image=$IMAGES/f446-dfu/klipper.bin klipper=/dev/serial/by-id/usb-Klipper_stm32f446xx_3B0032000B50314139323520-if00
	dfu() {
		timeout 60 dfu-util -p 1-1.4 "$@" >dfu.log 2>&1
	}
	export -f dfu
}

@test "dfu-util lists the alternates of each board" {
	run -0 sim "$F446,mode=dfu" mcu=stm32h743xx,mode=dfu,port=1-1.5 mcu=stm32f072xb,mode=dfu,port=1-2 -- \
		'dfu-util -l | sed -n "s/.* path=\(.*\), alt=\([0-9]\), name=\(.*\)\"$/\1 \2 \3/p" | sort'
	[ "$output" = '"1-1.4" 0 "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,03*128Kg", serial="200364500000
"1-1.4" 1 "@Option Bytes  /0x1FFFC000/01*016 e", serial="200364500000
"1-1.4" 2 "@OTP Memory /0x1FFF7800/01*512 e,01*016 e", serial="200364500000
"1-1.4" 3 "@Device Feature/0xFFFF0000/01*004 e", serial="200364500000
"1-1.5" 0 "@Internal Flash  /0x08000000/16*128Kg", serial="200364500000
"1-1.5" 1 "@Option Bytes   /0x5200201C/01*128 e", serial="200364500000
"1-2" 0 "@Internal Flash  /0x08000000/064*0002Kg", serial="200364500000
"1-2" 1 "@Option Bytes  /0x1FFFF800/01*016 e", serial="200364500000' ]
}

@test "dfu-util writes an image, reads the same bytes back, and the board runs it" {
	run -0 sim "$F446" -- 'set -e
		client identify $klipper
		client touch $klipper
		until grep -qs df11 /sys/bus/usb/devices/1-1.4/idProduct; do :; done
		dfu -a 0 -s 0x08000000 -D $image
		dfu -a 0 -s 0x08000000:$(stat -c %s $image) -U out.bin
		cmp out.bin $image
		dfu -a 0 -s 0x08000000:leave -D $image
		client wait $klipper
		client identify $klipper'
	[ "${lines[0]}" = "Klipper stm32f446xx v0.11.0-122-ge6ef48cd" ]
	[[ ${lines[1]} == "Klipper stm32f446xx "*-2025* ]]
}

@test "transfers of 64 and of 4096 bytes" {
	for bytes in 64 4096; do
		run -0 sim "$F446,mode=dfu,transfer=$bytes" -- 'set -e
			dfu -a 0 -s 0x08004000 -D $image
			dfu -a 0 -s 0x08004000:$(stat -c %s $image) -U $$.bin
			cmp $$.bin $image
			grep "transfer size" dfu.log'
		[ "$output" = "Device returned transfer size $bytes" ]
	done
}

@test "an interrupted write leaves a board that does not start; the BOOT button leads out" {
	run -0 sim "$F446,mode=dfu,unplug=30" -- '
		dfu -a 0 -s 0x08000000:leave -D $image && echo written
		ls /sys/bus/usb/devices/1-1.4 $klipper 2>&1 | grep -c "No such file"
		by_hand boot 1-1.4
		dfu -a 0 -s 0x08000000:leave -D $image && client wait $klipper && client identify $klipper'
	[ "${lines[0]}" = 2 ]
	[[ ${lines[1]} == "Klipper stm32f446xx "*-2025* ]]
}

@test "what a ROM does wrong, dfu-util reports" {
	# SPEC|what is printed
	while IFS='|' read -r spec text; do
		run -1 sim "$F446,mode=dfu,$spec" -- 'dfu -a 0 -s 0x08000000 -D $image && exit 0; cat dfu.log; exit 1'
		[[ $output == *"$text"* ]] || { echo "$spec: $output" && return 1; }
	done <<-'END'
		protected|ERASE_PAGE not correctly executed
		f2=2|ERASE_PAGE not correctly executed
		nack=4|Error during special command "ERASE_PAGE" get_status
		nack=100|Error during download get_status
		drop=40|Error during download get_status
		unplug=20|LIBUSB_ERROR_NO_DEVICE
	END
}

@test "read protection: the removal erases the flash, then the image can be written" {
	run -0 sim "$F446,mode=dfu,protected" -- '
		dfu -a 0 -s 0x08000000:64 -U out.bin && echo read
		dfu -a 0 -s :unprotect:force -D $image
		until dfu -a 0 -s 0x08000000:64 -U new.bin; do rm -f new.bin; done
		od -An -v -tx1 new.bin | tr -d "f \n"
		dfu -a 0 -s 0x08000000:leave -D $image && client wait $klipper && client identify $klipper'
	[[ $output == "Klipper stm32f446xx "*-2025* ]]
}

@test "each client leaves the interface free for the next, and an unplugged device is gone" {
	run -0 sim "$F446,mode=dfu" -- 'set -e
		for i in 1 2 3; do dfu -a 0 -s 0x08000000:64 -U $i.bin; done
		by_hand unplug 1-1.4
		! dfu -a 0 -s 0x08000000:64 -U 4.bin
		grep -o "No DFU capable USB device available" dfu.log'
	[ "$output" = "No DFU capable USB device available" ]
}

# bats test_tags=slow
@test "what Klipper's and Kalico's make flash runs: the genuine flash_usb.py" {
	[ "${KF_TREES-}" ] || skip "KF_TREES names no trees"
	for tree in $KF_TREES; do
		export tree
		run -0 sim "$F446" -- 'set -e
			cd $tree
			# If the board is gone before the reset of dfu-util -R, it calls the success a failure.
			/usr/bin/python3 scripts/flash_usb.py -t stm32f446xx -d $klipper -s 0x8000000 --no-sudo $image >&2 || :
			client wait $klipper
			client identify $klipper'
		[[ ${lines[-1]} == "Klipper stm32f446xx "*-2025* ]]
	done
}
