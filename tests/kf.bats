#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016,SC2154
# Commands and options of kf, and the boards that they choose.
load stages

@test "kf flash KEY runs the four stages on that board" {
	alone kf flash nitehawk
	[ "$status" -eq 0 ]
	[ "$stderr" = "[Discovery] 1 board: nitehawk" ]
	[ "$output" = "$(board nitehawk)" ]
	[ "$(cat "$note/kf-scan.argv")" = "--quiet --device nitehawk" ]
	[ "$(cat "$note"/kf-{config,build,flash}.argv | tr -d '\n')" = "" ]
	# Before the configuration and, with it, before the build.
	[ "$(cat "$note/kf-check.argv")" = $'--check --json\n--check --json' ]
	[ "$(keys_in kf-config)" = nitehawk ]
	[ "$(keys_in kf-flash)" = nitehawk ]
}

@test "records reach the stages exactly as kf-scan wrote them" {
	board odd '.board.name = "Ünïcode \"x\"" | .unknown = {b: 1, a: [null, 1.5]}' >"$note/records.jsonl"
	alone kf flash --all
	[ "$status" -eq 0 ]
	[ "$(jq -Sc . "$note/kf-config.in")" = "$(jq -Sc . "$note/records.jsonl")" ]
	[[ $(cat "$note/kf-config.in") == *'"unknown":{"b":1,"a":[null,1.5]}'* ]]
}

@test "several keys, one of them twice, one of them not connected" {
	alone kf flash nitehawk gone octopus-pro nitehawk
	[ "$status" -eq 69 ]
	[ "${stderr_lines[0]}" = "kf-scan: gone: is not connected" ]
	[ "${stderr_lines[1]}" = "[Discovery] 2 boards: nitehawk, octopus-pro" ]
	[ "${#stderr_lines[@]}" -eq 2 ]
	[ "$(keys_in kf-flash)" = "nitehawk octopus-pro" ]
}

@test "a key that is not registered: no board is flashed" {
	fake kf-scan '[[ $* == *octopus-pro ]] && cat "$note/records.jsonl" && exit
		echo "kf-scan: nitehwk: not registered" >&2; exit 78'
	alone kf flash octopus-pro nitehwk
	[ "$status" -eq 78 ]
	[ "$stderr" = "kf-scan: nitehwk: not registered" ]
	run ! ran kf-config
}

@test "kf flash --all takes the registered boards" {
	{
		board octopus-pro
		board '' '.board.key = null | .board.by_id = "/dev/serial/by-id/usb-Klipper_x-if00"'
		board beacon '.board.excluded = true'
		board ambiguous '.board.key = null | .board.tty = "/dev/ttyACM7"
			| .error = {tool: "kf-scan", code: "ambiguous", message: "two fit"}'
	} >"$note/records.jsonl"
	scans 'exit 78'
	fake kf-flash 'cat; exit 1'
	alone kf flash --all
	[ "$status" -eq 1 ]
	[ "$stderr" = "[Discovery] 3 boards: octopus-pro, beacon, /dev/ttyACM7" ]
	[ "$(keys_in kf-flash)" = "octopus-pro beacon null" ]
}

@test "kf flash --all: kf-flash reports a registered board that is not connected" {
	{
		board octopus-pro
		board toolhead '.board.connected = false | .board.mode = null'
	} >"$note/records.jsonl"
	alone kf flash --all
	[ "$status" -eq 0 ]
	[ "$(cat "$note/kf-scan.argv")" = "--quiet --all" ]
	[ "$stderr" = "[Discovery] 1 board: octopus-pro; not connected: toolhead" ]
	[ "$(keys_in kf-flash)" = "octopus-pro toolhead" ]
}

