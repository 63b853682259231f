/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A simulated board's description on the command line. */
#include "sim/spec.h"
#include "unit/test.h"

static const char *refused(const char *text)
{
	static struct kf_error err;
	struct sim_spec spec;

	err = (struct kf_error){ 0 };
	CHECK(sim_spec_parse(text, &spec, &err) < 0 && err.code == KF_USAGE);
	return err.message;
}

TEST(specs)
{
	struct sim_spec spec;

	CHECK(sim_spec_parse("", &spec, NULL) == 0);
	CHECK(spec.start == 0x08020000 && spec.block_bytes == 64 && !spec.merge);
	CHECK(sim_spec_parse("mcu=rp2040,flash=2M,merge,usb=1a86:7523,drop=rx:7", &spec, NULL) ==
	      0);
	CHECK(spec.start == 0x10004000 && spec.flash_bytes == 2 << 20 && spec.merge);
	CHECK(spec.faults.count == 1 && spec.faults.list[0].direction == SIM_FROM_BOARD);
	CHECK_STR(spec.usb.vendor, "1a86");
	CHECK_STR(refused("block=65"), "block=65: want 64, 128, 256 or 512");
	CHECK_STR(refused("colour=red"), "colour: a board has no such thing");
	CHECK_STR(refused("flash=lots"), "flash=lots: not a value for it");
	CHECK_STR(refused("port=../../etc"), "port=../../etc: want a port like 1-1.2");
	CHECK_STR(refused("product=\xff"), "a board in text that is not UTF-8");
	CHECK_STR(refused("drop=0"), "drop=0: want N, tx:N, rx:N or complete");
	CHECK_STR(refused("foreign=complete"), "foreign=complete: only replies: rx:N");
	CHECK_STR(refused("can=can0,drop=complete"),
		  "nack, f2, f3, foreign, complete: not on a CAN bus");
	CHECK_STR(refused("nack=rx:1"), "nack=rx:1: a reply is not answered");
}

TEST_MAIN(T(specs))
