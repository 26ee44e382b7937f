"""What is asked of an edition and how it is answered."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from app.api.figures import MOST_SURVEYS, MethodId, check_origin, once
from app.api.findings import FindingOut, findings_out
from app.api.indices import DossiersOut, FormsOut
from app.api.ranking_schemas import ChangeOut
from app.api.schemas import (
    Code,
    In,
    Localised,
    Moment,
    Out,
    PeriodOut,
    PeriodText,
    Prose,
    example,
)
from app.api.texts import Language
from app.db.editions import Entry
from app.domain.edition import finding
from app.domain.edition_differences import Difference
from app.domain.errors import Fault
from app.domain.figure import Rounding
from app.domain.measure import Base, Status
from app.domain.structure import View

LATEST = "latest"  # stands in an address where codes do

FROZEN = {
    "code": "so-ban-nganh-2026-q1",
    "title": {"vi": "Mức độ hài lòng quý I năm 2026, khối sở, ban, ngành", "en": None},
    "peer_group": "so-ban-nganh",
    "period": {"first": "2026-01-01", "last": "2026-03-31"},
    "state": "frozen",
    "digest": "sha-256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "supersedes": None,
    "reason": None,
    "superseded_by": None,
    "frozen_at": "2026-04-02T09:00:00+07:00",
    "published_at": None,
    "url": "/v1/editions/so-ban-nganh-2026-q1",
}
ASKED = {
    "code": "so-ban-nganh-2026-q1",
    "title": {"vi": "Mức độ hài lòng quý I năm 2026, khối sở, ban, ngành"},
    "peer_group": "so-ban-nganh",
    "period": "2026-Q1",
    "surveys": ["tthc-2026"],
    "method": "top2-share@1",
    "minimum_n": 5,
}


class EditionIn(In):
    """Which figures are frozen under which code, and what they take the place of."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(ASKED))

    code: Code
    title: Localised
    peer_group: Code
    period: PeriodText = Field(description="2022, 2022-Q3 or 2022-07")
    surveys: Annotated[list[Code], Field(max_length=MOST_SURVEYS), AfterValidator(once)] = Field(
        default=[], description="Codes of the surveys to pool; empty with a source"
    )
    source: Code | None = Field(
        default=None,
        description="Instead of surveys, e.g. sipas; null: surveys",
    )
    earlier_surveys: Annotated[list[Code], Field(max_length=MOST_SURVEYS), AfterValidator(once)] = (
        Field(default=[], description="Surveys of the period before, where they are others")
    )
    method: MethodId | None = Field(
        default=None, description="null: top2-share@1; of a source as-published@1"
    )
    base: Base = Base.ANSWERS
    view: View = View.AS_WAS
    rounding: Rounding = Rounding.HALF_UP
    decimals: Annotated[int, Field(strict=True, ge=0, le=2)] = 2
    minimum_n: Annotated[int | None, Field(strict=True, ge=1, le=1000)] = Field(
        default=None,
        description="Fewest people of whom a figure is told; null: what the service is set to",
    )
    supersedes: Code | None = Field(
        default=None, description="Code of the edition whose place it takes; null: of none"
    )
    reason: Prose | None = Field(
        default=None, min_length=1, description="Why it takes another's place; null: it does not"
    )

    @model_validator(mode="after")
    def _either_or(self) -> "EditionIn":
        check_origin(self.method, self.surveys, self.source)
        return self

    def faults(self) -> Iterator[Fault]:
        """A revision says what it revises and why, and nothing is asked for that is not used."""
        if self.code == LATEST:
            yield Fault("/code", "reserved-code")
        if self.supersedes is not None and self.reason is None:
            yield Fault("/reason", "missing")
        if self.reason is not None and not self.reason.strip():
            yield Fault("/reason", "blank")
        if self.supersedes is None and self.reason is not None:
            yield Fault("/supersedes", "missing")
        if self.supersedes == self.code:
            yield Fault("/supersedes", "supersedes-itself")
        if self.earlier_surveys and not self.surveys:
            yield Fault("/earlier_surveys", "only-with-surveys")
        if self.source is not None and self.base is not Base.ANSWERS:
            yield Fault("/base", "not-allowed", {"allowed": Base.ANSWERS.value})


