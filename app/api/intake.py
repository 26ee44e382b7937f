"""The intake of ratings: checked and stored, whether from a key, a device, a batch or a link."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self, TypeGuard

from fastapi import Depends, Request
from starlette.datastructures import State

from app.api.deps import REQUEST_KEY, credential, identified
from app.api.rating_check import Checked, RatingCheck, refusal
from app.api.rating_schemas import LAST_SEQUENCE, RatingIn, RatingOut
from app.db import agencies, devices
from app.db.group_commit import GroupCommit
from app.db.ratings import REPLAYED, Outcome
from app.db.tables import DeviceRefusal
from app.domain.access import DEVICE_SCOPE, Caller
from app.domain.errors import DomainError, Fault, InvalidError, SaturatedError

_REQUEST_KEY = re.compile(REQUEST_KEY)


@dataclass(frozen=True, slots=True)
class Stored:
    """A rating that is there, now or from before."""

    rating: RatingOut
    replayed: bool


@dataclass(frozen=True, slots=True)
class Intake:
    """What checks ratings and what stores them, and the name of the request that they came with."""

    checking: RatingCheck
    store: GroupCommit
    request_key: str | None

    @classmethod
    def of(cls, state: State, caller: Caller | None, request_key: str | None = None) -> Self:
        """The intake of an app, now."""
        checking = RatingCheck(
            known=state.known,
            sessions=state.sessions,
            key=state.reference_key,
            moment=state.clock(),
            caller=caller,
        )
        return cls(checking, state.group_commit, request_key)

    async def submit(self, body: RatingIn) -> Stored:
        """Store one rating; raises the DomainError that refuses it."""
        try:
            checked = await self.checking.check(body, self.request_key)
            (found,) = await self.store_all([checked])
            if isinstance(found, DomainError):
                raise found
        except DomainError as error:
            await self.note_refusals([(body.device_seq, error)])
            raise
        return found

    async def store_all(self, batch: Sequence[Checked]) -> list[Stored | DomainError]:
        """Each rating's outcome once it is committed; raises when the database cannot say."""
        outcomes = await self.store.submit([checked.new for checked in batch])
        return [_said(checked, told) for checked, told in zip(batch, outcomes, strict=True)]

    async def note_refusals(self, refused: Sequence[tuple[object, DomainError]]) -> None:
        """Note the numbers of a device that came with refused ratings, so that they are no gaps."""
        caller = self.checking.caller
        if caller is None or caller.device is None:
            return
        numbers = {
            sequence: error.code
            for sequence, error in refused
            if _is_sequence(sequence) and not isinstance(error, SaturatedError)
        }
        if not numbers:
            return
        async with self.checking.sessions.begin() as session:
            owner = await agencies.get(session, next(iter(caller.agencies or ())))
            noted = [
                DeviceRefusal(
                    agency_id=owner.id or 0,
                    device=caller.device,
                    device_seq=sequence,
                    code=code,
                    received_at=self.checking.moment,
                )
                for sequence, code in numbers.items()
            ]
            await devices.record_refusals(session, noted)


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
