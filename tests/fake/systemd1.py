#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
systemd's manager as a test wants it, on the bus in DBUS_SYSTEM_BUS_ADDRESS.

systemd1.py DIR: DIR/state.json is read at each call and written at each change, so that a
test (and the fake systemctl) sees and sets what it likes in between:

  {"deny": [METHOD...], "deny_error": NAME, "deny_times": N, "silent": [METHOD...], "early": true,
   "units": {NAME: {"load", "active", "sub", "enabled", "pid", "can_start", "transient", "job",
                    "kill", "stop": HOW, "start": HOW}}}

HOW is what becomes of such a job: {"result": "done", "then": ACTIVE, "error": TEXT,
"event": FIFO, "gate": FIFO}. "event" is told when the job is queued, and the job ends when
something is written to "gate". "kill": stopping the unit ends its process, "pid". "early": the job
ends before its reply. DIR/calls gets a line a call.

"owed_by": what else starts the unit when it ends. "version": 252 unless it says so; before 249, OnSuccess= is unknown. DIR/scopes gets a line a
transient scope: each unit to start at its end and what it did then, or "shelter". Whoever calls through
busctl is root: StartTransientUnit is not denied to it.
"""
import json
import os
import select
import signal
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME = "org.freedesktop.systemd1"
ROOT = "/org/freedesktop/systemd1"
MANAGER = NAME + ".Manager"
DIR = sys.argv[1]


def load():
    with open(DIR + "/state.json", encoding="utf-8") as f:
        return json.load(f)


def save(state):
    with open(DIR + "/state.new", "w", encoding="utf-8") as f:
        json.dump(state, f)
    os.rename(DIR + "/state.new", DIR + "/state.json")


def log(*words):
    with open(DIR + "/calls", "a", encoding="utf-8") as f:
        f.write(" ".join(words) + "\n")


def error(name, text):
    return dbus.DBusException(text, name=name)


def unit_of(path):
    return bytes.fromhex(path.rsplit("/", 1)[1][1:]).decode()


def kill(pid):
    process = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([process], [], [])
    os.close(process)


class Fake(dbus.service.FallbackObject):
    def __init__(self, bus):
        super().__init__(bus, ROOT)
        self.jobs = {}  # unit: (job's number, verb, HOW, gate's source)
        self.last = 0

    @dbus.service.signal(MANAGER, signature="uoss")
    def JobRemoved(self, number, job, unit, result):
        pass

    def removed(self, number, unit, result):
        self.JobRemoved(dbus.UInt32(number), ROOT + "/job/%d" % number, unit, result)

    def end(self, unit, result=None):
        number, verb, how, source = self.jobs.pop(unit)
        if source:
            GLib.source_remove(source)
        if result is None:
            result = how.get("result", "done")
            state = load()
            if verb == "stop" and state["units"][unit].get("kill"):
                kill(state["units"][unit].pop("pid"))
            state["units"][unit]["active"] = how.get(
                "then", "inactive" if verb == "stop" else "active"
            )
            state["units"][unit].pop("job", None)
            save(state)
        self.removed(number, unit, result)
        return False

    def queue(self, method, verb, unit, mode, reply, fail):
        state = load()
        u = state["units"].get(unit)
        if mode == "triggering":
            invalid = error("org.freedesktop.DBus.Error.InvalidArgs", "only valid for stop")
            fail(denied(state, method) or invalid)
            return
        log(method, unit, mode)
        if method in state.get("silent", []):
            return
        denial = denied(state, method)
        if denial:
            fail(denial)
            return
        if not u:
            fail(error(NAME + ".NoSuchUnit", "Unit %s not found." % unit))
            return
        how = u.get(verb, {})
        if "error" in how:
            fail(error(NAME + ".UnitMasked", how["error"]))
            return
        if unit in self.jobs:
            self.end(unit, "canceled")
        self.last += 1
        u["active"] = "deactivating" if verb == "stop" else "activating"
        save(state)
        source = None
        if "gate" in how:
            fd = os.open(how["gate"], os.O_RDWR | os.O_NONBLOCK)
            source = GLib.io_add_watch(fd, GLib.IO_IN, self.opened, unit)
        self.jobs[unit] = (self.last, verb, how, source)
        job = dbus.ObjectPath(ROOT + "/job/%d" % self.last)
        if "event" in how:
            with open(how["event"], "w", encoding="utf-8") as f:
                f.write(verb + "\n")
        if state.get("early"):
            self.end(unit)
        elif not source:
            GLib.idle_add(self.end, unit)
        reply(job)

    def opened(self, fd, _condition, unit):
        os.close(fd)
        number, verb, how, _source = self.jobs[unit]
        self.jobs[unit] = (number, verb, how, None)
        return self.end(unit)

    @dbus.service.method(MANAGER, "ss", "o", async_callbacks=("reply", "fail"))
    def StopUnit(self, unit, mode, reply, fail):
        self.queue("StopUnit", "stop", unit, mode, reply, fail)

    @dbus.service.method(MANAGER, "ss", "o", async_callbacks=("reply", "fail"))
    def StartUnit(self, unit, mode, reply, fail):
        self.queue("StartUnit", "start", unit, mode, reply, fail)

    @dbus.service.method(
        MANAGER, "ssa(sv)a(sa(sv))", "o", async_callbacks=("reply", "fail"), sender_keyword="sender"
    )
    def StartTransientUnit(self, name, _mode, properties, _aux, reply, fail, sender):
        state = load()
        pid = self.connection.call_blocking(
            "org.freedesktop.DBus", "/", None, "GetConnectionUnixProcessID", "s", (sender,)
        )
        with open("/proc/%d/comm" % pid, encoding="utf-8") as f:
            refusal = f.read() != "busctl\n" and denied(state, "StartTransientUnit")
        known = {"PIDs", "Description", "CollectMode"}
        if state.get("version", 252) >= 249:
            known |= {"OnSuccess", "OnFailure", "OnSuccessJobMode", "OnFailureJobMode"}
        values = dict(properties)
        unknown = [n for n in values if n not in known]
        if unknown:
            text = "Cannot set property %s, or unknown property." % unknown[0]
            refusal = refusal or error("org.freedesktop.DBus.Error.PropertyReadOnly", text)
        if refusal:
            fail(refusal)
            return
        assert values["PIDs"][0] > 1 and values.get("OnFailure") == values.get("OnSuccess")
        with open(DIR + "/scopes", "a", encoding="utf-8") as f:
            units = [u + "=" + state["units"][u]["active"] for u in values.get("OnSuccess", [])]
            f.write((" ".join(units) or "shelter") + "\n")
        self.last += 1
        GLib.idle_add(self.removed, self.last, name, state.get("scope", "done"))
        reply(dbus.ObjectPath(ROOT + "/job/%d" % self.last))

    @dbus.service.method(MANAGER, "s", "")
    def ResetFailedUnit(self, unit):
        log("ResetFailedUnit", unit)
        state = load()
        if "forgiven" in state["units"][unit]:
            state["units"][unit]["start"] = state["units"][unit]["forgiven"]
            save(state)

    @dbus.service.method(MANAGER, "", "")
    def Subscribe(self):
        pass

    @dbus.service.method(MANAGER, "s", "o")
    def LoadUnit(self, unit):
        return dbus.ObjectPath(ROOT + "/unit/_" + unit.encode().hex())

    @dbus.service.method(MANAGER, "asas", "a(ssssssouso)")
    def ListUnitsByPatterns(self, _states, patterns):
        heads = tuple(p.split("*")[0] for p in patterns)
        return [
            (n, "", u.get("load", "loaded"), u["active"], "", "", ROOT, dbus.UInt32(0), "", ROOT)
            for n, u in sorted(load()["units"].items())
            if n.startswith(heads)
        ]

    @dbus.service.method(
        "org.freedesktop.DBus.Properties", "s", "a{sv}", path_keyword="path"
    )
    def GetAll(self, interface, path):
        unit = load()["units"].get(unit_of(path), {"load": "not-found", "active": "inactive"})
        assert interface == "", "GetAll takes all interfaces at once, as systemctl(1) does"
        sub = {"active": "running", "inactive": "dead"}.get(unit["active"], unit["active"])
        job = "/"
        if unit_of(path) in self.jobs:
            job = ROOT + "/job/%d" % self.jobs[unit_of(path)][0]
        elif "job" in unit:
            job = ROOT + "/job/0"
        return {
            "Id": unit_of(path),
            "LoadState": unit.get("load", "loaded"),
            "ActiveState": unit["active"],
            "SubState": unit.get("sub", sub),
            "UnitFileState": unit.get("enabled", ""),
            "Description": unit.get("description", ""),
            "CanStart": dbus.Boolean(unit.get("can_start", True)),
            "Transient": dbus.Boolean(unit.get("transient", False)),
            "Job": dbus.Struct((dbus.UInt32(job != "/"), dbus.ObjectPath(job)), signature="uo"),
            "OnSuccessOf": dbus.Array(unit.get("owed_by", []), signature="s"),
            "Requires": dbus.Array(["sysinit.target"], signature="s"),
            "MainPID": dbus.UInt32(unit.get("pid", 0)),
            "Result": unit.get("result", "success"),
            "ExecMainStartTimestamp": dbus.UInt64(1),
        }

    @dbus.service.method("org.freedesktop.DBus.Properties", "ss", "v", path_keyword="path")
    def Get(self, _interface, name, path):
        if name == "Version":
            return "%d.1-1fake" % load().get("version", 252)
        for number, verb, _how, _source in self.jobs.values():
            if path.endswith("/job/%d" % number):
                return verb
        return next(u["job"] for u in load()["units"].values() if "job" in u)


def denied(state, method):
    if method not in state.get("deny", []) or state.get("deny_times") == 0:
        return None
    if "deny_times" in state:
        state["deny_times"] -= 1
        save(state)
    name = state.get("deny_error", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")
    return error(name, "Interactive authentication required.")


def main():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(os.environ["DBUS_SYSTEM_BUS_ADDRESS"])
    fake = Fake(bus)
    name = dbus.service.BusName(NAME, bus)
    print("ready", flush=True)
    GLib.MainLoop().run()
    del name, fake


main()
