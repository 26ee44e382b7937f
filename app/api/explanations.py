"""How a figure was made, so that a clerk can repeat it with a pocket calculator."""

from decimal import Decimal

from app.api import texts
from app.api.explanation_schemas import (
    BothOut,
    CountedOut,
    EarnedOut,
    ExplanationOut,
    InputOut,
    IntervalOut,
    NamedOut,
    PartOut,
    SubtractionOut,
    SumsOut,
)
from app.api.explanation_steps import Z, both, steps
from app.api.schemas import plain
from app.domain.explanation import ExplainedPart, Explanation, Input
from app.domain.figure import Figure
from app.domain.measure import FACETS, Level, Ratio
from app.domain.profiles import Earned


def explanation_out(explanation: Explanation) -> ExplanationOut:
    """The explanation in both languages, whichever the reader prefers."""
    figure, dossiers = explanation.figure, explanation.dossiers
    option = figure.measure.level is Level.OPTION
    formula = "explain:formula-of-option" if option else f"method:{explanation.method}:formula"
    value = Decimal() if figure.value is None else figure.value
    return ExplanationOut(
        formula=texts.both(formula),
        note=_note(explanation),
        inputs=[_input_out(one) for one in explanation.inputs],
        parts=[_part_out(part) for part in explanation.parts],
        dossiers=SubtractionOut.model_validate(dossiers) if dossiers else None,
        earned=_earned_out(explanation.earned),
        sums=_sums_out(figure.measure.ratio, explanation.weighted),
        exact=None if explanation.exact is None else str(explanation.exact),
        value=float(value),
        decimals=-int(value.as_tuple().exponent),
        rounding=explanation.rounding,
        interval=_interval_out(figure),
        steps=list(steps(explanation)),
    )


def _input_out(one: Input) -> InputOut:
    tally = one.tally
    rows = zip(tally.question.options, tally.counts, one.points, strict=True)
    return InputOut(
        survey=tally.survey,
        questionnaire=tally.questionnaire,
        criterion=NamedOut(code=tally.criterion.code, name=both(tally.criterion.name)),
        question=NamedOut(code=tally.question.code, name=both(tally.question.text)),
        forms=tally.forms,
        options=[
            CountedOut(
                code=option.code,
                label=both(option.label),
                count=count,
                score=option.score,
                counted=option.counted,
                satisfied=option.satisfied,
                points=plain(points),
            )
            for option, count, points in rows
        ],
        numerator=plain(one.ratio.numerator),
        denominator=plain(one.ratio.denominator),
    )


def _part_out(part: ExplainedPart) -> PartOut:
    figure, measure = part.figure, part.figure.measure
    return PartOut(
        code=measure.code,
        name=both(measure.name),
        weight=plain(part.weight),
        numerator=plain(measure.ratio.numerator) if measure.ratio else None,
        denominator=plain(measure.ratio.denominator) if measure.ratio else None,
        exact=str(part.exact),
        value=float(figure.value or 0),
        n=measure.n or None,
        ci_low=None if figure.low is None else float(figure.low),
        ci_high=None if figure.high is None else float(figure.high),
        inputs=[_input_out(one) for one in part.inputs],
        earned=_earned_out(part.earned),
    )


def _note(explanation: Explanation) -> BothOut | None:
    if not explanation.withheld:
        return None
    why = "of-slices" if explanation.figure.measure.level in FACETS else "withheld"
    return BothOut(**texts.both(f"explain:inputs-{why}"))


def _earned_out(earned: Earned | None) -> EarnedOut | None:
    return EarnedOut.model_validate(earned) if earned else None


def _sums_out(pooled: Ratio | None, weighted: Ratio | None) -> SumsOut | None:
    if not pooled and not weighted:
        return None
    return SumsOut(
        numerator=plain(pooled.numerator) if pooled else None,
        denominator=plain(pooled.denominator) if pooled else None,
        weighted_sum=plain(weighted.numerator) if weighted else None,
        weight=plain(weighted.denominator) if weighted else None,
    )


def _interval_out(figure: Figure) -> IntervalOut | None:
    if figure.low is None or figure.high is None:
        return None
    n, low, high = figure.measure.n, float(figure.low), float(figure.high)
    return IntervalOut(n=n, z=float(Z), ci_low=low, ci_high=high)
