#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154 # run sets stderr
load helper

setup() {
	fresh_home
	need pty
	cd "$BATS_TEST_DIRNAME/fixtures" || return
	registry <<-'END'
		{"devices": {
		  "octopus-pro": {"name": "Octopus Pro v1.1", "mcu": "stm32h723", "usb_port": "1-1.2",
		    "serial_pattern": "usb-Klipper_stm32h723xx_29001A001151313531383332*"},
		  "nitehawk": {"name": "Nitehawk 36", "mcu": "rp2040",
		    "serial_pattern": "usb-Klipper_rp2040_30333938340A53E6*"},
		  "probe": {"name": "Probe", "mcu": "rp2040", "flashable": false,
		    "serial_pattern": "usb-Klipper_rp2040_E66138935F2B8E29*"}},
		 "blocked_devices": [{"pattern": "usb-beacon_*", "reason": "Beacon updates itself"}]}
	END
}

# scan FIXTURE... -- OPTION...: kf-scan, with output and stderr kept apart.
scan() {
	local devices=()
	while [ "$1" != -- ]; do
		devices+=("$1.umockdev")
		shift
	done
	run --separate-stderr umock "${devices[@]}" -- kf-scan "${@:2}"
}

# field EXPRESSION: jq's answers for all records, in one line.
field() {
	jq -r "$1" <<<"$output" | paste -sd ' '
}

@test "a board that runs Klipper gets its registered key" {
	scan octopus-klipper --
	[ "$status" -eq 0 ]
	[ "$stderr" = "[Discovery] 3 registered, 1 USB device found" ]
	valid_records <<<"$output"
	diff - <(jq . <<<"$output") <<-'END'
		{
		  "kf": 1,
		  "board": {
		    "key": "octopus-pro",
		    "name": "Octopus Pro v1.1",
		    "mcu": "stm32h723",
		    "reason": null,
		    "tty": "/dev/ttyACM0",
		    "by_id": "/dev/serial/by-id/usb-Klipper_stm32h723xx_29001A001151313531383332-if00",
		    "by_path": "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1.2:1.0",
		    "version": null,
		    "excluded": false,
		    "connected": true,
		    "mode": "klipper",
		    "holder": null,
		    "link": {
		      "type": "usb-serial",
		      "path": "/dev/serial/by-id/usb-Klipper_stm32h723xx_29001A001151313531383332-if00",
		      "usb_port": "1-1.2"
		    },
		    "usb": {
		      "vendor": "1d50",
		      "product": "614e",
		      "manufacturer": "Klipper",
		      "model": "stm32h723xx",
		      "serial": "29001A001151313531383332",
		      "port": "1-1.2"
		    }
		  },
		  "error": null
		}
	END
}

@test "a board in Katapult gets its key by its serial, in DFU by its port" {
	scan octopus-katapult nitehawk-katapult --
	[ "$(field '.board | .key, .mode, .mcu')" = "octopus-pro katapult stm32h723 nitehawk katapult rp2040" ]
	scan octopus-dfu --
	[ "$(field '.board | .key, .mode, .tty')" = "octopus-pro dfu null" ]
	[[ "$(field .board.reason)" == "known by USB port 1-1.2"* ]]
	scan nitehawk-bootsel --
	[ "$(field '.board | .key, .mode, .mcu')" = "null rp2boot rp2040" ]
}

