#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firmware images of every kind that Klipper and Kalico build, as facts.

targets.py config NAME             the Kconfig symbols that choose a target
targets.py record TREE NAME OUT    the facts of its image, which was built in OUT, as a line of JSON
targets.py carry TREE COPY         a clone of a git tree that puts its Kconfig into its firmware
targets.py prove TREE OUT PROPOSE [NAME...]  is each target's image built again, byte for byte, from the
                                   Kconfig that it carries? PROPOSE is tests/unit/propose
targets.py propose TREE FACTS OUT PROPOSE [NAME...]  how does the proposal from recorded constants do, in
                                   that real tree?
targets.py others TREE OUT PROPOSE [NAME...]  the same for more targets, whose constants are built
targets.py recorded FACTS OUT PROPOSE  does the proposal from recorded constants choose each target's
                                   symbols, where Katapult tells the start? Without a real tree
targets.py machine PART            devices.json for the targets of that part of the table, their
                                   configurations, "boards" (for kf-sim) and "want" (their plans,
                                   and how their flashes end)
targets.py images PART FACTS TREE  and images with the recorded facts where kf-build leaves them,
                                   and "firmware" (what a record says of them)

The facts are those that a plan is made of: format, addresses, sizes, the vector table's head, words
that could be an address of flash, the dictionary's head, and what the configuration says of the MCU.
"""
import hashlib
import importlib.util
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import zlib

BOTH = "katapult, else dfu"
BOTH_MAKE = "katapult, else make_flash"
RP_BOTH = "katapult, else picoboot"
CHIP = "29001A0011513135313833%02X"
PART = 15  # boards at a time
STM32 = ["MACH_STM32"]
RP = ["MACH_RPXXXX"]

# Name, symbols of its configuration, the simulated board, and the methods of its plan, or a word of
# why it cannot be flashed.
TARGETS = [
    ("h723", STM32 + ["MACH_STM32H723", "STM32_FLASH_START_20000"], "mcu=stm32h723xx", BOTH),
    ("h743", STM32 + ["MACH_STM32H743", "STM32_FLASH_START_20000"], "mcu=stm32h743xx", BOTH),
    ("h743-none", STM32 + ["MACH_STM32H743", "STM32_FLASH_START_0000"], "mcu=stm32h743xx,katapult=none",
     "dfu"),
    ("f446", STM32 + ["MACH_STM32F446", "STM32_FLASH_START_8000"], "mcu=stm32f446xx", BOTH),
    ("f407", STM32 + ["MACH_STM32F407", "STM32_FLASH_START_8000"], "mcu=stm32f407xx", BOTH),
    ("f429", STM32 + ["MACH_STM32F429", "STM32_FLASH_START_8000"], "mcu=stm32f429xx", BOTH),
    ("g0b1", STM32 + ["MACH_STM32G0B1", "STM32_FLASH_START_2000"], "mcu=stm32g0b1xx", BOTH),
    ("f103", STM32 + ["MACH_STM32F103", "STM32_FLASH_START_2000", "STM32_USB_PA11_PA12"],
     "mcu=stm32f103xe", BOTH_MAKE),
    ("f103-28k", STM32 + ["MACH_STM32F103", "STM32_FLASH_START_7000", "STM32_USB_PA11_PA12"],
     "mcu=stm32f103xe,start=0x8007000", "katapult"),
    ("f103-none", STM32 + ["MACH_STM32F103", "STM32_FLASH_START_0000", "STM32_USB_PA11_PA12"],
     "mcu=stm32f103xe,katapult=none", "no_katapult"),
    ("f072", STM32 + ["MACH_STM32F072", "STM32_FLASH_START_2000"], "mcu=stm32f072xb", BOTH),
    ("f072-none", STM32 + ["MACH_STM32F072", "STM32_FLASH_START_0000"], "mcu=stm32f072xb,katapult=none",
     "dfu"),
    ("l412", STM32 + ["MACH_STM32L412", "STM32_FLASH_START_0000"], "mcu=stm32l412xx,katapult=none",
     "dfu"),
    ("rp2040", RP + ["MACH_RP2040", "RPXXXX_FLASH_START_4000"], "mcu=rp2040", RP_BOTH),
    ("rp2040-none", RP + ["MACH_RP2040", "RPXXXX_FLASH_START_0100"], "mcu=rp2040,katapult=none", "picoboot"),
    ("rp2350", RP + ["MACH_RP2350", "RPXXXX_FLASH_START_4000"], "mcu=rp2350", RP_BOTH),
    ("rp2350-none", RP + ["MACH_RP2350", "RPXXXX_FLASH_START_0000"], "mcu=rp2350,katapult=none", "picoboot"),
    ("lpc1768", ["MACH_LPC176X", "MACH_LPC1768"], "mcu=lpc1768", BOTH_MAKE),
    ("sam3x8e", ["MACH_ATSAM", "MACH_SAM3X8E"], "mcu=sam3x8e,katapult=none,loader=samba", "bossac"),
    ("same70", ["MACH_ATSAM", "MACH_SAME70Q20B"], "mcu=same70q20b,katapult=none,loader=samba", "bossac"),
    ("samd21", ["MACH_ATSAMD", "MACH_SAMD21G18"], "mcu=samd21g18a,katapult=none,start=0x2000,loader=samba", "bossac"),
    ("same54", ["MACH_ATSAMD", "MACH_SAME54P20"], "mcu=same54p20a,katapult=none,start=0x4000,loader=samba", "bossac"),
    ("hc32f460", ["MACH_HC32F460"], "mcu=HC32F460,uart", "no_katapult"),
    ("f446-uart", STM32 + ["MACH_STM32F446", "STM32_SERIAL_USART1"], "mcu=stm32f446xx,uart",
     "no_katapult"),
    ("atmega2560", ["MACH_AVR", "MACH_atmega2560"], "mcu=atmega2560,uart,loader=stk500v2,boot_baud=0", "avrdude"),
    ("at90usb1286", ["MACH_AVR", "MACH_at90usb1286"], "mcu=at90usb1286", "no_katapult"),
    ("linux", ["MACH_LINUX"], "", "not connected"),
    # A node of a CAN bus is on USB only while its Katapult is.
    ("f072-can", STM32 + ["MACH_STM32F072", "STM32_FLASH_START_2000", "STM32_MMENU_CANBUS_PB8_PB9",
                          "LOW_LEVEL_OPTIONS"], "mcu=stm32f072xb,mode=katapult", BOTH_MAKE),
    ("h723-bridge", STM32 + ["MACH_STM32H723", "STM32_FLASH_START_20000",
                             "STM32_USBCANBUS_PA11_PA12"],
     "mcu=stm32h723xx,mode=katapult,can=can0,bridge", BOTH_MAKE),
    ("g0b1-bridge", STM32 + ["MACH_STM32G0B1", "STM32_FLASH_START_2000",
                             "STM32_USBCANBUS_PA11_PA12"],
     "mcu=stm32g0b1xx,mode=katapult,can=can1,bridge", BOTH_MAKE),
]

# For proposals only: other crystals, pins, speeds, and chips of one name, which the table above has not.
OTHERS = {
    "f446-12m-uart": STM32 + ["LOW_LEVEL_OPTIONS", "MACH_STM32F446", "STM32_FLASH_START_10000",
                              "STM32_CLOCK_REF_12M", "STM32_SERIAL_USART2_ALT_PD6_PD5",
                              "SERIAL_BAUD=115200", 'INITIAL_PINS="!PC13,PA1"'],
    "f407-25m-internal": STM32 + ["LOW_LEVEL_OPTIONS", "MACH_STM32F407", "STM32_FLASH_START_C000",
                                  "STM32_CLOCK_REF_INTERNAL", "STM32_SERIAL_USART1"],
    "f042-remap": STM32 + ["LOW_LEVEL_OPTIONS", "MACH_STM32F042", "STM32_FLASH_START_1000",
                           "STM32_USB_PA11_PA12_REMAP"],
    "f103-internal": STM32 + ["LOW_LEVEL_OPTIONS", "MACH_STM32F103", "STM32_FLASH_START_5000",
                              "STM32_CLOCK_REF_INTERNAL", "STM32_SERIAL_USART3"],
    "n32g452": STM32 + ["MACH_N32G452", "STM32_FLASH_START_8000", "STM32_USB_PA11_PA12"],
    "h743-usb1": STM32 + ["LOW_LEVEL_OPTIONS", "MACH_STM32H743", "STM32_CLOCK_REF_25M",
                          "STM32_USB_PB14_PB15"],
    "g0b1-can-500k": STM32 + ["LOW_LEVEL_OPTIONS", "MACH_STM32G0B1", "STM32_FLASH_START_2000",
                              "STM32_MMENU_CANBUS_PB0_PB1", "CANBUS_FREQUENCY=500000"],
    "rp2040-can": RP + ["MACH_RP2040", "RPXXXX_FLASH_START_4000", "RPXXXX_CANBUS",
                        "RPXXXX_CANBUS_GPIO_RX=8", "RPXXXX_CANBUS_GPIO_TX=9"],
    "rp2040-uart": RP + ["LOW_LEVEL_OPTIONS", "MACH_RP2040", "RPXXXX_SERIAL_UART1_PINS_8_9",
                         "RP2040_FLASH_GENERIC_03"],
    "same54-200": ["LOW_LEVEL_OPTIONS", "MACH_ATSAMD", "MACH_SAME54P20", "CLOCK_REF_X25M",
                   "SAMD51_FREQ_200"],
    "lpc1769-bridge": ["LOW_LEVEL_OPTIONS", "MACH_LPC176X", "MACH_LPC1769", "LPC_USBCANBUS",
                       "LPC_CMENU_CANBUS_P0_4_P0_5"],
    "mega2560-uart2": ["LOW_LEVEL_OPTIONS", "MACH_AVR", "MACH_atmega2560", "AVR_FREQ_8000000",
                       "AVR_SERIAL_UART2"],
    "mega328p-small": ["LOW_LEVEL_OPTIONS", "MACH_AVR", "MACH_atmega328p", "WANT_ADXL345=n",
                       "WANT_ST7920=n", "WANT_HD44780=n", "WANT_LIS2DW=n"],
    "hc32f460-200": ["MACH_HC32F460", "HC32F460_SERIAL_PA3_PA2", "HC32F460_CLOCK_SPEED_200M",
                     "HC32F460_FLASH_APPLICATION_ADDRESS_0x010000"],
}

FORMATS = ("bin", "uf2", "elf.hex", "elf")  # in the order in which kf-build looks for them
SYMBOLS = ("MCU", "BOARD_DIRECTORY", "FLASH_APPLICATION_ADDRESS", "USBSERIAL", "USBCANBUS",
           "CANSERIAL", "SERIAL")
HEAD = ("app", "version", "build_versions", "license")
WORDS = 4
LOW = 0x01000000  # flash below it has addresses that are numbers like others


def find(name):
    if name in OTHERS:
        return (name, OTHERS[name])
    for target in TARGETS:
        if target[0] == name:
            return target
    sys.exit("targets.py: no target is called %s" % name)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def join(pieces):
    """Pieces that follow each other are one."""
    loads = []
    for address, data in pieces:
        if loads and loads[-1][0] + len(loads[-1][1]) == address:
            loads[-1][1] += data
        else:
            loads.append([address, bytearray(data)])
    return loads


def read_uf2(data):
    blocks = [struct.unpack_from("<8I", data, at) for at in range(0, len(data), 512)]
    return blocks[0][7], join(
        (block[3], data[512 * i + 32:512 * i + 32 + block[4]]) for i, block in enumerate(blocks))


def read_hex(data):
    high, pieces = 0, []
    for line in data.split():
        record = bytes.fromhex(line[1:].decode())
        kind, body = record[3], record[4:-1]
        if kind in (2, 4):
            high = int.from_bytes(body, "big") << (4 if kind == 2 else 16)
        elif kind == 0:
            pieces.append((high + int.from_bytes(record[1:3], "big"), body))
    return join(pieces)


def read_elf64(data):
    phoff, = struct.unpack_from("<Q", data, 32)
    count, = struct.unpack_from("<H", data, 56)
    loads = []
    for i in range(count):
        kind, _, offset, _, address, size = struct.unpack_from("<IIQQQQ", data, phoff + 56 * i)
        if kind == 1:
            loads.append([address, bytearray(data[offset:offset + size])])
    return loads


def pointers(data, chip):
    """[offset, word] where a word could be the start of an application."""
    if chip < LOW:
        return []
    found = []
    for at in range(0, len(data) - 3, 4):
        word, = struct.unpack_from("<I", data, at)
        if 0 <= word - chip < 16 << 20 and (word - chip) % 1024 in (0, 0x100):
            found.append([at, word])
    return found


def record(tree, name, out):
    config = {}
    for symbol, value in re.findall(r"^CONFIG_(\w+)=(.*)$", read(out + "/.config").decode(), re.M):
        if symbol in SYMBOLS:
            config[symbol] = value
    form = next(f for f in FORMATS if os.path.exists("%s/klipper.%s" % (out, f)))
    image = read("%s/klipper.%s" % (out, form))
    start, family = None, 0
    if form == "bin":
        loads = [[int(config["FLASH_APPLICATION_ADDRESS"], 0), bytearray(image)]]
    elif form == "uf2":
        family, loads = read_uf2(image)
    else:
        loads = read_hex(image) if form == "elf.hex" else read_elf64(image)
    if form != "bin":
        start = loads[0][0]
    chip = loads[0][0] & 0xFF000000
    if config["BOARD_DIRECTORY"] in ('"avr"', '"linux"'):
        chip = 0
    text = json.loads(read(out + "/klipper.dict"))
    print(json.dumps({
        "tree": tree, "target": name, "config": config, "format": form, "start": start,
        "family": family,
        "loads": [{"address": a, "bytes": len(d), "words": list(
            struct.unpack_from("<%dI" % WORDS, d)) if len(d) >= 4 * WORDS else [],
            "at_0x100": list(struct.unpack_from("<2I", d, 0x100)) if len(d) >= 0x108 else [],
            "pointers": pointers(d, chip)} for a, d in loads],
        "dictionary": dict([(h, text[h]) for h in HEAD if h in text] +
                           [("config", text["config"])]),
    }, sort_keys=True, separators=(",", ":")))


# Klipper and Kalico do the same since September 2026, in a way of their own.
CARRY = """        sys.path.insert(0, "lib/kconfiglib")
        import kconfiglib, tempfile
        os.environ["srctree"] = os.getcwd()
        read = kconfiglib.Kconfig("src/Kconfig", warn=False)
        read.load_config(os.environ["KCONFIG_CONFIG"])
        with tempfile.NamedTemporaryFile("r") as f:
            read.write_min_config(f.name, header="")
            data["kconfig"] = open(f.name).read()
