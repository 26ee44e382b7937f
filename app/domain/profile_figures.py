"""The official profiles as measures, so that they are judged, shown and ranked as others are."""

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from fractions import Fraction

from app.domain import standing, withholding
from app.domain.advice import Lever
from app.domain.figure import Figure, Finding, Terms, judge
from app.domain.formulas import ONE, OVERALL
from app.domain.measure import Base, Level, Measure, Part, Ratio, Status, label, question_key
from app.domain.methods import At, not_applicable
from app.domain.profiles import (
    FEEDBACK_NOT_RECORDED,
    QD766,
    TT01,
    DossierCounts,
    Earned,
    IndexScore,
    Scorecard,
    Source,
)
from app.domain.questionnaire import Text
from app.domain.standing import Ranking
from app.domain.tally import SurveyTally

LEVELS: Mapping[str, Sequence[Level]] = {
    QD766: (Level.OVERALL,),
    TT01: (Level.CRITERION, Level.OVERALL),
}
DOSSIERS: Text = {
    "vi": "Tỷ lệ hồ sơ hài lòng (Quyết định 766)",
    "en": "Share of satisfied dossiers (Decision 766)",
}
TOTAL: Text = {"vi": "Tổng điểm chín chỉ số", "en": "Total of the nine indices"}


@dataclass(frozen=True, slots=True)
class Index(Measure):
    """One of the nine indices that has points, what earned them unless scored whole, and whence."""

    earned: Earned | None = None
    source: Source | None = None


# What a reader must know of an index, by where its data come from.
NOTES: Mapping[Source | None, Finding] = {
    Source.SELF_ASSESSMENT: Finding("self-assessed", {}),
    Source.DOSSIERS_AND_COMPLAINTS: Finding("complaints-self-reported", {}),
}


@dataclass(frozen=True, slots=True)
class Profile:
    """An agency by a profile: the overall measure and those of the criteria, with what to know."""

    measures: Sequence[Measure]
    findings: Sequence[Finding]

    def at(self, level: Level) -> list[Measure]:
        """The measures of a level."""
        return [measure for measure in self.measures if measure.level is level]


def check(method: str, level: Level, base: Base, at: At) -> None:
    """Nothing when the profile makes such figures; else MethodNotApplicableError."""
    if level not in LEVELS[method]:
        raise not_applicable(at.level, LEVELS[method])
    if base is not Base.ANSWERS:
        raise not_applicable(at.base, [Base.ANSWERS])


def of_dossiers(counted: DossierCounts, minimum_n: int) -> Profile:
    """QĐ 766: the share of dossiers, of all that were returned; no sample, so no interval.

    It is withheld where fewer people rated than may be seen: with the late dossiers, which are no
    secret, the share would tell how they did.
    """
    few = 0 < counted.rated < minimum_n
    if counted.value is None or few:
        status = Status.TOO_FEW if few else Status.PENDING
        n = counted.returned
        measure = Measure(Level.OVERALL, "overall", DOSSIERS, status, n, sampled=False)
        return Profile([measure], [FEEDBACK_NOT_RECORDED])
    measure = Measure(
        Level.OVERALL,
        "overall",
        DOSSIERS,
        Status.OK,
        counted.returned,
        counted.value,
        Ratio(Fraction(counted.satisfied), Fraction(counted.returned)),
        sampled=False,
    )
    return Profile([measure], [FEEDBACK_NOT_RECORDED])


def suppressed(card: Scorecard, tallies: Sequence[SurveyTally], minimum_n: int) -> frozenset[str]:
    """The indices with points that are asked for beside a question which is withheld."""
    hidden = withholding.of(tallies, minimum_n).questions
    questions = [one for tally in tallies for one in tally.questions]
    criteria = {one.criterion.code for one in questions if question_key(one) in hidden}
    return frozenset(
        index.number
        for index in card.indices
        if index.source is Source.SURVEYS
        and index.points is not None
        and f"tt01-{index.number}" in criteria
    )


