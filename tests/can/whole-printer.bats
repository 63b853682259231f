#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2034,SC2154 # printers uses BOARDS; run sets stderr
#
# A printer with a board on every way: a USB-to-CAN bridge, nodes behind it, one that goes to DFU, one that goes to
# BOOTSEL, and the host's own MCU.
load two-printers
load ../host-mcu

# Twice the boards of the other files, and as much time for them.
sim() {
	simulated 240 -euc "$@"
}

teardown() {
	end_host_mcu
	rm -f "$LINK"
	ip link del can0
	ip link del can1
}

@test "kf update: all of them in one stop, side by side where their ports differ, and the bridge last" {
	local f446=/dev/serial/by-id/usb-Klipper_stm32f446xx_2A0034000A51303432353935-if00
	setup_host_mcu
	install -m 755 "$IMAGES/linux/klipper.elf" "$PROGRAM"
	start_host_mcu
	save_configs alpha-display:f446-none alpha-adxl:rp2040-bare alpha-host:linux
	stopped klipper-alpha "$TREE" "$(node mcu 95c25dd8fd1e can0; node "mcu ebb" 40f84a5af36e can0
		node "mcu tool" 101f20646387 can0)" '[mcu display]' "serial: $f446" '[mcu adxl]' "serial: $RP2040_BY_ID" \
		'[mcu host]' "serial: $LINK"
	ALPHA=$(jq -c --arg d "$f446" --arg a "$RP2040_BY_ID" --arg h "$LINK" --arg old "$old" '
		def told($serial; $mcu): {config: {serial: $serial}, object: {mcu_version: $old, mcu_constants: {MCU: $mcu}}};
		del(.["mcu silent"]) + {"mcu display": told($d; "stm32f446xx"), "mcu adxl": told($a; "rp2040"),
			"mcu host": told($h; "linux")}' <<<"$ALPHA")
	BOARDS=("$BRIDGE" "$EBB" "$TOOL" "$BETA" "${RP2040%,version=*},katapult=none,version="
		"mcu=stm32f446xx,serial=2A0034000A51303432353935,port=1-1.4,katapult=none,version=")
	# beta prints: its board is refused.
	run -75 --separate-stderr printers 'setsid -w kf update --yes --json -u klipper-alpha >records'
	echo "$stderr"
	diff - <(jq -r '[.board.key, .error.code // .flash.result, .flash.method, .flash.version_after] | map(. // empty) | join(" ")' records | sort) <<-END
		alpha-adxl flashed picoboot $new
		alpha-display flashed dfu $new
		alpha-ebb flashed katapult $new
		alpha-host flashed host_mcu $new
		alpha-mcu flashed katapult $new
		alpha-tool flashed katapult $new
		beta-mcu printing
	END
	[ "$(grep -c '^StopUnit' "$FAKE/calls")" -eq 1 ]
	[ "$(active klipper-alpha.service)" = active ]
	[ "$(<restarts)" = "restart klipper-mcu.service" ]
	# Those on their own ports and the first of the bus have begun before one is done; the bridge begins when all nodes are.
	[ "$(sed '/alpha-\(adxl\|display\|ebb\): flashed/q' <<<"$stderr" | grep -oE 'alpha-(adxl|display|ebb): (entering|Katapult|BOOTSEL|DFU)' |
		cut -d : -f 1 | sort -u | xargs)" = "alpha-adxl alpha-display alpha-ebb" ]
	[ "$(grep -oE 'alpha-(ebb|tool|mcu): (entering|flashed)' <<<"$stderr" | tail -n 2 | xargs)" = "alpha-mcu: entering alpha-mcu: flashed" ]
	[ "$(jq -r .board.key "$XDG_STATE_HOME/kalico-flash/history.jsonl" | tail -n 1)" = alpha-mcu ]
}
