#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; bash -c has $ of its own
#
# Boards whose firmware carries no Kconfig: what is proposed, what is asked, and what a wrong answer costs.
load helper
load boards
load printers

setup_file() {
	export IMAGES=${KF_IMAGES:-$BATS_FILE_TMPDIR/images} PYTHONDONTWRITEBYTECODE=1
	image h723 "$H723_CONFIG" >/dev/null
}

# A printer names the board as "mcu", and its pins are those of a board of the tree.
setup() {
	setup_printers
	cp -r "$KF_TESTS/sim/tree" tree
	pins=('[stepper_x]' 'step_pin: PE1' '[stepper_y]' 'step_pin: PE2' '[stepper_z]' 'step_pin: PE3'
		'[extruder]' 'step_pin: PE4')
	mkdir tree/config
	printf '%s\n' '# The STM32H723 with a "128KiB bootloader" and a "25 MHz crystal".' "${pins[@]}" >tree/config/generic-x.cfg
	configs=$XDG_CONFIG_HOME/kalico-flash/configs
	state=$XDG_STATE_HOME/kalico-flash/boards
}

teardown() {
	end_klippies
}

named() {
	stopped klipper "$PWD/tree" '[mcu]' "serial: $H723_BY_ID" "$@"
}

# asked COMMAND [OPTIONS]: COMMAND beside the H723, whose Katapult starts 0x8020000.
asked() {
	mocked timeout 300 kf-sim --board="$H723,start=0x8020000,app=$IMAGES/h723/klipper.bin${2-}" -- bash -c "$1"
}

# terminal COMMAND [EXPECT SEND]...: on a terminal, beside the board; the words in $output are not wrapped.
terminal() {
	local quoted
	printf -v quoted ' %q' "$KF_TESTS/on-terminal" "$@"
	run asked "$quoted" "${options-}"
	output=$(tr -s ' \r\n' ' ' <<<"$output")
}

offset='choose the bootloader offset.*Which.*leave. '
crystal='choose the crystal.*Which.*leave. '

@test "kf config and kf update ask the same, with what a board of these pins says for Enter" {
	named "${pins[@]}"
	for command in "kf config mcu" "kf-scan -q | kf-config >out"; do
		leave=()
		[ "$command" != "kf config mcu" ] || leave=(Architecture q 'Save configuration' n)
		terminal "$command" "$offset" '\r' "$crystal" '\r' "${leave[@]}"
		[[ $output == *"choose the bootloader offset: likely 128 KiB"*", which its pins say"*"(config/generic-x.cfg)"* ]]
		[[ $output == *"choose the crystal: likely 25 MHz, which its pins say"*"8 MHz (the tree's default)"* ]]
	done
	[ "$(jq -r .config.start out)" = 134348800 ]
	grep -qx CONFIG_STM32_CLOCK_REF_25M=y "$configs/mcu/.config"
}

@test "kf config opens menuconfig with the answers" {
	named
	printf 'cp "$KCONFIG_CONFIG" "%s/proposed"; echo CONFIG_WANT_ADC=y >>"$KCONFIG_CONFIG"' "$PWD" >tree/fake
	sed -i 's|.*-m menuconfig.*|\t@sh ./fake|' tree/Makefile
	terminal "kf config mcu" "$offset" '1\r' "$crystal" '3\r'
	[ "$status" -eq 0 ]
	grep -qx CONFIG_STM32_FLASH_START_20000=y proposed
	grep -qx CONFIG_STM32_CLOCK_REF_25M=y proposed
	grep -qx CONFIG_STM32_CLOCK_REF_25M=y "$configs/mcu/.config"
}

@test "what matters of a proposal is shown, and features that are off are counted" {
	named
	terminal "kf-scan -q | kf-config >out" "$offset" 'q\r'
	[[ $output == *"MACH_STM32H723=y, from: the board's constants"* ]]
	[[ $output == *"off, from: its commands: WANT_"*", WANT_"*" and "*" more"* ]]
	[ "$(grep -o 'WANT_' <<<"$output" | wc -l)" -eq 2 ]
	# Left: what to type to be asked again.
	[[ $output == *"the bootloader offset was not chosen, so nothing is done to be asked again: kf config mcu"* ]]
}

@test "the answer k asks Katapult for the offset, and the board comes back; without Katapult it is asked again" {
	named
	terminal "kf-scan -q | kf-config >out; kf-scan -q | jq -r .board.mode" "$offset" 'k\r' "$crystal" '2\r'
	[[ $output == *"k) ask its Katapult: Klipper is stopped for some seconds"*"STM32_FLASH_START_20000=y, from: Katapult"* ]]
	[ "$(grep -o 'MACH_STM32H723=y' <<<"$output" | wc -l)" -eq 1 ]
	[[ $output == *" klipper "* ]]
	[ "$(jq -r .config.start out)" = 134348800 ]
	# A board without Katapult: told, and asked again.
	rm -r "$configs"
	options=,katapult=none terminal "kf-scan -q | kf-config >out" "$offset" 'k\r' "Which.*leave. " '1\r' "$crystal" '2\r'
	[ "$(jq -r .config.start out)" = 134348800 ]
}

