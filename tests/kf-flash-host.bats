#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # run sets output; bash -c has $ of its own; each test is a shell of its own
#
# The host's own MCU: a printer names its pty, a service runs its program, and kf replaces that.
# KF_TREES="/path/klipper ..." builds and runs the real one, too.
load helper
load flash
load printers
load host-mcu

# old_image: $IMAGES/linux-old, of a tree that is another version.
old_image() {
	[ -e "$IMAGES/linux-old/klipper.elf" ] && return
	cp -r "$KF_TESTS/sim/tree" "$BATS_FILE_TMPDIR/old-tree"
	echo v0.10.0-1-gdeadbeef >"$BATS_FILE_TMPDIR/old-tree/VERSION"
	(
		KF_TESTS=$BATS_FILE_TMPDIR/tests
		mkdir -p "$KF_TESTS/sim"
		mv "$BATS_FILE_TMPDIR/old-tree" "$KF_TESTS/sim/tree"
		image linux-old CONFIG_MACH_LINUX=y
	)
}

setup_file() {
	build_images
	image linux CONFIG_MACH_LINUX=y >/dev/null
	old_image >/dev/null
	file_systemd
}

setup() {
	setup_flash
	export KF_PRINTER_ROOT=$PWD/root
	mkdir root
	registry <<<'{"devices": {}}'
	setup_host_mcu
	install -m 755 "$IMAGES/linux-old/klipper.elf" "$PROGRAM"
	start_host_mcu
	mkdir -p "$HOME/klipper"
	cp -r "$KF_TESTS/sim/tree/." "$HOME/klipper/"
	save_configs host:linux
	stopped klipper "$HOME/klipper" '[mcu host]' "serial: $LINK"
	new=$(jq -r .version "$IMAGES/linux/klipper.dict") old=$(jq -r .version "$IMAGES/linux-old/klipper.dict")
}

teardown() {
	end_host_mcu
	rm -rf "$LINK" "${apart-}"
	end_klippies
}

# firmware [NAME]: what a record says of the image of that name.
firmware() {
	local image
	image=$(realpath "$IMAGES/${1:-linux}/klipper.elf")
	jq -nc --arg p "$image" --arg s "$(sha256sum "$image" | cut -d' ' -f1)" '{path: $p, sha256: $s}'
}

# on_machine TEXT: bash -c TEXT on a machine with one board more, an RP2040.
on_machine() {
	mocked kf-sim --board="$RP2040" -- bash -c "$1"
}

# flashed [ARG]...: the host's board is given the new image.
flashed() {
	on_machine "kf-scan -q | jq -c 'select(.board.link.type == \"process\") + {firmware: $(firmware)}' | kf-flash $*"
}

@test "a printer's configuration names the host's own MCU: it is a board, and kf-scan asks it nothing" {
	run -0 --separate-stderr on_machine 'kf-scan -q'
	valid_records <<<"$output"
	[ "$(jq -c '.board | select(.link.type == "process") | [.key, .mcu, .connected, .mode, .version, .link.path, .printer.mcu]' <<<"$output")" = \
		'["host","linux",true,null,null,"'"$LINK"'","host"]' ]
	# Who wants to know is told by itself, as by a board on USB.
	run -0 --separate-stderr on_machine 'kf-status --ask --json host'
	[ "$(jq -c '.board | [.mode, .version, .reason]' <<<"$output")" = '["klipper","'"$old"'",null]' ]
	run -78 --separate-stderr on_machine 'kf-scan -q -d host | setsid -w kf-config --from-board'
	[[ $stderr == *"host: the firmware that it runs carries no Kconfig"* ]]
	end_host_mcu
	run -0 --separate-stderr on_machine 'kf-scan -q -d host'
	[[ $(jq -c '[.board.connected, .board.reason]' <<<"$output") == *'false,"the host'"'"'s own MCU does not run: '"$LINK leads to no pty of it: systemctl status klipper-mcu.service says why"* ]]
}

@test "it is installed by a rename, its service restarted, and it tells the new version" {
	before=$(stat -c %i "$PROGRAM")
	run -0 --separate-stderr flashed
	valid_records <<<"$output"
	[ "$(jq -c '.flash | [.result, .method, .verified, .version_before, .version_after]' <<<"$output")" = \
		'["flashed","host_mcu",["readback","identify"],"'"$old"'","'"$new"'"]' ]
	cmp "$PROGRAM" "$IMAGES/linux/klipper.elf"
	[ "$(stat -c %a "$PROGRAM")" = 755 ]
	cmp "$PROGRAM.old" "$IMAGES/linux-old/klipper.elf"
	[ "$(stat -c %i "$PROGRAM.old")" = "$before" ]
	[ ! -e "$PROGRAM.new" ]
	[ "$(<restarts)" = "restart klipper-mcu.service" ]
	# Once more: it has this image, and nothing is done. With --force its service is restarted, and the old one stays.
	run -0 --separate-stderr flashed
	[ "$(jq -r .flash.result <<<"$output")" = current ]
	[ "$(wc -l <restarts)" -eq 1 ]
	run -0 --separate-stderr flashed --force
	[ "$(wc -l <restarts)" -eq 2 ]
	cmp "$PROGRAM.old" "$IMAGES/linux-old/klipper.elf"
}

