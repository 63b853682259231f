/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Told, proposed, checked: each constant chooses a symbol by the table of family.h; olddefconfig
 * then shows what of it the tree takes, and which other entries its menus have.
 */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "board/identity.h"
#include "build/family.h"
#include "build/proposal.h"
#include "core/file.h"
#include "core/text.h"

enum { SOURCE_MAX = 1 << 20, SYMBOLS_MAX = 8 };

static const char by_constants[] = "the board's constants", by_commands[] = "its commands",
		  by_usb[] = "its USB strings", by_katapult[] = "Katapult",
		  by_mcu[] = "the MCU's name", by_answer[] = "your answer";

/* What one proposal is made of. */
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
	kf_text_format(row->symbol, sizeof(row->symbol), "%s", symbol);
	kf_text_format(row->value, sizeof(row->value), "%s", value);
	kf_text_format(row->from, sizeof(row->from), "%s", from);
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

static int read_source(const struct kf_tree *tree, const char *folder, char **ret,
		       struct kf_error *err)
{
	char path[PATH_MAX];
	size_t len;

	if (!kf_text_format(path, sizeof(path), "%s/src/%s/Kconfig", tree->dir, folder))
		return kf_fail_sys(err, ENAMETOOLONG, "%.64s...", tree->dir);
	return kf_file_read(path, SOURCE_MAX, ret, &len, err);
}

/* menuconfig's words for a symbol: of "config SYMBOL" and the first prompt behind it. */
static bool find_label(const char *kconfig, const char *symbol, char ret[KF_NAME_SIZE])
{
	size_t len = strlen(symbol);
	const char *at = kconfig, *end, *text;

	while ((at = strstr(at, "config "))) {
		at += strlen("config ");
		if (strncmp(at, symbol, len) != 0 || at[len] != '\n')
			continue;
		end = strstr(at, "\n\n");
		text = strstr(at + len, "config ");
		end = text && (!end || text < end) ? text : end;
		text = strstr(at, "bool \"");
		if (!text || (end && text > end))
			continue;
		text += strlen("bool \"");
		kf_text_clean(ret, KF_NAME_SIZE, text, strcspn(text, "\"\n"));
		return true;
	}
	return false;
}

