#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154 # run sets stderr
#
# Which board belongs to which printer: by running Klippies, or by their configurations.
load helper

STM32=mcu=stm32h723xx,serial=29001A001151313531383332,port=1-1.2
RP2040=mcu=rp2040,serial=E6605481DB318C34,port=1-1.3
BY_ID=/dev/serial/by-id/usb-Klipper_stm32h723xx_29001A001151313531383332-if00

setup() {
	fresh_home
	need pty
	cd "$BATS_TEST_TMPDIR" || return
	export KF_PRINTER_ROOT=$PWD/root
	mkdir root
	registry <<<'{"devices": {}}'
}

# stopped UNIT CONFIG...: a service that does not run, as KIAUH writes it, and its printer.cfg.
stopped() {
	local data=$PWD/$1_data
	mkdir -p root/etc/systemd/system "root$data/systemd" "$data/config"
	cat >"root/etc/systemd/system/$1.service" <<-END
		[Service]
		WorkingDirectory=$HOME/klipper
		EnvironmentFile=$data/systemd/klipper.env
		ExecStart=$HOME/klippy-env/bin/python \$KLIPPER_ARGS
	END
	echo "KLIPPER_ARGS=\"$HOME/klipper/klippy/klippy.py $data/config/printer.cfg -I /tmp/x -a $data/comms/klippy.sock\"" \
		>"root$data/systemd/klipper.env"
	printf '%s\n' "${@:2}" >"$data/config/printer.cfg"
}

# running NAME STATE [ENV]...: a Klippy of ~/NAME_data that answers what was recorded; ends with the test.
running() {
	mkdir -p "$1_data/config" "$1_data/comms"
	rm -f "$1_data/comms"/*
	exec {ready}< <(exec env STATE="$2" "${@:3}" /usr/bin/python3 "$KF_TESTS/fake/klippy.py" \
		"$PWD/$1_data/config/printer.cfg" -a "$PWD/$1_data/comms/klippy.sock" 3>&-)
	klippy=$!
	mkdir -p "root/proc/$klippy"
	read -r _ <&"$ready"
}

teardown() {
	local pid
	for pid in root/proc/*; do
		[ ! -e "$pid" ] || send_signal TERM "${pid##*/}" || true
	done
}

# plugged COMMAND: COMMAND where both boards are plugged in.
plugged() {
	run -0 --separate-stderr kf-sim -b "$STM32" -b "$RP2040" -- bash -c "$1"
}

# field FILTER: jq's answers for all records.
field() {
	jq -c "$1" <<<"$output"
}

@test "nothing runs: the configuration of a stopped service names its boards" {
	stopped klipper '[mcu]' "serial: $BY_ID ; the board" '[mcu EBBCan]' 'canbus_uuid: 44DB3D634885 # tool' 'canbus_interface: nocan0' \
		'[include more/*.cfg]'
	mkdir "klipper_data/config/more"
	printf '[mcu host]\nserial: /tmp/klipper_host_mcu\n' >klipper_data/config/more/a.cfg
	printf '[mcu z]\nserial: /dev/nouart\nbaud: 115200\n' >klipper_data/config/more/b.cfg
	plugged 'kf-scan'
	[ "$stderr" = "[Discovery] 0 registered, 2 USB devices found, 3 more by a printer's configuration" ]
	valid_records <<<"$output"
	diff - <(field '.board | [.connected, .mode, .printer, .link]') <<-END
		[true,"klipper",{"unit":"klipper.service","name":"klipper","mcu":"mcu"},{"type":"usb-serial","path":"$BY_ID","usb_port":"1-1.2"}]
		[true,"klipper",null,{"type":"usb-serial","path":"/dev/serial/by-id/usb-Klipper_rp2040_E6605481DB318C34-if00","usb_port":"1-1.3"}]
		[false,null,{"unit":"klipper.service","name":"klipper","mcu":"EBBCan"},{"type":"can","interface":"nocan0","uuid":"44db3d634885"}]
		[false,null,{"unit":"klipper.service","name":"klipper","mcu":"host"},{"type":"process","path":"/tmp/klipper_host_mcu"}]
		[false,null,{"unit":"klipper.service","name":"klipper","mcu":"z"},{"type":"uart","path":"/dev/nouart","baud":115200,"katapult_baud":250000}]
	END
	diff - <(field .board.reason | sort -u) <<-'END'
		"the host's own MCU does not run: /tmp/klipper_host_mcu leads to no pty of it: systemctl status klipper-mcu.service says why"
		"there is no interface nocan0: ip -details link show type can lists the CAN interfaces; a USB adapter or bridge board that is missing there: check its cable"
		"there is no serial port /dev/nouart: ls -l /dev/serial* /dev/tty* shows the ports; a Raspberry Pi's own UART needs enable_uart=1 in its config.txt"
		null
	END
}

