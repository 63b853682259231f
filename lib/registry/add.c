/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The registry is read to make a proposal, and read again under its lock to change it. settings.c
 * decides what an answer may be, as for files and command lines.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "board/port.h"
#include "board/record.h"
#include "core/text.h"
#include "registry/add.h"
#include "registry/method.h"
#include "registry/saved-config.h"
#include "registry/settings.h"
#include "terminal/terminal.h"

static bool of_our_kind(const struct kf_board *board)
{
	return (board->mode != KF_MODE_OTHER && board->mode != KF_MODE_NONE) ||
	       kf_board_in_loader(board) || board->link.type == KF_WIRE_CAN ||
	       (board->link.type == KF_WIRE_UART && board->printer.mcu[0]);
}

static bool is_meant(const struct kf_board *board, const struct kf_new_device *given)
{
	char by_id[KF_DEV_SIZE] = "";

	kf_board_by_id(board, by_id);
	return (!given->pattern[0] || kf_pattern_match(given->pattern, by_id)) &&
	       (!given->port.usb_port[0] || strcmp(given->port.usb_port, board->usb.port) == 0) &&
	       (!given->port.uuid[0] || strcmp(given->port.uuid, board->link.uuid) == 0) &&
	       (!given->port.path[0] || strcmp(given->port.path, board->link.path) == 0 ||
		kf_board_has_port(board, given->port.path));
}

/* Another connected board that shows the same serial, on port if that is not NULL; NULL: none. */
static const struct kf_board *find_twin(const struct kf_board *boards, size_t count,
					const struct kf_board *board, const char *port)
{
	for (size_t i = 0; i < count; i++)
		if (boards[i].connected && kf_board_has_serial(&boards[i]) &&
		    kf_board_has_serial(board) &&
		    strcasecmp(boards[i].usb.serial, board->usb.serial) == 0 &&
		    strcmp(boards[i].usb.port, board->usb.port) != 0 &&
		    (!port || strcmp(boards[i].usb.port, port) == 0))
			return &boards[i];
	return NULL;
}

/* Two boards show one serial number, and the registered one is on its own port: forget the key of
 * this other one. */
static void reset_duplicate(const struct kf_registry *registry, const struct kf_board *boards,
			    size_t count, struct kf_board *board)
{
	struct kf_device device;

	if (!board->key[0] || kf_registry_device(registry, board->key, &device, NULL) < 0 ||
	    !device.usb_port || !find_twin(boards, count, board, device.usb_port))
		return;
	board->key[0] = board->name[0] = '\0';
	kf_identity_mcu(&board->usb, board->mcu);
}

/* Look the boards up again: the registry may have changed since kf-scan wrote the records. */
static void identify_anew(const struct kf_registry *registry, struct kf_board *boards, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		boards[i].key[0] = '\0';
		if (boards[i].connected && kf_registry_identify(registry, &boards[i], NULL) < 0)
			boards[i].excluded = true;
	}
	for (size_t i = 0; i < count; i++) {
		reset_duplicate(registry, boards, count, &boards[i]);
		boards[i].by_port |= find_twin(boards, count, &boards[i], NULL) != NULL;
	}
}

/* Is the board there? On CAN and a UART it is enough that a printer names it. */
static bool is_there(const struct kf_board *board)
{
	return board->connected ||
	       ((board->link.type == KF_WIRE_CAN || board->link.type == KF_WIRE_UART) &&
		board->printer.mcu[0]);
}

/* Printers describe the host's own MCU: it is registered only if its path is given. */
static bool is_to_add(const struct kf_board *board, const struct kf_new_device *given)
{
	return board->link.type != KF_WIRE_PROCESS || given->port.path[0];
}

/*
 * Leave in boards only those that could be registered: not the host's own MCU, not registered, not
 * excluded, with firmware or a bootloader of Klipper, and as given says. With any: if there are
 * none such, all that have a serial port (a board may be behind a converter). Returns how many are
 * left.
 */
