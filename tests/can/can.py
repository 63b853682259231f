#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CAN host without any of our code, on a real CAN interface.

can.py IF talk FRAME...      send each ID#HEX ("." waits for answers first), then print what was answered
can.py IF send FRAME...      send them, and do not listen
can.py IF listen SECONDS     print every frame
"""
import ctypes
import signal
import socket
import struct
import sys
import time

FORMAT = "<IB3x8s"
SILENCE = 0.3


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


def main():
    # It ends with the shell that started it.
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    bus = Bus(sys.argv[1])
    verb, words = sys.argv[2], sys.argv[3:]
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
