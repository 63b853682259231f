/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of groups as systemd 252, Docker 20 to 27, Podman 4, LXC 5 and nspawn give them. */
#include <unistd.h>

#include "core/text.h"
#include "unit/test.h"
#include "usb/cgroup.h"

#define ID   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define USER "/user.slice/user-4242.slice/user@4242.service"

enum { ME = 4242, SOMEBODY = 4243 };

static const struct {
	const char *text;
	uid_t me;
	const char *unit, *name, *stop; /* NULL: it is in nothing that we know */
} table[] = {
	{ "0::/system.slice/klipper.service\n", ME, "klipper.service", "klipper.service",
	  "sudo systemctl stop klipper.service" },
	{ "0::/system.slice/klipper.service/sub/cgroup\n", ME, "klipper.service", "klipper.service",
	  "sudo systemctl stop klipper.service" },
	{ "0::/system.slice/system-klipper.slice/klipper@left.service\n", ME,
	  "klipper@left.service", "klipper@left.service",
	  "sudo systemctl stop klipper@left.service" },
	{ "0::/system.slice/klipper\\x2d2.service\n", ME, "klipper\\x2d2.service",
	  "klipper\\x2d2.service", "sudo systemctl stop 'klipper\\x2d2.service'" },
	{ "0::/system.slice/_cpu.service\n", ME, "cpu.service", "cpu.service",
	  "sudo systemctl stop cpu.service" },
	{ "0::/../system.slice/klipper.service", ME, "klipper.service", "klipper.service",
	  "sudo systemctl stop klipper.service" },
	{ "12:memory:/system.slice/other.service\n"
	  "1:name=systemd:/system.slice/klipper-1.service\n0::/\n",
	  ME, "klipper-1.service", "klipper-1.service", "sudo systemctl stop klipper-1.service" },
	/* of a user's own manager */
	{ "0::" USER "/app.slice/klipper.service\n", ME, "", "klipper.service of user 4242",
	  "systemctl --user stop klipper.service" },
	{ "0::" USER "/app.slice/klipper.service\n", SOMEBODY, "", "klipper.service of user 4242",
	  "sudo systemctl --user -M 4242@ stop klipper.service" },
	/* containers */
	{ "0::/system.slice/docker-" ID ".scope\n", ME, "", "Docker container 0123456789ab",
	  "docker stop 0123456789ab" },
	{ "0::/docker/" ID "\n", ME, "", "Docker container 0123456789ab",
	  "docker stop 0123456789ab" },
	{ "1:name=systemd:/docker/" ID "\n", ME, "", "Docker container 0123456789ab",
	  "docker stop 0123456789ab" },
	{ "0::/system.slice/docker-" ID ".scope/system.slice/klipper.service\n", ME, "",
	  "Docker container 0123456789ab", "docker stop 0123456789ab" },
	{ "0::/machine.slice/libpod-" ID ".scope/container\n", ME, "",
	  "Podman container 0123456789ab", "sudo podman stop 0123456789ab" },
	{ "0::/libpod_parent/libpod-" ID "\n", ME, "", "Podman container 0123456789ab",
	  "sudo podman stop 0123456789ab" },
	{ "0::" USER "/user.slice/libpod-" ID ".scope/container\n", ME, "",
	  "Podman container 0123456789ab", "podman stop 0123456789ab" },
	{ "0::" USER "/user.slice/libpod-" ID ".scope/container\n", SOMEBODY, "",
	  "Podman container 0123456789ab", "" },
	/* a quadlet: the unit is what starts it again */
	{ "0::/system.slice/klipper.service/libpod-payload-" ID "\n", ME, "klipper.service",
	  "klipper.service", "sudo systemctl stop klipper.service" },
	{ "0::/system.slice/nerdctl-" ID ".scope\n", ME, "", "containerd container 0123456789ab",
	  "sudo nerdctl stop 0123456789ab" },
	{ "0::/lxc.payload.voron/system.slice/klipper.service\n", ME, "", "LXC container voron",
	  "sudo lxc-stop -n voron" },
	{ "1:name=systemd:/lxc/voron/system.slice/klipper.service\n", ME, "", "LXC container voron",
	  "sudo lxc-stop -n voron" },
	{ "0::/machine.slice/machine-my\\x2dprinter.scope/payload/system.slice/klipper.service\n",
	  ME, "", "systemd-nspawn container my-printer", "sudo machinectl stop my-printer" },
	{ "0::/machine.slice/systemd-nspawn@deb.service/payload/system.slice/klipper.service\n", ME,
	  "systemd-nspawn@deb.service", "systemd-nspawn@deb.service",
	  "sudo systemctl stop systemd-nspawn@deb.service" },
	/* nothing that could be stopped by a name */
	{ "0::/user.slice/user-1000.slice/session-3.scope\n", ME, NULL, NULL, NULL },
	{ "0::/system.slice/docker-0123.scope\n", ME, NULL, NULL, NULL },
	{ "0::/system.slice/libpod-conmon-" ID ".scope\n", ME, NULL, NULL, NULL },
	{ "12:memory:/system.slice/other.service\n", ME, NULL, NULL, NULL },
	{ "0::/system.slice/kl\033[2Jpper.service\n", ME, NULL, NULL, NULL },
	{ "0::" USER "/app.slice/a;reboot .service\n", ME, NULL, NULL, NULL },
	{ "0::" USER "/app.slice/$(reboot).service\n", ME, NULL, NULL, NULL },
	{ "0::/lxc/-rf/x\n", ME, NULL, NULL, NULL },
	{ "0::/.service/service\n", ME, NULL, NULL, NULL },
	{ "0::/\n", ME, NULL, NULL, NULL },
	{ "no colons at all", ME, NULL, NULL, NULL },
	{ "", ME, NULL, NULL, NULL },
};

