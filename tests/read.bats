#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# kf-flash --read: a board's firmware is read by its Katapult, and nothing is written.
load helper
load flash

image_bytes() {
	stat -c %s "$IMAGES/h723/klipper.bin"
}

runs=start=0x8020000,app=

@test "--read: what the board runs is read, and it runs it again" {
	run -0 --separate-stderr sim "$H723,$runs$IMAGES/h723/klipper.bin" -- \
		"kf-scan -q | kf-flash --read=image --bytes=$(image_bytes); kf-scan -q | jq .board.mode"
	valid_records <<<"${lines[0]}"
	cmp image "$IMAGES/h723/klipper.bin"
	[ "$(jq -c '[.read.bytes, .read.start, .read.mcu]' <<<"${lines[0]}")" = "[$(image_bytes),134348800,\"stm32h723xx\"]" ]
	[ "$(jq -r .read.sha256 <<<"${lines[0]}")" = "$(sha256sum <image | cut -c1-64)" ]
	[ "$(jq -r .read.version <<<"${lines[0]}")" = "$(jq -r .version <"$IMAGES/h723/klipper.dict")" ]
	[ "${lines[1]}" = '"klipper"' ]
	[[ $stderr == *"octopus-pro: entering Katapult from /dev/ttyACM0"*"read: it runs v"* ]]
	# It is no flash: the history has none.
	[ ! -e "$XDG_STATE_HOME/kalico-flash/history.jsonl" ]
}

@test "--read: on a UART, where the registry says that the board has Katapult" {
	registry <<<'{"devices": {"pi": {"mcu": "stm32h723", "serial": "/dev/ttyAMA0"}}}'
	run ! --separate-stderr sim "$H723,tty=ttyAMA0,$runs$IMAGES/h723/klipper.bin" -- 'kf-scan -q --all | kf-flash --read=image --bytes=4096'
	[[ $stderr == *"pi: its firmware cannot be read: on a UART nothing tells whether it has Katapult"* ]]
	registry <<<'{"devices": {"pi": {"mcu": "stm32h723", "serial": "/dev/ttyAMA0", "flash_method": "katapult"}}}'
	run -0 --separate-stderr sim "$H723,tty=ttyAMA0,$runs$IMAGES/h723/klipper.bin" -- 'kf-scan -q --all | kf-flash --read=image --bytes=4096'
	cmp image <(head -c 4096 "$IMAGES/h723/klipper.bin")
}

@test "--read: nothing that could write is ever sent" {
	run -0 --separate-stderr sim "$H723,$runs$IMAGES/h723/klipper.bin,state=$PWD/flash" -- \
		"kf-scan -q | kf-flash -q --read=image --bytes=$(image_bytes) >/dev/null"
	cp flash before
	run -0 mocked timeout 300 kf-sim -v -b "$H723,$runs$IMAGES/h723/klipper.bin" -- \
		bash -c "kf-scan -q | kf-flash -q --read=image --bytes=4096 >/dev/null"
	[[ $output != *SEND* && $output != *EOF* ]]
}

@test "--read: the service is stopped once and started again" {
	run -0 --separate-stderr sim "$H723,$runs$IMAGES/h723/klipper.bin" -- \
		"kf-scan -q | kf-flash --read=image --bytes=$(image_bytes) -u klipper"
	cmp image "$IMAGES/h723/klipper.bin"
	[ "$(active)" = active ]
	grep -q Stop "$FAKE/calls"
}

@test "--read: a read that is cut sends the board back and restores the service" {
	local fault
	for fault in nack=40 unplug=rx:40; do
		: >"$FAKE/calls"
		run --separate-stderr sim "$H723,$runs$IMAGES/h723/klipper.bin,$fault" -- \
			"kf-scan -q | kf-flash --read=image --bytes=$(image_bytes) -u klipper --return-timeout=3; kf-scan -q --all | jq .board.mode"
		[ "$(jq -r .error.code <<<"${lines[0]}")" != null ]
		[ ! -e image ]
		[ "$(active)" = active ]
		grep -q Stop "$FAKE/calls"
		[ "$fault" != nack=40 ] || [ "${lines[1]}" = '"klipper"' ]
	done
}