@test "nodes on CAN and boards on a UART that a printer names have its names for them as keys" {
	running alpha "mcus ready" MCUS='{"mcu": ["'"$BY_ID"'", "v1"], "mcu EBB": {"config": {"canbus_uuid": "44DB3D634885",
		"canbus_interface": "nocan0"}, "object": {"mcu_version": "v2", "mcu_constants": {"MCU": "stm32g0b1xx"}}},
		"mcu far": {"config": {"canbus_uuid": "aabbccddeeff", "canbus_interface": "nocan0"}, "object": {}}}'
	plugged 'kf-scan -q'
	valid_records <<<"$output"
	diff - <(field '.board | select(.printer) | [.key, .mcu, .connected, .version, .reason, .holder.pid]') <<-END
		["mcu","stm32h723xx",true,"v1",null,null]
		["ebb","stm32g0b1xx",true,"v2",null,$klippy]
		["far",null,false,null,"there is no interface nocan0: ip -details link show type can lists the CAN interfaces; a USB adapter or bridge board that is missing there: check its cable",$klippy]
	END
	# The owner's word, whatever case he writes the UUID in, and the name that he gives it.
	registry <<<'{"devices": {"toolhead": {"canbus_uuid": "44DB3D634885", "canbus_interface": "nocan0", "later": [1]}}}'
	plugged 'kf-scan -q'
	[ "$(field '.board | select(.printer.mcu == "EBB") | [.key, .link.uuid, .version]')" = '["toolhead","44db3d634885","v2"]' ]
}

@test "a USB-to-CAN bridge is one board: its printer's node, by the hash of its serial number" {
	stopped klipper '[mcu]' 'canbus_uuid: 44db3d634885' 'canbus_interface: nocan0'
	run -0 --separate-stderr kf-sim -b mcu=stm32h723xx,serial=39001B000C51313339373836,port=1-1.2,bridge -- kf-scan -q
	valid_records <<<"$output"
	[ "$(field '.board | [.key, .mode, .mcu, .printer.mcu, .connected, .link.type, .link.uuid, .link.usb_port]')" = \
		'["mcu","klipper","stm32h723xx","mcu",true,"can","44db3d634885","1-1.2"]' ]
	# It is the same board when it waits in Katapult, with a serial port.
	run -0 --separate-stderr kf-sim -b mcu=stm32h723xx,serial=39001B000C51313339373836,port=1-1.2,mode=katapult -- kf-scan -q
	[ "$(field '.board | [.key, .mode, .printer.mcu, .link.type]')" = '["mcu","katapult","mcu","usb-serial"]' ]
}

@test "a board in its bootloader is its printer's by the chip's serial number" {
	stopped klipper '[mcu]' "serial: $BY_ID"
	run -0 --separate-stderr kf-sim -b "$STM32,mode=katapult" -- kf-scan -q
	[ "$(field '.board | [.mode, .printer.mcu, .version]')" = '["katapult","mcu",null]' ]
	# DFU shows no serial number of the chip.
	run -0 --separate-stderr kf-sim -b "$STM32,mode=dfu" -- kf-scan -q --all
	[ "$(field '.board | [.mode, .printer.mcu, .connected]')" = $'["dfu",null,true]\n[null,"mcu",false]' ]
}

