#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make flash` runs: flash.py DEVICE FILE.

Speaks Katapult's protocol (Katapult protocol.md) to the board behind DEVICE, which may still
run Klipper: it is then sent to its bootloader first. One frame is one write, and nothing is
ever sent twice, for one bad frame wedges the bootloader.
"""
import fcntl
import glob
import os
import select
import struct
import sys
import termios
import time

CONNECT, SEND, END, REQUEST, COMPLETE, ACK = 0x11, 0x12, 0x13, 0x14, 0x15, 0xA0
KATAPULT = ("1d50", "6177")
REAPPEAR_SECONDS = 10
ANSWER_SECONDS = 5  # the first block of a large page waits for its erase
CONNECT_SECONDS = 0.5


class Failure(Exception):
    pass


def usb_device(tty):
    """The sysfs folder of the USB device that tty belongs to."""
    path = os.path.realpath("/sys/class/tty/" + os.path.basename(tty))
    while path != "/":
        if os.path.exists(path + "/idVendor"):
            return path
        path = os.path.dirname(path)
    raise Failure("%s is not a USB device's" % tty)


def usb_ids(device):
    def read(name):
        with open(os.path.join(device, name)) as f:
            return f.read().strip().lower()
    return read("idVendor"), read("idProduct")


def open_port(tty, speed):
    fd = os.open(tty, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    attr = termios.tcgetattr(fd)
    attr[0] = attr[1] = attr[3] = 0
    attr[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
    attr[4] = attr[5] = speed
    termios.tcsetattr(fd, termios.TCSANOW, attr)
    return fd


def set_dtr(fd, on):
    try:
        fcntl.ioctl(fd, termios.TIOCMBIS if on else termios.TIOCMBIC,
                    struct.pack("I", termios.TIOCM_DTR))
    except OSError:
        pass  # a pty has no modem lines


def touch(tty):
    fd = os.open(tty, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    set_dtr(fd, True)
    os.close(fd)
    fd = open_port(tty, termios.B1200)
    set_dtr(fd, False)
    os.close(fd)


def find_katapult(device, before):
    """The tty of the bootloader on device's USB port, once it is there; before: its ids now."""
    deadline = time.monotonic() + REAPPEAR_SECONDS
    while time.monotonic() < deadline:
        try:
            now = usb_ids(device)
        except OSError:
            now = before  # off the bus
        if now not in (before, KATAPULT):
            raise Failure("%s came back as %s:%s" % (os.path.basename(device), *now))
        for path in glob.glob("/sys/class/tty/*"):
            try:
                if now == KATAPULT and usb_device(path) == device:
                    tty = "/dev/" + os.path.basename(path)
                    if os.access(tty, os.R_OK | os.W_OK):
                        return tty
            except (Failure, OSError):
                continue
        time.sleep(0.02)
    raise Failure("no bootloader came on %s" % os.path.basename(device))


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        byte ^= crc & 0xFF
        byte ^= (byte & 0x0F) << 4
        crc = (byte << 8 | crc >> 8) ^ (byte >> 4) ^ (byte << 3)
    return crc


class Silence(Failure):
    pass


class Bootloader:
    def __init__(self, tty):
        self.fd = open_port(tty, termios.B115200)
        termios.tcflush(self.fd, termios.TCIOFLUSH)
        self.seen = b""

    def frame(self, seconds):
        """The next (command, payload) that arrives."""
        deadline = time.monotonic() + seconds
        while True:
            if len(self.seen) >= 4:
                size = 8 + 4 * self.seen[3]
                if len(self.seen) >= size:
                    frame, self.seen = self.seen[:size], self.seen[size:]
                    crc = struct.unpack_from("<H", frame, size - 4)[0]
                    if frame[:2] != b"\x01\x88" or crc != crc16(frame[2:size - 4]):
                        raise Failure("a damaged answer: %s" % frame.hex())
                    return frame[2], frame[4:size - 4]
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise Silence("the bootloader is silent")
            chunk = os.read(self.fd, 4096)
            if not chunk:
                raise Failure("the board left")
            self.seen += chunk

    def send(self, command, payload=b""):
        body = bytes([command, len(payload) // 4]) + payload
        frame = b"\x01\x88" + body + struct.pack("<H", crc16(body)) + b"\x99\x03"
        if os.write(self.fd, frame) != len(frame):
            raise Failure("a frame was written in part")

    def connect(self):
        """An answer of 64 bytes comes only with the next one (no zero-length packet follows it)."""
        for _ in range(4):
            self.send(CONNECT)
            try:
                answer, payload = self.frame(CONNECT_SECONDS)
            except Silence:
                continue
            if answer == ACK and payload[0] == CONNECT:
                return payload[4:]
        raise Failure("the bootloader does not answer")

    def ask(self, command, payload=b""):
        self.send(command, payload)
        while True:
            answer, payload = self.frame(ANSWER_SECONDS)
            if answer != ACK:
                raise Failure("command 0x%02x was answered 0x%02x" % (command, answer))
            if payload[0] == command:
                return payload[4:]
            if payload[0] != CONNECT:  # else the late answer to a CONNECT
                raise Failure("command 0x%02x got 0x%02x's answer" % (command, payload[0]))


def flash(device, path):
    if not path.endswith(".bin"):
        raise Failure("%s: only a .bin can go through Katapult" % path)
    with open(path, "rb") as f:
        image = f.read()
    tty = os.path.realpath(device)
    usb = usb_device(tty)
    before = usb_ids(usb)
    if before != KATAPULT:
        print("Entering the bootloader of %s" % tty)
        touch(tty)
    tty = find_katapult(usb, before)
    board = Bootloader(tty)
    _, start, size = struct.unpack_from("<3I", board.connect())
    blocks = [(start + at, image[at:at + size].ljust(size, b"\xff"))
              for at in range(0, len(image), size)]
    print("Writing %d blocks of %d bytes at 0x%08x through %s" % (len(blocks), size, start, tty))
    for address, data in blocks:
        board.ask(SEND, struct.pack("<I", address) + data)
    board.ask(END)
    for address, data in blocks:
        if board.ask(REQUEST, struct.pack("<I", address))[4:] != data:
            raise Failure("the block at 0x%08x reads back differently" % address)
    board.ask(COMPLETE)
    print("Written and verified")


if __name__ == "__main__":
    try:
        if len(sys.argv) != 3 or not sys.argv[1]:
            raise Failure("FLASH_DEVICE names no port")
        flash(sys.argv[1], sys.argv[2])
    except (Failure, OSError) as failure:
        sys.exit("flash.py: %s" % failure)
