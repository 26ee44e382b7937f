"""The rows of an operation's input, read in a thread while others are stored."""

import asyncio
from collections.abc import Iterator
from itertools import count, islice

from app.bulk.files import judged
from app.bulk.lines import Bounds
from app.bulk.reading import Form, read
from app.bulk.rows import Broken, Line
from app.db import uploads
from app.db.tables import Operation
from app.worker import Jobs

# Of the lines that are taken at once; as values they take up to 25 times as much.
MOST_BYTES = 4 * 1024 * 1024
STEP_BYTES = 32 * 1024  # of progress: packed, they may be thousands of rows


class Reader:
    """The rows of an operation behind those that were stored before, read in a thread."""

    def __init__(self, jobs: Jobs, held: Operation, stop: asyncio.Event) -> None:
        self.passed = 0
        self.last: Line | Broken | None = None
        self._jobs, self._of, self._stop = jobs, held.id, stop
        self._loop = asyncio.get_running_loop()
        settings = jobs.settings
        bounds = Bounds(settings.max_body_bytes, settings.import_max_unpacked_bytes)
        rows = read(self._blocks(), held.kind, Form(held.form), bounds)
        self._rows = islice(self._noted(judged(rows, held.kind)), held.read, None)

    async def take(self, most: int) -> list[Line | Broken]:
        """The next rows; none at the end. What they take in memory is bounded as well."""
        return await asyncio.to_thread(self._next, most)

    def _next(self, most: int) -> list[Line | Broken]:
        taken, size = list[Line | Broken](), 0
        for row in self._rows:
            taken.append(row)
            size += row.size if isinstance(row, Line) else 0
            if len(taken) == most or size > MOST_BYTES:
                break
        return taken

    def _noted(self, rows: Iterator[Line | Broken]) -> Iterator[Line | Broken]:
        for row in rows:
            self.last = row
            yield row

    def _blocks(self) -> Iterator[bytes]:
        for number in count():
            fetched = asyncio.run_coroutine_threadsafe(self._chunk(number), self._loop)
            if (data := fetched.result()) is None:
                return
            for place in range(0, len(data), STEP_BYTES):
                if self._stop.is_set():
                    return
                yield (step := data[place : place + STEP_BYTES])
                self.passed += len(step)

    async def _chunk(self, number: int) -> bytes | None:
        async with self._jobs.sessions() as session:
            return await uploads.chunk(session, self._of, number)
