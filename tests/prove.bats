#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; bash -c has $ of its own
#
# kf config KEY --prove: which configuration made the firmware that a board runs?
load helper
load flash

# The board runs what the tree's first commit makes with a 12 MHz crystal; the tree has moved on since.
setup_file() {
	export PYTHONDONTWRITEBYTECODE=1 ORIGIN=$BATS_FILE_TMPDIR/klipper
	export CONFIG_12M=$BATS_FILE_TMPDIR/config-12m RUNS=$BATS_FILE_TMPDIR/out
	export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
	file_systemd
	cp -r "$KF_TESTS/sim/tree" "$ORIGIN"
	git init -q "$ORIGIN"
	printf '%s\n' .config out/ __pycache__ >"$ORIGIN/.gitignore"
	git -C "$ORIGIN" add -A
	git -C "$ORIGIN" commit -qm one
	git -C "$ORIGIN" tag v0.13.0
	built "$CONFIG_12M" "$RUNS" CONFIG_STM32_CLOCK_REF_12M=y
	echo '/* later */' >>"$ORIGIN/src/sched.c"
	git -C "$ORIGIN" commit -qam two
}

# built CONFIG OUT LINE...: what the tree makes of an STM32H723's configuration.
built() {
	local config=$1 out=$2
	shift 2
	printf '%s\n' CONFIG_LOW_LEVEL_OPTIONS=y "$H723_CONFIG" "$@" >"$config"
	make -s -C "$ORIGIN" OUT="$out/" KCONFIG_CONFIG="$config" olddefconfig >/dev/null
	make -s -C "$ORIGIN" OUT="$out/" KCONFIG_CONFIG="$config" >/dev/null
}

H723_CONFIG='CONFIG_MACH_STM32=y
CONFIG_MACH_STM32H723=y
CONFIG_STM32_FLASH_START_20000=y'

setup() {
	setup_flash
	tree=$BATS_TEST_TMPDIR/klipper
	cp -r "$ORIGIN" "$tree"
	kf-config set --global klipper_dir="$tree" >/dev/null
	saved=$XDG_CONFIG_HOME/kalico-flash/configs/octopus-pro/.config
	version=$(jq -r .version <"$RUNS/klipper.dict")
}

save() { # LINE...
	mkdir -p "${saved%/*}"
	printf '%s\n' CONFIG_LOW_LEVEL_OPTIONS=y "$H723_CONFIG" "$@" >"$saved"
}

# beside SPEC COMMAND: COMMAND beside a board that runs $RUNS.
beside() {
	mocked timeout 300 kf-sim --board="$H723,start=0x8020000,app=$RUNS/klipper.bin$1" -- bash -c "$2"
}

prove='kf-scan -q | setsid -w kf-config --prove'

@test "--prove: nothing is saved: the crystal is found among the choices, saved and proved" {
	run -0 --separate-stderr beside "" "$prove; kf-scan -q | jq -r .board.mode; kf show octopus-pro"
	valid_records <<<"${lines[0]}"
	[ "$(jq -r .config.proved_version <<<"${lines[0]}")" = "$version" ]
	[[ $(jq -r .config.proved_time <<<"${lines[0]}") == 20??-??-??T??:??:??Z ]]
	grep -qx CONFIG_STM32_CLOCK_REF_12M=y "$saved"
	[ "${lines[1]}" = klipper ]
	[ "$(jq -r .proved.version <<<"${lines[2]}")" = "$version" ]
	# The tree's default first, and none after the one that it is.
	[[ $stderr == *"octopus-pro: building the proposal, 8 MHz at $version"*"octopus-pro: building the proposal, 12 MHz at $version"* ]]
	[[ $stderr != *"25 MHz"* ]]
	# Read for the start, and once for all.
	[ "$(grep -c 'entering Katapult' <<<"$stderr")" -eq 2 ]
	[[ $stderr == *"proved 20"*": this configuration made $version, byte for byte as the board ran it"* ]]
	# The tree is as it was, and nothing big stays.
	[ "$(git -C "$tree" status --porcelain)" = "" ]
	[ ! -e "$XDG_CACHE_HOME/kalico-flash/configs/octopus-pro/prove" ]
}

