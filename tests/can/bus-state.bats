#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2093,SC1083 # run sets stderr; exec closes a file: {ADAPTER[1]}
#
# A CAN interface of the kernel's whose controller tells its state: that of a serial adapter.
load can
load ../boards
load images

setup() {
	fresh_home
	build_can_images
	registry <<<'{"devices": {"ebb": {"mcu": "stm32f446", "canbus_uuid": "44db3d634885", "canbus_interface": "can0"}}}'
	coproc ADAPTER { can can0 adapter 3>&-; }
	read -r _ <&"${ADAPTER[0]}"
}

teardown() {
	exec {ADAPTER[1]}>&-
	wait
}

# tells MESSAGE [STATE]: the adapter's controller does; Linux then shows STATE.
tells() {
	echo "$1" >&"${ADAPTER[1]}"
	read -r _ <&"${ADAPTER[0]}"
	[ $# -eq 1 ] || until ip -details link show can0 | grep -q "can state $2"; do :; done
}

# says CODE MESSAGE REMEDY: kf-flash by hand.
says() {
	run -"$(status_of "$1")" --separate-stderr kf-flash --port can0:44db3d634885 --firmware "$IMAGES/node/klipper.bin" -t 1
	echo "$stderr"
	[[ $stderr == *"$2"*"$3"* ]]
}

# looks WIRE REASON: what kf-doctor finds at the wire, and why kf-scan says that the node is not there.
looks() {
	[[ $(kf-doctor --json | jq -r 'select(.check == "wire") | "\(.health): \(.message) | \(.remedy)"') == "$1"* ]]
	[[ $(kf-scan -q --all | jq -r '.board | "\(.connected): \(.reason)"') == "$2"* ]]
}

@test "no bitrate, error-passive, bus-off: each is named with what to type, before anything is sent" {
	local up="sudo ip link set can0 up type can bitrate 1000000" check="check that the nodes have power, the wiring"
	says can_bus "can0 is down" "$up (or the bitrate of your firmware)"
	looks "wrong: can0 is down | $up" "false: can0 is down: $up"
	ip link set can0 up type can bitrate 250000
	looks "ok: can0 can send" "true: null"
	says config_difference "can0 runs at 250000 bit/s, and this firmware is for 1000000" "choose that CAN bus speed"
	ip link set can0 down
	ip link set can0 up type can bitrate 1000000
	tells sp000128 ERROR-PASSIVE
	looks "note: can0 is error-passive: no node acknowledges its frames | $check" "true: null"
	run -74 --separate-stderr kf-scan --can
	[[ $stderr == *"can0 is error-passive: no node acknowledges its frames"*"$check"*"built for 1000000 bit/s"* ]]
	says can_bus "can0 is error-passive: no node acknowledges its frames" "$check"
	tells sb256256 BUS-OFF
	says can_bus "can0 is bus-off: its controller met too many errors and has left the bus" "sudo ip link set can0 down; sudo ip link set can0 up"
	looks "wrong: can0 is bus-off" "false: can0 is bus-off"
	# What the hint says.
	ip link set can0 down
	ip link set can0 up
	looks "ok: can0 can send" "true: null"
}

@test "the bus goes off while a node is asked" {
	ip link set can0 up type can bitrate 1000000
	tells "then sb256256"
	says can_bus "can0 is bus-off: its controller met too many errors" "check the wiring"
}
