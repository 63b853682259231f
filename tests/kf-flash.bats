#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# kf-flash on simulated boards, with the firmware of the small tree (tests/sim/tree).
load helper
load flash

@test "help, version and mistakes" {
	run -0 --separate-stderr kf-flash --help
	[[ $output == *"  -m, --method=METHOD "* && $stderr == "" ]]
	run -0 --separate-stderr kf-flash -V
	[[ $output == kf-flash\ * ]]
	run -64 --separate-stderr kf-flash --bogus
	[ "$output" = "" ]
	run -64 --separate-stderr kf-flash octopus-pro
	[[ $stderr == *"boards come as records on standard input"* ]]
	run -64 --separate-stderr kf-flash --port /dev/ttyACM0
	[[ $stderr == *"--port and --firmware go together"* ]]
	run -64 --separate-stderr kf-flash --timeout soon
	[[ $stderr == *"\"soon\" is not a number of seconds"* ]]
	run -64 --separate-stderr kf-flash --method bogus
	[[ $stderr == *"\"bogus\" is not a flash method"* ]]
}

@test "help and records to a full disk are status 74" {
	run -74 bash -c 'kf-flash --help >/dev/full'
	run -74 --separate-stderr sim "$H723" -- 'records | kf-flash --dry-run >/dev/full'
	[[ $stderr == *"cannot write to standard output"* ]]
}

@test "Ctrl-C in a pipe: empty input is not an error then" {
	run -130 --separate-stderr env --default-signal=INT --block-signal=INT \
		bash -c 'kill -INT $$; exec kf-flash' </dev/null
	[ "$output$stderr" = "" ]
}

@test "no record, and broken records: nothing is flashed" {
	run -69 --separate-stderr bash -c 'kf-flash </dev/null'
	[[ $stderr == *"nothing to flash"* ]]
	run -65 --separate-stderr sim "$H723" -- '{ records; echo "{\"kf\":1,"; } | kf-flash'
	[[ $stderr == *"line 2 of standard input"* ]]
	[ "$output" = "" ]
}

# bats test_tags=slow
@test "from Klipper to Klipper: read back, found again, asked; the record, the table and the history" {
	run -0 --separate-stderr sim "$H723" -- 'records >r; kf-flash <r; kf-scan; kf-scan --table
		kf-flash --force --table -q <r 2>quiet'
	valid_records <<<"${lines[0]}"
	[ "$(jq -c '.flash | [.result, .method, .verified, .version_before]' <<<"${lines[0]}")" = \
		'["flashed","katapult",["readback","identify"],"v0.11.0-122-ge6ef48cd"]' ]
	[ "$(jq -r .flash.version_after <<<"${lines[0]}")" = "$(jq -r .version <"$IMAGES/h723/klipper.dict")" ]
	[[ $stderr == *"[Flash] octopus-pro: entering Katapult from /dev/ttyACM0"* ]]
	[[ $stderr == *"[Flash] octopus-pro: reading back 100%"* ]]
	# kf-scan reports no version that it did not ask for.
	[ "$(jq -c '[.board.version, .board.incomplete]' <<<"${lines[1]}")" = "[null,null]" ]
	[[ ${lines[3]} == *"[OK] octopus-pro"* && ${lines[3]} != *" v"[0-9]* ]]
	[[ ${lines[-1]} == "octopus-pro "*" flashed "*" -> v"*" (katapult)" && ! -s quiet ]]
	[ "$(jq -r .flash.result <"$XDG_STATE_HOME/kalico-flash/history.jsonl")" = $'flashed\nflashed' ]
	[ "$(stat -c %a "$XDG_STATE_HOME/kalico-flash/history.jsonl")" = 600 ]
}

@test "--dry-run touches nothing" {
	run -0 --separate-stderr sim "$H723" -- 'records >r; kf-flash --dry-run -u klipper <r; kf-scan; kf-flash --dry-run --table <r'
	[ "$(head -n 2 <<<"$output" | jq -sc '[.[0].flash.result, .[1].board.mode]')" = '["dry_run","klipper"]' ]
	[[ $stderr == *"would flash "*"/klipper.bin "*" by katapult, else dfu at /dev/ttyACM0"* ]]
	[ ! -s "$FAKE/calls" ]
	[ "${lines[2]}" = "octopus-pro          dry_run    would flash $(jq -r .version <"$IMAGES/h723/klipper.dict") (katapult)" ]
}

