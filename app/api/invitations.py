"""Invitations to rate a dossier: issued again, and revoked."""

from typing import Annotated, Self

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from app.api.deps import REPLAYS, DossierWriter, Now, ReferenceKey, RequestKey, Session
from app.api.errors import problems
from app.api.schemas import Code, DossierCode, Moment, Out, example
from app.db import invitations
from app.db.invitations import Issued
from app.domain.errors import (
    AgencyNotFoundError,
    AlreadyRatedError,
    DossierNotFoundError,
    RatingWindowClosedError,
    ResultNotReturnedError,
    SurveyClosedError,
)

router = APIRouter(prefix="/v1/agencies/{agency}/dossiers/{dossier}/invitations", tags=["dossiers"])

TOKEN = "AAAAAB3IOB3EQZLSMEQHG5DVMZTGS3TH"  # noqa: S105 -- an example, good for nothing

InPath = Annotated[DossierCode, Path(alias="dossier", description="e.g. 000.00.15.H32-230712-0001")]


class InvitationOut(Out):
    """The right to rate, once. Whoever holds the token has it."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "token": TOKEN,
                "url": f"/r/{TOKEN}",
                "qr": f"/r/{TOKEN}.svg",
                "expires_at": "2023-08-17T09:30:00+07:00",
            }
        )
    )

    token: str = Field(
        description="32 characters; whoever has them can rate, so they are in no log"
    )
    url: str = Field(description="Path of the page to rate on, below the address of the service")
    qr: str = Field(description="Path of a picture (SVG): the page's address as a QR code")
    expires_at: Moment

    @classmethod
    def of(cls, issued: Issued) -> Self:
        """The invitation as it is handed out."""
        page = f"/r/{issued.token}"
        return cls(token=issued.token, url=page, qr=f"{page}.svg", expires_at=issued.expires_at)


@router.post(
    "",
    status_code=201,
    operation_id="issue_invitation",
    responses={
        201: REPLAYS,
        **problems(
            AgencyNotFoundError,
            DossierNotFoundError,
            ResultNotReturnedError,
            AlreadyRatedError,
            SurveyClosedError,
            RatingWindowClosedError,
        ),
    },
)
async def issue_invitation(
    agency: Code,
    code: InPath,
    response: Response,
    session: Session,
    caller: DossierWriter,
    moment: Now,
    key: ReferenceKey,
    request_key: RequestKey = None,
) -> InvitationOut:
    """Invite again to rate a dossier whose result was returned. The old invitation dies.

    Sent again under its `Idempotency-Key` it is answered as before, with `Idempotent-Replayed:
    true`; without one each request issues another.
    """
    caller.check_agency(agency, "/path/agency")
    name = request_key and f"{caller.key}\n{request_key}"
    issued, replayed = await invitations.renew(session, key, (agency, code), moment, name)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return InvitationOut.of(issued)


@router.delete(
    "",
    status_code=204,
    operation_id="revoke_invitation",
    responses=problems(AgencyNotFoundError, DossierNotFoundError),
)
async def revoke_invitation(
    agency: Code, code: InPath, session: Session, caller: DossierWriter, moment: Now
) -> None:
    """Revoke the dossier's invitation. Where none is live, nothing changes."""
    caller.check_agency(agency, "/path/agency")
    await invitations.withdraw(session, agency, code, moment)
