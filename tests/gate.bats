#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016 # run sets stderr; sim has $ of its own
#
# Nothing wrong is ever flashed: images and bootloaders that do not fit, from the tree or by hand.
load helper
load boards

setup_file() {
	build_images
	image sam3x8e 'CONFIG_MACH_ATSAM=y' >/dev/null
	image uf2 'CONFIG_MACH_RPXXXX=y' >/dev/null
}

setup() {
	setup_boards
	tree=$BATS_TEST_TMPDIR/tree
	cache=$XDG_CACHE_HOME/kalico-flash
}

# edit FILE PYTHON: run PYTHON, which changes b, the bytes of FILE. dictionary(b) finds its compressed dictionary.
edit() {
	/usr/bin/python3 - "$@" <<-'END'
		import struct, sys, zlib

		def dictionary(b):
		    at = -1
		    while True:
		        at = b.index(b"\x78\xda", at + 1)
		        try:
		            stream = zlib.decompressobj()
		            text = stream.decompress(bytes(b[at:]))
		            return at, len(b) - at - len(stream.unused_data), text
		        except zlib.error:
		            continue

		def replace(b, old, new):
		    at, size, text = dictionary(b)
		    assert old in text
		    b[at:at + size] = bytes(size)
		    b += zlib.compress(text.replace(old, new), 9)

		with open(sys.argv[1], "rb") as f:
		    b = bytearray(f.read())
		exec(sys.argv[2])
		with open(sys.argv[1], "wb") as f:
		    f.write(b)
	END
}

