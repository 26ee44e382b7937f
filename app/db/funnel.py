"""The funnel: how many dossiers came how far, counted in the transaction that moved them.

The fragments below say once what counts where. A dossier's counts are taken out before it changes
and put in again afterwards, so the change needs no arithmetic of its own.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tallies import DAY, IN_CALENDAR, MONTH, MONTHS
from app.domain.evidence import Funnel
from app.domain.measure import Level
from app.domain.period import Period

# What dossiers contribute. One that is only registered, or was not accepted, is not received.
DOSSIER_CELLS = """
    SELECT d.agency_id, counted.month, coalesce(d.counter, '') AS counter, d.procedure, d.channel,
           sum(counted.received) AS received, sum(counted.returned) AS returned,
           sum(counted.late) AS late, sum(counted.invited) AS invited,
           sum(counted.opened) AS opened, 0 AS rated
      FROM {dossiers} AS d
      LEFT JOIN LATERAL (
           SELECT 1 AS invited, bool_or(i.opened)::int AS opened
             FROM invitation AS i
            WHERE i.agency_id = d.agency_id AND i.dossier = d.code
           HAVING count(*) > 0) AS invitation ON d.returned_at IS NOT NULL
     CROSS JOIN LATERAL (VALUES
           (date_trunc('month', d.received_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date,
            (d.status NOT IN (1, 3))::int, 0, 0, 0, 0),
           (date_trunc('month', d.returned_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date,
            0, 1, (d.returned_at > d.due_at)::int, coalesce(invitation.invited, 0),
            coalesce(invitation.opened, 0))
           ) AS counted (month, received, returned, late, invited, opened)
     WHERE counted.received + counted.returned > 0 AND counted.month IS NOT NULL
     GROUP BY 1, 2, 3, 4, 5
"""

# What ratings contribute: where their dossier was returned, whenever they were given. One that
# rests on an invitation to a survey has no dossier.
RATED_CELLS = """
    SELECT r.agency_id, r.funnel_month AS month, coalesce(r.funnel_counter, '') AS counter,
           r.procedure, r.service_channel AS channel, 0 AS received, 0 AS returned, 0 AS late,
           0 AS invited, 0 AS opened, count(*) AS rated
      FROM {ratings} AS r
     WHERE r.funnel_month IS NOT NULL
     GROUP BY 1, 2, 3, 4, 5
"""

# The CTEs that end in `cells`, the same as DOSSIER_CELLS and RATED_CELLS make together, for many at
# once: a look at the invitations of each dossier by itself, or date_trunc, would take several times
# as long. UNFIT tells how many do not fit: no month of the calendar, or no first invitation.
MANY_CELLS = f"""
months AS MATERIALIZED ({MONTHS}), again AS (
    SELECT agency_id, dossier, bool_or(opened) AS opened
      FROM {{invitations}} AS i WHERE number > 1 GROUP BY 1, 2
), lives AS MATERIALIZED (
    SELECT d.agency_id, coalesce(d.counter, '') AS counter, d.procedure, d.channel,
           {MONTH.format(moment="d.received_at")} AS received_in,
           {MONTH.format(moment="d.returned_at")} AS returned_in,
           count(*) FILTER (WHERE d.status NOT IN (1, 3)) AS received,
           count(d.returned_at) AS returned,
           count(*) FILTER (WHERE d.returned_at > d.due_at) AS late,
           count(first.dossier) FILTER (WHERE d.returned_at IS NOT NULL) AS invited,
           count(*) FILTER (WHERE (first.opened OR again.opened) AND d.returned_at IS NOT NULL)
           AS opened,
           count(again.dossier) FILTER (WHERE first.dossier IS NULL) AS unfit
      FROM {{dossiers}} AS d
      LEFT JOIN {{invitations}} AS first
        ON (first.agency_id, first.dossier, first.number) = (d.agency_id, d.code, 1)
      LEFT JOIN again ON (again.agency_id, again.dossier) = (d.agency_id, d.code)
     GROUP BY 1, 2, 3, 4, 5, 6
), cells AS (
    SELECT agency_id, {DAY.format(month="received_in")} AS month, counter, procedure, channel,
           received, 0 AS returned, 0 AS late, 0 AS invited, 0 AS opened, 0 AS rated
      FROM lives WHERE received > 0
     UNION ALL
    SELECT agency_id, {DAY.format(month="returned_in")}, counter, procedure, channel,
           0, returned, late, invited, opened, 0
      FROM lives WHERE returned > 0
     UNION ALL
    ({RATED_CELLS}))
"""  # noqa: S608 -- fragments, no input
UNFIT = f"""
    (SELECT count(*) FROM lives
      WHERE unfit > 0 OR NOT received_in {IN_CALENDAR} OR NOT returned_in {IN_CALENDAR})
"""  # noqa: S608 -- fragments, no input

# Rows are taken in the order of their key, so that two transactions never lock crosswise.
ADD_CELLS = """
    INSERT INTO funnel (agency_id, month, counter, procedure, channel,
                        received, returned, late, invited, opened, rated)
    {cells}
    ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (agency_id, month, counter, procedure, channel)
    DO UPDATE SET received = funnel.received + excluded.received,
                  returned = funnel.returned + excluded.returned,
                  late = funnel.late + excluded.late,
                  invited = funnel.invited + excluded.invited,
                  opened = funnel.opened + excluded.opened,
                  rated = funnel.rated + excluded.rated
"""

# A negative row cannot be proposed to ADD_CELLS, so taking out is an update of locked rows.
SUBTRACT_CELLS = """
    WITH gone AS ({cells}), locked AS (
        SELECT funnel.agency_id, funnel.month, funnel.counter, funnel.procedure, funnel.channel,
               gone.received, gone.returned, gone.late, gone.invited, gone.opened, gone.rated
          FROM funnel JOIN gone USING (agency_id, month, counter, procedure, channel)
         ORDER BY 1, 2, 3, 4, 5
           FOR UPDATE OF funnel)
    UPDATE funnel
       SET received = funnel.received - locked.received,
           returned = funnel.returned - locked.returned,
           late = funnel.late - locked.late,
           invited = funnel.invited - locked.invited,
           opened = funnel.opened - locked.opened,
           rated = funnel.rated - locked.rated
      FROM locked
     WHERE (funnel.agency_id, funnel.month, funnel.counter, funnel.procedure, funnel.channel)
         = (locked.agency_id, locked.month, locked.counter, locked.procedure, locked.channel)
"""

_READ = text("""
    SELECT agency_id, sum(received)::bigint, sum(returned)::bigint, sum(late)::bigint,
           sum(invited)::bigint, sum(opened)::bigint, sum(rated)::bigint
      FROM funnel
     WHERE agency_id = ANY(CAST(:agencies AS int[])) AND month BETWEEN :first AND :last
     GROUP BY 1
""")
_SPLIT = text("""
    SELECT CASE CAST(:by AS text) WHEN 'month' THEN to_char(month, 'YYYY-MM')
           WHEN 'counter' THEN counter ELSE procedure END,
           sum(received)::bigint, sum(returned)::bigint, sum(late)::bigint,
           sum(invited)::bigint, sum(opened)::bigint, sum(rated)::bigint
      FROM funnel
     WHERE agency_id = :agency AND month BETWEEN :first AND :last
     GROUP BY 1
""")

_ONE = "(SELECT * FROM dossier WHERE agency_id = :agency_id AND code = :dossier)"
_OF_ONE = text(DOSSIER_CELLS.format(dossiers=_ONE))

_SOME = """(SELECT dossier.* FROM dossier
              JOIN unnest(CAST(:agencies AS int[]), CAST(:dossiers AS text[])) AS one (owner, name)
                ON (dossier.agency_id, dossier.code) = (one.owner, one.name))"""
_ADD_SOME = text(ADD_CELLS.format(cells=DOSSIER_CELLS.format(dossiers=_SOME)))

_KEY = "agency_id, month, counter, procedure, channel"
_GIVEN = f"""
    SELECT {_KEY}, received, returned, late, invited, opened, rated
      FROM jsonb_to_recordset(CAST(:cells AS jsonb)) AS given (
           agency_id int, month date, counter text, procedure text, channel text, received bigint,
           returned bigint, late bigint, invited bigint, opened bigint, rated bigint)
"""  # noqa: S608 -- no input
_LOCK = text(f"""
    SELECT {_KEY} FROM funnel JOIN ({_GIVEN}) AS given USING ({_KEY})
     ORDER BY {_KEY} FOR UPDATE OF funnel
""")  # noqa: S608 -- fragments, no input
_ADD = text(ADD_CELLS.format(cells=_GIVEN))
_SUBTRACT = text(SUBTRACT_CELLS.format(cells=_GIVEN))


@asynccontextmanager
async def moved(session: AsyncSession, agency_id: int, dossier: str) -> AsyncIterator[None]:
    """Keep the funnel right while the dossier, which is locked, or its invitation changes."""
    one = {"agency_id": agency_id, "dossier": dossier}
    before = [dict(row) for row in (await session.execute(_OF_ONE, one)).mappings()]
    yield
    await session.flush()
    after = [dict(row) for row in (await session.execute(_OF_ONE, one)).mappings()]
    if before == after:
        return
    # What goes down and what goes up is locked together: one after the other, two dossiers that
    # move crosswise would wait for each other, and ratings of both counters behind them.
    await session.execute(_LOCK, {"cells": _json(before + after)})
    await session.execute(_SUBTRACT, {"cells": _json(before)})
    await session.execute(_ADD, {"cells": _json(after)})


async def add(session: AsyncSession, dossiers: Sequence[tuple[int, str]]) -> None:
    """Count dossiers that are new (the agency's number and the code), with their invitations."""
    owners, names = zip(*dossiers, strict=True)
    await session.execute(_ADD_SOME, {"agencies": owners, "dossiers": names})


async def read(session: AsyncSession, agencies: Sequence[int], period: Period) -> dict[int, Funnel]:
    """Per agency how far its dossiers of the period came; no entry where there are none."""
    span = {"first": period.first, "last": period.last}
    rows = await session.execute(_READ, {"agencies": list(agencies), **span})
    return {agency: Funnel(*counts) for agency, *counts in rows}


async def split(session: AsyncSession, agency: int, period: Period, by: Level) -> dict[str, Funnel]:
    """An agency's funnel per month, counter or procedure; by channel of rating nothing is known."""
    if by is Level.CHANNEL:
        return {}
    span = {"first": period.first, "last": period.last}
    rows = await session.execute(_SPLIT, {"agency": agency, "by": by.value, **span})
    return {key: Funnel(*counts) for key, *counts in rows}


def _json(cells: Sequence[Mapping[str, object]]) -> str:
    return json.dumps([{name: str(value) for name, value in cell.items()} for cell in cells])
