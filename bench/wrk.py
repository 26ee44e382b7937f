"""The load generator: wrk, told what to send by load.lua, and what it counted."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from bench.lines import BenchError
from bench.scene import AGENCIES, COUNTERS, QUESTIONS

SCRIPT = Path(__file__).with_name("load.lua")
TIMEOUT_SECONDS = 20
DRAIN_SECONDS = 1  # for the last answers to arrive
PATIENCE_SECONDS = 60
MOST_THREADS = 2
MISSING = "wrk is missing: install the Debian package wrk (apt-get install wrk)."


@dataclass(frozen=True, slots=True)
class Load:
    """What one run sends: ratings of the dossiers from number `first` on, or the same GET.

    With the ETag of what is `held` the answer must be that nothing has changed.
    """

    url: str
    connections: int
    seconds: float
    key: str | None = None
    first: int | None = None
    held: str | None = None

    @property
    def kind(self) -> str:
        """What load.lua calls it."""
        if self.first is not None:
            return "submit"
        return "get" if self.held is None else "check"

    @property
    def headers(self) -> dict[str, str]:
        """What is sent with each request, beside what HTTP asks for."""
        given = {
            "Authorization": self.key and f"Bearer {self.key}",
            "Content-Type": None if self.first is None else "application/json",
            "If-None-Match": self.held,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Run:
    """What came back. Latencies in milliseconds, as wrk corrects them for coordinated omission."""

    answered: int
    unanswered: int
    seconds: float
    p50: float
    p99: float
    next: int

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return self.answered / self.seconds


def ensure() -> None:
    """Nothing when wrk can be run; installs it as root on Debian, else raises BenchError."""
    if shutil.which("wrk"):
        return
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        raise BenchError(MISSING)
    Console(stderr=True).print("wrk is missing and is installed: apt-get install wrk")
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", "wrk"]):
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if not shutil.which("wrk"):
        raise BenchError(MISSING)


def version() -> str:
    """What wrk says of itself."""
    said = subprocess.run(["wrk", "-v"], capture_output=True, encoding="utf-8", check=False)
    words = (said.stdout + said.stderr).split()
    return words[1] if len(words) > 1 else "unknown"


def run(load: Load) -> Run:
    """Send the load and wait for its end."""
    with running(load) as process:
        return result(process, load)


@contextmanager
def running(load: Load) -> Iterator[subprocess.Popen[str]]:
    """The load while it is being sent; ended with the block."""
    threads = min(MOST_THREADS, load.connections)
    seconds = int(load.seconds) + DRAIN_SECONDS
    words = [
        *("wrk", f"-t{threads}", f"-c{load.connections}", f"-d{seconds}s"),
        *(f"--timeout={TIMEOUT_SECONDS}s", f"-s{SCRIPT}"),
        *(f"-H{name}: {value}" for name, value in load.headers.items()),
        *(load.url, "--", load.kind),
        *map(str, (load.seconds, threads, load.first or 0, AGENCIES, COUNTERS, QUESTIONS)),
    ]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def result(process: subprocess.Popen[str], load: Load) -> Run:
    """What the load found; raises BenchError unless every answer was the one wanted."""
    said, _ = process.communicate(timeout=load.seconds + DRAIN_SECONDS + PATIENCE_SECONDS)
    told = [line for line in said.splitlines() if line.startswith("RESULT ")]
    if not told:
        raise BenchError(f"wrk says: {said.strip()}")
    counted = json.loads(told[-1].removeprefix("RESULT "))
    if counted["bad"] or counted["errors"] or not counted["answered"]:
        samples = [line for line in said.splitlines() if line.startswith("SAMPLE ")]
        raise BenchError(
            f"{load.url}, {load.connections} connections: {counted['answered']} good answers, "
            f"{counted['bad']} others, {counted['errors']} socket errors. {' '.join(samples)}"
        )
    return Run(
        answered=counted["answered"],
        unanswered=counted["sent"] - counted["answered"],
        seconds=counted["seconds"],
        p50=counted["p50"],
        p99=counted["p99"],
        next=counted["number"] + 1,
    )


def speed(runs: Sequence[Run]) -> str:
    """How fast answers came, in the middle of the runs."""
    rate, p50, p99 = (median(getattr(one, name) for one in runs) for name in ("rate", "p50", "p99"))
    return f"{rate:.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms"
