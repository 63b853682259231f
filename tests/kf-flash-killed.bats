#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# The last close of a USB port waits up to 30 s for what the board does not take. In a process that is
# killed it does not wait: it cuts a frame, which wedges Katapult.
load helper
load flash

export CONNECT=01881100f17c9903

setup() {
	need bus
	setup_boards
	registry <<<"$BOTH"
}

# answers TTY: the bootloader there acknowledges CONNECT.
answers() {
	[[ $(client send "$1" "$CONNECT") == *0188a0??11000000* ]]
}
export -f answers

# kills N: so many kills while the board is written to; says which have wedged its bootloader.
kills() {
	export KILLS=$1
	mocked timeout 300 kf-sim -b "$H723,mode=katapult,program_us=1000" -- bash -uc '
		records >r
		texts=("Katapult v" "writing 25%" "writing 50%" "writing 75%")
		for ((i = 0; i < KILLS; i++)); do
			killed_at command "${texts[i % 4]}" kf-flash --force --no-service --no-fallback <r || echo "$i: not killed"
			answers /dev/ttyACM0 && continue
			echo "wedged by kill $i"
			by_hand button 1-1.2
		done'
}

# take_nothing TTY: its bootloader has most of a frame, and takes no more bytes.
take_nothing() {
	local block
	block=$(client blocks 0x8020000 1)
	[ "$(client send "$1" "${block:0:140}")" = silence ]
}
export -f take_nothing

# bats test_tags=slow
@test "killed while it writes: no frame is cut" {
	run -0 --separate-stderr kills 4
	[ "$output" = "" ]
}

# bats test_tags=slow
@test "killed a hundred times while it writes: no frame is cut" {
	run -0 --separate-stderr kills 100
	[ "$output" = "" ]
}

@test "a worker is killed while it writes: no frame is cut, and the other board is flashed" {
	run -0 --separate-stderr sim "$H723,mode=katapult,program_us=1000" "$RP2040,mode=katapult" -- '
		{ records; IMAGE=rp2040 records; } >r
		killed_at worker "octopus-pro: writing 25%" kf-flash --force --no-service --no-fallback <r
		answers /dev/ttyACM0 || echo wedged
		jq -r ".error.message, .flash.result" out'
	[ "$output" = "the process that flashed it ended (signal 9); the firmware on it is incomplete
null
null
flashed" ]
	[ "$(jq -r 'select(.error).error.hint' out)" = "run the same command again: boards that are done are skipped" ]
}

# bats test_tags=slow
@test "killed while the board reads nothing: its port is closed after 5 s, and another kf-flash waits for that" {
	run -0 --separate-stderr sim "$H723,mode=katapult" -- '
		records >r
		take_nothing /dev/ttyACM0
		kf-flash --no-service --no-fallback <r &
		client untaken /dev/ttyACM0
		send_signal KILL $!
		kf-flash --no-service --no-fallback <r | jq -r .error.code'
	[ "$output" = timeout ]
	[[ $stderr == *"octopus-pro: waiting for another kf-flash (process "*"), which is using this board"* ]]
}

# bats test_tags=slow
@test "a board that reads nothing: the result comes within its own deadline" {
	run -0 --separate-stderr sim "$H723,mode=katapult" -- '
		records >r
		take_nothing /dev/ttyACM0
		SECONDS=0
		kf-flash --no-service --no-fallback <r | jq -r .error.code
		[ $SECONDS -lt 10 ] || echo "after $SECONDS s"'
	[ "$output" = timeout ]
	[[ $stderr == *"the bootloader may be stuck: power-cycle the board"* ]]
}

# stopped COMMAND...: it is interrupted while the board takes nothing: its status, and whether that
# has taken it 5 s.
stopped() {
	local status=0 pid
	take_nothing /dev/ttyACM0
	env --default-signal=INT "$@" <r >out 2>err &
	pid=$!
	client untaken /dev/ttyACM0
	SECONDS=0
	send_signal INT "$pid"
	wait "$pid" || status=$?
	echo "status $status, waited: $((SECONDS >= 5))"
}
export -f stopped

# bats test_tags=slow
@test "a board that reads nothing: Ctrl-C ends kf-flash at once, and the service runs again" {
	run -0 sim "$H723,mode=katapult" -- 'records >r; stopped kf-flash --no-service'
	[ "$output" = "status 130, waited: 0" ]
	units klipper.service active
	run -0 sim "$H723,mode=katapult" -- 'records >r; stopped kf-flash -u klipper'
	[ "$output" = "status 130, waited: 0" ]
	[ "$(active)" = active ]
}
