"""The method registry: tally -> index. Every number carries the id of the method that made it.

A formula is never changed: a better one is a new version beside the old one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from app.domain.errors import Fault, MethodNotApplicableError, MethodNotFoundError
from app.domain.figure import Finding
from app.domain.formulas import (
    LEVEL,
    OF_MAXIMUM,
    OVERALL,
    SATISFIED,
    Kernel,
    Labelled,
    Questions,
    Summary,
    by_criterion,
    by_question,
    mean_of,
    of_criteria,
    of_overall_question,
    of_questions,
    of_weighted_criteria,
    pool,
)
from app.domain.measure import (
    Base,
    Level,
    Measure,
    Ratio,
    Status,
    label,
    options,
    people,
    share_interval,
)
from app.domain.tally import SurveyTally


@dataclass(frozen=True, slots=True)
class Method:
    """A named formula. `levels` says for what it makes figures."""

    id: str
    kernel: Kernel
    overall: Summary
    criterion: Summary = pool
    levels: frozenset[Level] = frozenset(Level)
    of_units: bool = False  # made of the indices of the agencies under this one

    @property
    def bases(self) -> frozenset[Base]:
        """A share can be taken of answers or of forms; points only of answers."""
        return frozenset(Base) if self.kernel.share else frozenset({Base.ANSWERS})


MEAN_OF_UNITS = "mean-of-units@1"
AS_PUBLISHED = "as-published@1"  # of figures made elsewhere; see `published`

OVERALL_ONLY = frozenset({Level.OVERALL})

METHODS: Mapping[str, Method] = {
    method.id: method
    for method in (
        Method("top2-share@1", SATISFIED, pool),
        Method("overall-question@1", SATISFIED, of_overall_question, levels=OVERALL_ONLY),
        Method("mean-of-criteria@1", SATISFIED, of_criteria),
        Method("mean-of-questions@1", SATISFIED, of_questions, criterion=of_questions),
        Method("weighted-criteria@1", SATISFIED, of_weighted_criteria),
        Method("mean-score@1", LEVEL, pool),
        Method("share-of-maximum@1", OF_MAXIMUM, pool),
        Method(MEAN_OF_UNITS, SATISFIED, pool, levels=OVERALL_ONLY, of_units=True),
    )
}


def find(method_id: str, level: Level, base: Base, level_at: str = "/query/by") -> Method:
    """The method of this id; raises MethodNotFoundError, or MethodNotApplicableError.

    `level_at` points to what asks for the level.
    """
    method = METHODS.get(method_id)
    if method_id == AS_PUBLISHED:
        kinds = ", ".join(METHODS)
        raise MethodNotApplicableError(Fault("/query/method", "not-allowed", {"allowed": kinds}))
    if method is None:
        raise MethodNotFoundError(Fault("/query/method", "method-not-found", {"code": method_id}))
    faults = []
    if level not in method.levels:
        allowed = ", ".join(sorted(method.levels))
        faults.append(Fault(level_at, "not-allowed", {"allowed": allowed}))
    if base not in method.bases:
        faults.append(Fault("/query/base", "not-allowed", {"allowed": Base.ANSWERS.value}))
    if faults:
        raise MethodNotApplicableError(*faults)
    return method


def check_ranks(method: Method) -> None:
    """Nothing when agencies can be ranked by the method; else MethodNotApplicableError."""
    if method.of_units:
        kinds = ", ".join(one.id for one in METHODS.values() if not one.of_units)
        raise MethodNotApplicableError(Fault("/query/method", "not-allowed", {"allowed": kinds}))


def measures(
    method: Method, tallies: Sequence[SurveyTally], level: Level, base: Base
) -> list[Measure]:
    """The figures of one agency by a method, at a level, in the order of the forms."""
    questions = [question for tally in tallies for question in tally.questions()]
    if level is Level.OVERALL:
        what = Labelled(level, "overall", OVERALL)
        return [method.overall(method.kernel, what, questions, base)]
    if level is Level.CRITERION:
        return [
            method.criterion(
                method.kernel, Labelled(level, code, group[0].criterion.name), group, base
            )
            for code, group in by_criterion(questions).items()
        ]
    return _by_question(method, questions, level, base)


def criterion(method: Method, tallies: Sequence[SurveyTally], code: str, base: Base) -> Measure:
    """The figure of one agency for one criterion, `overall` included."""
    if code == "overall":
        return measures(method, tallies, Level.OVERALL, base)[0]
    found = [m for m in measures(method, tallies, Level.CRITERION, base) if m.code == code]
    return found[0] if found else label(Level.CRITERION, code, {"vi": code})


def mean_of_units(
    units: Sequence[Sequence[SurveyTally]], base: Base, minimum_n: int
) -> tuple[Measure, list[int]]:
    """The unweighted mean of the units' top2-shares, and the places of the units it is made of.

    Units with too few people are left out.
    """
    share = METHODS["top2-share@1"]
    parts = [measures(share, tallies, Level.OVERALL, base)[0] for tallies in units]
    used = [place for place, part in enumerate(parts) if part.n >= minimum_n]
    asked = [part for part in parts if part.status is not Status.NOT_ASKED]
    if used or not asked:
        return mean_of(parts[place] for place in used), used
    n = max(part.n for part in asked)
    status = Status.TOO_FEW if n else Status.PENDING
    return Measure(Level.OVERALL, "overall", OVERALL, status, n), used


def units_finding(used: int, total: int) -> Finding:
    """How many of the units under an agency a mean is made of."""
    return Finding("mean-of-units", {"used": used, "total": total})


def _by_question(method: Method, questions: Questions, level: Level, base: Base) -> list[Measure]:
    found = []
    for group in by_question(questions):
        code = group[0].question.code
        what = Labelled(Level.QUESTION, code, group[0].question.text)
        whole = pool(method.kernel, what, group, base)
        found += [whole] if level is Level.QUESTION else _by_option(code, group, base)
    return found


def _by_option(question: str, group: Questions, base: Base) -> list[Measure]:
    """Each counted option's share of the answers (or forms) to its question."""
    n = people(group, base)
    whole = sum(tally.forms if base is Base.FORMS else tally.answers for tally in group)
    found = []
    for option, count in options(group):
        if not option.counted:
            continue
        code, used = f"{question}:{option.code}", tuple(group)
        if not n:
            nothing = Status.PENDING
            found.append(Measure(Level.OPTION, code, option.label, nothing, questions=used))
            continue
        ratio = Ratio(Fraction(count), Fraction(whole))
        if count > whole:  # a flawed sheet gives no share of its forms
            found.append(
                Measure(Level.OPTION, code, option.label, Status.EXEMPT, n, questions=used)
            )
            continue
        low, high = share_interval(ratio, n)
        value = 100 * ratio.numerator / ratio.denominator
        found.append(
            Measure(Level.OPTION, code, option.label, Status.OK, n, value, ratio, low, high, used)
        )
    return found
