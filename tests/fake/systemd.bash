# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# A systemd (systemd1.py, a template of python-dbusmock) on a private bus, for tests; its state lies
# in $FAKE. The bus is no DBusTestCase.start_system_bus(): who calls is bash.

source "${BASH_SOURCE[0]%/*}/leased.bash"

# start_systemd SOCKET: a bus there, our systemd on it, and kf-leased beside it; $BUS_PID, $FAKE_PID. The bus prints its address
# when it listens, the mock "ready" when it has its name (systemd1.py). Without a dbus-daemon nothing:
# the tests of the file "need bus".
start_systemd() {
	local ready
	type -P dbus-daemon >/dev/null || return 0
	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$1
	exec {ready}< <(exec dbus-daemon --config-file="$KF_TESTS/fake/bus.conf" --nofork \
		--address="$DBUS_SYSTEM_BUS_ADDRESS" --print-address=1 2>"$FAKE/bus.log" 3>&-)
	export BUS_PID=$!
	read -r _ <&"$ready"
	exec {ready}<&-
	exec {ready}< <(exec /usr/bin/python3 -m dbusmock --template "$KF_TESTS/fake/systemd1.py" \
		--logfile "$FAKE/mock.log" 3>&-)
	export FAKE_PID=$!
	read -r _ <&"$ready"
	exec {ready}<&-
	start_leased "$FAKE"
}

# file_systemd: one for all tests of a file.
file_systemd() {
	export FAKE=$BATS_FILE_TMPDIR/fake
	mkdir "$FAKE"
	start_systemd "$BATS_FILE_TMPDIR/bus"
}

# stop_systemd: all end. A bus that gets TERM removes its socket's path some time later, which may be
# that of its successor by then; one that is killed leaves it.
stop_systemd() {
	stop_leased
	[ -z "${BUS_PID-}" ] || send_signal KILL "$FAKE_PID" "$BUS_PID"
}

# units NAME STATE...: what systemd has.
units() {
	local filter='.units = {}'
	while [ $# -gt 0 ]; do
		filter+=" | .units[\"$1\"].active = \"$2\""
		shift 2
	done
	jq -n "$filter" >"$FAKE/state.json"
}

active() { # UNIT
	jq -r --arg unit "${1:-klipper.service}" '.units[$unit].active' "$FAKE/state.json"
}

# ends_by_itself UNIT [STATE]: once kf-leased looks at it, it is inactive, or STATE.
ends_by_itself() {
	timeout 10 sh -c 'until [ -e "$LEASED/restarts/$1" ]; do sleep 0.02; done' - "$1"
	jq --arg unit "$1" --arg to "${2:-inactive}" '.units[$unit].active = $to' "$FAKE/state.json" >state.new
	mv state.new "$FAKE/state.json"
	# Whoever asks has the change told to all.
	kf-service status -u "$1" >/dev/null
}
