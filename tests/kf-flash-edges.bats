#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # run sets its variables for functions in here; sim has $ of its own
#
# Katapult's edges, each way in which a board can fail to come back, and the boards that are
# never touched.
load helper
load boards

# flash SPEC... [-- ARG...]: the boards' records through kf-flash, without other methods; $status, the
# record in $output. The board's state is kept in the file board.
flash() {
	local boards=() args="--no-fallback --return-timeout 1"
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		boards+=("$1")
		shift
	done
	[ $# -eq 0 ] || args+=" ${*:2}"
	run --separate-stderr sim "${boards[@]}" -- "records | kf-flash $args"
	[ -z "$output" ] || valid_records <<<"$output"
}

# ends STATUS WORD: the record says so, as its result and as its error or in place of one.
ends() {
	echo "$status $output $stderr" >&2
	[ "$status" -eq "$1" ]
	[ "$(jq -r .flash.result <<<"$output")" = "$2" ]
	[ "$(jq -r '.error.code // .flash.result' <<<"$output")" = "$2" ]
}

hint() {
	jq -r .error.hint <<<"$output"
}

verified() {
	jq -c .flash.verified <<<"$output"
}

# Katapult

# bats test_tags=slow
@test "a bad frame wedges Katapult: each run says what to do, and after a power-cycle the board is flashed" {
	run --separate-stderr sim "$H723,corrupt=tx:40" -- '
		records | kf-flash --no-fallback
		records | kf-flash --no-fallback
		by_hand button 1-1.2
		records | kf-flash --no-fallback'
	echo "$status $output $stderr" >&2
	[ "$(jq -sc 'map([.error.code, .flash.result])' <<<"$output")" = \
		'[["protocol","protocol"],["timeout","timeout"],[null,"flashed"]]' ]
	[ "$(jq -sc '.[:2] | map(.error.hint | test("power-cycle")) | all' <<<"$output")" = true ]
	[[ $stderr == *"CONNECT: no answer in time; the firmware on it is incomplete"* ]]
}

@test "CONNECT: an answer of 64 bytes, an answer one request late, an answer without a version" {
	flash "$H723,katapult=v0.0.1-109-g902f335ab"
	ends 0 flashed
	[[ $stderr == *"Katapult v0.0.1-109-g902f335ab on stm32h723xx"* ]]
	flash "$H723,prime=1"
	ends 0 flashed
	flash "$H723,katapult=old"
	ends 0 flashed
	[[ $stderr == *"Katapult (no version) on stm32h723xx"* ]]
}

# bats test_tags=slow
@test "blocks of 64 to 512 bytes" {
	for bytes in 64 128 256 512; do
		flash "$H723,block=$bytes"
		ends 0 flashed
		[[ $stderr == *"blocks of $bytes bytes"* ]]
	done
	flash "$H723,block=512,mode=katapult" -- --force
	ends 0 flashed
}

# bats test_tags=slow
@test "a long erase; busy is asked again; an acknowledgement that comes twice is counted once" {
	flash "$H723,erase_ms=800"
	ends 0 flashed
	[ "$(jq '.flash.seconds > 0.8' <<<"$output")" = true ]
	flash "$H723,f3=tx:1,f3=tx:5,f3=tx:700"
	ends 0 flashed
	[ "$(verified)" = '["readback","identify"]' ]
	flash "$H723,dup=rx:9,dup=rx:40,dup=rx:700" # on a busy machine the first two answer CONNECT
	ends 0 flashed
}

# bats test_tags=slow
@test "f2, NACK and an ACK of another command: the error has the block's address, the answer, and what to do" {
	for fault in "f2=tx:40 a command error (0xf2)" "nack=tx:40 NACK (0xf1)" "foreign=rx:40 ACK of 0x16"; do
		flash "$H723,${fault%% *}"
		ends 76 protocol
		[[ $stderr == *"block 0x080"*": want ACK"*", got ${fault#* }"* ]]
		[[ $(hint) == *power-cycle* ]]
	done
}

@test "silence ends at the deadline" {
	flash "$H723,stall=tx:40" -- --timeout 0.5
	ends 75 timeout
	[[ $(hint) == *power-cycle* ]]
}

# The way back

# bats test_tags=slow
@test "the board does not leave Katapult: left_in_bootloader, with the whole image" {
	flash "$H723,block=512,state=board,drop=complete" -- --force --timeout 5
	ends 1 left_in_bootloader
	[ "$(verified)" = '["readback"]' ]
	[[ $(hint) == *"run the same command again"* ]]
	flash "$H723,block=512,state=board"
	ends 0 current
	[ "$(verified)" = '["readback","identify"]' ]
}

# bats test_tags=slow
@test "the board comes back in its ROM bootloader, or never" {
	flash "$H723,return_as=dfu" -- --return-timeout 0.4
	ends 1 left_in_bootloader
	[[ $stderr == *"it is in dfu mode"* ]]
	[[ $(hint) == *power-cycle* ]]
	flash "$H723,return_as=never" -- --return-timeout 0.4
	ends 69 gone
	[ "$(verified)" = '["readback"]' ]
	[[ $stderr == *"it did not come back at USB port 1-1.2"* && $(hint) == *"cable and power"* ]]
}

@test "the board never comes back in its bootloader" {
	flash "$H723,leave_as=never" -- --timeout 0.5
	ends 69 gone
	[[ $stderr == *"nothing came back at USB port 1-1.2"* ]]
	[ "$(hint)" = "nothing was written: check cable and power, then run the same command again" ]
}

# bats test_tags=slow
@test "the board comes back under other names, on another port: it is known by its chip" {
	flash "$H723,leave_as=CanBoot,return_as=Kalico"
	ends 0 flashed
	flash "$H723,leave_port=1-1.4,return_port=1-1.3"
	ends 0 flashed
	[ "$(jq -r .port "$XDG_STATE_HOME/kalico-flash/boards/octopus-pro.json")" = 1-1.3 ]
}

# bats test_tags=slow
@test "the board comes back with another version" {
	idle_flash
	run --separate-stderr sim "$H723" -- 'config | kf-build | kf-flash --method make_flash'
	ends 1 wrong_version
	[ "$(verified)" = '[]' ]
	[ "$(jq -r .flash.version_after <<<"$output")" = v0.11.0-122-ge6ef48cd ]
	[[ $stderr == *"the board runs version v0.11.0-122-ge6ef48cd, the image has "* ]]
	[[ $(hint) == *"run the same command again"* ]]
}

# bats test_tags=slow
@test "another program fails, but the board reports the version of the image: flashed" {
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	sed -i 's/^\t.*flash.py.*/&; exit 74/' "$HOME/klipper/Makefile"
	run --separate-stderr sim "$H723" -- 'config | kf-build | kf-flash --method make_flash'
	ends 0 flashed
	[ "$(verified)" = '["identify"]' ]
}

# Boards that are kept out

# untouched TEXT [SPEC...] [-- SCRIPT]: nothing is flashed, TEXT says why, all boards are as before.
untouched() {
	local text=$1 boards=()
	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		boards+=("$1")
		shift
	done
	run --separate-stderr sim "${boards[@]}" -- '
		kf-scan -q | jq -c ".board | [.mode, .usb.port]" >before
		'"${2:-records | kf-flash}"' || echo $? >failed
		kf-scan -q | jq -c ".board | [.mode, .usb.port]" | cmp before - >&2'
	echo "$status $output $stderr" >&2
	[ "$status" -eq 0 ]
	[[ $output$stderr == *"$text"* && $stderr != *entering* && $stderr != *writing* ]]
	[ "$(jq -s 'map(select(.flash.result == "flashed")) | length' <<<"$output")" = 0 ]
}

# bats test_tags=slow
@test "a board with flashable false, or in blocked_devices, is never flashed" {
	registry < <(jq '.devices["octopus-pro"].flashable = false' <<<"$OCTOPUS")
	untouched "octopus-pro: skipped: flashable is false in devices.json" "$H723"
	registry < <(jq '.blocked_devices = [{pattern: "usb-Klipper_stm32h7*", reason: "mine"}]' <<<"$OCTOPUS")
	untouched "octopus-pro: skipped: mine" "$H723"
	# Neither when somebody names it by hand.
	untouched "it must not be flashed: mine" "$H723" -- 'kf-flash --port /dev/ttyACM0 --firmware "$IMAGES/h723/klipper.bin"'
	# Nor when it is in its bootloader under another name.
	registry < <(jq '.devices["octopus-pro"].flashable = false' <<<"$OCTOPUS")
	untouched "octopus-pro: skipped: flashable is false in devices.json" "$H723,mode=katapult"
}

@test "a USB device that is no Klipper board is skipped" {
	untouched "skipped: not a Klipper board" "$CH340" -- 'IMAGE=h723; kf-scan | kf-flash'
}

# bats test_tags=slow
@test "two boards with one serial number: neither is flashed" {
	untouched "two boards that fit octopus-pro are connected" "$H723" "$H723,port=1-1.4"
	# A record from before the second one was plugged in.
	untouched "two boards have serial number 29001A001151313531383332: on USB ports 1-1.2 and 1-1.4" "$H723" "$H723,port=1-1.4,off" -- '
		records >r; by_hand plug 1-1.4
		kf-scan -q | jq -c ".board | [.mode, .usb.port]" >before; kf-flash <r'
}

# bats test_tags=slow
@test "a board without a serial number of its own is on another port: it is not flashed" {
	registry <<<'{"devices":{"octopus-pro":{"name":"Octopus","mcu":"stm32h723",
		"serial_pattern":"usb-Klipper_stm32h723xx_12345*","usb_port":"1-1.2"}}}'
	untouched "that one belongs on USB port 1-1.2" mcu=stm32h723xx,serial=12345,port=1-1.3
	flash mcu=stm32h723xx,serial=12345,port=1-1.2
	ends 0 flashed
}

