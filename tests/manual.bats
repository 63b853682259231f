#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # run sets stderr; sh -c and bash -c have $ of their own
# The help, the manual page and the completion of a tool name the same options.
load helper

export KF_PRINTER_ROOT=/nonexistent # keys are those of the registry alone
tools='kf kf-scan kf-status kf-config kf-build kf-flash kf-service kf-doctor kf-sim'
helpers='kf-leased' # nobody types them: no completion

# All options of a tool; those of kf do not fit on its --help.
help_of() { # TOOL
	if [ "$1" = kf ]; then
		kf help options
	else
		"$1" --help
	fi
}

# "-x" and "--long" of --help's option lines, sorted.
helped() { # TOOL
	help_of "$1" | sed -nE 's/^  +(-[A-Za-z], )?(--[a-z-]+).*/\1\2/p' | tr -s ', ' '\n' | sort
}

# The options of the page's section OPTIONS, in the same form.
described() { # TOOL
	sed -n '/^\.Sh OPTIONS/,/^\.Sh ENV/s/^\.It Fl //p' "$tests/../man/$1".[18] |
		sed -E 's/ , Fl /\n/; s/( Ns.*)?$//' | sed 's/^/-/' | sort
}

# The long options that bash offers after "tool -".
completed() { # TOOL
	bash -c 'compopt() { :; }; . "$0"; COMP_WORDS=("$1" --) COMP_CWORD=1; _kf
		printf "%s\n" "${COMPREPLY[@]%=}"' "$tests/../completions/kf.bash" "$1" | sort
}

@test "options: --help and the page are the same" {
	for tool in $tools $helpers; do
		helped "$tool" >"$BATS_TEST_TMPDIR/helped"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/helped")" -ge 6 ]
		described "$tool" | diff "$BATS_TEST_TMPDIR/helped" -
	done
}

@test "--version and -V: the version, by the tool's own name" {
	local version
	version=$(kf --version)
	version=${version#kf }
	for tool in $tools $helpers; do
		[ "$("$tool" --version)" = "$tool $version" ]
		[ "$("$tool" -V)" = "$tool $version" ]
	done
	[ "$(kf list --version)" = "kf-scan $version" ]
}

@test "options: those of kf's commands are those of kf help options" {
	for command in update flash build config; do
		kf "$command" --help
	done | sed -nE 's/^  +(-[A-Za-z], )?(--[a-z-]+).*/\2/p' | sort -u >"$BATS_TEST_TMPDIR/own"
	helped kf | grep -- -- | grep -vE -- '--(device|add-device|list-devices|remove-device)' | sort |
		diff "$BATS_TEST_TMPDIR/own" -
}

@test "options: each is in the synopsis, by one of its names" {
	for tool in kf-scan kf-status kf-build kf-flash kf-doctor; do
		sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESC/p' "$tests/../man/$tool.1" | grep -oE 'Fl [-a-zA-Z]+' >"$BATS_TEST_TMPDIR/synopsis"
		while read -r short long; do
			grep -qE -e "^Fl -$long\$" -e "^Fl [a-zA-Z]*$short" "$BATS_TEST_TMPDIR/synopsis" ||
				{ echo "$tool: $short $long" && false; }
		done < <("$tool" --help | sed -nE 's/^  +(-([A-Za-z]), )?--([a-z-]+).*/\2 \3/p' | sed 's/^ /0 /')
	done
}

@test "options: --help and bash completion are the same" {
	for tool in $tools; do
		helped "$tool" | grep -e -- >"$BATS_TEST_TMPDIR/helped"
		completed "$tool" | diff "$BATS_TEST_TMPDIR/helped" -
	done
}

@test "-h goes to standard output, a mistake to standard error with 64" {
	for tool in $tools $helpers; do
		run --separate-stderr "$tool" -h
		[ "$status" -eq 0 ] && [ "$stderr" = "" ] && [[ $output == "usage: "*"$tool"* ]]
		run --separate-stderr "$tool" -V
		[ "$status" -eq 0 ] && [ "$stderr" = "" ] && [[ $output == "$tool "* ]]
		run --separate-stderr "$tool" --no-such-option
		[ "$status" -eq 64 ] && [ "$output" = "" ] && [ "$stderr" != "" ]
		[ "${stderr_lines[1]}" = "  see $tool --help" ]
		run bash -c "$tool -h >/dev/full"
		[ "$status" -eq 74 ]
		[ "${lines[0]}" = "$tool: cannot write to standard output: No space left on device" ]
	done
}

@test "every error code has its status in kalico-flash(7)" {
	"$KF_BUILD/tests/unit/test-error" | sed -n 's/^# \([a-z_]* ([0-9]*)\)$/\1/p' |
		grep -vE '^(ok|interrupted) ' | sort >"$BATS_TEST_TMPDIR/codes"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/codes")" -gt 30 ]
	sed -nE 's/^\.It Li ([a-z_]+) Pq ([0-9]+)$/\1 (\2)/p' "$tests/../man/kalico-flash.7" | sort |
		diff "$BATS_TEST_TMPDIR/codes" -
}

