#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim and jq have $ of their own
#
# Records, files and folders of somebody who means harm.
load helper
load boards

setup() {
	setup_boards
	ours=$XDG_CONFIG_HOME/kalico-flash
	cache=$XDG_CACHE_HOME/kalico-flash
	state=$XDG_STATE_HOME/kalico-flash
}

# whole: a record with all members that there are, of a board that is not there.
whole() {
	jq -nc '{kf: 1, board: {key: "octopus-pro", name: "n", mcu: "stm32h723", excluded: false, reason: "r",
		connected: true, mode: "klipper", tty: "/dev/ttyACM0", by_id: "/dev/serial/by-id/x",
		by_path: "/dev/serial/by-path/x", version: "v", holder: {pid: 4194304, command: "c", unit: "u.service"},
		usb: {vendor: "1d50", product: "614e", manufacturer: "m", model: "m", serial: "29001A", port: "1-1.2"}},
		config: {path: "/x", sha256: ("0" * 64), mcu: "m", start: 0, comm: "usb"},
		firmware: {path: "/x", format: "bin", bytes: 1, sha256: ("0" * 64), version: "v", mcu: "m", start: 0,
			reused: false, seconds: 1},
		flash: {result: "r", reason: "r", method: "m", verified: ["v"], seconds: 1, version_before: "v",
			version_after: "v", attempts: [{method: "m", result: "r", message: "m"}]},
		error: null, unknown: {member: "x"}}'
}

# The whole record with s in each of its strings (and in the names of what is unknown), one a line.
poisoned() {
	whole | jq -c --arg s "$1" '. as $r | [paths(strings)] | .[] as $p | $r | setpath($p; $s)'
	whole | jq -c --arg s "$1" '.unknown = {($s): $s}'
	whole | jq -c --arg s "$1" '.error = {tool: "kf-scan", code: "busy", message: $s, hint: null, log: null}'
	whole | jq -c --arg s "$1" '.error = {tool: $s, code: "busy", message: "m", hint: null, log: null}'
	whole | jq -c --arg s "$1" '.error = {tool: "kf-scan", code: "busy", message: "m", hint: $s, log: $s}'
}

# harmless FILE: nothing in it that a terminal would do more with than show it.
harmless() {
	! LC_ALL=C grep -nP '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]' "$1"
}

# bats test_tags=slow
@test "no tool shows an escape sequence of any member of a record" {
	local n=0
	for poison in $'\e]0;owned\a\e[2J' $'\u009b2J' $'a\rb\nc' $'x\u202ey'; do
		while read -r line; do
			echo "$line" >"in$n"
			n=$((n + 1))
		done < <(poisoned "$poison" | if [ "$n" -eq 0 ]; then cat; else sed -n '4~9p'; fi)
	done
	[ "$n" -gt 50 ]
	cat >all.sh <<-'END2'
		for i in in*; do
			kf-config --table <"$i"; kf-build --table --klipper-dir=/nonesuch <"$i"; kf-flash --table --dry-run <"$i"
		done
	END2
	run mocked kf-sim -- bash all.sh
	harmless <(printf '%s' "$output")
	[[ $output == *"is too long or has a character that is not allowed"* && $output == *"is not a clean string"* ]]
}

@test "JSON on a terminal is ASCII; in a pipe members stay unchanged" {
	whole | jq -c '.unknown = "\u009b2J\u202e" | .board.connected = false' >in
	run "$KF_TESTS/on-terminal" 'kf-build --json --klipper-dir=/nonesuch <in 2>/dev/null'
	harmless <(printf '%s' "$output" | tr -d '\r')
	[[ $output == *'"\u009B2J\u202E"'* ]]
	[ "$(jq -r .unknown <in)" = "$(kf-build -q --klipper-dir=/nonesuch <in 2>/dev/null | jq -r .unknown)" ]
}

@test "unknown members of the registry are cleaned before they are shown" {
	jq '.devices["octopus-pro"] += {"\u001b[2J": "\u001b]0;x\u0007", colour: ["\u009b2J"]}' <<<"$OCTOPUS" | registry
	run kf-config show octopus-pro --table
	[ "$status" -eq 0 ]
	harmless <(printf '%s' "$output")
	[[ $output == *"?[2J"* ]]
}

