#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# What a board has already is not written again; who holds its port is not disturbed for it.
load helper
load fake/systemd
load boards

setup_file() {
	build_images
	export FAKE=$BATS_FILE_TMPDIR/fake
	mkdir "$FAKE"
	start_systemd "$BATS_FILE_TMPDIR/bus"
}

teardown_file() {
	kill "$FAKE_PID" "$BUS_PID"
}

setup() {
	fresh_home
	PATH=$KF_TESTS/fake/bin:$PATH
	cd "$BATS_TEST_TMPDIR" || return
	: >"$FAKE/calls"
	units klipper.service active
	registry <<<"$OCTOPUS"
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

@test "--force writes it all the same" {
	run -0 --separate-stderr sim "$has" -- 'records | kf-flash --force'
	[ "$(results <<<"$output")" = '["flashed","katapult",["readback","identify"]]' ]
	[[ $stderr != *comparing* && $stderr == *"writing 100%"* ]]
	run -0 --separate-stderr sim "$has" -- 'records | kf-flash --force'
	[ "$(results <<<"$output")" = '["flashed","katapult",["readback","identify"]]' ]
}

@test "noted and on the port's word: not even the bootloader is entered" {
	run -0 --separate-stderr sim "$H723,state=board" -- 'records | kf-flash -u klipper'
	[ "$(results <<<"$output")" = '["flashed","katapult",["readback","identify"]]' ]
	: >"$FAKE/calls"
	run -0 --separate-stderr sim "$H723,state=board" -- 'records | kf-flash -u klipper'
	valid_records <<<"$output"
	[ "$(results <<<"$output")" = '["current",null,["identify"]]' ]
	[[ $stderr != *"entering Katapult"* ]]
	[ ! -s "$FAKE/calls" ]
}

@test "noted, and its port is in use: nobody is disturbed, and it says what it did not ask" {
	run -0 --separate-stderr sim "$H723" -- 'records | kf-flash >/dev/null
		exec 9<>/dev/ttyACM0
		records | { exec 9>&-; kf-flash; }'
	valid_records <<<"$output"
	[ "$(results <<<"$output")" = '["current",null,[]]' ]
	[ "$(jq -r .flash.version_after <<<"$output")" = null ]
	[[ $stderr == *"its port is in use, so it was not asked"* ]]
	run -75 --separate-stderr sim "$H723,state=board" -- 'records | kf-flash --force >/dev/null
		exec 9<>/dev/ttyACM0
		records | { exec 9>&-; kf-flash --force; }'
	[ "$(jq -r .error.code <<<"$output")" = busy ]
}

@test "the table, and a dry run" {
	run -0 --separate-stderr sim "$H723" -- 'records >r; kf-flash <r >/dev/null
		kf-flash --dry-run --table <r; kf-flash --table <r'
	[[ $stderr == *"would leave it alone: it was last flashed with "*"--force writes it again"* ]]
	[[ ${lines[1]} == "octopus-pro "*" current "*"it runs this version"* ]]
}

@test "notes that the board contradicts are not believed" {
	run -0 --separate-stderr sim "$H723" -- 'records | kf-flash'
	[ -s "$note" ]
	# Flashed since by other means: a new simulation has the old firmware again.
	run -0 --separate-stderr sim "$H723" -- 'records | kf-flash'
	[ "$(results <<<"$output")" = '["flashed","katapult",["readback","identify"]]' ]
}

@test "notes of another chip, another image or another version are not believed" {
	local edit
	for edit in '.serial = "29001A001151313531383333"' '.sha256 = ("0" * 64)' '.version = "v1"'; do
		run -0 --separate-stderr sim "$has" -- 'records >r; kf-flash <r >/dev/null
			jq '"'$edit'"' '"$note"' >new; mv new '"$note"'
			exec 9<>/dev/ttyACM0; records | { exec 9>&-; kf-flash --no-fallback; } || :'
		[ "$(jq -r .error.code <<<"$output")" = busy ]
	done
}

@test "a flash that fails strikes the hash out first" {
	run -0 --separate-stderr sim "$H723,state=board" -- 'records | kf-flash'
	[ "$(jq -r .sha256 "$note")" != "" ]
	run -1 --separate-stderr sim "$H723,state=board,f2=tx:9" -- 'records | kf-flash --force --no-fallback'
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
