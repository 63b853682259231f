#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # run sets stderr; jq has $ of its own; each test has its own output
#
# kf-config's commands for the registry: add, list, set, remove, import, export.
load two-boards

pattern=usb-Klipper_stm32h723xx_29001A001151313531383332

@test "with sudo the empty registry is that of root, and a message says so" {
	local root=(env)
	[ "$(id -u)" -eq 0 ] || root=(unshare --map-root-user)
	"${root[@]}" true 2>/dev/null || skip "not root, and unshare does not work here"
	run -78 --separate-stderr "${root[@]}" kf-config show octopus
	[[ $stderr == *"nothing is registered yet: kf add" ]]
	SUDO_USER=pi run -78 --separate-stderr "${root[@]}" kf-config show octopus
	[[ $stderr == *"this is the registry of root: without sudo, yours is used" ]]
	SUDO_USER=root run -78 --separate-stderr "${root[@]}" kf-config show octopus
	[[ $stderr == *"nothing is registered yet: kf add" ]]
}

@test "set and add refuse an MCU that the pattern contradicts; the hint has a command for a wrong USB name" {
	two_boards
	cp "$file" before
	run -78 --separate-stderr kf-config set octopus mcu=rp2040
	[[ $stderr == "kf-config: usb-Klipper_stm32h723xx_29001A001151313531383332* says that its MCU is stm32h723, not rp2040
  kf set octopus mcu=stm32h723; if its firmware says the wrong MCU over USB: kf set octopus mcu=rp2040 serial_pattern='usb-*_29001A001151313531383332*'" ]]
	cmp "$file" before
	run -0 --separate-stderr kf-config set octopus mcu=rp2040 serial_pattern='usb-*_29001A001151313531383332*'
	[ "$(jq -r .mcu <<<"$output")" = rp2040 ]
	run -0 --separate-stderr kf-config set octopus name=Other
}

@test "set saves an incomplete source folder with a warning" {
	two_boards
	mkdir -p tree/src && touch tree/src/Kconfig && mkdir empty
	run -0 --separate-stderr kf-config set octopus klipper_dir="$PWD/nonesuch"
	[ "$stderr" = "kf-config: octopus: $PWD/nonesuch does not exist yet" ]
	[ "$(jq -r .klipper_dir <<<"$output")" = "$PWD/nonesuch" ]
	run -0 --separate-stderr kf-config set --global klipper_dir="$PWD/empty" katapult_dir="$PWD/tree"
	[ "$stderr" = "kf-config: $PWD/empty is not a source folder: it has no src/Kconfig" ]
	run -0 --separate-stderr kf-config set octopus klipper_dir="$PWD/tree" name=klipper_dir=x
	[ "$stderr" = "" ]
	run -0 --separate-stderr kf-config set octopus klipper_dir=
	[ "$stderr" = "" ]
}

@test "add without a question" {
	run --separate-stderr filter add --key=octopus --name='Octopus Pro v1.1' --mcu=stm32h723 \
		--flash-method=make_flash < <(seen stm32h723xx 29001A001151313531383332 1-1.2)
	[ "$status" -eq 0 ]
	[ "$stderr" = "[Config] octopus: Octopus Pro v1.1 (stm32h723) is registered" ]
	valid_records <<<"$output"
	[ "$(jq -c '.board | [.key, .name, .mcu]' <<<"$output")" = '["octopus","Octopus Pro v1.1","stm32h723"]' ]
	[ "$(jq -c .devices "$file")" = '{"octopus":{"name":"Octopus Pro v1.1","mcu":"stm32h723","serial_pattern":"usb-Klipper_stm32h723xx_29001A001151313531383332*","flash_method":"make_flash","flashable":true,"usb_port":"1-1.2"}}' ]
	[ "$(stat -c %a "$file")" = 600 ]
}

@test "add refuses, and the file stays as it was" {
	two_boards
	cp "$file" before
	refused() { # STATUS PATTERN OPTION... <RECORDS
		local want=$1 pattern=$2
		shift 2
		run --separate-stderr filter add --name=N --mcu=rp2040 "$@"
		[ "$status" -eq "$want" ] || { echo "status $status: $stderr" && false; }
		# shellcheck disable=SC2053
		[[ $output == "" && $stderr == kf-config:*$pattern* ]] || { echo "$stderr" && false; }
		cmp "$file" before
	}
	two() { seen rp2040 AAAA1111 1-1 && seen rp2040 BBBB2222 1-2; }
	refused 78 "all connected boards are registered: octopus" --key=x < <(octopus)
	refused 78 "the key octopus is registered already" --key=octopus < <(seen rp2040 AAAA1111 1-1)
	refused 64 "not a valid key" --key='../x' < <(seen rp2040 AAAA1111 1-1)
	refused 78 "x and nitehawk would be the same board" --key=x --pattern='usb-katapult_rp2040_*' </dev/null
	refused 78 "x and nitehawk would be the same board" --key=x \
		--pattern='usb-CanBoot_rp2040_e661ac8863389c27*' </dev/null
	refused 78 "2 boards can be registered, on the ports 1-1 (rp2040), 1-2 (rp2040)" --key=x < <(two)
	refused 64 "\"7\" is no port" --key=x --port=7 </dev/null
	refused 64 "flash_method: \"hid\" is not" --key=x --flash-method=hid < <(seen rp2040 AAAA1111 1-1)
	refused 69 "there is no board to register" --key=x </dev/null
	refused 69 "there is no board to register" --key=x < <(seen Beacon 77AA 1-5 '.board.mode = "other"')
	refused 69 "--port=1-5" --key=x < <(seen Beacon 77AA 1-5 '.board.mode = "other"')
	refused 78 "the board on USB port 3-1 waits in DFU (0483:df11), and the ROM of a stm32f103 has no DFU" --key=x --mcu=stm32f103 < <(seen "" 357236543131 3-1 \
		'.board += {mode: "dfu", by_id: null, tty: null} | .board.usb += {vendor: "0483", product: "df11"}')
	refused 78 "the board on USB port 3-1 has a bootloader of stm32 (0483:df11), not of rp2040" --key=x < <(seen "" 357236543131 3-1 \
		'.board += {mode: "dfu", by_id: null, tty: null} | .board.usb += {vendor: "0483", product: "df11"}')
	refused 78 "usb-Klipper_stm32h723xx_AAAA1111* says that its MCU is stm32h723, not rp2040" --key=x < <(seen stm32h723xx AAAA1111 1-1)
	refused 64 "no terminal" < <(seen rp2040 AAAA1111 1-1)
	[[ $stderr == *"--key=n --name=\"N\" --mcu=rp2040"* ]]
	refused 65 "line 1" --key=x <<<'{'
	echo '{"devices": ' | tee before >"$file"
	refused 78 "$file: line 2, column 0" --key=x < <(seen rp2040 AAAA1111 1-1)
}

@test "add without a terminal: the error has the values that it would propose" {
	run -64 --separate-stderr filter add --port=1-1.2 --name=Têtière < <(seen stm32h723xx AAAA1111 1-1.2)
	[[ $stderr == *"give them: --key=tetiere --name=\"Têtière\" --mcu=stm32h723" ]]
	run -64 --separate-stderr filter add --port=1-1.2 --name='a`id`$(id)"' < <(seen stm32h723xx AAAA1111 1-1.2)
	[[ $stderr == *"give them: --key=aidid --name=\"aidid\" --mcu=stm32h723" ]]
	run -64 --separate-stderr filter add < <(seen stm32h723xx AAAA1111 1-1.2)
	[[ $stderr == *"give them: --key=stm32h723 --name=\"stm32h723\" --mcu=stm32h723" ]]
	# It is not plugged in.
	run -64 --separate-stderr filter add --port=1-1.2 </dev/null
	[[ $stderr == *"give them: --key=board --name=\"board\" --mcu=MCU, where MCU is its chip, such as stm32h723" ]]
	run -64 --separate-stderr filter add --port=1-1.2 --mcu=rp2040 </dev/null
	[[ $stderr == *"give them: --key=rp2040 --name=\"rp2040\" --mcu=rp2040" ]]
	[ ! -e "$file" ]
}

@test "add refuses a second board on a USB port, and says if a board is registered for later" {
	three() { filter add --key="$1" --name=N --mcu=stm32h723 --port="$2"; }
	seen stm32h723xx AAAA1111 1-1.3 | filter add -q --key=a --name=A --mcu=stm32h723 >/dev/null
	cp "$file" before
	run --separate-stderr three b 1-1.3 < <(seen stm32h723xx AAAA1111 1-1.3)
	[ "$status" -eq 78 ]
	[ "$stderr" = "kf-config: the board on USB port 1-1.3 is a, registered already
  to register another board on that port, first: kf remove a" ]
	run --separate-stderr three b 1-1.3 </dev/null
	[ "$status" -eq 78 ]
	[ "$stderr" = "kf-config: b and a would be the same board (USB port 1-1.3)
  if a is plugged in elsewhere now: kf set a usb_port=PORT" ]
	cmp "$file" before
	run --separate-stderr three b 1-9 </dev/null
	[ "$status" -eq 0 ]
	[ "$stderr" = "[Config] b: N (stm32h723) is registered for later: it is not plugged in" ]
	run --separate-stderr kf-config set a usb_port=1-9
	[ "$status" -eq 78 ]
	[[ $stderr == *"a and b would be the same board (USB port 1-9)"* ]]
}

@test "add: one of several boards, one that is unplugged, one without a serial number, one in DFU" {
	two() { seen rp2040 AAAA1111 1-1 && seen rp2040 BBBB2222 1-2; }
	quiet() { filter add -q --name=N "$@" >/dev/null; }
	two | quiet --key=b --mcu=rp2040 --port=1-2
	two | quiet --key=a --mcu=rp2040 --pattern='usb-Klipper_rp2040_AAAA*'
	quiet --key=away --mcu=stm32f446 --pattern='usb-Klipper_stm32f446xx_CC*' </dev/null
	ch340='.board += {mode: "other", by_id: "/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0"} |
	       .board.usb += {vendor: "1a86", product: "7523", manufacturer: "1a86", model: "USB_Serial"}'
	seen "" "" 2-1 "$ch340" | quiet --key=left --mcu=atmega2560 --port=2-1
	run --separate-stderr filter add --key=right --name=N --mcu=atmega2560 --port=2-2 < <(seen "" "" 2-2 "$ch340")
	[ "$status" -eq 0 ]
	[[ $stderr == *"right: it shows no serial number: leave it on USB port 2-2"* ]]
	run -0 --separate-stderr filter add --key=shared --name=N --mcu=stm32f446 --port=2-3 < <(seen stm32f446xx 12345 2-3)
	[[ $stderr == *"shared: it has no serial number of its own: leave it on USB port 2-3"* ]]
	kf-config remove --yes shared >/dev/null
	seen "" "357236543131" 3-1 '.board += {mode: "dfu", by_id: null, tty: null} | .board.usb +=
		{vendor: "0483", product: "df11", manufacturer: "STMicroelectronics", model: "STM32  BOOTLOADER"}' |
		quiet --key=dfu --mcu=stm32g0b1
	# A chip that has no Katapult goes to the program for its bootloader, whatever the default is.
	[ "$(jq -c '.devices | [.b, .dfu, .left, .right] | map(.flash_method)' "$file")" = '[null,null,"avrdude","avrdude"]' ]
	[ "$(jq -c '.devices[] | [.serial_pattern, .usb_port]' "$file")" = '["usb-Klipper_rp2040_BBBB2222*","1-2"]
["usb-Klipper_rp2040_AAAA*","1-1"]
["usb-Klipper_stm32f446xx_CC*",null]
["usb-1a86_USB_Serial-if00-port0*","2-1"]
["usb-1a86_USB_Serial-if00-port0*","2-2"]
[null,"3-1"]' ]
}

# bats test_tags=slow
@test "add asks for values, and for nothing that has a default or can be found" {
	need pty
	seen stm32h723xx 29001A001151313531383332 1-1.2 >in
	run terminal 'kf-config add <in >out' 'Name of the board \[stm32h723\]: ' 'Octopus Pro v1.1\r' \
		'Key, .* \[octopus-pro-v1-1\]: ' 'Oct\r' 'at most 64' 'octopus\r' 'MCU \[stm32h723\]: ' '\r'
	[ "$status" -eq 0 ]
	[[ $output == *"octopus: Octopus Pro v1.1 (stm32h723) is registered"* ]]
	[ "$(jq -c .global "$file")" = null ]
	[ "$(jq -r .board.key <out)" = octopus ]
	{ cat in && seen rp2040 AAAA1111 1-3 && seen stm32h723xx 33CC4455 1-4; } >three
	run terminal 'kf-config add <three >out' '1\) .*AAAA1111.*2\) .*_33CC4455.*Which board: ' '7\r' \
		'from 1 to 2' '2\r' 'Name' '\r' 'Key' 'octopus\r' 'registered already' 'second\r' 'MCU' '\r'
	[ "$status" -eq 0 ]
	[ "$(jq -c '.devices.second | [.name, .mcu, .serial_pattern]' "$file")" = '["stm32h723","stm32h723","usb-Klipper_stm32h723xx_33CC4455*"]' ]
	cp "$file" before
	for leave in '\x04' 'q\r'; do
		run terminal 'kf-config add <three >out; echo "status $?"; stty -a | tr " " "\n" | grep -x -e icanon -e echo' \
			'Name' "$leave"
		[[ $output == *"nothing was changed"*"status 0"*icanon*echo* ]]
		cmp "$file" before
	done
	rm "$file"
	run terminal 'kf-config add <in >out' 'Name.*: ' '\x1b[A\r' 'control characters.*Name.*: ' 'Up\r' 'Key.*: ' '\r' \
		'MCU \[stm32h723\]: ' 'rp2040\r' 'says stm32h723.*MCU \[stm32h723\]: ' '\r'
	[ "$status" -eq 0 ]
	[ "$(jq -c '.devices.up | [.name, .mcu]' "$file")" = '["Up","stm32h723"]' ]
	cp before "$file"
	run terminal 'kf-config add <three >out' 'Name' '\x03'
	[ "$status" -eq 130 ]
	cmp "$file" before
}

@test "the reader closes the pipe: ended by SIGPIPE, without a message" {
	two_boards
	for command in list "list --table" "show octopus" export; do
		# shellcheck disable=SC2086
		run --separate-stderr unread kf-config $command
		[ "$status" -eq 141 ]
		[ "$stderr" = "" ]
	done
	run --separate-stderr unread kf-doctor
	[ "$status" -eq 141 ]
	[ "$stderr" = "" ]
}

@test "list, show, set" {
	two_boards
	saved octopus "${h723[@]}"
	run --separate-stderr kf-config list
	[ "$(jq -c '[.key, .colour, .saved_config.days]' <<<"$output")" = '["octopus","red",0]
["nitehawk",null,null]' ]
	run --separate-stderr kf-config list --table
	[[ ${lines[0]} == "octopus "*"Octopus Pro "*"stm32h723 "*"saved   0 days ago"* && ${#lines[@]} -eq 2 ]]
	run --separate-stderr kf-config set octopus name='Big one' flash_method=flashtool flashable=no usb_port=1-1.2 \
		klipper_dir='~/kalico'
	[ "$status" -eq 0 ]
	[ "$(jq -c '.devices.octopus' "$file")" = '{"name":"Big one","mcu":"stm32h723","flash_method":"flashtool","flashable":false,"serial_pattern":"usb-Klipper_stm32h723xx_29001A001151313531383332*","colour":"red","usb_port":"1-1.2","klipper_dir":"~/kalico"}' ]
	[ "$(jq -c '[.new, .global.stagger]' "$file")" = '[[1],0.5]' ]
	run --separate-stderr kf-config set octopus flash_method= flashable= usb_port= klipper_dir=
	[ "$(jq -c '.devices.octopus | del(.serial_pattern)' "$file")" = '{"name":"Big one","mcu":"stm32h723","flash_method":null,"colour":"red"}' ]
	run -78 --separate-stderr kf-config show octopsu
	[ "${stderr_lines[1]}" = "  did you mean octopus? the registered boards: octopus, nitehawk" ]
	run --separate-stderr kf-config show octopus --table
	[[ $output == *"name                 Big one"*"flash_method         null"* ]]
	kf-config -q set octopus name=Têtière >/dev/null
	run --separate-stderr kf-config list --table
	[[ ${lines[0]} == "octopus              Têtière                  stm32h723 "* ]]
	cp "$file" before
	for mistake in "octopus mcu=" "octopus name=x colour=blue" "octopus klipper_dir=here" "nonesuch name=x" \
		"octopus serial_pattern=usb-Klipper_*" "--global default_flash_method=hid" "--global mcu=rp2040"; do
		# shellcheck disable=SC2086
		run --separate-stderr kf-config set $mistake
		[[ $status -eq 64 || $status -eq 78 ]] || { echo "$mistake: $status" && false; }
		[[ $output == "" && $stderr == "kf-config: "* ]]
		cmp "$file" before
	done
	run --separate-stderr kf-config set --global klipper_dir=/k skip_menuconfig=no
	[ "$output" = '{"klipper_dir":"/k","stagger":0.5,"skip_menuconfig":false}' ]
}

@test "remove asks, also for the saved configuration" {
	need pty
	two_boards
	saved octopus "${h723[@]}"
	saved nitehawk MACH_RPXXXX
	cp "$file" before
	run --separate-stderr filter remove octopus
	[ "$status" -eq 64 ]
	[[ $stderr == *"--yes"* ]]
	for both in "--keep-config --delete-config" "--delete-config --keep-config"; do
		# shellcheck disable=SC2086
		run --separate-stderr kf-config remove octopus --yes $both
		[ "$status" -eq 64 ]
		[ "${stderr_lines[0]}" = "kf-config: --keep-config and --delete-config cannot be used together" ]
	done
	[ -e "$ours/configs/octopus/.config" ]
	run terminal 'kf-config remove octopus >out' 'Remove octopus\? \[y/N\] ' '\r'
	[ "$status" -eq 0 ]
	cmp "$file" before
	for leave in '\x04' 'q\r'; do
		run terminal 'kf-config remove octopus >out' 'Remove octopus' "$leave"
		[ "$status" -eq 0 ]
		run terminal 'kf-config remove octopus >out' 'Remove octopus' 'y\r' 'Delete also' "$leave"
		[ "$status" -eq 0 ]
		cmp "$file" before
	done
	run terminal 'kf-config remove octopus >out' 'Remove octopus' 'y\r' 'Delete also' 'n\r'
	[ "$status" -eq 0 ]
	[[ $output == *"removed; its saved configuration stays"* ]]
	[ "$(jq -c '[.new, (.devices | keys)]' "$file")" = '[[1],["nitehawk"]]' ]
	[ -e "$ours/configs/octopus/.config" ]
	run --separate-stderr filter remove nitehawk --yes --delete-config
	[ "$status" -eq 0 ]
	[ "$(jq -c '[.key, .config_deleted]' <<<"$output")" = '["nitehawk",true]' ]
	[ ! -e "$ours/configs/nitehawk" ]
	run --separate-stderr kf-config remove nitehawk --yes
	[ "$status" -eq 78 ]
}

@test "export writes the boards; import reads boards and configurations" {
	two_boards
	saved octopus "${h723[@]}"
	run --separate-stderr kf-config export
	[ "$(jq -c . <<<"$output")" = "$(jq -c . "$file")" ]
	kf-config export "$HOME/usb/devices.json"
	cmp "$HOME/usb/configs/octopus/.config" "$ours/configs/octopus/.config"
	rm -r "$ours"
	registry <<<'{"global": {"klipper_dir": "/mine"}, "devices": {"mine": {"mcu": "rp2040", "pattern": "usb-x*"}}}'
	run --separate-stderr kf-config import "$HOME/usb/devices.json"
	[ "$status" -eq 0 ]
	[ "$output" = '{"devices":["octopus","nitehawk"],"unchanged":[],"global":["stagger"],"kept":["klipper_dir"],"configs":["octopus"],"blocked_devices":0}' ]
	[ "$(jq -c '[(.devices | keys_unsorted), .global.klipper_dir, .new]' "$file")" = '[["mine","octopus","nitehawk"],"/mine",[1]]' ]
	grep -q STM32H723 "$ours/configs/octopus/.config"
	run --separate-stderr kf-config import "$HOME/usb/devices.json"
	[ "$(jq -c '[.devices, .unchanged]' <<<"$output")" = '[[],["octopus","nitehawk"]]' ]
	cp "$file" before
	kf-config set octopus name=Other >/dev/null
	cp "$file" before
	run --separate-stderr kf-config import "$HOME/usb/devices.json"
	[ "$status" -eq 78 ]
	[[ $stderr == *"octopus is registered here already, with other values"* ]]
	echo '{"devices": {"twin": {"mcu": "rp2040", "serial_pattern": "usb-katapult_rp2040_E661*"}}}' >twin
	run --separate-stderr kf-config import twin
	[[ $status -eq 78 && $stderr == *"twin and nitehawk would be the same board"* ]]
	run --separate-stderr kf-config import nonesuch
	[ "$status" -eq 74 ]
	cmp "$file" before
}

kconfig() { # FILE MCU
	mkdir -p "$(dirname "$1")"
	printf '# Automatically generated\nCONFIG_LOW_LEVEL_OPTIONS=y\nCONFIG_MCU="%s"\n# CONFIG_CAN is not set\n' "$2" >"$1"
}

@test "the Python tool's registry is found below its checkout" {
	need pty
	mkdir -p "$HOME/kalico-flash/kflash"
	echo '{"global": {}, "devices": {"octopus-pro": {"name": "Octopus Pro v1.1", "mcu": "stm32h723",
		"serial_pattern": "'$pattern'*", "flash_method": null}}}' >"$HOME/kalico-flash/kflash/devices.json"
	run --separate-stderr umock "$KF_TESTS/fixtures/octopus-katapult.umockdev" -- kf-doctor --json
	[ "$(jq -r 'select(.check == "registry" and .subject == "~/kalico-flash") | .health + ": " + .message + ": " + .remedy' <<<"$output")" = \
		"note: the registry of the Python tool has 1 board that is not registered here: kf import ~/kalico-flash" ]
	for path in "$HOME/kalico-flash" "$HOME/kalico-flash/kflash" "$HOME/kalico-flash/kflash/devices.json"; do
		rm -rf "$ours"
		run -0 --separate-stderr kf import "$path"
		[ "$(jq -c .devices <<<"$output")" = '["octopus-pro"]' ]
	done
	run umock "$KF_TESTS/fixtures/octopus-katapult.umockdev" -- kf-doctor --json
	[[ $output != *"~/kalico-flash"* ]]
}

@test "the Python tool's folder is ours: its configurations are used" {
	mkdir kalico-flash
	echo '{"global": {"klipper_dir": "~/kalico"}, "devices": {"octopus-pro": {"name": "Octopus Pro v1.1", "mcu": "stm32h723",
		"serial_pattern": "'$pattern'*", "flash_method": null}}}' >kalico-flash/devices.json
	kconfig "$HOME/.config/kalico-flash/configs/octopus-pro/.config" stm32h723
	run --separate-stderr kf import kalico-flash
	[ "$status" -eq 0 ]
	[ "$(jq -c '[.devices, .global]' <<<"$output")" = '[["octopus-pro"],["klipper_dir"]]' ]
	run kf-config show octopus-pro
	[ "$(jq -r .saved_config.path <<<"$output")" = "$ours/configs/octopus-pro/.config" ]
}

@test "a byte order mark before devices.json is ignored" {
	printf '\xef\xbb\xbf{"devices": {"octopus-pro": {"name": "O", "mcu": "stm32h723", "serial_pattern": "%s*"}}}' \
		"$pattern" >devices.json
	run -0 kf import devices.json
	[ "$(jq -c .devices <<<"$output")" = '["octopus-pro"]' ]
}

@test "import refuses a file that is not a devices.json, and writes nothing" {
	refused() { # STATUS PATH MESSAGE
		run "-$1" --separate-stderr kf import "$2"
		[[ $output == "" && $stderr == *"$3"* ]]
		[ ! -e "$file" ]
	}
	mkdir empty
	refused 78 empty $'empty: no devices.json in it\n  name a devices.json, or the folder that it is in'
	refused 74 nonesuch "nonesuch: No such file or directory"
	echo '[{"name": "Octopus", "id": 1}]' >list.json
	refused 78 list.json "list.json"
	mkdir old
	printf '[mcu]\nklipper_section: mcu\n' >old/mcus.ini
	for path in old old/mcus.ini; do
		refused 78 "$path" "the boards of mcus.ini: register each with kf add, then give it its .config with kf config KEY --from FILE"
	done
	mkdir fleet
	cp list.json fleet/fleet.json
	refused 78 fleet "the boards of fleet.json: register"
	head -c 2000000 /dev/zero >huge.json
	refused 74 huge.json "huge.json"
}

# node: a record of a node that no printer names, as kf-scan --can writes it; uart: of one that a printer does.
node() {
	echo '{"kf":1,"board":{"key":null,"mode":"katapult","connected":true,"link":{"type":"can","interface":"can1","uuid":"44db3d634885"}}}'
}

uart() {
	echo '{"kf":1,"board":{"key":null,"mode":null,"connected":false,"printer":{"name":"x","mcu":"z"},
		"link":{"type":"uart","path":"/dev/ttyAMA0","baud":115200}}}' | tr -d '\n'
}

@test "kf add: a node on CAN and a board on a UART" {
	local devices=$XDG_CONFIG_HOME/kalico-flash/devices.json
	run -0 --separate-stderr kf-config add --key=ebb --name=EBB --mcu=stm32g0b1 < <(node)
	run -0 --separate-stderr kf-config add --key=z --name=Z --mcu=stm32f103 < <(uart)
	run -0 --separate-stderr kf-config add --key=later --name=L --mcu=rp2040 --port=can0:AABBCCDDEEFF </dev/null
	[[ $stderr == *"registered for later"* ]]
	run -0 --separate-stderr kf-config add --key=pi --name=P --mcu=rp2040 --port=/dev/serial0 --baud=500000 </dev/null
	[ "$(jq -c '.devices | .ebb, .z, .later, .pi | del(.name, .mcu, .flash_method, .flashable)' "$devices")" = "$(cat <<-'END'
		{"canbus_uuid":"44db3d634885","canbus_interface":"can1"}
		{"serial":"/dev/ttyAMA0","baud":115200}
		{"canbus_uuid":"aabbccddeeff","canbus_interface":"can0"}
		{"serial":"/dev/serial0","baud":500000}
	END
	)" ]
	# One node is one board, whatever it is called; so is a UART, and the chip that shows the UUID's serial on USB.
	run -78 --separate-stderr kf-config add --key=again --name=EBB --mcu=stm32g0b1 --port=can1:44db3d634885 </dev/null
	[[ $stderr == *"again and ebb would be the same board (44db3d634885)"* ]]
	run -78 --separate-stderr kf-config add --key=again --name=EBB --mcu=rp2040 --port=/dev/serial0 </dev/null
	[[ $stderr == *"again and pi would be the same board (/dev/serial0)"* ]]
	run -78 --separate-stderr kf-config add --key=again --name=EBB --mcu=stm32g0b1 \
		--pattern='usb-Klipper_stm32g0b1xx_39001B000C51313339373836*' </dev/null
	[[ $stderr == *"again and ebb would be the same board (44db3d634885)"* ]]
	run -64 --separate-stderr kf-config add --key=x --port=can0:44db </dev/null
	[[ $stderr == *'"can0:44db" is no port'*"can0:44db3d634885 (interface and UUID, of 12 hexadecimal digits)"* ]]
	run -64 --separate-stderr kf-config add --key=x --port=/dev/ttyS0 --baud=7 </dev/null
	[[ $stderr == *'--baud: "7" is not a number from 1200 to 12000000'* ]]
}

@test "the members of CAN and of a UART are set, checked, and go back to their defaults" {
	local devices=$XDG_CONFIG_HOME/kalico-flash/devices.json
	registry <<<'{"devices": {"a": {"canbus_uuid": "44db3d634885", "future": {"x": 1}}, "b": {"serial": "/dev/ttyAMA0"}}}'
	run -0 --separate-stderr kf-config set a canbus_uuid=AABBCCDDEEFF canbus_interface=can1
	run -0 --separate-stderr kf-config set b baud=115200 katapult_baud=500000
	[ "$(jq -c '.devices[]' "$devices")" = "$(cat <<-'END'
		{"canbus_uuid":"aabbccddeeff","future":{"x":1},"canbus_interface":"can1"}
		{"serial":"/dev/ttyAMA0","baud":115200,"katapult_baud":500000}
	END
	)" ]
	run -0 --separate-stderr kf-config set b baud= serial=/dev/serial0
	[ "$(jq -c .devices.b "$devices")" = '{"serial":"/dev/serial0","katapult_baud":500000}' ]
	run -64 --separate-stderr kf-config set b serial=
	[ "$stderr" = "kf-config: b: a board needs a pattern or a port" ]
	[ "$(jq -r .devices.b.serial "$devices")" = /dev/serial0 ]
	run -0 --separate-stderr kf-config set b serial= usb_port=1-1 baud= katapult_baud=
	[ "$(jq -c .devices.b "$devices")" = '{"usb_port":"1-1"}' ]
	run -64 --separate-stderr kf-config set a canbus_uuid=44db
	[[ $stderr == *'canbus_uuid: "44db" is not 12 hexadecimal digits'* ]]
	run -64 --separate-stderr kf-config set a canbus_interface=can/0
	[[ $stderr == *'is not a network interface such as can0'* ]]
	run -64 --separate-stderr kf-config set b serial=ttyAMA0
	[[ $stderr == *'is not a serial port such as /dev/ttyAMA0'* ]]
	run -64 --separate-stderr kf-config set b baud=fast
	[[ $stderr == *'baud: "fast" is not a whole number from 1200 to 12000000'* ]]
	registry <<<'{"devices": {"b": {"serial": "/dev/ttyAMA0", "baud": "250000"}}}'
	run -78 --separate-stderr kf-config list
	[[ $stderr == *'device "b": "baud" is not a whole number'* ]]
}

@test "set: a member that is mistyped: which one was meant" {
	run -64 --separate-stderr kf-config set --global klipper_dri=/x
	[[ $stderr == *'there is no member "klipper_dri"'*"did you mean klipper_dir? the members are: klipper_dir, "* ]]
	run -64 --separate-stderr kf-config set --global colour=/x
	[[ $stderr != *"did you mean"*  && $stderr == *"the members are: "* ]]
}