# bats test_tags=slow
@test "DFU: only the board that was last seen on this port, never the first one found" {
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	# Nobody was seen there.
	untouched "skipped: not registered" "$H723,mode=dfu" -- 'kf-scan | kf-flash'
	registry < <(jq '.devices["octopus-pro"].usb_port = "1-1.2"' <<<"$OCTOPUS")
	untouched "skipped: not registered" "$H723,mode=dfu,port=1-1.3" -- 'kf-scan | kf-flash'
	# It is the one; a second in DFU mode could be taken for it by make flash.
	mkdir -p bin
	ln -sf /bin/true bin/dfu-util
	run --separate-stderr sim "$H723,mode=dfu" mcu=stm32f446xx,mode=dfu,port=1-1.4 -- \
		'config | kf-build | PATH=$PWD/bin:$PATH kf-flash --method make_flash'
	[ "$(jq -sc 'map([.board.key, .error.code, .flash.result])' <<<"$output")" = \
		'[["octopus-pro","ambiguous","ambiguous"],[null,null,"skipped"]]' ]
	# It would be sent there, to that other one.
	run --separate-stderr sim "$H723,katapult=none" mcu=stm32f446xx,mode=dfu,port=1-1.4 -- \
		'config | kf-build | kf-flash --method make_flash; kf-scan -q'
	[ "$(jq -sr '.[0].error.message, .[2].board.mode' <<<"$output")" = \
		$'another board waits in its bootloader on USB port 1-1.4: make flash could take the wrong one\nklipper' ]
	# A board in Katapult has a name.
	run --separate-stderr sim "$H723,mode=katapult" mcu=stm32f446xx,mode=dfu,port=1-1.4 -- 'config | kf-build | kf-flash --method make_flash'
	[ "$(jq -sr '.[0].flash | [.result, .method] | join(" ")' <<<"$output")" = "unverified make_flash" ]
}

