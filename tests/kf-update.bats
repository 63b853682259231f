#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; bash -c has $ of its own
#
# Boards that a printer names and nobody registered, from the scan to the flash.
load helper
load boards
load printers

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
	setup_printers
	cp -r "$KF_TESTS/sim/tree" tree
}

# asked FIRMWARE COMMAND: COMMAND beside a board that runs it.
asked() {
	mocked kf-sim --board="$H723,start=0x8020000,app=$IMAGES/$1/klipper.bin" -- bash -c "$2"
}

@test "a board that a stopped printer names goes through the pipe by the printer's name" {
	stopped klipper "$PWD/tree" '[mcu]' "serial: $H723_BY_ID"
	run -0 --separate-stderr asked h723-kconfig 'kf-scan -q | tee scan | kf-config | tee config | kf-build | kf-flash --json'
	valid_records <scan
	[ "$(jq -c '[.board.key, .board.name, .board.mcu]' scan)" = '["mcu","mcu","stm32h723xx"]' ]
	[ "$(jq -c '.config.start' config)" = 134348800 ]
	grep -qx 'CONFIG_INITIAL_PINS="!PC13"' "$XDG_CONFIG_HOME/kalico-flash/configs/mcu/.config"
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
	[ ! -e "$XDG_CONFIG_HOME/kalico-flash/devices.json" ]
}

@test "several printers: the printer's name comes before, and a registered key is not taken" {
	stopped klipper-voron "$PWD/tree" '[mcu]' "serial: $H723_BY_ID"
	run -0 --separate-stderr asked h723 'kf-scan -q'
	[ "$(jq -r .board.key <<<"$output")" = mcu ]
	registry <<<'{"devices": {"mcu": {"name": "x", "mcu": "rp2040", "serial_pattern": "usb-Klipper_rp2040_AAAA1111*"}}}'
	run -0 --separate-stderr asked h723 'kf-scan -q'
	[ "$(jq -r .board.key <<<"$output")" = voron-mcu ]
	registry <<<'{"devices": {}}'
	stopped klipper-ender "$PWD/tree" '[mcu EBB Can]' "serial: $RP2040_BY_ID"
	run -0 --separate-stderr mocked kf-sim -b "$H723" -b "$RP2040" -- kf-scan -q
	[ "$(jq -r .board.key <<<"$output")" = $'voron-mcu\nender-ebb-can' ]
	# A board that is not plugged in keeps its key.
	run -0 --separate-stderr mocked kf-sim -b "$H723" -- kf-scan -q --all
	[ "$(jq -c '.board | [.key, .connected]' <<<"$output")" = $'["voron-mcu",true]\n["ender-ebb-can",false]' ]
	run -0 --separate-stderr mocked kf-sim -b "$H723" -b "$RP2040" -- kf-scan -q --device ender-ebb-can
	[ "$(jq -r .board.mcu <<<"$output")" = rp2040 ]
}

@test "a board that is excluded, has firmware of others, or is connected twice is not described" {
	stopped klipper "$PWD/tree" '[mcu]' "serial: $H723_BY_ID" '[mcu tool]' "serial: $RP2040_BY_ID" \
		'[mcu probe]' 'serial: /dev/serial/by-id/usb-Cartographer_614e_16000E000943305239373420-if00'
	registry <<-'END'
		{"devices": {"octo": {"name": "Octopus", "mcu": "stm32h723", "flashable": false,
		  "serial_pattern": "usb-Klipper_stm32h723xx_29001A001151313531383332*"}}}
	END
	run -0 --separate-stderr mocked kf-sim -b "$H723" -b "${RP2040/1-1.3/1-1.4}" -b "$RP2040" \
		-b mode=other,port=1-1.6,usb=1d50:614e,manufacturer=Cartographer,product=614e,serial=16000E000943305239373420 \
		-- kf-scan -q --all
	[ "$(jq -c '.board | [.key, .excluded]' <<<"$output" | sort | uniq -c | sed 's/^ *//')" = \
		$'1 ["octo",true]\n3 [null,false]' ]
}

