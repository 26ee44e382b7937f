"""The intake of ratings: what each passes, whether from a key, a device, a batch or a link."""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, NamedTuple, Self, TypeGuard
from uuid import UUID, uuid4

from fastapi import Depends, Request
from starlette.datastructures import State

from app.api.deps import REQUEST_KEY, credential, identified
from app.api.rating_schemas import LAST_SEQUENCE, RatingIn, RatingOut
from app.api.right import Right
from app.db import agencies, devices, invited
from app.db.group_commit import GroupCommit
from app.db.invited import Invited
from app.db.known import Grounds, Known
from app.db.ratings import CREATED, REFUSED, REPLAYED, NewRating, Outcome
from app.db.session import Sessions
from app.db.tables import DeviceRefusal
from app.domain import rating as rules
from app.domain.access import DEVICE_SCOPE, Caller
from app.domain.errors import (
    AgencyNotSurveyedError,
    CounterNotAllowedError,
    CredentialMissingError,
    DomainError,
    Fault,
    InvalidError,
    SaturatedError,
)
from app.domain.period import local_day
from app.domain.questionnaire import positions
from app.domain.refusals import Refusals

_REQUEST_KEY = re.compile(REQUEST_KEY)


class Checked(NamedTuple):
    """A rating that fits its questionnaire, and what else speaks against it if it is new."""

    body: RatingIn
    right: Right
    new: NewRating
    refusal: DomainError | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A rating that is there, now or from before."""

    rating: RatingOut
    replayed: bool


class _Ground(NamedTuple):
    """What ratings of an agency, a survey and a counter rest on, looked up once."""

    of: Grounds
    survey_id: int
    opens_on: date
    closes_on: date | None
    window_days: int

    def check(self, rated_at: datetime, now: datetime) -> None:
        """Nothing when the survey takes ratings of that moment; else the refusals of its rule."""
        rules.check_moment(rated_at, self.opens_on, self.closes_on, now)


@dataclass(frozen=True, slots=True)
class Intake:
    """Who submits, when, and what is needed to store it."""

    known: Known
    store: GroupCommit
    sessions: Sessions
    key: bytes
    moment: datetime
    caller: Caller | None
    request_key: str | None
    grounds: dict[tuple[str, str, str | None], _Ground] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, state: State, caller: Caller | None, request_key: str | None = None) -> Self:
        """The intake of an app, now."""
        return cls(
            known=state.known,
            store=state.group_commit,
            sessions=state.sessions,
            key=state.reference_key,
            moment=state.clock(),
            caller=caller,
            request_key=request_key,
        )

    async def submit(self, body: RatingIn) -> Stored:
        """Store one rating; raises the DomainError that refuses it."""
        try:
            (found,) = await self.store_all([await self.check(body, self.request_key)])
            if isinstance(found, DomainError):
                raise found
        except DomainError as error:
            await self.note_refusals([(body.device_seq, error)])
            raise
        return found

    async def check(self, body: RatingIn, request_key: str | None) -> Checked:
        """The rating, once all that it names exists and its answers fit; else a DomainError."""
        body.check()
        found = None if body.invitation is None else await self._invited(body.invitation)
        right, counter = self._right(body, found), self._counter(body)
        rated_at = body.rated_at or self.moment
        ground, unfit = await self._ground((right.agency, right.survey, counter)), Refusals()
        answers: tuple[int, ...] | None = None
        with unfit:
            answers = positions(ground.of.form.places, body.answers)
        with unfit:
            ground.check(rated_at, self.moment)
        with unfit:
            right.check(rated_at)
        if not ground.of.covers(local_day(rated_at)):
            unfit.add(AgencyNotSurveyedError(Fault("/agency", AgencyNotSurveyedError.code)))
        if answers is None:
            raise unfit.all()
        reference, answering = right.reference(self.key), right.answering
        new = NewRating(
            id=body.id or self._id(body, request_key),
            agency_id=ground.of.agency_id,
            survey_id=ground.survey_id,
            dossier=right.dossier,
            reference=reference,
            digest=body.digest(self._who(body), reference, ground.survey_id),
            window_days=ground.window_days,
            channel=answering.channel if answering else body.channel,
            counter=counter,
            answers=answers,
            comment=body.comment or None,
            device=self.caller.device if self.caller else None,
            device_seq=body.device_seq,
            rated_at=rated_at,
            received_at=self.moment,
            refused=unfit.any,
            invitation=right.number,
            recipient=answering.recipient if answering else None,
        )
        return Checked(body, right, new, unfit.all() if unfit.any else None)

    async def store_all(self, batch: Sequence[Checked]) -> list[Stored | DomainError]:
        """Each rating's outcome once it is committed; raises when the database cannot say."""
        outcomes = await self.store.submit([checked.new for checked in batch])
        return [_said(checked, told) for checked, told in zip(batch, outcomes, strict=True)]

    async def note_refusals(self, refused: Sequence[tuple[object, DomainError]]) -> None:
        """Note the numbers of a device that came with refused ratings, so that they are no gaps."""
        if self.caller is None or self.caller.device is None:
            return
        numbers = {
            sequence: error.code
            for sequence, error in refused
            if _is_sequence(sequence) and not isinstance(error, SaturatedError)
        }
        if not numbers:
            return
        async with self.sessions.begin() as session:
            owner = await agencies.get(session, next(iter(self.caller.agencies or ())))
            noted = [
                DeviceRefusal(
                    agency_id=owner.id or 0,
                    device=self.caller.device,
                    device_seq=sequence,
                    code=code,
                    received_at=self.moment,
                )
                for sequence, code in numbers.items()
            ]
            await devices.record_refusals(session, noted)

    async def _ground(self, on: tuple[str, str, str | None]) -> _Ground:
        if (found := self.grounds.get(on)) is None:
            of = await self.known.grounds(*on)
            survey = of.form.survey
            found = _Ground(
                of, of.form.id, survey.opens_on, survey.closes_on, survey.rating_window_days
            )
            self.grounds[on] = found
        return found

    async def _invited(self, invitation: str) -> Invited:
        async with self.sessions() as session:
            return await invited.find(session, invitation, self.moment)

    def _right(self, body: RatingIn, found: Invited | None) -> Right:
        if found is not None:
            right = Right(found.agency, found.survey, found.dossier, found)
        elif self.caller is None:
            raise CredentialMissingError
        else:
            right = Right(body.agency or "", body.survey or "", body.dossier or "")
        if self.caller is not None:
            self.caller.check_agency(right.agency, "/agency" if found is None else "/invitation")
        return right

    def _counter(self, body: RatingIn) -> str | None:
        """The counter named, or the device's own."""
        caller = self.caller
        if caller is None or caller.device is None:
            return body.counter
        if body.counter not in {None, caller.counter}:
            raise CounterNotAllowedError(
                Fault("/counter", CounterNotAllowedError.code, {"code": body.counter})
            )
        if body.device_seq is None:
            raise InvalidError(Fault("/device_seq", "missing"))
        return caller.counter

    def _id(self, body: RatingIn, request_key: str | None) -> UUID:
        """The id under which the same request sent again is known, where it gives none itself."""
        who = self._who(body)
        if request_key is not None:
            return self._named(f"{who}\nkey\n{request_key}")
        if self.caller is not None and self.caller.device is not None:
            return self._named(f"{who}\nsequence\n{body.device_seq}")
        # Random, because one made of the clock would tell when somebody rated.
        return uuid4()

    def _who(self, body: RatingIn) -> str:
        """Whose request it is; another's under the same name is another request."""
        if self.caller is None:
            return f"invitation\n{(body.invitation or '').upper()}"
        return f"{'key' if self.caller.device is None else 'device'}\n{self.caller.key}"

    def _named(self, name: str) -> UUID:
        """The id of what is named so; nobody else can make it and look for the rating."""
        return UUID(
            bytes=hmac.digest(self.key, f"request\n{name}".encode(), "sha256")[:16], version=4
        )


