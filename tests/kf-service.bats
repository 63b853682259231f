#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # run sets stderr; sh -c and bash -c have $ of their own
#
# kf-service against a systemd of our own (tests/fake/systemd1.py) on a private bus.
load helper
load hold

# bats test_tags=slow
@test "-h, -V, and mistakes" {
	run -0 --separate-stderr kf-service --help
	[[ $output == usage:* && $stderr = "" ]]
	run -0 kf-service -V
	[[ $output == "kf-service "* ]]
	run -74 bash -c 'kf-service -h >/dev/full'
	for args in "" "restart" "stop" "status klipper" "hold" "hold -u x --" "hold --nonsense" \
		"hold -t 0 true" "hold -t 1x true" "hold -u" "hold -u klipper.target true" \
		"hold -u klipper@ true" "hold -u ../x true" "hold -u klipper* true" \
		"hold -u -x true" "status -u @1"; do
		# shellcheck disable=SC2086
		run -64 --separate-stderr kf-service $args
		[ "$output" = "" ]
		[ -n "$stderr" ]
	done
	[ "$(calls)" = "" ]
}

@test "status: JSON Lines in a pipe, a table with --table" {
	units klipper.service active klipper@2.service inactive
	fake '.units["klipper.service"] += {"pid": 812, "enabled": "enabled"}'
	run -0 --separate-stderr kf-service status -u klipper -u klipper@2 -u klipper-nothing
	/usr/bin/python3 "$KF_TESTS/schema.py" "$KF_TESTS/../lib/systemd/kf-service.schema.json" <<<"$output"
	[ "${lines[0]}" = '{"unit":"klipper.service","load":"loaded","active":"active","sub":"running","enabled":"enabled","pid":812,"along":[],"refused":null,"leases":[]}' ]
	[ "${lines[1]}" = '{"unit":"klipper@2.service","load":"loaded","active":"inactive","sub":"dead","enabled":null,"pid":null,"along":[],"refused":null,"leases":[]}' ]
	[ "${lines[2]}" = '{"unit":"klipper-nothing.service","load":"not-found","active":"inactive","sub":"dead","enabled":null,"pid":null,"along":null,"refused":"klipper-nothing.service: there is no such unit","leases":[]}' ]
	run -0 --separate-stderr kf-service status --table
	[[ ${lines[0]} == UNIT*STATE* ]]
	[[ ${lines[1]} == klipper.service*active*enabled*812*alone ]]
	run -74 bash -c 'kf-service status >/dev/full'
	run -74 bash -c 'kf-service status --table >/dev/full'
	run -141 --separate-stderr unread kf-service status
	[ "$stderr" = "" ]
	[ "$(calls)" = "" ]
}

@test "--units: the printers' services that are loaded, one a line" {
	units klipper.service active klipper-2.service inactive moonraker.service active ssh.service active
	run -0 --separate-stderr kf-service --units
	[ "$(sort <<<"$output")" = $'klipper-2.service\nklipper.service\nmoonraker.service' ]
	[ "$stderr" = "" ]
	run -74 bash -c 'kf-service --units >/dev/full'
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent run --separate-stderr kf-service --units
	[ "$status" -ne 0 ] && [ "$output" = "" ]
}

