#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2030,SC2031 # run sets stderr; each test has its own FAKE
#
# What other processes of this machine do ("printer", "grabber") is not the tests' to say: each
# looks at the checks that it has set up.
load helper
load fake/systemd
load printers

setup() {
	fresh_home
	cd "$BATS_TEST_DIRNAME/fixtures" || return
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	state=$XDG_STATE_HOME/kalico-flash
}

teardown() {
	[ -z "${home-}" ] || rm -r "$home"
}

octopus() {
	registry <<-END
		{"devices": {"octopus": {"name": "Octopus", "mcu": "${1:-stm32h723}",
		  "serial_pattern": "usb-Klipper_stm32h723xx_29001A001151313531383332*"}}}
	END
}

# doctor [FIXTURE...] [-- ENV...]: all findings, without boards or with the fixtures' ones.
doctor() {
	local devices=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		devices+=("$1.umockdev")
		shift
	done
	run --separate-stderr umock "${devices[@]}" -- env "${@:2}" kf-doctor --json
	[ "$status" -eq 0 ] || [ "$status" -eq 78 ]
	[ "$stderr" = "" ]
}

# found CHECK [SUBJECT]: "health: message | remedy" of each such finding.
found() {
	jq -r --arg check "$1" --arg subject "${2-}" 'select(.check == $check)
		| select($subject == "" or .subject == $subject)
		| "\(.health): \(.message)\(if .remedy then " | " + .remedy else "" end)"' <<<"$output"
}

# in_git FOLDER: make it a repository with one tag.
in_git() {
	git -C "$1" init -q
	git -C "$1" add -A
	git -C "$1" -c user.name=T -c user.email=t@example.org commit -qm x
	git -C "$1" tag v0.13.0
}

checksums() {
	find "$HOME" -type f -exec sha256sum {} + | sort
}

@test "kf-doctor changes nothing, and every check has a finding" {
	need pty
	octopus
	before=$(checksums)
	doctor octopus-klipper
	[ "$(checksums)" = "$before" ]
	[ "$(jq -r .check <<<"$output" | uniq | paste -sd ' ')" = "registry tree toolchain config firmware method rights by-id wire grabber service printer space clock" ]
	[ "$(jq -r 'select((.health | IN("ok", "note", "wrong") | not) or .message == "")' <<<"$output")" = "" ]
}

