#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
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
	unit klipper-forever "[Service]" Type=notify TimeoutStartSec=infinity "ExecStart=/bin/sleep infinity"
	systemctl daemon-reload
}

teardown_file() {
	cd /etc/systemd/system || return
	rm -f klipper-{base,slowly,once,heavy@,late,later,alias,crash,forever}.service moonraker-{requires,binds,part,next,idle}.service screen-requires.service
	systemctl daemon-reload
}

setup() {
	cd "$(mktemp -d)" || return
	chmod 0777 .
	mkfifo -m 0666 up down
	systemctl stop 'klipper*' 'moonraker*' screen-requires kalico-flash.socket kalico-flash.service
	systemctl reset-failed
	rm -f /etc/sudoers.d/pi
	way=()
}

teardown() {
	systemctl stop 'klipper*' 'moonraker*' screen-requires
}

by_lease() {
	way=(runuser -u lessee --)
	systemctl start kalico-flash.socket
}

# No scope: a sentinel.
by_narrow_sudo() {
	way=(runuser -u pi --)
	echo 'pi ALL=(root) NOPASSWD: /usr/bin/systemctl stop klipper*, /usr/bin/systemctl start klipper*' >/etc/sudoers.d/pi
}

by_sudo() {
	way=(runuser -u pi --)
	echo 'pi ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/pi
}

hold() {
	"${way[@]}" kf-service hold "$@"
}

active() { # PATTERN...: those that are, in the order of their names
	systemctl list-units --plain --no-legend --state=active "${@/%/.service}" | cut -d ' ' -f 1 | sort | tr '\n' ' '
}

each_way() { # FUNCTION
	"$@"
	by_lease
	"$@"
	systemctl stop kalico-flash.socket kalico-flash.service
	by_sudo
	"$@"
}

stops_along() {
	systemctl start klipper-base moonraker-{requires,binds,part,next}
	hold -u klipper-base -- systemctl list-units --plain --no-legend --state=active 'klipper*.service' 'moonraker*.service' >during
	[ "$(grep -c service during)" -eq 0 ]
	[ "$(active 'klipper*' 'moonraker*')" = "klipper-base.service moonraker-binds.service moonraker-next.service moonraker-part.service moonraker-requires.service " ]
	systemctl stop 'klipper*' 'moonraker*'
}

@test "what stops along comes back too, and what did not run does not" {
	each_way stops_along
}

@test "named by the user besides: the same" {
	systemctl start klipper-base moonraker-{requires,part}
	by_lease
	hold -u klipper-base -u moonraker-part -u moonraker-requires -- true
	[ "$(active 'klipper*' 'moonraker*')" = "klipper-base.service moonraker-part.service moonraker-requires.service " ]
}

@test "what stops along and cannot be leased: refused before anything stops, or by another right" {
	systemctl start klipper-base screen-requires
	by_lease
	run -77 --separate-stderr hold -u klipper-base -- touch ran
	[[ $stderr == *"screen-requires.service cannot be leased"* ]]
	[ ! -e ran ]
	[ "$(active klipper-base screen-requires)" = "klipper-base.service screen-requires.service " ]
	by_sudo
	hold -u klipper-base -- true
	[ "$(active klipper-base screen-requires)" = "klipper-base.service screen-requires.service " ]
}

