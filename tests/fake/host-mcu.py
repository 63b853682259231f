#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Klipper's Linux process, as far as it tells its version (its src/linux/console.c, docs/Protocol.md).

host-mcu.py PROGRAM -I LINK: make LINK to a pty, write "ready", and answer identify with the dictionary
that PROGRAM, an image, has. Its sequence goes on where the last client left it.
"""
import os
import re
import signal
import sys
import tty
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../sim")
from client import crc16, vlq  # noqa: E402


def block(sequence, content=b""):
    head = bytes([len(content) + 5, sequence]) + content
    return head + crc16(head).to_bytes(2, "big") + b"\x7e"


def number(data):
    """A number in its variable length, and what follows it."""
    value = data[0] & 0x7F
    while data[0] & 0x80:
        data = data[1:]
        value = value << 7 | data[0] & 0x7F
    return value, data[1:]


def dictionary(path):
    with open(path, "rb") as f:
        image = f.read()
    for at in re.finditer(b"\x78\xda", image):
        unpack = zlib.decompressobj()
        try:
            if b'"app"' in unpack.decompress(image[at.start():]):
                return image[at.start():len(image) - len(unpack.unused_data)]
        except zlib.error:
            pass
    sys.exit("host-mcu.py: %s has no dictionary" % path)


def answer(content, told):
    command, rest = number(content)
    if command != 1:
        return b""
    offset, rest = number(rest)
    data = told[offset:offset + rest[0]]
    return b"\0" + vlq(offset) + bytes([len(data)]) + data


def serve(master, told):
    waiting, sequence = b"", 0x10
    while True:
        waiting = (waiting + os.read(master, 4096)).lstrip(b"\x7e")
        while waiting and len(waiting) >= waiting[0] >= 5:
            frame, waiting = waiting[:waiting[0]], waiting[waiting[0]:].lstrip(b"\x7e")
            if crc16(frame[:-3]) != int.from_bytes(frame[-3:-1], "big"):
                waiting = b""
                continue
            if frame[1] != sequence:
                os.write(master, block(sequence))
                continue
            sequence = 0x10 | (sequence + 1) & 0x0F
            content = answer(frame[2:-3], told)
            if content:
                os.write(master, block(sequence, content))
            os.write(master, block(sequence))


def main(program, _, link):
    told = dictionary(program)
    master, slave = os.openpty()
    tty.setraw(slave)
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(os.ttyname(slave), link)
    os.chmod(os.ttyname(slave), 0o660)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    print("ready", flush=True)
    serve(master, told)


main(*sys.argv[1:])
