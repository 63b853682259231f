# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2034 # the variables are for the tests
#
# Printers of a test's own: services that do not run, and Klippies that do.

H723_BY_ID=/dev/serial/by-id/usb-Klipper_stm32h723xx_29001A001151313531383332-if00
RP2040_BY_ID=/dev/serial/by-id/usb-Klipper_rp2040_E6605481DB318C34-if00

setup_printers() {
	fresh_home
	need pty
	cd "$BATS_TEST_TMPDIR" || return
	export KF_PRINTER_ROOT=$PWD/root
	mkdir root
}

# stopped UNIT TREE LINE...: a service that does not run, as KIAUH writes it, and its printer.cfg.
stopped() {
	local data=$PWD/$1_data
	mkdir -p root/etc/systemd/system "root$data/systemd" "$data/config"
	cat >"root/etc/systemd/system/$1.service" <<-END
		[Service]
		EnvironmentFile=$data/systemd/klipper.env
		ExecStart=$HOME/klippy-env/bin/python \$KLIPPER_ARGS
	END
	echo "KLIPPER_ARGS=\"$2/klippy/klippy.py $data/config/printer.cfg -a $data/comms/klippy.sock\"" \
		>"root$data/systemd/klipper.env"
	printf '%s\n' "${@:3}" >"$data/config/printer.cfg"
}