static size_t find_candidates(const struct kf_registry *registry, struct kf_board *boards,
			      size_t count, const struct kf_new_device *given, bool any)
{
	size_t ours = 0, left = 0;

	identify_anew(registry, boards, count);
	for (size_t i = 0; i < count; i++) {
		struct kf_board *board = &boards[i];

		if (is_there(board) && is_to_add(board, given) && !board->key[0] &&
		    !board->excluded && (of_our_kind(board) || (any && board->tty[0])) &&
		    is_meant(board, given)) {
			ours += of_our_kind(board);
			boards[left++] = *board;
		}
	}
	if (ours == 0 || ours == left)
		return left;
	for (size_t i = 0, at = 0; i < left; i++) {
		if (of_our_kind(&boards[i]))
			boards[at++] = boards[i];
	}
	return ours;
}

/* A free key for a board of that name. */
static void propose_key(const struct kf_registry *registry, const char *name, char ret[KF_KEY_SIZE])
{
	char base[KF_KEY_SIZE];

	if (!kf_key_from_name(name, base))
		kf_text_format(base, sizeof(base), "board");
	kf_text_format(ret, KF_KEY_SIZE, "%s", base);
	for (unsigned n = 2; kf_registry_has(registry, ret); n++)
		kf_text_format(ret, KF_KEY_SIZE, "%.*s-%u", KF_KEY_SIZE - 12, base, n);
}

static void propose_place(const struct kf_board *board, struct kf_new_device *e)
{
	const struct kf_board_link *link = &board->link;

	e->by_port = board->usb.port[0] && (board->by_port || !kf_board_has_serial(board));
	KF_COPY(e->port.usb_port, board->usb.port);
	KF_COPY(e->port.uuid, link->uuid);
	if (e->port.uuid[0])
		KF_COPY(e->port.interface, link->interface);
	if (link->type != KF_WIRE_UART)
		return;
	KF_COPY(e->port.path, link->path);
	e->baud = link->baud;
}

/* Propose what the printer and the board say of it; what they do not say stays empty. */
static void propose(const struct kf_registry *registry, const struct kf_board *board,
		    struct kf_new_device *ret)
{
	struct kf_new_device e = { 0 };
	char by_id[KF_DEV_SIZE] = "", key[KF_KEY_SIZE], short_key[KF_KEY_SIZE];

	kf_mcu_short(board->mcu, e.mcu);
	KF_COPY(e.name, board->printer.mcu[0]	    ? board->printer.mcu
			: e.mcu[0]		    ? e.mcu
			: kf_board_in_loader(board) ? ""
						    : board->usb.model);
	/* The key has its printer's name, too, if two printers have boards of one name, or if a
	 * configuration is saved for the board under that key. */
	if (kf_key_from_printer(board, true, key) &&
	    (kf_saved_config_days(key) != -ENOENT ||
	     (kf_key_from_printer(board, false, short_key) &&
	      kf_registry_has(registry, short_key))))
		propose_key(registry, key, e.key);
	else
		propose_key(registry, e.name, e.key);
	propose_place(board, &e);
	/* The names that a bootloader shows are not those of the firmware that will run. */
	if (board->usb.port[0] && !kf_board_in_loader(board)) {
		kf_board_by_id(board, by_id);
		if (!kf_pattern_from_by_id(by_id, e.pattern))
			e.pattern[0] = '\0';
	}
	*ret = e;
}

enum { ANSWER_SIZE = 1024 };

/* Checks an answer. If it is not valid: a negative errno, with the reason in why. arg is the
 * question's own. */
typedef int checker(void *arg, const char *answer, struct kf_error *why);

/* Ask until the answer is valid; an empty line takes the proposal. */
static int ask(int tty, const char *question, const char *proposal, checker *check, void *arg,
	       char ret[ANSWER_SIZE], struct kf_error *err)
{
	struct kf_error why = { 0 };
	int r;

	for (;;) {
		r = kf_terminal_ask(tty, ret, ANSWER_SIZE, err,
				    proposal[0] ? "%s [%s]: " : "%s: ", question, proposal);
		if (r == 0)
			return kf_fail(err, KF_INTERRUPTED,
				       "no answer was given; nothing was changed");
		if (r < 0)
			return r;
		if (!ret[0])
			kf_text_format(ret, ANSWER_SIZE, "%s", proposal);
		if (check(arg, ret, &why) == 0)
			return 0;
		kf_terminal_tell(tty, "  %s%s%s\n", why.message, why.hint[0] ? "; " : "", why.hint);
	}
}

