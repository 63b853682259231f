#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154 # run sets stderr
#
# kf import: the registry of the Python tool, or of another machine.
load helper

octopus=usb-Klipper_stm32h723xx_29001A001151313531383332

setup() {
	fresh_home
	cd "$BATS_TEST_TMPDIR" || return
	ours=$XDG_CONFIG_HOME/kalico-flash
	file=$ours/devices.json
}

kconfig() { # FILE MCU
	mkdir -p "$(dirname "$1")"
	printf '# Automatically generated\nCONFIG_LOW_LEVEL_OPTIONS=y\nCONFIG_MCU="%s"\n# CONFIG_CAN is not set\n' "$2" >"$1"
}

@test "the Python tool's registry is found where it lies, below its checkout" {
	need pty
	mkdir -p "$HOME/kalico-flash/kflash"
	echo '{"global": {}, "devices": {"octopus-pro": {"name": "Octopus Pro v1.1", "mcu": "stm32h723",
		"serial_pattern": "'$octopus'*", "flash_method": null}}}' >"$HOME/kalico-flash/kflash/devices.json"
	run --separate-stderr umock "$KF_TESTS/fixtures/octopus-katapult.umockdev" -- kf-doctor --json
	[ "$(jq -r 'select(.check == "registry" and .subject == "~/kalico-flash") | .health + ": " + .message + ": " + .remedy' <<<"$output")" = \
		"note: the registry of the Python tool has 1 board that is not registered here: kf import ~/kalico-flash" ]
	for path in "$HOME/kalico-flash" "$HOME/kalico-flash/kflash" "$HOME/kalico-flash/kflash/devices.json"; do
		rm -rf "$ours"
		run -0 --separate-stderr kf import "$path"
		[ "$(jq -c .devices <<<"$output")" = '["octopus-pro"]' ]
	done
	run umock "$KF_TESTS/fixtures/octopus-katapult.umockdev" -- kf-doctor --json
	[[ $output != *"~/kalico-flash"* ]]
}

@test "the Python tool's folder: its configurations are where ours are" {
	mkdir kalico-flash
	echo '{"global": {"klipper_dir": "~/kalico"}, "devices": {"octopus-pro": {"name": "Octopus Pro v1.1", "mcu": "stm32h723",
		"serial_pattern": "'$octopus'*", "flash_method": null}}}' >kalico-flash/devices.json
	kconfig "$HOME/.config/kalico-flash/configs/octopus-pro/.config" stm32h723
	run --separate-stderr kf import kalico-flash
	[ "$status" -eq 0 ]
	[ "$(jq -c '[.devices, .global]' <<<"$output")" = '[["octopus-pro"],["klipper_dir"]]' ]
	run kf-config show octopus-pro
	[ "$(jq -r .saved_config.path <<<"$output")" = "$ours/configs/octopus-pro/.config" ]
}

@test "a byte order mark is no part of a list" {
	printf '\xef\xbb\xbf{"devices": {"octopus-pro": {"name": "O", "mcu": "stm32h723", "serial_pattern": "%s*"}}}' \
		"$octopus" >devices.json
	run -0 kf import devices.json
	[ "$(jq -c .devices <<<"$output")" = '["octopus-pro"]' ]
}

@test "a file that is no devices.json is refused, and nothing is written" {
	refused() { # STATUS PATH MESSAGE
		run "-$1" --separate-stderr kf import "$2"
		[[ $output == "" && $stderr == *"$3"* ]]
		[ ! -e "$file" ]
	}
	mkdir empty
	refused 78 empty $'empty: no devices.json in it\n  name a devices.json, or the folder that it is in'
	refused 74 nonesuch "nonesuch: No such file or directory"
	echo '[{"name": "Octopus", "id": 1}]' >list.json
	refused 78 list.json "list.json"
	mkdir old
	printf '[mcu]\nklipper_section: mcu\n' >old/mcus.ini
	for path in old old/mcus.ini; do
		refused 78 "$path" "the boards of mcus.ini: register each with kf add, then give it its .config with kf config KEY --from FILE"
	done
	mkdir fleet
	cp list.json fleet/fleet.json
	refused 78 fleet "the boards of fleet.json: register"
	head -c 2000000 /dev/zero >huge.json
	refused 74 huge.json "huge.json"
}
