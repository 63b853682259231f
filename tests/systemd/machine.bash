# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154
#
# A small Debian that systemd-nspawn boots, for those who source this: real systemd, polkit and sudo.
# mmdebstrap makes it once, in $build/systemd, and nothing ever writes to it again: what a run changes
# is kept in memory. Needs root.
#
# They set $build and $tree, and get $work, a folder that goes when they end.

. "$tree/tests/signal.bash"
work=$(mktemp -d /tmp/kf-systemd.XXXXXX)
nspawn=

machine_stop() {
	# Its init: nothing in there is worth an orderly end.
	[ -z "$nspawn" ] || { send_signal KILL "$leader" && timeout 10 tail -s 0.05 --pid="$nspawn" -f /dev/null; } || true
	rm -rf "$work"
}
trap machine_stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

skip() {
	printf '1..0 # SKIP %s\n0 passed, 0 failed, 1 skipped\n' "$1"
	exit 0
}

# machine_make NAME PACKAGE,... [ARCH]: a Debian ($SUITE, as of "make SUITE=", or 12) with these is in $root, from
# $MIRROR if that is set, as for debian/build.
machine_make() {
	local suite=${SUITE:-bookworm}
	root=$build/systemd/$suite/$1${3:+-$3} # deep: make looks for *.d in the upper folders
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	command -v systemd-nspawn >/dev/null || skip "systemd-nspawn is missing (Debian: systemd-container)"
	[ "$(cat "$root/ready" 2>/dev/null)" != "$2" ] || return 0
	command -v mmdebstrap >/dev/null || skip "mmdebstrap is missing"
	rm -rf "$root"
	mkdir -p "${root%/*}"
	mmdebstrap --quiet --variant=minbase --include="$2" ${3:+--architectures="$3"} "$suite" "$root" ${MIRROR:+"$MIRROR"} >&2
	echo "$2" >"$root/ready"
}

# machine_boot BIND...: boot it, with these folders (OUTSIDE:INSIDE) to be read in there.
machine_boot() {
	# READY comes when all of multi-user.target is there, with the pid of the container's init.
	exec 4< <(exec /usr/bin/python3 "$tree/tests/systemd/boot.py" "$work/notify" \
		systemd-nspawn --quiet --register=no --keep-unit --notify-ready=yes --console=pipe --boot \
		--volatile=overlay --directory="$root" --machine="kf-${root##*/}" "${@/#/--bind-ro=}" 2>"$work/log" </dev/null)
	read -r -t 70 nspawn leader <&4 || { nspawn=; cat "$work/log" >&2; skip "systemd-nspawn cannot boot here"; }
}

# inside COMMAND...: a service of its systemd, so that it is in its cgroups too. systemd-run itself
# may not live to see the end: tests restart what it is connected to.
inside() {
	# shellcheck disable=SC2016
	nsenter --target "$leader" --all env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c '
		rm -f /run/kf-status && mkfifo /run/kf-status && exec 3<>/run/kf-status
		systemd-run --quiet --pipe --wait --collect --setenv=HOME=/root --setenv=TERM=dumb \
			sh -c "\"\$@\"; echo \$? >/run/kf-status" - "$@" 3>&-
		read -r status <&3 && exit "$status"' - "$@" </dev/null
}

# machine_test FILE...: run these inside, each of which speaks TAP; the last line tells of all.
machine_test() {
	local file
	for file; do
		echo "# ${file##*/}"
		case $file in
		*.bats) inside bats --formatter tap "$file" || echo "# ${file##*/}: status $?" ;;
		*) inside "$file" || echo "# ${file##*/}: status $?" ;;
		esac
	done | tee "$work/tap"
	awk '/^ok .* # [Ss][Kk][Ii][Pp]/ { skipped++; next } /^ok / { passed++ } /^not ok / { failed++ }
		/^1\.\.[0-9]+/ { sub(/^1\.\./, ""); planned += $1 } /: status [0-9]+$/ { broken++ }
		END {
			missing = planned - passed - failed - skipped
			if (missing > 0) failed += missing
			if (broken && !failed) failed = broken
			if (!planned) failed++
			printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
			exit failed > 0
		}' "$work/tap"
}