class EditionOut(Out):
    """An edition by its code, and the digest that its document is checked by."""

    model_config = ConfigDict(json_schema_extra=example(FROZEN))

    code: str
    title: Localised
    peer_group: str
    period: PeriodOut
    state: Literal["frozen", "published"] = Field(
        description="`frozen`: a draft, which can be discarded; `published`: for good"
    )
    digest: str = Field(description="SHA-256 of the document, byte for byte, after `sha-256:`")
    supersedes: str | None
    reason: str | None = Field(description="Why it takes another's place; null: it does not")
    superseded_by: str | None = Field(description="Code of the edition in its place; null: none")
    frozen_at: Moment
    published_at: Moment | None
    url: str = Field(description="Path of the document")


def edition_out(entry: Entry) -> EditionOut:
    """The edition as it is shown."""
    edition = entry.edition
    return EditionOut(
        code=edition.code,
        title=Localised.model_validate(edition.title),
        peer_group=edition.peer_group,
        period=PeriodOut(first=edition.first, last=edition.last),
        state="frozen" if edition.published_at is None else "published",
        digest=f"sha-256:{edition.digest.hex()}",
        supersedes=edition.supersedes,
        reason=edition.reason,
        superseded_by=entry.superseded_by,
        frozen_at=edition.frozen_at,
        published_at=edition.published_at,
        url=f"/v1/editions/{edition.code}",
    )


class EntryOut(Out):
    """What one edition, or the present, says of something; null where it says nothing of it."""

    status: Status | None = None
    value: float | None = None
    exact: str | None = Field(default=None)
    n: int | None = Field(default=None)
    target: float | None = None
    rank: int | None = None
    rank_low: int | None = None
    rank_high: int | None = None
    change: ChangeOut | None = None
    findings: list[FindingOut] = Field(default=[])
    response_rate: float | None = Field(
        default=None,
        description="Of a total, in percent; null: of others",
    )
    share_rated: float | None = Field(
        default=None,
        description="Of a total, in percent; null: of others",
    )
    forms: FormsOut | None = Field(default=None, description="Of an agency; null: of others")
    dossiers: DossiersOut | None = Field(default=None, description="Of an agency; null: of others")


class DifferenceOut(Out):
    """Something that is said otherwise now than in the edition; null where there is nothing."""

    agency: str | None = Field(description="null: all ranked agencies, the ranking's total")
    criterion: str | None = Field(description="null: the agency's forms and dossiers")
    published: EntryOut | None = Field(description="As the edition says; null: it says nothing")
    now: EntryOut | None = Field(description="As it is now, or in the other edition; null: nothing")


DIFFERING = {
    "edition": "so-ban-nganh-2026-q1",
    "against": None,
    "as_of": "2026-06-01T08:00:00+07:00",
    "terms": [],
    "compared": 126,
    "items": [
        {
            "agency": "H32.15",
            "criterion": "overall",
            "published": {
                "status": "ok",
                "value": 91.2,
                "exact": "456/5",
                "n": 1204,
                "target": 83,
                "rank": 1,
                "rank_low": 1,
                "rank_high": 3,
                "change": None,
                "findings": [],
                "response_rate": None,
                "share_rated": None,
                "forms": None,
                "dossiers": None,
            },
            "now": {
                "status": "ok",
                "value": 91.14,
                "exact": "110000/1207",
                "n": 1207,
                "target": 83,
                "rank": 2,
                "rank_low": 1,
                "rank_high": 3,
                "change": None,
                "findings": [],
                "response_rate": None,
                "share_rated": None,
                "forms": None,
                "dossiers": None,
            },
        }
    ],
}


class DifferencesOut(Out):
    """Where an edition differs from what is known now, or from another edition."""

    model_config = ConfigDict(json_schema_extra=example(DIFFERING))

    edition: str = Field(description="Code of the edition")
    against: str | None = Field(description="The other edition; null: what is known now")
    as_of: Moment
    terms: list[str] = Field(
        description="Terms on which the other is made otherwise, such as method or minimum_n"
    )
    compared: int = Field(description="Figures that were compared")
    items: list[DifferenceOut]


def difference_out(one: Difference, language: Language) -> DifferenceOut:
    """The difference as it is shown, its findings in the reader's language."""
    return DifferenceOut(
        agency=one.agency,
        criterion=one.criterion,
        published=_entry_out(one.before, language),
        now=_entry_out(one.after, language),
    )


def _entry_out(entry: Mapping[str, Any] | None, language: Language) -> EntryOut | None:
    if entry is None:
        return None
    found = [finding(one) for one in entry.get("findings", ())]
    return EntryOut.model_validate({**entry, "findings": findings_out(found, language)})
