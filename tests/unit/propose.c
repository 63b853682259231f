/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * propose own IMAGE TREE DIR: the Kconfig that IMAGE's dictionary carries, completed: DIR/.config.
 * propose guess IMAGE TREE DIR [OPTION]...: a proposal from its constants alone, as JSON, and what
 * the tree makes of it: DIR/.config. IMAGE may be a klipper.dict.
 * propose make IMAGE TREE DIR [OPTION]...: the proposal before the tree has completed it.
 *   katapult=ADDRESS   Katapult told this start
 *   pins=FILE          the printer.cfg
 *   answers=CONFIG     each question is answered as this configuration has it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build/olddefconfig.h"
#include "core/file.h"
#include "firmware/dictionary.h"
#include "firmware/image.h"
#include "unit/program.h"

enum { MS = 60000, ROUNDS = 8, FILE_MAX = 64 << 20 };

static struct kf_error err;

static int fail(void)
{
	fprintf(stderr, "propose: %s\n", err.message);
	return 1;
}

static int read_facts(const char *path, struct kf_facts *ret)
{
	_cleanup_(kf_freep) char *json = NULL, *file = NULL;
	struct kf_dictionary dictionary;
	struct kf_image image = { 0 };
	size_t at, used, len;
	int r;

	if (strlen(path) > 5 && strcmp(path + strlen(path) - 5, ".dict") == 0) {
		r = kf_file_read(path, FILE_MAX, &file, &len, &err);
		return r < 0 ? r : kf_facts_parse(file, len, ret, &err);
	}
	r = kf_image_load(path, &image, &err);
	if (r == 0)
		r = kf_dictionary_locate(image.data, image.len, &at, &used, &json, &len,
					 &dictionary, &err);
	if (r == 0)
		r = kf_facts_parse(json, len, ret, &err);
	kf_image_free(&image);
	return r;
}

static int own(const struct kf_facts *facts, const struct kf_tree *tree, const char *dir)
{
	struct kf_configure c = { .tree = *tree, .wait_ms = MS, .timeout_ms = MS };
	struct kf_kconfig config = { 0 };
	int r;

	if (!facts->kconfig) {
		fprintf(stderr, "propose: it carries no Kconfig\n");
		return 1;
	}
	r = kf_olddefconfig(&c, dir, facts->kconfig, &config, &err);
	kf_kconfig_free(&config);
	return r < 0 ? fail() : 0;
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
	return json_pack("{s:s, s:s*, s:s*, s:s*, s:o}", "what", q->what, "why",
			 q->why[0] ? q->why : NULL, "likely",
			 q->likely < q->count ? q->choices[q->likely].symbol : NULL, "likely_from",
			 q->likely_from[0] ? q->likely_from : NULL, "choices", choices);
}

static json_t *to_json(const struct kf_proposal *p)
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

/* Answer the first question that has an answer in truth. */
static bool answer(struct kf_proposal *p, const struct kf_kconfig *truth, json_t *asked)
{
	char value[16];

	for (size_t i = 0; i < p->question_count; i++)
		for (size_t j = 0; j < p->questions[i].count; j++) {
			const struct kf_choice *choice = &p->questions[i].choices[j];

			if (!kf_kconfig_get(truth, choice->symbol, value, sizeof(value)) ||
			    strcmp(value, choice->value) != 0)
				continue;
			json_array_append_new(asked, json_pack("{s:s, s:s, s:b}", "what",
							       p->questions[i].what, "answer",
							       choice->symbol, "default",
							       choice->tree_default));
			return kf_proposal_answer(p, i, j);
		}
	return false;
}

static int guess(const struct kf_told *told, const struct kf_tree *tree, const char *dir,
		 const char *answers)
{
	_cleanup_(kf_json_decrefp) json_t *asked = json_array(), *out = NULL;
	struct kf_configure c = { .tree = *tree, .wait_ms = MS, .timeout_ms = MS };
	struct kf_kconfig config = { 0 }, truth = { 0 };
	static struct kf_proposal p;
	int r = kf_proposal_make(tree, told, &p, &err);

	if (r == 0)
		r = kf_proposal_complete(&p, &c, told, dir, &config, &err);
	if (r == 0 && answers)
		r = kf_kconfig_load(answers, &truth, &err);
	for (int i = 0; r == 0 && answers && i < ROUNDS && answer(&p, &truth, asked); i++) {
		kf_kconfig_free(&config);
		r = kf_proposal_complete(&p, &c, told, dir, &config, &err);
	}
	kf_kconfig_free(&config);
	kf_kconfig_free(&truth);
	if (r < 0)
		return fail();
	out = to_json(&p);
	json_object_set(out, "answered", asked);
	json_dumpf(out, stdout, JSON_COMPACT);
	puts("");
	return 0;
}

static int print(const struct kf_told *told, const struct kf_tree *tree)
{
	_cleanup_(kf_json_decrefp) json_t *out = NULL;
	static struct kf_proposal p;

	if (kf_proposal_make(tree, told, &p, &err) < 0)
		return fail();
	out = to_json(&p);
	json_dumpf(out, stdout, JSON_COMPACT);
	puts("");
	return 0;
}

PROGRAM
{
	_cleanup_(kf_facts_free) struct kf_facts facts = { 0 };
	struct kf_told told = { .facts = &facts };
	const char *answers = NULL;
	_cleanup_(kf_freep) char *text = NULL;
	struct kf_pins pins;
	struct kf_tree tree;
	size_t len;

	if (argc < 5)
		return 64;
	if (read_facts(argv[2], &facts) < 0 || kf_tree_open(argv[3], &tree, &err) < 0 ||
	    kf_dir_make(argv[4], &err) < 0)
		return fail();
	if (strcmp(argv[1], "own") == 0)
		return own(&facts, &tree, argv[4]);
	for (int i = 5; i < argc; i++) {
		if (strncmp(argv[i], "katapult=", 9) == 0) {
			told.katapult = true;
			told.katapult_start = (uint32_t)strtoul(argv[i] + 9, NULL, 0);
		} else if (strncmp(argv[i], "answers=", 8) == 0) {
			answers = argv[i] + 8;
		} else if (strncmp(argv[i], "pins=", 5) == 0) {
			if (kf_file_read(argv[i] + 5, FILE_MAX, &text, &len, &err) < 0)
				return fail();
			kf_pins_read(text, len, "", &pins);
			told.pins = &pins;
		}
	}
	if (strcmp(argv[1], "make") == 0)
		return print(&told, &tree);
	return guess(&told, &tree, argv[4], answers);
}