@test "a bootloader without a tty is taken for the board that was last on its port, if the MCU fits" {
	registry <<<'{"devices": {"octopus-pro": {"mcu": "stm32h723", "usb_port": "1-1.2"}}}'
	rom() { # IDS PORT
		mocked kf-sim --board "rom=$1,mode=dfu,port=$2" -- kf-scan -q |
			jq -r '.board | [.key // "-", .mode, .tty // "-"] | join(" ")'
	}
	[ "$(rom 0483:df11 1-1.2)" = "octopus-pro dfu -" ]
	[ "$(rom 1eaf:0003 1-1.2)" = "octopus-pro dfu -" ]
	[ "$(rom 1209:beba 1-1.2)" = "octopus-pro other -" ]
	[ "$(rom 1209:beba 1-1.3)" = "- other -" ]
	# Smoothieboard's is an LPC176x's. Smoothieware itself has the same ids, and a tty.
	[ "$(rom 1d50:6015 1-1.2)" = "- dfu -" ]
	run -0 --separate-stderr mocked kf-sim --board usb=1d50:6015,manufacturer=Uberclock,product=Smoothieboard -- kf-scan --all -q
	[ "$(jq -r 'select(.board.connected).board | [.mode, .tty] | join(" ")' <<<"$output")" = "other /dev/ttyACM0" ]
}

@test "the USB names of every firmware are known; other devices are not boards" {
	scan names -- --json
	[ "$status" -eq 0 ]
	valid_records <<<"$output"
	diff - <(jq -r '.board | [.mode, .mcu // "-", .usb.serial // "-", .usb.port] | join(" ")' <<<"$output") <<-'END'
		katapult stm32f446xx 37001A001251313530323733 1-2.1
		klipper stm32f407xx 1D0039000F47393438343535 1-2.2
		klipper sam3x8e 323230383430351804F0 1-2.3
		klipper same54p20a 0AB1C2D3E4F5061728394A5B6C7D8E9F 1-2.4
		klipper lpc1768 12345 1-2.5
		klipper - 4E0042000F51313432383230 1-2.6
		rp2boot rp2350 5B1A2C3D4E5F6071 1-2.7
		dfu - LLM 003 1-2.8
		other - - 1-2.9
		klipper stm32g0b1xx 390028000F50425539393020 1-2.10
	END
}

@test "a board without /dev/serial is found; if its USB name is wrong it keeps the registry's MCU" {
	registry <<<'{"devices": {"toolhead": {"mcu": "rp2040",
		"serial_pattern": "usb-Klipper_stm32f446xx_2B0026000A51373330333137*"}}}'
	scan no-links --
	[ "$(field '.board | .key, .mcu, .usb.model, .tty, .by_id, .by_path')" = \
		"toolhead rp2040 stm32f446xx /dev/ttyACM11 null null" ]
}

@test "two converters without a serial number: each is known by its port, one has the by-id link" {
	registry <<<'{"devices": {
		"left": {"serial_pattern": "usb-1a86_USB_Serial-if00-port0*", "usb_port": "1-4.2"},
		"right": {"serial_pattern": "usb-1a86_USB_Serial-if00-port0*", "usb_port": "1-4.1"}}}'
	scan ch340 --
	[ "$status" -eq 0 ]
	[ "$(field '.board | .key, .usb.port')" = "right 1-4.1 left 1-4.2" ]
	[ "$(field '.board | .tty, .by_id')" = "/dev/ttyUSB0 /dev/serial/by-id/usb-1a86_USB_Serial-if00-port0 /dev/ttyUSB1 null" ]
	[ "$(field '.board | .by_path')" = "/dev/serial/by-path/pci-0000:00:14.0-usb-0:4.1:1.0-port0 /dev/serial/by-path/pci-0000:00:14.0-usb-0:4.2:1.0-port0" ]
}

@test "the second port of a Klipper board is not the board" {
	scan two-ports --
	[ "$status" -eq 0 ]
	[ "$(field '.board | .key, .mode, .tty')" = "probe klipper /dev/ttyACM8 null other /dev/ttyACM9" ]
}

@test "hostile strings come out clean and bounded" {
	scan hostile --
	[ "$status" -eq 0 ]
	valid_records <<<"$output"
	[ "$(field .board.usb.model)" = "?]0;owned??[2J rp2040 rp2040?\"\\" ]
	[ "$(field '.board.usb.serial | length')" = "127 5" ]
	run ! grep -qP '[^\x20-\x7e\n]' <<<"$output$stderr"
}

