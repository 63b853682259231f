#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016,SC2030,SC2031,SC1091 # run sets stderr; sh -c and bash -c have $ of their own
#
# kf-service with a real systemd; runs inside the container of tests/systemd/run.
bats_require_minimum_version 1.5.0
source /kf/tests/signal.bash

setup_file() {
	# One unit starts as often as systemd lets it; another always starts again.
	printf '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' \
		>/etc/systemd/system/klipper-limited.service
	printf '[Service]\nExecStart=/bin/sleep infinity\nRestart=always\nRestartSec=0\n[Install]\nWantedBy=multi-user.target\n' \
		>/etc/systemd/system/klipper-always.service
	printf '[Service]\nExecStart=/bin/false\n' >/etc/systemd/system/klipper-failed.service
	# Never says that it is ready; waits long before it tries again.
	printf '[Service]\nType=notify\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/klipper-notify.service
	printf '[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=1h\n' >/etc/systemd/system/klipper-again.service
	# Enabled, as an installer leaves it: systemd forgets a stopped unit that nothing refers to.
	systemctl enable klipper klipper-limited
	systemctl daemon-reload
}

teardown_file() {
	systemctl disable klipper-limited
	systemctl stop klipper-{limited,always,failed,notify,again}
	rm /etc/systemd/system/klipper-{limited,always,failed,notify,again}.service
	systemctl daemon-reload
}

setup() {
	cd "$(mktemp -d)" || return
	chmod 0777 .
	mkfifo -m 0666 up
	systemctl stop 'klipper*' moonraker
	systemctl reset-failed
	systemctl start kalico-flash.socket klipper
	way=()
}

state() {
	systemctl show --property=ActiveState --value "$@" | grep . | tr '\n' ' '
}

# hold_and_signal SIG: hold a command, send kf-service SIG once it runs; $status.
hold_and_signal() {
	env --default-signal=INT,QUIT "${way[@]}" kf-service hold --while-unknown -- sh -c 'echo $PPID >up; exec sleep infinity' \
		2>err 3>&- &
	read -r -t 20 pid <>up
	[ "$(state klipper)" = "inactive " ]
	send_signal "$1" "$pid"
	status=0
	wait $! || status=$?
}

every_way() { # FUNCTION: as root, and as a member of dialout
	for user in "" lessee; do
		way=(${user:+runuser -u "$user" --})
		systemctl reset-failed # also the counter of starts
		"$@"
	done
}

@test "status changes nothing, and says which units would be refused and why" {
	run -0 --separate-stderr runuser -u lessee -- kf-service status -u klipper
	[ "$(jq -c '[.active, .along, .refused, .leases]' <<<"$output")" = '["active",[],null,[]]' ]
	run -0 --separate-stderr runuser -u pi -- kf-service status -u klipper
	[[ $(jq -r .refused <<<"$output") == *"you are not in the group dialout" ]]
	run -0 --separate-stderr runuser -u lessee -- kf-service status -u dbus
	[[ $(jq -r .refused <<<"$output") == *"dbus.service cannot be leased: only klipper* and moonraker*"* ]]
	[ "$(state klipper)" = "active " ]
}

hold_ends() {
	for code in 0 3; do
		run "-$code" "${way[@]}" kf-service hold --while-unknown -u klipper -u klipper-2 -u klipper@1 -- sh -c "
			systemctl is-active klipper klipper-2 klipper@1; exit $code"
		[[ $output == *$'inactive\ninactive\ninactive'* ]]
		[ "$(state klipper klipper-2 klipper@1)" = "active inactive active " ]
	done
}

