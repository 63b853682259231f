# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2034 # used by those that load this
#
# Who has which guarantee, inside the container of tests/systemd/run.

way=() name=
guarantees=(lease scope polkit sudo sentinel)

# hold_as GUARANTEE: become who has it, and no better one; $way runs a command as them.
hold_as() {
	local rule=/etc/polkit-1/rules.d/50-pi.rules ruled=
	[ ! -e "$rule" ] || ruled=yes
	rm -f /etc/sudoers.d/pi "$rule"
	systemctl stop kalico-flash.socket kalico-flash.service
	way=(runuser -u pi --) name=$1
	case $1 in
	lease)
		way=(runuser -u lessee --)
		systemctl start kalico-flash.socket
		;;
	scope) way=() ;;
	polkit)
		name=scope
		ruled=yes
		cat >"$rule" <<-'END'
			polkit.addRule(function(action, subject) {
				if (action.id == "org.freedesktop.systemd1.manage-units" && subject.user == "pi")
					return polkit.Result.YES;
			});
		END
		;;
	sudo)
		name="sudo scope"
		echo 'pi ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/pi
		;;
	sentinel)
		echo 'pi ALL=(root) NOPASSWD: /usr/bin/systemctl stop klipper*, /usr/bin/systemctl start klipper*, /usr/bin/systemctl stop moonraker*, /usr/bin/systemctl start moonraker*' >/etc/sudoers.d/pi
		;;
	esac
	[ -z "$ruled" ] || systemctl restart polkit
}
