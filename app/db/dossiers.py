"""Dossiers: registered, corrected while they are open, looked up and listed."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from holidays import country_holidays
from sqlalchemy import ColumnElement, and_, func, not_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies, catalogue, funnel, procedures
from app.db.catalogue import Expected
from app.db.tables import Agency, Dossier, DossierEvent
from app.domain import course as rules
from app.domain.course import Course
from app.domain.dossier import Event, EventType, Receipt, Status, is_code
from app.domain.errors import DossierMoveRefusedError, DossierNotFoundError, Fault, InvalidError
from app.domain.refusals import Refusals

HOLIDAYS = country_holidays("VN")

YEAR_ONE, MICROSECOND = datetime.min.replace(tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of an agency's dossiers are asked for; `now` decides which are overdue."""

    now: datetime
    status: int | None = None
    overdue: bool | None = None
    counter: str | None = None
    procedure: str | None = None

    @property
    def by_due_time(self) -> bool:
        """Whether they are listed in the order of their due time, and not of their codes."""
        return self.overdue is True


async def get(session: AsyncSession, agency: str, code: str) -> Dossier:
    """The dossier; raises AgencyNotFoundError or DossierNotFoundError."""
    owner = await agencies.get(session, agency)
    return await find(session, owner, code, lock=False)


async def find(session: AsyncSession, owner: Agency, code: str, *, lock: bool) -> Dossier:
    """The agency's dossier, locked against other writers if so wished.

    Raises DossierNotFoundError.
    """
    key = {"agency_id": owner.id, "code": code}
    dossier = await session.get(Dossier, key, with_for_update=lock)
    if dossier is None:
        raise DossierNotFoundError(Fault("/path/dossier", "dossier-not-found", {"code": code}))
    return dossier


async def events(session: AsyncSession, dossier: Dossier) -> Sequence[DossierEvent]:
    """All that was recorded of a dossier, in that order, with what was cancelled."""
    stmt = (
        select(DossierEvent)
        .where(
            col(DossierEvent.agency_id) == dossier.agency_id,
            col(DossierEvent.dossier) == dossier.code,
        )
        .order_by(col(DossierEvent.number))
    )
    return (await session.scalars(stmt)).all()


async def list_page(
    session: AsyncSession, agency: str, wanted: Wanted, after: str | None, limit: int
) -> Sequence[Dossier]:
    """Up to `limit` of the dossiers that are wanted, after the one that the cursor names.

    Raises InvalidError when the cursor is of another list.
    """
    owner = await agencies.get(session, agency)
    order = [col(Dossier.due_at), col(Dossier.code)] if wanted.by_due_time else [col(Dossier.code)]
    stmt = select(Dossier).where(col(Dossier.agency_id) == owner.id, *_conditions(wanted))
    if after is not None:
        place = _place(after, wanted)
        if await session.get(Dossier, (owner.id, place[-1])) is None:
            raise InvalidError(Fault("/query/cursor", "bad-cursor"))
        stmt = stmt.where(tuple_(*order) > tuple_(*place))
    return (await session.scalars(stmt.order_by(*order).limit(limit))).all()


def cursor(last: Dossier, wanted: Wanted) -> str:
    """What the page that ends with this dossier says of where the next begins."""
    if not wanted.by_due_time or last.due_at is None:
        return last.code
    return f"{(last.due_at - YEAR_ONE) // MICROSECOND}_{last.code}"


def _place(cursor: str, wanted: Wanted) -> tuple[object, ...]:
    due_at, _, code = cursor.rpartition("_")
    if bool(due_at) == wanted.by_due_time and is_code(code):
        with suppress(ValueError, OverflowError):
            return (YEAR_ONE + int(due_at) * MICROSECOND, code) if due_at else (code,)
    raise InvalidError(Fault("/query/cursor", "bad-cursor"))


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    named = {name: getattr(wanted, name) for name in ("status", "counter", "procedure")}
    found = [
        col(getattr(Dossier, name)) == value for name, value in named.items() if value is not None
    ]
    # The rule itself is `overdue` in the domain; here it must find rows by an index.
    overdue = and_(
        col(Dossier.ended_at).is_(None),
        col(Dossier.due_at) < wanted.now,
        col(Dossier.status) != Status.SUPPLEMENT.value,
    )
    if wanted.overdue is not None:
        found.append(overdue if wanted.overdue else not_(func.coalesce(overdue, False)))
    return found


