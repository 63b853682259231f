#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; bash -c and jq have $ of their own
load helper
load builds

setup() {
	fresh_tree
}

# built KEY... [-- OPTION...]: kf-build of their records; status, output and stderr as by run.
built() {
	local keys=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		keys+=("$1")
		shift
	done
	run --separate-stderr kf-build --klipper-dir "$tree" "${@:2}" < <(
		for key in "${keys[@]}"; do record "$key"; done
	)
}

checksums() {
	(cd "$tree" && find . -type f -print0 | sort -z | xargs -0 sha256sum && find . | sort)
}

@test "mistakes on the command line" {
	for mistake in --nonesuch -j0 -jx --timeout=0 octopus; do
		run -64 --separate-stderr kf-build "$mistake"
		[[ $output == "" && $stderr != "" ]]
	done
}

# bats test_tags=slow
@test "a board's firmware is built, kept and described" {
	config octopus MACH_STM32 MACH_STM32H723 STM32_FLASH_START_20000
	before=$(checksums)
	run --separate-stderr kf-build --klipper-dir "$tree" < <(record octopus '.extra = 7')
	[ "$status" -eq 0 ]
	[[ ${stderr_lines[0]} == "[Build] octopus: make -j"*" in $tree" ]]
	valid_records <<<"$output"
	jq -e '.extra == 7 and .error == null and .config.sha256 != null' <<<"$output"
	jq -e '.firmware | .format == "bin" and .mcu == "stm32h723xx" and .start == 134348800 and
		.reused == false and .seconds > 0 and
		(.version | startswith("v1.0.0-7-g5e1fca5e0-20231114_221320-"))' <<<"$output"
	path=$(jq -r .firmware.path <<<"$output")
	sum=$(sha256sum <"$path" | cut -c1-64)
	[ "$path" = "$state/firmware/octopus/${sum:0:12}/klipper.bin" ]
	[ "$(jq -r .firmware.sha256 <<<"$output")" = "$sum" ]
	[ "$(jq -r .firmware.bytes <<<"$output")" -eq "$(stat -c %s "$path")" ]
	[ "$(cat "$state/firmware/octopus/latest")" = "${sum:0:12}" ]
	cmp "${path%/*}/.config" "$XDG_CONFIG_HOME/kalico-flash/configs/octopus/.config"
	jq -e '.config.MCU == "stm32h723xx"' "${path%/*}/klipper.dict"
	jq -e --arg tree "$tree" '.tree == $tree and .time != null and .config_sha256 != null' \
		"${path%/*}/firmware.json"
	[ "$(checksums)" = "$before" ]
}

# bats test_tags=slow
@test "the image of every kind of MCU is found" {
	config stm MACH_STM32
	config sam MACH_ATSAM
	config boot MACH_RPXXXX RPXXXX_FLASH_START_4000
	config uf2 MACH_RPXXXX
	config avr MACH_AVR
	config host MACH_LINUX
	built stm sam boot uf2 avr host -- -q
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
	[ "$(jq -r '[.board.key, .firmware.mcu, .firmware.format, .firmware.start,
		(.firmware.path | split("/") | last)] | join(" ")' <<<"$output")" = "\
stm stm32f446xx bin 134250496 klipper.bin
sam sam3x8e bin 524288 klipper.bin
boot rp2040 bin 268451840 klipper.bin
uf2 rp2040 uf2 268435456 klipper.uf2
avr atmega2560 elf.hex 0 klipper.elf.hex
host linux elf 4194304 klipper.elf" ]
}

# bats test_tags=slow
@test "a failed build: its last lines are shown as clean text, other boards are built" {
	config bad MACH_STM32 SIM_BUILD_FAIL
	config good MACH_STM32
	sed -i 's/error: step/\x1b]0;title\x07error: step/' "$tree/Makefile"
	built bad good
	[ "$status" -eq 1 ]
	valid_records <<<"$output"
	jq -se --arg log "$state/logs/bad-build.log" '.[0].error.code == "build_failed" and
		(.[0].error.message | contains("status 2")) and .[0].error.log == $log and
		.[0].firmware == null and .[1].error == null and .[1].firmware.mcu == "stm32f446xx"' \
		<<<"$output"
	[[ $stderr == *"  | src/stepper.c:7:12: ?]0;title?error: step_pulse undeclared"* ]]
	[[ $stderr == *"  log: $state/logs/bad-build.log"* && $stderr != *$'\x1b'* ]]
	[ "$(grep -c '^  | ' <<<"$stderr")" -le 10 ]
	[ ! -e "$state/firmware/bad" ]
	grep -q "step_pulse undeclared" "$state/logs/bad-build.log"
}

