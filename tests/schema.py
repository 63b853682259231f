#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""schema.py SCHEMA [-v]: is each line of standard input valid? With -v: a word for each line."""
import json
import sys

import jsonschema

# jsonschema of Debian 11 is older than the draft; the schema uses what both know.
Validator = getattr(jsonschema, "Draft202012Validator", jsonschema.Draft7Validator)


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def refuse_duplicates(pairs):
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member stands twice")
    return dict(pairs)


def problems(validator, line):
    try:
        record = json.loads(line, parse_constant=refuse_constant,
                            object_pairs_hook=refuse_duplicates)
    except ValueError as e:
        return [str(e)]
    return [f"{'.'.join(map(str, e.absolute_path))}: {e.message}"
            for e in validator.iter_errors(record)]


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    Validator.check_schema(schema)
    validator = Validator(schema)
    count = bad = 0
    for line in sys.stdin:
        count += 1
        found = problems(validator, line)
        bad += bool(found)
        if "-v" in sys.argv[2:]:
            print("bad" if found else "good")
        for text in found:
            print(f"line {count}: {text}", file=sys.stderr)
    if count == 0:
        print("no record at all", file=sys.stderr)
    return 1 if bad or not count else 0


sys.exit(main())
