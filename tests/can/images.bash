# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154
#
# The firmware that these tests flash. tests/can/run builds it outside, where that is fast.

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
}