# bats test_tags=slow
@test "the pages render on terminals of 28 to 200 columns" {
	for page in "$tests/../man/"*.[1578]; do
		for columns in 28 40 80 200; do
			timeout 20 groff -mandoc -Tutf8 -P-cbou "-rLL=${columns}n" "-rLT=${columns}n" "$page" >"$BATS_TEST_TMPDIR/page" ||
				{ echo "$page: $columns columns" && false; }
			grep -qx DESCRIPTION "$BATS_TEST_TMPDIR/page"
		done
	done
}

@test "no word in the headings of TROUBLESHOOTING is taken for a macro" {
	groff -mandoc -Tascii -P-cbou "$tests/../man/kalico-flash.7" | tr -s ' ' >"$BATS_TEST_TMPDIR/page"
	sed -n '/^\.Sh TROUBLESHOOTING/,/^\.El/s/^\.It \(\\&\)\{0,1\}//p' "$tests/../man/kalico-flash.7" >"$BATS_TEST_TMPDIR/headings"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/headings")" -ge 5 ]
	while read -r heading; do
		grep -qxF " $heading" "$BATS_TEST_TMPDIR/page"
	done <"$BATS_TEST_TMPDIR/headings"
}

@test "every page says what the statuses mean, with the codes of each" {
	cd "$BATS_TEST_TMPDIR"
	"$KF_BUILD/tests/unit/test-error" | sed -nE 's/^# ([a-z_]+) \(([0-9]+)\)$/\2 \1/p' |
		grep -vE '^(0|1|78) ' | sort >codes # for 1 and 78 the pages refer to the table
	[ "$(wc -l <codes)" -gt 15 ]
	for page in kf.1 kf-status.1 kf-scan.1 kf-config.1 kf-build.1 kf-flash.1 kf-service.1 kf-doctor.1 kalico-flash.7; do
		sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EXAMPLES/p' "$tests/../man/$page" >status
		for status in 0 1 64 65 69 70 71 74 75 76 77 78 128+N; do
			grep -qxF ".It $status" status
		done
		grep -qxF "If only one board was worked on, the status is that of its own error." status
		awk '$1 == ".It" { status = $2 }
			$1 == ".Pq" && status != 1 { for (i = 2; i <= NF; i++) if ($i ~ /^[a-z_]+$/) print status, $i }' status |
			sort | diff codes -
	done
}

@test "completion knows commands, keys, methods and members" {
	cd "$BATS_TEST_TMPDIR"
	registry <<<'{"devices":{"nitehawk":{"name":"N","mcu":"rp2040","serial_pattern":"usb-Klipper_rp2040_E66*"},
		"octopus-pro":{"name":"O","mcu":"stm32h723","serial_pattern":"usb-Klipper_stm32h723xx_29*"}}}'
	offered() {
		bash -c 'compopt() { :; }; . "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _kf
			echo "${COMPREPLY[*]}"' "$tests/../completions/kf.bash" "$@"
	}
	[ "$(offered kf fl)" = flash ]
	[ "$(offered kf flash '')" = "nitehawk octopus-pro" ]
	[ "$(offered kf flash nitehawk o)" = octopus-pro ]
	[ "$(offered kf scan --fol)" = --follow ]
	[ "$(offered kf-scan --device = n)" = nitehawk ]
	[ "$(offered kf-scan -d o)" = octopus-pro ]
	[ "$(offered kf-flash --method = m)" = make_flash ]
	[ "$(offered kf-config set nitehawk fl)" = "flash_method= flashable=" ]
	[ "$(offered kf-service st)" = status ]
	[ "$(offered kf set --global '')" = "klipper_dir= katapult_dir= default_flash_method= allow_flash_fallback= skip_menuconfig=" ]
	[ "$(offered kf set nitehawk flash_method = m)" = make_flash ]
	[ "$(offered kf set nitehawk flash_method = n)" = "" ]
	[ "$(offered kf set --global skip_menuconfig =)" = "true false" ]
	[ "$(offered kf-flash -m f)" = flashtool ]
	[ "$(offered kf flash -m n)" = nitehawk ]
	[ "$(offered kf flash --wait '')" = "" ]
	[ "$(offered kf flash '"o')" = octopus-pro ]
	touch board.json
	[ "$(offered kf export bo)" = board.json ]
	[[ " $(offered kf-service hold -- ba) " == *" bash "* ]]
	[ "$(offered kf service hold -- cat bo)" = board.json ]
}

