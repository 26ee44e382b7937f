"""Importing ratings, from the file to committed tallies, against a bare COPY of the same rows."""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from uuid import UUID

from app.db import session
from app.db.embedded import EmbeddedServer
from bench import scene
from bench.lines import BenchError, Line, spread
from bench.plan import Plan
from bench.scratch import ROOT, ask, environment, folder, quiet
from bench.stage import Stage

BAR = 0.33
MOST_MEMORY = 300  # MiB
LOOK_SECONDS = 0.05
KIBIBYTES = 1024  # in a MiB

# As the table of ratings is, with its indexes and all it refers to; it grows with it, pair by pair.
_COPY_OF_TABLE = (
    "CREATE TABLE copied (LIKE rating INCLUDING ALL)",
    "ALTER TABLE copied ADD FOREIGN KEY (agency_id) REFERENCES agency (id)",
    "ALTER TABLE copied ADD FOREIGN KEY (survey_id) REFERENCES survey (id)",
)


@dataclass(frozen=True, slots=True)
class Run:
    """How long an import took, and the most memory of its process."""

    seconds: float
    mebibytes: float


def lines(plan: Plan, stage: Stage) -> Iterator[Line]:
    """Two lines: the speed of an import, and the memory of a large one."""
    stage.expect(3 * plan.repeats + 3)
    with folder() as data, EmbeddedServer(data) as server:
        url = server.start()
        scene.found(data)
        needed = plan.repeats * plan.import_ratings
        stage.step("registering dossiers")
        scene.register(url, 0, needed + plan.many_ratings)
        scene.recount(data, url)
        ask(url, *_COPY_OF_TABLE)
        pairs = [_pair(plan, stage, data, url, turn) for turn in range(plan.repeats)]
        yield _speed(plan, pairs)
        stage.step(f"writing {plan.many_ratings:,} rows")
        file = _written(data, needed, plan.many_ratings)
        stage.step(f"importing {plan.many_ratings:,} rows")
        large = _imported(data, url, file, plan.many_ratings)
        if found := scene.drift(data, url):
            raise BenchError(f"{found} counts differ from what they count")
    yield Line(
        name="import, memory",
        what=f"most memory (VmHWM) of the process that imports {plan.many_ratings:,} ratings",
        bar=f"< {MOST_MEMORY} MiB",
        measured=f"{large.mebibytes:.0f} MiB",
        repeats="1 import",
        passed=large.mebibytes < MOST_MEMORY,
        here=f"{large.seconds:.1f} s, {plan.many_ratings / large.seconds:,.0f} rows/s",
    )


def _pair(plan: Plan, stage: Stage, data: Path, url: str, turn: int) -> tuple[Run, float]:
    """An import, and the seconds in which a COPY stores just what it stored."""
    count = plan.import_ratings
    stage.step("writing rows")
    file = _written(data, turn * count, count)
    stage.step("importing")
    ask(url, "CHECKPOINT")
    quiet()
    run = _imported(data, url, file, count)
    stage.step("copying")
    return run, asyncio.run(_copied(url, data.parent / "stored", count))


async def _copied(url: str, stored: Path, count: int) -> float:
    """The seconds in which a COPY stores the ratings that came last."""
    engine = session.open_engine(url)
    try:
        driver = await session.own_connection(engine)
        last = f"SELECT * FROM rating ORDER BY received_at DESC, id LIMIT {count}"
        await driver.copy_from_query(last, output=str(stored))
        await driver.execute("CHECKPOINT")
        await asyncio.to_thread(quiet)
        began = time.monotonic()
        await driver.copy_to_table("copied", source=str(stored))
        seconds = time.monotonic() - began
        await driver.close()
    finally:
        await engine.dispose()
    return seconds


def _speed(plan: Plan, pairs: list[tuple[Run, float]]) -> Line:
    ratio = spread([copied / run.seconds for run, copied in pairs])
    seconds, copied = median(run.seconds for run, _ in pairs), median(copy for _, copy in pairs)
    return Line(
        name="import",
        what=f"{plan.import_ratings:,} ratings from the file to committed tallies, against a bare "
        "`COPY` of the same rows into the same indexed table",
        bar=f"at least {BAR:.2f}",
        measured=str(ratio),
        repeats=f"{len(pairs)} pairs",
        passed=ratio.middle >= BAR,
        here=f"import {seconds:.2f} s ({plan.import_ratings / seconds:,.0f} rows/s), "
        f"copy {copied:.2f} s",
    )


def _written(data: Path, first: int, count: int) -> Path:
    """A file of ratings of the dossiers from number `first` on."""
    chance, file = random.Random(first), data.parent / "ratings.ndjson"
    with file.open("w", encoding="utf-8") as out:
        for body in islice(scene.bodies(first, chance), count):
            name = str(UUID(int=chance.getrandbits(128), version=4))
            out.write(json.dumps({"id": name, **body}, ensure_ascii=False) + "\n")
    return file


def _imported(data: Path, url: str, file: Path, count: int) -> Run:
    """What `hailong import` says; all rows must have been accepted."""
    command = [sys.executable, "-m", "app.cli", "import", "ratings", str(file), "--json"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(data, database_url=url),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        most = 0.0
        while process.poll() is None:
            most = max(most, _high_water(process.pid))
            time.sleep(LOOK_SECONDS)
        said = json.loads(process.stdout.read()) if process.stdout else {}
    if said.get("accepted") != count:
        raise BenchError(f"of {count} rows {said.get('accepted')} were accepted")
    return Run(said["seconds"], most)


def _high_water(pid: int) -> float:
    """The most memory that the process had so far, in MiB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) / KIBIBYTES if lines else 0.0
