"""The methods: what each formula is, in words."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import ConfigDict, Field

from app.api import texts
from app.api.deps import BEGINNING, Language, MethodReader, Paging
from app.api.errors import problems
from app.api.figures import MethodId
from app.api.schemas import Out, example
from app.domain.errors import Fault, InvalidError, MethodNotFoundError
from app.domain.measure import Base, Level
from app.domain.methods import AS_PUBLISHED, METHODS
from app.domain.profile_figures import LEVELS
from app.domain.profiles import QD766, REGIMES, TT01

router = APIRouter(prefix="/v1/methods", tags=["figures"])

TOP2 = {
    "id": "top2-share@1",
    "name": "Tỷ lệ hài lòng và rất hài lòng",
    "formula": "Số câu trả lời ở hai mức tốt nhất chia cho số câu trả lời được tính, nhân 100.",
    "example": "30 câu trả lời, 18 rất hài lòng và 12 hài lòng: (18 + 12) / 30 x 100 = 100 %.",
    "rounding": "Tính chính xác, chỉ làm tròn khi hiển thị, hai chữ số thập phân.",
    "limits": "Không phải là chỉ số SIPAS.",
    "levels": ["criterion", "option", "overall", "question"],
    "bases": ["answers", "forms"],
}


Regime = Literal["ratings", "published", "tt01-2018", "qd766"]


class MethodOut(Out):
    """A method in words. A changed formula is a new version, never a changed one."""

    model_config = ConfigDict(json_schema_extra=example(TOP2))

    id: str = Field(description="Name and version, e.g. top2-share@1")
    name: str = Field(description="In the reader's language")
    formula: str
    example: str = Field(description="A calculation with numbers, in words")
    rounding: str = Field(description="When and how it is rounded, in words")
    limits: str
    levels: list[Level] = Field(description="What its figures can speak of")
    bases: list[Base] = Field(description="What its shares can be shares of")


class MethodList(Out):
    """All methods."""

    model_config = ConfigDict(json_schema_extra=example({"items": [TOP2], "next_cursor": None}))

    items: list[MethodOut]
    next_cursor: str | None


class MethodRef(Out):
    """The method that made a number."""

    id: str = Field(description="Name and version, e.g. top2-share@1")
    name: str = Field(description="In the reader's language")
    regime: Regime = Field(description="Figures of different regimes are never compared")
    regime_name: str = Field(description="The regime in the reader's language")
    unit: Literal["percent", "points"] = Field(
        description="What values are counted in: percent, or points of an official text"
    )


def ids() -> list[str]:
    """Every method's id."""
    return [*METHODS, AS_PUBLISHED, *REGIMES]


def regime(method_id: str, source: str | None) -> Regime:
    """What figures by a method, maybe of a source, belong to; different ones never compare."""
    known: dict[str, Regime] = {QD766: "qd766", TT01: "tt01-2018"}
    return "published" if source is not None else known.get(method_id, "ratings")


def unit(method_id: str) -> Literal["percent", "points"]:
    """What its figures are counted in."""
    return "points" if method_id == TT01 else "percent"


def method_ref(method_id: str, source: str | None, language: Language) -> MethodRef:
    """The method's id and name, and the regime that its figures belong to."""
    of = regime(method_id, source)
    return MethodRef(
        id=method_id,
        name=texts.say(language, f"method:{method_id}:name"),
        regime=of,
        regime_name=texts.say(language, f"regime:{of}"),
        unit=unit(method_id),
    )


@router.get("", operation_id="list_methods", responses=problems())
async def list_methods(
    language: Language,
    _caller: MethodReader,
    paging: Paging,
    cursor: Annotated[MethodId | None, BEGINNING] = None,
) -> MethodList:
    """All methods, with their formulas in words."""
    found = ids()
    if cursor is not None:
        if cursor not in found:
            raise InvalidError(Fault("/query/cursor", "bad-cursor"))
        found = found[found.index(cursor) + 1 :]
    page, following = paging.page(found, str)
    items = [_out(method_id, language) for method_id in page]
    return MethodList(items=items, next_cursor=following)


@router.get("/{method}", operation_id="get_method", responses=problems(MethodNotFoundError))
async def get_method(
    language: Language,
    _caller: MethodReader,
    method: Annotated[MethodId, Path()],
) -> MethodOut:
    """A method: its formula in words, a worked example, its rounding and its limits."""
    if method not in ids():
        raise MethodNotFoundError(Fault("/path/method", "method-not-found", {"code": method}))
    return _out(method, language)


def _out(method_id: str, language: Language) -> MethodOut:
    known = METHODS.get(method_id)
    others = LEVELS.get(method_id, (Level.CRITERION, Level.OVERALL))
    say = {
        part: texts.say(language, f"method:{method_id}:{part}")
        for part in ("name", "formula", "example", "limits")
    }
    return MethodOut(
        id=method_id,
        rounding=texts.say(language, "method:rounding"),
        levels=sorted(known.levels if known else others),
        bases=sorted(known.bases if known else {Base.ANSWERS}),
        **say,
    )