@test "a wrong offset: Katapult refuses, and the same command then takes its word" {
	named
	terminal "kf-scan -q | kf-config | kf-build -q | kf-flash --no-service --json >out" "$offset" '2\r' "$crystal" '2\r'
	[ "$(jq -r .error.code out)" = wrong_offset ]
	[[ $(jq -r .error.hint out) == "run the same command again: kf then takes the offset from Katapult"* ]]
	[ "$(jq .katapult_start "$state/mcu.json")" = 134348800 ]
	run -0 --separate-stderr asked 'kf-scan -q | setsid -w kf-config | kf-build -q | kf-flash --no-service --json'
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
	[[ $stderr == *"mcu: Katapult starts applications at 0x08020000, not at 0x08000000 as it was answered: corrected"* ]]
	# The other answer holds, and now that it is flashed nothing is asked any more.
	grep -qx CONFIG_STM32_CLOCK_REF_12M=y "$configs/mcu/.config"
	terminal "kf-scan -q | kf-config >out"
	[[ $output != *Which* ]]
}

@test "the offset that Katapult tells is used without other answers too, and after it changed" {
	stopped klipper "$PWD/tree" '[mcu]' "serial: $RP2040_BY_ID"
	mkdir -p "$state"
	for start in 268451840 268435712 268451840; do
		echo "{\"katapult_start\": $start}" >"$state/mcu.json"
		mocked kf-sim -b "$RP2040" -- bash -c 'kf-scan -q | setsid -w kf-config >out'
		[ "$(jq -r .config.start out)" = $start ]
	done
	[ "$(jq -c .answers "$configs/mcu/answers.json")" = '[]' ]
}

@test "a configuration of one's own is never corrected" {
	named
	mkdir -p "$configs/mcu" "$state"
	printf 'CONFIG_MACH_STM32=y\nCONFIG_MACH_STM32H723=y\nCONFIG_STM32_FLASH_START_0000=y\n' >"$configs/mcu/.config"
	echo '{"katapult_start": 134348800}' >"$state/mcu.json"
	terminal "kf-scan -q | kf-config >out"
	[ "$status" -eq 0 ]
	[ "$(jq -r .config.start out)" = 134217728 ]
}

@test "a wrong crystal: the board does not come back, and the answers are asked again" {
	named
	terminal "kf-scan -q | kf-config | kf-build -q | kf-flash --no-service --return-timeout=1 --json >out" \
		"$offset" '1\r' "$crystal" '2\r' || true
	options=,return_as=never terminal "kf-scan -q | kf-config | kf-build -q | kf-flash --no-service --force --return-timeout=1 --json >out"
	[ "$(jq -r .error.code out)" = gone ]
	terminal "kf-scan -q | kf-config >out" "$offset" '\r' "$crystal" '3\r'
	[[ $output == *"they are asked again"*"128 KiB"*"(your answer before)"*"choose the crystal: likely 12 MHz"* ]]
	grep -qx CONFIG_STM32_CLOCK_REF_25M=y "$configs/mcu/.config"
	# Nobody can be asked: the saved configuration is used.
	run -0 --separate-stderr asked 'kf-scan -q | setsid -w kf-config'
	[ "$(jq -r .error <<<"$output")" = null ]
}

@test "kf config asks the answers again until they were flashed" {
	named
	terminal "kf-scan -q | kf-config >out" "$offset" '1\r' "$crystal" '2\r'
	# kf flash, kf update and kf build take them as they are.
	terminal "kf-scan -q | kf-config >out"
	[[ $status -eq 0 && $output != *Which* ]]
	terminal "kf config mcu" "$offset" '\r' "$crystal" '1\r' Architecture q 'Save configuration' y
	[ "$status" -eq 0 ]
	grep -qx CONFIG_STM32_FLASH_START_20000=y "$configs/mcu/.config"
	grep -qx CONFIG_STM32_CLOCK_REF_8M=y "$configs/mcu/.config"
}

@test "an MCU that nobody knows is never an ATmega2560" {
	registry <<<'{"devices":{"odd":{"name":"O","mcu":"z80","serial_pattern":"usb-Klipper_stm32h723xx_29001A001151313531383332*"}}}'
	ln -s "$PWD/tree" "$HOME/klipper"
	run mocked kf-sim -b "$RP2040" -- "$KF_TESTS/on-terminal" "kf config odd"
	[ "$status" -eq 78 ]
	[[ $(tr -s ' \r\n' ' ' <<<"$output") == *"its MCU z80 is none that Klipper is built for"*"kf set odd mcu=MCU"* ]]
	[[ $output != *menuconfig* ]]
}

