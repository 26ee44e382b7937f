"""Types that requests and answers share: strict, bounded, and safe to store."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from app.api.faults import CODE_PATTERN
from app.domain import dossier, period
from app.domain.errors import Fault, InvalidError
from app.domain.period import VIETNAM

LARGEST_COUNT = 2**31 - 1
LONGEST_LINE, LONGEST_TEXT = 500, 4000

_DAY = r"^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
_INSTANT = (
    r"^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]"
    r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
# Whether the six digits are a day no pattern can say.
_DOSSIER = (
    r"^([0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2}|[A-Z][0-9]{2}(\.[0-9]{1,3}){0,3})"
    r"-[0-9]{6}-[0-9]{4,5}$"
)
_PERIOD = r"^20[0-9]{2}(-(Q[1-4]|0[1-9]|1[0-2]))?$"


def refuse(code: str, **params: Any) -> PydanticCustomError:
    """The error that a validator raises; its code has a text in both languages."""
    return PydanticCustomError(code, code, params or None)


def _clean(text: str) -> str:
    """The text in composed form; refuses what PostgreSQL cannot store or nobody can read."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise refuse("bad-text") from None
    if any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in text):
        raise refuse("bad-text")
    return unicodedata.normalize("NFC", text)


def _line(text: str) -> str:
    if not text.strip():
        raise refuse("blank")
    return text.strip()


def _day(value: object) -> object:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not re.fullmatch(_DAY, value):
        raise refuse("bad-day")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise refuse("bad-day") from None


def _instant(value: object) -> object:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not re.fullmatch(_INSTANT, value):
        raise refuse("bad-instant")
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        raise refuse("bad-instant") from None


def _period(value: str) -> str:
    try:
        period.parse(value)
    except ValueError:
        raise refuse("bad-period") from None
    return value


def _number(value: object) -> object:
    """A number as JSON writes it; its shortest form is exact, so 0.1 is a tenth."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticKnownError("decimal_type")
    return Decimal(str(value))


def _month(value: str) -> str:
    if period.parse(value).months != 1:
        raise refuse("not-one-month")
    return value


def _dossier_code(value: str) -> str:
    if not dossier.is_code(value):
        raise refuse("bad-dossier-code")
    return value


Code = Annotated[
    str,
    StringConstraints(strict=True, max_length=64, pattern=CODE_PATTERN),
]
Line = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=LONGEST_LINE),
    AfterValidator(_clean),
    AfterValidator(_line),
]
Prose = Annotated[
    str,
    StringConstraints(strict=True, max_length=LONGEST_TEXT),
    AfterValidator(_clean),
]
Day = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "format": "date", "pattern": _DAY}),
]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _INSTANT}),
]
PeriodText = Annotated[
    str,
    StringConstraints(strict=True, max_length=7),
    AfterValidator(_period),
    WithJsonSchema({"type": "string", "pattern": _PERIOD}),
]
MonthText = Annotated[
    PeriodText,
    AfterValidator(_month),
    WithJsonSchema({"type": "string", "pattern": r"^20[0-9]{2}-(0[1-9]|1[0-2])$"}),
]
DossierCode = Annotated[
    str,
    StringConstraints(strict=True, max_length=40),
    AfterValidator(_dossier_code),
    WithJsonSchema({"type": "string", "pattern": _DOSSIER}),
]
Count = Annotated[StrictInt, Field(ge=0, le=LARGEST_COUNT)]
Percent = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(ge=0, le=100, decimal_places=5),
    # Not "multipleOf": 83 is no multiple of 0.00001 where numbers are binary.
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100}),
]
Share = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(gt=0, le=1, decimal_places=9),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
]

Channel = Literal["tablet", "portal", "mobile", "e_office", "paper", "post", "email", "sms"]
ServiceChannel = Literal["desk", "online", "post"]


def _in_vietnam(instant: datetime) -> str:
    return instant.astimezone(VIETNAM).isoformat()


Moment = Annotated[
    datetime,
    PlainSerializer(_in_vietnam, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class In(BaseModel):
    """What is sent: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    def faults(self) -> Iterator[Fault]:
        """What is wrong between its fields."""
        yield from ()

    def check(self) -> None:
        """Nothing when its fields fit together; else raises InvalidError naming every fault."""
        if faults := list(self.faults()):
            raise InvalidError(*faults)


class Out(BaseModel):
    """What is answered, read from rows and values."""

    model_config = ConfigDict(from_attributes=True)


class Localised(In):
    """A text in Vietnamese and, where there is one, in English."""

    vi: Line = Field(description="In Vietnamese")
    en: Line | None = Field(default=None, description="In English; null: Vietnamese stands for it")


def example(*values: Mapping[str, Any]) -> dict[str, Any]:
    """Examples of a model, for the contract."""
    return {"examples": [dict(value) for value in values]}


class PeriodOut(Out):
    """Whole months from the first day to the last."""

    first: date
    last: date


def texts_of(text: Localised) -> dict[str, str]:
    """The text as it is stored."""
    return text.model_dump(exclude_none=True)


def plain(value: Fraction) -> float | int:
    """The value as JSON writes it: whole numbers without a point."""
    return value.numerator if value.denominator == 1 else float(value)


def in_language(text: Mapping[str, str], language: str) -> str:
    """The text in the reader's language, or in Vietnamese, which is always there."""
    return text.get(language) or text["vi"]
