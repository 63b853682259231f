# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Completion for kf and all kf-* tools. Options, keys, ports and units come from the tools themselves.

# The output lines of a tool, in "words" of _kf. The tool is the only process that a completion starts.
_kf_ask() { # TOOL ARGUMENT
	mapfile -t words < <(exec "$@" 2>/dev/null)
}

_kf_options() { # TOOL
	local line
	if [ "$1" != kf ]; then
		_kf_ask "$1" --help
	elif [ "$COMP_CWORD" -gt 1 ] && [[ ${COMP_WORDS[1]} != -* ]]; then
		_kf_ask kf "${COMP_WORDS[1]}" --help
	else
		_kf_ask kf help options
	fi
	set -- "${words[@]}"
	words=()
	for line; do
		[[ ! $line =~ ^\ +(-[A-Za-z],\ )?(--[a-z-]+=?) ]] || words+=("${BASH_REMATCH[2]}")
	done
}

# The ports that have a board: for kf-config the USB port, for other tools the device and the by-id path.
_kf_ports() { # TOOL
	local tool=$1 line
	_kf_ask kf-scan --ports
	set -- "${words[@]}"
	words=()
	for line; do
		if [ "$tool" = kf-config ]; then
			words+=("${line%%$'\t'*}")
		else
			line=${line#*$'\t'}
			words+=("${line%%$'\t'*}" "${line#*$'\t'}")
		fi
	done
}

# The same with names that bash finds itself: files (-f) or commands (-c).
_kf_own() { # ACTION WORD
	[ "$1" != -f ] || compopt -o filenames
	mapfile -t words < <(compgen "$1" -- "$2")
}

# Offers the words after "tool word ..." that are not options.
_kf_arguments() { # TOOL WORD-NUMBER COMMAND
	local all=" ${COMP_WORDS[*]} "

	case $1:$2:$3 in
	kf:1:*) words=(status update add list flash build config show set remove export import scan service doctor sim help) ;;
	kf:*:flash | kf:*:build | kf:*:config | kf:*:update | kf:*:status | kf-status:* | *:2:show | *:2:set | *:2:remove) _kf_ask kf-scan --keys ;;
	kf-config:1:*) words=(add list show set remove import export) ;;
	*:2:import | *:2:export) _kf_own -f "$cur" ;;
	*:set)
		words=({name,mcu,serial_pattern,flash_method,flashable,klipper_dir,usb_port,canbus_uuid,canbus_interface,serial,baud,katapult_baud,sdcard_board,programmer,programmer_part,programmer_baud}'=')
		[[ $all != *" --global "* ]] ||
			words=({klipper_dir,katapult_dir,default_flash_method,allow_flash_fallback,skip_menuconfig}'=')
		;;
	kf-service:1:* | kf:2:service) words=(status hold) ;;
	kf:2:help) words=(options states status update add list flash build config show set remove export import scan service doctor sim) ;;
	esac
}

# Offers the values of an option, or of a member with its "="; false if it is not known.
_kf_values() { # OPTION TOOL
	case $2:$1 in
	*:--device | *:--remove-device | *:-d) _kf_ask kf-scan --keys ;;
	*:--method | *:--flash-method | *:flash_method= | *:default_flash_method= | kf-flash:-m)
		words=(katapult picoboot dfu avrdude bossac host_mcu make_flash flashtool dfu_util sdcard)
		;;
	*:--unit | *:-u) _kf_ask kf-service --units ;;
	*:--port) _kf_ports "$2" ;;
	*:--klipper-dir | *:--katapult-dir | *:--firmware | *:--bootloader | *:--from | kf-flash:--read | *:klipper_dir= | *:katapult_dir=) _kf_own -f "$cur" ;;
	*:flashable= | *:allow_flash_fallback= | *:skip_menuconfig=) words=(true false) ;;
	*:[!-]*= | *:-[jt] | kf-flash:-w | *:--jobs | *:--*timeout | *:--wait | *:--return-delay | *:--grace | *:--bytes | *:--baud | *:--can) ;;
	*:--key | *:--name | *:--mcu | *:--pattern | *:--board | kf-sim:-b) ;;
	*) return 1 ;;
	esac
}

_kf() {
	local tool=${COMP_WORDS[0]##*/} cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]-} asked at=$COMP_CWORD word words=()

	# Readline takes "--key=x" apart at the "=", and leaves an open quote before its word.
	if [ "$cur" = = ]; then
		cur=''
		at=$((at + 1))
	fi
	cur=${cur#[\"\']}
	if [ "${COMP_WORDS[at - 1]}" = = ]; then
		prev=${COMP_WORDS[at - 2]}
		[[ $prev == -* ]] || prev+='='
	fi
	asked=$tool
	if [ "$tool" = kf ] && [ "$COMP_CWORD" -gt 1 ]; then
		case $command in
		add | show | set | remove | export | import) asked=kf-config ;;
		list | scan) asked=kf-scan ;;
		service | sim | doctor | status) asked=kf-$command ;;
		esac
	fi
	case "$asked:$prev ${COMP_WORDS[*]:1:COMP_CWORD-1} " in
	kf-service:--\ * | kf-sim:--\ *) _kf_own -c "$cur" ;;
	kf-service:*\ --\ * | kf-sim:*\ --\ *) _kf_own -f "$cur" ;;
	*)
		if _kf_values "$prev" "$asked"; then
			:
		elif [[ $cur == -* ]]; then
			_kf_options "$asked"
		else
			_kf_arguments "$tool" "$COMP_CWORD" "$command"
		fi
		;;
	esac
	COMPREPLY=()
	for word in "${words[@]}"; do
		[[ -z $word || $word != "$cur"* ]] || COMPREPLY+=("$word")
	done
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}

complete -F _kf kf kf-scan kf-status kf-config kf-build kf-flash kf-service kf-doctor kf-sim
