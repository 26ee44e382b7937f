"""No acknowledged rating is lost, and none is counted twice, whenever the power goes.

`kill_and_check` uses the product as anyone can: HTTP, the command line, and reading SQL.
"""

import asyncio
import os
import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from app.db.embedded import EmbeddedServer
from bench import scene
from bench.lines import Line
from bench.plan import Plan
from bench.scratch import Service, end_database, folder, number, serving
from bench.stage import Stage
from bench.wire import LOST, Answer, Wire, rating

CREATED, SERVER_ERRORS = 201, 500
TRIES = 20
ASKED_AGAIN = 50  # of the acknowledged ones: each answer must be the first one
FIRST_MOMENT, LAST_MOMENT = 0.1, 3.0
PER_SECOND = 3_000  # more than any machine at hand takes

Json = dict[str, Any]


@dataclass(slots=True, eq=False)
class Sent:
    """A rating on its way, known by its key, and the answer to it once there is one."""

    body: Json
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the ratings that were sent until a moment; all but the counts must be 0."""

    acknowledged: int
    unanswered: int
    replayed: int  # of the unanswered: stored all the same, as their second answer said
    back_after: float  # seconds
    lost: int
    twice: int
    unlike: int
    drift: int
    refused: Mapping[str, int]

    @property
    def whole(self) -> bool:
        """Whether every rating is there once and counted once."""
        return not (self.lost or self.twice or self.unlike or self.drift or self.refused)


@dataclass(slots=True)
class Senders:
    """Several clients that send what they are given, each rating under a key of its own."""

    bodies: Iterator[Json]
    acknowledged: list[Sent] = field(default_factory=list)
    unanswered: list[Sent] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    sent: int = 0

    async def load(self, service: Service, moment: float, clients: int) -> None:
        """Send until the moment comes; then kill the service and its database."""
        sending = [asyncio.create_task(self._send(service.port)) for _ in range(clients)]
        await asyncio.sleep(moment)
        _kill(service)
        await asyncio.gather(*sending)

    async def _send(self, port: int) -> None:
        with suppress(*LOST), await Wire.open(port) as wire:
            for body in self.bodies:
                sent = Sent(body)
                self.sent += 1
                self.unanswered.append(sent)
                sent.answer = await wire.ask(rating(sent.body, sent.key))
                self._file(sent, sent.answer)

    async def resend(self, service: Service) -> int:
        """Send again what has no answer, until it has; returns how many were there already."""
        replayed = 0
        with await Wire.open(service.port) as wire:
            for sent in list(self.unanswered):
                for _ in range(TRIES):
                    sent.answer = await wire.ask(rating(sent.body, sent.key))
                    if self._file(sent, sent.answer):
                        break
                    await asyncio.sleep(1)
                replayed += sent.answer is not None and sent.answer.replayed
        return replayed

    async def unlike(self, service: Service) -> int:
        """How many of the last acknowledged ones are answered otherwise when sent again."""
        unlike = 0
        with await Wire.open(service.port) as wire:
            for sent in self.acknowledged[-ASKED_AGAIN:]:
                again, first = await wire.ask(rating(sent.body, sent.key)), sent.answer
                unlike += not again.replayed or first is None or again.body != first.body
        return unlike

    def _file(self, sent: Sent, answer: Answer) -> bool:
        """Put it where its answer says; False while what became of it is open."""
        if answer.status >= SERVER_ERRORS:
            return False
        self.unanswered.remove(sent)
        if answer.status == CREATED:
            self.acknowledged.append(sent)
        else:
            self.refused[f"{answer.status} {answer.body['code']}"] += 1
        return True


def kill_and_check(
    data: Path, moment: float, bodies: Iterator[Json], *, clients: int = 8, workers: int = 1
) -> Outcome:
    """Serve, rate until the moment in seconds, kill everything, serve again, and compare.

    The bodies are ratings of returned dossiers that nobody has rated.
    """
    senders = Senders(bodies)
    with serving(data, workers=workers) as service:
        before = stored(data)
        asyncio.run(senders.load(service, moment, clients))
    first, unanswered = list(senders.acknowledged), len(senders.unanswered)
    began = time.monotonic()
    with serving(data, workers=workers) as service:
        back_after = time.monotonic() - began
        lost = len(first) - stored(data, first)
        unlike = asyncio.run(senders.unlike(service))
        replayed = asyncio.run(senders.resend(service))
        lost += len(senders.acknowledged) - stored(data, senders.acknowledged)
        more = stored(data) - before
        return Outcome(
            acknowledged=len(first),
            unanswered=unanswered,
            replayed=replayed,
            back_after=back_after,
            lost=max(lost, len(senders.acknowledged) - more),
            twice=max(0, more - senders.sent),
            unlike=unlike,
            drift=drift(data),
            refused=dict(senders.refused) | open_ends(senders.unanswered),
        )


def stored(data: Path, sent: Sequence[Sent] | None = None) -> int:
    """How many ratings are stored, of those that were sent or of all."""
    with EmbeddedServer(data) as server:
        if sent is None:
            return number(server.start(), "SELECT count(*) FROM rating")
        ids = [one.answer.body["id"] for one in sent if one.answer is not None]
        counted = "SELECT count(*) FROM rating WHERE id = ANY(CAST(:ids AS uuid[]))"
        return number(server.start(), counted, ids=ids)


def drift(data: Path) -> int:
    """How many counts differ from what they count."""
    with EmbeddedServer(data) as server:
        return scene.drift(data, server.start())


def open_ends(unanswered: Sequence[Sent]) -> dict[str, int]:
    """What was never answered, as a refusal of a kind."""
    return {"no answer": len(unanswered)} if unanswered else {}


def _kill(service: Service) -> None:
    os.killpg(service.process.pid, signal.SIGKILL)
    end_database(service.data)


def lines(plan: Plan, stage: Stage) -> Iterator[Line]:
    """One line: what was lost or counted twice at random moments."""
    stage.expect(1 + plan.moments)
    chance = random.Random()
    with folder() as data:
        stage.step("registering dossiers")
        with EmbeddedServer(data) as server:
            scene.found(data)
            url = server.start()
            scene.register(url, 0, int(plan.moments * LAST_MOMENT * PER_SECOND))
            scene.recount(data, url)
        bodies, outcomes = scene.bodies(0, chance), []
        for place in range(plan.moments):
            moment = chance.uniform(FIRST_MOMENT, LAST_MOMENT)
            stage.step(f"killing all after {moment:.2f} s, {place + 1} of {plan.moments}")
            outcomes.append(kill_and_check(data, moment, bodies, workers=place % 2 + 1))
    yield _line(outcomes)


def _line(outcomes: Sequence[Outcome]) -> Line:
    def total(name: str) -> int:
        return sum(getattr(one, name) for one in outcomes)

    refused = sum((Counter(one.refused) for one in outcomes), Counter[str]())
    back = median(one.back_after for one in outcomes)
    return Line(
        name="durability, kill -9",
        what="the service and its PostgreSQL killed (SIGKILL) under load at random moments, "
        "unanswered ratings sent again",
        bar="all 0",
        measured=f"lost {total('lost')}, twice {total('twice')}, drift {total('drift')}"
        + "".join(f", {n} x {what}" for what, n in refused.items())
        + (f", {total('unlike')} answered otherwise when repeated" if total("unlike") else ""),
        repeats=f"{len(outcomes)} moments",
        passed=all(one.whole for one in outcomes),
        here=f"{total('acknowledged')} acknowledged; {total('unanswered')} unanswered, of which "
        f"{total('replayed')} had been stored; back after {back:.1f} s",
    )