@test "a build that hangs is ended with all its children" {
	config slow MACH_STM32 SIM_BUILD_SECONDS=7391
	built slow -- --timeout 0.5
	[ "$status" -eq 75 ]
	jq -e '.error.code == "timeout" and (.error.message | contains("within 0.5 s")) and
		.firmware == null' <<<"$output"
	[[ $stderr == *"--timeout=SECONDS"* ]]
	run pgrep -f "sleep 7391"
	[ "$status" -eq 1 ]
	[ ! -e "$state/firmware/slow" ]
}

@test "a stop signal ends the build, and no record is written" {
	config good MACH_STM32
	config slow MACH_STM32 SIM_BUILD_SECONDS=7392
	(record good && record slow) >"$BATS_TEST_TMPDIR/in"
	mkfifo "$BATS_TEST_TMPDIR/said"
	for signal in INT TERM HUP; do
		env --default-signal=INT kf-build --klipper-dir "$tree" <"$BATS_TEST_TMPDIR/in" \
			>"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/said" &
		pid=$!
		while read -r line && [[ $line != *"slow: make"* ]]; do :; done <"$BATS_TEST_TMPDIR/said"
		send_signal "$signal" "$pid"
		status=0
		wait "$pid" || status=$?
		[ "$status" -eq $((128 + $(kill -l $signal))) ]
		[ ! -s "$BATS_TEST_TMPDIR/out" ]
		run -1 pgrep -f "sleep 7392"
		[ ! -e "$state/firmware/slow" ]
	done
}

# bats test_tags=slow
@test "firmware for another MCU, or without a dictionary, is refused and not kept" {
	config wrong MACH_STM32 SIM_BUILD_WRONG_MCU
	config blank MACH_STM32 SIM_BUILD_NO_DICTIONARY
	config renamed MACH_STM32
	# A symbol was renamed: the configuration's text says rp2040, but make builds for AVR.
	printf 'CONFIG_MACH_RP2040=y\nCONFIG_BOARD_DIRECTORY="rp2040"\nCONFIG_MCU="rp2040"\n' \
		>"$XDG_CONFIG_HOME/kalico-flash/configs/renamed/.config"
	built wrong blank renamed
	[ "$status" -eq 1 ]
	[ "$(jq -r .error.code <<<"$output" | xargs)" = "mcu_mismatch bad_image mcu_mismatch" ]
	jq -se '.[0].error.message | contains("stm32f446xx") and contains("atmega2560")' <<<"$output"
	jq -se '.[2].error.message | contains("rp2040") and contains("atmega2560")' <<<"$output"
	[ ! -e "$state/firmware" ]
}

@test "a configuration that changed since its check is refused before make" {
	for key in changed gone folder fifo; do
		config $key MACH_STM32
		record $key
	done >"$BATS_TEST_TMPDIR/in"
	cd "$XDG_CONFIG_HOME/kalico-flash/configs"
	echo >>changed/.config
	rm gone/.config folder/.config fifo/.config
	mkdir folder/.config
	mkfifo fifo/.config
	run -1 --separate-stderr kf-build --klipper-dir "$tree" <"$BATS_TEST_TMPDIR/in"
	[ "$(jq -r 'select(.error).board.key' <<<"$output" | xargs)" = "changed gone folder fifo" ]
	jq -se '.[0].error | .code == "config" and (.message | contains("changed")) and
		(.hint | contains("run the same command again"))' <<<"$output"
	[ ! -e "$state" ]
	[ ! -e "$cache/build" ]
}

# bats test_tags=slow
@test "a configuration that changes during make is refused" {
	config poked MACH_STM32
	config ours MACH_STM32
	cat >>"$tree/Makefile" <<-'EOF'
		$(OUT)klipper.elf: poke
		poke: $(PARTS); echo '# later' >> $(if $(findstring poked,$(OUT)),$(POKE),$(KCONFIG_CONFIG))
	EOF
	export POKE=$XDG_CONFIG_HOME/kalico-flash/configs/poked/.config
	built poked ours
	[ "$status" -eq 78 ]
	jq -se --arg poked "$POKE" --arg ours "$cache/build/ours/.config" 'map(.error.message) ==
		[$poked + " changed during the build", $ours + " changed during the build"]' <<<"$output"
	[ ! -e "$state/firmware" ]
}

