#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that knows nothing of ours, for the tests of kf-sim.

  client.py [--baud=N] VERB     TTY at N baud, for a UART; else at 115200

  client.py identify TTY        ask the firmware for its dictionary, print its version
  client.py touch TTY           1200 baud, close
  client.py send TTY HEX...     one write each; print what came back within 0.15 s of it
  client.py untaken TTY         wait until the board does not take what was written
  client.py gone TTY            hold TTY open until it hangs up
  client.py wait PATH           wait until PATH is there
  client.py blocks ADDRESS N    print N blocks for Katapult, in one string of hex
  client.py monitor N           print N of udev's events about ttys, after a line "ready"
"""
import ctypes
import fcntl
import json
import os
import select
import socket
import struct
import sys
import termios
import time
import zlib


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        byte ^= crc & 0xFF
        byte ^= (byte & 0x0F) << 4
        crc = ((byte << 8) | (crc >> 8)) ^ (byte >> 4) ^ (byte << 3)
    return crc


def set_baud(fd, baud):
    """Any rate: ioctl_tty(2), TCSETS2."""
    t = bytearray(44)
    fcntl.ioctl(fd, 0x802C542A, t)
    flags, = struct.unpack_from("I", t, 8)
    struct.pack_into("I", t, 8, flags & ~0x100F | 0x1000)
    struct.pack_into("II", t, 36, baud, baud)
    fcntl.ioctl(fd, 0x402C542B, t)


def open_raw(path):
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    t = termios.tcgetattr(fd)
    t[0] = t[1] = t[3] = 0
    t[4] = t[5] = termios.B115200
    termios.tcsetattr(fd, termios.TCSANOW, t)
    if BAUD:
        set_baud(fd, BAUD)
    return fd


def read_some(fd, timeout):
    if not select.select([fd], [], [], timeout)[0]:
        return b""
    return os.read(fd, 4096)


def read_quiet(fd, quiet=0.15):
    data = b""
    while True:
        more = read_some(fd, quiet)
        if not more:
            return data
        data += more


def vlq(value):
    out = [value & 0x7F]
    while value >= 0x60 if len(out) == 1 else value >> 7 * len(out):
        out.insert(0, (value >> 7 * len(out)) & 0x7F | 0x80)
    return bytes(out)


def next_block(fd, pending):
    """The next message block's content, and its sequence."""
    while True:
        if len(pending) > 1 and len(pending) >= pending[0]:
            block = bytes(pending[: pending[0]])
            del pending[: pending[0]]
            assert crc16(block[:-3]) == block[-3] << 8 | block[-2]
            return block[2:-3], block[1] & 15
        more = read_some(fd, 2)
        if not more:
            sys.exit("no answer to identify")
        pending.extend(more)


def identify(path):
    fd = open_raw(path)
    seq, data, pending = 0, b"", bytearray()
    while True:
        # 0..95 is one byte of a variable length quantity, up to 12 bits two
        content = b"\x01" + vlq(len(data)) + b"\x28"
        block = bytes([len(content) + 5, 0x10 | seq]) + content
        crc = crc16(block)
        os.write(fd, b"\x7e" + block + bytes([crc >> 8, crc & 255, 0x7E]))
        content, want = next_block(fd, pending)
        if not content:  # a nak: another client was here before
            seq = want
            continue
        part = content[1 + len(vlq(len(data))) + 1 :]
        content, seq = next_block(fd, pending)  # the ack
        assert not content
        data += part
        if len(part) < 40:
            break
    d = json.loads(zlib.decompress(data))
    print(d.get("app"), d["config"]["MCU"], d["version"])


def touch(path):
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    t = termios.tcgetattr(fd)
    t[4] = t[5] = termios.B1200
    termios.tcsetattr(fd, termios.TCSANOW, t)
    os.close(fd)


def send(path, *frames):
    fd = open_raw(path)
    for frame in frames:
        os.write(fd, bytes.fromhex(frame))
        print(read_quiet(fd).hex() or "silence", flush=True)


def untaken(path):
    """As kf-sim's own library asks: whoever had it open would be seen."""
    tty = struct.pack("L", os.stat(os.readlink(path)).st_rdev)
    ask = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ask.bind("")
    deadline = time.monotonic() + 5
    answer = bytes(4)
    while answer == bytes(4):
        if time.monotonic() > deadline:
            sys.exit(f"{path}: the board takes all")
        time.sleep(0.005)
        ask.sendto(tty, os.environ["KF_SIM_CONTROL"] + ".queued")
        answer = ask.recv(4)


def gone(path):
    fd = open_raw(path)
    print("open", flush=True)
    poll = select.poll()
    poll.register(fd, 0)  # a hang-up alone; what comes is another's
    print("gone" if poll.poll(5000) else "still there")


def wait(path):
    deadline = time.monotonic() + 5
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            sys.exit(f"{path} did not come")
        time.sleep(0.005)


def blocks(address, count):
    out = ""
    for i in range(int(count)):
        body = struct.pack("<BBI", 0x12, 17, int(address, 0) + 64 * i) + bytes(64)
        out += (b"\x01\x88" + body + struct.pack("<H", crc16(body)) + b"\x99\x03").hex()
    print(out)


def monitor(count):
    udev = ctypes.CDLL("libudev.so.1")
    for name in ("new", "monitor_new_from_netlink", "monitor_receive_device"):
        getattr(udev, "udev_" + name).restype = ctypes.c_void_p
    for name in ("action", "devnode"):
        getattr(udev, "udev_device_get_" + name).restype = ctypes.c_char_p
        getattr(udev, "udev_device_get_" + name).argtypes = [ctypes.c_void_p]
    udev.udev_device_get_property_value.restype = ctypes.c_char_p
    udev.udev_device_get_property_value.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    m = ctypes.c_void_p(udev.udev_monitor_new_from_netlink(ctypes.c_void_p(udev.udev_new()), b"udev"))
    udev.udev_monitor_filter_add_match_subsystem_devtype(m, b"tty", None)
    udev.udev_monitor_enable_receiving(m)
    print("ready", flush=True)
    for _ in range(int(count)):
        if not select.select([udev.udev_monitor_get_fd(m)], [], [], 5)[0]:
            sys.exit("no event")
        d = udev.udev_monitor_receive_device(m)
        serial = udev.udev_device_get_property_value(d, b"ID_SERIAL")
        words = udev.udev_device_get_action(d), udev.udev_device_get_devnode(d), serial
        print(*(w.decode() for w in words), flush=True)


BAUD = None
if __name__ == "__main__":
    if sys.argv[1].startswith("--baud="):
        BAUD = int(sys.argv.pop(1)[7:])
    {f.__name__: f for f in (identify, touch, send, untaken, gone, wait, blocks, monitor)}[sys.argv[1]](*sys.argv[2:])
