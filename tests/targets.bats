#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016 # jq and bash -c have $ of their own
#
# Firmware for each kind of chip, as Klipper and Kalico build it, on a board of that kind: it is planned with
# the methods that can flash it, or refused with the reason. Images are made of recorded facts (targets.py);
# KF_TREES="/path/klipper /path/kalico" builds and plans them with real trees.
load helper

setup() {
	need pty
	cd "$BATS_TEST_TMPDIR" || return
	# A plan asks whether they are there; nothing runs them.
	mkdir bin
	ln -s /bin/true bin/dfu-util
	ln -s /bin/true bin/avrdude
	ln -s /bin/true bin/pkg-config # libusb, for the program of an RP2040
	PATH=$PWD/bin:$PATH
}

# planned JQ: kf-flash --dry-run on this machine's boards, changed by JQ; each plan is what is wanted.
planned() {
	mapfile -t boards <boards
	mocked kf-sim "${boards[@]}" -- bash -c 'kf-scan -q --all | jq -c "$1" >records
		kf-flash --dry-run <records >plans 2>text' - "$1" || true
	jq -nc --rawfile text text --slurpfile want want --slurpfile plans plans '
		[$text | scan("\\[Flash\\] ([^:]*): would flash .* by (.*) at ") | {(.[0]): .[1]}] | add as $by |
		[$plans[] | {(.board.key): (.error.code // .flash.reason // $by[.board.key])}] | add as $is |
		$want[0] | to_entries[] | [.key, .value, $is[.key]] | select(.[1] != .[2])' >differs
	cat differs text
	[ ! -s differs ] && [ "$(wc -l <plans)" -eq "$(jq length want)" ]
}

@test "recorded images of Klipper and Kalico: each is planned as its chip can be flashed" {
	local part tree seen=0
	for part in 0 1; do
		for tree in Klipper Kalico; do
			fresh_home
			"$KF_TESTS/targets.py" machine $part
			"$KF_TESTS/targets.py" images $part "$KF_TESTS/fixtures/targets.jsonl" $tree
			planned ".firmware = $(<firmware)[.board.key]"
			seen=$((seen + $(jq length want)))
			rm -r "$HOME"
		done
	done
	[ "$seen" -eq "$(wc -l <"$KF_TESTS/fixtures/targets.jsonl")" ]
}

@test "real source trees: each target is built, and its flash planned" {
	local part tree
	[ "${KF_TREES-}" ] || skip "KF_TREES names no trees"
	for tree in $KF_TREES; do
		for part in 0 1; do
			fresh_home
			"$KF_TESTS/targets.py" machine $part
			kf set --global klipper_dir="$tree" >/dev/null
			kf-scan -q --all | kf-config -q | kf-build -q >built
			planned .
			jq -c --slurpfile want want '[.board.key, .firmware.format, .firmware.start, $want[0][.board.key]]' built |
				sed "s,^,# $tree ," >&3
			rm -r "$HOME"
		done
	done
}
