"""What a browser sends back from the rating page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.api import texts
from app.api.faults import fault_of
from app.api.rating_schemas import MOST_ANSWERS, RatingIn
from app.domain.errors import AnswersInvalidError, DomainError, SaturatedError

# The codes lead to telephones.
CHANNEL = "mobile"
QUESTION = "q-"  # begins the name of a question's field, so that none is called as another field is
MEDIA_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Entered:
    """What came back on a form, and what kept it from being stored."""

    id: str | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    comment: str = ""
    trouble: str | None = None
    faults: Mapping[str, str] = field(default_factory=dict)


async def read(request: Request) -> Entered:
    """What the form held; other bodies than a browser's form are refused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise HTTPException(415)
    try:
        body = (await request.body()).decode()
        pairs = parse_qsl(body, errors="strict", max_num_fields=MOST_ANSWERS + 2)
    except ValueError:
        raise HTTPException(400) from None
    fields = dict(pairs)
    return Entered(
        id=fields.get("id"),
        answers={
            name.removeprefix(QUESTION): option
            for name, option in pairs
            if name.startswith(QUESTION)
        },
        comment=fields.get("comment", "").replace("\r\n", "\n").strip(),
    )


def rating(token: str, entered: Entered) -> RatingIn:
    """The rating that was entered; raises AnswersInvalidError."""
    said = {"answers": entered.answers, "comment": entered.comment or None, "id": entered.id}
    try:
        return RatingIn.model_validate({**said, "invitation": token, "channel": CHANNEL})
    except ValidationError as error:
        faults = [fault_of({**one, "loc": ("body", *one["loc"])}) for one in error.errors()]
        raise AnswersInvalidError(*faults) from None


def troubled(language: texts.Language, entered: Entered, refusal: DomainError) -> Entered:
    """What was entered, with each fault under the place on the page where it is to be mended."""
    trouble = "page:busy" if isinstance(refusal, SaturatedError) else "page:faulty"
    faults = {
        _place(fault.pointer): texts.say(language, f"{fault.code}:detail", **fault.params)
        for fault in refusal.faults
    }
    return Entered(entered.id, entered.answers, entered.comment, trouble, faults)


def _place(pointer: str) -> str:
    if pointer.startswith("/answers/"):
        return QUESTION + pointer.removeprefix("/answers/")
    return "comment" if pointer == "/comment" else "form"
