#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; bash -c and jq have $ of their own
# shellcheck disable=SC1003,SC2030,SC2031 # a line ends in a backslash; each test has its own output
load two-boards

checksums() {
	find "$1" -type f -print0 | sort -z | xargs -0 sha256sum
	find "$1" -printf '%p %l\n' | sort
}

# menuconfig of the tree becomes this shell script; $KCONFIG_CONFIG is what it edits.
fake_menuconfig() {
	cat >"$tree/fake"
	sed -i 's|.*-m menuconfig.*|\t@sh ./fake|' "$tree/Makefile"
}

@test "help, version, mistakes and a full disk" {
	run --separate-stderr kf-config --help
	[ "$status" -eq 0 ]
	[[ $output == *"      --menuconfig "* && $stderr == "" ]]
	run --separate-stderr kf-config -V
	[ "$status" -eq 0 ]
	[[ $output == "kf-config "* ]]
	two_boards
	for mistake in --nonesuch --timeout=0 --timeout=soon --timeout=1e9 nonesuch "show a b" remove import \
		set "list --key=x" "--yes" "add --menuconfig" "set octopus" "add --key="; do
		# shellcheck disable=SC2086
		run --separate-stderr kf-config $mistake </dev/null
		[ "$status" -eq 64 ] || { echo "$mistake: $status" && false; }
		[[ $output == "" && $stderr == "kf-config: "* ]]
	done
	run -64 kf-config set octopus
	[ "${lines[0]}" = "kf-config: set: no member=value was given" ]
	[ "${lines[1]}" = "  for example: kf set octopus name=\"Octopus Pro\"; man kf-config lists what can be set" ]
	run kf-config import
	[ "${lines[0]}" = "kf-config: import: give the file or folder" ]
	run kf-config import ''
	[ "$status" -eq 64 ]
	[ "${lines[0]}" = "kf-config: import: the name of the file or folder is empty" ]
	run kf-config show --port=1-1
	[ "${lines[0]}" = "kf-config: show takes no --port" ]
	run kf-config --klipper-dir=
	[ "${lines[0]}" = "kf-config: --klipper-dir needs a value" ]
	for command in list show export --help; do
		run bash -c "kf-config $command >/dev/full"
		[ "$status" -eq 74 ]
	done
}

@test "a saved configuration is completed on a copy, and nothing else changes" {
	two_boards
	saved octopus "${h723[@]}"
	before=$(checksums "$tree" && checksums "$ours/configs" && cat "$file")
	run --separate-stderr filter < <(octopus && octopus '.board.mode = "katapult"')
	[ "$status" -eq 0 ]
	[ "$stderr" = "$(printf '%s\n' "[Config] octopus: stm32h723xx, application at 0x08020000, usb"{,})" ]
	[ "$(checksums "$tree" && checksums "$ours/configs" && cat "$file")" = "$before" ]
	valid_records <<<"$output"
	config=$(jq -c 'select(.board.mode == "klipper").config' <<<"$output")
	path=$(jq -r .path <<<"$config")
	[ "$path" = "$cache/configs/octopus/.config" ]
	[ "$(jq -c 'del(.path, .sha256)' <<<"$config")" = '{"mcu":"stm32h723xx","start":134348800,"comm":"usb"}' ]
	[ "$(sha256sum <"$path" | cut -c1-64)" = "$(jq -r .sha256 <<<"$config")" ]
	grep -q '^CONFIG_WANT_ADC=y$' "$path"
	inode=$(stat -c %i "$path")
	filter -q < <(octopus) >/dev/null
	[ "$(stat -c %i "$path")" = "$inode" ]
}

@test "a board that is not plugged in gets its configuration too, unless --connected is given" {
	two_boards
	octopus '.board.connected = false | .board.mode = null | .board.tty = null' >in
	run -0 --separate-stderr filter --connected <in
	[ "$output" = "$(<in)" ]
	run "-$(status_of no_config)" --separate-stderr filter <in
	[ "$(jq -r .error.code <<<"$output")" = no_config ]
	saved octopus MACH_STM32 MACH_STM32H723 STM32_FLASH_START_20000
	run -0 --separate-stderr filter <in
	[ "$(jq -r .config.mcu <<<"$output")" = stm32h723xx ]
}

@test "records of other boards are passed on unchanged" {
	two_boards
	{
		seen rp2040 1234ABCD 1-4
		octopus '.board.excluded = true | .board.reason = "no"'
		octopus '.board.excluded = true | .future = {"x": [1]}'
		octopus '.error = {tool: "kf-scan", code: "busy", message: "m"}'
		seen Beacon 77 1-5 '.board.mode = "other"'
	} >in
	run -75 --separate-stderr filter <in
	[[ $output == "$(<in)" && $stderr == "" ]]
}