/* A constant's value chooses one symbol, or several: then it is asked. */
static bool by_table(struct maker *m, enum kf_subject subject, const char *name, const char *value)
{
	const char *symbol, *first = NULL;
	size_t at = 0, count = 0;
	char label[KF_NAME_SIZE];

	while ((symbol = kf_family_symbol(m->p->family, m->mcu, subject, name, value, &at))) {
		if (subject == KF_SUBJECT_MODEL && !find_label(m->kconfig, symbol, label))
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

/* atmega328 is no atmega328p, and yet stm32h723 is stm32h723xx. */
static bool is_model(const char *name, const char *mcu)
{
	return strcasecmp(name, mcu) == 0 ||
	       (strncmp(name, "atmega", 6) != 0 && kf_mcu_same(name, mcu));
}

/*
 * default "stm32f446xx" if MACH_STM32F446 || ...: each symbol in turn; *at is "config MCU" first.
 */
static bool next_model(const char **at, const char *end, const char *mcu, char ret[KF_SYMBOL_SIZE])
{
	char name[64];
	const char *line;
	size_t len;

	for (line = *at; (line = strstr(line, "default \"")) && line < end; line++) {
		len = strcspn(line + 9, "\"\n");
		kf_text_clean(name, sizeof(name), line + 9, len);
		*at = line + 9 + len;
		if (strncmp(*at, "\" if MACH_", 10) != 0 || !is_model(name, mcu))
			continue;
		*at += strlen("\" if ");
		len = strcspn(*at, " \t\n)");
		kf_text_format(ret, KF_SYMBOL_SIZE, "%.*s", (int)len, *at);
		return true;
	}
	return false;
}

/* The processor model: by its clock where several go by one name, else by the tree's own names. */
static void propose_model(struct maker *m)
{
	char symbol[KF_SYMBOL_SIZE], first[KF_SYMBOL_SIZE] = "", label[KF_NAME_SIZE];
	char clock[KF_NAME_SIZE];
	const char *at = strstr(m->kconfig, "config MCU\n"), *end;
	size_t count = 0;

	if (constant(m, "CLOCK_FREQ", clock) && by_table(m, KF_SUBJECT_MODEL, "CLOCK_FREQ", clock))
		return;
	at = at ? at + strlen("config MCU") : "";
	end = strstr(at, "\nconfig ");
	end = end ? end : strchr(at, '\0');
	while (next_model(&at, end, m->mcu, symbol)) {
		if (!find_label(m->kconfig, symbol, label))
			continue;
		if (!first[0])
			kf_text_format(first, sizeof(first), "%s", symbol);
		count++;
	}
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

/* gpio4,gpio5 of an RP2040's CAN: numbers of their own. */
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
	kf_text_format(symbol, sizeof(symbol), "%s", "");
	for (const char *found;
	     (found = kf_family_symbol(f, m->mcu, KF_SUBJECT_COMM, "RESERVE_PINS_CAN", pins, &at));)
		kf_text_format(symbol, sizeof(symbol), "%s", found);
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
	/* A chip's own is hexadecimal, and 16 digits at least. */
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

/* What the headers of all boards with these pins say together. */
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

static void find_headers(const struct maker *m, struct headers *ret)
{
	_cleanup_(kf_closedirp) DIR *dir = NULL;
	char path[PATH_MAX];
	struct dirent *entry;

	if (!m->told->pins || !kf_text_format(path, sizeof(path), "%s/config", m->tree->dir))
		return;
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		_cleanup_(kf_freep) char *text = NULL;
		struct kf_board_header header;
		struct kf_pins pins;
		size_t len;

		if (fnmatch("generic-*.cfg", entry->d_name, 0) != 0 ||
		    !kf_text_format(path, sizeof(path), "%s/config/%s", m->tree->dir,
				    entry->d_name) ||
		    kf_file_read(path, SOURCE_MAX, &text, &len, NULL) < 0)
			continue;
		kf_pins_read(text, len, "", &pins);
		if (kf_pins_match(m->told->pins, &pins) &&
		    kf_board_header_read(text, len, m->mcu, &header))
			join_header(ret, &header, entry->d_name);
	}
}

static void propose_offset(struct maker *m, const struct headers *h)
{
	bool header = h->any && h->header.offset_told && !h->offset_differs;
	uint32_t start =
		m->told->katapult ? m->told->katapult_start : m->p->family->base + h->header.offset;
	char symbol[KF_SYMBOL_SIZE];

	if ((m->told->katapult || header) &&
	    kf_family_offset(m->p->family, m->mcu, start, symbol, sizeof(symbol)))
		add(m->p, KF_SUBJECT_OFFSET, symbol, "y",
		    m->told->katapult ? by_katapult : h->from);
	else
		ask(m->p, KF_SUBJECT_OFFSET);
}

static void propose_crystal(struct maker *m, const struct headers *h)
{
	static const char *const names[] = { "RESERVE_PINS_crystal", "CLOCK_FREQ" };
	char value[KF_NAME_SIZE], symbol[KF_SYMBOL_SIZE];
	bool there;

	for (size_t i = 0; m->constants && i < KF_ARRAY_SIZE(names); i++) {
		there = constant(m, names[i], value);
		if (by_table(m, KF_SUBJECT_CRYSTAL, names[i], there ? value : NULL))
			return;
		m->p->external_crystal = m->p->external_crystal || (i == 0 && there);
	}
	/* Had it an internal clock, its speed would be another. */
	if (kf_mcu_same(m->mcu, "stm32f103") && constant(m, "CLOCK_FREQ", value))
		m->p->external_crystal = strcmp(value, "64000000") != 0;
	kf_text_format(symbol, sizeof(symbol), "STM32_CLOCK_REF_%uM", h->header.crystal_mhz);
	if (h->any && h->header.crystal_told && !h->crystal_differs &&
	    strcmp(m->p->family->folder, "stm32") == 0)
		add(m->p, KF_SUBJECT_CRYSTAL, symbol, "y", h->from);
	else
		ask(m->p, KF_SUBJECT_CRYSTAL);
}

static int find_mcu(struct maker *m, struct kf_error *err)
{
	char value[KF_NAME_SIZE];

	m->constants = constant(m, "MCU", value) && value[0];
	kf_text_format(m->mcu, sizeof(m->mcu), "%s",
		       m->constants   ? value
		       : m->told->mcu ? m->told->mcu
				      : "");
	if (!m->mcu[0])
		return kf_fail(err, KF_CONFIG, "nothing tells which MCU the board has");
	m->p->family = kf_family_find(m->mcu);
	if (!m->p->family)
		return kf_fail(err, KF_CONFIG, "its MCU %s is none that Klipper is built for",
			       m->mcu);
	return 0;
}

int kf_proposal_make(const struct kf_tree *tree, const struct kf_told *told,
		     struct kf_proposal *ret, struct kf_error *err)
{
	struct maker m = { .tree = tree, .told = told, .p = ret };
	struct headers headers = { .any = false };
	int r;

	*ret = (struct kf_proposal){ 0 };
	r = find_mcu(&m, err);
	if (r == 0)
		r = read_source(tree, ret->family->folder, &m.kconfig, err);
	if (r < 0)
		return r;
	add(ret, KF_SUBJECT_OTHER, ret->family->mach, "y", m.constants ? by_constants : by_mcu);
	propose_model(&m);
	find_headers(&m, &headers);
	propose_offset(&m, &headers);
	propose_clock(&m);
	propose_crystal(&m, &headers);
	ask(ret, KF_SUBJECT_FLASH_CHIP);
	propose_comm(&m);
	propose_initial_pins(&m);
	propose_usb_ids(&m);
	propose_features(&m);
	free(m.kconfig);
	return 0;
}

int kf_proposal_text(const struct kf_proposal *proposal, char **ret, struct kf_error *err)
{
	size_t len;
	FILE *out = open_memstream(ret, &len);

	if (!out)
		return kf_fail_sys(err, ENOMEM, "a proposal");
	/* Some entries of menus show only then. */
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

/* Did olddefconfig leave this row as it was? */
static bool stands(const struct kf_proposed *row, const struct kf_kconfig *updated)
{
	char now[KF_NAME_SIZE] = "", value[KF_NAME_SIZE];
	size_t len = strlen(row->value);

	if (!kf_kconfig_get(updated, row->symbol, now, sizeof(now)))
		return strcmp(row->value, "n") == 0;
	if (len >= 2 && row->value[0] == '"')
		kf_text_format(value, sizeof(value), "%.*s", (int)len - 2, row->value + 1);
	else
		kf_text_format(value, sizeof(value), "%s", row->value);
	return strcmp(now, value) == 0 ||
	       (strncmp(value, "0x", 2) == 0 && strtoul(now, NULL, 16) == strtoul(value, NULL, 16));
}

/* The next bool of a .config, set or not: "CONFIG_X=y" or "# CONFIG_X is not set". */
static bool next_entry(const char **at, char ret[KF_SYMBOL_SIZE], bool *ret_set)
{
	static const char unset[] = " is not set";
	const char *line, *end, *name;
	size_t len;

	for (line = *at; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		*at = *end ? end + 1 : end;
		name = strncmp(line, "# CONFIG_", 9) == 0 ? line + 9 : line + 7;
		if (name == line + 7 && strncmp(line, "CONFIG_", 7) != 0)
			continue;
		len = strcspn(name, "= \n");
		*ret_set = strncmp(name + len, "=y", 2) == 0;
		if ((*ret_set || strncmp(name + len, unset, strlen(unset)) == 0) &&
		    kf_text_format(ret, KF_SYMBOL_SIZE, "%.*s", (int)len, name))
			return true;
	}
	return false;
}

static void find_choices(const struct kf_proposal *p, struct kf_question *q, const char *kconfig,
			 const struct kf_kconfig *updated)
{
	const char *at = updated->text;
	struct kf_choice choice;
	size_t len;

	while (q->count < KF_CHOICES_MAX && next_entry(&at, choice.symbol, &choice.tree_default)) {
		len = strlen(choice.symbol);
		if (!kf_subject_has(q->subject, choice.symbol) ||
		    !find_label(kconfig, choice.symbol, choice.label))
			continue;
		if (q->subject == KF_SUBJECT_CRYSTAL && p->external_crystal && len > 9 &&
		    strcmp(choice.symbol + len - 9, "_INTERNAL") == 0)
			continue;
		kf_text_format(choice.value, sizeof(choice.value), "y");
		q->choices[q->count++] = choice;
	}
}

static void add_number(struct kf_question *q, const char *symbol, const char *value,
		       const char *now)
{
	struct kf_choice *choice = &q->choices[q->count];

	for (size_t i = 0; i < q->count; i++)
		if (strcmp(q->choices[i].value, value) == 0)
			return;
	*choice = (struct kf_choice){ .tree_default = strcmp(value, now) == 0 };
	kf_text_format(choice->symbol, sizeof(choice->symbol), "%s", symbol);
	kf_text_format(choice->value, sizeof(choice->value), "%s", value);
	kf_text_format(choice->label, sizeof(choice->label), "%s", value);
	q->count++;
}

/* The speeds that are used, and this tree's. */
static void find_speeds(struct kf_question *q, const struct kf_kconfig *updated)
{
	static const char *const can[] = { "1000000", "500000", "250000", "125000" },
				 *const baud[] = { "250000", "115200" };
	bool serial = updated->comm == KF_COMM_SERIAL;
	const char *symbol = serial ? "SERIAL_BAUD" : "CANBUS_FREQUENCY";
	char now[16] = "";

	if (kf_kconfig_get(updated, symbol, now, sizeof(now)))
		add_number(q, symbol, now, now);
	for (size_t i = 0; i < (serial ? KF_ARRAY_SIZE(baud) : KF_ARRAY_SIZE(can)); i++)
		add_number(q, symbol, serial ? baud[i] : can[i], now);
}

/* What a constant says, against what the tree makes of the proposal; "": they agree. */
static void check_number(const struct kf_told *told, const struct kf_kconfig *updated,
			 const char *name, char ret[256])
{
	char is[KF_NAME_SIZE], now[KF_NAME_SIZE] = "none";

	if (!told->facts || !kf_facts_text(told->facts, name, is, sizeof(is)))
		return;
	(void)kf_kconfig_get(updated, name, now, sizeof(now));
	if (strcmp(is, now) != 0)
		kf_text_format(ret, 256, "the board says %s %s, this tree makes %s", name, is, now);
}

static enum kf_comm told_comm(const struct kf_told *told)
{
	static const struct {
		const char *constant;
		enum kf_comm comm;
	} tells[] = {
		{ "CANBUS_BRIDGE", KF_COMM_USBCAN }, { "RESERVE_PINS_CAN", KF_COMM_CAN },
		{ "CANBUS_FREQUENCY", KF_COMM_CAN }, { "RESERVE_PINS_serial", KF_COMM_SERIAL },
		{ "SERIAL_BAUD", KF_COMM_SERIAL },   { "RESERVE_PINS_USB", KF_COMM_USB },
		{ "RESERVE_PINS_USB1", KF_COMM_USB }
	};

	for (size_t i = 0; told->facts && i < KF_ARRAY_SIZE(tells); i++)
		if (json_object_get(told->facts->constants, tells[i].constant))
			return tells[i].comm;
	return KF_COMM_UNKNOWN;
}

/* Does the whole fit what was told? A reason for each subject where it does not. */
static void check_whole(const struct kf_told *told, const struct kf_kconfig *updated,
			char why[KF_SUBJECT_COUNT][256])
{
	enum kf_comm comm = told_comm(told);
	char mcu[64];

	if (told->facts && kf_facts_text(told->facts, "MCU", mcu, sizeof(mcu)) &&
	    !kf_mcu_same(mcu, updated->mcu))
		kf_text_format(why[KF_SUBJECT_MODEL], 256, "the board is %s, this tree makes %s",
			       mcu, updated->mcu);
	check_number(told, updated, "CLOCK_FREQ", why[KF_SUBJECT_CLOCK]);
	check_number(told, updated, "CANBUS_FREQUENCY", why[KF_SUBJECT_SPEED]);
	check_number(told, updated, "SERIAL_BAUD", why[KF_SUBJECT_SPEED]);
	if (told->katapult && updated->start != told->katapult_start)
		kf_text_format(why[KF_SUBJECT_OFFSET], 256,
			       "Katapult starts 0x%08x, this tree makes 0x%08x",
			       told->katapult_start, updated->start);
	if (comm != KF_COMM_UNKNOWN && comm != updated->comm)
		kf_text_format(why[KF_SUBJECT_COMM], 256, "the board says %s, this tree makes %s",
			       kf_comm_name(comm), kf_comm_name(updated->comm));
}

bool kf_told_differs(const struct kf_told *told, const struct kf_kconfig *updated, char *ret,
		     size_t size)
{
	char why[KF_SUBJECT_COUNT][256] = { "" };

	ret[0] = '\0';
	check_whole(told, updated, why);
	for (size_t i = 0; i < KF_SUBJECT_COUNT; i++)
		if (why[i][0] && !kf_text_add(ret, size, "; ", why[i]))
			break;
	return ret[0];
}

/* What does not stand is kept: after an answer it may. A speed waits for its wire. */
static void check_rows(struct kf_proposal *p, const struct kf_kconfig *updated,
		       char why[KF_SUBJECT_COUNT][256])
{
	p->asked = p->untold;
	for (size_t i = 0; i < p->proposed_count; i++) {
		struct kf_proposed *row = &p->proposed[i];

		row->stands = stands(row, updated);
		if (row->stands)
			continue;
		p->asked |= 1u << row->subject;
		kf_text_format(why[row->subject], 256, "%s tells %s, which this tree does not take",
			       row->from, row->symbol);
	}
	p->asked &= ~(1u << KF_SUBJECT_OTHER);
}

void kf_proposal_settle(struct kf_proposal *p, const struct kf_tree *tree,
			const struct kf_told *told, const struct kf_kconfig *updated)
{
	char why[KF_SUBJECT_COUNT][256] = { "" }, whole[KF_SUBJECT_COUNT][256] = { "" };
	_cleanup_(kf_freep) char *kconfig = NULL;

	check_rows(p, updated, why);
	check_whole(told, updated, whole);
	p->question_count = 0;
	if (read_source(tree, p->family->folder, &kconfig, NULL) < 0)
		kconfig = strdup("");
	for (unsigned s = 0; s < KF_SUBJECT_COUNT && p->question_count < KF_QUESTIONS_MAX; s++) {
		struct kf_question *q = &p->questions[p->question_count];

		if (!(p->asked & 1u << s) && !whole[s][0])
			continue;
		if (s == KF_SUBJECT_SPEED && (p->asked & 1u << KF_SUBJECT_COMM))
			continue;
		*q = (struct kf_question){ .what = kf_subject_name(s), .subject = s };
		kf_text_format(q->why, sizeof(q->why), "%s", whole[s][0] ? whole[s] : why[s]);
		if (s == KF_SUBJECT_SPEED)
			find_speeds(q, updated);
		else
			find_choices(p, q, kconfig, updated);
		/* Where the tree has one entry at most, there is nothing to choose. */
		if (q->count > 1 || whole[s][0] || s == KF_SUBJECT_PINS)
			p->question_count++;
	}
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
	return true;
}

static json_t *question_to_json(const struct kf_question *q)
{
	json_t *choices = json_array();

	for (size_t i = 0; i < q->count; i++)
		json_array_append_new(choices,
				      json_pack("{s:s, s:s, s:s, s:b}", "symbol",
						q->choices[i].symbol, "value", q->choices[i].value,
						"label", q->choices[i].label, "tree_default",
						q->choices[i].tree_default));
	return json_pack("{s:s, s:s*, s:o}", "what", q->what, "why", q->why[0] ? q->why : NULL,
			 "choices", choices);
}

json_t *kf_proposal_to_json(const struct kf_proposal *p)
{
	json_t *symbols = json_array(), *questions = json_array();

	for (size_t i = 0; i < p->proposed_count; i++)
		if (p->proposed[i].stands)
			json_array_append_new(symbols, json_pack("{s:s, s:s, s:s}", "symbol",
								 p->proposed[i].symbol, "value",
								 p->proposed[i].value, "from",
								 p->proposed[i].from));
	for (size_t i = 0; i < p->question_count; i++)
		json_array_append_new(questions, question_to_json(&p->questions[i]));
	return json_pack("{s:o, s:o}", "symbols", symbols, "questions", questions);
}