@test "a bootloader without a serial on the port of two devices: the hint is to correct the port" {
	registry <<<'{"devices": {"a": {"serial_pattern": "usb-x*", "mcu": "stm32h723", "usb_port": "1-1.2"},
		"b": {"serial_pattern": "usb-y*", "mcu": "stm32h723", "usb_port": "1-1.2"}}}'
	mocked run --separate-stderr kf-sim --board rom=0483:df11,mode=dfu,port=1-1.2 -- kf-scan
	[ "$status" -eq 78 ]
	[ "${stderr_lines[1]}" = "kf-scan: 1-1.2: the board fits both a and b" ]
	[[ ${stderr_lines[2]} == *"if a is on another USB port than 1-1.2 now: kf set a usb_port=PORT" ]]
}

@test "a registry that is broken, or empty as after a power cut, is an error" {
	registry <<<'{"devices": '
	scan octopus-klipper --
	[ "$status" -eq 78 ]
	[ "$output" = "" ]
	[[ "$stderr" == "kf-scan: "*devices.json* ]]
	registry </dev/null
	run --separate-stderr kf-scan --keys
	[ "$status" -eq 78 ]
	[[ ${stderr_lines[0]} == "kf-scan: "*"/devices.json: the file is empty" ]]
	[[ ${stderr_lines[1]} == *"remove it: rm "* ]]
}

@test "one board that fits two keys is refused, not guessed" {
	registry <<<'{"devices": {"a": {"serial_pattern": "usb-Klipper_stm32f446xx_*"},
		"b": {"serial_pattern": "usb-*_2B0026*"}, "c": {"serial_pattern": "usb-x*"}}}'
	scan no-links --
	[ "$status" -eq 78 ]
	valid_records <<<"$output"
	[ "$(field '.error | .tool, .code, .message')" = "kf-scan ambiguous the board fits both a and b" ]
	scan no-links -- --device a
	[ "$status" -eq 78 ]
	[ "$(field .error.code)" = ambiguous ]
	scan no-links -- --device c
	[ "$status" -eq 69 ]
}

@test "two boards that fit one key are both refused" {
	registry <<<'{"devices": {"left": {"serial_pattern": "usb-1a86_USB_Serial-if00-port0*"}}}'
	scan ch340 beacon --
	[ "$status" -eq 78 ]
	[ "$(field '.board.key, .error.code')" = "left ambiguous left ambiguous null null" ]
	[[ "$(field .error.message)" == "two boards that fit left are connected, on USB ports 1-4.1 and 1-4.2 "* ]]
	scan ch340 -- --table
	[ "$status" -eq 78 ]
	[[ "$output" == *"[OK] left: left  duplicate  /dev/"* ]]
}

@test "the process that holds the port is named" {
	run --separate-stderr umock octopus-klipper.umockdev nitehawk-katapult.umockdev -- \
		bash -c 'echo $$; kf-scan 9</dev/ttyACM1; exec 9</dev/ttyACM0; kf-scan; exit 0'
	[ "$(sed 1d <<<"$output" | jq -c '.board.holder | [.pid, .command]' | paste -sd ' ')" = \
		"[null,null] [null,null] [${lines[0]},\"bash\"] [null,null]" ]
}

@test "--all adds the registered boards that are not connected" {
	scan octopus-klipper -- --all
	[ "$status" -eq 0 ]
	valid_records <<<"$output"
	[ "$(field '.board | .key, .connected, .mode, .excluded')" = \
		"octopus-pro true klipper false nitehawk false null false probe false null true" ]
}