@test "a running Klippy tells the version of each of its boards" {
	running alpha "mcus ready"
	plugged 'kf-scan'
	valid_records <<<"$output"
	diff - <(field '.board | [.connected, .mcu, .version, .printer, .link.path]') <<-END
		[true,"stm32h723xx",null,null,"$BY_ID"]
		[true,"rp2040",null,null,"/dev/serial/by-id/usb-Klipper_rp2040_E6605481DB318C34-if00"]
		[true,"linux","v0.13.0-730-g84104bbbd",{"unit":null,"name":"alpha","mcu":"mcu"},"/tmp/klipper_host_alpha"]
		[true,"linux","v0.13.0-730-g84104bbbd",{"unit":null,"name":"alpha","mcu":"Second Head"},"/tmp/klipper_host_alpha2"]
	END
	plugged 'kf-scan --table'
	[[ $output == *"[OK] second-head (linux)"*"v0.13.0-730-g84104bbbd, held by python3"*", alpha"*"/tmp/klipper_host_alpha2"* ]]
}

@test "two printers: both are asked, and each board is its own printer's" {
	running alpha "mcus ready"
	stopped klipper-voron '[mcu]' "serial: $BY_ID"
	plugged 'kf-scan -q'
	[ "$(field '.board.printer | [.unit, .name, .mcu]')" = "$(cat <<-'END'
		["klipper-voron.service","voron","mcu"]
		[null,null,null]
		[null,"alpha","mcu"]
		[null,"alpha","Second Head"]
	END
	)" ]
}

@test "Klippy starts, or has an error: its boards are known all the same" {
	running beta "mcus startup"
	plugged 'kf-scan -q'
	[ "$(field '.board | [.printer.mcu, .version]')" = $'["mcu",null]\n[null,null]\n["Host",null]' ]
	[[ $(field .board.reason) == *'/tmp/klipper_host_beta leads to no pty of it: systemctl status klipper-mcu.service says why"' ]]
	teardown
	rm -r root/proc
	running beta "mcus protocol error"
	plugged 'kf-scan -q'
	[ "$(field '.board | [.printer.mcu, .version]')" = $'["mcu",null]\n[null,null]\n["Host",null]' ]
	[[ $(field .board.reason) == *'/tmp/klipper_host_beta leads to no pty of it: systemctl status klipper-mcu.service says why"' ]]
}

@test "a configuration that Klippy refuses is read all the same" {
	printf '[mcu]\nserial: %s\n[nonsense]\nx: 1\n' "$BY_ID" >printer.cfg
	running gamma "mcus config error"
	mv printer.cfg gamma_data/config
	plugged 'kf-scan -q'
	[ "$(field '.board.printer.mcu')" = $'"mcu"\nnull' ]
}

@test "a board that is registered keeps its name, and its printer's" {
	registry <<-'END'
		{"devices": {"octo": {"name": "Octopus", "mcu": "stm32h723", "flashable": false,
		  "serial_pattern": "usb-Klipper_stm32h723xx_29001A001151313531383332*"}}}
	END
	stopped klipper '[mcu]' "serial: $BY_ID"
	plugged 'kf-scan -q'
	[ "$(field '.board | [.key, .name, .mcu, .excluded, .printer.mcu]' | head -1)" = \
		'["octo","Octopus","stm32h723",true,"mcu"]' ]
	run -0 --separate-stderr kf-sim -b "$RP2040" -- kf-scan -q --all
	[ "$(field '.board | [.key, .connected, .printer.mcu]' | tail -1)" = '["octo",false,"mcu"]' ]
	[ "$(wc -l <<<"$output")" -eq 2 ]
}

