#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154 # run sets stderr
#
# Holds that are not alone: units that stop along with others, units with two names, other holds.
# Inside the container of tests/systemd/run.
bats_require_minimum_version 1.5.0
source /kf/tests/signal.bash

unit() { # NAME LINE...: before [Service] what begins with a name of [Unit]'s
	printf '%s\n' "[Unit]" "StartLimitIntervalSec=0" "${@:2}" >"/etc/systemd/system/$1.service"
}

setup_file() {
	local sleeps=("[Service]" "ExecStart=/bin/sleep infinity")
	unit klipper-base "${sleeps[@]}"
	unit moonraker-requires Requires=klipper-base.service After=klipper-base.service "${sleeps[@]}"
	unit moonraker-binds BindsTo=klipper-base.service After=klipper-base.service "${sleeps[@]}"
	unit moonraker-part PartOf=klipper-base.service "${sleeps[@]}"
	unit moonraker-next Requires=moonraker-requires.service "${sleeps[@]}"
	unit moonraker-idle Requires=klipper-base.service "${sleeps[@]}"
	unit screen-requires Requires=klipper-base.service "${sleeps[@]}"
	unit klipper-slowly After=klipper-base.service Requires=klipper-base.service "${sleeps[@]}" 'ExecStop=/bin/sleep 1'
	unit klipper-heavy@ "${sleeps[@]}" 'ExecStartPre=/bin/sleep 1'
	unit klipper-once "[Service]" "ExecStart=/bin/sleep infinity"
	printf '[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=1\n' >>/etc/systemd/system/klipper-once.service
	unit klipper-late "${sleeps[@]}" 'ExecStop=/bin/sleep 1'
	unit klipper-later "${sleeps[@]}" 'ExecStop=/bin/sleep 4'
	ln -sf klipper-late.service /etc/systemd/system/klipper-alias.service
	unit klipper-crash "${sleeps[@]}" Restart=always 'ExecStopPost=/bin/sleep 1'
	systemctl daemon-reload
}

teardown_file() {
	cd /etc/systemd/system || return
	rm -f klipper-{base,slowly,once,heavy@,late,later,alias,crash}.service moonraker-{requires,binds,part,next,idle}.service screen-requires.service
	systemctl daemon-reload
}

setup() {
	cd "$(mktemp -d)" || return
	chmod 0777 .
	mkfifo -m 0666 up down
	systemctl stop 'klipper*' 'moonraker*' screen-requires
	systemctl reset-failed
	systemctl start kalico-flash.socket
	way=()
}

teardown() {
	systemctl stop 'klipper*' 'moonraker*' screen-requires
}

by_lease() {
	way=(runuser -u lessee --)
}

hold() {
	"${way[@]}" kf-service hold --while-unknown "$@"
}

active() { # PATTERN...: those that are, in the order of their names
	systemctl list-units --plain --no-legend --state=active "${@/%/.service}" | cut -d ' ' -f 1 | sort | tr '\n' ' '
}

each_way() { # FUNCTION
	"$@"
	by_lease
	"$@"
}

stops_along() {
	systemctl start klipper-base moonraker-{requires,binds,part,next}
	hold -u klipper-base -- systemctl list-units --plain --no-legend --state=active 'klipper*.service' 'moonraker*.service' >during
	[ "$(grep -c service during)" -eq 0 ]
	[ "$(active 'klipper*' 'moonraker*')" = "klipper-base.service moonraker-binds.service moonraker-next.service moonraker-part.service moonraker-requires.service " ]
	systemctl stop 'klipper*' 'moonraker*'
}

@test "units that stop along come back; units that did not run are not started" {
	each_way stops_along
}

@test "a unit that stops along and is also named by the user: the same" {
	systemctl start klipper-base moonraker-{requires,part}
	by_lease
	hold -u klipper-base -u moonraker-part -u moonraker-requires -- true
	[ "$(active 'klipper*' 'moonraker*')" = "klipper-base.service moonraker-part.service moonraker-requires.service " ]
}

