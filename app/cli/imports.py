"""`hailong import`: a file of rows taken in and done at once, by the worker's own code."""

import asyncio
import csv
import hashlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple
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
from app.api.operations import ERRORS_AT_ONCE, told
from app.bulk.cells import guarded
from app.bulk.reading import Form
from app.cli.keys import check_data
from app.db import operations, schema, session, uploads
from app.db.known import Known
from app.db.opening import database, reference_key
from app.db.session import Sessions, own_connection
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


class Asked(NamedTuple):
    """What is to be imported, and where all its errors are written to."""

    kind: Kind
    path: Path
    dry_run: bool
    errors: Path | None


def language(environment: Mapping[str, str]) -> texts.Language:
    """English where the locale is; else Vietnamese, which clerks and the service speak."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    chosen = next((said for name in names if (said := environment.get(name))), "")
    return "en" if chosen.startswith("en") else "vi"


def form_of(path: Path) -> Form:
    """How the file is written, by its name; raises BadParameter when that does not tell."""
    name = path.name.lower().removesuffix(".gz")
    found = FORMS.get(Path(name).suffix)
    if found is None:
        endings = ", ".join(FORMS)
        raise typer.BadParameter(_say("bad-name", name=path.name, endings=endings))
    return found


def run(settings: Settings, asked: Asked, *, as_json: bool) -> None:
    """Import the file and tell what became of its rows; exits 1 when some were rejected."""
    new = _operation(asked)
    if asked.errors is not None:
        _check_writable(asked.errors)
    check_data(settings)
    began = time.monotonic()
    ended, errors = asyncio.run(_import(settings, asked, new))
    if as_json:
        _print_json(ended, time.monotonic() - began)
    else:
        _print(ended, errors, asked.errors)
    if ended.state != DONE or ended.rejected:
        raise typer.Exit(REJECTED)


def _check_writable(path: Path) -> None:
    """Nothing when the file is new and can be made; what is there, it may be the rows, is kept."""
    try:
        path.open("x").close()
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}") from None


def _operation(asked: Asked) -> Operation:
    now = datetime.now(UTC)
    return Operation(
        id=uuid4(),
        kind=asked.kind.value,
        form=form_of(asked.path).value,
        dry_run=asked.dry_run,
        owner=OWNER,
        key_hash=None,
        agencies=None,
        request_key=None,
        digest=hashlib.sha256(str(asked.path).encode()).digest(),
        total_bytes=asked.path.stat().st_size,
        created_at=now,
        saved_at=now,
    )


async def _import(
    settings: Settings, asked: Asked, new: Operation
) -> tuple[Operation, list[OperationError]]:
    """The operation when it has ended, and the first of its errors; all of them are written."""
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
                ended = await _done(jobs, known, connection, asked.path, new)
        finally:
            listening.cancel()
            await asyncio.wait([listening])
        if asked.errors is not None:
            try:
                await _write_errors(_errors(sessions, ended.id), asked.errors)
            except OSError as error:  # what was imported must be told all the same
                Console(stderr=True).print(f"{asked.errors}: {error.strerror}", markup=False)
        async with sessions() as opened:
            return ended, [*await operations.errors(opened, ended.id, 0, SHOWN)]


async def _errors(sessions: Sessions, of: UUID) -> AsyncIterator[OperationError]:
    after = 0
    while True:
        async with sessions() as opened:
            rows = await operations.errors(opened, of, after, ERRORS_AT_ONCE)
        if not rows:
            return
        for row in rows:
            yield row
        after = rows[-1].number


async def _write_errors(errors: AsyncIterator[OperationError], path: Path) -> None:
    """Write the errors as CSV that Excel opens where that language is spoken."""
    chosen = language(os.environ)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        # With a decimal comma, Excel separates cells by semicolons.
        written = csv.writer(file, delimiter=";" if chosen == "vi" else ",")
        written.writerow(_say("headings").split(";"))
        async for error in errors:
            said = told(error, chosen)
            names = ("line", "row", "column", "cell", "detail", "help", "code", "pointer")
            written.writerow([guarded(str(said.get(name, ""))) for name in names])


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
        task = progress.add_task(_say("taking-in"), total=new.total_bytes)
        await _take_in(jobs, path, new.id)
        async with jobs.sessions.begin() as opened:
            await operations.create(opened, new)
        held = await operations.begin(connection, new.id, jobs.clock())
        assert held is not None  # noqa: S101 -- nobody else can have ended what is held

        def show(so_far: Operation, done: int) -> None:
            progress.update(task, completed=done, description=_rows(so_far.read))

        work = Import(jobs, known, connection, held, show)
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


def _print(ended: Operation, errors: list[OperationError], written: Path | None) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False)
    helped = set[str]()
    for one in errors:
        said = told(one, language(os.environ))
        # Many rows may have the same wrong with them, and then want the same done.
        shown = said["detail"] if one.code in helped else f"{said['detail']} {said['help']}"
        helped.add(one.code)
        console.print(f"{_place(one)}: {shown}")
    if ended.faults > len(errors):
        console.print(_say("more", number=_number(ended.faults - len(errors))))
    if written is not None:
        kept = min(ended.faults, operations.MOST_ERRORS)
        console.print(_say("written", number=_number(kept), file=written))
    elif ended.faults > len(errors):
        console.print(_say("all", id=ended.id, scope=Kind(ended.kind).scope))
    if ended.problem is not None:
        console.print(_problem(ended.problem["code"], ended.problem["params"]))
    sums = {name: _number(getattr(ended, name)) for name in ("accepted", "replayed", "rejected")}
    tried = _say("dry-run") if ended.dry_run else ""
    console.print(tried + _say("sum", rows=_rows(ended.read), **sums))
    console.print(_say("operation", id=ended.id))


def _place(error: OperationError) -> str:
    """Where the fault is: of a table as a spreadsheet shows it, else by line and pointer."""
    if "row" not in error.params:
        return f"{_say('at-line', line=error.line)} {error.pointer}".strip()
    column = error.params.get("column")
    of = _say("at-column", column=column) if column else ""
    if (cell := error.params.get("cell")) is not None:
        of += _say("holding", cell=cell)
    return _say("at-row", row=error.params["row"]) + of


def _problem(code: str, params: dict[str, object]) -> str:
    chosen = language(os.environ)
    detail = texts.say(chosen, f"{code}:detail", **params)
    return _say("failed", detail=detail, help=texts.say(chosen, f"{code}:help"))


def _rows(number: int) -> str:
    return _say("row" if number == 1 else "rows", number=_number(number))


def _number(number: int) -> str:
    grouped = f"{number:,}"
    return grouped.replace(",", ".") if language(os.environ) == "vi" else grouped


def _say(what: str, **params: object) -> str:
    return texts.say(language(os.environ), f"import:{what}", **params)
