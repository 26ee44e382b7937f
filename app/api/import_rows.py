"""The rows of imports: each is the body of the request that it stands for, under the same rules."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

from pydantic import Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import REQUEST_KEY
from app.api.dossier_schemas import DossierIn, EventIn
from app.api.errors import MOST_FAULTS
from app.api.faults import CODE_PATTERN, fault_of
from app.api.published_indices import PublishedIndexIn, checked_values
from app.api.rating_check import Checked, RatingCheck
from app.api.rating_schemas import RatingIn
from app.api.schemas import Code, DossierCode, In, PeriodText
from app.api.tally_sheets import TallySheetIn, checked_sheet
from app.bulk.cells import END_OF_DAY
from app.db import dossier_events, dossiers, published_indices, tally_sheets, whole_dossiers
from app.db.catalogue import Expected
from app.db.known import Known
from app.db.whole_dossiers import New, Whole
from app.domain import period, published
from app.domain.access import Caller
from app.domain.errors import DomainError, Fault, InvalidError, PublishedIndexNotFoundError
from app.domain.operation import Kind
from app.domain.refusals import Refusals

MOST_EVENTS = 200
MOST_COST = 50  # some tenths of a second

# Where a request has in its address or headers what a row has among its fields.
_IN_ROW = {"/path/agency": "/agency", "/path/dossier": "/code", "/header/Idempotency-Key": "/id"}


class DossierRow(DossierIn):
    """A dossier's receipt, whose it is, and what happened to it, in that order."""

    agency: Code
    code: DossierCode
    events: Annotated[list[EventIn], Field(max_length=MOST_EVENTS)] = Field(default=[])

    def of_receipt(self) -> dict[str, Any]:
        """What the receipt says."""
        return self.model_dump(exclude={"agency", "code", "events"})


class SheetRow(TallySheetIn):
    """A tally sheet with the name of its request."""

    id: Annotated[str, Field(pattern=REQUEST_KEY)] | None = None


class IndexRow(PublishedIndexIn):
    """What a source published, and of whom and when."""

    source: Code
    period: PeriodText
    agency: Code


ROWS: Mapping[Kind, type[In]] = {
    Kind.RATINGS: RatingIn,
    Kind.DOSSIERS: DossierRow,
    Kind.TALLY_SHEETS: SheetRow,
    Kind.PUBLISHED_INDICES: IndexRow,
}


@dataclass(frozen=True, slots=True)
class Terms:
    """Who imports, when, and the secret that dossier references are made with."""

    caller: Caller
    moment: datetime
    key: bytes


def read(kind: Kind, fields: Mapping[str, Any]) -> In:
    """The row as the request's model has it; raises InvalidError naming every fault."""
    try:
        return ROWS[kind].model_validate(fields)
    except ValidationError as error:
        found = error.errors(include_url=False)[:MOST_FAULTS]
        faults = [fault_of({**one, "loc": ("body", *one["loc"])}) for one in found]
        raise InvalidError(*faults) from None


async def store_some(
    session: AsyncSession, rows: Sequence[In], terms: Terms
) -> list[bool | list[Fault]]:
    """Of the first rows, in order, whether all they say was there before, or why it was not stored.

    They are as many as others may be kept waiting for, who want what this transaction holds.
    """
    times = Counter((row.agency, row.code) for row in rows if isinstance(row, DossierRow))
    plain = {
        place: whole
        for place, row in enumerate(rows)
        # Rows of the same dossier must be taken one after the other.
        if isinstance(row, DossierRow) and times[row.agency, row.code] == 1
        if (whole := _whole(row, terms)) is not None
    }
    judged = await whole_dossiers.judge(session, list(plain.values())) if plain else []
    found = dict(zip(plain, judged, strict=True))
    spent, taken = 0, list[New | bool]()
    for place, row in enumerate(rows):
        one = found.get(place, False)
        spent += 0 if one else _cost(row)
        if spent > MOST_COST and taken:
            break
        taken.append(one)
    new = [one for one in taken if isinstance(one, New)]
    if new:
        await whole_dossiers.add(session, terms.key, new, terms.moment)
    return [
        one is True if one else await _stored(session, row, terms)
        for row, one in zip(rows, taken, strict=False)
    ]


def _cost(row: In) -> int:
    """How long a row that is stored by itself takes: a dossier is written with each event."""
    return 1 + len(row.events) if isinstance(row, DossierRow) else 1


async def _stored(session: AsyncSession, row: In, terms: Terms) -> bool | list[Fault]:
    try:
        async with session.begin_nested():
            return await _STORE[type(row)](session, row, terms)
    except DomainError as error:
        return faults(error)


