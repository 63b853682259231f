# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154
#
# For tests that flash nodes and their bridge: the boards, a registry that names two of them, and their firmware.
NODE=mcu=stm32f446xx,serial=39001B000C51313339373836,can=can0,version=v0.11.0-1-gabcdef0
OTHER=mcu=stm32f446xx,serial=2A003500135330363338303E,can=can0,version=v0.11.0-1-gabcdef0
BRIDGE=mcu=stm32h723xx,serial=29001A001151313531383332,port=1-1.2,bridge,can=can1,version=v0.11.0-1-gabcdef0
BEHIND=mcu=stm32f446xx,serial=3B0021000F51383434363035,can=can1,uuid=aabbccddee01,version=v0.11.0-1-gabcdef0

setup_file() {
	build_can_images
}

setup() {
	fresh_home
	cd "$BATS_TEST_TMPDIR" || return
	can_up can0
	registry <<-'END'
		{"devices": {
		  "ebb": {"mcu": "stm32f446", "canbus_uuid": "44db3d634885"},
		  "mcu": {"mcu": "stm32h723", "serial_pattern": "usb-Klipper_stm32h723xx_29001A001151313531383332*"}}}
	END
}

# built [FILTER]: kf-scan's records that jq's filter takes, with the firmware of $IMAGE, or of the board's kind.
built() {
	local line image sum
	kf-scan -q | jq -c "select(${1-.board.key})" | while read -r line; do
		image=${IMAGE-}
		[ "$image" ] || case $line in *'"key":"mcu"'*) image=bridge ;; *) image=node ;; esac
		sum=$(sha256sum <"$IMAGES/$image/klipper.bin")
		jq -c ".firmware = {path: \"$IMAGES/$image/klipper.bin\", sha256: \"${sum%% *}\"}" <<<"$line"
	done
}
export -f built

results() {
	jq -c '[.board.key, .flash.result // .error.code, .flash.verified]' <<<"$output"
}
