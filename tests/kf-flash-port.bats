#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016,SC2089,SC2090 # run sets stderr; sim and BY_PORT have $ and quotes
#
# On the board's USB port there is something else: kf says what, and never takes it for the board.
load helper
load boards

CHIP=4B002C000A50414E33303120
FIRMWARE=29001A001151313531383332
NOT="with serial number $CHIP, not $FIRMWARE"
BY_PORT="kf set octopus-pro serial_pattern='usb-Klipper_stm32h723xx_*' usb_port=1-1.2 && kf flash octopus-pro"

setup_file() {
	build_images
	export KF_CAN_BRIDGE=$BATS_FILE_TMPDIR/bridge
	printf '%s\nCONFIG_STM32_USBCANBUS_PA11_PA12=y\n' "$H723_CONFIG" >"$KF_CAN_BRIDGE.config"
	make -s -C "$KF_TESTS/sim/tree" OUT="$KF_CAN_BRIDGE/" KCONFIG_CONFIG="$KF_CAN_BRIDGE.config" olddefconfig >/dev/null
	make -s -C "$KF_TESTS/sim/tree" OUT="$KF_CAN_BRIDGE/" KCONFIG_CONFIG="$KF_CAN_BRIDGE.config" >/dev/null
}

setup() {
	setup_boards
	export BY_PORT
}

# flash [FILE]: one octopus-pro, by katapult only unless $METHOD says another.
flash() {
	records "$@" | kf-flash --no-service --method="${METHOD:-katapult}" --no-fallback
}
export -f flash

@test "Katapult with another serial number is reported, and not written" {
	run -69 --separate-stderr sim "$H723,boot_serial=$CHIP" -- 'flash; status=$?
		kf list >&2; kf-scan --device octopus-pro
		by_hand replug 1-1.2; kf-scan -q --device octopus-pro >again; exit $status'
	[ "$(jq -r .board.mode <again)" = klipper ]
	[ "$(jq -r .error.code <<<"$output")" = gone ]
	[[ $(jq -r .error.message <<<"$output") == *"left its firmware, and on USB port 1-1.2 there is now Katapult (stm32h723xx) $NOT" ]]
	[ "$(jq -r .error.hint <<<"$output")" = "nothing was written: power-cycle it, and its firmware starts; if it is the same board: $BY_PORT" ]
	# It does not leave by itself: the wait ends at once, not after ten seconds.
	[ "$(jq '.flash.seconds < 8' <<<"$output")" = true ]
	[[ $stderr == *"octopus-pro: Octopus Pro (stm32h723)"*"not connected"*"on USB port 1-1.2, where it was, there is now Katapult (stm32h723xx) $NOT"* ]]
	[[ $stderr == *"kf-scan: octopus-pro is not connected: on USB port 1-1.2, where it was, there is now Katapult (stm32h723xx) $NOT"* ]]
	[[ $stderr == *"if it is the same board: $BY_PORT; else power-cycle it"* ]]
	[[ $stderr != *"cable"* ]]
}