@test "kf show: what is known of a board that nobody registered, by each of its names" {
	stopped klipper-voron '[mcu]' "serial: $BY_ID" '[mcu EBB]' 'canbus_uuid: 44DB3D634885' 'canbus_interface: nocan0'
	local stm32='"mcu":"stm32h723xx","serial_pattern":"usb-Klipper_stm32h723xx_29001A001151313531383332*","printer":"voron","connected":true'
	local rp2040='"mcu":"rp2040","connected":true,"mode":"klipper","tty":"/dev/ttyACM1","by_id":"usb-Klipper_rp2040_E6605481DB318C34-if00","usb_port":"1-1.3"'
	plugged 'kf show mcu --json; kf show eb --json; kf show 1-1.3 --json; kf show --json /dev/ttyACM1; kf-config show "'"${BY_ID##*/}"'"'
	diff - <(sed 's|/dev/serial/by-id/||; s|: ip -details.*||' <<<"$output") <<-END
		{"key":"mcu","registered":false,"name":"mcu",$stm32,"mode":"klipper","tty":"/dev/ttyACM0","by_id":"${BY_ID##*/}","usb_port":"1-1.2"}
		{"key":"ebb","registered":false,"name":"EBB","canbus_uuid":"44db3d634885","canbus_interface":"nocan0","printer":"voron","connected":false,"reason":"there is no interface nocan0
		{"registered":false,$rp2040}
		{"registered":false,$rp2040}
		{"key":"mcu","registered":false,"name":"mcu",$stm32,"mode":"klipper","tty":"/dev/ttyACM0","by_id":"${BY_ID##*/}","usb_port":"1-1.2"}
	END
	[ "$stderr" = '[Config] "eb" is ebb' ]
	plugged 'kf show mcu --table'
	[[ $output == *$'\nregistered           false\n'*$'\nprinter              voron\n'* ]]
	run -78 --separate-stderr kf show octo
	[[ $stderr == *'no board "octo" is registered'*"the boards: mcu, ebb" ]]
}

@test "a port that is named by a link of one's own is the same port" {
	stopped klipper '[mcu]' 'serial: /dev/serial/by-path/pci-0-usb-0:9' '[mcu tool]' 'serial: /dev/ttyACM1'
	plugged 'kf-scan -q'
	[ "$(field '.board.printer.mcu')" = $'null\n"tool"' ]
}

@test "Moonraker speaks for a Klippy that has no socket" {
	mkdir -p alpha_data/comms alpha_data/config
	exec {ready}< <(STATE="ready, idle" MOONRAKER=http \
		MCUS='{"mcu": ["'"$BY_ID"'", "v1"], "mcu T 1": {"config": {"canbus_uuid": "aabbccddeeff"}, "object":
			{"mcu_version": "v2", "app": "Kalico", "mcu_constants": {"MCU": "stm32g0b1xx"}}}}' \
		exec /usr/bin/python3 "$KF_TESTS/fake/klippy.py" "$PWD/alpha_data/config/printer.cfg" 3>&-)
	mkdir -p "root/proc/$!"
	local port
	read -r _ port <&"$ready"
	printf '[server]\nport: %s\n' "$port" >alpha_data/config/moonraker.conf
	plugged 'kf-scan -q'
	[ "$(field '.board | [.printer.mcu, .version, .mcu]')" = \
		$'["mcu","v1","stm32h723xx"]\n[null,null,"rp2040"]\n["T 1","v2","stm32g0b1xx"]' ]
}

