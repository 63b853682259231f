# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2016,SC2154
#
# kf with stages that are scripts: each notes its arguments (NAME.argv) and its input (NAME.in)
# in $note; kf-flash --check counts as a stage of its own, kf-check. kf itself is a copy, for it looks for its stages beside itself.
load helper

setup() {
	fresh_home
	stages=$BATS_TEST_TMPDIR/bin
	note=$BATS_TEST_TMPDIR/note
	export note stages
	mkdir -p "$stages" "$note"
	cp "$KF_BUILD/kf" "$stages"
	PATH=$stages:$PATH
	registry <<<'{"devices":{"octopus-pro":{"name":"O","mcu":"stm32h723","serial_pattern":"usb-Klipper_x_1*"}}}'
	fake kf-status 'true'
	fake kf-config 'cat'
	fake kf-build 'cat'
	fake kf-flash 'cat'
	fake kf-check 'cat'
	boards octopus-pro nitehawk
}

# fake NAME SCRIPT: the stage NAME notes what it is given, then runs SCRIPT on its input.
fake() {
	printf '#!/bin/bash\n%s\nset -o pipefail\necho "$*" >>"$note/%s.argv"\ntee -a "$note/%s.in" | {\n%s\n}\n' \
		'[[ $0 != */kf-flash || " $* " != *" --check "* ]] || exec "$stages/kf-check" "$@"' \
		"$1" "$1" "$2" >"$stages/$1"
	chmod +x "$stages/$1"
}

# board KEY [EDIT]: a record, changed by a jq expression.
board() {
	jq -nc --arg key "$1" '{kf: 1, board: {key: $key, name: "Board \($key)", mcu: "stm32h723",
		excluded: false, connected: true, mode: "klipper", tty: "/dev/ttyACM0"}, error: null}
		| '"${2:-.}"
}

# scans SCRIPT: kf-scan finds records.jsonl, all of it or the boards called by --device, then SCRIPT.
scans() {
	fake kf-scan 'case "$*" in
		*--device*) grep "\"key\":\"${!#}\"" "$note/records.jsonl" ||
			{ echo "kf-scan: ${!#}: is not connected" >&2; exit 69; };;
		*) cat "$note/records.jsonl";;
	esac
	'"$1"
}

boards() {
	for key; do board "$key"; done >"$note/records.jsonl"
	scans true
}

# alone COMMAND...: without a terminal.
alone() {
	run --separate-stderr setsid --wait "$@"
}

ran() {
	[ -e "$note/$1.argv" ]
}

keys_in() {
	jq -r .board.key "$note/$1.in" | paste -sd' '
}
