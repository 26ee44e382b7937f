"""Counting all ratings anew, against counting only how many answers there are."""

import asyncio
import time
from collections.abc import Iterator
from statistics import median

from sqlalchemy import text

from app.db import recount, session
from bench.lines import BenchError, Line, spread
from bench.plan import Plan
from bench.provinces import Provinces
from bench.scratch import quiet
from bench.stage import Stage

BAR = 3.0
_COUNT = text("SELECT count(*) FROM rating, unnest(answers)")

Seconds = tuple[float, float]  # of the plain count, and of the recount


def lines(plan: Plan, stage: Stage, provinces: Provinces) -> Iterator[Line]:
    """One line: how many times as long a recount takes."""
    stage.expect(1 + plan.repeats)
    stage.step(f"storing {plan.many_ratings} ratings")
    url = provinces.of(plan.many_ratings, stage).url
    pairs = asyncio.run(_pairs(plan, stage, url))
    ratio = spread([counted / plain for plain, counted in pairs])
    plain, counted = (median(pair[side] for pair in pairs) for side in (0, 1))
    yield Line(
        name="recount",
        what=f"recount of {plan.many_ratings:,} ratings against `SELECT count(*)` over their "
        "unnested answers",
        bar=f"at most {BAR:g}",
        measured=str(ratio),
        repeats=f"{len(pairs)} pairs",
        passed=ratio.middle <= BAR,
        here=f"recount {counted:.2f} s, plain count {plain:.2f} s",
    )


async def _pairs(plan: Plan, stage: Stage, url: str) -> list[Seconds]:
    engine = session.open_engine(url)
    sessions = session.sessions(engine)
    try:
        pairs = []
        for _ in range(plan.repeats):
            stage.step("counting")
            await asyncio.to_thread(quiet)
            began = time.monotonic()
            async with sessions.begin() as opened:
                await opened.execute(_COUNT)
            between = time.monotonic()
            async with sessions.begin() as opened:
                parts = await recount.parts(opened)
            found = await recount.compare_all(sessions, parts)
            pairs.append((between - began, time.monotonic() - between))
            if drift := recount.total(found):
                raise BenchError(f"{drift} counts differ from what they count")
        return pairs
    finally:
        await engine.dispose()
