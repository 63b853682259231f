#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The "compiler" of the simulated firmware.

image.py dictionary AUTOCONF_H DICT SOURCE  make klipper.dict and compile_time_request.c
image.py link AUTOCONF_H OBJECT ELF PART... make klipper.elf of that, compiled, and of the parts
image.py convert ELF TARGET                 make .bin, .uf2 or .elf.hex of the ELF

The same parts, configuration and version give the same bytes. What one of them alone needs is imported
there: it starts in half the time.
"""
import os
import re
import struct
import sys

PT_LOAD = 1
EM_ARM, EM_AVR, EM_X86_64 = 40, 83, 62
UF2_RP2040 = 0xE48BFF56
STAGE2_START = 0x10000000
CPSID_I, B_SELF = 0xb672, 0xe7fe  # instructions of Thumb


def read_autoconf(path):
    config = {}
    with open(path) as f:
        for name, value in re.findall(r"^#define CONFIG_(\w+) (.*)$", f.read(), re.M):
            config[name] = value.strip('"') if value[0] == '"' else int(value, 0)
    return config


def version():
    """As Klipper's build does: only a clean git checkout has no date and host in it."""
    import time
    text = ""
    if os.path.exists(".git"):
        import subprocess
        run = subprocess.run(
            ["git", "describe", "--always", "--tags", "--long", "--dirty"],
            stdout=subprocess.PIPE, universal_newlines=True)
        text = run.stdout.strip() if run.returncode == 0 else ""
    if text and "dirty" not in text:
        return text
    if not text and os.path.exists("VERSION"):
        with open("VERSION") as f:
            text = f.read().strip()
    text = text or "?"
    import socket
    now = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    return "%s-%s-%s" % (text, time.strftime("%Y%m%d_%H%M%S", now), socket.gethostname())


def pins(config):
    if "MACH_STM32" in config:
        return {"P%s0" % bank: [16 * i, 16] for i, bank in enumerate("ABCDEFGH")}
    if "MACH_RPXXXX" in config:
        return {"gpio0": [0, 30]}
    if "MACH_LINUX" in config:
        return {"gpiochip%d/gpio0" % chip: [288 * chip, 288] for chip in range(9)}
    return {"P%s0" % bank: [8 * i, 8] for i, bank in enumerate("ABCDEFGHJKL")}


def kconfig():
    """What savedefconfig writes, which Klipper puts into its firmware since September 2026."""
    import kconfiglib
    import tempfile
    read = kconfiglib.Kconfig("src/Kconfig", warn=False)
    read.load_config(os.environ["KCONFIG_CONFIG"])
    with tempfile.NamedTemporaryFile("r") as f:
        read.write_min_config(f.name, header="")
        return f.read()


