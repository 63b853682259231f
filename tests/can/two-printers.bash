# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2016 # the tests use the variables; run sets output; sim has $ of its own
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
	# kf refuses a tree of another user's.
	cp -r "$IMAGES/source" "$BATS_FILE_TMPDIR/source"
	chown -R root: "$BATS_FILE_TMPDIR/source"
}

teardown_file() {
	stop_systemd
	umount "$GROUPS_ROOT"
}

setup() {
	fresh_home
	mkdir -p "$XDG_STATE_HOME"
	cp -r "$IMAGES/kept" "$XDG_STATE_HOME/kalico-flash"
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
	told "the printer was down for "
}