static bool read_copy(const char *text, uid_t me, struct kf_cgroup *ret)
{
	char copy[1024];

	CHECK(kf_text_format(copy, sizeof(copy), "%s", text));
	return kf_cgroup_read(copy, me, ret);
}

TEST(services_and_containers)
{
	struct kf_cgroup cgroup;

	for (size_t i = 0; i < KF_ARRAY_SIZE(table); i++) {
		memset(&cgroup, 'x', sizeof(cgroup));
		CHECK(read_copy(table[i].text, table[i].me, &cgroup) == (table[i].name != NULL));
		CHECK_STR(cgroup.unit, table[i].unit ? table[i].unit : "");
		CHECK_STR(cgroup.name, table[i].name ? table[i].name : "");
		CHECK_STR(cgroup.stop, table[i].stop ? table[i].stop : "");
	}
}

/* Also where the name tells a service, or nothing. */
TEST(container_in_a_service)
{
	static const struct {
		const char *text;
		bool container;
	} groups[] = {
		{ "0::/system.slice/klipper.service\n", false },
		{ "0::/user.slice/user-1000.slice/session-3.scope\n", false },
		{ "12:memory:/docker/x\n0::/init.scope\n", false },
		{ "12:memory:/a::/docker/x\n0::/init.scope\n", false },
		{ "0::/docker/" ID "\n", true },
		{ "0::/system.slice/klipper.service/libpod-payload-" ID "\n", true },
		{ "0::/machine.slice/systemd-nspawn@deb.service/payload\n", true },
		{ "0::/kubepods/burstable/pod1/" ID "\n", true },
		{ "1:name=systemd:/lxc/-rf/x\n0::/\n", true },
	};
	struct kf_cgroup cgroup;

	for (size_t i = 0; i < KF_ARRAY_SIZE(groups); i++) {
		read_copy(groups[i].text, ME, &cgroup);
		CHECK(cgroup.container == groups[i].container);
	}
}

TEST(long_names)
{
	struct kf_cgroup cgroup;
	char text[8192];

	kf_text_format(text, sizeof(text), "0::/%08000d.service\n", 0);
	CHECK(!kf_cgroup_read(text, ME, &cgroup));
	kf_text_format(text, sizeof(text), "0::/%0200d.service\n", 0);
	CHECK(!kf_cgroup_read(text, ME, &cgroup));
}

TEST_MAIN(T(services_and_containers), T(container_in_a_service), T(long_names))