"""


def carry(tree, copy):
    git = ["git", "-C", copy, "-c", "user.name=a", "-c", "user.email=a@a"]
    subprocess.run(["git", "clone", "-q", "-n", "--shared", tree, copy], check=True)
    # Objects of docs/ may be missing in a partial clone: nothing is built of them.
    subprocess.run(git + ["checkout", "-q", "HEAD", "--", "Makefile", "src", "lib", "klippy",
                          "scripts"], check=True)
    path = copy + "/scripts/buildcommands.py"
    text = read(path).decode()
    if "kconfig" not in text:
        at = text.index("\n", text.index("def update_data_dictionary(self, data):\n        data[%s"
                                         % ("'version'" if "data['version']" in text
                                            else '"version"'))) + 1
        with open(path, "w") as f:
            f.write(text[:at] + CARRY + text[at:])
    subprocess.run(git + ["commit", "-q", "-m", "the Kconfig in the dictionary", "-a"], check=True)


def make(tree, place, *targets):
    cached = ["CC=ccache $(CROSS_PREFIX)gcc"] if shutil.which("ccache") else []
    made = subprocess.run(
        ["make", "-s", "-j2", *cached, "OUT=%s/out/" % place, "KCONFIG_CONFIG=%s/.config" % place,
         *targets], cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
    if made.returncode:
        sys.exit("%s: %s" % (place, made.stdout.decode(errors="replace")))


def image_of(place):
    return next(path for path in ("%s/out/klipper.%s" % (place, form) for form in FORMATS)
                if os.path.exists(path))


def symbols(place):
    return set(re.findall(r"^CONFIG_\w+=.*$", read(place + "/.config").decode(), re.M))


def guess(tree, told, place, truth, propose, *options):
    """The proposal, its questions answered as the board's owner would."""
    answer = subprocess.run([propose, "guess", told, tree, place, "answers=%s/.config" % truth,
                             *options], stdout=subprocess.PIPE, check=True)
    found = json.loads(answer.stdout)
    return {
        "asked": [q["what"] for q in found["answered"]] + [q["what"] for q in found["questions"]],
        "other_than_default": sum(not q["default"] for q in found["answered"]),
        "differs": sorted(symbols(place) ^ symbols(truth)),
    }


