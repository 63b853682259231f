# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2016 # bash -c has $ of its own
#
# Several boards at a time.

load helper
load boards

setup() {
	setup_boards
	FOUR=()
	local n devices=
	for n in 1 2 3 4; do
		FOUR+=("mcu=stm32h723xx,serial=AA00$n,port=1-1.$n,reenum_ms=300")
		devices+=${devices:+,}'"b'$n'":{"name":"B'$n'","mcu":"stm32h723","serial_pattern":"usb-Klipper_stm32h723xx_AA00'$n'*"}'
	done
	registry <<<"{\"devices\":{$devices}}"
}

# took COMMAND...: its milliseconds, in the file took.
took() {
	local start
	start=$(date +%s%N)
	"$@"
	echo $((($(date +%s%N) - start) / 1000000)) >took
}
export -f took

# bats test_tags=slow
@test "four boards take at most 1.3 times one alone; records keep their order" {
	# An H7's erase takes 1.1 s. Here it takes more, so that the boards' time counts and not that of a busy machine,
	# which only adds: the best of three counts.
	run -0 --separate-stderr sim "${FOUR[@]/%/,erase_ms=4400}" -- 'records >r
		for _ in 1 2 3; do
			head -n 1 r | took kf-flash -q --no-service --force >/dev/null; mv took one
			took kf-flash --no-service --force <r >out 2>err; mv took four
			[ $(($(cat four) * 10)) -gt $(($(cat one) * 13)) ] || break
		done
		cat err >&2'
	[ "$(jq -r .board.key <out | tr '\n' ' ')" = "b1 b2 b3 b4 " ]
	[ "$(jq -r .flash.result <out | sort -u)" = flashed ]
	valid_records <out
	# All are entered before the first is written.
	# shellcheck disable=SC2154 # bats sets it
	[ "$(sed -n '/writing 100%/q; /: entering Katapult/p' <<<"$stderr" | wc -l)" = 4 ]
	[ "$(grep -c ': reading back 100%$' <<<"$stderr")" = 4 ]
	run ! grep -vE '^\[Flash\] b[1-4]: ' <<<"$stderr"
	echo "# one board $(cat one) ms, four $(cat four) ms"
	[ $(($(cat four) * 10)) -le $(($(cat one) * 13)) ]
}

# bats test_tags=slow
@test "-j 1: one after the other, also for records without an error member" {
	run -0 --separate-stderr sim "${FOUR[0]}" "${FOUR[1]}" -- 'records | jq -c "del(.error)" | kf-flash -j 1 --no-service >out'
	[ "$(jq -r .flash.result <out | sort | uniq -c | xargs)" = "2 flashed" ]
	# The second is not begun before the first is done.
	[ "$(grep -nE 'b1: flashed' <<<"$stderr" | cut -d: -f1)" -lt "$(grep -nE 'b2: entering' <<<"$stderr" | cut -d: -f1)" ]
}

@test "-j wants a number of boards" {
	for n in 0 -1 x 2x; do
		run -64 kf-flash -j "$n"
		[[ $output == *"is not a number from 1"* ]]
	done
	run -64 kf-flash -j ''
}

@test "one board fails: the others are flashed, and its process is ended" {
	run -1 --separate-stderr sim "${FOUR[0]},nack=60" "${FOUR[1]}" -- 'records >r; kf-flash --no-fallback --no-service <r >out'
	[ "$(jq -r '.flash.result + " " + (.error.code // "-")' <out | xargs)" = "protocol protocol flashed -" ]
	grep -q '^kf-flash: b1: block ' <<<"$stderr"
}

# bats test_tags=slow
@test "the process of a board is killed: only that board fails" {
	run -1 --separate-stderr sim "${FOUR[0]}" "${FOUR[1]}" -- 'records >r; mkfifo said
		kf-flash --no-service <r >out 2>said & parent=$!
		while read -r line; do
			[[ $line != *"b1: Katapult"* ]] || send_signal KILL $(pgrep -o -P $parent)
			echo "$line" >&2
		done <said
		wait $parent'
	[ "$(jq -r '.flash.result // .error.message' <out | xargs)" = "the process that flashed it ended (signal 9); the firmware on it is incomplete flashed" ]
}

@test "a stop signal to kf-flash reaches the processes of all boards" {
	run -130 --separate-stderr sim "${FOUR[0]}" "${FOUR[1]}" -- 'records >r; interrupt_at "b1: Katapult" kf-flash --no-service <r >out'
	[ "$(jq -r .error.code <out | xargs)" = "interrupted interrupted" ]
}

# bats test_tags=slow
@test "two kf-flash run flashtool one after the other" {
	registry <<<"$BOTH"
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	lock=$XDG_STATE_HOME/kalico-flash/locks/flash-programs.lock
	mkdir -p "${lock%/*}"
	export lock
	run -130 --separate-stderr sim "$H723" -- 'config | kf-build -q >r
		waits() { interrupt_at "${1-nothing}" kf-flash --no-service --method make_flash --no-fallback --timeout 0.1; }
		export -f waits
		flock $lock sleep 1 &
		until ! flock -n $lock true; do :; done
		waits; rm said
		flock $lock bash -c "waits waiting:"'
	# However long the other takes: that is not taken from the time of this board.
	[[ $(jq -r .error.code <<<"$output") == *$'\ninterrupted' ]]
	[[ $stderr == *"octopus-pro: waiting: make_flash flashes one board at a time, and another comes first"*"octopus-pro: entering"* ]]
}

# bats test_tags=slow
@test "make flash builds its own tools: one make flash at a time in a tree" {
	registry <<<"$BOTH"
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	printf 'flash:\n\tmkdir lib/turn && sleep 0.3 && rmdir lib/turn && false\n' >>"$HOME/klipper/Makefile"
	mkdir -p "$HOME/klipper/lib" "$XDG_CONFIG_HOME/kalico-flash/configs/nitehawk"
	printf 'CONFIG_%s=y\n' MACH_RPXXXX RPXXXX_FLASH_START_4000 \
		>"$XDG_CONFIG_HOME/kalico-flash/configs/nitehawk/.config"
	run -0 --separate-stderr sim "$H723" "$RP2040" -- 'config | kf-build -q >both
		for key in octopus-pro nitehawk; do
			grep "$key" both | kf-flash --method make_flash &
		done
		wait'
	[ "$(jq -r .error.code <<<"$output")" = $'flash_failed\nflash_failed' ]
	[[ $stderr != *"File exists"* ]]
}
