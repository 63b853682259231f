#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The link to a node, on the kernel's own CAN.
load can

@test "link: ids, frames and the interface's faults on SocketCAN" {
	KF_CAN_KERNEL=1 run -0 "$KF_BUILD/tests/unit/test-can-kernel"
	[[ $output != *SKIP* ]]
}
