# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2034 # used by those that load this
#
# Users that may and may not hold units, inside the container of tests/systemd/run.

way=()
users=(root dialout)

# hold_as USER: $way runs a command as them.
hold_as() {
	way=()
	[ "$1" != dialout ] || way=(runuser -u lessee --)
	systemctl start kalico-flash.socket
}