@test "--device shows one board, and reports if it is not connected" {
	scan octopus-klipper nitehawk-katapult -- --device nitehawk
	[ "$(field .board.key)" = nitehawk ]
	scan octopus-klipper -- -d nitehawk
	[ "$status" -eq 69 ]
	[ "$output" = "" ]
	[[ "$stderr" == "kf-scan: nitehawk is not connected"* ]]
	scan octopus-klipper -- --all --device nitehawk
	[ "$status" -eq 0 ]
	[ "$(field '.board | .key, .connected')" = "nitehawk false" ]
	scan octopus-klipper -- --device nosuch
	[ "$status" -eq 78 ]
	[[ "$stderr" == 'kf-scan: no board "nosuch" is registered'*"octopus-pro, nitehawk, probe"* ]]
}

@test "no board: the hint says what to check" {
	mkdir "$BATS_TEST_TMPDIR/x"
	printf 'P: /devices/x\nE: SUBSYSTEM=input\n' >"$BATS_TEST_TMPDIR/x.umockdev"
	scan "$BATS_TEST_TMPDIR/x" --
	[ "$status" -eq 69 ]
	[ "$output" = "" ]
	[[ "$stderr" == *"no USB board found"*"power"*"cable"*"lsusb"* ]]
	scan "$BATS_TEST_TMPDIR/x" -- --all -q
	[ "$status" -eq 0 ]
	[ "$(field .board.connected)" = "false false false" ]
	[ "$stderr" = "" ]
}

@test "the table shows key, name, state and path" {
	scan octopus-katapult beacon two-ports -- --all --table
	[ "$status" -eq 0 ]
	diff - <(cat <<<"$stderr") <<<""
	diff - <(cat <<<"$output") <<-'END'
		3 registered, 4 USB devices found
		  [OK] octopus-pro: Octopus Pro v1.1 (stm32h723)  katapult        /dev/serial/by-id/usb-katapult_stm32h723xx_29001A001151313531383332-if00
		  [OK] probe: Probe (rp2040)                      excluded        /dev/serial/by-id/usb-Klipper_rp2040_E66138935F2B8E29-if00
		       flashable is false in devices.json
		  [??] Unknown device (rp2040)                    other           /dev/serial/by-id/usb-Klipper_rp2040_E66138935F2B8E29-if02
		       a second port of its device
		  [??] Unknown device                             blocked, other  /dev/serial/by-id/usb-Beacon_Beacon_RevH_FD24A6D44E53555047202020FF0F2A1B-if00
		       Beacon updates itself
		  [--] nitehawk: Nitehawk 36 (rp2040)             not connected
	END
}

@test "on a terminal it is a table, unless records are wanted" {
	run umock octopus-klipper.umockdev -- script -qec "kf-scan -q" /dev/null
	[[ "$output" == "3 registered, 1 USB device found"* ]]
	run umock octopus-klipper.umockdev -- script -qec "kf-scan -q --json" /dev/null
	[[ "$output" == '{"kf":1,'* ]]
}

@test "--wait returns at once if a board is connected, and ends after its seconds" {
	scan octopus-klipper -- --wait -q
	[ "$status" -eq 0 ]
	[ "$(field .board.key)" = octopus-pro ]
	scan octopus-klipper -- --wait=0 --device nitehawk
	[ "$status" -eq 75 ]
	[ "$output" = "" ]
	[[ "$stderr" == *"nitehawk was not connected within 0 s"* ]]
}

@test "--wait returns when the board is plugged in" {
	run -0 --separate-stderr hotplug octopus-klipper.umockdev err +nitehawk-katapult.umockdev -- \
		kf-scan --wait --device nitehawk
	[ "$(field '.board | .key, .mode')" = "nitehawk katapult" ]
}

# bats test_tags=slow
@test "--follow reports boards that are plugged in or unplugged, until a signal" {
	run -143 --separate-stderr hotplug octopus-klipper.umockdev nitehawk-katapult.umockdev out out \
		-octopus-klipper.umockdev out +octopus-katapult.umockdev out \
		-octopus-katapult.umockdev out +octopus-dfu.umockdev out -octopus-dfu.umockdev out \
		TERM -- kf-scan --follow -q
	valid_records <<<"$output"
	diff - <(jq -r '.board | [.key, .connected, .mode, .tty] | map(. // "-") | join(" ")' <<<"$output") <<-'END'
		octopus-pro true klipper /dev/ttyACM0
		nitehawk true katapult /dev/ttyACM1
		octopus-pro - - /dev/ttyACM0
		octopus-pro true katapult /dev/ttyACM14
		octopus-pro - - /dev/ttyACM14
		octopus-pro true dfu -
		octopus-pro - - -
	END
}

