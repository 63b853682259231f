#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016 # bash -c has $ of its own
#
# Nothing here signals a process that it does not mean: run as root, kill(-1) ends the whole machine.
# Each test of this has a PID namespace of its own, with a bystander.
load helper

# beside_bystander COMMAND...: in a PID namespace whose /dev has no pty. "alive": what the bystander
# answers afterwards.
beside_bystander() {
	local namespace=(unshare --pid --fork --kill-child --mount --mount-proc)
	[ "$(id -u)" -eq 0 ] || namespace+=(--user --map-root-user)
	"${namespace[@]}" true 2>/dev/null || skip "unshare --pid does not work here"
	run -0 "${namespace[@]}" bash -c '
		mount -t tmpfs none /dev/pts
		coproc cat
		"$@"
		echo alive >&"${COPROC[1]}"
		head -n 1 <&"${COPROC[0]}"' - "$@"
}

@test "no pty: the test of who holds a port says so, and ends nobody" {
	beside_bystander "$KF_BUILD/tests/unit/test-holder"
	[ "${lines[-1]}" = alive ]
	[[ $output == *"finds_who_holds_a_port # SKIP no pty can be opened here"* ]]
}
