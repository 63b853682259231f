#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# Two printers on one host: alpha has a bridge and the nodes behind it, beta prints on can1.
load ../fake/systemd
load ../boards
load ../printers
load can
load images

CHIP=29001A001151313531383332
BRIDGE=mcu=stm32h723xx,serial=$CHIP,port=1-1.2,bridge,can=can0,version=
EBB=mcu=stm32f446xx,uuid=40f84a5af36e,can=can0,mode=katapult
TOOL=mcu=stm32f446xx,uuid=101f20646387,can=can0,version=
BETA=mcu=stm32f446xx,uuid=0badcafe0001,can=can1,version=

setup_file() {
	build_can_images
	export FAKE=$BATS_FILE_TMPDIR/fake
	mkdir "$FAKE"
	start_systemd "$BATS_FILE_TMPDIR/bus"
	export GROUPS_ROOT=$BATS_FILE_TMPDIR/cgroup
	mkdir "$GROUPS_ROOT"
	mount -t cgroup2 cgroup "$GROUPS_ROOT"
	# One tree and one cache for all tests: the firmware is built once. kf refuses a tree of another user's.
	cp -r "$IMAGES/source" "$BATS_FILE_TMPDIR/source"
	chown -R root: "$BATS_FILE_TMPDIR/source"
}

teardown_file() {
	stop_systemd
	umount "$GROUPS_ROOT"
}

setup() {
	fresh_home
	export XDG_CACHE_HOME=$BATS_FILE_TMPDIR/cache
	cd "$BATS_TEST_TMPDIR" || return
	: >"$FAKE/calls"
	units klipper-alpha.service active klipper-beta.service active
	can_up can1
	export KF_PRINTER_ROOT=$PWD/root ON_TERMINAL_S=120 TREE=$BATS_FILE_TMPDIR/source old new ALPHA BETAS
	mkdir root
	old=$(version_of "$TREE" 2) new=$(version_of "$TREE")
	save_configs alpha-mcu:bridge alpha-ebb:node alpha-tool:node alpha-silent:node beta-mcu:node
	node() { echo "[$1]"; echo "canbus_uuid: $2"; echo "canbus_interface: $3"; }
	stopped klipper-alpha "$TREE" "$(node mcu 95c25dd8fd1e can0; node "mcu ebb" 40f84a5af36e can0
		node "mcu silent" 0badcafe0002 can0; node "mcu tool" 101f20646387 can0)"
	stopped klipper-beta "$TREE" "$(node mcu 0badcafe0001 can1)"
	# Klippy has identified the boards that answered it; without the others it is in error.
	ALPHA=$(jq -nc --arg old "$old" 'def node($uuid): {canbus_uuid: $uuid, canbus_interface: "can0"};
		def told($mcu): {mcu_version: $old, mcu_constants: {MCU: $mcu}};
		{mcu: {config: node("95c25dd8fd1e"), object: told("stm32h723xx")},
		 "mcu ebb": {config: node("40f84a5af36e"), object: {}},
		 "mcu silent": {config: node("0badcafe0002"), object: {}},
		 "mcu tool": {config: node("101f20646387"), object: told("stm32f446xx")}}')
	BETAS=$(jq -nc --arg old "$old" '{mcu: {config: {canbus_uuid: "0badcafe0001", canbus_interface: "can1"},
		object: {mcu_version: $old, mcu_constants: {MCU: "stm32f446xx"}}}}')
}

# klippy NAME STATE [ENV]...: a Klippy. It is the main process of klipper-NAME.service, and in that service's control group.
klippy() {
	local group=$GROUPS_ROOT/system.slice/klipper-$1.service
	running "klipper-$1" "$2" TREE="$TREE" VERSION="$old" "${@:3}"
	mkdir -p "$group"
	echo "$klippy" >"$group/cgroup.procs"
	jq ".units[\"klipper-$1.service\"] += {pid: $klippy, kill: true}" "$FAKE/state.json" >state.new
	mv state.new "$FAKE/state.json"
}
export -f klippy

# printers COMMAND: beside $BOARDS and both Klippies. alpha's is in error for the boards that do not answer it; beta's prints.
printers() {
	local board boards=()
	for board in "${BOARDS[@]}"; do boards+=("${board/%version=/version=$old}"); done
	sim "${boards[@]}" -- '
		. "$KF_TESTS/printers.bash"
		. "$KF_TESTS/signal.bash"
		klippy alpha "mcus protocol error" MCUS="$ALPHA"
		klippy beta printing MCUS="$BETAS" PRINT=printing
		status=0
		{ '"$1"'; } || status=$?
		end_klippies
		exit $status'
}

results() {
	jq -c '[.board.key, .flash.result // .error.code]' "$@" | sort
}

# update [BOARD...]: kf update on a terminal, its one question answered by Enter; records has the record of each board.
update() {
	"$KF_TESTS/on-terminal" "kf update --json $* >records" "Go on. .Y/n. " "\r"
}
export -f update

# told TEXT: the terminal has shown that, wherever its lines were broken.
told() {
	[[ $(tr -s '\r\n ' ' ' <<<"$output") == *"$1"* ]]
}

