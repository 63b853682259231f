#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016,SC2154
# The questions that kf asks on the terminal.
load stages

# on_tty ANSWERS COMMAND...: on a terminal, typing a line of ANSWERS at each question.
on_tty() {
	need pty
	run /usr/bin/python3 "$KF_TESTS/on-tty.py" "$@"
}

@test "without a terminal: an error with the options to use" {
	alone kf
	[ "$status" -eq 64 ]
	[ "${stderr_lines[0]}" = "kf: there is no terminal for questions" ]
	[ "${stderr_lines[1]}" = "  name the board (kf list shows their keys), or: kf flash --all" ]
	run ! ran kf-scan
}

@test "one board is connected: kf asks whether to flash it" {
	boards octopus-pro
	on_tty y kf
	[ "$status" -eq 0 ]
	[[ $output == *"[Discovery]"*" 1 board: octopus-pro"* ]]
	[[ $output == *"1  octopus-pro  stm32h723"*"klipper"*"Board octopus-pro"*"Flash this board? [y/N]"* ]]
	[ "$(keys_in kf-flash)" = octopus-pro ]
}

@test "any answer except yes flashes nothing" {
	boards octopus-pro
	on_tty n kf
	[ "$status" -eq 0 ]
	on_tty '' kf
	[ "$status" -eq 0 ]
	on_tty $'what\nno' kf
	[ "$status" -eq 0 ]
	[[ $output == *"Please answer y or n, or q to leave."* ]]
	on_tty $'\x04' kf
	[ "$status" -eq 0 ]
	on_tty q kf
	[ "$status" -eq 0 ]
	[[ $output != *kf:* ]]
	run ! ran kf-config
}

@test "several boards are connected: kf asks which" {
	on_tty 2 kf
	[ "$status" -eq 0 ]
	[ "$(keys_in kf-flash)" = nitehawk ]
}

@test "the answer can be none of several boards" {
	for answer in q '' $'\x04'; do
		on_tty "$answer" kf
		[ "$status" -eq 0 ]
	done
	run ! ran kf-config
	for answer in $'7\nq' $'7\n\x04'; do # an answer that was wrong is over by then
		on_tty "$answer" kf
		[ "$status" -eq 0 ]
		[[ $output == *'"7" is not one of these boards'* && $output != *kf:* ]]
	done
}

@test "an answer that names no board is asked again" {
	on_tty $'7\na' kf flash --menuconfig
	[ "$status" -eq 0 ]
	[[ $output == *'"7" is not one of these boards'* ]]
	[ "$(keys_in kf-flash)" = "octopus-pro nitehawk" ]
	[ "$(cat "$note/kf-config.argv")" = --menuconfig ]
}

@test "boards that cannot be flashed are not offered" {
	{
		board octopus-pro
		board beacon '.board.excluded = true'
		board gone '.board.connected = false'
		board '' '.board.key = null'
	} >"$note/records.jsonl"
	on_tty y kf
	[ "$status" -eq 0 ]
	[ "$(keys_in kf-flash)" = octopus-pro ]
}

@test "Ctrl-C at the question" {
	on_tty $'\x03' kf
	[ "$status" -eq 130 ]
	[[ $output != *"kf:"* ]]
	run ! ran kf-config
}

@test "NO_COLOR turns colours off" {
	boards octopus-pro
	on_tty y kf
	[[ $output == *$'\e['* ]]
	NO_COLOR=1 on_tty y kf
	[[ $output != *$'\e['* ]]
}
