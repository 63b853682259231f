/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <time.h>

#include "registry/config-note.h"
#include "registry/proof.h"

static const char name[] = "proof";

bool kf_proof_load(const char *key, struct kf_proof *ret)
{
	_cleanup_(kf_json_decrefp) json_t *note = kf_config_note_load(key, name);
	struct kf_proof proof;

#define GET(member) kf_config_note_text(note, #member, proof.member, sizeof(proof.member))
	if (!GET(config_sha256) || !GET(image_sha256) || !GET(version) || !GET(time))
		return false;
#undef GET
	proof.stamped = json_is_true(json_object_get(note, "stamps_differ"));
	*ret = proof;
	return true;
}

int kf_proof_save(const char *key, const char *version, const char *image_sha256, bool stamped,
		  struct kf_error *err)
{
	time_t now = time(NULL);
	char at[32] = "";
	struct tm utc;

	if (gmtime_r(&now, &utc))
		strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return kf_config_note_save(key, name,
				   json_pack("{s:s, s:s, s:s, s:b}", "image_sha256", image_sha256,
					     "version", version, "time", at, "stamps_differ",
					     stamped),
				   err);
}
