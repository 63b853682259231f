# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2016 # bash -c has $ of its own
#
# How long a flash takes beside what the board itself needs for it: figures, and so no part of
# make check. bats tests/bench/touch.bats

load ../helper
load ../boards

setup_file() {
	build_images
}

# stamped: standard input, each line after the milliseconds of its arrival.
stamped() {
	while IFS= read -r line; do
		printf '%d %s\n' "$(($(date +%s%N) / 1000000))" "$line"
	done
}
export -f stamped

# between BEFORE AFTER FILE: milliseconds from the line that has BEFORE to the one that has AFTER.
between() {
	awk -v before="$1" -v after="$2" 'index($0, before) { t = $1 } index($0, after) { print $1 - t; exit }' "$3"
}
export -f between

# best MCU: milliseconds from the touch to the bootloader's answer; the best of three.
best() {
	local best=99999 ms
	for _ in 1 2 3; do
		kf-flash --no-service --force <r 2> >(stamped >said) >/dev/null
		ms=$(between 'entering Katapult' 'Katapult v' said)
		[ "$ms" -ge "$best" ] || best=$ms
	done
	echo "$best"
}
export -f best

# own: milliseconds from a touch by another program until Katapult's port is there.
own() {
	/usr/bin/python3 - <<'END'
import os, sys, time
sys.path.insert(0, os.environ["KF_TESTS"] + "/sim")
sys.argv = ["client.py", "touch", "/dev/ttyACM0"]
name = "/dev/serial/by-id/usb-katapult_stm32h723xx_29001A001151313531383332-if00"
import client
start = time.monotonic()
client.touch("/dev/ttyACM0")
while not os.path.exists(name):
    time.sleep(0.0005)
print(int((time.monotonic() - start) * 1000))
END
}
export -f own

# overhead SPEC: what kf-flash takes beyond that.
overhead() {
	sim "$1" -- 'records >r; flashed=$(best); own=$(own); echo "$((flashed - own)) of $flashed"'
}

@test "from the touch to the bootloader's answer: the board's own time and less than 20 ms" {
	registry <<<"$BOTH"
	cd "$BATS_TEST_TMPDIR"
	run -0 overhead "$H723,reenum_ms=300"
	[ "${output% of*}" -lt 20 ]
	# One that answers only from the second command on: it is asked again after 4 ms.
	run -0 overhead "$H723,reenum_ms=300,prime=1"
	[ "${output% of*}" -lt 30 ]
}