@test "a Klippy that lies or is silent: the boards on USB are listed, within two seconds" {
	local mode
	for mode in garbage truncated deny endless silent; do
		mkdir -p lies_data/comms lies_data/config
		rm -f lies_data/comms/*
		exec {ready}< <(STATE="mcus ready" MODE=$mode exec /usr/bin/python3 "$KF_TESTS/fake/klippy.py" \
			"$PWD/lies_data/config/printer.cfg" -a "$PWD/lies_data/comms/klippy.sock" 3>&-)
		mkdir -p "root/proc/$!"
		read -r _ <&"$ready"
		plugged 'kf-scan -q'
		[ "$(field '.board.printer')" = $'null\nnull' ]
		teardown
		rm -r root/proc
	done
	# Names and types that no Klippy has.
	running alpha "mcus ready"
	teardown
	rm -r root/proc alpha_data
	mkdir -p alpha_data/comms alpha_data/config
	exec {ready}< <(STATE="mcus ready" MCUS='{"mcu": {"config": {"serial": ["x"], "baud": {}}, "object": {"mcu_version": 7}},
		"mcu \u001b[31m\u202e": ["/dev/ttyACM0", "v1"], "mcu odd": {"config": {"serial": "/dev/ttyACM1"},
		"object": {"mcu_version": "v\u001b2", "mcu_constants": [], "mcu_kconfig": 1}}}' \
		exec /usr/bin/python3 "$KF_TESTS/fake/klippy.py" "$PWD/alpha_data/config/printer.cfg" \
		-a "$PWD/alpha_data/comms/klippy.sock" 3>&-)
	mkdir -p "root/proc/$!"
	read -r _ <&"$ready"
	plugged 'kf-scan -q'
	valid_records <<<"$output"
	[ "$(field '.board.printer.mcu' | tail -1)" = '"odd"' ]
	[ "$(field '.board.version' | tail -1)" = '"v?2"' ]
}

@test "a printer.cfg that cannot be read leaves the boards on USB" {
	stopped klipper '[mcu]'
	local config=klipper_data/config/printer.cfg case
	for case in large loop binary pipe gone; do
		rm -f "$config"
		case $case in
		large) head -c 5M /dev/zero | tr '\0' '#' >"$config" ;;
		loop) echo '[include printer.cfg]' >"$config" ;;
		binary) head -c 1000 /dev/zero >"$config" ;;
		pipe) mkfifo "$config" ;;
		esac
		plugged 'timeout 10 kf-scan -q'
		[ "$(field '.board.printer')" = $'null\nnull' ]
		[ "$stderr" = "" ]
		plugged 'timeout 10 kf-scan'
		[ "$(grep -c "^kf-scan: klipper: its boards are not known: $PWD/$config: " <<<"$stderr")" -eq 1 ]
	done
	echo '[include gone.cfg]' >"$config"
	plugged 'kf list'
	[[ $stderr == "kf-scan: klipper: its boards are not known: $PWD/${config%/*}/gone.cfg: "* ]]
}

@test "kf add proposes the printer's name for a board, and no board that is not on USB" {
	running alpha "mcus ready"
	stopped klipper-voron '[mcu Nitehawk]' 'serial: /dev/serial/by-id/usb-Klipper_rp2040_E6605481DB318C34-if00'
	run -0 kf-sim -b "$RP2040" -- bash -c 'kf-scan -q >boards
		"$KF_TESTS/on-terminal" "kf-config add <boards" "Name" "\r" "Key" "\r" "MCU" "\r"'
	[ "$(jq -r '.devices | keys[]' "$XDG_CONFIG_HOME/kalico-flash/devices.json")" = nitehawk ]
	[[ $output != *klipper_host* ]]
	# The configuration that was saved under the printer's name is still used.
	registry <<<'{"devices": {}}'
	mkdir -p "$XDG_CONFIG_HOME/kalico-flash/configs/voron-nitehawk"
	echo CONFIG_MACH_RPXXXX=y >"$XDG_CONFIG_HOME/kalico-flash/configs/voron-nitehawk/.config"
	run -0 kf-sim -b "$RP2040" -- bash -c '"$KF_TESTS/on-terminal" "kf add" "Name" "\r" "Key" "\r" "MCU" "\r"'
	[ "$(jq -r '.devices | keys[]' "$XDG_CONFIG_HOME/kalico-flash/devices.json")" = voron-nitehawk ]
}

@test "kf-scan --keys: also the boards that a configuration names, and no Klippy is asked for them" {
	registry <<<'{"devices": {"octo": {"name": "O", "mcu": "rp2040", "serial_pattern": "usb-Klipper_rp2040_AAAA*"}}}'
	stopped klipper '[mcu]' "serial: $BY_ID"
	plugged 'kf-scan --keys'
	[ "$output" = $'octo\nmcu' ]
	[ "$stderr" = "" ]
	rm -r root/etc
	mkdir -p alpha_data/config
	printf '[mcu Tool]\nserial: %s\n' "$BY_ID" >alpha_data/config/printer.cfg
	running alpha "mcus ready" MODE=silent
	plugged 'kf-scan --keys; kf-scan -q --json | jq -r .board.key'
	[ "$output" = $'octo\ntool\ntool\nnull' ]
	case $KF_BUILD in *address*) return ;; esac # a sanitizer refuses strace
	strace -f -qq -e trace=connect -o trace kf-scan --keys
	run ! grep klippy.sock trace
}

@test "kf-scan --follow: the printers are looked for again when a board comes" {
	mkdir -p klipper_data/config
	mkfifo records
	# shellcheck disable=SC2016 # the inner shell's
	run -0 mocked kf-sim -b "$STM32" -- bash -c '
		exec 5<>records
		kf-scan -q --json --follow >&5 &
		read -r record <&5
		jq -c .board.printer <<<"$record"
		'"$(declare -f stopped)"'
		stopped klipper "[mcu Tool]" "serial: $1"
		echo "replug 1-1.2" >"$KF_SIM_CONTROL"
		read -r _ <"$KF_SIM_CONTROL.done"
		while read -r record <&5; do
			[ "$(jq .board.connected <<<"$record")" = true ] || continue
			jq -c "[.board.key, .board.printer.mcu]" <<<"$record"
			break
		done
		send_signal TERM $!' - "$BY_ID"
	[ "$output" = $'null\n["tool","Tool"]' ]
}

@test "two boards of one printer.cfg with one UUID: both are named" {
	stopped klipper '[mcu]' 'canbus_uuid: 44db3d634885' 'canbus_interface: nocan0' '[mcu EBB]' 'canbus_uuid: 44DB3D634885' 'canbus_interface: nocan0'
	run --separate-stderr kf-scan --all -q
	valid_records <<<"$output"
	[ "$(field '[.board.printer.mcu, .error.code]' | sort)" = $'["EBB","ambiguous"]\n["mcu","ambiguous"]' ]
	[[ $stderr == *"two boards of klipper's configuration, mcu and EBB, have the canbus_uuid 44db3d634885"* ]]
}

@test "a printer of the user's own systemd that does not run: its printer.cfg names its boards" {
	local units=root$HOME/.config/systemd/user
	mkdir -p "$units" voron_data/config
	printf '[Service]\nExecStart=%%h/klippy-env/bin/python %%h/klipper/klippy/klippy.py %s/voron_data/config/printer.cfg\n' "$PWD" \
		>"$units/klipper.service"
	printf '[mcu]\nserial: %s\n[mcu host]\nserial: /tmp/klipper_host_mcu\n' "$BY_ID" >voron_data/config/printer.cfg
	plugged 'kf-scan'
	valid_records <<<"$output"
	[ "$(field '.board | [.key, .printer, .reason]')" = '["mcu",{"unit":null,"name":"voron","mcu":"mcu"},null]
[null,null,null]
["host",{"unit":null,"name":"voron","mcu":"host"},"the host'"'"'s own MCU does not run: /tmp/klipper_host_mcu leads to no pty of it: systemctl status klipper-mcu.service says why"]' ]
	plugged 'kf status --table'
	[[ $output == "voron: stopped"*"mcu "*"not asked: Klipper (voron) does not run"* ]]
	# One that runs is listed once, by the same name.
	running voron "mcus config error" HIDDEN=1
	plugged 'kf status --table'
	[ "$(grep -c '^voron: ' <<<"$output")" -eq 1 ]
	# A service of the system's with the same name is another printer.
	stopped klipper '[mcu]' "serial: /dev/serial/by-id/usb-Klipper_rp2040_E6605481DB318C34-if00"
	plugged 'kf status --table'
	[[ $output == *"klipper (klipper.service): stopped"* && $output == *"voron: "* ]]
}
