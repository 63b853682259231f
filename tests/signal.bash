# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Signals to what a variable names: no other script of ours calls kill, "make lint" sees to that. For
# kill, -1 is every process of the machine, 0 our own group, 1 init; a test that failed to start a
# process must not end those.

# is_process PID: a number above 1, or nothing happens to it.
is_process() {
	[[ $1 =~ ^[1-9][0-9]{0,6}$ && $1 != 1 ]] || { echo "no process has the number \"$1\"" >&2; return 1; }
}

# send_signal SIGNAL PID...: those that are processes get it. Fails if any is none, or if all have ended.
send_signal() {
	local pid pids=() wrong=0
	for pid in "${@:2}"; do
		if is_process "$pid"; then pids+=("$pid"); else wrong=1; fi
	done
	[ ${#pids[@]} -gt 0 ] && kill -s "$1" -- "${pids[@]}" && return "$wrong"
}

# send_group_signal SIGNAL LEADER: the same to all of a process group.
send_group_signal() {
	is_process "$2" && kill -s "$1" -- "-$2"
}
export -f is_process send_signal send_group_signal
