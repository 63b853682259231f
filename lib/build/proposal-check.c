/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A proposal, or what a board carries, against what the tree's olddefconfig made of it: what the
 * tree did not take, and what nothing tells, becomes a question with the entries that the tree has.
 */
#include <stdlib.h>
#include <string.h>

#include "board/identity.h"
#include "build/family.h"
#include "build/menu-source.h"
#include "build/proposal-check.h"
#include "core/text.h"

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
		KF_COPY(value, row->value);
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

/* Does this symbol fit the board's own USB port? The port tells the wire of a silent board, too. */
static bool fits_port(const struct kf_told *told, const char *symbol)
{
	bool bridge = strstr(symbol, "_USBCANBUS");

	if (!told->usb || !told->usb->vendor[0])
		return true;
	return kf_identity_bridge(told->usb) ? bridge : !bridge && strstr(symbol, "_USB");
}

static void find_choices(const struct kf_proposal *p, const struct kf_told *told,
			 struct kf_question *q, const char *kconfig,
			 const struct kf_kconfig *updated)
{
	const char *at = updated->text;
	struct kf_choice choice;
	size_t len;

	while (q->count < KF_CHOICES_MAX && next_entry(&at, choice.symbol, &choice.tree_default)) {
		len = strlen(choice.symbol);
		if (!kf_subject_has(q->subject, choice.symbol) ||
		    !kf_menu_source_label(kconfig, choice.symbol, choice.label))
			continue;
		if (q->subject == KF_SUBJECT_CRYSTAL && p->external_crystal && len > 9 &&
		    strcmp(choice.symbol + len - 9, "_INTERNAL") == 0)
			continue;
		if (q->subject == KF_SUBJECT_COMM && !fits_port(told, choice.symbol))
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
	KF_COPY(choice->symbol, symbol);
	KF_COPY(choice->value, value);
	KF_COPY(choice->label, value);
	q->count++;
}

/* Offer the usual speeds, and the tree's own. */
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

/* Compares a constant with the updated proposal; *ret stays "" if they agree. */
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

/* Compare the updated configuration with what was told: why gets a reason for each difference. */
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

/* A row that olddefconfig dropped stays: an answer may make it valid. */
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

/* Sets the answer that Enter gives, and its reason. */
static void find_likely(const struct kf_proposal *p, struct kf_question *q)
{
	q->likely = 0;
	while (q->likely < q->count && !q->choices[q->likely].tree_default)
		q->likely++;
	for (size_t s = p->suggested_count; s-- > 0;)
		for (size_t i = 0; i < q->count; i++) {
			const struct kf_suggested *suggested = &p->suggested[s];

			if (strcmp(suggested->symbol, q->choices[i].symbol) != 0 ||
			    strcmp(suggested->value, q->choices[i].value) != 0)
				continue;
			q->likely = i;
			memcpy(q->likely_from, suggested->from, sizeof(q->likely_from));
			return;
		}
}

void kf_proposal_settle(struct kf_proposal *p, const struct kf_tree *tree,
			const struct kf_told *told, const struct kf_kconfig *updated)
{
	char why[KF_SUBJECT_COUNT][256] = { "" }, whole[KF_SUBJECT_COUNT][256] = { "" };
	_cleanup_(kf_freep) char *kconfig = NULL;

	check_rows(p, updated, why);
	check_whole(told, updated, whole);
	p->question_count = 0;
	if (kf_menu_source_read(tree, p->family->folder, &kconfig, NULL) < 0)
		kconfig = strdup("");
	for (unsigned s = 0; s < KF_SUBJECT_COUNT && p->question_count < KF_QUESTIONS_MAX; s++) {
		struct kf_question *q = &p->questions[p->question_count];

		if (!(p->asked & 1u << s) && !whole[s][0])
			continue;
		/* The wire is asked first: it decides which speed is wanted. */
		if (s == KF_SUBJECT_SPEED && (p->asked & 1u << KF_SUBJECT_COMM))
			continue;
		*q = (struct kf_question){ .what = kf_subject_name(s), .subject = s };
		KF_COPY(q->why, whole[s][0] ? whole[s] : why[s]);
		if (s == KF_SUBJECT_SPEED)
			find_speeds(q, updated);
		else
			find_choices(p, told, q, kconfig, updated);
		find_likely(p, q);
		/* With one entry at most, which the tree chooses, there is nothing to choose. */
		if (q->count > 1 || (q->count == 1 && !q->choices[0].tree_default) || whole[s][0] ||
		    s == KF_SUBJECT_PINS)
			p->question_count++;
	}
}
