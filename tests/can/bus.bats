#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The kernel that these tests run on.
load can

@test "a frame reaches the other sockets of a bus, and no other bus" {
	can_up can1
	cd "$BATS_TEST_TMPDIR"
	can can0 listen 2 >here 3>&- &
	can can1 listen 2 >there 3>&- &
	until [ -s here ]; do can can0 send 123#0102; done
	wait
	[[ $(head -n 1 here) == 123#0102 ]]
	[ ! -s there ]
}
