#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016 # bash -c has $ of its own
#
# Nothing here signals a process that it does not mean: run as root, kill(-1) ends the whole machine.
# Each test of this has a PID namespace and a session of its own, with a bystander.
load helper

# beside_bystander COMMAND...: in a PID namespace whose /dev has no pty. "alive": what the bystander
# answers afterwards.
beside_bystander() {
	local namespace=(unshare --pid --fork --kill-child --mount --mount-proc)
	[ "$(id -u)" -eq 0 ] || namespace+=(--user --map-root-user)
	"${namespace[@]}" true 2>/dev/null || skip "unshare --pid does not work here"
	run -0 "${namespace[@]}" setsid bash -c '
		mount -t tmpfs none /dev/pts
		coproc cat
		"$@"
		echo alive >&"${COPROC[1]}"
		head -n 1 <&"${COPROC[0]}"' - "$@"
}

@test "no pty: the test of port holders says so, and ends no process" {
	beside_bystander "$KF_BUILD/tests/unit/test-holder"
	[ "${lines[-1]}" = alive ]
	[[ $output == *"finds_the_process_that_holds_a_port # SKIP no pty can be opened here"* ]]
}

@test "a script sends signals only to processes" {
	beside_bystander bash -c '
		. "$1"
		for wrong in "" -1 0 1 -7 +7 "2 3" 0x2 4294967295 pid; do
			send_signal KILL "$wrong" && echo "signalled: $wrong"
			send_group_signal KILL "$wrong" && echo "signalled the group: $wrong"
		done
		send_signal KILL && echo "signalled nobody"
		sleep 60 &
		send_signal TERM "" $! || echo "one was wrong"
		wait $! || echo "status $?"' - "$KF_TESTS/signal.bash"
	[ "$(grep -v '^no process has the number' <<<"$output")" = $'one was wrong\nstatus 143\nalive' ]
}

@test "lint finds scripts that send signals without these functions" {
	cd "$BATS_TEST_TMPDIR"
	local call=kill send=send_signal n=0
	local wrong=("$call \$pid" "true && $call -KILL \"\$pid\"" "$call -- -\$pid" "$call 0" "bash -c '$call \$1'"
		"x=\$($call -0 \$pid)" "timeout 9 $call \$pid" "p$call -f kf-scan" "pidof x | xargs $call" "until $call \$!; do :; done")
	local right=("$call -KILL \$\$" "$call -l INT" "systemctl $call --signal=KILL unit" "echo '$call \$pid'" "send_signal TERM \$pid")
	for line in "${wrong[@]}"; do
		n=$((n + 1))
		echo "$line" >"wrong$n.bash"
	done
	printf '%s\n' "${right[@]}" >right.bash
	echo "	os.$call(pid, 9)" >wrong.py
	echo "process.$call()" >right.py
	for line in "$call(pid, 9);" "r = ${call}pg(pid, 9);" "syscall(SYS_$call, pid, 9);" "pidfd_$send(fd, 9, NULL, 0);"; do
		n=$((n + 1))
		echo "	$line" >"wrong$n.c"
	done
	printf '%s\n' "/* $call(2) */" "kf_process_signal(pid, 9);" "raise(9);" >right.c
	for file in wrong*; do
		echo "# $(<"$file")"
		run -1 "$KF_TESTS/lint" signals "$PWD/$file"
	done
	run -0 "$KF_TESTS/lint" signals "$PWD"/right.*
}
