/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A configuration for a board whose firmware carries none: proposed from what the board, its
 * bootloader and the printer's configuration tell, each symbol with its reason. What nothing tells
 * is a question with the tree's default marked; it is never answered in silence.
 */
#ifndef KF_BUILD_PROPOSAL_H
#define KF_BUILD_PROPOSAL_H

#include "board/board.h"
#include "build/tree.h"
#include "firmware/facts.h"
#include "firmware/kconfig.h"
#include "firmware/printer-pins.h"

enum { KF_PROPOSED_MAX = 40, KF_QUESTIONS_MAX = 12, KF_CHOICES_MAX = 32, KF_SYMBOL_SIZE = 80 };

/* What is known of the board. Everything may be missing: NULL, "", false. */
struct kf_told {
	const struct kf_facts *facts; /* of its dictionary, or of Klippy */
	const char *mcu;	      /* of the registry, USB or Katapult, if the facts have none */
	const struct kf_usb *usb;     /* while its Klipper is on USB; NULL: it is not */
	bool katapult;		      /* Katapult told where the application starts */
	uint32_t katapult_start;
	const struct kf_pins *pins; /* of the printer's configuration, for this board */
};

struct kf_proposed {
	char symbol[KF_SYMBOL_SIZE];
	char value[KF_NAME_SIZE]; /* as a .config has it: y, n, 250000, "!PC13" with its quotes */
	/* "the board's constants", "its commands", "its USB strings", "Katapult",
	 * "config/generic-bigtreetech-skr-2.cfg", "the MCU's name", "your answer" */
	char from[KF_NAME_SIZE];
	bool stands;	  /* this tree takes it; kf_proposal_settle may say that it does not */
	unsigned subject; /* ours */
};

struct kf_choice {
	char symbol[KF_SYMBOL_SIZE];
	char value[16];		  /* "y", or a number */
	char label[KF_NAME_SIZE]; /* menuconfig's words, or the number */
	bool tree_default;
};

struct kf_question {
	const char *what; /* "bootloader offset", "crystal" */
	char why[256];	  /* what was told and does not fit this tree; "": nothing tells */
	size_t count;	  /* 0: nothing to choose from; menuconfig shows it */
	struct kf_choice choices[KF_CHOICES_MAX];
	unsigned subject; /* ours */
};

struct kf_proposal {
	size_t proposed_count, question_count;
	struct kf_proposed proposed[KF_PROPOSED_MAX];
	struct kf_question questions[KF_QUESTIONS_MAX];
	const struct kf_family *family; /* ours */
	unsigned untold;		/* ours: subjects that nothing tells, a bit each */
	unsigned asked;			/* ours: and those of which something does not stand */
	bool external_crystal;		/* ours: a crystal it has, only which is not told */
};

/*
 * Propose. The tree's src/<family>/Kconfig is read for the MCU's symbol and the labels, its
 * config/generic-*.cfg for a board with these pins. KF_CONFIG: no MCU is known, or none that the
 * tree has. questions are empty until kf_proposal_settle.
 */
_must_check_ int kf_proposal_make(const struct kf_tree *tree, const struct kf_told *told,
				  struct kf_proposal *ret, struct kf_error *err);

/* Its .config, for olddefconfig and for menuconfig to begin with. The caller frees *ret. */
_must_check_ int kf_proposal_text(const struct kf_proposal *proposal, char **ret,
				  struct kf_error *err);

/*
 * Compare with what olddefconfig made of kf_proposal_text: what did not stand becomes a question,
 * and each question gets its choices. Call it again after an answer: others may show or go.
 */
void kf_proposal_settle(struct kf_proposal *proposal, const struct kf_tree *tree,
			const struct kf_told *told, const struct kf_kconfig *updated);

/* Answer a question by one of its choices; settle again. False: there is no room. */
bool kf_proposal_answer(struct kf_proposal *proposal, size_t question, size_t choice);

/*
 * What was told, against what a tree makes of any configuration: MCU, clock, wire and its speed,
 * Katapult's start; both values of each, "; " between. False and "": they agree.
 */
bool kf_told_differs(const struct kf_told *told, const struct kf_kconfig *updated, char *ret,
		     size_t size);

/* "STM32_FLASH_START_8000=y (Katapult)" ... as the rows that people see; a new reference. */
json_t *kf_proposal_to_json(const struct kf_proposal *proposal);

#endif
