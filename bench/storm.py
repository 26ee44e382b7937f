"""A storm of repeats: the same rating sent several times at once, some sendings broken off."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from app.db.embedded import EmbeddedServer
from bench import scene
from bench.durability import CREATED, SERVER_ERRORS, drift, stored
from bench.lines import Line
from bench.plan import Plan
from bench.scratch import Service, folder, number, serving
from bench.stage import Stage
from bench.wire import LOST, Answer, Wire, rating

MOST_SENDINGS = 3
BROKEN_OFF = 0.05
LONGEST_WAIT = 0.02  # seconds until a sender hangs up
FARTHEST = 60  # places in the queue between two sendings of the same
TRIES = 20

Json = dict[str, Any]


@dataclass(slots=True, eq=False)
class Rating:
    """A rating, its key, and every answer to it."""

    body: Json
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    answers: list[Answer] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        """Whether it was answered that it is stored."""
        return any(answer.status == CREATED for answer in self.answers)

    @property
    def alike(self) -> bool:
        """Whether every acknowledgement says the same, and at most one that it is the first."""
        good = [answer for answer in self.answers if answer.status == CREATED]
        first = [answer for answer in good if not answer.replayed]
        return len(first) <= 1 and all(answer.body == good[0].body for answer in good)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the ratings; all but the first three must be 0."""

    ratings: int
    sendings: int
    broken_off: int
    lost: int
    twice: int
    unlike: int
    drift: int
    refused: Mapping[str, int]

    @property
    def whole(self) -> bool:
        """Whether every rating is there once, counted once, and answered alike."""
        return not (self.lost or self.twice or self.unlike or self.drift or self.refused)


@dataclass(slots=True)
class Storm:
    """The sendings, in the order in which the clients take them."""

    ratings: list[Rating]
    chance: random.Random
    queue: Iterator[Rating] = field(init=False)
    sendings: int = 0
    broken_off: int = 0

    def __post_init__(self) -> None:
        placed = [
            (place + self.chance.choice((0, self.chance.uniform(0, FARTHEST))), rating)
            for place, rating in enumerate(self.ratings)
            for _ in range(self.chance.randint(1, MOST_SENDINGS))
        ]
        self.queue = iter([one for _, one in sorted(placed, key=lambda pair: pair[0])])

    async def rage(self, port: int, clients: int) -> None:
        """Send everything by several clients at once; then what has no answer, until it has."""
        await asyncio.gather(*(self._client(port) for _ in range(clients)))
        for _ in range(TRIES):
            missing = [one for one in self.ratings if _is_open(one)]
            if not missing:
                return
            self.queue = iter(missing)
            await self._client(port, broken_off=0)

    async def _client(self, port: int, broken_off: float = BROKEN_OFF) -> None:
        wire = await Wire.open(port)
        for one in self.queue:
            self.sendings += 1
            request = rating(one.body, one.key)
            if self.chance.random() >= broken_off:
                with suppress(*LOST):
                    one.answers.append(await wire.ask(request))
                    continue
            else:
                await self._break_off(wire, request)
            wire.abort()
            wire = await Wire.open(port)
        wire.abort()

    async def _break_off(self, wire: Wire, request: bytes) -> None:
        """Send a part of the body, or all of it, and do not wait for the answer."""
        self.broken_off += 1
        body = request.index(b"\r\n\r\n") + 4
        middle = self.chance.randrange(body, len(request))
        await wire.send(request[: self.chance.choice((middle, len(request)))])
        await asyncio.sleep(self.chance.uniform(0, LONGEST_WAIT))


def _is_open(one: Rating) -> bool:
    """Whether it is neither acknowledged nor refused."""
    return all(answer.status >= SERVER_ERRORS for answer in one.answers)


def storm(service: Service, bodies: Sequence[Json], seed: int, *, clients: int = 8) -> Outcome:
    """Send each body's rating one to three times at once, and compare what is stored.

    The bodies are ratings of returned dossiers that nobody has rated.
    """
    before, chance = stored(service.data), random.Random(seed)
    raging = Storm([Rating(body) for body in bodies], chance)
    asyncio.run(raging.rage(service.port, clients))
    good = [one for one in raging.ratings if one.acknowledged]
    refused = Counter(
        f"{answer.status} {answer.body['code']}"
        for one in raging.ratings
        for answer in one.answers
        if CREATED != answer.status < SERVER_ERRORS
    )
    if open_ends := sum(map(_is_open, raging.ratings)):
        refused["no answer"] = open_ends
    more = stored(service.data) - before
    return Outcome(
        ratings=len(good),
        sendings=raging.sendings,
        broken_off=raging.broken_off,
        lost=len(good) - min(_found(service, good), more),
        twice=max(0, more - len(bodies)),
        unlike=sum(not one.alike for one in raging.ratings),
        drift=drift(service.data),
        refused=refused,
    )


def _found(service: Service, good: Sequence[Rating]) -> int:
    """How many of the acknowledged ids are stored."""
    ids = [a.body["id"] for one in good for a in one.answers if a.status == CREATED]
    counted = "SELECT count(*) FROM rating WHERE id = ANY(CAST(:ids AS uuid[]))"
    with EmbeddedServer(service.data) as server:
        return number(server.start(), counted, ids=ids)


def lines(plan: Plan, stage: Stage) -> Iterator[Line]:
    """One line: what a storm lost or counted twice."""
    stage.expect(2)
    stage.step("registering dossiers")
    with folder() as data, EmbeddedServer(data) as server:
        scene.found(data)
        url = server.start()
        scene.register(url, 0, plan.storm_ratings)
        scene.recount(data, url)
        bodies = list(islice(scene.bodies(0, random.Random()), plan.storm_ratings))
        with serving(data, workers=plan.workers[-1]) as service:
            stage.step("sending")
            done = storm(service, bodies, random.randrange(2**32))
    yield Line(
        name="storm, retries",
        what="each rating sent 1 to 3 times by 8 clients at once under one Idempotency-Key, 5 % of "
        "the sendings broken off",
        bar="all 0",
        measured=f"lost {done.lost}, twice {done.twice}, drift {done.drift}"
        + "".join(f", {n} x {what}" for what, n in done.refused.items())
        + (f", {done.unlike} answered unlike" if done.unlike else ""),
        repeats=f"{done.sendings} sendings",
        passed=done.whole,
        here=f"{done.ratings} ratings, {done.broken_off} sendings broken off",
    )