@test "--follow --device follows one board, and reports a second one that fits" {
	registry <<<'{"devices": {"octopus-pro": {"serial_pattern": "usb-Klipper_rp2040_*"}}}'
	run -130 --separate-stderr hotplug err +nitehawk-katapult.umockdev out +beacon.umockdev \
		+two-ports.umockdev out INT -- kf-scan --follow --device octopus-pro
	[ "$(field '.board.tty, .error.code')" = "/dev/ttyACM1 null /dev/ttyACM8 ambiguous" ]
}

@test "--follow ends when the reader closes the pipe" {
	run -0 --separate-stderr hotplug octopus-klipper.umockdev out close -- kf-scan --follow -q
	[ "$stderr" = "" ]
}

@test "a failed write is an error" {
	for option in --json --table --help --version; do
		run --separate-stderr umock octopus-klipper.umockdev -- bash -c "kf-scan $option >/dev/full"
		[ "$status" -eq 74 ]
	done
}

@test "the command line is checked" {
	for args in --nosuch "--wait=x" "--wait=-1" "--wait=1x" "--device" "argument"; do
		# shellcheck disable=SC2086
		run --separate-stderr kf-scan $args
		[ "$status" -eq 64 ]
		[ "$output" = "" ]
		[ "$stderr" != "" ]
	done
	run --separate-stderr kf-scan -h
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
	[[ "$output" == "usage: kf-scan"* ]]
	run --separate-stderr kf-scan -V
	[[ "$output" == "kf-scan "[0-9]* ]]
}

@test "--keys lists the keys, and opens no port" {
	export KF_PRINTER_ROOT=$BATS_TEST_TMPDIR/none
	registry <<<'{"devices": {"octopus-pro": {"name": "O", "mcu": "stm32h723",
		"serial_pattern": "usb-Klipper_stm32h723xx_1*"}, "spider": {"name": "S", "mcu": "stm32f446",
		"serial_pattern": "usb-Klipper_stm32f446xx_2*"}}}'
	run --separate-stderr kf-scan --keys
	[ "$status" -eq 0 ]
	[ "$output" = $'octopus-pro\nspider' ]
	[ "$stderr" = "" ]
	case $KF_BUILD in
	*address*) ;; # a sanitizer refuses strace
	*)
		strace -f -e trace=file -o "$BATS_TEST_TMPDIR/trace" kf-scan --keys
		run ! grep -E 'open[a-z]*\(.*"/dev/(tty|serial/)|execve.*exited|clone|socket' "$BATS_TEST_TMPDIR/trace"
		;;
	esac
	run --separate-stderr kf-scan --keys --ports
	[ "$status" -eq 64 ]
	run --separate-stderr bash -c 'kf-scan --keys >/dev/full'
	[ "$status" -ne 0 ]
}

@test "--ports lists the ports of all boards, registered or not" {
	registry <<<'{'
	run --separate-stderr mocked kf-sim --board mcu=rp2040,serial=E6605481DB318C34,port=1-1.3 \
		--board mode=dfu,port=1-1.4 -- kf-scan --ports
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = $'1-1.3\t/dev/ttyACM0\t/dev/serial/by-id/usb-Klipper_rp2040_E6605481DB318C34-if00' ]
	[ "${lines[1]}" = $'1-1.4\t\t' ]
	[ "$stderr" = "" ]
	run --separate-stderr mocked kf-sim --board mcu=rp2040 -- bash -c 'kf-scan --ports >/dev/full'
	[ "$status" -eq 74 ]
}

