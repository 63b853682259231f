# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2034 # the variables are for the tests
#
# A copy of the simulated firmware tree, and boards with a configuration for it.

fresh_tree() {
	fresh_home
	tree=$BATS_TEST_TMPDIR/tree
	cp -r "$KF_TESTS/sim/tree" "$tree"
	export SOURCE_DATE_EPOCH=1700000000
	state=$XDG_STATE_HOME/kalico-flash
	cache=$XDG_CACHE_HOME/kalico-flash
}

# config KEY SYMBOL...: the board's saved configuration, complete. Each is made once in a file of tests.
config() {
	local file=$XDG_CONFIG_HOME/kalico-flash/configs/$1/.config made symbol
	shift
	made=$BATS_FILE_TMPDIR/config-$*
	if [ ! -e "$made" ]; then
		for symbol; do
			case $symbol in
			*=*) echo "CONFIG_$symbol" ;;
			*) echo "CONFIG_$symbol=y" ;;
			esac
		done >"$BATS_TEST_TMPDIR/config"
		make -s -C "$tree" OUT="$BATS_TEST_TMPDIR/x/" KCONFIG_CONFIG="$BATS_TEST_TMPDIR/config" \
			olddefconfig >/dev/null
		mv "$BATS_TEST_TMPDIR/config" "$made"
	fi
	mkdir -p "${file%/*}"
	cp "$made" "$file"
}

# record KEY [JQ]: the board as kf-config hands it on.
record() {
	local file=$XDG_CONFIG_HOME/kalico-flash/configs/$1/.config
	jq -nc --arg key "$1" --arg path "$file" --arg sum "$(sha256sum <"$file" | cut -c1-64)" \
		'{kf: 1, board: {key: $key, connected: true, mode: "klipper"},
		  config: {path: $path, sha256: $sum}, error: null} | '"${2:-.}"
}
