"""Invitations to a survey: one link for each recipient, of whom nothing is known here."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from app.api.bodies import NamedOnce
from app.api.deps import REPLAYS, Inviter, Now, ReferenceKey, RequestKey, Session
from app.api.errors import problems
from app.api.invitations import TOKEN, InvitationOut
from app.api.schemas import Channel, Code, Day, In, Out, example
from app.db import survey_invitations
from app.db.survey_invitations import Sending
from app.domain.errors import (
    AgencyNotFoundError,
    AgencyNotSurveyedError,
    Fault,
    IdempotencyKeyReusedError,
    SurveyClosedError,
    SurveyNotFoundError,
)

router = APIRouter(
    prefix="/v1/surveys/{survey}/invitations", tags=["catalogue"], route_class=NamedOnce
)

MOST_RECIPIENTS = 1000

INVITED = {"agency": "H32.15", "recipients": ["r-7f3a01", "r-7f3a02"]}
PAGE = {
    "token": TOKEN,
    "url": f"/r/{TOKEN}",
    "qr": f"/r/{TOKEN}.svg",
    "expires_at": "2022-12-01T00:00:00+07:00",
}
COUNTED = {"issued": 17, "opened": 15, "used": 13, "expired": 3, "revoked": 0}

Recipients = Annotated[
    list[Code],
    Field(
        min_length=1,
        max_length=MOST_RECIPIENTS,
        description="References that only the sender can read: no name, address or number",
    ),
]


class RecipientsIn(In):
    """Recipients of a survey, by the sender's references, and the agency they are asked about."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(INVITED))

    agency: Code = Field(description="Code of the agency that they are asked about")
    recipients: Recipients

    def faults(self) -> Iterator[Fault]:
        """Whether somebody is named twice."""
        seen: set[str] = set()
        for place, recipient in enumerate(self.recipients):
            if recipient in seen:
                yield Fault(f"/recipients/{place}", "duplicate-code", {"value": recipient})
            seen.add(recipient)


class SurveyInvitationsIn(RecipientsIn):
    """Whom to invite, on which channel, and until when they may answer.

    Without `expires_on` until the survey closes or, where it never does, for its `invitation_days`.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra=example({**INVITED, "channel": "e_office", "expires_on": "2022-11-30"}),
    )

    channel: Channel = Field(description="Where they are invited; their ratings count there")
    expires_on: Day | None = Field(
        default=None, description="The last day on which to answer; null: as the survey says"
    )


class SurveyInvitationOut(Out):
    """A recipient's invitation; none for who has answered already."""

    recipient: str = Field(description="The sender's reference")
    used: bool = Field(description="Whether the recipient has answered: then nothing is issued")
    invitation: InvitationOut | None = Field(
        description="The right to answer, once; null: it is used"
    )


class SurveyInvitationsOut(Out):
    """The invitations in the order of the recipients. Their tokens are told here only."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "items": [
                    {"recipient": "r-7f3a01", "used": False, "invitation": PAGE},
                    {"recipient": "r-7f3a02", "used": True, "invitation": None},
                ]
            }
        )
    )

    items: list[SurveyInvitationOut] = Field(description="In the order of the recipients")


class RevokedOut(Out):
    """How many recipients can no longer answer, who could before."""

    model_config = ConfigDict(json_schema_extra=example({"revoked": 2}))

    revoked: int = Field(description="Number of recipients")


class InvitationCounts(Out):
    """How many recipients were invited, and how far they came; nothing about any one of them."""

    model_config = ConfigDict(
        json_schema_extra=example({"survey": "sct-2022-b", "agency": "H32.15", **COUNTED})
    )

    survey: str
    agency: str
    issued: int = Field(description="Recipients invited, however often")
    opened: int = Field(description="Of these, who opened an invitation")
    used: int = Field(description="Who answered")
    expired: int = Field(description="Who did not answer in time")
    revoked: int = Field(description="Whose invitation was revoked before they answered")


@router.post(
    "",
    status_code=201,
    operation_id="issue_survey_invitations",
    responses={
        201: REPLAYS,
        **problems(
            SurveyNotFoundError,
            AgencyNotFoundError,
            AgencyNotSurveyedError,
            SurveyClosedError,
            IdempotencyKeyReusedError,
        ),
    },
)
async def issue_survey_invitations(
    survey: Code,
    body: SurveyInvitationsIn,
    response: Response,
    session: Session,
    caller: Inviter,
    moment: Now,
    key: ReferenceKey,
    request_key: RequestKey = None,
) -> SurveyInvitationsOut:
    """Invite up to 1,000 recipients to answer a survey about an agency, once each.

    Who is invited again gets a new link, and the old one dies; who has answered gets none. Under
    the same `Idempotency-Key` the same links come out again, with `Idempotent-Replayed: true`.
    """
    caller.check_agency(body.agency, "/agency")
    body.check()
    sent = await survey_invitations.issue(
        session,
        key,
        Sending(
            agency=body.agency,
            survey=survey,
            channel=body.channel,
            recipients=body.recipients,
            last_day=body.expires_on,
            request=request_key and f"{caller.key}\n{request_key}",
        ),
        moment,
    )
    response.headers["Cache-Control"] = "no-store"
    if sent.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return SurveyInvitationsOut(
        items=[
            SurveyInvitationOut(
                recipient=recipient,
                used=issued is None,
                invitation=issued and InvitationOut.of(issued),
            )
            for recipient, issued in zip(body.recipients, sent.invitations, strict=True)
        ]
    )


@router.post(
    "/revoke",
    operation_id="revoke_survey_invitations",
    responses=problems(SurveyNotFoundError, AgencyNotFoundError),
)
async def revoke_survey_invitations(
    survey: Code,
    body: RecipientsIn,
    session: Session,
    caller: Inviter,
    moment: Now,
    key: ReferenceKey,
) -> RevokedOut:
    """Revoke the links of these recipients. Where none is live nothing changes; send it again."""
    caller.check_agency(body.agency, "/agency")
    body.check()
    named = (body.agency, survey)
    revoked = await survey_invitations.revoke(session, key, named, body.recipients, moment)
    return RevokedOut(revoked=revoked)


@router.get(
    "",
    operation_id="count_survey_invitations",
    responses=problems(SurveyNotFoundError, AgencyNotFoundError),
)
async def count_survey_invitations(
    survey: Code,
    session: Session,
    caller: Inviter,
    moment: Now,
    key: ReferenceKey,
    agency: Annotated[Code, Query()],
) -> InvitationCounts:
    """How many recipients were invited to answer about an agency, and how many of them did."""
    caller.check_agency(agency, "/query/agency")
    counted = await survey_invitations.counts(session, key, (agency, survey), moment)
    return InvitationCounts(survey=survey, agency=agency, **asdict(counted))