@test "a tree or cache whose path make cannot use is refused before make" {
	config octopus MACH_STM32
	cp -r "$tree" "$BATS_TEST_TMPDIR/my tree"
	run --separate-stderr kf-build --klipper-dir "$BATS_TEST_TMPDIR/my tree" < <(record octopus)
	[ "$status" -eq 78 ]
	jq -e '.error.code == "no_tree" and (.error.message | contains("my tree"))' <<<"$output"
	run --separate-stderr kf-build --klipper-dir "$BATS_TEST_TMPDIR/none" < <(record octopus)
	[ "$status" -eq 78 ]
	jq -e '.error.code == "no_tree" and .error.hint == "name it with --klipper-dir=DIR"' <<<"$output"
	run --separate-stderr env XDG_CACHE_HOME="$HOME/my cache" kf-build --klipper-dir "$tree" \
		< <(record octopus)
	[ "$status" -eq 78 ]
	jq -e '.error.code == "config" and (.error.message | contains("space"))' <<<"$output"
	[ ! -e "$state/firmware" ]
	[ ! -e "$tree/out" ]
}

# bats test_tags=slow
@test "files that Kalico's Makefile writes into the tree are removed" {
	config octopus MACH_STM32
	mkdir "$tree/src/extras"
	# Like Kalico's scripts/find-firmware-extras.sh: at every start, before any rule.
	cat >>"$tree/Makefile" <<-'EOF'
		$(shell for f in Kconfig Makefile; do : > src/extras/$$f; done; echo ran >> $(RAN))
	EOF
	export RAN=$BATS_TEST_TMPDIR/ran
	built octopus
	[ "$status" -eq 0 ]
	[ "$(sort -u "$RAN")" = ran ]
	[ "$(ls "$tree/src/extras")" = "" ]
	touch "$tree/src/extras/Kconfig"
	built octopus -- --clean
	[ "$status" -eq 0 ]
	[ "$(ls "$tree/src/extras")" = $'Kconfig\nMakefile' ]
}

@test "the last of several makes removes the files that Kalico's Makefile writes" {
	config a MACH_STM32
	config b MACH_RPXXXX
	mkdir "$tree/src/extras"
	cat >>"$tree/Makefile" <<-'EOF'
		$(shell for f in Kconfig Makefile; do : > src/extras/$$f; done)
		BOARD := $(notdir $(patsubst %/out/,%,$(OUT)))
		$(OUT)autoconf.h: | begin
		begin: ; @echo >$(PIPES)/begun-$(BOARD); cat <$(PIPES)/go-$(BOARD)
	EOF
	export PIPES=$BATS_TEST_TMPDIR
	mkfifo "$PIPES"/{begun,go}-{a,b}
	together() { # what is there when both have ended, the first one first
		local board makes=()
		for board in a b; do
			kf-build -q --clean --klipper-dir "$tree" < <(record $board) >/dev/null 3>&- &
			makes+=($!)
			read -r <"$PIPES/begun-$board"
		done
		for board in a b; do
			: >"$PIPES/go-$board"
			wait "${makes[0]}"
			makes=("${makes[@]:1}")
		done
		ls "$tree/src/extras"
	}
	[ "$(together)" = "" ]
	touch "$tree/src/extras/Kconfig"
	[ "$(together)" = $'Kconfig\nMakefile' ]
}

@test "a tree with extras of the user's own: one make at a time" {
	config octopus MACH_STM32
	mkdir -p "$tree/src/extras/mine" # a folder without a Kconfig is no extra
	record octopus >"$BATS_TEST_TMPDIR/in"
	run -0 --separate-stderr flock "$tree/src/extras" kf-build --klipper-dir "$tree" <"$BATS_TEST_TMPDIR/in"
	touch "$tree/src/extras/mine/Kconfig"
	run -75 --separate-stderr flock "$tree/src/extras" kf-build --wait 0 --klipper-dir "$tree" \
		<"$BATS_TEST_TMPDIR/in"
	[[ $(jq -r '.error.code + " " + .error.message' <<<"$output") == "busy another build is using $tree/src/extras" ]]
}

