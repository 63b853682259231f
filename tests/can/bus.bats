#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The kernel that these tests run on.
load can

@test "a frame reaches the other sockets of a bus, and no other bus" {
	can_up can1
	cd "$BATS_TEST_TMPDIR"
	can can0 listen 600 >here 3>&- &
	local listeners=("$!")
	can can1 listen 600 >there 3>&- &
	listeners+=("$!")
	# A listener has begun when it has heard a frame.
	until [ -s there ]; do can can1 send 456#01; done
	until [ -s here ]; do can can0 send 123#0102; done
	until grep -q 02 there; do can can1 send 456#02; done
	send_signal TERM "${listeners[@]}"
	wait || true # they were ended by the signal
	[ "$(sort -u here)" = 123#0102 ]
	[ "$(sort -u there)" = $'456#01\n456#02' ]
}
