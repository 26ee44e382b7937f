"""Indices published elsewhere (SIPAS): kept as printed, checked, and recomputed beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from app.domain.errors import Fault, InvalidError
from app.domain.figure import Finding, half_up
from app.domain.formulas import ONE, OVERALL, Labelled, mean, mean_of
from app.domain.measure import Level, Measure, Part, Status, label
from app.domain.methods import AS_PUBLISHED, MEAN_OF_UNITS, At, not_applicable, units_finding
from app.domain.period import Period
from app.domain.questionnaire import Text

FEWEST_CRITERIA = 2
MEAN_OF_CRITERIA = "mean-of-criteria@1"
METHODS = (AS_PUBLISHED, MEAN_OF_CRITERIA, MEAN_OF_UNITS)


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """One printed value, with the rank and the number of peers printed beside it."""

    criterion: str
    name: Text
    value: Decimal
    rank: int | None
    peer_count: int | None


def check(figures: Sequence[PublishedFigure]) -> list[Fault]:
    """What cannot be true of the printed figures."""
    seen: set[str] = set()
    faults = []
    for place, figure in enumerate(figures):
        if figure.criterion in seen:
            params = {"value": figure.criterion}
            faults.append(Fault(f"/figures/{place}/criterion", "duplicate-code", params))
        seen.add(figure.criterion)
        if (figure.rank or 0) > (figure.peer_count or figure.rank or 0):
            faults.append(Fault(f"/figures/{place}/rank", "rank-beyond-peers"))
    return faults


def check_begun(period: Period, day: date, pointer: str) -> None:
    """Nothing when the period has begun on that day; else InvalidError: it is still to come."""
    if day < period.first:
        raise InvalidError(Fault(pointer, "in-the-future"))


def measure(figure: PublishedFigure) -> Measure:
    """The printed value as a measure; how many people it rests on was not printed."""
    level = Level.OVERALL if figure.criterion == "overall" else Level.CRITERION
    value, shown = Fraction(figure.value), max(2, decimals(figure.value))
    return Measure(level, figure.criterion, figure.name, Status.OK, value=value, decimals=shown)


def find(method_id: str, level: Level, at: At) -> str:
    """The method's id, when it makes such figures of printed values; raises otherwise."""
    if method_id not in METHODS:
        raise not_applicable(at.method, METHODS)
    levels = {Level.OVERALL, Level.CRITERION} if method_id == AS_PUBLISHED else {Level.OVERALL}
    if level not in levels:
        raise not_applicable(at.level, sorted(levels))
    return method_id


def measures(
    method_id: str, level: Level, bodies: Mapping[str, Sequence[PublishedFigure]]
) -> list[Measure]:
    """What follows by the method from what was printed of one agency, or of each unit.

    `bodies` are under the agencies' codes, which become those of a mean's parts.
    """
    if method_id == MEAN_OF_UNITS:
        return [
            mean_of(
                replace(measure(figure), code=code)
                for code, body in bodies.items()
                for figure in body
                if overall(figure)
            )
        ]
    (figures,) = bodies.values()
    if method_id == MEAN_OF_CRITERIA:
        return [mean_of_criteria(figures)]
    wanted = [measure(f) for f in figures if overall(f) is (level is Level.OVERALL)]
    return wanted or [label(level, "overall", OVERALL)] if level is Level.OVERALL else wanted


def check_ranks(method_id: str, at: At) -> None:
    """Nothing when printed values can be ranked by the method; else MethodNotApplicableError."""
    if method_id != AS_PUBLISHED:
        raise not_applicable(at.method, [AS_PUBLISHED])


def of_criterion(figures: Sequence[PublishedFigure], criterion: str) -> Measure:
    """The value printed for a criterion, `overall` included."""
    found = [measure(figure) for figure in figures if figure.criterion == criterion]
    level = Level.OVERALL if criterion == "overall" else Level.CRITERION
    return found[0] if found else label(level, criterion, {"vi": criterion})


def notes(method_id: str, bodies: Sequence[Sequence[PublishedFigure]]) -> list[Finding]:
    """What must be known beside the overall value that follows by the method."""
    if method_id == MEAN_OF_UNITS:
        used = sum(any(overall(figure) for figure in body) for body in bodies)
        return [units_finding(used, len(bodies))]
    return findings(bodies[0])


def overall(figure: PublishedFigure) -> bool:
    """Whether the printed value sums up the criteria."""
    return figure.criterion == "overall"


def place(figures: Sequence[PublishedFigure], criterion: str) -> tuple[int | None, int | None]:
    """The rank and the number of peers printed for a criterion."""
    found = [figure for figure in figures if figure.criterion == criterion]
    return (found[0].rank, found[0].peer_count) if found else (None, None)


def mean_of_criteria(figures: Sequence[PublishedFigure]) -> Measure:
    """The overall index recomputed as the unweighted mean of the printed criteria."""
    parts = [Part(measure(figure), ONE) for figure in figures if not overall(figure)]
    return mean(Labelled(Level.OVERALL, "overall", OVERALL), parts)


def findings(figures: Sequence[PublishedFigure]) -> list[Finding]:
    """Whether the printed overall value is the mean of the printed criteria."""
    printed = next((figure.value for figure in figures if overall(figure)), None)
    if sum(not overall(figure) for figure in figures) < FEWEST_CRITERIA:
        return []
    computed = mean_of_criteria(figures).value
    if printed is None or computed is None:
        return []
    rounded = half_up(computed, decimals(printed))
    code = "overall-is-mean-of-criteria" if rounded == printed else "overall-differs-from-mean"
    return [Finding(code, {"published": printed, "computed": rounded})]


def decimals(value: Decimal) -> int:
    """The number of decimals a value was printed with."""
    return max(0, -int(value.as_tuple().exponent))
