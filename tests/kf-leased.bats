#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# kf-leased and kf-service hold, against a systemd of our own (tests/fake/systemd1.py).
# bats file_tags=slow
load helper
load fake/systemd
load fake/leased

setup_file() {
	export FAKE=$BATS_FILE_TMPDIR/fake
	mkdir "$FAKE"
	start_systemd "$BATS_FILE_TMPDIR/bus"
}

teardown_file() {
	stop_systemd
}

setup() {
	fresh_home
	need bus
	cd "$BATS_TEST_TMPDIR" || return
	: >"$FAKE/calls"
	mkfifo up down event gate
	units klipper.service active
}

teardown() {
	[ -z "$LEASED_PID" ] || send_signal KILL "$LEASED_PID" 2>/dev/null || true
}

# fake FILTER: change what systemd has.
fake() {
	jq "$1" "$FAKE/state.json" >state.new
	mv state.new "$FAKE/state.json"
}

calls() {
	cat "$FAKE/calls"
}

owed() {
	ls -A "$OWED" 2>/dev/null || true
}

# A client of its own, see fake/lease.py.
client=(/usr/bin/python3 "$KF_TESTS/fake/lease.py")
lease() {
	"${client[@]}" "$@"
}

# background COMMAND...: start it; $pid.
background() {
	env --default-signal=INT,QUIT "$@" >out 2>err 3>&- &
	pid=$!
}

wait_status() {
	status=0
	wait "$pid" || status=$?
}

# comes_back [UNIT]: within 10 s it runs again and is not owed any more.
comes_back() {
	local unit=${1:-klipper.service}
	timeout 10 sh -c 'until [ "$(jq -r --arg u "$1" ".units[\$u].active" "$FAKE/state.json")" = active ] &&
		[ ! -e "$OWED/$1" ]; do sleep 0.02; done' - "$unit"
}

