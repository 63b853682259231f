/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each constant chooses a symbol by the table of family.h. */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "board/identity.h"
#include "build/family.h"
#include "build/proposal.h"
#include "core/file.h"
#include "core/text.h"

enum { SOURCE_MAX = 1 << 20 };

static const char by_constants[] = "the board's constants", by_commands[] = "its commands",
		  by_usb[] = "its USB strings", by_katapult[] = "Katapult",
		  by_flash[] = "its flash, where no bootloader is", by_mcu[] = "the MCU's name",
		  by_answer[] = "your answer";

/* Everything that makes one proposal. */
struct maker {
	const struct kf_tree *tree;
	const struct kf_told *told;
	struct kf_proposal *p;
	char mcu[64];
	char *kconfig;	/* the family's, owned */
	bool constants; /* the board told its constants */
};

static void add(struct kf_proposal *p, enum kf_subject subject, const char *symbol,
		const char *value, const char *from)
{
	struct kf_proposed *row = &p->proposed[p->proposed_count];

	p->untold &= ~(1u << subject);
	if (p->proposed_count == KF_PROPOSED_MAX)
		return;
	*row = (struct kf_proposed){ .subject = subject, .stands = true };
	KF_COPY(row->symbol, symbol);
	KF_COPY(row->value, value);
	KF_COPY(row->from, from);
	p->proposed_count++;
}

static void ask(struct kf_proposal *p, enum kf_subject subject)
{
	p->untold |= 1u << subject;
}

static bool constant(const struct maker *m, const char *name, char ret[KF_NAME_SIZE])
{
	return m->told->facts && kf_facts_text(m->told->facts, name, ret, KF_NAME_SIZE);
}

/* Propose the symbol that a constant's value means. If it may mean several, the user is asked. */
static bool by_table(struct maker *m, enum kf_subject subject, const char *name, const char *value)
{
	const char *symbol, *first = NULL;
	size_t at = 0, count = 0;
	char label[KF_NAME_SIZE];

	while ((symbol = kf_family_symbol(m->p->family, m->mcu, subject, name, value, &at))) {
		if (subject == KF_SUBJECT_MODEL && !kf_menu_source_label(m->kconfig, symbol, label))
			continue;
		first = first ? first : symbol;
		count++;
	}
	if (count == 1)
		add(m->p, subject, first, "y", by_constants);
	else if (count > 1)
		ask(m->p, subject);
	return count > 0;
}

/* The processor model: by its clock where several go by one name, else by the tree's own names. */
static void propose_model(struct maker *m)
{
	char symbol[KF_SYMBOL_SIZE], first[KF_SYMBOL_SIZE] = "", clock[KF_NAME_SIZE];
	const char *at = NULL;
	size_t count = 0;

	if (constant(m, "CLOCK_FREQ", clock) && by_table(m, KF_SUBJECT_MODEL, "CLOCK_FREQ", clock))
		return;
	for (; kf_menu_source_model(m->kconfig, m->mcu, &at, symbol); count++)
		if (count == 0)
			KF_COPY(first, symbol);
	if (count == 1)
		add(m->p, KF_SUBJECT_MODEL, first, "y", m->constants ? by_constants : by_mcu);
	else
		ask(m->p, KF_SUBJECT_MODEL);
}

static void propose_clock(struct maker *m)
{
	char value[KF_NAME_SIZE];

	if (constant(m, "CLOCK_FREQ", value))
		by_table(m, KF_SUBJECT_CLOCK, "CLOCK_FREQ", value);
	else
		ask(m->p, KF_SUBJECT_CLOCK);
}

/* The pins of an RP2040's CAN ("gpio4,gpio5"): Kconfig has a number for each. */
static void propose_can_gpio(struct maker *m, const char *pins)
{
	unsigned rx, tx;
	char value[16];

	if (sscanf(pins, "gpio%u,gpio%u", &rx, &tx) != 2 || rx > 99 || tx > 99) {
		ask(m->p, KF_SUBJECT_PINS);
		return;
	}
	kf_text_format(value, sizeof(value), "%u", rx);
	add(m->p, KF_SUBJECT_PINS, "RPXXXX_CANBUS_GPIO_RX", value, by_constants);
	kf_text_format(value, sizeof(value), "%u", tx);
	add(m->p, KF_SUBJECT_PINS, "RPXXXX_CANBUS_GPIO_TX", value, by_constants);
}

