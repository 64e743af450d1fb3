"""Keeps everybody from reading an SQLite database in WAL mode, until it is ended: takes the read locks."""

import fcntl
import signal
import sys

READ_LOCKS, FIRST_READ_LOCK = 5, 123  # sqlite.org/walformat.html, "WAL Locks"

with open(sys.argv[1] + "-shm", "r+b") as index:
    fcntl.lockf(index, fcntl.LOCK_EX, READ_LOCKS, FIRST_READ_LOCK)
    print("held")
    signal.pause()
