"""Ranking the agencies of a group, computed anew, with few ratings and with many."""

from collections.abc import Iterator
from statistics import median

from bench import scene
from bench.lines import BenchError, Line, spread
from bench.plan import Plan
from bench.provinces import Provinces
from bench.scratch import ADMIN_KEY, Service, quiet, serving
from bench.stage import Stage
from bench.wrk import Load, Run, run

BAR = 1.2
PATH = (
    f"/v1/rankings?peer_group={scene.GROUP}&survey={scene.SURVEY}&period={scene.YEAR}"
    "&method=overall-question@1"
)


def lines(plan: Plan, stage: Stage, provinces: Provinces) -> Iterator[Line]:
    """One line: how much longer it takes with many."""
    stage.expect(2 + 2 * (plan.repeats + 1))
    made = []
    for ratings in (plan.few_ratings, plan.many_ratings):
        stage.step(f"storing {ratings} ratings")
        made.append(provinces.of(ratings, stage))
    with (
        serving(made[0].data, database_url=made[0].url) as few,
        serving(made[1].data, database_url=made[1].url) as many,
    ):
        _check(few, plan.few_ratings)
        _check(many, plan.many_ratings)
        pairs = []
        for repeat in range(plan.repeats + 1):
            pair = _read(plan, stage, few), _read(plan, stage, many)
            if repeat > 0:  # the first warms up
                pairs.append(pair)
    growth = spread([after.p50 / before.p50 for before, after in pairs])
    yield Line(
        name="ranking",
        what=f"uncached ranking of {scene.AGENCIES} agencies, {plan.many_ratings:,} ratings "
        f"against {plan.few_ratings:,}: growth of latency",
        bar=f"at most {BAR}",
        measured=str(growth),
        repeats=f"{len(pairs)} pairs",
        passed=growth.middle <= BAR,
        here=f"few {_latency([pair[0] for pair in pairs])}; "
        f"many {_latency([pair[1] for pair in pairs])}",
    )


def _read(plan: Plan, stage: Stage, service: Service) -> Run:
    stage.step("reading")
    quiet()
    return run(Load(service.url(PATH), ADMIN_KEY, 1, plan.read_seconds))


def _check(service: Service, ratings: int) -> None:
    """Nothing when the ranking rests on every rating."""
    if (found := scene.counted(service)) != ratings:
        raise BenchError(f"the ranking rests on {found} ratings of {ratings}")


def _latency(runs: list[Run]) -> str:
    p50, p99 = (median(getattr(one, name) for one in runs) for name in ("p50", "p99"))
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"