@test "a record that claims a printer's name for another board is refused" {
	stopped klipper "$PWD/tree" '[mcu]' "serial: $H723_BY_ID"
	run -78 --separate-stderr mocked kf-sim -b "$H723" -b "$RP2040" -- bash -c '
		kf-scan -q | jq -c "select(.board.mcu == \"rp2040\") | .board.key = \"mcu\"
			| .board.printer = {unit: \"klipper.service\", name: \"klipper\", mcu: \"mcu\"}" >forged
		kf-flash --check --json <forged >out; cat out; exit 78'
	[[ $(jq -r .error.message out) == "the key in the record is mcu, in the registry unregistered" ]]
	# And a name that no printer has.
	run -78 --separate-stderr mocked kf-sim -b "$RP2040" -- bash -c '
		kf-scan -q | jq -c ".board.key = \"head\"" | setsid -w kf-config --table'
	[[ $stderr == *'no board "head" is registered'*"the boards: mcu"* ]]
}

@test "without a Kconfig, what nothing tells is asked, with the tree's default marked" {
	stopped klipper "$PWD/tree" '[mcu]' "serial: $H723_BY_ID"
	run -78 --separate-stderr asked h723 'kf-scan -q | tee in | setsid -w kf-config'
	[ "$(jq -r .error.code <<<"$output")" = no_config ]
	[[ $stderr == *"no configuration is saved for this board, and nothing tells its "*"kf config mcu on a terminal asks"* ]]
	asked h723 '"$KF_TESTS/on-terminal" "kf-config <in >out" "Which.*leave. " "\r" "(Which.*leave. )?" "\r"' >text || true
	grep -q "the tree's default" text
	[ "$(jq -r .config.mcu out)" = stm32h723xx ]
	run asked h723 'rm -r "$XDG_CONFIG_HOME"; "$KF_TESTS/on-terminal" "kf-config <in >out" "Which.*leave. " "q\r"'
	[ "$(jq -r .error.code <out)" = not_saved ]
}

# beside COMMAND: COMMAND beside the H723, which runs version $old, and another board.
beside() {
	mocked kf-sim --board="${H723%,version=*},start=0x8020000,version=$old" -b "$RP2040" -- bash -c "$1"
}

behind() {
	git_tree source 4
	old=$(version_of source 3) new=$(version_of source)
	stopped klipper "$PWD/source" '[mcu]' "serial: $H723_BY_ID" '[mcu head]' 'canbus_uuid: aabbccddeeff' 'canbus_interface: nocan0'
	save_configs mcu:h723
}

@test "kf update: what is behind is built and flashed, after one question" {
	behind
	run -64 --separate-stderr beside 'setsid -w kf update'
	[[ $stderr == *"kf: "*"terminal"*"to go on without a question: kf update --yes"* ]]
	[ ! -e "$XDG_CACHE_HOME/kalico-flash/build" ]
	run -64 --separate-stderr beside 'setsid -w kf update mc'
	[[ $stderr == *'"mc" is mcu'*"kf update mcu --yes"* ]]
	run -0 --separate-stderr beside 'kf status --table mc'
	[[ $stderr == *'"mc" is mcu'* ]]
	[[ $output == *"mcu "* && $output != *rp2040* ]]
	run beside '"$KF_TESTS/on-terminal" "kf update" "Go on. .Y/n. " "q\r"'
	[ "$status" -eq 0 ]
	[[ $output != *"without an answer"* ]]
	run beside '"$KF_TESTS/on-terminal" "kf update" "Go on. .Y/n. " "n\r"'
	[ "$status" -eq 0 ]
	output=$(tr -s '\r\n ' ' ' <<<"$output") # wrapped
	[[ $output == *"Boards behind ($old -> $new, 3 commits): mcu stm32h723xx /dev/ttyACM0 It takes about 20 s. Go on?"* ]]
	[ ! -e "$XDG_CACHE_HOME/kalico-flash/build" ]
	run -0 --separate-stderr beside 'setsid -w kf update --yes --json'
	[ "$(jq -r '[.board.key, .flash.result, .flash.version_after] | join(" ")' <<<"$output")" = "mcu flashed $new" ]
	[[ $stderr == *"head is left as it is: not asked: there is no interface nocan0"* ]]
	# Measured now.
	jq -e '.took_ms > 0' "$XDG_STATE_HOME/kalico-flash/boards/mcu.json"
	[ ! -e "$XDG_CONFIG_HOME/kalico-flash/devices.json" ]
}

@test "kf update: what is saved is not what the board runs: shown, asked once, or told with --yes" {
	git_tree source 1
	stopped klipper "$PWD/source" '[mcu]' "serial: $H723_BY_ID"
	save_configs mcu:h723
	run -78 asked h723-kconfig '"$KF_TESTS/on-terminal" "kf update mcu" "Go on. .Y/n. " "y\r" "saved none, board !PC13.*y/N. " "q\r"'
	[ ! -e "$XDG_CACHE_HOME/kalico-flash/build" ]
	run asked h723-kconfig '"$KF_TESTS/on-terminal" "kf update --yes --dry-run mcu"'
	[ "$status" -eq 0 ]
	output=$(tr -s '\r\n ' ' ' <<<"$output") # wrapped
	[[ $output == *"what is saved is used, and it is not what the board runs: pins: saved none, board !PC13"*"kf config mcu --from-board"*"would flash"* ]]
	run -0 asked h723-kconfig '"$KF_TESTS/on-terminal" "kf update mcu" "Go on. .Y/n. " "y\r" "saved none, board !PC13.*y/N. " "y\r"'
	grep -qx 'CONFIG_INITIAL_PINS="!PC13"' "$XDG_CONFIG_HOME/kalico-flash/configs/mcu/.config"
}

@test "kf update: a print refuses it before the question, and before anything is built" {
	behind
	rm -r root/etc
	export PORT=/dev/ttyACM0 PRINT=printing TREE=$PWD/source VERSION=$new
	MCUS=$(jq -nc --arg p "$H723_BY_ID" --arg v "$old" '{mcu: [$p, $v]}')
	export MCUS
	export -f running
	run beside 'running voron "mcus ready"; "$KF_TESTS/on-terminal" "kf update; echo status \$?"'
	output=$(tr -s '\r\n ' ' ' <<<"$output")
	[[ $output == *"is printing dwell.gcode"*"status 75"* ]]
	[[ $output != *"Go on?"* && $output != *" -> $new"* ]]
	[ ! -e "$XDG_CACHE_HOME/kalico-flash/build" ]
	run -75 --separate-stderr beside 'running voron "mcus ready"; setsid -w kf update --yes --json'
	[ "$(jq -r .error.code <<<"$output")" = printing ]
	[ ! -e "$XDG_CACHE_HOME/kalico-flash/build" ]
	run beside 'running voron "mcus ready"; "$KF_TESTS/on-terminal" kf'
	[[ $output == *"voron: printing dwell.gcode"* ]]
}

@test "kf alone on a terminal: the boards and what to do, and no question where nothing is registered" {
	behind
	run beside '"$KF_TESTS/on-terminal" kf'
	[ "$status" -eq 0 ]
	[[ $output == *"klipper (klipper.service): stopped"*"mcu "*"not asked: Klipper (klipper.service) does not run"* ]]
	[[ $output == *"next: kf add registers a board that no printer names"* ]]
	[[ $output == *"kf add gives a board a name of your own"* ]]
	[[ $output != *"y/N"* ]]
}

@test "kf update: a printer whose configuration cannot be read is told" {
	stopped klipper "$PWD/tree" '[include gone.cfg]'
	run -0 --separate-stderr mocked kf-sim -b "$RP2040" -- setsid -w kf update --yes
	[[ $stderr == "kf-status: klipper: its boards are not known: "*"/gone.cfg: No such file or directory"*"it is not known whether a board is behind"*"1 board was not asked, for a printer here does not tell its boards"* ]]
	run -78 --separate-stderr mocked kf-sim -b "$RP2040" -- setsid -w kf update --yes "$(basename "$RP2040_BY_ID")"
	[[ $stderr != *"kf add"* ]]
}

@test "kf update: where Klippy and the USB name say two chips, it offers nothing that is refused" {
	export TREE=$PWD/tree MCUS
	MCUS=$(jq -nc --arg p "$H723_BY_ID" '{mcu: {config: {serial: $p}, object: {mcu_version: "v1", mcu_constants: {MCU: "rp2040"}}}}')
	export -f running
	run -0 --separate-stderr beside 'running voron "mcus ready"; setsid -w kf update --yes'
	[[ $stderr == *"mcu is left as it is: not asked: Klippy says that it is rp2040, its USB name says stm32h723xx"* ]]
	[[ $stderr != *"to flash it all the same"* ]]
}

@test "kf update: up to date is not touched; what differs only if it is named; excluded and unknown never" {
	behind
	old=$new
	run -0 --separate-stderr beside 'setsid -w kf update --yes'
	[ "$output" = "" ]
	[[ $stderr == *"[Status] nothing is behind"* ]]
	run -0 --separate-stderr beside 'setsid -w kf update --yes mcu'
	[ "$stderr" = "[Status] mcu is up to date" ]
	run -78 --separate-stderr beside 'setsid -w kf update --yes mcuu'
	[[ $stderr == *'no board "mcuu" is registered'*"did you mean mcu?"* ]]
	old=v0.11.0-122-ge6ef48cd
	run -0 --separate-stderr beside 'setsid -w kf update --yes'
	[[ $stderr == *"mcu is left as it is: differs: the source tree does not know its commit e6ef48cd; to flash it all the same: kf update mcu"* ]]
	run -0 --separate-stderr beside 'setsid -w kf update --yes --json mcu'
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
	run -69 --separate-stderr beside 'setsid -w kf update --yes head'
	registry <<<'{"devices":{"octo":{"name":"O","mcu":"stm32h723","flashable":false,"serial_pattern":"usb-Klipper_stm32h723xx_29001A001151313531383332*"}}}'
	run -78 --separate-stderr beside 'setsid -w kf update --yes octo'
	[[ $stderr == *"octo is left alone: flashable is false"* ]]
}

@test "kf update: boards that nobody names, and one that is away with half a firmware" {
	run -0 --separate-stderr mocked kf-sim -b "$RP2040" -- setsid -w kf update
	[[ $stderr == *"1 board was not asked, for no printer names it and it is not registered: register it with kf add"* ]]
	run -78 --separate-stderr mocked kf-sim -b "$RP2040" -- setsid -w kf update --yes "$(basename "$RP2040_BY_ID")"
	[ "$(grep -c 'left as it is' <<<"$stderr")" -eq 1 ]
	[[ $stderr == *"register it with kf add"* ]]
	registry <<<'{"devices":{"octo":{"name":"O","mcu":"stm32h723","serial_pattern":"usb-Klipper_stm32h723xx_29001A001151313531383332*"}}}'
	mkdir -p "$XDG_STATE_HOME/kalico-flash/boards"
	echo '{"incomplete":"katapult"}' >"$XDG_STATE_HOME/kalico-flash/boards/octo.json"
	run -0 --separate-stderr mocked kf-sim -b "$RP2040" -- setsid -w kf update
	[[ $stderr == *"octo is not connected, and the firmware on it is incomplete: double-click its reset button"* ]]
	run -0 --separate-stderr kf status
	[[ $output == *"octo"*"incomplete: it is not connected: double-click its reset button"*"then run kf flash octo"* && $output != *"kf update builds"* ]]
	[[ $stderr != *"nothing is behind"* ]]
}

@test "a source tree is found: the printer's, ~/klipper, ~/kalico; else it is asked for, once" {
	behind
	rm -r root
	registry <<<'{"devices":{"mcu":{"name":"O","mcu":"stm32h723","serial_pattern":"usb-Klipper_stm32h723xx_29001A001151313531383332*"}}}'
	beside 'kf-scan -q >in'
	run beside '"$KF_TESTS/on-terminal" "kf-config <in >out" "source folder: " "/nowhere\r" "source folder: " "$PWD/source\r"'
	[ "$status" -eq 0 ]
	[[ $(tr -s '\r\n ' ' ' <<<"$output") == *"/nowhere: the Klipper source tree cannot be opened"* ]]
	[ "$(jq -r 'select(.board.key).config.mcu' out)" = stm32h723xx ]
	[ "$(jq -r .global.klipper_dir "$XDG_CONFIG_HOME/kalico-flash/devices.json")" = "$PWD/source" ]
	registry <<<'{"devices":{"mcu":{"name":"O","mcu":"stm32h723","serial_pattern":"usb-Klipper_stm32h723xx_29001A001151313531383332*"}}}'
	run beside '"$KF_TESTS/on-terminal" "kf-config <in >out" "source folder: " "source\r"'
	[ "$status" -eq 0 ]
	[ "$(jq -r .global.klipper_dir "$XDG_CONFIG_HOME/kalico-flash/devices.json")" = "$PWD/source" ]
	registry <<<'{"devices":{"mcu":{"name":"O","mcu":"stm32h723","serial_pattern":"usb-Klipper_stm32h723xx_29001A001151313531383332*"}}}'
	mv source "$HOME/kalico"
	kf-config <in >out
	[ "$(jq -r 'select(.board.key).config.mcu' out)" = stm32h723xx ]
}

@test "Katapult's tree is found beside that of the printer's Klippy, if it is ours" {
	mkdir -p trees/katapult/src trees/katapult/scripts modules
	touch modules/serial.py
	export PYTHONPATH=$PWD/modules
	touch trees/katapult/Makefile trees/katapult/src/Kconfig trees/katapult/scripts/flashtool.py
	cp -r tree trees/klipper
	stopped klipper "$PWD/trees/klipper" '[mcu]' "serial: $H723_BY_ID"
	export firmware=$IMAGES/h723/klipper.bin
	plan='kf-scan -q | jq -c --arg f "$firmware" --arg s "$(sha256sum <"$firmware" | cut -c1-64)" \
		".firmware = {path: \$f, sha256: \$s, start: 134348800}" | kf-flash --dry-run --no-service --method=flashtool --no-fallback'
	run -0 --separate-stderr asked h723 "$plan"
	[[ $stderr == *"would flash"*"by flashtool"* ]]
	chmod o+w trees/katapult
	run --separate-stderr asked h723 "$plan"
	[[ $stderr == *"no flashtool.py in $HOME/katapult"* ]]
}

@test "kf update: the rights that the flash may need are looked for before the build" {
	git_tree source 4
	mkdir rules
	stopped klipper "$PWD/source" '[mcu tool]' "serial: $RP2040_BY_ID"
	mkdir -p "$XDG_CONFIG_HOME/kalico-flash/configs/tool"
	printf '%s\n' CONFIG_MACH_RPXXXX=y CONFIG_RPXXXX_FLASH_START_4000=y >"$XDG_CONFIG_HOME/kalico-flash/configs/tool/.config"
	update() {
		mocked kf-sim -b "$RP2040,start=0x10004000,version=$(version_of source 2)" -- env KF_UDEV_RULES="$PWD/rules" setsid -w kf "$@" 2>&1
	}
	for command in "update --yes" "flash tool"; do
		# shellcheck disable=SC2086 # words
		run -77 update $command
		[[ $output == *"if it has no Katapult: you may not open its bootloader (USB 2e8a:0003)"*"or, if the board has Katapult: kf flash tool --no-fallback"* ]]
		[ ! -e "$XDG_CACHE_HOME/kalico-flash/build" ]
	done
	run update update --yes --no-fallback
	[ -e "$XDG_CACHE_HOME/kalico-flash/build" ]
}

@test "kf update: a BeagleBone's PRU is behind: the message says what brings it up to date" {
	git_tree source 4
	export TREE=$PWD/source VERSION MCUS
	VERSION=$(version_of source)
	MCUS=$(jq -nc --arg v "$(version_of source 2)" '{mcu: {config: {serial: "/dev/rpmsg_pru30"},
		object: {mcu_version: $v, mcu_constants: {MCU: "pru"}}}}')
	export -f running
	run -0 --separate-stderr mocked kf-sim -b "$RP2040" -- bash -c 'running voron "mcus ready"; setsid -w kf update --yes'
	[[ $stderr == "[Status] mcu of voron is behind, but kf does not flash a BeagleBone's PRU: in $TREE, make menuconfig (Beaglebone PRU), and with Klipper stopped, make flash"* ]]
	[[ $stderr == *"it is not known whether another board is behind"* ]]
}
