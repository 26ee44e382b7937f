"""Figures as CSV, for those who ask for `text/csv`: flat rows that each stand for themselves."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from fastapi import Request, Response

from app.domain.measure import FACETS, Level, Status
from app.reports import csv_table

Answer = Mapping[str, Any]
Row = dict[str, object]

_FIGURE = (
    "status",
    "value",
    "numerator",
    "denominator",
    "n",
    "ci_low",
    "ci_high",
    "target",
    "gap",
    "met",
    "response_rate",
    "share_rated",
    "findings",
)
_ORIGIN = (
    "surveys",
    "source",
    "method",
    "method_name",
    "base",
    "minimum_n",
    "as_of",
    "edition",
)

INDEX_COLUMNS = (
    "agency",
    "agency_name",
    "period",
    "period_first",
    "period_last",
    "criterion",
    "level",
    "code",
    "name",
    "questionnaire",
    *_FIGURE,
    "rank",
    "peer_count",
    "forms_issued",
    "forms_returned",
    "forms_valid",
    *_ORIGIN,
)
RANKING_COLUMNS = (
    "peer_group",
    "peer_count",
    "period",
    "period_first",
    "period_last",
    "criterion",
    "agency",
    "agency_name",
    "rank",
    "rank_low",
    "rank_high",
    "tied_with",
    "rank_basis",
    *_FIGURE,
    "gap_to_next",
    "improvement_criterion",
    "improvement_name",
    "improvement_value",
    "improvement_lift",
    "change_value",
    "change_rank",
    "change_comparable",
    "change_reasons",
    "view",
    *_ORIGIN,
)

MOST_WISHES = 100  # browsers differ little
_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


def wants_csv(request: Request) -> bool:
    """Whether the reader would rather have CSV than JSON (RFC 9110, section 12.5.1)."""
    return _prefers_csv(",".join(request.headers.getlist("accept")))


@lru_cache(MOST_WISHES)
def _prefers_csv(accepted: str) -> bool:
    """Between equals the one that is named comes first, then JSON."""
    ranges = [_range(part) for part in accepted.split(",")]
    csv, json = _wish(ranges, "text/csv"), _wish(ranges, "application/json")
    return csv[0] > 0 and csv > json


def csv_described(columns: Sequence[str]) -> dict[str, Any]:
    """The table as OpenAPI describes an answer, with its heading as the example."""
    heading = ",".join(columns)
    return {"content": {"text/csv": {"schema": {"type": "string"}, "example": heading}}}


def csv_answer(
    columns: Sequence[str], rows: Iterable[Mapping[str, object]], name: str, response: Response
) -> Response:
    """The rows as the file `name`.csv, with the headers that `response` has collected.

    Its ETag is another than that of the same figures as JSON.
    """
    answer = Response(
        csv_table(columns, rows),
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
        media_type="text/csv; charset=utf-8; header=present",
    )
    for header, value in response.headers.items():
        answer.headers.setdefault(header, value)
    if tag := answer.headers.get("ETag"):
        answer.headers["ETag"] = tag.removesuffix('"') + '-csv"'
    if "accept" not in re.split(r"\s*,\s*", answer.headers.get("Vary", "").lower()):
        answer.headers.add_vary_header("Accept")
    return answer


def rows_of_indices(answer: Answer) -> list[Row]:
    """A row of INDEX_COLUMNS for each figure of an agency; `answer` is the one in JSON.

    `criterion` is overall for the overall index and its parts, and None for questions.
    """
    return [
        _row(INDEX_COLUMNS, answer, figure | {"criterion": _criterion(figure)})
        for figure in answer["figures"]
    ]


def rows_of_ranking(answer: Answer) -> list[Row]:
    """A row of RANKING_COLUMNS for each agency, the unranked last; `answer` is the one in JSON."""
    ranked = [{"status": Status.OK.value, **row} for row in answer["rows"]]
    return [_row(RANKING_COLUMNS, answer, row) for row in [*ranked, *answer["unranked"]]]


def _range(part: str) -> tuple[str, float]:
    """A media range and its quality, which is 0 where it cannot be read."""
    kind, *parameters = (one.strip().lower() for one in part.split(";"))
    quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
    return kind, float(quality) if _QUALITY.fullmatch(quality) else 0.0


def _wish(ranges: Sequence[tuple[str, float]], kind: str) -> tuple[float, bool]:
    """How much a media type is wanted, and whether by its name; the closest range decides."""
    for wanted in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        if found := [quality for name, quality in ranges if name == wanted]:
            return max(found), wanted == kind
    return 0.0, False


def _criterion(figure: Answer) -> str | None:
    level = Level(figure["level"])
    if level in {Level.OVERALL, *FACETS}:
        return Level.OVERALL.value
    return figure["code"] if level is Level.CRITERION else None


def _row(columns: Sequence[str], answer: Answer, figure: Answer) -> Row:
    """The columns of a figure and of the answer it stands in; None for what neither has."""
    flat = _flat(answer) | _flat(figure)
    flat["period"] = f"{answer['period']['first']}/{answer['period']['last']}"
    flat["findings"] = [finding["code"] for finding in figure.get("findings", [])]
    return {column: flat.get(column) for column in columns}


def _flat(whole: Answer) -> Row:
    """Parts under their names: `agency.code` as agency, `agency.name` as agency_name."""
    flat: Row = {}
    for name, value in whole.items():
        parts = value if isinstance(value, Mapping) else {"code": value}
        for key, part in parts.items():
            flat[name if key in {"code", "id"} else f"{name}_{key}"] = part
    return flat
