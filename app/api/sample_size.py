"""Sample sizes: how many answers a survey needs, and how many forms to send out for them."""

from fractions import Fraction
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from app.api import texts
from app.api.deps import Language, MethodReader
from app.api.errors import problems
from app.api.schemas import In, Out, example
from app.domain.figure import half_up
from app.domain.sample_size import Size, forms_to_send, sample_size

router = APIRouter(prefix="/v1/methods/sample-size", tags=["figures"])

LARGEST_POPULATION = 100_000_000
SHOWN_DECIMALS = 4  # of a share, as two are of a percentage

OF_A_COMMUNE = {
    "population": 500,
    "error": 0.05,
    "response_rate": 60,
    "yamane": {
        "n": 223,
        "error_reached": 0.0502,
        "to_send": 372,
        "formula": "n = N / (1 + N·e²), làm tròn lên.",
    },
    "exact": {
        "n": 226,
        "error_reached": 0.05,
        "to_send": 377,
        "formula": "Số phiếu nhỏ nhất để khoảng tin cậy chính xác 95 % không vượt quá sai số.",
    },
    "limits": "Chỉ đúng với mẫu ngẫu nhiên đơn giản.",
}


class SampleSizeQuery(In):
    """From how many people the sample is drawn, and how sure its index is to be."""

    population: int = Field(
        ge=1, le=LARGEST_POPULATION, description="People, or dossiers, that could be asked"
    )
    error: float = Field(
        default=0.05,
        ge=0.001,
        le=0.5,
        allow_inf_nan=False,
        description="As a share: 0.05 is five percentage points",
    )
    response_rate: int | None = Field(
        default=None, ge=1, le=100, description="Forms expected back, in percent of those sent"
    )


class SizeOut(Out):
    """A number of valid answers, what they buy, and the forms to send out for them."""

    n: int = Field(description="Valid answers needed, at most the population")
    error_reached: float = Field(
        description="How far the limits of the exact 95 % interval then lie from a share of one "
        "half, as a share"
    )
    to_send: int | None = Field(
        description="Forms to send; null: without a response rate, or if even asking everybody "
        "brings too few"
    )
    formula: str


class SampleSizeOut(Out):
    """The answers needed by Yamane's formula, and exactly."""

    model_config = ConfigDict(json_schema_extra=example(OF_A_COMMUNE))

    population: int = Field(description="People, or dossiers, that could be asked")
    error: float = Field(description="As a share: 0.05 is five percentage points")
    response_rate: int | None = Field(
        description="Forms expected back, in percent of those sent; null: not told"
    )
    yamane: SizeOut = Field(description="By Yamane's formula, which takes the worst case")
    exact: SizeOut = Field(description="By the exact 95 % interval of a share of one half")
    limits: str


@router.get("", operation_id="get_sample_size", responses=problems())
async def get_sample_size(
    query: Annotated[SampleSizeQuery, Query()], language: Language, _caller: MethodReader
) -> SampleSizeOut:
    """How many answers a survey needs for an error, by Yamane's formula and exactly."""
    # A number's shortest form is exact, so 0.05 is a twentieth.
    found = sample_size(query.population, Fraction(str(query.error)))
    return SampleSizeOut(
        population=query.population,
        error=query.error,
        response_rate=query.response_rate,
        yamane=_out(found.yamane, query, texts.say(language, "sample-size:yamane")),
        exact=_out(found.exact, query, texts.say(language, "sample-size:exact")),
        limits=texts.say(language, "sample-size:limits"),
    )


def _out(size: Size, query: SampleSizeQuery, formula: str) -> SizeOut:
    rate = query.response_rate
    return SizeOut(
        n=size.n,
        error_reached=float(half_up(size.error, SHOWN_DECIMALS)),
        to_send=rate and forms_to_send(size.n, query.population, Fraction(rate, 100)),
        formula=formula,
    )
