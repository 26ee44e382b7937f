"""A peer group compared: figures and ranking by each criterion, and what changed since before."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from app.domain import advice, change, methods, published, standing, structure
from app.domain.advice import Lever
from app.domain.change import Change, Side
from app.domain.evidence import Evidence
from app.domain.figure import Figure, Target, Terms, judge
from app.domain.formulas import OVERALL, by_criterion
from app.domain.measure import Level
from app.domain.methods import Method
from app.domain.published import PublishedFigure
from app.domain.questionnaire import Text
from app.domain.standing import Ranking
from app.domain.structure import Portion


class Group(Protocol):
    """The peers of a period, by whatever their figures are made of."""

    @property
    def method(self) -> str:
        """The id of the method."""

    def criteria(self) -> dict[str, Text]:
        """The criteria there are figures for, with their names; `overall` first."""

    def figures(self, criterion: str) -> dict[str, Figure]:
        """Each peer's figure, in the order of their codes."""

    def ranking(self, criterion: str) -> Ranking:
        """The peers' places."""

    def peer_count(self, criterion: str) -> int:
        """How many peers there are."""

    def asked(self, criterion: str) -> frozenset[Hashable]:
        """What was asked for the figures; they are comparable with others of the same."""

    def total(self, criterion: str, ranking: Ranking) -> Figure | None:
        """All ranked peers together, or None where they cannot be added up."""

    def lever(self, agency: str) -> Lever | None:
        """The criterion that would lift the agency's overall index the most."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Peers by a method, from their tallies."""

    formula: Method
    terms: Terms
    evidence: Mapping[str, Evidence]

    @property
    def method(self) -> str:
        """The id of the method."""
        return self.formula.id

    def criteria(self) -> dict[str, Text]:
        """The criteria of the forms, where the method speaks of them."""
        named: dict[str, Text] = {"overall": OVERALL}
        if Level.CRITERION not in self.formula.levels:
            return named
        for own in self.evidence.values():
            questions = [question for tally in own.tallies for question in tally.questions()]
            for code, group in by_criterion(questions).items():
                named.setdefault(code, group[0].criterion.name)
        return named

    def figures(self, criterion: str) -> dict[str, Figure]:
        """Each peer's figure."""
        return {
            agency: standing.figure(self.formula, self.terms, own, criterion)
            for agency, own in self.evidence.items()
        }

    def ranking(self, criterion: str) -> Ranking:
        """The peers' places."""
        return standing.rank(self.figures(criterion))

    def peer_count(self, _criterion: str) -> int:
        """How many peers there are."""
        return len(self.evidence)

    def asked(self, criterion: str) -> frozenset[Hashable]:
        """The questions behind the figures."""
        return change.asked(
            methods.criterion(self.formula, own.tallies, criterion, self.terms.base)
            for own in self.evidence.values()
        )

    def total(self, criterion: str, ranking: Ranking) -> Figure | None:
        """The ranked peers' forms together; those withheld are left out, so nothing gives them."""
        whole = Portion((Fraction(1),), 0)
        shown = [(self.evidence[row.place.agency], whole) for row in ranking.rows]
        if not shown:
            return None
        measure = methods.criterion(
            self.formula, structure.merged("", shown).tallies, criterion, self.terms.base
        )
        return judge(measure, self.terms, (), ())

    def lever(self, agency: str) -> Lever | None:
        """The criterion that would lift the agency's overall index the most."""
        own = self.evidence[agency]
        hidden = [
            one.measure.code
            for one in standing.figures(self.formula, self.terms, own, Level.CRITERION)
            if one.measure.value is None
        ]
        return advice.lever(self.formula, own.tallies, self.terms.base, hidden)


@dataclass(frozen=True, slots=True)
class Printed:
    """Peers by what a source printed of them."""

    terms: Terms
    bodies: Mapping[str, Sequence[PublishedFigure]]
    targets: Mapping[str, Collection[Target]]
    method: str = methods.AS_PUBLISHED

    def criteria(self) -> dict[str, Text]:
        """The criteria that were printed."""
        named: dict[str, Text] = {"overall": OVERALL}
        for printed in self.bodies.values():
            for one in printed:
                named.setdefault(one.criterion, one.name)
        return named

    def figures(self, criterion: str) -> dict[str, Figure]:
        """Each peer's printed figure."""
        shown = {}
        for agency, printed in self.bodies.items():
            notes = published.findings(printed) if criterion == "overall" else []
            measure = published.of_criterion(printed, criterion)
            shown[agency] = judge(measure, self.terms, self.targets.get(agency, ()), notes)
        return shown

    def _places(self, criterion: str) -> dict[str, tuple[int | None, int | None]]:
        return {
            agency: published.place(printed, criterion) for agency, printed in self.bodies.items()
        }

    def ranking(self, criterion: str) -> Ranking:
        """The printed places; computed ones only where none was printed."""
        places = self._places(criterion).items()
        ranks = {agency: rank for agency, (rank, _) in places if rank is not None}
        return standing.rank(self.figures(criterion), ranks)

    def peer_count(self, criterion: str) -> int:
        """How many peers the source printed, or else we know."""
        printed = [count or 0 for _, count in self._places(criterion).values()]
        return max([len(self.bodies), *printed])

    def asked(self, _criterion: str) -> frozenset[Hashable]:
        """The criteria that were printed: another list of them is another questionnaire."""
        return frozenset(self.criteria())

    def total(self, _criterion: str, _ranking: Ranking) -> Figure | None:
        """None: nobody printed how many people each value rests on."""
        return None

    def lever(self, _agency: str) -> Lever | None:
        """None: the criteria's weights were not printed."""
        return None


def changes(
    now: Group, ranking: Ranking, before: Group | None, criterion: str
) -> dict[str, Change]:
    """What changed since the earlier period, for each peer that has a value in both."""
    if before is None:
        return {}
    return change.changes(
        _side(now, ranking, criterion), _side(before, before.ranking(criterion), criterion)
    )


def _side(group: Group, ranking: Ranking, criterion: str) -> Side:
    rows = {row.place.agency: row for row in ranking.rows}
    return Side(
        frozenset(rows) | {agency for agency, _ in ranking.unranked},
        group.method,
        group.asked(criterion),
        {agency: row.place.value for agency, row in rows.items()},
        {agency: row.place.rank for agency, row in rows.items() if row.place.rank is not None},
    )
