#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# Every code that kalico-flash(7) lists is caused here as a user would cause it, on a board alone; the
# tool's exit status is the one that the page prints for it, and the record has the code.
load helper
load flash

# Nobody can cause these from outside, or only as another test does: can_bus by tests/can/kf-flash-killed.bats.
elsewhere='internal verify_failed not_saved interrupted can_bus'

# caused CODE COMMAND...: its status is CODE's, and so is its record's code, where it writes one.
caused() {
	local code=$1
	shift
	echo "$code" >>"$BATS_FILE_TMPDIR/caused"
	run --separate-stderr "$@"
	echo "$code: $status: $output: $stderr"
	[ "$status" = "$(status_of "$code")" ]
	[ "$stderr" != "" ]
	[ "$output" = "" ] || [ "$(jq -r .error.code <<<"$output")" = "$code" ]
}

# flashed CODE SPEC [ARG...]: kf-flash on this board, with the image h723.
flashed() {
	caused "$1" sim "$2" -- "records | kf-flash --no-fallback --return-timeout 1 ${*:3}"
}

# built CODE COMMAND: kf-scan | COMMAND on a board with a saved configuration and ~/klipper.
built() {
	caused "$1" sim "$H723" -- "config >r; $2"
}

@test "statuses: errors before the scan" {
	caused usage kf-flash --bogus
	caused bad_record kf-flash <<<'{"kf":1,'
	caused newer_record kf-build <<<'{"kf":99,"board":{}}'
	caused io sim "$H723" -- 'kf-flash --port /dev/ttyACM0 --firmware nothing.bin'
	caused not_registered sim "$H723" -- 'kf flash nonesuch'
	echo '{' >"$XDG_CONFIG_HOME/kalico-flash/devices.json"
	caused config kf-scan
	for pass in "kf-config list" "kf flash --all" "kf-scan | kf-config"; do
		caused config bash -o pipefail -c "$pass"
	done
}

@test "statuses: boards that are not connected" {
	caused nothing_connected sim "$H723,off" -- 'kf flash --all >rows'
	[ "$(jq -c '[.board.key, .error, .flash.result]' rows)" = '["octopus-pro",null,"skipped"]' ]
	caused nothing_connected sim "$H723,off" -- 'kf-scan'
	caused not_connected sim "$RP2040" -- 'kf flash octopus-pro'
	caused not_connected sim "$H723" -- 'kf-flash --port /dev/ttyACM9 --firmware "$IMAGES/h723/klipper.bin"'
	caused not_connected sim "$RP2040" -- 'kf-flash --port /dev/null --firmware "$IMAGES/h723/klipper.bin"'
	registry <<<'{"devices":{"a":{"name":"A","mcu":"stm32h723","serial_pattern":"usb-*_stm32h723xx_*"},
		"b":{"name":"B","mcu":"stm32h723","serial_pattern":"usb-Klipper_stm32h723xx_29*"}}}'
	caused ambiguous sim "$H723" -- 'kf-scan'
}

# bats test_tags=slow
@test "statuses: boards that cannot be built" {
	caused no_config sim "$H723" -- 'setsid -w kf flash octopus-pro --klipper-dir "$KF_TESTS/sim/tree"'
	built no_tree 'kf-scan -q | kf-config'
	built no_tree 'kf flash octopus-pro'
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	built no_firmware 'kf-scan -q | kf-flash'
	# The board's commit is in no tree here.
	caused not_proved sim "$H723" -- 'kf-scan -q | setsid -w kf-config --prove --klipper-dir "$KF_TESTS/sim/tree"'
	H723_CONFIG='CONFIG_MACH_STM32=y
CONFIG_MACH_STM32H723=y
CONFIG_STM32_SERIAL_USART1=y' built config_difference 'kf-scan -q | kf-config'
	H723_CONFIG+=$'\nCONFIG_SIM_BUILD_FAIL=y' built build_failed 'kf-build <r'
	built timeout 'kf-build --clean --timeout 0.01 <r'
	built permission 'chmod 777 "$XDG_CACHE_HOME/kalico-flash/build"; kf-build <r'
	chmod 755 "$XDG_CACHE_HOME/kalico-flash/build"
	built no_toolchain 'echo "CROSS_PREFIX = nonesuch-" >>"$HOME/klipper/src/stm32/Makefile"; kf-build <r'
}

