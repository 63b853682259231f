# SPDX-License-Identifier: GPL-3.0-or-later
"""screen.py <OUTPUT: what a terminal shows after OUTPUT, without colours.

It knows what lib/terminal/live.c and log.c use: carriage return, cursor up, erase to the end of the
line and of the screen. A terminal's own wrapping is not simulated: lines have all their columns.
"""
import re
import sys

rows, row, column = [[]], 0, 0
text = sys.stdin.buffer.read().decode(errors="replace")
for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b.|.", text, re.DOTALL):
    if part == "\n":
        row += 1
        column = 0
        if row == len(rows):
            rows.append([])
    elif part == "\r":
        column = 0
    elif part.startswith("\x1b["):
        number = int(re.sub(r"\D", "", part) or 1)
        if part.endswith("A"):
            row = max(0, row - number)
        elif part.endswith("J"):
            rows[row] = rows[row][:column]
            del rows[row + 1:]
        elif part.endswith("K"):
            rows[row] = rows[row][:column]
    elif part[0] != "\x1b":
        rows[row] += [" "] * (column + 1 - len(rows[row]))
        rows[row][column] = part
        column += 1
print("\n".join("".join(line).rstrip() for line in rows).rstrip())