@test "no tool loads a library that it does not need" {
	needs() {
		ldd "$(command -v "$1")" | sed -nE 's/^\tlib(jansson|md|systemd|udev|z)\.so.*/\1/p' | sort | xargs
	}
	case $KF_BUILD in *address* | *coverage*) skip "not the build that is installed" ;; esac
	[ "$(needs kf-scan)" = "jansson udev" ]
	[ "$(needs kf-config)" = "jansson md udev z" ]
	[ "$(needs kf-build)" = "jansson md udev z" ]
	[ "$(needs kf-service)" = "jansson systemd" ]
	[ "$(needs kf)" = "jansson" ]
}

@test "an incomplete board in its ROM bootloader, or with another device on its port: the hint is a command" {
	registry <<<'{"devices": {"pico": {"mcu": "rp2040", "usb_port": "1-1.3", "serial_pattern": "usb-Klipper_rp2040_E66*"}}}'
	mkdir -p "$XDG_STATE_HOME/kalico-flash/boards"
	echo '{"port": "1-1.3", "incomplete": "rp2boot"}' >"$XDG_STATE_HOME/kalico-flash/boards/pico.json"
	run -0 --separate-stderr mocked kf-sim --board mode=rp2boot,port=1-1.3 -- kf list
	[[ $output == *"known by USB port 1-1.3"*"; the firmware on it is incomplete: run kf flash pico"* ]]
	run -0 --separate-stderr mocked kf-sim --board mode=other,port=1-1.3 -- bash -c 'kf list; kf-scan --all -q | kf-flash --table -q
		kf-scan --device pico || echo $?'
	[[ $output == *"there is now "*"; the firmware on it is incomplete: power-cycle it with its BOOTSEL button held, then run kf flash pico"* ]]
	[[ $output == *"there is now "*"; the firmware on it is incomplete: power-cycle it with its BOOTSEL button held, then run the same command again"*69 ]]
	[[ $stderr == *"pico is not connected: "*"; the firmware on it is incomplete"*"power-cycle it with its BOOTSEL button held, then run the same command again"* ]]
}

# shellcheck disable=SC2016 # the inner shell has $ of its own
# The kernel removes the attributes of a device that leaves one by one. strace makes each open(2) slow.
# bats test_tags=slow
@test "a board that is unplugged during the scan is shown with all members or not at all" {
	case $KF_BUILD in *address*) skip "a sanitizer refuses strace" ;; esac
	need pty
	run -0 --separate-stderr kf-sim -b mcu=stm32h723xx,serial=29001A001151313531383332,port=1-1.2,reenum_ms=100 \
		-- bash -c '
		exec 5<>"$KF_SIM_CONTROL.done"
		(while [ ! -e "$HOME/enough" ]; do
			echo "replug 1-1.2" >"$KF_SIM_CONTROL"
			read -r -u 5 _
			sleep 0.1
		done) &
		for _ in {1..25}; do
			strace -o /dev/null -e trace=openat -e inject=openat:delay_enter=500 kf-scan --all --json
		done
		touch "$HOME/enough"
		wait'
	run -0 jq -c "select(.board.connected) | [.board.usb.product, .board.usb.serial]" <<<"$output"
	[ "$(sort -u <<<"$output")" = '["614e","29001A001151313531383332"]' ]
}

@test "a registered board on a UART: that its port is there does not say that it is" {
	registry <<<'{"devices": {"pi": {"mcu": "stm32f446", "serial": "/dev/ttyAMA0"}, "gone": {"mcu": "stm32f446", "serial": "/dev/nouart"}}}'
	run -0 --separate-stderr kf-sim -b mcu=stm32f446xx,tty=ttyAMA0 -- kf-scan --all --table
	[[ $output == *"[??] pi"*"not asked"*"/dev/ttyAMA0"* ]]
	[[ $output == *"[--] gone"* ]]
}