@test "from inside a unit that would stop along it is refused" {
	unit moonraker-inside BindsTo=klipper-base.service After=klipper-base.service '[Service]' Type=oneshot \
		RemainAfterExit=yes 'ExecStart=/bin/sh -c "kf-service hold -u klipper-base -- touch /run/kf/ran 2>/run/kf/said || true"'
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

@test "a unit with two names is one" {
	each_way two_names
}

# first_holds: klipper, by $way, until down is written; what it says goes to "first".
first_holds() {
	"${way[@]}" kf-service hold -u klipper -- sh -c 'echo x >up; read -r _ <down' 2>first 3>&- &
	first=$!
	read -r -t 20 _ <>up
}

@test "a scope holds: others are refused; a lease holds: others are refused" {
	systemctl start klipper
	first_holds
	run -75 --separate-stderr kf-service hold -- touch ran
	[[ $stderr == *"klipper.service is held already: it is started when kf-hold-"*".scope ends"* ]]
	echo x >down
	wait "$first"
	by_lease
	first_holds
	by_sudo
	run -75 --separate-stderr hold -- touch ran
	[[ $stderr == *"klipper.service is leased already"* ]]
	echo x >down
	wait "$first"
	[ ! -e ran ]
	[ "$(active klipper)" = "klipper.service " ]
	hold -- true
}

@test "a sentinel holds: whoever comes, in whatever way, is refused until it is over" {
	systemctl start klipper
	by_narrow_sudo
	first_holds
	sentinel="is held already: a sentinel starts it when process"
	for who in by_narrow_sudo by_sudo by_lease; do
		"$who"
		run -75 --separate-stderr hold -- touch ran
		[[ $stderr == *"klipper.service $sentinel"* ]]
	done
	run -75 --separate-stderr kf-service hold -- touch ran
	[[ $stderr == *"klipper.service $sentinel"* ]]
	systemctl stop kalico-flash.socket kalico-flash.service
	by_narrow_sudo
	echo x >down
	wait "$first"
	[ ! -e ran ]
	[ "$(active klipper)" = "klipper.service " ]
	for _ in 1 2 3; do
		hold -- true # at once
	done
	run -0 hold -- kf-service hold -- systemctl show -P ActiveState klipper
	[[ $output == *inactive* ]]
	[ "$(active klipper)" = "klipper.service " ]
}

@test "at the same moment in mixed ways: never does one see the unit run" {
	local n ways=(by_lease by_sudo by_narrow_sudo)
	systemctl start klipper
	for _ in {1..6}; do
		for n in 0 1 2; do
			if [ "$n" -eq 0 ]; then way=(runuser -u lessee --); else way=(runuser -u pi --); fi
			"${ways[n]}" 2>/dev/null
			hold -- sh -c 'for i in 1 2 3 4 5 6; do systemctl is-active klipper; sleep 0.05; done' >"during$n" 2>"said$n" 3>&- &
		done
		wait
		run ! grep -x active during0 during1 during2
		[ "$(cat during0 during1 during2 | grep -c inactive)" -ge 6 ]
		timeout 10 sh -c 'until systemctl -q is-active klipper; do sleep 0.05; done'
	done
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

@test "ended while one waits for the stop of another: both run again" {
	each_way ordered TERM
	by_narrow_sudo
	ordered TERM
	ordered INT
}

@test "kf-leased killed while one waits for the stop of another: both run again" {
	systemctl start klipper-base klipper-slowly
	by_lease
	hold -u klipper-slowly -u klipper-base -- sleep 2 3>&- &
	timeout 10 sh -c 'until systemctl show -P ActiveState klipper-slowly | grep -q deactivating; do sleep 0.02; done'
	systemctl kill --kill-whom=main --signal=KILL kalico-flash.service
	wait $! || true
	timeout 20 sh -c 'until systemctl -q is-active klipper-base && systemctl -q is-active klipper-slowly; do sleep 0.05; done'
	sleep 1.5
	[ "$(active klipper-base klipper-slowly)" = "klipper-base.service klipper-slowly.service " ]
}

@test "kf-leased killed, and what pays for it too: it is paid all the same" {
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
	[ -z "$(ls /run/kalico-flash/owed)" ]
}

many_stop_along() {
	systemctl start klipper-base "${dependents[@]}"
	hold -u klipper-base -- systemctl is-active "${dependents[@]}" >during || true
	[ "$(grep -c inactive during)" -eq ${#dependents[@]} ]
	[ "$(systemctl is-active "${dependents[@]}" | grep -c '^active')" -eq ${#dependents[@]} ]
}

@test "many with long names stop along: all come back; more than can be held: refused" {
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

@test "what may be started but once in a while comes back, whatever was killed" {
	each_way start_limit
}

@test "what a stop is queued for is not given back" {
	systemctl start klipper-base klipper-slowly
	systemctl stop --no-block klipper-base klipper-slowly
	hold -u klipper-base -- true
	[ "$(active klipper-base klipper-slowly)" = "" ]
}

@test "what a command writes into the lease is passed over; that it failed is told" {
	systemctl start klipper
	by_lease
	run -0 hold -- bash -c 'for fd in /proc/self/fd/*; do fd=${fd##*/}; [ "$fd" -le 2 ] || echo x >&"$fd"; done 2>/dev/null
		sleep 0.5; systemctl is-active klipper || true'
	[[ $output == *inactive* ]]
	run -1 hold -- perl -e '$SIG{CHLD} = "IGNORE"; exec "kf-service", "-q", "hold", "--", "false"'
	[ "$(active klipper)" = "klipper.service " ]
}

@test "what a command left behind holds: the next is refused, and so not surprised" {
	systemctl start klipper
	kf-service hold -- sh -c 'setsid sh -c "read -r _ <down" >/dev/null 2>&1 </dev/null & echo $! >left'
	run -75 --separate-stderr kf-service hold -- touch ran
	[[ $stderr == *"is held already"* ]]
	echo x >down
	timeout 10 sh -c 'until kf-service -q hold -- true 2>/dev/null; do sleep 0.1; done'
	[ "$(active klipper)" = "klipper.service " ]
}

@test "two at the same moment: never does one see the unit run" {
	systemctl start klipper
	for _ in {1..8}; do
		for n in 1 2; do
			kf-service hold -- sh -c 'for i in 1 2 3 4 5 6; do systemctl is-active klipper; sleep 0.05; done' \
				>"during$n" 2>"said$n" 3>&- &
		done
		wait
		run ! grep -x active during1 during2
		[ "$(cat during1 during2 | grep -c inactive)" -ge 6 ]
		timeout 10 sh -c 'until systemctl -q is-active klipper; do sleep 0.05; done'
	done
}

@test "three holds, each in the other" {
	systemctl start klipper moonraker
	run -0 kf-service hold -u klipper -- kf-service hold -u moonraker -- kf-service hold -u klipper -u moonraker -- \
		sh -c 'systemctl is-active klipper moonraker || true'
	[[ $output == *$'inactive\ninactive'* ]]
	[ "$(active klipper moonraker)" = "klipper.service moonraker.service " ]
}

@test "started while another was being stopped: refused, and everything is as it was" {
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

@test "a unit that has just crashed, and is about to run again, does so afterwards" {
	each_way crashed
}

forever() {
	systemctl start --no-block klipper-forever
	run -0 hold -t 3 -u klipper-forever -- true
	[ "$(systemctl show -P ActiveState klipper-forever)" = activating ]
	systemctl stop klipper-forever
}

@test "a unit that starts for ever does so again" {
	forever
	by_lease
	forever
}

@test "--timeout holds for a lease too" {
	systemctl start klipper-later
	by_lease
	run -75 --separate-stderr hold -t 3 -u klipper-later -- touch ran
	[[ $stderr == *"klipper-later.service cannot be stopped: systemd's job did not end in time"* ]]
	[ ! -e ran ]
	[ "$(active klipper-later)" = "klipper-later.service " ]
}

@test "the end of a lease that kf-leased has lost leaves newer ones alone" {
	systemctl start klipper
	by_lease
	first_holds
	systemctl kill -s KILL kalico-flash.service
	timeout 20 sh -c 'until systemctl -q is-active klipper; do sleep 0.05; done'
	mkfifo -m 0666 up2 down2
	hold -- sh -c 'echo x >up2; read -r _ <down2; systemctl is-active klipper >during || true' 2>second 3>&- &
	second=$!
	read -r -t 20 _ <>up2
	echo x >down
	wait "$first"
	grep "klipper.service: another lease keeps it stopped" first
	echo x >down2
	wait "$second"
	[ "$(<during)" = inactive ]
	[ "$(active klipper)" = "klipper.service " ]
}

@test "a kf-leased that cannot begin gives up on a slow machine too, and the user is told" {
	systemctl start klipper
	by_lease
	mv /usr/libexec/kalico-flash/kf-leased .
	printf '#!/bin/sh\nsleep 0.3\nexit 1\n' >/usr/libexec/kalico-flash/kf-leased
	chmod +x /usr/libexec/kalico-flash/kf-leased
	run --separate-stderr hold -- touch ran
	mv kf-leased /usr/libexec/kalico-flash/
	[ "$status" -eq 1 ]
	[[ $stderr == *"kf-leased ended before it answered"*"journalctl -u kalico-flash"* ]]
	[ ! -e ran ]
	[ "$(active klipper)" = "klipper.service " ]
	[ "$(systemctl show -P Result kalico-flash.socket)" = service-start-limit-hit ]
	systemctl reset-failed kalico-flash.socket kalico-flash.service
}