# bats test_tags=slow
@test "by hand: a port and a file, registered or not" {
	registry <<<'{}'
	run -0 --separate-stderr sim "$H723" -- 'kf-flash --port /dev/ttyACM0 --firmware "$IMAGES/h723/klipper.bin"'
	valid_records <<<"$output"
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
	# A board that is not registered and has other names is flashed too, or it is an error.
	run -0 --separate-stderr sim "$H723,usb=1209:0001,manufacturer=Marlin,product=Printer" -- \
		'kf-flash --port /dev/ttyACM0 --firmware "$IMAGES/h723/klipper.bin"'
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
	# Behind a USB-to-serial chip the owner's word counts, and nothing answers there.
	run -69 --separate-stderr sim "$CH340" -- 'kf-flash --port /dev/ttyACM0 --firmware "$IMAGES/h723/klipper.bin"'
	[ "$(jq -r .error.code <<<"$output")" = not_connected ]
	run -74 --separate-stderr sim "$H723" -- 'kf-flash --port /dev/ttyACM0 --firmware nothing.bin'
	[[ $stderr == *"nothing.bin: No such file"* ]]
	run -69 --separate-stderr sim "$H723" -- 'kf-flash --port /dev/null --firmware "$IMAGES/h723/klipper.bin"'
	[[ $stderr == *"/dev/null is not a serial port"* ]]
	# The terminal that we run on, which is /dev/console for whoever sits at the screen.
	run -69 --separate-stderr kf-flash --port /dev/tty --firmware "$IMAGES/h723/klipper.bin"
	[[ $stderr == *"/dev/tty is not a serial port"* ]]
}

@test "unregistered, excluded, disconnected and foreign boards are skipped, with the reason" {
	run -0 --separate-stderr sim "$H723" mcu=rp2040,serial=AA,port=1-1.4 "$CH340" -- \
		'kf-config set octopus-pro flashable=false -q >/dev/null; kf-scan | kf-flash'
	valid_records <<<"$output"
	[ "$(jq -r .flash.result <<<"$output" | sort -u)" = skipped ]
	[[ $stderr == *"octopus-pro: skipped: "* && $stderr == *"skipped: not registered: kf add"* ]]
	[[ $stderr == *"skipped: not a Klipper board"* ]]
}

