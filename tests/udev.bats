#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# udev/60-kalico-flash.rules: udev itself ($UDEVADM, or the one on PATH) says what it makes of each
# recorded device. It reads only our rules, and writes only into a /run of its own.
load helper

setup() {
	fresh_home
	cd "$BATS_TEST_DIRNAME/fixtures" || return
	rules=$KF_TESTS/../udev
	udevadm=${UDEVADM:-$(PATH=$PATH:/sbin:/usr/sbin type -P udevadm)} || skip "udevadm is not installed"
}

# ruled FIXTURE DEVICE: what the rules set for the USB device, and GROUP and MODE.
ruled() {
	# shellcheck disable=SC2016 # $ of the inner shell
	unshare -rm bash -euc 'mount --bind "$1" /usr/lib/udev/rules.d
		mount -t tmpfs none /run
		umockdev-run --device "$2" -- "$3" test "/sys/devices/pci0000:00/0000:00:14.0/usb1/$4" 2>&1' \
		- "$rules" "$1.umockdev" "$udevadm" "$2" >"$BATS_TEST_TMPDIR/said"
	grep -q "^ *DEVPATH=/devices/.*/$2$" "$BATS_TEST_TMPDIR/said"
	sed -nE 's/^ *(ID_MM_DEVICE_IGNORE=.*|TAGS=.*)$/\1/p
		s/.*60-kalico-flash.rules:[0-9]+ (GROUP|MODE)[:= ]*([0-9]+).*/\1 \2/p' \
		"$BATS_TEST_TMPDIR/said" | sort | paste -sd ' '
}

@test "udev finds no error in the rules" {
	"$udevadm" verify --help >/dev/null 2>&1 || skip "this udev cannot verify rules (before 254)"
	"$udevadm" verify "$rules/60-kalico-flash.rules"
}

@test "ModemManager is told to leave Klipper, Katapult and other manufacturers' ids alone" {
	need pty
	unshare -rm true 2>/dev/null || skip "unshare -rm does not work here"
	[ "$(ruled octopus-klipper 1-1.2)" = "ID_MM_DEVICE_IGNORE=1" ]
	[ "$(ruled octopus-katapult 1-1.2)" = "ID_MM_DEVICE_IGNORE=1" ]
	sed 's/idVendor=1d50/idVendor=2341/' octopus-klipper.umockdev >"$BATS_TEST_TMPDIR/own.umockdev"
	[ "$(ruled "$BATS_TEST_TMPDIR/own" 1-1.2)" = "ID_MM_DEVICE_IGNORE=1" ]
	sed 's/manufacturer=Klipper/manufacturer=LDO/' octopus-klipper.umockdev >"$BATS_TEST_TMPDIR/ldo.umockdev"
	[ "$(ruled "$BATS_TEST_TMPDIR/ldo" 1-1.2)" = "ID_MM_DEVICE_IGNORE=1" ]
	sed 's/idVendor=1d50/idVendor=03eb/; s/idProduct=614e/idProduct=6124/; s/manufacturer=Klipper/manufacturer=Atmel/' \
		octopus-klipper.umockdev >"$BATS_TEST_TMPDIR/sam.umockdev"
	[ "$(ruled "$BATS_TEST_TMPDIR/sam" 1-1.2)" = "ID_MM_DEVICE_IGNORE=1" ]
}

@test "other devices are not touched" {
	unshare -rm true 2>/dev/null || skip "unshare -rm does not work here"
	[ "$(ruled beacon 1-5)" = "" ]
	[ "$(ruled ch340 1-4.1)" = "" ]
}

@test "ROM bootloaders belong to dialout, and to the user at the machine" {
	unshare -rm true 2>/dev/null || skip "unshare -rm does not work here"
	local gid
	gid=$(getent group dialout | cut -d : -f 3)
	[ "$(ruled octopus-dfu 1-1.2)" = "GROUP $gid MODE 0660 TAGS=:uaccess:" ]
	for ids in 1eaf:0003 1209:beba 1d50:6015; do
		sed "s/idVendor=0483/idVendor=${ids%:*}/; s/idProduct=df11/idProduct=${ids#*:}/" \
			octopus-dfu.umockdev >"$BATS_TEST_TMPDIR/rom.umockdev"
		[ "$(ruled "$BATS_TEST_TMPDIR/rom" 1-1.2)" = "GROUP $gid MODE 0660 TAGS=:uaccess:" ]
	done
	[ "$(ruled nitehawk-bootsel 1-1.10)" = "GROUP $gid MODE 0660 TAGS=:uaccess:" ]
}
