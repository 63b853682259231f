#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # run sets output; bash -c has $ of its own; each test is a shell of its own
#
# For each method, what is printed when its program, a right or the board is missing. Each run of kf-flash may stop
# klipper.service (-u klipper), and nothing is stopped, restarted or entered.
load helper
load flash
load printers
load host-mcu

BOARDS=("$H723" "mcu=stm32f446xx,serial=3B0032000B50314139323520,port=1-1.4,katapult=none,version=v0.11.0"
	"$RP2040,katapult=none" "mcu=atmega2560,uart,loader=stk500v2,boot_baud=0,serial=,port=1-1.5,version=v0.11.0"
	"mcu=sam3x8e,serial=29001A00,katapult=none,loader=samba,port=1-1.6,version=v0.11.0"
	"mcu=stm32f446xx,serial=3C0032000B50314139323520,port=1-1.7,version=v0.11.0")

RULES="install the udev rules of kalico-flash (60-kalico-flash.rules), then: sudo udevadm control --reload"
PLUG="plug it in, or see which boards are connected with kf list"
# The group of a port, as those see it who are nobody: in a user namespace of their own.
JOIN="join the group that owns the port (sudo usermod -aG nogroup \$USER), then log in again"

setup_file() {
	build_images
	build_bare_image
	{
		image rp2040-bare 'CONFIG_MACH_RPXXXX=y
CONFIG_RPXXXX_FLASH_START_0100=y'
		image mega CONFIG_MACH_AVR=y
		image due CONFIG_MACH_ATSAM=y
		image linux CONFIG_MACH_LINUX=y
	} >/dev/null
	file_systemd
}

setup() {
	setup_flash
	export KF_PRINTER_ROOT=$PWD/root TREE=$HOME/klipper
	registry <<-END
		{"devices": {
		"octopus": {"name": "O", "mcu": "stm32h723", "serial_pattern": "usb-Klipper_stm32h723xx_29001A001151313531383332*"},
		"ebb": {"name": "E", "mcu": "stm32f446", "serial_pattern": "usb-Klipper_stm32f446xx_3B0*", "usb_port": "1-1.4"},
		"pico": {"name": "P", "mcu": "rp2040", "serial_pattern": "usb-Klipper_rp2040_E6605481DB318C34*", "usb_port": "1-1.3"},
		"mega": {"name": "M", "mcu": "atmega2560", "serial_pattern": "usb-1a86_USB_Serial*", "usb_port": "1-1.5"},
		"due": {"name": "D", "mcu": "sam3x8e", "serial_pattern": "usb-Klipper_sam3x8e_29001A00*"},
		"skr": {"name": "S", "mcu": "stm32f446", "serial_pattern": "usb-Klipper_stm32f446xx_3C0*", "sdcard_board": "skr-3"},
		"node": {"name": "N", "mcu": "stm32f446", "canbus_uuid": "0badcafe0001", "canbus_interface": "can7"}}}
	END
	cp -r "$KF_TESTS/sim/tree" "$TREE"
	mkdir -p root rules "$TREE"/{scripts/spi_flash,lib/{bossac,rp2040_flash}} "$HOME/katapult/scripts"
	printf '%s\n' 'def list_boards(): return ["skr-3"]' 'def lookup_board(name): return {"mcu": "stm32f446xx"}' \
		>"$TREE/scripts/spi_flash/board_defs.py"
	echo '[ ! "${MISSING-}" ] || { echo "No module named $MISSING" >&2; exit 1; }' >"$TREE/scripts/flash-sdcard.sh"
	: >"$HOME/katapult/scripts/flashtool.py"
	setup_host_mcu
	install -m 755 "$IMAGES/linux/klipper.elf" "$PROGRAM"
	start_host_mcu
	stopped klipper "$TREE" '[mcu host]' "serial: $LINK"
	VERSION=$(jq -r .version "$IMAGES/h723/klipper.dict")
	# The name of the machine is in an image. Of a UF2, one half is firmware.
	BYTES=$(stat -c %s "$IMAGES/h723/klipper.bin")
	PICO_BYTES=$(($(stat -c %s "$IMAGES/rp2040-bare/klipper.uf2") / 2))
	cat >given <<-'END'
		declare -A record
		firmware=
		for image in octopus:h723/klipper.bin:134348800 ebb:f446-none/klipper.bin:134217728 pico:rp2040-bare/klipper.uf2:null \
			mega:mega/klipper.elf.hex:null due:due/klipper.bin:null skr:f446/klipper.bin:null node:f446/klipper.bin:null \
			host:linux/klipper.elf:null; do
			IFS=: read -r key file start <<<"$image"
			read -r sum _ < <(sha256sum "$IMAGES/$file")
			firmware+="${firmware:+,}\"$key\":{\"path\":\"$IMAGES/$file\",\"sha256\":\"$sum\",\"start\":$start}"
		done
		while read -r key line; do record[$key]=$line; done < <(kf-scan -q --all | jq -r --argjson firmware "{$firmware}" \
			'. as $record | .board.key // "" | select(in($firmware)) as $key | "\($key) \($record + {firmware: $firmware[$key]} | tojson)"')
		printed() { # LABEL KEY COMMAND...: the status, and what is printed, of COMMAND with that record
			local status=0 lines
			"${@:3}" -u klipper --json <<<"${record[$2]}" >>records 2>err || status=$?
			mapfile -t lines <err
			printf '%s: %s' "$1" "$status"
			printf ' | %s' "${lines[@]/#  /}"
			echo
		}
	END
}

