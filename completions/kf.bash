# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Completion for kf and all kf-* tools. Options, keys, ports and units come from the tools themselves.

_kf_options() { # TOOL
	command -v "$1" >/dev/null &&
		"$1" --help 2>/dev/null | sed -nE 's/^ +(-[A-Za-z], )?(--[a-z-]+=?).*/\2/p'
}

_kf_keys() {
	kf-scan --keys 2>/dev/null
}

_kf_units() {
	kf-service --units 2>/dev/null
}

# FIELDS of each port that has a board: 1 the USB port, 2 the device, 3 the by-id path.
_kf_ports() { # FIELDS
	kf-scan --ports 2>/dev/null | cut -f "$1" | tr '\t' '\n'
}

# What stands after "tool word ..." when it is no option.
_kf_arguments() { # TOOL WORD-NUMBER COMMAND
	case $1:$2:$3 in
	kf:1:*) echo add list flash build config show set remove export import scan service doctor sim help ;;
	kf:*:flash | kf:*:build | kf:*:config | *:2:show | *:2:set | *:2:remove) _kf_keys ;;
	kf-config:1:*) echo add list show set remove import export ;;
	*:set) printf '%s=\n' name mcu serial_pattern flash_method flashable klipper_dir usb_port ;;
	kf-service:1:* | kf:2:service) echo status stop start hold ;;
	kf:2:help) echo scan config build flash service doctor sim ;;
	esac
}

_kf() {
	local tool=${COMP_WORDS[0]##*/} cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]-} asked words

	# Readline takes "--key=x" apart at the "=".
	if [ "$cur" = = ]; then
		cur=
	elif [ "$prev" = = ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	asked=$tool
	if [ "$tool" = kf ] && [ "$COMP_CWORD" -gt 1 ]; then
		case $command in
		add | show | set | remove | export | import) asked=kf-config ;;
		list | scan) asked=kf-scan ;;
		service | sim | doctor) asked=kf-$command ;;
		esac
	fi
	case $prev in
	--device | --remove-device | -d) words=$(_kf_keys) ;;
	--method | --flash-method) words='katapult make_flash flashtool' ;;
	--unit | -u) words=$(_kf_units) ;;
	--port)
		if [ "$asked" = kf-config ]; then
			words=$(_kf_ports 1)
		else
			words=$(_kf_ports 2,3)
		fi
		;;
	--klipper-dir | --katapult-dir | --firmware | import)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	*)
		if [[ $cur == -* ]]; then
			words=$(_kf_options "$asked")
		else
			words=$(_kf_arguments "$tool" "$COMP_CWORD" "$command")
		fi
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}

complete -F _kf kf kf-scan kf-config kf-build kf-flash kf-service kf-doctor kf-sim
