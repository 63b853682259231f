# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154
#
# The firmware that these tests flash, a source tree with its history, and what kf-build keeps of it. tests/can/run makes
# them outside, where that is fast.
# They are small: a frame costs much time there.
export SIM_CODE_BYTES=${SIM_CODE_BYTES:-8000}
source "${BASH_SOURCE[0]%/*}/../printers.bash"

build_can_images() {
	build_images
	build_bare_image
	{
		image rp2040-bare 'CONFIG_MACH_RPXXXX=y
CONFIG_RPXXXX_FLASH_START_0100=y'
		image linux CONFIG_MACH_LINUX=y
		image node 'CONFIG_MACH_STM32=y
CONFIG_MACH_STM32F446=y
CONFIG_STM32_MMENU_CANBUS_PD0_PD1=y'
		image bridge "$H723_CONFIG
CONFIG_STM32_USBCANBUS_PA11_PA12=y"
		image rp2040-bridge 'CONFIG_MACH_RPXXXX=y
CONFIG_RPXXXX_FLASH_START_0100=y
CONFIG_RPXXXX_USBCANBUS=y'
		image usb "$H723_CONFIG"
	} >/dev/null
	[ -e "$IMAGES/source" ] || git_tree "$IMAGES/source" 4
	[ -e "$IMAGES/kept" ] || build_kept
}

# What kf-build keeps of six boards, as if it had built that tree before. The variables that compilers read are a part
# of its key: none is set there.
build_kept() {
	local board config sum
	for board in alpha-mcu:bridge alpha-ebb:node alpha-tool:node alpha-display:f446-none alpha-adxl:rp2040-bare \
		alpha-host:linux; do
		config=$IMAGES/${board#*:}.config
		read -r sum _ < <(sha256sum "$config")
		jq -nc --arg key "${board%:*}" --arg path "$config" --arg sum "$sum" \
			'{kf: 1, board: {key: $key, connected: true}, config: {path: $path, sha256: $sum}, error: null}'
	done | env -i PATH="$PATH" HOME="$IMAGES" XDG_STATE_HOME="$IMAGES/state" \
		SIM_CODE_BYTES="$SIM_CODE_BYTES" kf-build -q --klipper-dir "$IMAGES/source" >/dev/null
	mv "$IMAGES/state/kalico-flash" "$IMAGES/kept"
}
