#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The firmware tree (tests/sim/tree) behaves as Klipper's does where our tools depend on it.
# shellcheck disable=SC2154 # run sets stderr
load helper

setup() {
	fresh_home
	tree=$BATS_TEST_TMPDIR/tree
	out=$BATS_TEST_TMPDIR/out/
	config=$BATS_TEST_TMPDIR/.config
	cp -r "$KF_TESTS/sim/tree" "$tree"
}

build() {
	make -s -j2 -C "$tree" OUT="$out" KCONFIG_CONFIG="$config" "$@"
}

# choose SYMBOL...: a complete configuration with these.
choose() {
	printf 'CONFIG_%s=y\n' "$@" >"$config"
	build olddefconfig
}

mcu() {
	jq -r .config.MCU "$out/klipper.dict"
}

@test "everything is written below OUT" {
	before=$(find "$tree" | sort)
	choose MACH_STM32
	build
	[ "$(find "$tree" | sort)" = "$before" ]
	[ "$(mcu)" = stm32f446xx ]
	build clean
	[ ! -e "$out" ]
}

@test "no configuration, or unknown symbols: AVR is built without an error" {
	build
	[ "$(mcu)" = atmega2560 ]
	rm -r "$out"
	printf 'CONFIG_MACH_RP2040=y\n' >"$config"
	touch -d '1 hour ago' "$config"
	build
	[ "$(mcu)" = atmega2560 ]
	grep -q '^CONFIG_MCU="atmega2560"' "$config" # older than src/Kconfig: rewritten in place
}

@test "equal input gives equal bytes, changed input gives others" {
	export SOURCE_DATE_EPOCH=1700000000
	choose MACH_RPXXXX
	build
	first=$(sha256sum <"$out/klipper.uf2")
	build clean
	build
	[ "$(sha256sum <"$out/klipper.uf2")" = "$first" ]
	echo more >>"$tree/src/stepper.c"
	build
	[ "$(sha256sum <"$out/klipper.uf2")" != "$first" ]
}

# bats test_tags=slow
@test "the version is git's, with date and host only in a dirty checkout" {
	choose MACH_STM32
	version() {
		build clean && build >/dev/null && jq -r .version "$out/klipper.dict"
	}
	[[ $(version) == v1.0.0-7-g5e1fca5e0-????????_??????-* ]]
	export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
	git -C "$tree" init -q
	git -C "$tree" add .
	git -C "$tree" commit -qm one
	git -C "$tree" tag v2.0.0
	[ "$(version)" = "v2.0.0-0-g$(git -C "$tree" rev-parse --short HEAD)" ]
	echo more >>"$tree/src/stepper.c"
	[[ $(version) == v2.0.0-0-g*-dirty-????????_??????-* ]]
}

# bats test_tags=slow
@test "make flash writes through Katapult, from Klipper or from the bootloader" {
	need pty
	choose MACH_STM32 MACH_STM32H723 STM32_FLASH_START_20000
	build >/dev/null
	for mode in klipper katapult; do
		run kf-sim -b "mcu=stm32h723xx,mode=$mode" -- make -s -C "$tree" OUT="$out" \
			KCONFIG_CONFIG="$config" flash FLASH_DEVICE=/dev/ttyACM0
		[ "$status" -eq 0 ]
		[[ $output == *"at 0x08020000"*"Written and verified"* ]]
	done
	run kf-sim -b mcu=stm32h723xx,katapult=none -- make -s -C "$tree" OUT="$out" \
		KCONFIG_CONFIG="$config" flash FLASH_DEVICE=/dev/ttyACM0
	[ "$status" -eq 2 ]
	[[ $output == *"came back as 0483:df11"* ]]
}
