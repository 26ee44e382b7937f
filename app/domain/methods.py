"""The method registry: tally -> index. Every number carries the id of the method that made it.

A formula is never changed: a better one is a new version beside the old one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from app.domain import withholding
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
    with_interval,
)
from app.domain.measure import (
    FACETS,
    Base,
    Level,
    Measure,
    Ratio,
    Status,
    label,
    options,
    people,
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


DEFAULT_METHOD = "top2-share@1"
MEAN_OF_UNITS = "mean-of-units@1"
AS_PUBLISHED = "as-published@1"  # of figures made elsewhere; see `published`

OVERALL_ONLY = frozenset({Level.OVERALL, *FACETS})

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
        Method(MEAN_OF_UNITS, SATISFIED, pool, levels=frozenset({Level.OVERALL}), of_units=True),
    )
}


@dataclass(frozen=True, slots=True)
class At:
    """Where in a request the method, the level and the base are asked for."""

    method: str = "/query/method"
    level: str = "/query/by"
    base: str = "/query/base"


def find(method_id: str, level: Level, base: Base, at: At) -> Method:
    """The method of this id; raises MethodNotFoundError, or MethodNotApplicableError."""
    method = METHODS.get(method_id)
    if method_id == AS_PUBLISHED:
        raise not_applicable(at.method, METHODS)
    if method is None:
        raise MethodNotFoundError(Fault(at.method, "method-not-found", {"code": method_id}))
    faults = []
    if level not in method.levels:
        allowed = ", ".join(sorted(method.levels))
        faults.append(Fault(at.level, "not-allowed", {"allowed": allowed}))
    if base not in method.bases:
        faults.append(Fault(at.base, "not-allowed", {"allowed": Base.ANSWERS.value}))
    if faults:
        raise MethodNotApplicableError(*faults)
    return method


def check_ranks(method: Method, at: At) -> None:
    """Nothing when agencies can be ranked by the method; else MethodNotApplicableError."""
    if method.of_units:
        raise not_applicable(at.method, [one.id for one in METHODS.values() if not one.of_units])


def not_applicable(pointer: str, allowed: Iterable[str]) -> MethodNotApplicableError:
    """The refusal that names the methods, or levels, which would do."""
    return MethodNotApplicableError(Fault(pointer, "not-allowed", {"allowed": ", ".join(allowed)}))


def measures(
    method: Method, tallies: Sequence[SurveyTally], level: Level, base: Base
) -> list[Measure]:
    """The figures of one agency by a method, at a level, in the order of the forms."""
    questions = [question for tally in tallies for question in tally.questions]
    if level is Level.OVERALL:
        return [overall(method, questions, base)]
    if level is Level.CRITERION:
        return [
            method.criterion(
                method.kernel, Labelled(level, code, group[0].criterion.name), group, base
            )
            for code, group in by_criterion(questions).items()
        ]
    return _by_question(method, questions, level, base)


def overall(method: Method, questions: Questions, base: Base) -> Measure:
    """The overall figure of the questions by a method."""
    what = Labelled(Level.OVERALL, "overall", OVERALL)
    return method.overall(method.kernel, what, questions, base)


def criterion(method: Method, tallies: Sequence[SurveyTally], code: str, base: Base) -> Measure:
    """The figure of one agency for one criterion, `overall` included."""
    if code == "overall":
        return measures(method, tallies, Level.OVERALL, base)[0]
    questions = [question for tally in tallies for question in tally.questions]
    group = by_criterion(questions).get(code)
    if group is None:
        return label(Level.CRITERION, code, {"vi": code})
    what = Labelled(Level.CRITERION, code, group[0].criterion.name)
    return method.criterion(method.kernel, what, group, base)


def mean_of_units(
    units: Mapping[str, Sequence[SurveyTally]], base: Base, minimum_n: int
) -> tuple[Measure, list[str]]:
    """The unweighted mean of the units' top2-shares, and the codes of the units it is made of.

    Units whose share is withheld, of too few people or for their sake, are left out.
    """
    share = METHODS["top2-share@1"]
    parts = {
        code: replace(measures(share, tallies, Level.OVERALL, base)[0], code=code)
        for code, tallies in units.items()
    }
    valued = [code for code, part in parts.items() if part.status is Status.OK]
    # By those who answered, not all forms: of a mean with its parts beside it nobody follows.
    used = [
        code
        for code in valued
        if people(parts[code].questions, Base.ANSWERS) >= minimum_n
        and withholding.of(units[code], minimum_n).allows(share.kernel, parts[code])
    ]
    statuses = {part.status for part in parts.values()}
    if used or statuses <= {Status.NOT_ASKED}:
        return mean_of(parts[code] for code in used), used
    why = Status.EXEMPT if Status.EXEMPT in statuses else Status.PENDING
    n = max((parts[code].n for code in valued), default=0)
    status = Status.TOO_FEW if valued else why
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
        value = 100 * ratio.numerator / ratio.denominator
        made = Measure(Level.OPTION, code, option.label, Status.OK, n, value, ratio, questions=used)
        found.append(with_interval(made))
    return found
