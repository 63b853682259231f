/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Proposals, in a tree with a Kconfig of Klipper's shape.
 */
#include <stdlib.h>
#include <unistd.h>

#include "build/proposal-check.h"
#include "core/file.h"
#include "unit/test.h"

static char root[] = "/tmp/kf-proposal-XXXXXX";
static struct kf_tree tree;
static struct kf_proposal p;

static void put(const char *name, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	CHECK(kf_file_write(path, text, strlen(text), NULL) == 0);
}

static const char stm32[] =
	"choice\n"
	"    config MACH_STM32F103\n        bool \"STM32F103\"\n        select MACH_STM32F1\n"
	"    config MACH_STM32F446\n        bool \"STM32F446\"\n"
	"    config MACH_N32G452\n        bool \"Nation N32G452\"\n"
	"endchoice\n\n"
	"config MACH_STM32F1\n    bool\n"
	"config MCU\n    string\n    default \"stm32f103xe\" if MACH_STM32F103\n"
	"    default \"stm32f446xx\" if MACH_STM32F446\n"
	"    default \"stm32f103xe\" if MACH_N32G45x\n\n"
	"choice\n    prompt \"Clock Reference\" if LOW_LEVEL_OPTIONS\n"
	"    config STM32_CLOCK_REF_8M\n        bool \"8 MHz crystal\"\n"
	"    config STM32_CLOCK_REF_12M\n        bool \"12 MHz crystal\"\n"
	"    config STM32_CLOCK_REF_INTERNAL\n        bool \"Internal clock\"\n"
	"endchoice\n\n"
	"    config STM32_FLASH_START_8000\n        bool \"32KiB bootloader\" if MACH_STM32F4\n"
	"    config STM32_FLASH_START_0000\n        bool \"No bootloader\"\n";

/* The part that is compared of olddefconfig's result for an F446's proposal. */
static const char f446[] = "CONFIG_LOW_LEVEL_OPTIONS=y\n"
			   "CONFIG_MACH_STM32=y\n# CONFIG_MACH_STM32F103 is not set\n"
			   "CONFIG_MACH_STM32F446=y\nCONFIG_MCU=\"stm32f446xx\"\n"
			   "CONFIG_CLOCK_FREQ=180000000\nCONFIG_HAVE_STM32_USBOTG=y\n"
			   "CONFIG_STM32_FLASH_START_8000=y\n"
			   "# CONFIG_STM32_FLASH_START_0000 is not set\n"
			   "CONFIG_FLASH_APPLICATION_ADDRESS=0x8008000\n"
			   "CONFIG_STM32_CLOCK_REF_8M=y\n"
			   "# CONFIG_STM32_CLOCK_REF_12M is not set\n"
			   "# CONFIG_STM32_CLOCK_REF_INTERNAL is not set\n"
			   "CONFIG_STM32_USB_PA11_PA12=y\nCONFIG_USBSERIAL=y\n"
			   "CONFIG_INITIAL_PINS=\"!PC13\"\n";

static void make_tree(void)
{
	CHECK(mkdtemp(root) != NULL);
	put("Makefile", "");
	put("src/Kconfig", "");
	put("src/stm32/Kconfig", stm32);
	put("src/rp2040/Kconfig", "config RPXXXX_FLASH_START_0100\n");
	put("config/generic-one.cfg",
	    "# For the STM32F446 with a \"32KiB bootloader\" and a \"12MHz crystal\".\n"
	    "[stepper_x]\nstep_pin: PE2\n[stepper_y]\nstep_pin: PE3\n[stepper_z]\nstep_pin: PE4\n"
	    "[extruder]\nstep_pin: PE5\nheater_pin: PA1\n");
	CHECK(kf_tree_open(root, &tree, NULL) == 0);
}

static struct kf_facts facts(const char *constants)
{
	_cleanup_(kf_json_decrefp) json_t *json = json_loads(constants, 0, NULL);
	struct kf_facts ret = { 0 };

	CHECK(kf_facts_from(json, NULL, NULL, &ret, NULL) == 0);
	return ret;
}

#define F446                                                                                       \
	"{\"MCU\":\"stm32f446xx\",\"CLOCK_FREQ\":180000000,\"RESERVE_PINS_USB\":\"PA11,PA12\","    \
	"\"RESERVE_PINS_crystal\":\"PH0,PH1\",\"INITIAL_PINS\":\"!PC13\"}"

