"""By which right something is rated: a credential's, which names it, or an invitation's."""

from datetime import datetime
from typing import NamedTuple

from app.api.rating_schemas import RatingIn
from app.db import ratings
from app.db.invited import Invited
from app.db.ratings import REFUSALS
from app.db.tables import SurveyInvitation
from app.domain import rating as rules
from app.domain.errors import (
    AlreadyRatedError,
    DomainError,
    Fault,
    IdempotencyKeyReusedError,
    InvitationUsedError,
)


class Right(NamedTuple):
    """What is rated, and the invitation that allows it, if that is what does."""

    agency: str
    survey: str
    dossier: str | None
    invited: Invited | None = None

    @property
    def answering(self) -> SurveyInvitation | None:
        """The invitation to the survey, where it is no dossier that is rated."""
        held = None if self.invited is None else self.invited.held
        return held if isinstance(held, SurveyInvitation) else None

    @property
    def basis(self) -> str:
        """What the rating rests on: dossier or survey."""
        return "dossier" if self.answering is None else "survey"

    @property
    def number(self) -> int | None:
        """Which of its invitations allows it."""
        return None if self.invited is None else self.invited.held.number

    def reference(self, key: bytes) -> bytes:
        """What the rating is tied to what is rated by."""
        if self.invited is not None:
            return self.invited.reference(key)
        return ratings.reference(key, self.agency, self.dossier or "")

    def check(self, rated_at: datetime) -> None:
        """Nothing, or the DomainError by which the invitation allows no rating of that moment."""
        if self.invited is not None and self.invited.refusal is not None:
            raise self.invited.refusal
        if self.answering is not None:
            rules.check_invited(rated_at, self.answering.issued_at)

    def refused(self, code: str, body: RatingIn) -> DomainError:
        """The refusal that an outcome of the database stands for."""
        if self.invited is not None and code == AlreadyRatedError.code:
            return InvitationUsedError(Fault("/invitation", InvitationUsedError.code))
        where = "/dossier" if self.invited is None else "/invitation"
        if code == IdempotencyKeyReusedError.code:
            given = [name for name in ("id", "device_seq") if getattr(body, name) is not None]
            where = f"/{given[0]}" if given else "/header/Idempotency-Key"
        return REFUSALS[code](Fault(where, code, {"code": self.dossier}))