def write_truth(tree, name, place, text=""):
    with open(make_dir(place) + "/.config", "w") as f:
        f.write(config_text(name) + text)
    make(tree, place, "olddefconfig")


def prove(tree, out, propose, *names):
    for name in names or [target[0] for target in TARGETS]:
        place, own = "%s/%s/build" % (out, name), "%s/%s/own" % (out, name)
        write_truth(tree, name, place)
        make(tree, place)
        before = sha256(image_of(place))
        subprocess.run([propose, "own", image_of(place), tree, own], check=True)
        # At the same place: a Linux process' debug data have its name.
        shutil.rmtree(place)
        shutil.copyfile(own + "/.config", make_dir(place) + "/.config")
        make(tree, place)
        print(json.dumps({"target": name, "same_bytes": before == sha256(image_of(place))}),
              flush=True)


def propose(tree, facts, out, program, *names):
    with open(tree + "/scripts/buildcommands.py") as f:
        app = "Kalico" if '"Kalico"' in f.read() else "Klipper"
    for line in open(facts):
        fact = json.loads(line)
        name = fact["target"]
        if fact["tree"] != app or (names and name not in names):
            continue
        truth = "%s/%s/truth" % (out, name)
        # A proposal shows all entries of menuconfig: to compare, so does this.
        write_truth(tree, name, truth, "CONFIG_LOW_LEVEL_OPTIONS=y\n")
        told = truth + "/klipper.dict"
        with open(told, "w") as f:
            json.dump(fact["dictionary"], f)
        line = {"tree": app, "target": name,
                "constants": guess(tree, told, "%s/%s/guess" % (out, name), truth, program)}
        start = fact["config"].get("FLASH_APPLICATION_ADDRESS")
        if start and "none" not in name:
            line["katapult"] = guess(tree, told, "%s/%s/katapult" % (out, name), truth, program,
                                     "katapult=" + start)
        print(json.dumps(line, sort_keys=True), flush=True)


