#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# How the packages are made: from git's last commit, with as many tests at once as the builder allows.
load helper

@test "debian/build packs the last commit, nothing else of the working tree" {
	command -v dpkg-parsechangelog >/dev/null || skip "dpkg-dev is not installed"
	[ -e "$tests/../.git" ] || skip "this tree is not a clone of git"
	cd "$BATS_TEST_TMPDIR"
	HOME=$PWD git config --global safe.directory '*'
	HOME=$PWD git clone -q "$tests/.." tree
	cp "$tests/../debian/build" tree/debian/build
	echo stray >tree/stray
	echo "not committed" >>tree/README.md
	mkdir bin
	printf '#!/bin/sh\ntouch ../kalico-flash_0_all.deb\n' >bin/dpkg-buildpackage
	chmod +x bin/dpkg-buildpackage
	PATH=$PWD/bin:$PATH run --separate-stderr tree/debian/build out
	[ "$status" -eq 0 ]
	[[ $stderr == *"in no commit: "*"README.md"*"stray"* ]]
	tar -xJf out/kalico-flash_*.orig.tar.xz
	rm -r tree/stray out
	git -C tree checkout -q README.md
	diff -r --exclude=.git --exclude=debian tree kalico-flash-*
	[ ! -e "$(echo kalico-flash-*)/.git" ]
}

@test "tests/run runs as many tests at once as DEB_BUILD_OPTIONS says" {
	cd "$BATS_TEST_TMPDIR"
	mkfifo both
	printf '#!/bin/bash\necho 1..1\nread -r _ <both && echo ok 1\n' >reads # each ends only if the other runs too
	printf '#!/bin/bash\necho 1..1\necho >both && echo ok 1\n' >writes
	sed -i "s|both|$PWD/both|g" reads writes
	chmod +x reads writes
	DEB_BUILD_OPTIONS="nostrip parallel=2" run -0 "$tests/run" "$KF_BUILD" "$PWD/reads" "$PWD/writes"
	[ "${lines[-1]}" = "2 passed, 0 failed, 0 skipped" ]
	DEB_BUILD_OPTIONS=parallel=1 KF_TEST_TIMEOUT=1 run -1 "$tests/run" "$KF_BUILD" "$PWD/reads" "$PWD/writes"
	[ "${lines[-1]}" = "0 passed, 2 failed, 0 skipped" ]
}
