#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016,SC2154
# Stages of kf that fail, are missing or are stopped.
load stages

# stage NAME STATUS: reads its input, complains, ends with STATUS.
stage() {
	fake "$1" 'cat >/dev/null; echo "'"$1"': story" >&2; exit '"$2"
}

@test "a stage fails for all boards: its status is returned, and no later stage starts" {
	stage kf-config 78
	alone kf flash --all
	[ "$status" -eq 78 ]
	[ "$stderr" = "[Discovery] 2 boards: octopus-pro, nitehawk
kf-config: story" ]
	run ! ran kf-build
}

@test "records of boards that failed reach the last stage, whose status is returned" {
	fake kf-build 'cat; exit 78'
	fake kf-flash 'cat; exit 1'
	alone kf flash --all
	[ "$status" -eq 1 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[ "$(keys_in kf-flash)" = "octopus-pro nitehawk" ]
	fake kf-flash 'cat; exit 77'
	alone kf flash --all
	[ "$status" -eq 77 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
}

@test "a stage that drops a record has failed, whatever its status" {
	fake kf-build 'head -n 1'
	alone kf flash --all
	[ "$status" -eq 70 ]
	[ "${stderr_lines[1]}" = "kf: kf-build has written 1 of 2 records" ]
	fake kf-build 'head -n 1; exit 74'
	alone kf flash --all
	[ "$status" -eq 74 ]
	fake kf-build 'cat >/dev/null; echo "{"'
	alone kf flash --all
	[ "$status" -eq 65 ]
	[[ ${stderr_lines[1]} == "kf: kf-build's output: line 1"* ]]
	run ! ran kf-flash
}

@test "a stage that was killed is named" {
	printf '#!/bin/bash\nkill -KILL $$\n' >"$stages/kf-build"
	stage kf-flash 69
	alone kf flash --all
	[ "$status" -eq 137 ]
	[ "${stderr_lines[-2]}" = "kf: kf-build was killed by signal 9 (Killed)" ]
	run ! ran kf-flash
}

@test "kf-flash was killed: the hint says what to type next" {
	stage kf-build
	printf '#!/bin/bash\nkill -KILL $$\n' >"$stages/kf-flash"
	alone kf flash --all
	[ "$status" -eq 137 ]
	[ "${stderr_lines[-2]}" = "kf: kf-flash was killed by signal 9 (Killed)" ]
	[[ ${stderr_lines[-1]} == *"run the same command again; kf list says which board is incomplete; journalctl -k tells whether memory ran out" ]]
}

@test "an option that kf-flash refuses is refused before a stage works" {
	printf '#!/bin/bash\necho "kf-flash: bad option" >&2\nexit 64\n' >"$stages/kf-flash"
	printf '#!/bin/bash\nexec sleep 300\n' >"$stages/kf-build"
	alone timeout 20 kf flash --all
	[ "$status" -eq 64 ]
	[ "${stderr_lines[-1]}" = "kf-flash: bad option" ]
	run ! ran kf-config
}

@test "a stage that is missing: nothing starts" {
	[ -z "$(command -v kf-nothing)" ]
	rm "$stages/kf-build"
	PATH=/usr/bin:/bin alone "$stages/kf" flash --all
	[ "$status" -eq 78 ]
	[ "${stderr_lines[0]}" = "kf: kf-build is neither in $stages nor on PATH" ]
	run ! ran kf-scan
}

@test "stages on PATH are found, those beside kf first" {
	mkdir "$BATS_TEST_TMPDIR/elsewhere"
	mv "$stages/kf-flash" "$BATS_TEST_TMPDIR/elsewhere"
	cp "$stages/kf-build" "$BATS_TEST_TMPDIR/elsewhere"
	echo 'exit 1' >>"$BATS_TEST_TMPDIR/elsewhere/kf-build"
	PATH=$BATS_TEST_TMPDIR/elsewhere:/usr/bin:/bin alone "$stages/kf" flash --all
	[ "$status" -eq 0 ]
	ran kf-flash
}

# restores NAME [STATUS]: a stage that takes its time to end after a signal, and tells which one came.
restores() {
	cat >"$stages/$1" <<-END
		#!/bin/bash
		[[ \$* != *--check* ]] || exec cat
		# A Ctrl-C comes twice: from the terminal, and from kf.
		for sig in INT TERM HUP; do
			trap "trap '' INT TERM HUP; [ \"\\\$said\" ] || echo $1: restored after \$sig >&2; said=yes; exit ${2:-130}" \$sig
		done
		exec <>"$note/never"
		echo ready >"$note/ready"
		read -r
	END
}

# Wait for that; what has ended before it says so.
is_ready() {
	read -r -t 20 <>"$note/ready"
}

# stopped_by send_signal|send_group_signal SIGNAL [STAGE [STATUS]]: kf flash with a stage that restores, and
# the signal for it.
stopped_by() {
	mkfifo "$note/never" "$note/ready"
	restores "${3:-kf-flash}" "${4-}"
	setsid env --default-signal=INT kf flash --all 2>"$note/stderr" &
	local pid=$!
	is_ready
	"$1" "$2" "$pid"
	status=0
	wait "$pid" || status=$?
}

@test "Ctrl-C reaches the stages, and kf ends after them" {
	stopped_by send_group_signal INT
	[ "$status" -eq 130 ]
	grep -qx "kf-flash: restored after INT" "$note/stderr"
	run ! grep "^kf:" "$note/stderr"
}

@test "Ctrl-C in an earlier stage: no later stage starts, and one line is written" {
	stopped_by send_group_signal INT kf-build
	[ "$status" -eq 130 ]
	[ "$(tail -n +2 "$note/stderr")" = "kf-build: restored after INT" ] || { cat -A "$note/stderr" >&2; false; }
	[ ! -e "$note/kf-flash.argv" ]
}

@test "status 71 (a service was lost) is kept after a signal" {
	stopped_by send_group_signal INT kf-flash 71
	[ "$status" -eq 71 ]
}

@test "a signal for kf alone is passed on" {
	stopped_by send_signal TERM
	[ "$status" -eq 143 ]
	grep -qx "kf-flash: restored after TERM" "$note/stderr"
}

@test "a hang-up is passed on" {
	stopped_by send_signal HUP
	[ "$status" -eq 129 ]
	grep -qx "kf-flash: restored after HUP" "$note/stderr"
}

@test "a signal while kf-scan runs" {
	mkfifo "$note/never" "$note/ready"
	restores kf-scan
	setsid env --default-signal=INT kf flash --all 2>"$note/stderr" &
	local pid=$!
	is_ready
	send_signal TERM "$pid"
	wait "$pid" || [ $? -eq 143 ]
	run ! ran kf-config
	[ "$(cat "$note/stderr")" = "kf-scan: restored after TERM" ]
}

@test "a board that fails in kf-flash --check is not built; the others are" {
	fake kf-check 'jq -c "if .board.key == \"nitehawk\" then .error = {tool: \"kf-flash\",
		code: \"printing\", message: \"prints\"} else . end"; exit 75'
	alone kf flash --all
	[ "$status" -eq 0 ] # what kf-flash makes of the records decides
	[ "$(jq -r '.board.key + " " + (.error.code // "fine")' "$note/kf-config.in" | paste -sd' ')" = \
		"octopus-pro fine nitehawk printing" ]
	stage kf-check 78
	rm "$note"/kf-config.*
	alone kf flash --all
	[ "$status" -eq 78 ]
	run ! ran kf-config
}
