#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2154 # run sets stderr, helper sets tests
# The shipped schema and lib/board/record.c say the same of every record.
load helper

schema=$tests/../lib/board/kf-record.schema.json

# bats test_tags=slow
@test "schema and tools agree about every value in every member" {
	need pty
	cd "$BATS_TEST_TMPDIR"
	"$tests/records.py" "$schema" >lines
	"$tests/records.py" "$schema" --labels >labels
	"$KF_BUILD/tests/unit/record-check" <lines >by-tools 2>/dev/null || [ $? -eq 1 ]
	"$tests/schema.py" "$schema" -v <lines >by-schema 2>/dev/null || [ $? -eq 1 ]
	[ "$(wc -l <lines)" -eq "$(wc -l <by-tools)" ]
	grep -q good by-tools
	grep -q bad by-tools
	paste by-tools by-schema labels | awk '$1 != $2' >differences
	cat differences
	[ ! -s differences ]
}

@test "every member that the tools check is in the schema" {
	cd "$BATS_TEST_TMPDIR"
	"$tests/records.py" "$schema" --members | sort >named
	{
		grep -o '{ "[a-z]*", "[a-z0-9_]*", [A-Z_]* }' "$tests/../lib/board/record.c" |
			sed -E 's/[{}", ]+/ /g' | awk '{ print $1 "." $2 }'
		grep -oE 'MEMBER\("[a-z_]*", [a-z._]*\)' "$tests/../lib/board/board.c" |
			sed -E 's/.*, (.*)\)/board.\1/'
	} | sort >checked
	[ "$(wc -l <checked)" -gt 35 ]
	run comm -13 named checked
	[ "$output" = "" ]
}

@test "a number that is too large: only its board fails, with one message, in each tool" {
	need pty
	{
		echo '{"kf":1,"board":{"key":"a"},"x":123456789012345678901234567890}'
		echo '{"kf":1,"board":{},"x":0.12345678901234566}'
	} >"$BATS_TEST_TMPDIR/in"
	for tool in kf-config kf-build "kf-flash --no-service"; do
		run "-$(status_of bad_record)" --separate-stderr $tool <"$BATS_TEST_TMPDIR/in"
		valid_records <<<"$output"
		[ "$(jq -c '[.board.key, .error.code, .error.tool]' <<<"$output")" = "[\"a\",\"bad_record\",\"${tool%% *}\"]
[null,null,null]" ]
		[[ ${lines[1]} == *'"x":0.12345678901234566'* ]]
		[ "$(grep -c "${tool%% *}: a: line 1 of standard input: the number 123456789012345678901234... is too large" <<<"$stderr")" -eq 1 ]
	done
	kf-config <"$BATS_TEST_TMPDIR/in" 2>/dev/null >"$BATS_TEST_TMPDIR/out" || [ $? -eq "$(status_of bad_record)" ]
	run "-$(status_of bad_record)" --separate-stderr kf-build <"$BATS_TEST_TMPDIR/out"
	[ "$(jq -r '.error.tool // empty' <<<"$output")" = kf-config ]
	[ "$stderr" = "" ]
}
