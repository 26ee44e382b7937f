"""The pages behind an invitation: to rate, without a script, and the QR code that leads there."""

import io
from functools import partial
from typing import Any
from uuid import UUID

import segno
from babel.dates import format_datetime
from fastapi import APIRouter
from pydantic import ConfigDict, Field
from segno.encoder import DataOverflowError
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api import pages, rating_form, texts
from app.api.deps import Chosen, Language, NewId, Now, ReferenceKey
from app.api.errors import described
from app.api.figures import AgencyRef, agency_ref
from app.api.intake import Intake
from app.api.pages import HEADERS, PageLanguage
from app.api.questionnaires import COUNTER_FORM, QuestionnaireOut
from app.api.rating_form import Entered
from app.api.schemas import LONGEST_TEXT, Moment, Out, example, in_language
from app.api.statuses import PROTOCOL, STATUS
from app.db import invited
from app.db.invited import Shown
from app.domain import invitation as rules
from app.domain.errors import (
    AnswersInvalidError,
    DomainError,
    IdempotencyKeyReusedError,
    InvalidError,
    InvitationExpiredError,
    InvitationNotFoundError,
    InvitationRevokedError,
    InvitationUsedError,
    RatingWindowClosedError,
    ResultNotReturnedError,
    SaturatedError,
    SurveyClosedError,
)
from app.domain.period import VIETNAM
from app.domain.quota import TooManyRequestsError


class _Token(StringConvertor):
    """A part of an address that has no ending, so that the page is not asked for the code."""

    regex = "[^/.]+"


register_url_convertor("token", _Token())
router = APIRouter(prefix="/r", tags=["ratings"])

UNTIL = {"vi": "HH:mm 'ngày' dd/MM/y", "en": "HH:mm 'on' d MMMM y '(Vietnam time)'"}

HTML = {"text/html": {"example": "<!doctype html>…"}}
FIELDS = {
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
    "example": {"q-q1": "5", "q-q2": "4", "comment": "Công chức hướng dẫn tận tình."},
}
SVG = {"image/svg+xml": {"example": "<svg>…</svg>"}}


class SurveyRef(Out):
    """A survey by code and title."""

    code: str
    title: str = Field(description="In the reader's language")