# spoiled PYTHON CODE MESSAGE [IMAGE SPEC]: the image that PYTHON has changed is refused with CODE and MESSAGE,
# and the board stays in Klipper.
spoiled() {
	local image=${4:-h723/klipper.bin} spec=${5:-$H723}
	cp "$IMAGES/$image" "${image##*/}"
	edit "${image##*/}" "$1"
	FILE=$PWD/${image##*/} run --separate-stderr sim "$spec" -- 'kf-flash --port /dev/ttyACM0 --firmware "$FILE" --json
		kf-scan -q | jq -r .board.mode'
	[ "${lines[-1]}" = klipper ]
	if [ "${#lines[@]}" -gt 1 ]; then
		[ "$(jq -r .error.code <<<"${lines[0]}")" = "$2" ]
		[ "$(jq .flash <<<"${lines[0]}")" = null ]
	fi
	[[ $stderr == *"kf-flash: "*"$3"* ]] || { echo "$stderr"; false; }
}

# bats test_tags=slow
@test "damaged and foreign images are refused before the board is touched" {
	spoiled 'b[0:4] = struct.pack("<I", 0x08020000)' bad_image \
		"its stack starts at 0x08020000, the RAM of stm32h723xx is from 0x20000000 to 0x20020000"
	spoiled 'b[4] &= 0xfe' bad_image "its reset vector 0x08021b4c is even"
	spoiled 'b[4:8] = struct.pack("<I", 0x20000001)' bad_image \
		"its reset vector is 0x20000001, the flash of stm32h723xx is from 0x08000000 to 0x08100000"
	spoiled 'replace(b, b"Klipper", b"Marlin")' bad_image "it is firmware of Marlin, not of Klipper or Kalico"
	spoiled 'at, size, _ = dictionary(b); del b[at + size // 2:]' bad_image "no data dictionary"
	spoiled 'at, size, _ = dictionary(b); b[at:at + size] = bytes(size)
b += zlib.compress(b"{\"version\":\"" + bytes([32]) * (256 << 20) + b"\"}", 9)' bad_image "no data dictionary"
}

@test "a UF2 for the family of another MCU is refused" {
	spoiled 'for at in range(0, len(b), 512): b[at + 28:at + 32] = struct.pack("<I", 0x57755a57)' mcu_mismatch \
		"the UF2 is for family 0x57755a57, but its firmware is for rp2040 (family 0xe48bff56)" uf2/klipper.uf2 "$RP2040"
	spoiled 'for at in range(0, len(b), 512): b[at + 8:at + 12] = bytes(4)' bad_image \
		"the UF2 has no family" uf2/klipper.uf2 "$RP2040"
}

@test "firmware for a similar chip is refused" {
	spoiled '' mcu_mismatch "the firmware is for sam3x8e, the board is a sam3x8c" sam3x8e/klipper.bin mcu=sam3x8c,serial=29001A00
	spoiled '' mcu_mismatch "the firmware is for stm32f446xx, the board is a stm32h723" f446/klipper.bin
}

@test "a klipper.dict of another build beside the image is refused" {
	cp "$IMAGES/f446/klipper.dict" .
	spoiled '' bad_image "$PWD/klipper.dict is of another build: it has Klipper v1.0.0-"
	[[ $stderr == *" for stm32f446xx, the image has Klipper v1.0.0-"*" for stm32h723xx"* ]]
	cp "$IMAGES/h723/klipper.dict" .
	cp "$IMAGES/h723/klipper.bin" .
	run -0 --separate-stderr sim "$H723" -- 'kf-flash --port /dev/ttyACM0 --firmware klipper.bin --dry-run'
}

# bats test_tags=slow
@test "Katapult gets an ELF, and a UF2 only if it starts where Katapult starts applications" {
	run -0 --separate-stderr sim "$H723" -- 'kf-flash --port /dev/ttyACM0 --firmware "$IMAGES/h723/klipper.elf"'
	[ "$(jq -r .flash.result <<<"$output")" = flashed ]
	run -78 --separate-stderr sim "$RP2040,mode=katapult" -- 'kf-flash --port /dev/ttyACM0 --firmware "$IMAGES/uf2/klipper.uf2"'
	[ "$(jq -r .error.code <<<"$output")" = wrong_offset ]
	[[ $(jq -r .error.message <<<"$output") == *"starts at 0x10000000, the bootloader starts applications at 0x10004000" ]]
	[[ $(jq -r .error.hint <<<"$output") == 'choose "Bootloader offset: 16KiB bootloader" in menuconfig' ]]
}

# bats test_tags=slow
@test "a wrong offset names both addresses and the entry of menuconfig" {
	# By hand, the code of a .bin tells its start; a record has it.
	run -78 --separate-stderr sim "$H723,start=0x8010000" -- '
		kf-flash --port /dev/ttyACM0 --firmware "$IMAGES/h723/klipper.bin"; records start | kf-flash; s=$?; kf-scan -q; exit $s'
	[ "$(jq -r '.error.code, .flash.verified' <<<"${lines[0]}${lines[1]}" | xargs)" = "wrong_offset [] wrong_offset []" ]
	[ "$(jq -r .error.message <<<"${lines[0]}${lines[1]}" | uniq | wc -l)" -eq 1 ]
	[[ $(jq -r .error.message <<<"${lines[1]}") == *"the firmware starts at 0x08020000, the bootloader starts applications at 0x08010000" ]]
	[ "$(jq -r .error.hint <<<"${lines[0]}${lines[1]}" | sort -u)" = 'choose "Bootloader offset: 64KiB bootloader" in menuconfig: kf config octopus-pro' ]
	[ "$(jq -r .board.mode <<<"${lines[2]}")" = klipper ]
}

# bats test_tags=slow
@test "an image that is larger than the flash is refused before it is written" {
	cp "$IMAGES/h723/klipper.bin" big.bin
	edit big.bin 'b += bytes([255]) * (0xe0001 - len(b))'
	run -65 --separate-stderr sim "$H723" -- 'records "$PWD/big.bin" | kf-flash; s=$?; kf-scan -q; exit $s'
	[ "$(jq -r .error.code <<<"${lines[0]}")" = too_large ]
	[[ $(jq -r .error.message <<<"${lines[0]}") == *"it ends at 0x08100001, but the flash of the largest stm32h723xx ends at 0x08100000" ]]
	[ "$(jq -r .board.mode <<<"${lines[1]}")" = klipper ]
	edit big.bin 'del b[-1]'
	run -0 --separate-stderr sim "$H723" -- 'records "$PWD/big.bin" | kf-flash --dry-run'
	[[ $stderr == *"would flash "* ]]
}

@test "the bootloader's MCU is not the image's: refused, whatever the registry says" {
	run -78 --separate-stderr sim "$H723,mcu=stm32h743xx,product=stm32h723xx" -- 'records | kf-flash; s=$?; kf-scan -q; exit $s'
	[[ $(jq -r .error.message <<<"${lines[0]}") == *"the firmware is for stm32h723xx, the bootloader runs on stm32h743xx" ]]
	[ "$(jq -r .board.mode <<<"${lines[1]}")" = klipper ]
}

@test "USB names another chip: only a method that asks the bootloader may flash" {
	lie=$H723,product=stm32f446xx,manufacturer=Klipper
	registry <<<"${OCTOPUS/stm32h723xx_/stm32f446xx_}"
	with='kf-scan -q | jq -c --arg path "$IMAGES/h723/klipper.bin" --arg sum "$(sha256sum <"$IMAGES/h723/klipper.bin" | cut -c1-64)" \
		".firmware = {path: \$path, sha256: \$sum}"'
	run -0 --separate-stderr sim "$lie" -- "$with"' | kf-flash --dry-run'
	[[ $stderr == *"by katapult at /dev/ttyACM0"* ]]
	run -78 --separate-stderr sim "$lie" -- "$with"' | kf-flash --method make_flash'
	[ "$(jq -r .error.message <<<"$output")" = \
		"the firmware and the registry say stm32h723xx, but the board's USB name says stm32f446xx" ]
	[[ $(jq -r .error.hint <<<"$output") == *--method=katapult* ]]
}

# bats test_tags=slow
@test "a record with a wrong value for its firmware is refused" {
	for change in '.version = "v9.9.9"' '.mcu = "stm32f446xx"' '.sha256 = "0" * 64' '.start = 134217728' \
		'.path = "/dev/zero"' '.path = "/etc"' '.path = "/nonesuch"'; do
		change=$change run --separate-stderr sim "$H723" -- 'records | jq -c ".firmware |= (. | $change)" | kf-flash; s=$?; kf-scan -q; exit $s'
		[ "$(jq -r .flash <<<"${lines[0]}")" = null ]
		[ "$(jq -r .board.mode <<<"${lines[1]}")" = klipper ]
		[ "$status" -eq "$(status_of "$(jq -r .error.code <<<"${lines[0]}")")" ]
	done
	change='.version = "v9.9.9"' run -65 --separate-stderr sim "$H723" -- 'records | jq -c ".firmware |= (. | $change)" | kf-flash'
	[[ $(jq -r .error.message <<<"$output") == *"the record says version v9.9.9, the image says v1.0.0-"* ]]
}

# builds [SED FILE]...: change FILEs of the tree with sed, then have kf-build build octopus-pro from it.
builds() {
	local folder=$cache/configs/octopus-pro
	[ -d "$tree" ] || cp -r "$KF_TESTS/sim/tree" "$tree"
	while [ $# -gt 0 ]; do
		sed -i "$1" "$tree/$2"
		shift 2
	done
	mkdir -p "$folder"
	echo "$CONFIG" >"$folder/.config"
	make -s -C "$tree" OUT="$PWD/x/" KCONFIG_CONFIG="$folder/.config" olddefconfig >/dev/null
	run --separate-stderr kf-build -q --klipper-dir "$tree" < <(
		jq -nc --arg path "$folder/.config" --arg sum "$(sha256sum <"$folder/.config" | cut -c1-64)" \
			'{kf: 1, board: {key: "octopus-pro", connected: true, mode: "klipper"},
			  config: {path: $path, sha256: $sum}, error: null}'
	)
}

# unbuilt CODE MESSAGE [SED FILE]...: after these changes kf-build fails with CODE and MESSAGE, and keeps no firmware.
unbuilt() {
	local code=$1 message=$2
	shift 2
	rm -rf "$tree"
	builds "$@"
	[ "$status" -eq "$(status_of "$code")" ]
	[ "$(jq -r .error.code <<<"$output")" = "$code" ]
	[[ $(jq -r .error.message <<<"$output") == *"$message"* ]] || { echo "$output"; false; }
	[ ! -e "$XDG_STATE_HOME/kalico-flash/firmware" ]
}

# bats test_tags=slow
@test "the image that make built is checked, whatever the configuration says" {
	CONFIG=$H723_CONFIG
	unbuilt bad_image "it is firmware of Marlin, not of Klipper or Kalico" 's/"app": "Klipper"/"app": "Marlin"/' scripts/image.py
	unbuilt bad_image "its stack starts at 0x08000000, the RAM of stm32h723xx" \
		's/vectors = \[.*\]$/vectors = [0x8000000]/' scripts/image.py
	unbuilt wrong_offset "its reset vector 0x08000201 is not in the image, which goes from 0x08020000 to " \
		's/start + reset + 1/0x8000201/' scripts/image.py
	unbuilt bad_image "/klipper.dict is of another build: it has Klipper v1.0.0-" \
		's/f.write(text)/f.write(text + " ")/' scripts/image.py
	CONFIG='CONFIG_MACH_RPXXXX=y'
	unbuilt mcu_mismatch "the UF2 is for family 0x57755a57" 's/0xE48BFF56/0x57755A57/' scripts/image.py
	unbuilt wrong_offset "the configuration says that the application starts at 0x10000100, make built it for 0x10001000" \
		's/^STAGE2_START = .*/STAGE2_START = 0x10001000/; s/start = config\["FLASH_APPLICATION_ADDRESS"\]/start = 0x10001100/' scripts/image.py
}

# bats test_tags=slow
@test "an image of another version than the tree's is refused" {
	CONFIG=$H723_CONFIG
	builds
	[ "$status" -eq 0 ]
	git -C "$tree" init -q
	git -C "$tree" -c user.name=x -c user.email=x@x commit -q --allow-empty -m x
	git -C "$tree" tag v2.0.0
	git -C "$tree" add .
	git -C "$tree" -c user.name=x -c user.email=x@x commit -qm y
	builds
	[ "$status" -eq 0 ]
	[[ $(jq -r .firmware.version <<<"$output") =~ ^v2\.0\.0-1-g[0-9a-f]+$ ]]
	# A dirty tree's image has date and host behind the version.
	builds 's/^def version():/def version(): /' scripts/image.py
	[ "$status" -eq 0 ]
	[[ $(jq -r .firmware.version <<<"$output") == v2.0.0-1-g*-dirty-20* ]]
	rm -r "$XDG_STATE_HOME/kalico-flash/firmware"
	builds 's/return text$/return "v1.9.0-5-g0123abc"/; s/if text and "dirty" not in text/if text/' scripts/image.py
	[ "$status" -eq 1 ]
	[ "$(jq -r .error.code <<<"$output")" = wrong_version ]
	[[ $(jq -r .error.message <<<"$output") == "make built version v1.9.0-5-g0123abc, but the version of $tree is v2.0.0-1-g"*-dirty ]]
	[ ! -e "$XDG_STATE_HOME/kalico-flash/firmware" ]
}

# bats test_tags=slow
@test "a tree that git refuses is refused before make, with the command that repairs it" {
	CONFIG=$H723_CONFIG
	builds
	[ "$status" -eq 0 ]
	git -C "$tree" init -q
	git -C "$tree" add .
	git -C "$tree" -c user.name=x -c user.email=x@x commit -qm y
	GIT_TEST_ASSUME_DIFFERENT_OWNER=1 builds
	[ "$status" -eq "$(status_of permission)" ]
	[ "$(jq -r .error.code <<<"$output")" = permission ]
	[ "$(jq -r .error.hint <<<"$output")" = "git config --global --add safe.directory $tree" ]
	[[ $stderr != *"make -j"* ]]
	echo nonsense >"$tree/.git/HEAD"
	builds
	[ "$(jq -r .error.code <<<"$output")" = no_tree ]
	[[ $(jq -r .error.message <<<"$output") == "git cannot read $tree: "*"not a git repository"* ]]
}

@test "firmware without a version is flashed only with --accept-unknown-version" {
	spoiled 'replace(b, b"v1.0.0-7-g5e1fca5e0", b"?")' config "the version of the firmware is ?"
	[[ $stderr == *"--accept-unknown-version"* ]]
	FILE=$PWD/klipper.bin run --separate-stderr sim "$H723" -- 'kf-flash --port /dev/ttyACM0 --firmware "$FILE" --json \
		--accept-unknown-version'
	[ "$(jq -r .flash.result <<<"${lines[0]}")" = flashed ] || { echo "$output $stderr" && false; }
}