def _whole(row: DossierRow, terms: Terms) -> Whole | None:
    """The dossier, if nothing speaks against it so far."""
    try:
        terms.caller.check_agency(row.agency, "/agency")
        row.receipt.check(terms.moment)
        events = [said.heard(terms.moment) for said in row.events]
    except DomainError:
        return None
    return Whole(row.agency, row.code, row.of_receipt(), events)


def faults(error: DomainError) -> list[Fault]:
    """What the refusal says is wrong, with its places in the row."""
    found = error.faults[:MOST_FAULTS] or (Fault("", error.code),)
    return [replace(fault, pointer=_IN_ROW.get(fault.pointer, fault.pointer)) for fault in found]


async def rating(checking: RatingCheck, row: RatingIn, *, of_table: bool) -> Checked:
    """The rating, checked; raises the DomainError of what speaks against it.

    Of a table a day's end stands for the day; of today's, which is not over, it is now.
    """
    now, at = checking.moment, row.rated_at
    by_day = of_table and at is not None and at.astimezone(period.VIETNAM).time() == END_OF_DAY
    if at is not None and by_day and period.local_day(at) == period.local_day(now):
        at = min(at, now)
    # Without an id of its own a row is known by what it rates.
    name = f"row\n{row.agency}\n{row.dossier}\n{row.invitation}"
    return await checking.check(row, name, at)


async def with_options(
    known: Known, fields: Mapping[str, Any], found: Sequence[Fault]
) -> list[Fault]:
    """The faults of a rating's cells; of answers that are no option, with those that there are."""
    if not any(map(_unanswerable, found)):
        return [*found]
    named = [str(fields.get(name, "")) for name in ("agency", "survey")]
    if not all(re.fullmatch(CODE_PATTERN, name) for name in named):
        return [*found]
    try:
        grounds = await known.grounds(named[0], named[1], None)
    except DomainError:
        return [*found]
    options = {
        f"/answers/{question.code}": ", ".join(
            f"{option.code} ({option.label['vi']})" for option in question.options
        )
        for question in grounds.form.questionnaire.questions
    }
    return [
        Fault(fault.pointer, "cell-not-an-option", {"allowed": options[fault.pointer]})
        if _unanswerable(fault) and fault.pointer in options
        else fault
        for fault in found
    ]


def _unanswerable(fault: Fault) -> bool:
    no_option = {"unknown-option", "bad-code", "too-long"}
    return fault.pointer.startswith("/answers/") and fault.code in no_option


async def _dossier(session: AsyncSession, row: DossierRow, terms: Terms) -> bool:
    terms.caller.check_agency(row.agency, "/agency")
    refusals = Refusals()
    with refusals:
        row.receipt.check(terms.moment)
    with refusals:
        await dossiers.check_references(session, row.agency, row.procedure, row.counter)
    refusals.raise_all()
    values = row.of_receipt()
    known = await dossiers.says(session, row.agency, row.code, values)
    if not known:
        await dossiers.register(session, row.agency, row.code, values, Expected())
    of = (row.agency, row.code)
    for place, said in enumerate(row.events):
        with _within(f"/events/{place}"):
            event = said.heard(terms.moment)
            recorded = await dossier_events.record(session, terms.key, of, event)
        known = known and recorded.replayed
    return known


@contextmanager
def _within(place: str) -> Iterator[None]:
    """Refusals of a part of the row name their places from there."""
    try:
        yield
    except DomainError as error:
        found = [replace(one, pointer=f"{place}{one.pointer}") for one in faults(error)]
        raise type(error)(*found) from None


async def _sheet(session: AsyncSession, row: SheetRow, terms: Terms) -> bool:
    terms.caller.check_agency(row.agency, "/agency")
    new = await checked_sheet(row, session, terms.moment, uuid4(), row.id)
    _, replayed = await tally_sheets.submit(session, new)
    return replayed


async def _index(session: AsyncSession, row: IndexRow, terms: Terms) -> bool:
    terms.caller.check_agency(row.agency, "/agency")
    values, months = checked_values(row), period.parse(row.period)
    published.check_begun(months, period.local_day(terms.moment), "/period")
    try:
        held = await published_indices.get(session, row.source, months, row.agency)
    except PublishedIndexNotFoundError:
        pass
    else:
        if all(getattr(held, name) == value for name, value in values.items()):
            return True
    key = {"agency": row.agency, "source": row.source, "first": months.first, "last": months.last}
    await published_indices.put(session, key, values, Expected())
    return False


_STORE: Mapping[type[In], Callable[[AsyncSession, Any, Terms], Awaitable[bool]]] = {
    DossierRow: _dossier,
    SheetRow: _sheet,
    IndexRow: _index,
}