@test "each member that completion offers is one that can be set" {
	registry <<<'{"devices":{"nitehawk":{"name":"N","mcu":"rp2040","serial_pattern":"usb-Klipper_rp2040_E66*"}}}'
	for key in nitehawk --global; do
		members=$(bash -c 'compopt() { :; }; . "$0"; COMP_WORDS=(kf set "$1" "") COMP_CWORD=3; _kf
			echo "${COMPREPLY[*]}"' "$tests/../completions/kf.bash" "$key")
		[ "$members" != "" ]
		for member in $members; do
			run kf-config set "$key" "$member"
			[[ $output != *"no member"* ]]
		done
	done
}

@test "bash starts one process for a completion: the tool" {
	case $KF_BUILD in *address*) skip "a sanitizer refuses strace" ;; esac
	for word in --device --m; do
		strace -f -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=clone,clone3,fork,vfork bash -c 'compopt() { :; }; . "$0"
			COMP_WORDS=(kf-flash "$1" "") COMP_CWORD=1; [ "$1" = --m ] || COMP_CWORD=2
			_kf' "$tests/../completions/kf.bash" "$word"
		[ "$(grep -cE '(clone3?|v?fork)\(' "$BATS_TEST_TMPDIR/trace")" -eq 1 ]
	done
}

# Two boards on ports, and a systemd with two printers, to complete from.
completing() { # COMMAND...
	mocked kf-sim --board mcu=stm32h723xx,serial=29001A001151313531383332,port=1-1.2 \
		--board mcu=rp2040,serial=E6605481DB318C34,port=1-1.3,mode=katapult -- "$@"
}

@test "completion knows ports: USB ports to register, devices and links to flash" {
	need pty
	offered() {
		completing bash -c 'compopt() { :; }; . "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _kf
			echo "${COMPREPLY[*]}"' "$tests/../completions/kf.bash" "$@"
	}
	[ "$(offered kf-config --port = 1)" = "1-1.2 1-1.3" ]
	[ "$(offered kf add --port = 1-1.3)" = "1-1.3" ]
	[ "$(offered kf-flash --port = /dev/tty)" = "/dev/ttyACM0 /dev/ttyACM1" ]
	[ "$(offered kf-flash --port = /dev/serial/by-id/usb-kat)" = /dev/serial/by-id/usb-katapult_rp2040_E6605481DB318C34-if00 ]
}

@test "completion knows the methods that kf-flash knows" {
	offered() {
		bash -c 'compopt() { :; }; . "$0"; COMP_WORDS=(kf-flash --method = "") COMP_CWORD=3; _kf
			printf "%s\n" "${COMPREPLY[@]}"' "$tests/../completions/kf.bash"
	}
	for method in $(offered); do
		run kf-config set --global default_flash_method="$method"
		[ "$status" -eq 0 ]
	done
	run kf-config set --global default_flash_method=nonesuch
	[ "$status" -ne 0 ]
	for method in $(offered); do [[ $output == *"$method"* ]]; done
}

@test "each tool's completion is installed where bash and fish look for it, and removed" {
	root=$BATS_TEST_TMPDIR/root
	install() {
		make -s -C "$tests/.." -o all B="$KF_BUILD" DESTDIR="$root" PREFIX=/usr "$@"
	}
	install install
	for tool in $tools; do
		bash -c '. "$0"; complete -p "$1"' "$root/usr/share/bash-completion/completions/$tool" "$tool"
	done
	if command -v fish >/dev/null; then
		for tool in $tools; do
			[[ $(XDG_DATA_DIRS=$root/usr/share fish -c "complete -C '$tool --'") == *--help* ]]
		done
	fi
	install uninstall
	[ "$(find "$root/usr/share" -type f -o -type l)" = "" ]
}

