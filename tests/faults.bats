#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# A sample of the fault campaign (make check-faults: all of it), and kf-flash under kf-service,
# killed. KF_FAULTS=all: at each place where it says what it does, not only at some.
# bats file_tags=slow
load helper
load flash

# kill_at SIGNAL TEXT: kf-flash below kf-service, which is sent SIGNAL when it says TEXT; r is
# its input, out its records.
kill_at() {
	local signal=$1 text=$2 line pid child status=0
	mkfifo said
	env --default-signal=INT kf-flash -u klipper --no-fallback <r >out 2>said &
	pid=$!
	while read -r line; do
		[[ $line == *"$text"* ]] || continue
		read -r child _ <<<"$(<"/proc/$pid/task/$pid/children")"
		send_signal "$signal" "$child"
		text=none
	done <said
	wait "$pid" || status=$?
	rm said
	return "$status"
}
export -f kill_at

@test "a sample of the campaign" {
	run -0 "$KF_BUILD/tests/faults/campaign" --runs 120 --seed "${SEED:-1}"
	[[ ${lines[-1]} == "120 runs, seed ${SEED:-1}: 0 broken" ]]
}

@test "killed in the middle: the service runs again, and the next run flashes the board" {
	local texts=("entering Katapult" "Katapult v" "writing 25%" "writing 75%" "writing 100%"
		"reading back 50%" "reading back 100%" "waiting for the board") text signal
	[ "${KF_FAULTS-}" = all ] || texts=("writing 25%" "reading back 50%")
	for text in "${texts[@]}"; do
		for signal in KILL TERM INT; do
			echo "# SIG$signal at $text"
			rm -f board
			export signal text
			units klipper.service active
			: >"$FAKE/calls"
			run --separate-stderr sim "$H723,rtt_us=500,state=board" -- \
				'records >r; kill_at "$signal" "$text"'
			[ "$status" -ne 0 ]
			[ "$(active)" = active ]
			[[ $(cat "$FAKE/calls") == *StopUnit*StartUnit* ]]
			if [ "$signal" = KILL ]; then
				[ "$status" -eq 137 ]
			else
				[ "$(jq -r .error.code out)" = interrupted ]
			fi
			run -0 --separate-stderr sim "$H723,state=board" -- 'records | kf-flash --no-fallback'
			[[ $(jq -r .flash.result <<<"$output") =~ ^(flashed|current)$ ]]
			[ "$(jq -c .flash.verified <<<"$output")" = '["readback","identify"]' ]
		done
	done
}
