#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154 # run sets stderr
#
# The simulated board as a client sees it, through /dev, /sys and udev's events. The client
# (tests/sim/client.py) is Python and knows nothing of our library.
load helper

SERIAL=29001A001151313531383332
CONNECT=01881100f17c9903

# sim SPEC... -- BASH-TEXT
sim() {
	simulated 300 -euc "$@"
}

setup() {
	fresh_home
	need pty
	export TMPDIR=$BATS_TEST_TMPDIR SERIAL CONNECT
	export klipper=/dev/serial/by-id/usb-Klipper_stm32h723xx_$SERIAL-if00
	export katapult=/dev/serial/by-id/usb-katapult_stm32h723xx_$SERIAL-if00
}

teardown() {
	# Nothing is left behind.
	[ -z "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'umockdev*')" ]
}

@test "the command's exit status is kf-sim's" {
	run kf-sim -- true
	[ "$status" -eq 0 ]
	run kf-sim -- bash -c 'exit 42'
	[ "$status" -eq 42 ]
	run kf-sim -- bash -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
}

@test "a command that does not exist" {
	run -127 --separate-stderr kf-sim -- kf-no-such-command
	[ "$status" -eq 127 ]
	[[ $stderr == *kf-no-such-command* ]]
}

@test "a signal is passed on, and the board is removed when the command ends" {
	mkfifo "$BATS_TEST_TMPDIR/ready"
	kf-sim --board mcu=rp2040 -- bash -c '
		trap "exit 7" TERM
		echo >"$1"
		while :; do read -rt 1 <> <(:) || :; done' - "$BATS_TEST_TMPDIR/ready" 3>&- &
	read -r <"$BATS_TEST_TMPDIR/ready"
	send_signal TERM $!
	status=0
	wait $! || status=$?
	[ "$status" -eq 7 ]
}

