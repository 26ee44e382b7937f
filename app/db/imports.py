"""Ratings by the thousand: the statement of db.ratings, counting in the way that suits many."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, Self

import asyncpg

from app.db import ratings, tallies
from app.db.ratings import NewRating, Outcome
from app.db.recount import MOST_COUNTERS

FEWEST = 256  # Counting fewer in the way of many costs more than it saves.

# Within the months that the way of many knows, whatever the zone.
FIRST, LAST = datetime(2001, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)

_LAYOUTS = "SELECT DISTINCT layout FROM survey WHERE id = ANY($1::int[])"
_ADD = tallies.ADD_COUNTS.format(
    counts="SELECT agency_id, survey_id, facet, month, facet_key, counts FROM counted"
)


class Many(NamedTuple):
    """Ratings, and the columns of their statement, which takes some time to make."""

    batch: Sequence[NewRating]
    columns: ratings.Columns

    @classmethod
    def of(cls, batch: Sequence[NewRating]) -> Self:
        """The ratings, ready to be stored; they are at least one."""
        return cls(batch, ratings.columns(batch))


async def submit(connection: asyncpg.Connection, many: Many) -> list[Outcome]:
    """Store and count the ratings; each one's outcome, in order, as db.ratings has it."""
    batch, columns = many
    if len(batch) < FEWEST or not all(FIRST < new.rated_at < LAST for new in batch):
        return await ratings.submit(connection, batch)
    layouts = await connection.fetch(_LAYOUTS, {new.survey_id for new in batch})
    questions = max(len(layout) - 1 for (layout,) in layouts)
    options = max(after - before for (layout,) in layouts for before, after in pairwise(layout))
    if questions * options > MOST_COUNTERS:
        return await ratings.submit(connection, batch)
    return await ratings.submit_columns(connection, batch, columns, _for_many(questions, options))


@lru_cache(16)
def _for_many(questions: int, options: int) -> str:
    """The statement, with room for so many questions of so many options."""
    counted = tallies.many_counts("accepted", questions, options)
    return ratings.SUBMIT.format(counted=f"{counted}, added AS ({_ADD}")