/* The member that gets the answer as its value, if it is valid. */
struct member {
	json_t *members;
	const char *name;
	/* If the MCU is asked for: the pattern and the board that it has to fit. NULL: another
	 * member. */
	const char *pattern;
	const struct kf_board *board;
};

/* A board in a bootloader without a name is found again only with an MCU of its chip's family. */
static int check_loader(const struct kf_board *board, const char *mcu, struct kf_error *err)
{
	const char *family = kf_identity_family(&board->usb);

	if (!kf_board_in_loader(board) || kf_registry_mcu_fits(mcu, board))
		return 0;
	if (strncasecmp(mcu, family, strlen(family)) == 0)
		kf_fail(err, KF_MCU_MISMATCH,
			"the board on USB port %s waits in DFU (%s:%s), and the ROM of a %s has no "
			"DFU",
			board->usb.port, board->usb.vendor, board->usb.product, mcu);
	else
		kf_fail(err, KF_MCU_MISMATCH,
			"the board on USB port %s has a bootloader of %s (%s:%s), not of %s",
			board->usb.port, family, board->usb.vendor, board->usb.product, mcu);
	return kf_error_hint(err, "give the MCU as its chip is labelled, such as %s",
			     strcmp(family, "stm32") == 0 ? "stm32f446"
			     : strcmp(family, "sam") == 0 ? "sam3x8e"
							  : family);
}

static int check_member(void *arg, const char *answer, struct kf_error *why)
{
	const struct member *member = arg;
	char assignment[ANSWER_SIZE + 64], named[64];

	if (kf_device_other_mcu(member->pattern, answer, named))
		return kf_fail(why, KF_MCU_MISMATCH, "the USB name of the board says %s", named);
	if (member->board && check_loader(member->board, answer, why) < 0)
		return kf_code_errno(why->code);
	kf_text_format(assignment, sizeof(assignment), "%s=%s", member->name, answer);
	return kf_settings_assign(member->members, KF_SCOPE_DEVICE, assignment, why);
}

/* Ask for the value of a member. The answer replaces the proposal. */
static int ask_text(int tty, const char *question, struct member *member, char *proposal_and_ret,
		    size_t size, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *scratch = json_object();
	char answer[ANSWER_SIZE];
	int r;

	member->members = scratch;
	r = ask(tty, question, proposal_and_ret, check_member, member, answer, err);

	if (r == 0)
		kf_text_format(proposal_and_ret, size, "%s", answer);
	return r;
}

static int check_key(void *arg, const char *answer, struct kf_error *why)
{
	return kf_device_check_key(arg, answer, why);
}

static int check_number(void *arg, const char *answer, struct kf_error *why)
{
	const size_t *count = arg;
	char *end;
	unsigned long n = strtoul(answer, &end, 10);

	if (end == answer || *end || n < 1 || n > *count)
		return kf_fail(why, KF_USAGE, "a number from 1 to %zu", *count);
	return 0;
}

/* Are there several boards in DFU or BOOTSEL? Only their ports tell them apart. */
static bool several_in_rom(const struct kf_board *boards, size_t count)
{
	size_t in_rom = 0;

	for (size_t i = 0; i < count; i++)
		in_rom += kf_board_in_rom(&boards[i]);
	return in_rom > 1;
}

static int ask_board(int tty, const struct kf_board *boards, size_t count, size_t *ret,
		     struct kf_error *err)
{
	char answer[ANSWER_SIZE], place[KF_DEV_SIZE];
	int r;