@test "kf update: one stop for boards in Katapult, DFU and BOOTSEL, side by side, and for the host's own MCU" {
	local f446=/dev/serial/by-id/usb-Klipper_stm32f446xx_2A0034000A51303432353935-if00
	build_bare_image
	image rp2040-bare 'CONFIG_MACH_RPXXXX=y
CONFIG_RPXXXX_FLASH_START_0100=y' >/dev/null
	git_tree source 4
	old=$(version_of source 2) new=$(version_of source)
	stopped klipper "$PWD/source" '[mcu]' "serial: $H723_BY_ID" '[mcu display]' "serial: $f446" \
		'[mcu adxl]' "serial: $RP2040_BY_ID" '[mcu host]' "serial: $LINK"
	save_configs mcu:h723 display:f446-none adxl:rp2040-bare host:linux
	export MCUS old
	MCUS=$(jq -nc --arg p "$H723_BY_ID" --arg d "$f446" --arg a "$RP2040_BY_ID" --arg q "$LINK" --arg v "$old" \
		'{mcu: [$p, $v], "mcu display": [$d, $v], "mcu adxl": [$a, $v],
		"mcu host": {config: {serial: $q}, object: {mcu_version: $v, mcu_constants: {MCU: "linux"}}}}')
	run -0 --separate-stderr mocked kf-sim --board="${H723%,version=*},version=$old" \
		--board="mcu=stm32f446xx,serial=2A0034000A51303432353935,port=1-1.4,katapult=none,version=$old" \
		--board="${RP2040%,version=*},katapult=none,version=$old" -- bash -c '
		. "$KF_TESTS/printers.bash"
		. "$KF_TESTS/signal.bash"
		mkdir -p klipper_data/comms
		running klipper "ready, idle" PORT=/dev/ttyACM0 TREE="$PWD/source" VERSION="$old"
		jq ".units[\"klipper.service\"] += {\"pid\": $klippy, \"kill\": true}" "$FAKE/state.json" >state.new
		mv state.new "$FAKE/state.json"
		kf status
		setsid -w kf update --yes --json -u klipper'
	[[ $output == *"host"*"$old"*"behind"* ]]
	[ "$(grep '^{' <<<"$output" | jq -r '[.board.key, .flash.result, .flash.method, .flash.version_after] | join(" ")' | sort)" = \
		"adxl flashed picoboot $new
display flashed dfu $new
host flashed host_mcu $new
mcu flashed katapult $new" ]
	[ "$(grep -c '^StopUnit klipper.service' "$FAKE/calls")" -eq 1 ]
	[ "$(active)" = active ]
	[ "$(<restarts)" = "restart klipper-mcu.service" ]
	# All have begun before the first is done.
	first=$(grep -n ': flashed: runs' <<<"$stderr" | head -n 1 | cut -d : -f 1)
	[ "$(head -n "$first" <<<"$stderr" | grep -oE '(adxl|display|mcu): (entering|BOOTSEL|DFU)' | cut -d : -f 1 | sort -u | xargs)" = \
		"adxl display mcu" ]
}

# refused CODE MESSAGE HINT: it is, and nothing was stopped, restarted or replaced.
refused() {
	run --separate-stderr flashed
	[ "$(jq -r '.error.code' <<<"$output")" = "$1" ]
	[[ $(jq -r '.error.message' <<<"$output") == *"$2"* ]]
	[[ $(jq -r '.error.hint' <<<"$output") == *"$3"* ]]
	[ ! -s restarts ]
	run ! grep -E '^(Stop|Start|Restart)Unit' "$FAKE/calls"
	[ ! -e "$PROGRAM.old" ]
}

@test "no unit runs it, or two do; its program is another user's, a link, or no firmware: refused, nothing stops" {
	mv root/etc/systemd/system/klipper-mcu.service .
	refused config "no systemd unit klipper*.service runs the host's own MCU at $LINK" "sudo cp scripts/klipper-mcu.service"
	# Before the question, which lists the boards, and before the build.
	run -78 --separate-stderr on_machine 'setsid -w kf update host --yes'
	[[ $stderr == *"no systemd unit klipper*.service runs the host's own MCU at $LINK"*"sudo cp scripts/klipper-mcu.service"* ]]
	[[ $stderr != *"Boards to flash"* ]]
	[ ! -e "$XDG_CACHE_HOME/kalico-flash/build" ]
	cp klipper-mcu.service root/etc/systemd/system/klipper-mcu2.service
	mv klipper-mcu.service root/etc/systemd/system/
	refused ambiguous "two units run the host's own MCU at $LINK: klipper-mcu.service and klipper-mcu2.service" "remove one"
	rm root/etc/systemd/system/klipper-mcu2.service
	mv "$PROGRAM" real
	ln -s "$PWD/real" "$PROGRAM"
	refused config "$PROGRAM, which klipper-mcu.service runs, is a link to another file: it is left alone" "sudo rm $PROGRAM"
	rm "$PROGRAM"
	cp "$(type -P bash)" "$PROGRAM"
	refused config "is no Klipper firmware: it is left alone" "sudo rm $PROGRAM"
	cp "$IMAGES/rp2040/klipper.bin" "$PROGRAM"
	refused config "is no firmware for the host's own MCU: it is left alone" ""
	if [ "$(id -u)" -eq 0 ]; then
		mv real "$PROGRAM"
		chown 65534 "$PROGRAM"
		refused config "belongs to another user: it is left alone" ""
	fi
	sed -i "s,$PROGRAM,$PWD/nowhere/mcu," root/etc/systemd/system/klipper-mcu.service
	refused config "$PWD/nowhere/mcu, which klipper-mcu.service runs, has no folder" ""
}

@test "the program that the unit names is not there yet: it is installed" {
	end_host_mcu
	rm "$PROGRAM"
	run -0 --separate-stderr flashed
	[ "$(jq -c '[.flash.result, .flash.version_after]' <<<"$output")" = '["flashed","'"$new"'"]' ]
	[ "$(stat -c %a "$PROGRAM")" = 755 ]
	[ ! -e "$PROGRAM.old" ]
}

@test "a user whom sudo asks for a password: refused before anything stops; else sudo does each step" {
	[ "$(id -u)" -eq 0 ] || skip "only root can become somebody else"
	local nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	"${nobody[@]}" test -x "$KF_BUILD/kf-flash" || skip "nobody cannot run it there"
	end_host_mcu
	rm "$LINK"
	local images=$IMAGES
	apart=$(mktemp -d /tmp/kf-host.XXXXXX) # nobody may not enter the test's own
	cp "$IMAGES/linux"/klipper.* "$apart"
	cd "$apart" || return
	export HOME=$apart/home XDG_CONFIG_HOME=$apart/home/.config XDG_CACHE_HOME=$apart/home/.cache
	export XDG_STATE_HOME=$apart/home/.local/state XDG_RUNTIME_DIR=$apart/home/run
	mkdir -m 0700 "$HOME" "$XDG_RUNTIME_DIR"
	KF_PRINTER_ROOT=$apart/root IMAGES=$apart
	setup_host_mcu
	stopped klipper "$HOME/klipper" '[mcu host]' "serial: $LINK"
	install -m 755 "$images/linux-old/klipper.elf" "$PROGRAM"
	printf '#!/bin/bash\nprintf "%%s\\n" "$*" >>"%s/sudo"\nexit 1\n' "$PWD" >bin/sudo
	chmod +x bin/sudo
	chown -R 65534:65534 .
	AS="${nobody[*]}" start_host_mcu
	chown 65534 mcu.pid mcu.log
	"${nobody[@]}" kf-scan -q | jq -c 'select(.board.link.type == "process") + {firmware: '"$(firmware .)"'}' >r
	run -77 --separate-stderr "${nobody[@]}" kf-flash <r
	[ "$(jq -r .error.message <<<"$output")" = \
		"only root may replace $PROGRAM and restart klipper-mcu.service, and sudo would ask for a password" ]
	[[ $(jq -r .error.hint <<<"$output") == "nothing was stopped; type sudo -v and your password"*"where sudo does not know you: usermod -aG sudo NAME as root"* ]]
	[ "$(<sudo)" = "-n true" ]
	[ ! -s restarts ]
	printf '#!/bin/bash\nprintf "%%s\\n" "$*" >>"%s/sudo"\nshift\nexec "$@"\n' "$PWD" >bin/sudo
	run -0 --separate-stderr "${nobody[@]}" kf-flash <r
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
	[ "$(cut -d' ' -f 2 sudo | tr '\n' ' ')" = "true true install sync ln mv sync systemctl " ]
	grep -q "^-n install -T -o 65534 -g 65534 -m 755 $PWD/klipper.elf $PROGRAM.new$" sudo
}

# bats test_tags=slow
@test "new firmware that does not answer: the hint brings the old one back" {
	cat >bin/systemctl <<-END
		#!/bin/bash
		. "$KF_TESTS/signal.bash"
		. "$KF_TESTS/host-mcu.bash"
		cd "$PWD" && end_host_mcu
	END
	run -1 --separate-stderr flashed --return-timeout=1
	[ "$(jq -r .error.code <<<"$output")" = unverified ]
	[[ $(jq -r .error.hint <<<"$output") == "journalctl -u klipper-mcu.service says why; to go back: sudo mv $PROGRAM.old $PROGRAM && sudo systemctl restart klipper-mcu.service" ]]
	# Another that does not answer: the program that did is the way back still.
	mkdir "$IMAGES/linux-bad"
	cp "$IMAGES/linux"/klipper.* "$IMAGES/linux-bad"
	echo >>"$IMAGES/linux-bad/klipper.elf"
	firmware() { jq -nc --arg p "$(realpath "$IMAGES/linux-bad/klipper.elf")" --arg s "$(sha256sum "$IMAGES/linux-bad/klipper.elf" | cut -d' ' -f1)" '{path: $p, sha256: $s}'; }
	run -1 --separate-stderr flashed --return-timeout=1
	[ "$(jq -r .error.code <<<"$output")" = unverified ]
	cmp "$PROGRAM.old" "$IMAGES/linux-old/klipper.elf"
	# The service cannot be restarted, and there was no program before: there is no way back to name.
	rm "$PROGRAM" "$PROGRAM.old"
	printf '#!/bin/sh\nexit 1\n' >bin/systemctl
	run -1 --separate-stderr flashed --return-timeout=1
	[ "$(jq -r '.error.message + ": " + .error.hint' <<<"$output")" = \
		"systemctl ended with status 1: journalctl -u klipper-mcu.service says why" ]
}

@test "the program cannot be replaced: the old one stays, and no copy is left beside it" {
	printf '#!/bin/sh\nexit 1\n' >bin/mv
	chmod +x bin/mv
	run -1 --separate-stderr flashed
	[ "$(jq -r .error.message <<<"$output")" = "mv ended with status 1" ]
	rm bin/mv
	cmp "$PROGRAM" "$IMAGES/linux-old/klipper.elf"
	[ ! -e "$PROGRAM.new" ]
	[ ! -s restarts ]
}

# bats test_tags=slow
@test "real trees: the real Linux process is replaced, restarted and proved" {
	[ "${KF_TREES-}" ] || skip "KF_TREES names no trees"
	export HOST_MCU=real
	for tree in $KF_TREES; do
		rm -rf tree out
		cp -r "$tree" tree
		rm -rf tree/.git
		git -C tree init -q
		mkdir out
		echo CONFIG_MACH_LINUX=y >linux.config
		end_host_mcu
		for version in v0.1.0 v0.2.0; do
			git -C tree -c user.name=kf -c user.email=kf@localhost commit -q --allow-empty -m "$version"
			git -C tree tag "$version"
			make -s -C tree OUT="$PWD/out/$version/" KCONFIG_CONFIG="$PWD/linux.config" olddefconfig >/dev/null
			make -s -C tree OUT="$PWD/out/$version/" KCONFIG_CONFIG="$PWD/linux.config" >/dev/null
			mkdir -p "$IMAGES/real"
		done
		install -m 755 out/v0.1.0/klipper.elf "$PROGRAM"
		start_host_mcu
		cp out/v0.2.0/klipper.* "$IMAGES/real/"
		firmware() { jq -nc --arg p "$IMAGES/real/klipper.elf" --arg s "$(sha256sum "$IMAGES/real/klipper.elf" | cut -d' ' -f1)" '{path: $p, sha256: $s}'; }
		timeout 10 sh -c 'until [ -e "$0" ]; do sleep 0.02; done' "$LINK"
		run -0 --separate-stderr flashed --force
		jq -c --arg t "$tree" '[$t, .flash.result, .flash.verified, .flash.version_before, .flash.version_after, .flash.seconds]' <<<"$output" | sed 's/^/# /' >&3
		[[ $(jq -r .flash.version_after <<<"$output") == v0.2.0-0-g* ]]
		[[ $(jq -r .flash.version_before <<<"$output") == v0.1.0-0-g* ]]
	done
}
