"""Freezing and publishing editions, and the step of it that grows with all pairs of agencies."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

from app.domain.interval import Leaf
from app.domain.rank_interval import rank_sets
from bench import scene
from bench.lines import BenchError, Line, many, spread
from bench.plan import Plan
from bench.provinces import Provinces
from bench.scratch import ADMIN_KEY, Service, quiet, serving
from bench.stage import Stage

BAR = 2.0  # seconds, in which the slowest is done
RANKS_BAR = 1.0
QUARTER = f"{scene.YEAR}-Q4"  # the one before it was rated, too
METHOD = "mean-of-criteria@1"  # the one that takes longest
CROWD = 10_000

Json = dict[str, Any]


def publish(service: Service, code: str) -> Json:
    """Freeze an edition of the agencies and publish it; returns how it is shown."""
    asked = {
        "code": code,
        "title": {"vi": "Mức độ hài lòng, công bố theo quý"},
        "peer_group": scene.GROUP,
        "period": QUARTER,
        "surveys": [scene.SURVEY],
        "method": METHOD,
    }
    with httpx.Client(
        base_url=service.url("/v1"),
        headers={"Authorization": f"Bearer {ADMIN_KEY}"},
        timeout=60,
        trust_env=False,
    ) as client:
        client.post("/editions", json=asked).raise_for_status()
        published: Json = client.post(f"/editions/{code}/publish").raise_for_status().json()
    return published


def lines(plan: Plan, stage: Stage, provinces: Provinces) -> Iterator[Line]:
    """One line for the departments, one for the communes, and one for the ranks of very many."""
    scenes = ((scene.AGENCIES, plan.many_ratings), (scene.COMMUNES, plan.commune_ratings))
    stage.expect(len(scenes) * (1 + plan.repeats) + plan.repeats)
    for peers, ratings in scenes:
        stage.step(f"storing {ratings} ratings")
        province = provinces.of(ratings, stage, peers)
        with serving(province.data, database_url=province.url) as service:
            times = []
            for place in range(plan.repeats):
                stage.step(f"an edition of {peers} agencies")
                times.append(_timed(partial(publish, service, f"measured-{place}")))
            _check(service, f"measured-{plan.repeats - 1}", peers)
        yield _of_edition(peers, ratings, times)
    yield _of_ranks(plan, stage)


def _timed(work: Callable[[], object]) -> float:
    """How many seconds it takes, begun when the machine is quiet."""
    quiet()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _check(service: Service, code: str, peers: int) -> None:
    """Nothing when the edition ranks every agency by every criterion, else BenchError."""
    document = httpx.get(service.url(f"/v1/editions/{code}"), trust_env=False)
    rankings = document.raise_for_status().json()["rankings"]
    sizes = [len([row for row in one["rows"] if row["change"]]) for one in rankings]
    if sizes != [peers] * (1 + len(scene.CRITERIA)):
        raise BenchError(f"the edition ranks {sizes} agencies, and {peers} were expected")


def _of_edition(peers: int, ratings: int, times: Sequence[float]) -> Line:
    taken = spread(times)
    return Line(
        name=f"editions, {peers} agencies",
        what=f"freezing and publishing an edition of {len(scene.CRITERIA)} criteria over HTTP; the "
        "slowest counts",
        bar=f"under {BAR:g} s",
        measured=f"{taken} s",
        repeats=many(len(times), "edition"),
        passed=taken.most < BAR,
        here=f"slowest {taken.most:.2f} s, median {taken.middle:.2f} s; {ratings:,} ratings",
    )


def _compare(shares: npt.NDArray[np.float64]) -> None:
    """Tell of all pairs which is the better one, a row at a time."""
    for share in shares:
        np.greater(shares - share, 0)


def _of_ranks(plan: Plan, stage: Stage) -> Line:
    shares = np.linspace(0.6, 0.99, CROWD)
    crowd = [[Leaf(share, 300, 1.0)] for share in shares.tolist()]
    pairs = []
    for _ in range(plan.repeats):
        stage.step(f"ranks of {CROWD:,} agencies")
        pairs.append((_timed(partial(_compare, shares)), _timed(partial(rank_sets, crowd))))
    taken, ratio = spread([one[1] for one in pairs]), spread([sets / one for one, sets in pairs])
    return Line(
        name=f"editions, ranks of {CROWD:,}",
        what="between which ranks each agency may truly stand (`rank_sets`); the slowest counts",
        bar=f"under {RANKS_BAR:g} s",
        measured=f"{taken} s",
        repeats=f"{len(pairs)} pairs",
        passed=taken.most < RANKS_BAR,
        here=f"{ratio} times a subtraction and comparison of {CROWD:,} by {CROWD:,} numbers",
    )
