#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# kf-service with a real systemd, polkit and sudo; runs inside the container of tests/systemd/run.
bats_require_minimum_version 1.5.0
source /kf/tests/signal.bash

setup_file() {
	# What starts as often as systemd lets it, and what always starts again.
	printf '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' \
		>/etc/systemd/system/klipper-limited.service
	printf '[Service]\nExecStart=/bin/sleep infinity\nRestart=always\nRestartSec=0\n[Install]\nWantedBy=multi-user.target\n' \
		>/etc/systemd/system/klipper-always.service
	printf '[Service]\nExecStart=/bin/false\n' >/etc/systemd/system/klipper-failed.service
	# Never says that it is ready; waits long before it tries again.
	printf '[Service]\nType=notify\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/klipper-notify.service
	printf '[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=1h\n' >/etc/systemd/system/klipper-again.service
	# As an installer leaves it; what nothing refers to would also be forgotten once stopped.
	systemctl enable klipper klipper-limited
	systemctl daemon-reload
}

setup() {
	rm -f /etc/sudoers.d/pi /etc/polkit-1/rules.d/50-pi.rules
	cd "$(mktemp -d)" || return
	chmod 0777 .
	mkfifo -m 0666 up
	systemctl stop 'klipper*' moonraker kalico-flash.socket kalico-flash.service
	systemctl reset-failed
	systemctl start klipper
	way=()
}

# by WAY: root; a user with sudo alone, with a rule of polkit's for these units alone, with neither.
by() {
	[ "$1" = root ] || way=(runuser -u pi --)
	[ "$1" != sudo ] || echo 'pi ALL=(root) NOPASSWD: /usr/bin/systemctl stop klipper*, /usr/bin/systemctl start klipper*, /usr/bin/systemctl stop moonraker*, /usr/bin/systemctl start moonraker*' >/etc/sudoers.d/pi
	[ "$1" != polkit ] || cat >/etc/polkit-1/rules.d/50-pi.rules <<-'END'
		polkit.addRule(function(action, subject) {
			var unit = action.lookup("unit"), verb = action.lookup("verb");
			if (action.id == "org.freedesktop.systemd1.manage-units" && subject.user == "pi" &&
			    /^(klipper|moonraker)/.test(unit) && (verb == "start" || verb == "stop"))
				return polkit.Result.YES;
		});
	END
	systemctl restart polkit
}

state() {
	systemctl show --property=ActiveState --value "$@" | grep . | tr '\n' ' '
}

# hold_and_signal SIG: hold a command, send kf-service SIG once it runs; $status.
hold_and_signal() {
	env --default-signal=INT,QUIT "${way[@]}" kf-service hold -- sh -c 'echo $PPID >up; exec sleep infinity' \
		2>err 3>&- &
	read -r -t 20 pid <>up
	[ "$(state klipper)" = "inactive " ]
	send_signal "$1" "$pid"
	status=0
	wait $! || status=$?
}

every_way() { # FUNCTION
	for by in root sudo polkit; do
		way=()
		rm -f /etc/sudoers.d/pi /etc/polkit-1/rules.d/50-pi.rules
		systemctl reset-failed # also the counter of starts
		by "$by"
		"$@"
	done
}

status_tells() {
	run -0 --separate-stderr "${way[@]}" kf-service status -u klipper
	[ "$(jq -r '.active + " " + (.pid | type) + " " + .can' <<<"$output")" = "active number $1" ]
	[ "$(state klipper)" = "active " ]
}

@test "status tells the way, and touches nothing" {
	by root
	status_tells dbus
	by sudo
	status_tells sudo
	rm /etc/sudoers.d/pi
	by polkit
	status_tells dbus
	rm /etc/polkit-1/rules.d/50-pi.rules
	by nothing
	status_tells none
	systemctl stop klipper
	"${way[@]}" kf-service status
	[ "$(state klipper)" = "inactive " ]
}

stop_and_start() {
	run -0 "${way[@]}" kf-service stop
	[ "$(state klipper)" = "inactive " ]
	run -0 "${way[@]}" kf-service start
	[ "$(state klipper)" = "active " ]
}

@test "stop, start" {
	every_way stop_and_start
}

hold_ends() {
	for code in 0 3; do
		run "-$code" "${way[@]}" kf-service hold -u klipper -u klipper-2 -u klipper@1 -- sh -c "
			systemctl is-active klipper klipper-2 klipper@1; exit $code"
		[[ $output == *$'inactive\ninactive\ninactive'* ]]
		[ "$(state klipper klipper-2 klipper@1)" = "active inactive active " ]
	done
}

@test "hold: the command ends well or not; what ran runs, what did not does not" {
	systemctl start klipper@1
	every_way hold_ends
}

