# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2034
#
# The host's own MCU of a test's own: the service klipper-mcu.service of root/, which runs $PROGRAM, and a
# systemctl that restarts it (bin/systemctl; its calls are in "restarts").

setup_host_mcu() {
	LINK=/tmp/klipper_host_kf-$$-$BATS_TEST_NUMBER
	PROGRAM=$PWD/bin/klipper_mcu
	export LINK PROGRAM
	mkdir -p root/etc/systemd/system bin
	: >restarts
	cat >root/etc/systemd/system/klipper-mcu.service <<-END
		[Service]
		Environment=KLIPPER_HOST_MCU_SERIAL=$LINK
		ExecStart=$PROGRAM -r -I \${KLIPPER_HOST_MCU_SERIAL}
	END
	cat >bin/systemctl <<-END
		#!/bin/bash
		echo "\$*" >>"$PWD/restarts"
		[ "\$*" = "restart klipper-mcu.service" ] || exit 1
		. "$KF_TESTS/signal.bash"
		. "$KF_TESTS/host-mcu.bash"
		cd "$PWD" && end_host_mcu && start_host_mcu
	END
	# For those who are not root: sudo would look for systemctl elsewhere, and only root can set an owner.
	printf '#!/bin/bash\nshift\n[ "$1" != install ] || set -- "${@:1:2}" "${@:7}"\nexec "$@"\n' >bin/sudo
	chmod +x bin/systemctl bin/sudo
	PATH=$PWD/bin:$PATH
}

# start_host_mcu: $PROGRAM runs, as it is now: itself if HOST_MCU=real, else what has its dictionary; by $AS, if set.
start_host_mcu() {
	local ready
	if [ "${HOST_MCU-}" = real ]; then
		"$PROGRAM" -I "$LINK" </dev/null >/dev/null 2>&1 3>&- &
		echo $! >mcu.pid
		return
	fi
	# shellcheck disable=SC2086 # AS is a command with its arguments
	exec {ready}< <(exec ${AS-} /usr/bin/python3 "$KF_TESTS/fake/host-mcu.py" "$PROGRAM" -I "$LINK" 2>>mcu.log 3>&-)
	echo $! >mcu.pid
	read -r _ <&"$ready"
	exec {ready}<&-
}

end_host_mcu() {
	local pid
	pid=$(cat mcu.pid 2>/dev/null) || return 0
	send_signal TERM "$pid" && timeout 10 tail -s 0.02 --pid="$pid" -f /dev/null
	rm -f mcu.pid
}
