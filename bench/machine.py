"""What the figures were taken with: the machine, and the versions."""

import os
import platform
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import psutil

from bench import wrk
from bench.scratch import ROOT

GIBIBYTE = 1024**3
PACKAGES = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "sqlalchemy")
SYNCS = 50


def described() -> dict[str, str]:
    """The processor, memory, kernel, and the disk that scratch data lie on."""
    folder = Path(tempfile.gettempdir())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": f"{_processor()}, {cores} cores",
        "memory": f"{psutil.virtual_memory().total / GIBIBYTE:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "disk": f"{_file_system(folder)}, an fdatasync of a page takes {_sync(folder):.2f} ms",
    }


def versions(postgresql: str) -> dict[str, str]:
    """What took part, by name."""
    own = {"hailong": _commit(), "Python": platform.python_version(), "PostgreSQL": postgresql}
    packages = {name: version(name) for name in (*PACKAGES, "asyncpg")}
    return own | packages | {"wrk": wrk.version()}


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    mounts = {Path(one.mountpoint): one.fstype for one in psutil.disk_partitions(all=True)}
    return next((mounts[at] for at in (folder, *folder.parents) if at in mounts), "unknown")


def _sync(folder: Path) -> float:
    """Milliseconds that PostgreSQL waits for a page to be on the disk."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            began = time.perf_counter()
            file.write(bytes(8192))
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return 1000 * median(times)


def _commit() -> str:
    def git(*arguments: str) -> str:
        said = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
        )
        return said.stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--", "app") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown commit") + changed