@test "a missing compiler or C library: the error names its packages, before make runs" {
	config octopus MACH_STM32
	config other MACH_AVR
	echo 'CROSS_PREFIX=arm-none-eabi-' >>"$tree/src/stm32/Makefile"
	echo 'CROSS_PREFIX = nonesuch-' >>"$tree/src/avr/Makefile"
	mkdir "$BATS_TEST_TMPDIR/bin"
	for program in make python3 git; do
		ln -s "$(command -v $program)" "$BATS_TEST_TMPDIR/bin/$program"
	done
	(record octopus && record other) >"$BATS_TEST_TMPDIR/in"
	with_bin() {
		run -78 --separate-stderr env PATH="$BATS_TEST_TMPDIR/bin" "$(command -v kf-build)" \
			--klipper-dir "$tree" <"$BATS_TEST_TMPDIR/in"
	}
	with_bin
	jq -se '.[0].error | .code == "no_toolchain" and (.message | contains("arm-none-eabi-")) and
		(.hint | contains("gcc-arm-none-eabi") and contains("libnewlib-arm-none-eabi"))' <<<"$output"
	jq -se '.[1].error | .code == "no_toolchain" and (.message | contains("nonesuch-"))' <<<"$output"
	for program in gcc ld objcopy; do
		printf '#!/bin/sh\necho libc_nano.a\n' >"$BATS_TEST_TMPDIR/bin/arm-none-eabi-$program"
		chmod +x "$BATS_TEST_TMPDIR/bin/arm-none-eabi-$program"
	done
	with_bin
	jq -se '.[0].error | .code == "no_toolchain" and (.message | contains("libc_nano.a"))' <<<"$output"
	[ ! -e "$cache/build" ]
}

@test "git does not answer: the error says how long it had" {
	config octopus MACH_STM32
	mkdir "$tree/.git" "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\nexec sleep 7393\n' >"$BATS_TEST_TMPDIR/bin/git"
	chmod +x "$BATS_TEST_TMPDIR/bin/git"
	run -75 --separate-stderr env PATH="$BATS_TEST_TMPDIR/bin:$PATH" kf-build --timeout 0.3 \
		--klipper-dir "$tree" < <(record octopus)
	[ "$(jq -r '.error | .code + " " + .message' <<<"$output")" = \
		"timeout git did not answer within 0.3 s about $tree" ]
	run pgrep -f "sleep 7393"
	[ "$status" -eq 1 ]
}

@test "two builds of one board do not disturb each other" {
	config octopus MACH_STM32
	mkdir -p "$cache/build/octopus"
	record octopus >"$BATS_TEST_TMPDIR/in"
	run -75 --separate-stderr flock "$cache/build/octopus/lock" kf-build --klipper-dir "$tree" <"$BATS_TEST_TMPDIR/in"
	jq -e '.error.code == "busy"' <<<"$output"
}

@test "records of excluded and unregistered boards are passed on unchanged" {
	config octopus MACH_STM32
	{
		record octopus '.error = {tool: "kf-config", code: "no_config", message: "none"}'
		record octopus '.board.excluded = true'
		record octopus '.board.key = null'
		record octopus 'del(.config)'
		record octopus '.config = null'
	} >"$BATS_TEST_TMPDIR/in"
	run --separate-stderr kf-build --klipper-dir "$BATS_TEST_TMPDIR/none" <"$BATS_TEST_TMPDIR/in"
	[ "$status" -eq 1 ] # the first board has failed before
	[ "$stderr" = "" ]
	[ "$output" = "$(cat "$BATS_TEST_TMPDIR/in")" ]
	run --separate-stderr kf-build --klipper-dir "$tree" < <(tail -n +2 "$BATS_TEST_TMPDIR/in")
	[ "$status" -eq 0 ]
}

