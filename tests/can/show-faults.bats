#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2034,SC2154,SC2016 # printers uses BOARDS; run sets stderr; sim has $ of its own
#
# The same two printers, with boards that do not come back as they should.
load two-printers

@test "kf update: a node loses its cable in mid-block, and the bridge comes back as DFU: it is flashed there, last and in the same stop" {
	BOARDS=("$BRIDGE,leave_as=dfu" "$EBB" "$TOOL,unplug=tx:200" "$BETA")
	run -75 printers update
	ended flashed flashed timeout
	told "alpha-tool: block 0x"
	told "double-click its reset button (where it has none, power-cycle it)"
	# The terminal has one line for the board, too narrow for the first method's failure.
	[ "$(jq -c 'select(.board.key == "alpha-mcu").flash.attempts | map(.method + " " + .result)' records)" = \
		'["katapult no_katapult","dfu flashed"]' ]
	[ "$(jq -r '.board.key' "$XDG_STATE_HOME/kalico-flash/history.jsonl" | tail -n 1)" = alpha-mcu ]
}

@test "the nodes one after the other, then their bridge, which comes back in BOOTSEL: all in one stop" {
	local bridge=mcu=rp2040,serial=E6605481DB318C34,port=1-1.2,bridge,can=can0,katapult=none
	rm -r root
	registry <<-'END'
		{"devices": {
		  "bridge": {"mcu": "rp2040", "serial_pattern": "usb-Klipper_rp2040_E6605481DB318C34*"},
		  "n1": {"mcu": "stm32f446", "canbus_uuid": "40f84a5af36e", "canbus_interface": "can0"},
		  "n2": {"mcu": "stm32f446", "canbus_uuid": "101f20646387", "canbus_interface": "can0"}}}
	END
	run -0 --separate-stderr sim "$bridge,version=$old" "$EBB" "${TOOL/%version=/version=$old}" -- '
		for file in rp2040-bridge/klipper.uf2 node/klipper.bin; do
			export FILE=$IMAGES/$file SUM
			read -r SUM _ < <(sha256sum "$FILE")
			kf-scan -q | jq -c "select((.board.key == \"bridge\") == (\"$file\" != \"node/klipper.bin\"))
				| .firmware = {path: env.FILE, sha256: env.SUM}"
		done | kf-flash -u klipper-alpha --json'
	diff - <(jq -r '"\(.board.key) \(.flash.result) \(.flash.method)"' <<<"$output" | sort) <<-END
		bridge flashed picoboot
		n1 flashed katapult
		n2 flashed katapult
	END
	[ "$(grep -c '^StopUnit' "$FAKE/calls")" -eq 1 ]
	[ "$(grep -Eo '(n.|bridge): (entering|flashed)' <<<"$stderr" | cut -d : -f 1 | uniq | xargs)" = "n1 n2 bridge" ]
}
