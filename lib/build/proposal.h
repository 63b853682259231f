/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A configuration for a board whose firmware carries none: proposed from what the board, its
 * bootloader and the printer's configuration tell, each symbol with its reason. What nothing tells
 * is a question with the tree's default marked; it is never answered in silence.
 */
#ifndef KF_BUILD_PROPOSAL_H
#define KF_BUILD_PROPOSAL_H

#include "board/board.h"
#include "build/menu-source.h"
#include "build/tree.h"
#include "firmware/facts.h"
#include "firmware/kconfig.h"
#include "firmware/printer-pins.h"

enum { KF_PROPOSED_MAX = 40, KF_QUESTIONS_MAX = 12, KF_CHOICES_MAX = 32, KF_SUGGESTED_MAX = 16 };

/* All that is known of the board. Everything may be missing: NULL, "", false. */
struct kf_told {
	const struct kf_facts *facts; /* of its dictionary, or of Klippy */
	const char *mcu;	      /* of the registry, USB or Katapult, if the facts have none */
	const struct kf_usb *usb;     /* while its Klipper is on USB; NULL: it is not */
	bool katapult;		      /* Katapult told where the application starts */
	uint32_t katapult_start;
	bool no_bootloader;	    /* there is none in its flash */
	const struct kf_pins *pins; /* of the printer's configuration, for this board */
};

struct kf_proposed {
	char symbol[KF_SYMBOL_SIZE];
	char value[KF_NAME_SIZE]; /* as a .config has it: y, n, 250000, "!PC13" with its quotes */
	/* "the board's constants", "its commands", "its USB strings", "Katapult", "its flash",
	 * "the MCU's name", "your answer" */
	char from[KF_NAME_SIZE];
	bool stands;	  /* this tree takes it; kf_proposal_settle may say that it does not */
	bool answered;	  /* by a person */
	unsigned subject; /* ours */
};

struct kf_choice {
	char symbol[KF_SYMBOL_SIZE];
	char value[16];		  /* "y", or a number */
	char label[KF_NAME_SIZE]; /* menuconfig's words, or the number */
	bool tree_default;
};

/* A likely answer: "config/generic-bigtreetech-skr-2.cfg" says it, or "your answer before". */
struct kf_suggested {
	char symbol[KF_SYMBOL_SIZE], value[16], from[KF_NAME_SIZE];
};

struct kf_question {
	const char *what; /* "bootloader offset", "crystal" */
	char why[256];	  /* what was told and does not fit this tree; "": nothing tells */
	size_t count;	  /* 0: nothing to choose from; menuconfig shows it */
	struct kf_choice choices[KF_CHOICES_MAX];
	size_t likely; /* the choice of Enter: the suggested one, else the tree's; count: none */
	char likely_from[KF_NAME_SIZE]; /* who suggests it; "": it is the tree's default */
	unsigned subject;		/* ours */
};

struct kf_proposal {
	size_t proposed_count, question_count, suggested_count;
	struct kf_proposed proposed[KF_PROPOSED_MAX];
	struct kf_question questions[KF_QUESTIONS_MAX];
	struct kf_suggested suggested[KF_SUGGESTED_MAX];
	const struct kf_family *family; /* ours */
	unsigned untold;		/* ours: subjects that nothing tells, a bit each */
	unsigned asked;			/* ours: and those of which something does not stand */
	bool external_crystal;		/* ours: it has a crystal of a speed not told */
};

/*
 * Propose. The tree's src/<family>/Kconfig is read for the MCU's symbol and the labels, its
 * config/generic-*.cfg for a board with these pins: what they say is only suggested. KF_CONFIG: no
 * MCU is known, or none that the tree has (family is NULL). questions are empty until
 * kf_proposal_settle.
 */
_must_check_ int kf_proposal_make(const struct kf_tree *tree, const struct kf_told *told,
				  struct kf_proposal *ret, struct kf_error *err);

/* The .config of a proposal, for olddefconfig and for menuconfig. The caller frees *ret. */
_must_check_ int kf_proposal_text(const struct kf_proposal *proposal, char **ret,
				  struct kf_error *err);

/* Suggest an answer; the question is still asked. Of several for one question the last counts. */
void kf_proposal_suggest(struct kf_proposal *proposal, const char *symbol, const char *value,
			 const char *from);

/* Answer a question by one of its choices; settle again. False: there is no room. */
bool kf_proposal_answer(struct kf_proposal *proposal, size_t question, size_t choice);

#endif