async def register(
    session: AsyncSession, agency: str, code: str, values: Mapping[str, Any], expected: Expected
) -> Dossier:
    """Store what a dossier's receipt says and return the dossier.

    Said again it may correct the receipt while the dossier is open and its events still fit;
    afterwards only the same words are accepted. Else raises DossierMoveRefusedError.
    """
    owner = await agencies.get(session, agency)
    key = {"agency_id": owner.id, "code": code}
    await catalogue.alone(session, Dossier, owner.id, code)
    held = await session.get(Dossier, key, with_for_update=True)
    said = of_receipt(values)
    receipt = Receipt(values["received_at"], values["due_at"])
    if held is None:
        course = rules.begin(receipt)
    else:
        catalogue.check(held.revision, expected)
        if held.ended_at is not None:
            _check_same(held, values)
            return held
        course = await _refitted(session, held, receipt)
    async with funnel.moved(session, owner.id or 0, code):
        return await catalogue.put(session, Dossier, key, {**said, **state(course)}, expected)


async def says(session: AsyncSession, agency: str, code: str, values: Mapping[str, Any]) -> bool:
    """Whether the dossier is registered with just this receipt; raises AgencyNotFoundError."""
    owner = await agencies.get(session, agency)
    held = await session.get(Dossier, {"agency_id": owner.id, "code": code})
    return held is not None and receipt_is(held, values)


def receipt_is(held: Dossier, values: Mapping[str, Any]) -> bool:
    """Whether that is what the dossier's receipt says."""
    return all(getattr(held, name) == value for name, value in of_receipt(values).items())


def of_receipt(values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a dossier that its receipt says."""
    return {("receipt_due_at" if name == "due_at" else name): values[name] for name in values}


async def _refitted(session: AsyncSession, held: Dossier, receipt: Receipt) -> Course:
    """The course of the dossier, had its receipt always been this one."""
    # Days are counted anew only from another day: the calendar may have been amended since.
    calendar = None if held.received_at == receipt.received_at else HOLIDAYS
    recorded = [event_of(row) for row in await events(session, held)]
    return rules.replay(receipt, recorded, calendar)


def _check_same(held: Dossier, values: Mapping[str, Any]) -> None:
    if receipt_is(held, values):
        return
    if held.returned_at is not None:
        raise DossierMoveRefusedError(Fault("", "returned-already"))
    raise DossierMoveRefusedError(Fault("", "ended-already"))


def state(course: Course) -> dict[str, Any]:
    """The columns of a dossier that follow from its course."""
    return {
        "status": course.status.value,
        "due_at": course.due_at,
        "new_due_at": course.new_due_at,
        "returned_at": course.returned_at,
        "ended_at": course.ended_at,
    }


def event_of(row: DossierEvent) -> Event:
    """The event as the rules see it."""
    told = row.model_dump(exclude={"agency_id", "dossier", "type", "request_key"})
    return Event(type=EventType(row.type), **told)


def recorded(event: Event, number: int) -> dict[str, Any]:
    """The columns of an event that is recorded as the dossier's event of that number."""
    return {
        "number": number,
        "type": event.type.value,
        "at": event.at,
        "due_at": event.due_at,
        "new_due_at": event.new_due_at,
        "reason": event.reason,
        "cancels": event.cancels,
        "recorded_at": event.recorded_at,
    }


async def check_references(
    session: AsyncSession, agency: str, procedure: str, counter: str | None
) -> None:
    """Nothing when the agency, its counter and the procedure exist; else names what does not."""
    refusals = Refusals()
    with refusals:
        await agencies.get(session, agency)
    with refusals:
        await procedures.check_known(session, procedure)
    with refusals:
        await agencies.check_counter(session, agency, counter)
    refusals.raise_all()
