# SPDX-License-Identifier: GPL-3.0-or-later
#
# Completion for kf and all kf-* tools. Options, keys, ports and units come from the tools themselves.

function __kf_keys
    kf-scan --keys 2>/dev/null
end

# FIELDS of each port that has a board: 1 the USB port, 2 the device, 3 the by-id path.
function __kf_ports
    kf-scan --ports 2>/dev/null | string split --fields $argv \t
end

function __kf_options
    set -l words (commandline -opc)
    set -l tool (string replace -r '.*/' '' -- $words[1])
    if test $tool = kf; and set -q words[2]
        switch $words[2]
            case add show set remove export import
                set tool kf-config
            case list scan
                set tool kf-scan
            case service sim doctor
                set tool kf-$words[2]
        end
    end
    $tool --help 2>/dev/null | string replace -rf '^ +(?:-[A-Za-z], )?(--[a-z-]+=?).*' '$1'
end

for tool in kf kf-scan kf-config kf-build kf-flash kf-service kf-doctor kf-sim
    complete -c $tool -f
    complete -c $tool -n 'string match -q -- "-*" (commandline -ct)' -a '(__kf_options)'
end
set -l first '__fish_is_nth_token 1'
complete -c kf -n $first -a 'add list flash build config show set remove export import scan service doctor sim help'
complete -c kf -n '__fish_seen_subcommand_from flash build config show set remove' -a '(__kf_keys)'
complete -c kf -n '__fish_seen_subcommand_from service' -a 'status stop start hold'
complete -c kf-config -n $first -a 'add list show set remove import export'
complete -c kf-config -n '__fish_seen_subcommand_from show set remove' -a '(__kf_keys)'
complete -c kf -n '__fish_seen_subcommand_from import' -F
complete -c kf-config -n '__fish_seen_subcommand_from import' -F
complete -c kf-service -n $first -a 'status stop start hold'

# Options with an argument that is known; of kf's, each goes on to the tool that takes it.
set -l methods 'katapult make_flash flashtool'
complete -c kf -l remove-device -x -a '(__kf_keys)'
for tool in kf kf-scan
    complete -c $tool -l device -x -a '(__kf_keys)'
end
complete -c kf-scan -s d -x -a '(__kf_keys)'
for tool in kf kf-flash kf-service
    complete -c $tool -s u -l unit -x -a '(kf-service --units 2>/dev/null)'
end
for tool in kf kf-flash
    complete -c $tool -l method -x -a $methods
end
complete -c kf-flash -s m -x -a $methods
complete -c kf-flash -l port -x -a '(__kf_ports 2,3)'
complete -c kf-flash -l firmware -r -F
for tool in kf kf-config
    complete -c $tool -l port -x -a '(__kf_ports 1)'
    complete -c $tool -l flash-method -x -a $methods
end
for tool in kf kf-config kf-build kf-flash
    complete -c $tool -l klipper-dir -x -a '(__fish_complete_directories)'
end
for tool in kf kf-flash
    complete -c $tool -l katapult-dir -x -a '(__fish_complete_directories)'
end