# bats test_tags=slow
@test "--check marks what will be skipped, and nothing is configured or built for that" {
	registry <<<"$BOTH"
	run -0 --separate-stderr sim "$H723" -- 'config >/dev/null; cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
		mkdir -p "$XDG_CONFIG_HOME/kalico-flash/configs/nitehawk"
		echo broken >"$XDG_CONFIG_HOME/kalico-flash/configs/nitehawk/.config"
		kf-scan -q --all | kf-flash --check | tee checked | kf-config -q | kf-build -q'
	valid_records <<<"$output"
	[ "$(jq -c '[.board.key, .flash.result, .flash.reason, .error]' checked)" = \
		'["octopus-pro",null,null,null]
["nitehawk","skipped","not connected",null]' ]
	[ "$(jq -c '[.board.key, .firmware != null, .config != null]' <<<"$output")" = \
		'["octopus-pro",true,true]
["nitehawk",false,false]' ]
	[[ $stderr != *nitehawk* ]]
}

@test "an earlier stage's error passes through untouched" {
	local error='{"tool":"kf-build","code":"build_failed","message":"m","hint":null,"log":null}'
	run -1 --separate-stderr sim "$H723" -- "kf-scan | jq -c '.error = $error' | kf-flash"
	[ "$(jq -c .error <<<"$output")" = "$error" ]
	[ "$(jq -c .flash <<<"$output")" = null ]
}

@test "firmware for another MCU is refused: the unit is not stopped" {
	run -78 --separate-stderr sim "$H723" -- 'IMAGE=f446 records | kf-flash -u klipper; s=$?; kf-scan; exit $s'
	[ "$(jq -sr '.[0].error.code + " " + .[1].board.mode' <<<"$output")" = "mcu_mismatch klipper" ]
	[[ $stderr == *"the firmware is for stm32f446xx, the board is a stm32h723"* ]]
	[ ! -s "$FAKE/calls" ]
}

@test "firmware for another offset is refused, and the board goes back to what it ran" {
	run -78 --separate-stderr sim "$H723,start=0x8008000" -- 'records start | kf-flash; s=$?; client identify /dev/ttyACM*; exit $s'
	[ "$(jq -r .error.code <<<"${lines[0]}")" = wrong_offset ]
	[[ $stderr == *"starts at 0x08020000, the bootloader starts applications at 0x08008000"* ]]
	[ "${lines[1]}" = "Klipper stm32h723xx v0.11.0-122-ge6ef48cd" ]
}

@test "a file that changed since it was built is refused" {
	run -65 --separate-stderr sim "$H723" -- \
		'cp "$IMAGES/h723/klipper.bin" x.bin; records "$PWD/x.bin" >r; echo >>x.bin; kf-flash <r'
	[ "$(jq -r .error.code <<<"$output")" = bad_image ]
}

@test "a record whose board left is refused" {
	local serial
	for serial in 29001A001151313531383333 FFFF ''; do
		run -69 --separate-stderr sim "$H723" -- "records | jq -c '.board.usb.serial = \"$serial\"' | kf-flash"
		[ "$(jq -r .error.code <<<"$output")" = not_connected ]
	done
}

@test "kf-scan | kf-flash takes the newest build" {
	run -78 --separate-stderr sim "$H723" -- 'kf-scan | kf-flash'
	[ "$(jq -r .error.code <<<"$output")" = no_firmware ]
	[[ $stderr == *"kf build"* ]]
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	run -0 --separate-stderr sim "$H723" -- \
		'config | kf-build >/dev/null; kf-scan | kf-flash'
	[ "$(jq -r '.flash.result' <<<"$output")" = flashed ]
}

@test "no Katapult: make flash is used, with the port that the board has then" {
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	run -0 --separate-stderr sim "$H723,drop=rx:1" -- 'config | kf-build | kf-flash --method make_flash'
	[ "$(jq -c '.flash | [.result, .method, .verified]' <<<"$output")" = '["flashed","make_flash",["identify"]]' ]
	[[ $stderr == *"make flash FLASH_DEVICE=/dev/"* ]]
}

# bats test_tags=slow
@test "Katapult fails: the board waits in it, so its chip's ROM is not tried" {
	run -76 --separate-stderr sim "$H723,f2=5" -- 'records | kf-flash'
	[ "$(jq -c '.flash | [.result, (.attempts | map(.method + " " + .result))]' <<<"$output")" = \
		'["protocol",["katapult protocol"]]' ]
}

# flashtool TEXT: a Katapult whose flashtool.py is this, and all that it imports.
flashtool() {
	mkdir -p katapult/scripts modules
	echo "$1" >katapult/scripts/flashtool.py
	touch modules/serial.py
	export PYTHONPATH=$PWD/modules
}

# flash_target TEXT: ~/klipper, whose make flash does this.
flash_target() {
	rm -rf "$HOME/klipper"
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	printf 'flash:\n\t%s\n' "$1" >>"$HOME/klipper/Makefile"
}

# configured KEY MCU PATTERN CONFIG-LINE...: this board alone is registered, with its configuration.
configured() {
	local folder=$XDG_CONFIG_HOME/kalico-flash/configs/$1
	registry <<<"{\"devices\":{\"$1\":{\"name\":\"$1\",\"mcu\":\"$2\",\"serial_pattern\":\"$3\"${PORT:+,\"usb_port\":\"$PORT\"}}}}"
	mkdir -p "$folder"
	printf '%s\n' "${@:4}" >"$folder/.config"
}

mega() {
	PORT=1-1.5 configured mega atmega2560 "usb-1a86_USB_Serial*" CONFIG_MACH_AVR=y
}

due=mcu=sam3x8e,serial=29001A00,katapult=none,port=1-1.2
due() {
	configured due sam3x8e "usb-Klipper_sam3x8e_29001A00*" CONFIG_MACH_ATSAM=y
}

# bats test_tags=slow
@test "Katapult or flashtool.py fails: the error is that of the method; a program's log is named" {
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	run -76 --separate-stderr sim "$H723,f2=40" -- 'config | kf-build | tee built | kf-flash'
	[ "$(jq -r .error.code <<<"$output")" = protocol ]
	[[ $(jq -r .error.message <<<"$output") == *"; the firmware on it is incomplete" ]]
	flashtool 'import sys; raise SystemExit("no luck either: %s" % sys.argv)'
	run -1 --separate-stderr sim "$H723" -- 'kf-flash --method flashtool --katapult-dir katapult <built'
	log=$(jq -r .error.log <<<"$output")
	grep "no luck either: .*'-d', '/dev/ttyACM" "$log"
	[[ $(jq -r .error.hint <<<"$output") == "read the log, then run the same command again"* ]]
}

# bats test_tags=slow
@test "make flash is refused for an image that is not kept as it was built" {
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	run -78 --separate-stderr sim "$H723" -- 'config | kf-build >built; cp "$(jq -r .firmware.path built)" copy.bin
		jq -c ".firmware.path = \"$PWD/copy.bin\"" built >r
		rm -r "$XDG_STATE_HOME/kalico-flash/firmware/octopus-pro"
		kf-flash --method make_flash <r; s=$?; kf-scan; exit $s'
	[ "$(jq -sr '.[0].error.code + " " + .[1].board.mode' <<<"$output")" = "no_firmware klipper" ]
	[[ $stderr == *"kf build octopus-pro --clean"* ]]
	run -78 --separate-stderr sim "$H723" -- 'config | kf-build --clean >r
		sed -i s/0x8020000/0x8000000/ "$(dirname "$(jq -r .firmware.path r)")/.config"
		kf-flash --method make_flash <r'
	[[ $stderr == *"/.config has changed since it was built"*"kf build octopus-pro --clean"* ]]
}

# bats test_tags=slow
@test "make flash builds nothing again, even if the tree is newer" {
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	printf 'flash: seen\nseen: ; @cp $(KCONFIG_CONFIG) %s\n' "$PWD/seen" >>"$HOME/klipper/Makefile"
	run -0 --separate-stderr sim "$H723" -- 'config | kf-build >r; cp "$(jq -r .firmware.path r)" planned
		cd "$HOME/klipper"; touch -d "1 hour" src/*.c src/Kconfig src/*/Kconfig
		sed -i s/STM32_FLASH_START_20000/STM32_FLASH_START_RENAMED/ src/stm32/Kconfig; cd - >/dev/null
		kf-flash --method make_flash <r && cmp planned "$(jq -r .firmware.path r)" &&
			cmp seen "$(dirname "$(jq -r .firmware.path r)")/.config" &&
			rmdir "$XDG_CACHE_HOME/kalico-flash/flash"'
	[ "$(jq -r .flash.result <<<"${lines[0]}")" = flashed ]
	# A Makefile that makes the image anew all the same is an error.
	flash_target 'echo >>$(OUT)klipper.bin'
	run -1 --separate-stderr sim "$H723" -- 'config | kf-build | kf-flash --method make_flash'
	[ "$(jq -r .error.code <<<"$output")" = unverified ]
	[[ $stderr == *"was built again meanwhile"* ]]
}

# bats test_tags=slow
@test "make flash for a registered board behind a USB-to-serial chip" {
	mega
	flash_target '@echo $(FLASH_DEVICE)'
	mkdir bin
	ln -s /bin/true bin/avrdude
	run -1 --separate-stderr sim "$CH340" -- 'kf-scan -q | kf-config -q | kf-build -q >r; PATH=$PWD/bin:$PATH kf-flash --method=make_flash <r'
	[ "$(jq -c '[.firmware.format, .error.code, (.flash.attempts | map(.method + " " + .result))]' <<<"$output")" = \
		'["elf.hex","unverified",["make_flash unverified"]]' ]
	# It answers nothing: it gets the 5 s of a firmware that starts, not the 30 s of a board that comes back to USB.
	[ "$(jq '.flash.attempts[0].seconds < 25' <<<"$output")" = true ]
	run -1 --separate-stderr sim "$CH340" -- 'kf-scan -q | kf-flash --method katapult'
	[[ $stderr == *"--method=katapult is not for this atmega2560: there is no Katapult for it"* ]]
}

# bats test_tags=slow
@test "a Katapult behind a USB-to-serial chip: by its owner's word alone, and unharmed until then" {
	local uart=mcu=stm32h723xx,uart,manufacturer=1a86,product=USB_Serial,serial=,port=1-1.6
	PORT=1-1.6 configured uart stm32h723 "usb-1a86_USB_Serial*" "$H723_CONFIG" CONFIG_STM32_SERIAL_USART1=y
	flash_target 'touch "$(HOME)/ran"'
	run -0 --separate-stderr sim "$uart,mode=katapult" -- '
		kf-scan -q | kf-config -q | kf-build -q >r || exit
		kf-flash <r >out && exit 1
		kf-flash --method make_flash <r >named && exit 1
		kf-flash --method flashtool <r >flashtool && exit 1
		kf-flash --method katapult <r'
	[ "$(jq -c '[.flash.result, .flash.method, .flash.verified]' <<<"$output")" = \
		'["flashed","katapult",["readback","identify"]]' ]
	[ ! -e "$HOME/ran" ]
	[ "$(jq -r .error.code out named flashtool | sort -u)" = no_katapult ]
	[[ $(jq -r .error.message out) == *"/klipper.bin: nothing here can flash this stm32h723xx: \
on a UART nothing tells whether it has Katapult; make flash cannot flash it through a USB-to-serial chip" ]]
	[ "$(jq -r .error.hint out)" = "copy the image to its SD card; or name the board as flash-sdcard.sh -l lists it: kf set uart sdcard_board=BOARD; \
or, if it has Katapult: kf set uart flash_method=katapult" ]
	[ "$(jq -r .error.message named)" = "--method=make_flash is not for this stm32h723xx: \
make flash cannot flash it through a USB-to-serial chip" ]
	# The word that the registry keeps; and Klipper is asked to leave for its Katapult.
	run -0 --separate-stderr sim "$uart,version=v0.11.0-1-gabcdef0" -- 'kf-config set uart flash_method=katapult -q >/dev/null
		kf-flash <r'
	[ "$(jq -c '[.flash.result, .flash.version_before]' <<<"$output")" = '["flashed","v0.11.0-1-gabcdef0"]' ]
}

# bats test_tags=slow
@test "a UART at two rates, by hand and registered" {
	local spec=mcu=stm32h723xx,uart,serial=,version=v0.11.0-1-gabcdef0
	registry <<<'{"devices": {}}'
	run -0 --separate-stderr sim "$spec,baud=115200,boot_baud=115200" -- \
		'kf-flash --port /dev/ttyUSB0 --baud 115200 --firmware "$IMAGES/h723/klipper.bin" --json'
	valid_records <<<"$output"
	[ "$(jq -c '[.flash.result, .flash.version_before, .board.link.baud]' <<<"$output")" = \
		'["flashed","v0.11.0-1-gabcdef0",115200]' ]
	registry <<<'{"devices": {"pi": {"mcu": "stm32h723", "serial": "/dev/ttyUSB0", "baud": 115200, "katapult_baud": 500000,
		"flash_method": "katapult"}}}'
	run -0 --separate-stderr sim "$spec,baud=115200,boot_baud=500000" -- 'kf-scan -q >s; jq -e ".board.connected" s >&2
		sum=$(sha256sum <"$IMAGES/h723/klipper.bin")
		jq -c ".firmware = {path: \"$IMAGES/h723/klipper.bin\", sha256: \"${sum%% *}\"}" s | kf-flash'
	[ "$(jq -c '[.board.key, .flash.result, .flash.version_before]' <<<"$output")" = '["pi","flashed","v0.11.0-1-gabcdef0"]' ]
	# Another rate than its Katapult has.
	run -1 --separate-stderr sim "$spec,baud=115200,boot_baud=250000" -- 'kf-scan -q >s
		sum=$(sha256sum <"$IMAGES/h723/klipper.bin")
		jq -c ".firmware = {path: \"$IMAGES/h723/klipper.bin\", sha256: \"${sum%% *}\"}" s | kf-flash -t 2'
	[ "$(jq -r .error.message <<<"$output")" = "it left Klipper, and no Katapult answers at /dev/ttyUSB0, 500000 baud" ]
	[[ $(jq -r .error.hint <<<"$output") == *"; if that has another rate: kf set pi katapult_baud=BAUD"* ]]
	# Another rate than its firmware has.
	registry <<<'{"devices": {}}'
	run -69 --separate-stderr sim "$spec,baud=250000,boot_baud=250000" -- \
		'kf-flash --port /dev/ttyUSB0 --baud 115200 --firmware "$IMAGES/h723/klipper.bin" --json'
	[ "$(jq -r .error.message <<<"$output")" = "neither Klipper nor Katapult answers at /dev/ttyUSB0" ]
	[[ $(jq -r .error.hint <<<"$output") == *"that the baud rate is right"* ]]
}

