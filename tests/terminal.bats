#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016,SC2154
# The output on a terminal.
load helper
load boards

setup() {
	setup_boards
	unset KF_PROGRESS
	registry <<<"$BOTH"
}

# seen COLUMNS SPEC... -- BASH-TEXT: what the terminal shows in the end, of simulated boards.
seen() {
	local columns=$1 boards=() text
	shift
	while [ "$1" != -- ]; do
		boards+=(--board "$1")
		shift
	done
	text="stty cols $columns rows 40; $2"
	run mocked timeout 300 kf-sim "${boards[@]}" -- "$KF_TESTS/on-terminal" "$text"
	raw=$output
	shown=$(/usr/bin/python3 -IS "$KF_TESTS/screen.py" <<<"$raw")
	echo "$shown"
}

@test "boards that are flashed have a line each, and end as the table's rows" {
	seen 80 "$H723,mode=katapult" "$RP2040,mode=katapult" -- \
		'{ records; IMAGE=rp2040 records; } >r; kf-flash --no-service <r; echo "status $?"'
	[ "$status" -eq 0 ]
	[[ $raw == *"octopus-pro: writing ["*"/"*" KiB"* ]]
	[ "$(grep -c "octopus-pro" <<<"$shown")" -eq 1 ]
	[[ $shown == *"octopus-pro          flashed    "* ]]
	[[ $shown == *"nitehawk             flashed    "* ]]
}
@test "at 44 columns a verdict is wrapped at words" {
	seen 44 "$H723,mode=katapult" -- 'records >r; kf-flash --no-service <r'
	[ "$status" -eq 0 ]
	# A version can be longer than the line: its host's name is in it.
	[ "$(awk 'length > 43 && NF > 1' <<<"$shown")" = "" ]
	[[ $(tr -s ' \n' ' ' <<<"$shown") == "octopus-pro flashed v"*" (katapult), "*" s"* ]]
}

@test "an error is shown once, above the rows, and no meaning is in a colour alone" {
	seen 80 "$H723,mode=katapult,stall=5" -- 'records >r; kf-flash --no-service --no-fallback -t 2 <r'
	[[ $raw == *$'\e[1;31mkf-flash:\e[0m octopus-pro:'* && $raw == *$'\e[1;31mfailed     \e[0msee above'* ]]
	[ "$(grep -c '^kf-flash: octopus-pro' <<<"$shown")" -eq 1 ]
	seen 80 "$H723,mode=katapult" -- 'records >r; NO_COLOR=1 kf-flash --no-service <r'
	run ! grep -qE $'\e\\[[0-9;]*m' <<<"$raw"
}

@test "in a pipe there is a line when a phase begins, and no percentage" {
	run -0 --separate-stderr sim "$H723,mode=katapult" "$RP2040,mode=katapult" -- \
		'{ records; IMAGE=rp2040 records; } | kf-flash --no-service'
	[[ $stderr == *"[Flash] octopus-pro: writing"*"[Flash] octopus-pro: reading back"* ]]
	[[ $stderr != *%* && $stderr != *$'\e'* ]]
	[ "$(grep -c 'octopus-pro: writing' <<<"$stderr")" -eq 1 ]
}

@test "a board that is read has a line, and then its row" {
	registry <<<"$OCTOPUS"
	seen 200 "$H723,start=0x8020000,app=$IMAGES/h723/klipper.bin" -- \
		"kf-scan -q --json | kf-flash --no-service --read=image --bytes=$(stat -c %s "$IMAGES/h723/klipper.bin")"
	[ "$status" -eq 0 ]
	[[ $raw == *"octopus-pro: reading ["*"/"*" KiB"* ]]
	[[ $shown == "octopus-pro          read       image (v"*" bytes)" ]]
}

@test "kf-scan's table fits terminals of 40 columns and more, and a pipe has whole paths" {
	local path=/dev/serial/by-id/usb-Klipper_stm32h723xx_29001A001151313531383332-if00
	for columns in 40 60 80 100 140 200; do
		seen $columns "$H723" "$RP2040" "$CH340" -- 'kf-scan --all'
		[ "$status" -eq 0 ]
		[ "$(awk -v most=$columns 'length >= most' <<<"$shown")" = "" ]
		[[ $shown == *"[OK] octopus-pro: Octopus Pro"*"[??] Unknown device"* ]]
		[[ $shown == *-if00* ]]
		[[ $raw == *$'\e[32m[OK]\e[0m'*$'\e[35m[??]\e[0m'* ]]
	done
	[[ $shown == *"$path"* ]]
	seen 80 "$H723" "$RP2040" -- 'kf-scan'
	[[ $shown == *"/dev/serial/"*...*"-if00"* && $shown != *"$path"* ]]
	run -0 --separate-stderr sim "$H723" -- 'COLUMNS=40 kf-scan --table'
	[[ $output == *"$path"* && $output != *$'\e'* ]]
}

