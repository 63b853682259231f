#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154 # run sets stderr
#
# kf-status compares boards and printers with their source trees.
load helper
load printers

H723=mcu=stm32h723xx,serial=29001A001151313531383332,port=1-1.2
RP2040=mcu=rp2040,serial=E6605481DB318C34,port=1-1.3

setup() {
	setup_printers
	git_tree tree 5
	old=$(version_of tree 3) new=$(version_of tree)
}

teardown() {
	end_klippies
}

# mcus [NAME SERIAL VERSION]...: for $MCUS.
mcus() {
	jq -nc '[$ARGS.positional | _nwise(3) | {(.[0]): [.[1], .[2]]}] | add' --args "$@"
}

# status [OPTION]...: kf-status beside both boards.
status() {
	run -0 --separate-stderr mocked kf-sim -b "$H723" -b "$RP2040" -- kf-status "$@"
}

@test "Klippy tells: a board is up to date, another is behind, by how much" {
	running voron "mcus ready" TREE="$PWD/tree" VERSION="$new" \
		MCUS="$(mcus mcu "$H723_BY_ID" "$old" 'mcu EBB' "$RP2040_BY_ID" "$new")"
	status --json
	valid_records <<<"$output"
	[ "$(jq -c '[.board.key, .status.state, .status.behind, .status.version, .status.tree_version, .status.host]' <<<"$output")" = \
		"[\"mcu\",\"behind\",3,\"$old\",\"$new\",\"up to date\"]
[\"ebb\",\"up to date\",0,\"$new\",\"$new\",\"up to date\"]" ]
	status --table
	[ "${lines[0]}" = "voron: ready, $new" ]
	[[ ${lines[1]} == "  mcu "*"stm32h723xx"*"behind by 3 commits  ($old; $PWD/tree has $new)" ]]
	[[ ${lines[2]} == "  ebb "*"up to date  ($new)" ]]
	[ "${lines[3]}" = "kf update builds and flashes what is behind" ]
	status --json EBB
	[ "$(jq -r .board.key <<<"$output")" = ebb ]
	run -78 --separate-stderr mocked kf-sim -b "$H723" -b "$RP2040" -- kf-status ebbb
	[[ $stderr == *'no board "ebbb" is registered'* ]]
}

@test "the tree was updated and Klippy not restarted: that is said, with the remedy" {
	stopped klipper-ender "$PWD/tree" '[mcu]' "serial: $RP2040_BY_ID"
	running voron "mcus protocol error" TREE="$PWD/tree" VERSION="$old" MCUS="$(mcus mcu "$H723_BY_ID" "$old")"
	status --table
	[[ $output == "voron: error: MCU Protocol error, $old"*"Klippy runs another version than its tree has: behind by 3 commits"*"; restart it"* ]]
	[[ $output == *"ender (klipper-ender.service): stopped"*"ender-mcu"*"not asked: Klipper (klipper-ender.service) does not run"* ]]
	status --json
	[ "$(jq -c '[.board.key, .status.state, .status.host, .status.host_behind]' <<<"$output")" = \
		$'["voron-mcu","behind",null,0]\n["ender-mcu","not asked",null,0]' ] ||
	[ "$(jq -c '[.board.key, .status.host, .status.host_behind]' <<<"$output")" = \
		$'["voron-mcu","behind",3]\n["ender-mcu",null,0]' ]
}

@test "no printer runs: --ask asks the boards themselves" {
	stopped klipper "$PWD/tree" '[mcu]' "serial: $H723_BY_ID" '[mcu gone]' 'serial: /dev/serial/by-id/usb-Klipper_rp2040_AAAA1111BBBB-if00'
	run -0 --separate-stderr mocked kf-sim -b "$H723,version=$old" -b mode=other,port=1-1.7,manufacturer=Beacon,product=Beacon,serial=FD24A6D44E53 -- \
		kf-status --json
	valid_records <<<"$output"
	[ "$(jq -c '[.board.key, .status.state, .status.reason]' <<<"$output")" = \
		'["mcu","not asked","Klipper (klipper.service) does not run"]
[null,"firmware of others","Beacon"]
["gone","not connected",null]' ]
	[ "$(jq .status.host_print_percent <<<"$output" | sort -u)" = null ]
	run -0 --separate-stderr mocked kf-sim -b "$H723,version=$old" -- kf-status --table
	[[ $output == *"next: kf status --ask asks the boards of a printer that does not run; kf update asks them, too"* ]]
	run -0 --separate-stderr mocked kf-sim -b "$H723,version=$old" -- kf-status --ask --table
	[[ $output != *"--ask"* ]]
	run -0 --separate-stderr mocked kf-sim -b "$H723,version=$old" -- kf-status --ask --json mcu
	[ "$(jq -c '[.status.state, .status.behind]' <<<"$output")" = '["behind",3]' ]
}

@test "other branch, changed tree, another firmware, ahead, in its bootloader" {
	running voron "mcus ready" TREE="$PWD/tree" VERSION="$new" MCUS="$(jq -nc --arg p "$H723_BY_ID" --arg q "$RP2040_BY_ID" \
		--arg v "$new" '{mcu: {config: {serial: $p}, object: {mcu_version: $v, app: "Kalico"}},
			"mcu b": {config: {serial: $q}, object: {mcu_version: "\($v)-dirty-20261123_030726-host"}}}')"
	status --json
	[ "$(jq -c '[.status.state, .status.reason]' <<<"$output")" = \
		'["differs","it is Kalico, and the source tree is Klipper"]
["differs","it was built from a changed source tree"]' ]
	git -C tree checkout -q HEAD~3
	end_klippies
	running voron "mcus ready" TREE="$PWD/tree" VERSION="$new" MCUS="$(mcus mcu "$H723_BY_ID" "$new")"
	status --json mcu
	[ "$(jq -c '[.status.state, .status.ahead]' <<<"$output")" = '["ahead",3]' ]
	run -0 --separate-stderr mocked kf-sim -b "$H723,mode=katapult" -- kf-status --json
	[ "$(jq -c '[.board.key, .status.state, .status.reason]' <<<"$output")" = '["mcu","in its bootloader","katapult"]' ]
}

@test "a printer that prints is shown as printing, and is not to be restarted" {
	running voron "mcus ready" TREE="$PWD/tree" VERSION="$old" PRINT=printing EDIT=virtual_sdcard.progress=0.45 \
		MCUS="$(mcus mcu "$H723_BY_ID" "$old")"
	status --table mcu
	[[ ${lines[0]} == "voron: printing "*".gcode, 45 % done, $old" ]]
	[[ $output == *"; restart it when the print is over"* ]]
	[[ $output == *"kf update builds and flashes what is behind, but not while it prints" ]]
	status --json mcu
	valid_records <<<"$output"
	[ "$(jq -c '.status | [.host_state, .host_print, .host_print_percent]' <<<"$output")" = '["ready","printing",45]' ]
	[[ $(jq -r .status.host_print_file <<<"$output") == *.gcode ]]
	end_klippies
	running voron "mcus ready" PRINT=paused MCUS="$(mcus mcu "$H723_BY_ID" "$old")"
	status --table mcu
	[[ ${lines[0]} == "voron: paused "*.gcode* ]]
	end_klippies
	running voron "mcus ready" PRINT=printing EDIT=print_stats.state=standby,virtual_sdcard.is_active=false \
		MCUS="$(mcus mcu "$H723_BY_ID" "$old")"
	status --table mcu
	[[ ${lines[0]} == "voron: running G-code, "* ]]
	end_klippies
	running voron "mcus ready" PRINT="ready, idle" MCUS="$(mcus mcu "$H723_BY_ID" "$old")"
	status --table mcu
	[[ ${lines[0]} == "voron: ready, "* ]]
}

@test "Klippies that are silent are waited for at most two seconds, all together" {
	running ender "mcus ready" MODE=silent
	running third "mcus ready" MODE=silent
	running voron "mcus ready" MODE=silent
	running works "mcus ready" MCUS="$(mcus mcu "$RP2040_BY_ID" "$old")"
	local t0=${EPOCHREALTIME/./}
	status --json
	# One after the other, they would have had 6 seconds.
	[ $((${EPOCHREALTIME/./} - t0)) -lt 5000000 ]
	[ "$(jq -c '[.status.state, .status.host_state]' <<<"$output")" = $'["not asked",null]\n["not asked","ready"]' ]
	end_klippies
	running voron "mcus ready" MODE=silent
	status --json
	[ "$(jq -r .status.state <<<"$output")" = $'not asked\nnot asked' ]
	[[ $stderr == "kf-status: voron: Klippy (process $klippy) cannot be asked: "*"$PWD/voron_data/config/printer.cfg: "* ]]
}

@test "why a Klippy does not answer is told once, at its printer" {
	mkdir -p voron_data/config
	printf '[mcu]\nserial: %s\n[mcu ebb]\nserial: %s\n' "$H723_BY_ID" "$RP2040_BY_ID" >voron_data/config/printer.cfg
	running voron "mcus ready" MODE=garbage
	status --table
	[ "$(grep -o "klippy.sock: " <<<"$stderr" | wc -l)" -eq 1 ]
	[ "$(grep -o "http://127.0.0.1:[0-9]*: " <<<"$stderr" | wc -l)" -eq 1 ]
	[[ $stderr == "kf-status: voron: Klippy (process $klippy) cannot be asked: $PWD/voron_data/comms/klippy.sock: an answer that is not the expected JSON; http"* ]]
	[ "$(grep -c "not asked: its Klippy does not answer" <<<"$output")" -eq 2 ]
	[[ $output != *klippy.sock* ]]
}

@test "a printer.cfg that cannot be read is told, with file and reason" {
	stopped klipper "$PWD/tree" '[include gone.cfg]'
	status --table
	[ "$stderr" = "kf-status: klipper: its boards are not known: $PWD/klipper_data/config/gone.cfg: No such file or directory
  correct it in $PWD/klipper_data/config/printer.cfg" ]
	[[ $output == *"of a printer that is not known"*"not asked: the configuration of a printer here cannot be read"* ]]
	[[ $output != *"kf add"* && $output != *"no printer"* ]]
	rm -r root/etc
	running voron "mcus ready" MODE=silent
	status --table
	[[ $output == *"not asked: a printer here does not tell its boards"* ]]
	[[ $output != *"kf add"* && $output != *"no printer"* ]]
}

@test "a printer.cfg that is too large is not to be corrected" {
	stopped klipper "$PWD/tree" '[mcu]'
	head -c 5000000 /dev/zero | tr '\0' '#' >>klipper_data/config/printer.cfg
	status --table
	[[ $stderr == *"more than 4 MiB
  start the printer, whose Klippy then tells; or make its files smaller" ]]
}

@test "git refuses another user's tree: the remedy is told" {
	[ "$(id -u)" -eq 0 ] || skip "only root can make files of another user's"
	running voron "mcus ready" TREE=/nonexistent MCUS="$(mcus mcu "$H723_BY_ID" "$old")"
	registry <<<'{"global": {"klipper_dir": "'"$PWD/tree"'"}, "devices": {}}'
	chown -R 4321 tree
	status --table mcu
	[[ $output == *"not asked: $PWD/tree belongs to another user, so git refuses it"*"; next: git config --global --add safe.directory $PWD/tree"* ]]
}

@test "what Klippy would refuse in a printer.cfg is told" {
	local cfg=$PWD/klipper_data/config/printer.cfg
	stopped klipper "$PWD/tree" '[mcu]' "serial: $H723_BY_ID" '[mcu EBB]' 'serial:' "  $RP2040_BY_ID"
	status --table
	[ "$stderr" = "kf-status: klipper: $cfg: [mcu EBB] has neither serial: nor canbus_uuid: with a value on the same line
  correct it in $cfg" ]
	[[ $output == *"  mcu "*"Klipper (klipper.service) does not run"* ]]
	stopped klipper "$PWD/tree" '[mcu]' "serial: $H723_BY_ID" '[mcu EBB]' "serial: $H723_BY_ID"
	status --table
	[[ $stderr == "kf-status: klipper: $cfg: [mcu] and [mcu EBB] have one serial: $H723_BY_ID"* ]]
}

@test "Klippy and the USB name say two chips: that is said, and no version is believed" {
	running voron "mcus ready" TREE="$PWD/tree" VERSION="$new" MCUS="$(jq -nc --arg p "$H723_BY_ID" --arg v "$old" \
		'{mcu: {config: {serial: $p}, object: {mcu_version: $v, mcu_constants: {MCU: "rp2040"}}}}')"
	status --table mcu
	[[ $output == *"not asked: Klippy says that it is rp2040, its USB name says stm32h723xx"* ]]
	[[ $output != *behind* ]]
	status mcu
	[ "$(jq -c '[.status.state, .status.other_mcu]' <<<"$output")" = '["not asked","rp2040"]' ]
}

@test "a printer's problem is in the records of boards that may be its own, and told for those" {
	stopped klipper-ender "$PWD/tree" '[include gone.cfg]'
	running voron "mcus ready" TREE="$PWD/tree" VERSION="$new" MCUS="$(mcus mcu "$H723_BY_ID" "$new")"
	status --json
	valid_records <<<"$output"
	[ "$(jq -c '[.board.printer.mcu, [.status.problems[]?.printer]]' <<<"$output")" = $'["mcu",[]]\n[null,["ender"]]' ]
	[[ $(jq -r '.status.problems[0]? | .message, .hint' <<<"$output") == \
		*"its boards are not known: $PWD/klipper-ender_data/config/gone.cfg: No such file"*"correct it in $PWD/"*/printer.cfg ]]
	[[ $stderr == "kf-status: ender: "* ]]
	# The board that was named is another printer's.
	status --json mcu
	[ "$stderr" = "" ]
	# One that is not found may be that printer's.
	run -78 --separate-stderr mocked kf-sim -b "$H723" -- kf-status head
	[[ $stderr == "kf-status: ender: "*'no board "head"'* ]]
	# A Klippy that does not answer is a problem of the boards in its file.
	end_klippies
	printf '[mcu]\nserial: %s\n' "$H723_BY_ID" >voron_data/config/printer.cfg
	running voron "mcus ready" MODE=garbage
	status --json voron-mcu
	[[ $(jq -r '.status.problems[0] | .printer, .message, .hint' <<<"$output") == \
		"voron
Klippy (process $klippy) cannot be asked: "*"
its klippy.log tells more"* ]]
	[[ $stderr == "kf-status: voron: Klippy "* ]]
}

@test "a new commit, a new tag and a change in the tree show at once" {
	running voron "mcus ready" TREE="$PWD/tree" VERSION="$new" MCUS="$(mcus mcu "$H723_BY_ID" "$new")"
	status --json mcu
	status --json mcu
	[ "$(jq -r '.status | [.state, .tree_version] | join(" ")' <<<"$output")" = "up to date $new" ]
	git -C tree tag -am x v0.14.0
	status --json mcu
	[[ $(jq -r '.status | [.state, .tree_version] | join(" ")' <<<"$output") == "up to date v0.14.0-0-g"* ]]
	git -C tree commit -q --allow-empty -m x
	status --json mcu
	[[ $(jq -r '.status | [.state, .tree_version] | join(" ")' <<<"$output") == "behind v0.14.0-1-g"* ]]
	git -C tree checkout -q HEAD~1
	echo >>tree/Makefile
	status --json mcu
	[[ $(jq -r '.status | [.state, .tree_version] | join(" ")' <<<"$output") == "differs v0.14.0-0-g"*-dirty ]]
}

@test "a registered board in DFU, without a serial number, is shown once, with its printer" {
	stopped klipper "$PWD/tree" '[mcu]' "serial: $H723_BY_ID"
	registry <<<'{"devices": {"octopus": {"mcu": "stm32h723", "serial_pattern": "usb-Klipper_stm32h723xx_29001A001151313531383332*", "usb_port": "1-1.2"}}}'
	run -0 --separate-stderr mocked kf-sim -b "$H723,mode=dfu" -- kf-status --json
	[ "$(jq -c '[.board.key, .board.mode, .board.printer.mcu, .status.state]' <<<"$output")" = \
		'["octopus","dfu","mcu","in its bootloader"]' ]
}

@test "a printer.cfg that may not be read is named, with what to do" {
	local cfg=$PWD/klipper_data/config/printer.cfg
	[ "$(id -u)" -eq 0 ] || skip "only root can make files of another user's"
	stopped klipper "$PWD/tree" '[mcu]' "serial: $H723_BY_ID"
	chown 65534 "$cfg"
	chmod 600 "$cfg"
	run -69 --separate-stderr setpriv --bounding-set=-dac_override,-dac_read_search kf-status --table
	[[ $stderr == *"klipper: its boards are not known: $cfg: Permission denied"* ]]
	[[ $stderr == *"  $cfg or a folder of it belongs to another user (ls -l $cfg): run it as that user, or start the printer, whose Klippy then tells"* ]]
}
