# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# kf-leased as kalico-flash.socket starts it, for tests: an ordinary process with a socket passed.

# start_leased [OPTION...]: $LEASED_PID listens on $KF_LEASE_SOCKET, its debts lie in $OWED.
start_leased() {
	local ready
	export KF_LEASE_SOCKET=$BATS_TEST_TMPDIR/lease.sock OWED=$BATS_TEST_TMPDIR/owed
	exec {ready}< <(RUNTIME_DIRECTORY=$OWED exec /usr/bin/python3 "$KF_TESTS/fake/listen.py" \
		"$KF_LEASE_SOCKET" kf-leased "$@" 2>>"$BATS_TEST_TMPDIR/leased.log" 3>&-)
	export LEASED_PID=$!
	read -r _ <&"$ready"
	exec {ready}<&-
}