@test "--prove: the saved configuration is proved; with its next change the proof is lost" {
	save CONFIG_STM32_CLOCK_REF_12M=y
	cp "$saved" before
	run -0 --separate-stderr beside "" "$prove"
	[ "$(jq -r .config.proved_version <<<"$output")" = "$version" ]
	cmp before "$saved"
	[[ $stderr != *"the proposal"* ]]
	[ "$(jq -r .config_sha256 <"${saved%/*}/proof.json")" = "$(sha256sum <"$saved" | cut -c1-64)" ]
	run -0 --separate-stderr beside "" "kf-scan -q | kf-config"
	[ "$(jq -r .config.proved_version <<<"$output")" = "$version" ]
	save CONFIG_STM32_CLOCK_REF_25M=y
	run -0 --separate-stderr beside "" "kf-scan -q | kf-config"
	[ "$(jq -r .config.proved_version <<<"$output")" = null ]
	[[ $stderr != *proved* ]]
	run -0 kf show octopus-pro --json
	[ "$(jq -r .proved <<<"$output")" = null ]
}

@test "--prove: where another configuration than the saved one made it, the user chooses" {
	save CONFIG_STM32_CLOCK_REF_25M=y
	cp "$saved" before
	run -78 --separate-stderr beside "" "$prove"
	[ "$(jq -r .error.code <<<"$output")" = config_difference ]
	[[ $stderr == *"not what is saved made what it runs, but the proposal, 12 MHz: crystal: saved 25000000, proved 12000000"* ]]
	[[ $stderr == *"kf config octopus-pro --prove --accept-difference"* ]]
	cmp before "$saved"
	run -0 --separate-stderr beside "" "$prove --accept-difference"
	grep -qx CONFIG_STM32_CLOCK_REF_12M=y "$saved"
	cmp before "$saved.old"
	[ "$(jq -r .config.proved_version <<<"$output")" = "$version" ]
}

@test "--prove: what no configuration made is told, with the first difference; nothing is saved" {
	built "$BATS_TEST_TMPDIR/c" "$BATS_TEST_TMPDIR/other" CONFIG_STM32_CLOCK_REF_12M=y
	cp "$RUNS/klipper.bin" patched
	printf '\x5a\x5a\x5a\x5a' | dd of=patched bs=1 seek=1000 conv=notrunc 2>/dev/null
	save CONFIG_STM32_CLOCK_REF_12M=y
	run -1 --separate-stderr mocked timeout 300 kf-sim --board="$H723,start=0x8020000,app=$PWD/patched" -- bash -c "$prove"
	[ "$(jq -r .error.code <<<"$output")" = not_proved ]
	[[ $stderr == *"none of "*" configurations made $version: the saved configuration: the first other byte is at 0x080203e8"* ]]
	[ ! -e "${saved%/*}/proof.json" ]
}

@test "--prove: a version that nobody can build again is refused before anything is done" {
	local told
	for told in v0.13.0-5-gabcdef123-dirty-20260101_120000-host:"was built from a changed source tree" \
		'?-20260101_120000-host:names no commit' \
		v0.13.0-5-gabcdef123:"does not know the commit abcdef123"; do
		run -1 --separate-stderr mocked timeout 300 kf-sim --board="${H723%,version=*},start=0x8020000,version=${told%%:*}" -- bash -c "$prove"
		[ "$(jq -r .error.code <<<"$output")" = not_proved ]
		[[ $stderr == *"${told#*:}"* ]]
		[[ $stderr != *Katapult* ]]
	done
	[[ $stderr == *"git -C $tree fetch --all --tags"* ]]
	git clone -q --depth 1 "file://$tree" shallow
	run -1 --separate-stderr mocked timeout 300 kf-sim --board="${H723%,version=*},start=0x8020000,version=v0.13.0-5-gabcdef123" -- bash -c "$prove --klipper-dir=$PWD/shallow"
	[[ $stderr == *", a shallow clone, does not know the commit abcdef123"*"fetch --unshallow"* ]]
	run -1 --separate-stderr mocked timeout 300 kf-sim --board="${H723%,version=*},start=0x8020000,version=v0.13.0-5-gabcdef123" -- bash -c "$prove --klipper-dir=$KF_TESTS/sim/tree"
	[[ $stderr == *"has no git"* ]]
	run -78 --separate-stderr mocked timeout 300 kf-sim --board="${H723%,version=*},start=0x8020000,version=v0.13.0-5-gabcdef123" -- bash -c 'kf-scan -q | PATH=$KF_BUILD /usr/bin/setsid -w kf-config --prove'
	[[ $stderr == *"git is missing; it checks out the board's revision"*"sudo apt-get install git"* ]]
}

@test "--prove: a read that is cut, and a board that does not come back, are told once" {
	save CONFIG_STM32_CLOCK_REF_12M=y
	run --separate-stderr beside ,nack=40 "$prove"
	[ "$(jq -r .error.tool,.error.code <<<"$output" | xargs)" = "kf-config protocol" ]
	[ "$(grep -c 'want ACK, got NACK' <<<"$stderr")" -eq 1 ]
	run --separate-stderr beside ,return_as=never "timeout 50 sh -c '$prove'"
	[ "$(jq -r .error.code <<<"$output")" = gone ]
	[ ! -e "${saved%/*}/proof.json" ]
}

@test "--prove: a board in Katapult is sent back first: its firmware tells the version and the constants" {
	run -0 --separate-stderr beside ,mode=katapult "$prove; kf-scan -q | jq -r .board.mode"
	[ "$(jq -r .config.proved_version <<<"${lines[0]}")" = "$version" ]
	[ "${lines[1]}" = klipper ]
	[[ $stderr == *"octopus-pro: it is in Katapult: it is sent back to its firmware, to be asked"* ]]
	grep -qx CONFIG_STM32_CLOCK_REF_12M=y "$saved"
}

@test "--prove: a chip that has no Katapult says why it cannot be read" {
	registry <<<'{"devices":{"mega":{"name":"M","mcu":"at90usb1286","serial_pattern":"usb-Klipper_at90usb1286_12345*"}}}'
	kf-config set --global klipper_dir="$tree" >/dev/null
	run -1 --separate-stderr mocked timeout 300 kf-sim -b "mcu=at90usb1286,serial=12345,port=1-1.2,version=$version" -- bash -c "$prove"
	[ "$(jq -r .error.code <<<"$output")" = no_katapult ]
	[[ $stderr == *"nothing can be proved of its at90usb1286: there is no Katapult for it"*"kf config mega"* ]]
	[[ $stderr != *"building"* ]]
}

@test "--prove: a saved configuration that cannot be built there does not end it" {
	save CONFIG_STM32_CLOCK_REF_25M=y CONFIG_SIM_BUILD_FAIL=y
	run -78 --separate-stderr beside "" "$prove"
	[ "$(jq -r .error.code <<<"$output")" = config_difference ]
	[[ $stderr == *"but the proposal, 12 MHz: crystal: saved 25000000, proved 12000000"* ]]
}

# elsewhere COMPILERS [LINE]: $RUNS is then what the first commit makes on another machine, with a line more of code.
elsewhere() {
	cp -r "$ORIGIN" elsewhere
	git -C elsewhere checkout -q v0.13.0
	sed -i "s/(Simulated) 12.0 binutils/$1 binutils/" elsewhere/scripts/image.py
	printf '%s' "${@:2}" >>elsewhere/src/sched.c
	git -C elsewhere update-index --assume-unchanged scripts/image.py src/sched.c
	make -s -C elsewhere OUT="$PWD/made/" KCONFIG_CONFIG="$CONFIG_12M" >/dev/null
	RUNS=$PWD/made
}

@test "--prove: firmware that other compilers built: the error says so" {
	save CONFIG_STM32_CLOCK_REF_12M=y
	elsewhere "(Simulated) 13.0" '/* as gcc 13 does it */'
	run -1 --separate-stderr beside "" "$prove"
	[ "$(jq -r .error.code <<<"$output")" = not_proved ]
	[[ $stderr == *" configurations made $version: the saved configuration: the first other byte is at 0x080200c0"* ]]
	[[ $stderr == *"it was built by other compilers (gcc: (Simulated) 13.0 binutils: (Simulated) 2.40) than there are here (gcc: (Simulated) 12.0"* ]]
}

@test "--prove: where only the stamps differ, it is linked around the board's, however long they are" {
	local name
	save CONFIG_STM32_CLOCK_REF_12M=y
	for name in "(Simulated) 13.0" "(15:8-2019-q3-1+b1) 8.3.1 20190703 (release) [gcc-8-branch revision 273027]" 9; do
		elsewhere "$name"
		[ "$(stat -c %s "$RUNS/klipper.bin")" -gt 0 ]
		run -0 --separate-stderr beside "" "$prove"
		[ "$(jq -r .config.proved_version <<<"$output")" = "$version" ]
		[[ $stderr == *"linking the saved configuration with the stamps of the board's build"* ]]
		[[ $stderr == *"this configuration made $version, but for the stamps of the build as the board ran it"* ]]
		[[ $stderr != *"the proposal"* ]]
		[ "$(jq -r .image_sha256 <"${saved%/*}/proof.json")" = "$(sha256sum <"$RUNS/klipper.bin" | cut -c1-64)" ]
		rm -r "${saved%/*}/proof.json" elsewhere made
	done
}

@test "--prove: with the board's stamps the right one of several configurations is found" {
	elsewhere "Somebody's own 12.0"
	run -0 --separate-stderr beside "" "$prove"
	[[ $stderr == *"linking the proposal, 8 MHz with"*"linking the proposal, 12 MHz with"* ]]
	grep -qx CONFIG_STM32_CLOCK_REF_12M=y "$saved"
}

@test "kf config KEY passes --prove and --from-board on to kf-config" {
	save CONFIG_STM32_CLOCK_REF_12M=y
	run -0 --separate-stderr beside "" "kf config octopus-pro --prove --json"
	[ "$(jq -r .config.proved_version <<<"$output")" = "$version" ]
	run -78 --separate-stderr beside "" "kf config octopus-pro --from-board --json"
	[[ $stderr == *"octopus-pro: the firmware that it runs carries no Kconfig"* ]]
}

@test "--prove is refused together with another way to a configuration" {
	local other
	for other in --menuconfig --from=x --from-board; do
		run -64 --separate-stderr kf-config --prove "$other" </dev/null
		[[ $stderr == *"--prove goes with neither"* ]]
	done
}
