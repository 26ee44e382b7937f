"""Reading a published ranking, against a route that has the same bytes in memory."""

from collections.abc import Iterator

import httpx

from bench import editions, scene, twin
from bench.lines import BenchError, Line, many, spread
from bench.plan import Plan
from bench.provinces import Provinces
from bench.scratch import Service, quiet, serving
from bench.stage import Stage
from bench.wrk import Load, Run, run, speed

BAR = 0.85
OWN_OF_EACH = {"x-request-id", "date"}

Pair = tuple[Run, Run]


def lines(plan: Plan, stage: Stage, provinces: Provinces) -> Iterator[Line]:
    """One line for few and one for many readers, and one for those who hold it already."""
    few, most = plan.connections[0], plan.connections[-1]
    stage.expect(2 + 3 * 2 * plan.repeats)
    stage.step(f"storing {plan.many_ratings} ratings")
    province = provinces.of(plan.many_ratings, stage)
    with serving(province.data, "bench.twin", database_url=province.url) as service:
        stage.step("publishing")
        editions.publish(service, twin.EDITION)
        tag = _same(service)
        for connections, held in ((few, None), (most, None), (most, tag)):
            yield _line(connections, held, _pairs(plan, stage, service, (connections, held)))


def _same(service: Service) -> str:
    """The ETag of what both routes answer; raises BenchError unless they answer alike."""
    said = []
    for path in (twin.FROM_MEMORY, twin.REMEMBERED):
        answer = httpx.get(service.url(path), trust_env=False).raise_for_status()
        headers = {name: value for name, value in answer.headers.items() if name not in OWN_OF_EACH}
        said.append((answer.content, headers))
    if said[0] != said[1]:
        raise BenchError("the route and its twin answer differently")
    rows = answer.json()["rows"]
    if sum(row["rank_low"] <= row["rank"] <= row["rank_high"] for row in rows) != scene.AGENCIES:
        raise BenchError(f"{len(rows)} agencies are ranked, not all of them with intervals")
    return str(answer.headers["etag"])


def _pairs(
    plan: Plan, stage: Stage, service: Service, readers: tuple[int, str | None]
) -> list[Pair]:
    """Each repeat's run against the twin, and the one against the product right after it."""
    connections, held = readers

    def read(path: str, seconds: float) -> Run:
        return run(Load(service.url(path), connections, seconds, held=held))

    def measured(path: str) -> Run:
        stage.step(f"{path}, {many(connections, 'connection')}")
        quiet()
        return read(path, plan.read_seconds)

    for path in (twin.FROM_MEMORY, twin.REMEMBERED):
        read(path, plan.warm_seconds)
    return [(measured(twin.FROM_MEMORY), measured(twin.REMEMBERED)) for _ in range(plan.repeats)]


def _line(connections: int, held: str | None, pairs: list[Pair]) -> Line:
    ratio = spread([product.rate / memory.rate for memory, product in pairs])
    memory, product = ([pair[side] for pair in pairs] for side in (0, 1))
    name = f"published, {many(connections, 'connection')}"
    what = "a published ranking against a route that answers the same bytes from memory"
    return Line(
        name=name if held is None else f"{name}, unchanged",
        what=what if held is None else f"{what}, to readers who hold them already (304)",
        bar=f"at least {BAR:.2f}" if held is None else "none",
        measured=str(ratio),
        repeats=f"{len(pairs)} pairs",
        passed=ratio.middle >= BAR if held is None else None,
        here=f"{speed(product)}; twin {speed(memory)}",
    )