@test "hold: the command succeeds or fails; units that ran run again, others do not" {
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
		ExecStart=/bin/sh -c "kf-service hold --while-unknown -u klipper -u klipper-2 -- true 2>said; echo \$\$? >up; exec sleep infinity"
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

@test "hold: user not in the group, or no socket: status 77 before anything stops" {
	run -77 --separate-stderr runuser -u pi -- kf-service hold --while-unknown -- touch ran
	[[ $stderr == *"you are not in the group dialout"*"usermod -aG dialout"* ]]
	systemctl stop kalico-flash.socket
	run -77 --separate-stderr kf-service hold --while-unknown -- touch ran
	[[ $stderr == *"sudo systemctl enable --now kalico-flash.socket"* ]]
	[ ! -e ran ]
	[ "$(state klipper)" = "active " ]
}

@test "hold: a Klippy does not say whether it prints: refused, also for root and for a client of the socket" {
	run -75 --separate-stderr kf-service hold -- touch ran
	[[ $stderr == *"cannot be asked whether it prints"* ]]
	[ ! -e ran ]
	[ "$(state klipper)" = "active " ]
}

@test "hold: six times within a second, systemd's start limit does not stop the printer" {
	systemctl start klipper-limited
	for _ in 1 2 3 4 5 6 7; do
		kf-service hold --while-unknown -u klipper-limited -- true
	done
	[ "$(state klipper-limited)" = "active " ]
}

@test "hold: a unit with Restart=always stays stopped meanwhile" {
	systemctl start klipper-always
	run -3 kf-service hold --while-unknown -u klipper-always -- systemctl is-active klipper-always
	[[ $output == *inactive* ]] || false
	[ "$(state klipper-always)" = "active " ]
}

@test "hold: a unit that has failed is left alone" {
	run ! systemctl start --wait klipper-failed
	run -0 kf-service hold --while-unknown -u klipper-failed -- systemctl is-failed klipper-failed
	[ "$(state klipper-failed)" = "failed " ]
}

@test "hold: a starting unit is waited for, not killed; a unit that waits for its restart is started afterwards" {
	systemctl start --no-block klipper-notify klipper-again
	until [ "$(state klipper-again)" = "activating " ]; do :; done
	pid=$(systemctl show -P MainPID klipper-notify)
	run -75 kf-service hold --while-unknown -t 2 -u klipper-notify -- touch ran
	[[ $output == *"klipper-notify.service is still being started"* ]]
	[ "$(systemctl show -P MainPID klipper-notify)" = "$pid" ]
	[ ! -e ran ]
	run -3 kf-service hold --while-unknown -t 2 -u klipper-again -- systemctl is-active klipper-again
	[[ $output == *inactive* ]]
	[ "$(state klipper-again)" = "activating " ]
}

@test "hold: D-Bus restarts, and systemd re-executes itself meanwhile" {
	run -0 kf-service hold --while-unknown -- systemctl restart dbus
	[ "$(state klipper)" = "active " ]
	run -0 kf-service hold --while-unknown -- systemctl daemon-reexec
	[ "$(state klipper)" = "active " ]
}

@test "hold: a masked unit that runs is not stopped" {
	ln -s /dev/null /run/systemd/system.control/klipper.service 2>/dev/null ||
		{ mkdir -p /run/systemd/system.control; ln -s /dev/null /run/systemd/system.control/klipper.service; }
	systemctl daemon-reload
	run -1 kf-service hold --while-unknown -- touch ran
	rm /run/systemd/system.control/klipper.service
	systemctl daemon-reload
	[ ! -e ran ]
	[[ $output == *"is masked"* ]]
}

@test "hold: two at once; one inside the other" {
	kf-service hold --while-unknown -- sh -c 'echo up >up; exec sleep infinity' 3>&- &
	read -r -t 20 _ <>up
	run -3 kf-service hold --while-unknown -- systemctl is-active klipper
	[[ $output == *"stays stopped: another lease holds it"* ]]
	[ "$(state klipper)" = "inactive " ]
	send_signal TERM $!
	wait $! || true
	[ "$(state klipper)" = "active " ]
	run -3 kf-service hold --while-unknown -- kf-service hold --while-unknown -u klipper -u moonraker -- systemctl is-active klipper
	[ "$(state klipper)" = "active " ]
}

@test "hold: a unit is masked, disabled or started meanwhile: it stays so, and a message says so" {
	run -0 kf-service hold --while-unknown -- systemctl disable --now klipper
	[[ $output == *"klipper.service: stays stopped: it was disabled meanwhile"* ]]
	[ "$(state klipper)" = "inactive " ]
	systemctl enable --now klipper
	mkdir -p /run/systemd/system.control
	run -0 kf-service hold --while-unknown -- sh -c \
		'ln -s /dev/null /run/systemd/system.control/klipper.service; systemctl daemon-reload'
	rm /run/systemd/system.control/klipper.service
	systemctl daemon-reload
	[[ $output == *"klipper.service: stays stopped: it was masked meanwhile"* ]]
	[ "$(state klipper)" = "inactive " ]
	systemctl start klipper
	run -0 kf-service hold --while-unknown -- systemctl start klipper
	[[ $output == *"klipper.service: runs already: somebody started it meanwhile"* ]]
	[ "$(state klipper)" = "active " ]
}

@test "the sandbox of kf-leased: systemd-analyze security is below 2.0" {
	for unit in kalico-flash@1.service kalico-flash-settle.service; do
		run -0 systemd-analyze security --no-pager --threshold=19 "$unit"
	done
}

@test "status shows the leases, and --check fails while there is one" {
	/usr/libexec/kalico-flash/kf-leased --check
	runuser -u lessee -- kf-service hold --while-unknown -- sh -c 'echo up >up; exec sleep infinity' 3>&- &
	read -r -t 20 _ <>up
	run -0 --separate-stderr kf-service status -u klipper
	[ "$(jq -r '.leases[0] | .user + " " + .command + " " + .units[0]' <<<"$output")" = \
		"lessee kf-service hold --while-unknown -- sh -c echo up >up; exec sleep infinity klipper.service" ]
	run -75 /usr/libexec/kalico-flash/kf-leased --check
	[[ $output == *"of lessee (kf-service hold --while-unknown -- sh -c echo up"*"holds klipper.service stopped"* ]]
	send_signal TERM "$(jq -r '.leases[0].pid' <<<"$(kf-service status -u klipper)")"
	wait $! || true
	/usr/libexec/kalico-flash/kf-leased --check
}

@test "hold: no such unit" {
	run -1 --separate-stderr kf-service hold --while-unknown -u nothing -- touch ran
	[[ $stderr == *"nothing.service: there is no such unit"*klipper.service* ]]
}