def others(tree, out, program, *names):
    for name in names or OTHERS:
        truth = "%s/%s/truth" % (out, name)
        write_truth(tree, name, truth, "CONFIG_LOW_LEVEL_OPTIONS=y\n")
        make(tree, truth, truth + "/out/compile_time_request.o")
        told = truth + "/out/klipper.dict"
        line = {"target": name,
                "constants": guess(tree, told, "%s/%s/guess" % (out, name), truth, program)}
        start = re.search(r"^CONFIG_FLASH_APPLICATION_ADDRESS=(\w+)",
                          read(truth + "/.config").decode(), re.M)
        if start:
            line["katapult"] = guess(tree, told, "%s/%s/katapult" % (out, name), truth, program,
                                     "katapult=" + start.group(1))
        print(json.dumps(line, sort_keys=True), flush=True)


def write_tree(root, fact, models):
    """As much of a tree as a proposal reads before it is completed."""
    folder = "%s/src/%s" % (root, fact["config"]["BOARD_DIRECTORY"].strip('"'))
    mcu = fact["config"].get("MCU", '""')
    for path in ("Makefile", "src/Kconfig"):
        make_dir(os.path.dirname("%s/%s" % (root, path)))
        with open("%s/%s" % (root, path), "w"):
            pass
    with open(make_dir(folder) + "/Kconfig", "w") as f:
        for model in models:
            f.write('config %s\n    bool "%s"\n\n' % (model, model))
        f.write("config MCU\n    string\n")
        for model in models:
            f.write("    default %s if %s\n" % (mcu, model))