def dictionary(config):
    mcu = config.get("MCU", "linux")
    if "SIM_BUILD_WRONG_MCU" in config:
        mcu = "atmega2560" if mcu != "atmega2560" else "rp2040"
    commands = [
        "allocate_oids count=%c", "get_config", "finalize_config crc=%u", "get_clock",
        "get_uptime", "emergency_stop", "clear_shutdown", "config_reset", "reset",
        "debug_nop", "debug_ping data=%*s",
        "config_digital_out oid=%c pin=%u value=%c default_value=%c max_duration=%u",
        "queue_digital_out oid=%c clock=%u on_ticks=%u",
        "config_stepper oid=%c step_pin=%c dir_pin=%c invert_step=%c step_pulse_ticks=%u",
        "queue_step oid=%c interval=%u count=%hu add=%hi",
        "config_endstop oid=%c pin=%c pull_up=%c",
    ]
    if "WANT_ADC" in config:
        commands += ["config_analog_in oid=%c pin=%u"]
    if "WANT_TMCUART" in config:
        commands += ["config_tmcuart oid=%c rx_pin=%u pull_up=%c tx_pin=%u bit_time=%u"]
    responses = [
        "config is_config=%c crc=%u is_shutdown=%c move_count=%hu", "clock clock=%u",
        "uptime high=%u clock=%u", "stats count=%u sum=%u sumsq=%u", "pong data=%*s",
        "is_shutdown static_string_id=%hu", "shutdown clock=%u static_string_id=%hu",
        "endstop_state oid=%c homing=%c next_clock=%u pin_value=%c", "starting",
    ]
    constants = {"MCU": mcu, "CLOCK_FREQ": config["CLOCK_FREQ"], "STATS_SUMSQ_BASE": 256}
    if "MACH_STM32" in config and "STM32_CLOCK_REF_INTERNAL" not in config:
        constants["RESERVE_PINS_crystal"] = "PH0,PH1"
    if "STM32_USB_PA11_PA12" in config:
        constants["RESERVE_PINS_USB"] = "PA11,PA12"
    if "USBCANBUS" in config:
        constants["CANBUS_BRIDGE"] = 1
    if "SERIAL_BAUD" in config:
        constants["SERIAL_BAUD"] = config["SERIAL_BAUD"]
    if "CANBUS" in config:
        constants["CANBUS_FREQUENCY"] = config["CANBUS_FREQUENCY"]
    if "INITIAL_PINS" in config and config["INITIAL_PINS"]:
        constants["INITIAL_PINS"] = config["INITIAL_PINS"]
    strings = ["Timer too close", "No next step", "Missed scheduling of next event",
               "ADC out of range", "Command parser error", "Invalid oid type"]
    ids = iter(range(2, 250))
    import json
    own = {"kconfig": kconfig()} if "SIM_BUILD_KCONFIG" in config else {}
    return json.dumps({
        **own,
        "app": "Klipper",
        "build_versions": "gcc: (Simulated) 12.0 binutils: (Simulated) 2.40",
        "commands": dict([("identify offset=%u count=%c", 1)] +
                         [(text, next(ids)) for text in commands]),
        "config": constants,
        "enumerations": {"pin": pins(config),
                         "static_string_id": {text: i + 2 for i, text in enumerate(strings)}},
        "license": "GNU GPLv3",
        "responses": dict([("identify_response offset=%u data=%.*s", 0)] +
                          [(text, next(ids)) for text in responses]),
        "version": version(),
    }, separators=(",", ":"), sort_keys=True)


def content(parts, size):
    """Bytes that look like code to a compressor and an eye: of the parts, and of nothing else."""
    import hashlib
    seed = hashlib.sha256()
    for part in parts:
        with open(part, "rb") as f:
            seed.update(f.read())
    return hashlib.shake_256(seed.digest()).digest(size)


def stage2():
    """The second-stage loader's place at the start of an RP2040's flash, checksum included."""
    import hashlib
    body = hashlib.shake_256(b"stage2").digest(252)
    crc = 0xFFFFFFFF
    for byte in body:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return body + struct.pack("<I", crc)


def segments(config, parts, blob):
    """[(address, bytes)] of what the flash will hold: code has the dictionary's size in it."""
    board = config["BOARD_DIRECTORY"]
    blob = struct.pack("<I", len(blob)) + blob + content(parts, 64)
    if board == "avr":
        return [(0, b"\x0c\x94\x72\x00" * 57 + content(parts, 24000) + blob)]
    if board == "linux":
        return [(0x400000, content(parts, 60000) + blob)]
    start = config["FLASH_APPLICATION_ADDRESS"]
    # As Klipper's linker places them: somewhere in the code. What they begin with tells the start of a .bin.
    reset, default = 0x1b4c, 0x1b60
    vectors = [config["RAM_START"] + config["RAM_SIZE"]]
    vectors += [start + reset + 1] + [start + default + 1] * 46
    body = bytearray(struct.pack("<48I", *vectors) + content(parts, int(os.environ.get("SIM_CODE_BYTES", "36000"))) + blob)
    for at, instruction in ((reset, CPSID_I), (default, B_SELF)):
        struct.pack_into("<H", body, at, instruction)
    found = [(start, body + bytes(-len(body) % 4))]
    if "RP2040_HAVE_STAGE2" in config:
        found.insert(0, (STAGE2_START, stage2()))
    return found


