"""A command that is told to end at any moment leaves no database behind."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from app.db.embedded import EmbeddedServer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("delay", [0.8, 1.2])
def test_a_command_told_to_end_while_it_starts_leaves_no_database(number, delay):
    with tempfile.TemporaryDirectory(prefix="hailong-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "migrate"],
            env=os.environ | {"HAILONG_DATA_DIR": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(delay)
            process.send_signal(number)
            process.wait(60)
            assert EmbeddedServer(Path(folder)).postmaster_pid() is None
        finally:
            process.kill()
            process.wait()
