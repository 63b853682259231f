# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# kalico-flash.socket and its kf-leased, for tests: ordinary processes.

# start_leased [DIR]: $LISTEN_PID listens on $KF_LEASE_SOCKET; DIR ($BATS_TEST_TMPDIR) has it and the
# files of kf-leased, in $LEASED.
start_leased() {
	local ready dir=${1:-$BATS_TEST_TMPDIR}
	export KF_LEASE_SOCKET=$dir/lease.sock LEASED=$dir/leased
	exec {ready}< <(RUNTIME_DIRECTORY=$LEASED exec /usr/bin/python3 -ES "$KF_TESTS/fake/listen.py" \
		"$KF_LEASE_SOCKET" 64 </dev/null 2>>"$dir/leased.log" 3>&-)
	export LISTEN_PID=$!
	read -r _ <&"$ready"
	exec {ready}<&-
}

# stop_leased: nobody listens any more; kf-leased processes that run go on.
stop_leased() {
	[ -z "${LISTEN_PID-}" ] || send_signal KILL "$LISTEN_PID" || true
	LISTEN_PID=
}