# bats test_tags=slow
@test "fish offers the same" {
	need pty
	command -v fish >/dev/null || skip "fish is not installed"
	registry <<<'{"devices":{"nitehawk":{"name":"N","mcu":"rp2040","serial_pattern":"usb-Klipper_rp2040_E66*"}}}'
	offered() {
		completing fish -c ". $tests/../completions/kf.fish; complete -C '$1'" | paste -sd ' '
	}
	[ "$(offered 'kf fl')" = flash ]
	[ "$(offered 'kf flash n')" = nitehawk ]
	[ "$(offered 'kf-scan --device ')" = nitehawk ]
	[ "$(offered 'kf scan --fol')" = --follow ]
	[ "$(offered 'kf-flash --met')" = "--method --method=" ]
	[ "$(offered 'kf-flash --method ma')" = make_flash ]
	[ "$(offered 'kf-flash --method=ma')" = --method=make_flash ]
	[ "$(offered 'kf add --port ')" = "1-1.2 1-1.3" ]
	[ "$(offered 'kf-flash --port /dev/ttyACM')" = "/dev/ttyACM0 /dev/ttyACM1" ]
	[ "$(offered 'kf doctor --')" = "--help --json --quiet --table --version" ]
	[ "$(offered 'kf help do')" = doctor ]
	[ "$(offered 'kf set ')" = nitehawk ]
	[ "$(offered 'kf set nitehawk fl')" = "flashable= flash_method=" ]
	[ "$(offered 'kf set nitehawk flash_method=m')" = flash_method=make_flash ]
	[ "$(offered 'kf set --global sk')" = skip_menuconfig= ]
	[ "$(offered 'kf flash --wait ')" = "" ]
	[[ $(offered 'kf-service hold -- bas') == *bash* ]]
}

@test "zsh offers the same" {
	need pty
	command -v zsh >/dev/null || skip "zsh is not installed"
	registry <<<'{"devices":{"nitehawk":{"name":"N","mcu":"rp2040","serial_pattern":"usb-Klipper_rp2040_E66*"}}}'
	offered() { # what the line becomes when TAB is pressed
		# The leak checker's tracer now and then waits for ever below an interactive shell.
		ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 zsh -f "$tests/zsh-complete" "$tests/../completions" "$1"
	}
	[ "$(offered 'kf fla')" = 'kf flash' ]
	[ "$(offered 'kf flash n')" = 'kf flash nitehawk' ]
	[ "$(offered 'kf-scan --device=n')" = 'kf-scan --device=nitehawk' ]
	[ "$(offered 'kf scan --fol')" = 'kf scan --follow' ]
	[ "$(offered 'kf-flash --method=m')" = 'kf-flash --method=make_flash' ]
	[ "$(offered 'kf flash --method m')" = 'kf flash --method make_flash' ]
	[ "$(offered 'kf flash --wait n')" = 'kf flash --wait n' ]
	[ "$(offered 'kf set --global sk')" = 'kf set --global skip_menuconfig=' ]
	[ "$(offered 'kf set nitehawk flash_method=m')" = 'kf set nitehawk flash_method=make_flash' ]
	touch "$BATS_TEST_TMPDIR/board.json"
	[ "$(offered "kf export $BATS_TEST_TMPDIR/bo")" = "kf export $BATS_TEST_TMPDIR/board.json" ]
	[ "$(offered "kf-flash --firmware $BATS_TEST_TMPDIR/bo")" = "kf-flash --firmware $BATS_TEST_TMPDIR/board.json" ]
	[ "$(offered "kf-service hold -- cat $BATS_TEST_TMPDIR/bo")" = "kf-service hold -- cat $BATS_TEST_TMPDIR/board.json" ]
	[ "$(completing zsh -f "$tests/zsh-complete" "$tests/../completions" 'kf-flash --port=/dev/serial/by-id/usb-ka')" = \
		'kf-flash --port=/dev/serial/by-id/usb-katapult_rp2040_E6605481DB318C34-if00' ]
}

@test "kf help knows each word that completion offers behind it, and all that kf --help names" {
	words=$(bash -c 'compopt() { :; }; . "$0"; COMP_WORDS=(kf help "") COMP_CWORD=2; _kf
		echo "${COMPREPLY[*]}"' "$tests/../completions/kf.bash")
	[ "$(wc -w <<<"$words")" -gt 12 ]
	for word in $words; do
		run -0 kf help "$word"
		[[ $output == *kf* ]]
	done
	for word in $(kf --help | sed -nE 's/^  ([a-z]+(, [a-z]+)*)  .*/\1/p' | tr -d ,); do
		[[ " $words help " == *" $word "* ]]
	done
}