@test "--read: a stopped read sends the board back first" {
	run --separate-stderr sim "$H723,$runs$IMAGES/h723/klipper.bin,rtt_us=2000" -- \
		"kf-scan -q >r; interrupt_at 'reading 25%' kf-flash --read=image --bytes=$(image_bytes) >/dev/null; echo \$?; kf-scan -q | jq .board.mode"
	[ "${lines[0]}" = 130 ]
	[ "${lines[1]}" = '"klipper"' ]
	[ ! -e image ]
}

@test "--read: killed, it leaves the board in Katapult: kf status and kf list tell the way out, and the next read takes it" {
	for service in --no-service "-u klipper"; do
		: >"$FAKE/calls"
		whom=worker
		[ "$service" != --no-service ] || whom="command"
		run -0 --separate-stderr sim "$H723,$runs$IMAGES/h723/klipper.bin,rtt_us=2000" -- "kf-scan -q >r
			killed_at $whom 'reading 25%' kf-flash $service --read=image --bytes=$(image_bytes) <r || echo 'not killed'
			kf status; kf list
			kf-scan -q | kf-flash $service --read=image --bytes=4096 | jq -r .error
			kf status"
		[[ ${lines[*]} == *"in its bootloader: katapult: a read of it was cut off, nothing was written: power-cycle it, or kf config octopus-pro --prove sends it back"* ]]
		[ "$(grep -c 'read of it was cut off' <<<"$output")" -eq 2 ]
		[[ $output != *"not killed"* ]]
		[[ ${lines[*]} == *" null "*"octopus-pro"* && ${lines[-1]} != *cut* ]]
		[ "$service" = --no-service ] || [ "$(active)" = active ]
		[ ! -e "$XDG_STATE_HOME/kalico-flash/boards/octopus-pro.json" ] || ! grep -q reading "$XDG_STATE_HOME/kalico-flash/boards/octopus-pro.json"
	done
}

@test "--read: a board that does not come back is told, and its service restored" {
	run --separate-stderr sim "$H723,$runs$IMAGES/h723/klipper.bin,return_as=never" -- \
		"kf-scan -q | kf-flash --read=image --bytes=4096 -u klipper --return-timeout=1"
	[ "$(jq -r .error.code <<<"$output")" = gone ]
	[[ $stderr == *"it did not come back at USB port 1-1.2"*"nothing was written: power-cycle it"* ]]
	[ "$(active)" = active ]
	[ ! -e image ]
}

@test "--read: a board without Katapult is refused before anything stops" {
	run --separate-stderr sim "$CH340" -- \
		'kf-scan -q --all | jq -c ".board.key=null" | kf-flash --read=image --bytes=4096 -u klipper'
	[ "$status" -ne 0 ]
	[ ! -s "$FAKE/calls" ]
	registry <<<'{"devices":{"due":{"name":"Due","mcu":"sam3x8e","serial_pattern":"usb-Klipper_sam3x8e_123*"}}}'
	run -1 --separate-stderr sim mcu=sam3x8e,serial=123456789,port=1-1.2 -- \
		'kf-scan -q | kf-flash --read=image --bytes=4096 -u klipper'
	[ "$(jq -r .error.code <<<"$output")" = no_katapult ]
	[[ $stderr == *"its firmware cannot be read: there is no Katapult for it"* ]]
	[ ! -s "$FAKE/calls" ]
}

@test "--read: a Katapult without firmware stays where it is" {
	head -c 4096 /dev/zero | tr '\0' '\377' >erased
	run --separate-stderr sim "$H723,mode=katapult,$runs$PWD/erased" -- \
		'kf-scan -q | kf-flash --read=image --bytes=4096'
	[ "$(jq -r .error.code <<<"$output")" = no_firmware ]
	[[ $stderr == *"there is no firmware behind its Katapult"* ]]
}

@test "--read: mistakes" {
	local options
	for options in --read=x --bytes=10 '--read=x --bytes=0' '--read=x --bytes=99999999' \
		'--read=x --bytes=10 --check' '--read=x --bytes=10 --dry-run'; do
		# shellcheck disable=SC2086 # words
		run -64 kf-flash $options </dev/null
	done
	run -64 --separate-stderr sim "$H723" "$RP2040" -- 'kf-scan -q | kf-flash --read=x --bytes=10'
	[[ $stderr == *"--read reads one board, and 2 came"* ]]
}