@test "by hand on a UART of the machine's own, also by its link /dev/serial0" {
	run -0 --separate-stderr sim mcu=stm32f446xx,tty=ttyAMA0,version=v0.11.0-1-gabcdef0 -- '
		kf-flash --port /dev/serial0 --firmware "$IMAGES/f446/klipper.bin" --json
		kf-flash --port /dev/ttyAMA0 --firmware "$IMAGES/f446/klipper.bin" --json'
	valid_records <<<"$output"
	diff - <(jq -c '[.board.tty, .board.link.path, .flash.result]' <<<"$output") <<-END
		["/dev/ttyAMA0","/dev/serial0","flashed"]
		["/dev/ttyAMA0","/dev/ttyAMA0","current"]
	END
}

# bats test_tags=slow
@test "make flash proves nothing if the board ran this version before, or its version is not known" {
	idle_flash
	sim "$H723" -- 'config | kf-build -q' >built
	same=${H723%,version=*},version=$(jq -r .firmware.version built)
	run -1 --separate-stderr sim "$same" -- 'kf-flash --method make_flash <built || s=$?; kf-flash --dry-run <built; exit $s'
	[ "$(jq -sr '.[0].error.code' <<<"$output")" = unverified ]
	[[ $stderr == *"as it did before"*"would flash "* ]]
	run -1 --separate-stderr sim "$same,mode=katapult" -- 'kf-flash --method make_flash <built'
	[ "$(jq -r .error.code <<<"$output")" = unverified ]
	[[ $stderr == *"what it ran before is not known"* ]]
}