def recorded(facts, out, program):
    for line in open(facts):
        fact = json.loads(line)
        place = "%s/%s-%s" % (out, fact["tree"], fact["target"])
        wanted = set(find(fact["target"])[1]) - {"LOW_LEVEL_OPTIONS"}
        write_tree(place, fact, [s for s in find(fact["target"])[1] if s.startswith("MACH_")][1:])
        with open(place + "/klipper.dict", "w") as f:
            json.dump(fact["dictionary"], f)
        told = [fact["config"].get("FLASH_APPLICATION_ADDRESS")]
        answer = subprocess.run(
            [program, "make", place + "/klipper.dict", place, place] +
            ["katapult=" + start for start in told if start],
            stdout=subprocess.PIPE, check=True)
        found = {s["symbol"]: s["from"] for s in json.loads(answer.stdout)["symbols"]}
        if not wanted <= set(found):
            sys.exit("%s %s: not proposed: %s" % (fact["tree"], fact["target"],
                                                  ", ".join(sorted(wanted - set(found)))))
        print(fact["tree"], fact["target"], len(found))


def image_tool():
    """What writes images for the small tree."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sim/tree/scripts/image.py")
    spec = importlib.util.spec_from_file_location("image", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checksum(data):
    """CRC-32 as the RP2040's ROM computes it of the second stage."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def make_bootable(mcu, data):
    """What the ROM of an RP2040 or RP2350 looks for at the start of the flash."""
    if mcu == "rp2040":
        struct.pack_into("<I", data, 252, checksum(data[:252]))
    elif mcu == "rp2350":
        struct.pack_into("<I", data, 0x180, 0xFFFFDED3)