@test "kf list and kf doctor into a pager that ends: no message" {
	for tool in "kf list" "kf-scan -q --json" "kf doctor" "kf-doctor --json"; do
		run -0 --separate-stderr sim "$H723" -- "$tool | :; echo \${PIPESTATUS[0]}"
		[ "$output" = 141 ]
		[ "$stderr" = "" ]
	done
}

@test "boards that are built have a line each, and then one that stays" {
	load builds
	fresh_tree
	config octopus MACH_STM32 MACH_STM32H723 STM32_FLASH_START_20000
	config nitehawk MACH_RPXXXX RPXXXX_FLASH_START_4000
	{ record octopus && record nitehawk; } >r
	run "$KF_TESTS/on-terminal" "stty cols 400 rows 40; kf-build --klipper-dir $tree <r"
	shown=$(/usr/bin/python3 -IS "$KF_TESTS/screen.py" <<<"$output")
	echo "$shown"
	[ "$status" -eq 0 ]
	[[ $output == *"nitehawk: waiting"*"octopus: make -j"* ]]
	[ "$(grep -c '^\[Build\] octopus: v.* bytes in .* s: /.*/klipper.bin$' <<<"$shown")" -eq 1 ]
	[ "$(wc -l <<<"$shown")" -eq 2 ]
}

@test "while make runs, a board's line says what it does, how many files that were, and for how long" {
	load builds
	fresh_tree
	config octopus MACH_STM32 MACH_STM32H723 STM32_FLASH_START_20000
	# The last part waits until its line has been seen.
	printf '\n%s: %s\n\t@echo "  Compiling $@"; until [ -e "%s/go" ]; do read -t 0.1 <> <(:) || :; done; echo >$@; echo >$(@:.o=.d)\n' \
		'$(OUT)src/stepper.o' '$(OUT)src/sched.o $(OUT)src/command.o $(OUT)src/generic/crc16.o' "$PWD" >>"$tree/Makefile"
	sed -i '1i SHELL = /bin/bash' "$tree/Makefile"
	record octopus >r
	run -0 "$KF_TESTS/on-terminal" "stty cols 80 rows 40; kf-build --klipper-dir $tree <r & read -r; touch go; wait" \
		"octopus: Compiling src/stepper.o \\(file [0-9]+\\) [1-9][0-9]* s" "\r"
	[[ $(tr -s '\r\n ' ' ' <<<"$output") == *" bytes in "*" s"* ]]
}

@test "while services are stopped, how long is shown, and told in the end" {
	export KF_DOWN_SINCE=1
	seen 80 "$H723,mode=katapult" -- 'records >r; kf-flash --no-service <r'
	[[ $raw == *"the printer has been down for "*" s"* && $shown != *"has been down"* ]]
}

@test "kf doctor fits 40 columns, with a colour for each mark; into a pipe it is as kf list" {
	seen 40 "$H723" -- 'kf doctor'
	[[ $raw == *$'\e[1;31m[!!]\e[0m'* && $raw == *$'\e[32m[OK]\e[0m'* ]]
	# Only words that are longer than a line go over its end.
	[ "$(awk 'length > 39 && NF > 1 && !/^ *[^ ]+$/' <<<"$shown")" = "" ]
	run --separate-stderr sim "$H723" -- 'kf doctor | cat'
	[[ ${lines[0]} == "["??"] "* && $output != *$'\e'* ]]
}

@test "a question is wrapped at words" {
	run mocked timeout 300 kf-sim -b "$H723" -b "$RP2040" -- "$KF_TESTS/on-terminal" 'stty cols 36; kf; echo "status $?"; stty -a' 'none\]' 'q\r'
	shown=$(/usr/bin/python3 -IS "$KF_TESTS/screen.py" <<<"$output")
	echo "$shown"
	[[ $shown == *"Flash which? [numbers, a for all, q"$'\n'"  for none]"*"status 0"*" icanon"*" echo "* ]]
}

@test "kf status, kf list and kf doctor write tables into a pipe, and records with --json" {
	for command in status list doctor; do
		run --separate-stderr sim "$H723" -- "kf $command | cat"
		[[ $output != "{"* && $output != *$'\e'* && $output != "" ]]
		run --separate-stderr sim "$H723" -- "kf $command --json | cat"
		[[ ${lines[0]} == "{"* ]]
	done
}

@test "the registry's listing is wrapped on a terminal, and a line a board in a pipe" {
	seen 50 "$H723" -- 'kf-config list'
	[[ $shown == *"octopus-pro"*$'\n'"  stm32h723      no configuration"$'\n'* ]]
	[ "$(awk 'length > 49 && NF > 1' <<<"$shown")" = "" ]
	run -0 --separate-stderr sim "$H723" -- 'kf-config list --table'
	[ "${#lines[@]}" -eq 2 ]
}

