"""Ranking the agencies of a group, computed anew, with few ratings and with many."""

from collections.abc import Iterator
from statistics import median

import httpx

from bench import scene
from bench.lines import BenchError, Line, spread
from bench.plan import Plan
from bench.provinces import Provinces
from bench.scratch import ADMIN_KEY, Service, quiet, serving
from bench.stage import Stage
from bench.wrk import Load, Run, run

BAR = 1.2
# Half a year against the half before it, so that every rating counts.
PATH = (
    f"/v1/rankings?peer_group={scene.GROUP}&survey={scene.SURVEY}"
    f"&first={scene.YEAR}-07-01&last={scene.YEAR}-12-31"
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
        what=f"uncached ranking of {scene.AGENCIES} agencies with intervals, changes and advice, "
        f"{plan.many_ratings:,} ratings against {plan.few_ratings:,}: growth of latency",
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
    return run(Load(service.url(PATH), 1, plan.read_seconds, ADMIN_KEY))


def _check(service: Service, ratings: int) -> None:
    """Nothing when every rating is counted and every agency has all that is measured."""
    if (found := scene.counted(service)) != ratings:
        raise BenchError(f"the ranking rests on {found} ratings of {ratings}")
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    answer = httpx.get(service.url(PATH), headers=headers, trust_env=False).raise_for_status()
    for part in ("rank_low", "rank_high", "change", "improvement"):
        there = sum(row[part] is not None for row in answer.json()["rows"])
        if there != scene.AGENCIES:
            raise BenchError(f"{there} of {scene.AGENCIES} agencies have {part}")


def _latency(runs: list[Run]) -> str:
    p50, p99 = (median(getattr(one, name) for one in runs) for name in ("p50", "p99"))
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"
