"""Rows of exports as they are sent, and the pieces of a file that they make."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from app.bulk import writing
from app.db import exports
from app.db.exports import Wanted
from app.db.session import Sessions
from app.db.surveys import SurveyForm
from app.domain import dossier as rules
from app.domain.period import VIETNAM, local_day

Row = Mapping[str, Any]

_ANSWERS = "answers"
RATING_FIELDS = (
    "id",
    "agency",
    "survey",
    "basis",
    "channel",
    "counter",
    _ANSWERS,
    "comment",
    "rated_on",
    "voided_at",
    "void_reason",
    "rate_again",
    "updated_on",
)
DOSSIER_FIELDS = (
    "agency",
    "code",
    "procedure",
    "counter",
    "channel",
    "received_at",
    "receipt_due_at",
    "due_at",
    "new_due_at",
    "officer",
    "applicant_kind",
    "status",
    "returned_at",
    "ended_at",
    "on_time",
    "overdue",
    "updated_at",
    "events",
)
_EVENT_FIELDS = ("number", "type", "at", "recorded_at", "due_at", "new_due_at", "reason")


@dataclass(frozen=True, slots=True)
class Export:
    """Which rows, whether as CSV, and when it was asked for."""

    wanted: Wanted
    as_csv: bool
    asked_at: datetime


async def ratings(snapshots: Sessions, export: Export) -> AsyncGenerator[bytes]:
    """The file of ratings, piece by piece, all of one moment.

    As in the list of an agency's ratings nothing tells whose they are: of moments only the day.
    """
    async with snapshots.begin() as session:
        await exports.begin(session)
        agencies = await exports.agencies(session)
        forms = await exports.forms(session, export.wanted.survey_id)
        columns = _columns(forms.values())
        if export.as_csv:
            yield writing.heading(columns)
        options = {number: _Ticked(form) for number, form in forms.items()}
        show = partial(_rating, agencies, options)
        async for page in exports.ratings(session, export.wanted):
            yield _written(export, columns, page, show)


async def dossiers(snapshots: Sessions, export: Export) -> AsyncGenerator[bytes]:
    """The file of dossiers and their events, piece by piece, all of one moment."""
    async with snapshots.begin() as session:
        await exports.begin(session)
        agencies = await exports.agencies(session)
        if export.as_csv:
            yield writing.heading(DOSSIER_FIELDS)
        show = partial(_dossier, agencies, export.asked_at)
        async for page in exports.dossiers(session, export.wanted):
            yield _written(export, DOSSIER_FIELDS, page, show)


def _written(
    export: Export, columns: Sequence[str], page: Sequence[Row], show: Callable[[Row], Row]
) -> bytes:
    rows = map(show, page)
    return writing.table(columns, rows) if export.as_csv else writing.ndjson(rows)


def _columns(forms: Iterable[SurveyForm]) -> list[str]:
    """The columns of a table of ratings: one for each question that any of the surveys asks."""
    asked = dict.fromkeys(
        f"{_ANSWERS}.{question.code}" for form in forms for question in form.questionnaire.questions
    )
    place = RATING_FIELDS.index(_ANSWERS)
    return [*RATING_FIELDS[:place], *asked, *RATING_FIELDS[place + 1 :]]


class _Ticked:
    """What was ticked on a survey's form, by the places that a rating holds."""

    def __init__(self, form: SurveyForm) -> None:
        self.survey = form.survey.code
        self._asked = [
            (question.code, [option.code for option in question.options])
            for question in form.questionnaire.questions
        ]

    def answers(self, places: Sequence[int]) -> dict[str, str]:
        """The option's code for each question that was answered."""
        told = zip(self._asked, places, strict=True)
        return {question: options[place - 1] for (question, options), place in told if place}


def _rating(agencies: Mapping[int, str], forms: Mapping[int, _Ticked], row: Row) -> Row:
    form = forms[row["survey_id"]]
    return {
        "id": str(row["id"]),
        "agency": agencies[row["agency_id"]],
        "survey": form.survey,
        "basis": row["basis"],
        "channel": row["channel"],
        "counter": row["counter"],
        "answers": form.answers(row["answers"]),
        "comment": row["comment"],
        "rated_on": local_day(row["rated_at"]),
        "voided_at": _local(row["voided_at"]),
        "void_reason": row["void_reason"],
        "rate_again": row["released"],
        "updated_on": local_day(row["updated_at"]),
    }


def _dossier(agencies: Mapping[int, str], now: datetime, row: Row) -> Row:
    told = {name: _local(row[name]) for name in DOSSIER_FIELDS if name in row}
    due_at, returned_at = row["due_at"], row["returned_at"]
    told |= {
        "agency": agencies[row["agency_id"]],
        "on_time": rules.on_time(due_at, returned_at),
        "overdue": rules.overdue(row["status"], due_at, row["ended_at"], now),
        "events": [_event(event) for event in row["events"]],
    }
    return {name: told[name] for name in DOSSIER_FIELDS}


def _event(row: Row) -> Row:
    told = {name: _local(row[name]) for name in _EVENT_FIELDS}
    return {**told, "event": row["cancels"], "cancelled_by": row["cancelled_by"]}


def _local(value: Any) -> Any:
    return value.astimezone(VIETNAM) if isinstance(value, datetime) else value
