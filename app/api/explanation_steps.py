"""A calculation in sentences, to be followed with a pocket calculator."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction

from app.api import texts
from app.api.schemas import in_language
from app.domain.explanation import ExplainedPart, Explanation, Input, earned
from app.domain.figure import Figure, half_up
from app.domain.interval import Z_95
from app.domain.measure import Ratio
from app.domain.methods import AS_PUBLISHED
from app.domain.profile_names import GRADES
from app.domain.profiles import QD766, TT01
from app.domain.questionnaire import Text

Both = dict[str, str]

TIMES, MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"

Z = half_up(Z_95, 6)
PLACES = 4  # of numbers on the way; the value has its own


def both(text: Text) -> Both:
    """The text in every language, in Vietnamese where it is in no other."""
    return {language: in_language(text, language) for language in texts.LANGUAGES}


def steps(explanation: Explanation) -> Iterator[Both]:
    """A sentence in every language for each question, each part, the value and its interval."""
    return _OTHERWISE.get(explanation.method, _calculated)(explanation)


def _calculated(explanation: Explanation) -> Iterator[Both]:
    """Of questions, and of the parts of a mean."""
    figure, pooled = explanation.figure, explanation.figure.measure.ratio
    yield from map(_of_input, explanation.inputs)
    for part in explanation.parts:
        yield from map(_of_input, part.inputs)
        yield _of_part(part)
    if pooled:
        several = len(explanation.inputs) != 1
        work = f"{_share(pooled)} {_sign(figure.measure.value, figure.value)} {figure.value} %"
        yield _said("explain:pooled" if several else "explain:result", work)
    elif explanation.weighted:
        yield _said("explain:mean", _mean(explanation.parts, explanation.weighted, figure))
    else:
        yield _said("explain:result", f"{figure.value} %")
    if figure.low is not None and (pooled or explanation.parts):
        text = "explain:interval" if pooled else "explain:interval-of-mean"
        params = {"n": figure.measure.n, "z": Z, "low": figure.low, "high": figure.high}
        yield {language: texts.say(language, text, **params) for language in texts.LANGUAGES}


def _printed(explanation: Explanation) -> Iterator[Both]:
    yield _said("explain:as-published", f"{explanation.figure.value} %")


def _subtracted(explanation: Explanation) -> Iterator[Both]:
    """QĐ 766: the dossiers that are left, of all that were returned."""
    figure, found = explanation.figure, explanation.dossiers
    if found:
        left = f"({found.returned} {MINUS} {found.subtracted})"
        sign = _sign(figure.measure.value, figure.value)
        work = f"{left} / {found.returned} {TIMES} 100 {sign} {figure.value} %"
        yield _said("explain:dossiers", work)


def _points(explanation: Explanation) -> Iterator[Both]:
    """TT 01/2018: an index by itself; or all nine, their sum and the class that it earns."""
    figure = explanation.figure
    if not explanation.parts:
        yield _of_index(figure, explanation.exact)
        return
    for part in explanation.parts:
        yield _of_index(part.figure, part.exact)
    added = " + ".join(str(part.figure.value) for part in explanation.parts)
    yield _said("explain:total", f"{added} = {figure.value}")
    grade = next(code for code, one in GRADES.items() if (figure.value or 0) >= one.least)
    yield texts.both(f"grade-{grade}:detail")


_OTHERWISE: Mapping[str, Callable[[Explanation], Iterator[Both]]] = {
    AS_PUBLISHED: _printed,
    QD766: _subtracted,
    TT01: _points,
}


def _of_input(one: Input) -> Both:
    """The answers that add points, over all of them."""
    tally = one.tally
    counted = zip(tally.counts, one.points, strict=True)
    earning = [(count, points) for count, points in counted if count and points]
    whole = one.ratio.denominator / one.most
    if all(points == 1 for _, points in earning):
        top = " + ".join(str(count) for count, _ in earning)
    else:
        top = " + ".join(f"{count} {TIMES} {_number(points)}" for count, points in earning)
    top = f"({top})" if len(earning) > 1 else top or "0"
    bottom = _number(whole) if one.most == 1 else f"({_number(whole)} {TIMES} {_number(one.most)})"
    work, result = f"{top} / {bottom}", _over(one.ratio)
    work = work if work == result else f"{work} = {result}"
    return _said("explain:input", work, question=tally.question.code, survey=tally.survey)


def _of_part(part: ExplainedPart) -> Both:
    measure = part.figure.measure
    exact, text, work = measure.value or Fraction(0), "explain:printed", f"{part.figure.value} %"
    if measure.ratio:
        sign, text = _sign(exact, half_up(exact, PLACES)), "explain:part"
        work = f"{_share(measure.ratio)} {sign} {_short(exact)} %"
    return _said(text, work, measure.name, code=measure.code)


def _of_index(figure: Figure, exact: Fraction | None) -> Both:
    measure, counted, number = figure.measure, earned(figure), figure.measure.code
    over = _over(measure.ratio or Ratio())
    if counted:
        over = f"({counted.two} {TIMES} 2 + {counted.one} {TIMES} 1) / {counted.number}"
    work = f"{over} {_sign(exact, figure.value)} {figure.value}"
    if counted and counted.complained is not None:
        complained = str(counted.complained)
        text = "explain:index-of-complaints"
        return _said(text, work, measure.name, number=number, complained=complained)
    return _said("explain:index", work, measure.name, number=number)


def _mean(parts: tuple[ExplainedPart, ...], weighted: Ratio, figure: Figure) -> str:
    """The parts' values, weighed and added, over the sum of the weights."""
    plain = all(part.weight == 1 for part in parts)
    terms, total = [], Fraction(0)
    for part in parts:
        value = _short(part.figure.measure.value or Fraction(0))
        terms.append(value if plain else f"{_number(part.weight)} {TIMES} {value}")
        total += part.weight * Fraction(value)
    added, weights = _short(weighted.numerator), weighted.denominator
    first = _sign(total, Decimal(added))
    last = _sign(Fraction(added) / weights, figure.value)
    over = _number(weights)
    return f"({' + '.join(terms)}) / {over} {first} {added} / {over} {last} {figure.value} %"


def _said(text_id: str, work: str, name: Text | None = None, **names: str) -> Both:
    """The sentence about the work, which is written with decimal points."""
    named = both(name) if name else {}
    return {
        language: texts.say(
            language,
            text_id,
            work=work.replace(".", ",") if language == "vi" else work,
            name=named.get(language),
            **names,
        )
        for language in texts.LANGUAGES
    }


def _over(ratio: Ratio) -> str:
    return f"{_number(ratio.numerator)} / {_number(ratio.denominator)}"


def _share(ratio: Ratio) -> str:
    return f"{_over(ratio)} {TIMES} 100"


def _sign(exact: Fraction | None, shown: Decimal | None) -> str:
    """How what is shown relates to what it stands for."""
    return "=" if shown is not None and exact == Fraction(shown) else "≈"


def _short(value: Fraction) -> str:
    """The value to a few places, without zeros at the end."""
    return f"{half_up(value, PLACES).normalize():f}"


def _number(value: Fraction) -> str:
    """The exact value: a decimal where a few places are enough, else a fraction."""
    short = _short(value)
    return short if Fraction(short) == value else f"({value})"