@test "one board fails: the others do not" {
	two_boards
	saved octopus MACH_RPXXXX
	saved nitehawk MACH_RPXXXX
	run --separate-stderr filter < <(octopus && nitehawk && seen rp2040 1 1-9 '.board.key = "stranger"')
	[ "$status" -eq 1 ]
	[[ $stderr == *"kf-config: octopus: the configuration is for rp2040, the board is stm32h723xx"* ]]
	[ "$(jq -c '[.board.key, .error.code, .config.mcu]' <<<"$output")" = '["octopus","mcu_mismatch",null]
["nitehawk",null,"rp2040"]
["stranger","not_registered",null]' ]
	valid_records <<<"$output"
	[ "$(<"$ours/configs/octopus/.config")" = CONFIG_MACH_RPXXXX=y ]
}

# A real tree's configuration of the board: all symbols, as its menuconfig saves them.
saved_whole() {
	saved "$@"
	make -s -C "$tree" OUT="$BATS_TEST_TMPDIR/x/" KCONFIG_CONFIG="$ours/configs/$1/.config" olddefconfig >/dev/null
	rm -f "$ours/configs/$1/.config.old"
}

# Klipper 906431bb0 on our tree: the architecture and all of its choices get other names.
rename_rp2040() {
	sed -i 's/\bMACH_RPXXXX\b/MACH_PICO/g; s/\bRPXXXX_/PICO_/g' "$tree"/src/Kconfig "$tree"/src/rp2040/*
}

# bats test_tags=slow
@test "a symbol that the tree renamed does not change the MCU" {
	two_boards
	saved_whole nitehawk MACH_RPXXXX RPXXXX_FLASH_START_4000
	rename_rp2040
	config=$ours/configs/nitehawk/.config
	before=$(<"$config")
	# make rewrites a configuration that is older than src/Kconfig, and reads over a newer one.
	for times in "2 years ago,1 year ago" "1 year ago,2 years ago" "now,1 year" "1 year,now"; do
		touch -d "${times%,*}" "$config"
		touch -d "${times#*,}" "$tree/src/Kconfig"
		run --separate-stderr filter < <(nitehawk)
		[ "$status" -eq 78 ]
		[ "$(jq -r '.error.code, .config' <<<"$output")" = "config_difference
null" ]
		[ "$(jq -r .error.message <<<"$output")" = "the source tree would change the saved configuration: \
MCU: saved rp2040, now atmega2560; architecture: saved MACH_RPXXXX, now MACH_AVR; \
application address: saved 0x10004000, now none; clock: saved 12000000, now 16000000; \
communication interface: saved RPXXXX_USB, now none; \
kind of communication: saved USBSERIAL, now none" ]
		hint=$(jq -r .error.hint <<<"$output")
		# Accepting that would be refused: another MCU.
		[[ $hint == *"kf config nitehawk"* && $hint != *--accept-difference* ]]
		[ "$(<"$config")" = "$before" ]
		[ ! -e "$cache/configs/nitehawk/.config" ]
	done
	valid_records <<<"$output"
	run -78 --separate-stderr filter --accept-difference < <(nitehawk)
	[ "$(jq -r .error.message <<<"$output")" = "the configuration is for atmega2560, the board is rp2040" ]
	[ "$(<"$config")" = "$before" ]
	[ "$(ls -A "$ours/configs/nitehawk")" = .config ]
}

@test "--accept-difference is offered only if the MCU is still that of the board" {
	two_boards
	saved nitehawk MACH_RP2040 # all that an old tree wrote
	run -78 --separate-stderr filter < <(nitehawk)
	[ "$(jq -r .error.message <<<"$output")" = "the source tree would change the saved configuration: architecture: saved MACH_RP2040, now MACH_AVR" ]
	hint=$(jq -r .error.hint <<<"$output")
	[[ $hint == *"kf config nitehawk"* && $hint != *--accept-difference* ]]
	# Nobody knows the board's MCU: a changed architecture may be another one.
	sed -i 's/"mcu": "rp2040"/"mcu": null/' "$file"
	run -78 --separate-stderr filter < <(nitehawk | jq -c '.board.mcu = null')
	[[ $(jq -r .error.hint <<<"$output") != *--accept-difference* ]]
	# The MCU is the board's all the same.
	two_boards
	saved nitehawk MACH_RPOLD MACH_RPXXXX RPXXXX_USB
	run -78 --separate-stderr filter < <(nitehawk)
	[[ $(jq -r .error.hint <<<"$output") == *"kf flash nitehawk --accept-difference" ]]
}

# differs SED MESSAGE: a change of the tree's Kconfig that must not pass unseen.
differs() {
	sed -i "$1" "$tree"/src/stm32/Kconfig
	run --separate-stderr filter < <(octopus)
	[ "$status" -eq 78 ]
	[ "$(jq -r .error.code <<<"$output")" = config_difference ]
	[ "$(jq -r .error.message <<<"$output")" = "the source tree would change the saved configuration: $2" ]
	git -C "$tree" checkout -q . 2>/dev/null || cp -r "$KF_TESTS/sim/tree/src" "$tree"
}

# bats test_tags=slow
@test "address, clock, crystal, pins: each is compared" {
	two_boards
	saved_whole octopus "${h723[@]}" LOW_LEVEL_OPTIONS STM32_CLOCK_REF_25M
	differs 's/0x8020000 if/0x8040000 if/' "application address: saved 0x8020000, now 0x8040000"
	differs 's/520000000 if/550000000 if/' "clock: saved 520000000, now 550000000"
	differs 's/STM32_CLOCK_REF_25M/STM32_CLOCK_REF_26M/' "crystal: saved 25000000, now 8000000"
	differs 's/STM32_USB_PA11_PA12/STM32_USB_PB14_PB15/' \
		"communication interface: saved STM32_USB_PA11_PA12, now STM32_USB_PB14_PB15"
	saved_whole octopus "${h723[@]}" STM32_MMENU_CANBUS_PD0_PD1 LOW_LEVEL_OPTIONS CANBUS_FREQUENCY=500000
	sed -i 's/config CANBUS_FREQUENCY/config CAN_FREQUENCY/' "$tree/src/Kconfig"
	differs '' "CAN bus frequency: saved 500000, now none"
}

# bats test_tags=slow
@test "CAN speed and pins count if they are used; other lost settings are listed" {
	two_boards
	# As Klipper v0.11.0 writes them, also without CAN.
	saved octopus "${h723[@]}" CANBUS_FREQUENCY=500000 SERIAL_BOOTLOADER_SIDECHANNEL HAVE_GPIO_BITBANGING \
		WANT_DISPLAYS STEP_DELAY=2
	run --separate-stderr filter < <(octopus)
	[ "$status" -eq 0 ]
	[[ $stderr == *"octopus: saved, but no longer in this tree: WANT_DISPLAYS, STEP_DELAY; kf config octopus shows the entries of the tree"* ]]
	saved octopus "${h723[@]:0:3}" STM32_USBCANBUS_PA11_PA12 CANSERIAL CANBUS_FREQUENCY=500000
	run --separate-stderr filter < <(octopus)
	[[ $(jq -r .error.message <<<"$output") == *"CAN bus frequency: saved 500000, now 1000000"* ]]
	[[ $(jq -r .error.hint <<<"$output") == "choose it again with kf config octopus; "*"kf flash octopus --accept-difference" ]]
	saved octopus "${h723[@]}" STM32F042_PIN_SWAP
	run --separate-stderr filter < <(octopus)
	[[ $(jq -r .error.message <<<"$output") == *": pins: saved STM32F042_PIN_SWAP, now none" ]]
}

@test "a difference without an entry in menuconfig: the hint says that the tree changed" {
	two_boards
	# Klipper 554ae78d8: the H723 runs at 520 MHz.
	saved octopus "${h723[@]}" CLOCK_FREQ=400000000
	run --separate-stderr filter < <(octopus)
	[[ $(jq -r .error.message <<<"$output") == *"clock: saved 400000000, now 520000000" ]]
	[ "$(jq -r .error.hint <<<"$output")" = "no entry of menuconfig changes it, the source tree does; to accept the change: \
kf flash octopus --accept-difference" ]
	run --separate-stderr filter --accept-d < <(octopus) # two names, one option
	[ "$status" -eq 0 ]
	run --separate-stderr filter --accept-drift < <(octopus) # its name before
	[ "$status" -eq 0 ]
}

@test "a tree with FLASH_START as the application address is understood" {
	two_boards
	saved octopus "${h723[@]}" FLASH_APPLICATION_ADDRESS=0x8020000
	sed -i 's/FLASH_APPLICATION_ADDRESS/FLASH_START/' "$tree"/src/*/Kconfig
	run --separate-stderr filter < <(octopus)
	[ "$status" -eq 0 ]
	[ "$(jq .config.start <<<"$output")" = $((0x8020000)) ]
}

@test "new symbols, other spellings and derived names are no difference" {
	two_boards
	saved_whole octopus "${h723[@]}"
	config=$ours/configs/octopus/.config
	sed -i 's/0x8020000/0x08020000/; /CLOCK_FREQ/d' "$config"
	# Klipper 9b342c65c: the address had another name.
	sed -i 's/FLASH_APPLICATION_ADDRESS/FLASH_START/' "$config"
	sed -i 's/STM32_FLASH_START_20000/STM32_ROOM_20000/; s/STM32_FLASH_START_0000/STM32_ROOM_0000/
		/config STM32_FLASH_START_8000/,+3d; /0x8008000\|0x8010000/d' "$tree/src/stm32/Kconfig"
	printf 'config WANT_LASERS\n\tbool\n\tdefault y\n' >>"$tree/src/Kconfig"
	run --separate-stderr filter < <(octopus)
	[ "$status" -eq 0 ]
	grep -q '^CONFIG_WANT_LASERS=y' "$cache/configs/octopus/.config"
}

@test "an accepted difference is saved, and the old configuration is kept" {
	two_boards
	saved_whole octopus "${h723[@]}"
	config=$ours/configs/octopus/.config
	sed -i 's/520000000 if/550000000 if/' "$tree/src/stm32/Kconfig"
	cp "$config" before
	run --separate-stderr filter --accept-difference < <(octopus)
	[ "$status" -eq 0 ]
	[[ $stderr == *"octopus: stm32h723xx, application at 0x08020000, usb; saved; the configuration before it is kept as .config.old" ]]
	cmp "$config.old" before
	cmp "$config" "$cache/configs/octopus/.config"
	grep -qx CONFIG_CLOCK_FREQ=550000000 "$config"
	run --separate-stderr filter < <(octopus)
	[ "$status" -eq 0 ]
	[[ $stderr != *saved* ]]
	cmp "$config.old" before
}

@test "a board on USB gets a configuration without USB only with --accept-difference" {
	two_boards
	saved octopus "${h723[@]:0:3}" STM32_SERIAL_USART1
	run --separate-stderr filter < <(octopus)
	[ "$(jq -r '.error.code, .config' <<<"$output")" = $'config_difference\nnull' ]
	[[ $stderr == *"the configuration says serial, the board is on USB"*"kf config octopus;"*"kf flash octopus --accept-difference"* ]]
	run --separate-stderr filter --accept-difference < <(octopus)
	[ "$(jq -r '.error, .config.comm' <<<"$output")" = $'null\nserial' ]
}

@test "a bridge keeps its configuration for CAN; one that is for USB would cut off the nodes behind it" {
	bridge() {
		octopus | jq -c '.board.tty = null | .board.by_id = null |
			.board.link = {type: "can", interface: "can0", uuid: "95c25dd8fd1e", usb_port: "1-1.2"}'
	}
	two_boards
	saved_whole octopus "${h723[@]}" STM32_USBCANBUS_PA11_PA12
	run --separate-stderr filter < <(bridge)
	[ "$(jq -r '.error, .config.comm' <<<"$output")" = $'null\nusbcan' ]
	saved_whole octopus "${h723[@]}"
	run -78 --separate-stderr filter < <(bridge)
	[ "$(jq -r '.error | .code, .message, .hint' <<<"$output")" = "config_difference
communication interface: the configuration says usb, the board is the USB-to-CAN bridge of can0: no node behind it could be reached
choose a USB to CAN bus bridge: kf config octopus; or accept it: kf flash octopus --accept-difference" ]
	run -0 --separate-stderr filter --accept-difference < <(bridge)
}

@test "--from: a configuration from anywhere is completed and saved" {
	two_boards
	saved octopus "${h723[@]}"
	mv "$ours/configs/octopus/.config" "my octopus.config"
	sed -i '1s/^/\xef\xbb\xbf/' "my octopus.config"
	run -0 --separate-stderr filter --from "my octopus.config" < <(octopus)
	[ "$stderr" = "[Config] octopus: stm32h723xx, application at 0x08020000, usb; saved" ]
	[ "$(head -c 1 "$ours/configs/octopus/.config")" = "#" ]
	cmp "$ours/configs/octopus/.config" "$cache/configs/octopus/.config"
	grep -qx CONFIG_CLOCK_FREQ=520000000 "$ours/configs/octopus/.config"
	# Another one is kept as .config.old, the same one is not.
	cp "$ours/configs/octopus/.config" before
	sed -i s/20000/0000/ "my octopus.config"
	filter -q --from "my octopus.config" < <(octopus) >/dev/null
	cmp "$ours/configs/octopus/.config.old" before
	filter -q --from "my octopus.config" < <(octopus) >/dev/null
	cmp "$ours/configs/octopus/.config.old" before
	[ "$(wc -l <"my octopus.config")" -eq 4 ]
	rm -r "$ours/configs/octopus"
	run -0 --separate-stderr setsid -w kf config octopus --from "my octopus.config"
	[[ $stderr == *"[Config] octopus: stm32h723xx, application at 0x08000000, usb; saved" ]]
	[ -e "$ours/configs/octopus/.config" ]
}

@test "--from: a file that the tree would change is not saved" {
	two_boards
	saved octopus "${h723[@]}" CLOCK_FREQ=400000000
	mv "$ours/configs/octopus/.config" other.config
	cp other.config before
	run -78 --separate-stderr filter --from other.config < <(octopus)
	[ "$(jq -r .error.message <<<"$output")" = "other.config: the source tree would change the saved configuration: clock: saved 400000000, now 520000000" ]
	[[ $(jq -r .error.hint <<<"$output") == *"to accept the change: the same command with --accept-difference" ]]
	[ ! -e "$ours/configs/octopus/.config" ]
	run -0 filter --accept-difference --from other.config < <(octopus)
	grep -qx CONFIG_CLOCK_FREQ=520000000 "$ours/configs/octopus/.config"
	rm "$ours/configs/octopus/.config"
	cmp other.config before
	saved octopus "${h723[@]:0:3}" STM32_SERIAL_USART1
	mv "$ours/configs/octopus/.config" uart.config
	cp "$cache/configs/octopus/.config" before
	run -78 --separate-stderr filter --from uart.config < <(octopus)
	cmp "$cache/configs/octopus/.config" before
	[ "$(jq -r .error.hint <<<"$output")" = "or accept it: the same command with --accept-difference" ]
	run -78 --separate-stderr filter --from other.config < <(nitehawk)
	[ ! -e "$ours/configs/octopus/.config" ] && [ ! -e "$ours/configs/nitehawk/.config" ]
}

@test "--from: the board's lock is held until the configuration is saved" {
	case $KF_BUILD in *address*) skip "a sanitizer refuses strace" ;; esac
	two_boards
	saved octopus "${h723[@]}"
	octopus >in
	mv "$ours/configs/octopus/.config" file
	strace -e trace=openat,close,/^rename -o trace kf-config -q --from file <in >out
	fd=$(sed -n 's|.*"'"$cache"'/configs/octopus/lock".* = ||p' trace)
	sed -n '\|"'"$cache"'/configs/octopus/lock"|,$p' trace | sed -n "0,/^close($fd)/p" >held
	grep -q "^close($fd)" held
	grep "^rename.*\"$ours/configs/octopus/.config\"" held
}

@test "--from: a file that is no configuration, or is not there, is refused" {
	two_boards
	saved octopus "${h723[@]}"
	cp "$ours/configs/octopus/.config" before
	echo 'CONFIG_X=$(shell touch pwned)' >hostile
	head -c 2000000 /dev/zero | tr '\0' '#' >huge
	printf 'CONFIG_MCU="stm32\0"\n' >nul
	mkfifo fifo
	for name in hostile huge nul fifo nonesuch .; do
		run --separate-stderr filter --from "$name" < <(octopus)
		[[ $status -eq 78 || $status -eq 74 ]]
		[[ $(jq -r .error.message <<<"$output") == *"$name"* ]]
		[ "$(jq .config <<<"$output")" = null ]
		cmp "$ours/configs/octopus/.config" before
	done
	[ ! -e pwned ] && [ ! -e "$tree/pwned" ]
	run -64 --separate-stderr filter --from before < <(octopus && nitehawk)
	[ "$stderr" = "kf-config: --from needs one registered board on standard input, and there are 2" ]
	run -64 --separate-stderr filter --from before < <(octopus '.board.key = null')
	[[ $stderr == *"and there are 0" ]]
	run -64 filter --from= < <(octopus)
	run -64 --separate-stderr filter --menuconfig --from before < <(octopus)
	[ "${stderr_lines[0]}" = "kf-config: --menuconfig and --from exclude each other" ]
}

@test "a configuration is not a Makefile" {
	two_boards
	for line in 'CONFIG_X=$(shell touch pwned)' 'all: ; touch pwned' $'CONFIG_USB_PRODUCT="\e[2J"'; do
		saved octopus "${h723[@]}"
		echo "$line" >>"$ours/configs/octopus/.config"
		run --separate-stderr filter < <(octopus)
		[ "$status" -eq 78 ]
		[[ $(jq -r '.error | .code + " " + .message' <<<"$output") == "config $ours/configs/octopus/.config: Kconfig never writes such a line as line 5: "* ]]
		[[ $stderr != *$'\e'* ]]
		[ ! -e pwned ] && [ ! -e "$tree/pwned" ]
	done
	saved octopus "${h723[@]}" 'INITIAL_PINS="!PA1, ^PC:2"' LOW_LEVEL_OPTIONS 'USB_PRODUCT="Joe'"'"'s (\"new\") & 50% #1"'
	run --separate-stderr filter < <(octopus)
	[ "$status" -eq 0 ]
}

@test "a configuration without an interface: the record names none" {
	registry <<<'{"devices": {"mega": {"name": "Mega", "mcu": "atmega2560", "usb_port": "1-5"}}}'
	saved mega MACH_AVR
	run -0 --separate-stderr filter < <(seen atmega2560 "" 1-5 '.board += {key: "mega", mode: "other"}')
	[[ $stderr == *"[Config] mega: atmega2560, application at 0x00000000" ]]
}

@test "no configuration and no terminal: the hint has the command" {
	two_boards
	run --separate-stderr filter < <(octopus)
	[ "$status" -eq 78 ]
	[ "$(jq -r .error.code <<<"$output")" = no_config ]
	[[ $(jq -r .error.hint <<<"$output") == *"kf config octopus"* ]]
	[ ! -e "$ours/configs" ]
	run -78 --separate-stderr filter --menuconfig < <(octopus)
	[ "$output" = "" ]
	[ "$stderr" = "kf-config: octopus: no configuration is saved for this board
  make one on a terminal with kf config octopus, or put a .config at $ours/configs/octopus/.config" ]
	saved octopus "${h723[@]}"
	run -64 --separate-stderr filter --menuconfig < <(octopus)
	[ "$output" = "" ]
	[ "$stderr" = "kf-config: octopus: there is no terminal for questions
  type on a terminal: kf config octopus" ]
}

@test "an old configuration: a message says to review it" {
	two_boards
	saved octopus "${h723[@]}"
	touch -d '89 days ago' "$ours/configs/octopus/.config"
	run --separate-stderr filter < <(octopus)
	[[ $stderr != *review* ]]
	touch -d '91 days ago' "$ours/configs/octopus/.config"
	run --separate-stderr filter < <(octopus)
	[ "$status" -eq 0 ]
	[[ $stderr == *"[Config] octopus: saved 91 days ago: review it"* ]]
	run --separate-stderr filter -q < <(octopus)
	[[ $status -eq 0 && $stderr == "" ]]
}

@test "trees that cannot be used are refused before make runs" {
	two_boards
	saved octopus "${h723[@]}"
	mv "$tree" "$HOME/a b"
	run --separate-stderr filter < <(octopus)
	[ "$(jq -r .error.code <<<"$output")" = no_tree ]
	[[ $(jq -r .error.message <<<"$output") == "$HOME/klipper: "*"No such file"* ]]
	run --separate-stderr filter --klipper-dir="$HOME/a b" < <(octopus)
	[[ $(jq -r .error.message <<<"$output") == *"a path with a space" ]]
	[ "$(jq -r .error.hint <<<"$output")" = "move the tree, then --klipper-dir=DIR" ]
	# The hint is for the setting that counts.
	[ "$(filter < <(octopus) 2>/dev/null | jq -r .error.hint)" = "name it with kf set --global klipper_dir=DIR" ]
	kf-config -q set octopus klipper_dir="$HOME/nonesuch" >/dev/null 2>&1
	[ "$(filter < <(octopus) 2>/dev/null | jq -r .error.hint)" = "name it with kf set octopus klipper_dir=DIR" ]
	mv "$HOME/a b" "$HOME/other"
	run --separate-stderr filter --klipper-dir="$HOME/other" < <(octopus)
	[ "$status" -eq 0 ]
	run --separate-stderr env XDG_CACHE_HOME="$HOME/my cache" kf-config --klipper-dir="$HOME/other" < <(octopus)
	[[ $(jq -r .error.hint <<<"$output") == *XDG_CACHE_HOME* ]]
	mkdir "$HOME/bin"
	ln -s /usr/bin/git /usr/bin/make "$HOME/bin"
	kf=$(command -v kf-config)
	run --separate-stderr env PATH="$HOME/bin" "$kf" --klipper-dir="$HOME/other" < <(octopus)
	[ "$(jq -r '.error | .code, .message, .hint' <<<"$output")" = "no_toolchain
python3 is missing; a build needs it
sudo apt-get install python3" ]
}

@test "olddefconfig fails or hangs: its last lines are shown, and no file is left" {
	two_boards
	saved octopus "${h723[@]}"
	echo nonsense >>"$tree/src/Kconfig"
	run --separate-stderr filter < <(octopus)
	[ "$status" -eq 1 ]
	[ "$(jq -r .error.code <<<"$output")" = build_failed ]
	[[ $(jq -r .error.message <<<"$output") == *"olddefconfig"*"status 2: "* ]]
	[ -s "$(jq -r .error.log <<<"$output")" ]
	sed -i 's|.*-m olddefconfig.*|\t@echo $$$$ >$(OUT)pid; exec sleep 300|' "$tree/Makefile"
	run --separate-stderr filter --timeout=0.4 < <(octopus)
	[ "$status" -eq 75 ]
	[ "$(jq -r .error.code <<<"$output")" = timeout ]
	timeout 10 tail --pid="$(<"$cache/configs/octopus/work/out/pid")" -f /dev/null
}

@test "a stop signal: status 128 + N, and no record is written" {
	two_boards
	saved octopus "${h723[@]}"
	mkfifo fifo
	sed -i "s|.*-m olddefconfig.*|\t@echo on >$PWD/fifo; exec sleep 300|" "$tree/Makefile"
	octopus >in
	# A shell's background job ignores SIGINT; SIGTERM is as good.
	kf-config <in >out 2>err &
	read -r _ <fifo
	send_signal TERM $!
	status=0
	wait $! || status=$?
	[ "$status" -eq 143 ]
	[ ! -s out ]
	run ! grep "by a signal" err
}

@test "menuconfig starts with a proposal, and saves its configuration" {
	need pty
	two_boards
	fake_menuconfig <<-'END'
		test -t 0 && test -t 1 && grep -qx CONFIG_MACH_RPXXXX=y "$KCONFIG_CONFIG" && touch "$KCONFIG_CONFIG.old" &&
		printf 'CONFIG_MACH_RPXXXX=y\n' >"$KCONFIG_CONFIG"
	END
	saved octopus "${h723[@]}"
	{ octopus && nitehawk; } >in
	run terminal 'kf-config <in >out' "choose the bootloader offset.*Which.*leave. " 'm\r'
	[ "$status" -eq 0 ]
	output=$(tr -s ' \r\n' ' ' <<<"$output") # the terminal's lines are wrapped
	[[ $output == *"nitehawk: menuconfig for"*"nitehawk: rp2040, application at 0x"*"; saved"* ]]
	[[ $output == *"MACH_RPXXXX=y, from: the MCU's name"*"RPXXXX_USB=y, from: its USB strings"* ]]
	[[ $output == *"choose the bootloader offset: nothing tells it"*"None (the tree's default)"*"Enter: None"* ]]
	[[ $output != *"octopus: menuconfig"* ]]
	[ "$(jq -c '[.config.mcu, .error]' <out)" = '["stm32h723xx",null]
["rp2040",null]' ]
	[ "$(<"$ours/configs/nitehawk/.config")" = CONFIG_MACH_RPXXXX=y ]
	[ "$(ls -A "$ours/configs/nitehawk")" = .config ]
	[ ! -e "$tree/.config" ]
}

# bats test_tags=slow
@test "menuconfig left without saving: no configuration, or the old one" {
	need pty
	two_boards
	fake_menuconfig </dev/null
	nitehawk >in
	run terminal 'kf-config <in >out' 'Which.*leave. ' 'm\r'
	[ "$status" -eq 78 ]
	[ "$(jq -r .error.code <out)" = not_saved ]
	[ ! -e "$ours/configs" ]
	saved nitehawk MACH_RPXXXX
	left='left without saving.*y/N.'
	run terminal 'kf-config --menuconfig <in >out' "$left" '\r'
	[ "$(jq -r '.error.code, .config' <out)" = $'not_saved\nnull' ]
	run terminal 'kf-config --menuconfig <in >out' "$left" 'y\r'
	[ "$status" -eq 0 ]
	[[ $output == *"menuconfig for"* && $output != *"; saved"* ]]
	[ "$(jq -r .config.mcu <out)" = rp2040 ]
	# Nothing is built from it, so nothing is asked.
	run terminal 'kf-config --menuconfig <in'
	[ "$status" -eq 0 ]
	[[ $output != *y/N* ]]
}

# bats test_tags=slow
@test "menuconfig saves for another MCU, or fails: the saved configuration stays" {
	need pty
	two_boards
	fake_menuconfig <<<'echo CONFIG_MACH_AVR=y >"$KCONFIG_CONFIG"'
	saved nitehawk MACH_RPXXXX
	nitehawk >in
	run terminal 'kf-config --menuconfig <in >out'
	[ "$status" -eq 78 ]
	edited=$cache/configs/nitehawk/edit/.config
	[ "$(jq -r .error.message <out)" = "$edited is not saved: the configuration is for atmega2560, the board is rp2040" ]
	[ "$(<"$edited")" = CONFIG_MACH_AVR=y ]
	[ "$(<"$ours/configs/nitehawk/.config")" = CONFIG_MACH_RPXXXX=y ]
	fake_menuconfig <<<'printf "Traceback (most recent call last):\n  File x\nlocale.Error: unsupported\n" >&2; exit 1'
	run terminal 'kf-config --menuconfig <in >out'
	[ "$status" -eq 1 ]
	[[ $output != *Traceback* ]]
	[ "$(jq -r .error.message <out)" = "make menuconfig in $tree ended with status 2: locale.Error: unsupported" ]
	grep -q Traceback "$(jq -r .error.log <out)"
}

@test "skip_menuconfig is false: menuconfig opens each time; if it fails, the board fails" {
	need pty
	two_boards
	kf-config set --global skip_menuconfig=false >/dev/null
	fake_menuconfig <<<'echo CONFIG_WANT_ADC=n >>"$KCONFIG_CONFIG"; exit 3'
	saved nitehawk MACH_RPXXXX
	ln -s "$ours/configs/nitehawk" "$HOME/dotfiles"
	nitehawk >in
	run terminal 'kf-config --saved <in >out'
	[ "$status" -eq 0 ]
	[[ $output != *menuconfig* ]]
	run terminal 'kf-config <in >out'
	[ "$status" -eq 1 ]
	[[ $(jq -r .error.message <out) == "make menuconfig in $tree ended with status 2: make: "* ]]
	[ "$(<"$ours/configs/nitehawk/.config")" = CONFIG_MACH_RPXXXX=y ]
	run --separate-stderr filter <in
	[ "$status" -eq 0 ]
}

# bats test_tags=slow
@test "the real menuconfig: saved, not saved" {
	need pty
	two_boards
	nitehawk >in
	run terminal 'kf-config <in >out' 'Which.*leave. ' 'm\r' Architecture q 'Save configuration' n
	[ "$(jq -r .error.code <out)" = not_saved ]
	# It begins with the proposal, not with an AVR.
	run terminal 'kf-config <in >out' 'Which.*leave. ' 'm\r' Architecture q 'Save configuration' y
	[ "$status" -eq 0 ]
	[ "$(jq -r .config.mcu <out)" = rp2040 ]
	[ "$(ls -A "$ours/configs/nitehawk")" = .config ]
	cmp "$ours/configs/nitehawk/.config" "$cache/configs/nitehawk/.config"
}

# bats test_tags=slow
@test "the real menuconfig opens with any locale and TERM" {
	need pty
	two_boards
	nitehawk >in
	for setting in LC_ALL=de_AT.UTF-8 LC_TIME=xx_XX TERM=xterm-nonesuch TERM=nonesuch TERM=dumb -uTERM; do
		run terminal "env -u LC_ALL $setting kf-config --menuconfig <in >out" 'Which.*leave. ' 'm\r' Architecture q 'Save configuration' n
		[ "$(jq -r .error.code <out)" = not_saved ] || { echo "$setting: $output" && false; }
		[[ $output != *Traceback* ]]
	done
}

@test "a byte order mark before a saved configuration is ignored, also by menuconfig" {
	need pty
	two_boards
	saved octopus "${h723[@]}"
	config=$ours/configs/octopus/.config
	printf '\xef\xbb\xbf%s\n' "$(<"$config")" >"$config"
	run --separate-stderr filter < <(octopus)
	[ "$(jq -r '.error, .config.mcu' <<<"$output")" = $'null\nstm32h723xx' ]
	fake_menuconfig <<<'head -c 17 "$KCONFIG_CONFIG" >"$HOME/head"; echo CONFIG_WANT_ADC=n >>"$KCONFIG_CONFIG"'
	octopus >in
	run terminal 'kf-config --menuconfig <in >out'
	[ "$(<"$HOME/head")" = CONFIG_MACH_STM32 ]
	# It goes to make, which would run it.
	echo '$(shell touch pwned)' >"$config"
	run terminal 'kf-config --menuconfig <in >out'
	[[ $(jq -r .error.message <out) == *"Kconfig never writes such a line as line 1"* ]]
}
