"""Dossiers with all that happened to them, by the hundred, as files have them.

What is new and right is stored with a few statements for all, and what is known is told so. A row
that is anything else is left to the rules of a single request.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Integer, String, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies, catalogue, dossiers, funnel, invitations
from app.db.tables import Counter, Dossier, DossierEvent, Procedure
from app.domain import course as rules
from app.domain.dossier import Event, EventType, Receipt
from app.domain.errors import DossierMoveRefusedError

Place = tuple[int, str]  # the agency's number, and the dossier's code


class Whole(NamedTuple):
    """Whose dossier it is, what its receipt says, and what happened to it, in that order."""

    agency: str
    code: str
    receipt: Mapping[str, Any]
    events: Sequence[Event]


class _Held(NamedTuple):
    """A dossier as it is stored."""

    dossier: Dossier
    events: list[Event]

    def says(self, whole: Whole) -> bool:
        """Whether all of that was said before."""
        try:
            return dossiers.receipt_is(self.dossier, whole.receipt) and all(
                rules.said_before(self.events, event) for event in whole.events
            )
        except DossierMoveRefusedError:
            return False


class New(NamedTuple):
    """A dossier that is not stored yet, with its events, which are all right."""

    agency: str
    dossier: Dossier
    events: list[dict[str, Any]]


async def judge(session: AsyncSession, wholes: Sequence[Whole]) -> list[New | bool]:
    """Of each dossier: True, all was there before; False, it is left to the rules of one.

    None is named twice. Until the transaction ends nobody else registers these dossiers.
    """
    found = await agencies.of_codes(session, sorted({whole.agency for whole in wholes}))
    owners = {owner.code: owner.id or 0 for owner in found}
    places = [(owners.get(whole.agency, 0), whole.code) for whole in wholes]
    await catalogue.alone_all(session, Dossier, places)
    held = await _held(session, places)
    unknown = await _unknown(session, wholes)
    judged: list[New | bool] = []
    for whole, place in zip(wholes, places, strict=True):
        if place in held:
            judged.append(held[place].says(whole))
        elif whole.agency not in owners or unknown & _references(whole):
            judged.append(False)
        else:
            judged.append(_begun(place, whole) or False)
    return judged


async def _held(session: AsyncSession, places: Collection[Place]) -> dict[Place, _Held]:
    """Those of the dossiers that are stored."""
    owners, codes = zip(*places, strict=True)
    # A join, because a long list of pairs would be compared with every row of the table.
    wanted = func.unnest(literal(owners, ARRAY(Integer)), literal(codes, ARRAY(String)))
    at = wanted.table_valued("owner", "name").render_derived()
    stmt = select(Dossier).join(
        at, (col(Dossier.agency_id) == at.c.owner) & (col(Dossier.code) == at.c.name)
    )
    found = {(row.agency_id, row.code): _Held(row, []) for row in await session.scalars(stmt)}
    of = select(DossierEvent).join(
        at, (col(DossierEvent.agency_id) == at.c.owner) & (col(DossierEvent.dossier) == at.c.name)
    )
    for event in await session.scalars(of.order_by(col(DossierEvent.number))) if found else ():
        found[event.agency_id, event.dossier].events.append(dossiers.event_of(event))
    return found


def _references(whole: Whole) -> set[tuple[str, ...]]:
    """What of the catalogue a receipt names: a procedure, and a counter of the agency."""
    counter = whole.receipt["counter"]
    named: set[tuple[str, ...]] = {(whole.receipt["procedure"],)}
    return named if counter is None else named | {(whole.agency, counter)}


async def _unknown(session: AsyncSession, wholes: Sequence[Whole]) -> set[tuple[str, ...]]:
    """Those of the references that the catalogue does not have."""
    named = set().union(*map(_references, wholes))
    counters = [one for one in named if len(one) > 1]
    known = select(col(Counter.agency), col(Counter.code)).where(
        col(Counter.agency).in_({agency for agency, _ in counters})
    )
    found = {(agency, code) for agency, code in await session.execute(known)}
    procedures = [one[0] for one in named if len(one) == 1]
    missing = await catalogue.missing(session, col(Procedure.code), procedures)
    return {(code,) for code in missing} | (set(counters) - found)


def _begun(place: Place, whole: Whole) -> New | None:
    """The dossier as it is after its events, or None when not all of them are plainly right."""
    once = {(event.type, event.at) for event in whole.events}
    kinds = {event.type for event in whole.events}
    if len(once) < len(whole.events) or EventType.CORRECTED in kinds:
        return None
    receipt = Receipt(whole.receipt["received_at"], whole.receipt["due_at"])
    try:
        course = rules.replay(receipt, whole.events, dossiers.HOLIDAYS)
    except DossierMoveRefusedError:
        return None
    of = dict(zip(("agency_id", "dossier"), place, strict=True))
    dossier = Dossier(
        agency_id=place[0],
        code=whole.code,
        revision=1 + len(whole.events),
        **dossiers.of_receipt(whole.receipt),
        **dossiers.state(course),
    )
    events = [
        {**of, **dossiers.recorded(one, number)} for number, one in enumerate(whole.events, 1)
    ]
    return New(whole.agency, dossier, events)


async def add(session: AsyncSession, key: bytes, new: Sequence[New], now: datetime) -> None:
    """Store the dossiers with their events, count them, and invite to rate those returned."""
    session.add_all([one.dossier for one in new])
    await session.flush()
    if events := [event for one in new for event in one.events]:
        await session.execute(insert(DossierEvent), events)
    returned = [(one.agency, one.dossier) for one in new if one.dossier.returned_at is not None]
    await invitations.issue_first(session, key, returned, now)
    await session.flush()
    await funnel.add(session, [(one.dossier.agency_id, one.dossier.code) for one in new])