@test "a unit with another name that stops along comes back, also for a client of the socket" {
	systemctl start klipper-base screen-requires
	by_lease
	hold -u klipper-base -- systemctl show -P ActiveState screen-requires >during
	[ "$(<during)" = inactive ]
	[ "$(active klipper-base screen-requires)" = "klipper-base.service screen-requires.service " ]
	run -77 --separate-stderr hold -u screen-requires -- touch ran
	[ ! -e ran ]
}

@test "a unit that stops along and could not be started again: refused, and status says so" {
	systemctl start klipper-base
	systemd-run --unit=moonraker-odd --property=BindsTo=klipper-base.service sleep infinity
	by_lease
	run -1 --separate-stderr hold -u klipper-base -- touch ran
	[[ $stderr == *"moonraker-odd.service runs and would stop along but is transient"* ]]
	[ ! -e ran ]
	run -0 --separate-stderr "${way[@]}" kf-service status -u klipper-base
	[[ $(jq -r .refused <<<"$output") == *"moonraker-odd.service runs and would stop along but is transient"* ]]
	systemctl -q is-active klipper-base moonraker-odd
	systemctl stop moonraker-odd # its teardown might find it no more loaded
}

@test "a hold from inside a unit that would stop along is refused" {
	unit moonraker-inside BindsTo=klipper-base.service After=klipper-base.service '[Service]' Type=oneshot \
		RemainAfterExit=yes 'ExecStart=/bin/sh -c "kf-service hold --while-unknown -u klipper-base -- touch /run/kf/ran 2>/run/kf/said || true"'
	systemctl daemon-reload
	rm -f /run/kf/ran
	systemctl start klipper-base
	timeout 20 systemctl start moonraker-inside
	grep "moonraker-inside.service cannot be stopped by a process that it has started" /run/kf/said
	[ ! -e /run/kf/ran ]
	[ "$(active klipper-base moonraker-inside)" = "klipper-base.service moonraker-inside.service " ]
	systemctl stop moonraker-inside
	rm /etc/systemd/system/moonraker-inside.service
	systemctl daemon-reload
}

two_names() {
	systemctl start klipper-late
	SECONDS=0
	hold -u klipper-alias -u klipper-late -- sh -c 'systemctl is-active klipper-late || true' >during 2>said
	[ "$(<during)" = inactive ]
	[ "$SECONDS" -lt 15 ]
	[ "$(grep -c stopped said)" -eq 1 ]
	[ "$(active klipper-late)" = "klipper-late.service " ]
	systemctl stop klipper-late
}

@test "a unit with two names is stopped once" {
	each_way two_names
}

# Its children bear its name until they become something else.
oldest() {
	pidof "$1" | tr ' ' '\n' | sort -n | head -1
}

ordered() {
	systemctl start klipper-base klipper-slowly
	hold -u klipper-base -- touch ran 2>said 3>&- &
	timeout 10 sh -c 'until systemctl show -P ActiveState klipper-slowly | grep -q deactivating; do sleep 0.02; done'
	send_signal "$1" "$(oldest kf-service)"
	status=0
	wait $! || status=$?
	[ "$status" -eq $((128 + $(kill -l "$1"))) ]
	[ ! -e ran ]
	timeout 10 sh -c 'until systemctl -q is-active klipper-base && systemctl -q is-active klipper-slowly; do sleep 0.05; done'
	sleep 1.5
	[ "$(active klipper-base klipper-slowly)" = "klipper-base.service klipper-slowly.service " ]
}

@test "hold ends while one unit waits for the stop of another: both run again" {
	each_way ordered TERM
	ordered INT
}

@test "kf-leased killed while one waits for the stop of another: both run again" {
	systemctl start klipper-base klipper-slowly
	by_lease
	hold -u klipper-slowly -u klipper-base -- sleep 2 3>&- &
	timeout 10 sh -c 'until systemctl show -P ActiveState klipper-slowly | grep -q deactivating; do sleep 0.02; done'
	systemctl kill --kill-whom=main --signal=KILL 'kalico-flash@*.service'
	wait $! || true
	timeout 20 sh -c 'until systemctl -q is-active klipper-base && systemctl -q is-active klipper-slowly; do sleep 0.05; done'
	sleep 1.5
	[ "$(active klipper-base klipper-slowly)" = "klipper-base.service klipper-slowly.service " ]
}

