# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2016 # used by the tests that load this; bash -c has $ of its own
#
# Simulated boards, their registry and their firmware, for tests that flash.

H723=mcu=stm32h723xx,serial=29001A001151313531383332,port=1-1.2,version=v0.11.0-122-ge6ef48cd
RP2040=mcu=rp2040,serial=E6605481DB318C34,port=1-1.3,version=v0.11.0-122-ge6ef48cd
CH340=mode=other,usb=1a86:7523,manufacturer=1a86,product=USB_Serial,serial=,port=1-1.5

OCTOPUS='{"devices":{"octopus-pro":{"name":"Octopus Pro","mcu":"stm32h723",
	"serial_pattern":"usb-Klipper_stm32h723xx_29001A001151313531383332*"}}}'
BOTH='{"devices":{"octopus-pro":{"name":"Octopus Pro","mcu":"stm32h723",
	"serial_pattern":"usb-Klipper_stm32h723xx_29001A001151313531383332*"},
	"nitehawk":{"name":"Nitehawk","mcu":"rp2040",
	"serial_pattern":"usb-Klipper_rp2040_E6605481DB318C34*"}}}'

H723_CONFIG='CONFIG_MACH_STM32=y
CONFIG_MACH_STM32H723=y
CONFIG_STM32_FLASH_START_20000=y'

# image NAME CONFIG: $IMAGES/NAME, which is nobody's to change, and built by whoever comes first. Its date
# is of the past: a test that builds the same in the same second would get the same image.
image() {
	local out=$IMAGES/$1 lock
	mkdir -p "$IMAGES"
	exec {lock}>"$out.lock"
	flock "$lock"
	if [ ! -e "$out.config" ]; then
		mkdir -p "$out"
		echo "$2" >"$out.new"
		make -s -C "$KF_TESTS/sim/tree" OUT="$out/" KCONFIG_CONFIG="$out.new" olddefconfig
		SOURCE_DATE_EPOCH=1750000000 make -s -C "$KF_TESTS/sim/tree" OUT="$out/" KCONFIG_CONFIG="$out.new"
		mv "$out.new" "$out.config"
	fi
	exec {lock}>&-
}

build_images() {
	export IMAGES=${KF_IMAGES:-$BATS_FILE_TMPDIR/images} H723_CONFIG
	export PYTHONDONTWRITEBYTECODE=1
	{
		image h723 "$H723_CONFIG"
		image f446 'CONFIG_MACH_STM32=y
CONFIG_MACH_STM32F446=y'
		image rp2040 'CONFIG_MACH_RPXXXX=y
CONFIG_RPXXXX_FLASH_START_4000=y'
	} >/dev/null
}

# f446-none: without room for a bootloader.
build_bare_image() {
	image f446-none 'CONFIG_MACH_STM32=y
CONFIG_MACH_STM32F446=y
CONFIG_STM32_FLASH_START_0000=y' >/dev/null
}

# A file with a setup of its own calls setup_boards there.
setup_file() {
	build_images
}

# save_configs KEY:IMAGE...: the configuration of that image is saved for the board.
save_configs() {
	local key dir
	for key; do
		dir=$XDG_CONFIG_HOME/kalico-flash/configs/${key%:*}
		mkdir -p "$dir"
		cp "$IMAGES/${key#*:}.config" "$dir/.config"
	done
}

setup_boards() {
	fresh_home
	need pty
	cd "$BATS_TEST_TMPDIR" || return
	registry <<<"$OCTOPUS"
}

setup() {
	setup_boards
}

# sim SPEC... -- BASH-TEXT: on a machine with these boards; a command that fails does not end the text.
sim() {
	simulated 300 -uc "$@"
}

# records [FILE|start]: kf-scan's, of the boards of that MCU, with firmware from $IMAGES/$IMAGE or
# FILE; "start": and its start address.
records() {
	local image=${IMAGE:-h723} file sum start=null wanted="" line mcu
	[ "$image" != rp2040 ] || wanted=rp2040
	[ "${1-}" != start ] || { start=$((0x8020000)) && shift; }
	file=${1:-$IMAGES/$image/klipper.bin}
	read -r sum _ < <(sha256sum <"$file")
	kf-scan -q | while read -r line; do
		mcu=""
		[[ $line != *'"mcu":"rp2040"'* ]] || mcu=rp2040
		[ "$mcu" = "$wanted" ] || continue
		echo "${line%\}},\"firmware\":{\"path\":\"$file\",\"sha256\":\"$sum\",\"start\":$start}}"
	done
}
export -f records

# config: kf-scan | kf-config with a saved configuration for octopus-pro, and ~/klipper.
config() {
	local folder=$XDG_CONFIG_HOME/kalico-flash/configs/octopus-pro
	mkdir -p "$folder"
	echo "$H723_CONFIG" >"$folder/.config"
	kf-scan -q | kf-config -q
}
export -f config

# idle_flash: the tree's make flash says that all is well, and has only let the board go.
idle_flash() {
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	# CONNECT, COMPLETE
	printf 'flash:\n\t@/usr/bin/python3 "%s" send $(FLASH_DEVICE) %s\n' "$KF_TESTS/sim/client.py" \
		"01881100f17c9903 01881500911b9903" >>"$HOME/klipper/Makefile"
}

# Tests wait for a quarter of the work to interrupt it there.
export KF_PROGRESS=quarters

# interrupt_at TEXT COMMAND... <r: SIGINT to COMMAND once its stderr says TEXT; its status.
interrupt_at() {
	local text=$1 line pid status=0
	shift
	mkfifo said
	env --default-signal=INT "$@" <r 2>said &
	pid=$!
	while read -r line; do
		echo "$line" >&2
		[[ $line != *"$text"* ]] || send_signal INT "$pid"
	done <said
	wait "$pid" || status=$?
	return "$status"
}
export -f interrupt_at

# killed_at WHOM TEXT COMMAND...: COMMAND, or its first child (WHOM is worker), is killed when stderr
# says TEXT. Fails if it never did.
killed_at() {
	local whom=$1 text=$2 line pid killed=1
	shift 2
	[ -p said ] || mkfifo said
	"$@" <&0 >out 2>said &
	pid=$!
	while read -r line; do
		[[ $killed = 1 && $line == *"$text"* ]] || continue
		[ "$whom" = command ] || read -r pid _ <"/proc/$pid/task/$pid/children"
		send_signal KILL "$pid"
		killed=0
	done <said
	wait
	return $killed
}
export -f killed_at
