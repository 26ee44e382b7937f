"""Organisation over time: whose data count for whom when agencies merged, split or ended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from itertools import accumulate, pairwise

from app.domain.evidence import Evidence, Funnel
from app.domain.figure import Finding
from app.domain.forms import Issued, Part
from app.domain.tally import SurveyTally

ONE = Fraction(1)
A_DAY = timedelta(days=1)


class View(StrEnum):
    """In which structure agencies are compared."""

    AS_WAS = "as_was"  # who was a peer in the period, each with its own data
    TODAY = "today"  # who is a peer on the day of asking, with the data of those it took over from
    LIKE_FOR_LIKE = "like_for_like"  # who stayed the same in both periods


@dataclass(frozen=True, slots=True)
class Succession:
    """A share of an agency's work, above 0 and at most 1, that passed to a successor on a day."""

    agency: str
    successor: str
    share: Fraction
    on: date


@dataclass(frozen=True, slots=True)
class Portion:
    """What of an agency's counts has come to one of those who hold them now.

    `shares` are those of all holders in a fixed order, `place` is this one's from 0.
    """

    shares: tuple[Fraction, ...]
    place: int

    @property
    def share(self) -> Fraction:
        """The holder's share, above 0 and at most 1."""
        return self.shares[self.place]

    def of(self, counts: Sequence[int]) -> list[int]:
        """The holder's part of each count."""
        if self.share == 1:
            return list(counts)
        return [parts[self.place] for parts in apportion(counts, self.shares)]


def apportion(counts: Sequence[int], shares: Sequence[Fraction]) -> list[list[int]]:
    """Each count, dealt out in whole numbers by shares of at most 1 together.

    Whole because forms and dossiers are people's, and n must count people. Parts add up to the
    count where the shares make 1; what they leave of it belongs to nobody. A larger count never
    gives anyone less, so counts within counts stay so: late dossiers among the returned.
    """
    chances, unclaimed = [], ONE
    for share in shares:
        chances.append((share / unclaimed).as_integer_ratio())
        unclaimed -= share
    return [_dealt(count, chances) for count in counts]


def _dealt(count: int, chances: Sequence[tuple[int, int]]) -> list[int]:
    """The parts of a count; each chance is of what those before it leave, and rounded half up."""
    parts = []
    for share, whole in chances:
        part = (2 * count * share + whole) // (2 * whole)
        parts.append(part)
        count -= part
    return parts


def origins(
    peers: Sequence[str], successions: Iterable[Succession], day: date
) -> dict[str, dict[str, Portion]]:
    """For each peer the agencies whose data count for it on that day, itself first.

    Shares multiply along a chain of successions, and several chains add up. A peer that was
    succeeded by then has passed all on and is left out. Where records lead in a circle, data stay
    with one agency of it.
    """
    onward: dict[str, list[Succession]] = {}
    for one in successions:
        if one.on <= day:
            onward.setdefault(one.agency, []).append(one)
    known: dict[str, Mapping[str, Fraction]] = {}
    held: dict[str, dict[str, Portion]] = {}
    for source in sorted({*peers, *onward}):
        holders = sorted(_holders(source, onward, known).items())
        shares = tuple(share for _, share in holders)
        for place, (holder, _) in enumerate(holders):
            held.setdefault(holder, {})[source] = Portion(shares, place)
    return {
        peer: dict(sorted(held[peer].items(), key=lambda origin: origin[0] != peer))
        for peer in peers
        if peer in held
    }


def _holders(
    agency: str,
    onward: Mapping[str, Sequence[Succession]],
    known: dict[str, Mapping[str, Fraction]],
) -> Mapping[str, Fraction]:
    """Who holds which share of the agency's data; `known` is filled with what was found."""
    if agency not in known:
        known[agency] = {agency: ONE}  # where a circle ends
        if agency in onward:
            held: dict[str, Fraction] = {}
            for one in onward[agency]:
                for holder, share in _holders(one.successor, onward, known).items():
                    held[holder] = held.get(holder, Fraction(0)) + one.share * share
            known[agency] = held
    return known[agency]


def merged(agency: str, sources: Sequence[tuple[Evidence, Portion]]) -> Evidence:
    """The agency's evidence made of its own and what came to it of others', with its own targets.

    Surveys stand in the order of first appearance; findings name the agency where it is another.
    """
    tallies: dict[str, SurveyTally] = {}
    for evidence, portion in sources:
        for one in evidence.tallies:
            passed = _tally(one, portion)
            held = tallies.get(one.survey)
            tallies[one.survey] = passed if held is None else _sum(held, passed)
    return Evidence(
        agency,
        tuple(tallies.values()),
        tuple(_part(part, portion) for evidence, portion in sources for part in evidence.parts),
        tuple(_about(note, agency, one.agency) for one, _ in sources for note in one.findings),
        tuple(aim for one, _ in sources if one.agency == agency for aim in one.targets),
        sum((_funnel(evidence.funnel, portion) for evidence, portion in sources), Funnel()),
    )


def _tally(whole: SurveyTally, portion: Portion) -> SurveyTally:
    (forms,) = portion.of([whole.forms])
    return replace(whole, forms=forms, counts=tuple(_row(row, portion) for row in whole.counts))


def _row(counts: Sequence[int], portion: Portion) -> tuple[int, ...]:
    """The part of each option: people are dealt out in the order of the options, blanks last.

    Each option by itself would be rounded up for the same holder, who could so come by more
    answers than forms.
    """
    edges = portion.of([*accumulate(counts, initial=0)])
    return tuple(after - before for before, after in pairwise(edges))


def _sum(one: SurveyTally, other: SurveyTally) -> SurveyTally:
    rows = zip(one.counts, other.counts, strict=True)
    counts = tuple(tuple(a + b for a, b in zip(*row, strict=True)) for row in rows)
    return replace(one, forms=one.forms + other.forms, counts=counts)


def _part(part: Part, portion: Portion) -> Part:
    (counted,) = portion.of([part.counted])
    if part.said is None:
        return replace(part, counted=counted)
    said = part.said
    passed = portion.of([said.issued, said.returned, said.invalid])
    return replace(part, counted=counted, said=Issued(part.survey, *passed))


def _about(finding: Finding, agency: str, source: str) -> Finding:
    return finding if source == agency else replace(finding, agency=source)


def _funnel(funnel: Funnel, portion: Portion) -> Funnel:
    return Funnel(*portion.of(astuple(funnel)))


Days = tuple[date, date | None]


def unchanged(
    members: Mapping[str, Sequence[Days]],
    successions: Sequence[Succession],
    first: date,
    last: date,
) -> list[str]:
    """The agencies that were members, and the same bodies, on all days from `first` to `last`.

    Who took over on the first day was the same ever since; who was succeeded on it was gone.
    """
    changed = {one.agency for one in successions if one.on <= last}
    changed |= {one.successor for one in successions if first < one.on <= last}
    return [
        agency
        for agency, spans in members.items()
        if agency not in changed and _throughout(spans, first, last)
    ]


def _throughout(spans: Sequence[Days], first: date, last: date) -> bool:
    """Whether the spans hold every day from `first` to `last`."""
    missing = first
    for start, end in sorted(spans, key=lambda span: span[0]):
        if start > missing:
            return False
        if end is None or end >= last:
            return True
        missing = max(missing, end + A_DAY)
    return False
