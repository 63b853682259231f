/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <time.h>

#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "registry/proof.h"
#include "registry/saved-config.h"

enum { PROOF_MAX = 4096 };

static int proof_path(const char *key, char ret[PATH_MAX], struct kf_error *err)
{
	return kf_path(KF_DIR_CONFIG, ret, err, "configs/%s/proof.json", key);
}

static int saved_hash(const char *key, char ret[KF_HEX_SIZE], struct kf_error *err)
{
	char path[PATH_MAX];
	int r = kf_saved_config_path(key, path, err);

	return r < 0 ? r : kf_file_sha256(path, ret, err);
}

/* False: it is absent, too long or not clean: nobody of ours has written it. */
static bool get(const json_t *object, const char *name, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && *text && kf_text_clean(ret, size, text, strlen(text));
}

bool kf_proof_load(const char *key, struct kf_proof *ret)
{
	_cleanup_(kf_json_decrefp) json_t *object = NULL;
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX], now[KF_HEX_SIZE];
	struct kf_proof proof;
	size_t len;

	if (proof_path(key, path, NULL) < 0 || kf_file_read(path, PROOF_MAX, &text, &len, NULL) < 0)
		return false;
	object = json_loadb(text, len, 0, NULL);
	if (!get(object, "config_sha256", proof.config_sha256, sizeof(proof.config_sha256)) ||
	    !get(object, "image_sha256", proof.image_sha256, sizeof(proof.image_sha256)) ||
	    !get(object, "version", proof.version, sizeof(proof.version)) ||
	    !get(object, "time", proof.time, sizeof(proof.time)) ||
	    saved_hash(key, now, NULL) < 0 || strcmp(now, proof.config_sha256) != 0)
		return false;
	proof.stamped = json_is_true(json_object_get(object, "stamps_differ"));
	*ret = proof;
	return true;
}

int kf_proof_save(const char *key, const char *version, const char *image_sha256, bool stamped,
		  struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *object = NULL;
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX], sha256[KF_HEX_SIZE], at[32] = "";
	time_t now = time(NULL);
	struct tm utc;
	int r = proof_path(key, path, err);

	if (r == 0)
		r = saved_hash(key, sha256, err);
	if (r < 0)
		return r;
	if (gmtime_r(&now, &utc))
		strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &utc);
	object = json_pack("{s:s, s:s, s:s, s:s, s:b}", "config_sha256", sha256, "image_sha256",
			   image_sha256, "version", version, "time", at, "stamps_differ", stamped);
	text = json_dumps(object, JSON_INDENT(2));
	if (!text)
		return kf_fail(err, KF_INTERNAL, "a proof that cannot be written");
	return kf_file_write(path, text, strlen(text), err);
}
