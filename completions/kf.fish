# SPDX-License-Identifier: GPL-3.0-or-later
#
# Completion for kf and all kf-* tools. Options and keys come from the tools themselves.

function __kf_keys
    kf-scan --keys 2>/dev/null
end

function __kf_options
    set -l words (commandline -opc)
    set -l tool (basename $words[1])
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
for tool in kf kf-scan
    complete -c $tool -n 'contains -- (commandline -opc)[-1] -d --device --remove-device' -a '(__kf_keys)'
end
