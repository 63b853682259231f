#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154 # run sets stderr
#
# kf import from other tools' folders. The files are written here, in the formats that
# lib/core/import.h names.
# bats file_tags=slow
load helper

octopus=usb-Klipper_stm32h723xx_29001A001151313531383332
nitehawk=usb-Klipper_rp2040_30333938340A53E6

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

ukam() {
	mkdir -p ukam/config
	cat >ukam/mcus.ini <<-END
		# mine
		[Octopus Pro]
		klipper_section: mcu
		quiet_command: enter_bootloader -t usb -d /dev/serial/by-id/$octopus-if00
		action_command: ~/klippy-env/bin/python3 ~/katapult/scripts/flashtool.py -d /dev/serial/by-id/usb-katapult_stm32h723xx_29001A001151313531383332-if00
		[nitehawk]
		klipper_section: mcu nitehawk
		action_command: make flash FLASH_DEVICE=/dev/serial/by-id/$nitehawk-if00
		[rpi]
		klipper_section: mcu rpi
		action_command: make flash
	END
	kconfig ukam/config/config.Octopus_Pro stm32h723xx
	kconfig ukam/config/config.nitehawk rp2040
}

fleet() {
	mkdir -p klipperfleet/profiles
	cat >klipperfleet/fleet.json <<-END
		[{"name": "Octopus Pro", "id": "/dev/serial/by-id/$octopus-if00", "profile": "Main board",
		  "method": "serial", "is_katapult": true, "notes": "old one"},
		 {"name": "Mega", "id": "/dev/serial/by-id/usb-Arduino_Mega_75735303-if00", "profile": "mega",
		  "method": "serial", "is_katapult": false},
		 {"name": "Toolhead", "id": "2fc4afec81e3", "profile": "ebb", "method": "can"}]
	END
	kconfig "klipperfleet/profiles/Main board.config" stm32h723xx
	kconfig klipperfleet/profiles/mega.config atmega2560
}

@test "UKAM: boards and configurations, and what did not carry over" {
	ukam
	run --separate-stderr kf import ukam
	[ "$status" -eq 0 ] && [ "$stderr" = "" ]
	[ "$output" = '{"from":"UKAM","devices":["octopus-pro","nitehawk"],"unchanged":[],"configs":["octopus-pro","nitehawk"],"left":[{"name":"rpi","reason":"its commands name no board on USB (a Linux process, a card, or whatever is in DFU)"}]}' ]
	[ "$(jq -c '.devices.nitehawk' "$file")" = '{"name":"nitehawk","mcu":"rp2040","serial_pattern":"'$nitehawk'*","flash_method":"make_flash","flashable":true}' ]
	cmp ukam/config/config.Octopus_Pro "$ours/configs/octopus-pro/.config"
	run kf import ukam/mcus.ini
	[ "$(jq -c '[.devices, .unchanged, .configs]' <<<"$output")" = '[[],["octopus-pro","nitehawk"],[]]' ]
	run kf-config import ukam --table
	[[ $output == *"left behind          rpi: its commands name no board"* ]]
}

@test "KlipperFleet: the MCU may be told by the profile alone" {
	fleet
	run --separate-stderr kf import klipperfleet
	[ "$status" -eq 0 ]
	[ "$(jq -c '[.from, .devices, .configs, (.left | map(.name))]' <<<"$output")" = '["KlipperFleet",["octopus-pro","mega"],["octopus-pro","mega"],["Octopus Pro","Toolhead"]]' ]
	[ "$(jq -r '.left[0].reason' <<<"$output")" = "taken, but without its notes" ]
	[ "$(jq -c '.devices.mega | [.mcu, .flash_method]' "$file")" = '["atmega2560","make_flash"]' ]
	cmp "klipperfleet/profiles/Main board.config" "$ours/configs/octopus-pro/.config"
	rm -r "$ours" klipperfleet/profiles
	run kf import klipperfleet/fleet.json
	[ "$(jq -c '[.devices, .configs]' <<<"$output")" = '[["octopus-pro"],[]]' ]
	[[ $(jq -r '.left[-1].reason' <<<"$output") == "nothing tells which MCU it has: "* ]]
}

@test "the boards that come can be found by kf-scan and used" {
	need pty
	ukam
	kf import ukam >/dev/null
	run --separate-stderr umock "$KF_TESTS/fixtures/octopus-katapult.umockdev" -- kf-scan
	[ "$(jq -r .board.key <<<"$output")" = octopus-pro ]
}

