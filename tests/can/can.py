#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CAN host without any of our code, on a real CAN interface.

can.py IF talk FRAME...      send each ID#HEX ("." waits for answers first), then print what was answered
can.py IF send FRAME...      send them, and do not listen
can.py IF listen SECONDS     print every frame
can.py IF adapter            be a serial CAN adapter, whose interface (of the module slcan) gets this name. Each line of
                             standard input is a message of its controller: sa000000 it is error-active, sp000128
                             error-passive, sb256256 bus-off. One behind "then " comes after the next frame. It
                             answers each with a line, and goes with the end of its input.
"""
import ctypes
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import tty

FORMAT = "<IB3x8s"
SILENCE = 0.3
TIOCSETD = 0x5423
N_SLCAN = 17


def pack(text):
    number, data = text.split("#")
    data = bytes.fromhex(data)
    return struct.pack(FORMAT, int(number, 16), len(data), data)


def unpack(frame):
    number, length, data = struct.unpack(FORMAT, frame)
    return f"{number & 0x7ff:03x}#{data[:length].hex()}"


class Bus:
    def __init__(self, interface):
        self.socket = socket.socket(socket.PF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
        self.socket.bind((interface,))

    def send(self, frame):
        self.socket.send(pack(frame))

    def receive(self, seconds):
        """One frame, or None after so much silence."""
        self.socket.settimeout(seconds)
        try:
            return unpack(self.socket.recv(16))
        except socket.timeout:
            return None
        except OSError:  # the interface is down, or gone with its board
            return None

    def listen(self):
        """All frames until SILENCE."""
        return list(iter(lambda: self.receive(SILENCE), None))


def talk(bus, steps):
    for step in steps:
        if step == ".":
            print("\n".join(bus.listen()))
        else:
            bus.send(step)
    print("\n".join(bus.listen()))


def adapter(interface):
    """The protocol: Linux drivers/net/can/slcan/slcan-core.c. Its commands need no answer."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    before = set(os.listdir("/sys/class/net"))
    fcntl.ioctl(theirs, TIOCSETD, struct.pack("i", N_SLCAN))
    (made,) = set(os.listdir("/sys/class/net")) - before
    subprocess.run(["ip", "link", "set", made, "name", interface], check=True)
    print("ready", flush=True)
    after_frame = b""
    while True:
        ready, _, _ = select.select([ours, sys.stdin], [], [])
        if ours in ready and b"t" in os.read(ours, 4096) and after_frame:
            os.write(ours, after_frame)
            after_frame = b""
        if sys.stdin in ready:
            line = os.read(sys.stdin.fileno(), 64).decode().rstrip()
            if not line:
                return
            message = line.removeprefix("then ").encode() + b"\r"
            if line.startswith("then "):
                after_frame = message
            else:
                os.write(ours, message)
            print(line, flush=True)


def main():
    # It ends with the shell that started it.
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    verb, words = sys.argv[2], sys.argv[3:]
    if verb == "adapter":
        return adapter(sys.argv[1])
    bus = Bus(sys.argv[1])
    if verb == "talk":
        talk(bus, words)
    elif verb == "send":
        for word in words:
            bus.send(word)
    elif verb == "listen":
        end = time.monotonic() + float(words[0])
        while (left := end - time.monotonic()) > 0:
            frame = bus.receive(left)
            if frame:
                print(frame, flush=True)


main()
