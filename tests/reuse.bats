#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# A build key that was built before is not built again; another one is built from nothing.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # run sets stderr; makefiles have $ of their own
load helper
load builds

setup() {
	fresh_tree
	mkdir "$BATS_TEST_TMPDIR/bin"
	# Each run of make leaves a line: where it was told to write.
	cat >"$BATS_TEST_TMPDIR/bin/make" <<-EOF
		#!/bin/bash
		printf '%s\n' "\$@" | sed -n 's/^OUT=//p' >>"$BATS_TEST_TMPDIR/makes"
		exec /usr/bin/make "\$@"
	EOF
	chmod +x "$BATS_TEST_TMPDIR/bin/make"
	: >"$BATS_TEST_TMPDIR/makes"
}

# build KEY... [-- OPTION...]: their records after kf-build, in $output.
build() {
	local keys=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		keys+=("$1")
		shift
	done
	[ $# -eq 0 ] || shift
	run --separate-stderr env PATH="$BATS_TEST_TMPDIR/bin:$PATH" kf-build --klipper-dir "$tree" "$@" \
		< <(for key in "${keys[@]}"; do record "$key"; done)
	[ "$status" -eq 0 ]
}

makes() {
	wc -l <"$BATS_TEST_TMPDIR/makes"
}

# The objects that make compiled for octopus, sorted.
compiled() {
	sed -n 's,^  Compiling .*/out/src/,,p' "$state/logs/octopus-build.log" | sort | xargs
}

image() {
	jq -r .firmware.sha256 <<<"$output"
}

all="command.o generic/crc16.o sched.o stepper.o stm32/main.o"

@test "nothing changed: no make, the same firmware" {
	config octopus MACH_STM32
	unset SOURCE_DATE_EPOCH # a build at another time would have another version
	build octopus
	first=$output
	[ "$(makes)" -eq 1 ]
	touch "$tree/src/sched.c" "$tree/src/Kconfig"
	build octopus
	[ "$(makes)" -eq 1 ]
	valid_records <<<"$output"
	[[ $stderr == *"octopus: v1.0.0"*"nothing changed"* ]]
	jq -e '.firmware.reused == true' <<<"$output"
	[ "$(jq -S 'del(.firmware.reused, .firmware.seconds)' <<<"$output")" = \
		"$(jq -S 'del(.firmware.reused, .firmware.seconds)' <<<"$first")" ]
}

@test "--clean builds from nothing; only the files that flashing needs are kept" {
	config octopus MACH_STM32
	build octopus
	mkdir "$cache/build/octopus/out" # of a build that was killed
	echo junk >"$cache/build/octopus/out/klipper.uf2"
	build octopus -- --clean
	[ "$(makes)" -eq 2 ]
	jq -e '.firmware.reused == false and .firmware.format == "bin"' <<<"$output"
	[ "$(compiled)" = "$all" ]
	path=$(jq -r .firmware.path <<<"$output")
	[ "$(ls -A "${path%/*}")" = $'.config\nfirmware.json\nklipper.bin\nklipper.dict' ]
	[ "$(ls -A "$cache/build/octopus")" = $'.config\nlock' ]
	config bad MACH_STM32 SIM_BUILD_FAIL
	run -1 kf-build --klipper-dir "$tree" < <(record bad)
	[ "$(ls -A "$cache/build/bad")" = $'.config\nlock' ]
}

@test "kept firmware that is damaged is built again" {
	config octopus MACH_STM32
	build octopus
	echo more >>"$(jq -r .firmware.path <<<"$output")"
	build octopus
	[ "$(makes)" -eq 2 ]
	build octopus
	[ "$(makes)" -eq 2 ]
}

# bats test_tags=slow
@test "source, header, Kconfig, Makefile, script, new file: each changes the build key" {
	config octopus MACH_STM32
	build octopus
	last=$(image)
	changed() {
		build octopus
		[ "$(compiled)" = "$all${1:+ $1}" ]
		[ "$(image)" != "$last" ]
		last=$(image)
	}
	echo '/* more */' >>"$tree/src/command.c"
	changed
	echo '/* more */' >>"$tree/src/sched.h"
	changed
	# A default that no configuration names: only autoconf.h says it.
	printf 'config SIM_HIDDEN\n\tint\n\tdefault 7\n' >>"$tree/src/Kconfig"
	make -s -C "$tree" OUT="$BATS_TEST_TMPDIR/x/" olddefconfig \
		KCONFIG_CONFIG="$XDG_CONFIG_HOME/kalico-flash/configs/octopus/.config" >/dev/null
	changed
	echo 'src-y += stm32/more.c' >>"$tree/src/stm32/Makefile"
	echo '/* more */' >"$tree/src/stm32/more.c"
	changed stm32/more.o
	sed -i 's/Timer too close/Timer too late/' "$tree/scripts/image.py"
	changed stm32/more.o
}

# A commit of all of the tree; then "git" is the tree's.
committed() {
	git() {
		command git -C "$tree" -c user.name=x -c user.email=x@y "$@"
	}
	mkdir -p "$tree/klippy" "$tree/docs"
	echo one >"$tree/klippy/klippy.py"
	echo '*.ignored' >"$tree/.gitignore"
	git init -q
	git add .
	git commit -qm one
}

@test "a commit changes the build key, and a branch's name does not" {
	config octopus MACH_STM32
	committed
	build octopus
	echo more >"$tree/docs/Changes.md"
	git add .
	git commit -qm two
	build octopus
	[ "$(makes)" -eq 2 ]
	[ "$(jq -r .firmware.version <<<"$output")" = "$(git describe --always --tags --long)" ]
	git tag v2
	build octopus
	[[ $(jq -r .firmware.version <<<"$output") == v2-0-g* ]]
	git checkout -qb other
	build octopus
	jq -e .firmware.reused <<<"$output"
}

@test "a change in klippy/ counts only as a dirty tree; every other change counts" {
	config octopus MACH_STM32
	committed
	build octopus
	echo new >"$tree/klippy/new.py" # git does not call that dirty
	build octopus
	[ "$(makes)" -eq 1 ]
	echo two >"$tree/klippy/klippy.py"
	build octopus
	[ "$(makes)" -eq 2 ]
	[[ $(jq -r .firmware.version <<<"$output") == *-dirty-* ]]
	echo three >"$tree/klippy/klippy.py"
	build octopus
	[ "$(makes)" -eq 2 ]
	echo '/* more */' >>"$tree/src/sched.c"
	build octopus
	[ "$(makes)" -eq 3 ]
	echo '/* more */' >>"$tree/src/sched.c"
	build octopus
	[ "$(makes)" -eq 4 ]
}

# bats test_tags=slow
@test "files that git does not know count if make may read them" {
	config octopus MACH_STM32
	committed
	build octopus
	echo '/* more */' >"$tree/src/new.h"
	build octopus
	[ "$(makes)" -eq 2 ]
	echo '/* more */' >>"$tree/src/new.h"
	build octopus
	[ "$(makes)" -eq 3 ]
	rm "$tree/src/new.h"
	# Kalico's extras are ignored by git, and often links to elsewhere.
	mkdir -p "$tree/src/extras" "$BATS_TEST_TMPDIR/thing"
	echo '*' >"$tree/src/extras/.gitignore"
	touch "$BATS_TEST_TMPDIR/thing/Kconfig"
	ln -s "$BATS_TEST_TMPDIR/thing" "$tree/src/extras/thing"
	ln -s "$tree/src" "$BATS_TEST_TMPDIR/thing/circle"
	build octopus
	[ "$(makes)" -eq 4 ]
	build octopus
	[ "$(makes)" -eq 4 ]
	echo '/* more */' >"$BATS_TEST_TMPDIR/thing/thing.c"
	build octopus
	[ "$(makes)" -eq 5 ]
}

# compiler: octopus has one of its own, whose version and files are in bin.
compiler() {
	echo 'CROSS_PREFIX=nonesuch-' >>"$tree/src/stm32/Makefile"
	cd "$BATS_TEST_TMPDIR/bin" || return
	cat >nonesuch-gcc <<-EOF
		#!/bin/sh
		case \$1 in
		-print-prog-name=ld) echo "$PWD/nonesuch-ld" ;;
		-print-file-name=*) echo "$PWD/libc.a" ;;
		*) echo 1.0 ;;
		esac
	EOF
	touch nonesuch-ld nonesuch-objcopy libc.a
	chmod +x nonesuch-*
}

