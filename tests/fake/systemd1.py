# SPDX-License-Identifier: GPL-3.0-or-later
"""
systemd's manager as a test wants it: a template of python-dbusmock's.

$FAKE/state.json is read at each call and written at each change, so that a test (and the fake
systemctl) sees and sets what it likes in between:

  {"deny": [METHOD...], "deny_error": NAME, "deny_times": N, "silent": [METHOD...], "early": true,
   "units": {NAME: {"load", "active", "sub", "enabled", "pid", "can_start", "transient", "forget", "job",
                    "RequiredBy": [UNIT...], "Wants": [UNIT...], "reset_failed": HOW, "kill", "stop": HOW, "start": HOW}}}

HOW is what becomes of such a job: {"result": "done", "then": ACTIVE, "error": TEXT,
"event": FIFO, "gate": FIFO}. "event" is told when the job is queued, and the job ends when
something is written to "gate". "kill": stopping the unit ends its process, "pid". "forget": when it was active is not known once it is not. "early": the job
ends before its reply. "reset_failed": what "start"
is once ResetFailedUnit was called.

$FAKE/calls gets a line a call.
"""
import json
import os
import select
import signal
import sys

import dbus
from dbusmock import get_object, get_objects
from gi.repository import GLib

sys.dont_write_bytecode = True
sys.path.append(os.environ["KF_TESTS"])
from signals import send_signal  # noqa: E402

BUS_NAME = "org.freedesktop.systemd1"
MAIN_OBJ = "/org/freedesktop/systemd1"
MAIN_IFACE = BUS_NAME + ".Manager"
SYSTEM_BUS = True
DIR = os.environ["FAKE"]


def load(mock, _parameters):
    mock.jobs = {}  # by unit
    mock.seen = {}  # the last state of each that was told; None: to be told anew
    # The units that were active, and how often they became so: systemd keeps these, too.
    mock.ran = {}
    if os.path.exists(DIR + "/ran.json"):
        with open(DIR + "/ran.json", encoding="utf-8") as f:
            mock.ran = json.load(f)
    mock.last = 0
    print("ready", flush=True)


def read():
    with open(DIR + "/state.json", encoding="utf-8") as f:
        return json.load(f)


def write(state):
    with open(DIR + "/state.new", "w", encoding="utf-8") as f:
        json.dump(state, f)
    os.rename(DIR + "/state.new", DIR + "/state.json")


def note(file, *words):
    with open(DIR + "/" + file, "a", encoding="utf-8") as f:
        f.write(" ".join(words) + "\n")