# bats test_tags=slow
@test "a registered board with USB names of its own: its Katapult is asked too" {
	flash_target 'touch "$(HOME)/ran"'
	own=usb=1209:0001,manufacturer=Marlin,product=Printer
	sim "$H723,$own" -- 'config | kf-build -q' >built
	for args in "" --method=make_flash; do
		run -78 --separate-stderr sim "$H723,$own,start=0x8040000" -- "kf-flash $args <built"
		[ "$(jq -r .error.code <<<"$output")" = wrong_offset ]
	done
	run -0 --separate-stderr sim "$H723,$own" -- 'kf-flash <built'
	[ "$(jq -c '.flash | [.result, .method]' <<<"$output")" = '["flashed","katapult"]' ]
	[ ! -e "$HOME/ran" ]
}

@test "the bootloader is asked before another program writes" {
	flashtool 'open("ran", "w")'
	run -78 --separate-stderr sim "$H723,start=0x8040000" -- 'records start |
		kf-flash --method flashtool --no-fallback --katapult-dir katapult || s=$?; kf-scan -q; exit $s'
	[ "$(jq -sr '.[0].error.code + " " + .[1].board.mode' <<<"$output")" = "wrong_offset klipper" ]
	[ ! -e ran ]
}

# bats test_tags=slow
@test "make flash from Klipper: the bootloader is entered and asked first; if the image does not fit, Klipper starts again" {
	flash_target 'touch "$(HOME)/ran"'
	run -78 --separate-stderr sim "$H723,start=0x8040000" -- 'config | kf-build |
		kf-flash --method make_flash --no-fallback || s=$?; client identify /dev/ttyACM*; exit $s'
	[ "$(jq -r .error.code <<<"${lines[0]}")" = wrong_offset ]
	[[ $stderr == *"starts at 0x08020000, the bootloader starts applications at 0x08040000"* ]]
	[ "${lines[1]}" = "Klipper stm32h723xx v0.11.0-122-ge6ef48cd" ]
	[ ! -e "$HOME/ran" ]
}

