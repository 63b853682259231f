/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command lines of services that do not run. */
#include <pwd.h>
#include <sys/stat.h>

#include "printer/unit-file.h"
#include "unit/temp.h"
#include "unit/test.h"

static void write_file(const char *name, const char *text)
{
	CHECK(kf_file_write(temp_path(name), text, strlen(text), NULL) == 0);
}

/* "unit (dir): word|word ...\n" of all units; "own" before those of this user's own manager. */
static char found[8192];

static void tell(const struct kf_unit_command *command, void *arg)
{
	size_t used = strlen(found);

	(void)arg;
	used += (size_t)snprintf(found + used, sizeof(found) - used,
				 "%s%s (%s):", command->users_own ? "own " : "", command->unit,
				 command->dir);
	for (size_t at = 0; at < command->len; at += strlen(command->args + at) + 1)
		used += (size_t)snprintf(found + used, sizeof(found) - used, "%s%s", at ? "|" : " ",
					 command->args + at);
	snprintf(found + used, sizeof(found) - used, "\n");
}

static const char *units(void)
{
	found[0] = '\0';
	kf_units_each(temp_path(""), tell, NULL);
	return found;
}

static void clear(void)
{
	CHECK(kf_dir_remove(temp_path("etc"), NULL) == 0);
	CHECK(kf_dir_remove(temp_path("usr"), NULL) == 0);
}

/* As KIAUH 6 and MainsailOS write them. */
TEST(the_arguments_in_an_environment_file)
{
	write_file("etc/systemd/system/klipper.service",
		   "[Unit]\nDescription=Klipper 3D Printer Firmware SV1\n\n"
		   "[Install]\nWantedBy=multi-user.target\n\n"
		   "[Service]\nType=simple\nUser=root\nRemainAfterExit=yes\n"
		   "WorkingDirectory=/home/pi/klipper\n"
		   "EnvironmentFile=/home/pi/printer_data/systemd/klipper.env\n"
		   "ExecStart=/home/pi/klippy-env/bin/python $KLIPPER_ARGS\nRestart=always\n");
	write_file("home/pi/printer_data/systemd/klipper.env",
		   "# arguments\nKLIPPER_ARGS=\"/home/pi/klipper/klippy/klippy.py "
		   "/home/pi/printer_data/config/printer.cfg -a /c/klippy.sock\"\n");
	CHECK_STR(units(), "klipper.service (/home/pi/klipper): /home/pi/klippy-env/bin/python|"
			   "/home/pi/klipper/klippy/klippy.py|"
			   "/home/pi/printer_data/config/printer.cfg|-a|/c/klippy.sock\n");
	clear();
}

TEST(drop_ins_and_the_order_of_folders)
{
	write_file("usr/lib/systemd/system/klipper.service", "[Service]\nExecStart=/hidden\n");
	write_file("etc/systemd/system/klipper.service",
		   "[Service]\nEnvironment=A=1 \"B=two words\"\nExecStart=/first\n");
	write_file("etc/systemd/system/klipper.service.d/20-x.conf",
		   "[Service]\n# not: ExecStart=/no\nExecStart=\nExecStart=-/bin/py \\\n"
		   "  ${A}/x '$B' $B $$ %n %%\n");
	write_file("usr/lib/systemd/system/klipper.service.d/20-x.conf",
		   "[Service]\nExecStart=/hidden-too\n");
	write_file("usr/lib/systemd/system/service.d/10-y.conf", "[Service]\nWorkingDirectory=/w\n"
								 "Environment=A=2\n");
	CHECK_STR(units(), "klipper.service (/w): /bin/py|2/x|two|words|two|words|$|"
			   "klipper.service|%\n");
	clear();
}

TEST(instances_aliases_and_masked_units)
{
	write_file("etc/systemd/system/klipper@.service",
		   "[Service]\nExecStart=/bin/py /p/%i_data/%p\n");
	CHECK(mkdir(temp_path("etc/systemd/system/multi-user.target.wants"), 0700) == 0);
	CHECK(symlink("../klipper@.service",
		      temp_path("etc/systemd/system/multi-user.target.wants/klipper@2.service")) ==
	      0);
	write_file("etc/systemd/system/klipper-a.service", "[Service]\nExecStart=/a\n");
	CHECK(symlink("klipper-a.service", temp_path("etc/systemd/system/klipper-b.service")) == 0);
	CHECK(symlink("/dev/null", temp_path("etc/systemd/system/klipper-c.service")) == 0);
	write_file("usr/lib/systemd/system/klipper-c.service", "[Service]\nExecStart=/c\n");
	write_file("etc/systemd/system/other.service", "[Service]\nExecStart=/o\n");
	CHECK_STR(units(), "klipper-a.service (/): /a\n"
			   "klipper@2.service (/): /bin/py|/p/2_data/klipper\n");
	clear();
}

TEST(broken_files)
{
	char big[10000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	memcpy(big, "[Service]\nExecStart=", 20);
	write_file("etc/systemd/system/klipper-big.service", big);
	write_file("etc/systemd/system/klipper-none.service", "[Service]\n");
	write_file("etc/systemd/system/klipper-odd.service",
		   "ExecStart=/no\n[Service\nExecStart=/no\n[Service]\nExecStart=/yes \"open $NONE "
		   "${NONE\nEnvironmentFile=/missing\n");
	CHECK(mkfifo(temp_path("etc/systemd/system/klipper-pipe.service"), 0600) == 0);
	CHECK_STR(units(), "klipper-odd.service (/): /yes|open $NONE ${NONE\n");
	clear();
}

TEST(of_the_users_own_manager)
{
	char expected[256];

	setenv("HOME", "/home/me", 1);
	write_file("etc/systemd/system/klipper.service", "[Service]\nExecStart=/a\n");
	write_file("home/me/.config/systemd/user/klipper.service",
		   "[Service]\nEnvironmentFile=%h/k.env\nExecStart=/bin/py $ARGS %u\n");
	write_file("home/me/.config/systemd/user/klipper.service.d/w.conf",
		   "[Service]\nEnvironment=ARGS=hidden\n");
	write_file("home/me/k.env", "ARGS=%h -x\n");
	write_file("home/me/.local/share/systemd/user/klipper.service",
		   "[Service]\nExecStart=/no\n");
	write_file("etc/systemd/user/klipper-b.service",
		   "[Service]\nWorkingDirectory=/w\nExecStart=/b\n");
	kf_text_format(expected, sizeof(expected),
		       "klipper.service (/): /a\n"
		       "own klipper-b.service (/w): /b\n"
		       "own klipper.service (/home/me): /bin/py|%%h|-x|%s\n",
		       getpwuid(getuid())->pw_name);
	CHECK_STR(units(), expected);
	clear();
	CHECK(kf_dir_remove(temp_path("home"), NULL) == 0);
}

TEST_MAIN(T(the_arguments_in_an_environment_file), T(drop_ins_and_the_order_of_folders),
	  T(instances_aliases_and_masked_units), T(broken_files), T(of_the_users_own_manager))
