#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # run sets stderr; sh -c and bash -c have $ of their own
#
# kf-leased and kf-service hold, against a systemd of our own (tests/fake/systemd1.py).
load helper
load hold

# pending: the units that have to run again.
pending() {
	ls -A "$LEASED/restarts" 2>/dev/null || true
}

# server: the kf-leased that serves the lease on klipper.service, by the lock of its file.
server() {
	sed -nE 's/.*FLOCK.* ([0-9]+) [0-9a-f:]+:'"$(stat -c %i "$LEASED/restarts/klipper.service")"' .*/\1/p' /proc/locks
}

# A client of its own, see fake/lease.py.
client=(/usr/bin/python3 -ES "$KF_TESTS/fake/lease.py")
lease() {
	"${client[@]}" "$@"
}

# comes_back: within 10 s klipper.service runs again, and no restart is pending.
comes_back() {
	timeout 10 sh -c 'until [ "$(jq -r --arg u "$1" ".units[\$u].active" "$FAKE/state.json")" = active ] &&
		[ ! -e "$LEASED/restarts/$1" ]; do sleep 0.02; done' - klipper.service
}

@test "a lease: the unit is stopped, has a pending restart, and comes back; one journal line names the client" {
	: >"$FAKE/leased.log"
	run -3 --separate-stderr kf-service hold -- bash -c \
		'jq -r ".units[].active" "$FAKE/state.json"; ls "$LEASED/restarts"; cat; exit 3' <<<hello
	[ "$output" = $'inactive\nklipper.service\nhello' ]
	[[ ${stderr_lines[0]} == "[Service] klipper.service: stopped" ]]
	[[ ${stderr_lines[1]} == "[Service] klipper.service: started, active again after "* ]]
	[ "$(active)" = active ]
	[ "$(pending)" = "" ]
	[ "$(calls)" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
	[[ $(<"$FAKE/leased.log") == "[Lease] process "*" (kf-service hold -- bash -c "*") holds klipper.service" ]]
}

@test "status: shows the leases of each unit, and takes none itself" {
	background kf-service hold -- sh -c 'echo up >up; read -r _ <down'
	read -r -t 20 _ <>up
	run -0 --separate-stderr kf-service status
	/usr/bin/python3 "$KF_TESTS/schema.py" "$KF_TESTS/../lib/systemd/kf-service.schema.json" <<<"$output"
	[ "$(jq -c '.leases[0] | [.uid, .pid, .units]' <<<"$output")" = "[$(id -u),$pid,[\"klipper.service\"]]" ]
	[ "$(jq -r '.leases[0].command' <<<"$output")" = "kf-service hold -- sh -c echo up >up; read -r _ <down" ]
	run -0 --separate-stderr kf-service status --table
	[[ ${lines[2]} == "  held since 20"*"Z by process $pid of "*"(kf-service hold -- sh -c "* ]]
	RUNTIME_DIRECTORY=$LEASED run -75 --separate-stderr kf-leased --check
	[[ $stderr == *"process $pid of "*" holds klipper.service stopped"* ]]
	echo >down
	wait_status
	RUNTIME_DIRECTORY=$LEASED run -0 kf-leased --check
	[ "$(kf-service status | jq -c .leases)" = "[]" ]
}

@test "-h, -V, mistakes, and no connection" {
	run -0 --separate-stderr kf-leased --help
	[[ $output == usage:* && $stderr = "" ]]
	run -0 kf-leased -V
	[[ $output == "kf-leased "* ]]
	run -74 bash -c 'kf-leased -h >/dev/full'
	run -64 --separate-stderr kf-leased --nonsense
	[ "$output" = "" ]
	run -64 kf-leased -t 0
	run -64 kf-leased --settle klipper
	run -64 --separate-stderr kf-leased
	[[ $stderr == *"standard input is not the connection of a lease client"*"kalico-flash.socket"* ]]
}

# bats test_tags=slow
@test "kf-leased asks Klippy itself: printing always refuses, unknown refuses unless while_unknown is given" {
	mkdir comms config
	for state in "printing" "ready, idle"; do
		rm -f comms/*
		exec {ready}< <(STATE=$state exec /usr/bin/python3 "$KF_TESTS/fake/klippy.py" \
			config/printer.cfg -a comms/klippy.sock 3>&-)
		klippy=$!
		read -r _ <&"$ready"
		fake ".units[\"klipper.service\"].pid = $klippy"
		run -0 lease say '{"hold":["klipper"],"while_unknown":true}'
		send_signal TERM "$klippy"
		if [ "$state" = printing ]; then
			[[ ${lines[0]} == '{"error":"printing"'*'"refused":true}' ]]
			[ "$(calls)" = "" ]
		else
			[[ ${lines[0]} == *'"state":"stopped"'* ]]
		fi
	done
	# A process that nobody can ask.
	units klipper.service active
	fake ".units[\"klipper.service\"].pid = $$"
	run -75 --separate-stderr kf-service hold -- touch ran
	[[ $stderr == *"cannot be asked whether it prints"* ]]
	[ ! -e ran ]
	[ "$(active)" = active ]
	run -0 kf-service hold --while-unknown -- true
}

@test "a print that starts while another Klippy is asked is not stopped" {
	units klipper.service active klipper-2.service active
	mkdir comms config
	for printer in "klipper ready, idle|printing" "klipper-2 ready, idle|late"; do
		IFS="|" read -r state next <<<"${printer#* }"
		exec {ready}< <(STATE=$state THEN=${next/late/$state} MODE=${next/printing/} \
			exec /usr/bin/python3 "$KF_TESTS/fake/klippy.py" config/printer.cfg -a "comms/${printer%% *}.sock" 3>&-)
		fake ".units[\"${printer%% *}.service\"].pid = $!"
		read -r _ <&"$ready"
	done
	run -75 --separate-stderr kf-service hold -u klipper -u klipper-2 -- touch ran
	[[ $stderr == *"is printing"* ]]
	[ "$(calls)" = "" ]
	[ ! -e ran ]
}

# bats test_tags=slow
@test "units that stop along are found by kf-leased, held, and started again" {
	units klipper.service active screen.service active moonraker.service inactive
	fake '.units["klipper.service"].RequiredBy = ["screen.service", "moonraker.service"]'
	run -0 lease say '{"hold":["klipper"]}'
	[ "$(head -n 1 <<<"$output" | jq -c '[.units[] | [.unit, .state]]')" = '[["klipper.service","stopped"],["screen.service","stopped"]]' ]
	[ "$(active screen.service)" = active ]
	[ "$(active moonraker.service)" = inactive ]
	[ "$(kf-service status | jq -c .along)" = '["screen.service"]' ]
	: >"$FAKE/calls"
	fake '.units["screen.service"].transient = true'
	run -1 --separate-stderr kf-service hold -- touch ran
	[[ $stderr == *"screen.service runs and would stop along but is transient"* ]]
	[[ $(kf-service status | jq -r .refused) == *"screen.service runs and would stop along but is transient"* ]]
	[ "$(calls)" = "" ]
	[ ! -e ran ]
}

# bats test_tags=slow
@test "names: klipper, a second instance, templates; each unit once" {
	units klipper.service active klipper-2.service active klipper@2.service active \
		moonraker.service reloading
	run -0 --separate-stderr kf-service hold -u klipper -u klipper-2 -u klipper@2 -u moonraker \
		-- jq -r '.units[].active' "$FAKE/state.json"
	[ "$output" = $'inactive\ninactive\ninactive\ninactive' ]
	for unit in klipper klipper-2 klipper@2 moonraker; do
		[ "$(active "$unit.service")" = active ]
		[ "$(grep -c "StartUnit $unit.service" "$FAKE/calls")" -eq 1 ]
	done
}

@test "a unit that does not run is left alone, and has no pending restart" {
	units klipper.service inactive klipper-2.service failed moonraker.service active
	run -0 --separate-stderr kf-service hold -u klipper -u klipper-2 -u moonraker -- \
		sh -c 'find "$LEASED/restarts" -type f -size +0 -printf "%f\n"'
	[ "$output" = moonraker.service ]
	[[ $stderr == *"klipper.service: does not run: left alone"*"klipper-2.service: does not run"* ]]
	[ "$(calls)" = $'StopUnit moonraker.service replace\nStartUnit moonraker.service replace' ]
	[ "$(active)" = inactive ]
}

@test "masked and not running: left alone" {
	units klipper.service inactive
	fake '.units["klipper.service"].load = "masked"'
	run -0 --separate-stderr kf-service hold -- true
	[[ $stderr == *"left alone"* ]]
	[ "$(calls)" = "" ]
}

@test "a hold inside a hold stops and starts nothing twice" {
	run -0 --separate-stderr kf-service hold -- kf-service hold -- \
		jq -r '.units[].active' "$FAKE/state.json"
	[ "$output" = inactive ]
	[[ $stderr == *"klipper.service: stopped already, for another lease"* ]]
	[ "$(calls)" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
	[ "$(active)" = active ]
}

@test "kf-service and COMMAND are killed: the connection closes, the unit comes back" {
	background kf-service hold -- sh -c 'echo $PPID $$ >up; exec sleep infinity'
	read -r -t 20 service command <>up
	send_signal KILL "$service" "$command"
	wait_status
	comes_back
	[ "$(pending)" = "" ]
}

@test "one of two cannot be stopped: the other is started again" {
	units klipper.service active moonraker.service active
	fake '.units["moonraker.service"].stop = {"result": "timeout", "then": "active"}'
	run -1 --separate-stderr kf-service hold -u klipper -u moonraker -- touch ran
	[[ $stderr == *"moonraker.service cannot be stopped: it is active (running)"* ]]
	[ ! -e ran ]
	[ "$(active)" = active ]
	[ "$(active moonraker.service)" = active ]
}

@test "systemd refuses: the error has its message, and every unit runs again" {
	fake '.deny = ["StopUnit"] | .deny_error = "org.freedesktop.DBus.Error.AccessDenied"'
	run -77 --separate-stderr kf-service hold -- touch ran
	[[ $stderr == *"klipper.service cannot be stopped: polkit says: Interactive authentication required"* ]]
	[ ! -e ran ]
	[ "$(active)" = active ]
	[ "$(pending)" = "" ]
}

# bats test_tags=slow
@test "NoReply and similar errors: the request is sent again until systemd answers" {
	for name in org.freedesktop.DBus.Error.NoReply org.freedesktop.DBus.Error.ServiceUnknown \
		org.freedesktop.DBus.Error.Spawn.ChildExited; do
		units klipper.service active
		fake ".deny = [\"StopUnit\", \"StartUnit\"] | .deny_error = \"$name\" | .deny_times = 2"
		run -0 --separate-stderr kf-service hold -- jq -r '.units[].active' "$FAKE/state.json"
		[ "$output" = inactive ]
		[ "$(active)" = active ]
		[ "$(jq .deny_times "$FAKE/state.json")" = 0 ]
	done
}

@test "a job fails: the error has the unit's state, the command does not run, the unit is back" {
	fake '.units["klipper.service"].stop = {"result": "failed", "then": "active"}'
	run -1 --separate-stderr kf-service hold -- touch ran
	[[ $stderr == *"klipper.service cannot be stopped: it is active (running)"*"journalctl -u klipper.service"* ]]
	[[ $stderr == *"klipper.service: runs: it was not stopped"* && $stderr != *again* ]]
	[ ! -e ran ]
	[ "$(active)" = active ]
	[ "$(pending)" = "" ]
}

# bats test_tags=slow
@test "two holds at once: back at the end of the last, whichever that is" {
	for first in 1 2; do
		: >"$FAKE/calls"
		background kf-service hold -- sh -c 'echo up >up; read -r _ <down'
		read -r -t 20 _ <>up
		exec {second}> >("${client[@]}" keep '{"hold":["klipper"]}' >said 3>&-; echo over >event)
		timeout 10 sh -c 'until grep -q held said 2>/dev/null; do sleep 0.02; done'
		if [ $first = 1 ]; then
			echo >down
			wait_status
			[ "$(active)" = inactive ]
			grep "klipper.service: stays stopped: another lease holds it" err
			exec {second}>&-
			read -r -t 20 _ <>event
		else
			exec {second}>&-
			read -r -t 20 _ <>event
			[ "$(active)" = inactive ]
			echo >down
			wait_status
		fi
		[ "$status" -eq 0 ]
		comes_back
		[ "$(calls)" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
	done
}

# bats test_tags=slow
@test "a unit whose start would start one that another lease holds waits for that lease" {
	units klipper.service active moonraker.service active
	fake '.units["moonraker.service"].Wants = ["klipper.service"]'
	exec {first}> >("${client[@]}" keep '{"hold":["klipper"]}' >said 3>&-; echo over >event)
	timeout 10 sh -c 'until grep -q stopped said 2>/dev/null; do sleep 0.02; done'
	for units in "-u moonraker" "-u moonraker -u klipper"; do
		# shellcheck disable=SC2086 # several words
		run -0 --separate-stderr kf-service hold $units -- true
		[[ $stderr == *"moonraker.service: stays stopped: another lease holds it"* ]]
		[ "$(active) $(active moonraker.service)" = "inactive inactive" ]
		[[ $(pending) == *moonraker.service* ]]
	done
	exec {first}>&-
	read -r -t 20 _ <>event
	comes_back
	timeout 10 sh -c 'while [ -e "$1" ]; do sleep 0.02; done' - "$LEASED/restarts/moonraker.service"
	[ "$(active moonraker.service)" = active ]
}

@test "a lease while the unit is being restored waits for that, and the unit comes back once more" {
	fake '.units["klipper.service"].start |= {"event": "'"$PWD/event"'", "gate": "'"$PWD/gate"'"}'
	background kf-service hold -- true
	read -r -t 20 _ <>event
	run -75 --separate-stderr kf-service hold --wait=0 -- touch ran
	[[ $stderr == *"klipper.service is being started again, after another lease"* ]]
	fake '.units["klipper.service"].start = {}'
	echo >gate
	run -0 --separate-stderr kf-service hold -- jq -r '.units[].active' "$FAKE/state.json"
	[ "$output" = inactive ]
	wait_status
	[ "$status" -eq 0 ]
	[ "$(active)" = active ]
	[ ! -e ran ]
}

@test "kf-service is killed: the unit stays stopped until COMMAND ends" {
	background kf-service hold -- sh -c 'echo $PPID >up; read -r _ <down'
	read -r -t 20 service <>up
	send_signal KILL "$service"
	wait_status
	[ "$status" -eq 137 ]
	run -0 lease say '{"hold":["klipper"]}'
	[[ ${lines[1]} == *'"state":"held"'* ]]
	[ "$(active)" = inactive ]
	echo >down
	comes_back
	[ "$(calls)" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
}

@test "COMMAND may write into the connection; processes that it leaves behind do not prolong the lease" {
	run -0 kf-service hold -- bash -c 'trap "" PIPE; for fd in /proc/self/fd/*; do fd=${fd##*/}; [ "$fd" -le 2 ] || { [ -S "/proc/self/fd/$fd" ] && echo x >&"$fd"; }; done 2>/dev/null
		sleep 0.3; jq -r ".units[].active" "$FAKE/state.json"; sleep 30 >/dev/null 2>&1 & echo $! >left'
	[[ $output == *$'\ninactive\n'* ]]
	[ "$(active)" = active ]
	send_signal KILL "$(<left)"
}