# bats test_tags=slow
@test "make flash finds its bootloader by USB id; if it fails, the error says which board waits" {
	flash_target 'echo $(FLASH_DEVICE) >"$(HOME)/ran"; exit 1'
	mkdir bin
	ln -s /bin/true bin/dfu-util
	sim "$H723" -- 'config | kf-build -q' >built
	for rom in 0483:df11 1eaf:0003 1209:beba; do
		run -1 --separate-stderr sim "$H723,katapult=none,rom=$rom" -- '
			PATH=$PWD/bin:$PATH kf-flash --method make_flash <built'
		[ "$(<"$HOME/ran")" = "$rom" ]
		[[ $(jq -r .error.hint <<<"$output") == "read the log, then run the same command again; the board waits in its bootloader (USB $rom): "* ]]
	done
	# Of HID bootloaders there must be only one; a device in no known mode is none.
	run -1 --separate-stderr sim "$H723,katapult=none,rom=1209:beba" "$CH340" -- '
		{ cat built; kf-scan -q | grep 1a86; } | kf-flash --method make_flash'
	[ "$(jq -r '.error.code // .flash.result' <<<"$output")" = $'flash_failed\nskipped' ]
}

@test "a board without a serial number of its own is known by its port, or left alone" {
	registry <<<'{"devices":{"octopus-pro":{"name":"O","mcu":"stm32h723","serial_pattern":"usb-Klipper_stm32h723xx_12345*"}}}'
	run -78 --separate-stderr sim mcu=stm32h723xx,serial=12345,port=1-1.6 -- 'records | kf-flash'
	[ "$(jq -r '.error.code + ": " + .error.hint' <<<"$output")" = \
		"ambiguous: if it is the board at /dev/ttyACM0: kf set octopus-pro usb_port=1-1.6" ]
	run -0 --separate-stderr sim mcu=stm32h723xx,serial=12345,port=1-1.6 -- 'kf set octopus-pro usb_port=1-1.6 && records | kf-flash'
}

# bats test_tags=slow
@test "a bootloader that udev will not let this user open is not entered" {
	mkdir -p rules
	flashed() { # CODE: what became of it, the service and the board untouched unless it was flashed
		run --separate-stderr sim "$H723" -- 'records | KF_UDEV_RULES=$PWD/rules kf-flash -u klipper; kf-scan -q'
		[ "$(jq -sr '.[0].error.code // .[0].flash.result' <<<"$output")" = "$1" ]
		[ "$(jq -sr '.[1].board.mode' <<<"$output")" = klipper ]
		[ "$1" = flashed ] || [ ! -s "$FAKE/calls" ]
	}
	flashed permission
	[[ $stderr == *"if it has no Katapult: you may not open its bootloader (USB 0483:df11): no udev rule names it"* ]]
	[[ $stderr == *"install the udev rules of kalico-flash"* ]]
	echo '# ATTR{idVendor}=="0483", MODE="0666"' >rules/1.rules
	echo 'ATTR{idVendor}=="0483", ATTR{idProduct}=="3748", MODE="0666"' >>rules/1.rules
	echo 'ATTR{idVendor}=="0483", MODE="0600", GROUP="dialout"' >rules/2.rules
	flashed permission
	printf 'ATTR{idVendor}=="0483", \\\n ATTR{idProduct}=="df11", GROUP="games"' >rules/3.rules
	flashed permission
	[[ $stderr == *"udev gives it to the group games"*"sudo usermod -aG games "* ]]
	if [ "$(id -u)" -eq 0 ]; then # who has joined the group, but not logged in again
		printf 'ATTR{idVendor}=="0483", \\\n ATTR{idProduct}=="df11", GROUP="root"' >rules/3.rules
		run --separate-stderr sim "$H723" -- 'records |
			KF_UDEV_RULES=$PWD/rules setpriv --regid=65534 --clear-groups kf-flash -u klipper'
		[[ $stderr == *"udev gives it to the group root"*"log out and in again: you have joined root since then"* ]]
	fi
	printf 'ATTR{idVendor}=="0483", \\\n ATTR{idProduct}=="DF11", MODE:="0666"' >rules/3.rules
	flashed flashed
}

