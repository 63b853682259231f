#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""listen.py SOCKET COMMAND...: become COMMAND, with SOCKET passed as systemd does it."""
import os
import socket
import sys

path = sys.argv[1]
if os.path.exists(path):
    os.unlink(path)
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.bind(path)
sock.listen(1024)
os.set_inheritable(sock.fileno(), True)
if sock.fileno() != 3:
    os.dup2(sock.fileno(), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
print("ready", flush=True)
os.close(1)
os.open("/dev/null", os.O_WRONLY)
os.execvp(sys.argv[2], sys.argv[2:])
