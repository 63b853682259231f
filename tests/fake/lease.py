#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
A client of kf-leased's that says what a test wants, on $KF_LEASE_SOCKET.

lease.py say MESSAGE      send it, print its answer (or "closed"); then end, and print the last one
lease.py keep [MESSAGE]   send it, print its answer, and keep it until standard input ends
lease.py crowd N          N connections that ask for klipper.service; what became of them
lease.py mute N           N connections that say nothing; all have to be closed in time
lease.py noise SEED N     N packets of every kind of nonsense, each on a connection of its own
"""
import collections
import json
import os
import random
import socket
import sys

HOLD = b'{"hold":["klipper.service"]}'


def connect():
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(20)
    sock.connect(os.environ["KF_LEASE_SOCKET"])
    return sock


def hear(sock):
    for _ in range(2):
        try:
            return sock.recv(65536).decode() or "closed"
        except ConnectionResetError:  # comes first, when it was closed before all was read
            pass
    return "closed"


def send(sock, data):
    try:
        sock.send(data)
    except OSError:  # closed, or larger than the kernel takes
        pass


def ask(message):
    sock = connect()
    send(sock, message.encode())
    print(hear(sock), flush=True)
    return sock


def say(message):
    sock = ask(message)
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:  # closed already
        pass
    print(hear(sock), flush=True)


def keep(message=""):
    sock = ask(message) if message else connect()
    sys.stdin.read()
    sock.close()


def crowd(count):
    socks = [connect() for _ in range(int(count))]
    for sock in socks:
        send(sock, HOLD)
    said = collections.Counter()
    for sock in socks:
        answer = hear(sock)
        if answer != "closed":
            answer = json.loads(answer)
            answer = answer.get("error") or answer["units"][0]["state"]
        said[answer] += 1
    print(json.dumps(said, sort_keys=True))


def mute(count):
    socks = [connect() for _ in range(int(count))]
    for sock in socks:
        while hear(sock) != "closed":
            pass
    print("all closed")


def noise(seed, count):
    rng = random.Random(int(seed))
    kinds = [
        lambda: rng.randbytes(rng.randrange(1, 300)),
        lambda: b"[" * rng.randrange(1, 8192),
        lambda: HOLD[: rng.randrange(1, len(HOLD))],
        lambda: HOLD + rng.randbytes(3),
        lambda: json.dumps({"hold": ["klipper" + rng.choice("/*\n\0 é") + "x"]}).encode(),
        lambda: json.dumps({"hold": [rng.choice(["", 1, None, [], {}, "klipper@", "x" * 300])]}).encode(),
        lambda: json.dumps({"hold": ["klipper-%d" % i for i in range(33)]}).encode(),
        lambda: json.dumps({"hold": ["klipper"], "release": True}).encode(),
        lambda: json.dumps({"hold": ["klipper"], "timeout": rng.choice([0, -1, "1", 3601])}).encode(),
        lambda: json.dumps({"hold": ["klipper"], "while_unknown": 1}).encode(),
        lambda: b'{"hold":["klipper"],"hold":["klipper"]}',
        lambda: b'{"hold":["' + b"klipper" * 3000 + b'"]}',
        lambda: b" " * rng.choice([8192, 8193, 65536]),
        lambda: b"\xff\xfe" + HOLD,
        lambda: b"\0",
    ]
    said = collections.Counter()
    for i in range(int(count)):
        data = kinds[i % len(kinds)]()
        sock = connect()
        send(sock, data)
        answer = hear(sock)
        if answer != "closed":
            refusal = json.loads(answer)
            assert refusal["refused"] is True, (data, answer)
            assert hear(sock) == "closed", data
            answer = refusal["error"]
        said[answer] += 1
        sock.close()
    print(sorted(said))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