@test "kf-leased and its --settle are killed: the units are started all the same" {
	systemctl start klipper-heavy@{1,2}
	by_lease
	hold -u klipper-heavy@1 -u klipper-heavy@2 -- sh -c 'echo $$ >up; exec sleep infinity' 3>&- &
	read -r -t 20 command <>up
	# shellcheck disable=SC2046
	send_signal KILL "$command" $(pidof kf-leased kf-service)
	# shellcheck disable=SC2016
	timeout 10 bash -c 'until send_signal KILL $(pidof kf-leased) 2>/dev/null; do :; done'
	wait $! || true
	timeout 20 sh -c 'until systemctl -q is-active klipper-heavy@1 && systemctl -q is-active klipper-heavy@2; do sleep 0.05; done'
	[ -z "$(ls /run/kalico-flash/restarts)" ]
}

many_stop_along() {
	systemctl start klipper-base "${dependents[@]}"
	hold -u klipper-base -- systemctl is-active "${dependents[@]}" >during || true
	[ "$(grep -c inactive during)" -eq ${#dependents[@]} ]
	[ "$(systemctl is-active "${dependents[@]}" | grep -c '^active')" -eq ${#dependents[@]} ]
}

@test "many units with long names stop along: all come back; too many units are refused" {
	local dependents=() n
	for n in {1..34}; do
		unit "moonraker-with-a-rather-long-name-for-a-display-$n" PartOf=klipper-base.service "[Service]" "ExecStart=/bin/sleep infinity"
	done
	systemctl daemon-reload
	dependents=(moonraker-with-a-rather-long-name-for-a-display-{1..31}.service)
	each_way many_stop_along
	systemctl start 'moonraker-with-a-rather-long-name-for-a-display-32'
	way=()
	run -1 --separate-stderr hold -u klipper-base -- touch ran
	[[ $stderr == *"more units stop along with klipper-base.service than can be held"* ]]
	[ ! -e ran ]
	systemctl -q is-active klipper-base
	systemctl stop 'moonraker*'
	rm -f /etc/systemd/system/moonraker-with-*
	systemctl daemon-reload
}

start_limit() {
	systemctl reset-failed klipper-once || true
	systemctl start klipper-once
	hold -u klipper-once -- sh -c 'echo $$ $PPID >up; exec sleep infinity' 3>&- &
	read -r -t 20 command service <>up
	send_signal KILL "$command" "$service"
	wait $! || true
	timeout 10 sh -c 'until systemctl -q is-active klipper-once; do sleep 0.05; done'
	systemctl stop klipper-once
}

@test "a unit with a start limit comes back, whatever was killed" {
	each_way start_limit
}

@test "a unit that has a queued stop is not started again" {
	systemctl start klipper-base klipper-slowly
	systemctl stop --no-block klipper-base klipper-slowly
	hold -u klipper-base -- true
	[ "$(active klipper-base klipper-slowly)" = "" ]
}

@test "bytes that a command writes into the lease are ignored; its failure is reported" {
	systemctl start klipper
	by_lease
	run -0 hold -- bash -c 'for fd in /proc/self/fd/*; do fd=${fd##*/}; [ "$fd" -le 2 ] || echo x >&"$fd"; done 2>/dev/null
		sleep 0.5; systemctl is-active klipper || true'
	[[ $output == *inactive* ]]
	run -1 hold -- perl -e '$SIG{CHLD} = "IGNORE"; exec "kf-service", "-q", "hold", "--while-unknown", "--", "false"'
	[ "$(active klipper)" = "klipper.service " ]
}

@test "two holds at the same moment: the unit runs during neither" {
	systemctl start klipper
	for _ in {1..8}; do
		for n in 1 2; do
			kf-service hold --while-unknown -- sh -c 'for i in 1 2 3 4 5 6; do systemctl is-active klipper; sleep 0.05; done' \
				>"during$n" 2>"said$n" 3>&- &
		done
		wait
		run ! grep -x active during1 during2
		[ "$(cat during1 during2 | grep -c inactive)" -ge 6 ]
		timeout 10 sh -c 'until systemctl -q is-active klipper; do sleep 0.05; done'
	done
}

@test "three holds, one inside the other" {
	systemctl start klipper moonraker
	run -0 kf-service hold --while-unknown -u klipper -- kf-service hold --while-unknown -u moonraker -- kf-service hold --while-unknown -u klipper -u moonraker -- \
		sh -c 'systemctl is-active klipper moonraker || true'
	[[ $output == *$'inactive\ninactive'* ]]
	[ "$(active klipper moonraker)" = "klipper.service moonraker.service " ]
}

@test "a unit is started while another is being stopped: refused, and all units run" {
	systemctl start klipper-late
	hold -u klipper-late -u klipper -- touch ran 2>said 3>&- &
	timeout 10 sh -c 'until systemctl show -P ActiveState klipper-late | grep -q deactivating; do sleep 0.02; done'
	systemctl start klipper
	status=0
	wait $! || status=$?
	[ "$status" -eq 75 ]
	grep "klipper.service has started meanwhile" said
	[ ! -e ran ]
	[ "$(active klipper klipper-late)" = "klipper-late.service klipper.service " ]
}

crashed() {
	systemctl start klipper-crash
	send_signal KILL "$(systemctl show -P MainPID klipper-crash)"
	timeout 10 sh -c 'until systemctl show -P ActiveState klipper-crash | grep -q deactivating; do sleep 0.02; done'
	hold -u klipper-crash -- sh -c 'systemctl is-active klipper-crash || true' >during
	[ "$(<during)" = inactive ]
	timeout 10 sh -c 'until systemctl -q is-active klipper-crash; do sleep 0.05; done'
	systemctl stop klipper-crash
}

@test "a crashed unit that systemd will restart is started again afterwards" {
	each_way crashed
}

@test "--timeout limits a lease too" {
	systemctl start klipper-later
	by_lease
	run -75 --separate-stderr hold -t 3 -u klipper-later -- touch ran
	[[ $stderr == *"klipper-later.service cannot be stopped: systemd's job did not end in time"* ]]
	[ ! -e ran ]
	[ "$(active klipper-later)" = "klipper-later.service " ]
}

@test "one unit that takes long to stop blocks no other lease" {
	systemctl start klipper-later moonraker-idle klipper-base
	by_lease
	hold -t 1 -u klipper-later -- true 2>said 3>&- &
	timeout 10 sh -c 'until systemctl show -P ActiveState klipper-later | grep -q deactivating; do sleep 0.02; done'
	SECONDS=0
	hold -u moonraker-idle -- true
	[ "$SECONDS" -le 2 ]
	wait $! || true
	run ! grep "active again" said
	timeout 20 sh -c 'until systemctl -q is-active klipper-later; do sleep 0.05; done'
}

@test "moonraker returns with the last lease, and does not bring a leased klipper with it" {
	systemctl start klipper-base moonraker-requires
	by_lease
	hold -u moonraker-requires -- sh -c 'echo x >up; read -r _ <down' 3>&- &
	read -r -t 20 _ <>up
	hold -u klipper-base -- sh -c 'echo x >down; sleep 1; systemctl is-active klipper-base moonraker-requires || true' >during
	wait $!
	[ "$(<during)" = $'inactive\ninactive' ]
	[ "$(active klipper-base moonraker-requires)" = "klipper-base.service moonraker-requires.service " ]
}

@test "one journal line a lease; no client can fill the journal" {
	systemctl start klipper
	by_lease
	since=$(date '+%F %T')
	hold -- true
	for _ in {1..50}; do "${way[@]}" kf-service -q status >/dev/null; done
	journalctl --sync
	journalctl --since "$since" -o cat -u 'kalico-flash*' >lines
	sort lines | uniq -c
	[ "$(grep -c 'holds klipper.service' lines)" -eq 1 ]
	[ "$(wc -l <lines)" -le 3 ]
}