@test "kf flash --all without a connected board: kf-flash reports each registered one" {
	{
		board octopus-pro '.board.connected = false | .board.mode = null'
		board toolhead '.board.connected = false | .board.mode = null'
		board '' '.board.key = null | .board.mode = "other"'
	} >"$note/records.jsonl"
	cp "$KF_BUILD/kf-flash" "$stages"
	alone kf flash --all --table
	[ "$status" -eq 69 ]
	[ "$output" = "octopus-pro          skipped    not connected
toolhead             skipped    not connected" ]
	[ "${stderr_lines[-2]}" = "kf: no registered board is connected" ]
	run ! ran kf-config
}

@test "no board at all: the message and status are those of kf-scan" {
	scans 'echo "kf-scan: no USB board found" >&2; exit 69'
	: >"$note/records.jsonl"
	alone kf flash --all
	[ "$status" -eq 69 ]
	[ "$stderr" = "kf-scan: no USB board found" ]
	run ! ran kf-config
}

@test "only unregistered boards are connected: the hint is kf add" {
	board '' '.board.key = null | .board.by_id = "/dev/serial/by-id/usb-Klipper_x-if00"' >"$note/records.jsonl"
	alone kf flash --all
	[ "$status" -eq 78 ]
	[ "${stderr_lines[0]}" = "kf: usb-Klipper_x-if00 is connected, but it is not registered" ]
	[ "${stderr_lines[1]}" = "  register it with kf add" ]
	run ! ran kf-config
}

@test "kf-scan's output is not a record: an error" {
	scans 'echo "{\"kf\":1,"'
	alone kf flash --all
	[ "$status" -eq 65 ]
	[[ ${stderr_lines[0]} == "kf: kf-scan's output: line 3"* ]]
	run ! ran kf-config
}

@test "options are passed to the stages that know them" {
	alone kf flash octopus-pro --menuconfig -j4 --klipper-dir /k --build-timeout=9 --method make_flash \
		--no-fallback --no-service -n -u a -u b --flash-timeout 7 --json -q --katapult-dir /c \
		--return-timeout 5 --while-unknown --accept-drift
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
	[ "$(cat "$note/kf-config.argv")" = "--klipper-dir /k --quiet --accept-difference --menuconfig" ]
	[ "$(cat "$note/kf-build.argv")" = "--jobs 4 --klipper-dir /k --timeout 9 --quiet" ]
	[ "$(cat "$note/kf-flash.argv")" = "--klipper-dir /k --method make_flash --no-fallback --no-service --dry-run --unit a --unit b --timeout 7 --json --quiet --katapult-dir /c --return-timeout 5 --while-unknown" ]
	[ "$(sort -u "$note/kf-check.argv")" = "--check --json --klipper-dir /k --method make_flash --no-fallback --no-service --unit a --unit b --quiet --katapult-dir /c --while-unknown" ]
}

@test "an option that no stage of the command knows is an error" {
	alone kf build octopus-pro --no-service
	[ "$status" -eq 64 ]
	[ "${stderr_lines[0]}" = "kf: build takes no --no-service" ]
	alone kf flash --bogus
	[ "$status" -eq 64 ]
	[ "${stderr_lines[0]}" = "kf: unrecognized option '--bogus'" ]
	alone kf flash --all octopus-pro
	[ "$status" -eq 64 ]
	run ! ran kf-scan
}

@test "a value that a stage would refuse is refused once, before anything starts" {
	for option in --jobs=0 -j=x --build-timeout=0 --method=bogus --wait=abc --flash-timeout=0 --return-timeout=-1 \
		--return-delay=x --klipper-dir= --katapult-dir=; do
		alone kf flash nobody "$option"
		[ "$status" -eq 64 ]
		[[ ${stderr_lines[0]} == "kf: --"* ]]
		[[ ${stderr_lines[1]} == "  "* ]]
		[ "${#stderr_lines[@]}" -eq 2 ]
	done
	run ! ran kf-scan
}

@test "a word of 500 options on the command line is passed on" {
	alone kf flash octopus-pro "-$(printf 'q%.0s' {1..500})"
	[ "$status" -eq 0 ]
	[ "$(wc -w <"$note/kf-flash.argv")" -eq 500 ]
}

@test "kf build ends with kf-build" {
	{
		board octopus-pro
		board gone '.board.connected = false | .board.mode = null'
	} >"$note/records.jsonl"
	alone kf build --all --table
	[ "$status" -eq 0 ]
	[ "$stderr" = "[Discovery] 1 board: octopus-pro; not connected: gone" ]
	[ "$(cat "$note/kf-build.argv")" = "--table" ]
	[ "$(keys_in kf-build)" = "octopus-pro gone" ]
	run ! ran kf-flash
}

@test "kf config KEY edits that board's configuration" {
	alone kf config octopus-pro
	[ "$status" -eq 0 ]
	[ "$(cat "$note/kf-scan.argv")" = "--quiet --all --device octopus-pro" ]
	[ "$(cat "$note/kf-config.argv")" = "--menuconfig" ]
	run ! ran kf-build
}

@test "kf config KEY --from FILE opens no menuconfig, and both at once are refused" {
	alone kf config octopus-pro --from file
	[ "$status" -eq 0 ]
	[ "$(cat "$note/kf-config.argv")" = "--from file" ]
	rm "$note"/kf-*
	for command in config flash; do
		alone kf "$command" octopus-pro -m --from file
		[ "$status" -eq 64 ]
		[ "${stderr_lines[0]}" = "kf: --menuconfig and --from exclude each other" ]
	done
	run ! ran kf-scan
}

@test "kf build and kf config need no board that is plugged in" {
	need pty
	away() { board "$1" '.board.connected = false | .board.mode = null | .board.tty = null'; }
	{ away octopus-pro && away nitehawk; } >"$note/records.jsonl"
	for words in "build --all" "build octopus-pro nitehawk" "config --all"; do
		rm -f "$note"/kf-*
		# shellcheck disable=SC2086
		alone kf $words
		[ "$status" -eq 0 ] || { echo "$words: $status $stderr" && false; }
		[ "$(keys_in kf-config)" = "octopus-pro nitehawk" ]
	done
	run ! ran kf-flash
	# If somebody is asked, these boards can be chosen.
	run "$KF_TESTS/on-terminal" 'kf build' 'which' '2\r'
	[ "$status" -eq 0 ]
	alone kf flash octopus-pro --all
	[ "$status" -eq 64 ]
	alone kf flash --all
	[ "$status" -eq 69 ]
}

@test "--all: menuconfig does not open for boards that have a configuration" {
	for words in "flash --all" "build --all"; do
		rm -f "$note"/kf-*
		# shellcheck disable=SC2086
		alone kf $words
		[[ $(cat "$note/kf-config.argv") == --saved* ]]
	done
	[ "$(cat "$note/kf-config.argv")" = --saved ]
}

@test "kf add passes the connected boards to kf-config" {
	board '' '.board.key = null' >"$note/records.jsonl"
	alone kf add --key nitehawk --name 'My board'
	[ "$status" -eq 0 ]
	[ "$(cat "$note/kf-scan.argv")" = "--quiet" ]
	[ "$(cat "$note/kf-config.argv")" = "add --key nitehawk --name My board" ]
	[ "$(keys_in kf-config)" = null ]
}

@test "kf add needs no board for --help, or with --pattern" {
	alone kf add --key a --help </dev/null
	alone kf add --key a --pattern='usb-Klipper_*' </dev/null
	[ "$status" -eq 0 ]
	run ! ran kf-scan
	[ "$(cat "$note/kf-config.argv")" = "add --key a --help
add --key a --pattern=usb-Klipper_*" ]
}

@test "kf list, show, set, remove, export, import and any other kf-NAME" {
	fake kf-other 'cat; echo "$0 $*"; exit 42'
	alone kf list --json </dev/null
	alone kf show octopus-pro </dev/null
	alone kf set --global klipper_dir=/k </dev/null
	alone kf remove octopus-pro --yes </dev/null
	alone kf export </dev/null
	alone kf import x </dev/null
	[ "$(cat "$note/kf-scan.argv")" = "--all --table --json" ]
	[ "$(cat "$note/kf-config.argv")" = "show octopus-pro
set --global klipper_dir=/k
remove octopus-pro --yes
export
import x" ]
	alone kf other -h --x < <(echo input)
	[ "$status" -eq 42 ]
	[ "$output" = "input
$stages/kf-other -h --x" ]
}

@test "the Python tool's options" {
	alone kf --device nitehawk
	[ "$status" -eq 0 ]
	[ "$(keys_in kf-flash)" = nitehawk ]
	alone kf --list-devices </dev/null
	alone kf --remove-device nitehawk </dev/null
	alone kf --add-device
	[ "$(cat "$note/kf-scan.argv")" = "--quiet --device nitehawk
--all --table
--quiet" ]
	[ "$(cat "$note/kf-config.argv")" = "
remove nitehawk
add" ]
}

@test "a command after options is not taken for a board" {
	fake kf-other ''
	alone kf --json list
	[ "$status" -eq 64 ]
	[ "${stderr_lines[0]}" = "kf: list is a command: put it before all options" ]
	[ "${stderr_lines[1]}" = "  kf list --json" ]
	alone kf -n build octopus-pro
	[ "${stderr_lines[1]}" = "  kf build -n octopus-pro" ]
	for word in other help; do
		alone kf -q "$word"
		[ "$status" -eq 64 ]
		[ "${stderr_lines[1]}" = "  kf $word -q" ]
	done
	run ! ran kf-scan
	alone kf -q octopus-pro
	[ "$status" -eq 0 ]
	[ "$(keys_in kf-flash)" = octopus-pro ]
}

@test "an unknown command is an error that says where the commands are" {
	alone kf flahs
	[ "$status" -eq 64 ]
	[ "${stderr_lines[0]}" = 'kf: there is no command "flahs"' ]
	[ "${stderr_lines[1]}" = "  did you mean kf flash? kf --help lists the commands" ]
	alone kf dcotor
	[ "${stderr_lines[1]}" = "  did you mean kf doctor? kf --help lists the commands" ]
	for command in nonesuch ../kf ls; do
		alone kf "$command"
		[ "$status" -eq 64 ]
		[ "${stderr_lines[1]}" = "  kf --help lists the commands" ]
	done
}

@test "help and version" {
	alone kf --help
	[ "$status" -eq 0 ]
	[[ $output == "usage: kf "* ]]
	[ "$stderr" = "" ]
	[ "$(kf -h)" = "$(kf help)" ]
	[ "$(kf flash -h)" = "$(kf help flash)" ]
	[ "$(kf help help)" = "$(kf help)" ]
	alone kf help flash build
	[ "$status" -eq 64 ]
	[ "${stderr_lines[0]}" = 'kf: help: it takes no "build"' ]
	[[ $(kf -V) == "kf "* ]]
	fake kf-scan 'echo "scan: $*"'
	fake kf-flash 'echo "flash: $*"'
	[ "$(kf help scan </dev/null)" = "scan: --help" ]
	fake kf-config 'echo "config: $*"'
	[ "$(kf help show </dev/null)" = "config: show --help" ]
	alone kf help nothing
	[ "$status" -eq 64 ]
	run --separate-stderr bash -c 'kf --help >/dev/full'
	[ "$status" -eq 74 ]
	[[ $stderr == "kf: cannot write to standard output"* ]]
}

@test "kf --help fits 24 lines of 80 columns, and so does each line of other help" {
	[ "$(kf --help | wc -l)" -le 24 ]
	for words in --help "help options" "help states" "flash -h" "build -h" "config -h" "update -h" "status -h" "list -h" "doctor -h"; do
		# shellcheck disable=SC2086
		kf $words >"$BATS_TEST_TMPDIR/help"
		[ "$(awk 'length > 80' "$BATS_TEST_TMPDIR/help")" = "" ]
	done
}

@test "the help of a command names its own options only" {
	[[ $(kf build --help) == "usage: kf build "*--jobs*--clean* && $(kf build --help) != *--force* ]]
	[[ $(kf flash --help) == "usage: kf flash "*--jobs*--force* ]]
	[[ $(kf config --help) == "usage: kf config "*--from-board* && $(kf config --help) != *--jobs* ]]
	[[ $("$KF_BUILD/kf" remove --help) == "usage: kf remove "*--delete-config*--quiet* && $("$KF_BUILD/kf" remove --help) != *--menuconfig* ]]
	[[ $("$KF_BUILD/kf" set --help) == "usage: kf set "*--global* && $("$KF_BUILD/kf" show --help) != *--global* ]]
}

@test "a command that is a tool's answers by its own name, and its help is its own" {
	local command
	for command in status list doctor; do
		run -0 "$KF_BUILD/kf" $command --help
		[[ ${lines[0]} == "usage: kf $command "* ]]
		[[ $output == *"  -q, --quiet "* && $output != *"usage: kf-"* && $output != *--keys* ]]
		[ "$output" = "$("$KF_BUILD/kf" help $command)" ]
		[ "$output" = "$("$KF_BUILD/kf" $command -q -h)" ]
	done
	for command in status list doctor set show remove import export; do
		run -64 --separate-stderr "$KF_BUILD/kf" $command --hepl
		[ "$stderr" = "kf $command: unrecognized option '--hepl'
  did you mean --help? see kf $command --help" ]
	done
	run -64 --separate-stderr "$KF_BUILD/kf" list beside
	[ "$stderr" = "kf list: beside: takes no arguments, only options
  see kf list --help" ]
	# Every state that kf status can show is explained.
	for state in "up to date" "behind by" "ahead by" differs incomplete "in its bootloader" "not connected" "firmware of others" \
		"not asked" "of no printer here" printing "Klippy runs another version than its tree has"; do
		[[ $("$KF_BUILD/kf" help states) == *"$state"* ]]
	done
}

@test "what getopt would say is said once, and the option that was meant is named" {
	said() { # TEXT OPTION...
		run -64 --separate-stderr "$KF_BUILD/kf" "${@:2}"
		echo "$stderr"
		[ "${stderr_lines[0]}" = "kf: $1" ]
		[ "${#stderr_lines[@]}" -eq 2 ]
	}
	said "unrecognized option '--bogus'" flash --bogus=1
	said "option '--from' requires an argument" flash --from
	said "option '--force' doesn't allow an argument" flash --force=1
	said "option '--re' is ambiguous; possibilities: --replace-bootloader --return-timeout --return-delay --remove-device" flash --re
	said "option requires an argument -- 'j'" flash -qj
	said "invalid option -- 'x'" flash --jobs=3 -xq
	said "invalid option -- 'x'" flash -x
}

@test "nobody to ask, and nothing registered: the hint names no key" {
	registry <<<'{"devices": {}}'
	alone kf
	[ "$status" -eq 64 ]
	[ "$stderr" = "kf: there is no terminal for questions
  kf update --yes needs no registration; kf add registers a board" ]
}

@test "a command may be shortened while one alone begins so" {
	alone kf fl nitehawk
	[ "$status" -eq 0 ]
	[ "$(keys_in kf-flash)" = nitehawk ]
	alone kf s
	[ "$status" -eq 64 ]
	[[ ${stderr_lines[0]} == 'kf: "s" begins several commands: status, show, set, '*scan* ]]
	fake kf-s 'echo mine'
	[ "$(kf s)" = mine ]
	[ "$(kf he)" = "$(kf help)" ]
}

@test "a key may be shortened, and which board that is is said" {
	registry <<<'{"devices":{"octopus-pro":{"name":"O","mcu":"stm32h723","serial_pattern":"usb-Klipper_stm32h723xx_1*"},
		"octopus-max":{"name":"M","mcu":"stm32h723","serial_pattern":"usb-Klipper_stm32h723xx_2*"},
		"nitehawk":{"name":"N","mcu":"rp2040","serial_pattern":"usb-Klipper_rp2040_E66*"},
		"beacon":{"name":"B","mcu":"rp2040","serial_pattern":"usb-Beacon*","flashable":false}}}'
	cp "$KF_BUILD/kf-scan" "$stages" # the first stage knows the keys
	export KF_PRINTER_ROOT=$BATS_TEST_TMPDIR/none
	alone kf build nite
	[ "$status" -eq 0 ]
	[ "${stderr_lines[0]}" = '[Discovery] "nite" is nitehawk' ]
	[ "$(keys_in kf-build)" = nitehawk ]
	# One board, however it was called.
	rm "$note"/kf-*
	alone kf build nite nitehawk nit
	[ "$(keys_in kf-build)" = nitehawk ]
	rm "$note"/kf-*
	alone kf flash octo
	[ "$status" -eq 64 ]
	[ "${stderr_lines[0]}" = 'kf-scan: "octo" begins several keys: octopus-pro, octopus-max' ]
	alone kf build bea
	[ "$status" -eq 64 ]
	[ "${stderr_lines[0]}" = 'kf-scan: "bea" begins only beacon, which is excluded' ]
	run ! ran kf-config
	alone kf show nite
	[ "$(cat "$note/kf-config.argv")" = "show nitehawk" ]
	# A board to be removed is named by its whole key.
	alone kf remove nite
	[ "$(tail -1 "$note/kf-config.argv")" = "remove nite" ]
	alone kf nitehawk
	[ "${stderr_lines[1]}" = "  nitehawk is a board: kf flash nitehawk" ]
}

@test "an option that is mistyped: which one was meant" {
	alone kf flash --menuconfg
	[ "$status" -eq 64 ]
	[ "${stderr_lines[1]}" = "  did you mean --menuconfig? see kf flash --help" ]
	alone kf flash --jobs
	[ "${stderr_lines[1]}" = "  see kf flash --help" ]
	run --separate-stderr "$KF_BUILD/kf-scan" --folow
	[ "${stderr_lines[1]}" = "  did you mean --follow? see kf-scan --help" ] || { echo "$stderr"; false; }
}

@test "under sudo one message says whose registry is used" {
	local root=(env)
	[ "$(id -u)" -eq 0 ] || root=(unshare --map-root-user)
	"${root[@]}" true 2>/dev/null || skip "not root, and unshare does not work here"
	registry <<<'{}'
	file=$XDG_CONFIG_HOME/kalico-flash/devices.json
	SUDO_USER=nobody run -0 --separate-stderr "${root[@]}" kf show
	[ "$stderr" = "[Registry] with sudo, this is the registry of root, $file: without sudo, that of nobody is used" ]
	for quiet in 'kf show -q' 'kf -h' 'kf help'; do
		# shellcheck disable=SC2086
		SUDO_USER=nobody run -0 --separate-stderr "${root[@]}" $quiet
		[ "$stderr" = "" ]
	done
	SUDO_USER=root run -0 --separate-stderr "${root[@]}" kf show
	[ "$stderr" = "" ]
	unset SUDO_USER
	run -0 --separate-stderr kf show
	[ "$stderr" = "" ]
}