/* The pins of CAN: as an interface of its own, or behind a bridge. */
static void propose_can(struct maker *m, bool bridge)
{
	char pins[KF_NAME_SIZE] = "", symbol[KF_SYMBOL_SIZE], *menu;
	const struct kf_family *f = m->p->family;
	size_t at = 0;

	(void)constant(m, "RESERVE_PINS_CAN", pins);
	if (f->can)
		propose_can_gpio(m, pins);
	if (bridge && f->bridge)
		add(m->p, KF_SUBJECT_COMM, f->bridge, "y", by_constants);
	else if (!bridge && f->can)
		add(m->p, KF_SUBJECT_COMM, f->can, "y", by_constants);
	else if (bridge || !by_table(m, KF_SUBJECT_COMM, "RESERVE_PINS_CAN", pins))
		ask(m->p, KF_SUBJECT_COMM);
	if (!bridge || f->can)
		return;
	KF_COPY(symbol, "");
	for (const char *found;
	     (found = kf_family_symbol(f, m->mcu, KF_SUBJECT_COMM, "RESERVE_PINS_CAN", pins, &at));)
		KF_COPY(symbol, found);
	menu = strstr(symbol, "_MMENU_");
	if (menu) {
		menu[1] = 'C';
		add(m->p, KF_SUBJECT_CAN_PINS, symbol, "y", by_constants);
	} else {
		ask(m->p, KF_SUBJECT_CAN_PINS);
	}
}

static void propose_serial(struct maker *m)
{
	char pins[KF_NAME_SIZE];

	if (constant(m, "RESERVE_PINS_serial", pins) &&
	    by_table(m, KF_SUBJECT_COMM, "RESERVE_PINS_serial", pins))
		return;
	if (m->p->family->serial)
		add(m->p, KF_SUBJECT_COMM, m->p->family->serial, "y", by_constants);
	else
		ask(m->p, KF_SUBJECT_COMM);
}

static void propose_usb(struct maker *m)
{
	static const char *const names[] = { "RESERVE_PINS_USB", "RESERVE_PINS_USB1" };
	char pins[KF_NAME_SIZE];

	for (size_t i = 0; i < KF_ARRAY_SIZE(names); i++)
		if (constant(m, names[i], pins) && by_table(m, KF_SUBJECT_COMM, names[i], pins))
			return;
	if (m->p->family->usb && (m->constants || m->told->usb))
		add(m->p, KF_SUBJECT_COMM, m->p->family->usb, "y",
		    m->constants ? by_constants : by_usb);
	else
		ask(m->p, KF_SUBJECT_COMM);
}

/* A number of the constants, for a symbol that takes it as it is. */
static void propose_number(struct maker *m, enum kf_subject subject, const char *name)
{
	char value[KF_NAME_SIZE];

	if (constant(m, name, value) && value[0] && strspn(value, "0123456789") == strlen(value))
		add(m->p, subject, name, value, by_constants);
	else
		ask(m->p, subject);
}

static void propose_comm(struct maker *m)
{
	char value[KF_NAME_SIZE];
	bool bridge = constant(m, "CANBUS_BRIDGE", value) && strcmp(value, "1") == 0;

	if (bridge || constant(m, "RESERVE_PINS_CAN", value) ||
	    constant(m, "CANBUS_FREQUENCY", value)) {
		propose_can(m, bridge);
		propose_number(m, KF_SUBJECT_SPEED, "CANBUS_FREQUENCY");
	} else if (constant(m, "RESERVE_PINS_serial", value) || constant(m, "SERIAL_BAUD", value)) {
		propose_serial(m);
		propose_number(m, KF_SUBJECT_SPEED, "SERIAL_BAUD");
	} else {
		propose_usb(m);
	}
}