# bats test_tags=slow
@test "statuses: images for another board" {
	echo junk >junk.bin
	caused bad_image sim "$H723" -- 'kf-flash --port /dev/ttyACM0 --firmware junk.bin'
	caused mcu_mismatch sim "$H723" -- 'kf-flash --port /dev/ttyACM0 --firmware "$IMAGES/f446/klipper.bin"'
	flashed wrong_offset "$H723,start=0x8010000"
	cp "$IMAGES/h723/klipper.bin" big.bin
	truncate -s 917505 big.bin
	caused too_large sim "$H723" -- 'records "$PWD/big.bin" | kf-flash'
}

# bats test_tags=slow
@test "statuses: flashes that fail" {
	flashed gone "$H723,return_as=never"
	flashed timeout "$H723,stall=tx:40" --timeout 0.5
	flashed protocol "$H723,f2=tx:40"
	flashed no_katapult "$H723,katapult=none"
	flashed left_in_bootloader "$H723,return_as=dfu"
	idle_flash
	built wrong_version 'kf-build -q <r | kf-flash -q --method make_flash'
	built unverified 'kf-build -q <r >b; kf-scan -q >now
		printf "flash:\n\techo >>\$(OUT)klipper.bin\n" >>"$HOME/klipper/Makefile"
		kf-flash -q --method make_flash <b'
	built flash_failed 'kf-build -q <r >b; printf "flash:\n\texit 1\n" >>"$HOME/klipper/Makefile"
		kf-flash -q --method make_flash <b'
}

# bats test_tags=slow
@test "statuses: ports, trees and files that another process uses" {
	local lock=/sys/bus/usb/devices/1-1:1.0/1-1-port2
	mkdir -p pd/comms pd/config pd/logs
	caused busy sim "$H723" -- "flock -o $lock bash -c 'records | kf-flash --wait 0'"
	for said in printing:printing refuse:printer_unknown; do
		mode=${said%:*}
		caused "${said#*:}" sim "$H723" -- "
			rm -f pd/comms/klippy.sock
			exec {ready}< <(PORT=/dev/ttyACM0 STATE=printing MODE=${mode#printing} exec /usr/bin/python3 \
				\"\$KF_TESTS/fake/klippy.py\" pd/config/printer.cfg -l pd/logs/klippy.log \
				-a pd/comms/klippy.sock 3>&-)
			klippy=\$!; read -r _ <&\"\$ready\"; s=0
			kf-scan -q | kf-flash --check || s=\$?
			send_signal TERM \$klippy; exit \$s"
	done
}

# bats test_tags=slow
@test "--wait=0: no stage waits for another process" {
	local lock=/sys/bus/usb/devices/1-1:1.0/1-1-port2
	local board=$XDG_CACHE_HOME/kalico-flash/configs/octopus-pro/lock
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	mkdir -p "$HOME/klipper/src/extras/mine"
	idle_flash
	built busy "flock $board timeout 10 kf build octopus-pro --wait=0"
	caused busy sim "$H723" -- "flock -o $lock timeout 10 kf flash octopus-pro --wait=0"
	[[ $stderr != *waiting* ]]
	linked=$XDG_CACHE_HOME/kalico-flash/linked/$(printf %s "$HOME/klipper" | sha256sum | cut -c1-16)
	mkdir -p "$linked" # where make flash runs
	built busy "kf-build -q <r >b; flock $linked timeout 10 kf-flash --method make_flash --wait=0 <b"
	touch "$HOME/klipper/src/extras/mine/Kconfig"
	built busy 'flock "$HOME/klipper/src/extras" timeout 10 kf-build --clean --wait=0 <r'
	built busy 'flock "$HOME/klipper/src/extras" timeout 10 kf-config --wait=0 <r'
	# A unit that is just being restored: lib/systemd/pending.h.
	mkdir -p "$LEASED/restarts"
	caused busy timeout 10 flock "$LEASED/restarts/klipper.service" kf-service hold --wait=0 -- true
}

@test "statuses: services" {
	caused service kf-service hold -u klipper-nonesuch -- true
	jq '.units["klipper.service"].start = {"result": "failed", "then": "failed"}' "$FAKE/state.json" >n
	mv n "$FAKE/state.json"
	caused service_lost kf-service hold -- true
}

# bats test_tags=slow
@test "every code of the page was tested above, or is listed here with a reason" {
	{
		cat "$BATS_FILE_TMPDIR/caused"
		tr ' ' '\n' <<<"$elsewhere"
	} | sort -u >all
	sed -nE 's/^\.It Li ([a-z_]+) Pq .*/\1/p' "$tests/../man/kalico-flash.7" | sort | diff - all
}