def of_scorecard(card: Scorecard, withheld: AbstractSet[str] = frozenset()) -> Profile:
    """TT 01/2018: the nine indices in points of two, and their total of eighteen.

    The `withheld` ones are so for the sake of answers of few people.
    """
    card = Scorecard(
        tuple(
            replace(score, numerator=None) if score.number in withheld else score
            for score in card.indices
        )
    )
    total, grade = card.total, card.grade
    indices = [
        _index(score, Status.SUPPRESSED if score.number in withheld else score.status)
        for score in card.indices
    ]
    findings = [Finding(f"grade-{grade}", {})] if grade else []
    if card.missing:
        findings.append(Finding("indices-missing", {"indices": ", ".join(card.missing)}))
    whole = Measure(
        Level.OVERALL,
        "overall",
        TOTAL,
        Status.PENDING if total is None else Status.OK,
        value=None if total is None else Fraction(total),
        parts=tuple(Part(index, ONE) for index in indices),
        decimals=1,
        sampled=False,
    )
    return Profile([whole, *indices], findings)


def _index(score: IndexScore, status: Status) -> Measure:
    points = score.points
    if points is None or score.numerator is None:
        return Measure(
            Level.CRITERION,
            score.number,
            score.name,
            status,
            score.n or 0,
            decimals=1,
            sampled=False,
        )
    return Index(
        Level.CRITERION,
        score.number,
        score.name,
        Status.OK,
        score.n or score.denominator,
        Fraction(points),
        Ratio(Fraction(score.numerator), Fraction(score.denominator)),
        decimals=1,
        sampled=False,
        earned=score.earned,
        source=score.source,
    )


def judged(profile: Profile, level: Level, terms: Terms) -> list[Figure]:
    """The figures of a level. No target is set for them: those are for satisfied people.

    Points of few people are left out already; of self-assessments there are no people.
    """
    return [
        judge(
            measure,
            terms if measure.decimals is None else replace(terms, minimum_n=0),
            (),
            _notes(profile, measure),
        )
        for measure in profile.at(level)
    ]


def _notes(profile: Profile, measure: Measure) -> Sequence[Finding]:
    if isinstance(measure, Index):
        return [NOTES[measure.source]] if measure.source in NOTES else ()
    return profile.findings if measure.level is Level.OVERALL else ()


@dataclass(frozen=True, slots=True)
class Profiled:
    """Peers by an official profile."""

    method: str
    terms: Terms
    profiles: Mapping[str, Profile]

    def criteria(self) -> dict[str, Text]:
        """The total, and the indices where there are any."""
        return {
            measure.code: measure.name
            for profile in self.profiles.values()
            for measure in profile.measures
        } or {"overall": OVERALL}

    def figures(self, criterion: str) -> dict[str, Figure]:
        """Each peer's figure."""
        level = Level.OVERALL if criterion == "overall" else Level.CRITERION
        shown = {}
        for agency, profile in self.profiles.items():
            found = {one.measure.code: one for one in judged(profile, level, self.terms)}
            missing = judge(label(level, criterion, {"vi": criterion}), self.terms, (), ())
            shown[agency] = found.get(criterion, missing)
        return shown

    def ranking(self, criterion: str) -> Ranking:
        """The peers' places; sure ones, as nothing is a sample."""
        return standing.rank(self.figures(criterion))

    def peer_count(self, _criterion: str) -> int:
        """How many peers there are."""
        return len(self.profiles)

    def asked(self, _ranking: Ranking) -> frozenset[Hashable]:
        """Nothing: the profile itself says what counts."""
        return frozenset()

    def total(self, criterion: str, ranking: Ranking) -> Figure | None:
        """All dossiers of the ranked peers, a census; None of points, which are of agencies."""
        whole = standing.added_up(ranking, criterion, DOSSIERS) if self.method == QD766 else None
        if whole is None:
            return None
        return judge(whole, self.terms, (), [FEEDBACK_NOT_RECORDED])

    def lever(self, _agency: str) -> Lever | None:
        """None: the profiles have no criteria of satisfaction."""
        return None
