"""What the service says, in Vietnamese and English: gettext catalogues under `locale`."""

from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from babel.messages.pofile import read_po
from starlette.requests import Request

Language = Literal["vi", "en"]
LANGUAGES: tuple[Language, ...] = ("vi", "en")

MOST_WISHES = 100  # browsers differ little
_LOCALE = Path(__file__).parent.parent / "locale"


@cache
def catalogue(language: Language) -> dict[str, str]:
    """All texts of a language by their id."""
    with (_LOCALE / f"{language}.po").open("rb") as file:
        return {str(entry.id): str(entry.string) for entry in read_po(file) if entry.id}


def say(language: Language, text_id: str, **params: object) -> str:
    """The text with its parameters filled in, decimals, days and types written as readers do."""
    if "wanted" in params:
        params["wanted"] = catalogue(language)[f"type:{params['wanted']}"]
    if language == "vi":
        params = {name: _in_vietnamese(value) for name, value in params.items()}
    return catalogue(language)[text_id].format_map(params)


def both(text_id: str) -> dict[str, str]:
    """The text in every language."""
    return {language: catalogue(language)[text_id] for language in LANGUAGES}


def month(code: str) -> dict[str, str]:
    """What the month 2026-03 is called in every language."""
    first = date.fromisoformat(f"{code}-01")
    return {"vi": f"Tháng {first.month}/{first.year}", "en": f"{first:%B %Y}"}


def _in_vietnamese(value: object) -> object:
    if isinstance(value, Decimal | float):
        return str(value).replace(".", ",")
    return f"{value:%d/%m/%Y}" if isinstance(value, date) else value


def language(request: Request) -> Language:
    """The language that the reader prefers of those we have; Vietnamese by default."""
    return _preferred(request.headers.get("accept-language", ""))


@lru_cache(MOST_WISHES)
def _preferred(wished: str) -> Language:
    wishes = []
    for place, part in enumerate(wished.split(",")):
        tag, _, quality = part.strip().partition(";q=")
        wishes.append((-_weight(quality), place, tag.strip().lower().partition("-")[0]))
    for refused, _, tag in sorted(wishes):
        if refused < 0 and tag in LANGUAGES:
            return "en" if tag == "en" else "vi"
    return "vi"


def _weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0
