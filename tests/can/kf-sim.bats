#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets output; sim has $ of its own
#
# Simulated nodes and bridges on a real CAN interface, seen by a host that runs none of our code.
load can

A=can=can0,mcu=stm32f446xx,uuid=40f84a5af36e
B=can=can0,mcu=stm32g0b1xx,uuid=101f20646387
BRIDGE=bridge,can=can1,mcu=stm32h723xx,serial=39001B000C51313339373836,port=1-1.2

@test "Klipper and Katapult on one bus" {
	run -0 sim $A,mode=katapult $B -- '
		can can0 talk 3f0#00 . 3f0#1140f84a5af36e80 200#01881600f9319903 . 3f0#02101f20646387 . 3f0#00'
	[ "${lines[*]:0:2}" = "3f1#2040f84a5af36e11 3f1#20101f2064638701" ]
	[ "${lines[*]:2:3}" = "201#0188a00316000000 201#40f84a5af36e0000 201#ff109903" ]
	# The first has an id; the second is in Katapult now.
	[ "${lines[-1]}" = 3f1#20101f2064638711 ]
}

@test "a node is unplugged, and comes back by its reset button" {
	run -0 sim $A -- 'by_hand unplug 40f84a5af36e; can can0 talk 3f0#00; echo -
		by_hand button 40f84a5af36e; can can0 talk 3f0#00'
	# A frame that nobody acknowledged goes out once somebody does.
	[ "${lines[0]}" = - ]
	[ "${lines[-1]}" = 3f1#2040f84a5af36e11 ]
}

@test "an interface that is not there" {
	run -69 --separate-stderr kf-sim -b "${A/can0/can7}" -- true
	[[ $stderr == *"can7: no such CAN interface"* ]]
}

@test "a bridge has its interface, and takes it along" {
	run -0 sim $BRIDGE "${A/can0/can1}" -- '
		ls /sys/bus/usb/devices/1-1.2/1-1.2:1.0/net
		can can1 talk 3f0#00
		can can1 send 3f0#0244db3d634885
		client wait /dev/serial/by-id/usb-katapult_stm32h723xx_39001B000C51313339373836-if00
		! ip link show can1 2>&1
		client send /dev/ttyACM0 01881100f17c9903 01881500911b9903 >/dev/null
		until [ -e /sys/class/net/can1 ]; do :; done
		can can1 talk 3f0#00'
	[ "${lines[*]:0:3}" = "can1 3f1#2044db3d63488501 3f1#2040f84a5af36e01" ]
	[ "${lines[3]}" = 'Device "can1" does not exist.' ]
	[ "${lines[*]:4}" = "3f1#2044db3d63488501 3f1#2040f84a5af36e01" ]
}

@test "a bridge that comes back as DFU, and one whose interface nobody sets up" {
	run -0 sim $BRIDGE,leave_as=dfu -- '
		can can1 send 3f0#0244db3d634885
		until [ "$(cat /sys/bus/usb/devices/1-1.2/idProduct 2>/dev/null)" = df11 ]; do :; done
		[ ! -e /sys/class/net/can1 ]'
	run -0 sim $BRIDGE,net_down -- 'ip -br link show can1'
	[[ ${lines[0]} == can1*DOWN* ]]
}
