#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # run sets its variables for functions in here; sim has $ of its own
#
# An image that a board has already is not written again, and no service is stopped for it.
load helper
load flash

setup() {
	setup_flash
	note=$XDG_STATE_HOME/kalico-flash/boards/octopus-pro.json
	has="$H723,app=$IMAGES/h723/klipper.bin"
}

results() { # of records on stdin, those of kf-flash
	jq -c 'select(.flash) | .flash | [.result, .method, .verified]'
}

@test "the same image in the flash: compared, not written, and the board is asked" {
	run -0 --separate-stderr sim "$has" -- 'records | kf-flash'
	valid_records <<<"$output"
	[ "$(results <<<"$output")" = '["current","katapult",["readback","identify"]]' ]
	[ "$(jq -c '[.flash.version_before, .flash.version_after] | unique | length' <<<"$output")" = 1 ]
	[[ $stderr == *"comparing 100%"*"current: "*"nothing was written"* ]]
	[[ $stderr != *writing* ]]
}

@test "the comparison ends at the first block that differs" {
	cp "$IMAGES/h723/klipper.bin" other.bin
	printf '\001' | dd of=other.bin bs=1 seek=70 conv=notrunc status=none
	run -0 --separate-stderr sim "$H723,app=$PWD/other.bin" -- 'records | kf-flash'
	[ "$(results <<<"$output")" = '["flashed","katapult",["readback","identify"]]' ]
	[[ $stderr != *comparing* && $stderr == *"writing 100%"* ]]
}

@test "--force writes the image again, any number of times: Katapult is never wedged" {
	run -0 --separate-stderr sim "$has" -- 'for i in 1 2 3; do records | kf-flash --force; done'
	[ "$(results <<<"$output" | uniq -c | xargs)" = '3 [flashed,katapult,[readback,identify]]' ]
	[[ $stderr != *comparing* && $stderr == *"writing 100%"* ]]
}

@test "the last flash and the board's version fit: the bootloader is not entered" {
	run -0 --separate-stderr sim "$H723,state=board" -- 'records | kf-flash -u klipper'
	[ "$(results <<<"$output")" = '["flashed","katapult",["readback","identify"]]' ]
	: >"$FAKE/calls"
	run -0 --separate-stderr sim "$H723,state=board" -- 'records | kf-flash -u klipper'
	valid_records <<<"$output"
	[ "$(results <<<"$output")" = '["current",null,["identify"]]' ]
	[[ $stderr != *"entering Katapult"* ]]
	[ ! -s "$FAKE/calls" ]
}