def build(fact, text):
    """[(address, bytes)] with the recorded sizes and words, and the dictionary in the last one."""
    blob = zlib.compress(text, 9)
    loads = []
    for i, load in enumerate(fact["loads"]):
        data = bytearray(load["bytes"])
        for offset, word in load["pointers"]:
            struct.pack_into("<I", data, offset, word)
        if load["at_0x100"]:
            struct.pack_into("<2I", data, 0x100, *load["at_0x100"])
        for at, word in enumerate(load["words"]):
            struct.pack_into("<I", data, 4 * at, word)
        if load["address"] == 0x10000000:
            make_bootable(fact["config"]["MCU"].strip('"'), data)
        loads.append((load["address"], data))
    # It must not fall on a recorded word: the largest load's end has none of the head's.
    largest = max(loads, key=lambda load: len(load[1]))[1]
    largest[len(largest) - len(blob):] = blob
    return [(address, bytes(data)) for address, data in loads]


def write_image(fact, out):
    """Its path."""
    head = dict(fact["dictionary"], commands={"identify offset=%u count=%c": 1},
                responses={"identify_response offset=%u data=%.*s": 0}, enumerations={})
    text = json.dumps(head, sort_keys=True).encode()
    loads, tool = build(fact, text), image_tool()
    path = "%s/klipper.%s" % (out, fact["format"])
    if fact["format"] == "elf":
        tool.write_elf(path, tool.EM_X86_64, loads)
    else:
        make = {"bin": tool.to_bin, "uf2": tool.to_uf2, "elf.hex": tool.to_hex}[fact["format"]]
        with open(path, "wb") as f:
            f.write(make(loads))
    with open(out + "/klipper.dict", "wb") as f:
        f.write(text)
    with open(out + "/.config", "w") as f:
        f.writelines("CONFIG_%s=%s\n" % item for item in sorted(fact["config"].items()))
    return path