# bats test_tags=slow
@test "DFU: the port where it was last flashed, rather than where it was registered" {
	registry < <(jq '.devices["octopus-pro"].usb_port = "1-1.2"' <<<"$OCTOPUS")
	flash "$H723,port=1-1.3"
	ends 0 flashed
	run -0 sim "$H723,mode=dfu,port=1-1.3" -- 'kf-scan -q | jq -r .board.key'
	[ "$output" = octopus-pro ]
	run -0 sim "$H723,mode=dfu,port=1-1.2" -- 'kf-scan -q | jq -r .board.key'
	[ "$output" = null ]
}

# bats test_tags=slow
@test "no Katapult: the ROM bootloader is found at once, and the hint says what to do" {
	flash "$H723,katapult=none"
	ends 1 no_katapult
	[ "$(jq '.flash.seconds < 5' <<<"$output")" = true ]
	[[ $stderr == *"it came back in dfu mode"* && $(hint) == "power-cycle it"*"or flash it where it waits: kf flash octopus-pro" ]]
	registry <<<"$BOTH"
	IMAGE=rp2040 flash "$RP2040,katapult=none"
	ends 1 no_katapult
	[[ $stderr == *"it came back in rp2boot mode"* ]]
}

@test "the last flash cannot be saved: nothing is written, and the board is back before the next step" {
	full() { # by bash -c below: there is room for the lock, and not for the note
		records >"$HOME/r"
		kf-flash --force <"$HOME/r" && return 1
		kf-scan -q
	}
	export -f full sim simulated mocked
	export H723
	run -0 --separate-stderr on_small_disk "$XDG_STATE_HOME" 4 bash -c 'sim "$H723" -- full'
	echo "$output" >&2
	[ "$(jq -rs '.[0].error.code + " " + .[1].board.mode' <<<"$output")" = "io klipper" ]
	[ "$(jq -sc '.[0].flash.attempts | map(.method)' <<<"$output")" = '["katapult"]' ]
	[[ $stderr == *"nothing was written to the board: its last flash cannot be saved: "*"No space left"* ]]
}

@test "a FIFO in the place of a log or of the history is an error, and nothing waits for it" {
	local state=$XDG_STATE_HOME/kalico-flash
	registry <<<"$OCTOPUS"
	mkdir -p "$state/logs" katapult/scripts modules
	mkfifo -m 600 "$state/history.jsonl" "$state/logs/octopus-pro-flashtool.log"
	touch katapult/scripts/flashtool.py modules/serial.py
	PYTHONPATH=$PWD/modules run --separate-stderr sim "$H723,mode=katapult" -- 'records >r
		timeout 60 kf-flash --no-service --no-fallback --katapult-dir=katapult --method=flashtool <r
		timeout 60 kf-flash --no-service --no-fallback <r'
	echo "$output" "$stderr"
	[ "$(jq -r .flash.result <<<"${lines[0]}")" = io ]
	[[ $(jq -r .error.message <<<"${lines[0]}") == *"flashtool.log: not a regular file" ]]
	[ "$(jq -r .flash.result <<<"${lines[1]}")" = flashed ]
	[[ $stderr == *"history.jsonl: not a regular file"* ]]
}