# bats test_tags=slow
@test "no member of a record is run by a shell" {
	local n=0
	for poison in '$(touch pwned)' '`touch pwned`' ';touch pwned;' '"; touch pwned; "' "';touch pwned;'" \
		'-h' '../../../../../../../../tmp/pwned' '|touch pwned'; do
		while read -r line; do
			echo "$line" >"in$n"
			n=$((n + 1))
		done < <(poisoned "$poison" | sed -n "$((n % 7 + 1))~7p")
	done
	[ "$n" -gt 40 ]
	cat >all.sh <<-'END2'
		for i in in*; do
			kf-config <"$i"; kf-build --klipper-dir="$KF_TESTS/sim/tree" <"$i"; kf-flash --no-service <"$i"
		done
	END2
	run mocked kf-sim -- bash all.sh
	[ -z "$(find "$BATS_TEST_TMPDIR" "$KF_TESTS" /tmp/pwned -name 'pwned*' 2>/dev/null)" ]
}

@test "a configuration that a record names cannot run commands in make" {
	printf 'CONFIG_MACH_STM32=y\nCONFIG_MCU="stm32f446xx"\nX:=$(shell touch %s/pwned)\n' "$PWD" >evil
	sum=$(sha256sum <evil | cut -c1-64)
	run --separate-stderr kf-build --klipper-dir="$KF_TESTS/sim/tree" < <(
		jq -nc --arg path "$PWD/evil" --arg sum "$sum" '{kf: 1, board: {key: "octopus-pro", connected: true,
			mode: "klipper"}, config: {path: $path, sha256: $sum}, error: null}'
	)
	[ "$status" -eq 78 ]
	[[ $(jq -r .error.message <<<"$output") == "$PWD/evil: Kconfig never writes such a line as line 3: "* ]]
	[ ! -e pwned ]
}

# bats test_tags=slow
@test "the port must be a character device below /dev, and the port of this board" {
	ln -s /dev/null link
	for tty in /etc/passwd "$PWD/link" /dev/../etc/passwd /dev/serial/by-id; do
		tty=$tty run -65 --separate-stderr sim "$H723" -- 'records | jq -c ".board.tty = \$ENV.tty" | kf-flash'
		[ "$(jq -r .error.code <<<"$output")" = bad_record ]
		[[ $(jq -r .error.message <<<"$output") == "board.tty is $tty, not a "* ]]
	done
	# Another board's port, and one that is no board's: the chip's serial decides, and it is written.
	registry <<<"$BOTH"
	for tty in /dev/ttyACM1 /dev/null /dev/ttyACM7; do
		tty=$tty run -0 --separate-stderr sim "$H723" "$RP2040" -- 'records | jq -c ".board.tty = \$ENV.tty" | kf-flash
			client identify /dev/serial/by-id/usb-Klipper_rp2040_*'
		[ "$(jq -r .flash.result <<<"${lines[0]}")" = flashed ]
		[ "${lines[1]}" = "Klipper rp2040 v0.11.0-122-ge6ef48cd" ]
	done
}

# bats test_tags=slow
@test "a firmware file that differs from the record is not flashed" {
	cp "$IMAGES/h723/klipper.bin" x.bin
	for change in 'printf x >>x.bin' 'cp "$IMAGES/rp2040/klipper.bin" x.bin' ': >x.bin' 'rm x.bin; mkfifo x.bin' 'rm x.bin; mkdir x.bin'; do
		change=$change run --separate-stderr sim "$H723" -- \
			'records "$PWD/x.bin" >r; eval "$change"; timeout 5 kf-flash <r; s=$?; kf-scan -q; exit $s'
		[ "$(jq -r .board.mode <<<"${lines[1]}")" = klipper ]
		[ "$(jq -r .flash <<<"${lines[0]}")" = null ]
		[ "$status" -eq "$(status_of "$(jq -r .error.code <<<"${lines[0]}")")" ]
		rm -rf x.bin
		cp "$IMAGES/h723/klipper.bin" x.bin
	done
}