@test "usage" {
	run --separate-stderr kf-sim
	[ "$status" -eq 64 ]
	[ "$stderr" = "kf-sim: no COMMAND: what shall run beside the boards?
  see kf-sim --help" ]
	run --separate-stderr kf-sim --bord mcu=rp2040 -- true
	[ "${stderr_lines[1]}" = "  did you mean --board? see kf-sim --help" ]
	run kf-sim --help
	[ "$status" -eq 0 ]
	[[ $output == *--board=SPEC* && $output == *erase_ms=* ]]
	run --separate-stderr kf-sim --board colour=red -- true
	[ "$status" -eq 64 ]
	[ "$stderr" = "kf-sim: colour: a board has no such thing
  see kf-sim --help" ]
	run --separate-stderr kf-sim --board mc=rp2040 -- true
	[ "${stderr_lines[1]}" = "  did you mean mcu? see kf-sim --help" ]
	run bash -c 'kf-sim --help >/dev/full'
	[ "$status" -eq 74 ]
}

@test "two boards on one port are an error" {
	run --separate-stderr kf-sim --board port=1-1 --board port=1-1 -- true
	[ "$status" -ne 0 ]
	[[ $stderr == *"USB port 1-1 has a device already"* ]]
}

@test "a board in firmware: nodes, links, sysfs" {
	run sim port=1-1.2 -- '
		stat -c %F /dev/ttyACM0
		readlink $klipper
		readlink /dev/serial/by-path/pci-0000:00:14.0-usb-0:1.2:1.0
		cd /sys/bus/usb/devices/1-1.2
		cat idVendor idProduct manufacturer product serial
		ls -d 1-1.2:1.0/tty/ttyACM0
		realpath /sys/class/tty/ttyACM0/device'
	[ "$status" -eq 0 ]
	[ "$output" = "character special file
../../ttyACM0
../../ttyACM0
1d50
614e
Klipper
stm32h723xx
$SERIAL
1-1.2:1.0/tty/ttyACM0
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.2/1-1.2:1.0" ]
}

@test "devices without a tty, and adapters" {
	run sim mode=dfu,port=1-1 mode=rp2boot,port=1-2 mode=other,port=1-3 mode=other,port=1-4 -- '
		cat /sys/bus/usb/devices/1-[12]/id{Vendor,Product} | paste -sd " "
		cd /dev; echo tty{ACM,USB}?
		ls serial/by-id serial/by-path'
	[ "$status" -eq 0 ]
	[ "$output" = "0483 2e8a df11 0003
ttyACM? ttyUSB0 ttyUSB1
serial/by-id:
usb-1a86_USB_Serial-if00-port0

serial/by-path:
pci-0000:00:14.0-usb-0:3:1.0-port0
pci-0000:00:14.0-usb-0:4:1.0-port0" ]
}

@test "identify through the port, twice" {
	run sim mcu=stm32h723xx,version=v1.2.3-4-gabcdef0 -- '
		client identify /dev/ttyACM0
		client identify $klipper'
	[ "$status" -eq 0 ]
	[ "$output" = "Klipper stm32h723xx v1.2.3-4-gabcdef0
Klipper stm32h723xx v1.2.3-4-gabcdef0" ]
}

@test "1200 baud starts Katapult, and Katapult starts the firmware" {
	run sim mcu=stm32h723xx -- '
		client touch /dev/ttyACM0
		client wait $katapult
		test ! -e $klipper
		client send /dev/ttyACM0 $CONNECT 01881500911b9903
		client wait $klipper
		client identify $klipper'
	[ "$status" -eq 0 ]
	[ "${lines[0]:0:16}" = 0188a00d11000000 ]
	[ "${lines[1]}" = 0188a00115000000002e9903 ]
	[ "${lines[2]}" = "Klipper stm32h723xx v0.12.0-1-g0123abcd" ]
}

@test "a client that has the port open notices that the board leaves" {
	run sim mcu=stm32h723xx,mode=katapult -- '
		coproc client gone /dev/ttyACM0
		exec {from}<&${COPROC[0]}
		read -r <&$from
		client send /dev/ttyACM0 01881500911b9903
		cat <&$from'
	[ "$status" -eq 0 ]
	[ "$output" = "0188a00115000000002e9903
gone" ]
}

@test "udev's events: remove and add, with names" {
	run sim mcu=stm32h723xx -- '
		coproc client monitor 4
		exec {from}<&${COPROC[0]}
		read -r <&$from
		client touch /dev/ttyACM0
		client wait $katapult
		client send /dev/ttyACM0 01881500911b9903 >/dev/null
		cat <&$from'
	[ "$status" -eq 0 ]
	[ "$output" = "remove /dev/ttyACM0 Klipper_stm32h723xx_$SERIAL
add /dev/ttyACM0 katapult_stm32h723xx_$SERIAL
remove /dev/ttyACM0 katapult_stm32h723xx_$SERIAL
add /dev/ttyACM0 Klipper_stm32h723xx_$SERIAL" ]
}

@test "udev's events reach all processes that listen" {
	run sim mcu=stm32h723xx -- '
		exec {one}< <(client monitor 2)
		read -r <&$one
		exec {two}< <(client monitor 2)
		read -r <&$two
		client touch /dev/ttyACM0
		cat <&$two
		cat <&$one'
	[ "$status" -eq 0 ]
	[ "$output" = "remove /dev/ttyACM0 Klipper_stm32h723xx_$SERIAL
add /dev/ttyACM0 katapult_stm32h723xx_$SERIAL
remove /dev/ttyACM0 Klipper_stm32h723xx_$SERIAL
add /dev/ttyACM0 katapult_stm32h723xx_$SERIAL" ]
}

@test "kf-scan follows it" {
	run sim mcu=stm32h723xx mcu=rp2040,serial=E66,port=1-1.4,mode=katapult -- '
		kf-scan --json -q | jq -r ".board | [.mode, .mcu, .tty, .usb.port] | join(\" \")"'
	[ "$status" -eq 0 ]
	[ "$output" = "klipper stm32h723xx /dev/ttyACM0 1-1.2
katapult rp2040 /dev/ttyACM1 1-1.4" ]
}

# bats test_tags=slow
@test "another board takes the lowest free number" {
	run sim mcu=stm32h723xx,port=1-1,reenum_ms=2000 mcu=rp2040,port=1-2,reenum_ms=20 -- '
		client touch /dev/ttyACM0
		client touch /dev/ttyACM1
		client wait /dev/serial/by-id/usb-katapult_rp2040_$SERIAL-if00
		client wait $katapult
		readlink /dev/serial/by-id/usb-katapult_rp2040_$SERIAL-if00 $katapult'
	[ "$status" -eq 0 ]
	[ "$output" = "../../ttyACM0
../../ttyACM1" ]
}

@test "no Katapult: the ROM bootloader, or no device" {
	run sim mcu=stm32f446xx,katapult=none,port=1-1 mcu=lpc1768,katapult=none,port=1-2 -- '
		client touch /dev/ttyACM1
		client touch /dev/ttyACM0
		client wait /sys/bus/usb/devices/1-1/idProduct
		until [ "$(cat /sys/bus/usb/devices/1-1/idProduct 2>/dev/null)" = df11 ]; do :; done
		test ! -e /sys/bus/usb/devices/1-2'
	[ "$status" -eq 0 ]
}

@test "frames that a pty merged are kept apart" {
	# 16 blocks: each 76 bytes; written in one go they would stall after five acks.
	frames=$(/usr/bin/python3 "$KF_TESTS/sim/client.py" blocks 0x08020000 16)
	export frames
	run sim mode=katapult -- 'client send /dev/ttyACM0 $CONNECT $frames'
	[ "$status" -eq 0 ]
	[ "${#lines[1]}" -eq $((16 * 16 * 2)) ]
	run sim mode=katapult,merge -- 'client send /dev/ttyACM0 $CONNECT $frames $CONNECT'
	[ "${#lines[1]}" -eq $((5 * 16 * 2)) ]
	[ "${lines[2]}" = silence ]
}

@test "a frame in two parts wedges Katapult until a reset" {
	run sim mode=katapult -- 'client send /dev/ttyACM0 01881100f1 7c9903 0188110000009903 $CONNECT'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = silence ]
	[ "${lines[1]:0:16}" = 0188a00d11000000 ]
	[ "${lines[2]}" = 0188f10068959903 ]
	[ "${lines[3]}" = silence ]
}

@test "a probe such as ModemManager's wedges Katapult, not Klipper" {
	run sim mode=katapult -- 'client send /dev/ttyACM0 08100100285e9f7e $CONNECT'
	[ "$output" = "0188f10068959903
silence" ]
	run sim mode=klipper -- 'client send /dev/ttyACM0 41540d $CONNECT >/dev/null
		client identify /dev/ttyACM0'
	[ "$output" = "Klipper stm32h723xx v0.12.0-1-g0123abcd" ]
}

@test "a CONNECT answer of 64 bytes is sent with the next answer" {
	run sim mode=katapult,katapult=v0.0.1-109-g902f335ab -- 'client send /dev/ttyACM0 $CONNECT $CONNECT'
	[ "${lines[0]}" = silence ]
	[ "${#lines[1]}" -eq 256 ]
}

@test "the state is kept between runs" {
	state=$BATS_TEST_TMPDIR/board
	run sim "state=$state" -- 'client touch /dev/ttyACM0; client wait $katapult'
	[ "$status" -eq 0 ]
	run sim "state=$state,version=v9" -- 'ls /dev/serial/by-id
		client send /dev/ttyACM0 01881500911b9903 >/dev/null; client wait $klipper
		client identify $klipper'
	[ "$status" -eq 0 ]
	[ "$output" = "usb-katapult_stm32h723xx_$SERIAL-if00
Klipper stm32h723xx v0.12.0-1-g0123abcd" ]
	echo junk >"$state"
	run --separate-stderr sim "state=$state" -- true
	[ "$status" -eq 78 ]
	[[ $stderr == *"$state"* ]]
}

@test "only the client has the port open" {
	run sim mcu=stm32h723xx -- '
		for fd in /proc/$PPID/fd/*; do readlink $fd; done | grep "/dev/pts/[0-9]" || echo none' # not its own end, /dev/pts/ptmx in a container
	[ "$output" = none ]
}

@test "COMMAND can plug and unplug a board" {
	run sim mcu=stm32h723xx,off port=1-1.4,mode=katapult -- '
		hand() {
			echo "$*" >$KF_SIM_CONTROL
			read -r <$KF_SIM_CONTROL.done
		}
		test ! -e $klipper
		hand plug 1-1.2
		test -e $klipper
		coproc client gone $klipper
		exec {from}<&${COPROC[0]}
		read -r <&$from
		hand unplug 1-1.2
		test ! -e $klipper
		cat <&$from
		# The other one is wedged, and then is not.
		client send $katapult 0188110000009903 $CONNECT
		hand button 1-1.4
		client send $katapult $CONNECT
		hand replug 1-1.9
		hand replug 1-1.4
		test -e $klipper'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = gone ]
	[ "${lines[1]}" = 0188f10068959903 ]
	[ "${lines[2]}" = silence ]
	[ "${lines[3]:0:16}" = 0188a00d11000000 ]
	[[ ${lines[4]} == kf-sim:*"replug 1-1.9: no board has that port" ]]
}

@test "another serial number in Katapult, and after a flash" {
	run sim mcu=stm32h723xx,boot_serial=B007,new_serial=F1A5 -- '
		cat /sys/bus/usb/devices/1-1.2/serial
		client touch /dev/ttyACM0
		client wait /dev/serial/by-id/usb-katapult_stm32h723xx_B007-if00
		client send /dev/ttyACM0 01881500911b9903 >/dev/null
		client wait $klipper'
	[ "$status" -eq 0 ]
	[ "$output" = "$SERIAL" ]
}

@test "a USB-to-CAN bridge in firmware, a serial port in Katapult" {
	run sim mcu=stm32h723xx,bridge -- '
		cd /sys/bus/usb/devices/1-1.2
		cat idVendor idProduct manufacturer product serial | paste -sd " "
		test ! -e /dev/ttyACM0
		echo "button 1-1.2" >$KF_SIM_CONTROL
		read -r <$KF_SIM_CONTROL.done
		client wait $katapult'
	[ "$status" -eq 0 ]
	[ "$output" = "1d50 606f Klipper stm32h723xx $SERIAL" ]
}

@test "the board leaves its firmware as a device without a serial port" {
	run sim mcu=stm32h723xx,leave_as=device -- '
		client touch /dev/ttyACM0
		cd /sys/bus/usb/devices
		until grep -q Mouse 1-1.2/product 2>/dev/null; do :; done
		cat 1-1.2/id{Vendor,Product} | paste -sd " "
		test ! -e /dev/ttyACM0'
	[ "$status" -eq 0 ]
	[ "$output" = "046d c077" ]
}

@test "the two boards of the manual's example are two for kf" {
	example=$(sed -n '/^A shell on a machine with two boards/,/^\.Dl/s/^\.Dl \(.*\) \\&-- bash$/\1/p' \
		"$KF_TESTS/../man/kf-sim.1")
	[[ $example == kf-sim\ -b*-b* ]]
	run --separate-stderr bash -c "$example -- bash -euc '
		kf add -q --key=a --name=A --mcu=stm32h723 --port=1-1.2 >/dev/null
		kf add -q --key=b --name=B --mcu=rp2040 --port=1-1.3 >/dev/null
		kf-scan -q' | jq -r '.board.key + \" \" + .board.usb.serial'"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "a "* && ${lines[1]} == "b "* ]]
	[ "${lines[0]#* }" != "${lines[1]#* }" ]
}

@test "a UART of the machine's own: it stays whatever the board does" {
	run -0 sim tty=ttyAMA0,mcu=stm32f446xx,baud=115200,boot_baud=250000 -- '
		readlink /dev/serial0 /sys/class/tty/ttyAMA0
		ls -d /dev/serial/by-id /sys/bus/usb/devices/1* 2>&1 | grep -c "No such file"
		client identify /dev/ttyAMA0
		client send /dev/ttyAMA0 7e201c20526571756573742053657269616c20426f6f746c6f616465722121207e
		client --baud=250000 send /dev/serial0 01881100f17c9903'
	[ "${lines[0]}" = ttyAMA0 ]
	[[ ${lines[1]} == *devices/platform/soc/fe201000.serial/tty/ttyAMA0 ]]
	[ "${lines[2]}" = 2 ]
	[ "${lines[3]}" = "Klipper stm32f446xx v0.12.0-1-g0123abcd" ]
	[[ ${lines[-1]} == 0188a00d11000000* ]]
}

@test "a UART at another rate hears something else" {
	run -0 sim tty=ttyAMA0,mcu=stm32f446xx,mode=katapult -- '
		client --baud=115200 send /dev/ttyAMA0 01881100f17c9903
		client --baud=250000 send /dev/ttyAMA0 01881100f17c9903 01881100f17c9903'
	[[ ${lines[0]} != 0188a00d* ]]
}

@test "a UART's tcdrain(3) ends also if the board has stalled" {
	run -0 sim tty=ttyAMA0,mcu=stm32f446xx,mode=katapult,stall=1 -- '
		timeout 20 /usr/bin/python3 -c "
import os, termios
fd = os.open(\"/dev/ttyAMA0\", os.O_RDWR | os.O_NOCTTY)
for i in range(3):
    os.write(fd, bytes.fromhex(\"$CONNECT\"))
    termios.tcdrain(fd)
print(\"sent\")"'
	[ "$output" = sent ]
}