	for (size_t i = 0; i < count; i++) {
		const char *label = kf_board_label(&boards[i]);

		/* The label of a board without a name is the end of its place. */
		kf_board_place(&boards[i], place, sizeof(place));
		if (strcmp(basename(place), label) == 0)
			place[0] = '\0';
		kf_terminal_tell(tty, "  %zu) %s%s%s%s%s\n", i + 1, label, place[0] ? "  " : "",
				 place, kf_board_in_rom(&boards[i]) ? "  " : "",
				 kf_board_in_rom(&boards[i]) ? kf_mode_name(boards[i].mode) : "");
	}
	if (several_in_rom(boards, count))
		kf_terminal_tell(tty, "  Boards in DFU and BOOTSEL show no serial number: only the "
				      "port tells which is\n  which. To be sure, leave with q, and "
				      "plug in one of them alone.\n");
	r = ask(tty, "Which board", count == 1 ? "1" : "", check_number, &count, answer, err);
	if (r == 0)
		*ret = strtoul(answer, NULL, 10) - 1;
	return r;
}

static int ask_names(int tty, const struct kf_registry *registry, const struct kf_board *board,
		     const struct kf_new_device *given, struct kf_new_device *proposed,
		     struct kf_error *err)
{
	struct member name = { .name = "name" };
	struct member mcu = { .name = "mcu", .pattern = proposed->pattern, .board = board };
	char answer[ANSWER_SIZE], before[sizeof(proposed->name)];
	int r = 0;

	memcpy(before, proposed->name, sizeof(before));
	if (!given->name[0]) {
		r = ask_text(tty, "Name of the board", &name, proposed->name,
			     sizeof(proposed->name), err);
		if (r == 0 && !given->key[0] && strcmp(proposed->name, before) != 0)
			propose_key(registry, proposed->name, proposed->key);
	}
	if (r == 0 && !given->key[0]) {
		r = ask(tty, "Key, a short name for commands", proposed->key, check_key,
			(void *)registry, answer, err);
		if (r == 0)
			KF_COPY(proposed->key, answer);
	}
	if (r == 0 && !given->mcu[0])
		r = ask_text(tty, "MCU", &mcu, proposed->mcu, sizeof(proposed->mcu), err);
	return r;
}

bool kf_add_complete(const struct kf_add *request)
{
	return request->given.key[0] && request->given.name[0] && request->given.mcu[0];
}

static int fail_none(const struct kf_board *boards, size_t count, struct kf_error *err)
{
	char known[256] = "";

	for (size_t i = 0; i < count; i++)
		if (boards[i].key[0])
			kf_text_add(known, sizeof(known), ", ", boards[i].key);
	if (known[0])
		return kf_fail(err, KF_CONFIG, "all connected boards are registered: %s", known);
	kf_fail(err, KF_NOTHING_CONNECTED, "there is no board to register");
	for (size_t i = 0; i < count; i++) {
		if (boards[i].tty[0] && !boards[i].excluded)
			kf_error_hint(err,
				      "if a board is behind the USB-serial converter %s: --port=%s",
				      boards[i].tty, boards[i].usb.port);
	}
	return kf_code_errno(KF_NOTHING_CONNECTED);
}

static int fail_several(const struct kf_board *boards, size_t count, struct kf_error *err)
{
	char ports[256] = "", port[KF_DEV_SIZE];
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		const char *label =
			boards[i].usb.model[0] ? boards[i].usb.model : kf_board_label(&boards[i]);

		kf_port_write(&boards[i], port);
		if (!kf_text_format(ports + used, sizeof(ports) - used, "%s%s (%s)",
				    used ? ", " : "", port, label))
			break;
		used = strlen(ports);
	}
	kf_fail(err, KF_AMBIGUOUS, "%zu boards can be registered, on the ports %s", count, ports);
	kf_port_write(&boards[0], port);
	return kf_error_hint(
		err, "choose one: --port=%s%s", port,
		several_in_rom(boards, count)
			? "; in DFU and BOOTSEL boards show no serial number: to see which "
			  "port is whose, plug in one of them alone"
			: "");
}

