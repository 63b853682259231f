#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""boards.py COUNT FIXTURE REGISTRY: a machine with that many boards on USB, for umockdev, and a
devices.json that knows all of them."""
import json
import sys

SERIAL = "29001A0011%014X"


def device(n):
    tty, serial = "ttyACM%d" % n, SERIAL % n
    bus, port = "usb%d" % (n // 50 + 1), "%d-%d" % (n // 50 + 1, n % 50 + 1)
    top = "/devices/pci0000:00/0000:00:14.0/%s/%s" % (bus, port)
    link = "serial/by-id/usb-Klipper_stm32h723xx_%s-if00" % serial
    return """P: %(top)s
N: bus/usb/%(busnum)03d/%(devnum)03d
E: SUBSYSTEM=usb
E: DEVTYPE=usb_device
E: DEVNAME=/dev/bus/usb/%(busnum)03d/%(devnum)03d
A: idVendor=1d50\\n
A: idProduct=614e\\n
A: manufacturer=Klipper\\n
A: product=stm32h723xx\\n
A: serial=%(serial)s\\n

P: %(top)s/%(port)s:1.0
E: SUBSYSTEM=usb
E: DEVTYPE=usb_interface
E: DRIVER=cdc_acm
A: bInterfaceNumber=00\\n

P: %(top)s/%(port)s:1.0/tty/%(tty)s
N: %(tty)s
S: %(link)s
E: SUBSYSTEM=tty
E: DEVNAME=/dev/%(tty)s
E: MAJOR=166
E: MINOR=%(n)d
E: DEVLINKS=/dev/%(link)s
E: ID_BUS=usb
E: ID_VENDOR_ID=1d50
E: ID_MODEL_ID=614e
E: ID_VENDOR_ENC=Klipper
E: ID_MODEL_ENC=stm32h723xx
E: ID_SERIAL_SHORT=%(serial)s
E: ID_USB_INTERFACE_NUM=00
A: dev=166:%(n)d\\n

""" % {"top": top, "port": port, "tty": tty, "serial": serial, "link": link, "n": n,
       "busnum": n // 50 + 1, "devnum": n % 50 + 2}


def main():
    count = int(sys.argv[1])
    with open(sys.argv[2], "w") as f:
        f.write("".join(device(n) for n in range(count)))
    with open(sys.argv[3], "w") as f:
        json.dump({"devices": {"board-%d" % n: {
            "name": "Board %d" % n, "mcu": "stm32h723",
            "serial_pattern": "usb-Klipper_stm32h723xx_%s*" % (SERIAL % n)}
            for n in range(count)}}, f)


main()
