#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154 # run sets output and stderr
#
# The host's own MCU with a real unit and a real sudo, flashed by a user of the group dialout while
# klipper.service is held. Inside the container of tests/systemd/run.
bats_require_minimum_version 1.5.0
source /kf/tests/signal.bash

PROGRAM=/usr/local/bin/klipper_mcu LINK=/tmp/klipper_host_mcu

# firmware VERSION: $firmware/VERSION, a script that runs as Klipper's Linux process as far as it tells its
# version, with the dictionary in it.
firmware() {
	{
		printf '#!/bin/sh\nexec /usr/bin/python3 /kf/tests/fake/host-mcu.py "$0" "$2" "$3"\n'
		/usr/bin/python3 -c 'import json, sys, zlib
sys.stdout.buffer.write(zlib.compress(json.dumps({"app": "Klipper", "version": sys.argv[1],
	"config": {"MCU": "linux", "CLOCK_FREQ": 50000000}, "commands": {"identify offset=%u count=%c": 1},
	"responses": {"identify_response offset=%u data=%.*s": 0}}).encode(), 9))' "$1"
	} >"$firmware/$1"
}

setup_file() {
	export firmware=/var/tmp/kf-host-mcu
	mkdir -p "$firmware"
	firmware v0.13.0-1-gaaaaaaa
	firmware v0.13.0-2-gbbbbbbb
	# As the tree's scripts/klipper-mcu.service has it, with an ExecStop that waits to be let.
	cat >/etc/systemd/system/klipper-mcu.service <<-END
		[Unit]
		StartLimitIntervalSec=0
		ConditionFileIsExecutable=$PROGRAM
		[Service]
		Environment=KLIPPER_HOST_MCU_SERIAL=$LINK
		ExecStart=$PROGRAM -r -I \${KLIPPER_HOST_MCU_SERIAL}
		ExecStop=/bin/sh -c '[ ! -e /run/kf/wait ] || { echo x 1<>/run/kf/stopping; read x </run/kf/gate; }'
	END
	# A program without arguments is no host MCU, unless it is firmware.
	printf '[Service]\nExecStart=/bin/false\n' >/etc/systemd/system/klipper-other.service
	systemctl daemon-reload
	usermod -aG tty lessee # the group of its pty
	mkdir -p ~lessee/.config/kalico-flash
	echo '{"devices": {"host": {"name": "Host", "mcu": "linux", "serial": "'$LINK'"}}}' >~lessee/.config/kalico-flash/devices.json
	chown -R lessee: ~lessee
}

teardown_file() {
	systemctl stop klipper-mcu klipper
	rm -rf "$firmware" "$PROGRAM"* /etc/systemd/system/klipper-{mcu,other}.service /etc/sudoers.d/lessee /run/kf/wait
	gpasswd -d lessee tty
	systemctl daemon-reload
}

# state: when both units were started last.
state() {
	systemctl show -P ActiveEnterTimestampMonotonic klipper klipper-mcu | xargs
}

setup() {
	cd "$(mktemp -d)" || return
	install -m 755 "$firmware/v0.13.0-1-gaaaaaaa" "$PROGRAM"
	rm -f "$PROGRAM".* $LINK
	systemctl start kalico-flash.socket klipper
	systemctl restart klipper-mcu
	timeout 10 sh -c 'until [ -e "$0" ]; do sleep 0.05; done' $LINK
	before=$(state)
}

# flash: as lessee, the second firmware.
flash() {
	local file=$firmware/v0.13.0-2-gbbbbbbb
	runuser -u lessee -- env HOME="$(echo ~lessee)" sh -c 'kf-scan -q -d host | jq -c ". + {firmware: {path: \"$1\", sha256: \"$2\"}}" |
		kf-flash -u klipper --while-unknown' - "$file" "$(sha256sum "$file" | cut -d ' ' -f 1)"
}

allow() {
	echo 'lessee ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/lessee
}

@test "sudo would ask for a password: refused, and no unit is stopped" {
	rm -f /etc/sudoers.d/lessee
	run -77 --separate-stderr flash
	[[ $stderr == *"only root may replace $PROGRAM and restart klipper-mcu.service, and sudo would ask for a password"* ]]
	[ "$(state)" = "$before" ]
	[ "$(ls "$PROGRAM"*)" = "$PROGRAM" ]
}

@test "sudo asks for nothing: root's program is replaced, its unit restarted, and Klipper started" {
	allow
	run -0 --separate-stderr flash
	[ "$(jq -c '.flash | [.result, .version_before, .version_after]' <<<"$output")" = \
		'["flashed","v0.13.0-1-gaaaaaaa","v0.13.0-2-gbbbbbbb"]' ]
	cmp "$PROGRAM" "$firmware/v0.13.0-2-gbbbbbbb"
	cmp "$PROGRAM.old" "$firmware/v0.13.0-1-gaaaaaaa"
	[ "$(stat -c '%U %a' "$PROGRAM")" = "root 755" ]
	read -r klipper mcu <<<"$before"
	read -r klipper_now mcu_now <<<"$(state)"
	# The MCU runs before Klipper does.
	[ "$klipper" -lt "$mcu_now" ]
	[ "$mcu" -lt "$mcu_now" ]
	[ "$mcu_now" -lt "$klipper_now" ]
}

@test "kf-flash is killed while the unit restarts: Klipper is started, and the next run flashes" {
	allow
	touch /run/kf/wait
	flash >out 2>err 3>&- &
	read -r -t 20 _ <>/run/kf/stopping
	systemctl -q is-active klipper && return 1
	# shellcheck disable=SC2046
	send_signal KILL $(pidof kf-flash)
	rm /run/kf/wait
	echo x >/run/kf/gate
	status=0
	wait $! || status=$?
	[ "$status" -eq 137 ]
	grep "kf-flash was killed by signal 9 (Killed)" err
	systemctl -q is-active klipper
	run -0 --separate-stderr flash
	[ "$(jq -r '.flash.version_after' <<<"$output")" = v0.13.0-2-gbbbbbbb ]
	systemctl -q is-active klipper klipper-mcu
}
