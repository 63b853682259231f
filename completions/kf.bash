# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Completion for kf and all kf-* tools. Options, keys, ports and units come from the tools themselves.

# The lines that a tool says, in "words" of _kf: it is the one process that a completion starts.
_kf_ask() { # TOOL ARGUMENT
	mapfile -t words < <(exec "$@" 2>/dev/null)
}

_kf_options() { # TOOL
	local line
	_kf_ask "$1" --help
	set -- "${words[@]}"
	words=()
	for line; do
		[[ ! $line =~ ^\ +(-[A-Za-z],\ )?(--[a-z-]+=?) ]] || words+=("${BASH_REMATCH[2]}")
	done
}

# Of each port that has a board, the USB port for kf-config, and for others the device and the by-id path.
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

# What stands after "tool word ..." when it is no option.
_kf_arguments() { # TOOL WORD-NUMBER COMMAND
	case $1:$2:$3 in
	kf:1:*) words=(add list flash build config show set remove export import scan service doctor sim help) ;;
	kf:*:flash | kf:*:build | kf:*:config | *:2:show | *:2:set | *:2:remove) _kf_ask kf-scan --keys ;;
	kf-config:1:*) words=(add list show set remove import export) ;;
	*:set) words=({name,mcu,serial_pattern,flash_method,flashable,klipper_dir,usb_port}'=') ;;
	kf-service:1:* | kf:2:service) words=(status stop start hold) ;;
	kf:2:help) words=(scan config build flash service doctor sim) ;;
	esac
}

_kf() {
	local tool=${COMP_WORDS[0]##*/} cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]-} asked word words=()

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
	--device | --remove-device | -d) _kf_ask kf-scan --keys ;;
	--method | --flash-method) words=(katapult make_flash flashtool) ;;
	--unit | -u) _kf_ask kf-service --units ;;
	--port) _kf_ports "$asked" ;;
	--klipper-dir | --katapult-dir | --firmware | import)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	*)
		if [[ $cur == -* ]]; then
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

complete -F _kf kf kf-scan kf-config kf-build kf-flash kf-service kf-doctor kf-sim
