# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154
#
# The firmware that these tests flash, and a source tree with its history. tests/can/run makes them outside, where that is
# fast.
# They are small: a frame costs much time there.
export SIM_CODE_BYTES=${SIM_CODE_BYTES:-8000}
source "${BASH_SOURCE[0]%/*}/../printers.bash"

build_can_images() {
	build_images
	{
		image node 'CONFIG_MACH_STM32=y
CONFIG_MACH_STM32F446=y
CONFIG_STM32_MMENU_CANBUS_PD0_PD1=y'
		image bridge "$H723_CONFIG
CONFIG_STM32_USBCANBUS_PA11_PA12=y"
		image usb "$H723_CONFIG"
	} >/dev/null
	[ -e "$IMAGES/source" ] || git_tree "$IMAGES/source" 4
}
