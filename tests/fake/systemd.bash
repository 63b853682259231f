# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# A systemd (systemd1.py, a template of python-dbusmock) on a private bus, for tests; its state lies
# in $FAKE. The bus is no DBusTestCase.start_system_bus(): who calls is bash.

# The lease of the machine that the tests run on is none of theirs.
export KF_LEASE_SOCKET=/nonexistent

# start_systemd SOCKET: a bus there and our systemd on it; $BUS_PID, $FAKE_PID.
start_systemd() {
	local ready
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