@test "another linker or C library changes the build key" {
	config octopus MACH_STM32
	compiler
	build octopus
	touch -d 2001-01-01 nonesuch-ld # binutils upgraded
	build octopus
	[ "$(makes)" -eq 2 ]
	echo x >>libc.a # newlib upgraded
	build octopus
	[ "$(makes)" -eq 3 ]
	build octopus
	[ "$(makes)" -eq 3 ]
}

# bats test_tags=slow
@test "another compiler, or a variable that it reads, changes the build key" {
	config octopus MACH_STM32
	compiler
	build octopus
	sed -i 's/1\.0/2.0/' nonesuch-gcc
	build octopus
	[ "$(makes)" -eq 2 ]
	[ "$(compiled)" = "$all" ]
	CPATH=/elsewhere build octopus
	[ "$(makes)" -eq 3 ]
}

@test "the source changes while make runs: no board reuses that firmware" {
	config octopus MACH_STM32
	config spider MACH_STM32
	cp "$tree/src/command.c" "$BATS_TEST_TMPDIR/command.c"
	cat >>"$tree/Makefile" <<-'EOF'
		$(OUT)klipper.elf: poke
		poke: $(PARTS); test -e $(TMPDIR)/poked || { echo '/* later */' >> src/command.c; touch $(TMPDIR)/poked; }
	EOF
	export TMPDIR=$BATS_TEST_TMPDIR
	build octopus spider
	[ "$(makes)" -eq 2 ]
	cp "$BATS_TEST_TMPDIR/command.c" "$tree/src/command.c"
	build octopus spider
	[ "$(makes)" -eq 3 ]
	[ "$(jq .firmware.reused <<<"$output" | xargs)" = "false false" ]
	build octopus spider
	[ "$(makes)" -eq 3 ]
}

