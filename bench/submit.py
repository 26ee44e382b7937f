"""Submitting ratings, durably, against the same route that does nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.db.embedded import EmbeddedServer
from bench import scene, twin
from bench.lines import BenchError, Line, many, spread
from bench.plan import Plan
from bench.scratch import ADMIN_KEY, Service, folder, quiet, serving
from bench.stage import Stage
from bench.wrk import Load, Run, run, speed

BAR = 0.5
PATH = "/v1/ratings"

Pair = tuple[Run, Run]


@dataclass(slots=True)
class Province:
    """A service with both routes, and how far its dossiers are used up."""

    service: Service
    url: str
    next: int = 0
    registered: int = 0
    answered: int = 0
    unanswered: int = 0

    def register(self, count: int) -> None:
        """Have so many dossiers that are not rated."""
        missing = self.next + count - self.registered
        if missing > 0:
            scene.register(self.url, self.registered, missing)
            self.registered += missing

    def load(self, connections: int, seconds: int) -> Load:
        """Ratings of the dossiers that are left, as fast as they are answered."""
        return Load(self.service.url(PATH), connections, seconds, ADMIN_KEY, self.next)

    def rate(self, connections: int, seconds: int) -> Run:
        """Submit ratings."""
        return self.note(run(self.load(connections, seconds)))

    def note(self, done: Run) -> Run:
        """Remember which dossiers are used up, and what came back."""
        self.next = done.next
        self.answered += done.answered
        self.unanswered += done.unanswered
        return done

    def twin(self, connections: int, seconds: int) -> Run:
        """Submit the same to the route that does nothing."""
        return run(Load(self.service.url(twin.NO_OP), connections, seconds, ADMIN_KEY, 0))

    def check(self) -> None:
        """Nothing when what was answered is what is stored and counted, else BenchError."""
        stored, counted = scene.stored(self.url), scene.counted(self.service)
        if not self.answered <= stored <= self.answered + self.unanswered or counted != stored:
            raise BenchError(
                f"{self.answered} ratings were answered and {self.unanswered} were not, "
                f"{stored} are stored, {counted} are counted"
            )


def lines(plan: Plan, stage: Stage) -> Iterator[Line]:
    """One line for each number of workers and of connections."""
    runs = 2 * plan.repeats * len(plan.connections) * len(plan.workers)
    stage.expect(runs + 2 * len(plan.workers))
    for workers in plan.workers:
        with folder() as data, EmbeddedServer(data) as server:
            url = server.start()
            scene.found(data)
            with serving(data, "bench.twin", workers=workers) as service:
                yield from _of_workers(plan, stage, Province(service, url), workers)


def _of_workers(plan: Plan, stage: Stage, province: Province, workers: int) -> Iterator[Line]:
    """The lines of one number of workers."""
    stage.step("warming up")
    # Nothing is faster than doing nothing, so the dossiers will do.
    rate = province.twin(plan.connections[-1], plan.warm_seconds).rate
    seconds = len(plan.connections) * (plan.repeats * plan.submit_seconds + plan.warm_seconds)
    stage.step("registering dossiers")
    province.register(int(rate * seconds))
    scene.recount(province.service.data, province.url)
    for connections in plan.connections:
        yield _line(workers, connections, _pairs(plan, stage, province, connections))
    province.check()


def _pairs(plan: Plan, stage: Stage, province: Province, connections: int) -> list[Pair]:
    """Each repeat's run against the twin, and the one against the product right after it."""
    province.twin(connections, plan.warm_seconds)
    province.rate(connections, plan.warm_seconds)
    pairs = []
    for _ in range(plan.repeats):
        stage.step(f"nothing, {connections} connections")
        quiet()
        nothing = province.twin(connections, plan.submit_seconds)
        stage.step(f"ratings, {connections} connections")
        quiet()
        pairs.append((nothing, province.rate(connections, plan.submit_seconds)))
    return pairs


def _line(workers: int, connections: int, pairs: list[Pair]) -> Line:
    ratio = spread([rating.rate / nothing.rate for nothing, rating in pairs])
    nothing, rating = ([pair[side] for pair in pairs] for side in (0, 1))
    return Line(
        name=f"submit, {many(workers, 'worker')}, {many(connections, 'connection')}",
        what="durable `POST /v1/ratings` against a no-op route with the same validated body",
        bar=f"at least {BAR:.2f}",
        measured=str(ratio),
        repeats=f"{len(pairs)} pairs",
        passed=ratio.middle >= BAR,
        here=f"{speed(rating)}; twin {speed(nothing)}",
    )