def part(number):
    return list(enumerate(TARGETS))[PART * int(number):PART * (int(number) + 1)]


def make_dir(path):
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def config_text(name):
    return "".join("CONFIG_%s\n" % (symbol if "=" in symbol else symbol + "=y")
                   for symbol in find(name)[1])


def has_can():
    """Can kf-sim make the interface of a bridge, and kf ask the bridge over it?"""
    try:
        socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW).close()
    except OSError:
        return False
    return os.geteuid() == 0


def end_of(name, plan):
    """[result, method, the first proof] of a flash by that plan."""
    if plan == "not connected":
        return ["skipped", None, None]
    if plan == "no_katapult":
        return [plan, None, None]
    # Of a node's firmware nothing on USB tells, and of a bridge's only its bus.
    silent = "-can" in name or ("-bridge" in name and not has_can())
    return ["unverified" if silent else "flashed", plan.split(",")[0], "readback"]


def machine(number):
    home = os.environ["XDG_CONFIG_HOME"] + "/kalico-flash"
    devices, boards, want = {}, [], {}
    for i, (name, _, board, plan) in part(number):
        port = "1-1.%d" % (i % PART + 1)
        device = {"name": name, "mcu": board[4:].split(",")[0] or "linux"}
        if "uart" in board:
            board += ",manufacturer=1a86,product=USB_Serial,serial="
            device.update(serial_pattern="usb-1a86_USB_Serial*", usb_port=port)
        elif "at90" in board:  # it has no serial number of its own
            board += ",serial=12345"
            device.update(serial_pattern="usb-Klipper_*_12345*", usb_port=port)
        elif board:
            board += ",serial=" + CHIP % i
            device.update(serial_pattern="usb-Klipper_*_%s*" % (CHIP % i))
        else:
            device.update(serial_pattern="usb-none*")
        devices[name], want[name] = device, {"plan": plan, "end": end_of(name, plan)}
        if board:
            boards.append("--board=%s,port=%s\n" % (board, port))
        with open(make_dir("%s/configs/%s" % (home, name)) + "/.config", "w") as f:
            f.write(config_text(name))
    with open(home + "/devices.json", "w") as f:
        json.dump({"devices": devices}, f)
    with open("boards", "w") as f:
        f.writelines(boards)
    with open("want", "w") as f:
        json.dump(want, f)


def sha256(path):
    return hashlib.sha256(read(path)).hexdigest()


def keep(path, form):
    """Make the image's folder that of a kept build: its path then."""
    folder, name = os.path.split(path)
    ident = sha256(path)
    with open(folder + "/firmware.json", "w") as f:
        json.dump({"format": form, "sha256": ident,
                   "config_sha256": sha256(folder + "/.config")}, f)
    os.rename(folder, os.path.dirname(folder) + "/" + ident[:12])
    return "%s/%s/%s" % (os.path.dirname(folder), ident[:12], name)


def images(number, facts, tree):
    kept = os.environ["XDG_STATE_HOME"] + "/kalico-flash/firmware/"
    with open(facts) as f:
        recorded = {(x["tree"], x["target"]): x for x in map(json.loads, f)}
    firmware = {}
    for _, target in part(number):
        fact = recorded[tree, target[0]]
        path = keep(write_image(fact, make_dir(kept + target[0] + "/new")), fact["format"])
        start = fact["start"]
        if start is None:
            start = int(fact["config"]["FLASH_APPLICATION_ADDRESS"], 0)
        firmware[target[0]] = {"path": path, "start": start,
                               "sha256": sha256(path)}
    with open("firmware", "w") as f:
        json.dump(firmware, f)


def main(command, *args):
    os.umask(0o077)
    if command == "config":
        print(config_text(*args), end="")
    else:
        {"record": record, "machine": machine, "images": images, "prove": prove,
         "propose": propose, "carry": carry, "others": others, "recorded": recorded}[command](*args)


if __name__ == "__main__":
    main(*sys.argv[1:])