def deny(state, method):
    if method not in state.get("deny", []) or state.get("deny_times") == 0:
        return
    if "deny_times" in state:
        state["deny_times"] -= 1
        write(state)
    name = state.get("deny_error", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")
    raise dbus.DBusException("Interactive authentication required.", name=name)


def kill(pid):
    process = os.pidfd_open(pid)
    send_signal(pid, signal.SIGKILL)
    select.select([process], [], [])
    os.close(process)


def add(mock, path, interface, properties):
    if path in get_objects():
        mock.RemoveObject(path)
    mock.AddObject(path, interface, properties, [])
    return get_object(path)


def add_job(mock, number, verb):
    path = "%s/job/%d" % (MAIN_OBJ, number)
    return add(mock, path, BUS_NAME + ".Job", {"JobType": verb})


def removed(mock, path, unit, result):
    number = int(path.rsplit("/", 1)[1])
    mock.EmitSignal(MAIN_IFACE, "JobRemoved", "uoss", [number, path, unit, result])


def end(mock, unit, result=None):
    job = mock.jobs.pop(unit)
    GLib.source_remove(job.source)
    if result is None:
        result = job.how.get("result", "done")
        state = read()
        u = state["units"][unit]
        if job.verb == "stop" and u.get("kill"):
            kill(u.pop("pid"))
        u["active"] = job.how.get("then", "inactive" if job.verb == "stop" else "active")
        u.pop("job", None)
        write(state)
    mock.RemoveObject(job.path)
    mock.seen[unit] = None
    mock.LoadUnit(unit)  # whoever asks after the signal sees what came of it
    removed(mock, job.path, unit, result)


def queue(mock, method, verb, unit, mode, reply):
    state = read()
    note("calls", method, unit, mode)
    if method in state.get("silent", []):
        return
    deny(state, method)
    if unit not in state["units"]:
        raise dbus.DBusException("Unit %s not found." % unit, name=BUS_NAME + ".NoSuchUnit")
    how = state["units"][unit].get(verb, {})
    if "error" in how:
        raise dbus.DBusException(how["error"], name=BUS_NAME + ".UnitMasked")
    if unit in mock.jobs:
        end(mock, unit, "canceled")
    state["units"][unit]["active"] = "deactivating" if verb == "stop" else "activating"
    write(state)
    mock.last += 1
    mock.jobs[unit] = job = add_job(mock, mock.last, verb)
    job.verb, job.how = verb, how
    if "gate" in how:
        gate = open(how["gate"], "r+b", buffering=0)
        job.source = GLib.io_add_watch(gate, GLib.IO_IN, lambda *_: end(mock, unit))
    else:
        job.source = GLib.idle_add(end, mock, unit)
    if "event" in how:
        with open(how["event"], "w", encoding="utf-8") as f:
            f.write(verb + "\n")
    if state.get("early"):
        end(mock, unit)
    reply(dbus.ObjectPath(job.path))


# By async_callbacks a call may stay without an answer: dbusmock's own methods always give one.
@dbus.service.method(MAIN_IFACE, "ss", "o", async_callbacks=("reply", "_fail"))
def StopUnit(self, unit, mode, reply, _fail):
    queue(self, "StopUnit", "stop", unit, mode, reply)


@dbus.service.method(MAIN_IFACE, "ss", "o", async_callbacks=("reply", "_fail"))
def StartUnit(self, unit, mode, reply, _fail):
    queue(self, "StartUnit", "start", unit, mode, reply)


@dbus.service.method(MAIN_IFACE, "s", "")
def ResetFailedUnit(self, unit):
    note("calls", "ResetFailedUnit", unit)
    state = read()
    u = state["units"][unit]
    u["start"] = u.get("reset_failed", u.get("start", {}))
    write(state)


@dbus.service.method(MAIN_IFACE, "", "")
def Subscribe(_self):
    pass


@dbus.service.method(MAIN_IFACE, "s", "o")
def LoadUnit(self, name):
    unit = read()["units"].get(name, {"load": "not-found", "active": "inactive"})
    sub = {"active": "running", "inactive": "dead"}.get(unit["active"], unit["active"])
    was, times = self.ran.get(name, (False, 0))
    is_active = unit["active"] == "active"
    self.ran[name] = (is_active, times + (is_active and not was))
    with open(DIR + "/ran.json", "w", encoding="utf-8") as f:
        json.dump(self.ran, f)
    job = self.jobs.get(name)
    if not job and "job" in unit:
        job = add_job(self, 0, unit["job"])
    properties = {
        "Id": name,
        "LoadState": unit.get("load", "loaded"),
        "ActiveState": unit["active"],
        "SubState": unit.get("sub", sub),
        "UnitFileState": unit.get("enabled", ""),
        "Description": unit.get("description", ""),
        "CanStart": dbus.Boolean(unit.get("can_start", True)),
        "Transient": dbus.Boolean(unit.get("transient", False)),
        "Job": (dbus.UInt32(bool(job)), dbus.ObjectPath(job.path if job else "/")),
        "Requires": dbus.Array(["sysinit.target"], signature="s"),
        "Wants": dbus.Array(unit.get("Wants", []), signature="s"),
        "MainPID": dbus.UInt32(unit.get("pid", 0)),
        "Result": unit.get("result", "success"),
        "ActiveEnterTimestampMonotonic": dbus.UInt64(
            0 if unit.get("forget") and not is_active else self.ran[name][1]
        ),
    }
    for how in ("RequiredBy", "BoundBy", "ConsistsOf"):
        properties[how] = dbus.Array(unit.get(how, []), signature="s")
    label = "".join(c if c.isalnum() else "_%02x" % ord(c) for c in name)
    # As systemctl(1) does, GetAll has to ask for all interfaces at once (""): there is no other.
    loaded = add(self, MAIN_OBJ + "/unit/" + label, BUS_NAME + ".All", properties)
    if self.seen.setdefault(name, unit["active"]) != unit["active"]:
        self.seen[name] = unit["active"]
        interface = "org.freedesktop.DBus.Properties"
        loaded.EmitSignal(interface, "PropertiesChanged", "sa{sv}as", [BUS_NAME + ".Unit", {}, []])
    return loaded.path


@dbus.service.method(MAIN_IFACE, "", "a(ssssssouso)")
def ListUnits(_self):
    return [
        (n, "", u.get("load", "loaded"), u["active"], "", "", MAIN_OBJ, 0, "", MAIN_OBJ)
        for n, u in sorted(read()["units"].items())
    ]