# bats test_tags=slow
@test "files that the tools write can be read only by their owner" {
	cp -r "$KF_TESTS/sim/tree" "$HOME/klipper"
	umask 000
	rm -r "$ours"
	(umask 077 && registry <<<"$OCTOPUS")
	run -0 --separate-stderr sim "$H723" -- '
		(umask 077 && mkdir -p "$XDG_CONFIG_HOME/kalico-flash/configs/octopus-pro" &&
		 echo "$H723_CONFIG" >"$XDG_CONFIG_HOME/kalico-flash/configs/octopus-pro/.config")
		kf-config set octopus-pro name=New >/dev/null
		kf-scan -q | kf-config -q | kf-build -q | kf-flash -q'
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
	[ "$(find "$ours" "$cache" "$state" -name devices.json -o -name lock -o -name history.jsonl -o -name klipper.bin \
		-o -name octopus-pro-build.log -o -name octopus-pro.json | wc -l)" -eq 8 ]
	run find "$ours" "$cache" "$state" -perm /077 ! -type l
	[ "$output" = "" ]
}

@test "folders and files that all users may write to are refused" {
	whole | jq -c 'del(.flash, .unknown)' >in
	kf-config set octopus-pro name=New >/dev/null
	for folder in "$ours" "$ours/devices.json"; do
		chmod o+w "$folder"
		run --separate-stderr kf-config list
		[ "$status" -eq 77 ]
		[[ $stderr == "kf-config: everybody may write to $folder"*"chmod o-w $folder"* ]]
		chmod o-w "$folder"
	done
	run kf-config list
	[ "$status" -eq 0 ]
	mkdir -p "$cache/build"
	chmod 0777 "$cache/build"
	echo 'CONFIG_MACH_STM32=y' >good
	jq -c --arg path "$PWD/good" --arg sum "$(sha256sum <good | cut -c1-64)" '.config |= (.path = $path | .sha256 = $sum)' <in >r
	run --separate-stderr kf-build --klipper-dir="$KF_TESTS/sim/tree" <r
	[ "$status" -eq 77 ]
	[ "$(jq -r '.error | .code + " " + .message' <<<"$output")" = "permission everybody may write to $cache/build" ]
	[ ! -e "$cache/build/octopus-pro" ]
	mkdir -p "$state/firmware"
	chmod 0777 "$state"
	run --separate-stderr sim "$H723" -- 'kf-scan -q 2>/dev/null | kf-flash'
	[[ $stderr == *"everybody may write to $state"* ]]
}

@test "a variable that leads to another user's folder is to be unset" {
	[ "$(id -u)" -eq 0 ] || skip "only root can become another user"
	setpriv --reuid=65534 --clear-groups test -x "$KF_BUILD/kf-config" || skip "nobody cannot run it there"
	mkdir -p "$BATS_TEST_TMPDIR/theirs/kalico-flash"
	chmod 0755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/theirs" "$BATS_TEST_TMPDIR/theirs/kalico-flash"
	run --separate-stderr env HOME=/nonexistent XDG_CONFIG_HOME="$BATS_TEST_TMPDIR/theirs" \
		setpriv --reuid=65534 --clear-groups kf-config list
	[[ $stderr == *"your home is elsewhere: unset XDG_CONFIG_HOME"* ]]
}

@test "folders and links of other users are refused" {
	[ "$(id -u)" -eq 0 ] || skip "only root can make files of another user's"
	for what in "$ours" "$ours/devices.json.link"; do
		[ -e "$what" ] || { mv "$ours/devices.json" "$BATS_TEST_TMPDIR/theirs" && what=$ours/devices.json && ln -s "$BATS_TEST_TMPDIR/theirs" "$what"; }
		chown -h 4321 "$what"
		run --separate-stderr kf-config list
		[ "$status" -eq 77 ]
		[[ $stderr == "kf-config: $what belongs to user 4321, this is user 0"* && $stderr == *"without sudo"* ]]
		chown -h 0 "$what"
	done
	run kf-config list --table
	[[ $status -eq 0 && $output == octopus-pro* ]]
}
