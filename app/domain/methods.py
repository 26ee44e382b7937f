"""The method registry: tally -> index. Every number carries the id of the method that made it.

A formula is never changed: a better one is a new version beside the old one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from app.domain.errors import Fault, MethodNotApplicableError, MethodNotFoundError
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
        Method("mean-of-units@1", SATISFIED, pool, levels=OVERALL_ONLY, of_units=True),
    )
}


def find(method_id: str, level: Level, base: Base) -> Method:
    """The method of this id; raises MethodNotFoundError, or MethodNotApplicableError."""
    method = METHODS.get(method_id)
    if method is None:
        raise MethodNotFoundError(Fault("/query/method", "method-not-found", {"code": method_id}))
    faults = []
    if level not in method.levels:
        allowed = ", ".join(sorted(method.levels))
        faults.append(Fault("/query/by", "not-allowed", {"allowed": allowed}))
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


def mean_of_units(units: Sequence[Sequence[SurveyTally]], base: Base, minimum_n: int) -> Measure:
    """The unweighted mean of the units' top2-shares; units with too few answers are left out."""
    share = METHODS["top2-share@1"]
    parts = [measures(share, tallies, Level.OVERALL, base)[0] for tallies in units]
    enough = [part for part in parts if part.n >= minimum_n]
    asked = [part for part in parts if part.status is not Status.NOT_ASKED]
    if enough or not asked:
        return mean_of(enough)
    status = Status.TOO_FEW if any(part.n for part in asked) else Status.PENDING
    n = max(part.n for part in asked)
    return Measure(Level.OVERALL, "overall", OVERALL, status, n)


def _by_question(method: Method, questions: Questions, level: Level, base: Base) -> list[Measure]:
    found = []
    for (_, code), group in by_question(questions).items():
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
        low, high = share_interval(ratio, n)
        value = 100 * ratio.numerator / ratio.denominator
        found.append(
            Measure(Level.OPTION, code, option.label, Status.OK, n, value, ratio, low, high, used)
        )
    return found
