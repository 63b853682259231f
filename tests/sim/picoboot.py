#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of PICOBOOT that shares no code with the simulator or our library: libusb by ctypes.

picoboot.py PRODUCT write FILE.uf2   erase, write and reboot (2e8a:PRODUCT)
picoboot.py PRODUCT compare FILE.uf2 read the same bytes
"""
import ctypes
import struct
import sys

usb = ctypes.CDLL("libusb-1.0.so.0")
usb.libusb_open_device_with_vid_pid.restype = ctypes.c_void_p
INTERFACE, OUT, IN, TIMEOUT_MS = 1, 0x03, 0x84, 10000
MAGIC = 0x431FD10B
EXCLUSIVE, REBOOT, ERASE, WRITE, EXIT_XIP, REBOOT2, READ = 1, 2, 3, 5, 6, 10, 0x84


def must(result, what):
    if result < 0:
        sys.exit("%s: libusb error %d" % (what, result))
    return result


class Board:
    def __init__(self, product):
        must(usb.libusb_init(None), "init")
        handle = usb.libusb_open_device_with_vid_pid(None, 0x2E8A, product)
        if not handle:
            sys.exit("no device 2e8a:%04x" % product)
        self.handle = ctypes.c_void_p(handle)
        must(usb.libusb_claim_interface(self.handle, INTERFACE), "claim")
        must(usb.libusb_control_transfer(self.handle, 0x41, 0x41, 0, INTERFACE, None, 0, TIMEOUT_MS), "reset")

    def bulk(self, endpoint, data):
        done = ctypes.c_int()
        must(usb.libusb_bulk_transfer(self.handle, endpoint, data, len(data), ctypes.byref(done), TIMEOUT_MS),
             "endpoint %02x" % endpoint)
        return done.value

    def command(self, number, arguments=b"", data=None):
        packet = struct.pack("<IIBBHI", MAGIC, 1, number, len(arguments), 0, len(data or b"")) + arguments
        self.bulk(OUT, ctypes.create_string_buffer(packet.ljust(32, b"\0"), 32))
        if data:
            self.bulk(IN if number & 0x80 else OUT, data)
        self.bulk(OUT if number & 0x80 else IN, ctypes.create_string_buffer(0 if number & 0x80 else 1))

    def range(self, number, address, size, data=None):
        self.command(number, struct.pack("<II", address, size), data)


def pages(path):
    with open(path, "rb") as f:
        text = f.read()
    for at in range(0, len(text), 512):
        address, size = struct.unpack_from("<II", text, at + 12)
        yield address, text[at + 32:at + 32 + size]


def main():
    product, verb, path = int(sys.argv[1], 16), sys.argv[2], sys.argv[3]
    board = Board(product)
    board.command(EXCLUSIVE, b"\1")
    board.command(EXIT_XIP)
    if verb == "write":
        for sector in sorted({address & ~4095 for address, _ in pages(path)}):
            board.range(ERASE, sector, 4096)
        for address, data in pages(path):
            board.range(WRITE, address, len(data), ctypes.create_string_buffer(data, len(data)))
        if product == 0x0003:
            board.command(REBOOT, struct.pack("<III", 0, 0, 100))
        else:
            board.command(REBOOT2, struct.pack("<IIII", 0, 100, 0, 0))
        return
    for address, data in pages(path):
        back = ctypes.create_string_buffer(len(data))
        board.range(READ, address, len(data), back)
        if back.raw != data:
            sys.exit("differs at 0x%08x" % address)
    print("equal")


main()
