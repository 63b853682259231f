#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
listen.py SOCKET MOST: kalico-flash.socket as systemd serves it (Accept=yes): a kf-leased for each
connection, its standard input, and "kf-leased --settle" on the same after that has ended; where
SOCKET.lost exists that one is taken for killed, too, and what systemd starts then has no connection.
More than MOST connections at once are closed. Ends with the last process that has its standard
input open.
"""
import os
import socket
import subprocess
import sys
import threading

path, most = sys.argv[1], threading.Semaphore(int(sys.argv[2]))


def settle(leased, connection):
    code = "exited" if leased.returncode >= 0 else "killed"
    if os.path.exists(path + ".lost"):
        connection.close()
        connection = subprocess.DEVNULL
    env = dict(os.environ, EXIT_CODE=code)
    subprocess.run(["kf-leased", "--settle"], stdin=connection, env=env, check=False)


def serve(connection):
    with connection:
        leased = subprocess.Popen(["kf-leased"], stdin=connection)
        leased.wait()
        most.release()
        if leased.returncode != 0 or os.listdir(os.environ["RUNTIME_DIRECTORY"] + "/restarts"):
            settle(leased, connection)


if os.path.exists(path):
    os.unlink(path)
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.bind(path)
server.listen(1024)
print("ready", flush=True)
os.close(1)
os.open("/dev/null", os.O_WRONLY)
while True:
    accepted, _ = server.accept()
    if most.acquire(blocking=False):
        threading.Thread(target=serve, args=(accepted,), daemon=True).start()
    else:
        accepted.close()