class InvitedOut(Out):
    """What an invitation asks, for an application with a form of its own."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "agency": {"code": "H32.15", "name": "Sở Công Thương"},
                "survey": {"code": "tthc-2023", "title": "Đánh giá việc giải quyết hồ sơ"},
                "questionnaire": {"code": "counter-3-level", "version": 1, **COUNTER_FORM},
                "expires_at": "2023-08-17T09:30:00+07:00",
            }
        )
    )

    agency: AgencyRef = Field(description="The agency to be rated")
    survey: SurveyRef = Field(description="The survey that the rating will count in")
    questionnaire: QuestionnaireOut = Field(description="What to ask")
    expires_at: Moment


def _told(status: int, *refusals: type[DomainError]) -> dict[str, Any]:
    """How a refusal is answered: a problem document, or a page that says the same."""
    answer = described(status, [refusal.code for refusal in refusals] or [PROTOCOL[status]])
    return {**answer, "content": {**answer["content"], **HTML}}


@router.get("/thanks", include_in_schema=False)
async def give_thanks(language: PageLanguage) -> Response:
    """The page after a rating. It can be loaded again, and its address gives nothing away."""
    say = partial(texts.say, language)
    lines = [say("page:thanks-detail"), say("page:thanks-help")]
    return pages.notice(language, 200, say("page:thanks"), *lines)


@router.get(
    "/{token}.svg",
    operation_id="get_invitation_qr",
    response_class=Response,
    responses={
        200: {"description": "A QR code of the page's address", "content": SVG},
        400: described(400, [PROTOCOL[400]]),
        404: described(404, [InvitationNotFoundError.code]),
        422: described(422, [InvalidError.code]),
    },
)
async def get_invitation_qr(
    token: str, request: Request, language: Language, chosen: Chosen
) -> Response:
    """An invitation as a QR code. Whether the invitation is there is not looked up."""
    try:
        canonical = rules.read(token)[1]
    except ValueError:
        raise InvitationNotFoundError from None
    base = (chosen.public_url or str(request.base_url)).rstrip("/")
    image = io.BytesIO()
    try:
        code = segno.make_qr(f"{base}/r/{canonical}", error="m")
    except DataOverflowError:
        raise HTTPException(400) from None
    code.save(
        image,
        kind="svg",
        scale=8,
        light="white",
        title=texts.say(language, "page:qr"),
        desc=texts.say(language, "page:qr-detail"),
    )
    kept = {"Cache-Control": "private, max-age=3600", "Content-Language": language}
    return Response(image.getvalue(), 200, HEADERS | kept, "image/svg+xml")


@router.get(
    "/{token:token}",
    operation_id="open_invitation",
    response_class=Response,
    responses={
        200: {"model": InvitedOut, "description": "The page to rate on", "content": HTML},
        404: _told(404, InvitationNotFoundError),
        410: _told(410, InvitationExpiredError, InvitationUsedError, InvitationRevokedError),
        422: described(422, [InvalidError.code]),
        503: _told(503),
    },
)
async def open_invitation(
    token: str,
    request: Request,
    language: PageLanguage,
    moment: Now,
    new_id: NewId,
    key: ReferenceKey,
) -> Response:
    """The page to rate on; with `Accept: application/json`, what it asks."""
    as_json = pages.wants_json(request)
    try:
        async with request.app.state.sessions.begin() as session:
            shown = await invited.show(session, key, token, moment)
            await invited.record_opening(session, shown.invited)
    except Exception as error:
        if as_json:
            raise
        return pages.refusal(language, error)
    if as_json:
        said = _out(shown, language).model_dump(mode="json")
        return JSONResponse(said, 200, HEADERS | {"Content-Language": language})
    return _form(language, 200, shown, new_id, Entered())


@router.post(
    "/{token:token}",
    status_code=303,
    operation_id="send_rating",
    response_class=Response,
    responses={
        303: {"description": "It is recorded; the way to the thanks"},
        **{status: described(status, [PROTOCOL[status]]) for status in (400, 413, 415)},
        404: _told(404, InvitationNotFoundError),
        409: _told(409, SurveyClosedError, RatingWindowClosedError, ResultNotReturnedError),
        410: _told(410, InvitationExpiredError, InvitationUsedError, InvitationRevokedError),
        422: _told(422, AnswersInvalidError),
        429: _told(429, TooManyRequestsError),
        503: _told(503),
    },
    openapi_extra={"requestBody": {"required": True, "content": {rating_form.MEDIA_TYPE: FIELDS}}},
)
async def send_rating(
    token: str,
    request: Request,
    language: PageLanguage,
    moment: Now,
    new_id: NewId,
    key: ReferenceKey,
) -> Response:
    """Send the page's form. Applications send `POST /v1/ratings` instead.

    What is wrong is answered with the form, and named there next to its question.
    """
    entered = await rating_form.read(request)
    state = request.app.state
    intake = Intake.of(state, caller=None)
    try:
        try:
            await intake.submit(rating_form.rating(token, entered))
        except (AnswersInvalidError, SaturatedError) as refusal:
            status, entered = (
                STATUS[type(refusal)],
                rating_form.troubled(language, entered, refusal),
            )
            async with state.sessions.begin() as session:
                shown = await invited.show(session, key, token, moment)
            return _form(language, status, shown, new_id, entered)
    except IdempotencyKeyReusedError:  # sent, gone back to, changed, and sent again
        return pages.refusal(language, InvitationUsedError())
    except Exception as error:  # noqa: BLE001 -- what nobody foresaw is raised again
        return pages.refusal(language, error)
    # Relative, because a proxy may have put us below a folder of its own.
    return Response(None, 303, HEADERS | {"Location": f"thanks?lang={language}"})


def _form(
    language: texts.Language, status: int, shown: Shown, new_id: UUID, entered: Entered
) -> Response:
    until = format_datetime(
        shown.invited.held.expires_at, UNTIL[language], tzinfo=VIETNAM, locale=language
    )
    values = {
        "survey": shown.survey.title,
        "agency": shown.agency.name,
        "criteria": shown.questionnaire.document["criteria"],
        # Sent twice, by a second tap or after a lost answer, it is still one rating.
        "id": new_id,
        "answers": entered.answers,
        "comment": entered.comment,
        "trouble": entered.trouble,
        "faults": entered.faults,
        "until": until,
        "longest": LONGEST_TEXT,
    }
    return pages.page("rating.html", language, status, values)


def _out(shown: Shown, language: texts.Language) -> InvitedOut:
    row = shown.questionnaire
    document = {"overall_question": None, **row.document}
    return InvitedOut(
        agency=agency_ref(shown.agency, language),
        survey=SurveyRef(code=shown.survey.code, title=in_language(shown.survey.title, language)),
        questionnaire=QuestionnaireOut.model_validate(
            {"code": row.code, "version": row.version, **document}
        ),
        expires_at=shown.invited.held.expires_at,
    )
