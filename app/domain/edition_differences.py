"""What two editions, or an edition and the present, do not have in common."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Document = Mapping[str, Any]
Key = tuple[str | None, str | None]

TERMS = (
    "surveys",
    "source",
    "earlier_surveys",
    "method",
    "base",
    "view",
    "rounding",
    "decimals",
    "minimum_n",
)
FIGURE = ("status", "value", "exact", "n", "target", "findings")
PLACE = ("rank", "rank_low", "rank_high", "change")
TOTAL = ("status", "value", "exact", "n", "response_rate", "share_rated")


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that two documents do not have in common; None where one has nothing of it.

    Without an agency it is the total of all that are ranked by the criterion; without a criterion
    it is how many forms and dossiers the agency had.
    """

    agency: str | None
    criterion: str | None
    before: Document | None
    after: Document | None


def terms_differing(before: Document, after: Document) -> list[str]:
    """The terms on which the two are not made alike, so that their figures cannot be."""
    return [name for name in TERMS if _term(before, name) != _term(after, name)]


def _term(document: Document, name: str) -> object:
    """A term of an edition, without what it is called."""
    if name == "surveys":
        return [survey["code"] for survey in document["surveys"]]
    return document["method"]["id"] if name == "method" else document[name]


def differences(before: Document, after: Document) -> list[Difference]:
    """Where two editions of the same peers and months differ; not where one only rounds otherwise.

    Compared are each agency's figures and places, its forms and dossiers, and the totals.
    """
    old, new = dict(_entries(before)), dict(_entries(after))
    alike = not {"rounding", "decimals"}.intersection(terms_differing(before, after))
    return [
        Difference(agency, criterion, old.get(key), new.get(key))
        for key in dict.fromkeys((*old, *new))
        if _said(old.get(key), alike=alike) != _said(new.get(key), alike=alike)
        for agency, criterion in (key,)
    ]


def _said(entry: Document | None, *, alike: bool) -> Document | None:
    """The entry without its value as shown, which may only be rounded otherwise."""
    if entry is None:
        return None
    said = {name: what for name, what in entry.items() if name != "value"}
    if not alike and said.get("change"):
        said["change"] = {**said["change"], "value": None}
    return said


def _entries(document: Document) -> Iterator[tuple[Key, Json]]:
    """What two editions are compared by, per agency and criterion."""
    places = {
        (row["agency"], ranking["criterion"]): {name: row[name] for name in PLACE}
        for ranking in document["rankings"]
        for row in ranking["rows"]
    }
    unplaced = dict.fromkeys(PLACE)
    for part in document["agencies"]:
        agency = part["agency"]
        yield (agency, None), {"forms": part["forms"], "dossiers": part["dossiers"]}
        for figure in part["figures"]:
            key = (agency, figure["code"])
            yield key, {name: figure[name] for name in FIGURE} | places.get(key, unplaced)
    for ranking in document["rankings"]:
        if ranking["total"] is not None:
            # Editions of earlier versions say less of their totals.
            yield (
                (None, ranking["criterion"]),
                {name: ranking["total"].get(name) for name in TOTAL},
            )
