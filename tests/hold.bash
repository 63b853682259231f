# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2034
#
# For tests that hold klipper.service of a systemd of our own (fake/systemd1.py), and call its clients.
load fake/systemd

setup_file() {
	file_systemd
}

teardown_file() {
	stop_systemd
}

setup() {
	fresh_home
	need bus
	cd "$BATS_TEST_TMPDIR" || return
	: >"$FAKE/calls"
	mkfifo up down event gate
	units klipper.service active
}

# fake FILTER: change what systemd has.
fake() {
	jq "$1" "$FAKE/state.json" >state.new
	mv state.new "$FAKE/state.json"
}

# The calls that systemd got.
calls() {
	cat "$FAKE/calls"
}

# background COMMAND...: start it with its signals as a terminal would have them; $pid.
background() {
	env --default-signal=INT,QUIT "$@" >out 2>err 3>&- &
	pid=$!
}

# wait_status: the status of what background started.
wait_status() {
	status=0
	wait "$pid" || status=$?
}