@test "the client closes the connection while the unit stops: the unit is started again" {
	fake '.units["klipper.service"].stop |= {"event": "'"$PWD/event"'", "gate": "'"$PWD/gate"'"} |
		.units["klipper.service"].forget = true'
	background "${client[@]}" keep '{"hold":["klipper"]}'
	read -r -t 20 _ <>event
	[ "$(pending)" = klipper.service ]
	send_signal KILL "$pid"
	wait_status
	comes_back
	[ "$(calls)" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
}

# killed_while COMMAND...: kf-leased is killed while the unit of COMMAND, a hold, is stopped and its
# command, "up" and "down", runs.
killed_while() {
	background "$@" -- sh -c 'echo up >up; read -r _ <down'
	read -r -t 20 _ <>up
	send_signal KILL "$(server)"
}

@test "kf-leased is killed: the unit stays stopped until COMMAND has ended" {
	killed_while kf-service hold
	timeout 10 sh -c 'until [ "$(kf-service status | jq -c ".[\"leases\"][0].units")" = "[\"klipper.service\"]" ]; do sleep 0.02; done'
	[ "$(active)" = inactive ]
	run -0 lease say '{"hold":["klipper"]}'
	[[ ${lines[0]} == *'"state":"held"'* && ${lines[1]} == *'"state":"held"'* ]]
	[ "$(active)" = inactive ]
	echo >down
	wait_status
	[ "$status" -eq 0 ]
	grep "klipper.service: started, active again after" err
	[ "$(calls)" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
	[ "$(pending)" = "" ]
}

@test "kf-leased and its successor are killed: the units are started at once, and messages say so" {
	units klipper.service active moonraker.service active klipper-2.service inactive
	fake '.units["klipper.service"].RequiredBy = ["moonraker.service"]'
	touch "$KF_LEASE_SOCKET.lost"
	killed_while kf-service hold -u klipper -u klipper-2
	comes_back
	timeout 10 sh -c 'while [ -e "$1" ]; do sleep 0.02; done' - "$LEASED/restarts/moonraker.service"
	echo >down
	wait_status
	rm "$KF_LEASE_SOCKET.lost"
	[ "$status" -eq 0 ]
	grep "klipper.service: no restart is pending" err
	grep "moonraker.service: no restart is pending" err
	[ "$(grep -c klipper-2 err)" -eq 1 ]
	grep "klipper-2.service: does not run: left alone" err
}

# bats test_tags=slow
@test "kf-leased is killed before it answers: an error, and the unit comes back" {
	for lost in "" lost; do
		units klipper.service active
		[ ! "$lost" ] || touch "$KF_LEASE_SOCKET.lost"
		fake '.units["klipper.service"].stop |= {"event": "'"$PWD/event"'", "gate": "'"$PWD/gate"'"}'
		background kf-service hold -- touch ran
		read -r -t 20 _ <>event
		send_signal KILL "$(server)"
		wait_status
		rm -f "$KF_LEASE_SOCKET.lost"
		[ "$status" -eq 75 ]
		[ ! -e ran ]
		comes_back
	done
	grep -F "kf-leased closed the connection without an answer" err
}

@test "kf-leased gets TERM: it restores at once" {
	background kf-service hold -- sh -c 'echo up >up; read -r _ <down'
	read -r -t 20 _ <>up
	send_signal TERM "$(server)"
	comes_back
	echo >down
	wait_status
	[ "$status" -eq 0 ]
}

@test "--settle: leased units stay stopped, others are started; a failed start stays pending" {
	export RUNTIME_DIRECTORY=$PWD/run
	run -0 kf-leased --settle
	[ "$output" = "" ]
	units klipper.service inactive moonraker.service inactive
	mkdir -p run/restarts
	echo "active enabled" | tee run/restarts/klipper.service >run/restarts/moonraker.service
	run -0 flock -s run/restarts/moonraker.service kf-leased --settle
	[ "$(active) $(active moonraker.service)" = "active inactive" ]
	[ "$(ls run/restarts)" = moonraker.service ]
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent run -71 kf-leased --settle -t 0.5
	fake '.units["moonraker.service"].start = {"result": "failed", "then": "failed"}'
	run -71 --separate-stderr kf-leased --settle
	[ "${stderr_lines[-1]}" = "  sudo systemctl start moonraker.service" ]
	[ "$(ls run/restarts)" = moonraker.service ]
	fake '.units["moonraker.service"].start = {}'
	run -0 kf-leased --settle
	[ "$(ls run/restarts)" = "" ]
}

# bats test_tags=slow
@test "--settle: a unit that ran again and was stopped by hand stays stopped" {
	export RUNTIME_DIRECTORY=$PWD/run
	mkdir -p run/restarts
	units klipper.service inactive
	fake '.units["klipper.service"].start = {"result": "failed", "then": "failed"}'
	echo "active enabled" >run/restarts/klipper.service
	run -71 kf-leased --settle
	fake '.units["klipper.service"].start = {}'
	kf-service status >/dev/null
	units klipper.service active # by hand
	kf-service status >/dev/null
	units klipper.service inactive
	run -0 --separate-stderr kf-leased --settle
	[[ $stderr == *"klipper.service: stays stopped: it was started and stopped meanwhile"* ]]
	[ "$(active)" = inactive ]
	[ "$(ls run/restarts)" = "" ]
}

@test "a unit that was started by hand is held again: it is stopped, and a message says so" {
	background kf-service hold -- sh -c 'echo up >up; read -r _ <down'
	read -r -t 20 _ <>up
	units klipper.service active
	run -0 lease say '{"hold":["klipper"]}'
	[[ ${lines[0]} == *'"state":"stopped"'* ]]
	[ "$(active)" = inactive ]
	echo >down
	wait_status
	[ "$(active)" = active ]
}

# bats test_tags=slow
@test "a lease on many units is shown for each of them" {
	names=(klipper-{10..40}-a-name-that-is-rather-long-for-a-unit.service)
	# shellcheck disable=SC2046
	units $(printf '%s active ' "${names[@]}")
	run -0 kf-service hold -q "${names[@]/#/-u}" -- sh -c 'kf-service status -u "$1" | jq ".leases | length"' - "${names[30]}"
	[ "$output" = 1 ]
}

@test "--check: a client that has no units yet" {
	exec {client}> >("${client[@]}" keep >/dev/null 3>&-)
	RUNTIME_DIRECTORY=$LEASED timeout 4 sh -c 'while kf-leased --check 2>said; do sleep 0.02; done'
	grep "a client is connected to kf-leased" said
	exec {client}>&-
}

# bats test_tags=slow
@test "a unit is masked, disabled or started meanwhile: the message says which" {
	fake '.units["klipper.service"].enabled = "enabled"'
	run -0 --separate-stderr kf-service hold -- \
		sh -c 'jq ".units[].enabled = \"disabled\"" "$FAKE/state.json" >n; mv n "$FAKE/state.json"'
	[[ $stderr == *"klipper.service: stays stopped: it was disabled meanwhile"* ]]
	units klipper.service active
	run -0 --separate-stderr kf-service hold -- \
		sh -c 'jq ".units[].load = \"masked\"" "$FAKE/state.json" >n; mv n "$FAKE/state.json"'
	[[ $stderr == *"klipper.service: stays stopped: it was masked meanwhile"* ]]
	units klipper.service active
	run -0 --separate-stderr kf-service hold -- \
		sh -c 'jq ".units[].active = \"active\"" "$FAKE/state.json" >n; mv n "$FAKE/state.json"'
	[[ $stderr == *"klipper.service: runs already: somebody started it meanwhile"* ]]
	[ "$(grep -c StartUnit "$FAKE/calls")" -eq 0 ]
	[ "$(pending)" = "" ]
}

# package SCRIPT ARG: as dpkg would, on the system of this test; systemctl(1) is written to "asked".
package() {
	mkdir -p bin run
	printf '#!/bin/sh\necho "$*" >>asked\n[ "$1" != list-units ] || cat connected\n[ "$1" != --quiet ] || exit 3\n' >bin/systemctl
	chmod +x bin/systemctl
	sed -e "s|/run/systemd/system|$PWD|" -e "s|/run/kalico-flash|$PWD/run|g" \
		-e "s|/usr/libexec/kalico-flash/kf-leased|RUNTIME_DIRECTORY=$PWD/run kf-leased|" \
		-e 's|\$leased|eval "$leased"|' -e "s|^leased=\(.*\)|leased='\1'|" \
		"$KF_TESTS/../debian/kalico-flash.$1" >script
	PATH=$PWD/bin:$PATH sh script "$2"
}

# bats test_tags=slow
@test "package: no lease begins during an upgrade, and a lease refuses an upgrade" {
	echo "kalico-flash@1.service loaded active running" >connected
	mkdir -p run/leases
	exec {lock}>run/leases/1000.0
	flock "$lock"
	run -1 package prerm upgrade
	[[ $output == *"a client is connected to kf-leased"*"has not ended: try again later"* ]]
	[ "$(head -n 1 asked)" = "stop kalico-flash.socket" ]
	[ "$(tail -n 1 asked)" = "start kalico-flash.socket" ]
	exec {lock}>&-
}

@test "package: a unit that could not be started is tried once more before the package is removed" {
	: >connected
	units klipper.service inactive
	mkdir -p run/restarts
	echo "active enabled" >run/restarts/klipper.service
	run -0 package prerm remove
	[ "$(head -n 1 asked)" = "stop kalico-flash.socket" ]
	run ! grep start asked
	[ "$(active)" = active ]
	[ "$(ls run/restarts)" = "" ]
}

@test "package: units that an older kf-leased left stopped are started" {
	units klipper.service inactive
	mkdir -p run/owed
	echo active >run/owed/klipper.service
	run -0 package postinst configure
	[ "$(active)" = active ]
	[ ! -e run/owed ]
}

@test "malformed requests are refused, and change nothing" {
	run -0 lease noise 1 150
	[ "$output" = "['protocol', 'usage']" ]
	[ "$(calls)" = "" ]
	run -0 kf-service hold -- true
	[ "$(active)" = active ]
}

# bats test_tags=slow
@test "a thousand clients: some wait, others get an error, and later all are served" {
	run -0 lease crowd 1000
	[[ $output == '{"busy": '*'"held": '* || $output == '{"closed": '* ]]
	comes_back
	run -0 --separate-stderr kf-service hold -- true
	[ "$(active)" = active ]
}

# bats test_tags=slow
@test "connections of clients that send nothing are closed" {
	run -0 lease mute 3
	[ "$output" = "all closed" ]
}