teardown() {
	end_host_mcu
	rm -f "$LINK"
}

# all_printed COMMANDS <TABLE: on a machine with all boards. Nothing was stopped, restarted or entered.
all_printed() {
	run --separate-stderr sim "${BOARDS[@]}" -- ". ./given; $1"'
		kf-scan -q | jq -r ".board | select(.mode == \"klipper\") | .key" | sort | xargs'
	echo "$stderr"
	diff - <(echo "$output")
	valid_records <records
	[ ! -s "$FAKE/calls" ]
	[ ! -s restarts ]
}

@test "a program is missing" {
	local name all=(avrdude bossac make dfu-util python3 gcc g++ libusb bash install sync ln mv systemctl)
	mkdir -p "${all[@]/#/programs/}" programs/none
	for name in "${all[@]}"; do ln -s "$(type -P "$name" || echo /bin/true)" "programs/$name/$name"; done
	mv programs/libusb/{libusb,pkg-config} # which tells whether libusb is there
	ln -s /bin/false programs/none/pkg-config
	echo 'raise ImportError' >serial.py
	export PROGRAMS="${all[*]} none"
	all_printed '
		without() { # NAME METHOD KEY [OPTION]...
			local path=$KF_BUILD name
			for name in $PROGRAMS; do [ "$name" = "$1" ] || path+=:$PWD/programs/$name; done
			PATH=$path printed "$2, $1" "$3" kf-flash "${@:4}"
		}
		PATH=$KF_BUILD printed "katapult, dfu" octopus kf-flash --dry-run
		PATH=$KF_BUILD printed picoboot pico kf-flash --dry-run
		without avrdude avrdude mega
		without bossac bossac due
		without systemctl host_mcu host
		without make make_flash octopus -m make_flash
		without dfu-util make_flash octopus -m make_flash
		without dfu-util dfu_util octopus -m dfu_util --no-fallback
		without avrdude make_flash mega -m make_flash
		without g++ make_flash due -m make_flash
		without gcc make_flash pico -m make_flash
		without libusb make_flash pico -m make_flash
		without python3 flashtool octopus -m flashtool --no-fallback
		PYTHONPATH=$PWD without pyserial flashtool octopus -m flashtool --no-fallback
		by_hand button 1-1.2
		PYTHONPATH=$PWD without pyserial make_flash octopus -m make_flash
		PYTHONPATH=$PWD without pyserial "katapult, make_flash" octopus --dry-run
		by_hand replug 1-1.2
		rm ~/katapult/scripts/flashtool.py
		without flashtool.py flashtool octopus -m flashtool --no-fallback
		without python3 sdcard skr
		without gcc sdcard skr
		MISSING=greenlet without greenlet sdcard skr
		rm ~/klipper/scripts/flash-sdcard.sh
		without flash-sdcard.sh sdcard skr' <<-END
		katapult, dfu: 0 | [Flash] octopus: would flash $IMAGES/h723/klipper.bin ($VERSION, stm32h723xx, $BYTES bytes) by katapult, else dfu at /dev/ttyACM0
		picoboot: 0 | [Flash] pico: would flash $IMAGES/rp2040-bare/klipper.uf2 ($VERSION, rp2040, $PICO_BYTES bytes) by picoboot at /dev/ttyACM2
		avrdude, avrdude: 78 | kf-flash: mega: avrdude is missing; it is needed to flash this board | sudo apt-get install avrdude
		bossac, bossac: 78 | kf-flash: due: bossac is missing; it is needed to flash this board | sudo apt-get install bossa-cli
		host_mcu, systemctl: 78 | kf-flash: host: systemctl is missing; it is needed to install the firmware of the host's own MCU | sudo apt-get install systemd
		make_flash, make: 78 | kf-flash: octopus: make is missing; it is needed to flash this board | sudo apt-get install make
		make_flash, dfu-util: 78 | kf-flash: octopus: dfu-util is missing; it is needed to flash this board | sudo apt-get install dfu-util
		dfu_util, dfu-util: 78 | kf-flash: octopus: dfu-util is missing; it is needed to flash this board | sudo apt-get install dfu-util
		make_flash, avrdude: 78 | kf-flash: mega: avrdude is missing; it is needed to flash this board | sudo apt-get install avrdude
		make_flash, g++: 78 | kf-flash: due: g++ is missing; it is needed to flash this board | sudo apt-get install g++
		make_flash, gcc: 78 | kf-flash: pico: gcc is missing; it is needed to flash this board | sudo apt-get install gcc
		make_flash, libusb: 78 | kf-flash: pico: libusb-1.0 is missing; it is needed to flash this board | sudo apt-get install pkg-config libusb-1.0-0-dev
		flashtool, python3: 78 | kf-flash: octopus: python3 is missing; it is needed to flash this board | sudo apt-get install python3-serial
		flashtool, pyserial: 78 | kf-flash: octopus: Python's module serial is missing; it is needed to flash this board | sudo apt-get install python3-serial
		make_flash, pyserial: 78 | kf-flash: octopus: Python's module serial is missing; it is needed to flash this board | sudo apt-get install python3-serial
		katapult, make_flash, pyserial: 0 | [Flash] octopus: would flash $IMAGES/h723/klipper.bin ($VERSION, stm32h723xx, $BYTES bytes) by katapult, else make_flash at /dev/ttyACM0
		flashtool, flashtool.py: 78 | kf-flash: octopus: no flashtool.py in $HOME/katapult or $TREE | name Katapult's folder with kf set --global katapult_dir=DIR
		sdcard, python3: 78 | kf-flash: skr: python3 is missing; it lists the boards of flash-sdcard.sh | sudo apt-get install python3
		sdcard, gcc: 78 | kf-flash: skr: gcc is missing; flash-sdcard.sh builds its fatfs.so by it | sudo apt-get install gcc
		sdcard, greenlet: 78 | kf-flash: skr: $TREE/scripts/flash-sdcard.sh -l fails: No module named greenlet | it uses ~/klippy-env/bin/python, the one that runs Klippy, unless its KLIPPY_ENV says otherwise: ~/klippy-env/bin/pip install -r $TREE/scripts/klippy-requirements.txt
		sdcard, flash-sdcard.sh: 78 | kf-flash: skr: there is no $TREE/scripts/flash-sdcard.sh: that tree writes no SD card | name a tree that has it: kf set skr klipper_dir=DIR
		due ebb octopus pico skr
	END
}

