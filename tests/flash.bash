# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# For tests that flash simulated boards where a systemd runs klipper.service. A file with a setup of
# its own calls setup_flash there.
load fake/systemd
load boards

setup_file() {
	build_images
	file_systemd
}

teardown_file() {
	stop_systemd
}

setup_flash() {
	need bus
	setup_boards
	: >"$FAKE/calls"
	units klipper.service active
}

setup() {
	setup_flash
}

# killed_at WHOM TEXT COMMAND...: COMMAND, or its first child (WHOM is worker), is killed when stderr
# says TEXT. Fails if it never did.
killed_at() {
	local whom=$1 text=$2 line pid killed=1
	shift 2
	[ -p said ] || mkfifo said
	"$@" <&0 >out 2>said &
	pid=$!
	while read -r line; do
		[[ $killed = 1 && $line == *"$text"* ]] || continue
		[ "$whom" = command ] || read -r pid _ <"/proc/$pid/task/$pid/children"
		send_signal KILL "$pid"
		killed=0
	done <said
	wait
	return $killed
}
export -f killed_at