# bats test_tags=slow
@test "the command in the hint registers the device as the board, from Katapult and from Klipper" {
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	config=$XDG_CONFIG_HOME/kalico-flash/configs/octopus-pro
	mkdir -p "$config" && echo "$H723_CONFIG" >"$config/.config"
	run -0 --separate-stderr sim "$H723,boot_serial=$CHIP" -- 'flash >/dev/null
		bash -c "$BY_PORT --no-service --json" && kf flash octopus-pro --no-service --json --force; kf-scan -q'
	[ "$(jq -r '.flash.result // empty' <<<"$output")" = "flashed
flashed" ]
	[ "$(tail -n 1 <<<"$output" | jq -r '[.board.key, .board.mode, .board.usb.serial] | join(" ")')" = "octopus-pro klipper $FIRMWARE" ]
}

# bats test_tags=slow
@test "firmware with another serial number is unverified; the command in the hint verifies it" {
	run -1 --separate-stderr sim "$H723,new_serial=$CHIP" -- 'flash; status=$?
		{ bash -c "${BY_PORT%&&*}" >/dev/null && flash; } >proved; exit $status'
	[ "$(jq -c '[.flash.result, .flash.verified]' <proved)" = '["current",["readback","identify"]]' ]
	[ "$(jq -r .error.code <<<"$output")" = unverified ]
	[ "$(jq -r .error.message <<<"$output")" = "written and read back: on USB port 1-1.2 there is now Klipper (stm32h723xx) $NOT, which is not this board" ]
	[ "$(jq -r .error.hint <<<"$output")" = "if it is the same board: $BY_PORT" ]
	[ "$(jq '.flash.seconds < 25' <<<"$output")" = true ]
}

@test "a board that comes back as a USB-to-CAN bridge without its interface: written, but unverified" {
	run -1 --separate-stderr sim "$H723,return_net=none" -- 'records "$KF_CAN_BRIDGE/klipper.bin" | kf-flash --no-service --method=katapult --no-fallback --return-timeout=2; status=$?; kf-scan --table >&2; exit $status'
	[ "$(jq -r .error.code <<<"$output")" = unverified ]
	[ "$(jq -r .error.message <<<"$output")" = "written and read back: on USB port 1-1.2 it came back as a USB-to-CAN bridge, but without its network interface" ]
	[[ $(jq -r .error.hint <<<"$output") == "sudo modprobe gs_usb"* ]]
	[[ $stderr == *"this firmware makes it a USB-to-CAN bridge"* ]]
	[[ $stderr == *"octopus-pro"*"USB port 1-1.2, bridge of a CAN bus"* ]]
}

@test "firmware of a bridge comes back as a plain USB board: written, but unverified" {
	run -1 --separate-stderr sim "$H723,return_as=no_bridge" -- 'records "$KF_CAN_BRIDGE/klipper.bin" | kf-flash --no-service --no-fallback'
	[ "$(jq -r '.error | .code, .message, .hint' <<<"$output")" = "unverified
written and read back: on USB port 1-1.2 it came back as a plain USB board, not as a USB-to-CAN bridge: no node behind it can be reached
look at its configuration (kf config octopus-pro), then flash it again with --force" ]
}

@test "no driver has taken the USB-to-CAN adapter: the missing interface's hint loads it" {
	run -69 --separate-stderr sim "$H723,bridge" -- 'kf-flash --port can7:44db3d634885 --firmware "$IMAGES/h723/klipper.bin"'
	[ "$stderr" = "kf-flash: there is no interface can7
  sudo modprobe gs_usb: a USB-to-CAN adapter is plugged in, and no driver has taken it" ]
	run -69 --separate-stderr sim "$H723" -- 'kf-flash --port can7:44db3d634885 --firmware "$IMAGES/h723/klipper.bin"'
	[[ $stderr == *"there is no interface can7"*"check its cable" ]]
	run --separate-stderr sim "$H723,bridge" -- 'records "$KF_CAN_BRIDGE/klipper.bin" | kf-flash --no-service --no-fallback'
	[ "$(jq -r '.error | .code, .hint' <<<"$output")" = "can_bus
sudo modprobe gs_usb" ]
}

@test "a bridge with another serial number: the message has both" {
	run -1 --separate-stderr sim "$H723,new_serial=$CHIP" -- 'flash "$KF_CAN_BRIDGE/klipper.bin"'
	[ "$(jq -r .error.message <<<"$output")" = "written and read back: on USB port 1-1.2 there is now a USB-to-CAN bridge (1d50:606f, stm32h723xx) $NOT, which is not this board" ]
}

# bats test_tags=slow
@test "a bridge that waits in Katapult after a double click is flashed over USB" {
	run -0 --separate-stderr sim "$H723" -- 'flash "$KF_CAN_BRIDGE/klipper.bin" >/dev/null
		by_hand button 1-1.2; flash'
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
}

# bats test_tags=slow
@test "another USB device on the board's port is reported" {
	run -69 --separate-stderr sim "$H723,leave_as=device" -- 'records | kf-flash --no-service --no-fallback --timeout=1'
	[[ $(jq -r .error.message <<<"$output") == *"on USB port 1-1.2 there is now another device (046d:c077 Logitech USB Optical Mouse)" ]]
	run -69 --separate-stderr sim "$H723,return_as=device" -- 'records | kf-flash --no-service --no-fallback --return-timeout=1'
	[ "$(jq -r .error.code <<<"$output")" = gone ]
	[[ $(jq -r .error.message <<<"$output") == "on USB port 1-1.2 there is now another device (046d:c077 Logitech USB Optical Mouse)" ]]
	[[ $stderr != *"cable"* ]]
}

@test "another registered board on the board's port: the message has its key" {
	registry < <(jq '.devices["octopus-pro"].usb_port = "1-1.3"' <<<"$BOTH")
	run -69 --separate-stderr sim "$RP2040" -- 'kf list
		kf-scan --all -q | jq -c "select(.board.key == \"octopus-pro\")" | kf-flash >&2
		kf-scan --device octopus-pro'
	[[ $stderr == *"octopus-pro: skipped: not connected: on USB port 1-1.3, where it was, there is now nitehawk"* ]]
	[[ $output == *"on USB port 1-1.3, where it was, there is now nitehawk"* ]]
	[[ $stderr == *"octopus-pro is not connected: on USB port 1-1.3, where it was, there is now nitehawk"* ]]
}

@test "the board is gone between scan and flash: the message names the device on its port" {
	run -69 --separate-stderr sim "$H723,boot_serial=$CHIP" -- 'records >r
		by_hand button 1-1.2
		mkdir -p "$XDG_STATE_HOME/kalico-flash/boards"
		echo "{\"port\":\"1-1.2\"}" >"$XDG_STATE_HOME/kalico-flash/boards/octopus-pro.json"
		kf-flash --no-service <r'
	[ "$(jq -r .error.code <<<"$output")" = not_connected ]
	[[ $(jq -r .error.message <<<"$output") == *"no longer connected"*"where it was, there is now Katapult (stm32h723xx) $NOT" ]]
}

# bats test_tags=slow
@test "two boards with one serial number: both are added, known by their ports, and flashed" {
	registry <<<'{}'
	local serial
	for serial in "$FIRMWARE" 12345; do
		run -0 --separate-stderr sim "mcu=stm32h723xx,serial=$serial,port=1-1.2,version=old" \
			"mcu=stm32h723xx,serial=$serial,port=1-1.3,version=old" -- '
			kf add --key=a --name=A --mcu=stm32h723 --port=1-1.2 >added
			kf-scan >/dev/null 2>twins
			kf add --key=b --name=B --mcu=stm32h723 >>added
			kf list >listed
			records | jq -c "select(.board.key == \"b\")" | kf-flash --no-service
			records | kf-flash --no-service
			rm "$XDG_CONFIG_HOME/kalico-flash/devices.json"; rm -r "$XDG_STATE_HOME"'
		[ "$(jq -r '.board.key + " " + .board.usb.port' <added)" = "a 1-1.2
b 1-1.3" ]
		grep -A1 '\[OK\] a: A' <listed | grep -q 'known by USB port 1-1.2'
		grep -A1 '\[OK\] b: B' <listed | grep -q 'known by USB port 1-1.3'
		[ "$(jq -r '[.board.key, .board.usb.port, .flash.result] | join(" ")' <<<"$output")" = "b 1-1.3 flashed
a 1-1.2 flashed
b 1-1.3 current" ]
		[[ $stderr == *"leave it on USB port 1-1.3, which identifies it"* ]]
	done
	[[ $(<twins) != *"register the other"* ]] # 12345 is known not to be one board's own
}

@test "two boards with one serial number, one registered: the hint has the commands" {
	run -78 --separate-stderr sim "$H723" "${H723/1-1.2/1-1.3}" -- 'kf-scan >/dev/null'
	[[ $stderr == *"both show serial number $FIRMWARE: say where octopus-pro is (kf set octopus-pro usb_port=1-1.2), then register the other one with kf add"* ]]
	run -0 --separate-stderr sim "$H723" "${H723/1-1.2/1-1.3}" -- '
		kf set octopus-pro usb_port=1-1.2 >/dev/null; kf-scan >/dev/null 2>told
		kf add --port=1-1.3 --key=b --name=B --mcu=stm32h723 2>/dev/null; kf-scan -q >/dev/null'
	[[ $(<told) == *"if octopus-pro is the one on USB port 1-1.2, register the other one: kf add --port=1-1.3"* ]]
	[ "$(jq -r .board.key <<<"$output")" = b ]
	# The same board on another port is no second one.
	registry < <(jq '.devices["octopus-pro"].usb_port = "1-1.2"' <<<"$OCTOPUS")
	run -78 --separate-stderr sim "${H723/1-1.2/1-1.3}" -- 'kf add --port=1-1.3 --key=b --name=B --mcu=stm32h723'
	[[ $stderr == *"the board on USB port 1-1.3 is octopus-pro, registered already"* ]]
}

@test "--port: the error shows how a node on CAN is written; --baud is refused for a node" {
	for port in can0:44db3d63488 can0: 44db3d634885; do
		run -64 --separate-stderr kf-flash --port "$port" --firmware klipper.bin --json </dev/null
		[[ $stderr == *"there is no port $port"*"INTERFACE:UUID, with the 12 hexadecimal digits of its UUID: can0:44db3d634885"* ]]
	done
	run -64 --separate-stderr kf-flash --port can0:44db3d634885 --baud 1000000 --firmware klipper.bin --json </dev/null
	[[ $stderr == *"--baud is the speed of a UART: a CAN bus has its bitrate by ip link (ip -details link show can0)"* ]]
}