@test "a lease: stopped, on record meanwhile, and back; COMMAND's status and streams" {
	start_leased
	run -3 --separate-stderr kf-service hold -- bash -c \
		'jq -r ".units[].active" "$FAKE/state.json"; ls "$OWED"; cat; exit 3' <<<hello
	[ "$output" = $'inactive\nklipper.service\nhello' ]
	[[ ${stderr_lines[0]} == "[Service] klipper.service: stopped" ]]
	[[ ${stderr_lines[1]} == "[Service] klipper.service: started, active again after "* ]]
	[ "$(active)" = active ]
	[ "$(owed)" = "" ]
	[ "$(calls)" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
	[[ $(<leased.log) == *"klipper.service: asked for by pid "*", uid $(id -u)"* ]]
}

@test "status: the lease is in force, and is not taken" {
	units klipper.service active other.service active
	start_leased
	run -0 --separate-stderr kf-service status -u klipper
	[ "$(jq -r .guarantee <<<"$output")" = lease ]
	run -0 --separate-stderr kf-service status -u other
	[ "$(jq -r .guarantee <<<"$output")" != lease ]
	[ "$(calls)" = "" ]
	[[ $(<leased.log) != *"asked for"* ]]
}

@test "-h, -V, mistakes, and no socket" {
	run -0 --separate-stderr kf-leased --help
	[[ $output == usage:* && $stderr = "" ]]
	run -0 kf-leased -V
	[[ $output == "kf-leased "* ]]
	run -74 bash -c 'kf-leased -h >/dev/full'
	run -64 --separate-stderr kf-leased --nonsense
	[ "$output" = "" ]
	run -64 kf-leased -t 0
	run -64 kf-leased --pay klipper
	run -64 --separate-stderr kf-leased
	[[ $stderr == *"no socket to listen on"*"kalico-flash.socket"* ]]
}

@test "no socket, a dead one, or one that is not for us: the next way" {
	user=(env)
	[ "$(id -u)" -ne 0 ] || user=(unshare -U)
	"${user[@]}" true 2>/dev/null || skip "root, and unshare -U does not work here"
	KF_LEASE_SOCKET=$PWD/nothing run -0 kf-service hold -- true
	start_leased
	chmod 0 "$KF_LEASE_SOCKET"
	run -0 "${user[@]}" kf-service hold -- true
	chmod 0600 "$KF_LEASE_SOCKET"
	send_signal TERM "$LEASED_PID"
	run -0 kf-service hold -- true
	[ "$(active)" = active ]
	[ "$(grep -c StopUnit "$FAKE/calls")" -eq 3 ]
	[[ $(<leased.log) != *"asked for"* ]]
}

@test "neither a lease nor another right: both are said, nothing is stopped" {
	user=(env)
	[ "$(id -u)" -ne 0 ] || user=(unshare -U)
	"${user[@]}" true 2>/dev/null || skip "root, and unshare -U does not work here"
	PATH=$KF_TESTS/fake/bin:$PATH
	touch "$FAKE/sudo-refuses"
	start_leased
	chmod 0 "$KF_LEASE_SOCKET"
	fake '.deny = ["StopUnit", "StartUnit"]'
	run -77 --separate-stderr "${user[@]}" kf-service hold -- touch ran
	[[ $stderr == *"lease.sock: Permission denied; without a lease: "*klipper.service* ]]
	chmod 0600 "$KF_LEASE_SOCKET"
	units other.service active
	fake '.deny = ["StopUnit", "StartUnit"]'
	run -77 --separate-stderr "${user[@]}" kf-service hold -u other -- touch ran
	[[ $stderr == *"other.service cannot be leased: only klipper* and moonraker* services can"* ]]
	[ "$(active other.service)" = active ]
	[ ! -e ran ]
	rm "$FAKE/sudo-refuses"
}

@test "only klipper* and moonraker* services, whatever the client is" {
	start_leased
	units other.service active klipper.socket active
	for name in other other.service klipper.socket 'klipper*' klipper@ ../klipper ''; do
		run -0 lease say "{\"hold\":[\"moonraker\",\"$name\"]}" x
		[[ ${lines[0]} == '{"error"'*'"refused":true}' || ${lines[0]} == *'"refused": true}' ]]
		[ "${lines[1]}" = closed ]
	done
	[ "$(calls)" = "" ]
}

@test "names: klipper, a second instance, templates; each unit once" {
	units klipper.service active klipper-2.service active klipper@2.service active \
		moonraker.service reloading
	start_leased
	run -0 --separate-stderr kf-service hold -u klipper -u klipper-2 -u klipper@2 -u moonraker \
		-- jq -r '.units[].active' "$FAKE/state.json"
	[ "$output" = $'inactive\ninactive\ninactive\ninactive' ]
	for unit in klipper klipper-2 klipper@2 moonraker; do
		[ "$(active "$unit.service")" = active ]
		[ "$(grep -c "StartUnit $unit.service" "$FAKE/calls")" -eq 1 ]
	done
	run -0 lease say '{"hold":["klipper","klipper.service","klipper"]}' '{"release":true}'
	[ "$output" = '{"stopped":["klipper.service"],"held":[],"inactive":[]}
{"started":["klipper.service"],"held":[],"lost":[]}' ]
}

@test "what does not run is left alone, and nothing is owed for it" {
	units klipper.service inactive klipper-2.service failed moonraker.service active
	start_leased
	run -0 --separate-stderr kf-service hold -u klipper -u klipper-2 -u moonraker -- \
		sh -c 'ls "$OWED"'
	[ "$output" = moonraker.service ]
	[[ $stderr == *"klipper.service: does not run: left alone"*"klipper-2.service: does not run"* ]]
	[ "$(calls)" = $'StopUnit moonraker.service replace\nStartUnit moonraker.service replace' ]
	[ "$(active)" = inactive ]
}

@test "on its way down it is waited for; on its way up, or with a restart queued, it is owed" {
	units klipper.service deactivating klipper-2.service activating moonraker.service deactivating
	fake '.units["moonraker.service"].job = "restart"'
	start_leased
	kf-service hold -u klipper -u klipper-2 -u moonraker -- true 2>err 3>&- &
	ends_by_itself klipper.service
	wait $!
	[ "$(active)" = inactive ]
	[ "$(active klipper-2.service)" = active ]
	[ "$(active moonraker.service)" = active ]
}

@test "a unit that restarts for ever does so again" {
	units klipper.service activating
	fake '.units["klipper.service"] |= . + {"sub": "auto-restart",
		"start": {"result": "failed", "then": "activating"}}'
	start_leased
	run -0 kf-service hold -- true
	[ "$(active)" = activating ]
	[ "$(owed)" = "" ]
}

@test "what could not be started again is not stopped; nor what is not there" {
	start_leased
	for odd in '.load = "masked"' '.transient = true' '.can_start = false'; do
		units klipper.service active
		fake ".units[\"klipper.service\"]$odd"
		run -1 --separate-stderr kf-service hold -- touch ran
		[[ $stderr == *"klipper.service runs but is"*"could not be started again"* ]]
		run -0 lease say '{"hold":["klipper"]}'
		[[ $output == '{"error":"service","message":"klipper.service cannot be stopped: it runs but is'* ||
			$output == '{"error": "service"'* ]]
	done
	units klipper.service active
	run -1 --separate-stderr kf-service hold -u klipper -u klipper-9 -- touch ran
	[[ $stderr == *"klipper-9.service: there is no such unit"* ]]
	run -0 lease say '{"hold":["klipper-9"]}' '{"release":true}'
	[[ $output == *"klipper-9.service cannot be stopped: there is no such unit"*'"started":[]'* ]]
	[ ! -e ran ]
	[ "$(calls)" = "" ]
	[ "$(owed)" = "" ]
}

@test "masked and not running: left alone" {
	units klipper.service inactive
	fake '.units["klipper.service"].load = "masked"'
	start_leased
	run -0 --separate-stderr kf-service hold -- true
	[[ $stderr == *"left alone"* ]]
	[ "$(calls)" = "" ]
}

@test "a hold inside a hold stops and starts nothing twice" {
	start_leased
	run -0 --separate-stderr kf-service hold -- kf-service hold -- \
		jq -r '.units[].active' "$FAKE/state.json"
	[ "$output" = inactive ]
	[[ $stderr == *"klipper.service: stopped already, for another lease"* ]]
	[ "$(calls)" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
	[ "$(active)" = active ]
}

@test "two holds at once: back at the end of the last, whichever that is" {
	start_leased
	for first in 1 2; do
		: >"$FAKE/calls"
		background kf-service hold -- sh -c 'echo up >up; read -r _ <down'
		read -r -t 20 _ <>up
		exec {second}> >(lease keep '{"hold":["klipper"]}' >said 3>&-; echo over >event)
		timeout 10 sh -c 'until grep -q held said 2>/dev/null; do sleep 0.02; done'
		if [ $first = 1 ]; then
			echo >down
			wait_status
			[ "$(active)" = inactive ]
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
		[ "$(owed)" = "" ]
	done
}

@test "a claim while the unit comes back: it goes down again and comes back once more" {
	start_leased
	fake '.units["klipper.service"].start |= {"event": "'"$PWD/event"'", "gate": "'"$PWD/gate"'"}'
	background kf-service hold -- true
	read -r -t 20 _ <>event
	fake '.units["klipper.service"].start = {}'
	run -0 --separate-stderr kf-service hold -- jq -r '.units[].active' "$FAKE/state.json"
	[ "$output" = inactive ]
	wait_status
	[ "$status" -eq 0 ]
	[ "$(active)" = active ]
	[ "$(owed)" = "" ]
}

@test "kf-service is killed: the unit stays down as long as COMMAND lives" {
	start_leased
	background kf-service hold -- sh -c 'echo $PPID >up; read -r _ <down'
	read -r -t 20 service <>up
	send_signal KILL "$service"
	wait_status
	[ "$status" -eq 137 ]
	run -0 lease say '{"hold":["klipper"]}' '{"release":true}'
	[ "${lines[1]}" = '{"started":[],"held":["klipper.service"],"lost":[]}' ]
	[ "$(active)" = inactive ]
	echo >down
	comes_back
	[ "$(calls)" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
}

@test "both are killed: the connection closes, the unit comes back" {
	start_leased
	background kf-service hold -- sh -c 'echo $PPID $$ >up; exec sleep infinity'
	read -r -t 20 service command <>up
	send_signal KILL "$service" "$command"
	wait_status
	comes_back
	[ "$(owed)" = "" ]
}

@test "a client that closes without a word gives everything back; also while it is being stopped" {
	start_leased
	lease say '{"hold":["klipper"]}'
	comes_back
	fake '.units["klipper.service"].stop |= {"event": "'"$PWD/event"'", "gate": "'"$PWD/gate"'"}'
	background "${client[@]}" say '{"hold":["klipper"]}'
	read -r -t 20 _ <>event
	[ "$(owed)" = klipper.service ]
	send_signal KILL "$pid"
	wait_status
	comes_back
	[ "$(tail -n 2 "$FAKE/calls")" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
}

@test "a signal while the unit is stopped: no command, it is back" {
	start_leased
	fake '.units["klipper.service"].stop |= {"event": "'"$PWD/event"'", "gate": "'"$PWD/gate"'"}'
	background kf-service hold -- touch ran
	read -r -t 20 _ <>event
	send_signal INT "$pid"
	wait_status
	[ "$status" -eq 130 ]
	[ ! -e ran ]
	[ "$(active)" = active ]
	[ "$(owed)" = "" ]
}

@test "the helper is killed: --pay starts what it owed, and kf-service sees it" {
	start_leased
	background kf-service hold -- sh -c 'echo up >up; read -r _ <down'
	read -r -t 20 _ <>up
	send_signal KILL "$LEASED_PID"
	[ "$(owed)" = klipper.service ]
	[ "$(cat "$OWED/klipper.service")" = active ]
	RUNTIME_DIRECTORY=$OWED run -0 --separate-stderr kf-leased --pay
	[[ $stderr == *"klipper.service: started: it was still owed"* ]]
	[ "$(active)" = active ]
	[ "$(owed)" = "" ]
	echo >down
	wait_status
	[ "$status" -eq 0 ]
	[ "$(grep -c StartUnit "$FAKE/calls")" -eq 1 ]
}

@test "the helper is killed in the middle of a stop: --pay starts it" {
	start_leased
	fake '.units["klipper.service"].stop |= {"event": "'"$PWD/event"'", "gate": "'"$PWD/gate"'"}'
	background "${client[@]}" say '{"hold":["klipper"]}'
	read -r -t 20 _ <>event
	send_signal KILL "$LEASED_PID"
	wait_status
	RUNTIME_DIRECTORY=$OWED run -0 kf-leased --pay
	[ "$(active)" = active ]
	[ "$(owed)" = "" ]
}

@test "a helper that starts with debts pays them" {
	units klipper.service inactive moonraker.service inactive
	mkdir -m 0700 owed
	echo -n active >owed/klipper.service
	echo -n active >owed/moonraker.service
	echo -n active >owed/.klipper.service.tmp
	echo -n active >owed/other.service
	start_leased
	comes_back
	comes_back moonraker.service
	run -0 lease say '{"release":true}'
	[ -e owed/other.service ]
}

@test "--pay: nothing owed, not startable, and nobody to ask" {
	export RUNTIME_DIRECTORY=$PWD/owed
	run -0 kf-leased --pay
	[ "$output" = "" ]
	mkdir owed
	echo -n active >owed/klipper.service
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent PATH=$KF_BUILD run -71 kf-leased --pay
	[ -e owed/klipper.service ]
	units klipper.service inactive
	fake '.units["klipper.service"].start = {"result": "failed", "then": "failed"}'
	run -71 --separate-stderr kf-leased --pay
	[ "${stderr_lines[-1]}" = "  sudo systemctl start klipper.service" ]
	[ ! -e owed/klipper.service ]
}

@test "jobs that end otherwise: named, the command does not run, the unit is back" {
	start_leased
	for result in failed timeout dependency canceled; do
		units klipper.service active
		fake ".units[\"klipper.service\"].stop = {\"result\": \"$result\", \"then\": \"active\"}"
		run -1 --separate-stderr kf-service hold -- touch ran
		[[ $stderr == *"kf-leased: klipper.service cannot be stopped: systemd's job ended with the result $result"* ]]
		[[ $stderr == *"journalctl -u klipper.service"* ]]
		[ ! -e ran ]
		[ "$(active)" = active ]
		[ "$(owed)" = "" ]
	done
}

@test "one of two cannot be stopped: the other is started again" {
	units klipper.service active moonraker.service active
	fake '.units["moonraker.service"].stop = {"result": "timeout", "then": "active"}'
	start_leased
	run -1 --separate-stderr kf-service hold -u klipper -u moonraker -- touch ran
	[[ $stderr == *"moonraker.service cannot be stopped"*"timeout"* ]]
	[ ! -e ran ]
	[ "$(active)" = active ]
	[ "$(active moonraker.service)" = active ]
}

@test "not started again is 71 whatever the command did, the last line says what to type" {
	start_leased
	for how in '{"result": "failed", "then": "failed"}' '{"result": "timeout", "then": "failed"}' \
		'{"result": "dependency", "then": "inactive"}' '{"error": "Unit is masked."}'; do
		units klipper.service active moonraker.service active
		fake ".units[].start = $how"
		run -71 --separate-stderr kf-service hold -q -u klipper -u moonraker -- false
		[ "${stderr_lines[-1]}" = "  sudo systemctl start klipper.service moonraker.service" ]
		[[ $stderr == *"cannot be started"* ]]
	done
	[ "$(owed)" = $'klipper.service\nmoonraker.service' ] # for ExecStopPost=
}

@test "a unit that failed too often is forgiven and started" {
	start_leased
	fake '.units["klipper.service"] += {"result": "start-limit-hit", "forgiven": {},
		"start": {"result": "failed", "then": "failed"}}'
	run -0 kf-service hold -- true
	[ "$(active)" = active ]
	[[ $(calls) == *"ResetFailedUnit klipper.service"* ]]
}

@test "systemd refuses: its words, and nothing is lost" {
	start_leased
	fake '.deny = ["StopUnit"] | .deny_error = "org.freedesktop.DBus.Error.AccessDenied"'
	run -77 --separate-stderr kf-service hold -- touch ran
	[[ $stderr == *"klipper.service cannot be stopped: polkit says: Interactive authentication required"* ]]
	[ ! -e ran ]
	[ "$(active)" = active ]
	[ "$(owed)" = "" ]
}

@test "systemd does not answer, or its job does not end: an error at the deadline, all is as before" {
	start_leased -t 0.5
	fake '.silent = ["StopUnit"]'
	run -75 --separate-stderr kf-service hold -- touch ran
	[[ $stderr == *"klipper.service cannot be stopped: systemd did not answer in time"* ]]
	fake '.silent = [] | .units["klipper.service"].stop.gate = "'"$PWD/gate"'"'
	run -75 --separate-stderr kf-service hold -- touch ran
	[[ $stderr == *"systemd's job did not end in time"* ]]
	[ ! -e ran ]
	[ "$(active)" = active ]
	[ "$(owed)" = "" ]
}

@test "NoReply and its like: asked again until systemd is there" {
	start_leased
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

@test "the bus is lost and comes back during a lease" {
	start_systemd "$PWD/bus"
	start_leased
	background kf-service hold -- sh -c 'echo up >up; read -r _ <down'
	read -r -t 20 _ <>up
	stop_systemd
	rm -f bus
	start_systemd "$PWD/bus"
	echo >down
	wait_status
	stop_systemd
	[ "$status" -eq 0 ]
	[ "$(active)" = active ]
	[ "$(owed)" = "" ]
}

@test "the bus is away when the lease ends: it is waited for" {
	start_systemd "$PWD/bus"
	start_leased
	background kf-service hold -- sh -c 'echo up >up; read -r _ <down'
	read -r -t 20 _ <>up
	stop_systemd
	rm -f bus
	echo >down
	start_systemd "$PWD/bus"
	wait_status
	stop_systemd
	[ "$status" -eq 0 ]
	[ "$(active)" = active ]
}

@test "nonsense is refused, and changes nothing" {
	start_leased
	run -0 lease noise 1 280
	[ "$output" = "['protocol', 'usage']" ]
	run -0 lease say '{"hold":["klipper"]}' '{"hold":["klipper"]}' x
	[[ ${lines[1]} == *"a connection is good for one lease"* ]]
	[ "${lines[2]}" = closed ]
	comes_back
	run -0 kf-service hold -- true
	[ "$(active)" = active ]
}

@test "a thousand clients of one process: some wait, the others are told, everybody else is served" {
	start_leased
	run -0 lease crowd 1000
	[ "$output" = '{"busy": 984, "held": 15, "stopped": 1}' ]
	comes_back
	exec {crowd}> >(exec /usr/bin/python3 -c '
import sys; sys.path.insert(0, sys.argv[1])
import lease
socks = [lease.connect() for _ in range(900)]
print(flush=True); sys.stdin.read()' "$KF_TESTS/fake" >up 3>&-)
	read -r -t 20 _ <>up
	run -0 --separate-stderr kf-service hold -- true
	[ "$status" -eq 0 ]
	exec {crowd}>&-
	[ "$(active)" = active ]
	[ "$(calls)" = "StopUnit klipper.service replace
StartUnit klipper.service replace
StopUnit klipper.service replace
StartUnit klipper.service replace" ]
}

@test "clients that say nothing are closed; a holder may be idle" {
	start_leased --idle=0.2
	exec {holder}> >(lease keep '{"hold":["klipper"]}' >up 3>&-)
	read -r -t 20 _ <>up
	run -0 lease mute 3
	[ "$output" = "all closed" ]
	[ "$(active)" = inactive ]
	exec {holder}>&-
	comes_back
	status=0
	wait "$LEASED_PID" || status=$?
	[ "$status" -eq 0 ]
	[ "$(owed)" = "" ]
}