hold_signals() {
	for sig in INT TERM HUP QUIT; do
		systemctl reset-failed
		hold_and_signal "$sig"
		[ "$status" -eq $((128 + $(kill -l "$sig"))) ]
		[ "$(state klipper)" = "active " ]
	done
}

@test "hold: SIGINT, SIGTERM, SIGHUP, SIGQUIT" {
	every_way hold_signals
}

@test "hold: from inside the unit it is refused before anything stops" {
	local folder=/run/systemd/system/klipper-2.service.d
	mkdir -p "$folder"
	cat >"$folder/inside.conf" <<-END
		[Service]
		WorkingDirectory=$PWD
		ExecStart=
		ExecStart=/bin/sh -c "kf-service hold -u klipper -u klipper-2 -- true 2>said; echo \$\$? >up; exec sleep infinity"
	END
	systemctl daemon-reload
	systemctl start klipper-2
	read -r status <up
	systemctl is-active klipper klipper-2
	rm -r "$folder"
	systemctl daemon-reload
	[ "$status" -eq 1 ]
	grep -F "klipper-2.service cannot be stopped by a process that it has started" said
	grep -F "a unit of its own" said
}

@test "hold: no right, nothing stopped" {
	by nothing
	run -77 --separate-stderr "${way[@]}" kf-service hold -- touch ran
	[ ! -e ran ]
	[[ $stderr == *"polkit"*"sudo"* ]]
	[ "$(state klipper)" = "active " ]
}

@test "hold: six times within a second, systemd's start limit does not stop the printer" {
	systemctl start klipper-limited
	for _ in 1 2 3 4 5 6 7; do
		kf-service hold -u klipper-limited -- true
	done
	[ "$(state klipper-limited)" = "active " ]
}

@test "hold: a unit that always restarts stays down meanwhile" {
	systemctl start klipper-always
	run -3 kf-service hold -u klipper-always -- systemctl is-active klipper-always
	[[ $output == *inactive* ]] || false
	[ "$(state klipper-always)" = "active " ]
}

@test "hold: a unit that has failed is left alone" {
	run ! systemctl start --wait klipper-failed
	run -0 kf-service hold -u klipper-failed -- systemctl is-failed klipper-failed
	[ "$(state klipper-failed)" = "failed " ]
}

@test "hold: a unit on its way up, or between two tries, is down meanwhile and then tries again" {
	systemctl start --no-block klipper-notify klipper-again
	until [ "$(state klipper-again)" = "activating " ]; do :; done
	run -3 kf-service hold -t 2 -u klipper-notify -u klipper-again -- systemctl is-active klipper-notify klipper-again
	[[ $output == *inactive*inactive* ]]
	[ "$(state klipper-notify klipper-again)" = "activating activating " ]
}

@test "hold: D-Bus starts anew, systemd executes itself anew meanwhile" {
	run -0 kf-service hold -- systemctl restart dbus
	[ "$(state klipper)" = "active " ]
	run -0 kf-service hold -- systemctl daemon-reexec
	[ "$(state klipper)" = "active " ]
}

@test "hold: a masked unit that runs is not stopped" {
	ln -s /dev/null /run/systemd/system.control/klipper.service 2>/dev/null ||
		{ mkdir -p /run/systemd/system.control; ln -s /dev/null /run/systemd/system.control/klipper.service; }
	systemctl daemon-reload
	run -1 kf-service hold -- touch ran
	rm /run/systemd/system.control/klipper.service
	systemctl daemon-reload
	[ ! -e ran ]
	[[ $output == *"is masked"* ]]
}

@test "hold: two at once; one in the other" {
	kf-service hold -- sh -c 'echo up >up; exec sleep infinity' 3>&- &
	read -r -t 20 _ <>up
	run -75 kf-service hold -- touch ran
	[[ $output == *"klipper.service is held already: it is started when kf-hold-"*".scope ends"* ]]
	[ ! -e ran ]
	[ "$(state klipper)" = "inactive " ]
	send_signal TERM $!
	wait $! || true
	[ "$(state klipper)" = "active " ]
	run -3 kf-service hold -- kf-service hold -u klipper -u moonraker -- systemctl is-active klipper
	[ "$(state klipper)" = "active " ]
}

@test "hold: no such unit" {
	run -1 --separate-stderr kf-service hold -u nothing -- touch ran
	[[ $stderr == *"nothing.service: there is no such unit"*klipper.service* ]]
}

@test "hold: on a terminal sudo neither asks nor hangs" {
	by sudo
	run -0 script -qec 'runuser -u pi -- kf-service hold -- systemctl is-active klipper || true' /dev/null
	[[ $output == *stopped*inactive*"active again"* ]]
	[ "$(state klipper)" = "active " ]
}