/* No board could be meant: KF_CONFIG if a registered one is on that port. */
static int check_away(const struct kf_new_device *given, const struct kf_board *boards,
		      size_t count, struct kf_error *err)
{
	char port[KF_DEV_SIZE];

	for (size_t i = 0; i < count; i++) {
		if (!boards[i].key[0] || !is_there(&boards[i]) || given->pattern[0] ||
		    !is_meant(&boards[i], given))
			continue;
		kf_port_write(&boards[i], port);
		kf_fail(err, KF_CONFIG, "the board on %s%s is %s, registered already",
			given->port.usb_port[0] ? "USB port " : "", port, boards[i].key);
		return kf_error_hint(err,
				     "to register another board on that port, first: kf remove %s",
				     boards[i].key);
	}
	return 0;
}

/* Choose the board: 1 and *ret; 0: it is not connected, but pattern or port is given. */
static int choose(const struct kf_add *request, const struct kf_registry *registry,
		  struct kf_board *boards, size_t count, struct kf_board *ret, struct kf_error *err)
{
	const struct kf_new_device *given = &request->given;
	bool named = given->pattern[0] || given->port.usb_port[0] || given->port.uuid[0] ||
		     given->port.path[0];
	bool asking = request->tty >= 0 && !kf_add_complete(request);
	size_t left, pick = 0;
	int r;

	left = find_candidates(registry, boards, count, given, named || asking);
	if (left == 0)
		return named ? check_away(given, boards, count, err)
			     : fail_none(boards, count, err);
	if (left > 1 && !asking)
		return fail_several(boards, left, err);
	/* A converter may be anything: ask whether a board is behind it. */
	if (left > 1 ||
	    (!named && boards[0].mode == KF_MODE_OTHER && !kf_board_in_loader(&boards[0]))) {
		r = ask_board(request->tty, boards, left, &pick, err);
		if (r < 0)
			return r;
	}
	*ret = boards[pick];
	return 1;
}

/* Values from the command line replace the proposals. */
static void merge(struct kf_new_device *e, const struct kf_new_device *given)
{
#define GIVEN(member)                                                                              \
	if (given->member[0])                                                                      \
	KF_COPY(e->member, given->member)
	GIVEN(key);
	GIVEN(name);
	GIVEN(mcu);
	GIVEN(pattern);
	GIVEN(port.usb_port);
	GIVEN(port.uuid);
	GIVEN(port.interface);
	GIVEN(port.path);
	GIVEN(flash_method);
#undef GIVEN
	if (given->baud)
		e->baud = given->baud;
}

/* Would the board be found again by what is registered? */
static int check_found(const struct kf_registry *registry, const struct kf_new_device *e,
		       const struct kf_board *board, struct kf_error *err)
{
	struct kf_board again = *board;
	char port[KF_DEV_SIZE];
	int r = kf_registry_identify(registry, &again, err);

	if (r < 0 || strcmp(again.key, e->key) == 0)
		return r;
	kf_port_write(board, port);
	return kf_fail(err, KF_CONFIG, "the board on port %s could not be found again as %s: %s%s",
		       port, e->key, e->pattern[0] ? e->pattern : "no pattern, MCU ",
		       e->pattern[0] ? " does not fit it" : e->mcu);
}

static int save(const struct kf_new_device *e, const struct kf_board *board, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	int r = kf_device_check_mcu(NULL, e->pattern, e->mcu, err);

	if (r == 0)
		r = check_loader(board, e->mcu, err);
	if (r == 0)
		r = kf_registry_open(&registry, err);
	if (r < 0)
		return r;
	r = kf_device_add(&registry, e, err);
	if (r == 0 && board->connected)
		r = check_found(&registry, e, board, err);
	return r < 0 ? r : kf_registry_save(&registry, err);
}

/*
 * The name in a command to type, in double quotes. A board's own may have characters in it that
 * mean something to a shell there: then the key.
 */
static const char *name_to_type(const struct kf_new_device *e)
{
	return e->name[0] && !strpbrk(e->name, "\"$`\\!") ? e->name : e->key;
}

/* What kf_add_complete misses. */
static const char *missing(const struct kf_new_device *given)
{
	static const char *const words[] = {
		"",    "key",	      "name",	      "key and name",
		"MCU", "key and MCU", "name and MCU", "key, name and MCU"
	};

	return words[!given->key[0] + 2 * !given->name[0] + 4 * !given->mcu[0]];
}

