"""The memory of one serving process under full load."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import linear_regression

import psutil

from app.db.embedded import EmbeddedServer
from bench import scene
from bench.lines import BenchError, Line
from bench.plan import Plan
from bench.scratch import folder, serving
from bench.stage import Stage
from bench.submit import Province
from bench.wrk import Run, result, running

MEBIBYTE = 1024 * 1024
BAR = 200  # MiB
FLAT = 1.0  # MiB per minute
WARM_UP = 0.1  # of the time
CONNECTIONS = 32
ROUND_SECONDS = 60  # of load, between which new dossiers are registered
MOST_PER_SECOND = 12_000
RESERVE = 2

Sample = tuple[float, float]  # minutes, MiB


@dataclass(slots=True)
class Watch:
    """A service under load, and the memory that it was seen to take."""

    province: Province
    stage: Stage
    every: float  # seconds
    samples: list[Sample] = field(default_factory=list)

    def load(self, seconds: int) -> Run:
        """Ratings come in for some seconds."""
        before = self.samples[-1][0] if self.samples else 0.0
        load = self.province.load(CONNECTIONS, seconds)
        with running(load) as process:
            began = time.monotonic()
            while (passed := time.monotonic() - began) < seconds:
                self.samples.append((before + passed / 60, self._resident()))
                minutes, size = self.samples[-1]
                self.stage.say(f"{size:.0f} MiB after {60 * minutes:.0f} s of load")
                time.sleep(self.every)
            return self.province.note(result(process, load))

    def _resident(self) -> float:
        process = psutil.Process(self.province.service.process.pid)
        if process.children():
            raise BenchError("a service of one worker has child processes")
        return float(process.memory_info().rss / MEBIBYTE)


def lines(plan: Plan, stage: Stage) -> Iterator[Line]:
    """One line: how much memory it takes, and whether that grows."""
    rounds = max(1, plan.memory_seconds // ROUND_SECONDS)
    stage.expect(1 + 2 * rounds)
    with folder() as data, EmbeddedServer(data) as server:
        url = server.start()
        scene.found(data)
        with serving(data, workers=1) as service:
            province = Province(service, url)
            stage.step("warming up")
            province.register(MOST_PER_SECOND * plan.warm_seconds)
            rate = province.rate(CONNECTIONS, plan.warm_seconds).rate
            watch = Watch(province, stage, plan.sample_seconds)
            seconds = plan.memory_seconds // rounds
            for _ in range(rounds):
                stage.step("registering dossiers")
                province.register(int(RESERVE * rate * seconds))
                stage.step("rating")
                rate = max(rate, watch.load(seconds).rate)
            province.check()
    warm = WARM_UP * watch.samples[-1][0]
    yield _line(plan, [one for one in watch.samples if one[0] >= warm])


def _line(plan: Plan, samples: list[Sample]) -> Line:
    minutes, sizes = zip(*samples, strict=True)
    slope = linear_regression(minutes, sizes).slope
    rise = max((after - before for before, after in pairwise(sizes)), default=0.0)
    return Line(
        name="memory",
        what=f"most memory of one worker in {plan.memory_seconds / 60:.2g} minutes of load by "
        f"{CONNECTIONS} connections, and its growth: flat is under {FLAT:g} MiB/min",
        bar=f"< {BAR} MiB, flat",
        measured=f"{max(sizes):.0f} MiB, {slope:+.2f} MiB/min",
        repeats=f"{len(sizes)} samples",
        passed=max(sizes) < BAR and slope < FLAT,
        here=f"{sizes[0]:.0f} MiB after the warm-up, {sizes[-1]:.0f} MiB at the end, "
        f"{rise:.1f} MiB the largest step",
    )
