#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; bash -c has $ of its own
#
# A configuration from the board: the Kconfig that its firmware carries, or a proposal.
load helper
load boards

setup_file() {
	export IMAGES=${KF_IMAGES:-$BATS_FILE_TMPDIR/images} PYTHONDONTWRITEBYTECODE=1
	{
		image h723 "$H723_CONFIG"
		image h723-kconfig "$H723_CONFIG
CONFIG_LOW_LEVEL_OPTIONS=y
CONFIG_INITIAL_PINS=\"!PC13\"
CONFIG_SIM_BUILD_KCONFIG=y"
	} >/dev/null
}

setup() {
	setup_boards
	cp -r "$KF_TESTS/sim/tree" klipper
	kf-config set --global klipper_dir="$PWD/klipper" >/dev/null
	saved=$XDG_CONFIG_HOME/kalico-flash/configs/octopus-pro/.config
}

# asked FIRMWARE COMMAND: COMMAND beside a board that runs it.
asked() {
	mocked kf-sim --board="$H723,start=0x8020000,app=$IMAGES/$1/klipper.bin" -- bash -c "$2"
}

save() {
	mkdir -p "${saved%/*}"
	printf '%s\n' "$@" >"$saved"
}

# menuconfig_keeps: the tree's menuconfig keeps what it opened with in "proposed", and saves.
menuconfig_keeps() {
	printf 'cp "$KCONFIG_CONFIG" "%s/proposed"; echo CONFIG_WANT_ADC=y >>"$KCONFIG_CONFIG"' "$PWD" >klipper/fake
	sed -i 's|.*-m menuconfig.*|\t@sh ./fake|' klipper/Makefile
}

from='kf-scan -q | setsid -w kf-config --from-board'

@test "--from-board: the board's own configuration is saved, completed by the tree" {
	run -0 --separate-stderr asked h723-kconfig "$from"
	[ "$(jq -c '[.error, .config.mcu, .config.start]' <<<"$output")" = '[null,"stm32h723xx",134348800]' ]
	[[ $stderr == *"octopus-pro: stm32h723xx, application at 0x08020000, usb; saved"* ]]
	grep -qx 'CONFIG_INITIAL_PINS="!PC13"' "$saved"
	# Now it is what is saved, and nothing is asked.
	run -0 --separate-stderr asked h723-kconfig "$from"
}

@test "kf config KEY: menuconfig opens with the Kconfig that the firmware carries" {
	menuconfig_keeps
	run -0 asked h723-kconfig '"$KF_TESTS/on-terminal" "kf config octopus-pro"'
	grep -qx 'CONFIG_INITIAL_PINS="!PC13"' proposed
	grep -qx 'CONFIG_INITIAL_PINS="!PC13"' "$saved"
}

@test "--from-board: firmware without a Kconfig: the error says so" {
	run -78 --separate-stderr asked h723 "$from"
	[ "$(jq -r .error.code <<<"$output")" = no_config ]
	[[ $stderr == *"octopus-pro: the firmware that it runs carries no Kconfig"*"kf config octopus-pro opens menuconfig"* ]]
	[ ! -e "$saved" ]
}

@test "--from-board: where another configuration is saved, both are shown and the user chooses" {
	save CONFIG_MACH_STM32=y CONFIG_MACH_STM32H723=y CONFIG_STM32_FLASH_START_0000=y
	cp "$saved" before
	run -78 --separate-stderr asked h723-kconfig "$from"
	[ "$(jq -r .error.code <<<"$output")" = config_difference ]
	[[ $stderr == *"what is saved is not what the board runs: application address: saved 0x8000000, board 0x8020000"* ]]
	cmp before "$saved"
	asked h723-kconfig 'kf-scan -q >in'
	run asked h723-kconfig '"$KF_TESTS/on-terminal" "kf-config --from-board <in >out" "Save the board.s.*y/N" "n\r"'
	cmp before "$saved"
	run asked h723-kconfig '"$KF_TESTS/on-terminal" "kf-config --from-board <in >out" "Save the board.s.*y/N" "q\r"'
	cmp before "$saved"
	[[ $(tr -s '\r\n ' ' ' <<<"$output") == *"so nothing is done to be asked again: kf config "*" --from-board"* ]]
	run asked h723-kconfig '"$KF_TESTS/on-terminal" "kf-config --from-board <in >out" "Save the board.s.*y/N" "y\r"'
	[ "$(jq -r .config.start <out)" = 134348800 ]
	grep -qx CONFIG_STM32_FLASH_START_20000=y "$saved"
	cmp before "$saved.old"
}

@test "--from-board: --accept-difference takes the board's" {
	save CONFIG_MACH_STM32=y CONFIG_MACH_STM32H723=y CONFIG_STM32_FLASH_START_0000=y
	run -0 --separate-stderr asked h723-kconfig "$from --accept-difference"
	grep -qx CONFIG_STM32_FLASH_START_20000=y "$saved"
}

