"""`hailong import`: a file of rows taken in and done at once, by the worker's own code."""

import asyncio
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api import texts
from app.bulk.reading import Form
from app.cli.keys import check_data
from app.db import operations, schema, session, uploads
from app.db.known import Known
from app.db.opening import database, reference_key
from app.db.session import own_connection
from app.db.tables import Operation, OperationError
from app.db.uploads import CHUNK_BYTES
from app.domain.operation import DONE, Kind
from app.settings import Settings
from app.worker import Jobs, settle
from app.worker.importing import Import

OWNER = "command line"
SHOWN = 20  # of the errors
REJECTED = 1  # exit code
FORMS = {
    ".ndjson": Form.NDJSON,
    ".jsonl": Form.NDJSON,
    ".json": Form.NDJSON,
    ".csv": Form.CSV,
    ".txt": Form.CSV,
}


def form_of(path: Path) -> Form:
    """How the file is written, by its name; raises BadParameter when that does not tell."""
    name = path.name.lower().removesuffix(".gz")
    found = FORMS.get(Path(name).suffix)
    if found is None:
        raise typer.BadParameter(f"{path.name}: the name must end in {', '.join(FORMS)} (or .gz)")
    return found


def run(settings: Settings, kind: Kind, path: Path, *, dry_run: bool, as_json: bool) -> None:
    """Import the file and tell what became of its rows; exits 1 when some were rejected."""
    form = form_of(path)
    check_data(settings)
    began = time.monotonic()
    ended, errors = asyncio.run(_import(settings, path, _operation(kind, form, path, dry_run)))
    if as_json:
        _print_json(ended, time.monotonic() - began)
    else:
        _print(ended, errors)
    if ended.state != DONE or ended.rejected:
        raise typer.Exit(REJECTED)


def _operation(kind: Kind, form: Form, path: Path, dry_run: bool) -> Operation:  # noqa: FBT001 -- a column
    now = datetime.now(UTC)
    return Operation(
        id=uuid4(),
        kind=kind.value,
        form=form.value,
        dry_run=dry_run,
        owner=OWNER,
        key_hash=None,
        agencies=None,
        request_key=None,
        digest=hashlib.sha256(str(path).encode()).digest(),
        total_bytes=path.stat().st_size,
        created_at=now,
        saved_at=now,
    )


async def _import(
    settings: Settings, path: Path, new: Operation
) -> tuple[Operation, Sequence[OperationError]]:
    """The operation when it has ended, and the first of its errors."""
    async with database(settings.address, settings.data_dir) as engine:
        await schema.check_current(engine)
        sessions = session.sessions(engine)
        async with sessions.begin() as opened:
            key = await reference_key(opened, settings.secret, settings.data_dir)
        jobs = Jobs(settings, engine, sessions, key, partial(datetime.now, UTC))
        settle()
        known = Known(sessions)
        listening = asyncio.create_task(known.listen(partial(own_connection, engine)))
        try:
            async with operations.holding(engine) as connection:
                ended = await _done(jobs, known, connection, path, new)
        finally:
            listening.cancel()
            await asyncio.wait([listening])
        async with sessions() as opened:
            return ended, await operations.errors(opened, ended.id, 0, SHOWN)


async def _done(
    jobs: Jobs, known: Known, connection: AsyncConnection, path: Path, new: Operation
) -> Operation:
    # Held before it is there, or a worker might be quicker.
    await operations.hold(connection, new.id)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    console = Console(stderr=True)
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("Taking in", total=new.total_bytes)
        await _take_in(jobs, path, new.id)
        async with jobs.sessions.begin() as opened:
            await operations.create(opened, new)
        held = await operations.begin(connection, new.id, jobs.clock())
        assert held is not None  # noqa: S101 -- nobody else can have ended what is held

        def told(so_far: Operation, done: int) -> None:
            progress.update(task, completed=done, description=f"{so_far.read:,} rows")

        work = Import(jobs, known, connection, held, told)
        await work.run(asyncio.Event())
        return work.held


async def _take_in(jobs: Jobs, path: Path, of: UUID) -> None:
    with path.open("rb") as file:
        number = 0
        while data := file.read(CHUNK_BYTES):
            async with jobs.sessions.begin() as opened:
                await uploads.keep(opened, of, number, data, jobs.clock())
            number += 1


def _print_json(ended: Operation, seconds: float) -> None:
    counted = ("read", "accepted", "replayed", "rejected")
    said = {
        "operation": str(ended.id),
        "state": ended.state,
        "dry_run": ended.dry_run,
        **{name: getattr(ended, name) for name in counted},
        "problem": ended.problem and ended.problem["code"],
        "seconds": round(seconds, 3),
    }
    sys.stdout.write(json.dumps(said) + "\n")


def _print(ended: Operation, errors: Sequence[OperationError]) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for one in errors:
        detail = texts.say("en", f"{one.code}:detail", **one.params)
        console.print(f"line {one.line} {one.pointer}: {detail}")
    if ended.faults > len(errors):
        console.print(f"… and {ended.faults - len(errors):,} faults more.")
    if ended.problem is not None:
        console.print(texts.say("en", f"{ended.problem['code']}:help"))
    tried = "A dry run, nothing was stored: " if ended.dry_run else ""
    console.print(
        f"{tried}{ended.read:,} rows: {ended.accepted:,} accepted, {ended.replayed:,} there "
        f"before, {ended.rejected:,} rejected."
    )
