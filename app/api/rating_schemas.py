"""What is sent to submit a rating, and what is answered."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StrictInt,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails

from app.api.deps import REQUEST_KEY, REQUEST_KEY_TEXT
from app.api.schemas import (
    Channel,
    Code,
    DossierCode,
    In,
    Instant,
    Moment,
    Out,
    Prose,
    example,
    refuse,
)
from app.domain.errors import Fault

MOST_ANSWERS = 5000
LAST_SEQUENCE = 2**53 - 1
LONGEST_TOKEN = 64

ON_TABLET = {
    "agency": "H32.15",
    "survey": "tthc-2023",
    "dossier": "000.00.15.H32-230712-0001",
    "channel": "tablet",
    "counter": "Q05",
    "answers": {"q1": "5", "q2": "4"},
    "comment": "Công chức hướng dẫn tận tình.",
    "rated_at": "2023-07-18T09:31:10+07:00",
    "device_seq": 413,
}
BY_INVITATION = {
    "invitation": "AAAAAAH5UGYQMZL7DPVNQCPOY3ZXKZ2E",
    "channel": "mobile",
    "answers": {"q1": "5", "q2": "4"},
}
STORED = {
    "id": "01896777-46f0-7c3e-9f0a-1f6f5b0a4c11",
    "agency": "H32.15",
    "survey": "tthc-2023",
    "basis": "dossier",
    "received_at": "2023-07-18T09:31:12+07:00",
}

# What a route that submits reads from the headers, for the contract: a key is not needed by who
# has an invitation.
SUBMITTING: Mapping[str, Any] = {
    "security": [{"HTTPBearer": []}, {}],
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": REQUEST_KEY_TEXT,
            "schema": {"type": "string", "pattern": REQUEST_KEY},
        }
    ],
}


class RatingIn(In):
    """One person's answers about one dossier; nothing identifies the person.

    Either `agency`, `survey` and `dossier`, or the `invitation` from which they follow. Without
    `rated_at` the rating was given now. Without `counter` it belongs to the dossier's.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(ON_TABLET, BY_INVITATION))

    id: UUID | None = Field(
        default=None,
        description="The client's own id of the rating, which names it when sent again; null: the "
        "service gives one",
    )
    agency: Code | None = Field(
        default=None,
        description="Code of the agency that is rated; null: it follows from the invitation",
    )
    survey: Code | None = Field(
        default=None,
        description="Code of the survey to count in; null: it follows from the invitation",
    )
    dossier: DossierCode | None = Field(
        default=None,
        description="Code of the dossier that is rated; null: it follows from the invitation",
    )
    invitation: Annotated[str, Field(max_length=LONGEST_TOKEN)] | None = Field(
        default=None, description="Token of the invitation; null: the other three are given"
    )
    channel: Channel = Field(
        description="Where it was rated, not how it was served; of a device `tablet`"
    )
    counter: Code | None = Field(
        default=None,
        description="Code of the counter that is rated; null: the device's or the dossier's",
    )
    answers: Annotated[
        dict[Code, Code],
        Field(max_length=MOST_ANSWERS, description="Code of the option ticked for each question"),
    ]
    comment: Prose | None = None
    rated_at: Instant | None = Field(default=None, description="When it was given; null: now")
    device_seq: Annotated[StrictInt, Field(ge=1, le=LAST_SEQUENCE)] | None = Field(
        default=None,
        description="The device's own count of its ratings, from 1; null: it keeps none",
    )

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, sent: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        """What was sent; else all that is wrong with it, also between its fields."""
        try:
            return read(sent)
        except ValidationError as error:
            if not isinstance(sent, Mapping):
                raise
            found = [
                InitErrorDetails(type=refuse(code), loc=(name,), input=None)
                for name, code in _unclear(sent)
            ]
            found += [
                InitErrorDetails(
                    type=refuse(one["type"], **one.get("ctx", {})),
                    loc=one["loc"],
                    input=None,
                )
                for one in error.errors(include_url=False, include_input=False)
            ]
            raise ValidationError.from_exception_data(cls.__name__, found) from None

    def faults(self) -> Iterator[Fault]:
        """Whether it says, once, what was rated."""
        return (Fault(f"/{name}", code) for name, code in _unclear(vars(self)))

    def digest(self, who: str, reference: bytes, survey_id: int) -> bytes:
        """What tells this request from another: all that was said and by whom, not when it came.

        Were it not by whom, who may list ratings could find their dossiers by sending guesses.
        """
        rated_at = self.rated_at and self.rated_at.astimezone(UTC).isoformat()
        # As repr writes a list of pairs, in half its time: codes hold nothing that it escapes.
        answers = "'), ('".join(map("', '".join, sorted(self.answers.items())))
        said = (
            f"({who!r}, {reference!r}, {survey_id!r}, {self.channel!r}, {self.counter!r}, "
            f"[('{answers}')], {self.comment!r}, {self.device_seq!r}, {rated_at!r})"
        )
        return hashlib.blake2b(said.encode(), digest_size=16).digest()


def _unclear(said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is missing to know, once, what was rated, or is too much."""
    invited = said.get("invitation") is not None
    for name in ("agency", "survey", "dossier"):
        if (said.get(name) is not None) == invited:
            yield name, "field-not-wanted" if invited else "missing"


class RatingOut(Out):
    """What became of a rating: stored, and counted."""

    model_config = ConfigDict(json_schema_extra=example(STORED))

    id: UUID = Field(description="Id of the rating: as sent, or given by the service")
    agency: str
    survey: str
    basis: str
    received_at: Moment