@test "the status is 78 if something is wrong, and -q names only that" {
	rm -r "$HOME/klipper"
	doctor
	[ "$status" -eq 78 ]
	run --separate-stderr kf-doctor -q --table
	[ "$status" -eq 78 ]
	[[ $output == "[!!] tree      Klipper: $HOME/klipper: the Klipper source tree cannot be opened: No such file or directory
               name it with kf set --global klipper_dir=DIR"* ]]
	[[ $output != *"[OK]"* && $output != *"[--]"* ]]
	run kf-doctor word
	[ "$status" -eq 64 ]
	run bash -c 'kf-doctor >/dev/full'
	[ "$status" -eq 74 ]
}

@test "kf doctor is kf-doctor; without a fault its status is 0" {
	in_git "$HOME/klipper"
	export FAKE=$BATS_TEST_TMPDIR/fake
	mkdir "$FAKE"
	start_systemd "$BATS_TEST_TMPDIR/bus"
	units klipper.service active
	: >"$FAKE/calls"
	run --separate-stderr umock -- kf doctor --table
	stop_systemd
	[[ $output == *"[OK] service   klipper.service: a flash can stop it and starts it again, also if programs are killed meanwhile"* ]]
	[[ $output != *"[!!]"* || $output == *"[!!] grabber"* || $output == *"[!!] rights"* ]]
	[[ $output == *"[!!]"* || $status -eq 0 ]]
	[ "$(jq -r '.units["klipper.service"].active' "$FAKE/state.json")" = active ]
	run ! grep -E '^(StopUnit|RestartUnit)' "$FAKE/calls"
}

# bats test_tags=slow
@test "trees: version, changed by hand, Kalico, Katapult" {
	doctor
	[[ $(found tree Klipper) == "wrong: $HOME/klipper: its firmware would have no version"*" | "*"--accept-unknown-version" ]]
	mkdir "$HOME/klipper/klippy"
	echo v0.12.0-7-gabcdef >"$HOME/klipper/klippy/.version"
	doctor
	[[ $(found tree Klipper) == "ok: $HOME/klipper: v0.12.0-7-gabcdef, as klippy/.version says" ]]
	rm -r "$HOME/klipper/klippy"
	in_git "$HOME/klipper"
	doctor
	[[ $(found tree Klipper) == "ok: $HOME/klipper: v0.13.0-0-g"*", without changes" ]]
	echo >>"$HOME/klipper/Makefile"
	doctor
	[[ $(found tree Klipper) == "note: $HOME/klipper: v0.13.0-0-g"*"-dirty, with changes that are not committed | git status"* ]]
	mkdir "$HOME/klipper/klippy"
	touch "$HOME/klipper/klippy/__init__.py"
	mkdir -p "$HOME/katapult/src" "$HOME/katapult/scripts"
	touch "$HOME/katapult/Makefile" "$HOME/katapult/src/Kconfig" "$HOME/katapult/scripts/flashtool.py"
	in_git "$HOME/katapult"
	doctor
	[[ $(found tree Kalico) == note:*-dirty* ]]
	[[ $(found tree Katapult) == "ok: $HOME/katapult: v0.13.0-0-g"* ]]
}

@test "a Katapult tree is found under its older name" {
	mkdir -p "$HOME/CanBoot/src" "$HOME/CanBoot/scripts"
	touch "$HOME/CanBoot/Makefile" "$HOME/CanBoot/src/Kconfig" "$HOME/CanBoot/scripts/flashtool.py"
	doctor
	[[ $(found tree Katapult) == *"$HOME/CanBoot"* ]]
}

@test "a tree that git refuses: the remedy is that of the build" {
	in_git "$HOME/klipper"
	doctor -- GIT_TEST_ASSUME_DIFFERENT_OWNER=1
	[ "$status" -eq 78 ]
	[[ $(found tree Klipper) == "wrong: $HOME/klipper belongs to another user, so git refuses it: "*" | git config --global --add safe.directory $HOME/klipper" ]]
	echo nonsense >"$HOME/klipper/.git/HEAD"
	doctor
	[ "$status" -eq 78 ]
	[[ $(found tree Klipper) == "wrong: git cannot read $HOME/klipper: "*" | see what git -C $HOME/klipper status says" ]]
}

@test "without a Katapult tree only flashtool does not work" {
	octopus
	doctor
	[[ $(found tree Katapult) == "note: "*" | name it with kf set --global katapult_dir=DIR" ]]
	kf-config set octopus flash_method=flashtool >/dev/null
	doctor
	[[ $(found tree Katapult) == "wrong: "* ]]
}

@test "method: the flash method of each registered board, and what is missing for it" {
	registry <<-END
		{"devices": {"octopus": {"name": "O", "mcu": "stm32h723", "serial_pattern": "usb-Klipper_stm32h723xx_2*"},
		  "due": {"name": "D", "mcu": "sam3x8e", "serial_pattern": "usb-Klipper_sam3x8e_3*"},
		  "card": {"name": "C", "mcu": "stm32f103", "serial_pattern": "usb-Klipper_stm32f103xe_4*", "sdcard_board": "btt-skr-mini"},
		  "node": {"name": "N", "mcu": "stm32g0b1", "canbus_uuid": "0123456789ab", "canbus_interface": "can0", "flash_method": "dfu"},
		  "sd": {"name": "S", "mcu": "hc32f460", "serial_pattern": "usb-1a86*", "usb_port": "1-1.6"},
		  "mega": {"name": "M", "mcu": "atmega2560", "serial_pattern": "usb-1a86*", "usb_port": "1-1.5"}}}
	END
	mkdir -p "$HOME/bin" "$HOME/rules"
	ln -s "$(command -v make)" "$(command -v python3)" "$KF_BUILD/kf-doctor" "$HOME/bin"
	doctor -- PATH="$HOME/bin"
	[ "$(found method octopus)" = "ok: by katapult, else dfu" ]
	[ "$(found method due)" = "wrong: bossac is missing; it is needed to flash this board | sudo apt-get install bossa-cli" ]
	[ "$(found method mega)" = "wrong: avrdude is missing; it is needed to flash this board | sudo apt-get install avrdude" ]
	[[ $(found method card) == "wrong: there is no $HOME/klipper/scripts/flash-sdcard.sh: that tree writes no SD card"* ]]
	[ "$(found method sd)" = "note: nothing here can flash this hc32f460: there is no Katapult for it; \
make flash does not know this chip | from an SD card, or with a programmer, as the board's maker says" ]
	# The method that is registered for it, not Katapult.
	[[ $(found method node) == "note: nothing here can flash this stm32g0b1: DFU is reached over its own USB alone; make flash reaches no node on CAN"* ]]
	for program in avrdude bossac; do ln -s /bin/true "$HOME/bin/$program"; done
	doctor -- PATH="$HOME/bin"
	[ "$(found method due)" = "ok: by bossac" ]
	[ "$(found method mega)" = "ok: by avrdude" ]
	doctor -- KF_UDEV_RULES="$HOME/rules" PATH="$HOME/bin"
	[[ $(found method octopus) == "wrong: if it has no Katapult: you may not open its bootloader (USB 0483:df11): "* ]]
	# A configuration that leaves no room for Katapult.
	mkdir -p "$XDG_CONFIG_HOME/kalico-flash/configs/octopus"
	printf 'CONFIG_MCU="stm32h723xx"\nCONFIG_FLASH_APPLICATION_ADDRESS=0x8000000\n' \
		>"$XDG_CONFIG_HOME/kalico-flash/configs/octopus/.config"
	doctor -- PATH="$HOME/bin"
	[ "$(found method octopus)" = "ok: by dfu" ]
	# dfu-util is needed by name alone.
	kf-config set octopus flash_method=make_flash >/dev/null
	doctor -- PATH="$HOME/bin"
	[ "$(found method octopus)" = "wrong: dfu-util is missing; it is needed to flash this board | sudo apt-get install dfu-util" ]
}

# bats test_tags=slow
@test "toolchain: the package for a registered MCU, by its name or by its configuration" {
	local bin=$BATS_TEST_TMPDIR/bin
	octopus atmega2560
	mkdir "$bin"
	for program in make python3 env git; do ln -s "$(type -P $program)" "$bin"; done
	doctor -- PATH="$bin:$KF_BUILD"
	[ "$(found toolchain atmega2560)" = "wrong: avr-ld is missing; it is needed to build firmware for atmega2560 | sudo apt-get install gcc-avr binutils-avr avr-libc" ]
	[ "$(found toolchain make)" = "ok: installed" ]
	rm "$bin/make"
	doctor -- PATH="$bin:$KF_BUILD"
	[ "$(found toolchain make)" = "wrong: missing: no firmware can be built | sudo apt-get install make" ]
	octopus or1k-of-tomorrow-2
	[ "$(found toolchain octopus)" = "" ]
}

# bats test_tags=slow
@test "registry and saved configurations" {
	local saved=$XDG_CONFIG_HOME/kalico-flash/configs/octopus
	doctor
	[[ $(found registry) == "note: no board is registered, and no printer here names one | kf list shows what is plugged in; kf add registers a board" ]]
	octopus
	doctor
	[ "$(found registry)" = "ok: 1 registered board" ]
	octopus rp2040
	doctor
	[ "$(found registry octopus)" = "wrong: it is registered as rp2040, but usb-Klipper_stm32h723xx_29001A001151313531383332* is stm32h723 | kf set octopus mcu=stm32h723" ]
	octopus
	doctor
	[[ $(found config octopus) == "note: no configuration is saved"* ]]
	mkdir -p "$saved"
	printf 'CONFIG_MCU="stm32h723xx"\nCONFIG_FLASH_APPLICATION_ADDRESS=0x8020000\nCONFIG_USB=y\n' >"$saved/.config"
	doctor
	[ "$(found config octopus)" = "ok: saved for stm32h723xx, application at 0x08020000" ]
	echo 'CONFIG_MCU="rp2040"' >"$saved/.config"
	doctor
	[ "$(found config octopus)" = "wrong: the board is stm32h723, its saved configuration is for rp2040: choose the board's own MCU | kf config octopus" ]
	echo 'CONFIG_MACH_STM32=y' >"$saved/.config"
	doctor
	[ "$(found config octopus)" = "note: the saved configuration has no MCU: it is completed and checked when it is built | kf config octopus" ]
	# shellcheck disable=SC2016 # that is what is in the file
	echo 'CONFIG_MCU=$(shell id)' >"$saved/.config"
	doctor
	[[ $(found config octopus) == "wrong: "* ]]
	registry <<<'{"devices": {'
	doctor
	[[ $(found registry) == "wrong: "*"devices.json: line 2, column 0: "*"| correct it in an editor"* ]]
}

@test "boards that only a printer's configuration names are checked like registered ones" {
	cd "$BATS_TEST_TMPDIR" || return
	export KF_PRINTER_ROOT=$PWD/root
	mv "$HOME/klipper" tree
	stopped klipper-voron "$PWD/tree" '[mcu]' "serial: $H723_BY_ID" '[mcu EBB]' 'canbus_uuid: 44db3d634885' 'canbus_interface: nocan0'
	stopped klipper-b "$PWD/tree" '[include gone.cfg]'
	doctor
	[ "$(found registry)" = "ok: 2 boards are known by a printer's configuration: voron-mcu, voron-ebb" ]
	[[ $(found tree Klipper) == "wrong: $PWD/tree: its firmware would have no version"* ]]
	[ "$(found config voron-mcu)" = "note: no configuration is saved: the first flash takes the one that its firmware carries, or asks for what nothing tells | kf config voron-mcu" ]
	[ "$(found firmware voron-mcu)" = "note: nothing is built yet | kf build voron-mcu" ]
	[[ $(found method voron-mcu) == *katapult*dfu* || $(found method voron-mcu) == "wrong: if it has no Katapult"* ]]
	[ "$(found method voron-ebb)" = "note: its MCU is not known, so it is not known what a flash needs | start Klipper, and run this again" ]
	[[ $(found wire) == "wrong: there is no interface nocan0 | "* ]]
	[[ $(found printer b) == "note: its boards are not known: $PWD/klipper-b_data/config/gone.cfg: No such file or directory | correct it in "* ]]
}

@test "a kept build that changed is named" {
	local sum build
	octopus
	doctor
	[ "$(found firmware octopus)" = "note: nothing is built yet | kf build octopus" ]
	sum=$(printf firmware | sha256sum | cut -c1-64)
	build=$state/firmware/octopus/${sum:0:12}
	mkdir -p "$build"
	printf firmware >"$build/klipper.bin"
	jq -n --arg sum "$sum" '{format: "bin", sha256: $sum}' >"$build/firmware.json"
	doctor
	[ "$(found firmware octopus)" = "ok: 1 kept build, as it was built" ]
	printf firmwarE >"$build/klipper.bin"
	doctor
	[[ $(found firmware octopus) == "wrong: $build/klipper.bin has changed since it was built | "* ]]
	rm "$build/klipper.bin"
	doctor
	[[ $(found firmware octopus) == "wrong: $build/klipper.bin is missing"* ]]
}

# bats test_tags=slow
@test "ports: by-id links, and rights of a board without a tty" {
	need pty
	octopus
	doctor octopus-klipper
	[[ $(found rights octopus) == "ok: /dev/ttyACM0 can be read and written"* ]]
	[ "$(found by-id)" = "ok: the board's port has a link in /dev/serial/by-id" ]
	doctor no-links
	[[ $(found by-id) == "note: /dev/ttyACM11 has no link in /dev/serial/by-id | update udev (systemd#25238)"* ]]
	doctor octopus-dfu
	[[ $(found rights) == "ok: /dev/bus/usb/001/0"*" can be read and written"* ]]
	[[ $(found by-id) == "ok: boards are plugged in, in a bootloader that has no serial port"* ]]
	doctor
	[[ $(found by-id) == "note: no board with a serial port is plugged in"* ]]
}

# as_nobody ENV...: all findings of another user. The program is run by its file: they may not enter the folders
# of whoever builds in /root.
as_nobody() {
	exec {doctor}<"$KF_BUILD/kf-doctor"
	run --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups env "$@" \
		bash -c 'exec -a kf-doctor "$0" --json' "/proc/self/fd/$doctor"
}

@test "a port whose group the user is not in: the group is named" {
	[ "$(id -u)" -eq 0 ] || skip "needs root to become somebody else"
	as_nobody HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent
	[[ $(found rights) == "wrong: you are not in the group dialout, which owns the serial ports | sudo usermod -aG dialout nobody, then log in again" ]]
}

# beside NAME FIXTURE...: what the check says of a program of that name that runs, a line for each fixture.
beside() {
	local name=$1 fixture pid
	shift
	cp "$(type -P sleep)" "$BATS_TEST_TMPDIR/$name"
	"$BATS_TEST_TMPDIR/$name" 60 3>&- &
	pid=$!
	until [ "$(cat "/proc/$pid/comm")" = "$name" ]; do :; done
	for fixture; do
		doctor "$fixture"
		found grabber "$name"
	done >"$BATS_TEST_TMPDIR/said"
	send_signal TERM "$pid"
	mapfile -t said <"$BATS_TEST_TMPDIR/said"
}

@test "ModemManager is wrong unless udev marks the board" {
	need pty
	octopus
	sed 's/^E: PRODUCT=.*/&\nE: ID_MM_DEVICE_IGNORE=1/' octopus-klipper.umockdev >"$BATS_TEST_TMPDIR/marked.umockdev"
	beside ModemManager octopus-klipper "$BATS_TEST_TMPDIR/marked"
	[[ ${said[0]} == "wrong: it runs (process "*") and may open octopus as a modem | it opens boards as modems: sudo systemctl mask --now ModemManager; or keep it, "* ]]
	[[ ${said[1]} == "ok: it runs (process "*"), and does not open the boards"* ]]
}

@test "brltty is wrong if a converter is connected" {
	need pty
	beside brltty octopus-klipper ch340
	[[ ${said[0]} == "note: it runs"* ]]
	[[ ${said[1]} == "wrong: it runs"*" as a Braille display | it opens boards (USB vendor 1a86) as Braille displays: sudo apt remove brltty, or "* ]]
}

# bats test_tags=slow
@test "a service that cannot be held: the reason and the remedy are shown" {
	export FAKE=$BATS_TEST_TMPDIR/fake
	local user=(env)
	[ "$(id -u)" -ne 0 ] || user=(unshare -U)
	"${user[@]}" true 2>/dev/null || skip "root, and unshare -U does not work here"
	mkdir "$FAKE"
	start_systemd "$BATS_TEST_TMPDIR/bus"
	units klipper.service active screen.service active
	jq '.units["klipper.service"].RequiredBy = ["screen.service"] | .units["screen.service"].transient = true' \
		"$FAKE/state.json" >"$FAKE/new" && mv "$FAKE/new" "$FAKE/state.json"
	run --separate-stderr kf-doctor --json
	odd=$(found service klipper.service)
	KF_LEASE_SOCKET=/nonexistent/socket run --separate-stderr kf-doctor --json
	without=$(found service klipper.service)
	# kf-leased is there, for a group that is not ours.
	export KF_LEASE_SOCKET=$BATS_TEST_TMPDIR/lease.sock
	install -m 0060 /dev/null "$KF_LEASE_SOCKET"
	[ "$(id -u)" -ne 0 ] || chgrp dialout "$KF_LEASE_SOCKET"
	run --separate-stderr "${user[@]}" kf-doctor --json
	stop_systemd
	[[ $odd == "wrong: screen.service runs and would stop along but is transient"* ]]
	[[ $without == "wrong: services cannot be held: kf-leased does not run"*"sudo systemctl enable --now kalico-flash.socket"* ]]
	[[ $(found service klipper.service) == "wrong: services cannot be held: "* ]]
}

@test "without systemd nothing is wrong with services" {
	doctor -- DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent PATH="$KF_BUILD"
	[[ $(found service systemd) == "note: cannot connect to systemd: "* ]]
}

@test "space and a folder that cannot be written" {
	doctor -- XDG_CACHE_HOME=/proc/nonexistent
	[[ $(found space cache) == "wrong: "*"/proc"* ]]
	[[ $(found space state) == "ok: "*" MB are free at "* ]]
}

@test "files of root, or a chmod, in our folders are reported with the remedy" {
	[ "$(id -u)" -eq 0 ] || skip "needs root to become somebody else"
	local config state
	home=$(mktemp -d /tmp/kf-doctor.XXXXXX) # nobody may not enter the test's own
	config=$home/.config/kalico-flash state=$home/.local/state/kalico-flash
	mkdir -p "$config" "$state/locks" "$home/.cache/kalico-flash/configs/a"
	chown -R 65534 "$home"
	touch "$home/.cache/kalico-flash/configs/a/.config"
	look() { as_nobody -u XDG_CONFIG_HOME -u XDG_CACHE_HOME -u XDG_STATE_HOME HOME="$home"; }
	look
	[[ $(found space cache) == "wrong: $home/.cache/kalico-flash/configs/a/.config cannot be written: Permission denied | make all its files yours: sudo chown -R \$USER $home/.cache/kalico-flash" ]]
	[[ $(found space state) == "ok: "* ]]
	[[ $(found space config) == "ok: "* ]]
	chown -R 65534 "$home"
	touch "$config/devices.json.lock"
	mkdir "$state/locks/a"
	look
	[[ $(found space cache) == "ok: "* ]]
	[[ $(found space config) == "wrong: $config/devices.json.lock cannot be written: "*"sudo chown -R \$USER $config" ]]
	[[ $(found space state) == "wrong: $state/locks/a belongs to user 0, this is user 65534 | "*"sudo chown -R \$USER $state" ]]
	chown -R 65534 "$home"
	chmod 0444 "$config/devices.json.lock"
	look
	[ "$(jq -r 'select(.check == "space").health' <<<"$output" | sort -u)" = ok ]
	mkfifo "$config/devices.json"
	chmod 0555 "$config"
	look
	[[ $(found space config) == "wrong: $config cannot be written: Permission denied | ls -l shows the owner of that file or folder: "* ]]
	[[ $(found registry) == "wrong: $config/devices.json: not a regular file | name another file"* ]]
}

@test "a clock that is behind is reported" {
	octopus
	doctor
	[[ $(found clock) == "ok: 20"* ]]
	touch -d 2099-01-01 "$XDG_CONFIG_HOME/kalico-flash/devices.json"
	doctor
	[[ $(found clock) == "wrong: 20"*": it is before the date of devices.json | "*"timedatectl"* ]]
}


@test "wire: a CAN interface that is not there, a UART that is not there" {
	registry <<<'{"devices": {"ebb": {"canbus_uuid": "44db3d634885", "canbus_interface": "nocan0"}, "pi": {"serial": "/dev/nouart"}}}'
	run kf-doctor --json
	[ "$(jq -r 'select(.check == "wire") | [.subject, .health, .message] | join(" | ")' <<<"$output")" = "$(cat <<-'END'
		ebb | wrong | there is no interface nocan0
		pi | wrong | there is no serial port /dev/nouart
	END
	)" ]
	registry <<<'{"devices": {}}'
	run kf-doctor --json
	[ "$(jq -r 'select(.check == "wire") | .health' <<<"$output")" = ok ]
}
