#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2016 # bash -c has $ of its own
#
# Only what holds the port is stopped: two printers' units with a simulated board each, which
# they open as a Klippy does. Inside the container of tests/systemd/run.
bats_require_minimum_version 1.5.0
source /kf/tests/signal.bash
source /kf/tests/boards.bash
export IMAGES=/kf-installed/images

# The images lie there already.
setup_file() {
	:
}

# Has a unit started that no earlier read has shown?
more() {
	read -r -t 0 -u "$started"
}

drain() {
	while more; do read -r -u "$started" _; done
}

# started_is UNIT,...: these have started, in any order, and no others.
started_is() {
	local unit units=()
	for _ in ${1//,/ }; do
		read -r -t 10 -u "$started" unit
		units+=("$unit")
	done
	[ "$(printf '%s\n' "${units[@]}" | sort | paste -sd ,)" = "$1" ]
	run ! more
}

setup() {
	cd "$(mktemp -d)" || return
	export HOME=$PWD/home XDG_STATE_HOME=$PWD/home/state XDG_CONFIG_HOME=$PWD/home/config
	mkdir -p "$XDG_CONFIG_HOME/kalico-flash"
	echo "$BOTH" >"$XDG_CONFIG_HOME/kalico-flash/devices.json"
	systemctl stop 'klipper*' moonraker
	systemctl reset-failed
	systemctl start kalico-flash.socket
	exec {started}<>/run/kf/started
	drain
}

teardown() {
	systemctl stop klipper klipper-2 klipper@2
	rm -rf /run/systemd/system/klipper*.service.d
	systemctl daemon-reload
}

# open_port UNIT PORT: UNIT has PORT open, on the simulated machine that we are on, and runs.
open_port() {
	mkdir -p "/run/systemd/system/$1.service.d"
	cat >"/run/systemd/system/$1.service.d/port.conf" <<-END
		[Service]
		Environment=LD_PRELOAD=$LD_PRELOAD UMOCKDEV_DIR=$UMOCKDEV_DIR
		ExecStart=
		ExecStart=/bin/sh -c "exec 3<>$2 && echo %N 1<>/run/kf/started; exec sleep infinity"
	END
	systemctl daemon-reload
	systemctl start "$1"
	read -r -t 10 -u "$started" _
}

pids() {
	systemctl show --property=MainPID --value klipper klipper-2 | grep . | paste -sd ' '
}
export -f open_port pids
export started

# here BASH-TEXT: on a machine with both boards. Klippy's API has tests of its own.
here() {
	timeout 60 kf-sim --board "$H723" --board "$RP2040" -- bash -uc "$1"
}

flash='kf-flash -q --while-unknown'

@test "one board: the Klipper of the other printer keeps running" {
	run -0 --separate-stderr here '
		open_port klipper /dev/ttyACM0; open_port klipper-2 /dev/ttyACM1; pids
		records | jq -c "select(.board.key == \"octopus-pro\")" | '"$flash"' | jq -r .flash.result; pids'
	read -r one two <<<"${lines[0]}"
	[ "${lines[1]}" = flashed ]
	read -r new same <<<"${lines[2]}"
	[ "$same" = "$two" ] && [ "$new" != "$one" ] && [ "$new" != 0 ]
	started_is klipper
}

@test "two boards of two printers: each unit is stopped once, and finds its board when it starts" {
	run -0 --separate-stderr here '
		open_port klipper /dev/ttyACM0; open_port klipper-2 /dev/ttyACM1
		{ records | jq -c "select(.board.key == \"octopus-pro\")"; IMAGE=rp2040 records; } >r
		'"$flash"' <r | jq -r .flash.result; pids'
	[ "${lines[0]} ${lines[1]}" = "flashed flashed" ]
	[[ ${lines[2]} =~ ^[1-9][0-9]*\ [1-9][0-9]*$ ]]
	started_is klipper,klipper-2
}

@test "an instance of a template has the port" {
	run -0 --separate-stderr here '
		open_port klipper@2 /dev/ttyACM0
		records | jq -c "select(.board.key == \"octopus-pro\")" | '"$flash"' | jq -r .flash.result
		systemctl is-active klipper@2'
	[ "$output" = $'flashed\nactive' ]
	started_is klipper@2
}

@test "no process has the port: nothing is stopped, nothing started" {
	systemctl start klipper moonraker
	started_is klipper,moonraker
	before=$(systemctl show --property=MainPID klipper klipper-2 moonraker)
	run -0 --separate-stderr here '
		records | jq -c "select(.board.key == \"octopus-pro\")" | '"$flash"' | jq -r .flash.result'
	[ "$output" = flashed ]
	[ "$(systemctl show --property=MainPID klipper klipper-2 moonraker)" = "$before" ]
	run ! more
}

@test "a Klippy outside of any unit: refused, with its pid; nothing is stopped" {
	systemctl start klipper
	before=$(systemctl show --property=MainPID klipper)
	run -75 --separate-stderr here '
		mkfifo hand
		systemd-run --quiet --scope --unit=by-hand sh -c "exec 3<>/dev/ttyACM0; echo \$\$ >hand; exec sleep infinity" &
		read -r pid <hand; echo "$pid"
		records | jq -c "select(.board.key == \"octopus-pro\")" | '"$flash"' >/dev/null; s=$?
		send_signal TERM "$pid"; exit $s'
	# shellcheck disable=SC2154
	[[ $stderr == *"/dev/ttyACM0 is open in process ${lines[0]} (sleep)"*"kill ${lines[0]}"* ]]
	[ "$(systemctl show --property=MainPID klipper)" = "$before" ]
}