# bats test_tags=slow
@test "the tree is the option's, the device's or the global one" {
	config octopus MACH_STM32
	for name in a b c; do
		cp -r "$tree" "$BATS_TEST_TMPDIR/$name"
		echo "v1.0.0-$name" >"$BATS_TEST_TMPDIR/$name/VERSION"
	done
	version() {
		jq -r .firmware.version | cut -d- -f1,2
	}
	device='"name": "O", "mcu": "stm32f446", "serial_pattern": "usb-Klipper_stm32f446xx_1*"'
	registry <<<'{"global": {"klipper_dir": "'"$BATS_TEST_TMPDIR/a"'"},
		"devices": {"octopus": {'"$device"'}}}'
	[ "$(record octopus | kf-build -q | version)" = v1.0.0-a ]
	registry <<<'{"global": {"klipper_dir": "'"$BATS_TEST_TMPDIR/a"'"}, "devices": {"octopus":
		{'"$device"', "klipper_dir": "'"$BATS_TEST_TMPDIR/b"'"}}}'
	[ "$(record octopus | kf-build -q | version)" = v1.0.0-b ]
	[ "$(record octopus | kf-build -q --klipper-dir "$BATS_TEST_TMPDIR/c" | version)" = v1.0.0-c ]
	registry <<<'{'
	run --separate-stderr kf-build < <(record octopus)
	[ "$status" -eq 78 ]
	[ "$output" = "" ]
}

@test "broken input builds nothing" {
	config octopus MACH_STM32
	run --separate-stderr kf-build --klipper-dir "$tree" < <(record octopus && echo '{"kf":1,')
	[ "$status" -eq 65 ]
	[[ $output == "" && $stderr == *"line 2"* ]]
	[ ! -e "$cache/build" ]
}

@test "records to a full standard output are an error" {
	run -74 bash -c 'kf-build -q --klipper-dir "$1" >/dev/full' _ "$tree" \
		< <(config octopus MACH_STM32 && record octopus 'del(.config)')
}

# bats test_tags=slow
@test "a table for people" {
	config good MACH_STM32
	config bad MACH_STM32 SIM_BUILD_FAIL
	run --separate-stderr kf-build -q --table --klipper-dir "$tree" < <(
		record good && record bad && record good 'del(.config)'
	)
	[ "$status" -eq 1 ]
	[[ ${lines[0]} == good*stm32f446xx*v1.0.0*klipper.bin ]]
	[[ ${lines[1]} == bad*"failed: make in $tree ended with status 2"* ]]
	[[ ${lines[2]} == good*"not built" ]]
}

# bats test_tags=slow
@test "make fails because the disk is full: the error says so" {
	cd "$BATS_TEST_TMPDIR" || return
	config octopus MACH_STM32 MACH_STM32H723 STM32_FLASH_START_20000
	record octopus >"$BATS_TEST_TMPDIR/in"
	full() { # FOLDER KIB
		run -1 --separate-stderr on_small_disk "$1" "$2" \
			kf-build --klipper-dir "$tree" <"$BATS_TEST_TMPDIR/in"
		[ "$(jq -r .error.code <<<"$output")" = build_failed ]
		[[ $(jq -r .error.message <<<"$output") == "only "*" KiB are left on the disk of $1"*": make in $tree ended with status 2" ]]
		[[ $(jq -r .error.hint <<<"$output") == "free some space: df -h $1"* ]]
	}
	full "$cache" 40
	# The same where the log cannot be written, either: the disk itself tells.
	mkdir -p "$HOME/all"
	cache=$HOME/all
	export XDG_CACHE_HOME=$HOME/all XDG_STATE_HOME=$HOME/all
	full "$HOME/all" 24
	# There is no room for the compiler's temporary files.
	cp -r "$tree" "$BATS_TEST_TMPDIR/other"
	tree=$BATS_TEST_TMPDIR/other
	sed -i '1i $(if $(shell head -c 64k /dev/zero >$(TMPDIR)/cc.s \&\& echo written),,$(error no file))' "$tree/Makefile"
	fresh_home
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	run -1 --separate-stderr on_small_disk "$TMPDIR" 8 kf-build --klipper-dir "$tree" <"$BATS_TEST_TMPDIR/in"
	[[ $(jq -r .error.message <<<"$output") == "only "*" KiB are left on the disk of $TMPDIR: make in $tree ended with status 2" ]]
	unset TMPDIR
	sed -i 1d "$tree/Makefile"
	# An error in the source is no full disk.
	echo '$(error broken)' >>"$tree/Makefile"
	run -1 --separate-stderr kf-build --klipper-dir "$tree" <"$BATS_TEST_TMPDIR/in"
	[[ $(jq -r .error.message <<<"$output") == "make in $tree ended with status 2" ]]
}