@test "boards with the same build key share one build, and each keeps its firmware" {
	config octopus MACH_STM32
	config spider MACH_STM32
	config other MACH_RPXXXX
	build octopus spider other
	[ "$(makes)" -eq 2 ]
	[[ $stderr == *"[Build] spider: has the build key of octopus: waiting for that build"* ]]
	[ "$(jq -r '.board.key + " " + .firmware.mcu' <<<"$output" | xargs)" = \
		"octopus stm32f446xx spider stm32f446xx other rp2040" ]
	for key in octopus spider; do
		path=$(jq -r "select(.board.key == \"$key\").firmware.path" <<<"$output")
		[[ $path == "$state/firmware/$key/"* ]]
		[ -e "${path%/*}/klipper.dict" ]
		[ -e "${path%/*}/.config" ]
	done
	build octopus spider other
	[ "$(makes)" -eq 2 ]
	[ "$(jq -s 'map(.firmware.reused) | all' <<<"$output")" = true ]
	rm -r "$state/firmware/spider"
	build octopus spider # from the other's, though nothing is built now
	[ "$(makes)" -eq 2 ]
}

# bats test_tags=slow
@test "several boards at once: never more compilers than -j says" {
	config a MACH_STM32
	config b MACH_RPXXXX
	config c MACH_AVR
	config d MACH_ATSAM
	# A compiler that says how many there are. The first ones wait for as many as there should be.
	cat >"$BATS_TEST_TMPDIR/bin/compiler" <<-EOF
		#!/bin/bash
		cd "$BATS_TEST_TMPDIR/compilers"
		mkdir "running/\$\$"
		for ((tries = 0; tries < 200; tries++)); do
			[ ! -e met ] || break
			[ "\$(ls running | wc -l)" -lt "\$(cat wanted)" ] || touch met
			sleep 0.05
		done
		ls running | wc -l >>counts
		rmdir "running/\$\$"
	EOF
	chmod +x "$BATS_TEST_TMPDIR/bin/compiler"
	sed -i 's/^define compile$/&\n\t$(Q)compiler/' "$tree/Makefile"
	compilers() { # JOBS COUNT KEY...: COUNT of them, JOBS at a time
		rm -rf "$BATS_TEST_TMPDIR/compilers"
		mkdir -p "$BATS_TEST_TMPDIR/compilers/running"
		echo "$1" >"$BATS_TEST_TMPDIR/compilers/wanted"
		build "${@:3}" -- "-j$1" --clean
		[ "$(sort -n "$BATS_TEST_TMPDIR/compilers/counts" | tail -n 1)" -eq "$1" ]
		[ "$(wc -l <"$BATS_TEST_TMPDIR/compilers/counts")" -eq "$2" ]
	}
	for jobs in 1 2 3; do compilers $jobs 20 a b c d; done
	compilers 3 5 a # and one alone has them all
	[ "$(cat "$state"/logs/*-build.log | grep -c jobserver)" -eq 0 ]
}

@test "a tree with extras, also under two names: one make at a time" {
	config a MACH_STM32
	config b MACH_RPXXXX
	mkdir -p "$tree/src/extras/thing"
	touch "$tree/src/extras/thing/Kconfig"
	ln -s "$tree" "$BATS_TEST_TMPDIR/link"
	cat >>"$tree/Makefile" <<-'EOF'
		$(shell for f in Kconfig Makefile; do : > src/extras/$$f; done)
		$(OUT)autoconf.h: | begin
		begin: ; @echo begin >> $(RAN)
		all: ; @echo end >> $(RAN)
	EOF
	export RAN=$BATS_TEST_TMPDIR/ran
	jq -n --arg tree "$tree" --arg link "$BATS_TEST_TMPDIR/link" '{global: {}, devices: ({a: $tree, b: $link} |
		with_entries({key: .key, value: {name: .key, mcu: "stm32f446",
			serial_pattern: "usb-Klipper_\(.key)*", klipper_dir: .value}}))}' | registry
	run -0 --separate-stderr kf-build --wait=0 -j4 < <(record a && record b)
	[ "$(xargs <"$RAN")" = "begin end begin end" ]
	[ "$(ls "$tree/src/extras")" = thing ]
}

@test "make uses ccache if it is installed" {
	config octopus MACH_STM32
	printf '#!/bin/sh\nexec "$@"\n' >"$BATS_TEST_TMPDIR/bin/ccache"
	chmod +x "$BATS_TEST_TMPDIR/bin/ccache"
	printf 'CC = $(CROSS_PREFIX)gcc\nCROSS_PREFIX = \nall: ; @echo "CC is $(CC)"\n' >>"$tree/Makefile"
	build octopus
	grep -qx 'CC is ccache gcc' "$state/logs/octopus-build.log"
}
