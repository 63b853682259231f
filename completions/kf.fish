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

# The tool of this command line; for "kf COMMAND" the tool that COMMAND runs.
function __kf_tool
    set -l words (commandline -opc)
    set -l tool (string replace -r '.*/' '' -- $words[1])
    if test $tool = kf; and set -q words[2]
        switch $words[2]
            case add show set remove export import
                set tool kf-config
            case list scan
                set tool kf-scan
            case service sim doctor status
                set tool kf-$words[2]
        end
    end
    echo $tool
end

function __kf_is
    contains -- (__kf_tool) $argv
end

# Is the line "tool COMMAND ...", with so many words before this one?
function __kf_behind # COMMAND [COUNT]
    set -l words (commandline -opc)
    test "$words[2]" = $argv[1]; or return
    test -z "$argv[2]"; or test (count $words) = $argv[2]
end

function __kf_options
    set -l tool (__kf_tool)
    set -l words (commandline -opc)
    set -l ask $tool --help
    if test $tool = kf
        set ask kf help options
        if set -q words[2]; and not string match -q -- '-*' $words[2]
            set ask kf $words[2] --help
        end
    end
    $ask 2>/dev/null | string replace -rf '^ +(?:-[A-Za-z], )?(--[a-z-]+=?).*' '$1'
end

# "member=", and after that its known values.
function __kf_members
    set -l methods {flash_method,default_flash_method}={katapult,picoboot,dfu,avrdude,bossac,host_mcu,make_flash,flashtool,dfu_util,sdcard}
    set -l flags {flashable,allow_flash_fallback,skip_menuconfig}={true,false}
    set -l member (string match -r '^[a-z_]+=' -- (commandline -ct))
    if test "$member" = klipper_dir= -o "$member" = katapult_dir=
        set -l dir (string replace $member '' -- (commandline -ct))
        string replace -r '^' $member -- (__fish_complete_directories $dir '')
    else if test -n "$member"
        string match -- "$member*" $methods $flags
    else if contains -- --global (commandline -opc)
        string join \n {klipper_dir,katapult_dir,default_flash_method,allow_flash_fallback,skip_menuconfig}=
    else
        string join \n {name,mcu,serial_pattern,flash_method,flashable,klipper_dir,usb_port,canbus_uuid,canbus_interface,serial,baud,katapult_baud,sdcard_board,programmer,programmer_part,programmer_baud}=
    end
end

for tool in kf kf-scan kf-status kf-config kf-build kf-flash kf-service kf-doctor kf-sim
    complete -c $tool -f
    complete -c $tool -n 'string match -q -- "-*" (commandline -ct)' -a '(__kf_options)'
end
set -l first '__fish_is_nth_token 1'
set -l methods 'katapult picoboot dfu avrdude bossac host_mcu make_flash flashtool dfu_util sdcard'
complete -c kf -n $first -a 'status update add list flash build config show set remove export import scan service doctor sim help'
complete -c kf -n '__kf_behind flash; or __kf_behind build; or __kf_behind config; or __kf_behind update; or __kf_behind status' -a '(__kf_keys)'
complete -c kf -n '__kf_behind service 2' -a 'status hold'
complete -c kf -n '__kf_behind help 2' -a 'options states status update add list flash build config show set remove export import scan service doctor sim'
complete -c kf-status -a '(__kf_keys)'
complete -c kf-config -n $first -a 'add list show set remove import export'
complete -c kf-service -n $first -a 'status hold'
for tool in kf kf-config
    complete -c $tool -n '__kf_behind show 2; or __kf_behind set 2; or __kf_behind remove 2' -a '(__kf_keys)'
    complete -c $tool -n '__kf_behind set; and not __kf_behind set 2' -a '(__kf_members)'
    complete -c $tool -n '__kf_behind import 2; or __kf_behind export 2' -F
end
for tool in kf kf-service kf-sim
    complete -c $tool -n '__kf_is kf-service kf-sim; and contains -- -- (commandline -opc)' -F -a '(__fish_complete_command)'
end

# Options whose values are known; kf passes each of its options to a tool.
for tool in kf kf-scan
    complete -c $tool -n '__kf_is kf kf-scan' -l device -x -a '(__kf_keys)'
end
for option in jobs build-timeout wait flash-timeout return-timeout return-delay
    complete -c kf -n '__kf_is kf' -l $option -x
end
complete -c kf -n '__kf_is kf' -s j -x
complete -c kf -n '__kf_is kf' -l remove-device -x -a '(__kf_keys)'
complete -c kf-scan -s d -x -a '(__kf_keys)'
for tool in kf kf-flash kf-service
    complete -c $tool -n '__kf_is kf kf-flash kf-service' -s u -l unit -x -a '(kf-service --units 2>/dev/null)'
end
for tool in kf kf-flash
    complete -c $tool -n '__kf_is kf kf-flash' -l method -x -a $methods
    complete -c $tool -n '__kf_is kf kf-flash' -l katapult-dir -x -a '(__fish_complete_directories)'
end
complete -c kf-flash -s m -x -a $methods
complete -c kf-flash -l port -x -a '(__kf_ports 2,3)'
complete -c kf-flash -l firmware -r -F
complete -c kf-flash -l bootloader -r -F
complete -c kf-flash -l read -r -F
complete -c kf-flash -l bytes -x
complete -c kf-flash -l baud -x
complete -c kf-config -l baud -x
complete -c kf-scan -l can -x
for tool in kf kf-config
    complete -c $tool -n '__kf_is kf-config' -l port -x -a '(__kf_ports 1)'
    complete -c $tool -n '__kf_is kf-config' -l flash-method -x -a $methods
end
for tool in kf kf-config kf-build kf-flash
    complete -c $tool -n '__kf_is kf kf-config kf-build kf-flash' -l klipper-dir -x -a '(__fish_complete_directories)'
    complete -c $tool -n '__kf_is kf kf-config' -l from -r -F
    complete -c $tool -n '__kf_is add' -l bootloader -r -F
end
