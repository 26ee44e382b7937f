"""Locks on files: they end with the process that holds them, however it ends."""

import fcntl
import os
from pathlib import Path


def take(path: Path, kind: int) -> int:
    """The descriptor that holds the lock, once it is had; kind is LOCK_SH or LOCK_EX.

    A bare number, so that the lock outlives an object which is dropped but not stopped.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, kind)
    return lock