# fits TEXT [EXPECT SEND]...: what bash shows for TEXT on a terminal of 40 columns has no longer line, but
# for a single word. It is $shown then.
fits() {
	run mocked timeout 300 kf-sim -b "$H723" -b "$RP2040" -b "$CH340" -- "$KF_TESTS/on-terminal" "stty cols 40 rows 40; $1" "${@:2}"
	shown=$(/usr/bin/python3 -IS "$KF_TESTS/screen.py" <<<"$output")
	echo "== $1"
	echo "$shown"
	[ "$shown" != "" ]
	[ "$(awk 'length > 39 && !/^ *[^ ]+$/' <<<"$shown")" = "" ]
}

@test "40 columns: every help" {
	local word
	for word in kf kf-scan kf-status kf-config kf-build kf-flash kf-service kf-doctor kf-sim kf-leased; do
		fits "$word --help"
		fits "$word --no-such-option-of-ours; $word --hepl"
		[[ $shown == *"did you mean"*"--help?"* ]]
	done
	for word in status update add list flash build config show set remove export import doctor options states; do
		fits "kf help $word"
		[[ $word == @(options|states) || $shown == "usage: kf $word"* ]]
	done
}

@test "40 columns: what there is, and what is wrong" {
	export KF_PRINTER_ROOT=$PWD/root
	mkdir -p root/etc/systemd/system printer
	printf '[Service]\nExecStart=/usr/bin/python3 %s/klipper/klippy/klippy.py %s/printer/printer.cfg\n' "$PWD" "$PWD" \
		>root/etc/systemd/system/klipper-a-printer-with-a-long-name.service
	printf '[mcu]\nserial: /dev/serial/by-id/usb-Klipper_rp2040_E6605481DB318C34-if00\n[mcu %s]\ncanbus_uuid: 44db3d634885\n' \
		"Tool Head Number One" >printer/printer.cfg
	registry <<<"$OCTOPUS"
	local command
	for command in "kf status" "kf list" "kf-scan --all" "kf doctor" "kf-config list" "kf show octopus-pro" \
		"kf set octopus-pro nosuch=1" "kf status nosuch" "kf flash nosuch" "kf flash --all --dry-run" "kf update" \
		"kf build octopus-pro --klipper-dir $KF_TESTS/nonexistent" "kf remove nosuch" "kf-service status" "kf nosuch" \
		"kf-scan -q --json | kf-build --table" \
		"kf-scan -q --json | kf-flash --table --no-service" "kf import nosuch" "kf export /proc/x"; do
		fits "$command"
	done
	fits "kf-scan -q --json | kf-config --table" "folder: " "nonesuch\r" "folder: " "q\r"
	# The verdict of a board stands once, whichever stage it is of.
	cp -r "$KF_TESTS/sim/tree" klipper
	mkdir -p "$XDG_CONFIG_HOME/kalico-flash/configs/octopus-pro"
	printf '%s\n' "$H723_CONFIG" CONFIG_SIM_BUILD_FAIL=y >"$XDG_CONFIG_HOME/kalico-flash/configs/octopus-pro/.config"
	for command in flash build; do
		fits "kf $command octopus-pro --klipper-dir $PWD/klipper"
		[ "$(tr -s '\n ' ' ' <<<"$shown" | grep -o "ended with status" | wc -l)" -eq 1 ]
	done
	echo '[include gone.cfg]' >printer/printer.cfg
	fits "kf status"
	[[ $shown == *"  correct it in"* ]]
	rm -r root/etc
	echo '{"devices": {}}' >"$XDG_CONFIG_HOME/kalico-flash/devices.json"
	fits "kf status"
	[[ $shown == *"not asked"* ]]
}

@test "40 columns: questions, and the answers to wrong ones" {
	registry <<<"$BOTH"
	fits kf "none\\]" "7\r" "none\\]" "q\r"
	[[ $shown == *'"7" is not one of'* ]]
	fits "kf flash" "none\\]" "1\r" "folder: " "nonesuch\r" "folder: " "q\r"
	registry <<<'{"devices": {}}'
	fits "kf add" "board: " "x\r" "board: " "1\r" "\]: " "\r" "\]: " "A B\r" "\]: " "q\r"
	[[ $shown == *"  1)"* ]]
}

@test "on 40 columns kf alone keeps to the terminal where nothing is registered" {
	registry <<<'{"devices": {}}'
	seen 40 "$H723" -- kf
	[ "$status" -eq 0 ]
	[[ $(tr -s ' \n' ' ' <<<"$shown") == *"kf add gives a board a name of your own, or has kf leave it alone"* ]]
	[ "$(awk 'length > 39' <<<"$shown")" = "" ]
}