static const struct kf_proposed *find(const char *symbol)
{
	for (size_t i = 0; i < p.proposed_count; i++)
		if (strcmp(p.proposed[i].symbol, symbol) == 0)
			return &p.proposed[i];
	return NULL;
}

static void proposed(const char *symbol, const char *value, const char *from)
{
	const struct kf_proposed *row = find(symbol);

	CHECK(row != NULL);
	CHECK_STR(row ? row->value : "", value);
	CHECK_STR(row ? row->from : "", from);
}

static void settle(const struct kf_told *told, const char *text)
{
	struct kf_kconfig updated = { 0 };

	CHECK(kf_kconfig_parse("it", text, strlen(text), &updated, NULL) == 0);
	kf_proposal_settle(&p, &tree, told, &updated);
	kf_kconfig_free(&updated);
}

TEST(constants_are_proposed_and_the_rest_is_asked)
{
	_cleanup_(kf_facts_free) struct kf_facts f = { 0 };
	struct kf_told told = { .facts = &f };

	make_tree();
	f = facts(F446);
	CHECK(kf_proposal_make(&tree, &told, &p, NULL) == 0);
	proposed("MACH_STM32", "y", "the board's constants");
	proposed("MACH_STM32F446", "y", "the board's constants");
	proposed("STM32_USB_PA11_PA12", "y", "the board's constants");
	proposed("INITIAL_PINS", "\"!PC13\"", "the board's constants");
	settle(&told, f446);
	CHECK(p.question_count == 2);
	CHECK_STR(p.questions[0].what, "bootloader offset");
	CHECK_STR(p.questions[0].choices[0].label, "32KiB bootloader");
	CHECK(p.questions[0].choices[0].tree_default && !p.questions[0].choices[1].tree_default);
	/* The pins of a crystal are reserved: it is not the internal clock. */
	CHECK_STR(p.questions[1].what, "crystal");
	CHECK(p.questions[1].count == 2 && p.questions[1].likely == 0);
	CHECK_STR(p.questions[1].likely_from, "");
	CHECK(kf_proposal_answer(&p, 1, 0));
	proposed("STM32_CLOCK_REF_8M", "y", "your answer");
	settle(&told, f446);
	CHECK(p.question_count == 1);
}

TEST(katapult_and_the_printers_pins_answer)
{
	_cleanup_(kf_facts_free) struct kf_facts f = facts(F446);
	struct kf_pins pins = { { "PE2", "PE3", "PE4", "PE5", "PA1", "" } };
	struct kf_told told = { .facts = &f, .pins = &pins };

	CHECK(kf_proposal_make(&tree, &told, &p, NULL) == 0);
	/* A board with these pins: suggested, and asked all the same. */
	CHECK(!find("STM32_CLOCK_REF_12M"));
	settle(&told, f446);
	CHECK(p.question_count == 2 && p.questions[1].likely == 1);
	CHECK_STR(p.questions[1].choices[1].symbol, "STM32_CLOCK_REF_12M");
	CHECK_STR(p.questions[1].likely_from, "config/generic-one.cfg");
	CHECK(p.questions[0].likely == 0);
	/* An earlier answer counts more. */
	kf_proposal_suggest(&p, "STM32_CLOCK_REF_8M", "y", "your answer before");
	settle(&told, f446);
	CHECK(p.questions[1].likely == 0);
	CHECK_STR(p.questions[1].likely_from, "your answer before");
	told.katapult = true;
	told.katapult_start = 0x08000000 + 0x10000;
	CHECK(kf_proposal_make(&tree, &told, &p, NULL) == 0);
	proposed("STM32_FLASH_START_10000", "y", "Katapult");
	/* The tree does not have that: asked, with the reason. */
	settle(&told, f446);
	CHECK(!find("STM32_FLASH_START_10000")->stands);
	CHECK(p.question_count > 0);
	CHECK_STR(p.questions[0].why, "Katapult starts 0x08010000, this tree makes 0x08008000");
}

