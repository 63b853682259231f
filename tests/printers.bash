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

# running NAME STATE [ENV]...: a Klippy of ~/NAME_data that answers what was recorded, with these
# variables of fake/klippy.py. Its pid is $klippy; ends with the test.
running() {
	local data=$PWD/$1_data
	mkdir -p "$data/config" "$data/comms"
	rm -f "$data/comms"/*
	exec {ready}< <(exec env STATE="$2" "${@:3}" /usr/bin/python3 "$KF_TESTS/fake/klippy.py" \
		"$data/config/printer.cfg" -a "$data/comms/klippy.sock" 3>&-)
	klippy=$!
	mkdir -p "root/proc/$klippy"
	read -r _ <&"$ready"
}

end_klippies() {
	local pid
	for pid in root/proc/*; do
		[ ! -e "$pid" ] || send_signal TERM "${pid##*/}" || true
	done
	rm -rf root/proc
}

# git_tree DIR COMMITS: a source tree of so many commits since tag v0.13.0; versions of it: version_of.
git_tree() {
	local i
	cp -r "$KF_TESTS/sim/tree" "$1"
	mkdir -p "$1/scripts"
	echo "data['app'] = 'Klipper'" >>"$1/scripts/buildcommands.py"
	git -C "$1" init -q
	# Without these, each commit starts two more programs.
	printf '[user]\nemail = x@example.org\nname = x\n[gc]\nauto = 0\n[maintenance]\nauto = false\n' >>"$1/.git/config"
	git -C "$1" add .
	git -C "$1" commit -qm 0
	git -C "$1" tag -am x v0.13.0
	for ((i = 0; i < $2; i++)); do git -C "$1" commit -q --allow-empty -m "$i"; done
}

# version_of DIR [BACK]: as its build says, so many commits back.
version_of() {
	git -C "$1" describe --always --tags --long "HEAD~${2:-0}"
}
