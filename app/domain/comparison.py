"""A peer group compared: figures and ranking by each criterion, and what changed since before."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from app.domain import advice, change, methods, published, standing
from app.domain.advice import Lever
from app.domain.change import Change, Side
from app.domain.errors import Fault, NotFoundError
from app.domain.evidence import Evidence
from app.domain.figure import Figure, Target, Terms, judge
from app.domain.formulas import OVERALL, by_criterion, with_interval
from app.domain.measure import Level
from app.domain.methods import Method
from app.domain.published import PublishedFigure
from app.domain.questionnaire import Text
from app.domain.standing import Judging, Ranking


class CriterionNotFoundError(NotFoundError):
    """No form asks for this criterion, or no figure is known by it."""

    code = "criterion-not-found"


def check_criterion(criterion: str, known: Collection[str], pointer: str) -> None:
    """Nothing of the overall index or a known criterion; else CriterionNotFoundError."""
    if criterion != "overall" and criterion not in known:
        raise CriterionNotFoundError(Fault(pointer, "criterion-not-found", {"code": criterion}))


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

    def asked(self, ranking: Ranking) -> frozenset[Hashable]:
        """What was asked for the figures; they are comparable with others of the same."""

    def total(self, criterion: str, ranking: Ranking) -> Figure | None:
        """All ranked peers together, or None where they cannot be added up."""

    def lever(self, agency: str) -> Lever | None:
        """The criterion that would lift the agency's overall index the most."""


@dataclass(frozen=True)  # without slots: it keeps what is withheld of its peers
class Counted:
    """Peers by a method, from their tallies."""

    formula: Method
    terms: Terms
    evidence: Mapping[str, Evidence]

    @cached_property
    def judgings(self) -> dict[str, Judging]:
        """By what each peer's measures are judged, whatever the criterion."""
        return {
            agency: standing.judging(self.formula, self.terms, own)
            for agency, own in self.evidence.items()
        }

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
            questions = [question for tally in own.tallies for question in tally.questions]
            for code, group in by_criterion(questions).items():
                named.setdefault(code, group[0].criterion.name)
        return named

    def figures(self, criterion: str) -> dict[str, Figure]:
        """Each peer's figure."""
        return {agency: standing.figure(by, criterion) for agency, by in self.judgings.items()}

    def ranking(self, criterion: str) -> Ranking:
        """The peers' places."""
        return standing.rank(self.figures(criterion))

    def peer_count(self, _criterion: str) -> int:
        """How many peers there are."""
        return len(self.evidence)

    def asked(self, ranking: Ranking) -> frozenset[Hashable]:
        """The questions behind the figures."""
        return change.asked(one.measure for one in ranking.figures.values())

    def total(self, criterion: str, ranking: Ranking) -> Figure | None:
        """The ranked rows added up; None of means."""
        name = self.criteria().get(criterion, {"vi": criterion})
        whole = standing.added_up(ranking, criterion, name)
        return None if whole is None else judge(with_interval(whole), self.terms, (), ())

    def lever(self, agency: str) -> Lever | None:
        """The criterion that would lift the agency's overall index the most."""
        tallies = self.evidence[agency].tallies
        hidden = standing.withheld_criteria(self.judgings[agency])
        return advice.lever(self.formula, tallies, self.terms.base, hidden)


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

    def asked(self, _ranking: Ranking) -> frozenset[Hashable]:
        """The criteria that were printed: another list of them is another questionnaire."""
        return frozenset(self.criteria())

    def total(self, _criterion: str, _ranking: Ranking) -> Figure | None:
        """None: nobody printed how many people each value rests on."""
        return None

    def lever(self, _agency: str) -> Lever | None:
        """None: the criteria's weights were not printed."""
        return None


def changes(now: Group, ranking: Ranking, before: Group, criterion: str) -> dict[str, Change]:
    """What changed since the earlier period, for each peer that has a value in both."""
    return change.changes(_side(now, ranking), _side(before, before.ranking(criterion)))


def _side(group: Group, ranking: Ranking) -> Side:
    rows = {row.place.agency: row.place for row in ranking.rows}
    return Side(
        ranking.figures.keys(),
        group.method,
        group.asked(ranking),
        {agency: place.value for agency, place in rows.items()},
        {agency: place.rank for agency, place in rows.items() if place.rank is not None},
    )