TEST(in_an_empty_flash_firmware_has_no_bootloader)
{
	static const struct {
		const char *mcu, *symbol;
	} boards[] = { { "stm32f446", "STM32_FLASH_START_0000" },
		       { "rp2040", "RPXXXX_FLASH_START_0100" },
		       { "rp2350", "RPXXXX_FLASH_START_0000" } };
	struct kf_told told = { .no_bootloader = true };

	for (size_t i = 0; i < KF_ARRAY_SIZE(boards); i++) {
		told.mcu = boards[i].mcu;
		CHECK(kf_proposal_make(&tree, &told, &p, NULL) == 0);
		proposed(boards[i].symbol, "y", "its flash, where no bootloader is");
	}
	/* A Katapult that answers is there. */
	told.katapult = true;
	told.katapult_start = 0x10004000;
	CHECK(kf_proposal_make(&tree, &told, &p, NULL) == 0);
	proposed("RPXXXX_FLASH_START_4000", "y", "Katapult");
}

TEST(what_the_tree_makes_otherwise_is_told)
{
	_cleanup_(kf_facts_free) struct kf_facts f =
		facts("{\"MCU\":\"stm32f446xx\",\"CLOCK_FREQ\":168000000,\"RESERVE_PINS_serial\":"
		      "\"PA10,PA9\",\"SERIAL_BAUD\":115200}");
	struct kf_told told = { .facts = &f };
	bool clock = false, comm = false;

	CHECK(kf_proposal_make(&tree, &told, &p, NULL) == 0);
	proposed("STM32_SERIAL_USART1", "y", "the board's constants");
	proposed("SERIAL_BAUD", "115200", "the board's constants");
	proposed("STM32_CLOCK_REF_INTERNAL", "y", "the board's constants");
	settle(&told, f446);
	for (size_t i = 0; i < p.question_count; i++) {
		clock = clock || strstr(p.questions[i].why, "CLOCK_FREQ 168000000");
		comm = comm || strstr(p.questions[i].why, "the board says serial");
	}
	CHECK(clock && comm);
}

TEST(two_chips_of_one_name_are_asked_about)
{
	_cleanup_(kf_facts_free) struct kf_facts slow =
		facts("{\"MCU\":\"stm32f103xe\",\"CLOCK_FREQ\":64000000}");
	_cleanup_(kf_facts_free) struct kf_facts fast =
		facts("{\"MCU\":\"stm32f103xe\",\"CLOCK_FREQ\":128000000}");
	struct kf_told told = { .facts = &slow };

	CHECK(kf_proposal_make(&tree, &told, &p, NULL) == 0);
	CHECK(!find("MACH_STM32F103") && !find("MACH_N32G452"));
	told.facts = &fast;
	CHECK(kf_proposal_make(&tree, &told, &p, NULL) == 0);
	proposed("MACH_N32G452", "y", "the board's constants");
}

TEST(hostile_and_unknown_boards_are_refused)
{
	_cleanup_(kf_facts_free) struct kf_facts pins =
		facts("{\"MCU\":\"stm32f446xx\",\"INITIAL_PINS\":\"$(reboot)\",\"SERIAL_BAUD\":"
		      "\"x\\\"\"}");
	struct kf_told told = { .mcu = "" };
	_cleanup_(kf_freep) char *text = NULL;
	struct kf_kconfig config = { 0 };
	struct kf_error err;

	CHECK(kf_proposal_make(&tree, &told, &p, &err) < 0);
	CHECK_STR(err.message, "nothing tells which MCU the board has");
	told.mcu = "z80";
	CHECK(kf_proposal_make(&tree, &told, &p, &err) < 0);
	CHECK_STR(err.message, "its MCU z80 is none that Klipper is built for");
	told.facts = &pins;
	CHECK(kf_proposal_make(&tree, &told, &p, &err) == 0);
	CHECK(!find("INITIAL_PINS") && !find("SERIAL_BAUD"));
	CHECK(kf_proposal_text(&p, &text, &err) == 0);
	CHECK(kf_kconfig_parse("it", text, strlen(text), &config, &err) == 0);
	kf_kconfig_free(&config);
	CHECK(kf_dir_remove(root, NULL) == 0);
}

TEST_MAIN(T(constants_are_proposed_and_the_rest_is_asked), T(katapult_and_the_printers_pins_answer),
	  T(in_an_empty_flash_firmware_has_no_bootloader), T(what_the_tree_makes_otherwise_is_told),
	  T(two_chips_of_one_name_are_asked_about), T(hostile_and_unknown_boards_are_refused))