def write_elf(path, machine, loads):
    wide = machine == EM_X86_64
    head, entry = (64, 56) if wide else (52, 32)
    offset = head + entry * len(loads)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    start = loads[-1][0]
    out = ident + struct.pack("<HHI" + ("QQQ" if wide else "III") + "IHHHHHH", 2, machine, 1,
                              start, head, 0, 0, head, entry, len(loads), 0, 0, 0)
    for address, data in loads:
        size = len(data)
        if wide:
            out += struct.pack("<IIQQQQQQ", PT_LOAD, 5, offset, address, address, size, size, 4)
        else:
            out += struct.pack("<8I", PT_LOAD, offset, address, address, size, size, 5, 4)
        offset += size
    with open(path, "wb") as f:
        f.write(out + b"".join(data for _, data in loads))


def read_elf(path):
    with open(path, "rb") as f:
        elf = f.read()
    count = struct.unpack_from("<H", elf, 44)[0]
    loads = []
    for i in range(count):
        _, offset, _, address, size = struct.unpack_from("<5I", elf, 52 + 32 * i)
        loads.append((address, elf[offset:offset + size]))
    return loads


def make_dictionary(autoconf, dict_path, source):
    import json
    import zlib
    config = read_autoconf(autoconf)
    text = dictionary(config)
    blob = zlib.compress(text.encode(), 9)
    if "SIM_BUILD_NO_DICTIONARY" in config:
        blob = b""
    with open(dict_path, "w") as f:
        f.write(text)
    with open(source, "w") as f:
        f.write("const uint8_t command_identify_data[] PROGMEM = {%s};\n" %
                "".join("\n    0x%02x," % byte for byte in blob))
    print("  Version: %s" % json.loads(text)["version"])


def link(autoconf, made, elf, *parts):
    config = read_autoconf(autoconf)
    with open(made) as f:
        blob = bytes(int(byte, 16) for byte in re.findall(r"0x(\w\w),", f.read()))
    machine = {"avr": EM_AVR, "linux": EM_X86_64}.get(config["BOARD_DIRECTORY"], EM_ARM)
    write_elf(elf, machine, segments(config, parts, blob))


def to_bin(loads):
    out = b""
    for address, data in loads:
        out = out.ljust(address - loads[0][0], b"\0") + data
    return out


def to_uf2(loads):
    chunks = [(address + at, data[at:at + 256].ljust(256, b"\0"))
              for address, data in loads for at in range(0, len(data), 256)]
    return b"".join(
        struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, address, 256, i, len(chunks),
                    UF2_RP2040) + data + bytes(220) + struct.pack("<I", 0x0AB16F30)
        for i, (address, data) in enumerate(chunks))


def to_hex(loads):
    import binascii
    lines = []

    def emit(kind, address, data):
        record = struct.pack(">BHB", len(data), address, kind) + data
        record += bytes([-sum(record) & 0xFF])
        lines.append(":" + binascii.hexlify(record).decode().upper())

    for start, data in loads:
        high = 0
        for at in range(0, len(data), 16):
            address = start + at
            if address >> 16 != high:
                high = address >> 16
                emit(4, 0, struct.pack(">H", high))
            emit(0, address & 0xFFFF, data[at:at + 16])
    emit(1, 0, b"")
    return "".join(line + "\r\n" for line in lines).encode()


def convert(elf, target):
    make = {".bin": to_bin, ".uf2": to_uf2, ".hex": to_hex}[os.path.splitext(target)[1]]
    with open(target, "wb") as f:
        f.write(make(read_elf(elf)))


if __name__ == "__main__":
    {"dictionary": make_dictionary, "link": link, "convert": convert}[sys.argv[1]](*sys.argv[2:])