# held VERSION COMMAND: while a Klippy holds the board's port that was told VERSION.
held() {
	mkdir -p comms config
	rm -f comms/*
	exec {ready}< <(STATE="ready, idle" PORT=/dev/ttyACM0 MCUS='{"mcu": ["/dev/ttyUSB7", "v0"],
		"mcu head": ["/dev/serial/by-id/usb-Klipper_stm32h723xx_29001A001151313531383332-if00", "'"$1"'"]}' \
		exec /usr/bin/python3 "$KF_TESTS/fake/klippy.py" config/printer.cfg -a comms/klippy.sock 3>&-)
	local klippy=$! s=0
	mkdir -p "root/proc/$klippy"
	export KF_PRINTER_ROOT=$PWD/root
	read -r _ <&"$ready"
	eval "$2" || s=$?
	send_signal TERM "$klippy"
	return $s
}
export -f held

# bats test_tags=slow
@test "the last flash fits, and a Klippy has the port: Klippy tells the version, and no service is stopped" {
	run -0 --separate-stderr sim "$H723,state=board" -- 'records >r
		kf-flash <r | jq -r .flash.version_after >v; held "$(<v)" "records | kf-flash"'
	valid_records <<<"$output"
	[ "$(results <<<"$output")" = '["current",null,["klippy"]]' ]
	[ "$(jq -r .flash.version_after <<<"$output")" = "$(<v)" ]
	[[ $stderr == *"it runs this version, says its Klippy"* ]]
	[ ! -s "$FAKE/calls" ]
	# Flashed by other means since, or not to be asked: that it is current is not said.
	run -75 --separate-stderr sim "$H723,state=board" -- 'held v0.11.0 "records | kf-flash --no-service"'
	[ "$(jq -r .error.code <<<"$output")" = busy ]
	run -75 --separate-stderr sim "$H723,state=board" -- 'exec 9<>/dev/ttyACM0
		records | { exec 9>&-; kf-flash --no-service; }'
	[ "$(jq -r .error.code <<<"$output")" = busy ]
	run -75 --separate-stderr sim "$H723,state=board" -- 'held "$(<v)" "records | kf-flash --no-service --force"'
	[ "$(jq -r .error.code <<<"$output")" = busy ]
}

@test "kf list: the version is that which the board told its Klippy, never that of the last flash" {
	run -0 --separate-stderr sim "$H723" -- 'records | kf-flash -q >/dev/null
		kf list
		held v0.11.0-9-gfeedbeef "kf list; kf-scan -q | jq -r .board.version"'
	[[ ${lines[1]} == *"[OK] octopus-pro"* && ${lines[1]} != *" v"[0-9]* ]]
	[[ ${lines[3]} == *"[OK] octopus-pro"*"v0.11.0-9-gfeedbeef"* ]]
	[ "${lines[-1]}" = v0.11.0-9-gfeedbeef ]
}

@test "the table, and a dry run" {
	run -0 --separate-stderr sim "$H723" -- 'records >r; kf-flash <r >/dev/null
		kf-flash --dry-run --table <r; kf-flash --table <r'
	[[ $stderr == *"would leave it alone: it was last flashed with "*"--force writes it again"* ]]
	[[ ${lines[0]} == "octopus-pro          dry_run    would leave it alone: it was last flashed with "* ]]
	[[ ${lines[1]} == "octopus-pro "*" current "*"it runs this version"* ]]
}

@test "a last flash that the board contradicts is ignored" {
	run -0 --separate-stderr sim "$H723" -- 'records | kf-flash'
	[ -s "$note" ]
	# Flashed since by other means: a new simulation has the old firmware again.
	run -0 --separate-stderr sim "$H723" -- 'records | kf-flash'
	[ "$(results <<<"$output")" = '["flashed","katapult",["readback","identify"]]' ]
}

@test "a last flash of another chip, image or version is ignored" {
	run -0 --separate-stderr sim "$has" -- 'records >r; kf-flash <r >/dev/null; cp '"$note"' noted
		exec 9<>/dev/ttyACM0
		for edit in ".serial = \"29001A001151313531383333\"" ".sha256 = (\"0\" * 64)" ".version = \"v1\""; do
			jq "$edit" noted >'"$note"'
			{ exec 9>&-; kf-flash --no-fallback <r || :; } | cat
		done'
	[ "$(jq -r .error.code <<<"$output" | xargs)" = "busy busy busy" ]
}

@test "a flash that fails has removed the hash of the last flash first" {
	run -0 --separate-stderr sim "$H723,state=board" -- 'records | kf-flash'
	[ "$(jq -r .sha256 "$note")" != "" ]
	run -76 --separate-stderr sim "$H723,state=board,f2=tx:9" -- 'records | kf-flash --force --no-fallback'
	[ "$(jq -r .sha256 "$note")" = "" ]
	[ "$(jq -r .port "$note")" = 1-1.2 ]
	[ "$(stat -c %a "$note")" = 600 ]
}

@test "of two boards only the one that differs is flashed" {
	registry <<<"$BOTH"
	run -0 --separate-stderr sim "$H723,app=$IMAGES/h723/klipper.bin" "$RP2040" -- \
		'{ records; IMAGE=rp2040 records; } | kf-flash'
	[ "$(jq -sr 'map(.board.key + " " + .flash.result) | join(", ")' <<<"$output")" = \
		"octopus-pro current, nitehawk flashed" ]
}

@test "stopped while it compares: nothing was written, and the board is sent back before the service starts" {
	run --separate-stderr sim "$has,rtt_us=2000" -- \
		'records >r; interrupt_at "comparing 25%" kf-flash -u klipper >out; echo $?; kf-scan -q | jq -r .board.mode'
	[ "${lines[*]}" = "130 klipper" ]
	[ "$(jq -r .error.code out)" = interrupted ]
	[ "$(active)" = active ]
	[ ! -e "$note" ] || [ "$(jq .incomplete "$note")" = null ]
}

@test "the comparison fails: nothing was written, and the board is sent back" {
	run -76 --separate-stderr sim "$has,nack=tx:40" -- \
		'records >r; s=0; kf-flash <r >out || s=$?; kf-scan -q | jq -r .board.mode; exit $s'
	[ "$output" = klipper ]
	[[ $stderr == *"want ACK, got NACK"* ]]
}

# not_left_behind SPEC RECORDS [OPTION...]: kf-flash is told to stop while the board goes into its bootloader.
not_left_behind() {
	: >"$FAKE/calls"
	rm -f said
	run -130 --separate-stderr sim "$1,reenum_ms=1000" -- "$2 >r; s=0
		interrupt_at entering kf-flash -u klipper ${*:3} >out || s=\$?
		kf-scan -q | jq -r .board.mode; exit \$s"
	[ "$output" = klipper ]
	[ "$(active)" = active ]
	grep -q Stop "$FAKE/calls"
}

@test "stopped while a board enters its bootloader: it is sent back before the service starts" {
	not_left_behind "$has" records
	not_left_behind "$has" records --read=image --bytes=4096
	build_bare_image
	registry <<<'{"devices":{"ebb":{"mcu":"stm32f446","serial_pattern":"usb-Klipper_stm32f446xx_3B0032000B50314139323520*"}}}'
	not_left_behind mcu=stm32f446xx,serial=3B0032000B50314139323520,katapult=none \
		'records $IMAGES/f446-none/klipper.bin | jq -c .firmware.start=134217728'
	registry <<<"$BOTH"
	not_left_behind "$RP2040,katapult=none" "IMAGE=rp2040 records | jq -c .firmware.start=268451840" --method=picoboot
}