/* Ask for all that is not given; KF_USAGE if there is no terminal. */
static int ask_rest(const struct kf_add *request, const struct kf_registry *registry,
		    const struct kf_board *board, struct kf_new_device *e, struct kf_error *err)
{
	if (kf_add_complete(request))
		return 0;
	if (request->tty < 0) {
		kf_fail(err, KF_USAGE, "there is no terminal to ask for the %s of the board",
			missing(&request->given));
		return kf_error_hint(
			err, "give them: --key=%s --name=\"%s\" --mcu=%s", e->key, name_to_type(e),
			e->mcu[0] ? e->mcu : "MCU, where MCU is its chip, such as stm32h723");
	}
	return ask_names(request->tty, registry, board, &request->given, e, err);
}

static int load_boards(const json_t *records, bool in_rom, struct kf_board *ret, size_t *ret_count,
		       struct kf_error *err)
{
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(records); i++) {
		r = kf_record_board(json_array_get(records, i), &ret[count], err);
		if (!in_rom || kf_board_in_rom(&ret[count]))
			count++;
	}
	*ret_count = count;
	if (r < 0 || !in_rom || count)
		return r;
	kf_fail(err, KF_NOTHING_CONNECTED, "no board waits in DFU or BOOTSEL");
	return kf_error_hint(err, "to bring it there, %s; of an RP2040 or RP2350, %s",
			     kf_last_flash_remedy(kf_mode_name(KF_MODE_DFU)),
			     kf_last_flash_remedy(kf_mode_name(KF_MODE_RP2BOOT)));
}

/* A bootloader is to be installed on a board that is named, and is not among those that wait. */
static int not_waiting(const struct kf_new_device *given, const struct kf_board *boards,
		       size_t count, struct kf_error *err)
{
	char ports[256] = "";

	for (size_t i = 0; i < count; i++)
		if (!kf_text_add(ports, sizeof(ports), " and ", boards[i].usb.port))
			break;
	kf_fail(err, KF_NOT_CONNECTED, "no board waits in DFU or BOOTSEL on %s%s",
		given->port.usb_port[0] ? "USB port " : "",
		given->port.usb_port[0] ? given->port.usb_port
		: given->pattern[0]	? given->pattern
					: given->port.path);
	return kf_error_hint(err, "one waits on USB port %s: --port=%s", ports, boards[0].usb.port);
}

int kf_add_board(const struct kf_add *request, const json_t *records, struct kf_new_device *ret,
		 struct kf_board *ret_board, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	size_t count = json_array_size(records);
	_cleanup_(kf_freep) struct kf_board *boards = calloc(count + 1, sizeof(*boards));
	struct kf_board board = { 0 };
	struct kf_new_device e = { 0 };
	int r;

	if (!boards)
		return kf_fail_sys(err, ENOMEM, "%zu boards", count);
	r = kf_registry_load(&registry, err);
	if (r == 0)
		r = load_boards(records, request->in_rom, boards, &count, err);
	if (r == 0)
		r = choose(request, &registry, boards, count, &board, err);
	if (r < 0)
		return r;
	if (r == 0 && request->in_rom)
		return not_waiting(&request->given, boards, count, err);
	if (r > 0)
		propose(&registry, &board, &e);
	merge(&e, &request->given);
	if (!e.name[0])
		KF_COPY(e.name, e.mcu);
	if (!request->given.key[0] && (!e.key[0] || request->given.name[0]))
		propose_key(&registry, e.name, e.key);
	r = ask_rest(request, &registry, &board, &e, err);
	if (!e.flash_method[0])
		KF_COPY(e.flash_method, kf_method_proposed(e.mcu));
	if (r == 0)
		r = save(&e, &board, err);
	if (r < 0)
		return r;
	KF_COPY(board.key, e.key);
	KF_COPY(board.name, e.name);
	KF_COPY(board.mcu, e.mcu);
	*ret = e;
	*ret_board = board;
	return 0;
}