# bats test_tags=slow
@test "make flash for a SAM builds its bossac; Katapult is not tried" {
	due
	flash_target 'exit 1'
	mkdir -p "$HOME/klipper/lib/bossac" bin
	printf 'bin/bossac:\n\tmkdir bin && touch $@ && chmod +x $@\n' >"$HOME/klipper/lib/bossac/Makefile"
	for program in make python3 sh mkdir touch chmod; do ln -s "$(type -P $program)" bin; done
	ln -s "$KF_BUILD"/kf-* bin
	ln -s /bin/true bin/g++
	run -1 --separate-stderr sim $due -- 'kf-scan -q | kf-config -q | kf-build -q >r
		PATH=$PWD/bin kf-flash --method=make_flash <r; s=$?; kf-scan -q; exit $s'
	[ "$(jq -sc '[.[0].flash.attempts[].method, .[1].board.mode]' <<<"$output")" = '["make_flash","klipper"]' ]
	[ -x "$(echo "$XDG_CACHE_HOME"/kalico-flash/linked/*)/lib/bossac/bin/bossac" ]
	run -1 --separate-stderr sim $due -- 'kf-scan -q | kf-flash --method katapult'
	[[ $stderr == *"--method=katapult is not for this sam3x8e: there is no Katapult for it"* ]]
}

# bats test_tags=slow
@test "make flash fails on a SAM: incomplete, with the way back, unless the board tells its version" {
	due
	flash_target 'exit 1'
	run -1 --separate-stderr sim $due -- 'kf-scan -q | kf-config -q | kf-build -q | tee r | kf-flash -q --method=make_flash'
	[ "$(jq -r '.error.message + ": " + .error.hint' <<<"$output")" = \
		"make flash ended with status 2: read the log, then run the same command again" ]
	# It goes to its bootloader, as flash_usb.py brings it there, and is erased.
	printf 'flash:\n\techo touch 1-1.2 >"$$KF_SIM_CONTROL"; read -r _ <"$$KF_SIM_CONTROL.done"; exit 1\n' >>"$HOME/klipper/Makefile"
	run -1 --separate-stderr sim $due,leave_as=device -- 'kf-flash -q --force --method=make_flash <r; kf list >listed; exit 1'
	[[ $(jq -r .error.message <<<"$output") == "make flash ended with status 2; the board is not there any more: on USB port 1-1.2 there is now another device ("*"); the firmware on it is incomplete" ]]
	[[ $(jq -r .error.hint <<<"$output") == "read the log; if kf list shows it as not connected, reset it with its ERASE button or jumper held, then run the same command again" ]]
	[[ $(<listed) == *"not connected, incomplete"*"the firmware on it is incomplete: read the log; if kf list"*"then run kf flash due"* ]]
}

