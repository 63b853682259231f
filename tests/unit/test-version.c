/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Versions as Klipper's and Kalico's builds write them, and as nobody does. */
#include "firmware/version.h"
#include "unit/test.h"

static void parsed(const char *text, const char *tag, unsigned commits, const char *hash,
		   bool dirty, bool stamped)
{
	struct kf_version v = { 0 };

	CHECK(kf_version_parse(text, &v));
	CHECK_STR(v.tag, tag);
	CHECK(v.commits == commits);
	CHECK_STR(v.hash, hash);
	CHECK(v.dirty == dirty);
	CHECK(v.stamped == stamped);
}

TEST(each_form_is_taken_apart)
{
	parsed("v0.13.0-730-g84104bbbd", "v0.13.0", 730, "84104bbbd", false, false);
	parsed("v0.13.0-730-g84104bbbd-dirty", "v0.13.0", 730, "84104bbbd", true, false);
	parsed("v0.13.0-730-g84104bbbd-dirty-20260101_120000-my-host", "v0.13.0", 730, "84104bbbd",
	       true, true);
	/* two compilers' versions: a date, and no "dirty" */
	parsed("v0.13.0-730-g84104bbbd-20260101_120000-host", "v0.13.0", 730, "84104bbbd", false,
	       true);
	parsed("v2026.09.00-3-g6127720c4", "v2026.09.00", 3, "6127720c4", false, false);
	parsed("v0.13.0-0-g61c0c8d2e", "v0.13.0", 0, "61c0c8d2e", false, false);
	parsed("v0.13.0", "v0.13.0", 0, "", false, false);
	parsed("v0.13.0-rc1-5-gabcd", "v0.13.0-rc1", 5, "abcd", false, false);
	/* git describe --always, in a tree without tags */
	parsed("84104bbbd", "", 0, "84104bbbd", false, false);
	parsed("84104bbbd-dirty", "", 0, "84104bbbd", true, false);
	parsed("84104bbbd0123456789012345678901234567890-dirty-20260101_120000-h", "", 0,
	       "84104bbbd0123456789012345678901234567890", true, true);
}

TEST(what_names_no_revision_is_told)
{
	static const char *const none[] = { "",
					    "?",
					    "?-20260101_120000-host",
					    "-dirty",
					    "--output=x",
					    "v1..v2",
					    "v1^{commit}",
					    "v1 v2",
					    "v1\nv2",
					    "@{u}" };
	struct kf_version v = { .commits = 7 };

	for (size_t i = 0; i < KF_ARRAY_SIZE(none); i++)
		CHECK(!kf_version_parse(none[i], &v) && v.commits == 7);
	/* A description that is none is a tag. */
	parsed("v1-x-gabcdef", "v1-x-gabcdef", 0, "", false, false);
	parsed("v1-99999999999-gabcdef", "v1-99999999999-gabcdef", 0, "", false, false);
	parsed("abc", "abc", 0, "", false, false);
}

static bool same(const char *a, const char *b)
{
	struct kf_version x, y;

	return kf_version_parse(a, &x) && kf_version_parse(b, &y) && kf_version_same(&x, &y) &&
	       kf_version_same(&y, &x);
}

TEST(one_commit_is_one_revision_however_it_is_written)
{
	CHECK(same("v0.13.0-730-g84104bbbd", "v0.13.0-730-g84104bbbd"));
	CHECK(same("v0.13.0-730-g8410", "v0.13.0-730-g84104bbbd0"));
	CHECK(same("84104bbbd", "v0.13.0-730-g84104bb"));
	/* A fork's nearest tag is another one. */
	CHECK(same("v2026.07.00-30-g84104bbbd", "v0.13.0-730-g84104bbbd"));
	CHECK(same("v0.13.0-730-g84104bbbd", "v0.13.0-730-g84104bbbd-dirty-20260101_120000-h"));
	CHECK(same("v0.13.0", "v0.13.0-0-g61c0c8d2e"));
	CHECK(same("v0.13.0", "v0.13.0-dirty"));
	CHECK(!same("v0.13.0", "v0.13.0-1-g61c0c8d2e"));
	CHECK(!same("v0.13.0", "v0.12.0"));
	CHECK(!same("v0.13.0-730-g84104bbbd", "v0.13.0-730-g84104bbbe"));
	CHECK(!same("84104bbbd", "v0.13.0"));
}

TEST_MAIN(T(each_form_is_taken_apart), T(what_names_no_revision_is_told),
	  T(one_commit_is_one_revision_however_it_is_written))