# ended BOARD RESULT...: what became of each board; beta's was refused. alpha stopped once, and runs again; beta did not.
ended() {
	echo "$output"
	valid_records <records
	diff - <(jq -r '"\(.board.key) \(.flash.result // .error.code)"' records) <<-END
		alpha-mcu $1
		alpha-ebb $2
		alpha-tool $3
		beta-mcu printing
	END
	[ "$(grep -c '^StopUnit' "$FAKE/calls")" -eq 1 ]
	[ "$(grep -c '^StopUnit klipper-alpha' "$FAKE/calls")" -eq 1 ]
	[ "$(active klipper-alpha.service)" = active ]
	told "klipper-alpha.service was down for "
}

@test "kf status and kf update: one question, one hold, the nodes and then their bridge; who prints on another bus goes on" {
	BOARDS=("$BRIDGE" "$EBB" "$TOOL" "$BETA")
	run -75 printers 'kf status --ask --table; update'
	ended flashed flashed flashed
	told "alpha (klipper-alpha.service): error: MCU Protocol error"
	told "alpha-mcu stm32h723xx behind by 2 commits"
	told "alpha-ebb in its bootloader: katapult"
	told "alpha-silent not asked: it did not answer on can0"
	told "beta-mcu: can1 0badcafe0001 cannot be flashed now: Klippy (klipper-beta.service, process "
	told "Boards to flash (to $new): alpha-ebb can0 40f84a5af36e (in its bootloader) alpha-tool stm32f446xx can0 101f20646387 \
($old, 2 commits) alpha-mcu stm32h723xx USB port 1-1.2, bridge of can0 ($old, 2 commits) (last: it carries the others) \
Klipper (klipper-alpha.service) will be stopped for about 66 s. Go on? [Y/n]"
	# The bridge leaves after the nodes.
	[ "$(jq -r '.board.key' "$XDG_STATE_HOME/kalico-flash/history.jsonl" | tail -n 1)" = alpha-mcu ]
}

@test "kf update: the bridge comes back as DFU: it is flashed there, after its nodes and in the same stop" {
	BOARDS=("$BRIDGE,leave_as=dfu" "$EBB" "$TOOL" "$BETA")
	run -75 printers update
	ended flashed flashed flashed
	# The terminal has one line for the board, too narrow for the first method's failure.
	[ "$(jq -c 'select(.board.key == "alpha-mcu").flash.attempts | map(.method + " " + .result)' records)" = \
		'["katapult no_katapult","dfu flashed"]' ]
	[ "$(jq -r '.board.key' "$XDG_STATE_HOME/kalico-flash/history.jsonl" | tail -n 1)" = alpha-mcu ]
}

@test "kf update: a node loses its cable in mid-block: the others are flashed" {
	BOARDS=("$BRIDGE" "$EBB" "$TOOL,unplug=tx:200" "$BETA")
	run -75 printers update
	ended flashed flashed timeout
	told "alpha-tool: block 0x"
	told "double-click its reset button (where it has none, power-cycle it)"
}

@test "a node on the bus of a printer that prints is refused, and nothing is sent" {
	BOARDS=("$BETA")
	run -75 --separate-stderr printers 'setsid -w kf update --yes --json beta-mcu'
	[ "$(jq -r .error.code <<<"$output")" = printing ]
	run ! grep '^StopUnit' "$FAKE/calls"
}

@test "four nodes and their bridge: one stop for all of them, the nodes one after the other, then the bridge" {
	local n uuid boards=("${BRIDGE/%version=/version=$old}")
	rm -r root
	for n in 1 2 3 4; do
		uuid=0badcafe001$n
		echo "{\"n$n\": {\"mcu\": \"stm32f446\", \"canbus_uuid\": \"$uuid\", \"canbus_interface\": \"can0\"}}"
	done | jq -s '{devices: (add + {bridge: {mcu: "stm32h723", serial_pattern: "usb-Klipper_stm32h723xx_'"$CHIP"'*"}})}' >devices.json
	for n in 1 2 3 4; do boards+=("mcu=stm32f446xx,uuid=0badcafe001$n,can=can0,version=$old"); done
	registry <devices.json
	run -0 --separate-stderr sim "${boards[@]}" -- '
		for image in bridge node; do
			export FILE=$IMAGES/$image/klipper.bin SUM
			read -r SUM _ < <(sha256sum "$FILE")
			kf-scan -q | jq -c "select((.board.key == \"bridge\") == (\"$image\" == \"bridge\"))
				| .firmware = {path: env.FILE, sha256: env.SUM}"
		done | kf-flash -u klipper-alpha --json'
	[ "$(jq -r '"\(.board.key) \(.flash.result)"' <<<"$output" | sort)" = "bridge flashed
n1 flashed
n2 flashed
n3 flashed
n4 flashed" ]
	[ "$(grep -c '^StopUnit' "$FAKE/calls")" -eq 1 ]
	[ "$(grep -Eo '(n.|bridge): (entering Katapult|flashed)' <<<"$stderr" | cut -d : -f 1 | uniq | xargs)" = \
		"n1 n2 n3 n4 bridge" ]
}
