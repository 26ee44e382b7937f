"""What each rating passes before it is stored, whether it comes alone, in a batch or in a file."""

import hmac
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from app.api.rating_schemas import RatingIn
from app.api.right import Right
from app.db import invited
from app.db.invited import Invited
from app.db.known import Grounds, Known
from app.db.ratings import CREATED, REFUSED, REPLAYED, NewRating, Outcome
from app.db.session import Sessions
from app.domain import rating as rules
from app.domain.access import Caller
from app.domain.errors import (
    AgencyNotSurveyedError,
    CounterNotAllowedError,
    CredentialMissingError,
    DomainError,
    Fault,
    InvalidError,
)
from app.domain.period import local_day
from app.domain.questionnaire import positions
from app.domain.refusals import Refusals

TABLET = "tablet"


class Checked(NamedTuple):
    """A rating that fits its questionnaire, and what else speaks against it if it is new."""

    body: RatingIn
    right: Right
    new: NewRating
    refusal: DomainError | None


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
class RatingCheck:
    """Who submits, when, and what ratings are judged by."""

    known: Known
    sessions: Sessions
    key: bytes
    moment: datetime
    caller: Caller | None
    grounds: dict[tuple[str, str, str | None], _Ground] = field(default_factory=dict, init=False)

    async def check(
        self, body: RatingIn, request_key: str | None, rated_at: datetime | None = None
    ) -> Checked:
        """The rating, once all that it names exists and its answers fit; else a DomainError.

        `rated_at` is when it was given, where the body says that less well.
        """
        body.check()
        found = None if body.invitation is None else await self._invited(body.invitation)
        right, counter = self._right(body, found), self._counter(body)
        rated_at = rated_at or body.rated_at or self.moment
        ground, unfit = await self._ground((right.agency, right.survey, counter)), Refusals()
        answers: tuple[int, ...] | None = None
        with unfit:
            answers = positions(ground.of.form.places, body.answers)
        self._check_moment(rated_at, ground, right, unfit)
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

    def _check_moment(
        self, rated_at: datetime, ground: _Ground, right: Right, unfit: Refusals
    ) -> None:
        with unfit:
            ground.check(rated_at, self.moment)
        with unfit:
            right.check(rated_at)
        if not ground.of.covers(local_day(rated_at)):
            unfit.add(AgencyNotSurveyedError(Fault("/agency", AgencyNotSurveyedError.code)))

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
        """The counter named, or the device's own; a device is a tablet and numbers its ratings."""
        caller = self.caller
        if caller is None or caller.device is None:
            return body.counter
        if body.counter not in {None, caller.counter}:
            raise CounterNotAllowedError(
                Fault("/counter", CounterNotAllowedError.code, {"code": body.counter})
            )
        unfit = []
        if body.channel != TABLET:
            unfit.append(Fault("/channel", "not-allowed", {"allowed": TABLET}))
        if body.device_seq is None:
            unfit.append(Fault("/device_seq", "missing"))
        if unfit:
            raise InvalidError(*unfit)
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


def refusal(checked: Checked, told: Outcome) -> DomainError | None:
    """Why the rating was not stored, if it was not."""
    if told.code == REFUSED:
        assert checked.refusal is not None  # noqa: S101 -- it was sent as refused
        return checked.refusal
    if told.code not in {CREATED, REPLAYED}:
        return checked.right.refused(told.code, checked.body)
    return None
