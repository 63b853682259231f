#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016,SC2317 # bash -c has $ of its own, and calls what is exported
#
# The simulated ROM of an RP2040 and RP2350 as programs with libusb find it; unit/test-sim-picoboot.c tests its
# commands. KF_TREES="/path/klipper /path/kalico" adds their rp2040_flash, which is built for it.
load helper
load boards

PICO=mcu=rp2040,serial=E6605481DB318C34,port=1-1.3,katapult=none,version=v0.11.0-122-ge6ef48cd

setup_file() {
	export IMAGES=${KF_IMAGES:-$BATS_FILE_TMPDIR/images} PYTHONDONTWRITEBYTECODE=1
	image rp2040-boot 'CONFIG_MACH_RPXXXX=y
CONFIG_RPXXXX_FLASH_START_0100=y' >/dev/null
}

setup() {
	fresh_home
	need pty
	/usr/bin/python3 -c 'import ctypes; ctypes.CDLL("libusb-1.0.so.0")' 2>/dev/null || skip "libusb-1.0 is not installed"
	cd "$BATS_TEST_TMPDIR" || return
	export image=$IMAGES/rp2040-boot/klipper.uf2 klipper=/dev/serial/by-id/usb-Klipper_rp2040_E6605481DB318C34-if00
	picoboot() {
		timeout 60 /usr/bin/python3 "$KF_TESTS/sim/picoboot.py" "$@"
	}
	# rom: with the BOOTSEL button held.
	rom() {
		by_hand unplug 1-1.3
		by_hand boot 1-1.3
	}
	# written: Klipper runs, and its image is in the flash; is_written: that was printed.
	written() {
		client wait $klipper
		client identify $klipper
		rom
		picoboot 0003 compare $image
	}
	export -f picoboot rom written
}

is_written() {
	[[ ${lines[0]} == "Klipper rp2040 "*-2025* ]]
	[ "${lines[1]}" = equal ]
}

@test "1200 baud leads to BOOTSEL; what is written there runs, and is there" {
	run -0 sim "$PICO" -- 'set -e
		client touch $klipper
		until grep -qs 0003 /sys/bus/usb/devices/1-1.3/idProduct; do :; done
		picoboot 0003 write $image
		written'
	is_written
}

@test "a write that the cable ended: half of the firmware does not start" {
	run -0 sim "$PICO,mode=rp2boot,unplug=200" -- '
		picoboot 0003 write $image || echo failed
		by_hand replug 1-1.3
		ls /sys/bus/usb/devices/1-1.3 2>&1 | grep -c "No such file"
		rom
		picoboot 0003 write $image && client wait $klipper && client identify $klipper'
	[[ $output == *failed*$'\n1\n'*"Klipper rp2040 "*-2025* ]]
}

@test "an RP2350 takes the bytes that are given to it, and starts by a command of its own" {
	run -0 sim "${PICO/rp2040/rp2350},mode=rp2boot" -- 'set -e
		! picoboot 0003 write $image
		picoboot 000f compare $image || echo other
		picoboot 000f write $image
		rom
		picoboot 000f compare $image'
	[[ $output == *$'other\nequal' ]]
}

# bats test_tags=slow
@test "Klipper's and Kalico's genuine rp2040_flash" {
	[ "${KF_TREES-}" ] || skip "KF_TREES names no trees"
	pkg-config --exists libusb-1.0 || skip "libusb-1.0-0-dev is not installed"
	for tree in $KF_TREES; do
		rm -rf lib
		mkdir lib
		cp -r "$tree/lib/rp2040_flash" "$tree/lib/pico-sdk" lib
		make -s -C lib/rp2040_flash >build.log 2>&1
		run -0 sim "$PICO,mode=rp2boot" -- 'set -e
			timeout 60 lib/rp2040_flash/rp2040_flash $image 2>flash.log
			written'
		is_written
	done
}
