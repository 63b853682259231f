#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# kf-flash on a CAN bus, killed, and two of them on one bus.
load can
load ../boards
load images

A=mcu=stm32f446xx,uuid=40f84a5af36e,can=can0,version=v0.11.0-1-gabcdef0
B=mcu=stm32f446xx,uuid=101f20646387,can=can0,version=v0.11.0-1-gabcdef0

setup_file() {
	build_can_images
}

setup() {
	fresh_home
	cd "$BATS_TEST_TMPDIR" || return
	can_up can0
}

# flash UUID [OPTION...]: by hand, the node on can0.
flash() {
	kf-flash --no-service --port "${BUS:-can0}:$1" --firmware "$IMAGES/node/klipper.bin" --json "${@:2}"
}
export -f flash

# kill_at SIGNAL TEXT: kf-flash is sent SIGNAL when it says TEXT; its status.
kill_at() {
	local signal=$1 text=$2 line pid status=0
	mkfifo said
	# Not a subshell: its process is kf-flash.
	env --default-signal=INT kf-flash --no-service --port can0:40f84a5af36e \
		--firmware "$IMAGES/node/klipper.bin" --json >out 2>said &
	pid=$!
	while read -r line; do
		echo "$line" >&2
		[[ $line != *"$text"* ]] || { send_signal "$signal" "$pid" || true; text=none; }
	done <said
	wait "$pid" || status=$?
	rm said
	return "$status"
}
export -f kill_at

@test "killed at each step: the next run flashes the node, and nobody presses a button" {
	local text signal
	for text in "entering Katapult" "writing 25%" "writing 75%" "reading back 50%"; do
		for signal in KILL TERM; do
			echo "# SIG$signal at $text"
			rm -f board
			export text signal
			run -0 --separate-stderr sim "$A,bitrate=1000000,state=board" -- '
				status=0; kill_at "$signal" "$text" || status=$?; echo "killed: $status" >&2
				[ "$status" -ne 0 ]
				[ "$signal" = KILL ] || jq -r .error.hint out >hint
				flash 40f84a5af36e'
			[[ $(jq -r .flash.result <<<"$output") =~ ^(flashed|current)$ ]]
			[ "$signal" = KILL ] || [ "$(cat hint)" = "run the same command again" ]
		done
	done
}

@test "two transfers on one bus do not disturb each other" {
	run -0 --separate-stderr sim "$A,bitrate=500000" "$B" -- '
		flash 40f84a5af36e >a & first=$!
		flash 101f20646387 >b & second=$!
		wait $first; wait $second; cat a b'
	[ "$(jq -c '[.flash.result, .flash.verified]' <<<"$output")" = '["flashed",["readback","identify"]]
["flashed",["readback","identify"]]' ]
}

@test "flashtool.py of another host clears all ids between two blocks: the transfer goes on or says why" {
	run --separate-stderr sim "$A,bitrate=200000" -- '
		flash 40f84a5af36e >a & pid=$!
		until grep -q 2 <(can can0 listen 0.3); do :; done
		can can0 send 3f0#12
		status=0; wait $pid || status=$?; cat a; exit $status'
	[[ $status -eq 0 || -n $(jq -r .error.hint <<<"$output") ]]
}

@test "the node is unplugged in mid-block: its error says what to do, and the next run flashes it" {
	run --separate-stderr sim "$A,unplug=tx:200,rescue" -- 'flash 40f84a5af36e -t 5'
	[ "$status" -ne 0 ]
	[ -n "$(jq -r .error.message <<<"$output")" ]
	[ -n "$(jq -r .error.hint <<<"$output")" ]
	run -0 --separate-stderr sim "$A,unplug=tx:200" -- 'flash 40f84a5af36e -t 5 || by_hand button 40f84a5af36e
		flash 40f84a5af36e'
	[ "$(tail -n 1 <<<"$output" | jq -r .flash.result)" = flashed ]
}

@test "its bridge is unplugged in the middle: the bridge is what to plug in, and the next run flashes the node" {
	local bridge=mcu=stm32h723xx,serial=29001A001151313531383332,port=1-1.2,bridge,can=can1
	export BUS=can1
	run -0 --separate-stderr sim "$bridge" "${A/can0/can1},bitrate=1000000" -- '
		mkfifo said
		flash 40f84a5af36e -t 5 >out 2>said &
		while read -r line; do
			[[ $line != *"writing 25%"* ]] || by_hand unplug 1-1.2
		done <said
		wait $! || true
		by_hand plug 1-1.2
		until ip link show can1 up | grep -q can1; do :; done
		by_hand button 40f84a5af36e # what it had of a block may have wedged it
		flash 40f84a5af36e'
	[ "$(jq -r '.error | .code, .hint' out)" = "can_bus
plug its USB adapter or bridge board in again, then run the same command again" ]
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
}

@test "the interface goes down in the middle: an error of its own, and the way on" {
	run -74 --separate-stderr sim "$A,down=tx:200" -- 'flash 40f84a5af36e -t 5'
	[ "$(jq -r .error.code <<<"$output")" = can_bus ]
	[[ $(jq -r .error.hint <<<"$output") == *"sudo ip link set can0 up"* ]]
}

@test "a lost frame of a block wedges the node: power-cycle, and nothing else, is what helps" {
	run --separate-stderr sim "$A,drop=tx:200" -- '
		flash 40f84a5af36e -t 5 || true
		by_hand button 40f84a5af36e
		flash 40f84a5af36e'
	[[ $(head -n 1 <<<"$output" | jq -r .error.hint) == *power-cycle* ]]
	[ "$(tail -n 1 <<<"$output" | jq -r .flash.result)" = flashed ]
}
