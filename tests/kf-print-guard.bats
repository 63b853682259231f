#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
# shellcheck disable=SC2119,SC2120,SC2030,SC2031 # functions run in here, variables in one test
#
# A print is never killed. Klippy and Moonraker are tests/fake/klippy.py, which says what the real
# ones were recorded to say, in a process that holds the simulated board's port.
load helper
load flash

setup() {
	setup_flash
	mkdir -p pd/comms pd/config pd/logs
	export PORT=/dev/ttyACM0
}

# klippy STATE [ARG]...: a Klippy that holds $PORT and says STATE; $klippy is its process. By
# default it takes questions on a socket of its own.
klippy() {
	local state=$1 port
	shift
	[ $# -gt 0 ] || set -- -a "$PWD/pd/comms/klippy.sock"
	rm -f pd/comms/*.sock
	exec {ready}< <(STATE=$state exec /usr/bin/python3 "$KF_TESTS/fake/klippy.py" \
		"$PWD/pd/config/printer.cfg" -l "$PWD/pd/logs/klippy.log" "$@" 3>&-)
	klippy=$!
	read -r _ port <&"$ready"
	exec {ready}<&-
	[ "$port" = 0 ] || printf '# ours\n[file_manager]\nport: 1\n\n[server]\nhost: x\nport: %s\n' \
		"$port" >pd/config/moonraker.conf
}

# Klippy is the main process of klipper.service.
main_process() {
	jq ".units[\"klipper.service\"] += {\"pid\": $klippy, \"kill\": true}" "$FAKE/state.json" >state.new
	mv state.new "$FAKE/state.json"
}

end() {
	send_signal TERM "$klippy"
	wait "$klippy" 2>/dev/null || :
}

# check [OPTION]...: "STATUS CODE" of the board's check; what kf-flash says goes to stderr.
check() {
	local status=0 said
	said=$(kf-scan -q ${KEY:+--device "$KEY"} | kf-flash --check "$@") || status=$?
	echo "$status $(jq -r '.error.code // "fine"' <<<"$said")"
}

# each STATE... : what comes of a flash in each of these states. A Klippy without a unit is not
# stopped, so that "busy" is what follows when nothing speaks against it.
each() {
	local state
	for state; do
		klippy "$state" "${args[@]}"
		echo "$state: $(check)"
		end
	done
}

# edits STATE EDIT...: the same in STATE, changed by each of these (see fake/klippy.py).
edits() {
	local state=$1
	shift
	for EDIT; do
		export EDIT
		each "$state"
	done
}
export -f klippy main_process end check each edits

# here TEXT [ARG]...: on a machine with one board.
here() {
	mocked timeout 300 kf-sim --board "$H723" -- bash -uc "$1" bash "${@:2}"
}

RUNNING=("ready, idle" printing paused cancelled "emergency stop")
EXPECTED="ready, idle: 75 busy
printing: 75 printing
paused: 75 printing
cancelled: 75 busy
emergency stop: 75 busy"

# bats test_tags=slow
@test "each recorded print state, as Klippy tells it" {
	run -0 --separate-stderr here 'args=(); each "$@"' "${RUNNING[@]}"
	[ "$output" = "$EXPECTED" ]
	[[ $stderr == *"octopus-pro: Klippy (process "*") is printing dwell.gcode, 0 % done"* ]]
	[[ $stderr == *"octopus-pro: Klippy (process "*") has paused its print of dwell.gcode, 0 % done"* ]]
}

# bats test_tags=slow
@test "each recorded print state, as Moonraker tells it over HTTP, at the port in moonraker.conf" {
	export MOONRAKER=http
	run -0 --separate-stderr here 'args=(-v); each "$@"' "${RUNNING[@]}"
	[ "$output" = "$EXPECTED" ]
}

@test "a Moonraker without its Klippy does not answer for another Klippy that has the port" {
	export MOONRAKER=http
	run -0 --separate-stderr here 'args=(); MODE=refuse each "$@"' \
		"klippy not running" "klippy stopped after running"
	[ "$output" = "klippy not running: 75 printer_unknown
klippy stopped after running: 75 printer_unknown" ]
	[[ $stderr == *"pd/comms/klippy.sock: no process listens there; http://127.0.0.1:"* ]]
	[[ $stderr == *"Klippy Host not connected"* ]]
}

@test "a Klippy in shutdown does not refuse the flash" {
	run -0 --separate-stderr here '
		MODE=refuse klippy "klippy stopped after running"; end; check'
	[ "$output" = "0 fine" ]
	[ "$stderr" = "" ]
}

# bats test_tags=slow
@test "startup and error: nothing can print" {
	run -0 --separate-stderr here 'args=(); edits printing webhooks.state={startup,error,shutdown}'
	[ "$(uniq -c <<<"$output" | xargs)" = "3 printing: 75 busy" ]
}

# bats test_tags=slow
@test "streamed G-code is a print, also after one that was cancelled" {
	run -0 --separate-stderr here 'args=()
		for state in "ready, idle" cancelled; do edits "$state" idle_timeout.state=Printing; done
		edits "ready, idle" idle_timeout.state=Printing,print_stats=gone,virtual_sdcard=gone'
	[ "$output" = $'ready, idle: 75 printing\ncancelled: 75 printing\nready, idle: 75 printing' ]
	[ "$(grep -c "is running G-code that does not come from a file" <<<"$stderr")" = 3 ]
}

# bats test_tags=slow
@test "a paused stream is not idle, although no file is printed" {
	run -0 --separate-stderr here '
		for MOONRAKER in "" http; do
			export MOONRAKER
			args=(${MOONRAKER:+-v})
			for state in "ready, idle" cancelled; do edits "$state" pause_resume.is_paused=true; done
		done
		MOONRAKER= args=(); edits "ready, idle" pause_resume.is_paused=false'
	echo "$output $stderr"
	[ "$(cut -d: -f2 <<<"$output" | uniq -c | xargs)" = "4 75 printing 1 75 busy" ]
	[ "$(grep -c " has paused, but not a print of a file" <<<"$stderr")" = 4 ]
	[[ $stderr == *CLEAR_PAUSE*"when nothing is printed, end it (kill "* ]]
}

# bats test_tags=slow
@test "unknown states and types are never idle" {
	run -0 --separate-stderr here 'args=(); edits "ready, idle" print_stats.state=resting idle_timeout.state=Napping \
		print_stats.state=7 print_stats=null webhooks=gone "print_stats=[1]" \
		print_stats=gone,virtual_sdcard=gone,idle_timeout=gone'
	[ "$(uniq -c <<<"$output" | xargs)" = "7 ready, idle: 75 printer_unknown" ]
}

# bats test_tags=slow
@test "hostile answers: each is no answer, in a few seconds" {
	run -0 --separate-stderr here 'args=()
		for MODE in garbage truncated endless deny refuse; do export MODE; each "ready, idle"; done
		MODE=events each printing
		args=(-v); MODE=truncated MOONRAKER=http each "ready, idle"'
	[ "$(cut -d: -f2 <<<"$output" | uniq -c | xargs)" = "5 75 printer_unknown 1 75 printing 1 75 printer_unknown" ]
	[[ $stderr != *$'\033'* ]]
}

# bats test_tags=slow
@test "no answer: refused, unless --while-unknown is given" {
	MODE=silent run -0 --separate-stderr here 'klippy "ready, idle"; check'
	[ "$output" = "75 printer_unknown" ]
	[[ $stderr == *"Klippy (process "*") cannot be asked whether it prints: "*"klippy.sock: no answer in time"* ]]
	# It is in no unit that would be stopped: --while-unknown would only find the port busy.
	[[ $stderr == *"when nothing is printed, end it (kill "*"), then try again"* ]]
	[[ $stderr != *--while-unknown* ]]
	MODE=silent run -75 --separate-stderr here 'klippy "ready, idle"; main_process; kf-flash -u klipper < <(records)'
	[[ $stderr == *"--while-unknown goes on"* ]]
	MODE=deny run -0 --separate-stderr here '
		klippy "ready, idle"; main_process; records | kf-flash -u klipper --while-unknown'
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
}

@test "another printer does not answer for this one" {
	# Its Moonraker is found in our place, and says idle.
	MOONRAKER=http PID=812 run -0 --separate-stderr here 'klippy "ready, idle" -v; check'
	[ "$output" = "75 printer_unknown" ]
	[[ $stderr == *"is of another Klippy, process 812"* ]]
	# Another Klippy has taken our socket's name.
	run -0 --separate-stderr here '
		klippy printing; mine=$klippy
		PORT=/dev/null klippy "ready, idle"
		check
		send_signal TERM "$mine"'
	[ "$output" = "75 printer_unknown" ]
	[[ $stderr == *"klippy.sock: another process answers there"* ]]
}

@test "idle: the unit is stopped, the board flashed, the unit started" {
	run -0 --separate-stderr here '
		klippy "ready, idle"; main_process; records | kf-flash -u klipper'
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
	[ "$(grep -v ResetFailedUnit "$FAKE/calls")" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
}

@test "printing: nothing is stopped or written, whatever the options; --dry-run says so too" {
	run -75 --separate-stderr here '
		klippy printing; main_process; check --while-unknown
		records >r; kf-flash -u klipper --dry-run <r | jq -r .error.code
		kf-flash -u klipper <r; s=$?
		send_signal 0 "$klippy" && exit $s'
	[ "${lines[0]} ${lines[1]}" = "75 printing printing" ]
	[ "$(jq -c '[.error.code, .flash]' <<<"${lines[2]}")" = '["printing",null]' ]
	[ "$(grep -c "octopus-pro: Klippy (.*process .*) is printing dwell.gcode, 0 % done" <<<"$stderr")" = 3 ]
	[ ! -s "$FAKE/calls" ]
}

# bats test_tags=slow
@test "--read: held as for a flash: refused while it prints, and the unit comes back from a cut read" {
	run -75 --separate-stderr here '
		klippy printing; main_process; kf-scan -q | kf-flash --read=x --bytes=4096 -u klipper'
	[ "$(jq -r .error.code <<<"$output")" = printing ]
	[ ! -s "$FAKE/calls" ]
	local fault
	for fault in "" ,nack=20; do
		: >"$FAKE/calls"
		run --separate-stderr mocked timeout 300 kf-sim \
			--board "$H723,start=0x8020000,app=$IMAGES/h723/klipper.bin$fault" -- bash -uc '
			klippy "ready, idle"; main_process; kf-scan -q | kf-flash --read=x --bytes=4096 -u klipper'
		[ "$(jq -r .error.code <<<"$output")" = "$([ -z "$fault" ] && echo null || echo protocol)" ]
		[ "$(grep -v ResetFailedUnit "$FAKE/calls")" = $'StopUnit klipper.service replace\nStartUnit klipper.service replace' ]
	done
}

@test "a unit that is named with -u prints on another board: nothing is stopped" {
	run -75 --separate-stderr here '
		PORT=/dev/null klippy printing; main_process; records | kf-flash -u klipper'
	[ "$(jq -r .error.code <<<"$output")" = printing ]
	[ ! -s "$FAKE/calls" ]
}

@test "busy: the hint is the command that stops the container or the user's own unit" {
	local top=/sys/fs/cgroup me id=0123456789abcdef0123456789abcdef
	[ ! -d "$top/systemd" ] || top+=/systemd
	me=$(id -u)
	table="docker/$id$id|Docker container 0123456789ab|docker stop 0123456789ab
lxc.payload.kf-test/system.slice/klipper.service|LXC container kf-test|sudo lxc-stop -n kf-test
user.slice/user-$me.slice/user@$me.service/app.slice/kf-test.service|kf-test.service of user $(id -un)|systemctl --user stop kf-test.service"
	while IFS='|' read -r group name stop; do
		mkdir -p "$top/$group" 2>/dev/null || skip "no cgroup can be made here"
		run -0 --separate-stderr here '
			klippy "ready, idle"
			LD_PRELOAD= sh -c "echo $klippy >$1/cgroup.procs" # our /sys has no cgroups
			check; end' "$top/$group"
		rmdir "$top/$group"
		[ "$output" = "75 busy" ]
		[[ $stderr == *"(python3, $name)"*"when nothing is printed, stop it ($stop), then try again"* ]]
		(cd "$top" && rmdir -p --ignore-fail-on-non-empty "$(dirname "$group")")
	done <<<"$table"
}

# hidden SPEC... -- TEXT: on a machine with these boards, where $HIDDEN hides what a Klippy has open,
# as another user's is hidden: even from root, by want of the right to trace. No other test's runs
# there.
hidden() {
	local boards=()
	while [ "$1" != -- ]; do
		boards+=(--board "$1")
		shift
	done
	HIDDEN=1 mocked timeout 300 "${APART[@]}" kf-sim "${boards[@]}" -- bash -uc "$2"
}

APART=(unshare --pid --fork --kill-child --mount-proc)
[ "$(id -u)" -eq 0 ] || APART+=(--user --map-root-user)
APART+=(setpriv --bounding-set=-sys_ptrace)

can_hide() {
	"${APART[@]}" true || skip "no PID namespace can be made here"
}

@test "hidden Klippy: the port's lock names it, and it is asked" {
	can_hide
	run -0 --separate-stderr hidden "$H723" -- 'args=(-a "$PWD/pd/comms/klippy.sock"); each printing "ready, idle"'
	[ "$output" = $'printing: 75 printing\nready, idle: 75 busy' ]
	[[ $stderr == *"octopus-pro: Klippy (process "*") is printing dwell.gcode, 0 % done"* ]]
	[[ $stderr == *"/dev/ttyACM0 is open in process "*" (python3)"* ]]
	# Behind a USB-to-serial chip nothing shows what runs on the board.
	registry <<<'{"devices":{"f103":{"name":"F103","mcu":"stm32f103","serial_pattern":"usb-1a86_USB_Serial*","usb_port":"1-1.5"}}}'
	run -0 --separate-stderr hidden "$CH340" -- 'klippy printing; check'
	[ "$output" = "75 printing" ]
}

@test "hidden Klippy without a socket: refused, also with --while-unknown as long as it has the lock" {
	can_hide
	run -0 --separate-stderr hidden "$H723" -- 'klippy printing -v; check; check --while-unknown; records | kf-flash --while-unknown >out; jq -r .error.code out'
	[ "$output" = $'75 printer_unknown\n75 busy\nbusy' ]
	[[ $stderr == *"Klippy (process "*") cannot be asked whether it prints: "*"end it ("*"kill "* ]]
	[[ $stderr != *"go on with --while-unknown"* ]]
}

# Outside of containers all use our /dev, where the Klippy that prints has the port's lock.
# bats test_tags=slow
@test "hidden Klippy without the port's lock: its configuration says whether it has the port" {
	can_hide
	export UNLOCKED=1
	MCUS='{"mcu":["/dev/ttyACM0","v1"]}' run -0 --separate-stderr hidden "$H723" -- '
		args=(-a "$PWD/pd/comms/klippy.sock"); each printing "ready, idle"'
	[ "$output" = $'printing: 75 printing\nready, idle: 75 busy' ]
	MCUS='{"mcu":["/dev/ttyACM7","v1"]}' run -0 --separate-stderr hidden "$H723" -- 'klippy printing; check'
	[ "$output" = "0 fine" ]
	MCUS='{"mcu":["/dev/ttyACM7","v1"]}' MOONRAKER=http run -0 --separate-stderr hidden "$H723" -- 'klippy printing -v; check'
	[ "$output" = "0 fine" ]
	PORT=/dev/null run -0 --separate-stderr hidden "$H723" -- 'klippy printing -v; check; records | kf-flash | jq -r .flash.result'
	[ "$output" = $'0 fine\nflashed' ]
	PORT=/dev/null MODE=silent run -0 --separate-stderr hidden "$H723" -- 'klippy printing; check; check -q'
	[ "$output" = $'0 fine\n0 fine' ]
	[ "$(grep -c "asking Klippy (process .*), which belongs to another user" <<<"$stderr")" = 1 ]
}

# bats test_tags=slow
@test "hidden Klippies that do not answer: three seconds for all together" {
	can_hide
	export UNLOCKED=1
	PORT=/dev/null MODE=silent run -0 --separate-stderr hidden "$H723" -- '
		for i in 1 2 3 4; do klippy printing -a "$PWD/silent$i.sock"; done
		MODE= MCUS="{\"mcu\":[\"/dev/ttyACM0\",\"v1\"]}" klippy printing -a "$PWD/answers.sock"
		records >r; before=$(date +%s%N); kf-flash --check <r | jq -r .error.code
		echo $((($(date +%s%N) - before) / 1000000))'
	[ "${lines[0]}" = printing ]
	[ "${lines[1]}" -lt 9000 ] # each had three seconds of its own: 12 in all
	[ "$(grep -c "asking Klippy" <<<"$stderr")" = 1 ]
}

# The number at the lock is that of a process that has the port no more.
@test "hidden Klippy: the port is locked, and /proc does not say by which process" {
	can_hide
	HANDED=1 run -0 --separate-stderr hidden "$H723" -- 'klippy printing -v; check'
	[ "$output" = "75 printer_unknown" ]
	[[ $stderr == *"/dev/ttyACM0 may be in use by Klippy (process "*"), and it cannot be asked whether it prints: "* ]]
	[[ $stderr == *"kill "*"), then try again"* ]]
	[[ $stderr != *--while-unknown* ]]
}

# A container may have a device node of its own: no lock of its meets ours.
# bats test_tags=slow
@test "hidden Klippy in a container: unknown, unless its configuration has other ports" {
	local top=/sys/fs/cgroup group id=0123456789abcdef0123456789abcdef
	can_hide
	[ ! -d "$top/systemd" ] || top+=/systemd
	group=$top/docker/$id$id
	mkdir -p "$group" 2>/dev/null || skip "no cgroup can be made here"
	export GROUP=$group UNLOCKED=1
	enter() { LD_PRELOAD='' sh -c "echo $klippy >$GROUP/cgroup.procs"; }
	export -f enter
	run -0 --separate-stderr hidden "$H723" -- 'klippy printing -v; enter; check; check --while-unknown; end'
	[ "$output" = $'75 printer_unknown\n0 fine' ]
	[[ $stderr == *"/dev/ttyACM0 may be in use by Klippy (Docker container 0123456789ab, process "* ]]
	[[ $stderr == *"stop it (docker stop 0123456789ab), then try again; or go on with --while-unknown"* ]]
	# Klippy may call the port by any name in there. A link of udev's means the same for all.
	for name in /dev/ttyACM7 /dev/printer /dev/serial/by-id/usb-Klipper_rp2040_gone-if00; do
		MCUS="{\"mcu\":[\"$name\",\"v1\"]}" run -0 --separate-stderr hidden "$H723" -- 'klippy printing; enter; check; end'
		[ "$output" = "75 printer_unknown" ]
		[[ $stderr == *", whose ports may have other names in its container: "* ]]
	done
	export KEY=octopus-pro
	MCUS="{\"mcu\":[\"/dev/serial/by-id/usb-Klipper_rp2040_E6605481DB318C34-if00\",\"v1\"]}" run -0 --separate-stderr \
		hidden "$H723" "$RP2040" -- 'klippy printing; enter; check; end'
	[ "$output" = "0 fine" ]
	unset UNLOCKED KEY
	PORT=/dev/ttyACM1 KEY=octopus-pro run -0 --separate-stderr hidden "$H723" "$RP2040" -- 'klippy printing -v; enter; check; end'
	[ "$output" = "0 fine" ]
	rmdir "$group"
	rmdir --ignore-fail-on-non-empty "$top/docker"
}

@test "hidden Klippy with the locks of other ports: it is another printer and refuses nothing" {
	can_hide
	PORT=/dev/ttyACM1 KEY=octopus-pro run -0 --separate-stderr hidden "$H723" "$RP2040" -- '
		klippy printing -v; check; records | kf-flash | jq -r .flash.result'
	[ "$output" = $'0 fine\nflashed' ]
}

@test "hidden Klippy: a process that only names klippy.py is not a Klippy" {
	can_hide
	cat >editor.py <<-'END'
		import ctypes, signal
		ctypes.CDLL(None).prctl(4, 0) # PR_SET_DUMPABLE
		ctypes.CDLL(None).prctl(1, signal.SIGKILL)
		print("ready", flush=True)
		signal.pause()
	END
	run -0 --separate-stderr hidden "$H723" -- '
		exec {ready}< <(exec -a vi /usr/bin/python3 editor.py klippy.py 3>&-); pid=$!
		read -r _ <&"$ready"; check; send_signal KILL "$pid"'
	[ "$output" = "0 fine" ]
}

# bats test_tags=slow
@test "hidden Klippy: kf-doctor shows its print state and its process" {
	can_hide
	run --separate-stderr hidden "$H723" -- 'klippy printing; echo "$klippy"; kf-doctor --json'
	[[ $output == *"process ${lines[0]}"*" says that it prints, at $PWD/pd/comms/klippy.sock"* ]]
	run --separate-stderr hidden "$H723" -- 'klippy printing -v; echo "$klippy"; kf-doctor --json'
	[[ $output == *"process ${lines[0]}"*": http://127.0.0.1:"*"start klippy with -a"* ]]
	MODE=silent run --separate-stderr hidden "$H723" -- 'klippy printing; kf-doctor --json'
	[[ $output != *"start klippy with -a"* ]]
	[[ $output == *"its boards are not flashed while it does not say whether it prints"* ]]
}

@test "hidden program that is not Klippy: the port's lock names its process" {
	can_hide
	cat >other.py <<-'END'
		import ctypes, fcntl, os, signal
		fcntl.flock(os.open("/dev/ttyACM0", os.O_RDWR | os.O_NOCTTY), fcntl.LOCK_EX)
		ctypes.CDLL(None).prctl(4, 0) # PR_SET_DUMPABLE
		ctypes.CDLL(None).prctl(1, signal.SIGKILL)
		print(os.getpid(), flush=True)
		signal.pause()
	END
	run -0 --separate-stderr hidden "$H723" -- '
		exec {ready}< <(exec /usr/bin/python3 other.py 3>&-)
		read -r pid <&"$ready"; echo "$pid"; check; send_signal KILL "$pid"'
	[ "${lines[1]}" = "75 busy" ]
	[[ $stderr == *"/dev/ttyACM0 is open in process ${lines[0]}"*"(python3)"*"kill ${lines[0]}"* ]]
}

# bats test_tags=slow
@test "we lock the port while make flash works, and unlock it for flashtool.py" {
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	# shellcheck disable=SC2016
	printf 'flash:\n\t@flock -n $(FLASH_DEVICE) true && echo free >%s || echo held >%s; exit 1\n' \
		"$PWD/lock" "$PWD/lock" >>"$HOME/klipper/Makefile"
	mkdir -p "$XDG_CONFIG_HOME/kalico-flash/configs/ramps" "$XDG_CONFIG_HOME/kalico-flash/configs/octopus-pro"
	printf 'CONFIG_MACH_AVR=y\nCONFIG_MACH_atmega2560=y\n' >"$XDG_CONFIG_HOME/kalico-flash/configs/ramps/.config"
	echo "$H723_CONFIG" >"$XDG_CONFIG_HOME/kalico-flash/configs/octopus-pro/.config"
	registry <<<'{"devices":{"ramps":{"name":"Ramps","mcu":"atmega2560",
		"serial_pattern":"usb-Arduino__www.arduino.cc__0042_5543*","flash_method":"make_flash"}}}'
	ln -s /bin/true avrdude
	PATH=$PWD:$PATH run --separate-stderr sim "mode=other,usb=2341:0042,manufacturer=Arduino (www.arduino.cc),product=0042,serial=55433303731351610E1D,mcu=atmega2560,port=1-1.2" -- \
		'kf flash ramps'
	[ "$(cat lock)" = held ]
	registry <<<"$OCTOPUS"
	run --separate-stderr sim "$H723" -- 'kf flash octopus-pro --method=make_flash'
	[ "$(cat lock)" = free ]
}

# bats test_tags=slow
@test "kf flash asks before it builds" {
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	mkdir -p "$XDG_CONFIG_HOME/kalico-flash/configs/octopus-pro"
	echo "$H723_CONFIG" >"$XDG_CONFIG_HOME/kalico-flash/configs/octopus-pro/.config"
	run -75 --separate-stderr here 'klippy printing; main_process; kf flash octopus-pro -u klipper'
	[[ $stderr == *"kf-flash: octopus-pro: Klippy (klipper.service, process "*") is printing"* ]]
	[[ $stderr != *"[Build]"* ]]
	[ ! -d "$XDG_CACHE_HOME/kalico-flash/build" ]
	[ "$(jq -r .error.code <<<"$output")" = printing ]
	run -75 --separate-stderr here 'klippy printing; main_process; kf flash octopus-pro --no-service'
	[[ $stderr == *"kf-flash: octopus-pro: Klippy ("*"process "*") is printing dwell.gcode"* ]]
	[[ $stderr != *"[Build]"* ]]
	run -75 --separate-stderr here 'klippy "ready, idle"; main_process; kf flash octopus-pro --no-service'
	[[ $stderr == *"/dev/ttyACM0 is open in process "* ]]
	[[ $stderr != *"[Build]"* ]]
	[ ! -d "$XDG_CACHE_HOME/kalico-flash/build" ]
	run -0 --separate-stderr here 'klippy cancelled; main_process; kf flash octopus-pro -u klipper'
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
}

# The first kf-flash holds klipper.service and is at the board; the second waits for all of that.
@test "two kf-flash on one board: the second waits until the first has restored the service" {
	mkfifo event gate
	jq ".units[\"klipper.service\"].start = {event: \"$PWD/event\", gate: \"$PWD/gate\"}" \
		"$FAKE/state.json" >state.new && mv state.new "$FAKE/state.json"
	run -0 --separate-stderr here '
		records >r
		kf-flash -q -u klipper <r >first & first=$!
		read -r _ <>event # flashed, and on its way back
		kf-flash --wait 0 <r; echo "$?"
		exec {said}< <(kf-flash -u klipper --dry-run <r 2>&1 >second)
		read -r line <&"$said"; echo "$line"
		cat second
		echo >gate
		wait "$first"; cat first second
		read -r line <&"$said"; echo "$line"'
	jq -e 'select(.error.code == "busy")' <<<"${lines[0]}"
	[ "${lines[1]}" = 75 ]
	[[ ${lines[2]} == "[Flash] octopus-pro: waiting for another kf-flash (process "*"), which is using this board" ]]
	[ "$(jq -r .flash.result <<<"${lines[3]}")" = flashed ]
	[[ ${lines[-1]} == "[Flash] octopus-pro: would leave it alone"* ]]
	[[ $stderr == *"another kf-flash (process "*") is using the board"* ]]
}

# Root's and a user's have folders of their own; both of this board's ports are one board.
@test "two kf-flash of two users on one board: the second says that it is busy, for each of its ports" {
	run -75 --separate-stderr sim "$H723" -- '
		records >one; { cat one; jq -c ".board.tty = \"/dev/ttyACM1\"" one; } >r
		exec 9</sys/bus/usb/devices/1-1:1.0/1-1-port2; flock 9
		XDG_STATE_HOME=$PWD/root kf-flash --wait 0.1 <r 9<&-'
	[[ $(jq -r .error.message <<<"$output" | uniq -c) == *" 2 another kf-flash"*" is using the board"* ]]
	[ "$(grep -c "octopus-pro: another kf-flash.* is using the board" <<<"$stderr")" = 2 ]
	[[ $stderr == *"octopus-pro: waiting for "*", which is using this board"* ]] # in a container no PID
}

@test "--return-delay: the service starts so many seconds after the board is back" {
	run -0 --separate-stderr here 'records | kf-flash -u klipper --return-delay 0.5'
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
	[[ $stderr =~ again\ after\ ([0-9]+)\.([0-9])\ s ]]
	[ "${BASH_REMATCH[1]}${BASH_REMATCH[2]}" -ge 5 ]
}

@test "ModemManager, brltty and an earlier kf-flash that has the port are explained" {
	while IFS='|' read -r name text; do
		cp /usr/bin/cat "$name"
		mkfifo "hold-$name"
		run -75 --separate-stderr here '
			"./$1" "hold-$1" </dev/ttyACM0 & pid=$!
			exec {hold}>"hold-$1"
			records | { exec {hold}>&-; kf-flash; }
			status=$?; send_signal TERM "$pid"; exit $status' "$name"
		[ "$(jq -r .error.code <<<"$output")" = busy ]
		[[ $stderr == *"/dev/ttyACM0 is open in process "*"($name"*"$text"* ]]
	done <<-'END'
		ModemManager|sudo systemctl mask --now ModemManager
		brltty|sudo apt remove brltty
		kf-drain|an earlier kf-flash still sends the board the rest of its data, and ends within 5 seconds
	END
	[ "$(jq -r .error.hint <<<"$output")" = "wait for 5 seconds, then run the same command again" ]
}