async def _intake(request: Request) -> Intake:
    """Who submits: a key, a person, a device, or nobody known, who then needs an invitation.

    It reads the request itself: a dependency for each of these costs more than storing a rating.
    """
    state, caller = request.app.state, None
    if (presented := credential(request)) is not None:
        caller = await identified(request, presented)
        caller.check_scope("ratings:write", DEVICE_SCOPE)
    return Intake.of(state, caller, _request_key(request))


_intake.scopes = ("ratings:write", DEVICE_SCOPE)  # type: ignore[attr-defined]  # as of `needs`


def _request_key(request: Request) -> str | None:
    """The request's name, if it has one; raises InvalidError when it cannot be one."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _REQUEST_KEY.fullmatch(key):
        raise InvalidError(Fault("/header/Idempotency-Key", "bad-format", {"limit": REQUEST_KEY}))
    return key


RatingIntake = Annotated[Intake, Depends(_intake)]


def refusal(checked: Checked, told: Outcome) -> DomainError | None:
    """Why the rating was not stored, if it was not."""
    if told.code == REFUSED:
        assert checked.refusal is not None  # noqa: S101 -- it was sent as refused
        return checked.refusal
    if told.code not in {CREATED, REPLAYED}:
        return checked.right.refused(told.code, checked.body)
    return None


def _said(checked: Checked, told: Outcome | Exception) -> Stored | DomainError:
    if isinstance(told, Exception):
        raise told
    if (refused := refusal(checked, told)) is not None:
        return refused
    rating = RatingOut(
        id=told.id,
        agency=checked.right.agency,
        survey=checked.right.survey,
        basis=checked.right.basis,
        received_at=told.received_at,
    )
    return Stored(rating, told.code == REPLAYED)


def _is_sequence(value: object) -> TypeGuard[int]:
    """Whether a row says a number that a device can have given it."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LAST_SEQUENCE