# bats test_tags=slow
@test "make flash leaves no file in the tree: the tools that it builds are in our cache" {
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	mkdir -p "$HOME/klipper/lib/hidflash/src" "$HOME/klipper/lib/other"
	printf 'hid-flash: main.o\n\tcp main.o $@; chmod +x $@; echo built >>$(HOME)/built\nmain.o: src/main.c\n\tcp $< $@\n' \
		>"$HOME/klipper/lib/hidflash/Makefile"
	echo 1 >"$HOME/klipper/lib/hidflash/src/main.c"
	echo old >"$HOME/klipper/lib/hidflash/stale.o"
	printf 'lib/hidflash/hid-flash:\n\t$(MAKE) -C lib/hidflash\nflash: lib/hidflash/hid-flash\n' >>"$HOME/klipper/Makefile"
	tree() { (cd "$HOME/klipper" && find . -exec stat -c '%n %Y %s' {} + | sort); }
	tree >before
	# A user whose files only their owner may change.
	chmod -R a-w "$HOME/klipper"
	for _ in 1 2; do
		run -0 --separate-stderr sim "$H723" -- 'config | kf-build | kf-flash --method make_flash'
		[ "$(jq -r .flash.result <<<"$output")" = flashed ]
	done
	chmod -R u+w "$HOME/klipper"
	tree | diff before -
	[ "$(<"$HOME/built")" = built ]
	[ "$(cat "$XDG_CACHE_HOME"/kalico-flash/linked/*/lib/hidflash/hid-flash)" = 1 ]
	[[ $stderr != *"building "* ]]
	# One that cannot be built stops nothing, and the board stays where it is.
	rm -r "$XDG_CACHE_HOME/kalico-flash/linked"
	sed -i 's/^main.o:/main.o: missing.c/' "$HOME/klipper/lib/hidflash/Makefile"
	run -78 --separate-stderr sim "$H723" -- 'config | kf-build | kf-flash -u klipper --method make_flash; s=$?; kf-scan -q; exit $s'
	[ "$(jq -sr '.[0].error.code + " " + .[1].board.mode' <<<"$output")" = "no_toolchain klipper" ]
	grep 'No rule to make target' "$(jq -sr '.[0].error.log' <<<"$output")"
	[ ! -s "$FAKE/calls" ]
	sed -i 's/^main.o: missing.c/main.o:/' "$HOME/klipper/lib/hidflash/Makefile"
	run -0 --separate-stderr sim "$H723" -- 'config | kf-build | kf-flash --method make_flash'
	[[ $stderr == *"building lib/hidflash/hid-flash for make flash, once"*entering* ]]
	rm "$HOME/built"
	echo built >"$HOME/built"
	# Links follow the tree: what is new there is there, and what was built stays.
	echo new >"$HOME/klipper/lib/hidflash/new.h"
	ln -sfn nowhere "$(echo "$XDG_CACHE_HOME"/kalico-flash/linked/*)/Makefile"
	run -0 --separate-stderr sim "$H723" -- 'config | kf-build --clean | kf-flash --method make_flash'
	[ "$(cat "$XDG_CACHE_HOME"/kalico-flash/linked/*/lib/hidflash/new.h)" = new ]
	[ ! -e "$(echo "$XDG_CACHE_HOME"/kalico-flash/linked/*)/lib/hidflash/stale.o" ]
	[ "$(<"$HOME/built")" = built ]
}

@test "closed files: their numbers are not used for the next files" {
	registry <<<"$OCTOPUS"
	run -74 bash -c 'kf-config list >&-'
	run -74 bash -c 'kf-config list >&- 2>&-'
	run -74 bash -c 'kf-flash <&-'
	# strace needs its own standard error.
	case $KF_BUILD in *address*) return ;; esac
	run -0 --separate-stderr strace -o trace -e trace=openat bash -c 'exec kf-config list 2>&-'
	grep -q '"/dev/null", O_RDONLY) *= 2' trace
}

@test "the cable is pulled in the middle: only the reset button brings the board back" {
	local remedy="double-click its reset button (where it has none, power-cycle it), then run"
	run -0 --separate-stderr sim "$H723,state=board,unplug=tx:200" -- 'records | kf-flash --no-fallback -q || echo $?'
	[[ $output == *'"code":"gone"'*69 ]]
	[[ $stderr == *"; the firmware on it is incomplete"*"$remedy the same command again"* ]]
	run -0 --separate-stderr sim "$H723,state=board" -- 'kf-scan --device octopus-pro || echo $?
		kf list
		kf-scan --all -q | kf-flash --table -q
		by_hand button 1-1.2
		kf list
		records | kf-flash -q
		kf list'
	[ "${lines[0]}" = 69 ]
	[[ $stderr == *"octopus-pro is not connected; the firmware on it is incomplete"*"$remedy the same command again"* ]]
	[[ ${lines[2]} == *"[--] octopus-pro"*"not connected, incomplete"* ]]
	[[ ${lines[3]} == *"the firmware on it is incomplete: $remedy kf flash octopus-pro" ]]
	[[ ${lines[4]} == *"not connected; the firmware on it is incomplete: $remedy the same command again" ]]
	[[ ${lines[6]} == *"[OK] octopus-pro"*"katapult, incomplete"* && ${lines[6]} != *" v"[0-9]* ]]
	[[ ${lines[7]} == *"the firmware on it is incomplete: run kf flash octopus-pro" ]]
	[ "$(jq -r .flash.result <<<"${lines[8]}")" = flashed ]
	[[ ${lines[10]} == *"[OK] octopus-pro"* && ${lines[*]:9} != *incomplete* ]]
}

@test "Ctrl-C between two blocks: an error, and the next run succeeds" {
	run -130 --separate-stderr sim "$H723,rtt_us=2000,state=board" -- \
		'records >r; interrupt_at "writing 25%" kf-flash'
	[ "$(jq -r .error.code <<<"$output")" = interrupted ]
	[[ $stderr == *"octopus-pro: stopped by the user's signal; the firmware on it is incomplete"*"run the same command again"* ]]
	run -0 --separate-stderr sim "$H723,state=board" -- 'records | kf-flash'
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
}

@test "the unit is started again when the flash fails" {
	run -76 --separate-stderr sim "$H723,f2=5" -- 'records | kf-flash -u klipper --no-fallback'
	[ "$(jq -r .error.code <<<"$output")" = protocol ]
	[ "$(active)" = active ]
	[[ $(cat "$FAKE/calls") == *StopUnit*StartUnit* ]]
}