# bats test_tags=slow
@test "hold: the message that Klippy is ready comes from Klippy" {
	mkdir comms config
	said() { # STATE [EDIT]: at the end of a hold of a unit whose process is such a Klippy
		local klippy
		rm -f comms/*
		exec {ready}< <(STATE=$1 EDIT=${2-} exec /usr/bin/python3 "$KF_TESTS/fake/klippy.py" \
			config/printer.cfg -a comms/klippy.sock 3>&-)
		klippy=$!
		read -r _ <&"$ready"
		fake ".units[\"klipper.service\"].pid = $klippy"
		run -0 --separate-stderr kf-service hold -- true
		send_signal TERM "$klippy"
		[[ ${stderr_lines[-1]} =~ ^"[Service] the printer was down for "[0-9]+" s"$ ]]
		echo "${stderr_lines[-2]}"
	}
	[ "$(said "ready, idle")" = "[Service] klipper.service: Klippy is ready" ]
	[[ $(said "emergency stop") == "[Service] klipper.service: Klippy is shutdown: "* ]]
	fake '.units["klipper.service"].pid = 0'
	run -0 --separate-stderr kf-service hold -- true
	[[ ${stderr_lines[-2]} != *Klippy* ]]
}

@test "hold: a job's end may come before the reply that names it" {
	fake '.early = true'
	run -0 kf-service hold -t 2 -- jq -r '.units[].active' "$FAKE/state.json"
	[[ $output == *$'\ninactive\n'* ]]
	[ "$(active)" = active ]
}

@test "hold: started means that the unit is active, whatever the result of the job" {
	fake '.units["klipper.service"].start = {"then": "failed"}'
	run -71 --separate-stderr kf-service hold -- true
	[[ $stderr == *"klipper.service cannot be started: it is failed"* ]]
}

@test "hold: a unit that failed too often is reset and started" {
	fake '.units["klipper.service"] += {"result": "start-limit-hit", "reset_failed": {},
		"start": {"result": "failed", "then": "failed"}}'
	run -0 kf-service hold -- true
	[ "$(active)" = active ]
	grep "ResetFailedUnit klipper.service" "$FAKE/calls"
}

@test "no such unit: an error before anything is stopped, with the units that exist" {
	units klipper-1.service active moonraker.service inactive other.service active
	run -1 --separate-stderr kf-service hold -u klipper-1 -u klipper touch ran
	[[ $stderr == *"klipper.service: there is no such unit"*"klipper-1.service, moonraker.service"* ]]
	[[ $stderr != *other.service* ]]
	[ ! -e ran ]
	[ "$(calls)" = "" ]
}

@test "more units than can be held at once: refused" {
	run -64 --separate-stderr kf-service hold -uklipper-{1..33} -- touch ran
	[[ $stderr == *"more than 32 units"* ]]
	[ ! -e ran ]
}

@test "no kf-leased: status 77, the command that starts it; COMMAND does not run" {
	export KF_LEASE_SOCKET=$PWD/nothing
	run -77 --separate-stderr kf-service hold -- touch ran
	[[ $stderr == *"services cannot be held: kf-leased does not run ($PWD/nothing: No such file or directory)"* ]]
	[[ $stderr == *"sudo systemctl enable --now kalico-flash.socket"*"sudo make install"*"--no-service"* ]]
	[ ! -e ran ]
	[ "$(active)" = active ]
	run -0 kf-service status
	/usr/bin/python3 "$KF_TESTS/schema.py" "$KF_TESTS/../lib/systemd/kf-service.schema.json" <<<"$output"
	[ "$(jq -r .refused <<<"$output")" = "services cannot be held: kf-leased does not run ($PWD/nothing: No such file or directory)" ]
}

@test "no systemd: an error, and COMMAND does not run" {
	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent
	run -1 --separate-stderr kf-service status
	[[ $stderr == *"cannot connect to systemd: the system bus cannot be reached: No such file"*"--no-service"* ]]
}

# bats test_tags=slow
@test "systemd does not answer: 75 at the deadline, the unit is started again" {
	fake '.silent = ["StopUnit"]'
	run -75 --separate-stderr kf-service hold -t 1 -- touch ran
	[ ! -e ran ]
	[[ $stderr == *"klipper.service cannot be stopped: systemd did not answer StopUnit in time"* ]]
	[ "$(active)" = active ]
}

# bats test_tags=slow
@test "a job that does not end: 75 at the deadline, the unit is started again" {
	fake '.units["klipper.service"].stop.gate = "'"$PWD/gate"'"'
	run -75 --separate-stderr kf-service hold -t 1 -- touch ran
	[ ! -e ran ]
	[[ $stderr == *"systemd's job did not end in time"* ]]
	[ "$(active)" = active ]
}

@test "hold: stopped while the command runs, active after; its streams and status are its own" {
	run -3 --separate-stderr kf-service hold -- bash -c \
		'jq -r ".units[].active" "$FAKE/state.json"; cat; echo complaint >&2; exit 3' <<<hello
	[ "$output" = $'inactive\nhello' ]
	[ "${stderr_lines[0]}" = "[Service] klipper.service: stopped" ]
	[ "${stderr_lines[1]}" = complaint ]
	[[ ${stderr_lines[2]} =~ ^"[Service] klipper.service: started, active again after "[0-9.]+" s"$ ]]
	[ "$(active)" = active ]
}

@test "hold -q: only the output of the command" {
	run -0 --separate-stderr kf-service hold -q -- echo hello
	[ "$output" = hello ]
	[ "$stderr" = "" ]
}

@test "hold: two units in order; a unit that is named twice is stopped once" {
	units klipper.service active moonraker.service reloading
	run -0 --separate-stderr kf-service hold -u klipper -u moonraker -u klipper.service true
	[ "$(calls)" = "StopUnit klipper.service replace
StopUnit moonraker.service replace
StartUnit klipper.service replace
StartUnit moonraker.service replace" ]
}

@test "hold: a unit that did not run is left alone" {
	units klipper.service inactive klipper-2.service failed moonraker.service active
	run -0 --separate-stderr kf-service hold -u klipper -u klipper-2 -u moonraker -- true
	[ "$(calls)" = $'StopUnit moonraker.service replace\nStartUnit moonraker.service replace' ]
	[[ $stderr == *"klipper.service: does not run: left alone"* ]]
	[[ $stderr == *"klipper-2.service: does not run: left alone"* ]]
	[ "$(active)" = inactive ]
}

# bats test_tags=slow
@test "hold: a stopping unit is waited for and stays stopped; a starting unit is waited for and comes back" {
	units klipper.service deactivating
	background kf-service hold -- true
	ends_by_itself klipper.service
	wait_status
	[ "$status" -eq 0 ]
	[ "$(calls)" = "" ]
	[ "$(active)" = inactive ]
	units klipper.service activating
	background kf-service hold -- true
	ends_by_itself klipper.service active
	wait_status
	[ "$status" -eq 0 ]
	[ "$(active)" = active ]
	units klipper.service activating
	run -75 --separate-stderr kf-service hold -t 1 -- touch ran
	[[ $stderr == *"klipper.service is still being started"* ]]
	[ ! -e ran ]
}

@test "hold: a crashed unit that systemd will restart is started again" {
	units klipper.service deactivating
	background kf-service hold -- true
	ends_by_itself klipper.service active
	wait_status
	[ "$status" -eq 0 ]
	[ "$(active)" = active ]
}

# bats test_tags=slow
@test "hold: a unit that could not be started again is not stopped" {
	for odd in '.load = "masked"' '.load = "not-found"' '.transient = true' '.can_start = false'; do
		units klipper-2.service active klipper.service active
		fake ".units[\"klipper.service\"]$odd"
		run -1 --separate-stderr kf-service hold -u klipper-2 -u klipper -- touch ran
		[[ $stderr == *"klipper.service runs but is"*"could not be started again"* ]]
	done
	[ ! -e ran ]
	[ "$(calls)" = "" ]
}

@test "hold: the second unit cannot be stopped, the first is started again" {
	units klipper.service active moonraker.service active
	fake '.units["moonraker.service"].stop = {"result": "failed", "then": "active"}'
	run -1 --separate-stderr kf-service hold -u klipper -u moonraker -- touch ran
	[ ! -e ran ]
	[[ $stderr == *"moonraker.service cannot be stopped"* ]]
	[ "$(active)" = active ]
	[ "$(active moonraker.service)" = active ]
}

@test "hold: somebody else starts the unit meanwhile" {
	run -0 kf-service hold -- bash -c \
		'jq ".units[].active = \"active\"" "$FAKE/state.json" >n; mv n "$FAKE/state.json"'
	[ "$(active)" = active ]
	[ "$(calls)" = "StopUnit klipper.service replace" ]
}

# bats test_tags=slow
@test "hold: a unit is not started again: status 71 whatever the command did; the last line has the command to type" {
	units klipper.service active moonraker.service active
	fake '.units[].start = {"result": "failed", "then": "failed"}'
	for command in true false "sh -c 'kill -9 \$\$'"; do
		fake '.units[].active = "active"'
		run -71 --separate-stderr kf-service hold -q -u klipper -u moonraker -- sh -c "$command"
		[ "${stderr_lines[-1]}" = "  sudo systemctl start klipper.service moonraker.service" ]
	done
	units klipper.service active moonraker.service active
	fake '.units["klipper.service"].start.error = "Unit klipper.service is masked."'
	fake '.units["moonraker.service"].stop.error = "No."'
	run -71 --separate-stderr kf-service hold -u klipper -u moonraker -- true
	[[ $stderr == *"moonraker.service cannot be stopped"*"Unit klipper.service is masked"* ]]
	[ "${stderr_lines[-1]}" = "  sudo systemctl start klipper.service" ]
}

@test "hold: no such program, nothing is stopped" {
	run -64 --separate-stderr kf-service hold -- /nonexistent/tool
	[[ $stderr == *"/nonexistent/tool: no such program"* ]]
	[ "$(calls)" = "" ]
}

@test "hold: the program cannot be executed, the unit is started again" {
	printf '#!/nonexistent/interpreter\n' >script
	chmod +x script
	run -74 --separate-stderr kf-service hold -- ./script
	[[ $stderr == *"./script: cannot start: No such file"* ]]
	[ "$(active)" = active ]
}

@test "hold: the command is killed" {
	run -137 --separate-stderr kf-service hold -- sh -c 'kill -KILL $$'
	[[ $stderr == *"kf-service: sh was killed by signal 9 (Killed)"*"run the same command again; journalctl -k tells whether memory ran out"*"started"* ]]
	[ "$(active)" = active ]
	run -141 --separate-stderr kf-service hold -- sh -c 'kill -PIPE $$'
	[[ $stderr != *"was killed"* ]]
}

# says TEXT: within 20 s kf-service in the background does.
says() {
	timeout 20 sh -c 'until grep -qF "$1" err; do sleep 0.02; done' - "$1"
}

@test "hold: the command is killed, and a program that it started still works: the unit waits for its end" {
	background kf-service hold -- sh -c 'sh -c "echo up >up; read -r _ <down" & read -r _ <gate; kill -KILL $$'
	read -r -t 20 _ <>up
	echo >gate
	says "sh was killed: waiting for sh (process"
	[ "$(active)" = inactive ]
	echo >down
	wait_status
	[ "$status" -eq 137 ]
	[ "$(active)" = active ]
}

@test "hold: the command is killed, then a signal comes: what it left behind gets the signal, and is killed after the grace" {
	background kf-service hold --grace 1 -- sh -c 'sh -c "trap \"\" TERM; echo up >up; exec sleep infinity" & read -r _ <gate; kill -KILL $$'
	read -r -t 20 _ <>up
	echo >gate
	says "which it left"
	[ "$(active)" = inactive ]
	send_signal TERM "$pid"
	wait_status
	[ "$status" -eq 143 ]
	[[ $(<err) == *"did not end after SIGTERM: killed"*"active again"* ]]
	[ "$(active)" = active ]
}

# bats test_tags=slow
@test "hold: INT, TERM, HUP and QUIT reach the command, then the units are started again" {
	for sig in INT TERM HUP QUIT; do
		background kf-service hold -- sh -c 'echo up >up; exec sleep infinity'
		read -r -t 20 _ <>up
		send_signal "$sig" "$pid"
		wait_status
		[ "$status" -eq $((128 + $(kill -l "$sig"))) ]
		[[ $(<err) == *"SIG$sig: waiting for the command to end"*"active again"* ]]
		[ "$(active)" = active ]
	done
}

@test "hold: a command gets a signal and ends with 0: the status is that of the signal" {
	background kf-service hold -- bash -c 'trap "echo bye; exit 0" TERM; echo up >up; read -r <>down'
	read -r -t 20 _ <>up
	send_signal TERM "$pid"
	wait_status
	[ "$status" -eq 143 ]
	[ "$(<out)" = bye ]
	[ "$(active)" = active ]
}

# bats test_tags=slow
@test "hold: a command that does not end after a signal is killed" {
	background kf-service hold --grace 1 -- bash -c 'trap "" TERM; echo up >up; exec sleep infinity'
	read -r -t 20 _ <>up
	send_signal TERM "$pid"
	wait_status
	[ "$status" -eq 143 ]
	[[ $(<err) == *"did not end after SIGTERM: killed"* ]]
	[ "$(active)" = active ]
}

@test "hold: a signal that the caller ignores is ignored" {
	(
		trap "" HUP
		exec kf-service hold -- sh -c 'echo up >up; read -r _ <down' 3>&-
	) &
	pid=$!
	read -r -t 20 _ <>up
	send_signal HUP "$pid"
	echo >down
	wait_status
	[ "$status" -eq 0 ]
}

@test "hold: a signal while the unit stops: the command does not run, the unit is started again" {
	fake '.units["klipper.service"].stop |= {"event": "'"$PWD/event"'", "gate": "'"$PWD/gate"'"}'
	background kf-service hold -- touch ran
	read -r -t 20 _ <>event
	send_signal INT "$pid"
	wait_status
	[ "$status" -eq 130 ]
	[ ! -e ran ]
	[ "$(calls)" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
	[ "$(active)" = active ]
}

@test "hold: signals while the unit starts do not interrupt it" {
	fake '.units["klipper.service"].start |= {"event": "'"$PWD/event"'", "gate": "'"$PWD/gate"'"}'
	background kf-service hold -- sh -c 'echo up >up; exec sleep infinity'
	read -r -t 20 _ <>up
	send_signal TERM "$pid"
	read -r -t 20 _ <>event
	send_signal INT "$pid"
	send_signal HUP "$pid"
	send_signal TERM "$pid"
	echo >gate
	wait_status
	[ "$status" -eq 143 ]
	[ "$(active)" = active ]
	[[ $(<err) == *"active again"* ]]
}

@test "hold: Ctrl-C on a terminal reaches the command once" {
	need pty
	PYTHONPATH=$KF_TESTS run -0 /usr/bin/python3 -B - <<-'END'
		import os, pty, signal
		from signals import send_signal
		command = '''
		trap 'n=$((n+1)); echo int >>log; echo int >up' INT
		trap 'echo "$n" >count; exit 5' TERM
		echo up >up
		while :; do read -t 0.3 -r _ <>down; done
		'''
		child, tty = pty.fork()
		if child == 0:
		    os.execvp("kf-service", ["kf-service", "hold", "--", "bash", "-c", command])
		assert open("up").read() == "up\n"
		os.write(tty, b"\x03")
		assert open("up").read() == "int\n"
		# A second Ctrl-C passed on by mistake would come before this.
		send_signal(child, signal.SIGTERM)
		_, status = os.waitpid(child, 0)
		assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGINT, status
		assert open("count").read() == "1\n", open("count").read()
	END
	[ "$(active)" = active ]
}

@test "hold: the terminal is closed: the command gets SIGHUP" {
	need pty
	run -0 /usr/bin/python3 - <<-'END'
		import os, pty, signal
		command = "trap 'echo hup >log; exit 5' HUP; echo up >up; while :; do read -t 0.3 -r _ <>down; done"
		child, tty = pty.fork()
		if child == 0:
		    os.execvp("kf-service", ["kf-service", "hold", "--", "bash", "-c", command])
		assert open("up").read() == "up\n"
		os.close(tty)
		_, status = os.waitpid(child, 0)
		assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP, status
		assert open("log").read() == "hup\n"
	END
	[ "$(active)" = active ]
}

# hold_over_lost_bus COMMAND...: hold, on a bus that ends meanwhile; then COMMAND; $status.
hold_over_lost_bus() {
	start_systemd "$PWD/bus"
	background kf-service hold -- sh -c 'echo up >up; read -r _ <down'
	read -r -t 20 _ <>up
	stop_systemd
	rm -f bus
	"$@"
	echo >down
	wait_status
}

# bats test_tags=slow
@test "hold: the D-Bus connection is lost meanwhile, and comes back" {
	hold_over_lost_bus start_systemd "$PWD/bus"
	stop_systemd
	[ "$status" -eq 0 ]
	[ "$(calls)" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
	[ "$(active)" = active ]
}
