#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""records.py SCHEMA [--labels | --members]: records, good and bad, on standard output: every value
worth trying in every member that the schema names (tests/record.bats). --labels: what was changed
in each line; --members: the members' paths."""
import copy
import json
import sys

RECORD = {
    "kf": 1,
    "board": {
        "key": "octopus-pro", "name": "Octopus Pro v1.1", "mcu": "stm32h723", "excluded": False,
        "connected": True, "mode": "klipper", "tty": "/dev/ttyACM0",
        "by_id": "/dev/serial/by-id/usb-Klipper_stm32h723xx_29001A001151313531383332-if00",
        "holder": {"pid": 812, "command": "python3", "unit": "klipper.service"},
        "link": {"type": "uart", "path": "/dev/ttyAMA0", "baud": 250000, "interface": "can0",
                 "uuid": "44db3d634885"},
        "printer": {"unit": "klipper.service", "name": "klipper", "mcu": "EBB"},
        "usb": {"vendor": "1d50", "product": "614e", "manufacturer": "Klipper",
                "model": "stm32h723xx", "serial": "29001A001151313531383332", "port": "1-1.2"},
    },
    "config": {"path": "/h/.config", "sha256": "0" * 64, "mcu": "stm32h723xx",
               "start": 134348800, "comm": "usb"},
    "firmware": {"path": "/h/klipper.bin", "format": "bin", "bytes": 44608, "sha256": "a" * 64,
                 "version": "v0.13.0", "mcu": "stm32h723xx", "start": 134348800,
                 "reused": False, "seconds": 11.2},
    "flash": {"result": "flashed", "method": "katapult", "verified": ["readback", "identify"],
              "seconds": 2.1, "attempts": [{"method": "katapult"}]},
    "error": None,
}

VALUES = [
    None, True, False, 0, 1, 2, -1, 1.5, -0.5, 2**31 - 1, 2**31, 2**32 - 1, 2**32,
    "", "x", "klipper", "KLIPPER", "Octopus", "octopus_2-b", "-a", "0a", "a b", "key\n",
    "tab\t", "esc\x1b[2J", "del\x7f", "c1\x9b", "nul\0", "\u00e9", "\u4e2d", "\U0001f5a8", "rtl\u202e",
    "zero\u200bwidth", "\u2028", "\ufeffbom", "\ud800", "0" * 64, "A" * 64, "g" * 64, "0" * 63,
    *("x" * n for n in (4, 5, 63, 64, 65, 127, 128, 319, 320, 511, 512, 4095, 4096)),
    [], ["x"], [1], ["x", "\x07"], {}, {"pid": 1}, {"pid": 0}, {"pid": "1"}, {"x": 1},
    [{}], [{"message": "m", "hint": None}], [{"message": "\x07"}], [{"message": 1}], [{"message": "m"}, "x"],
]

OTHER_LINES = [
    "[]", "null", "1", '"kf"', "{}", '{"kf":1}', '{"board":{}}', '{"kf":1,"board":{}}',
    '{"kf":2,"board":{}}', '{"kf":0,"board":{}}', '{"kf":-1,"board":{}}', '{"kf":"1","board":{}}',
    '{"kf":1,"board":{},"kf":1}', '{"kf":1,"board":{"a":1,"a":2}}', '{"kf":1,"board":{}', "{",
    '{"kf":1,"board":{}} x', '{"kf":1,"board":{"new":[1,{"deep":null}]},"unknown":7}',
    '{"kf":1,"board":{"x":NaN}}', "{'kf':1,'board':{}}", '{"kf":1,"board":{},}',
]


def members(schema, path=()):
    for name, sub in schema.get("properties", {}).items():
        yield path + (name,)
        yield from members(sub, path + (name,))


def mutation(path, *value):
    """RECORD with value, or with nothing, at path."""
    record = copy.deepcopy(RECORD)
    target = record
    for name in path[:-1]:
        target[name] = target.get(name) or {}
        target = target[name]
    target.pop(path[-1], None)
    if value:
        target[path[-1]] = value[0]
    return json.dumps(record)


def lines(named):
    """Pairs of a line and what was done to it."""
    for line in OTHER_LINES:
        yield line, line
    for path in named:
        for value in VALUES:
            yield mutation(path, value), f"{'.'.join(path)} = {json.dumps(value)[:80]}"
        yield mutation(path), f"no {'.'.join(path)}"


with open(sys.argv[1], encoding="utf-8") as f:
    named = list(members(json.load(f)))
if sys.argv[2:] == ["--members"]:
    print(*(".".join(path) for path in named), sep="\n")
else:
    what = sys.argv[2:] == ["--labels"]
    print(*(pair[what] for pair in lines(named)), sep="\n")
