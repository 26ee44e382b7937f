"""The intake of ratings: what each passes, whether from a key, a device, a batch or a link."""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self, TypeGuard
from uuid import UUID, uuid4

from fastapi import Depends, Request
from starlette.datastructures import State

from app.api.deps import credential
from app.api.rating_schemas import LAST_SEQUENCE, REQUEST_KEY, RatingIn, RatingOut
from app.db import agencies, devices, invitations, ratings
from app.db.group_commit import GroupCommit
from app.db.known import Known
from app.db.ratings import CREATED, REFUSALS, REFUSED, REPLAYED, NewRating, Outcome
from app.db.session import Sessions
from app.db.tables import DeviceRefusal
from app.domain import rating as rules
from app.domain.access import DEVICE_SCOPE, Caller
from app.domain.errors import (
    AgencyNotSurveyedError,
    AlreadyRatedError,
    CounterNotAllowedError,
    CredentialMissingError,
    DomainError,
    Fault,
    IdempotencyKeyReusedError,
    InvalidError,
    InvitationUsedError,
    SaturatedError,
)
from app.domain.period import local_day
from app.domain.questionnaire import positions
from app.domain.refusals import Refusals

_REQUEST_KEY = re.compile(REQUEST_KEY)


@dataclass(frozen=True, slots=True)
class Right:
    """What is rated, and by which right: a credential's, or an invitation's."""

    agency: str
    survey: str
    dossier: str
    invitation: int | None = None
    refusal: DomainError | None = None

    def refused(self, code: str, body: RatingIn) -> DomainError:
        """The refusal that an outcome of the database stands for."""
        invited = self.invitation is not None
        if invited and code == AlreadyRatedError.code:
            return InvitationUsedError(Fault("/invitation", InvitationUsedError.code))
        where = "/invitation" if invited else "/dossier"
        if code == IdempotencyKeyReusedError.code:
            given = [name for name in ("id", "device_seq") if getattr(body, name) is not None]
            where = f"/{given[0]}" if given else "/header/Idempotency-Key"
        return REFUSALS[code](Fault(where, code, {"code": self.dossier}))


@dataclass(frozen=True, slots=True)
class Checked:
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
        right = await self._right(body)
        counter = self._counter(body)
        rated_at = body.rated_at or self.moment
        grounds = await self.known.grounds(right.agency, right.survey, counter)
        form, unfit = grounds.form, Refusals()
        answers: tuple[int, ...] | None = None
        with unfit:
            answers = positions(form.places, body.answers)
        with unfit:
            rules.check_moment(rated_at, form.survey.opens_on, form.survey.closes_on, self.moment)
        if right.refusal is not None:
            unfit.add(right.refusal)
        if not grounds.covers(local_day(rated_at)):
            unfit.add(AgencyNotSurveyedError(Fault("/agency", AgencyNotSurveyedError.code)))
        if answers is None:
            raise unfit.all()
        dossier_reference = ratings.reference(self.key, right.agency, right.dossier)
        new = NewRating(
            id=self._id(body, request_key),
            agency_id=grounds.agency_id,
            survey_id=form.id,
            dossier=right.dossier,
            reference=dossier_reference,
            digest=body.digest(self._who(body), dossier_reference, form.id),
            window_days=form.survey.rating_window_days,
            channel=body.channel,
            counter=counter,
            answers=answers,
            comment=body.comment or None,
            device=self.caller.device if self.caller else None,
            device_seq=body.device_seq,
            rated_at=rated_at,
            received_at=self.moment,
            refused=unfit.any,
            invitation=right.invitation,
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

    async def _right(self, body: RatingIn) -> Right:
        body.check()
        if body.invitation is not None:
            async with self.sessions() as session:
                invited = await invitations.find(session, body.invitation, self.moment)
            right = Right(
                invited.agency, invited.survey, invited.dossier, invited.number, invited.refusal
            )
        elif self.caller is None:
            raise CredentialMissingError
        else:
            right = Right(body.agency or "", body.survey or "", body.dossier or "")
        if self.caller is not None:
            where = "/agency" if right.invitation is None else "/invitation"
            self.caller.check_agency(right.agency, where)
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
        """The id under which the same request sent again is known."""
        if body.id is not None:
            return body.id
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
    """Who submits: a key, a device, or nobody known, who then needs an invitation.

    It reads the request itself: a dependency for each of these costs more than storing a rating.
    """
    state, caller = request.app.state, None
    if (presented := credential(request)) is not None:
        caller = (await state.known.credential(presented)).at(state.clock())
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


def _said(checked: Checked, told: Outcome | Exception) -> Stored | DomainError:
    if isinstance(told, Exception):
        raise told
    if told.code == REFUSED:
        assert checked.refusal is not None  # noqa: S101 -- it was sent as refused
        return checked.refusal
    if told.code not in {CREATED, REPLAYED}:
        return checked.right.refused(told.code, checked.body)
    rating = RatingOut(
        id=told.id,
        agency=checked.right.agency,
        survey=checked.right.survey,
        basis="dossier",
        received_at=told.received_at,
    )
    return Stored(rating, told.code == REPLAYED)


def _is_sequence(value: object) -> TypeGuard[int]:
    """Whether a row says a number that a device can have given it."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LAST_SEQUENCE