@test "a right is missing" {
	unshare -U true 2>/dev/null || skip "unshare -U does not work here, and root has every right"
	mkdir python
	: >python/serial.py
	export PYTHONPATH=$PWD/python # Python has the module serial, also where pyserial is not installed
	printf '#!/bin/sh\nexit 1\n' >bin/sudo
	all_printed '
		ports=$(readlink -f /dev/ttyACM? /dev/ttyUSB0)
		chmod 0 $ports
		printed katapult octopus unshare -U kf-flash
		printed dfu ebb unshare -U kf-flash
		printed picoboot pico unshare -U kf-flash
		printed avrdude mega unshare -U kf-flash
		printed bossac due unshare -U kf-flash
		printed make_flash octopus unshare -U kf-flash -m make_flash
		printed flashtool octopus unshare -U kf-flash -m flashtool
		printed sdcard skr unshare -U kf-flash
		printed "host_mcu, sudo" host unshare -U kf-flash
		chmod 0 $(readlink -f "$LINK")
		printed "host_mcu, pty" host unshare -U kf-flash
		chmod 777 $ports
		export KF_UDEV_RULES=$PWD/rules
		printed "katapult, then dfu" octopus kf-flash
		printed "dfu, rule" ebb kf-flash
		printed "picoboot, rule" pico kf-flash
		printed "make_flash, rule" octopus kf-flash -m make_flash
		export KF_UDEV_RULES=$KF_TESTS/fake/udev
		by_hand boot 1-1.3
		by_hand boot 1-1.4
		chmod 0 "$UMOCKDEV_DIR"/dev/bus/usb/001/*
		printed "dfu, waiting" ebb unshare -U kf-flash
		printed "picoboot, waiting" pico unshare -U kf-flash' <<-END
		katapult: 77 | kf-flash: octopus: /dev/ttyACM0: Permission denied | $JOIN
		dfu: 77 | kf-flash: ebb: /dev/ttyACM1: Permission denied | $JOIN
		picoboot: 77 | kf-flash: pico: /dev/ttyACM2: Permission denied | $JOIN
		avrdude: 77 | kf-flash: mega: /dev/ttyUSB0: Permission denied | $JOIN
		bossac: 77 | kf-flash: due: /dev/ttyACM3: Permission denied | $JOIN
		make_flash: 77 | kf-flash: octopus: /dev/ttyACM0: Permission denied | $JOIN
		flashtool: 77 | kf-flash: octopus: /dev/ttyACM0: Permission denied | $JOIN
		sdcard: 77 | kf-flash: skr: /dev/ttyACM4: Permission denied | $JOIN
		host_mcu, sudo: 77 | kf-flash: host: only root may replace $PROGRAM and restart klipper-mcu.service, and sudo would ask for a password | nothing was stopped; type sudo -v and your password, then run the same command again in this terminal; where sudo does not know you: usermod -aG sudo NAME as root, then log in again
		host_mcu, pty: 77 | kf-flash: host: you may not ask the host's own MCU at $LINK for its version | nothing was stopped; its pty belongs to the group tty: sudo usermod -aG tty \$USER, then log in again
		katapult, then dfu: 77 | kf-flash: octopus: if it has no Katapult: you may not open its bootloader (USB 0483:df11): no udev rule names it | $RULES; or, if the board has Katapult: kf flash octopus --no-fallback
		dfu, rule: 77 | kf-flash: ebb: you may not open its bootloader (USB 0483:df11): no udev rule names it | $RULES
		picoboot, rule: 77 | kf-flash: pico: you may not open its bootloader (USB 2e8a:0003): no udev rule names it | $RULES
		make_flash, rule: 77 | kf-flash: octopus: you may not open its bootloader (USB 0483:df11): no udev rule names it | $RULES
		dfu, waiting: 77 | kf-flash: ebb: you may not open the device on USB port 1-1.4 (0483:df11) | sudo udevadm trigger: udev then applies the rule that allows it
		picoboot, waiting: 77 | kf-flash: pico: you may not open the device on USB port 1-1.3 (2e8a:0003) | sudo udevadm trigger: udev then applies the rule that allows it
		due octopus skr
	END
}

@test "the board is missing" {
	rm root/etc/systemd/system/klipper-mcu.service
	all_printed '
		for port in 2 3 4 5 6 7; do by_hand unplug 1-1.$port; done
		printed katapult octopus kf-flash
		printed dfu ebb kf-flash
		printed picoboot pico kf-flash
		printed avrdude mega kf-flash
		printed bossac due kf-flash
		printed make_flash octopus kf-flash -m make_flash
		printed flashtool octopus kf-flash -m flashtool
		printed sdcard skr kf-flash
		printed host_mcu host kf-flash
		printed "katapult on CAN" node kf-flash
		printed "by hand" node kf-flash --port=usb:1-1.4 --firmware="$IMAGES/f446/klipper.bin"' <<-END
		katapult: 69 | kf-flash: octopus: no longer connected: it was at /dev/ttyACM0 (USB port 1-1.2, serial number 29001A001151313531383332) | $PLUG
		dfu: 69 | kf-flash: ebb: no longer connected: it was at /dev/ttyACM1 (USB port 1-1.4, serial number 3B0032000B50314139323520) | $PLUG
		picoboot: 69 | kf-flash: pico: no longer connected: it was at /dev/ttyACM2 (USB port 1-1.3, serial number E6605481DB318C34) | $PLUG
		avrdude: 69 | kf-flash: mega: no longer connected: it was at /dev/ttyUSB0 (USB port 1-1.5, serial number none) | $PLUG
		bossac: 69 | kf-flash: due: no longer connected: it was at /dev/ttyACM3 (USB port 1-1.6, serial number 29001A00) | $PLUG
		make_flash: 69 | kf-flash: octopus: no longer connected: it was at /dev/ttyACM0 (USB port 1-1.2, serial number 29001A001151313531383332) | $PLUG
		flashtool: 69 | kf-flash: octopus: no longer connected: it was at /dev/ttyACM0 (USB port 1-1.2, serial number 29001A001151313531383332) | $PLUG
		sdcard: 69 | kf-flash: skr: no longer connected: it was at /dev/ttyACM4 (USB port 1-1.7, serial number 3C0032000B50314139323520) | $PLUG
		host_mcu: 78 | kf-flash: host: no systemd unit klipper*.service runs the host's own MCU at $LINK | in the tree: sudo cp scripts/klipper-mcu.service /etc/systemd/system/ && sudo systemctl enable klipper-mcu.service; then run the same command again
		katapult on CAN: 69 | kf-flash: node: there is no interface can7 | ip -details link show type can lists the CAN interfaces; a USB adapter or bridge board that is missing there: check its cable
		by hand: 69 | kf-flash: no board is on USB port 1-1.4 | $PLUG
	END
}