@test "--from-board: the tree makes another clock of the Kconfig: an error, and nothing is saved" {
	sed -i 's/default 520000000/default 400000000/' klipper/src/stm32/Kconfig
	run -78 --separate-stderr asked h723-kconfig "$from"
	[[ $stderr == *"the board says CLOCK_FREQ 520000000, this tree makes 400000000"* ]]
	[[ $stderr == *"the same command with --accept-difference"* ]]
	[ ! -e "$saved" ]
}

@test "--from-board: for another MCU the hint does not offer --accept-difference" {
	sed -i 's/"stm32h723xx"/"stm32h743xx"/' klipper/src/stm32/Kconfig
	run -78 --separate-stderr asked h723-kconfig "$from"
	[[ $stderr == *"the board is stm32h723xx, this tree makes stm32h743xx"*"choose the board's MCU: kf config octopus-pro --menuconfig"* ]]
	[[ $stderr != *accept-difference* ]]
}

@test "a board in Katapult tells where its application starts: menuconfig opens with that" {
	menuconfig_keeps
	mocked kf-sim --board="$H723,mode=katapult" -- sh -c 'kf-scan -q >in
		"$KF_TESTS/on-terminal" "kf-config --menuconfig <in >out" "choose the crystal.*Which.*leave. " "2\r" \
			"choose the communication interface.*Which.*leave. " "\r"' >text
	grep -q 'STM32_FLASH_START_20000=y, from: Katapult' text
	grep -q "MACH_STM32H723=y, from: the MCU's name" text
	run ! grep -q 'choose the bootloader offset' text
	grep -qx CONFIG_STM32_FLASH_START_20000=y proposed
	grep -qx CONFIG_STM32_CLOCK_REF_12M=y proposed
	[ "$(jq -r .config.start <out)" = 134348800 ]
}

@test "--compare: what is saved and what the board runs are shown, and a choice is not asked again" {
	# Only the board sets pins; which entries menuconfig shows is no difference.
	save CONFIG_MACH_STM32=y CONFIG_MACH_STM32H723=y CONFIG_STM32_FLASH_START_20000=y
	cp "$saved" before
	asked h723-kconfig 'kf-scan -q >in'
	compare='"$KF_TESTS/on-terminal" "kf-config --saved --compare <in >out" "pins: saved (none|PA1), board\s+!PC13.*not asked again.*y/N"'
	run asked h723-kconfig "$compare"' "q\r"'
	[ "$(jq -r .error.code out)" = not_saved ]
	# Nobody can be asked, or shall be.
	for how in 'setsid -w kf-config --saved --compare' '"$KF_TESTS/on-terminal" "kf-config --saved --compare --yes --accept-difference <in"'; do
		run -0 asked h723-kconfig "$how <in"
		output=$(tr -s '\r\n ' ' ' <<<"$output")
		[[ $output == *'octopus-pro: what is saved is used, and it is not what the board runs: pins: saved none, board !PC13; only the board'"'"'s: SIM_BUILD_KCONFIG'*"; to choose: kf config octopus-pro --from-board"*" 0x08020000"* ]]
		cmp before "$saved"
	done
	run asked h723-kconfig "$compare"' "n\r"'
	[ "$(jq -r .config.start out)" = 134348800 ]
	run -0 --separate-stderr asked h723-kconfig 'setsid -w kf-config --saved --compare <in'
	[[ $stderr != *"is not what the board runs"* ]]
	cmp before "$saved"
	# Another one is saved: that is another pair.
	printf '%s\n' CONFIG_LOW_LEVEL_OPTIONS=y 'CONFIG_INITIAL_PINS="PA1"' >>"$saved"
	run asked h723-kconfig "$compare"' "y\r"'
	grep -qx 'CONFIG_INITIAL_PINS="!PC13"' "$saved"
	run -0 --separate-stderr asked h723-kconfig 'setsid -w kf-config --saved --compare <in'
	[[ $stderr != *"is not what the board runs"* && $stderr != *"; saved"* ]]
}

@test "--compare: a board without a Kconfig is not compared, nor one whose Kconfig the tree changes" {
	save CONFIG_MACH_STM32=y CONFIG_MACH_STM32H723=y CONFIG_STM32_FLASH_START_0000=y
	run -0 --separate-stderr asked h723 'kf-scan -q | setsid -w kf-config --compare --saved'
	[ "$stderr" = "[Config] octopus-pro: stm32h723xx, application at 0x08000000, usb" ]
	sed -i 's/default 520000000/default 400000000/' klipper/src/stm32/Kconfig
	run -0 --separate-stderr asked h723-kconfig 'kf-scan -q | setsid -w kf-config --compare --saved'
	[[ $stderr == *"octopus-pro: what is saved was not compared with what it runs: the source tree makes something else"* ]]
	run -64 --separate-stderr kf-config --yes </dev/null
	[[ $stderr == *"--yes goes with remove or --compare"* ]]
}

@test "--from-board is refused together with --from" {
	run -64 --separate-stderr kf-config --from=x --from-board </dev/null
	[[ $stderr == *"--from-board goes with neither --from nor --menuconfig"* ]]
}
