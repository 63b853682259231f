# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command on a machine whose USB devices come and go.

hotplug.py [FIXTURE]... STEP... -- COMMAND...

A step waits for an event of the command, or makes one for it; no step waits for time.
  out, err    a line on its standard output, its standard error
  +FIXTURE    the fixture's devices are plugged in
  -FIXTURE    they are pulled
  close       nobody reads its standard output any more
  TERM, INT   it gets this signal
What it wrote is passed on, and so is its status (128 + N for a signal).
"""
import os
import re
import signal
import subprocess
import sys

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # noqa: E402


def paths(fixture):
    with open(fixture, encoding="utf-8") as f:
        return re.findall(r"^P: (\S+)$", f.read(), re.MULTILINE)


MOCK = "libumockdev-preload.so.0"


def line_of(stream, to):
    line = stream.readline()
    if not line:
        sys.exit("hotplug.py: the command ended its output too early")
    to.write(line)
    to.flush()


def take(step, bed, process):
    fixture = step[1:]
    if step == "out":
        line_of(process.stdout, sys.stdout.buffer)
    elif step == "err":
        line_of(process.stderr, sys.stderr.buffer)
    elif step == "close":
        process.stdout.close()
    elif step in ("TERM", "INT"):
        process.send_signal(getattr(signal, "SIG" + step))
    elif step[0] == "+":
        bed.add_from_file(fixture)
        for path in paths(fixture):
            bed.uevent("/sys" + path, "add")
    elif step[0] == "-":
        for path in reversed(paths(fixture)):
            bed.uevent("/sys" + path, "remove")
            bed.remove_device("/sys" + path)


def main():
    split = sys.argv.index("--")
    steps, command = sys.argv[1:split], sys.argv[split + 1 :]
    bed = UMockdev.Testbed.new()
    while steps and steps[0].endswith(".umockdev") and steps[0][0] not in "+-":
        bed.add_from_file(steps.pop(0))
    env = dict(os.environ, UMOCKDEV_DIR=GLib.getenv("UMOCKDEV_DIR"))
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, bufsize=0
    )
    try:
        for step in steps:
            signal.signal(signal.SIGTERM, lambda *_, s=step: sys.exit("hotplug.py: no end of " + s))
            take(step, bed, process)
        if not process.stdout.closed:
            sys.stdout.buffer.write(process.stdout.read())
        sys.stderr.buffer.write(process.stderr.read())
        status = process.wait()
    finally:
        process.kill()
    sys.exit(128 - status if status < 0 else status)


# Events are sent through udev's view of the devices, so this process needs the mock too.
if os.environ.get("LD_PRELOAD") != MOCK:
    os.environ["LD_PRELOAD"] = MOCK
    os.execv(sys.executable, [sys.executable, *sys.argv])
main()
