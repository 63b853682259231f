#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
A Klippy, and a Moonraker beside it, that say what the real ones were recorded to say.

klippy.py CONFIG [-l LOG] [-a SOCKET]: hold the port in $PORT open, with its flock(2) as pyserial's
exclusive=True takes it (klippy/serialhdl.py; $UNLOCKED: without, as a container's is that has a
device node of its own; $HANDED: the lock bears the number of its parent, which has the port not
any more), and answer on SOCKET. $HIDDEN: /proc/PID/fd is root's, as that of another
user's process is not ours to read. With $MOONRAKER=http a Moonraker answers on a port of 127.0.0.1. $STATE names
the line of tests/fixtures/klippy-api.jsonl or printers.jsonl, $EDIT (jq's paths, "idle_timeout.state=Printing") changes what
objects say, $TREE and $VERSION are its source folder and its version. Other $MODEs: "silent" never answers, "garbage", "truncated", "endless", "events" (sends
others' messages first), "deny" (an error), "late" (takes its time), "refuse" (leaves its socket file behind, as a stopped
Klippy does). $THEN is the state after its first answer to a
query. $PRINT names the line of klippy-api.jsonl whose print it tells beside $MCUS. $TICK: as if another
client had subscribed, a query is answered on the next tick of 250 ms. $PID is the process_id that is told. Writes "ready PORT" to standard output.
"""
import copy
import ctypes
import fcntl
import json
import os
import re
import signal
import socket
import sys
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
ENV = os.environ
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
MODE = ENV.get("MODE", "")


def load(state):
    """A line of klippy-api.jsonl, or ("mcus ...") of printers.jsonl."""
    name = "printers" if state.startswith("mcus ") else "klippy-api"
    with open(f"{HERE}/../fixtures/{name}.jsonl", encoding="utf-8") as f:
        recorded = next(r for r in map(json.loads, f) if r["state"] == state)
    text = json.dumps(recorded).replace('"process_id": 812', '"process_id": ' + pid())
    text = text.replace("/home/pi/klipper\"", ENV.get("TREE", "/home/pi/klipper") + "\"")
    return json.loads(text.replace("v0.13.0-730-g84104bbbd", ENV.get("VERSION", "v0.13.0-730-g84104bbbd")))


def pid():
    return ENV.get("PID", str(os.getpid()))


def edit(answer, asked):
    """A copy of what an objects query says, changed; it says only what it was asked for."""
    answer = copy.deepcopy(answer)
    status = answer.get("result", {}).get("status")
    for change in filter(None, ENV.get("EDIT", "").split(",")) if status else []:
        path, value = change.split("=")
        *path, last = path.split(".")
        obj = status
        for name in path:
            obj = obj.setdefault(name, {})
        if value == "gone":
            del obj[last]
        else:
            obj[last] = json.loads(value) if re.match(r"[\d{\[ntf\"]", value) else value
    if status:
        answer["result"]["status"] = {name: status[name] for name in asked if name in status}
    return answer


RECORDED = load(ENV["STATE"])


def listen(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen(1)
    return sock


def mcus(number, asked):
    """$MCUS, {NAME: [SERIAL, VERSION]} or {NAME: {"config": {...}, "object": {...}}}, as
    docs/Status_Reference.md has configfile (whose sections are in lower case) and mcu."""
    known = {}
    for name, mcu in json.loads(ENV.get("MCUS", "{}")).items():
        if isinstance(mcu, list):
            mcu = {"config": {"serial": mcu[0]}, "object": {"mcu_version": mcu[1]}}
        known[name] = mcu
    if asked is None:
        return {"id": number, "result": {"objects": ["webhooks", "configfile", *known]}}
    status = {name: known[name]["object"] for name in asked if name in known}
    if "PRINT" in ENV:
        told = edit(load(ENV["PRINT"])["klippy.sock objects/query"]["rx"], asked)["result"]["status"]
        status = dict(told, **status)
    if "configfile" in asked:
        settings = {name.lower(): mcu["config"] for name, mcu in known.items()}
        status["configfile"] = {"settings": dict(settings, printer={"kinematics": "none"})}
    return {"id": number, "result": {"eventtime": 1.0, "status": status}}


def talk(conn, prefix):
    """Answer one request; False: the other side has hung up."""
    global RECORDED
    data = b""
    while not data.endswith(b"\x03"):
        more = conn.recv(4096)
        if not more:
            return False
        data += more
    request = json.loads(data[:-1])
    asked = request.get("params", {}).get("objects", {})
    if re.search("objects.list$", request["method"]) and MODE == "":
        asked = None
    if "TICK" in ENV and request["method"].endswith("query"):
        time.sleep(0.25 - time.monotonic() % 0.25)
    if "MCUS" not in ENV and prefix + "objects/list" in RECORDED:
        pass
    elif asked is None or (asked and "PRINT" in ENV) or any(name.split()[0] in ("configfile", "mcu") for name in asked):
        conn.sendall(json.dumps(mcus(request["id"], asked)).encode() + b"\x03")
        return True
    answer = edit(dict(RECORDED[prefix + request["method"]]["rx"], id=request["id"]), asked or {})
    text = json.dumps(answer).encode() + b"\x03"
    if MODE == "garbage":
        text = b"\x00\xff{\x03"
    elif MODE == "truncated":
        text = text[: len(text) // 2]
    elif MODE == "deny":
        text = b'{"id": 1, "error": {"error": "WebRequestError", "message": "no \x1b[31m"}}\x03'
    elif MODE == "events":
        text = b'{"method": "notify", "params": [{}]}\x03{"id": 99, "result": {}}\x03' + text
    while MODE == "endless":
        conn.sendall(b"x" * 65536)
    if MODE == "silent":
        conn.recv(1)
    if MODE == "late":
        time.sleep(0.4)
    conn.sendall(text)
    if asked and "THEN" in ENV:
        RECORDED = load(ENV["THEN"])
    return True


def serve_one(conn, prefix):
    with conn:
        try:
            while talk(conn, prefix):
                pass
        except OSError:
            pass


def serve(sock, prefix):
    while True:
        start(serve_one, sock.accept()[0], prefix)


def start(function, *args):
    threading.Thread(target=function, args=args, daemon=True).start()


def moonraker():
    """Serve HTTP on a port of 127.0.0.1, which is returned."""
    import http.server  # here: its import takes most of our start, and few tests want it

    class Http(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path, _, asked = self.path.partition("?")
            known = (k for k in RECORDED if k.startswith("http GET " + path))
            recorded = RECORDED[next(known, "http GET /printer/info")]
            answer = edit(recorded["body"], asked.split("&"))
            if path.endswith("objects/list"):
                answer = mcus(0, None)
            if "configfile=settings" in asked:
                names = (part.partition("=")[0] for part in asked.split("&"))
                answer = mcus(0, list(map(urllib.parse.unquote, names)))
            body = json.dumps(answer).encode()
            self.send_response(recorded["status"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if MODE == "truncated" else body)

        def log_message(self, *_args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Http)
    start(server.serve_forever)
    return server.server_port


def hand_over(port_fd):
    """A child of ours goes on with the port; we stay, without it."""
    child = os.fork()
    if child:
        os.close(port_fd)
        os.waitpid(child, 0)
        os._exit(0)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main():
    # It ends with the test that started it.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    args = sys.argv[1:]
    if "PORT" in ENV:
        port_fd = os.open(ENV["PORT"], os.O_NOCTTY | os.O_RDWR)
        if "UNLOCKED" not in ENV:
            fcntl.flock(port_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if "HANDED" in ENV:
                hand_over(port_fd)
    if "HIDDEN" in ENV:
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)
    if "-a" in args and MODE == "refuse":
        listen(args[args.index("-a") + 1]).close()
    elif "-a" in args:
        start(serve, listen(args[args.index("-a") + 1]), "klippy.sock ")
    print("ready", moonraker() if ENV.get("MOONRAKER") == "http" else 0, flush=True)
    threading.Event().wait()


main()
