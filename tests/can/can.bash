# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Every bats file of this folder loads this: tests/can/run boots a kernel for them.
load ../helper

# can_up IF...: a bus of its own each; teardown removes them.
can_up() {
	local name
	for name; do
		ip link add dev "$name" type vcan
		ip link set "$name" up
	done
}
export -f can_up

# can IF VERB ...: see can.py.
can() {
	/usr/bin/python3 "$KF_TESTS/can/can.py" "$@"
}
export -f can

setup() {
	fresh_home
	can_up can0
}

teardown() {
	local name
	for name in $(ip -br link show type vcan | cut -d ' ' -f 1); do
		ip link del "$name"
	done
}

# sim SPEC... -- BASH-TEXT: on a machine with these boards.
sim() {
	simulated 120 -euc "$@"
}
