#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
	mkdir -p tests lib/core lib/flash
	cp "$BATS_TEST_DIRNAME/lint" tests
}

@test "lint refuses an include upwards, of a folder that is not in its list, and a circle" {
	touch lib/core/text.h
	echo '#include "core/text.h"' >lib/flash/flash.c
	run -0 tests/lint rooms lib/*/*.[ch]
	echo '#include "flash/flash.h"' >lib/core/text.h
	run -1 tests/lint rooms lib/*/*.[ch]
	[[ $output == *'lib/core/text.h:1: core may not include "flash/flash.h"' ]]
	echo '#include "core/file.h"' >lib/core/text.h
	echo '#include "core/text.h"' >lib/core/file.c
	run -1 tests/lint rooms lib/*/*.[ch]
	[[ $output == *'loop:'*lib/core/file*lib/core/text* ]]
	rm lib/core/file.c
	mkdir lib/other
	echo '#include <errno.h>' >lib/other/other.h
	run -1 tests/lint rooms lib/*/*.[ch]
	[[ $output == *"lib/other/other.h: its folder is not in this list"* ]]
}