# klippy KCONFIG [MCU]: a Klippy that has the board and tells this of it.
klippy() {
	running voron "mcus ready" TREE="$PWD/tree" MCUS="$(jq -nc --arg p "$H723_BY_ID" --argjson k "$1" --arg m "${2-stm32h723xx}" \
		'{mcu: {config: {serial: $p}, object: {mcu_version: "v0.11.0-122-ge6ef48cd", mcu_kconfig: $k,
		  mcu_constants: {MCU: $m, CLOCK_FREQ: 520000000, RESERVE_PINS_crystal: "PH0,PH1", RESERVE_PINS_USB: "PA11,PA12"}}}}')"
}

@test "Klippy tells the constants: the port is not opened, and its pins count" {
	klippy null
	mkdir -p voron_data/config
	printf '%s\n' '[mcu]' "serial: $H723_BY_ID" "${pins[@]}" >voron_data/config/printer.cfg
	terminal "kf-scan -q | kf-config >out" "$offset" '\r' "$crystal" '\r'
	[[ $output == *"Klippy tells what its firmware was built for"*"choose the crystal: likely 25 MHz, which its pins say"* ]]
	[ "$(jq -r .config.start out)" = 134348800 ]
}

@test "a Kconfig that Klippy lies about is refused in a sentence, and its constants are used" {
	klippy '"$(shell reboot)"'
	run -78 --separate-stderr asked 'kf-scan -q | setsid -w kf-config'
	[[ $stderr == *"mcu: the Kconfig of its firmware is not used: Kconfig never writes such a line as line 1"* ]]
	[[ $stderr == *"MACH_STM32H723=y, from: the board's constants"* ]]
	run -78 --separate-stderr asked 'kf-scan -q | setsid -w kf-config --from-board'
	[[ $(jq -r .error.message <<<"$output") == "the Kconfig of its firmware is not used: Kconfig never writes"* ]]
}

@test "a Kconfig for another MCU, and a Klippy that says another MCU than USB, are refused before the build" {
	klippy '"CONFIG_MACH_RPXXXX=y\n"'
	run -78 --separate-stderr asked 'kf-scan -q | setsid -w kf-config'
	[ "$(jq -r .error.code <<<"$output")" = config_difference ]
	[[ $stderr == *"the board is stm32h723xx, this tree makes rp2040"* ]]
	end_klippies
	klippy null rp2040
	run -78 --separate-stderr asked 'kf-scan -q | setsid -w kf-config'
	[ "$(jq -r .error.code <<<"$output")" = mcu_mismatch ]
	[[ $stderr == *"its firmware is said to be for rp2040, its USB name says stm32h723xx: nothing is built"* ]]
	[ ! -e "$configs" ]
}

@test "Klippy has an error and keeps the port: nobody can ask the board, but its port tells that its wire is USB" {
	named
	export -f running
	terminal 'running klipper "mcus config error" TREE="$PWD/tree" PORT=/dev/ttyACM0; kf-scan -q | kf-config >out' "$offset" '1\r' "$crystal" '3\r'
	[[ $output == *"mcu: the board cannot be asked: python3 has its port"* ]]
	[[ $output != *"choose the communication interface"* ]]
	[ "$(jq -r .config.start out)" = 134348800 ]
	grep -qx CONFIG_STM32_USB_PA11_PA12=y "$configs/mcu/.config"
}

@test "q at a board's question leaves all boards: no other is asked about, and nothing is built" {
	stopped klipper "$PWD/tree" '[mcu]' "serial: $H723_BY_ID" '[mcu tool]' "serial: $RP2040_BY_ID"
	leave_at() { # COMMAND [EXPECT SEND]...
		run mocked timeout 300 kf-sim --board="$H723,start=0x8020000,app=$IMAGES/h723/klipper.bin" \
			-b "$RP2040,start=0x10004000" -- "$KF_TESTS/on-terminal" "$@"
		output=$(tr -s ' \r\n' ' ' <<<"$output")
		[ "$status" -eq 78 ]
	}
	leave_at "kf update mcu tool" 'Go on. .Y/n. ' '\r' "$offset" 'q\r'
	[ "$(grep -o Which <<<"$output" | wc -l)" -eq 1 ]
	# One that is answered already is not built for.
	leave_at "kf update mcu tool" 'Go on. .Y/n. ' '\r' "$offset" '1\r' "$crystal" '3\r' 'Which.*leave. ' 'q\r'
	[[ $output == *"mcu: stm32h723xx, application at 0x08020000, usb; saved"* ]]
	[[ $output == *"tool: the "*" was not chosen, so nothing is done"* ]]
	[[ $output != *"[Build]"* && $output != *"[Flash]"* ]]
	[ ! -e "$XDG_CACHE_HOME/kalico-flash/build" ]
}
