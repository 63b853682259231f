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
	ln -s /bin/true bin/bossac
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
		$want[0] | to_entries[] | [.key, .value.plan, $is[.key]] | select(.[1] != .[2])' >differs
	cat differs text
	[ ! -s differs ] && [ "$(wc -l <plans)" -eq "$(jq length want)" ]
}

# flashed COMMAND...: kf-flash, with the records that COMMAND writes of this machine's boards; each flash ends as
# its plan says, and every byte was read back. One at a time: bossac waits 0.1 s for an answer, which one simulator of
# fifteen boards has not always while others come and go.
flashed() {
	PATH=${PATH#"$PWD/bin:"} mocked kf-sim "${boards[@]}" -- bash -c '"$@" | kf-flash -j 1 --json 2>text' - "$@" >results || true
	jq -c '[.board.key, .error.code // .flash.result, .flash.method, (.flash.verified // [])[0], .flash.seconds]' results >ends
	jq -nc --slurpfile want want --slurpfile ends ends '
		[$ends[] | {(.[0]): .[1:4]}] | add as $is |
		$want[0] | to_entries[] | [.key, .value.end, $is[.key]] | select(.[1] != .[2])' >differs
	cat differs text
	[ ! -s differs ] && [ "$(wc -l <ends)" -eq "$(jq length want)" ]
}

# The records of this machine's boards: with the images of targets.py; and with those that kf-build builds.
recorded() {
	kf-scan -q --all | jq -c ".firmware = $(<firmware)[.board.key]"
}

built() {
	kf-scan -q --all | kf-config -q | kf-build -q
}
export -f recorded built

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

# bats test_tags=slow
@test "recorded images of Klipper: each is flashed by the method that kf chooses, and read back" {
	local part
	type -P avrdude bossac || skip "avrdude or bossac is not installed"
	for part in 0 1; do
		fresh_home
		"$KF_TESTS/targets.py" machine $part
		"$KF_TESTS/targets.py" images $part "$KF_TESTS/fixtures/targets.jsonl" Klipper
		mapfile -t boards <boards
		flashed recorded
		rm -r "$HOME"
	done
}

@test "recorded constants of Klipper and Kalico: each target's symbols are proposed" {
	"$KF_TESTS/targets.py" recorded "$KF_TESTS/fixtures/targets.jsonl" "$PWD/trees" "$KF_BUILD/tests/unit/propose" >proposed
	[ "$(wc -l <proposed)" -eq "$(wc -l <"$KF_TESTS/fixtures/targets.jsonl")" ]
}

# A tree older than September 2026 does not put the Kconfig into the firmware: its scratch copy does.
@test "real trees: the Kconfig in each target's image makes the same bytes again" {
	local tree
	[ "${KF_TREES-}" ] || skip "KF_TREES names no trees"
	for tree in $KF_TREES; do
		"$KF_TESTS/targets.py" carry "$tree" "$PWD/${tree##*/}"
		"$KF_TESTS/targets.py" prove "$PWD/${tree##*/}" "$PWD/out/${tree##*/}" "$KF_BUILD/tests/unit/propose" >proved
		sed "s,^,# $tree ," proved >&3
		run cat proved
		[[ $output != *false* ]]
	done
}

@test "real trees: no target is proposed wrong without a question" {
	local tree
	[ "${KF_TREES-}" ] || skip "KF_TREES names no trees"
	for tree in $KF_TREES; do
		"$KF_TESTS/targets.py" propose "$tree" "$KF_TESTS/fixtures/targets.jsonl" "$PWD/proposed/${tree##*/}" \
			"$KF_BUILD/tests/unit/propose" >proposals
		"$KF_TESTS/targets.py" others "$tree" "$PWD/others/${tree##*/}" "$KF_BUILD/tests/unit/propose" >>proposals
		sed "s,^,# $tree ," proposals >&3
		run jq 'select(.constants.differs != [] or (.katapult.differs // []) != [])' proposals
		[ "$output" = "" ]
	done
}

@test "real source trees: each target is built, planned, and flashed by the method that kf chooses" {
	local part tree
	[ "${KF_TREES-}" ] || skip "KF_TREES names no trees"
	for tree in $KF_TREES; do
		for part in 0 1; do
			fresh_home
			"$KF_TESTS/targets.py" machine $part
			kf set --global klipper_dir="$tree" >/dev/null
			built >records-built
			planned .
			jq -c --slurpfile want want '[.board.key, .firmware.format, .firmware.start, $want[0][.board.key].plan]' records-built |
				sed "s,^,# $tree ," >&3
			flashed built
			sed "s,^,# $tree ," ends >&3
			rm -r "$HOME"
		done
	done
}
