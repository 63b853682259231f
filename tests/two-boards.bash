# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2016,SC2034,SC2154 # jq has $ of its own; the tests use the variables
#
# Two registered boards, their records and saved configurations, for tests of kf-config.
load helper

setup() {
	fresh_home
	tree=$HOME/klipper
	cp -r "$KF_TESTS/sim/tree" "$tree"
	ours=$XDG_CONFIG_HOME/kalico-flash
	cache=$XDG_CACHE_HOME/kalico-flash
	file=$ours/devices.json
	cd "$BATS_TEST_TMPDIR" || return
}

# terminal COMMAND [EXPECT SEND]...: kf-config with a person at a terminal.
terminal() { "$KF_TESTS/on-terminal" "$@"; }

# Two boards, as the Python tool writes them.
two_boards() {
	registry <<-'END'
		{"global": {"klipper_dir": "~/klipper", "stagger": 0.5},
		 "devices": {
		  "octopus": {"name": "Octopus Pro", "mcu": "stm32h723", "flash_method": null, "flashable": true,
		   "serial_pattern": "usb-Klipper_stm32h723xx_29001A001151313531383332*", "colour": "red"},
		  "nitehawk": {"name": "Nitehawk 36", "mcu": "rp2040", "flash_method": null, "flashable": true,
		   "serial_pattern": "usb-Klipper_rp2040_E661AC8863389C27*"}},
		 "new": [1]}
	END
}

# saved KEY SYMBOL...: what was saved for the board; only the symbols that matter.
saved() {
	local config=$ours/configs/$1/.config symbol
	shift
	mkdir -p "${config%/*}"
	for symbol; do
		case $symbol in
		*=*) echo "CONFIG_$symbol" ;;
		*) echo "CONFIG_$symbol=y" ;;
		esac
	done >"$config"
}

h723=(MACH_STM32 MACH_STM32H723 STM32_FLASH_START_20000 STM32_USB_PA11_PA12)

# seen MCU SERIAL PORT [JQ]: a board as kf-scan writes it, not registered.
seen() {
	jq -nc --arg mcu "$1" --arg serial "$2" --arg port "$3" '{kf: 1, board: {key: null, name: null,
		mcu: $mcu, excluded: false, connected: true, mode: "klipper", tty: "/dev/ttyACM0",
		by_id: "/dev/serial/by-id/usb-Klipper_\($mcu)_\($serial)-if00",
		usb: {vendor: "1d50", product: "614e", manufacturer: "Klipper", model: $mcu,
		      serial: $serial, port: $port}}, error: null} | '"${4:-.}"
}

octopus() { seen stm32h723xx 29001A001151313531383332 1-1.2 '.board.key = "octopus" | '"${1:-.}"; }
nitehawk() { seen rp2040 E661AC8863389C27 1-1.3 '.board.key = "nitehawk"'; }

# filter [OPTION...]: kf-config where nobody can be asked.
filter() { setsid -w kf-config "$@"; }