static void propose_initial_pins(struct maker *m)
{
	static const char chars[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ_.,!/ ";
	char pins[KF_NAME_SIZE], quoted[KF_NAME_SIZE];

	if (!constant(m, "INITIAL_PINS", pins))
		return;
	if (strspn(pins, chars) == strlen(pins) &&
	    kf_text_format(quoted, sizeof(quoted), "\"%s\"", pins))
		add(m->p, KF_SUBJECT_PINS, "INITIAL_PINS", quoted, by_constants);
	else
		ask(m->p, KF_SUBJECT_PINS);
}

/* Options that a small chip's firmware was built without. */
static void propose_features(struct maker *m)
{
	const json_t *commands = m->told->facts ? m->told->facts->commands : NULL;
	const char *command, *symbol;
	size_t at = 0;

	while (commands && (command = kf_family_feature(m->mcu, &at, &symbol)))
		if (!json_object_get(commands, command))
			add(m->p, KF_SUBJECT_OTHER, symbol, "n", by_commands);
}

/* Ids and a serial number that are not those of every Klipper. */
static void propose_usb_ids(struct maker *m)
{
	const struct kf_usb *usb = m->told->usb;
	char value[KF_NAME_SIZE];
	size_t len;

	if (!usb || !usb->vendor[0] || kf_identity_bridge(usb))
		return;
	if (strcmp(usb->vendor, "1d50") != 0 || strcmp(usb->product, "614e") != 0) {
		kf_text_format(value, sizeof(value), "0x%s", usb->vendor);
		add(m->p, KF_SUBJECT_OTHER, "USB_VENDOR_ID", value, by_usb);
		kf_text_format(value, sizeof(value), "0x%s", usb->product);
		add(m->p, KF_SUBJECT_OTHER, "USB_DEVICE_ID", value, by_usb);
	}
	/* A chip's own serial number is hexadecimal, and has 16 digits at least. */
	len = strlen(usb->serial);
	if (len == 0 || (len >= 16 && strspn(usb->serial, "0123456789abcdefABCDEF") == len) ||
	    strcmp(usb->serial, "12345") == 0 ||
	    strspn(usb->serial, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"-_.") != len)
		return;
	kf_text_format(value, sizeof(value), "\"%s\"", usb->serial);
	add(m->p, KF_SUBJECT_OTHER, "USB_SERIAL_NUMBER_CHIPID", "n", by_usb);
	add(m->p, KF_SUBJECT_OTHER, "USB_SERIAL_NUMBER", value, by_usb);
}

static void propose_offset(struct maker *m)
{
	const struct kf_told *told = m->told;
	uint32_t start = told->katapult ? told->katapult_start : m->p->family->base;
	char symbol[KF_SYMBOL_SIZE];

	if ((told->katapult || told->no_bootloader) &&
	    kf_family_offset(m->p->family, m->mcu, start, symbol, sizeof(symbol)))
		add(m->p, KF_SUBJECT_OFFSET, symbol, "y", told->katapult ? by_katapult : by_flash);
	else
		ask(m->p, KF_SUBJECT_OFFSET);
}

static void propose_crystal(struct maker *m)
{
	static const char *const names[] = { "RESERVE_PINS_crystal", "CLOCK_FREQ" };
	char value[KF_NAME_SIZE];
	bool there;

	for (size_t i = 0; m->constants && i < KF_ARRAY_SIZE(names); i++) {
		there = constant(m, names[i], value);
		if (by_table(m, KF_SUBJECT_CRYSTAL, names[i], there ? value : NULL))
			return;
		m->p->external_crystal = m->p->external_crystal || (i == 0 && there);
	}
	/* With its internal clock this chip runs at 64 MHz. */
	if (kf_mcu_same(m->mcu, "stm32f103") && constant(m, "CLOCK_FREQ", value))
		m->p->external_crystal = strcmp(value, "64000000") != 0;
	ask(m->p, KF_SUBJECT_CRYSTAL);
}

/*
 * A source tree's config/generic-*.cfg tell in prose how to build the firmware of a board. These
 * are the files that use the pins of the printer, read as text. Only facts on which all of them
 * agree count.
 */
struct headers {
	struct kf_board_header header;
	char from[KF_NAME_SIZE]; /* the first of them */
	bool any, offset_differs, crystal_differs;
};

static void join_header(struct headers *h, const struct kf_board_header *one, const char *name)
{
	if (!h->any) {
		h->any = true;
		h->header = *one;
		kf_text_format(h->from, sizeof(h->from), "config/%s", name);
		return;
	}
	if (one->offset_told != h->header.offset_told || one->offset != h->header.offset)
		h->offset_differs = true;
	if (one->crystal_told != h->header.crystal_told ||
	    one->crystal_mhz != h->header.crystal_mhz)
		h->crystal_differs = true;
}

static void read_one(const char *path, const char *name, const struct kf_pins *pins,
		     const char *mcu, struct headers *ret)
{
	_cleanup_(kf_freep) char *text = NULL;
	struct kf_board_header header;
	struct kf_pins its;
	size_t len;

	if (kf_file_read(path, SOURCE_MAX, &text, &len, NULL) < 0)
		return;
	kf_pins_read(text, len, "", &its);
	if (kf_pins_match(pins, &its) && kf_board_header_read(text, len, mcu, &header))
		join_header(ret, &header, name);
}

/* False: no board of the tree has these pins and this MCU. ret_from is the first that has. */
static bool find_headers(const struct kf_tree *tree, const struct kf_pins *pins, const char *mcu,
			 struct kf_board_header *ret, char ret_from[KF_NAME_SIZE])
{
	struct headers headers = { .any = false };
	_cleanup_(kf_closedirp) DIR *dir = NULL;
	char path[PATH_MAX];
	struct dirent *entry;

	if (kf_text_format(path, sizeof(path), "%s/config", tree->dir))
		dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (fnmatch("generic-*.cfg", entry->d_name, 0) == 0 &&
		    kf_text_format(path, sizeof(path), "%s/config/%s", tree->dir, entry->d_name))
			read_one(path, entry->d_name, pins, mcu, &headers);
	if (!headers.any)
		return false;
	*ret = headers.header;
	ret->offset_told = ret->offset_told && !headers.offset_differs;
	ret->crystal_told = ret->crystal_told && !headers.crystal_differs;
	kf_text_format(ret_from, KF_NAME_SIZE, "%s", headers.from);
	return true;
}

/* Suggest what the tree's prose says of a board with the same pins; the user has to confirm it. */
static void suggest_by_pins(struct maker *m)
{
	char symbol[KF_SYMBOL_SIZE], from[KF_NAME_SIZE];
	const struct kf_family *f = m->p->family;
	struct kf_board_header header;

	if (!m->told->pins || !find_headers(m->tree, m->told->pins, m->mcu, &header, from))
		return;
	if (header.offset_told &&
	    kf_family_offset(f, m->mcu, f->base + header.offset, symbol, sizeof(symbol)))
		kf_proposal_suggest(m->p, symbol, "y", from);
	kf_text_format(symbol, sizeof(symbol), "STM32_CLOCK_REF_%uM", header.crystal_mhz);
	if (header.crystal_told && strcmp(f->folder, "stm32") == 0)
		kf_proposal_suggest(m->p, symbol, "y", from);
}

static int find_mcu(struct maker *m, struct kf_error *err)
{
	char value[KF_NAME_SIZE];

	m->constants = constant(m, "MCU", value) && value[0];
	KF_COPY(m->mcu, m->constants ? value : m->told->mcu ? m->told->mcu : "");
	if (!m->mcu[0])
		return kf_fail(err, KF_CONFIG, "nothing tells which MCU the board has");
	m->p->family = kf_family_find(m->mcu);
	if (!m->p->family)
		return kf_fail(err, KF_CONFIG, "its MCU %s is none that Klipper is built for",
			       m->mcu);
	return 0;
}

void kf_proposal_suggest(struct kf_proposal *p, const char *symbol, const char *value,
			 const char *from)
{
	struct kf_suggested *new = &p->suggested[p->suggested_count];

	if (p->suggested_count == KF_SUGGESTED_MAX)
		return;
	KF_COPY(new->symbol, symbol);
	KF_COPY(new->value, value);
	KF_COPY(new->from, from);
	p->suggested_count++;
}

int kf_proposal_make(const struct kf_tree *tree, const struct kf_told *told,
		     struct kf_proposal *ret, struct kf_error *err)
{
	struct maker m = { .tree = tree, .told = told, .p = ret };
	int r;

	*ret = (struct kf_proposal){ 0 };
	r = find_mcu(&m, err);
	if (r == 0)
		r = kf_menu_source_read(tree, ret->family->folder, &m.kconfig, err);
	if (r < 0)
		return r;
	add(ret, KF_SUBJECT_OTHER, ret->family->mach, "y", m.constants ? by_constants : by_mcu);
	propose_model(&m);
	propose_offset(&m);
	propose_clock(&m);
	propose_crystal(&m);
	ask(ret, KF_SUBJECT_FLASH_CHIP);
	propose_comm(&m);
	propose_initial_pins(&m);
	propose_usb_ids(&m);
	propose_features(&m);
	suggest_by_pins(&m);
	free(m.kconfig);
	return 0;
}

int kf_proposal_text(const struct kf_proposal *proposal, char **ret, struct kf_error *err)
{
	size_t len;
	FILE *out = open_memstream(ret, &len);

	if (!out)
		return kf_fail_sys(err, ENOMEM, "a proposal");
	/* Without this, menuconfig hides some entries. */
	fputs("CONFIG_LOW_LEVEL_OPTIONS=y\n", out);
	for (size_t i = 0; i < proposal->proposed_count; i++) {
		const struct kf_proposed *row = &proposal->proposed[i];

		if (strcmp(row->value, "n") == 0)
			fprintf(out, "# CONFIG_%s is not set\n", row->symbol);
		else
			fprintf(out, "CONFIG_%s=%s\n", row->symbol, row->value);
	}
	return fclose(out) == 0 ? 0 : kf_fail_sys(err, ENOMEM, "a proposal");
}

bool kf_proposal_answer(struct kf_proposal *p, size_t question, size_t choice)
{
	const struct kf_question *q = &p->questions[question];
	size_t kept = 0;

	for (size_t i = 0; i < p->proposed_count; i++)
		if (p->proposed[i].subject != q->subject || q->subject == KF_SUBJECT_OTHER)
			p->proposed[kept++] = p->proposed[i];
	p->proposed_count = kept;
	if (p->proposed_count == KF_PROPOSED_MAX)
		return false;
	add(p, q->subject, q->choices[choice].symbol, q->choices[choice].value, by_answer);
	p->proposed[p->proposed_count - 1].answered = true;
	return true;
}
