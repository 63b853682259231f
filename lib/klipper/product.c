/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An exit status of 0 proves nothing: the file must say itself that it is what was wanted. */
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/text.h"
#include "klipper/chip.h"
#include "klipper/image-check.h"
#include "klipper/product.h"
#include "usb/identity.h"

/* In this order: what a bootloader takes comes before what only a debugger does. */
static bool find_image(struct kf_work *w)
{
	struct stat st;

	for (enum kf_format f = 0; f < KF_FORMAT_COUNT; f++)
		if (kf_text_format(w->image_path, sizeof(w->image_path), "%sklipper.%s", w->out,
				   kf_format_name(f)) &&
		    lstat(w->image_path, &st) == 0 && S_ISREG(st.st_mode))
			return true;
	return false;
}

static int load_image(struct kf_work *w, struct kf_image *image, struct kf_error *err)
{
	int r;

	if (find_image(w))
		r = kf_image_load(w->image_path, image, err);
	else
		r = kf_fail(err, KF_BUILD_FAILED, "make succeeded, but left no firmware in %s",
			    w->out);
	if (r < 0 && err) {
		kf_error_hint(err, "is %s a Klipper or Kalico tree?", w->build->tree->dir);
		kf_text_format(err->log, sizeof(err->log), "%s", w->log);
	}
	return r;
}

static uint32_t start_of(const struct kf_work *w, const struct kf_image *image)
{
	return image->start_known ? image->start : w->kconfig.start;
}

/* Where the file itself says where it goes, it is where the configuration wants it. */
static int check_start(const struct kf_work *w, const struct kf_image *image, struct kf_error *err)
{
	const struct kf_chip *chip = kf_chip_find(image->dictionary.mcu);

	if (!chip || !image->start_known || kf_chip_starts_at(chip, image->start, w->kconfig.start))
		return 0;
	return kf_fail(err, KF_WRONG_OFFSET,
		       "the configuration says that the application starts at 0x%08x, make built "
		       "it for 0x%08x",
		       w->kconfig.start, image->start);
}

/* An image that was lying about, or a tree that changed under make's hands. */
static int check_version(const struct kf_work *w, const struct kf_image *image,
			 struct kf_error *err)
{
	const char *tree = w->build->tree->version;
	char built[KF_NAME_SIZE];

	kf_version_strip(image->dictionary.version, built);
	if (!tree[0] || strcmp(built, tree) == 0)
		return 0;
	kf_fail(err, KF_WRONG_VERSION, "make built version %s, but %s is at %s", built,
		w->build->tree->dir, tree);
	kf_error_hint(err, "if the tree was updated meanwhile, run kf-build again");
	return kf_code_errno(KF_WRONG_VERSION);
}

/*
 * make rewrites a configuration that is older than src/Kconfig, and one whose symbols
 * it does not know becomes another MCU's firmware without a word (Klipper 906431bb0).
 */
static int check_result(const struct kf_work *w, const struct kf_image *image, struct kf_error *err)
{
	const char *const files[] = { w->build->config, w->config };
	uint32_t start = start_of(w, image);
	char sha256[KF_HEX_SIZE];
	int r;

	for (size_t i = 0; i < KF_ARRAY_SIZE(files); i++) {
		r = kf_file_sha256(files[i], sha256, err);
		if (r < 0)
			return r;
		if (strcmp(sha256, w->build->config_sha256) != 0) {
			kf_fail(err, KF_CONFIG, "%s changed during the build", files[i]);
			kf_error_hint(err, "run kf-config again, then kf-build");
			return kf_code_errno(KF_CONFIG);
		}
	}
	if (!kf_mcu_same(w->kconfig.mcu, image->dictionary.mcu))
		return kf_fail(err, KF_MCU_MISMATCH,
			       "the configuration is for %s, but make built firmware for %s",
			       w->kconfig.mcu, image->dictionary.mcu);
	r = check_start(w, image, err);
	if (r == 0)
		r = kf_image_check(image, &start, err);
	if (r == 0)
		r = kf_image_check_dictionary(w->image_path, image, err);
	return r < 0 ? r : check_version(w, image, err);
}

json_t *kf_product_describe(const struct kf_work *w, const struct kf_image *image)
{
	struct stat st;

	if (stat(w->image_path, &st) < 0)
		return NULL;
	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:I, s:b, s:f}", "format",
			 kf_format_name(image->format), "bytes", (json_int_t)st.st_size, "sha256",
			 image->sha256, "version", image->dictionary.version, "mcu",
			 image->dictionary.mcu, "start", (json_int_t)start_of(w, image), "reused",
			 0, "seconds", kf_build_seconds(w));
}

int kf_product_check(struct kf_work *w, struct kf_image *ret, struct kf_error *err)
{
	int r = load_image(w, ret, err);

	return r < 0 ? r : check_result(w, ret, err);
}