@test "nothing that is here is replaced, and one board does not stop the others" {
	ukam
	registry <<<'{"devices": {"mine": {"name": "Mine", "mcu": "stm32h723", "serial_pattern": "'$octopus'*"},
		"nitehawk": {"name": "Other", "mcu": "rp2040", "serial_pattern": "usb-Klipper_rp2040_AAAA*"}}, "new": [1]}'
	cp "$file" before
	run kf import ukam
	[ "$status" -eq 0 ]
	[ "$(jq -c '.left[1:]' <<<"$output")" = '[{"name":"octopus-pro","reason":"octopus-pro would be the same board as mine ('$octopus'*)"},{"name":"nitehawk","reason":"nitehawk is another board here"}]' ]
	cmp "$file" before
	kf-config remove mine --yes >/dev/null
	kconfig "$ours/configs/octopus-pro/.config" stm32h723
	cp "$ours/configs/octopus-pro/.config" kept
	run kf import ukam
	[ "$(jq -c '[.devices, .configs]' <<<"$output")" = '[["octopus-pro"],[]]' ]
	cmp kept "$ours/configs/octopus-pro/.config"
}

@test "a configuration for another MCU, or that is none, is not taken" {
	ukam
	kconfig ukam/config/config.nitehawk stm32f446xx
	# shellcheck disable=SC2016 # that is what is in the file
	echo '$(shell touch pwned)' >ukam/config/config.Octopus_Pro
	run kf import ukam
	[ "$(jq -c '[.devices, .configs]' <<<"$output")" = '[["octopus-pro","nitehawk"],[]]' ]
	[[ $(jq -r '.left[1].reason' <<<"$output") == "its configuration: "* ]]
	[ "$(jq -r '.left[2].reason' <<<"$output")" = "its configuration is for stm32f446xx, the board is rp2040" ]
	[ ! -e "$ours/configs" ]
}

@test "a configuration that is not there, and other lists in the folder, are named" {
	ukam
	fleet
	rm ukam/config/config.nitehawk "klipperfleet/profiles/Main board.config"
	run kf import ukam
	[ "$(jq -c .configs <<<"$output")" = '["octopus-pro"]' ]
	[ "$(jq -c '.left[1]' <<<"$output")" = '{"name":"nitehawk","reason":"its configuration config/config.nitehawk is not there"}' ]
	rm -r "$ours"
	run kf import klipperfleet
	[ "$(jq -c '.left[-1]' <<<"$output")" = '{"name":"octopus-pro","reason":"its configuration profiles/Main board.config is not there"}' ]
	mv ukam/mcus.ini klipperfleet
	cp "$file" klipperfleet/devices.json
	run kf import klipperfleet
	[ "$status" -eq 0 ]
	[ "$(jq -c '.unchanged' <<<"$output")" = '["octopus-pro","mega"]' ]
	[ "$(jq -c .left <<<"$output")" = '[{"name":"mcus.ini","reason":"only klipperfleet/devices.json was imported: kf import klipperfleet/mcus.ini"},{"name":"fleet.json","reason":"only klipperfleet/devices.json was imported: kf import klipperfleet/fleet.json"}]' ]
}

@test "a byte order mark is no part of a list" {
	ukam
	sed -i '1s/^/\xef\xbb\xbf/' ukam/mcus.ini
	run -0 kf import ukam
	[ "$(jq -c .devices <<<"$output")" = '["octopus-pro","nitehawk"]' ]
	sed -i '1s/^/\xef\xbb\xbf/' "$file"
	run -0 kf-config show nitehawk
	cp "$file" devices.json
	run -0 kf import devices.json
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

@test "what is no such file is refused, and nothing is written" {
	mkdir empty
	run --separate-stderr kf import empty
	[ "$status" -eq 78 ]
	[[ $stderr == *"empty: no devices.json, mcus.ini or fleet.json in it"*"name the file (devices.json, mcus.ini, fleet.json), or its folder"* ]]
	run --separate-stderr kf import nonesuch
	[[ $status -eq 74 && $stderr == *"nonesuch: No such file or directory"* ]]
	echo 'boards = many' >boards.ini
	run --separate-stderr kf import boards.ini
	[[ $status -eq 78 && $stderr == *'boards.ini: line 1: before the first section: "boards": this is no mcus.ini'* ]]
	: >mcus.ini
	run --separate-stderr kf import mcus.ini
	[[ $status -eq 78 && $stderr == *"mcus.ini: there is no [section]: this is no mcus.ini"* ]]
	echo '{}' >fleet.json
	run --separate-stderr kf import fleet.json
	[[ $status -eq 78 && $stderr == *"fleet.json: no array of boards: this is no fleet.json"* ]]
	echo '[{"id": 1}]' >list.json
	run --separate-stderr kf import list.json
	[[ $status -eq 78 && $stderr == *"list.json: entry 1 is no board with a name"* ]]
	head -c 2000000 /dev/zero >huge.ini
	run --separate-stderr kf import huge.ini
	[[ $status -eq 74 && $stderr == *"huge.ini"* ]]
	[ ! -e "$file" ]
}
