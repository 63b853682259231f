#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""boot.py SOCKET NSPAWN...: start it, print its pid and its init's when the system is up."""
import os
import socket
import subprocess
import sys

with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.bind(sys.argv[1])
    sock.settimeout(60)
    nspawn = subprocess.Popen(
        sys.argv[2:], env=dict(os.environ, NOTIFY_SOCKET=sys.argv[1]), stdout=sys.stderr
    )
    said = []
    try:
        while "READY=1" not in said:
            said += sock.recv(4096).decode().splitlines()
    except TimeoutError:
        nspawn.kill()
        sys.exit("it did not boot within 60 s")
# More messages come: with the socket closed, nspawn does not wait for somebody to read them.
leader = next(line for line in said if line.startswith("X_NSPAWN_LEADER_PID="))
print(nspawn.pid, leader.split("=")[1], flush=True)
nspawn.wait()
