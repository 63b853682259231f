# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Every bats file loads this: the built tools first on PATH, a fresh home for each test. A file
# with a setup of its own calls fresh_home there.
bats_require_minimum_version 1.5.0

# This is read anew for each test: nothing here starts a program.
tests=${BASH_SOURCE[0]%/*}
# shellcheck source=tests/signal.bash
source "$tests/signal.bash"
KF_TESTS=$tests # the same for programs that tests start
KF_BUILD=${KF_BUILD:-${tests%/*}/build}
[[ $KF_BUILD == /* ]] || KF_BUILD=$PWD/$KF_BUILD
# Debian's python3 has the modules that tests need, whatever else is installed.
PATH=$KF_BUILD:/usr/bin:$PATH
export PATH KF_BUILD KF_TESTS LC_ALL=C.UTF-8
unset NO_COLOR KF_PROGRESS SUDO_USER
# The services of this machine are not leased to a test; a fake kf-leased sets it (fake/leased.bash).
export KF_LEASE_SOCKET=${KF_LEASE_SOCKET:-/nonexistent/lease.sock}
# Nor are its printers a test's: one that wants some makes a root with their units and processes.
export KF_PRINTER_ROOT=${KF_PRINTER_ROOT:-/nonexistent}
export KF_UDEV_RULES=$tests/fake/udev

fresh_home() {
	export HOME=$BATS_TEST_TMPDIR/home
	export XDG_CONFIG_HOME=$HOME/.config XDG_CACHE_HOME=$HOME/.cache
	export XDG_STATE_HOME=$HOME/.local/state XDG_RUNTIME_DIR=$HOME/run
	[ -d "$HOME" ] || mkdir -m 0700 "$HOME" "$XDG_RUNTIME_DIR"
}

setup() {
	fresh_home
}

# need WHAT...: skip the test on a machine that has no such thing. A simulated board, a fixture's port
# and a terminal are ptys: there is none in a chroot without /dev/pts.
need() {
	local what
	for what; do
		case $what in
		pty) { : <>/dev/ptmx; } 2>/dev/null || skip "no pty can be opened here" ;;
		bus) type -P dbus-daemon >/dev/null || skip "dbus-daemon is not installed" ;;
		esac
	done
}

# mocked COMMAND...: COMMAND with umockdev's library. That has no mkdir yet when a sanitizer would
# make the folder of its log, so reports go to stderr.
mocked() {
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=stderr "$@"
}

# umock FIXTURE... -- COMMAND...: COMMAND on a machine with only the fixtures' devices.
umock() {
	local devices=()
	while [ "$1" != -- ]; do
		devices+=(--device "$1")
		shift
	done
	shift
	mocked umockdev-run "${devices[@]}" -- "$@"
}

# simulated SECONDS OPTIONS SPEC... -- BASH-TEXT: for at most so long, by bash with these OPTIONS, on a machine with
# these boards.
simulated() {
	local seconds=$1 options=$2 boards=()
	shift 2
	while [ "$1" != -- ]; do
		boards+=(--board "$1")
		shift
	done
	mocked timeout "$seconds" kf-sim "${boards[@]}" -- bash "$options" "$2"
}

# by_hand VERB PORT: see kf-sim(1); when it is done.
by_hand() {
	echo "$1 $2" >"$KF_SIM_CONTROL"
	read -r _ <"$KF_SIM_CONTROL.done"
}
export -f by_hand

# client ARG...: talk to a port without any of our code.
client() {
	/usr/bin/python3 -IS "$KF_TESTS/sim/client.py" "$@"
}
export -f client

# Every line of standard input (at least one) is a record: by the tools' own check, which agrees with
# the shipped schema about every value (record.bats).
valid_records() {
	"$KF_BUILD/tests/unit/record-check" >/dev/null
}

# status_of CODE: the exit status that kalico-flash(7) prints for it.
status_of() {
	sed -nE "s/^\.It Li $1 Pq ([0-9]+)\$/\1/p" "$tests/../man/kalico-flash.7"
}

# hotplug FIXTURE... STEP... -- COMMAND...: devices come and go; see hotplug.py.
hotplug() {
	mocked timeout 60 /usr/bin/python3 "$KF_TESTS/hotplug.py" "$@"
}

# unread COMMAND...: COMMAND with a pipe for its output that nobody reads any more.
unread() {
	local status=0
	mkfifo "$BATS_TEST_TMPDIR/unread"
	exec 7<>"$BATS_TEST_TMPDIR/unread"
	exec 8>"$BATS_TEST_TMPDIR/unread" 7<&-
	"$@" >&8 || status=$?
	exec 8>&-
	rm "$BATS_TEST_TMPDIR/unread"
	return "$status"
}

# registry <<<JSON: the user's devices.json.
registry() {
	mkdir -p "$XDG_CONFIG_HOME/kalico-flash"
	cat >"$XDG_CONFIG_HOME/kalico-flash/devices.json"
}

# on_small_disk FOLDER KIB COMMAND...: COMMAND, with so much room left in FOLDER.
# shellcheck disable=SC2016 # $ of the inner shell
on_small_disk() {
	unshare -rm bash -c 'mount -t tmpfs none "$1" 2>/dev/null' - "$XDG_RUNTIME_DIR" ||
		skip "a tmpfs cannot be mounted here (unshare -rm)"
	# Processes of its own, where that is possible: those of other tests look like a container's from there.
	local apart=(unshare -rm --pid --fork --kill-child --mount-proc)
	"${apart[@]}" true 2>/dev/null || apart=(unshare -rm)
	"${apart[@]}" bash -euc 'mkdir -p "$1"; mount -t tmpfs -o mode=700,size=4m none "$1"
		head -c $((4096 - $2))k /dev/zero >"$1/filler"; shift 2; "$@"' - "$@"
}
